"""
Tests of how a user agent keeps its flows alive, and notices that one is not.
"""

from __future__ import annotations

from random import Random
from typing import Any

from sipoutbound.message.message import Request
from sipoutbound.outbound import stun
from sipoutbound.test.edge import Accepted, AgentTestCase, answered, granted
from sipoutbound.test.line import within
from sipoutbound.useragent import Rhythm

PING = [b"\r\n", b"\r\n"]

MESSAGE = (
    b"OPTIONS sip:bot@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.1;branch=z9hG4bK1\r\n"
    b"From: <sip:a@example.test>;tag=1\r\nTo: <sip:bot@example.test>\r\nCall-ID: 1\r\n"
    b"CSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
)


class StreamTests(AgentTestCase):
    """
    Pings over connections.
    """

    async def pinged(self, wire: Accepted) -> None:
        """
        Make sure that one ping has come and nothing else.
        """
        await self.turn()
        self.assertEqual([await wire.hears("a ping") for _ in PING], PING)
        self.assertEqual(wire.heard.pending, [])

    async def ponged(self, wire: Accepted) -> None:
        """
        Answer it.
        """
        wire.give(b"\r\n")
        await self.turn()

    async def silent(self, wire: Accepted) -> None:
        """
        Make sure that nothing has come.
        """
        await self.turn()
        self.assertEqual(wire.heard.pending, [])

    async def test_flowTimer(self) -> None:
        """
        A client is heard at least as often as its proxy wants, at intervals drawn from 80 to 100%
        of that time, drawn anew for each.
        """
        draw = Random(1).uniform
        self.agent(draw=draw)
        wire, _ = await self.registered(expires=10_000, flowTimer=b"50")
        times, start = [], self.clock.seconds()
        for _ in range(30):
            before = self.clock.seconds()
            while not wire.heard.pending:
                self.advance(0.25)
                await self.turn()
                self.assertLess(self.clock.seconds() - before, 51, "a ping is late")
            await self.pinged(wire)
            await self.ponged(wire)
            times.append(self.clock.seconds())
        gaps = [after - at for at, after in zip([start, *times], times, strict=False)]
        self.assertTrue(all(39.5 <= gap <= 50.6 for gap in gaps), gaps)
        self.assertGreater(max(gaps) - min(gaps), 5)

    async def test_bounds(self) -> None:
        """
        Without Flow-Timer the interval is 96 to 120 s, or what the program has said for a device
        with a battery: then 672 to 840 s.
        """
        for rhythm, bounds in ((Rhythm(), (96, 120)), (Rhythm(840), (672, 840))):
            self.agent(rhythm=rhythm)
            wire, _ = await self.registered(expires=10_000)
            self.assertIn(bounds, self.draws)
            self.advance(bounds[1] - 1)
            await self.silent(wire)
            self.advance(1.1)
            await self.pinged(wire)
            await self.ponged(wire)

    async def test_afterSuccessOnly(self) -> None:
        """
        Nothing is pinged before the registration stands.
        """
        self.agent()
        wire = await self.edge.connection()
        register = await self.registers(wire)
        self.advance(30)
        await self.silent(wire)
        wire.give(granted(register, 10_000, b"20"))
        await self.turn()
        self.advance(20.1)
        await self.pinged(wire)

    async def test_pong(self) -> None:
        """
        A flow whose pings are answered lives on, and each answer is taken for what it is: a client
        that answers pongs would play table tennis with its proxy.
        """
        agent = self.agent()
        wire, _ = await self.registered(expires=10_000, flowTimer=b"20")
        for _ in range(5):
            self.advance(20.1)
            await self.pinged(wire)
            self.advance(9.5)
            await self.ponged(wire)
            self.assertEqual(wire.heard.pending, [])
            self.advance(10.5)
            await self.pinged(wire)
            await self.ponged(wire)
            self.assertEqual(wire.heard.pending, [])
        self.assertTrue(agent.statuses[0].registered)
        self.assertEqual(self.edge.count, 1)

    async def test_noPong(self) -> None:
        """
        A ping that is not answered within 10 s ends the flow: the client registers over a new one,
        and not before.
        """
        agent = self.agent()
        wire, first = await self.registered(expires=10_000, flowTimer=b"20")
        self.advance(20.1)
        await self.pinged(wire)
        await self.ponged(wire)
        self.advance(20.1)
        await self.pinged(wire)
        self.advance(9.8)
        await self.turn()
        self.assertTrue(agent.statuses[0].registered)
        self.advance(0.3)
        await self.dies(agent)
        _, again = await self.registered()
        self.assertEqual((again.callId, again.cseq.number), (first.callId, 2))
        self.assertEqual(again.need(b"contact")[-9:], b";reg-id=1")
        self.assertTrue(agent.statuses[0].registered)

    async def test_messageNoPong(self) -> None:
        """
        Requests that come are no pong: the way to us may work when the way from us does not.
        """
        agent = self.agent()
        wire, _ = await self.registered(expires=10_000, flowTimer=b"20")
        self.advance(20.1)
        await self.pinged(wire)
        self.advance(5)
        wire.give(MESSAGE)
        await self.turn()
        self.advance(5.1)
        await self.dies(agent)

    async def test_within(self) -> None:
        """
        While a message is being received its sender can't send a pong: the verdict waits until the
        message is whole, and no longer.
        """
        for pong in (b"\r\n", b""):
            agent = self.agent()
            wire, _ = await self.registered(expires=10_000, flowTimer=b"20")
            self.advance(20.1)
            await self.pinged(wire)
            wire.give(MESSAGE[:100])
            await self.turn()
            self.advance(12)
            await self.turn()
            self.assertTrue(agent.statuses[0].registered)
            wire.give(MESSAGE[100:] + pong)
            if not pong:
                await self.dies(agent)
            else:
                self.assertEqual((await wire.hears()).status, 200)
            self.assertEqual(agent.statuses[0].registered, bool(pong))

    async def test_changed(self) -> None:
        """
        When the answer to a refresh has another Flow-Timer, that is kept from then on.
        """
        self.agent()
        wire, _ = await self.registered(expires=100, flowTimer=b"500")
        self.advance(90.1)
        await self.registered(wire, expires=10_000, flowTimer=b"30")
        await self.pinged(wire)
        await self.ponged(wire)
        self.advance(29)
        await self.silent(wire)
        self.advance(1.1)
        await self.pinged(wire)

    async def test_noStun(self) -> None:
        """
        On a connection only line breaks are sent between messages, never STUN.
        """
        self.agent()
        wire, _ = await self.registered(expires=10_000, flowTimer=b"20")
        self.advance(20.1)
        await self.turn()
        self.assertEqual(wire.heard.pending, PING)

    async def test_refused(self) -> None:
        """
        A refresh that is refused for a while leaves the flow as it is: pings go on, calls come.
        """
        agent = self.agent()
        wire, first = await self.registered(expires=100, flowTimer=b"60")
        self.advance(60.1)
        await self.pinged(wire)
        await self.ponged(wire)
        self.advance(30)
        wire.give(answered(await self.registers(wire), 503, (b"Retry-After", b"200")))
        await self.turn()
        self.assertTrue(agent.statuses[0].registered)
        self.assertIn("503", agent.statuses[0].why)
        for wait in (30.1, 60.1, 60.1):
            self.advance(wait)
            await self.pinged(wire)
            await self.ponged(wire)
        wire.give(MESSAGE)
        self.assertEqual((await wire.hears()).status, 200)
        self.advance(49)
        await self.silent(wire)
        self.advance(1)
        again = await self.registers(wire)
        wire.give(granted(again))
        await self.until(lambda: not agent.statuses[0].why, "a success")
        self.assertEqual((again.callId, self.edge.count), (first.callId, 1))

    async def test_refusedForGood(self) -> None:
        """
        Any other refusal ends it.
        """
        agent = self.agent()
        wire, _ = await self.registered(expires=100, flowTimer=b"500")
        self.advance(90.1)
        wire.give(answered(await self.registers(wire), 403))
        await within(wire.closed, "the end of a connection")
        self.assertFalse(agent.statuses[0].registered)


class DatagramTests(AgentTestCase):
    """
    STUN over UDP.
    """

    async def started(self, **grant: Any) -> Any:
        """
        A user agent that is registered over UDP.
        """
        self.agent(self.edge.udp)
        register = await self.registers(self.edge.bound)
        self.assertEqual(self.edge.bound.asked, [], "STUN before there was any sign of it")
        self.edge.bound.give(granted(register, 10_000, **grant))
        await self.until(lambda: self.edge.bound.asked, "STUN")
        await self.turn()
        self.port = self.edge.bound.port
        return register

    async def nextRegister(self) -> Request:
        """
        The next REGISTER, which must come from another port: it is another flow.
        """
        register = await self.registers(self.edge.bound)
        self.assertNotEqual(self.edge.bound.port, self.port)
        self.edge.bound.give(granted(register, 10_000))
        return register

    async def test_interval(self) -> None:
        """
        A NAT hears from the client every 24 to 29 s, drawn anew for each, over the flow that has
        registered, and never a bare line break.
        """
        await self.started()
        self.assertEqual(self.draws.count((24, 29)), 1)
        for count in (2, 3, 4):
            self.advance(28.9)
            await self.turn()
            self.assertEqual(len(self.edge.bound.asked), count - 1)
            self.advance(0.2)
            await self.turn()
            self.assertEqual(len(self.edge.bound.asked), count)
            self.assertEqual(self.draws.count((24, 29)), count)
        self.assertEqual({addr[1] for _, addr in self.edge.bound.asked}, {self.port})
        self.assertEqual(self.edge.bound.heard.pending, [])

    async def test_flowTimer(self) -> None:
        """
        Over UDP too a proxy can say how often it wants to hear.
        """
        await self.started(flowTimer=b"100")
        self.assertIn((80, 100), self.draws)
        self.advance(99)
        await self.turn()
        self.assertEqual(len(self.edge.bound.asked), 1)
        self.advance(1.1)
        await self.until(lambda: len(self.edge.bound.asked) == 2, "STUN")

    async def test_mapped(self) -> None:
        """
        A NAT that has forgotten us gives us another address, at which nobody would call: the client
        registers anew, with the same reg-id and Call-ID.
        """
        first = await self.started()
        self.edge.bound.mapped = ("192.0.2.77", 1024)
        self.advance(29.1)
        again = await self.nextRegister()
        self.assertEqual((again.callId, again.cseq.number), (first.callId, 2))
        self.assertEqual(again.need(b"contact")[-9:], b";reg-id=1")

    async def test_mute(self) -> None:
        """
        STUN that is not answered is sent seven times, and after 39.5 s the flow is given up.
        """
        await self.started()
        self.edge.bound.mute = True
        self.edge.bound.asked.clear()
        self.advance(29.1)
        start = self.clock.seconds()
        await self.turn()
        for wait in (0.5, 1, 2, 4, 8):
            self.advance(wait + 0.02)
            await self.turn()
        own = [int((at - start) * 2) / 2 for at, _ in self.edge.bound.asked]
        self.assertEqual(own, [0, 0.5, 1.5, 3.5, 7.5, 15.5])
        self.advance(16)
        await self.turn()
        self.advance(7.8)
        await self.turn()
        self.assertTrue(self.agents[0].statuses[0].registered)
        self.advance(0.3)
        await self.dies(self.agents[0])
        await self.nextRegister()

    async def test_lost(self) -> None:
        """
        One datagram that is lost is no reason to leave.
        """
        await self.started()
        self.edge.bound.mute = True
        self.advance(29.1)
        await self.turn()
        self.edge.bound.mute = False
        self.advance(1)
        await self.turn()
        self.advance(38)
        await self.turn()
        self.assertEqual(self.edge.bound.heard.pending, [])

    async def test_error(self) -> None:
        """
        A STUN error ends the flow at once.
        """
        await self.started()
        answer = stun.answer

        def refusing(data: bytes, peer: Any) -> bytes | None:
            # A request with an attribute that must be understood and is not.
            body = b"\x00\x24\x00\x00"
            return answer(data[:2] + b"\0\x04" + data[4:] + body, peer)

        self.patch(stun, "answer", refusing)
        self.advance(29.1)
        await self.dies(self.agents[0])
        await self.nextRegister()

    async def test_stray(self) -> None:
        """
        STUN that answers nothing of ours changes nothing.
        """
        await self.started()
        stray = stun.answer(stun.request(b"guessed12345"), ("192.0.2.77", 1))
        self.edge.bound.give(stray or b"")
        await self.turn()
        self.advance(20)
        await self.turn()
        self.assertEqual(self.edge.bound.heard.pending, [])

    async def test_plain(self) -> None:
        """
        Without a sign that the other side knows STUN none is sent, for however long.
        """
        self.agent(self.edge.udp, plain=True)
        register = await self.registers(self.edge.bound)
        self.edge.bound.give(granted(register, 10_000, outbound=False))
        await self.turn()
        for _ in range(20):
            self.advance(29)
            await self.turn()
        self.assertEqual((self.edge.bound.asked, self.edge.bound.heard.pending), ([], []))

    async def test_nobodyThere(self) -> None:
        """
        A proxy that has ended is noticed when its host says so, not after 40 s.
        """
        await self.started()
        await self.edge.deafen()
        self.advance(29.1)
        await self.until(lambda: not self.agents[0].statuses[0].registered, "the end of the flow")
