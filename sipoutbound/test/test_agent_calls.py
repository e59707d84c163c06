"""
Tests of calls: those that a user agent makes, those that it takes, and what happens within them.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError, Deferred

from sipoutbound.message.message import Request, Response
from sipoutbound.test.edge import AgentTestCase, answered
from sipoutbound.test.line import within
from sipoutbound.test.phone import written
from sipoutbound.test.test_agent_incoming import asking
from sipoutbound.useragent import Dialog, FinalResponse, Incoming, NoAnswer, Reply, UserAgent

ALICE = "sip:alice@example.test"
SDP = b"v=0\r\n"

CONTACT = (b"Contact", b"<sip:alice@10.0.0.9:5099>")


class CallTestCase(AgentTestCase):
    """
    Tests with a registered flow.
    """

    async def started(self, answer: Any = None) -> tuple[UserAgent, Any]:
        """
        A user agent and its flow.
        """
        agent = self.agent(answer=answer)
        wire, _ = await self.registered(expires=10_000)
        return agent, wire

    @property
    def routes(self) -> list[tuple[bytes, bytes]]:
        """
        What the edge has put into an INVITE and its answer: two hops, ours the nearer one.
        """
        own = b"<sip:token@127.0.0.1:%d;transport=tcp;lr>" % self.edge.port
        return [(b"Record-Route", b"<sip:far.example.test;lr>"), (b"Record-Route", own)]

    async def asked(self, wire: Any, method: bytes) -> Request:
        """
        The next thing that comes, which must be such a request.
        """
        request = await wire.hears(method.decode())
        assert isinstance(request, Request) and request.method == method, request
        return request

    async def told(self, wire: Any, status: int) -> Response:
        """
        The next thing that comes, which must be such a response.
        """
        response = await wire.hears(str(status))
        assert isinstance(response, Response) and response.status == status, response
        return response

    async def quiet(self, wire: Any) -> None:
        """
        Make sure that nothing has come.
        """
        await self.turn()
        self.assertEqual(wire.heard.pending, [])


class CallingTests(CallTestCase):
    """
    Calls that the user agent makes.
    """

    async def invited(self) -> tuple[Any, Request, Deferred[FinalResponse]]:
        """
        An INVITE that is not answered yet.
        """
        agent, wire = await self.started()
        self.provisional: list[int] = []
        calling = agent.invite(
            ALICE, SDP, provisional=lambda response: self.provisional.append(response.status)
        )
        return wire, await self.asked(wire, b"INVITE"), calling

    async def talking(self, *headers: tuple[bytes, bytes]) -> tuple[Any, Request, Dialog]:
        """
        A call that was answered.
        """
        wire, invite, calling = await self.invited()
        wire.give(answered(invite, 200, CONTACT, *(headers or self.routes), body=SDP))
        final = await within(calling, "an answer")
        assert final.dialog is not None
        return wire, invite, final.dialog

    async def test_answered(self) -> None:
        """
        An answered call is acknowledged, and hung up with a BYE: along the route that the answer
        has told, over the flow of the INVITE, with both tags.
        """
        wire, invite, dialog = await self.talking()
        self.assertEqual((invite.body, invite.first(b"content-type")), (SDP, b"application/sdp"))
        ack = await self.asked(wire, b"ACK")
        self.assertEqual((ack.cseq.number, ack.callId), (invite.cseq.number, invite.callId))
        hanging = dialog.bye()
        bye = await self.asked(wire, b"BYE")
        self.assertEqual(bye.cseq.number, invite.cseq.number + 1)
        expected = [value for _, value in reversed(self.routes)]
        for request in (ack, bye):
            self.assertEqual(request.uri, b"sip:alice@10.0.0.9:5099")
            self.assertEqual(request.all(b"route"), expected)
            self.assertEqual(request.to.param(b"tag"), b"edge")
            self.assertEqual(request.from_.param(b"tag"), invite.from_.param(b"tag"))
            self.assertNotEqual(request.via.branch, invite.via.branch)
        wire.give(answered(bye))
        self.assertEqual((await within(hanging, "an answer")).status, 200)
        self.assertTrue(dialog.ended)
        self.assertRaises(ValueError, dialog.bye)
        self.assertEqual(self.edge.count, 1)

    async def test_rings(self) -> None:
        """
        The program hears that it rings.
        """
        wire, invite, calling = await self.invited()
        wire.give(answered(invite, 180))
        wire.give(answered(invite, 183))
        wire.give(answered(invite, 200, CONTACT, *self.routes))
        final = await within(calling, "an answer")
        self.assertEqual(self.provisional, [180, 183])
        self.assertIsNotNone(final.dialog)

    async def test_busy(self) -> None:
        """
        A refusal is acknowledged too, and makes no dialog.
        """
        wire, invite, calling = await self.invited()
        wire.give(answered(invite, 486))
        final = await within(calling, "an answer")
        self.assertEqual((final.status, final.dialog), (486, None))
        ack = await self.asked(wire, b"ACK")
        self.assertEqual(ack.via.branch, invite.via.branch)

    async def test_ackLost(self) -> None:
        """
        When the answer comes again the ACK was lost: it is sent again, and that is all.
        """
        wire, invite, dialog = await self.talking()
        await self.asked(wire, b"ACK")
        wire.give(answered(invite, 200, CONTACT, *self.routes))
        await self.asked(wire, b"ACK")
        await self.quiet(wire)
        self.assertFalse(dialog.ended)

    async def test_twoAnswers(self) -> None:
        """
        When two phones have picked up, the second is told that the call is over.
        """
        wire, invite, dialog = await self.talking()
        await self.asked(wire, b"ACK")
        second = answered(invite, 200, (b"Contact", b"<sip:alice@10.0.0.8>"), *self.routes)
        wire.give(second.replace(b";tag=edge", b";tag=second"))
        found = [await wire.hears(), await wire.hears()]
        self.assertEqual({each.method for each in found}, {b"ACK", b"BYE"})
        for each in found:
            self.assertEqual((each.uri, each.to.param(b"tag")), (b"sip:alice@10.0.0.8", b"second"))
        self.assertFalse(dialog.ended)

    async def test_cancelled(self) -> None:
        """
        A program that stops waiting has the ringing stopped.
        """
        wire, invite, calling = await self.invited()
        wire.give(answered(invite, 180))
        await self.until(lambda: self.provisional, "ringing")
        calling.cancel()
        cancel = await self.asked(wire, b"CANCEL")
        self.assertEqual(cancel.via.branch, invite.via.branch)
        wire.give(answered(cancel))
        wire.give(answered(invite, 487))
        await self.asked(wire, b"ACK")
        await self.assertFailure(calling, CancelledError)

    async def test_cancelledLate(self) -> None:
        """
        An answer that crosses the CANCEL ends in a BYE: nobody is left talking to nobody.
        """
        wire, invite, calling = await self.invited()
        wire.give(answered(invite, 180))
        await self.until(lambda: self.provisional, "ringing")
        calling.addErrback(lambda failure: None)
        calling.cancel()
        await self.asked(wire, b"CANCEL")
        wire.give(answered(invite, 200, CONTACT, *self.routes))
        found = [await wire.hears(), await wire.hears()]
        self.assertEqual({each.method for each in found}, {b"ACK", b"BYE"})

    async def test_noContact(self) -> None:
        """
        An answer that says nothing of where to go makes no dialog.
        """
        wire, invite, calling = await self.invited()
        wire.give(answered(invite, 200, *self.routes))
        final = await within(calling, "an answer")
        self.assertEqual((final.status, final.dialog), (200, None))
        await self.quiet(wire)

    async def test_noAnswer(self) -> None:
        """
        A call that nobody answers at all ends after 32 s.
        """
        _, _, calling = await self.invited()
        self.advance(32.1)
        await self.assertFailure(calling, NoAnswer)

    async def test_strictRouter(self) -> None:
        """
        A proxy from before RFC 3261 on the way gets what it expects (RFC 3261 12.2.1.1).
        """
        uri = b"sip:127.0.0.1:%d;transport=tcp" % self.edge.port
        wire, _, _ = await self.talking((b"Record-Route", b"<%b>" % uri))
        ack = await self.asked(wire, b"ACK")
        self.assertEqual((ack.uri, ack.all(b"route")), (uri, [b"<sip:alice@10.0.0.9:5099>"]))

    async def test_hungUp(self) -> None:
        """
        When the other side hangs up it is answered, the program hears of it, and nothing is left.
        """
        wire, invite, dialog = await self.talking()
        await self.asked(wire, b"ACK")
        ending = dialog.whenEnded()
        self.assertFalse(ending.called)
        wire.give(bytes(self.within(invite, b"BYE")))
        await self.told(wire, 200)
        await within(ending, "the end of a call")
        await within(dialog.whenEnded(), "the end of a call")
        wire.give(bytes(self.within(invite, b"BYE", 2)))
        await self.told(wire, 481)

    def within(self, invite: Request, method: bytes, number: int = 1, *headers: bytes) -> Request:
        """
        A request of the other side within the call.
        """
        return written([
            method + b" sip:bot@127.0.0.1 SIP/2.0",
            b"Via: SIP/2.0/TCP 192.0.2.1;branch=z9hG4bK-%b-%d" % (method, number),
            b"Max-Forwards: 70",
            b"From: " + invite.need(b"to") + b";tag=edge",
            b"To: " + invite.need(b"from"),
            b"Call-ID: " + invite.callId,
            b"CSeq: %d %b" % (number, method),
            *headers,
        ])

    async def test_requests(self) -> None:
        """
        Requests of both sides within the call: new numbers in order, old ones refused, and the
        other side may say where it is now.
        """
        seen: list[Incoming] = []

        def answer(incoming: Incoming) -> int:
            seen.append(incoming)
            return 200

        self.patch(self, "started", lambda: CallTestCase.started(self, answer))
        wire, invite, dialog = await self.talking()
        await self.asked(wire, b"ACK")
        for number in (0, 7):
            wire.give(bytes(self.within(invite, b"INFO", number)))
            await self.told(wire, 200)
        self.assertIs(seen[0].dialog, dialog)
        wire.give(bytes(self.within(invite, b"INFO", 6)))
        await self.told(wire, 500)
        moved = self.within(invite, b"INVITE", 8, b"Contact: <sip:alice@10.0.0.7>")
        wire.give(bytes(moved))
        await self.told(wire, 200)
        ack = bytes(self.within(invite, b"ACK", 8)).replace(b"ACK-8", b"ACK-9")
        wire.give(ack)
        sending = dialog.request("INFO", (("X-Key", "5"),), b"x")
        info = await self.asked(wire, b"INFO")
        self.assertEqual((info.uri, info.body), (b"sip:alice@10.0.0.7", b"x"))
        wire.give(answered(info))
        self.assertEqual((await within(sending, "an answer")).status, 200)

    async def test_reinvite(self) -> None:
        """
        A call may be changed: the new answer is acknowledged with its own number, and the dialog
        stays.
        """
        wire, _, dialog = await self.talking()
        await self.asked(wire, b"ACK")
        changing = dialog.request("INVITE", (("Content-Type", "application/sdp"),), SDP)
        invite = await self.asked(wire, b"INVITE")
        self.assertIn(b";ob>", invite.need(b"contact"))
        wire.give(answered(invite, 200, (b"Contact", b"<sip:alice@10.0.0.7>")))
        ack = await self.asked(wire, b"ACK")
        self.assertEqual((ack.cseq.number, ack.uri), (invite.cseq.number, b"sip:alice@10.0.0.7"))
        final = await within(changing, "an answer")
        self.assertIs(final.dialog, dialog)
        self.assertFalse(dialog.ended)

    async def test_gone(self) -> None:
        """
        When the other side knows nothing of the call, or does not answer, it is over.
        """
        for status in (481, 408, None):
            wire, _, dialog = await self.talking()
            await self.asked(wire, b"ACK")
            sending = dialog.request("INFO")
            info = await self.asked(wire, b"INFO")
            if status is None:
                self.advance(32.1)
                await self.assertFailure(sending, NoAnswer)
            else:
                wire.give(answered(info, status))
                await within(sending, "an answer")
            self.assertTrue(dialog.ended)

    async def test_flowLost(self) -> None:
        """
        When the flow of the call is lost, what is said within it goes over the flow that has taken
        its place.
        """
        wire, _, dialog = await self.talking()
        await self.asked(wire, b"ACK")
        wire.abort()
        await within(wire.closed, "the end of a connection")
        hanging = dialog.bye()
        fresh = await self.edge.connection()
        fresh.give(answered(await self.asked(fresh, b"BYE"), 430))
        self.assertEqual((await within(hanging, "an answer")).status, 400)


class CalledTests(CallTestCase):
    """
    Calls that the user agent takes.
    """

    def invite(self, *headers: bytes) -> Request:
        """
        An INVITE for it.
        """
        own = b"Record-Route: <sip:token@127.0.0.1:%d;transport=tcp;lr>" % self.edge.port
        far = b"Record-Route: <sip:far.example.test;lr>"
        return asking(b"INVITE", b"Contact: <sip:alice@10.0.0.9>", own, far, *headers)

    def ack(self, response: Response, number: int = 1) -> bytes:
        """
        The ACK for its answer.
        """
        tag = b";tag=" + (response.to.param(b"tag") or b"")
        return bytes(asking(b"ACK", to=tag, number=number))

    async def test_taken(self) -> None:
        """
        A call is taken: it rings, the answer has a Contact, the instance-id and the way back, the
        ACK ends it, and each side can hang up.
        """
        taken: list[Incoming] = []

        async def answer(incoming: Incoming) -> Reply:
            taken.append(incoming)
            incoming.provisional(180)
            return Reply(200, SDP, (("Content-Type", "application/sdp"),))

        agent, wire = await self.started(answer)
        invite = self.invite()
        wire.give(bytes(invite))
        ringing, response = await self.told(wire, 180), await self.told(wire, 200)
        instance = b'+sip.instance="<%b>"' % agent.instanceId.encode()
        for each in (ringing, response):
            self.assertEqual(each.texts(b"record-route"), invite.texts(b"record-route"))
            self.assertIn(instance, each.need(b"contact"))
            self.assertIn(b"sip:bot@127.0.0.1:%d" % wire.port, each.need(b"contact"))
            self.assertEqual(each.to.param(b"tag"), ringing.to.param(b"tag"))
        self.assertEqual(response.body, SDP)
        wire.give(self.ack(response))
        await self.turn()
        self.advance(30)
        await self.quiet(wire)
        (incoming,) = taken
        assert incoming.dialog is not None
        hanging = incoming.dialog.bye()
        bye = await self.asked(wire, b"BYE")
        self.assertEqual(bye.uri, b"sip:alice@10.0.0.9")
        self.assertEqual(bye.all(b"route"), invite.all(b"record-route"))
        self.assertEqual(bye.to.param(b"tag"), b"a1")
        self.assertEqual(bye.from_.param(b"tag"), response.to.param(b"tag"))
        wire.give(answered(bye))
        self.assertEqual((await within(hanging, "an answer")).status, 200)

    async def test_hungUp(self) -> None:
        """
        The caller hangs up.
        """
        taken: list[Incoming] = []

        def answer(incoming: Incoming) -> int:
            taken.append(incoming)
            return 200

        _, wire = await self.started(answer)
        wire.give(bytes(self.invite()))
        response = await self.told(wire, 200)
        wire.give(self.ack(response))
        tag = b";tag=" + (response.to.param(b"tag") or b"")
        wire.give(bytes(asking(b"BYE", to=tag, number=2)))
        await self.told(wire, 200)
        assert taken[0].dialog is not None
        self.assertTrue(taken[0].dialog.ended)

    async def test_trying(self) -> None:
        """
        While the program thinks, the caller knows that the call has arrived, and how long it took
        (RFC 3261 8.2.6.1).
        """
        waiting: Deferred[int] = Deferred()
        _, wire = await self.started(lambda incoming: waiting)
        wire.give(bytes(self.invite(b"Timestamp: 54")))
        self.assertEqual((await self.told(wire, 100)).first(b"timestamp"), b"54")
        waiting.callback(603)
        await self.told(wire, 603)

    async def test_cancelled(self) -> None:
        """
        A caller who gives up gets 487, and the program stops thinking.
        """
        ended = []

        async def answer(incoming: Incoming) -> int:
            try:
                await Deferred()
            finally:
                ended.append(True)
            return 200

        _, wire = await self.started(answer)
        invite = self.invite()
        wire.give(bytes(invite))
        await self.told(wire, 100)
        cancel = bytes(asking(b"CANCEL")).replace(b"-CANCEL-1", b"-INVITE-1")
        wire.give(cancel)
        found = {(await wire.hears()).status for _ in range(2)}
        self.assertEqual((found, ended), ({200, 487}, [True]))

    async def test_unacknowledged(self) -> None:
        """
        Without an ACK the answer is repeated, after half a second, then after twice that each time,
        up to every 4 s; after 32 s the call is given up with a BYE.
        """
        taken: list[Incoming] = []

        def answer(incoming: Incoming) -> int:
            taken.append(incoming)
            return 200

        _, wire = await self.started(answer)
        wire.give(bytes(self.invite()))
        await self.told(wire, 200)
        for wait in (0.5, 1, 2, 4, 4, 4, 4, 4, 4, 4):
            self.advance(wait - 0.05)
            await self.quiet(wire)
            self.advance(0.07)
            await self.told(wire, 200)
        self.advance(1)
        await self.asked(wire, b"BYE")
        assert taken[0].dialog is not None
        self.assertTrue(taken[0].dialog.ended)
        self.advance(5)
        await self.quiet(wire)

    async def test_otherAck(self) -> None:
        """
        An ACK with another number acknowledges nothing.
        """
        _, wire = await self.started(lambda incoming: 200)
        wire.give(bytes(self.invite()))
        response = await self.told(wire, 200)
        wire.give(self.ack(response, 2))
        await self.turn()
        self.advance(0.6)
        await self.told(wire, 200)
        wire.give(self.ack(response))
        await self.turn()
        self.advance(5)
        await self.quiet(wire)

    async def test_noContact(self) -> None:
        """
        Who does not say where he is can't be talked with.
        """
        _, wire = await self.started(lambda incoming: 200)
        wire.give(bytes(asking(b"INVITE")))
        await self.told(wire, 400)

    async def test_provisional(self) -> None:
        """
        Only calls ring, and a final response is no ringing: the program's mistake, not the
        caller's.
        """
        for method, status in ((b"MESSAGE", 180), (b"INVITE", 200), (b"INVITE", 100)):

            def answer(incoming: Incoming, status: int = status) -> int:
                incoming.provisional(status)
                return 200

            _, wire = await self.started(answer)
            wire.give(bytes(asking(method)))
            await self.told(wire, 500)
            self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    async def test_stopped(self) -> None:
        """
        Whoever waits for an answer when the user agent stops gets one.
        """
        agent, wire = await self.started(lambda incoming: Deferred())
        wire.give(bytes(self.invite()))
        await self.told(wire, 100)
        stopping = agent.stopService()
        await self.told(wire, 503)
        wire.give(answered(await self.registers(wire)))
        await within(stopping, "the end of the user agent")
