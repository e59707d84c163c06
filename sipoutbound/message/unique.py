"""
Random identifiers: tags, branches, Call-IDs (RFC 3261 8.1.1.7, 19.3).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final

_OCTETS: Final = 8


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
