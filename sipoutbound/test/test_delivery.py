"""
What is sent to a target: Request-URI, Max-Forwards, Route, Record-Route (RFC 3261 16.6,
RFC 3327 5.4, RFC 5626 5.3).
"""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from sipoutbound.message.message import Request
from sipoutbound.routing.decision import Target, TextHeaders
from sipoutbound.routing.delivery import Delivery, Ways
from sipoutbound.routing.request import Request as Passage
from sipoutbound.test.doubles import (
    BINDING,
    FakeFlow,
    FakeFlows,
    FakeHops,
    FakeLocation,
    flowBinding,
    names,
    request,
)


class DeliveryTests(SynchronousTestCase):
    """
    L{Delivery}.
    """

    def setUp(self) -> None:
        """
        A caller's flow, the phone's flow, and a peer without one.
        """
        self.caller, self.phone = FakeFlow(b"caller"), FakeFlow(b"phone")
        self.peer = FakeFlow(b"peer", transport=b"UDP", reliable=False)
        self.hops = FakeHops()
        self.ways = Ways(
            names(), FakeFlows.of(self.caller, self.phone), self.hops, FakeLocation()
        )

    def delivery(self, message: Request | None = None, headers: TextHeaders = ()) -> Delivery:
        """
        The delivery of a request of the caller.
        """
        self.message = message or request()
        self.before = bytes(self.message)
        return Delivery(Passage.arrived(self.message, self.caller, None), self.ways, headers)

    def bound(self) -> Target:
        """
        The phone, as its binding says.
        """
        binding = flowBinding(self.phone)
        return Target(binding.contact, binding.path, binding=binding)

    def test_contactUntouched(self) -> None:
        """
        The Request-URI is the Contact as it was registered, octet by octet.
        """
        for uri in (b"sip:bob@192.0.2.4:5060", b"sip:%62ob@HOST.example;Transport=TCP;ob;x"):
            sent = self.delivery().message(Target(uri), self.peer)
            self.assertEqual(sent.uri, uri)
            self.assertTrue(bytes(sent).startswith(b"INVITE " + uri + b" SIP/2.0\r\n"))

    def test_requestUriUntouched(self) -> None:
        """
        So is the one that came, if it stays: down a flow, or to a foreign domain.
        """
        uri = b"sip:%42ob@Example.ORG;OB;Transport=udp?x=1"
        for target in (Target(flow=self.phone), Target(uri)):
            delivery = self.delivery(request(b"INVITE", uri))
            self.assertEqual(delivery.message(target, self.phone).uri, uri)
        canonical = Target(bytes(delivery.request.target))
        self.assertEqual(delivery.message(canonical, self.peer).uri, uri)

    def test_newTarget(self) -> None:
        """
        A router's target takes its place, also through an inner router.
        """
        delivery = self.delivery()
        delivery.request = delivery.request.to("sip:carol@example.com")
        sent = delivery.message(Target(flow=self.phone), self.phone)
        self.assertEqual(sent.uri, b"sip:carol@example.com")

    def test_notInRequestUri(self) -> None:
        """
        What a Request-URI must not have is left out of a Contact (RFC 3261 19.1.1 Table 1).
        """
        for uri in (b"sip:b@192.0.2.4;method=INVITE;x?Subject=a", b"sip:b@192.0.2.4;Method=X;x"):
            sent = self.delivery().message(Target(uri), self.peer)
            self.assertEqual(sent.uri, b"sip:b@192.0.2.4;x")

    def test_rest(self) -> None:
        """
        Everything else is passed on as it came, the body too, and what came is not changed: it may
        be sent to somebody else as well.
        """
        odd = (b"Contact:  <sip:a@10.0.0.1>;x", b"X-odd :\tvalue", b"Subject: a\r\n folded")
        message = request(b"INVITE", b"sip:bob@example.com", *odd, body=b"v=0\r\n")
        sent = self.delivery(message).message(self.bound(), self.phone)
        for line in odd:
            self.assertIn(line, bytes(sent))
        self.assertTrue(bytes(sent).endswith(b"\r\n\r\nv=0\r\n"))
        self.assertEqual(bytes(self.message), self.before)

    def test_maxForwards(self) -> None:
        """
        One less; 70 where there was none (RFC 3261 16.6 step 3).
        """
        for text, expected in ((b"70", b"69"), (b"1", b"0"), (b"255", b"254")):
            delivery = self.delivery(request(forwards=text))
            sent = delivery.message(self.bound(), self.phone)
            self.assertEqual(sent.texts(b"max-forwards"), [expected])
        message = request()
        message.drop(b"max-forwards")
        sent = self.delivery(message).message(self.bound(), self.phone)
        self.assertEqual(sent.texts(b"max-forwards"), [b"70"])

    def test_ownPath(self) -> None:
        """
        Our own Path value has led us to the flow and goes no further.
        """
        sent = self.delivery().message(self.bound(), self.phone)
        self.assertEqual(sent.all(b"route"), [])

    def test_pathBehind(self) -> None:
        """
        Further Path values are Routes, in their order, in front of what the request had
        (RFC 3327 5.4).
        """
        behind = b"<sip:a.example.org;lr>", b"<sip:b.example.org;lr;ob>"
        message = request(b"INVITE", b"sip:b@example.com", b"Route: <sip:c.example.org;lr>")
        target = Target(b"sip:b@192.0.2.4", (self.phone.path, *behind))
        sent = self.delivery(message).message(target, self.phone)
        self.assertEqual(sent.all(b"route"), [*behind, b"<sip:c.example.org;lr>"])

    def test_pathElsewhere(self) -> None:
        """
        A Path to other edges is put on whole.
        """
        path = b"<sip:core.example.org;lr>", b"<sip:t@edge.example.org;lr;ob>"
        sent = self.delivery().message(Target(b"sip:b@192.0.2.4", path), self.peer)
        self.assertEqual(sent.all(b"route"), list(path))

    def test_flow(self) -> None:
        """
        The way to a target: its own flow, our token on top of its path, else nothing of ours.
        """
        delivery = self.delivery()
        foreign = b"<sip:%b@edge.example.org;lr;ob>" % self.phone.token
        tokenless = b"<sip:edge.example.com;lr>"
        self.assertIs(delivery.flowOf(Target(flow=self.phone)), self.phone)
        self.assertIs(delivery.flowOf(self.bound()), self.phone)
        for path in ((), (foreign,), (tokenless,)):
            self.assertIsNone(delivery.flowOf(Target(b"sip:b@192.0.2.4", path)))
        for token in (b"token-of-gone", b"forged"):
            gone = delivery.flowOf(Target(b"sip:b@x.org", (b"<sip:%b@example.com;lr>" % token,)))
            self.assertFalse(gone is None or gone.alive)

    def test_nextHop(self) -> None:
        """
        Else the first Route, or else the Request-URI leads the way (RFC 3261 16.6 step 6).
        """
        path = b"<sip:core.example.org;lr>", b"<sip:t@edge.example.org;lr;ob>"
        plain = self.delivery()
        routed = self.delivery(request(b"BYE", b"sip:b@x.org", b"Route: <sip:c.example.org;lr>"))
        for delivery, target, expected in (
            (plain, Target(b"sip:b@192.0.2.4", path), b"sip:core.example.org;lr"),
            (plain, Target(b"sip:b@192.0.2.4:5070"), b"sip:b@192.0.2.4:5070"),
            (plain, Target(), b"sip:bob@example.com"),
            (routed, Target(), b"sip:c.example.org;lr"),
            (routed, Target(b"sip:b@192.0.2.4", path), b"sip:core.example.org;lr"),
        ):
            hops = delivery.hops(target)
            self.successResultOf(Deferred.fromCoroutine(hops.next()))
            self.assertEqual(self.hops.reached.pop(), expected)

    def test_recordRoutes(self) -> None:
        """
        Both flows, the callee's on top: its requests lead down the caller's, and the other way
        round (RFC 5626 5.3).
        """
        source = b"<sip:token-of-caller@edge.example.com;transport=tcp;lr>"
        towards = b"<sip:token-of-phone@edge.example.com;transport=tcp;lr>"
        for target in (self.bound(), Target(flow=self.phone)):
            sent = self.delivery().message(target, self.phone)
            self.assertEqual(sent.all(b"record-route"), [towards, source])

    def test_recordRouteInFront(self) -> None:
        """
        Above those that are there.
        """
        line = b"Record-Route: <sip:c.example.org;lr>"
        message = request(b"INVITE", b"sip:bob@example.com", line)
        sent = self.delivery(message).message(self.bound(), self.phone)
        self.assertEqual(sent.all(b"record-route")[2:], [b"<sip:c.example.org;lr>"])
        self.assertEqual(len(sent.all(b"record-route")), 3)

    def test_recordRouteToPeer(self) -> None:
        """
        To somebody without a flow of ours only the caller's: who answers has an address.
        """
        source = [b"<sip:token-of-caller@edge.example.com;transport=tcp;lr>"]
        path = (b"<sip:t@edge.example.org;lr;ob>",)
        peer = FakeFlow(b"peer")
        for target in (Target(b"sip:b@x.org"), Target(b"sip:b@192.0.2.4", path, binding=BINDING)):
            sent = self.delivery().message(target, peer)
            self.assertEqual(sent.all(b"record-route"), source)

    def test_recordRouteToOtherTransport(self) -> None:
        """
        Somebody who is reached over UDP may not know TCP, which the caller speaks: a Route for UDP
        is on top (RFC 3261 16.6 step 4).
        """
        sent = self.delivery().message(Target(b"sip:b@x.org"), self.peer)
        self.assertEqual(sent.all(b"record-route"), [
            b"<sip:edge.example.com;lr>",
            b"<sip:token-of-caller@edge.example.com;transport=tcp;lr>",
        ])  # fmt: skip

    def test_recordRoutePlain(self) -> None:
        """
        A plain Contact over UDP: its NAT keeps the port open for us alone.
        """
        target = Target(BINDING.contact, binding=BINDING)
        sent = self.delivery().message(target, self.peer)
        plain = b"<sip:token-of-peer@edge.example.com;lr;plain>"
        self.assertEqual(sent.all(b"record-route")[0], plain)

    def test_noRecordRoute(self) -> None:
        """
        Nothing of it where no dialog can come.
        """
        for message in (
            request(b"MESSAGE"),
            request(b"BYE", to=b"<sip:bob@example.com>;tag=b1"),
            request(b"INVITE", to=b"<sip:bob@example.com>;tag=b1"),
        ):
            sent = self.delivery(message).message(self.bound(), self.phone)
            self.assertEqual(sent.all(b"record-route"), [])

    def test_notFirstHop(self) -> None:
        """
        Of a request that another proxy has brought only the callee's flow is ours to record.
        """
        via = b"SIP/2.0/TCP p.example.org;branch=z9hG4bKp, SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKc"
        sent = self.delivery(request(via=via)).message(self.bound(), self.phone)
        towards = b"<sip:token-of-phone@edge.example.com;transport=tcp;lr>"
        self.assertEqual(sent.all(b"record-route"), [towards])

    def test_headers(self) -> None:
        """
        What a router adds stands in front of its like, in the router's order.
        """
        message = request(b"INVITE", b"sip:bob@example.com", b"Diversion: <sip:old@x.org>")
        headers = ("Diversion", "<sip:new@x.org>"), ("Diversion", "<sip:bob@example.com>")
        sent = self.delivery(message, headers).message(self.bound(), self.phone)
        values = [b"<sip:new@x.org>", b"<sip:bob@example.com>", b"<sip:old@x.org>"]
        self.assertEqual(sent.texts(b"diversion"), values)
