"""
Targets that are users of ours: found, or a loop.
"""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from sipoutbound.routing.decision import Decision, Forward, Redirect, Reply, Target
from sipoutbound.routing.forwarding import merged
from sipoutbound.routing.request import Request as Passage
from sipoutbound.routing.router import Router
from sipoutbound.test.doubles import request
from sipoutbound.test.proxies import Server


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

    def test_routeElsewhere(self) -> None:
        """
        A Route that leads to another proxy is followed, though the user is ours (RFC 3261 16.12).
        """
        server = Server()
        server.registered.add(server.caller)
        route = b"Route: <sip:proxy.example.org;lr>"
        server.receive(request(b"MESSAGE", b"sip:bob@example.com", route))
        (sent,) = server.transactions.begun
        self.assertEqual(server.hops.reached, [b"sip:proxy.example.org;lr"])
        self.assertEqual(sent.request.uri, b"sip:bob@example.com")
        self.assertEqual(sent.request.all(b"route"), [b"<sip:proxy.example.org;lr>"])

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
