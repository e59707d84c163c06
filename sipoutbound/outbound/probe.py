"""
Keep-alive as the client does it: when it asks whether a flow still lives, and when no answer means
that it does not (RFC 5626 4.4).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final

from attrs import Attribute, define, field, frozen

#: RFC 5626 4.4.1: what is sent over a stream, and how many seconds its answer may take.
PING: Final = b"\r\n\r\n"
PONG_DEADLINE: Final = 10.0

# RFC 8489 6.2.1: the estimate of a round trip, how often a request is sent, and for how many round
# trips after the last time its answer may come.
_RTO: Final = 0.5
_REQUESTS: Final = 7
_LAST_WAIT: Final = 16

#: After how many seconds a STUN request is repeated, each counted from the time before, and how
#: many after its first sending it has failed: 39.5.
REPETITIONS: Final = tuple(_RTO * 2**number for number in range(_REQUESTS - 1))
STUN_DEADLINE: Final = sum(REPETITIONS) + _LAST_WAIT * _RTO

# RFC 5626 4.4.2: many NATs forget a UDP flow after 30 s.
_DATAGRAM_BOUNDS: Final = (24.0, 29.0)

# RFC 5626 4.4, 4.4.1: the least interval is 20% below the most.
_LEAST: Final = 0.8


@frozen
class Rhythm:
    """
    How often a client probes its flows.

    @ivar most: the longest interval on a stream whose proxy does not say, in seconds: 120 by
        default, 840 where each ping costs battery (RFC 5626 4.4.1).
    """

    most: float = field(default=120.0)

    @most.validator
    def _positive(self, attribute: Attribute[float], seconds: float) -> None:
        if not seconds > 0:
            raise ValueError(f"pings must be more than 0 seconds apart, not {seconds}")

    def bounds(self, flowTimer: int | None, reliable: bool) -> tuple[float, float]:
        """
        Between how many and how many seconds the next probe follows one; to be drawn anew for each.

        @param flowTimer: what the C{Flow-Timer} header said; C{None} where there was none.
        @param reliable: whether the flow is a stream.
        """
        if flowTimer is None and not reliable:
            return _DATAGRAM_BOUNDS
        most = self.most if flowTimer is None else float(flowTimer)
        return _LEAST * most, most


class Standing(Enum):
    """
    The states of one probe.
    """

    AWAITING = "asked, its answer may still come"
    OVERDUE = "its answer may only be behind the message that is being received"
    ANSWERED = "the flow lives"
    FAILED = "the flow has failed"


class Sign(Enum):
    """
    What can happen to a probe.
    """

    ANSWER = "its answer came"
    REJECTION = "a STUN error came, or an answer with another mapped address"
    REPEAT = "STUN: it is time to ask once more"
    DEADLINE = "its time is over"
    DEADLINE_WITHIN = "its time is over, and a message is being received"
    WHOLE = "no message is being received any more"


class Deed(Enum):
    """
    What is to be done.
    """

    ASK = "send the same again"
    PROVE = "the flow works"
    FAIL = "give the flow up"


Deeds = tuple[Deed, ...]


@define(eq=False)
class Probe:
    """
    One keep-alive and its answer.
    """

    standing: Standing = field(default=Standing.AWAITING, init=False)

    def step(self, sign: Sign) -> Deeds:
        """
        @return: what is to be done now.
        """
        self.standing, deeds = PROBE[self.standing, sign]
        return deeds


def _ignored(standing: Standing, *signs: Sign) -> dict[tuple[Standing, Sign], Row]:
    return {(standing, sign): (standing, ()) for sign in signs}


Row = tuple[Standing, Deeds]

# RFC 5626 4.4.1: a pong that is missing after 10 s, or right after the message that is being
# received then, means that the flow has failed. 4.4.2: so does a STUN request without answer, a
# STUN error, and another mapped address.
PROBE: Final[Mapping[tuple[Standing, Sign], Row]] = {
    (Standing.AWAITING, Sign.ANSWER): (Standing.ANSWERED, (Deed.PROVE,)),
    (Standing.AWAITING, Sign.REJECTION): (Standing.FAILED, (Deed.FAIL,)),
    (Standing.AWAITING, Sign.REPEAT): (Standing.AWAITING, (Deed.ASK,)),
    (Standing.AWAITING, Sign.DEADLINE): (Standing.FAILED, (Deed.FAIL,)),
    (Standing.AWAITING, Sign.DEADLINE_WITHIN): (Standing.OVERDUE, ()),
    **_ignored(Standing.AWAITING, Sign.WHOLE),
    (Standing.OVERDUE, Sign.ANSWER): (Standing.ANSWERED, (Deed.PROVE,)),
    (Standing.OVERDUE, Sign.WHOLE): (Standing.FAILED, (Deed.FAIL,)),
    (Standing.OVERDUE, Sign.REJECTION): (Standing.FAILED, (Deed.FAIL,)),
    **_ignored(Standing.OVERDUE, Sign.REPEAT, Sign.DEADLINE, Sign.DEADLINE_WITHIN),
    **_ignored(Standing.ANSWERED, *Sign),
    **_ignored(Standing.FAILED, *Sign),
}
