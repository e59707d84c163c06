"""
Bytes to messages: a complete head to its start line and header lines (RFC 3261 7).
"""

from __future__ import annotations

import re
from operator import methodcaller
from typing import Final

from sipoutbound.message.grammar import (
    ALMOST_REQUEST,
    ALMOST_RESPONSE,
    REQUEST_LINE,
    STATUS_LINE,
    Malformed,
)
from sipoutbound.message.header import lineText
from sipoutbound.message.message import Request, Response
from sipoutbound.message.name import KEYS, NONE

# A line break that is not the start of a folded line (RFC 3261 7.3.1).
_UNFOLDED: Final = re.compile(rb"\r\n(?![ \t])")
_BARE_BREAK: Final = re.compile(rb"\r(?!\n)|(?<!\r)\n")


def parseMessage(head: bytes, body: bytes = b"") -> Request | Response:
    """
    Read a message whose head is complete.

    @param head: start line and header lines, without the empty line.
    @raise Malformed: when the start line is nothing that SIP knows: there is nobody to answer. A
        request that is almost one comes back with its C{flaw} set, and such a response with the
        status 0.
    """
    # Built-in iterators over all lines at once: half the time of comprehensions.
    start, *lines = head.split(b"\r\n")
    names, colons, texts = zip(*map(_partition, lines), strict=True) if lines else _NO_HEADERS
    keys = [*map(KEYS.__getitem__, names)]
    if NONE in keys or NONE in colons or head.count(b"\n") != len(lines):
        return _parseFolded(head, body)
    values = dict(zip(keys, map(bytes.strip, texts), strict=True))
    if len(values) != len(keys):
        values = _firstValues(lines, keys)
    method, _, rest = start.partition(b" ")
    if method in _KNOWN and rest.endswith(b" SIP/2.0") and rest.count(b" ") == 1:
        return Request(start, lines, keys, values, body, method, rest[:-8])
    return _parseUnusual(start, lines, keys, values, body)


def _parseFolded(head: bytes, body: bytes) -> Request | Response:
    """
    A head with lines that are continued, or are no headers.
    """
    start, *lines = _UNFOLDED.split(head)
    keys = [_keyOf(line) for line in lines]
    return _parseUnusual(start, lines, keys, _firstValues(lines, keys), body)


def _keyOf(line: bytes) -> bytes:
    """
    A line break inside a line, which somebody else might take for one, makes it no header.
    """
    name, colon, _ = line.partition(b":")
    return KEYS[name] if colon and _BARE_BREAK.search(line) is None else NONE


def _firstValues(lines: list[bytes], keys: list[bytes]) -> dict[bytes, bytes]:
    pairs = zip(reversed(keys), reversed(lines), strict=True)
    return {key: lineText(line) for key, line in pairs}


_partition: Final = methodcaller("partition", b":")
_NO_HEADERS: Final[tuple[tuple[bytes, ...], ...]] = ((), (), ())

# Methods whose spelling needs no second look.
_KNOWN: Final = frozenset(
    b"REGISTER INVITE ACK BYE CANCEL OPTIONS MESSAGE SUBSCRIBE NOTIFY UPDATE PRACK INFO REFER"
    b" PUBLISH".split()
)


def _parseUnusual(
    start: bytes, lines: list[bytes], keys: list[bytes], values: dict[bytes, bytes], body: bytes
) -> Request | Response:
    if match := STATUS_LINE.fullmatch(start):
        return Response(start, lines, keys, values, body, int(match[1]), match[2] or b"")
    if match := REQUEST_LINE.fullmatch(start):
        return Request(start, lines, keys, values, body, match[1], match[2])
    if match := ALMOST_REQUEST.fullmatch(start):
        known = match[3].upper() == b"SIP/2.0"
        flaw = Malformed("Bad Request-Line") if known else Malformed("Version Not Supported", 505)
        return Request(start, lines, keys, values, body, match[1], match[2], flaw)
    if ALMOST_RESPONSE.fullmatch(start):
        return Response(start, lines, keys, values, body)
    raise Malformed("Not SIP")
