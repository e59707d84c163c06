"""
What a registrar grants (RFC 3261 10.3 step 7, RFC 5626 6).
"""

from __future__ import annotations

from typing import Final

from attrs import frozen

from sipoutbound.outbound.refusal import Refusal

#: From this lifetime on, in seconds, no minimum may refuse (RFC 3261 10.3 step 7).
_NEVER_TOO_BRIEF: Final = 3600


@frozen
class Policy:
    """
    @ivar minimum: the shortest lifetime granted, in seconds; less is answered 423. RFC 3261 10.3
        asks to refuse only what would hurt the registrar.
    @ivar default: the lifetime where the REGISTER names none, in seconds: what RFC 3261 10.2 takes
        in place of an unreadable one.
    @ivar maximum: the longest lifetime granted, in seconds: a day. Flows are known dead by their
        keep-alives (RFC 5626 4.4) long before, so this only bounds what never comes back.
    @ivar devices: how many instances, or Contacts without one, an address of record may have.
    @ivar flows: how many flows one instance may have: twice the four of RFC 5626 4.2.1, so that a
        client may renumber them once.
    @ivar length: octets of a Contact or of all Path values together: longer ones are answered 400.
        Four edges with IPv6 flow tokens need a quarter of it.
    @ivar rejectMissingOb: whether a client that asks for outbound through an edge without it is
        told so by a 439 (RFC 5626 6), or registered without (older pjsip gives up on a 439).
    @ivar rejectUnknownPath: whether a Path that others have added is refused with a 420 when the
        client does not know the extension (RFC 3327 5.3): it could not see who has put himself in
        its way. Otherwise it is taken.
    @ivar flowTimer: how often this server asks its own flows to be heard, in seconds (RFC 5626
        5.4): kept with the bindings of clients that are told so. 0 where it asks for nothing.
    """

    minimum: int = 60
    default: int = 3600
    maximum: int = 86400
    devices: int = 10
    flows: int = 8
    length: int = 2048
    rejectMissingOb: bool = True
    rejectUnknownPath: bool = True
    flowTimer: int = 0

    @property
    def contacts(self) -> int:
        """
        How many Contacts one REGISTER may bring: more could never all be bound.
        """
        return self.devices * self.flows

    def lifetime(self, asked: int | None) -> int:
        """
        @param asked: the lifetime asked for in seconds, C{None} where the choice is ours.
        @return: the lifetime granted, in seconds; 0 for a removal.
        @raise Refusal: 423 (RFC 3261 10.3 step 7).
        """
        if asked is None:
            return self.default
        if 0 < asked < self.minimum and asked < _NEVER_TOO_BRIEF:
            raise Refusal(423, headers=((b"Min-Expires", b"%d" % self.minimum),))
        return min(asked, self.maximum)
