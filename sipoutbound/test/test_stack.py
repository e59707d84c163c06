"""
Requests that come in: told apart, absorbed, cancelled, forgotten (RFC 3261 9.2, 17.2; RFC 6026).
"""

from __future__ import annotations

from functools import partial
from weakref import ref

from twisted.logger import LogLevel, capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from sipoutbound.interfaces import IServerTransaction
from sipoutbound.message.message import Request, Response
from sipoutbound.stack import RETRY_AFTER
from sipoutbound.test.doubles import FakeFlow, request
from sipoutbound.test.stacks import Bench, FakeUser, ack, udp


def cancel(branch: bytes = b"z9hG4bKcaller") -> Request:
    """
    A CANCEL of a request.
    """
    return request(b"CANCEL", via=b"SIP/2.0/UDP 192.0.2.9;branch=" + branch)


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

    def test_neverAcknowledgedOverTCP(self) -> None:
        """
        Over TCP too, after 32 s and not before: until then a repeated INVITE is no new call. The
        operator is told.
        """
        bench = self.bench = Bench(flow=FakeFlow())
        bench.receive(request())
        self.respond(486)
        bench.pass_(31.9)
        bench.receive(request())
        self.assertEqual((len(bench.user.requests), bench.statuses), (1, [486, 486]))
        with capturedLogs() as events:
            bench.pass_(0.2)
        self.assertEqual(bench.stack.servers, {})
        (event,) = events
        self.assertEqual((event["log_level"], event["peer"]), (LogLevel.info, bench.flow.peer))

    def test_acknowledged(self) -> None:
        """
        Repeated ACKs of a failure are absorbed for 5 s over UDP (timer I), and there are none over
        TCP.
        """
        self.bench.receive(request())
        self.respond(486)
        self.bench.receive(ack())
        self.bench.pass_(4.9)
        self.bench.receive(ack(), request())
        self.assertEqual((self.bench.user.acks, self.bench.statuses), ([], [486]))
        self.bench.pass_(0.2)
        self.assertEqual(self.bench.stack.servers, {})
        reliable = self.bench = Bench(flow=FakeFlow())
        reliable.receive(request())
        self.respond(486)
        reliable.receive(ack())
        self.assertEqual(reliable.stack.servers, {})

    def test_accepted(self) -> None:
        """
        An INVITE that was accepted is remembered for 32 s over any transport (timer L), repetitions
        of it are absorbed without an answer; the user's next 2xx is sent, but not after that.
        """
        for flow in (udp(), FakeFlow()):
            bench = self.bench = Bench(flow=flow)
            bench.receive(request())
            self.respond(200)
            bench.pass_(31.9)
            bench.receive(request())
            self.assertEqual((len(bench.user.requests), bench.statuses), (1, [200]))
            self.respond(200)
            self.assertEqual(bench.statuses, [200, 200])
            bench.pass_(0.2)
            self.assertEqual(bench.stack.servers, {})
            self.respond(200)
            self.assertEqual(bench.statuses, [200, 200])

    def test_notSent(self) -> None:
        """
        That a response can't be sent is no reason to forget the request: it would be taken for a
        new one when it is repeated, and the phone ring twice (RFC 6026 6, 7.1).
        """
        for method in (b"INVITE", b"MESSAGE"):
            for status in (200, 486):
                bench = self.bench = Bench()
                bench.receive(request(method))
                (back,) = (each.back for each in bench.stack.servers.values())
                assert isinstance(back, FakeFlow)
                back.takes = False
                self.respond(status)
                bench.pass_(5)
                self.assertEqual(bench.statuses, [])
                back.takes = True
                bench.receive(request(method))
                self.assertEqual((len(bench.user.requests), len(bench.stack.servers)), (1, 1))

    def test_callerLeft(self) -> None:
        """
        When a response can be sent nowhere and the call still rings, whoever has it rung is told to
        stop; not over UDP, where it may be a loss as any other, nor when the call is accepted.
        """
        told: list[int] = []
        for status, flow, times in ((180, FakeFlow(), 1), (180, udp(), 0), (200, FakeFlow(), 0)):
            bench = self.bench = Bench(flow=flow)
            bench.receive(request())
            told.clear()
            bench.user.requests[0].cancelled = partial(told.append, status)
            (back,) = (each.back for each in bench.stack.servers.values())
            assert isinstance(back, FakeFlow)
            back.takes = False
            self.respond(status)
            self.assertEqual((len(told), bench.statuses), (times, []))

    def test_oneFinal(self) -> None:
        """
        A request has one final response; what the user says after it is not sent.
        """
        for method in (b"MESSAGE", b"REGISTER"):
            bench = self.bench = Bench()
            bench.receive(request(method))
            transaction = bench.user.requests[0]
            came = transaction.request
            for status in (200, 404, 200):
                transaction.respond(Response.reply(came, status, toTag=b"b1"))
            bench.receive(request(method))
            self.assertEqual(bench.statuses, [200, 200])

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

    def test_overdue(self) -> None:
        """
        A request that takes long is answered 100, over UDP and TCP, when its client has begun to
        repeat it only every four seconds, and not before (RFC 4320 4.1). Its repetitions are too.
        """
        for bench in (self.bench, Bench(flow=FakeFlow())):
            self.bench = bench
            bench.receive(request(b"MESSAGE"))
            bench.pass_(3.4)
            self.assertEqual(bench.statuses, [])
            bench.pass_(0.2)
            self.assertEqual(bench.statuses, [100])
            bench.receive(request(b"MESSAGE"))
            self.assertEqual(bench.statuses, [100, 100])
            self.respond(200)
            bench.pass_(10)
            self.assertEqual(bench.statuses, [100, 100, 200])

    def test_notOverdue(self) -> None:
        """
        One that is answered in time is not, nor one that never will be; an INVITE is the user's.
        """
        for bench in (self.bench, Bench(flow=FakeFlow())):
            self.bench = bench
            bench.receive(request(b"MESSAGE"), request(b"INVITE"))
            self.respond(200, 0)
            bench.receive(request(b"OPTIONS"))
            bench.user.requests[-1].abandon()
            bench.pass_(10)
            self.assertEqual(bench.statuses, [200])

    def test_abandonedAtOnce(self) -> None:
        """
        One that is given up as soon as it came has no answer at all: over TCP it is forgotten, and
        what is forgotten is not answered (RFC 4320 4.2).
        """
        self.patch(FakeUser, "received", lambda user, transaction: transaction.abandon())
        for bench in (self.bench, Bench(flow=FakeFlow())):
            bench.receive(request(b"MESSAGE"))
            bench.pass_(10)
            self.assertEqual(bench.statuses, [])

    def test_atOnce(self) -> None:
        """
        A REGISTER that is answered at once costs no timer beside that of its transaction.
        """
        def answered(transaction: IServerTransaction) -> None:
            transaction.respond(Response.reply(transaction.request, 200, toTag=b"b1"))

        bench = Bench(flow=FakeFlow())
        self.patch(FakeUser, "received", lambda user, transaction: answered(transaction))
        bench.receive(request(b"REGISTER"))
        self.assertEqual((bench.statuses, bench.clock.getDelayedCalls()), ([200], []))

    def test_drained(self) -> None:
        """
        When the server ends, who waits is told to come back later, once; who has been answered is
        not; what rings is cancelled; and nothing new is begun.
        """
        bench = self.bench
        cancelled: list[int] = []
        for number, method in enumerate((b"INVITE", b"INVITE", b"MESSAGE", b"MESSAGE")):
            via = b"SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK%d" % number
            bench.receive(request(method, via=via))
        for number, transaction in enumerate(bench.user.requests):
            transaction.cancelled = partial(cancelled.append, number)
        for status, number in ((180, 0), (200, 1), (200, 3)):
            self.respond(status, number)
        late = Response.reply(bench.user.requests[2].request, 200, toTag=b"b1")
        bench.stack.drain()
        bench.stack.drain()
        self.assertEqual((bench.statuses, cancelled), ([180, 200, 200, 503, 503], [0]))
        told = bench.sent[-1]
        self.assertEqual((told.first(b"retry-after"), told.cseq.method), (RETRY_AFTER, b"MESSAGE"))
        self.assertIsNotNone(told.to.param(b"tag"))
        bench.receive(request(b"OPTIONS"))
        self.assertEqual((bench.statuses[-1], len(bench.user.requests)), (503, 4))
        bench.user.requests[2].respond(late)
        self.assertEqual(bench.statuses[5:], [503])

    def test_letGo(self) -> None:
        """
        Calls that are over would stay in memory until the collector looks for them; and what only
        waits for repetitions, for half a minute, with the text of its request and all of its user.
        """
        for bench in (Bench(flow=FakeFlow()), Bench()):
            self.bench = bench
            bench.receive(request(b"MESSAGE"))
            bench.user.requests[0].cancelled = lambda: None
            kept = ref(bench.user.requests[0].request)
            self.respond(200)
            self.assertIsNone(bench.user.requests[0].cancelled)
            self.assertIsNone(kept())

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
        Where there is nothing to cancel the user decides, and no transaction is kept for it.
        """
        self.invite()
        kept = len(self.bench.stack.servers)
        self.bench.receive(cancel(b"z9hG4bKother"))
        self.assertEqual((self.bench.statuses, self.cancelled), ([], []))
        self.assertEqual(len(self.bench.user.cancels), 1)
        self.assertEqual(len(self.bench.stack.servers), kept)

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
        self.assertEqual((self.bench.statuses, len(self.bench.user.cancels)), ([], 1))

    def test_tag(self) -> None:
        """
        Its answer has a To tag (RFC 3261 8.2.6.2).
        """
        self.invite()
        self.bench.receive(cancel())
        self.assertTrue(self.bench.sent[0].to.param(b"tag"))
