"""
Tests of L{sipoutbound.outbound.keepalive}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from sipoutbound.outbound.keepalive import FlowTimer


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

    def test_grace(self) -> None:
        """
        A client that pings at the very end of the Flow-Timer keeps its flow (RFC 5626 5.4), though
        the ping be the last request of a STUN transaction (31.5 s, RFC 8489 6.2.1), and until the
        client itself gives that transaction up (39.5 s). One that has vanished does not cost
        callers time for long.
        """
        for seconds in (20, 120, 999):
            self.assertTrue(39.5 < FlowTimer(seconds).limit - seconds < 60)
