"""
Routers of a programmer's own in the running server, given as C{--route} gives them (DESIGN 3).
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, ClassVar

from twisted.internet.defer import Deferred
from twisted.logger import LogLevel, capturedLogs, formatEvent
from zope.interface import implementer

from sipoutbound.interfaces import IRouter
from sipoutbound.message.message import Response
from sipoutbound.routing.decision import Decision, Forward, Redirect, Reply
from sipoutbound.routing.request import Request
from sipoutbound.routing.router import Answer, Branching, Router
from sipoutbound.test.laboratory import WireTestCase, reactor
from sipoutbound.test.phone import DOMAIN, Phone


class Echo(Router):
    """
    Answers each message with its own text in a header.
    """

    def route_MESSAGE(self, request: Request) -> Reply:
        """
        The text.
        """
        headers = (("X-Text", request.body.decode()), ("X-Who", request.caller))
        return Reply(299, "Heard You", headers)


class Policy(Router):
    """
    Does what the user part of the Request-URI says.
    """

    thinking: ClassVar[list[Deferred[None]]] = []
    cancelled: ClassVar[list[str]] = []
    seen: ClassVar[list[tuple[str, str]]] = []

    async def route(self, request: Request) -> Decision:
        """
        Note what comes by.
        """
        self.seen.append((request.method, request.user))
        return await super().route(request)

    async def route_INVITE(self, request: Request) -> Decision | None:
        """
        Decide by the user's name; leave other users to the rest of the tree.
        """
        decide: Any = getattr(self, request.user, None)
        return await decide(request) if decide is not None else None

    route_MESSAGE = route_INVITE

    async def redirected(self, request: Request) -> Decision:
        """
        Elsewhere.
        """
        return Redirect(("sip:a@192.0.2.1", "sip:b@192.0.2.2"))

    async def both(self, request: Request) -> Decision:
        """
        Two users at once.
        """
        return Forward(("sip:bob@example.test", "sip:carol@example.test"))

    async def oneAfterOther(self, request: Request) -> Decision:
        """
        Two users, one after the other, and a header more.
        """
        users = "sip:bob@example.test", "sip:carol@example.test"
        return Forward(*users, headers=(("X-Added", "by policy"), ("Reason", "none")))

    async def hunted(self, request: Request) -> Decision:
        """
        The first who takes it, by C{request.forward}.
        """
        response = await request.forward(Forward("sip:bob@example.test"))
        if response.status < 300:
            return response
        return Forward("sip:carol@example.test", headers=(("X-First", str(response.status)),))

    async def asIs(self, request: Request) -> Decision:
        """
        What the first says, whatever it is.
        """
        return await request.forward(Forward("sip:bob@example.test"))

    async def replaced(self, request: Request) -> Decision:
        """
        Another answer in place of the first's.
        """
        await request.forward(Forward("sip:bob@example.test"))
        return Reply(480, "Not Now")

    async def slow(self, request: Request) -> Decision:
        """
        A look-up that takes long.
        """
        looking: Deferred[None] = Deferred(lambda _: self.cancelled.append(request.method))
        self.thinking.append(looking)
        await looking
        return Reply(410)

    async def broken(self, request: Request) -> Decision:
        """
        A mistake.
        """
        decisions: dict[str, Decision] = {}
        return decisions[request.user]

    async def late(self, request: Request) -> Decision:
        """
        A mistake after some waiting.
        """
        waiting: Deferred[None] = Deferred()
        reactor.callLater(0, waiting.callback, None)
        await waiting
        raise ValueError(request.user)

    async def nonsense(self, request: Request) -> Decision:
        """
        No decision at all.
        """
        return 42  # type: ignore[return-value]

    async def loop(self, request: Request) -> Decision:
        """
        Back to where it came from, for ever.
        """
        return Forward(request.uri)


@implementer(IRouter)
class Deferring:
    """
    A router that is no subclass, and returns a Deferred.
    """

    def __init__(self, argument: str | None, inner: IRouter) -> None:
        self.argument, self.inner = argument, inner

    def route(self, request: Request) -> Awaitable[Decision]:
        """
        Its argument is whom it lets nobody call.
        """
        if request.user != self.argument:
            return self.inner.route(request)
        deferred: Deferred[Decision] = Deferred()
        deferred.callback(Reply(403, "Not Her"))
        return deferred


def tree(argument: str | None, inner: IRouter) -> IRouter:
    """
    A tree: a service of the domain's with children of its own.
    """
    desk = Branching(Answer(Reply(404, "No Such Desk")), {"desk": Answer(Reply(603, "Closed"))})
    return Branching(inner, {argument or "": desk})


class PolicyTests(WireTestCase):
    """
    One router that decides by the user called.
    """

    routes = ((f"{__name__}.Policy", None),)

    def setUp(self) -> None:
        """
        Start the server.
        """
        super().setUp()
        for kept in (Policy.thinking, Policy.cancelled, Policy.seen):
            kept.clear()

    async def called(self, user: bytes, method: bytes = b"MESSAGE") -> Phone:
        """
        Call a user of this name.

        @return: the caller.
        """
        alice = await self.phone(b"alice")
        self.sent = alice.ask(method, b"sip:%b@%b" % (user, DOMAIN))
        return alice

    async def users(self) -> tuple[Phone, Phone]:
        """
        Bob and Carol, registered.
        """
        return await self.registered(b"bob"), await self.registered(b"carol", b"TCP")

    async def test_redirect(self) -> None:
        """
        The caller is told where to go instead.
        """
        alice = await self.called(b"redirected")
        contacts = (await alice.told(302)).all(b"contact")
        self.assertEqual(contacts, [b"<sip:a@192.0.2.1>", b"<sip:b@192.0.2.2>"])

    async def test_both(self) -> None:
        """
        Both ring; the one who answers has the call, the other stops.
        """
        bob, carol = await self.users()
        alice = await self.called(b"both", b"INVITE")
        ringing = await bob.asked(b"INVITE")
        bob.answer(ringing, 180)
        await alice.told(180)
        carol.answer(await carol.asked(b"INVITE"), 200)
        await alice.told(200)
        await bob.asked(b"CANCEL")

    async def test_oneAfterOther(self) -> None:
        """
        The second rings when the first has refused; both see the added headers, and the rest as it
        was.
        """
        bob, carol = await self.users()
        alice = await self.called(b"oneAfterOther")
        for phone, status in ((bob, 486), (carol, 200)):
            message = await phone.asked(b"MESSAGE")
            self.assertEqual(message.first(b"x-added"), b"by policy")
            self.assertEqual(message.first(b"reason"), b"none")
            self.assertEqual(message.uri, phone.contact)
            self.assertEqual(message.first(b"to"), self.sent.first(b"to"))
            phone.answer(message, status)
        await alice.told(200)

    async def test_hunted(self) -> None:
        """
        The router tries the first, hears of the refusal, and tries the second.
        """
        bob, carol = await self.users()
        alice = await self.called(b"hunted", b"INVITE")
        bob.answer(await bob.asked(b"INVITE"), 486)
        await bob.asked(b"ACK")
        invite = await carol.asked(b"INVITE")
        self.assertEqual(invite.first(b"x-first"), b"486")
        carol.answer(invite, 200)
        await alice.told(200)
        await alice.hearsNothing()

    async def test_huntedTaken(self) -> None:
        """
        The first takes it: the caller is told once, and nobody else rings.
        """
        bob, carol = await self.users()
        alice = await self.called(b"hunted", b"INVITE")
        said = bob.answer(await bob.asked(b"INVITE"), 200)
        await alice.told(200)
        bob.send(said)
        await alice.told(200)
        await alice.hearsNothing()
        await carol.hearsNothing()

    async def test_huntedCancelled(self) -> None:
        """
        The caller gives up while the first rings: the second never does, although the router wants
        it to.
        """
        bob, carol = await self.users()
        alice = await self.called(b"hunted", b"INVITE")
        invite = await bob.asked(b"INVITE")
        bob.answer(invite, 180)
        await alice.told(180)
        alice.cancel(self.sent)
        await alice.told(200)
        bob.answer(await bob.asked(b"CANCEL"), 200)
        bob.answer(invite, 487)
        await bob.asked(b"ACK")
        await alice.told(487)
        await carol.hearsNothing()

    async def test_asIs(self) -> None:
        """
        A response that the router returns is passed on as it came, once.
        """
        bob, _ = await self.users()
        for status in (200, 486):
            alice = await self.called(b"asIs")
            bob.answer(await bob.asked(b"MESSAGE"), status, [(b"X-Of", b"bob")])
            self.assertEqual((await alice.told(status)).first(b"x-of"), b"bob")
            await alice.hearsNothing()

    async def test_replaced(self) -> None:
        """
        The router's answer in place of a refusal; after a success it is too late for that.
        """
        bob, _ = await self.users()
        for said, heard in ((486, 480), (200, 200)):
            alice = await self.called(b"replaced")
            bob.answer(await bob.asked(b"MESSAGE"), said)
            await alice.told(heard)
            await alice.hearsNothing()

    async def test_slow(self) -> None:
        """
        A router may take its time.
        """
        alice = await self.called(b"slow", b"INVITE")
        await alice.told(100)
        await alice.hearsNothing()
        (thinking,) = Policy.thinking
        thinking.callback(None)
        await alice.told(410)

    async def test_slowCancelled(self) -> None:
        """
        The caller gives up while the router thinks: it need not think any further.
        """
        alice = await self.called(b"slow", b"INVITE")
        await alice.told(100)
        alice.cancel(self.sent)
        self.assertEqual((await alice.told(200)).cseq.method, b"CANCEL")
        await alice.told(487)
        self.assertEqual(Policy.cancelled, ["INVITE"])

    async def test_mistakes(self) -> None:
        """
        An error in a router: one 500 to the caller, one entry in the log that names the router, and
        the server lives on.
        """
        for user, error in ((b"broken", KeyError), (b"late", ValueError)):
            with capturedLogs() as events:
                alice = await self.called(user)
                await alice.told(500)
                await alice.hearsNothing()
            self.assertEqual(len(self.flushLoggedErrors(error)), 1)
            (entry,) = [event for event in events if event["log_level"] >= LogLevel.error]
            text = f"{__name__}.Policy failed at MESSAGE"
            self.assertIn(text, formatEvent(entry))

    async def test_noDecision(self) -> None:
        """
        A router that returns something else is a mistake of the same kind.
        """
        alice = await self.called(b"nonsense")
        await alice.told(500)
        self.assertEqual(len(self.flushLoggedErrors()), 1)

    async def test_loop(self) -> None:
        """
        A router that leads to itself is found out.
        """
        alice = await self.called(b"loop")
        await alice.told(482)

    async def test_others(self) -> None:
        """
        What a router does not decide goes on as without it: other methods, other users.
        """
        bob, _ = await self.users()
        alice = await self.called(b"bob")
        bob.answer(await bob.asked(b"MESSAGE"), 200)
        await alice.told(200)
        alice.ask(b"OPTIONS", b"sip:redirected@" + DOMAIN)
        await alice.told(480)
        self.assertIn(("REGISTER", ""), Policy.seen)
        self.assertIn(("OPTIONS", "redirected"), Policy.seen)

    async def test_dialogs(self) -> None:
        """
        What belongs to a call under way is no router's business: it sees neither the ACK, nor a
        re-INVITE, nor the BYE.
        """
        bob, carol = await self.users()
        Policy.seen.clear()
        sides = await self.talk(bob, carol)
        for side, other in (sides, sides[::-1]):
            for method in (b"INVITE", b"MESSAGE", b"BYE"):
                side.ask(method)
                other.phone.answer(await other.phone.asked(method), 200)
                await side.phone.told(200)
        self.assertEqual(Policy.seen, [("INVITE", "carol")])

    async def test_tokens(self) -> None:
        """
        Nor is what a flow token decides.
        """
        bob, _ = await self.users()
        bob.register(bob.binding())
        response: Response = await bob.told(200)
        route = response.all(b"path")[0].replace(b";ob", b"")
        Policy.seen.clear()
        alice = await self.phone(b"alice")
        alice.ask(b"MESSAGE", b"sip:redirected@" + DOMAIN, [(b"Route", route)])
        bob.answer(await bob.asked(b"MESSAGE"), 200)
        await alice.told(200)
        self.assertEqual(Policy.seen, [])


class ChainTests(WireTestCase):
    """
    Several routers, the first outermost.
    """

    routes = (
        (f"{__name__}.Deferring", "eve"),
        (f"{__name__}.Echo", None),
        (f"{__name__}.Deferring", "bob"),
        (f"{__name__}.tree", "desks.example.test"),
    )

    async def test_outermost(self) -> None:
        """
        The first to decide has decided.
        """
        alice = await self.phone(b"alice")
        alice.ask(b"MESSAGE", b"sip:eve@" + DOMAIN, body=b"Hello")
        self.assertEqual((await alice.told(403)).reason, b"Not Her")
        alice.ask(b"MESSAGE", b"sip:bob@" + DOMAIN, body=b"Hello")
        response = await alice.told(299)
        self.assertEqual(response.reason, b"Heard You")
        self.assertEqual(response.first(b"x-text"), b"Hello")
        self.assertEqual(response.first(b"x-who"), alice.aor)

    async def test_inner(self) -> None:
        """
        What the outer ones leave, the inner ones see.
        """
        alice = await self.phone(b"alice")
        alice.ask(b"OPTIONS", b"sip:bob@" + DOMAIN)
        await alice.told(403)
        carol = await self.registered(b"carol")
        alice.ask(b"OPTIONS", carol.aor)
        await carol.asked(b"OPTIONS")

    async def test_tree(self) -> None:
        """
        Names are walked like the path of a resource: first the domain, then the user.
        """
        alice = await self.phone(b"alice")
        for user, status in ((b"desk", 603), (b"%64esk", 603), (b"chair", 404)):
            alice.ask(b"OPTIONS", b"sip:%b@DESKS.example.test" % user)
            await alice.told(status)
