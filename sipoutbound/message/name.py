"""
Header names: any spelling to the one canonical key (RFC 3261 7.3.1, 7.3.3).
"""

from __future__ import annotations

from typing import Final

from sipoutbound.message.grammar import TOKEN

#: The key of a line that is no header at all.
NONE: Final = b""

# RFC 3261 20, RFC 3515 (r), RFC 3841 (a, d, j), RFC 3892 (b), RFC 4028 (x), RFC 6665 (o, u),
# RFC 8224 (y).
COMPACT: Final = {
    b"a": b"accept-contact", b"b": b"referred-by", b"c": b"content-type",
    b"d": b"request-disposition", b"e": b"content-encoding", b"f": b"from", b"i": b"call-id",
    b"j": b"reject-contact", b"k": b"supported", b"l": b"content-length", b"m": b"contact",
    b"o": b"event", b"r": b"refer-to", b"s": b"subject", b"t": b"to", b"u": b"allow-events",
    b"v": b"via", b"x": b"session-expires", b"y": b"identity",
}  # fmt: skip

_COMMON: Final = (
    b"Via", b"Max-Forwards", b"From", b"To", b"Call-ID", b"CSeq", b"Contact", b"Expires",
    b"Content-Length", b"Content-Type", b"Route", b"Record-Route", b"Path", b"Supported",
    b"Require", b"Proxy-Require", b"Allow", b"User-Agent", b"Authorization", b"Accept",
    b"Proxy-Authorization", b"Service-Route", b"Server", b"Date", b"Unsupported", b"Event",
    b"Min-Expires", b"Flow-Timer", b"Retry-After", b"Subject", b"Max-Breadth",
)  # fmt: skip


def _key(name: bytes) -> bytes:
    name = name.rstrip(b" \t").lower()
    if TOKEN.fullmatch(name) is None:
        return NONE
    return COMPACT.get(name, name)


class _Keys(dict[bytes, bytes]):
    """
    Spelling to key: the common spellings at hand, any other worked out, never remembered.
    """

    def __missing__(self, name: bytes) -> bytes:
        return _key(name)


#: Canonical lower-case key by the bytes in front of the colon.
KEYS: Final = _Keys(
    {spelling: _key(name) for name in (*_COMMON, *COMPACT) for spelling in (name, name.lower())}
)
