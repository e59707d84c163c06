"""
Route inspection: which flow a request goes down, case by case (RFC 3261 16.4, RFC 5626 5.3).
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from sipoutbound.message.grammar import Malformed
from sipoutbound.routing.decision import Decision, Forward, Reply
from sipoutbound.routing.request import Request as Passage
from sipoutbound.routing.route import RouteInspection
from sipoutbound.test.doubles import FakeFlow, FakeFlows, FakeRouter, decided, names, request

IN_DIALOG = b"<sip:bob@example.com>;tag=b1"


class RouteTests(SynchronousTestCase):
    """
    L{RouteInspection}.
    """

    def setUp(self) -> None:
        """
        Two flows of this edge; requests come on the first one.
        """
        self.own, self.other = FakeFlow(b"own"), FakeFlow(b"other")
        self.routers = [FakeRouter(Reply(status)) for status in (201, 202, 203)]
        inner, dialogs, foreign = self.inner, self.dialogs, self.foreign = self.routers
        self.flows = FakeFlows.of(self.own, self.other)
        self.inspection = RouteInspection(names(), self.flows, inner, dialogs, foreign)

    def token(self, flow: FakeFlow, tail: bytes = b";lr") -> bytes:
        """
        A Route line with the token of a flow.
        """
        return b"Route: <sip:%b@%b%b>" % (flow.token, flow.name, tail)

    def inspect(
        self,
        *routes: bytes,
        to: bytes = b"<sip:bob@example.com>",
        uri: bytes = b"sip:bob@example.com",
        method: bytes = b"INVITE",
        via: bytes = b"SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKcaller",
    ) -> Decision:
        """
        Inspect a request with these Route lines.
        """
        self.message = request(method, uri, *routes, to=to, via=via)
        self.before = bytes(self.message)
        self.passage = Passage.arrived(self.message, self.own, None)
        return self.successResultOf(decided(self.inspection, self.passage))

    def left(self) -> list[bytes]:
        """
        The Routes that are still on the request.
        """
        return self.passage.message.all(b"route")

    def seen(self) -> list[int]:
        """
        How many requests were given to plugins, to dialogs, to the foreign.
        """
        return [len(router.seen) for router in self.routers]

    def down(self, decision: Decision, flow: FakeFlow) -> None:
        """
        Check that a request goes down a flow, its Request-URI as it came.
        """
        assert isinstance(decision, Forward), decision
        ((target,),) = decision.groups
        self.assertIs(target.flow, flow)
        self.assertEqual((target.uri, target.route), (None, ()))
        self.assertEqual(self.seen(), [0, 0, 0])

    def refused(self, decision: Decision, status: int) -> None:
        """
        Check that a request is answered, and nobody else asked.
        """
        assert isinstance(decision, Reply), decision
        self.assertEqual((decision.status, self.seen()), (status, [0, 0, 0]))

    def test_noRoute(self) -> None:
        """
        A new request goes to the plugins, one within a dialog never does.
        """
        self.inspect()
        self.assertEqual(self.seen(), [1, 0, 0])
        self.inspect(to=IN_DIALOG, method=b"BYE")
        self.assertEqual(self.seen(), [1, 1, 0])

    def test_ours(self) -> None:
        """
        A preloaded Route to us, by any of our names, is taken off (RFC 3261 16.4).
        """
        for uri in (
            b"sip:edge.example.com;lr",
            b"sip:example.com;lr",
            b"sip:edge.example.com:5060;transport=tcp;lr",
            b"sip:192.0.2.1;lr",
        ):
            self.inspect(b"Route: <%b>" % uri)
            self.assertEqual(self.left(), [])
        self.assertEqual(self.seen(), [4, 0, 0])

    def test_notOurs(self) -> None:
        """
        A Route to somebody else is followed, and not taken off.
        """
        for uri in (b"sip:edge.example.org;lr", b"sip:edge.example.com:5999;lr", b"tel:+1"):
            self.inspect(b"Route: <%b>" % uri)
            self.assertEqual(self.left(), [b"<%b>" % uri])
        self.assertEqual(self.seen(), [0, 0, 3])

    def test_oursThenNot(self) -> None:
        """
        Ours is taken off, the other followed, in one line or two.
        """
        self.inspect(b"Route: <sip:edge.example.com;lr>, <sip:b.example.org;lr>")
        self.assertEqual(self.left(), [b"<sip:b.example.org;lr>"])
        self.inspect(b"Route: <sip:edge.example.com;lr>", b"Route: <sip:b.example.org;lr>")
        self.assertEqual(self.left(), [b"<sip:b.example.org;lr>"])
        self.assertEqual(self.seen(), [0, 0, 2])

    def test_ownToken(self) -> None:
        """
        The token of the flow that it came on: it goes out (RFC 5626 5.3.2).
        """
        self.inspect(self.token(self.own), to=IN_DIALOG, method=b"BYE")
        self.assertEqual(self.left(), [])
        self.assertEqual(self.seen(), [0, 1, 0])

    def test_ownTokenThenForeign(self) -> None:
        """
        Outgoing to another edge: the next Route is for it.
        """
        self.inspect(self.token(self.own), b"Route: <sip:t@edge.example.org;lr>", to=IN_DIALOG)
        self.assertEqual(self.left(), [b"<sip:t@edge.example.org;lr>"])
        self.assertEqual(self.seen(), [0, 0, 1])

    def test_othersToken(self) -> None:
        """
        The token of another flow: it goes down that one, whatever the Request-URI says (RFC 5626
        5.3.1). No plugin is asked, not even for a new request.
        """
        for to in (IN_DIALOG, b"<sip:bob@example.com>"):
            self.down(self.inspect(self.token(self.other), to=to), self.other)
            self.assertEqual(self.left(), [])

    def test_othersTokenThenMore(self) -> None:
        """
        Routes behind the token are for those behind the flow: they stay.
        """
        decision = self.inspect(self.token(self.other), b"Route: <sip:b.example.org;lr>")
        self.down(decision, self.other)
        self.assertEqual(self.left(), [b"<sip:b.example.org;lr>"])

    def test_ownThenOther(self) -> None:
        """
        Two phones of one edge: out of the one flow, down the other.
        """
        decision = self.inspect(self.token(self.own), self.token(self.other), to=IN_DIALOG)
        self.down(decision, self.other)
        self.assertEqual(self.left(), [])

    def test_tokenWithOb(self) -> None:
        """
        A Path value as it was stored, by a registrar apart from us, is a token as any other.
        """
        self.down(self.inspect(self.token(self.other, b";lr;ob")), self.other)

    def test_plainFromElsewhere(self) -> None:
        """
        A plain phone sends from another port than that of its Contact: its BYE goes out, and does
        not come back to it.
        """
        caller = FakeFlow(b"caller", ("192.0.2.77", 5060))
        self.flows.flows[caller.token] = caller
        own = self.token(self.other, b";lr;plain")
        decision = self.inspect(own, self.token(caller), to=IN_DIALOG, method=b"BYE")
        self.down(decision, caller)
        self.inspect(own, b"Route: <sip:b.example.org;lr>", to=IN_DIALOG, method=b"BYE")
        self.assertEqual((self.left(), self.seen()), ([b"<sip:b.example.org;lr>"], [0, 0, 1]))

    def test_plainToNeighbour(self) -> None:
        """
        Two plain phones on one host, or behind one proxy, reach each other.
        """
        its = self.token(self.other, b";lr;plain")
        self.down(self.inspect(self.token(self.own), its, to=IN_DIALOG), self.other)
        self.down(self.inspect(b"Route: <sip:edge.example.com;lr>", its, to=IN_DIALOG), self.other)
        proxied = b"SIP/2.0/UDP p.example.org;branch=z9hG4bKp, SIP/2.0/UDP x;branch=z9hG4bKx"
        self.down(self.inspect(its, to=IN_DIALOG, via=proxied), self.other)

    def test_plainElsewhere(self) -> None:
        """
        From any other host it leads to the phone.
        """
        self.other.peer = ("192.0.2.78", 5060)
        self.down(self.inspect(self.token(self.other, b";lr;plain"), to=IN_DIALOG), self.other)

    def test_forged(self) -> None:
        """
        A token that is not ours: 403, and no packet leaves. Whatever else is on the request.
        """
        forged = b"Route: <sip:forged@edge.example.com;lr>"
        self.refused(self.inspect(forged), 403)
        self.refused(self.inspect(forged, to=IN_DIALOG, method=b"BYE"), 403)
        self.refused(self.inspect(self.token(self.own), forged), 403)
        self.refused(self.inspect(b"Route: <sip:edge.example.com;lr>", forged), 403)

    def test_gone(self) -> None:
        """
        A token of ours whose flow is gone: 430, so that another flow can be tried.
        """
        gone = b"Route: <sip:token-of-gone@edge.example.com;lr>"
        self.refused(self.inspect(gone), 430)
        self.other.alive = False
        self.refused(self.inspect(self.token(self.other), to=IN_DIALOG), 430)

    def test_strictRouter(self) -> None:
        """
        A strict router has put our Record-Route into the Request-URI: the real one is restored, and
        the token in ours still counts (RFC 3261 16.4).
        """
        ours = b"sip:%b@edge.example.com;lr" % self.other.token
        decision = self.inspect(b"Route: <sip:bob@192.0.2.4;x=1>", uri=ours, to=IN_DIALOG)
        self.down(decision, self.other)
        self.assertEqual((self.passage.uri, self.left()), ("sip:bob@192.0.2.4;x=1", []))
        self.assertEqual(self.passage.ahead, ("192.0.2.4", "bob"))

    def test_strictRouterBehind(self) -> None:
        """
        The same with a further hop between.
        """
        ours = b"sip:%b@edge.example.com;lr" % self.own.token
        hop = b"Route: <sip:b.example.org;lr>, <sip:bob@192.0.2.4>"
        self.inspect(hop, uri=ours, to=IN_DIALOG)
        self.assertEqual(self.passage.uri, "sip:bob@192.0.2.4")
        self.assertEqual((self.left(), self.seen()), ([b"<sip:b.example.org;lr>"], [0, 0, 1]))

    def test_notStrict(self) -> None:
        """
        A Request-URI with C{lr} that does not name us, or without any Route, is just that.
        """
        self.inspect(b"Route: <sip:edge.example.com;lr>", uri=b"sip:bob@example.org;lr")
        self.assertEqual(self.passage.uri, "sip:bob@example.org;lr")
        for route in ((), (b"Route:",)):
            self.inspect(*route, uri=b"sip:bob@example.com;lr")
            self.assertEqual(self.passage.uri, "sip:bob@example.com;lr")

    def test_cancel(self) -> None:
        """
        A CANCEL of nothing known is of nothing that a plugin has seen: it has no business with it.
        """
        self.inspect(method=b"CANCEL")
        self.assertEqual(self.seen(), [0, 1, 0])

    def test_dialogElsewhere(self) -> None:
        """
        Within a dialog the Request-URI is somebody's Contact: on our host, but at a port that is
        not ours, it is not one of our users. The gateway beside us would never get its BYE.
        """
        uri = b"sip:gateway@example.com:5999"
        self.inspect(self.token(self.own), to=IN_DIALOG, uri=uri, method=b"BYE")
        self.assertEqual(self.seen(), [0, 0, 1])
        self.inspect(uri=uri)
        self.assertEqual(self.seen(), [1, 0, 1])

    def test_malformed(self) -> None:
        """
        A Route that is none is refused.
        """
        for line in (b"Route: <", b"Route: <x>", b"Route: <sip:a@b@c>, <sip:edge.example.com;lr>"):
            message = request(b"INVITE", b"sip:b@example.com", line)
            passage = Passage.arrived(message, self.own, None)
            self.failureResultOf(decided(self.inspection, passage), Malformed)

    def test_cameUnchanged(self) -> None:
        """
        What came is never changed: its server transaction prints its headers in the answer.
        """
        for line in (self.token(self.own), self.token(self.other)):
            self.inspect(line)
            self.assertEqual(bytes(self.message), self.before)
