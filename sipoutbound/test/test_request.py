"""
A request as a router sees it: text, names ahead and behind.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from sipoutbound.message.grammar import Malformed
from sipoutbound.message.message import Response
from sipoutbound.message.uri import URI
from sipoutbound.routing.decision import Decision, Forward
from sipoutbound.routing.request import Request
from sipoutbound.test.doubles import FakeFlow, request


def arrived(uri: bytes = b"sip:bob@example.com", *headers: bytes) -> Request:
    """
    A request at the root of the tree.
    """
    message = request(b"MESSAGE", uri, *headers, body=b"hello")
    return Request.arrived(message, FakeFlow(), None)


class RequestTests(SynchronousTestCase):
    """
    L{Request}.
    """

    def test_texts(self) -> None:
        """
        What a router asks about is text, but for the body.
        """
        it = arrived(b"sip:B%c3%b6b@Example.COM:5060;x=Y")
        self.assertEqual((it.method, it.user, it.host), ("MESSAGE", "B\u00f6b", "example.com"))
        self.assertEqual(it.uri, "sip:B%c3%b6b@example.com:5060;x=Y")
        self.assertEqual((it.caller, it.body), ("sip:alice@example.com", b"hello"))
        self.assertEqual(it.aor, "B\u00f6b@example.com")

    def test_noUser(self) -> None:
        """
        A Request-URI without user, or of another kind, is no error.
        """
        self.assertEqual((arrived(b"sip:example.com").user, arrived(b"tel:+1").host), ("", ""))

    def test_badOctets(self) -> None:
        """
        Nor are octets that are no text.
        """
        it = arrived(b"sip:b%ffb@example.com", b"Subject: \xff")
        self.assertEqual((it.user, it.header("Subject")), ("b\ufffdb", "\ufffd"))

    def test_header(self) -> None:
        """
        Headers are found in any spelling, the first of several; a missing one is C{None}.
        """
        it = arrived(b"sip:bob@example.com", b"s: hello", b"SUBJECT: again", b"X-Odd : 1")
        for name in ("Subject", "subject", "s"):
            self.assertEqual(it.header(name), "hello")
        self.assertEqual(it.header("x-odd"), "1")
        self.assertIsNone(it.header("Diversion"))

    def test_names(self) -> None:
        """
        The names ahead are the domain, then the user.
        """
        for uri, ahead in (
            (b"sip:Bob@Example.COM:5060", ("example.com", "Bob")),
            (b"sip:%42ob@[::1]", ("[::1]", "Bob")),
            (b"sip:example.com", ("example.com",)),
            (b"tel:+15551234", ("",)),
        ):
            self.assertEqual((arrived(uri).ahead, arrived(uri).behind), (ahead, ()))

    def test_step(self) -> None:
        """
        Each step puts one name behind, and changes nothing else, the request in front included.
        """
        it = arrived()
        first = it.step()
        second = first.step()
        self.assertEqual((first.behind, first.ahead), (("example.com",), ("bob",)))
        self.assertEqual((second.behind, second.ahead), (("example.com", "bob"), ()))
        self.assertEqual((it.behind, it.ahead), ((), ("example.com", "bob")))
        same = (it.message, it.target, it.flow, it.depth)
        self.assertEqual((second.message, second.target, second.flow, second.depth), same)

    def test_stepOfAnother(self) -> None:
        """
        How many users have led here is not forgotten on the way: a loop would never be found.
        """
        self.assertEqual(arrived().to("sip:carol@example.com").step().depth, 1)

    def test_to(self) -> None:
        """
        The same request for somebody else begins at the root again; the message stays.
        """
        it = arrived().step()
        for uri in ("sip:carol@Example.org", b"sip:carol@Example.org"):
            other = it.to(uri)
            self.assertEqual((other.user, other.host), ("carol", "example.org"))
            self.assertEqual((other.behind, other.ahead), ((), ("example.org", "carol")))
            self.assertIs(other.message, it.message)
        self.assertEqual(it.to(URI.parse(b"sip:carol@x.org")).uri, "sip:carol@x.org")
        self.assertEqual((it.user, it.depth, other.depth), ("bob", 0, 1))

    def test_toNonsense(self) -> None:
        """
        A target that is no URI is told at once.
        """
        for uri in ("", "bob", "sip:", "sip:a b@x.org"):
            self.assertRaises(Malformed, arrived().to, uri)

    def test_forward(self) -> None:
        """
        Forwarding is asked for with the request as it is now, for the new target and after steps.
        """
        asked: list[tuple[Request, Decision, float | None]] = []
        answer = Response.reply(request(), 486)

        async def forwarding(
            passage: Request, decision: Decision, seconds: float | None
        ) -> Response:
            asked.append((passage, decision, seconds))
            return answer

        it = Request.arrived(request(), FakeFlow(), forwarding)
        for passage in (it, it.step(), it.to("sip:carol@example.com")):
            decision = Forward("sip:x@example.org")
            for more, seconds in (((), None), ((20,), 20)):
                result = Deferred.fromCoroutine(passage.forward(decision, *more))
                self.assertIs(self.successResultOf(result), answer)
                self.assertEqual(asked.pop(), (passage, decision, seconds))
