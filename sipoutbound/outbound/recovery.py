"""
The life of a client's flow through one proxy: it is formed, registered over, kept, lost, and formed
again (RFC 5626 4.2, 4.5).

A machine decides and does nothing. Whoever owns it feeds it events, one at a time, and does what
comes back, in that order. An owner must not tell of a flow or a transaction that it has let go of.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final

from attrs import define, field


class State(Enum):
    """
    What there is between a client and one of its proxies.
    """

    OFF = "nothing"
    WAITING = "nothing, until it is time to try again"
    FORMING = "a flow is being formed"
    REGISTERING = "the first REGISTER over the flow is unanswered"
    REGISTERED = "registered over the flow"
    REFRESHING = "registered, and a REGISTER is unanswered"
    POSTPONED = "registered, and the refresh is to be tried again later"
    REMOVING = "what was registered is of no use and being removed"
    LEAVING = "what was registered is being removed, then there is an end"


class Event(Enum):
    """
    What can happen.
    """

    START = "begin"
    STOP = "end"
    FORMED = "there is a flow"
    UNFORMED = "no flow could be formed"
    ACCEPTED = "a 2xx that serves"
    LACKING = "a 2xx, but without outbound, which is asked for"
    REPEAT = "a refusal that says how to ask: 423, or 439 where a plain registration will do"
    BUSY = "a refusal that says when to ask again: Retry-After"
    REFUSED = "any other refusal"
    FAILED = "the flow has failed, or nobody has answered over it"
    REMOVED = "the REGISTER that removes the binding has ended, whatever came of it"
    DUE = "the time that was waited for has come"


class Action(Enum):
    """
    What is to be done.
    """

    FORM = "form a flow"
    REGISTER = "send a REGISTER over the flow"
    KEEP = "keep the flow alive, as the 2xx says"
    REFRESH_LATER = "be DUE in time for the refresh"
    ASK_LATER = "count a failure, and be DUE when that says to ask again over the same flow"
    BACK_OFF = "count a failure, and be DUE when that says to form another flow"
    RECOVER = "a registered flow was lost: be DUE at once if it was a success, else BACK_OFF"
    REMOVE = "send a REGISTER that removes the binding, and be DUE when it takes too long"
    DROP = "close the flow, if there is one, and forget it"
    CONCLUDE = "say that all is over"


Actions = tuple[Action, ...]


@define(eq=False)
class Recovery:
    """
    The machine for one proxy.
    """

    state: State = field(default=State.OFF, init=False)

    def step(self, event: Event) -> Actions:
        """
        @return: what is to be done now, in this order.
        """
        self.state, actions = RECOVERY[self.state, event]
        return actions

    @property
    def registered(self) -> bool:
        """
        Whether requests can come and go over the flow.
        """
        return self.state in (State.REGISTERED, State.REFRESHING, State.POSTPONED)


Row = tuple[State, Actions]


def _row(state: State, given: Mapping[Event, Row]) -> dict[tuple[State, Event], Row]:
    """
    The rows of a state: what is not given is ignored.
    """
    return {(state, event): given.get(event, (state, ())) for event in Event}


_REPLACED: Final[Row] = (State.WAITING, (Action.DROP, Action.RECOVER))
_FAILED: Final[Row] = (State.WAITING, (Action.DROP, Action.BACK_OFF))
_LEFT: Final[Row] = (State.LEAVING, (Action.REMOVE,))
_OVER: Final[Row] = (State.OFF, (Action.DROP, Action.CONCLUDE))

# A refresh that is refused for a while leaves the flow as it is (4.2.2); a first REGISTER has no
# flow to keep, and its next attempt may find another host (4.2.1).
RECOVERY: Final[Mapping[tuple[State, Event], Row]] = {
    **_row(State.OFF, {Event.START: (State.FORMING, (Action.FORM,))}),
    **_row(State.WAITING, {Event.DUE: (State.FORMING, (Action.FORM,)), Event.STOP: _OVER}),
    **_row(
        State.FORMING,
        {
            Event.FORMED: (State.REGISTERING, (Action.REGISTER,)),
            Event.UNFORMED: _FAILED,
            Event.FAILED: _FAILED,
            Event.STOP: _OVER,
        },
    ),
    **_row(
        State.REGISTERING,
        {
            Event.ACCEPTED: (State.REGISTERED, (Action.KEEP, Action.REFRESH_LATER)),
            Event.LACKING: (State.REMOVING, (Action.REMOVE,)),
            Event.REPEAT: (State.REGISTERING, (Action.REGISTER,)),
            Event.BUSY: _FAILED,
            Event.REFUSED: _FAILED,
            Event.FAILED: _FAILED,
            Event.STOP: _LEFT,
        },
    ),
    **_row(
        State.REGISTERED,
        {
            Event.DUE: (State.REFRESHING, (Action.REGISTER,)),
            Event.FAILED: _REPLACED,
            Event.STOP: _LEFT,
        },
    ),
    **_row(
        State.REFRESHING,
        {
            Event.ACCEPTED: (State.REGISTERED, (Action.KEEP, Action.REFRESH_LATER)),
            Event.LACKING: (State.REMOVING, (Action.REMOVE,)),
            Event.REPEAT: (State.REFRESHING, (Action.REGISTER,)),
            Event.BUSY: (State.POSTPONED, (Action.ASK_LATER,)),
            Event.REFUSED: _FAILED,
            Event.FAILED: _REPLACED,
            Event.STOP: _LEFT,
        },
    ),
    **_row(
        State.POSTPONED,
        {
            Event.DUE: (State.REFRESHING, (Action.REGISTER,)),
            Event.FAILED: _REPLACED,
            Event.STOP: _LEFT,
        },
    ),
    **_row(
        State.REMOVING,
        {
            Event.REMOVED: _FAILED,
            Event.DUE: _FAILED,
            Event.FAILED: _FAILED,
            Event.STOP: (State.LEAVING, ()),
        },
    ),
    **_row(State.LEAVING, {Event.REMOVED: _OVER, Event.DUE: _OVER, Event.FAILED: _OVER}),
}
