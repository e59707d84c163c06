"""
Tests of the client's side of keep-alive.
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipoutbound.outbound.probe import (
    PROBE,
    REPETITIONS,
    STUN_DEADLINE,
    Deed,
    Probe,
    Rhythm,
    Sign,
    Standing,
)

AWAITING, OVERDUE = Standing.AWAITING, Standing.OVERDUE
ANSWERED, FAILED = Standing.ANSWERED, Standing.FAILED

# All that is not ignored.
EXPECTED = {
    (AWAITING, Sign.ANSWER): (ANSWERED, (Deed.PROVE,)),
    (AWAITING, Sign.REJECTION): (FAILED, (Deed.FAIL,)),
    (AWAITING, Sign.REPEAT): (AWAITING, (Deed.ASK,)),
    (AWAITING, Sign.DEADLINE): (FAILED, (Deed.FAIL,)),
    (AWAITING, Sign.DEADLINE_WITHIN): (OVERDUE, ()),
    (OVERDUE, Sign.ANSWER): (ANSWERED, (Deed.PROVE,)),
    (OVERDUE, Sign.WHOLE): (FAILED, (Deed.FAIL,)),
    (OVERDUE, Sign.REJECTION): (FAILED, (Deed.FAIL,)),
}


class ProbeTests(SynchronousTestCase):
    """
    L{Probe}.
    """

    def test_table(self) -> None:
        """
        Every state with every sign: a flow is given up for what RFC 5626 4.4 names, nothing else.
        """
        for standing in Standing:
            for sign in Sign:
                probe = Probe()
                probe.standing = standing
                deeds = probe.step(sign)
                expected = EXPECTED.get((standing, sign), (standing, ()))
                self.assertEqual((probe.standing, deeds), expected, (standing, sign))
        self.assertEqual(len(PROBE), len(Standing) * len(Sign))

    @settings(max_examples=100, deadline=None)
    @given(st.lists(st.sampled_from(list(Sign)), max_size=12))
    def test_once(self, signs: list[Sign]) -> None:
        """
        A probe ends once: a flow is not proved after it has failed, nor fails twice.
        """
        probe = Probe()
        ends = [deed for sign in signs for deed in probe.step(sign) if deed is not Deed.ASK]
        self.assertLessEqual(len(ends), 1)


class RhythmTests(SynchronousTestCase):
    """
    L{Rhythm} and the times of STUN.
    """

    def test_bounds(self) -> None:
        """
        How often a client is heard: as its proxy says, else as RFC 5626 4.4.1 and 4.4.2 advise.
        """
        for rhythm, flowTimer, reliable, bounds in (
            (Rhythm(), 120, True, (96, 120)),
            (Rhythm(), 20, False, (16, 20)),
            (Rhythm(), None, True, (96, 120)),
            (Rhythm(840), None, True, (672, 840)),
            (Rhythm(840), 120, True, (96, 120)),
            (Rhythm(840), None, False, (24, 29)),
        ):
            self.assertEqual(rhythm.bounds(flowTimer, reliable), bounds)

    def test_senseless(self) -> None:
        """
        Pings without a pause are refused.
        """
        for wrong in (0, -1, float("nan")):
            self.assertRaises(ValueError, Rhythm, wrong)

    def test_stun(self) -> None:
        """
        A STUN request is sent seven times, as RFC 8489 6.2.1 has it, and has failed after 39.5 s.
        """
        self.assertEqual(REPETITIONS, (0.5, 1, 2, 4, 8, 16))
        self.assertEqual(STUN_DEADLINE, 39.5)
