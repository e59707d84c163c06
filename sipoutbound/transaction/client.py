"""
Client transactions (RFC 3261 17.1, RFC 6026 7.2).

A machine is created and then fed C{Event.REQUEST}, once: that sends the request and starts timers.

A TU that gives up a branch which has had no response yet tells the machine nothing: the
transaction keeps running, so that a late answer still reaches the TU, and timer B or F ends it.
Once an INVITE has had a provisional response no timer runs any more: without a final response
64*T1 after its CANCEL (RFC 3261 9.1) it is ended with C{Event.ABANDON}, and the TU told.

Timer D is started before the ACK is sent, so that the transaction ends whatever becomes of the ACK.

That timer F fired is nothing to tell the caller with a 408: nobody sends that to a request other
than INVITE (RFC 4320 4.2). It is the TU's to stay silent.
"""

from __future__ import annotations

from typing import Final

from sipoutbound.transaction.machine import Action, Event, Machine, State, Table, ignored
from sipoutbound.transaction.timers import Timer


def clientMachine(method: bytes) -> Machine:
    """
    The machine for a request to be sent, in its first state.

    @param method: the request's; not C{b"ACK"}, which is sent without a transaction.
    """
    if method == b"INVITE":
        return Machine(INVITE_CLIENT, _CALLING)
    return Machine(CLIENT, _TRYING)


_CALLING: Final = State.CALLING
_TRYING: Final = State.TRYING


# RFC 6026 figure 5. The figure has no transport error in Proceeding, where nothing is sent. It can
# happen all the same: the flow closes, and over it alone an answer would have come (RFC 5626 7).
INVITE_CLIENT: Final[Table] = {
    (State.CALLING, Event.REQUEST): (State.CALLING, (Timer.A, Timer.B, Action.SEND)),
    (State.CALLING, Event.PROVISIONAL): (State.PROCEEDING, (Action.STOP, Action.PASS)),
    (State.CALLING, Event.SUCCESS): (State.ACCEPTED, (Action.STOP, Timer.M, Action.PASS)),
    (State.CALLING, Event.FAILURE): (
        State.COMPLETED,
        (Action.STOP, Action.PASS, Timer.D, Action.ACK),
    ),
    (State.CALLING, Event.TRANSPORT_ERROR): (
        State.TERMINATED,
        (Action.REPORT_ERROR, Action.DESTROY),
    ),
    (State.CALLING, Timer.A): (State.CALLING, (Action.AGAIN, Action.RESEND)),
    (State.CALLING, Timer.B): (State.TERMINATED, (Action.REPORT_TIMEOUT, Action.DESTROY)),
    **ignored(State.CALLING, Event.ABANDON, Timer.D, Timer.M),
    (State.PROCEEDING, Event.PROVISIONAL): (State.PROCEEDING, (Action.PASS,)),
    (State.PROCEEDING, Event.SUCCESS): (State.ACCEPTED, (Timer.M, Action.PASS)),
    (State.PROCEEDING, Event.FAILURE): (State.COMPLETED, (Action.PASS, Timer.D, Action.ACK)),
    (State.PROCEEDING, Event.TRANSPORT_ERROR): (
        State.TERMINATED,
        (Action.REPORT_ERROR, Action.DESTROY),
    ),
    (State.PROCEEDING, Event.ABANDON): (
        State.TERMINATED,
        (Action.REPORT_TIMEOUT, Action.DESTROY),
    ),
    **ignored(State.PROCEEDING, Event.REQUEST, Timer.A, Timer.B, Timer.D, Timer.M),
    (State.ACCEPTED, Event.SUCCESS): (State.ACCEPTED, (Action.PASS,)),
    (State.ACCEPTED, Timer.M): (State.TERMINATED, (Action.DESTROY,)),
    **ignored(State.ACCEPTED, Event.REQUEST, Event.PROVISIONAL, Event.FAILURE),
    **ignored(State.ACCEPTED, Event.TRANSPORT_ERROR, Event.ABANDON, Timer.A, Timer.B, Timer.D),
    (State.COMPLETED, Event.FAILURE): (State.COMPLETED, (Action.ACK,)),
    (State.COMPLETED, Event.TRANSPORT_ERROR): (
        State.TERMINATED,
        (Action.REPORT_ERROR, Action.DESTROY),
    ),
    (State.COMPLETED, Timer.D): (State.TERMINATED, (Action.DESTROY,)),
    **ignored(State.COMPLETED, Event.REQUEST, Event.PROVISIONAL, Event.SUCCESS, Event.ABANDON),
    **ignored(State.COMPLETED, Timer.A, Timer.B, Timer.M),
    **ignored(State.TERMINATED, Event.REQUEST, Event.PROVISIONAL, Event.SUCCESS, Event.FAILURE),
    **ignored(State.TERMINATED, Event.TRANSPORT_ERROR, Event.ABANDON),
    **ignored(State.TERMINATED, Timer.A, Timer.B, Timer.D, Timer.M),
}

# RFC 3261 figure 6.
CLIENT: Final[Table] = {
    (State.TRYING, Event.REQUEST): (State.TRYING, (Timer.E, Timer.F, Action.SEND)),
    (State.TRYING, Event.PROVISIONAL): (State.PROCEEDING, (Action.PASS,)),
    (State.TRYING, Event.SUCCESS): (State.COMPLETED, (Action.STOP, Action.PASS, Timer.K)),
    (State.TRYING, Event.FAILURE): (State.COMPLETED, (Action.STOP, Action.PASS, Timer.K)),
    (State.TRYING, Event.TRANSPORT_ERROR): (
        State.TERMINATED,
        (Action.REPORT_ERROR, Action.DESTROY),
    ),
    (State.TRYING, Timer.E): (State.TRYING, (Action.AGAIN, Action.RESEND)),
    (State.TRYING, Timer.F): (State.TERMINATED, (Action.REPORT_TIMEOUT, Action.DESTROY)),
    **ignored(State.TRYING, Timer.K),
    (State.PROCEEDING, Event.PROVISIONAL): (State.PROCEEDING, (Action.PASS,)),
    (State.PROCEEDING, Event.SUCCESS): (State.COMPLETED, (Action.STOP, Action.PASS, Timer.K)),
    (State.PROCEEDING, Event.FAILURE): (State.COMPLETED, (Action.STOP, Action.PASS, Timer.K)),
    (State.PROCEEDING, Event.TRANSPORT_ERROR): (
        State.TERMINATED,
        (Action.REPORT_ERROR, Action.DESTROY),
    ),
    (State.PROCEEDING, Timer.E): (State.PROCEEDING, (Action.AGAIN_AT_T2, Action.RESEND)),
    (State.PROCEEDING, Timer.F): (State.TERMINATED, (Action.REPORT_TIMEOUT, Action.DESTROY)),
    **ignored(State.PROCEEDING, Event.REQUEST, Timer.K),
    (State.COMPLETED, Timer.K): (State.TERMINATED, (Action.DESTROY,)),
    **ignored(State.COMPLETED, Event.REQUEST, Event.PROVISIONAL, Event.SUCCESS, Event.FAILURE),
    **ignored(State.COMPLETED, Event.TRANSPORT_ERROR, Timer.E, Timer.F),
    **ignored(State.TERMINATED, Event.REQUEST, Event.PROVISIONAL, Event.SUCCESS, Event.FAILURE),
    **ignored(State.TERMINATED, Event.TRANSPORT_ERROR, Timer.E, Timer.F, Timer.K),
}
