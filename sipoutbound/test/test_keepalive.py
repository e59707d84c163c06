"""
Tests of L{sipoutbound.outbound.keepalive}.
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipoutbound.outbound.keepalive import FlowTimer

TIMERS = st.integers(20, 999).map(FlowTimer)
TIMES = st.floats(0, 1e9)


class FlowTimerTests(SynchronousTestCase):
    """
    How long a client may be silent.
    """

    def test_bounds(self) -> None:
        """
        An operator's mistake is told at start-up, with the bounds, instead of ending all flows.
        """
        for seconds in (20, 120, 999):
            self.assertEqual(FlowTimer(seconds).seconds, seconds)
        for seconds in (-1, 0, 1, 19, 1000, 10**9):
            error = self.assertRaises(ValueError, FlowTimer, seconds)
            self.assertIn("20 to 999", str(error))

    def test_header(self) -> None:
        """
        The header is digits only (RFC 5626 10); clients would ignore anything else.
        """
        self.assertEqual(FlowTimer(20).header, b"20")
        self.assertEqual(FlowTimer(999).header, b"999")

    @given(TIMERS, TIMES)
    @settings(max_examples=50, deadline=None)
    def test_grace(self, timer: FlowTimer, heard: float) -> None:
        """
        A client that pings at the very end of the Flow-Timer keeps its flow (RFC 5626 5.4), though
        the ping be the last request of a STUN transaction (31.5 s, RFC 8489 6.2.1), and until the
        client itself gives that transaction up (39.5 s).
        """
        for late in (0, 10, 31.5, 39.5):
            self.assertFalse(timer.dead(heard, heard + timer.seconds + late))

    @given(TIMERS, TIMES)
    @settings(max_examples=50, deadline=None)
    def test_deadline(self, timer: FlowTimer, heard: float) -> None:
        """
        A phone that has vanished does not cost callers time for long, and a timer set for the
        deadline finds the flow dead at once instead of being set again for no time at all.
        """
        deadline = timer.deadline(heard)
        self.assertFalse(timer.dead(heard, heard))
        self.assertFalse(timer.dead(heard, deadline - 0.01))
        self.assertTrue(timer.dead(heard, deadline))
        self.assertTrue(timer.dead(heard, deadline + 1e6))
        self.assertAlmostEqual(deadline, heard + timer.seconds + timer.grace)

    def test_default(self) -> None:
        """
        With the default of 120 s a silent flow is dead before three minutes are over.
        """
        self.assertEqual(FlowTimer(120).deadline(1000.0), 1160.0)
