"""
Server transactions (RFC 3261 17.2, RFC 6026 7.1).

The request that creates one is given to the TU by whoever creates it; it is no input. What the
tables leave to the TU or the stack:

  - The 100 to an INVITE within 200 ms (RFC 3261 17.2.1) is a response as any other.
  - To a request other than INVITE the only 1xx is a 100: due after 3.5 s without another response
    (when a client's timer E reaches T2), and not before that on unreliable transports. No 408
    either: who cannot answer in time does not answer (RFC 4320 4).
  - A 2xx to an INVITE is repeated by the UAS, never by the transaction (RFC 6026 7.1).

Trouble in sending never ends a server transaction; its timers do (RFC 6026 7.1, 8.8, which takes
back the arrow in RFC 3261's figure 8): repetitions must not become new requests.
"""

from __future__ import annotations

from typing import Final

from sipoutbound.transaction.machine import Action, Event, Machine, State, Table, ignored
from sipoutbound.transaction.timers import Timer


def serverMachine(method: bytes) -> Machine:
    """
    The machine for a request that has come, in its first state.

    @param method: the request's; not C{b"ACK"}, which has no transaction of its own.
    """
    if method == b"INVITE":
        return Machine(INVITE_SERVER, _PROCEEDING)
    return Machine(SERVER, _TRYING)


_PROCEEDING: Final = State.PROCEEDING
_TRYING: Final = State.TRYING


# RFC 6026 figure 7. Timer H is reported to the TU although the figure has "-" there: the text of
# RFC 3261 17.2.1 says MUST, and RFC 6026 does not change it.
INVITE_SERVER: Final[Table] = {
    (State.PROCEEDING, Event.REQUEST): (State.PROCEEDING, (Action.RESEND,)),
    (State.PROCEEDING, Event.PROVISIONAL): (State.PROCEEDING, (Action.SEND,)),
    (State.PROCEEDING, Event.SUCCESS): (State.ACCEPTED, (Action.SEND, Timer.L)),
    (State.PROCEEDING, Event.FAILURE): (State.COMPLETED, (Action.SEND, Timer.G, Timer.H)),
    (State.PROCEEDING, Event.TRANSPORT_ERROR): (State.PROCEEDING, (Action.REPORT_ERROR,)),
    **ignored(State.PROCEEDING, Event.ACK, Timer.G, Timer.H, Timer.I, Timer.L),
    (State.ACCEPTED, Event.ACK): (State.ACCEPTED, (Action.PASS,)),
    (State.ACCEPTED, Event.SUCCESS): (State.ACCEPTED, (Action.SEND,)),
    (State.ACCEPTED, Event.TRANSPORT_ERROR): (State.ACCEPTED, (Action.REPORT_ERROR,)),
    (State.ACCEPTED, Timer.L): (State.TERMINATED, (Action.DESTROY,)),
    **ignored(State.ACCEPTED, Event.REQUEST, Event.PROVISIONAL, Event.FAILURE),
    **ignored(State.ACCEPTED, Timer.G, Timer.H, Timer.I),
    (State.COMPLETED, Event.REQUEST): (State.COMPLETED, (Action.RESEND,)),
    (State.COMPLETED, Event.ACK): (State.CONFIRMED, (Action.STOP, Timer.I)),
    (State.COMPLETED, Event.TRANSPORT_ERROR): (State.COMPLETED, (Action.REPORT_ERROR,)),
    (State.COMPLETED, Timer.G): (State.COMPLETED, (Action.AGAIN, Action.RESEND)),
    (State.COMPLETED, Timer.H): (State.TERMINATED, (Action.REPORT_TIMEOUT, Action.DESTROY)),
    **ignored(State.COMPLETED, Event.PROVISIONAL, Event.SUCCESS, Event.FAILURE, Timer.I, Timer.L),
    (State.CONFIRMED, Timer.I): (State.TERMINATED, (Action.DESTROY,)),
    **ignored(State.CONFIRMED, Event.REQUEST, Event.ACK, Event.TRANSPORT_ERROR),
    **ignored(State.CONFIRMED, Event.PROVISIONAL, Event.SUCCESS, Event.FAILURE),
    **ignored(State.CONFIRMED, Timer.G, Timer.H, Timer.L),
    **ignored(State.TERMINATED, Event.REQUEST, Event.ACK, Event.TRANSPORT_ERROR),
    **ignored(State.TERMINATED, Event.PROVISIONAL, Event.SUCCESS, Event.FAILURE),
    **ignored(State.TERMINATED, Timer.G, Timer.H, Timer.I, Timer.L),
}

# RFC 3261 figure 8, without the arrows of "Trnsprt Err" (RFC 6026 8.8).
SERVER: Final[Table] = {
    (State.TRYING, Event.PROVISIONAL): (State.PROCEEDING, (Action.SEND,)),
    (State.TRYING, Event.SUCCESS): (State.COMPLETED, (Action.SEND, Timer.J)),
    (State.TRYING, Event.FAILURE): (State.COMPLETED, (Action.SEND, Timer.J)),
    (State.TRYING, Event.TRANSPORT_ERROR): (State.TRYING, (Action.REPORT_ERROR,)),
    **ignored(State.TRYING, Event.REQUEST, Timer.J),
    (State.PROCEEDING, Event.REQUEST): (State.PROCEEDING, (Action.RESEND,)),
    (State.PROCEEDING, Event.PROVISIONAL): (State.PROCEEDING, (Action.SEND,)),
    (State.PROCEEDING, Event.SUCCESS): (State.COMPLETED, (Action.SEND, Timer.J)),
    (State.PROCEEDING, Event.FAILURE): (State.COMPLETED, (Action.SEND, Timer.J)),
    (State.PROCEEDING, Event.TRANSPORT_ERROR): (State.PROCEEDING, (Action.REPORT_ERROR,)),
    **ignored(State.PROCEEDING, Timer.J),
    (State.COMPLETED, Event.REQUEST): (State.COMPLETED, (Action.RESEND,)),
    (State.COMPLETED, Event.TRANSPORT_ERROR): (State.COMPLETED, (Action.REPORT_ERROR,)),
    (State.COMPLETED, Timer.J): (State.TERMINATED, (Action.DESTROY,)),
    **ignored(State.COMPLETED, Event.PROVISIONAL, Event.SUCCESS, Event.FAILURE),
    **ignored(State.TERMINATED, Event.REQUEST, Event.TRANSPORT_ERROR, Timer.J),
    **ignored(State.TERMINATED, Event.PROVISIONAL, Event.SUCCESS, Event.FAILURE),
}
