"""
Requests and responses: header lines kept as they came, parsed on demand.

A message is its start line, its header lines and its body, all bytes. What is not touched is
printed as it came, byte for byte (RFC 3261 16.6 lets a proxy change little).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, TypeVar

from attrs import define, field

from sipoutbound.message.grammar import (
    ALMOST_REQUEST,
    REQUEST_LINE,
    STATUS_LINE,
    Malformed,
)
from sipoutbound.message.header import CSeq, NameAddress, Via, splitList
from sipoutbound.message.name import KEYS, NONE
from sipoutbound.message.status import PHRASES
from sipoutbound.message.uri import URI, cachedURI, sameHost

# A line break that is not the start of a folded line (RFC 3261 7.3.1).
_UNFOLDED: Final = re.compile(rb"\r\n(?![ \t])")
_FOLD: Final = re.compile(rb"[ \t]*\r\n[ \t]+")

# The tag of a To or From: a parameter, so behind the address and outside its quotes.
_TAG: Final = re.compile(rb";[ \t\r\n]*tag[ \t\r\n]*=[^\"<>]*$", re.I)

# What the server that receives a request puts into its top Via (RFC 3261 18.2.1, RFC 3581 4).
_RECEIVED: Final = re.compile(rb";[ \t]*received[ \t]*=[^;,]*", re.I)
_RPORT: Final = re.compile(rb";[ \t]*rport(?:[ \t]*=[^;,]*|(?=[ \t]*(?:;|$)))", re.I)

_M = TypeVar("_M", bound="Message")

Headers = Iterable[tuple[bytes, bytes]]


@define(eq=False)
class Message:
    """
    What requests and responses share.

    @ivar start: the start line, without its line break.
    @ivar lines: the header lines in order, a folded one whole.
    @ivar keys: the canonical name of each line; C{b""} for a line that is no header.
    @ivar body: the body; at most as long as Content-Length said.
    """

    start: bytes
    lines: list[bytes]
    keys: list[bytes]
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
        try:
            line = self.lines[self.keys.index(key)]
        except ValueError:
            return None
        return _value(line)

    def texts(self, key: bytes) -> list[bytes]:
        """
        The text of each line with that name, uncut.
        """
        return [_value(line) for line, k in zip(self.lines, self.keys, strict=True) if k == key]

    def all(self, key: bytes) -> list[bytes]:
        """
        Every value of a header that is a list: all its lines, cut at their commas (RFC 3261 7.3.1).
        """
        if key not in self.keys:
            return []
        return [value for text in self.texts(key) for value in splitList(text)]

    def need(self, key: bytes) -> bytes:
        """
        As L{first}, for a header that must be there.

        @raise Malformed: when it is absent.
        """
        text = self.first(key)
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
            text = self.need(b"via")
            self._via = Via.parse(splitList(text)[0] if b"," in text else text)
        return self._via

    @property
    def cseq(self) -> CSeq:
        """
        @raise Malformed: when CSeq is absent or bad.
        """
        if self._cseq is None:
            self._cseq = CSeq.parse(self.need(b"cseq"))
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
        self._forget()

    def set(self, name: bytes, value: bytes) -> None:
        """
        Replace the first line of that name, or add one at the end.
        """
        key = KEYS[name]
        if key in self.keys:
            self.lines[self.keys.index(key)] = name + b": " + value
        else:
            self.lines.append(name + b": " + value)
            self.keys.append(key)
        self._forget()

    def drop(self, key: bytes) -> None:
        """
        Remove every line of that name.
        """
        for at in range(len(self.keys) - 1, -1, -1):
            if self.keys[at] == key:
                del self.lines[at], self.keys[at]
        self._forget()

    def pop(self, key: bytes) -> bytes:
        """
        Remove the first value of a list header, its line too if that was all of it.

        @return: the value.
        @raise Malformed: when there is none.
        """
        self.need(key)
        at = self.keys.index(key)
        value, *rest = splitList(_value(self.lines[at]))
        if rest:
            name = self.lines[at].partition(b":")[0]
            self.lines[at] = name + b": " + b", ".join(rest)
        else:
            del self.lines[at], self.keys[at]
        self._forget()
        return value

    def _forget(self) -> None:
        self._via = self._cseq = None


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
        return _TAG.search(self.need(b"to")) is not None

    @property
    def wantsSourcePort(self) -> bool:
        """
        Whether the top Via has an C{rport} parameter (RFC 3581 3).
        """
        tail = self.via.tail
        return tail.find(b"rport") >= 0 and _RPORT.search(tail) is not None

    def stamp(self, host: bytes, port: int) -> None:
        """
        Put the address that the request came from into its top Via: C{received} where the sent-by
        is another host or C{rport} asks for it, and the value of C{rport} (RFC 3261 18.2.1,
        RFC 3581 4).

        @param host: the source address, IPv6 without brackets.
        """
        via = self.via
        wanted = self.wantsSourcePort
        bracketed = b"[%b]" % host if b":" in host else host
        if not wanted and sameHost(via.host, bracketed) and via.tail.find(b"received") < 0:
            return
        tail = _RECEIVED.sub(b"", via.tail)
        if wanted:
            tail = _RPORT.sub(b";rport=%d" % port, tail, count=1)
        at = self.keys.index(b"via")
        name, _, text = self.lines[at].partition(b":")
        top, *others = splitList(text)
        top = top[: len(top) - len(via.tail)] + tail + b";received=" + host
        self.lines[at] = name + b": " + b", ".join((top, *others))
        self._via = None

    def copy(self, uri: bytes | None = None) -> Request:
        """
        A request of the same text, to be changed and sent on.

        @param uri: another Request-URI.
        """
        start = self.start if uri is None else self.method + b" " + uri + b" SIP/2.0"
        return Request(
            start, self.lines.copy(), self.keys.copy(), self.body, self.method, uri or self.uri
        )


# Methods that neither form dialogs nor need a route back: RFC 3261, 3428, 3903.
_DIALOGLESS: Final = frozenset(
    (b"REGISTER", b"OPTIONS", b"MESSAGE", b"PUBLISH", b"ACK", b"CANCEL", b"BYE")
)


@define(eq=False)
class Response(Message):
    """
    @ivar status: 100 to 699.
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
        lines, keys = [], []
        for line, key in zip(request.lines, request.keys, strict=True):
            if key in _ECHOED:
                if key == b"to" and toTag is not None and _TAG.search(line) is None:
                    line = line.rstrip() + b";tag=" + toTag
                lines.append(line)
                keys.append(key)
        for name, value in headers:
            lines.append(name + b": " + value)
            keys.append(KEYS[name])
        lines.append(b"Content-Length: 0")
        keys.append(b"content-length")
        return cls(b"SIP/2.0 %d %b" % (status, phrase), lines, keys, b"", status, phrase)

    def copy(self) -> Response:
        """
        A response of the same text, to be changed and sent on.
        """
        return Response(
            self.start, self.lines.copy(), self.keys.copy(), self.body, self.status, self.reason
        )


# RFC 3261 8.2.6.2
_ECHOED: Final = frozenset((b"via", b"from", b"to", b"call-id", b"cseq"))


def parseMessage(head: bytes, body: bytes = b"") -> Request | Response:
    """
    Read a message whose head is complete.

    @param head: start line and header lines, without the empty line.
    @raise Malformed: when the start line is nothing that SIP knows: there is nobody to answer. A
        request that is almost one comes back with its C{flaw} set.
    """
    start, *lines = head.split(b"\r\n")
    keys = [KEYS[line.partition(b":")[0]] for line in lines]
    if NONE in keys:
        start, *lines = _UNFOLDED.split(head)
        keys = [KEYS[line.partition(b":")[0]] if b":" in line else NONE for line in lines]
    parts = start.split(b" ")
    if len(parts) == 3 and parts[2] == b"SIP/2.0" and parts[0] in _KNOWN:
        return Request(start, lines, keys, body, parts[0], parts[1])
    return _parseUnusual(start, lines, keys, body)


# Methods whose spelling needs no second look.
_KNOWN: Final = frozenset(
    b"REGISTER INVITE ACK BYE CANCEL OPTIONS MESSAGE SUBSCRIBE NOTIFY UPDATE PRACK INFO REFER"
    b" PUBLISH".split()
)


def _parseUnusual(
    start: bytes, lines: list[bytes], keys: list[bytes], body: bytes
) -> Request | Response:
    if match := STATUS_LINE.fullmatch(start):
        return Response(start, lines, keys, body, int(match[1]), match[2] or b"")
    if match := REQUEST_LINE.fullmatch(start):
        return Request(start, lines, keys, body, match[1], match[2])
    if match := ALMOST_REQUEST.fullmatch(start):
        known = match[3].upper() == b"SIP/2.0"
        flaw = Malformed("Bad Request-Line") if known else Malformed("Version Not Supported", 505)
        return Request(start, lines, keys, body, match[1], match[2], flaw)
    raise Malformed("Not SIP")


def _value(line: bytes) -> bytes:
    value = line.partition(b":")[2].strip()
    return _FOLD.sub(b" ", value) if b"\n" in value else value
