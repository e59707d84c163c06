"""
The timers of transactions and how long they run (RFC 3261 17 and Table 4, RFC 6026 8.11).

All times are in seconds. Timer C is not here: it is the proxy's, not a transaction's (RFC 3261
16.6 item 11).
"""

from __future__ import annotations

from math import inf
from typing import Final

from sipoutbound.transaction.symbol import Symbol

# RFC 3261 17.1.1.1, Table 4: the estimate of a round trip.
T1: Final = 0.5
# RFC 3261 17.1.2.2, Table 4: the longest interval between repetitions, INVITE requests apart.
T2: Final = 4.0
# RFC 3261 17.1.2.2, Table 4: how long a message stays in the network.
T4: Final = 5.0
# RFC 4320 4.1: the time in which a client's timer E comes to T2 (0.5, 1 and 2 s have passed), and
# a request other than INVITE is to have had a response.
OVERDUE: Final = 3.5
# The first setting of a timer that is not started at all.
NEVER: Final = inf


class Timer(Symbol):
    """
    A transaction's timer. Fed to a machine it says "this timer fired"; among a machine's actions
    it says "start this timer" (see L{duration}).
    """

    A = "repeat the INVITE"
    B = "give up the INVITE"
    D = "absorb repeated final responses to the INVITE"
    E = "repeat a request other than INVITE"
    F = "give up a request other than INVITE"
    G = "repeat a final response to INVITE"
    H = "give up waiting for the ACK"
    I = "absorb repeated ACKs"  # noqa: E741 - the RFC's name
    J = "absorb repeated requests other than INVITE"
    K = "absorb repeated responses to a request other than INVITE"
    L = "absorb repetitions of an accepted INVITE"
    M = "pass on more 2xx to an accepted INVITE"


def duration(timer: Timer, reliable: bool) -> float:
    """
    How long a timer runs when it is started.

    @param reliable: whether the transport is (everything but UDP).
    @return: seconds; L{NEVER} for a timer that is not to be started; 0.0 for one that is to be fed
        back to its machine at once.
    """
    return _DURATIONS[timer][reliable]


def again(timer: Timer, interval: float) -> float:
    """
    How long a repeating timer runs when it is started once more, having just fired.

    Timer E runs for T2 each time once a provisional response has come; the table of the machine
    says so (C{Action.AGAIN_AT_T2}).

    @param timer: A, E or G. A doubles without limit, until B fires (RFC 3261 17.1.1.2); E and G
        double up to T2 (17.1.2.2, 17.2.1).
    @param interval: how long it ran the last time, in seconds.
    @return: seconds.
    """
    return interval * 2 if timer is Timer.A else min(interval * 2, T2)


# The first setting: (unreliable transport, reliable transport). Source: RFC 3261 Table 4 and the
# section named; L and M: RFC 6026 8.11. "Not started" on reliable transports: 17.1.1.2 (A),
# 17.1.2.2 (E), 17.2.1 (G).
_DURATIONS: Final[dict[Timer, tuple[float, float]]] = {
    Timer.A: (T1, NEVER),  # 17.1.1.2
    Timer.B: (64 * T1, 64 * T1),  # 17.1.1.2
    Timer.D: (32.0, 0.0),  # 17.1.1.2: at least 32 s, whatever T1 is
    Timer.E: (T1, NEVER),  # 17.1.2.2
    Timer.F: (64 * T1, 64 * T1),  # 17.1.2.2
    Timer.G: (T1, NEVER),  # 17.2.1
    Timer.H: (64 * T1, 64 * T1),  # 17.2.1
    Timer.I: (T4, 0.0),  # 17.2.1
    Timer.J: (64 * T1, 0.0),  # 17.2.2
    Timer.K: (T4, 0.0),  # 17.1.2.2
    Timer.L: (64 * T1, 64 * T1),  # RFC 6026 7.1: all transports
    Timer.M: (64 * T1, 64 * T1),  # RFC 6026 7.2: all transports
}
