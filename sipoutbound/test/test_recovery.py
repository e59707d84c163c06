"""
Tests of the life of a client's flow.
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipoutbound.outbound.recovery import RECOVERY, Action, Event, Recovery, State

# Where each event leads that is not ignored, and what is done.
_BACK_OFF = "WAITING: DROP BACK_OFF"
_RECOVER = "WAITING: DROP RECOVER"
_LEAVE = "LEAVING: REMOVE"
_OVER = "OFF: DROP CONCLUDE"
_KEEP = "REGISTERED: KEEP REFRESH_LATER"
EXPECTED = {
    "OFF": {"START": "FORMING: FORM"},
    "WAITING": {"DUE": "FORMING: FORM", "STOP": _OVER},
    "FORMING": {
        "FORMED": "REGISTERING: REGISTER", "UNFORMED": _BACK_OFF, "FAILED": _BACK_OFF,
        "STOP": _OVER,
    },
    "REGISTERING": {
        "ACCEPTED": _KEEP, "LACKING": "REMOVING: REMOVE", "REPEAT": "REGISTERING: REGISTER",
        "BUSY": _BACK_OFF, "REFUSED": _BACK_OFF, "FAILED": _BACK_OFF, "STOP": _LEAVE,
    },
    "REGISTERED": {"DUE": "REFRESHING: REGISTER", "FAILED": _RECOVER, "STOP": _LEAVE},
    "REFRESHING": {
        "ACCEPTED": _KEEP, "LACKING": "REMOVING: REMOVE", "REPEAT": "REFRESHING: REGISTER",
        "BUSY": "POSTPONED: ASK_LATER", "REFUSED": _BACK_OFF, "FAILED": _RECOVER, "STOP": _LEAVE,
    },
    "POSTPONED": {"DUE": "REFRESHING: REGISTER", "FAILED": _RECOVER, "STOP": _LEAVE},
    "REMOVING": {
        "REMOVED": _BACK_OFF, "DUE": _BACK_OFF, "FAILED": _BACK_OFF, "STOP": "LEAVING:",
    },
    "LEAVING": {"REMOVED": _OVER, "DUE": _OVER, "FAILED": _OVER},
}  # fmt: skip

EVENTS = st.lists(st.sampled_from(list(Event)), max_size=40)


class RecoveryTests(SynchronousTestCase):
    """
    L{Recovery}.
    """

    def test_table(self) -> None:
        """
        Every state with every event.
        """
        for state in State:
            for event in Event:
                recovery = Recovery()
                recovery.state = state
                done = " ".join(action.name for action in recovery.step(event))
                expected = EXPECTED[state.name].get(event.name, f"{state.name}:")
                self.assertEqual(f"{recovery.state.name}: {done}".strip(), expected, (state, event))
        self.assertEqual(len(RECOVERY), len(State) * len(Event))

    @settings(max_examples=200, deadline=None)
    @given(EVENTS)
    def test_flow(self, events: list[Event]) -> None:
        """
        Nothing is sent without a flow, and no flow is formed while there is one: neither is a
        connection forgotten, nor a request lost.
        """
        recovery, flow, forming = Recovery(), False, False
        for event in events:
            if (event is Event.FORMED and not forming) or (event is Event.FAILED and not flow):
                continue
            flow, forming = flow or event is Event.FORMED, forming and event is not Event.FORMED
            for action in recovery.step(event):
                if action is Action.FORM:
                    self.assertFalse(flow or forming)
                    forming = True
                elif action in (Action.REGISTER, Action.REMOVE, Action.KEEP):
                    self.assertTrue(flow, action)
                elif action is Action.DROP:
                    flow = forming = False

    @settings(max_examples=200, deadline=None)
    @given(EVENTS)
    def test_neverGivesUp(self, events: list[Event]) -> None:
        """
        Whatever has happened, until it is told to stop a client has something to wait for: it never
        rests unregistered.
        """
        recovery = Recovery()
        recovery.step(Event.START)
        for event in events:
            if event is not Event.STOP:
                recovery.step(event)
        self.assertNotIn(recovery.state, (State.OFF, State.LEAVING))

    @settings(max_examples=200, deadline=None)
    @given(EVENTS)
    def test_ends(self, events: list[Event]) -> None:
        """
        Whatever has happened, it can be stopped, and says once that it has.
        """
        recovery = Recovery()
        recovery.step(Event.START)
        for event in events:
            if event is not Event.STOP:
                recovery.step(event)
        actions = [*recovery.step(Event.STOP), *recovery.step(Event.DUE), *recovery.step(Event.DUE)]
        self.assertEqual(actions.count(Action.CONCLUDE), 1)
        self.assertEqual(recovery.state, State.OFF)

    def test_registered(self) -> None:
        """
        Calls go over a flow while it is registered, during a refresh too.
        """
        found = set()
        for state in State:
            recovery = Recovery()
            recovery.state = state
            if recovery.registered:
                found.add(state)
        self.assertEqual(found, {State.REGISTERED, State.REFRESHING, State.POSTPONED})
