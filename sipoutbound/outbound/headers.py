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

# Those of them that are lists: all their lines count (RFC 3261 7.3.1). Of others the first does.
_LISTS: Final = (b"require", b"supported", b"contact", b"path", b"via")


def registerTexts(request: Request) -> Texts:
    """
    What a refresh repeats of a REGISTER.
    """
    values = request.values
    if len(values) < len(request.keys):
        values = _merged(request)
    get = values.get
    return (
        get(b"to"),
        get(b"user-agent"),
        get(b"require"),
        get(b"supported"),
        get(b"contact"),
        get(b"expires"),
        get(b"path"),
        _hops(get(b"via", b"")),
    )


def _merged(request: Request) -> dict[bytes, bytes]:
    merged = request.values.copy()
    for key in _LISTS:
        if request.keys.count(key) > 1:
            merged[key] = b", ".join(request.texts(key))
    return merged


def _hops(via: bytes) -> int:
    return 1 if ord(",") not in via else len(splitList(via))
