"""
One request from its arrival to its answer: what routers decide is carried out, users of ours are
found, loops and cancelled callers are noticed.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.logger import LogEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from sipoutbound.interfaces import IRouter, Unreachable
from sipoutbound.message.grammar import Malformed
from sipoutbound.message.message import Request, Response, parseMessage
from sipoutbound.routing.decision import Decision, Forward, Redirect, Reply, Target
from sipoutbound.routing.delivery import Ways
from sipoutbound.routing.domain import Domain
from sipoutbound.routing.forwarding import merged
from sipoutbound.routing.outgoing import Outgoing
from sipoutbound.routing.proxy import Proxy
from sipoutbound.routing.request import Request as Passage
from sipoutbound.routing.route import RouteInspection
from sipoutbound.routing.router import Branching, Router
from sipoutbound.test.doubles import (
    FakeFlow,
    FakeFlows,
    FakeHops,
    FakeLocation,
    FakeRegistrar,
    FakeRouter,
    FakeServerTransaction,
    FakeTransactions,
    flowBinding,
    names,
    request,
)

PHONES = {name: FakeFlow(name.encode()) for name in ("bob", "carol", "dave")}


class Policy(Router):
    """
    What a programmer writes: here whatever a test wants.
    """

    rules: Any

    async def route(self, request: Passage) -> Decision:
        """
        By the name of the user.
        """
        rule = self.rules.get(request.user)
        if rule is None:
            return await self.inner.route(request)
        decision: Decision = await rule(self, request) if callable(rule) else rule
        return decision


@define(eq=False)
class Server:
    """
    A proxy of bob, carol and dave with one flow each, and a policy in front of them.

    @ivar rules: by user a decision, or a coroutine function of router and request.
    """

    rules: dict[str, Any] = field(factory=dict)
    transactions: FakeTransactions = field(factory=FakeTransactions)
    hops: FakeHops = field(factory=FakeHops)
    location: FakeLocation = field(factory=FakeLocation)
    caller: FakeFlow = field(factory=lambda: FakeFlow(b"caller"))
    proxy: Proxy = field(init=False)

    def __attrs_post_init__(self) -> None:
        phones = {name: FakeFlow(flow.label) for name, flow in PHONES.items()}
        for name, flow in phones.items():
            aor = b"%b@example.com" % name.encode()
            binding = flowBinding(flow, aor=aor, contact=b"sip:%b@192.0.2.4" % name.encode())
            self.location.bindings[aor] = (binding,)
        table = FakeFlows.of(self.caller, *phones.values())
        outgoing = Outgoing(self.location)
        domain = Domain(FakeRegistrar(), self.location)
        branching = Branching(outgoing, {"example.com": domain})
        users = Policy(None, branching)
        users.rules = self.rules
        tree = RouteInspection(names(), table, users, branching, outgoing)
        ways = Ways(names(), table, self.hops, self.location)
        self.proxy = Proxy(tree, users, self.transactions, ways)

    def receive(self, message: Request) -> FakeServerTransaction:
        """
        A request comes over the caller's flow.
        """
        transaction = FakeServerTransaction(message, self.caller)
        self.proxy.received(transaction)
        return transaction

    def call(self, user: bytes, method: bytes = b"INVITE") -> FakeServerTransaction:
        """
        A request for a user comes.
        """
        return self.receive(request(method, b"sip:%b@example.com" % user))

    @property
    def tried(self) -> list[bytes]:
        """
        The labels of the flows that were sent down, in order.
        """
        return self.transactions.flows

    def answer(self, status: int, number: int = -1) -> None:
        """
        Let the latest request that was sent be answered.
        """
        self.transactions.begun[number].answer(status)


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

        events: list[LogEvent] = []
        globalLogPublisher.addObserver(events.append)
        self.addCleanup(globalLogPublisher.removeObserver, events.append)
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

    def test_passedOnce(self) -> None:
        """
        A 2xx that forwarding gave has been passed on: returning it sends nothing again, nor does
        deciding something else.
        """
        async def returns(router: Router, request: Passage) -> Decision:
            return await request.forward(await router.inner.route(request))

        async def persists(router: Router, request: Passage) -> Decision:
            await request.forward(await router.inner.route(request))
            return Forward("sip:carol@example.com")

        for rule in (returns, persists):
            server = Server({"bob": rule})
            transaction = server.call(b"bob")
            server.answer(200)
            self.assertEqual((server.tried, transaction.statuses), ([b"bob"], [100, 200]))

    def test_responsePassedOn(self) -> None:
        """
        A failure that is returned reaches the caller with its headers.
        """
        async def returns(router: Router, request: Passage) -> Decision:
            return await request.forward(await router.inner.route(request))

        server = Server({"bob": returns})
        transaction = server.call(b"bob", b"MESSAGE")
        server.transactions.begun[0].answer(486, (b"X-Why", b"dinner"))
        self.assertEqual(transaction.responses[-1].first(b"x-why"), b"dinner")

    def test_twoSuccesses(self) -> None:
        """
        Two phones pick up at once: the caller gets each 2xx once, whatever order they come in.
        """
        server = Server({"desk": Forward(("sip:bob@example.com", "sip:carol@example.com"))})
        transaction = server.call(b"desk")
        server.transactions.begun[0].answer(200, tag=b"one")
        server.transactions.begun[1].answer(200, tag=b"two")
        tags = [response.to.param(b"tag") for response in transaction.responses[1:]]
        self.assertEqual(tags, [b"one", b"two"])


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


class UserTests(SynchronousTestCase):
    """
    Targets that are users of ours are found as if they had been called.
    """

    def test_found(self) -> None:
        """
        A router forwards to the AoR of a user, who is rung over his flow.
        """
        server = Server({"desk": Forward("sip:bob@example.com")})
        server.call(b"desk")
        (sent,) = server.transactions.begun
        self.assertEqual((server.tried, sent.request.uri), ([b"bob"], b"sip:bob@192.0.2.4"))

    def test_together(self) -> None:
        """
        Both in one group at once, in two groups one after the other.
        """
        server = Server({"desk": Forward(("sip:bob@example.com", "sip:carol@example.com"))})
        server.call(b"desk")
        self.assertEqual(server.tried, [b"bob", b"carol"])
        server = Server({"desk": Forward("sip:bob@example.com", "sip:carol@example.com")})
        server.call(b"desk")
        self.assertEqual(server.tried, [b"bob"])
        server.answer(404)
        self.assertEqual(server.tried, [b"bob", b"carol"])

    def test_someUnavailable(self) -> None:
        """
        Who is not there does not keep the others from being rung.
        """
        server = Server({"desk": Forward(("sip:nobody@example.com", "sip:carol@example.com"))})
        server.call(b"desk")
        self.assertEqual(server.tried, [b"carol"])

    def test_noneAvailable(self) -> None:
        """
        If nobody is there, the caller is told why.
        """
        server = Server({"desk": Forward("sip:nobody@example.com"), "shut": Reply(410)})
        self.assertEqual(server.call(b"desk", b"MESSAGE").statuses, [480])
        server.rules["desk"] = Forward("sip:nobody@example.com", "sip:shut@example.com")
        self.assertEqual(server.call(b"desk", b"MESSAGE").statuses, [410])

    def test_ruleOfTarget(self) -> None:
        """
        The rules of who is forwarded to apply.
        """
        server = Server({"desk": Forward("sip:bob@example.com"), "bob": Redirect(("sip:x@y.org",))})
        self.assertEqual(server.call(b"desk", b"MESSAGE").statuses, [302])

    def test_chain(self) -> None:
        """
        Users who lead to users who lead to one with a phone.
        """
        chain: dict[str, Any] = {
            f"n{number}": Forward(f"sip:n{number + 1}@example.com") for number in range(4)
        }
        server = Server({**chain, "n4": Forward("sip:bob@example.com")})
        server.call(b"n0")
        self.assertEqual(server.tried, [b"bob"])

    def test_loop(self) -> None:
        """
        Two users who forward to each other end in 482, not in an endless search.
        """
        bob, carol = Forward("sip:bob@example.com"), Forward("sip:carol@example.com")
        server = Server({"bob": carol, "carol": bob})
        transaction = server.call(b"bob", b"MESSAGE")
        self.assertEqual((transaction.statuses, server.tried), ([482], []))

    def test_loopOfWaiting(self) -> None:
        """
        The same when their routers wait for the outcome.
        """
        def waitsFor(user: str) -> Any:
            async def rule(router: Router, request: Passage) -> Decision:
                return await request.forward(Forward(f"sip:{user}@example.com"))

            return rule

        server = Server({"bob": waitsFor("carol"), "carol": waitsFor("bob")})
        transaction = server.call(b"bob", b"MESSAGE")
        self.assertEqual((transaction.statuses, server.tried), ([482], []))

    def test_answeredWithin(self) -> None:
        """
        A router asked about a target of another may forward by itself: what came of it is the
        outcome, the caller gets it once and unchanged.
        """
        async def rule(router: Router, request: Passage) -> Decision:
            return await request.forward(await router.inner.route(request))

        for status in (200, 486):
            server = Server({"desk": Forward("sip:bob@example.com"), "bob": rule})
            transaction = server.call(b"desk")
            server.transactions.begun[0].answer(status, (b"X-From", b"bob"))
            self.assertEqual(transaction.statuses, [100, status])
            self.assertEqual(transaction.responses[-1].first(b"x-from"), b"bob")

    def test_answeredWithinGroup(self) -> None:
        """
        Once somebody has picked up that way, nobody else is rung.
        """
        async def rule(router: Router, request: Passage) -> Decision:
            return await request.forward(await router.inner.route(request))

        server = Server(
            {"desk": Forward("sip:bob@example.com", "sip:carol@example.com"), "bob": rule}
        )
        transaction = server.call(b"desk")
        server.answer(200)
        self.assertEqual((server.tried, transaction.statuses), ([b"bob"], [100, 200]))

    def test_elsewhere(self) -> None:
        """
        Another port of our host is somebody else, as is another domain; the Request-URI is theirs.
        """
        for uri in (b"sip:bob@example.com:5999", b"sip:bob@example.org"):
            server = Server({"desk": Forward(uri.decode())})
            server.call(b"desk")
            (sent,) = server.transactions.begun
            self.assertEqual((server.hops.reached, sent.request.uri), ([uri], uri))

    def test_headers(self) -> None:
        """
        Headers that a router adds are on every copy that is sent.
        """
        both = Forward(
            ("sip:bob@example.com", "sip:carol@example.com"), headers=(("X-Desk", "front"),)
        )
        server = Server({"desk": both})
        server.call(b"desk")
        sent = [begun.request.first(b"x-desk") for begun in server.transactions.begun]
        self.assertEqual(sent, [b"front", b"front"])

    def test_merged(self) -> None:
        """
        Users in one group are walked through side by side: the first groups of all, then the next.
        """
        a, b, c = (Target(uri) for uri in (b"sip:a@x.org", b"sip:b@x.org", b"sip:c@x.org"))
        self.assertEqual(merged([((a,), (b,)), ((c,),)]), [(a, c), (b,)])
        self.assertEqual(merged([]), [])


class AckTests(SynchronousTestCase):
    """
    ACKs for 2xx: passed on without a transaction, never answered (RFC 3261 16.11).
    """

    def ack(self, server: Server, *headers: bytes, **changes: bytes) -> None:
        """
        An ACK comes over the caller's flow.
        """
        changes.setdefault("to", b"<sip:bob@example.com>;tag=b1")
        uri = changes.pop("uri", b"sip:bob@192.0.2.4")
        server.proxy.acknowledged(request(b"ACK", uri, *headers, **changes), server.caller)  # type: ignore[arg-type]

    def test_alongItsRoutes(self) -> None:
        """
        Without its ACK the callee hangs up after half a minute.
        """
        server = Server()
        flow = FakeFlow(b"bob")
        server.proxy.ways.flows.flows[flow.token] = flow  # type: ignore[attr-defined]
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
        own = b"Route: <sip:%b@%b;lr>" % (server.caller.token, server.caller.name)
        self.ack(server, own, uri=b"sip:bob@192.0.2.99:5070")
        self.assertEqual(server.hops.reached, [b"sip:bob@192.0.2.99:5070"])
        self.assertEqual(len(server.hops.ways[b"sip:bob@192.0.2.99:5070"].sent), 1)

    def test_nowhere(self) -> None:
        """
        What cannot be passed on is dropped, with neither an answer nor a traceback.
        """
        server = Server()
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


def parsed(data: bytes) -> Request | Response:
    """
    A message that was sent.
    """
    head, _, body = data.partition(b"\r\n\r\n")
    return parseMessage(head, body)
