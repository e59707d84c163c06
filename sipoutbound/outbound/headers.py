"""
The headers of a REGISTER that matter to a registrar and that a refresh repeats.
"""

from __future__ import annotations

from typing import Final, TypeAlias

from sipoutbound.message.header import splitList
from sipoutbound.message.message import Request

_Text: TypeAlias = "bytes | None"

#: What a refresh repeats to the letter: the texts of To, User-Agent, Require, Supported, Contact,
#: Expires and Path, C{None} for one that is absent, and how many Via values there are.
Texts: TypeAlias = tuple[_Text, _Text, _Text, _Text, _Text, _Text, _Text, int]

_KEYS: Final = (
    b"to", b"user-agent", b"require", b"supported", b"contact", b"expires", b"path",
)  # fmt: skip

# Those of them that are lists: all their lines count (RFC 3261 7.3.1). Of others the first does.
_LISTS: Final = (b"require", b"supported", b"contact", b"path", b"via")


def registerTexts(request: Request) -> Texts:
    """
    What a refresh repeats of a REGISTER.
    """
    values = request.values
    if len(values) < len(request.keys):
        values = _merged(request)
    return (*map(values.get, _KEYS), _hops(values.get(b"via", b"")))  # type: ignore[return-value]


def _merged(request: Request) -> dict[bytes, bytes]:
    merged = request.values.copy()
    for key in _LISTS:
        if request.keys.count(key) > 1:
            merged[key] = b", ".join(request.texts(key))
    return merged


def _hops(via: bytes) -> int:
    return 1 if ord(",") not in via else len(splitList(via))
