"""
Requests that come in: told apart, absorbed, refused, answered to the right place (RFC 3261 17.2,
18.2; RFC 3581; RFC 6026).
"""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from sipoutbound.message.framing import Limits, parseDatagram
from sipoutbound.message.message import Request, Response, parseMessage
from sipoutbound.stack import RETRY_AFTER
from sipoutbound.test.doubles import FakeFlow, request
from sipoutbound.test.stacks import Bench

RPORT = b"SIP/2.0/UDP 10.0.0.7:5062;rport;branch=z9hG4bKcaller"


def cancel(branch: bytes = b"z9hG4bKcaller") -> Request:
    """
    A CANCEL of a request.
    """
    return request(b"CANCEL", via=b"SIP/2.0/UDP 192.0.2.9;branch=" + branch)


def ack(branch: bytes = b"z9hG4bKcaller") -> Request:
    """
    An ACK.
    """
    via = b"SIP/2.0/UDP 192.0.2.9;branch=" + branch
    return request(b"ACK", to=b"<sip:bob@example.com>;tag=b1", via=via)


def without(key: bytes, method: bytes = b"MESSAGE") -> Request:
    """
    A request that lacks a header.
    """
    message = request(method)
    message.drop(key)
    return message


class ServerTests(SynchronousTestCase):
    """
    New requests and repetitions.
    """

    def setUp(self) -> None:
        """
        A stack with a UDP flow.
        """
        self.bench = Bench()

    def respond(self, status: int, number: int = -1) -> None:
        """
        The user answers a request.
        """
        transaction = self.bench.user.requests[number]
        transaction.respond(Response.reply(transaction.request, status, toTag=b"b1"))

    def test_once(self) -> None:
        """
        A repeated request would be carried out twice: the callee would see two messages.
        """
        self.bench.receive(request(b"MESSAGE"), request(b"MESSAGE"))
        self.assertEqual((len(self.bench.user.requests), self.bench.statuses), (1, []))

    def test_answeredAgain(self) -> None:
        """
        A repetition after the answer gets the same answer, octet by octet.
        """
        self.bench.receive(request(b"MESSAGE"))
        self.respond(200)
        self.bench.receive(request(b"MESSAGE"))
        self.assertEqual(len(self.bench.user.requests), 1)
        first, second = self.bench.flow.sent
        self.assertEqual(first, second)

    def test_forgotten(self) -> None:
        """
        After 64*T1 a transaction takes no more memory (timer J); over TCP at once.
        """
        self.bench.receive(request(b"MESSAGE"))
        self.respond(200)
        self.bench.pass_(31.5)
        self.assertEqual(len(self.bench.stack.servers), 1)
        self.bench.pass_(1)
        self.assertEqual(self.bench.stack.servers, {})
        reliable = self.bench = Bench(flow=FakeFlow())
        reliable.receive(request(b"MESSAGE"))
        self.respond(200)
        self.assertEqual(reliable.stack.servers, {})

    def test_ackOfFailure(self) -> None:
        """
        An unanswered failure of an INVITE is repeated (timer G) until the ACK, which is for us
        alone (RFC 3261 17.2.1).
        """
        self.bench.receive(request())
        self.respond(486)
        self.bench.pass_(1.75)
        self.assertEqual(self.bench.statuses, [486, 486, 486])
        self.bench.receive(ack())
        self.bench.pass_(10)
        self.assertEqual((self.bench.statuses, self.bench.user.acks), ([486, 486, 486], []))
        self.assertEqual(self.bench.stack.servers, {})

    def test_neverAcknowledged(self) -> None:
        """
        Timer H: without an ACK it ends as well.
        """
        self.bench.receive(request())
        self.respond(486)
        self.bench.pass_(33)
        self.assertEqual(self.bench.stack.servers, {})

    def test_strayAck(self) -> None:
        """
        The ACK for a 2xx has a branch of its own, and is the user's to pass on (RFC 6026).
        """
        self.bench.receive(ack(b"z9hG4bKother"))
        (stray,) = self.bench.user.acks
        self.assertEqual((stray.method, self.bench.statuses), (b"ACK", []))
        self.assertEqual((self.bench.user.requests, self.bench.stack.servers), ([], {}))

    def test_ackOfSuccess(self) -> None:
        """
        So is that of an RFC 2543 client, which has the INVITE's branch.
        """
        self.bench.receive(request())
        self.respond(200)
        self.bench.receive(ack())
        self.assertEqual(len(self.bench.user.acks), 1)

    def test_secondSuccess(self) -> None:
        """
        Each 2xx to an INVITE is passed on, a failure after it is not.
        """
        self.bench.receive(request())
        for status in (180, 200, 486, 200):
            self.respond(status)
        self.assertEqual(self.bench.statuses, [180, 200, 200])

    def test_abandoned(self) -> None:
        """
        A request that is never answered (RFC 4320 4.2) is not taken for a new one when its client
        repeats it, until that has given up.
        """
        self.bench.receive(request(b"MESSAGE"))
        self.bench.user.requests[0].abandon()
        self.bench.receive(request(b"MESSAGE"))
        self.assertEqual(len(self.bench.user.requests), 1)
        self.bench.pass_(33)
        self.assertEqual((self.bench.stack.servers, self.bench.statuses), ({}, []))
        reliable = Bench(flow=FakeFlow())
        reliable.receive(request(b"MESSAGE"))
        reliable.user.requests[0].abandon()
        self.assertEqual(reliable.stack.servers, {})

    def test_userFails(self) -> None:
        """
        A mistake above is logged; the next message is taken as ever.
        """
        user, self.bench.stack.user = self.bench.stack.user, None
        self.bench.receive(request(b"MESSAGE"))
        self.assertEqual(len(self.flushLoggedErrors(AssertionError)), 1)
        self.bench.stack.user = user
        self.bench.receive(request(b"OPTIONS"))
        self.assertEqual(len(self.bench.user.requests), 1)

    def test_timerFails(self) -> None:
        """
        A mistake in a call made later is logged; the others are made.
        """
        made: list[int] = []
        self.bench.stack.later(1, lambda argument: made.append(1 // argument), 0)
        self.bench.stack.later(1, made.append, 7)
        self.bench.pass_(2)
        self.assertEqual(made, [7])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)


class TimeTests(SynchronousTestCase):
    """
    Calls made later.
    """

    def test_order(self) -> None:
        """
        Each in its time, whatever order they were asked for in, and none that was cancelled.
        """
        bench = Bench()
        made: list[int] = []
        for delay in (5, 1, 3, 2):
            bench.stack.later(delay, made.append, delay)
        bench.stack.later(4, made.append, 4).cancel()
        bench.pass_(0.5)
        for expected in ([], [1], [1, 2], [1, 2, 3], [1, 2, 3], [1, 2, 3, 5]):
            self.assertEqual(made, expected)
            bench.pass_(1)

    def test_sooner(self) -> None:
        """
        One that is due before all others does not wait for them.
        """
        bench = Bench()
        made: list[int] = []
        bench.stack.later(100, made.append, 100)
        bench.pass_(0.5)
        bench.stack.later(1, made.append, 1)
        bench.pass_(1.1)
        self.assertEqual(made, [1])

    def test_oneCall(self) -> None:
        """
        However many are pending, the reactor has one of them: it sorts its own.
        """
        bench = Bench()
        for number in range(1000):
            bench.stack.later(number / 100, print, None)
        self.assertEqual(len(bench.clock.getDelayedCalls()), 1)

    def test_stopped(self) -> None:
        """
        A stopped server leaves nothing in the reactor.
        """
        bench = Bench()
        made: list[int] = []
        bench.stack.later(1, made.append, 1)
        bench.stack.stop()
        bench.stack.later(1, made.append, 2)
        self.assertEqual(bench.clock.getDelayedCalls(), [])
        bench.stack.stop()
        self.assertEqual(made, [])


class CancelTests(SynchronousTestCase):
    """
    A CANCEL is answered at once by itself (RFC 3261 9.2).
    """

    def setUp(self) -> None:
        """
        A stack with a UDP flow.
        """
        self.bench = Bench()
        self.cancelled: list[bool] = []

    def invite(self) -> None:
        """
        An INVITE is under way.
        """
        self.bench.receive(request())
        self.bench.user.requests[0].cancelled = lambda: self.cancelled.append(True)

    def test_match(self) -> None:
        """
        200, and the INVITE is cancelled, once however often the CANCEL is repeated.
        """
        self.invite()
        self.bench.receive(cancel(), cancel())
        self.assertEqual((self.bench.statuses, self.cancelled), ([200, 200], [True]))
        self.assertEqual(len(self.bench.user.requests), 1)

    def test_noMatch(self) -> None:
        """
        481 where there is nothing to cancel.
        """
        self.invite()
        self.bench.receive(cancel(b"z9hG4bKother"))
        self.assertEqual((self.bench.statuses, self.cancelled), ([481], []))

    def test_nobodyListens(self) -> None:
        """
        An INVITE that does not mind any more: 200 all the same.
        """
        self.bench.receive(request(), cancel())
        self.assertEqual(self.bench.statuses, [200])

    def test_notOther(self) -> None:
        """
        Only an INVITE can be cancelled (RFC 3261 9.1).
        """
        self.bench.receive(request(b"MESSAGE"), cancel())
        self.assertEqual(self.bench.statuses, [481])

    def test_tag(self) -> None:
        """
        Its answer has a To tag (RFC 3261 8.2.6.2).
        """
        self.invite()
        self.bench.receive(cancel())
        self.assertTrue(self.bench.sent[0].to.param(b"tag"))


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
