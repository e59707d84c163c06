"""
Whether a message is sound enough to be handled (RFC 3261 8.1.1, 16.3 step 1, 18.3, 21.4.1).
"""

from __future__ import annotations

from typing import Final

from sipoutbound.message.grammar import NAME_ADDRESS, Malformed
from sipoutbound.message.header import NameAddress, Via, number, splitList
from sipoutbound.message.message import Request, Response
from sipoutbound.message.name import NONE

_COMMA: Final = ord(",")

# What Max-Forwards allows at first (RFC 3261 8.1.1.6): no route set can be of more use.
_MOST_HOPS: Final = 70

# RFC 3261 8.1.1: in every request, and once only. Max-Forwards may be missing (RFC 3261 16.6
# step 3: an older client's; a proxy adds it).
_SINGLE: Final = (b"to", b"from", b"call-id", b"cseq", b"max-forwards", b"expires", b"max-breadth")


def flawOf(request: Request) -> Malformed | None:
    """
    What is wrong with a request, with the status code it deserves; C{None} when nothing is. Headers
    that only its recipient needs are left to the recipient (RFC 3261 16.3 step 1).
    """
    try:
        _check(request)
    except Malformed as flaw:
        return flaw
    return None


def checkResponse(response: Response) -> None:
    """
    Make sure that a response is one, and has what it is matched and acknowledged by (RFC 3261
    8.2.6.2). What else is wrong with it is the concern of whoever has asked.

    @raise Malformed: when it lacks a header, or its status is none.
    """
    if not response.status:
        raise Malformed("Bad Status-Line")
    for key in (b"to", b"from", b"call-id", b"cseq"):
        response.need(key)


def _check(request: Request) -> None:
    if request.flaw is not None:
        raise request.flaw
    _checkLines(request)
    if request.cseq.method != request.method:
        raise Malformed("CSeq Names Another Method")
    request.need(b"call-id")
    for key in (b"to", b"from"):
        _checkAddress(key, request.values.get(key) or request.need(key))
    _checkHops(request)
    _checkVias(request)
    if request.target.headers is not None:
        # RFC 3261 19.1.1, table 1: nobody may take them for headers of the request.
        raise Malformed("Headers in Request-URI")


def _checkLines(request: Request) -> None:
    if len(request.values) != len(request.keys):
        _checkOnce(request.keys)
    if NONE in request.values:
        raise Malformed("Bad Header Line")


def _checkAddress(key: bytes, text: bytes) -> None:
    if NAME_ADDRESS.fullmatch(text) is None:
        raise Malformed(f"Bad {key.decode().title()} Header")
    if text.count(b";") > 1:
        _checkTag(text)


def _checkTag(address: bytes) -> None:
    """
    With two tags a request would be of two dialogs (RFC 3261 7.3.1: no parameter comes twice).
    """
    names = [name for name, _ in NameAddress.parse(address).params]
    if names.count(b"tag") > 1:
        raise Malformed("More Than One Tag")


def _checkVias(request: Request) -> None:
    """
    A line whose commas mean something else than they seem to is not answered by.
    """
    if request.via.version != b"2.0":
        raise Malformed("Bad Via")
    line = request.values[b"via"]
    if _COMMA in line:
        for value in splitList(line):
            Via.parse(value)


def _checkHops(request: Request) -> None:
    forwards = request.first(b"max-forwards")
    if forwards is not None and number(forwards, "Max-Forwards") > 255:
        raise Malformed("Bad Max-Forwards")
    if b"route" in request.values and len(request.all(b"route")) > _MOST_HOPS:
        raise Malformed("Too Many Routes")


def _checkOnce(keys: list[bytes]) -> None:
    for key in _SINGLE:
        if keys.count(key) > 1:
            raise Malformed(f"More Than One {key.decode().title()} Header")
