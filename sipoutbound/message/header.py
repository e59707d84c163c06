"""
Typed header values and how to split a header's text into them (RFC 3261 7.3, 20, 25.1).
"""

from __future__ import annotations

import re
from typing import Final

from attrs import define

from sipoutbound.message.grammar import (
    BRANCH,
    CSEQ,
    DIGITS,
    NAME_ADDRESS,
    PARAMETER,
    QUOTED_STRING,
    VIA,
    Malformed,
)
from sipoutbound.message.uri import URI, Params, checkedHost, paramOf

# The octet: to look for it is five times as fast as to look for the text.
_COMMA: Final = ord(",")

_FOLD: Final = re.compile(rb"(?<![ \t])[ \t]*+\r\n[ \t]++")

# What may not be cut at its commas: a quoted string, a URI in angle brackets. One that is not
# closed reaches to the end, so that nothing is lost and nobody takes its inside for values.
_LIST_PIECE: Final = re.compile(rb'(?:"(?:[^"\\]|\\.)*+(?:"|\\?\Z)|<[^>]*+(?:>|\Z)|[^,"<])++', re.S)

_QUOTED: Final = re.compile(QUOTED_STRING)


def lineText(line: bytes) -> bytes:
    """
    The text of a whole header line: what follows its colon, stripped and unfolded.
    """
    text = line.partition(b":")[2].strip()
    return _FOLD.sub(b" ", text) if b"\n" in text else text


def splitList(text: bytes) -> list[bytes]:
    """
    Cut a header's text into its values, at commas outside quotes and angle brackets
    (RFC 3261 7.3.1). Empty values are dropped.
    """
    if _COMMA not in text:
        text = text.strip()
        return [text] if text else []
    if b'"' not in text and b"<" not in text:
        pieces = text.split(b",")
    else:
        pieces = _LIST_PIECE.findall(text)
    return [value for piece in pieces if (value := piece.strip())]


def parseParams(text: bytes) -> Params:
    """
    Parameters of a header value.

    @param text: from the first semicolon on; matched by the grammar already.
    @return: (lower-case name, value or C{None}); quoted values keep their quotes.
    """
    return tuple(
        (match[1].lower(), match[2]) for match in PARAMETER.finditer(text)
    )


def number(text: bytes, what: str) -> int:
    """
    A header that is one decimal number, such as Max-Forwards or Expires.

    @param what: the header's name, for the error.
    @raise Malformed: when it is none, or is longer than ten digits.
    """
    if text.isdigit() and len(text) <= _MOST_DIGITS:
        return int(text)
    match = DIGITS.fullmatch(text)
    if match is None:
        raise Malformed(f"Bad {what}")
    return int(match[1])


# As in DIGITS.
_MOST_DIGITS: Final = 10

# Values of these three are made for every message, and never changed. They are not frozen, as that
# triples what it costs to make one: attrs has to go around its own guard for each attribute.


@define
class NameAddress:
    """
    An address with an optional display name, and the parameters that follow it: To, From, Contact,
    Route, Record-Route, Path (RFC 3261 20.10).

    @ivar display: the display name as sent, with its quotes.
    @ivar text: the URI as sent.
    @ivar tail: the parameters as sent, from the first semicolon on.
    """

    display: bytes
    text: bytes
    tail: bytes

    @classmethod
    def parse(cls, value: bytes) -> NameAddress:
        """
        @raise Malformed: when C{value} is no name-addr or addr-spec. The URI itself is looked at
            by L{uri} only.
        """
        match = NAME_ADDRESS.fullmatch(value)
        if match is None:
            raise Malformed("Bad Address")
        display, text, bare, tail = match.groups()
        if text is None:
            return cls(b"", bare, tail)
        return cls(display.rstrip(), text, tail)

    @property
    def uri(self) -> URI:
        """
        The URI, parsed anew at each call.

        @raise Malformed: when it is none.
        """
        return URI.parse(self.text)

    @property
    def params(self) -> Params:
        """
        The parameters behind the address, parsed anew at each call.
        """
        return parseParams(self.tail) if self.tail else ()

    def param(self, name: bytes) -> bytes | None:
        """
        The value of a parameter, quotes kept; C{b""} for one without value, C{None} if absent.

        @param name: lower-case.
        """
        return paramOf(self.params, name)

    def has(self, name: bytes) -> bool:
        """
        Whether a parameter is there, with or without a value.
        """
        return self.param(name) is not None


@define
class Via:
    """
    One Via value (RFC 3261 20.42).

    @ivar transport: upper-case, such as C{b"UDP"}.
    @ivar host: lower-case; IPv6 references with brackets.
    @ivar tail: the parameters as sent, from the first semicolon on.
    @ivar version: C{b"2.0"}, or what an answer 505 has to go by.
    """

    transport: bytes
    host: bytes
    port: int | None
    tail: bytes
    branch: bytes | None
    version: bytes = b"2.0"

    @classmethod
    def parse(cls, value: bytes) -> Via:
        """
        @raise Malformed: when it is no Via of SIP.
        """
        match = VIA.fullmatch(value)
        if match is None:
            raise Malformed("Bad Via")
        version, transport, host, port, tail = match.groups()
        if port is not None and not 0 < int(port) < 65536:
            raise Malformed("Bad Port in Via")
        branch = BRANCH.search(tail if b'"' not in tail else _QUOTED.sub(b'""', tail))
        return cls(
            transport.upper(),
            checkedHost(host),
            int(port) if port is not None else None,
            tail,
            branch[1] if branch is not None else None,
            version,
        )

    @property
    def params(self) -> Params:
        """
        The parameters, parsed anew at each call.
        """
        return parseParams(self.tail)


@define
class CSeq:
    """
    A command sequence number and its method (RFC 3261 20.16).
    """

    number: int
    method: bytes

    @classmethod
    def parse(cls, value: bytes) -> CSeq:
        """
        @raise Malformed: when it is none, or the number is 2**31 or more (RFC 3261 8.1.1.5).
        """
        match = CSEQ.fullmatch(value)
        if match is None or (number := int(match[1])) >= 1 << 31:
            raise Malformed("Bad CSeq")
        return cls(number, match[2])


def looseRoute(uri: URI) -> bytes:
    """
    The Route value that leads through a proxy first: one of today, which leaves the Request-URI as
    it is (RFC 3261 16.12.1).
    """
    return b"<%b>" % bytes(uri) if uri.has(b"lr") else b"<%b;lr>" % bytes(uri)
