"""
Requests that are sent and await their responses (RFC 3261 17.1, 9.1; RFC 6026).
"""

from __future__ import annotations

from twisted.logger import LogLevel, capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from sipoutbound.interfaces import IClientTransaction
from sipoutbound.message.message import Request, Response
from sipoutbound.test.doubles import FakeFlow
from sipoutbound.test.stacks import Bench, FakeResponses, udp
from sipoutbound.waiting import ClientTransaction


class ClientTests(SynchronousTestCase):
    """
    Client transactions on a flow.
    """

    def test_repeated(self) -> None:
        """
        Over UDP an unanswered INVITE is repeated at growing intervals (timer A), for 32 s (B).
        """
        bench = Bench()
        bench.send()
        bench.pass_(3.75)
        self.assertEqual(bench.methods, [b"INVITE"] * 4)
        bench.pass_(28.5)
        self.assertEqual(bench.methods, [b"INVITE"] * 7)
        self.assertEqual(bench.responses.heard, ["timed out"])
        self.assertEqual((bench.stack.clients, bench.flow.pending), ({}, set()))

    def test_otherRepeated(self) -> None:
        """
        Another request at intervals up to T2 (timer E), and only at T2 once a 100 has come.
        """
        bench = Bench()
        bench.send(b"MESSAGE")
        bench.pass_(8)
        self.assertEqual(len(bench.flow.sent), 5)
        bench.pass_(25)
        self.assertEqual((len(bench.flow.sent), bench.responses.heard), (11, ["timed out"]))
        bench = Bench()
        bench.send(b"MESSAGE")
        bench.answer(100)
        bench.pass_(9)
        self.assertEqual(len(bench.flow.sent), 4)

    def test_reliable(self) -> None:
        """
        Over TCP nothing is repeated; the time to wait is the same.
        """
        for method in (b"INVITE", b"MESSAGE"):
            bench = Bench(flow=FakeFlow())
            bench.send(method)
            bench.pass_(31)
            self.assertEqual((len(bench.flow.sent), bench.responses.heard), (1, []))
            bench.pass_(2)
            self.assertEqual((len(bench.flow.sent), bench.responses.heard), (1, ["timed out"]))

    def test_responses(self) -> None:
        """
        Responses reach who waits for them; a repeated failure does only once, and is acknowledged
        each time.
        """
        bench = Bench()
        bench.send()
        for status in (100, 180, 486, 486):
            bench.answer(status)
        self.assertEqual(bench.responses.heard, [100, 180, 486])
        self.assertEqual(bench.methods, [b"INVITE", b"ACK", b"ACK"])
        bench.pass_(33)
        self.assertEqual((bench.stack.clients, bench.flow.pending), ({}, set()))

    def test_successes(self) -> None:
        """
        A 2xx to an INVITE is passed on as often as it comes, from each that picked up, for 32 s
        (timer M); it is the caller who acknowledges it.
        """
        bench = Bench()
        bench.send()
        bench.answer(200)
        bench.answer(200, tag=b"b2")
        self.assertEqual((bench.responses.heard, bench.methods), ([200, 200], [b"INVITE"]))
        bench.pass_(33)
        bench.answer(200)
        self.assertEqual((bench.responses.heard, bench.stack.clients), ([200, 200], {}))

    def test_refusedLate(self) -> None:
        """
        A repeated failure is acknowledged for 32 s (timer D), as long as its sender may repeat it;
        over TCP nothing is repeated, and nothing kept.
        """
        bench = Bench()
        bench.send()
        bench.answer(486)
        bench.pass_(31.9)
        bench.answer(486)
        self.assertEqual(bench.methods, [b"INVITE", b"ACK", b"ACK"])
        bench.pass_(0.2)
        bench.answer(486)
        self.assertEqual((bench.methods[3:], bench.responses.heard), ([], [486]))
        bench = Bench(flow=FakeFlow())
        bench.send()
        bench.answer(486)
        self.assertEqual((bench.stack.clients, bench.methods), ({}, [b"INVITE", b"ACK"]))

    def test_answeredLate(self) -> None:
        """
        Repeated answers to any other request are absorbed for 5 s (timer K); over TCP none come.
        """
        bench = Bench()
        bench.send(b"MESSAGE")
        bench.answer(200)
        bench.pass_(4.9)
        self.assertEqual(len(bench.stack.clients), 1)
        bench.pass_(0.2)
        self.assertEqual(bench.stack.clients, {})
        bench.answer(200)
        self.assertEqual(bench.responses.heard, [200])
        bench = Bench(flow=FakeFlow())
        bench.send(b"MESSAGE")
        bench.answer(200)
        self.assertEqual((bench.stack.clients, bench.responses.heard), ({}, [200]))

    def test_acceptedLate(self) -> None:
        """
        Who else picks up in the 32 s after the first is heard (timer M), over TCP too; then nobody.
        """
        for flow in (udp(), FakeFlow()):
            bench = Bench(flow=flow)
            bench.send()
            bench.answer(180)
            bench.answer(200)
            bench.pass_(31.9)
            bench.answer(200, tag=b"b2")
            self.assertEqual(bench.responses.heard, [180, 200, 200])
            bench.pass_(0.2)
            bench.answer(200, tag=b"b3")
            self.assertEqual((bench.responses.heard, bench.stack.clients), ([180, 200, 200], {}))
            self.assertEqual(bench.methods, [b"INVITE"])

    def test_proceedingTimeout(self) -> None:
        """
        A request that is answered 100 and nothing else fails after 32 s all the same (timer F).
        """
        for flow in (udp(), FakeFlow()):
            bench = Bench(flow=flow)
            bench.send(b"MESSAGE")
            bench.answer(100)
            bench.pass_(31.9)
            self.assertEqual(bench.responses.heard, [100])
            bench.pass_(0.2)
            self.assertEqual(bench.responses.heard, [100, "timed out"])
            self.assertEqual((bench.stack.clients, bench.flow.pending), ({}, set()))

    def test_ack(self) -> None:
        """
        The ACK of a failure belongs to the same transaction at the next hop (RFC 3261 17.1.1.3).
        """
        bench = Bench()
        bench.send(b"INVITE", b"Route: <sip:a.example.org;lr>", b"Subject: x", b"Require: foo")
        bench.answer(486, tag=b"its")
        invite, ack = bench.sent
        assert isinstance(invite, Request)
        assert isinstance(ack, Request)
        self.assertEqual(ack.all(b"via"), invite.all(b"via")[:1])
        self.assertEqual((ack.uri, ack.callId), (invite.uri, invite.callId))
        self.assertEqual(ack.first(b"from"), invite.first(b"from"))
        self.assertEqual((ack.cseq.number, ack.cseq.method), (1, b"ACK"))
        self.assertEqual(ack.to.param(b"tag"), b"its")
        self.assertEqual(ack.all(b"route"), [b"<sip:a.example.org;lr>"])
        self.assertEqual((ack.first(b"subject"), ack.first(b"require")), (None, None))

    def test_incomplete(self) -> None:
        """
        A response without what it would be acknowledged with is dropped, with a line in the log;
        the call waits for a better one, and is not kept for ever.
        """
        for key in (b"To", b"From", b"Call-ID"):
            bench = Bench()
            bench.send()
            sent = bench.sent[0]
            assert isinstance(sent, Request)
            response = Response.reply(sent, 486, toTag=b"b1")
            response.drop(key.lower())
            with capturedLogs() as events:
                bench.receive(response)
            self.assertEqual((bench.responses.heard, bench.methods), ([], [b"INVITE"]), key)
            (event,) = events
            self.assertIs(event["log_level"], LogLevel.info)
            self.assertIn(key.lower(), event["why"].lower().encode())
            bench.answer(486)
            bench.pass_(33)
            self.assertEqual((bench.responses.heard, bench.stack.clients), ([486], {}))

    def test_letGo(self) -> None:
        """
        Calls that are over would stay in memory until the collector looks for them.
        """
        bench = Bench(flow=FakeFlow())
        transaction = bench.send()
        bench.answer(486)
        self.assertEqual((bench.responses.heard, bench.methods), ([486], [b"INVITE", b"ACK"]))
        assert isinstance(transaction, ClientTransaction)
        self.assertIsNone(transaction.user)

    def test_flowLost(self) -> None:
        """
        When the flow breaks, whatever waits on it is told at once, and on no other.
        """
        bench = Bench()
        bench.send()
        other = FakeFlow()
        bench.flow.alive = False
        bench.stack.flowLost(other)
        self.assertEqual(bench.responses.heard, [])
        bench.stack.flowLost(bench.flow)
        self.assertEqual((bench.responses.heard, bench.stack.clients), (["flow failed"], {}))
        self.assertEqual(bench.flow.pending, set())

    def test_flowDead(self) -> None:
        """
        On a dead flow nothing is waited for.
        """
        bench = Bench(flow=FakeFlow(alive=False))
        bench.send()
        bench.pass_(0.1)
        self.assertEqual((bench.responses.heard, bench.stack.clients), (["flow failed"], {}))

    def test_notTaken(self) -> None:
        """
        A request that can't be sent has failed at once, not after 32 s of silence, which is held
        against the phone. Who sends it is told when he knows what he has sent.
        """
        for method in (b"INVITE", b"MESSAGE"):
            bench = Bench()
            bench.flow.takes = False
            bench.send(method)
            self.assertEqual(bench.responses.heard, [])
            bench.pass_(0.1)
            self.assertEqual((bench.responses.heard, bench.stack.clients), (["flow failed"], {}))
            self.assertEqual(bench.flow.pending, set())
            bench.pass_(40)
            self.assertEqual(bench.responses.heard, ["flow failed"])

    def test_repetitionNotTaken(self) -> None:
        """
        A repetition that can't be sent is nothing more than lost: the request may have arrived.
        """
        bench = Bench()
        bench.send()
        bench.flow.takes = False
        bench.pass_(1)
        bench.flow.takes = True
        bench.answer(200)
        self.assertEqual(bench.responses.heard, [200])

    def test_userFails(self) -> None:
        """
        A mistake above does not keep the failure from being acknowledged.
        """
        bench = Bench()
        bench.responses.heard = None  # type: ignore[assignment]
        bench.send()
        bench.answer(486)
        self.assertEqual(bench.methods, [b"INVITE", b"ACK"])
        self.assertEqual(len(self.flushLoggedErrors(AttributeError)), 1)


class CancelTests(SynchronousTestCase):
    """
    The CANCEL of a request of ours (RFC 3261 9.1).
    """

    def setUp(self) -> None:
        """
        A stack with a UDP flow.
        """
        self.bench = Bench()

    def cancelled(self, *before: int) -> IClientTransaction:
        """
        Cancel an INVITE that has had these responses.
        """
        transaction = self.bench.send()
        for status in before:
            self.bench.answer(status)
        transaction.cancel()
        return transaction

    def test_ringing(self) -> None:
        """
        At once where a response has come, and once only.
        """
        transaction = self.cancelled(180)
        transaction.cancel()
        self.assertEqual(self.bench.methods, [b"INVITE", b"CANCEL"])

    def test_unanswered(self) -> None:
        """
        Not before: the CANCEL could overtake its INVITE.
        """
        self.cancelled()
        self.assertEqual(self.bench.methods, [b"INVITE"])
        self.bench.answer(180)
        self.bench.answer(180)
        self.assertEqual(self.bench.methods, [b"INVITE", b"CANCEL"])

    def test_fromWithin(self) -> None:
        """
        Cancelled by who is just being told of the first response: one CANCEL, which is not repeated
        once it has been answered.
        """
        class Cancels(FakeResponses):
            """
            Cancels at the first response.
            """

            def responded(self, response: Response) -> None:
                """
                The first response.
                """
                transaction.cancel()

        self.bench.responses = Cancels()
        transaction = self.bench.send()
        self.bench.answer(180)
        self.assertEqual(self.bench.methods, [b"INVITE", b"CANCEL"])
        self.bench.answer(200, 1)
        self.bench.pass_(10)
        self.assertEqual(self.bench.methods, [b"INVITE", b"CANCEL"])

    def test_tooLate(self) -> None:
        """
        Not after a final response, nor where that is the first one.
        """
        for status in (200, 486):
            self.bench = Bench()
            self.cancelled(status)
            self.assertNotIn(b"CANCEL", self.bench.methods)
            self.bench = Bench()
            self.cancelled()
            self.bench.answer(status)
            self.assertNotIn(b"CANCEL", self.bench.methods)

    def test_notOthers(self) -> None:
        """
        Only an INVITE.
        """
        transaction = self.bench.send(b"MESSAGE")
        self.bench.answer(100)
        transaction.cancel()
        self.assertEqual(self.bench.methods, [b"MESSAGE"])

    def test_headers(self) -> None:
        """
        It matches its INVITE at the next hop: Via, Request-URI, Call-ID, To, From and CSeq number.
        """
        self.cancelled(180)
        invite, cancel = self.bench.sent
        assert isinstance(invite, Request)
        assert isinstance(cancel, Request)
        self.assertEqual(cancel.all(b"via"), invite.all(b"via")[:1])
        self.assertEqual((cancel.uri, cancel.callId), (invite.uri, invite.callId))
        for key in (b"to", b"from"):
            self.assertEqual(cancel.first(key), invite.first(key))
        self.assertEqual((cancel.cseq.number, cancel.cseq.method), (1, b"CANCEL"))

    def test_repeated(self) -> None:
        """
        Over UDP it is repeated until its own 200; the INVITE's user hears nothing of that.
        """
        self.cancelled(180)
        self.bench.pass_(0.75)
        self.assertEqual(self.bench.methods, [b"INVITE", b"CANCEL", b"CANCEL"])
        self.bench.answer(200, 1)
        self.bench.pass_(10)
        self.assertEqual(self.bench.methods, [b"INVITE", b"CANCEL", b"CANCEL"])
        self.assertEqual(self.bench.responses.heard, [180])

    def test_487(self) -> None:
        """
        The INVITE ends with its own final response.
        """
        self.cancelled(180)
        self.bench.answer(487)
        self.assertEqual(self.bench.responses.heard, [180, 487])
        self.assertEqual(self.bench.methods, [b"INVITE", b"CANCEL", b"ACK"])

    def test_never(self) -> None:
        """
        Without one it ends 64*T1 after the CANCEL.
        """
        self.cancelled(180)
        self.bench.pass_(33)
        self.assertEqual(self.bench.responses.heard, [180, "timed out"])
        self.assertEqual((self.bench.stack.clients, self.bench.flow.pending), ({}, set()))

    def test_flowLost(self) -> None:
        """
        When the flow breaks meanwhile, both end.
        """
        self.cancelled(180)
        self.bench.flow.alive = False
        self.bench.stack.flowLost(self.bench.flow)
        self.assertEqual(self.bench.responses.heard, [180, "flow failed"])
        self.assertEqual(self.bench.stack.clients, {})
