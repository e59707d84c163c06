"""
A flow that stays silent: left in time for the next one, and what it answers late.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from sipoutbound.routing.branch import SILENCE, TIMER_C
from sipoutbound.routing.decision import Target
from sipoutbound.test.doubles import BINDING, FakeFlow
from sipoutbound.test.forks import Trial, twoFlows


class SilenceTests(SynchronousTestCase):
    """
    A silent flow must not cost the caller half a minute.
    """

    def test_left(self) -> None:
        """
        Without any response the next flow rings after two seconds, not earlier.
        """
        trial = twoFlows()
        trial.wait(1.9)
        self.assertEqual(trial.tried, [b"1"])
        trial.wait(0.1)
        self.assertEqual((trial.tried, trial.outcome), ([b"1", b"2"], []))
        self.assertEqual(trial.removed, [])

    def test_anyResponse(self) -> None:
        """
        A 100 shows that the flow works: the other must not ring as well.
        """
        for status in (100, 180):
            trial = twoFlows()
            trial.attempt().answer(status)
            trial.wait(TIMER_C - 1)
            self.assertEqual(trial.tried, [b"1"])

    def test_lastFlow(self) -> None:
        """
        The last flow has all the time of timer B: there is nothing better to do.
        """
        trial = twoFlows()
        trial.wait(60)
        self.assertEqual((trial.tried, trial.outcome), ([b"1", b"2"], []))

    def test_lateRinging(self) -> None:
        """
        The phone would ring twice: what answers late is cancelled, and the caller not told.
        """
        trial = twoFlows()
        trial.wait(SILENCE)
        trial.attempt(0).answer(180)
        self.assertEqual((trial.attempt(0).cancels, trial.attempt(1).cancels), (1, 0))
        trial.attempt(0).answer(487)
        self.assertEqual((trial.heard, trial.outcome, trial.removed), ([], [], []))

    def test_lateSuccess(self) -> None:
        """
        Somebody has picked up on the late flow: the caller gets it, and the other stops ringing.
        """
        trial = twoFlows()
        trial.wait(SILENCE)
        trial.attempt(1).answer(180)
        trial.attempt(0).answer(200)
        self.assertEqual((trial.heard, trial.attempt(1).cancels), ([180, 200], 1))
        trial.attempt(1).answer(487)
        self.assertEqual((trial.outcome, trial.removed), ([200], []))

    def test_lateSuccessAfterNextWasReached(self) -> None:
        """
        The same while the second flow is only being looked for.
        """
        reaching: Deferred[FakeFlow] = Deferred()
        trial = Trial((FakeFlow(b"1"),))
        trial.hops.ways[b"sip:bob@192.0.2.4:5060"] = reaching
        (first,) = trial.bindings
        plain = Target(BINDING.contact, binding=BINDING)
        trial.start(Target(first.contact, first.path, None, first, (plain,)))
        trial.wait(SILENCE)
        trial.attempt().answer(200)
        reaching.callback(FakeFlow(b"2"))
        self.assertEqual((trial.tried, trial.heard, trial.outcome), ([b"1"], [200], [200]))

    def test_late430(self) -> None:
        """
        A late 430 tells that the flow is gone all the same.
        """
        trial = twoFlows()
        trial.wait(SILENCE)
        trial.attempt(0).answer(430)
        self.assertEqual((trial.tried, trial.removed), ([b"1", b"2"], [b"token-of-1"]))

    def test_neverAnswered(self) -> None:
        """
        A flow that has not said anything until timer B loses its binding, though it was left long
        ago: otherwise every caller would wait those two seconds.
        """
        trial = twoFlows()
        trial.wait(SILENCE)
        trial.attempt(1).answer(486)
        trial.attempt(0).timeOut()
        self.assertEqual((trial.outcome, trial.removed), ([486], [b"token-of-1"]))

    def test_answeredLate(self) -> None:
        """
        One that answered anything keeps it.
        """
        trial = twoFlows()
        trial.wait(SILENCE)
        trial.attempt(0).answer(100)
        trial.attempt(0).timeOut()
        self.assertEqual((trial.outcome, trial.removed), ([], []))

    def test_lateBreak(self) -> None:
        """
        That the silent flow breaks after all does not matter to the one that rings.
        """
        trial = Trial((FakeFlow(b"1"), FakeFlow(b"2"), FakeFlow(b"3"))).toPhone()
        trial.wait(SILENCE)
        trial.attempt(0).fail()
        self.assertEqual(trial.tried, [b"1", b"2"])

    def test_onlyDeadOnesLeft(self) -> None:
        """
        A slow flow is not given up for others that are gone.
        """
        flows = FakeFlow(b"1"), FakeFlow(b"2")
        trial = Trial(flows).toPhone()
        flows[1].alive = False
        trial.wait(SILENCE)
        self.assertEqual(trial.outcome, [])
        trial.attempt().answer(200)
        self.assertEqual(trial.outcome, [200])
