"""
The tree: routers by method, routers with children, leaves.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.trial.unittest import SynchronousTestCase

from sipoutbound.interfaces import IRouter
from sipoutbound.routing.decision import Decision, Forward, Reply
from sipoutbound.routing.request import Request
from sipoutbound.routing.router import Answer, Branching, Router
from sipoutbound.test.doubles import FakeFlow, FakeRouter, decided, request


class Office(Router):
    """
    A programmer's router.
    """

    later: Any = None

    def route_INVITE(self, request: Request) -> Decision | None:
        """
        A plain method, which decides for some users only.
        """
        return Reply(486) if request.user == "desk" else None

    async def route_MESSAGE(self, request: Request) -> Decision | None:
        """
        A coroutine.
        """
        return Forward("sip:carol@example.com") if request.user == "desk" else None

    def route_SUBSCRIBE(self, request: Request) -> Any:
        """
        A method that returns a Deferred.
        """
        return self.later


class RouterTests(SynchronousTestCase):
    """
    L{Router}.
    """

    def setUp(self) -> None:
        """
        A router in front of an inner one.
        """
        self.inner = FakeRouter(Reply(404))
        self.router = Office("argument", self.inner)

    def decide(self, method: bytes, user: bytes = b"desk") -> Decision:
        """
        What is decided about a request for a user.
        """
        self.passage = Request.arrived(
            request(method, b"sip:%b@example.com" % user), FakeFlow(), None
        )
        return self.successResultOf(decided(self.router, self.passage))

    def test_interface(self) -> None:
        """
        A subclass is a router without saying so, and knows its argument.
        """
        self.assertTrue(IRouter.providedBy(self.router))
        self.assertEqual((self.router.argument, self.router.inner), ("argument", self.inner))

    def test_byMethod(self) -> None:
        """
        Each method decides for its requests, plain, as coroutine, or with a Deferred.
        """
        self.assertEqual(self.decide(b"INVITE"), Reply(486))
        self.assertEqual(self.decide(b"MESSAGE"), Forward("sip:carol@example.com"))
        self.router.later = succeed(Reply(489))
        self.assertEqual(self.decide(b"SUBSCRIBE"), Reply(489))
        self.assertEqual(self.inner.seen, [])

    def test_waits(self) -> None:
        """
        The decision may take its time.
        """
        self.router.later = Deferred()
        passage = Request.arrived(request(b"SUBSCRIBE"), FakeFlow(), None)
        result = decided(self.router, passage)
        self.assertNoResult(result)
        self.router.later.callback(Reply(489))
        self.assertEqual(self.successResultOf(result), Reply(489))

    def test_undecided(self) -> None:
        """
        What a method leaves open is the inner router's, the same request.
        """
        for method in (b"INVITE", b"MESSAGE"):
            self.assertEqual(self.decide(method, b"bob"), Reply(404))
            self.assertIs(self.inner.seen.pop(), self.passage)
        self.router.later = succeed(None)
        self.assertEqual(self.decide(b"SUBSCRIBE"), Reply(404))

    def test_otherMethods(self) -> None:
        """
        So is what it has no method for; the methods of SIP are case-sensitive (RFC 3261 7.1), and
        need not be Python names.
        """
        for method in (b"BYE", b"invite", b"X-PING.1", b"__class__"):
            self.assertEqual(self.decide(method), Reply(404))
            self.assertIs(self.inner.seen.pop(), self.passage)


class BranchingTests(SynchronousTestCase):
    """
    L{Branching}.
    """

    def setUp(self) -> None:
        """
        Domains, one of them with users.
        """
        self.bob, self.domain, self.otherwise = (FakeRouter(Reply(n)) for n in (200, 201, 202))
        users = Branching(self.domain, {"bob": self.bob})
        self.tree = Branching(self.otherwise, {"example.com": users})

    def decide(self, uri: bytes) -> Decision:
        """
        What is decided about a URI.
        """
        passage = Request.arrived(request(b"INVITE", uri), FakeFlow(), None)
        return self.successResultOf(decided(self.tree, passage))

    def test_child(self) -> None:
        """
        A name chooses its child; it is behind there.
        """
        self.assertEqual(self.decide(b"sip:bob@EXAMPLE.com"), Reply(200))
        (seen,) = self.bob.seen
        self.assertEqual((seen.behind, seen.ahead), (("example.com", "bob"), ()))

    def test_noChild(self) -> None:
        """
        A name without a child is ahead still, where it goes.
        """
        self.assertEqual(self.decide(b"sip:carol@example.com"), Reply(201))
        (seen,) = self.domain.seen
        self.assertEqual((seen.behind, seen.ahead), (("example.com",), ("carol",)))
        self.assertEqual(self.decide(b"sip:bob@example.org"), Reply(202))
        (seen,) = self.otherwise.seen
        self.assertEqual((seen.behind, seen.ahead), ((), ("example.org", "bob")))

    def test_noName(self) -> None:
        """
        Where no name is left the same router decides as for any unknown name.
        """
        self.assertEqual(self.decide(b"sip:example.com"), Reply(201))


class AnswerTests(SynchronousTestCase):
    """
    L{Answer}.
    """

    def test_reply(self) -> None:
        """
        A leaf gives everybody its reply.
        """
        leaf = Answer(Reply(410, "Moved Out"))
        passage = Request.arrived(request(), FakeFlow(), None)
        self.assertEqual(self.successResultOf(decided(leaf, passage)), Reply(410, "Moved Out"))
