"""
One request from its arrival to its answer: what routers decide is carried out.
"""

from __future__ import annotations

from collections.abc import Awaitable

from twisted.internet.defer import Deferred
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from sipoutbound.interfaces import IRouter, Unreachable
from sipoutbound.message.grammar import Malformed
from sipoutbound.message.message import Request
from sipoutbound.message.parse import parseMessage
from sipoutbound.routing.decision import Decision, Forward, Redirect, Reply
from sipoutbound.routing.request import Request as Passage
from sipoutbound.routing.router import Router
from sipoutbound.test.doubles import (
    request,
)
from sipoutbound.test.proxies import Server


class AnswerTests(SynchronousTestCase):
    """
    Requests that are answered here.
    """

    def test_trying(self) -> None:
        """
        Only an INVITE gets a 100 at once (RFC 3261 17.2.1, RFC 4320 4.1).
        """
        self.assertEqual(Server().call(b"bob").statuses, [100])
        self.assertEqual(Server().call(b"bob", b"MESSAGE").statuses, [])

    def test_reply(self) -> None:
        """
        A reply reaches the caller as it was written, with a To tag (RFC 3261 8.2.6.2).
        """
        server = Server({"desk": Reply(480, "Gone Home", (("Retry-After", "60"),))})
        response = server.call(b"desk", b"MESSAGE").responses[-1]
        self.assertEqual((response.status, response.reason), (480, b"Gone Home"))
        self.assertEqual(response.first(b"retry-after"), b"60")
        self.assertTrue(response.to.param(b"tag"))
        self.assertEqual(response.first(b"call-id"), b"call-1")

    def test_redirect(self) -> None:
        """
        A redirect is a 302 with the URIs in order.
        """
        server = Server({"desk": Redirect(("sip:a@example.org", "sip:b@example.org;x=1"))})
        response = server.call(b"desk", b"MESSAGE").responses[-1]
        self.assertEqual(response.status, 302)
        contacts = [b"<sip:a@example.org>", b"<sip:b@example.org;x=1>"]
        self.assertEqual(response.all(b"contact"), contacts)

    def test_unknownUser(self) -> None:
        """
        Who has not registered is unavailable.
        """
        self.assertEqual(Server().call(b"nobody", b"MESSAGE").statuses, [480])

    def test_maxForwards(self) -> None:
        """
        What has come too far goes no further (RFC 3261 16.3 step 3).
        """
        server = Server()
        message = request(b"MESSAGE", b"sip:bob@example.com", forwards=b"0")
        self.assertEqual((server.receive(message).statuses, server.tried), ([483], []))

    def test_proxyRequire(self) -> None:
        """
        An extension that a proxy must know and does not is named (RFC 3261 16.3 step 5).
        """
        message = request(b"MESSAGE", b"sip:bob@example.com", b"Proxy-Require: foo, bar")
        (response,) = Server().receive(message).responses
        self.assertEqual((response.status, response.all(b"unsupported")), (420, [b"foo", b"bar"]))

    def test_requireOctets(self) -> None:
        """
        Whatever octets it is named with come back, and no 500; also of what is for the server.
        """
        for method, uri, name in (
            (b"MESSAGE", b"sip:bob@example.com", b"Proxy-Require"),
            (b"OPTIONS", b"sip:example.com", b"Require"),
        ):
            for octets in (b"\xff\xfe", "\u00fc".encode()):
                message = request(method, uri, name + b": " + octets)
                (response,) = Server().receive(message).responses
                self.assertEqual(response.status, 420)
                self.assertEqual(response.all(b"unsupported"), [octets])

    def test_replyText(self) -> None:
        """
        A reply's headers are sent in UTF-8.
        """
        server = Server({"desk": Reply(480, headers=(("Subject", "gr\u00fc\u00df \u2192"),))})
        response = server.call(b"desk", b"MESSAGE").responses[-1]
        self.assertEqual(response.first(b"subject"), "gr\u00fc\u00df \u2192".encode())

    def test_noTarget(self) -> None:
        """
        A group of nobody is answered as nobody.
        """
        for forward in (Forward([]), Forward(()), Forward()):
            self.assertEqual(Server({"desk": forward}).call(b"desk", b"MESSAGE").statuses, [480])

    def test_noMaxForwards(self) -> None:
        """
        An older client's request without Max-Forwards gets one (RFC 3261 16.6 step 3).
        """
        server = Server()
        text = bytes(request(b"MESSAGE", b"sip:bob@example.com"))
        message = parseMessage(text.replace(b"Max-Forwards: 70\r\n", b"").rstrip(b"\r\n"))
        assert isinstance(message, Request)
        server.receive(message)
        self.assertEqual(server.transactions.begun[0].request.first(b"max-forwards"), b"70")

    def test_routeHeaderEmpty(self) -> None:
        """
        An empty Route is no route, and no error of ours.
        """
        server = Server()
        server.receive(request(b"MESSAGE", b"sip:bob@example.com", b"Route:"))
        self.assertEqual(server.tried, [b"bob"])

    def test_badRoute(self) -> None:
        """
        A Route that is none is the caller's mistake: 400, and no traceback.
        """
        for route in (b"Route: <", b"Route: <nonsense>", b"Route: <sip:edge.example.com:0;lr>"):
            message = request(b"MESSAGE", b"sip:bob@example.com", route)
            self.assertEqual(Server().receive(message).statuses, [400])

    def test_408(self) -> None:
        """
        Nobody is told 408 but who sent an INVITE: it would come too late everywhere (RFC 4320 4.2).
        """
        server = Server()
        invite = server.call(b"bob")
        server.answer(408)
        self.assertEqual((invite.statuses, invite.abandoned), ([100, 408], False))
        message = server.call(b"bob", b"MESSAGE")
        server.answer(408)
        self.assertEqual((message.statuses, message.abandoned), ([], True))

    def test_failedTransport(self) -> None:
        """
        That a next hop is unreachable is told as 500 and leaves no traceback.
        """
        server = Server({"desk": Forward("sip:x@192.0.2.77")})
        server.hops.ways[b"sip:x@192.0.2.77"] = Unreachable("refused")
        self.assertEqual(server.call(b"desk", b"MESSAGE").statuses, [500])


class RouterTests(SynchronousTestCase):
    """
    What routers may do, and what becomes of their mistakes.
    """

    def test_exception(self) -> None:
        """
        A router's mistake is one 500 and one log entry.
        """
        async def wrong(router: Router, request: Passage) -> Decision:
            raise ZeroDivisionError

        transaction = Server({"desk": wrong}).call(b"desk", b"MESSAGE")
        self.assertEqual(transaction.statuses, [500])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_exceptionLater(self) -> None:
        """
        The same after it has waited.
        """
        waiting: Deferred[None] = Deferred()

        async def wrong(router: Router, request: Passage) -> Decision:
            await waiting
            raise ZeroDivisionError

        transaction = Server({"desk": wrong}).call(b"desk", b"MESSAGE")
        self.assertEqual(transaction.statuses, [])
        waiting.callback(None)
        self.assertEqual(transaction.statuses, [500])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_noDecision(self) -> None:
        """
        So is something that is no decision.
        """
        transaction = Server({"desk": "486"}).call(b"desk", b"MESSAGE")
        self.assertEqual(transaction.statuses, [500])
        self.assertEqual(len(self.flushLoggedErrors()), 1)

    def test_malformed(self) -> None:
        """
        What a router finds malformed is the caller's mistake; the log says why.
        """
        async def strict(router: Router, request: Passage) -> Decision:
            raise Malformed("Bad Subject")

        with capturedLogs() as events:
            response = Server({"desk": strict}).call(b"desk", b"MESSAGE").responses[-1]
        self.assertEqual((response.status, response.reason), (400, b"Bad Subject"))
        self.assertIn("Bad Subject", [event.get("why") for event in events])

    def test_deferred(self) -> None:
        """
        A router may return a Deferred.
        """
        later: Deferred[Decision] = Deferred()

        @implementer(IRouter)
        class Slow:
            def route(self, request: Passage) -> Awaitable[Decision]:
                return later

        server = Server()
        server.proxy.tree = Slow()
        transaction = server.call(b"bob", b"MESSAGE")
        self.assertEqual(transaction.statuses, [])
        later.callback(Reply(486))
        self.assertEqual(transaction.statuses, [486])

    def test_retarget(self) -> None:
        """
        A router can wait for the outcome and decide anew; the caller sees the last one only.
        """
        async def onFailure(router: Router, request: Passage) -> Decision:
            response = await request.forward(await router.inner.route(request))
            return Forward("sip:carol@example.com") if response.status == 486 else response

        server = Server({"bob": onFailure})
        transaction = server.call(b"bob")
        server.answer(180)
        server.answer(486)
        self.assertEqual(server.tried, [b"bob", b"carol"])
        server.answer(200)
        self.assertEqual(transaction.statuses, [100, 180, 200])

    def test_retargetOfNothing(self) -> None:
        """
        The same where the inner routers reply by themselves: the reply is what forwarding gives.
        """
        async def onFailure(router: Router, request: Passage) -> Decision:
            response = await request.forward(await router.inner.route(request))
            self.assertEqual(response.status, 480)
            return Forward("sip:carol@example.com")

        server = Server({"nobody": onFailure})
        transaction = server.call(b"nobody")
        server.answer(200)
        self.assertEqual((server.tried, transaction.statuses), ([b"carol"], [100, 200]))

    def test_seconds(self) -> None:
        """
        A router can let it ring for so long: then the phone stops, and the router learns 408, which
        it can return.
        """
        async def briefly(router: Router, request: Passage) -> Decision:
            return await request.forward(await router.inner.route(request), seconds=20)

        server = Server({"bob": briefly})
        transaction = server.call(b"bob")
        server.answer(180)
        server.transactions.clock.advance(20)
        self.assertEqual(server.transactions.begun[0].cancels, 1)
        server.answer(487)
        self.assertEqual(transaction.statuses, [100, 180, 408])

    def test_inTime(self) -> None:
        """
        What comes in time is not touched, a 2xx at the last moment neither; nothing is left behind.
        """
        async def briefly(router: Router, request: Passage) -> Decision:
            return await request.forward(await router.inner.route(request), seconds=20)

        for wait, status in ((0, 200), (0, 486), (0, 603), (20, 200), (20, 603)):
            server = Server({"bob": briefly})
            transaction = server.call(b"bob")
            server.transactions.clock.advance(wait)
            server.answer(status)
            self.assertEqual(transaction.statuses, [100, status])
            self.assertEqual(server.transactions.clock.getDelayedCalls(), [])
