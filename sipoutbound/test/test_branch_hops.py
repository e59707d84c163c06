"""
A next hop with several addresses: what leads from one to the next, and what the caller hears of it
(RFC 3263 4.3, RFC 3261 16.6 step 7, 16.9, 18.1.1).
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from sipoutbound.interfaces import Unreachable
from sipoutbound.message.message import Request
from sipoutbound.routing.branch import SILENCE, SLOW
from sipoutbound.routing.course import LARGEST
from sipoutbound.routing.decision import Target
from sipoutbound.test.doubles import BINDING, FakeFlow, request
from sipoutbound.test.forks import Trial, device

DOMAIN = b"sip:bob@example.org"
EDGE = b"sip:t@edge2.example;lr;ob"


def udp(label: bytes) -> FakeFlow:
    """
    A UDP flow.
    """
    return FakeFlow(label, transport=b"UDP", reliable=False)


def trialOf(message: Request, *ways: Any, binding: Any = None) -> Trial:
    """
    A request to a domain with these addresses.
    """
    trial = Trial((), message)
    trial.hops.ways[DOMAIN] = list(ways)
    return trial.start(Target(DOMAIN, binding=binding))


class NextAddressTests(SynchronousTestCase):
    """
    From one address to the next.
    """

    def invite(self, *ways: Any, binding: Any = None) -> Trial:
        """
        An INVITE to these addresses.
        """
        return trialOf(request(), *ways, binding=binding)

    def three(self) -> Trial:
        """
        An INVITE to three addresses.
        """
        return self.invite(*(udp(b"%d" % at) for at in (1, 2, 3)))

    def test_one(self) -> None:
        """
        One address at a time: the others are not called while the first may answer.
        """
        trial = self.three()
        self.assertEqual((trial.tried, trial.outcome), ([b"1"], []))

    def test_unavailable(self) -> None:
        """
        503: the next server gets a request of its own, and the caller hears of the answer only.
        """
        trial = self.three()
        trial.attempt().answer(100)
        trial.attempt().answer(503)
        self.assertEqual((trial.tried, trial.heard, trial.outcome), ([b"1", b"2"], [], []))
        trial.attempt().answer(180)
        trial.attempt().answer(200)
        self.assertEqual((trial.heard, trial.outcome), ([180, 200], [200]))
        first, second = (begun.request for begun in trial.transactions.begun)
        self.assertNotEqual(first.via.branch, second.via.branch)
        self.assertEqual(len(second.all(b"via")), 2)
        for key in (b"call-id", b"cseq", b"from", b"to", b"max-forwards"):
            self.assertEqual(first.need(key), second.need(key))

    def test_allUnavailable(self) -> None:
        """
        If all say 503 the caller is told 500: it must not take it for ours (RFC 3261 16.7).
        """
        trial = self.three()
        for _ in range(3):
            trial.attempt().answer(503)
        self.assertEqual((trial.tried, trial.outcome), ([b"1", b"2", b"3"], [500]))

    def test_broken(self) -> None:
        """
        The connection breaks, or the network does not take the request: the next one.
        """
        for answered in (False, True):
            trial = self.three()
            if answered:
                trial.attempt().answer(180)
            trial.attempt().fail()
            self.assertEqual((trial.tried, trial.outcome), ([b"1", b"2"], []))

    def test_allBroken(self) -> None:
        """
        The last one's failure counts as a 503 (RFC 3261 16.9).
        """
        trial = self.three()
        for _ in range(3):
            trial.attempt().fail()
        self.assertEqual((trial.tried, trial.outcome), ([b"1", b"2", b"3"], [500]))

    def test_finalAnswer(self) -> None:
        """
        Any other answer is the domain's: a busy callee does not ring again by another server.
        """
        for status in (200, 302, 404, 408, 430, 480, 486, 500, 504, 600):
            trial = self.three()
            trial.attempt().answer(status)
            self.assertEqual((trial.tried, trial.outcome), ([b"1"], [status]))

    def test_silent(self) -> None:
        """
        A server that says nothing does not cost the caller half a minute, but it is not given up
        at once.
        """
        trial = self.three()
        trial.wait(SILENCE - 0.1)
        self.assertEqual(trial.tried, [b"1"])
        trial.wait(0.1)
        self.assertEqual(trial.tried, [b"1", b"2"])
        trial.wait(SILENCE)
        self.assertEqual((trial.tried, trial.outcome), ([b"1", b"2", b"3"], []))
        trial.wait(20)
        trial.attempt().timeOut()
        self.assertEqual(trial.outcome, [408])

    def test_silentOther(self) -> None:
        """
        Other requests are waited for longer: before 3.5 s a server that works need not say
        anything (RFC 4320 4.1).
        """
        trial = trialOf(request(b"MESSAGE"), udp(b"1"), udp(b"2"))
        trial.wait(SLOW - 0.1)
        self.assertEqual(trial.tried, [b"1"])
        trial.wait(0.1)
        self.assertEqual(trial.tried, [b"1", b"2"])

    def test_anyResponse(self) -> None:
        """
        A server that has said 100 is at work, and not left.
        """
        trial = self.three()
        trial.attempt().answer(100)
        trial.wait(60)
        self.assertEqual((trial.tried, trial.outcome), ([b"1"], []))

    def test_lateAnswer(self) -> None:
        """
        The silent server rings after all: it is stopped; if somebody has picked up there, the
        caller is told, and the other one is stopped.
        """
        trial = self.three()
        trial.wait(SILENCE)
        trial.attempt(0).answer(180)
        self.assertEqual((trial.attempt(0).cancels, trial.heard), (1, []))
        trial.attempt(0).answer(200)
        self.assertEqual((trial.heard, trial.attempt(1).cancels), ([200], 1))

    def test_othersUnreachable(self) -> None:
        """
        A slow server is not left for others that can't be reached.
        """
        trial = self.invite(udp(b"1"), Unreachable("refused"))
        trial.wait(SILENCE)
        self.assertEqual((trial.tried, trial.outcome), ([b"1"], []))
        trial.attempt().answer(180)
        trial.attempt().answer(200)
        self.assertEqual((trial.heard, trial.outcome), ([180, 200], [200]))

    def test_answeredMeanwhile(self) -> None:
        """
        It answers while the next one is looked for: it keeps the call, and the next one is there
        when it fails after all.
        """
        for status, tried in ((200, [b"1"]), (503, [b"1", b"2"])):
            looking: Deferred[FakeFlow] = Deferred()
            trial = self.invite(udp(b"1"), looking)
            trial.wait(SILENCE)
            trial.attempt().answer(100)
            looking.callback(udp(b"2"))
            self.assertEqual(trial.tried, [b"1"])
            trial.attempt().answer(status)
            self.assertEqual(trial.tried, tried)

    def test_failedMeanwhile(self) -> None:
        """
        It fails while the next one is looked for: that one has the call, or else the caller is
        told.
        """
        looking: Deferred[FakeFlow] = Deferred()
        for found, tried, outcome in (
            (udp(b"2"), [b"1", b"2"], []),
            (Unreachable("no"), [b"1"], [500]),
        ):
            looking = Deferred()
            trial = self.invite(udp(b"1"), looking)
            trial.wait(SILENCE)
            trial.attempt().fail()
            self.assertEqual((trial.tried, trial.outcome), ([b"1"], []))
            looking.callback(found)  # type: ignore[arg-type]
            self.assertEqual((trial.tried, trial.outcome), (tried, outcome))

    def test_answeredMeanwhileForGood(self) -> None:
        """
        A final answer while the next one is looked for ends it; nobody else is called.
        """
        looking: Deferred[FakeFlow] = Deferred()
        trial = self.invite(udp(b"1"), looking)
        trial.wait(SILENCE)
        trial.attempt().answer(486)
        looking.callback(udp(b"2"))
        self.assertEqual((trial.tried, trial.outcome), ([b"1"], [486]))

    def test_unreachable(self) -> None:
        """
        Nobody can be reached: the caller is told at once.
        """
        trial = self.invite(Unreachable("refused"))
        self.assertEqual((trial.tried, trial.outcome), ([], [500]))

    def test_unavailableThenUnreachable(self) -> None:
        """
        A 503, then nobody: the 503 is what was said.
        """
        trial = self.invite(udp(b"1"), Unreachable("refused"))
        trial.attempt().answer(503)
        self.assertEqual((trial.tried, trial.outcome), ([b"1"], [500]))

    def test_cancelled(self) -> None:
        """
        Once the caller has hung up no other server is called, whatever becomes of the first.
        """
        for event in ("503", "break", "time-out", "silence"):
            trial = self.three()
            trial.attempt().answer(100)
            trial.fork.cancel()
            if event == "503":
                trial.attempt().answer(503)
            elif event == "break":
                trial.attempt().fail()
            elif event == "time-out":
                trial.attempt().timeOut()
            else:
                trial.wait(SILENCE)
            self.assertEqual((trial.tried, trial.attempt(0).cancels), ([b"1"], 1), event)

    def test_cancelledWhileLooking(self) -> None:
        """
        Nor is the one that was being looked for.
        """
        looking: Deferred[FakeFlow] = Deferred()
        trial = self.invite(udp(b"1"), looking)
        trial.wait(SILENCE)
        trial.fork.cancel()
        looking.callback(udp(b"2"))
        self.assertEqual((trial.tried, trial.attempt().cancels), ([b"1"], 1))
        trial.attempt().answer(487)
        self.assertEqual(trial.outcome, [487])

    def test_timeout(self) -> None:
        """
        Nothing came of an INVITE in all of timer B: the next one. Of another request the caller's
        own time is over.
        """
        for method, tried, outcome in ((b"INVITE", [b"1", b"2"], []), (b"MESSAGE", [b"1"], [408])):
            trial = trialOf(request(method), udp(b"1"), udp(b"2"))
            if method == b"MESSAGE":
                trial.hops.ways[DOMAIN] = [udp(b"1")]
            trial.attempt().timeOut()
            self.assertEqual((trial.tried, trial.outcome), (tried, outcome))

    def test_sameServer(self) -> None:
        """
        All of one call is to choose the same of several equal servers (RFC 3263 4.4).
        """
        trial = self.three()
        self.assertEqual(trial.hops.keys, [b"call-1"])

    def test_noTimersLeft(self) -> None:
        """
        A branch that has ended wakes nobody.
        """
        trial = self.three()
        trial.attempt().answer(503)
        trial.attempt().fail()
        trial.attempt().answer(486)
        self.assertEqual(trial.transactions.clock.getDelayedCalls(), [])


class BindingTests(SynchronousTestCase):
    """
    The next hop is the edge of a registered phone: when its binding goes, and when its next flow
    is tried (RFC 5626 7).
    """

    def edge(self, *ways: Any) -> Trial:
        """
        A phone behind an edge with these addresses, and with a flow of ours.
        """
        trial = Trial((FakeFlow(b"own"),))
        trial.hops.ways[EDGE] = list(ways)
        path = (b"<%b>" % EDGE,)
        other = device(*trial.bindings)
        return trial.start(Target(b"sip:bob@192.0.2.4", path, None, BINDING, (other,)))

    def test_nextAddressFirst(self) -> None:
        """
        The edge's other address goes before the phone's other flow.
        """
        trial = self.edge(udp(b"1"), udp(b"2"))
        trial.wait(SILENCE)
        self.assertEqual(trial.tried, [b"1", b"2"])
        trial.wait(SILENCE)
        self.assertEqual(trial.tried, [b"1", b"2", b"own"])

    def test_unavailable(self) -> None:
        """
        A 503 of all its addresses is the phone's answer: the other flow stays silent, the binding
        stays.
        """
        trial = self.edge(udp(b"1"), udp(b"2"))
        trial.attempt().answer(503)
        self.assertEqual((trial.tried, trial.outcome), ([b"1", b"2"], []))
        trial.attempt().answer(503)
        self.assertEqual((trial.tried, trial.outcome), ([b"1", b"2"], [500]))
        self.assertEqual(trial.location.removed, [])

    def test_unavailableThenSilent(self) -> None:
        """
        The same if the second address fails in another way.
        """
        for event in ("fail", "timeOut"):
            trial = self.edge(udp(b"1"), udp(b"2"))
            trial.attempt().answer(503)
            getattr(trial.attempt(), event)()
            self.assertEqual((trial.tried, trial.outcome), ([b"1", b"2"], [500]))
            self.assertEqual(trial.location.removed, [])

    def test_unreachable(self) -> None:
        """
        No address can be reached: the binding goes, the other flow is tried.
        """
        trial = self.edge(Unreachable("refused"))
        self.assertEqual((trial.tried, trial.location.removed), ([b"own"], [BINDING]))

    def test_silentAll(self) -> None:
        """
        Nothing from any address until timer B: the binding goes.
        """
        trial = self.edge(udp(b"1"), udp(b"2"))
        trial.wait(2 * SILENCE)
        trial.attempt(0).timeOut()
        self.assertEqual(trial.location.removed, [])
        trial.attempt(1).timeOut()
        self.assertEqual(trial.location.removed, [BINDING])

    def test_silentOne(self) -> None:
        """
        One of the edge's addresses is dead, the other works: the phone stays registered.
        """
        trial = self.edge(udp(b"1"), udp(b"2"))
        trial.wait(SILENCE)
        trial.attempt(1).answer(486)
        trial.attempt(0).timeOut()
        self.assertEqual((trial.outcome, trial.location.removed), ([486], []))


class LargeTests(SynchronousTestCase):
    """
    Requests that are too large for UDP (RFC 3261 18.1.1).
    """

    def send(self, size: int, *ways: Any, larger: Any = None) -> tuple[Trial, int]:
        """
        Forward a request that is of this size when it leaves over UDP.

        @return: what came of it, and the size that the first copy has.
        """
        probe = trialOf(request(b"MESSAGE"), udp(b"probe"))
        bare = len(bytes(probe.attempt().request))
        message = request(b"MESSAGE", b"sip:bob@example.com", body=b"x" * (size - bare))
        trial = Trial((), message)
        trial.hops.ways[DOMAIN] = list(ways)
        trial.hops.larger[DOMAIN] = larger or FakeFlow(b"tcp")
        trial.start(Target(DOMAIN))
        return trial, len(bytes(trial.attempt().request))

    def test_limit(self) -> None:
        """
        1300 octets still go over UDP; 1301 over TCP, and the Via says so.
        """
        trial, size = self.send(LARGEST, udp(b"udp"))
        self.assertEqual((trial.tried, size), ([b"udp"], 1300))
        trial, _ = self.send(LARGEST + 1, udp(b"udp"))
        sent = trial.attempt().request
        self.assertEqual((trial.tried, sent.via.transport), ([b"tcp"], b"TCP"))
        self.assertEqual(len(sent.all(b"via")), 2)

    def test_overTCP(self) -> None:
        """
        What goes over TCP anyway may be of any size.
        """
        trial, _ = self.send(60_000, FakeFlow(b"1"))
        self.assertEqual(trial.tried, [b"1"])

    def test_back(self) -> None:
        """
        Where TCP can't be had it goes over UDP all the same.
        """
        trial, _ = self.send(60_000, udp(b"udp"), larger=udp(b"udp again"))
        self.assertEqual(trial.tried, [b"udp again"])
        self.assertEqual(trial.attempt().request.via.transport, b"UDP")

    def test_ownFlow(self) -> None:
        """
        A phone that has registered over UDP is reached over that flow alone, whatever the size
        (RFC 5626 7).
        """
        message = request(b"MESSAGE", b"sip:bob@example.com", body=b"x" * 5000)
        trial = Trial((udp(b"1"),), message).toPhone()
        self.assertEqual((trial.tried, trial.hops.reached), ([b"1"], []))

    def test_tooLarge(self) -> None:
        """
        What no datagram can carry, and no connection takes, is refused (513), not lost.
        """
        message = request(b"MESSAGE", b"sip:bob@example.com", body=b"x" * 65_500)
        trial = Trial((), message)
        trial.hops.larger[DOMAIN] = udp(b"udp again")
        trial.hops.ways[DOMAIN] = [udp(b"udp")]
        trial.start(Target(DOMAIN))
        self.assertEqual((trial.tried, trial.outcome), ([], [513]))


class BreadthTests(SynchronousTestCase):
    """
    Several addresses and Max-Breadth (RFC 5393 5.3.3): what may still be answered counts.
    """

    def trial(self, breadth: bytes) -> Trial:
        """
        An INVITE with this Max-Breadth to two addresses.
        """
        return trialOf(
            request(b"INVITE", DOMAIN, b"Max-Breadth: " + breadth), udp(b"1"), udp(b"2")
        )

    def test_one(self) -> None:
        """
        With 1 nobody else is called while the first may answer, but is after it has refused.
        """
        trial = self.trial(b"1")
        trial.wait(SILENCE)
        self.assertEqual(trial.tried, [b"1"])
        trial.attempt().answer(503)
        self.assertEqual(trial.tried, [b"1", b"2"])
        self.assertEqual(trial.attempt().request.first(b"max-breadth"), b"1")

    def test_shared(self) -> None:
        """
        All that are under way have together no more than came.
        """
        trial = self.trial(b"7")
        trial.wait(SILENCE)
        given = [int(begun.request.need(b"max-breadth")) for begun in trial.transactions.begun]
        self.assertEqual((trial.tried, sum(given)), ([b"1", b"2"], 7))
