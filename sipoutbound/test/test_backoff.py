"""
Tests of how long a client waits.
"""

from __future__ import annotations

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipoutbound.outbound.backoff import Backoff, Times

FAILURES = st.integers(0, 5000)
SECONDS = st.floats(0.001, 1e6)


class TimesTests(SynchronousTestCase):
    """
    L{Times}.
    """

    def test_appendix(self) -> None:
        """
        The table of RFC 5626 appendix A, in seconds: an operator who has read it finds his clients
        back when it says.
        """
        allFailed = (0, 60, 120, 240, 480, 960, 1800, 1800)
        notAllFailed = (0, 180, 360, 720, 1440, 1800, 1800, 1800)
        for others, bounds in ((False, allFailed), (True, notAllFailed)):
            for failures, bound in enumerate(bounds):
                self.assertEqual(Times().upperBound(failures, others), bound, (failures, others))

    def test_settings(self) -> None:
        """
        The three times can be set.
        """
        times = Times(allFailed=1, notAllFailed=10, longest=100)
        for others, bounds in ((False, (2, 4, 100)), (True, (20, 40, 100))):
            for failures, bound in zip((1, 2, 9), bounds, strict=True):
                self.assertEqual(times.upperBound(failures, others), bound)

    def test_senseless(self) -> None:
        """
        A time that would have a proxy asked without end is refused.
        """
        for wrong in (0, -1, float("nan")):
            for name in ("allFailed", "notAllFailed", "longest"):
                self.assertRaises(ValueError, Times, **{name: wrong})

    @settings(max_examples=100, deadline=None)
    @given(FAILURES, st.booleans(), SECONDS, SECONDS, SECONDS)
    def test_bounded(
        self, failures: int, others: bool, allFailed: float, notAllFailed: float, longest: float
    ) -> None:
        """
        However often a proxy has failed, its turn comes again; never sooner for one failure more.
        """
        times = Times(allFailed, notAllFailed, longest)
        bound = times.upperBound(failures, others)
        self.assertLessEqual(bound, longest)
        self.assertLessEqual(bound, times.upperBound(failures + 1, others))


class BackoffTests(SynchronousTestCase):
    """
    L{Backoff}.
    """

    def backoff(self, seed: int = 0) -> Backoff:
        """
        One with the usual times.
        """
        return Backoff(Times(), Random(seed).uniform)

    def longest(self) -> Backoff:
        """
        One that draws the most each time.
        """
        return Backoff(Times(), lambda least, most: most)

    @settings(max_examples=100, deadline=None)
    @given(st.integers(), st.lists(st.booleans(), min_size=1, max_size=12))
    def test_half(self, seed: int, history: list[bool]) -> None:
        """
        Each wait lies between half of the bound and all of it, so that clients that were lost
        together do not return together.
        """
        backoff = self.backoff(seed)
        for failures, others in enumerate(history, 1):
            bound = Times().upperBound(failures, others)
            wait = backoff.failed(others)
            self.assertTrue(bound / 2 <= wait <= bound, (failures, others, wait))

    def test_spread(self) -> None:
        """
        The waits are drawn, not one and the same.
        """
        waits = {self.backoff(seed).failed(False) for seed in range(50)}
        self.assertEqual(len(waits), 50)
        self.assertTrue(min(waits) < 35 and max(waits) > 55)

    def test_forEver(self) -> None:
        """
        After a night without network a client comes back in half an hour at most, and does not need
        a number of a thousand digits for it.
        """
        backoff = self.backoff()
        for _ in range(3000):
            wait = backoff.failed(False)
        self.assertTrue(900 <= wait <= 1800)

    def test_success(self) -> None:
        """
        After a success it counts from the beginning.
        """
        backoff = self.longest()
        waits = [backoff.failed(False), backoff.failed(False)]
        backoff.succeeded()
        self.assertEqual([*waits, backoff.failed(False)], [60, 120, 60])

    def test_lost(self) -> None:
        """
        A flow that was a success is replaced at once; one that was none, only after a wait.
        """
        backoff = self.longest()
        backoff.failed(False)
        self.assertEqual(backoff.lost(False, True), 360)
        self.assertEqual(backoff.lost(True, True), 0)
        self.assertEqual(backoff.failed(True), 180)

    def test_retryAfter(self) -> None:
        """
        A server that says when to come back is obeyed the first time, shorter or longer; a second
        time in a row it can only make the wait longer.
        """
        for seconds, second in ((0, 120), (5, 120), (500, 500)):
            backoff = self.longest()
            self.assertEqual(backoff.failed(False, seconds), seconds)
            self.assertEqual(backoff.failed(False, seconds), second)
