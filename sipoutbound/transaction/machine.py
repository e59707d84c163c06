"""
What the four transaction machines share: states, inputs, actions, and the step from one state to
the next by a table (RFC 3261 17).

A machine decides and does nothing. Whoever owns it feeds it inputs, one at a time, and performs the
actions that come back, in their order:

  - A L{Timer} among the actions is started with C{timers.duration}: not at all where that is
    C{NEVER}; where it is 0.0, the timer is fed to the machine at once. Such a timer comes last, or
    nothing but an C{ACK} comes after it: that is sent although the transaction has ended.
  - An action may lead to the next input before it returns: a send that fails at once, a TU that
    answers from within. The machine has its new state by then, so it may be fed right away. A timer
    started for a transaction that has ended meanwhile does no harm: a terminated machine ignores
    all inputs.
  - A response that the TU gives is kept as the last one only by C{SEND}. Without it the response is
    discarded: the transaction has answered already.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from attrs import define

from sipoutbound.transaction.symbol import Symbol
from sipoutbound.transaction.timers import Timer


class State(Symbol):
    """
    The states of RFC 3261 figures 5 to 8, and Accepted of RFC 6026.
    """

    CALLING = "Calling"
    TRYING = "Trying"
    PROCEEDING = "Proceeding"
    ACCEPTED = "Accepted"
    COMPLETED = "Completed"
    CONFIRMED = "Confirmed"
    TERMINATED = "Terminated"


class Event(Symbol):
    """
    What can happen to a transaction, beside a timer that fires.
    """

    REQUEST = "server: the request came once more; client: the TU gave it, which begins"
    ACK = "an ACK came"
    PROVISIONAL = "server: the TU gave a 1xx; client: one came"
    SUCCESS = "server: the TU gave a 2xx; client: one came"
    FAILURE = "server: the TU gave a 3xx to 6xx; client: one came"
    TRANSPORT_ERROR = "a message could not be sent, or the flow is gone"
    ABANDON = "client: no final response is coming to an INVITE that had a 1xx"


class Action(Symbol):
    """
    What is to be done, beside starting a timer.
    """

    SEND = "server: send the response just given, keep it as the last one; client: send the request"
    RESEND = "server: send the last response, if there is one; client: send the request again"
    ACK = "send the ACK for the non-2xx response that came, the way the INVITE went (17.1.1.3)"
    PASS = "give the TU what came: a response, or the ACK for a 2xx"
    AGAIN = "start the timer that fired once more, for as long as timers.again says"
    AGAIN_AT_T2 = "start the timer that fired once more, for T2"
    STOP = "cancel this transaction's timers: the next state ignores them"
    REPORT_ERROR = "tell the TU that the transport failed"
    REPORT_TIMEOUT = "tell the TU that nobody answered"
    DESTROY = "forget the transaction at once, cancel its timers"


Input = Event | Timer
Actions = tuple[Action | Timer, ...]
Table = Mapping[tuple[State, Input], tuple[State, Actions]]


@define(eq=False, weakref_slot=False)
class Machine:
    """
    One transaction's state machine.

    @ivar table: one of the four.
    @ivar state: the state it is in.
    """

    table: Table
    state: State

    def step(self, event: Input) -> Actions:
        """
        Take an input: go to the next state.

        @return: what is to be done now, in this order. Empty for an input that is ignored.
        @raise KeyError: when this kind of transaction has no such input, which is the caller's
            mistake: for its own inputs the table is total.
        """
        self.state, actions = self.table[self.state, event]
        return actions


def ignored(state: State, *events: Input) -> Table:
    """
    The rows of inputs that a state ignores, for writing a table.
    """
    return {(state, event): (state, ()) for event in events}


def eventOf(status: int) -> Event:
    """
    The input that a response is.

    @param status: its status code, 100 to 699.
    """
    return _CLASSES[status // 100]


_CLASSES: Final = {
    1: Event.PROVISIONAL,
    2: Event.SUCCESS,
    3: Event.FAILURE,
    4: Event.FAILURE,
    5: Event.FAILURE,
    6: Event.FAILURE,
}
