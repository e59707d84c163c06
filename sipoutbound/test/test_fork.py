"""
Groups of targets: at once within a group, one group after the other, one answer in the end
(RFC 3261 16.6, 16.7).
"""

from __future__ import annotations

from typing import NoReturn

from attrs import evolve
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from sipoutbound.interfaces import Unreachable
from sipoutbound.message.message import Request
from sipoutbound.routing.decision import Target
from sipoutbound.test.doubles import BINDING, FakeFlow, FakeLocation, flowBinding, request
from sipoutbound.test.forks import Trial, device


def targets(*flows: FakeFlow) -> tuple[Target, ...]:
    """
    A target for each flow, none of them a binding.
    """
    return tuple(Target(flow=flow) for flow in flows)


class ForkTests(SynchronousTestCase):
    """
    L{Fork<sipoutbound.routing.fork.Fork>}.
    """

    def setUp(self) -> None:
        """
        Three phones.
        """
        self.flows = FakeFlow(b"1"), FakeFlow(b"2"), FakeFlow(b"3")
        self.one, self.two, self.three = targets(*self.flows)

    def together(self, message: Request | None = None) -> Trial:
        """
        Two of them are called at once.
        """
        return Trial(message=message or request()).start((self.one, self.two))

    def cancels(self, trial: Trial) -> list[int]:
        """
        How often each attempt was cancelled.
        """
        return [begun.cancels for begun in trial.transactions.begun]

    def test_together(self) -> None:
        """
        All phones of a group ring at once; the caller hears each.
        """
        trial = self.together()
        self.assertEqual(trial.tried, [b"1", b"2"])
        trial.attempt(0).answer(180)
        trial.attempt(1).answer(183)
        self.assertEqual((trial.heard, trial.outcome), ([180, 183], []))

    def test_twice(self) -> None:
        """
        Nobody rings twice because he is called twice, however he is spelled, in the same group or a
        later one (RFC 3261 16.5); phones behind NATs that have chosen the same Contact are two.
        """
        spellings = "sip:b@x.org", "sip:%62@X.ORG", "sip:b@x.org:5060", "sip:b@x.org;y=1"
        trial = Trial().start(spellings[:2], spellings, "sip:b@x.org")
        while not trial.outcome:
            trial.attempt().answer(486)
        self.assertEqual(len(trial.tried), 2)
        bindings = [flowBinding(flow, contact=b"sip:b@10.0.0.1") for flow in self.flows[:2]]
        trial = Trial(self.flows).start(tuple(map(device, bindings)))
        self.assertEqual(trial.tried, [b"1", b"2"])

    def test_registeredMeanwhile(self) -> None:
        """
        A phone that registers while the others ring is called after them (RFC 3261 16.5); a further
        flow of one that was called is not (RFC 5626 7), nor is anybody after the last word.
        """
        old, new = (flowBinding(flow, instance=flow.label) for flow in self.flows[:2])
        again = flowBinding(self.flows[2], 2, instance=b"1")
        for status, tried in ((486, [b"1", b"2"]), (603, [b"1"]), (200, [b"1"])):
            trial = Trial(self.flows).start(device(old))
            trial.location.bindings[b"bob@example.com"] = (old, again, new)
            trial.attempt().answer(status)
            self.assertEqual(trial.tried, tried)
        trial = Trial(self.flows).start(device(old))
        trial.location.bindings[b"bob@example.com"] = (old, new)
        trial.attempt().answer(486)
        trial.attempt().answer(404)
        self.assertEqual((trial.tried, trial.outcome), ([b"1", b"2"], [486]))

    def test_notFound(self) -> None:
        """
        A location service that fails just then costs the caller nothing: it hears what there is.
        """
        trial = Trial(self.flows).start(device(flowBinding(self.flows[0])))

        async def broken(location: FakeLocation, aor: bytes) -> NoReturn:
            raise ZeroDivisionError

        self.patch(FakeLocation, "lookup", broken)
        trial.attempt().answer(486)
        self.assertEqual(trial.outcome, [486])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_oneAfterTheOther(self) -> None:
        """
        The next group begins when the one in front of it has failed, not earlier.
        """
        trial = Trial().start((self.one, self.two), self.three)
        trial.attempt(0).answer(486)
        self.assertEqual(trial.tried, [b"1", b"2"])
        trial.attempt(1).answer(404)
        self.assertEqual((trial.tried, trial.outcome), ([b"1", b"2", b"3"], []))
        trial.attempt(2).answer(200)
        self.assertEqual((trial.heard, trial.outcome), ([200], [200]))

    def test_allFail(self) -> None:
        """
        The caller gets the best failure of all groups.
        """
        trial = Trial().start(self.one, self.two, self.three)
        for status in (486, 302, 404):
            trial.attempt().answer(status)
        self.assertEqual(trial.outcome, [302])

    def test_nobody(self) -> None:
        """
        Without any target it is 480 (RFC 3261 16.5).
        """
        self.assertEqual(Trial().start().outcome, [480])

    def test_success(self) -> None:
        """
        When one picks up, the others stop ringing, and no further group is tried.
        """
        trial = Trial().start((self.one, self.two), self.three)
        trial.attempt(0).answer(180)
        trial.attempt(1).answer(200)
        self.assertEqual((trial.heard, trial.outcome), ([180, 200], []))
        self.assertEqual(self.cancels(trial), [1, 0])
        trial.attempt(0).answer(180)
        trial.attempt(0).answer(487)
        self.assertEqual((trial.heard, trial.outcome), ([180, 200], [200]))
        self.assertEqual(trial.tried, [b"1", b"2"])

    def test_twoSuccesses(self) -> None:
        """
        Two pick up at the same moment: the caller gets both, and repetitions too, since only the
        ACK of the caller ends them (RFC 3261 16.7 step 5).
        """
        trial = self.together()
        trial.attempt(0).answer(200, tag=b"one")
        trial.attempt(1).answer(200, tag=b"two")
        trial.attempt(0).answer(200, tag=b"one")
        tags = [response.to.param(b"tag") for response in trial.passed]
        self.assertEqual(tags, [b"one", b"two", b"one"])
        self.assertEqual(trial.concluded, trial.passed[:1])

    def test_oneSuccessOfOthers(self) -> None:
        """
        A request other than INVITE has one answer only, and is never cancelled (RFC 3261 9.1).
        """
        trial = self.together(request(b"MESSAGE"))
        trial.attempt(0).answer(200)
        trial.attempt(1).answer(200)
        self.assertEqual((trial.heard, trial.outcome), ([200], [200]))

    def test_declined(self) -> None:
        """
        A 6xx ends it for everybody (RFC 3261 16.7 step 5), but not before the others have ended:
        one of them may pick up still.
        """
        trial = Trial().start((self.one, self.two), self.three)
        trial.attempt(0).answer(603)
        self.assertEqual((self.cancels(trial), trial.outcome), ([0, 1], []))
        trial.attempt(1).answer(487)
        self.assertEqual((trial.tried, trial.outcome), ([b"1", b"2"], [603]))

    def test_declinedAndPickedUp(self) -> None:
        """
        If one does, the call is made.
        """
        trial = self.together()
        trial.attempt(0).answer(603)
        trial.attempt(1).answer(200)
        self.assertEqual((trial.heard, trial.outcome), ([200], [200]))

    def test_cancel(self) -> None:
        """
        The caller hangs up: all stop ringing, no further group begins.
        """
        trial = Trial().start((self.one, self.two), self.three)
        trial.fork.cancel()
        self.assertEqual(self.cancels(trial), [1, 1])
        trial.attempt(0).answer(487)
        trial.attempt(1).answer(487)
        self.assertEqual((trial.tried, trial.outcome), ([b"1", b"2"], [487]))

    def test_deadInGroup(self) -> None:
        """
        A dead flow beside a living one leaves the living one alone.
        """
        self.flows[0].alive = False
        trial = self.together()
        self.assertEqual((trial.tried, trial.outcome), ([b"2"], []))
        trial.attempt().answer(200)
        self.assertEqual(trial.outcome, [200])

    def test_430ofAnEdge(self) -> None:
        """
        An edge hands a 430 on: it must reach the proxy that can try another flow.
        """
        trial = Trial().start(self.one)
        trial.attempt().answer(430)
        self.assertEqual(trial.outcome, [430])
        self.flows[1].alive = False
        self.assertEqual(Trial().start(self.two).outcome, [430])

    def test_430ofABinding(self) -> None:
        """
        The proxy that has the bindings tells the caller 480 (RFC 5626 11.5); any other 4xx is
        better than that.
        """
        flow = FakeFlow(b"1")
        trial = Trial((flow,))
        path = (b"<sip:%b@edge.example.com;lr;ob>" % flow.token,)
        bound = Target(b"sip:bob@192.0.2.4", path, binding=evolve(BINDING, path=path))
        trial.start((bound, self.two))
        trial.attempt(0).answer(430)
        trial.attempt(1).answer(404)
        self.assertEqual(trial.outcome, [404])

    def test_unreachable(self) -> None:
        """
        A next hop that cannot be reached is a 503 of ours, told as 500 (RFC 3261 16.7 step 6).
        """
        trial = Trial()
        trial.hops.ways[b"sip:x@192.0.2.77"] = Unreachable("refused")
        trial.start(Target(b"sip:x@192.0.2.77"))
        self.assertEqual((trial.hops.reached, trial.outcome), ([b"sip:x@192.0.2.77"], [500]))

    def test_thousands(self) -> None:
        """
        Of thousands of next hops each fails as soon as it is looked for: the caller is told in the
        end, however many there are, at once or one after the other.
        """
        uris = [b"sip:%d@nowhere.example.org" % number for number in range(2000)]
        for groups in ([tuple(uris)], uris):
            trial = Trial()
            trial.hops.ways = dict.fromkeys(uris, Unreachable("nothing there"))
            with capturedLogs():
                trial.start(*groups)
            self.assertEqual((len(trial.hops.reached), trial.outcome), (2000, [500]))
