"""
One flow of an instance at a time: the table of what leads to the next flow, and of what removes a
binding (RFC 5626 7, RFC 3261 16.6, 16.8).
"""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from sipoutbound.interfaces import Unreachable
from sipoutbound.message.message import Request
from sipoutbound.routing.branch import SILENCE, TIMER_C
from sipoutbound.routing.decision import Target
from sipoutbound.test.doubles import BINDING, FakeFlow, request
from sipoutbound.test.forks import Trial, device

# Final responses that are the instance's answer: no other flow may be tried (RFC 5626 7). 503 is
# told as 500 (RFC 3261 16.7 step 6).
ANSWERS = (
    300, 301, 302, 400, 401, 403, 404, 407, 415, 420, 480, 481, 482, 484, 486, 487, 488, 500, 501,
    504, 505, 600, 603, 606,
)  # fmt: skip


def twoFlows(message: Request | None = None) -> Trial:
    """
    A phone with two flows is called, and the first flow has been sent down.
    """
    return Trial((FakeFlow(b"1"), FakeFlow(b"2")), message or request()).toPhone()


class NextFlowTests(SynchronousTestCase):
    """
    Row by row: the event on a flow, whether the next is tried, whether the binding is removed.
    """

    def test_lowestFirst(self) -> None:
        """
        The call would ring twice, or not on the first flow.
        """
        trial = twoFlows()
        self.assertEqual((trial.tried, trial.outcome), ([b"1"], []))

    def test_goneBefore(self) -> None:
        """
        A caller would wait for a flow that is known to be gone.
        """
        trial = Trial((FakeFlow(b"1", alive=False), FakeFlow(b"2"))).toPhone()
        self.assertEqual(trial.tried, [b"2"])
        self.assertEqual(trial.removed, [b"token-of-1"])

    def test_forgedBefore(self) -> None:
        """
        After the keys were lost, stored tokens are like flows that are gone, not an error.
        """
        trial = Trial((FakeFlow(b"1"),))
        stranger = FakeFlow(b"stranger")
        trial.start(device(*Trial((stranger,)).bindings, *trial.bindings))
        self.assertEqual(trial.tried, [b"1"])
        self.assertEqual(trial.removed, [stranger.token])

    def test_breaks(self) -> None:
        """
        The flow closes while it rings: the next one must ring at once. The binding is removed by
        the flow's death itself, for every AoR.
        """
        for answered in (False, True):
            trial = twoFlows()
            if answered:
                trial.attempt().answer(180)
            trial.attempt().fail()
            self.assertEqual(trial.tried, [b"1", b"2"])
            self.assertEqual(trial.removed, [])
            self.assertEqual(trial.outcome, [])

    def test_430(self) -> None:
        """
        Behind a distant edge a flow has gone: the next is tried, and the binding goes.
        """
        trial = twoFlows()
        trial.attempt().answer(430)
        self.assertEqual(trial.tried, [b"1", b"2"])
        self.assertEqual(trial.removed, [b"token-of-1"])

    def test_430last(self) -> None:
        """
        The caller never sees a 430, but 480 (RFC 5626 11.5).
        """
        trial = twoFlows()
        trial.attempt().answer(430)
        trial.attempt().answer(430)
        self.assertEqual(trial.outcome, [480])
        self.assertEqual(trial.removed, [b"token-of-1", b"token-of-2"])

    def test_unreachable(self) -> None:
        """
        The edge of the first flow is down: the second is tried, that binding removed.
        """
        trial = Trial((FakeFlow(b"2"),))
        away = Target(
            b"sip:bob@192.0.2.4", (b"<sip:t@edge2.example;lr;ob>",), binding=BINDING,
            otherwise=(device(*trial.bindings),),
        )
        trial.hops.ways[b"sip:t@edge2.example;lr;ob"] = Unreachable("refused")
        trial.start(away)
        self.assertEqual(trial.tried, [b"2"])
        self.assertEqual(trial.location.removed, [BINDING])

    def test_badPath(self) -> None:
        """
        A stored Path that is no URI must not end the call in a 500.
        """
        trial = Trial((FakeFlow(b"2"),))
        for bad in (b"<nonsense>", b"<sip:t@edge.example.com:99999>", b"<"):
            trial.transactions.begun.clear()
            other = device(*trial.bindings)
            trial.start(Target(b"sip:bob@192.0.2.4", (bad,), None, BINDING, (other,)))
            self.assertEqual(trial.tried, [b"2"])
            self.assertEqual(trial.location.removed.pop(), BINDING)

    def test_noResponseWhatever(self) -> None:
        """
        Timer B on the last flow without any response: the binding is removed, the caller told.
        """
        trial = Trial((FakeFlow(b"1"),)).toPhone()
        trial.attempt().timeOut()
        self.assertEqual(trial.outcome, [408])
        self.assertEqual(trial.removed, [b"token-of-1"])

    def test_noResponseToOther(self) -> None:
        """
        Timer F: the caller's own time is over, so no other flow is tried.
        """
        trial = twoFlows(request(b"MESSAGE"))
        trial.attempt().timeOut()
        self.assertEqual((trial.tried, trial.outcome), ([b"1"], [408]))
        self.assertEqual(trial.removed, [b"token-of-1"])

    def test_408received(self) -> None:
        """
        Some element answered 408: another flow may do better, the binding stays.
        """
        trial = twoFlows()
        trial.attempt().answer(408)
        self.assertEqual(trial.tried, [b"1", b"2"])
        trial.attempt().answer(408)
        self.assertEqual(trial.outcome, [408])
        self.assertEqual(trial.removed, [])

    def test_otherFinal(self) -> None:
        """
        A phone that is busy would ring again over its other flow.
        """
        for status in (200, 202, *ANSWERS):
            trial = twoFlows()
            trial.attempt().answer(status)
            self.assertEqual((trial.tried, trial.outcome), ([b"1"], [status]))
            self.assertEqual(trial.removed, [])

    def test_503received(self) -> None:
        """
        A 503 ends it too (RFC 5626 7), and is 500 for the caller.
        """
        trial = twoFlows()
        trial.attempt().answer(503)
        self.assertEqual((trial.tried, trial.outcome, trial.removed), ([b"1"], [500], []))

    def test_brokenAfterAnswer(self) -> None:
        """
        A UDP flow that dies while its 486 is still being absorbed must not ring the next flow.
        """
        for status in (200, 486):
            trial = twoFlows()
            trial.attempt().answer(status)
            trial.attempt().fail()
            trial.attempt().timeOut()
            self.assertEqual((trial.tried, trial.outcome), ([b"1"], [status]))

    def test_brokenAfterNext(self) -> None:
        """
        Nor must one that was left already: three flows, and only one at a time.
        """
        trial = Trial((FakeFlow(b"1"), FakeFlow(b"2"), FakeFlow(b"3"))).toPhone()
        trial.attempt().answer(430)
        trial.attempt(0).fail()
        self.assertEqual(trial.tried, [b"1", b"2"])


class SilenceTests(SynchronousTestCase):
    """
    A silent flow must not cost the caller half a minute.
    """

    def test_left(self) -> None:
        """
        Without any response the next flow rings after two seconds, not earlier.
        """
        trial = twoFlows()
        trial.wait(SILENCE - 0.1)
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


class ProvisionalTests(SynchronousTestCase):
    """
    What the caller hears before the answer.
    """

    def test_passed(self) -> None:
        """
        Ringing reaches the caller; a 100 is for us alone (RFC 3261 16.7 step 5).
        """
        trial = twoFlows()
        for status in (100, 180, 183):
            trial.attempt().answer(status)
        self.assertEqual(trial.heard, [180, 183])

    def test_viaTaken(self) -> None:
        """
        The caller would drop a response with our Via on top.
        """
        trial = twoFlows()
        came = trial.attempt().answer(180)
        self.assertEqual(trial.passed[0].all(b"via"), trial.message.all(b"via"))
        self.assertEqual(len(came.all(b"via")), 2)
