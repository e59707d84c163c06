"""
Requests to foreign domains: who may send them through us (RFC 3261 26.3.2).
"""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network

from twisted.trial.unittest import SynchronousTestCase

from sipoutbound.routing.decision import Decision, Forward, Reply
from sipoutbound.routing.outgoing import Outgoing
from sipoutbound.routing.relay import Relay
from sipoutbound.routing.request import Request as Passage
from sipoutbound.routing.trust import Trust
from sipoutbound.test.doubles import FakeFlow, decided, request

TRUST = Trust((IPv4Network("198.51.100.0/24"), IPv6Network("2001:db8::7")))

IN_DIALOG = b"<sip:bob@example.org>;tag=b1"


class OutgoingTests(SynchronousTestCase):
    """
    L{Outgoing}.
    """

    def setUp(self) -> None:
        """
        Somebody has registered over one flow, nobody over the other.
        """
        self.registered, self.stranger = FakeFlow(b"registered"), FakeFlow(b"stranger")
        self.outgoing = Outgoing(Relay({self.registered}.__contains__, TRUST))

    def decide(
        self,
        flow: FakeFlow,
        uri: bytes = b"sip:bob@example.org",
        to: bytes = b"<sip:bob@example.org>",
    ) -> Decision:
        """
        What becomes of a request on that flow.
        """
        passage = Passage.arrived(request(b"INVITE", uri, to=to), flow, None)
        return self.successResultOf(decided(self.outgoing, passage))

    def status(self, decision: Decision) -> int:
        """
        The status code of a reply.
        """
        assert isinstance(decision, Reply), decision
        return decision.status

    def test_registered(self) -> None:
        """
        Users of ours may call anybody.
        """
        for uri in (b"sip:bob@example.org", b"sip:bob@example.org:7060;x"):
            self.assertEqual(self.decide(self.registered, uri), Forward(uri))

    def test_stranger(self) -> None:
        """
        We would be an open relay: others pay the bill for the calls.
        """
        self.assertEqual(self.status(self.decide(self.stranger)), 403)

    def test_strangersDialog(self) -> None:
        """
        A To tag, which anybody can write, opens nothing.
        """
        self.assertEqual(self.status(self.decide(self.stranger, to=IN_DIALOG)), 403)

    def test_signedOff(self) -> None:
        """
        Who has signed off during a call can hang up, but call nobody else.
        """
        flow = self.registered
        self.decide(flow)
        self.outgoing = Outgoing(Relay(lambda flow: False, TRUST))
        self.assertEqual(self.decide(flow, to=IN_DIALOG), Forward("sip:bob@example.org"))
        self.assertEqual(self.status(self.decide(flow)), 403)

    def test_scheme(self) -> None:
        """
        A telephone number leads nowhere by itself (RFC 3261 16.3 step 2), and C{sips} would have to
        be TLS all the way, which we don't have.
        """
        for uri in (b"tel:+15551234", b"sips:bob@example.org"):
            self.assertEqual(self.status(self.decide(self.registered, uri)), 416)

    def test_trusted(self) -> None:
        """
        Another server of the operator's may send through us, whatever of its addresses' spellings
        its packets come with; its neighbours may not.
        """
        for host, status in (
            ("198.51.100.1", None),
            ("::ffff:198.51.100.255", None),
            ("2001:db8::7", None),
            ("198.51.101.1", 403),
            ("2001:db8::8", 403),
            ("::198.51.100.1", 403),
            ("fe80::1%eth0", 403),
        ):
            decision = self.decide(FakeFlow(b"peer", (host, 5060)))
            refused = decision.status if isinstance(decision, Reply) else None
            self.assertEqual(refused, status, host)
