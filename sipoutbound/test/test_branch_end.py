"""
Branches that are ended: the caller hangs up, or it has rung for too long (RFC 3261 16.8, 16.10).
"""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from sipoutbound.routing.branch import SILENCE, TIMER_C
from sipoutbound.routing.decision import Target
from sipoutbound.test.doubles import BINDING, FakeFlow, request
from sipoutbound.test.forks import Trial, twoFlows


class CancelTests(SynchronousTestCase):
    """
    The caller hangs up, in each state of a branch.
    """

    def cancelled(self, trial: Trial) -> Trial:
        """
        Have it cancelled.
        """
        trial.fork.cancel()
        return trial

    def test_unanswered(self) -> None:
        """
        The phone must not ring on, nor its other flow begin to.
        """
        trial = self.cancelled(twoFlows())
        self.assertEqual(trial.attempt().cancels, 1)
        trial.wait(SILENCE)
        trial.attempt().answer(487)
        self.assertEqual((trial.tried, trial.outcome), ([b"1"], [487]))

    def test_ringing(self) -> None:
        """
        The same once it rings.
        """
        trial = twoFlows()
        trial.attempt().answer(180)
        self.cancelled(trial)
        self.assertEqual(trial.attempt().cancels, 1)
        trial.attempt().answer(487)
        self.assertEqual((trial.tried, trial.outcome), ([b"1"], [487]))

    def test_thenTimeout(self) -> None:
        """
        Nobody answers the CANCEL either: the caller is told 487, no other flow is tried.
        """
        trial = self.cancelled(twoFlows())
        trial.attempt().timeOut()
        self.assertEqual((trial.tried, trial.outcome), ([b"1"], [487]))

    def test_thenBroken(self) -> None:
        """
        The flow breaks before the 487: likewise.
        """
        trial = self.cancelled(twoFlows())
        trial.attempt().fail()
        self.assertEqual((trial.tried, trial.outcome), ([b"1"], [487]))

    def test_then408or430(self) -> None:
        """
        An answer that else would lead to the next flow does not.
        """
        for status in (408, 430):
            trial = self.cancelled(twoFlows())
            trial.attempt().answer(status)
            self.assertEqual(trial.tried, [b"1"])
            self.assertEqual(len(trial.outcome), 1)

    def test_tooLate(self) -> None:
        """
        Somebody has picked up at the same moment: the caller gets the 2xx.
        """
        trial = self.cancelled(twoFlows())
        trial.attempt().answer(200)
        self.assertEqual((trial.heard, trial.outcome), ([200], [200]))

    def test_ended(self) -> None:
        """
        After the end nothing is cancelled.
        """
        trial = twoFlows()
        trial.attempt().answer(486)
        self.cancelled(trial)
        self.assertEqual((trial.attempt().cancels, trial.outcome), (0, [486]))

    def test_whileReaching(self) -> None:
        """
        Cancelled while a next hop is looked for: nothing is sent to it.
        """
        reaching: Deferred[FakeFlow] = Deferred()
        trial = Trial()
        trial.hops.ways[b"sip:bob@192.0.2.4:5060"] = reaching
        self.cancelled(trial.start(Target(BINDING.contact, binding=BINDING)))
        reaching.callback(FakeFlow(b"1"))
        self.assertEqual((trial.tried, trial.outcome), ([], [487]))

    def test_afterSilence(self) -> None:
        """
        Both attempts end.
        """
        trial = twoFlows()
        trial.wait(SILENCE)
        self.cancelled(trial)
        trial.attempt(0).answer(180)
        self.assertEqual([begun.cancels for begun in trial.transactions.begun], [1, 1])


class TimerCTests(SynchronousTestCase):
    """
    An INVITE does not ring for ever (RFC 3261 16.8).
    """

    def test_rings(self) -> None:
        """
        After three minutes without news it is cancelled, the caller told; the flow works, so the
        binding stays, and the other flow is left alone.
        """
        trial = twoFlows()
        trial.attempt().answer(180)
        trial.wait(TIMER_C - 1)
        self.assertEqual(trial.outcome, [])
        trial.wait(1)
        self.assertEqual((trial.attempt().cancels, trial.outcome), (1, [408]))
        self.assertEqual((trial.tried, trial.removed), ([b"1"], []))

    def test_news(self) -> None:
        """
        Each provisional response gives it as much time again.
        """
        trial = twoFlows()
        for _ in range(3):
            trial.attempt().answer(180)
            trial.wait(TIMER_C - 1)
        self.assertEqual((trial.outcome, trial.heard), ([], [180, 180, 180]))

    def test_trying(self) -> None:
        """
        A server that goes on saying 100 does not keep the call alive (RFC 3261 16.7 step 2).
        """
        trial = twoFlows()
        trial.attempt().answer(100)
        trial.wait(TIMER_C - 1)
        trial.attempt().answer(100)
        trial.wait(1)
        self.assertEqual((trial.attempt().cancels, trial.outcome), (1, [408]))

    def test_afterwards(self) -> None:
        """
        What comes after it changes nothing.
        """
        trial = twoFlows()
        trial.attempt().answer(180)
        trial.wait(TIMER_C)
        trial.attempt().answer(180)
        trial.attempt().answer(487)
        trial.attempt().timeOut()
        self.assertEqual((trial.heard, trial.outcome, trial.removed), ([180], [408], []))

    def test_ended(self) -> None:
        """
        No timer is left behind by a branch that has ended.
        """
        for status in (200, 430, 486):
            trial = Trial((FakeFlow(b"1"),)).toPhone()
            trial.attempt().answer(180)
            trial.attempt().answer(status)
            self.assertEqual(trial.transactions.clock.getDelayedCalls(), [])

    def test_notForOthers(self) -> None:
        """
        Other requests end by timer F alone.
        """
        trial = Trial((FakeFlow(b"1"),), request(b"MESSAGE")).toPhone()
        trial.attempt().answer(100)
        self.assertEqual(trial.transactions.clock.getDelayedCalls(), [])
