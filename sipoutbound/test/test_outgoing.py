"""
Requests to foreign domains: who may send them through us (RFC 3261 26.3.2).
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from sipoutbound.routing.decision import Decision, Forward, Reply
from sipoutbound.routing.outgoing import Outgoing
from sipoutbound.routing.request import Request as Passage
from sipoutbound.test.doubles import FakeFlow, FakeLocation, decided, request

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
        self.outgoing = Outgoing(FakeLocation(tokens={self.registered.token}))

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
        for uri in (b"sip:bob@example.org", b"sips:bob@example.org;x"):
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
        self.outgoing = Outgoing(FakeLocation())
        self.assertEqual(self.decide(flow, to=IN_DIALOG), Forward("sip:bob@example.org"))
        self.assertEqual(self.status(self.decide(flow)), 403)

    def test_scheme(self) -> None:
        """
        A telephone number leads nowhere by itself (RFC 3261 16.3 step 2).
        """
        self.assertEqual(self.status(self.decide(self.registered, b"tel:+15551234")), 416)
