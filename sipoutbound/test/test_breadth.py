"""
Max-Breadth: a request forks to no more branches at once than its sender has allowed (RFC 5393 5.3).
"""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred, gatherResults
from twisted.trial.unittest import SynchronousTestCase

from sipoutbound.message.message import Request
from sipoutbound.routing.branch import SILENCE, TIMER_C
from sipoutbound.routing.breadth import Breadth, breadthOf
from sipoutbound.routing.decision import Decision, Forward, Target
from sipoutbound.routing.request import Request as Passage
from sipoutbound.routing.router import Router
from sipoutbound.test.doubles import FakeFlow, request
from sipoutbound.test.forks import Trial
from sipoutbound.test.proxies import Server
from sipoutbound.test.transactions import FakeClientTransaction


def asked(breadth: bytes | None, method: bytes = b"INVITE") -> Request:
    """
    A request with such a Max-Breadth, or without any.
    """
    lines = () if breadth is None else (b"Max-Breadth: " + breadth,)
    return request(method, b"sip:bob@example.com", *lines)


def phones(count: int) -> tuple[Target, ...]:
    """
    Targets with a flow each.
    """
    return tuple(Target(flow=FakeFlow(b"%d" % at)) for at in range(1, count + 1))


def given_(begun: FakeClientTransaction) -> int:
    """
    The Max-Breadth of what was sent; there is one line of it.
    """
    (text,) = begun.request.texts(b"max-breadth")
    return int(text)


def breadths(trial: Trial) -> list[int]:
    """
    What each attempt was given.
    """
    return [given_(begun) for begun in trial.transactions.begun]


class BreadthTests(SynchronousTestCase):
    """
    L{Fork<sipoutbound.routing.fork.Fork>} with Max-Breadth.
    """

    def test_incoming(self) -> None:
        """
        What came without a Max-Breadth, or with too large a one, has 60 from here on; a smaller one
        is kept (RFC 5393 5.3.3).
        """
        for came, goes in (
            (None, 60),
            (b"1", 1),
            (b"7", 7),
            (b"60", 60),
            (b"61", 60),
            (b"1000", 60),
            (b"9999999999", 60),
        ):
            trial = Trial(message=asked(came)).start(*phones(1))
            self.assertEqual(breadths(trial), [goes], came)

    def test_untouched(self) -> None:
        """
        A value that is right stays as it was written, octet by octet.
        """
        trial = Trial(message=request(b"INVITE", b"sip:b@c", b"max-breadth :  7")).start(*phones(1))
        self.assertIn(b"max-breadth :  7", trial.attempt().request.lines)

    def test_divided(self) -> None:
        """
        Branches of a group share all of it: none less than one, and nothing is kept back.
        """
        for came, count, shares in (
            (None, 2, [30, 30]),
            (b"60", 7, [9, 9, 9, 9, 8, 8, 8]),
            (b"3", 2, [2, 1]),
            (b"3", 3, [1, 1, 1]),
        ):
            trial = Trial(message=asked(came)).start(phones(count))
            self.assertEqual(breadths(trial), shares)

    def test_notEnough(self) -> None:
        """
        Of a group only as many ring as may; each further one rings when one of them has refused,
        and the caller hears one answer in the end (RFC 5393 5.5).
        """
        trial = Trial(message=asked(b"2")).start(phones(4))
        self.assertEqual(trial.tried, [b"1", b"2"])
        trial.attempt(1).answer(180)
        self.assertEqual(trial.tried, [b"1", b"2"])
        trial.attempt(1).answer(486)
        self.assertEqual(trial.tried, [b"1", b"2", b"3"])
        trial.attempt(0).answer(404)
        self.assertEqual(trial.tried[3:], [b"4"])
        trial.attempt(2).answer(404)
        self.assertEqual(trial.outcome, [])
        trial.attempt(3).answer(404)
        self.assertEqual((breadths(trial), trial.outcome), ([1, 1, 1, 1], [486]))

    def test_serially(self) -> None:
        """
        With a Max-Breadth of 1 one phone rings after the other; the others stop when one answers.
        """
        trial = Trial(message=asked(b"1")).start(phones(3))
        trial.attempt().answer(486)
        trial.attempt().answer(200)
        self.assertEqual((trial.tried, trial.heard, trial.outcome), ([b"1", b"2"], [200], [200]))

    def test_deadOnes(self) -> None:
        """
        Phones that are gone are passed over without one that waits being forgotten.
        """
        targets = phones(5)
        for target in targets[:4]:
            assert target.flow is not None
            target.flow.close()
        trial = Trial(message=asked(b"2")).start(targets)
        self.assertEqual((trial.tried, trial.outcome), ([b"5"], []))
        trial.attempt().answer(486)
        self.assertEqual(trial.outcome, [486])

    def test_declined(self) -> None:
        """
        After a 6xx nobody else rings, also who has waited.
        """
        trial = Trial(message=asked(b"1")).start(phones(2))
        trial.attempt().answer(603)
        self.assertEqual((trial.tried, trial.outcome), ([b"1"], [603]))

    def test_cancelled(self) -> None:
        """
        A caller who has gone makes nobody ring who has waited.
        """
        trial = Trial(message=asked(b"1")).start(phones(2), phones(1))
        trial.fork.cancel()
        trial.attempt().answer(487)
        self.assertEqual((trial.tried, trial.outcome), ([b"1"], [487]))

    def test_nextGroup(self) -> None:
        """
        The next group has what the one in front of it had (RFC 5393 5.3.3.1).
        """
        trial = Trial(message=asked(b"10")).start(phones(2), phones(3))
        for _ in range(2):
            trial.attempt(0).answer(486)
            trial.attempt(1).answer(486)
        self.assertEqual(breadths(trial), [5, 5, 4, 3, 3])

    def test_nextFlow(self) -> None:
        """
        The next flow of a phone has what the one in front of it had, once that one has failed.
        """
        for end in (
            lambda attempt: attempt.answer(430),
            FakeClientTransaction.fail,
            FakeClientTransaction.timeOut,
        ):
            trial = Trial((FakeFlow(b"1"), FakeFlow(b"2")), asked(b"1")).toPhone()
            end(trial.attempt())
            self.assertEqual((trial.tried, breadths(trial)), ([b"1", b"2"], [1, 1]))

    def test_silentFlow(self) -> None:
        """
        What a silent flow was sent is under way still: the next flow has one that was kept for it.
        """
        trial = Trial((FakeFlow(b"1"), FakeFlow(b"2"), FakeFlow(b"3")), asked(None)).toPhone()
        trial.wait(SILENCE)
        trial.wait(SILENCE)
        self.assertEqual(breadths(trial), [58, 1, 1])
        self.assertLessEqual(sum(breadths(trial)), 60)

    def test_silentFlowAlone(self) -> None:
        """
        With a Max-Breadth of 1 nothing else is sent while a silent flow may still answer.
        """
        trial = Trial((FakeFlow(b"1"), FakeFlow(b"2")), asked(b"1")).toPhone()
        trial.wait(SILENCE)
        self.assertEqual(trial.tried, [b"1"])
        trial.attempt().timeOut()
        self.assertEqual(trial.tried, [b"1", b"2"])

    def test_rangTooLong(self) -> None:
        """
        Who has rung for too long is not done before he says so; then the next one rings.
        """
        trial = Trial(message=asked(b"1")).start(*phones(2))
        trial.attempt().answer(180)
        trial.wait(TIMER_C)
        self.assertEqual(trial.tried, [b"1"])
        trial.attempt(0).answer(487)
        self.assertEqual((trial.tried, breadths(trial)), ([b"1", b"2"], [1, 1]))

    def test_rangTooLongAndPickedUp(self) -> None:
        """
        He may pick up just then: the caller gets that answer, and nobody else rings.
        """
        trial = Trial(message=asked(b"1")).start(*phones(2))
        trial.attempt().answer(180)
        trial.wait(TIMER_C)
        trial.attempt(0).answer(200)
        self.assertEqual((trial.tried, trial.outcome), ([b"1"], [200]))

    def test_cancelledWhileWaiting(self) -> None:
        """
        A caller who goes while nobody rings any more hears the end at once.
        """
        trial = Trial(message=asked(b"1")).start(*phones(2))
        trial.attempt().answer(180)
        trial.wait(TIMER_C)
        trial.fork.cancel()
        trial.attempt(0).answer(487)
        self.assertEqual((trial.tried, trial.outcome), ([b"1"], [408]))

    def test_endsOnce(self) -> None:
        """
        However often one attempt is said to be over, its part is given back once (RFC 5393 5.4.2).
        """
        trial = Trial(message=asked(b"2")).start(phones(4))
        trial.attempt(0).answer(486)
        trial.attempt(0).fail()
        trial.attempt(0).timeOut()
        self.assertEqual(trial.tried, [b"1", b"2", b"3"])

    @settings(max_examples=100, deadline=None)
    @given(st.data())
    def test_never(self, data: st.DataObject) -> None:
        """
        Whatever is answered, and in whatever order: no more is out than came in, every phone rings
        in the end when all have refused, and there is one outcome (RFC 5393 5.3.3).
        """
        incoming = data.draw(st.integers(1, 8))
        sizes = data.draw(st.lists(st.integers(1, 5), min_size=1, max_size=3))
        trial = Trial(message=asked(b"%d" % incoming)).start(*map(phones, sizes))
        open_: list[FakeClientTransaction] = list(trial.transactions.begun)
        while open_:
            self.assertLessEqual(sum(map(given_, open_)), incoming)
            self.assertTrue(all(map(given_, open_)))
            open_.pop(data.draw(st.integers(0, len(open_) - 1))).answer(486)
            open_ = [each for each in trial.transactions.begun if not each.answered]
        self.assertEqual((len(trial.tried), trial.outcome), (sum(sizes), [486]))
        self.assertEqual(trial.fork.breadth.left, incoming)


class RefusalTests(SynchronousTestCase):
    """
    What a proxy answers itself.
    """

    def test_none(self) -> None:
        """
        With no breadth at all not even one branch is left (RFC 5393 5.3.3): 440.
        """
        server = Server()
        transaction = server.receive(asked(b"0", b"MESSAGE"))
        self.assertEqual((transaction.statuses, server.tried), ([440], []))

    def test_malformed(self) -> None:
        """
        What is no number is the sender's mistake, where it matters.
        """
        server = Server()
        for text in (b"x", b"-1", b"1;a=b", b"", b"1, 2"):
            self.assertEqual(server.receive(asked(text, b"MESSAGE")).statuses, [400], text)
        self.assertEqual(server.tried, [])

    def test_ignored(self) -> None:
        """
        Who answers himself looks past it (RFC 5393 5.3.5).
        """
        for text in (b"0", b"x", b"60"):
            message = request(b"OPTIONS", b"sip:example.com", b"Max-Breadth: " + text)
            self.assertEqual(Server().receive(message).statuses, [200])


class SharedTests(SynchronousTestCase):
    """
    What several forwardings of one request share.
    """

    def test_atOnce(self) -> None:
        """
        A router that forwards twice at once does not double what may be under way: the second waits
        for the first.
        """

        async def both(router: Router, request: Passage) -> Decision:
            ways = (Forward(f"sip:{name}@example.com") for name in ("carol", "dave"))
            forwarding = [Deferred.fromCoroutine(request.forward(way)) for way in ways]
            responses: Any = await gatherResults(forwarding)
            self.assertEqual([response.status for response in responses], [486, 404])
            return responses[0]  # type: ignore[no-any-return]

        server = Server({"bob": both})
        transaction = server.call(b"bob")
        self.assertEqual(server.tried, [b"carol"])
        server.answer(486)
        self.assertEqual(server.tried, [b"carol", b"dave"])
        server.answer(404)
        self.assertEqual(transaction.statuses, [100, 486])

    def test_after(self) -> None:
        """
        One after the other has all of it each.
        """

        async def hunts(router: Router, request: Passage) -> Decision:
            await request.forward(Forward("sip:carol@example.com"))
            return Forward("sip:dave@example.com")

        server = Server({"bob": hunts})
        server.call(b"bob")
        server.answer(486)
        self.assertEqual([given_(each) for each in server.transactions.begun], [60, 60])

    def test_shares(self) -> None:
        """
        Nothing is lost in dividing.
        """
        for left in range(1, 70):
            for count in range(1, left + 1):
                shares = Breadth(left).shares(count)
                self.assertEqual((sum(shares), len(shares)), (left, count))
                self.assertLessEqual(max(shares) - min(shares), 1)

    def test_default(self) -> None:
        """
        The largest that is taken (RFC 5393 5.3.3 recommends 60).
        """
        self.assertEqual(breadthOf(asked(None)), 60)
