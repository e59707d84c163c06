"""
One flow of an instance at a time: the table of what leads to the next flow, and of what removes a
binding (RFC 5626 7, RFC 3261 16.6).
"""

from __future__ import annotations

from functools import partial

from twisted.trial.unittest import SynchronousTestCase

from sipoutbound.interfaces import Unreachable
from sipoutbound.outbound.binding import Binding
from sipoutbound.routing.decision import Target
from sipoutbound.test.doubles import BINDING, FakeFlow, FakeLocation, request
from sipoutbound.test.forks import Trial, device, twoFlows
from sipoutbound.test.transactions import FakeTransactions

PEER = b"sip:bob@192.0.2.50;transport=tcp"

# Final responses that are the instance's answer: no other flow may be tried (RFC 5626 7). 503 is
# told as 500 (RFC 3261 16.7 step 6).
ANSWERS = (
    300, 301, 302, 400, 401, 403, 404, 407, 415, 420, 480, 481, 482, 484, 486, 487, 488, 500, 501,
    504, 505, 600, 603, 606,
)  # fmt: skip


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

    def toPeer(self, *used: bool, binding: Binding | None = None) -> Trial:
        """
        Forward to a peer over connections that we make.

        @param used: of each, in turn, whether a request has gone over it before.
        """
        trial = Trial()
        self.connections = [FakeFlow(b"%d" % at, pending=set() if each else None)
                            for at, each in enumerate(used, 1)]  # fmt: skip
        trial.hops.ways[PEER] = self.connections[0]
        return trial.start(Target(PEER, binding=binding))

    def breaks(self, trial: Trial, following: FakeFlow | Unreachable) -> None:
        """
        Break the connection off; the next one is as given.
        """
        trial.hops.ways[PEER] = following
        trial.attempt().fail()

    def test_breaksToPeer(self) -> None:
        """
        The connection to a foreign hop closes: 500, and not the 430 that is for flows (RFC 3261
        16.9, RFC 5626 11.5). Nobody is asked twice over a new one.
        """
        trial = self.toPeer(False, False)
        self.breaks(trial, self.connections[1])
        self.assertEqual((trial.tried, trial.outcome), ([b"1"], [500]))

    def test_breaksOfFlow(self) -> None:
        """
        A flow of ours that a Route has named is a flow, so whoever has the binding learns 430.
        """
        trial = Trial().start(Target(flow=FakeFlow(b"1", pending=set())))
        trial.attempt().fail()
        self.assertEqual((trial.tried, trial.outcome), ([b"1"], [430]))

    def test_breaksIdle(self) -> None:
        """
        A connection that the peer was about to close for being idle is made anew, once.
        """
        for binding, status in ((None, 500), (BINDING, 480)):
            trial = self.toPeer(True, True, True, binding=binding)
            self.breaks(trial, self.connections[1])
            self.assertEqual((trial.tried, trial.outcome), ([b"1", b"2"], []))
            self.breaks(trial, self.connections[2])
            self.assertEqual((trial.tried, trial.outcome), ([b"1", b"2"], [status]))

    def test_breaksRefused(self) -> None:
        """
        If it cannot be made anew, the peer is unreachable.
        """
        trial = self.toPeer(True)
        self.breaks(trial, Unreachable("refused"))
        self.assertEqual((trial.tried, trial.outcome), ([b"1"], [500]))

    def test_breaksAnswered(self) -> None:
        """
        Nor if it has answered, or the caller has gone: a phone would ring anew.
        """
        for event, outcome in (("answered", [500]), ("cancelled", [487])):
            trial = self.toPeer(True, False)
            if event == "answered":
                trial.attempt().answer(100)
            else:
                trial.fork.cancel()
            self.breaks(trial, self.connections[1])
            self.assertEqual((trial.tried, trial.outcome), ([b"1"], outcome))
            self.assertEqual(trial.hops.reached, [PEER])

    def test_mistake(self) -> None:
        """
        A mistake of ours while sending ends its branch: the caller would wait for ever.
        """
        def wrong(transactions: FakeTransactions, *args: object) -> None:
            raise ZeroDivisionError

        self.patch(FakeTransactions, "begin", wrong)
        for start in (Trial((FakeFlow(b"1"),)).toPhone, partial(self.toPeer, False), twoFlows):
            trial = start()
            self.assertEqual(trial.outcome, [500])
            self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
            self.assertEqual(trial.transactions.clock.getDelayedCalls(), [])

    def test_mistakeUnreachable(self) -> None:
        """
        The same where nobody is reached.
        """
        def wrong(location: FakeLocation, binding: Binding) -> None:
            raise ZeroDivisionError

        self.patch(FakeLocation, "remove", wrong)
        trial = Trial()
        trial.hops.ways[PEER] = Unreachable("refused")
        trial.start(Target(PEER, binding=BINDING))
        self.assertEqual(trial.outcome, [500])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

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
