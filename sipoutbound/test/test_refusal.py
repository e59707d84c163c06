"""
Requests that get no further than the stack, and where answers go (RFC 3261 8.2, 18.2; RFC 3581).
"""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from sipoutbound.message.framing import Limits, parseDatagram
from sipoutbound.message.message import Request, Response
from sipoutbound.message.parse import parseMessage
from sipoutbound.stack import RETRY_AFTER
from sipoutbound.test.doubles import FakeFlow, request
from sipoutbound.test.stacks import Bench, ack

RPORT = b"SIP/2.0/UDP 10.0.0.7:5062;rport;branch=z9hG4bKcaller"


def without(key: bytes, method: bytes = b"MESSAGE") -> Request:
    """
    A request that lacks a header.
    """
    message = request(method)
    message.drop(key)
    return message


class RefusalTests(SynchronousTestCase):
    """
    Requests that get no further.
    """

    def refused(self, message: Request, status: int, bench: Bench | None = None) -> Response:
        """
        Check that a request is answered at once, and not remembered.
        """
        bench = bench or Bench()
        before = len(bench.stack.servers)
        bench.receive(message)
        (response,) = bench.sent
        assert isinstance(response, Response)
        self.assertEqual((response.status, len(bench.stack.servers)), (status, before))
        return response

    def test_overflow(self) -> None:
        """
        When too many requests are in hand the client is told when to come back (503), and what is
        in hand is still served: repetitions, and ACKs, which are never answered.
        """
        bench = Bench(room=1)
        bench.receive(request(b"INVITE"))
        via = b"SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKnext"
        response = self.refused(request(b"MESSAGE", via=via), 503, bench)
        self.assertEqual(response.first(b"retry-after"), RETRY_AFTER)
        bench.receive(request(b"INVITE"), ack(b"z9hG4bKother"))
        self.assertEqual((bench.statuses, len(bench.user.requests)), ([503], 1))
        self.assertEqual(len(bench.user.acks), 1)

    def test_malformed(self) -> None:
        """
        A request with a flaw is refused, in words (RFC 3261 8.2, 21.4.1).
        """
        for key in (b"to", b"from", b"call-id", b"cseq"):
            response = self.refused(without(key), 400)
            self.assertIn(key, response.reason.lower())
        self.refused(request(b"MESSAGE", b"sip:"), 400)
        self.refused(request(b"MESSAGE", forwards=b"many"), 400)

    def test_version(self) -> None:
        """
        Another version of SIP is refused as that (RFC 3261 21.5.6).
        """
        text = bytes(request(b"MESSAGE")).replace(b"SIP/2.0\r\n", b"SIP/3.0\r\n", 1)
        message = parseDatagram(text, Limits())
        assert isinstance(message, Request)
        self.refused(message, 505)

    def test_ackNever(self) -> None:
        """
        A flawed ACK is dropped: there are no answers to ACKs (RFC 3261 17).
        """
        bench = Bench()
        bench.receive(without(b"call-id", b"ACK"))
        self.assertEqual((bench.flow.sent, bench.user.acks), ([], []))

    def test_noVia(self) -> None:
        """
        Without a Via that can be read nobody knows where an answer would go: dropped, and no
        traceback.
        """
        bench = Bench()
        bench.receive(without(b"via"), request(b"MESSAGE", via=b"nonsense"))
        self.assertEqual((bench.flow.sent, bench.user.requests), ([], []))
        self.assertTrue(bench.flow.alive)

    def test_noViaOnAConnection(self) -> None:
        """
        Who sends that over a connection does not wait for ever: it is closed.
        """
        bench = Bench(flow=FakeFlow())
        bench.receive(without(b"via"))
        self.assertEqual((bench.flow.sent, bench.flow.alive), ([], False))

    def test_badResponse(self) -> None:
        """
        So is a response that cannot be read, or that nobody waits for.
        """
        bench = Bench()
        for head in (b"SIP/2.0 200 OK", b"SIP/2.0 200 OK\r\nVia: x\r\nCSeq: y"):
            bench.receive(parseMessage(head))
        bench.receive(Response.reply(request(), 200))
        self.assertEqual(bench.flow.sent, [])


class AddressTests(SynchronousTestCase):
    """
    Where answers go, and what the top Via says then.
    """

    def answered(self, via: bytes, flow: FakeFlow | None = None) -> tuple[Any, bytes]:
        """
        Let a request come over a flow, and be answered.

        @return: where the answer goes, and the top Via in it.
        """
        bench = Bench(flow=flow or FakeFlow(b"udp", ("192.0.2.9", 40001), b"UDP", False))
        bench.receive(request(b"MESSAGE", via=via))
        (transaction,) = bench.user.requests
        transaction.respond(Response.reply(transaction.request, 200))
        back = transaction.back  # type: ignore[attr-defined]
        top = parseMessage(back.sent[-1].partition(b"\r\n\r\n")[0]).all(b"via")[0]
        return back.peer, top

    def test_rport(self) -> None:
        """
        C{rport}: back to the port that it came from, or no answer gets through a NAT (RFC 3581 4).
        """
        peer, via = self.answered(RPORT)
        self.assertEqual(peer, ("192.0.2.9", 40001))
        self.assertIn(b";rport=40001", via)
        self.assertIn(b";received=192.0.2.9", via)

    def test_noRport(self) -> None:
        """
        Without it: to the port in the Via, 5060 by default, at the address that it came from
        (RFC 3261 18.2.2).
        """
        for sentBy, port in ((b"10.0.0.7:5062", 5062), (b"phone.example.com", 5060)):
            via = b"SIP/2.0/UDP " + sentBy + b";branch=z9hG4bKcaller"
            peer, answered = self.answered(via)
            self.assertEqual(peer, ("192.0.2.9", port))
            self.assertEqual(answered, via + b";received=192.0.2.9")

    def test_sameAddress(self) -> None:
        """
        C{received} is added only where the Via has another address (RFC 3261 18.2.1).
        """
        via = b"SIP/2.0/UDP 192.0.2.9:5062;branch=z9hG4bKcaller"
        self.assertEqual(self.answered(via), (("192.0.2.9", 5062), via))

    def test_forgedReceived(self) -> None:
        """
        A client cannot have its answers sent to somebody else.
        """
        peer, via = self.answered(RPORT + b";received=198.51.100.1")
        self.assertEqual(peer, ("192.0.2.9", 40001))
        self.assertNotIn(b"198.51.100.1", via)

    def test_connection(self) -> None:
        """
        Over the connection it came on, whatever the Via says.
        """
        flow = FakeFlow(b"tcp", ("192.0.2.9", 40001))
        for via in (RPORT, b"SIP/2.0/TCP 10.0.0.7:5062;branch=z9hG4bKcaller"):
            peer, _ = self.answered(via, flow)
            self.assertEqual(peer, ("192.0.2.9", 40001))
        self.assertEqual(len(flow.sent), 2)

    def test_refusalToo(self) -> None:
        """
        A refusal takes the same way as an answer.
        """
        flow = FakeFlow(b"udp", ("192.0.2.9", 40001), b"UDP", False)
        bench = Bench(flow=flow)
        message = without(b"call-id")
        message.set(b"Via", RPORT)
        bench.receive(message)
        self.assertEqual(len(flow.sent), 1)
