"""
What an edge tells its registrar of flows that have died.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from sipoutbound.interfaces import Unreachable
from sipoutbound.message.uri import URI
from sipoutbound.routing.notice import FlowNotice
from sipoutbound.test.doubles import FakeFlow, FakeHops
from sipoutbound.test.transactions import FakeTransactions

REGISTRAR = URI.parse(b"sip:registrar.example")


class Rotated(FakeFlow):
    """
    A flow of a server whose keys have been rotated three times.
    """

    @property
    def tokens(self) -> tuple[bytes, ...]:
        """
        One of each key.
        """
        return tuple(b"%b-%d" % (self.token, number) for number in range(4))


class FlowNoticeTests(SynchronousTestCase):
    """
    L{FlowNotice}.
    """

    def setUp(self) -> None:
        """
        An edge.
        """
        self.transactions, self.hops = FakeTransactions(), FakeHops()
        self.notice = FlowNotice(REGISTRAR, b"example.com", self.transactions, self.hops)

    def flow(self, label: bytes, reliable: bool = False) -> FakeFlow:
        """
        A flow that somebody has registered over, and that has died.
        """
        flow = FakeFlow(label, reliable=reliable, alive=False)
        flow.registered = {b"sip:bob@example.com"}
        return flow

    def told(self) -> list[bytes]:
        """
        The flows that the registrar is told of, in all messages.
        """
        self.transactions.clock.advance(0)
        requests = [begun.request for begun in self.transactions.begun]
        return [value for request in requests for value in request.all(b"flow-failed")]

    def test_together(self) -> None:
        """
        Hundreds of phones that leave at once are some messages, too large for UDP, each flow in one
        of them; who has not registered is not missed.
        """
        self.hops.larger[bytes(REGISTRAR)] = FakeFlow(b"large")
        flows = [self.flow(b"%d" % number) for number in range(250)]
        for flow in (*flows, FakeFlow(b"stranger", alive=False), *flows):
            self.notice.died(flow)
        told = self.told()
        self.assertEqual(self.transactions.flows, [b"large"] * 3)
        self.assertEqual(told, [b"<sip:%b@%b;lr;ob>" % (each.token, each.name) for each in flows])

    def test_rotated(self) -> None:
        """
        A flow that may have been registered by one of several tokens is told of by all of them, and
        a message gets no longer for that: what is too long for UDP, or for whoever takes it, would
        not be heard.
        """
        large = self.hops.larger[bytes(REGISTRAR)] = FakeFlow(b"large")
        for many in (2, 3, 60):
            self.transactions.begun.clear()
            self.transactions.flows.clear()
            flows = [Rotated(b"%d" % number, reliable=False, alive=False) for number in range(many)]
            for flow in flows:
                flow.registered = {b"sip:bob@example.com"}
                self.notice.died(flow)
            told = self.told()
            pairs = [(token, each.name) for each in flows for token in each.tokens]
            uris = [b"<sip:%b@%b;lr;ob>" % pair for pair in pairs]
            self.assertEqual(told, uris)
            self.assertEqual(large.label in self.transactions.flows, many > 2)
            sizes = [len(each.request.all(b"flow-failed")) for each in self.transactions.begun]
            self.assertLessEqual(max(sizes), 100)

    def test_once(self) -> None:
        """
        A phone that hangs its connection up half, then whole, is one message.
        """
        flow = self.flow(b"bob", reliable=True)
        for alive in (True, False):
            flow.alive = alive
            self.notice.died(flow)
            self.assertEqual(len(self.told()), 1)

    def test_backAgain(self) -> None:
        """
        While the way to the registrar is looked for, a phone on UDP is heard again, which may have
        registered anew: it stays registered, and would be missed the next time.
        """
        way: Deferred[FakeFlow] = Deferred()
        self.hops.ways[bytes(REGISTRAR)] = way
        flows = [self.flow(b"bob"), self.flow(b"carol")]
        for flow in flows:
            self.notice.died(flow)
        self.assertEqual(self.told(), [])
        flows[0].alive = True
        way.callback(FakeFlow(b"registrar"))
        (told,) = self.told()
        self.assertIn(flows[1].token, told)
        self.assertEqual([bool(flow.registered) for flow in flows], [True, False])

    def test_allBack(self) -> None:
        """
        Nothing is said of nobody.
        """
        flow = self.flow(b"bob")
        self.notice.died(flow)
        flow.alive = True
        self.told()
        self.assertEqual(self.transactions.begun, [])

    def test_nobodyThere(self) -> None:
        """
        A registrar that cannot be reached finds out by itself.
        """
        self.hops.ways[bytes(REGISTRAR)] = Unreachable("nobody there")
        self.notice.died(self.flow(b"bob"))
        self.assertEqual(self.told(), [])
