"""
What the answer to a REGISTER of ours says (RFC 5626 4.2.1, 4.4; RFC 3261 10.2.4, 10.2.8).
"""

from __future__ import annotations

from attrs import frozen

from sipoutbound.message.grammar import Malformed
from sipoutbound.message.header import NameAddress, number
from sipoutbound.message.message import Response


@frozen
class Grant:
    """
    What a 2xx grants.

    @ivar outbound: whether outbound was applied: C{Require} says so, nothing else does.
    @ivar expires: for how many seconds.
    @ivar flowTimer: the seconds of the C{Flow-Timer}; C{None} where there is none that can be kept.
    """

    outbound: bool
    expires: int
    flowTimer: int | None

    @classmethod
    def parse(cls, response: Response, contact: bytes, regId: int, asked: int) -> Grant:
        """
        @param response: a 2xx to a REGISTER.
        @param contact: the Contact URI of ours, as sent.
        @param regId: the reg-id of ours.
        @param asked: the seconds that were asked for.
        """
        outbound = b"outbound" in [tag.lower() for tag in response.all(b"require")]
        expires = _expires(response, contact, regId if outbound else None, asked)
        return cls(outbound, expires, seconds(response, b"flow-timer") or None)


def seconds(response: Response, key: bytes) -> int | None:
    """
    A header that is a number of seconds, such as C{Retry-After}: what follows the number, a comment
    or parameters, is left out. C{None} where it is absent or none.

    @param key: the canonical name.
    """
    text = response.first(key)
    if text is None:
        return None
    try:
        return number(text.partition(b";")[0].partition(b"(")[0].strip(), key.decode())
    except Malformed:
        return None


def _expires(response: Response, contact: bytes, regId: int | None, asked: int) -> int:
    for value in response.all(b"contact"):
        try:
            address = NameAddress.parse(value)
            named = regId is None or _number(address, b"reg-id") in (regId, None)
            if address.text == contact and named:
                granted = _number(address, b"expires")
                if granted is not None:
                    return granted
        except Malformed:
            continue
    granted = seconds(response, b"expires")
    return asked if granted is None else granted


def _number(address: NameAddress, name: bytes) -> int | None:
    text = address.param(name)
    return None if text is None else number(text, name.decode())
