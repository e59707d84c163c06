"""
Keep-alive as the server sees it: how often a client must be heard, and when its flow counts as
failed (RFC 5626 4.4, 5.4).
"""

from __future__ import annotations

from typing import Final

from attrs import Attribute, field, frozen

# The RFC sets no bounds. Shorter than 20 s would end the flows of clients that cannot ping faster
# on streams (baresip). RFC 5626 4.4.1 advises no more than 840 s even where pings cost battery, as
# NATs may forget a TCP connection after 15 minutes; 999 s is the most that Kamailio announces.
SHORTEST: Final = 20
LONGEST: Final = 999

# RFC 5626 5.4: a server MUST wait longer than Flow-Timer. A client that pings in time over a bad
# network is believed as long as it believes in the flow itself: 10 s for the pong on a stream
# (RFC 5626 4.4.1), 39.5 s for a STUN transaction, whose last request leaves after 31.5 s
# (RFC 8489 6.2.1). To give up any earlier would drop the bindings of a client which then gets
# its STUN answer, sees nothing wrong and stays unreachable until it registers again.
GRACE: Final = 40.0


@frozen
class FlowTimer:
    """
    The one setting behind the C{Flow-Timer} header, the idle limit of flows and WebSocket PINGs.

    All times are in seconds of one clock that never goes back.

    @ivar seconds: how long a client may be silent, 20 to 999; any other value is a C{ValueError}.
    """

    seconds: int = field()

    @seconds.validator
    def _bounded(self, attribute: Attribute[int], seconds: int) -> None:
        if not SHORTEST <= seconds <= LONGEST:
            raise ValueError(f"a flow timer is {SHORTEST} to {LONGEST} seconds, not {seconds}")

    # Flow-Timer = "Flow-Timer" HCOLON 1*DIGIT
    @property
    def header(self) -> bytes:
        """
        The value of the C{Flow-Timer} header (RFC 5626 10).
        """
        return b"%d" % self.seconds

    @property
    def limit(self) -> float:
        """
        After how many seconds without a message, CRLF or STUN a flow counts as failed: longer than
        C{seconds} (RFC 5626 5.4).
        """
        return self.seconds + GRACE
