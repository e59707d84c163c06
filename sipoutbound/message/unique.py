"""
Identifiers: tags, branches, Call-IDs (RFC 3261 8.1.1.7, 19.3).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from hashlib import blake2b
from typing import Final

_OCTETS: Final = 8

# Nobody else can work out our tags.
_SECRET: Final = os.urandom(32)


def _identifiers() -> Iterator[bytes]:
    # One system call serves 512 identifiers: it costs as much as all of a small message's parsing.
    while True:
        pool = os.urandom(512 * _OCTETS).hex().encode()
        for at in range(0, len(pool), 2 * _OCTETS):
            yield pool[at : at + 2 * _OCTETS]


_pool: Final = _identifiers()

#: RFC 3261 8.1.1.7: a branch that begins with it is unique among all of its sender's.
MAGIC: Final = b"z9hG4bK"


def unique() -> bytes:
    """
    Sixteen hexadecimal digits, 64 random bits (RFC 3261 19.3 asks for 32 at least).
    """
    return next(_pool)


def uniqueBranch() -> bytes:
    """
    A branch for a Via of ours.
    """
    return MAGIC + next(_pool)


def steady(*texts: bytes) -> bytes:
    """
    Sixteen hexadecimal digits that are the same for the same texts, as long as this process runs
    (RFC 3261 8.2.7).
    """
    return blake2b(b"\0".join(texts), key=_SECRET, digest_size=_OCTETS).hexdigest().encode()
