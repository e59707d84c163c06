"""
Requests and responses: header lines kept as they came, parsed on demand.

A message is its start line, its header lines and its body, all bytes. What is not touched is
printed as it came, byte for byte (RFC 3261 16.6 lets a proxy change little).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import compress
from typing import Final

from attrs import define, field

from sipoutbound.message.grammar import PARAMETER, Malformed
from sipoutbound.message.header import CSeq, NameAddress, Via, lineText, splitList
from sipoutbound.message.name import KEYS
from sipoutbound.message.status import PHRASES
from sipoutbound.message.uri import URI, cachedURI, sameHost

# Asks for the source port (RFC 3581 3).
_RPORT: Final = re.compile(rb";[ \t]*rport(?:[ \t]*=[^;,]*|(?=[ \t]*(?:;|$)))", re.I)

# The octet: to look for it is five times as fast as to look for the text.
_COMMA: Final = ord(",")

Headers = Iterable[tuple[bytes, bytes]]


@define(eq=False)
class Message:
    """
    What requests and responses share.

    @ivar start: the start line, without its line break.
    @ivar lines: the header lines in order, a folded one whole.
    @ivar keys: the canonical name of each line; C{b""} for a line that is no header.
    @ivar values: by its canonical name the text of the first header of that name, stripped and
        unfolded.
    @ivar body: the body; at most as long as Content-Length said.
    """

    start: bytes
    lines: list[bytes]
    keys: list[bytes]
    values: dict[bytes, bytes]
    body: bytes = b""
    _via: Via | None = field(default=None, init=False)
    _cseq: CSeq | None = field(default=None, init=False)

    def __bytes__(self) -> bytes:
        return b"\r\n".join((self.start, *self.lines, b"", self.body))

    def first(self, key: bytes) -> bytes | None:
        """
        The whole text of the first line with that name, stripped and unfolded; C{None} where
        there is none.

        @param key: the canonical name, lower-case.
        """
        return self.values.get(key)

    def texts(self, key: bytes) -> list[bytes]:
        """
        The text of each line with that name, uncut.
        """
        if self.keys.count(key) <= 1:
            return [self.values[key]] if key in self.values else []
        return [lineText(line) for line, k in zip(self.lines, self.keys, strict=True) if k == key]

    def all(self, key: bytes) -> list[bytes]:
        """
        Every value of a header that is a list: all its lines, cut at their commas (RFC 3261 7.3.1).
        """
        text = self.values.get(key)
        if text is None:
            return []
        if self.keys.count(key) == 1:
            return splitList(text)
        return [value for text in self.texts(key) for value in splitList(text)]

    def need(self, key: bytes) -> bytes:
        """
        As L{first}, for a header that must be there.

        @raise Malformed: when it is absent.
        """
        text = self.values.get(key)
        if not text:
            raise Malformed(f"Missing {key.decode().title()} Header")
        return text

    @property
    def via(self) -> Via:
        """
        The topmost Via.

        @raise Malformed: when there is none, or it is none.
        """
        if self._via is None:
            text = self.values.get(b"via") or self.need(b"via")
            self._via = Via.parse((splitList(text) or [text])[0] if _COMMA in text else text)
        return self._via

    @property
    def cseq(self) -> CSeq:
        """
        @raise Malformed: when CSeq is absent or bad.
        """
        if self._cseq is None:
            self._cseq = CSeq.parse(self.values.get(b"cseq") or self.need(b"cseq"))
        return self._cseq

    @property
    def callId(self) -> bytes:
        """
        @raise Malformed: when Call-ID is absent.
        """
        return self.need(b"call-id")

    @property
    def to(self) -> NameAddress:
        """
        @raise Malformed: when To is absent or bad.
        """
        return NameAddress.parse(self.need(b"to"))

    @property
    def from_(self) -> NameAddress:
        """
        @raise Malformed: when From is absent or bad.
        """
        return NameAddress.parse(self.need(b"from"))

    # Changing a message. Only a copy of ours is changed, never what came in.

    def put(self, name: bytes, value: bytes) -> None:
        """
        Add a header line in front of those of the same name, or at the top where there is none.
        """
        key = KEYS[name]
        at = self.keys.index(key) if key in self.keys else 0
        self.lines.insert(at, name + b": " + value)
        self.keys.insert(at, key)
        self._learn(key, value)

    def set(self, name: bytes, value: bytes) -> None:
        """
        Replace the first line of that name, or add one at the end.
        """
        key = KEYS[name]
        if key in self.values:
            self.lines[self.keys.index(key)] = name + b": " + value
        else:
            self.lines.append(name + b": " + value)
            self.keys.append(key)
        self._learn(key, value)

    def drop(self, key: bytes) -> None:
        """
        Remove every line of that name.
        """
        for at in range(len(self.keys) - 1, -1, -1):
            if self.keys[at] == key:
                del self.lines[at], self.keys[at]
        self._learn(key, None)

    def pop(self, key: bytes) -> bytes:
        """
        Remove the first value of a list header, its line too if that was all of it.

        @return: the value.
        @raise Malformed: when there is none.
        """
        value, *rest = splitList(self.need(key)) or [b""]
        if not value:
            raise Malformed(f"Empty {key.decode().title()} Header")
        at = self.keys.index(key)
        if rest:
            name = self.lines[at].partition(b":")[0]
            self.lines[at] = name + b": " + b", ".join(rest)
        else:
            del self.lines[at], self.keys[at]
        left = key in self.keys
        self._learn(key, lineText(self.lines[self.keys.index(key)]) if left else None)
        return value

    def _learn(self, key: bytes, value: bytes | None) -> None:
        if value is None:
            self.values.pop(key, None)
        else:
            self.values[key] = value
        if key == b"via":
            self._via = None
        elif key == b"cseq":
            self._cseq = None


@define(eq=False)
class Request(Message):
    """
    @ivar method: as sent; methods are case-sensitive (RFC 3261 7.1).
    @ivar uri: the Request-URI as sent.
    @ivar flaw: what is wrong with the start line or the framing, found while reading.
    """

    method: bytes = b""
    uri: bytes = b""
    flaw: Malformed | None = None

    @property
    def target(self) -> URI:
        """
        The Request-URI.

        @raise Malformed: when it is none.
        """
        return cachedURI(self.uri)

    @property
    def formsDialog(self) -> bool:
        """
        Whether a dialog can come of this request: it is in none yet (no To tag), and its method is
        none of those known to form none (RFC 3261 12.1, RFC 5626 5.3).
        """
        return self.method not in _DIALOGLESS and not self.inDialog

    @property
    def inDialog(self) -> bool:
        """
        Whether its To header has a tag (RFC 3261 12.2).
        """
        return _hasTag(self.need(b"to"))

    @property
    def wantsSourcePort(self) -> bool:
        """
        Whether the top Via has an C{rport} parameter (RFC 3581 3).
        """
        tail = self.via.tail
        return b"rport" in tail.lower() and _RPORT.search(tail) is not None

    def stamp(self, host: bytes, port: int) -> bool:
        """
        Put the address that the request came from into its top Via: C{received} where the sent-by
        is another host or C{rport} asks for it, and the value of C{rport} (RFC 3261 18.2.1,
        RFC 3581 4).

        @param host: the source address, IPv6 without brackets.
        @return: whether C{rport} was there: responses go back to that port then (RFC 3581 4).
        """
        via = self.via
        wanted = self.wantsSourcePort
        bracketed = b"[%b]" % host if b":" in host else host
        if not wanted and sameHost(via.host, bracketed) and b"received" not in via.tail.lower():
            return False
        top, *others = splitList(self.values[b"via"])
        tail = _stamped(via.tail, port) + b";received=" + host
        top = top[: len(top) - len(via.tail)] + tail
        value = b", ".join((top, *others))
        at = self.keys.index(b"via")
        self.lines[at] = self.lines[at].partition(b":")[0] + b": " + value
        self.values[b"via"] = value
        via.tail = tail
        return wanted

    def copy(self, uri: bytes | None = None) -> Request:
        """
        A request of the same text, to be changed and sent on.

        @param uri: another Request-URI.
        """
        start = self.start if uri is None else self.method + b" " + uri + b" SIP/2.0"
        lines, keys, values = self.lines.copy(), self.keys.copy(), self.values.copy()
        copy = Request(start, lines, keys, values, self.body, self.method, uri or self.uri)
        copy._via, copy._cseq = self._via, self._cseq
        return copy


# Methods that neither form dialogs nor need a route back: RFC 3261, 3428, 3903.
_DIALOGLESS: Final = frozenset(
    (b"REGISTER", b"OPTIONS", b"MESSAGE", b"PUBLISH", b"ACK", b"CANCEL", b"BYE")
)


@define(eq=False)
class Response(Message):
    """
    @ivar status: 100 to 699; 0 where the status line is none.
    @ivar reason: the reason phrase as sent.
    """

    status: int = 0
    reason: bytes = b""

    @classmethod
    def reply(
        cls,
        request: Request,
        status: int,
        reason: bytes | str | None = None,
        headers: Headers = (),
        toTag: bytes | None = None,
    ) -> Response:
        """
        A response of our own to a request: its Via lines, From, To, Call-ID and CSeq, then
        C{headers} and Content-Length (RFC 3261 8.2.6).

        @param toTag: added to the To header where that has no tag.
        """
        phrase = reason.encode() if isinstance(reason, str) else reason or PHRASES.get(status, b"")
        echoed = [*map(_ECHOED.__contains__, request.keys)]
        lines = [*compress(request.lines, echoed)]
        keys = [*compress(request.keys, echoed)]
        values = dict(zip(keys, map(request.values.__getitem__, keys), strict=True))
        if toTag is not None and b"to" in values and not _hasTag(values[b"to"]):
            values[b"to"] += b";tag=" + toTag
            lines[keys.index(b"to")] = b"To: " + values[b"to"]
        pairs = (*headers, _NO_BODY)
        lines += map(b": ".join, pairs)
        names, texts = zip(*pairs, strict=True)
        added = [*map(KEYS.__getitem__, names)]
        keys += added
        values = {**dict(zip(reversed(added), reversed(texts), strict=True)), **values}
        start = b"SIP/2.0 %d %b" % (status, phrase)
        return cls(start, lines, keys, values, b"", status, phrase)

    def copy(self) -> Response:
        """
        A response of the same text, to be changed and sent on.
        """
        lines, keys, values = self.lines.copy(), self.keys.copy(), self.values.copy()
        return Response(self.start, lines, keys, values, self.body, self.status, self.reason)


_NO_BODY: Final = (b"Content-Length", b"0")

# RFC 3261 8.2.6.2
_ECHOED: Final = frozenset((b"via", b"from", b"to", b"call-id", b"cseq"))


def _hasTag(address: bytes) -> bool:
    """
    Whether a To has a tag. Only a parameter of it is one, not what stands in its quotes or its URI.
    """
    if b"tag" not in address.lower():
        return False
    try:
        return NameAddress.parse(address).has(b"tag")
    except Malformed:
        return False


def _stamped(tail: bytes, port: int) -> bytes:
    """
    The parameters of a Via, its C{rport} filled in and its C{received}, which anybody may have
    written, left out.
    """
    params = []
    for match in PARAMETER.finditer(tail):
        name = match[1].lower()
        if name == b"rport":
            params.append(b";rport=%d" % port)
        elif name != b"received":
            params.append(match[0])
    return b"".join(params)
