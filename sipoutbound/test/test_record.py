"""
Path and Record-Route with the token of a flow: when, and which (RFC 5626 5.1, 5.3, 5.4).
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from sipoutbound.message.message import Request, Response
from sipoutbound.outbound.keepalive import FlowTimer
from sipoutbound.routing.decision import Reply
from sipoutbound.routing.record import (
    PathInsertion,
    instanceIn,
    isFirstHop,
    needsFlow,
    sourceRoute,
)
from sipoutbound.routing.request import Request as Passage
from sipoutbound.test.doubles import FakeFlow, FakeRouter, decided, request

ONE_VIA = b"SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKc"
TWO_VIAS = (
    b"SIP/2.0/TCP edge.example.org;branch=z9hG4bKe, SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKc"
)
OUTBOUND = b'<sip:bob@192.0.2.9>;+sip.instance="<urn:uuid:0>";reg-id=1'

UDP = FakeFlow(b"udp", ("192.0.2.9", 5070), b"UDP", False)
TCP = FakeFlow(b"tcp", ("192.0.2.9", 40001), b"TCP", True)

# A plain Contact, the flow of its REGISTER, whether it is to be reached over that flow.
CONTACTS = (
    # Over UDP: its own address, as it was seen.
    (b"<sip:bob@192.0.2.9:5070>", UDP, True),
    (b"sip:bob@192.0.2.9:5070", UDP, True),
    (b"<sip:bob@192.0.2.9:5070;transport=udp>;expires=60", UDP, True),
    # Another port of the same host: where it wants to be reached (RFC 3261 10.2.1).
    (b"<sip:bob@192.0.2.9:5080>", UDP, False),
    (b"<sip:bob@192.0.2.9>", UDP, False),
    (b"<sip:bob@192.0.2.9:5070;transport=tcp>", UDP, False),
    # Behind a NAT: not where it came from.
    (b"<sip:bob@10.0.0.7:5070>", UDP, True),
    (b"<sip:bob@10.0.0.7:5070;transport=tcp>", TCP, True),
    (b"<sip:bob@[2001:db8::7]>", UDP, True),
    # Somewhere else, where everybody can send to: a third party's (RFC 3261 10.2.1).
    (b"<sip:bob@8.8.4.4:5070>", UDP, False),
    (b"<sip:bob@[2606:4700::7];transport=tcp>", TCP, False),
    # Over a connection: nobody can open one to a phone.
    (b"<sip:bob@192.0.2.9:5060;transport=tcp>", TCP, True),
    (b"<sip:bob@192.0.2.9;transport=TCP>", TCP, True),
    # It says UDP, of the address that it came from.
    (b"<sip:bob@192.0.2.9:5070>", TCP, False),
    # A host name can be looked up, one under .invalid cannot (RFC 7118 5.2).
    (b"<sip:bob@phone.example.com>", TCP, False),
    (b"<sip:bob@a1b2c3.invalid;transport=ws>", TCP, True),
    # No address at all.
    (b"*", TCP, False),
    (b"<tel:+15551234>", TCP, False),
    (b"<nonsense>", TCP, False),
    (b"<", TCP, False),
)

# Which requests get a Record-Route with their source's token: method, To, Via, whether.
DIALOGS = (
    (b"INVITE", b"<sip:b@x.org>", b"SIP/2.0/TCP a;branch=z9hG4bKc", True),
    (b"SUBSCRIBE", b"<sip:b@x.org>", b"SIP/2.0/TCP a;branch=z9hG4bKc", True),
    (b"REFER", b"<sip:b@x.org>", b"SIP/2.0/TCP a;branch=z9hG4bKc", True),
    (b"NEWMETHOD", b"<sip:b@x.org>", b"SIP/2.0/TCP a;branch=z9hG4bKc", True),
    (b"INVITE", b"<sip:b@x.org>;tag=1", b"SIP/2.0/TCP a;branch=z9hG4bKc", False),
    (b"INVITE", b"<sip:b@x.org>", TWO_VIAS, False),
    (b"MESSAGE", b"<sip:b@x.org>", b"SIP/2.0/TCP a;branch=z9hG4bKc", False),
    (b"OPTIONS", b"<sip:b@x.org>", b"SIP/2.0/TCP a;branch=z9hG4bKc", False),
    (b"REGISTER", b"<sip:b@x.org>", b"SIP/2.0/TCP a;branch=z9hG4bKc", False),
    (b"PUBLISH", b"<sip:b@x.org>", b"SIP/2.0/TCP a;branch=z9hG4bKc", False),
    (b"BYE", b"<sip:b@x.org>", b"SIP/2.0/TCP a;branch=z9hG4bKc", False),
    (b"ACK", b"<sip:b@x.org>", b"SIP/2.0/TCP a;branch=z9hG4bKc", False),
)


class InstanceTests(SynchronousTestCase):
    """
    L{instanceIn}.
    """

    def test_spellings(self) -> None:
        """
        The device is known however its instance-id is written (RFC 3261 7.3.1, RFC 5626 4.1).
        """
        for contacts, instance in (
            (OUTBOUND, b"urn:uuid:0"),
            (b'<sip:a@b>;expires=0, <sip:c@b>;+SIP.Instance\t= "<urn:uuid:AB>"', b"urn:uuid:ab"),
            (b'<sip:a@b>;+sip.instance="<URN:UUID:Ab>";reg-id=2', b"urn:uuid:ab"),
            (b"<sip:a@b>;reg-id=2", b""),
            (b"", b""),
        ):
            self.assertEqual(instanceIn(contacts), instance)


class SourceTests(SynchronousTestCase):
    """
    Which requests come from a client directly, and which lead back to it.
    """

    def test_firstHop(self) -> None:
        """
        Somebody else's flow would be taken for the client's: Via values count, not lines.
        """
        self.assertTrue(isFirstHop(request(via=ONE_VIA)))
        self.assertFalse(isFirstHop(request(via=TWO_VIAS)))
        line = b"Via: SIP/2.0/TCP edge.example.org;branch=z9hG4bKe"
        self.assertFalse(isFirstHop(request(b"INVITE", b"sip:b@x.org", line)))
        self.assertTrue(isFirstHop(request(via=ONE_VIA + b';x="a,b"')))

    def test_table(self) -> None:
        """
        Without it a BYE never reaches the caller, who is still billed.
        """
        for method, to, via, expected in DIALOGS:
            route = sourceRoute(request(method, to=to, via=via), TCP)
            value = b"<sip:token-of-tcp@edge.example.com;transport=tcp;lr>"
            self.assertEqual(route, value if expected else None, (method, to, via))


class ContactTests(SynchronousTestCase):
    """
    L{needsFlow}.
    """

    def test_table(self) -> None:
        """
        A phone that registers without outbound could not be called, or not where it wants to be.
        """
        for contact, flow, expected in CONTACTS:
            self.assertEqual(needsFlow(contact, flow), expected, (contact, flow.label))


class PathTests(SynchronousTestCase):
    """
    L{PathInsertion}.
    """

    def setUp(self) -> None:
        """
        An edge in front of a registrar that answers 200.
        """
        self.registrar = FakeRouter(Reply(200))
        self.edge = PathInsertion(self.registrar, FlowTimer(90))
        self.flow = FakeFlow(b"tcp", ("192.0.2.9", 40001), b"TCP", True)

    def register(
        self, *headers: bytes, method: bytes = b"REGISTER", via: bytes = ONE_VIA
    ) -> Request:
        """
        Have a request come.

        @return: what the registrar sees.
        """
        self.message = request(method, b"sip:example.com", *headers, via=via)
        self.before = bytes(self.message)
        passage = Passage.arrived(self.message, self.flow, None)
        self.successResultOf(decided(self.edge, passage))
        return self.registrar.seen[-1].message

    def test_outbound(self) -> None:
        """
        First hop and reg-id: a Path with token and C{ob} (RFC 5626 5.1), in any spelling.
        """
        for contact in (OUTBOUND, OUTBOUND.replace(b";reg-id", b" ; Reg-ID ")):
            seen = self.register(b"m: " + contact)
            path = b"<sip:token-of-tcp@edge.example.com;transport=tcp;lr;ob>"
            self.assertEqual(seen.all(b"path"), [path])

    def test_plain(self) -> None:
        """
        A Contact that is reached over its flow only: a Path without C{ob}.
        """
        seen = self.register(b"Contact: <sip:bob@10.0.0.7;transport=tcp>")
        path = b"<sip:token-of-tcp@edge.example.com;transport=tcp;lr>"
        self.assertEqual(seen.all(b"path"), [path])

    def test_none(self) -> None:
        """
        Nothing to insert: a fetch, a removal of everything, a Contact with an address of its own.
        """
        for lines in ((), (b"Contact: *",), (b"Contact: <sip:bob@phone.example.com>",)):
            self.assertEqual(self.register(*lines).all(b"path"), [])

    def test_notFirstHop(self) -> None:
        """
        Another edge has the flow: our token would name that edge, C{ob} would be a lie.
        """
        seen = self.register(b"Contact: " + OUTBOUND, via=TWO_VIAS)
        self.assertEqual(seen.all(b"path"), [])

    def test_inFront(self) -> None:
        """
        Path values that are there already stay, below ours (RFC 3327 5.2).
        """
        seen = self.register(b"Path: <sip:x.example.org;lr>", b"Contact: " + OUTBOUND)
        self.assertEqual(seen.all(b"path")[1:], [b"<sip:x.example.org;lr>"])
        self.assertEqual(len(seen.all(b"path")), 2)

    def test_contactUntouched(self) -> None:
        """
        The Contact is the client's; what came stays as it is.
        """
        seen = self.register(b"Contact: " + OUTBOUND)
        self.assertEqual(seen.texts(b"contact"), [OUTBOUND])
        self.assertEqual(bytes(self.message), self.before)

    def test_others(self) -> None:
        """
        Other requests pass through.
        """
        seen = self.register(b"Contact: " + OUTBOUND, method=b"INVITE")
        self.assertEqual(bytes(seen), self.before)

    def answered(self, status: int, *headers: tuple[bytes, bytes]) -> Response:
        """
        The answer that the client gets when the registrar gives this one.
        """
        message = request(b"REGISTER", b"sip:example.com", b"Contact: " + OUTBOUND)
        answer = Response.reply(message, status, None, headers)
        edge = PathInsertion(FakeRouter(answer), FlowTimer(90))
        passage = Passage.arrived(message, self.flow, None)
        decision = self.successResultOf(decided(edge, passage))
        assert isinstance(decision, Response) and passage.answering is not None
        passage.answering(decision)
        return decision

    def test_gathered(self) -> None:
        """
        Behind somebody who gathers clients a flow has thousands of devices: each is noted at the
        same cost, not at that of all before it.
        """
        self.answered(200)
        first = self.flow.instances
        self.answered(200)
        self.assertIs(self.flow.instances, first)
        self.assertEqual(first, {b"urn:uuid:0"})

    def test_flowTimer(self) -> None:
        """
        Beside C{Require: outbound} the client is told how often to be heard, and held to it
        (RFC 5626 5.4): its flow is watched, some seconds longer than it was told.
        """
        for tags in (b"outbound", b"path, outbound"):
            answer = self.answered(200, (b"Require", tags))
            self.assertEqual(answer.first(b"flow-timer"), b"90")
            ((limit),) = self.flow.watched
            self.assertGreater(limit, 90)
            self.flow.watched.clear()

    def test_noFlowTimer(self) -> None:
        """
        Without it nothing is promised, and a silent client is left in peace (RFC 5626 5.4).
        """
        for headers in ((), ((b"Supported", b"outbound"),), ((b"Require", b"path"),)):
            self.assertIsNone(self.answered(200, *headers).first(b"flow-timer"))
        self.assertIsNone(self.answered(439).first(b"flow-timer"))
        self.assertEqual(self.flow.watched, [])
