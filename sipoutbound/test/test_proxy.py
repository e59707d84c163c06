"""
A caller who hangs up, and ACKs.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from sipoutbound.interfaces import Unreachable
from sipoutbound.message.message import Request
from sipoutbound.message.parse import parseMessage
from sipoutbound.routing.decision import Decision, Forward
from sipoutbound.routing.request import Request as Passage
from sipoutbound.routing.router import Router
from sipoutbound.test.doubles import (
    FakeFlow,
    FakeRouter,
    request,
)
from sipoutbound.test.proxies import Server


class CancelTests(SynchronousTestCase):
    """
    The caller hangs up, wherever the request is.
    """

    def test_ringing(self) -> None:
        """
        The phone stops ringing, the caller gets the 487.
        """
        server = Server()
        transaction = server.call(b"bob")
        transaction.cancel()
        self.assertEqual(server.transactions.begun[0].cancels, 1)
        server.answer(487)
        self.assertEqual(transaction.statuses, [100, 487])

    def test_thinking(self) -> None:
        """
        A router that waits for something of its own is interrupted.
        """
        waiting: Deferred[Decision] = Deferred()

        async def thinks(router: Router, request: Passage) -> Decision:
            return await waiting

        server = Server({"bob": thinks})
        transaction = server.call(b"bob")
        transaction.cancel()
        self.assertEqual((transaction.statuses, server.tried), ([100, 487], []))

    def test_retarget(self) -> None:
        """
        A router that would now forward to somebody else must not make that phone ring: the caller
        has gone.
        """
        async def always(router: Router, request: Passage) -> Decision:
            response = await request.forward(await router.inner.route(request))
            self.assertEqual(response.status, 487)
            second = await request.forward(Forward("sip:carol@example.com"))
            self.assertEqual(second.status, 487)
            return Forward("sip:dave@example.com")

        server = Server({"bob": always})
        transaction = server.call(b"bob")
        transaction.cancel()
        server.answer(487)
        self.assertEqual((server.tried, transaction.statuses), ([b"bob"], [100, 487]))

    def test_thinkingBetween(self) -> None:
        """
        A router is interrupted also when it thinks between two forwardings.
        """
        waiting: Deferred[None] = Deferred()

        async def thinks(router: Router, request: Passage) -> Decision:
            await request.forward(await router.inner.route(request))
            await waiting
            return Forward("sip:carol@example.com")

        server = Server({"bob": thinks})
        transaction = server.call(b"bob")
        server.answer(486)
        transaction.cancel()
        self.assertEqual((server.tried, transaction.statuses), ([b"bob"], [100, 487]))

    def test_pickedUp(self) -> None:
        """
        Somebody has picked up at the same moment: the caller gets the 2xx, and no 487.
        """
        server = Server()
        transaction = server.call(b"bob")
        transaction.cancel()
        server.answer(200)
        self.assertEqual(transaction.statuses, [100, 200])


class AckTests(SynchronousTestCase):
    """
    ACKs for 2xx: passed on without a transaction, never answered (RFC 3261 16.11).
    """

    def ack(
        self,
        server: Server,
        *headers: bytes,
        uri: bytes = b"sip:bob@192.0.2.4",
        forwards: bytes = b"70",
    ) -> None:
        """
        An ACK comes over the caller's flow.
        """
        to = b"<sip:bob@example.com>;tag=b1"
        ack = request(b"ACK", uri, *headers, to=to, forwards=forwards)
        server.proxy.acknowledged(ack, server.caller)

    def test_alongItsRoutes(self) -> None:
        """
        Without its ACK the callee hangs up after half a minute.
        """
        server = Server()
        flow = FakeFlow(b"bob")
        server.table.flows[flow.token] = flow
        own, its = (b"Route: <sip:%b@%b;lr>" % (at.token, at.name) for at in (server.caller, flow))
        self.ack(server, own, its)
        (sent,) = map(parsed, flow.sent)
        self.assertEqual((sent.method, sent.uri), (b"ACK", b"sip:bob@192.0.2.4"))
        self.assertEqual((sent.all(b"route"), len(sent.all(b"via"))), ([], 2))
        self.assertEqual(sent.first(b"max-forwards"), b"69")

    def test_toAPeer(self) -> None:
        """
        An ACK to a peer without a flow goes where its Request-URI leads.
        """
        server = Server()
        server.caller.relayed = True
        own = b"Route: <sip:%b@%b;lr>" % (server.caller.token, server.caller.name)
        self.ack(server, own, uri=b"sip:bob@192.0.2.99:5070")
        self.assertEqual(server.hops.reached, [b"sip:bob@192.0.2.99:5070"])
        self.assertEqual(len(server.hops.ways[b"sip:bob@192.0.2.99:5070"].sent), 1)

    def test_nowhere(self) -> None:
        """
        What cannot be passed on is dropped, with neither an answer nor a traceback.
        """
        server = Server()
        server.caller.relayed = True
        server.hops.ways[b"sip:x@192.0.2.77"] = Unreachable("refused")
        own = b"Route: <sip:%b@%b;lr>" % (server.caller.token, server.caller.name)
        self.ack(server, own, uri=b"sip:x@192.0.2.77")
        self.ack(server, own, uri=b"sip:bob@192.0.2.99", forwards=b"0")
        for route in (b"Route: <sip:forged@edge.example.com;lr>", b"Route: <nonsense>"):
            self.ack(server, route)
        self.ack(server, b"Route: <sip:token-of-gone@edge.example.com;lr>")
        self.ack(server, uri=b"sip:nobody@example.com")
        self.assertEqual(server.caller.sent, [])
        self.assertEqual(server.hops.reached, [b"sip:x@192.0.2.77"])

    def test_mistake(self) -> None:
        """
        A mistake of ours is logged.
        """
        server = Server()
        server.caller.relayed = True
        server.hops.ways[b"sip:x@192.0.2.77"] = ZeroDivisionError()
        own = b"Route: <sip:%b@%b;lr>" % (server.caller.token, server.caller.name)
        self.ack(server, own, uri=b"sip:x@192.0.2.77")
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_noTargets(self) -> None:
        """
        A decision without any target is none to an ACK.
        """
        server = Server()
        server.proxy.tree = FakeRouter(Forward())
        self.ack(server)


def parsed(data: bytes) -> Request:
    """
    A request that was sent.
    """
    head, _, body = data.partition(b"\r\n\r\n")
    message = parseMessage(head, body)
    assert isinstance(message, Request)
    return message
