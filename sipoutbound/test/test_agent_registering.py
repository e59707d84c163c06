"""
Tests of how a user agent registers: what it sends, and what it makes of the answers.
"""

from __future__ import annotations

import re
from typing import Any

from sipoutbound.message.header import NameAddress
from sipoutbound.message.message import Request
from sipoutbound.test.edge import AgentTestCase, answered, granted
from sipoutbound.test.line import within
from sipoutbound.useragent import Status, UserAgent

OTHER_INSTANCE = "urn:uuid:f81d4fae-7dec-41d0-a765-00a0c91e6bf6"


def contactOf(register: Request) -> NameAddress:
    """
    Its one Contact.
    """
    (value,) = register.all(b"contact")
    return NameAddress.parse(value)


def named(register: Request) -> tuple[bytes | None, bytes | None]:
    """
    The instance-id and the reg-id in a REGISTER.
    """
    contact = contactOf(register)
    return contact.param(b"+sip.instance"), contact.param(b"reg-id")


class SentTests(AgentTestCase):
    """
    The REGISTER as it goes over the wire.
    """

    async def test_request(self) -> None:
        """
        The registrar sees a client of RFC 5626: its domain, the proxy as a loose route, the
        instance-id in angle brackets and quotes, a reg-id, and that it knows path and outbound.
        """
        agent = self.agent()
        register = await self.registers(await self.edge.connection())
        self.assertEqual(register.uri, b"sip:example.test")
        self.assertEqual(register.all(b"route"), [b"<%b;lr>" % self.edge.tcp.encode()])
        self.assertEqual(register.to.text, b"sip:bot@example.test")
        self.assertEqual(register.from_.text, b"sip:bot@example.test")
        self.assertTrue(register.from_.param(b"tag"))
        self.assertEqual(register.all(b"supported"), [b"path", b"outbound"])
        self.assertEqual(register.first(b"expires"), b"600")
        instance, regId = named(register)
        self.assertRegex(instance or b"", rb'^"<urn:uuid:[0-9a-f-]{36}>"$')
        self.assertEqual(instance, b'"<%b>"' % agent.instanceId.encode())
        self.assertEqual(regId, b"1")

    async def test_address(self) -> None:
        """
        The Contact is the client's own address on that flow, nothing that it has been told or
        guessed.
        """
        self.agent()
        wire = await self.edge.connection()
        register = await self.registers(wire)
        uri = b"sip:bot@127.0.0.1:%d;transport=tcp" % wire.port
        self.assertEqual(contactOf(register).text, uri)
        self.assertEqual(register.via.port, wire.port)

    async def test_datagram(self) -> None:
        """
        Over UDP the answer is asked for to where the request comes from, and that is where the
        client listens.
        """
        self.agent(self.edge.udp)
        register = await self.registers(self.edge.bound)
        self.assertTrue(register.wantsSourcePort)
        self.assertEqual(register.via.port, self.edge.bound.port)
        self.assertEqual(contactOf(register).uri.port, self.edge.bound.port)

    async def test_set(self) -> None:
        """
        Four proxies are registered with, each over its own flow, with its own Call-ID and reg-id.
        """
        proxies = (self.edge.tcp, self.other.tcp, self.edge.udp, self.other.udp)
        agent = self.agent(*proxies)
        wires: list[Any] = [await edge.connection() for edge in (self.edge, self.other)]
        wires += [self.edge.bound, self.other.bound]
        registers = [(await self.registered(wire))[1] for wire in wires]
        self.assertEqual([named(each)[1] for each in registers], [b"1", b"2", b"3", b"4"])
        self.assertEqual(len({named(each)[0] for each in registers}), 1)
        self.assertEqual(len({each.callId for each in registers}), 4)
        for each, proxy in zip(registers, proxies, strict=True):
            self.assertEqual(each.all(b"route"), [b"<%b;lr>" % proxy.encode()])
        self.assertEqual([status.outbound for status in agent.statuses], [True] * 4)
        self.assertEqual([status.proxy for status in agent.statuses], [*proxies])

    async def test_restart(self) -> None:
        """
        After a restart the client is the same to the registrar: its new registrations take the
        place of the old ones.
        """
        seen = []
        for _ in range(2):
            agent = self.agent(self.edge.tcp, self.other.tcp)
            wires = [await edge.connection() for edge in (self.edge, self.other)]
            seen.append([named((await self.registered(wire))[1]) for wire in wires])
            await self.left(agent, *wires)
        self.assertEqual(seen[0], seen[1])

    async def test_moved(self) -> None:
        """
        On another network, with another address, it is the same device.
        """
        self.agent()
        _, register = await self.registered()
        again = UserAgent(self.clock, "sip:bot@example.test", [self.edge.udp], self.file)
        self.agents.append(again)
        again.startService()
        moved = await self.registers(self.edge.bound)
        self.assertNotEqual(contactOf(register).text, contactOf(moved).text)
        self.assertEqual(named(register)[0], named(moved)[0])

    async def test_devices(self) -> None:
        """
        Two devices are two, also when they have one user.
        """
        self.agent()
        first = await self.registers(await self.edge.connection())
        self.file = self.file.with_name("another")
        self.agent()
        second = await self.registers(await self.edge.connection())
        self.assertNotEqual(named(first)[0], named(second)[0])

    def test_given(self) -> None:
        """
        An instance-id may be given, but no URN of which nobody has said what it means here.
        """
        agent = UserAgent(self.clock, "sip:a@example.test", ["sip:127.0.0.1"], OTHER_INSTANCE)
        self.assertEqual(agent.instanceId, OTHER_INSTANCE)
        for wrong in ("urn:isbn:0451450523", "urn:uuid:mine", "f81d4fae"):
            self.assertRaises(
                ValueError, UserAgent, self.clock, "sip:a@example.test", ["sip:127.0.0.1"], wrong
            )

    def test_senseless(self) -> None:
        """
        Without a proxy, or with one that is no sip: URI, it does not even start.
        """
        for aor, proxies in (
            ("sip:a@example.test", ()),
            ("sip:a@example.test", ("tel:123",)),
            ("sip:a@example.test", ("sips:edge.example.test",)),
            ("sip:a@example.test", ("edge",)),
            ("a@example.test", ("sip:127.0.0.1",)),
        ):
            self.assertRaises(
                ValueError, UserAgent, self.clock, aor, proxies, OTHER_INSTANCE
            )


class KeptTests(AgentTestCase):
    """
    Refreshes and the end.
    """

    async def test_refresh(self) -> None:
        """
        A registration is refreshed over its own flow before it ends: with the same instance-id,
        reg-id and Call-ID, the next CSeq, and neither early enough to be a burden nor late.
        """
        agent = self.agent()
        wire, first = await self.registered(expires=100, flowTimer=b"500")
        self.assertIn((0.8, 0.9), self.draws)
        self.advance(89)
        await self.turn()
        self.assertEqual(wire.heard.pending, [])
        for number in (2, 3):
            self.advance(1.1 if number == 2 else 90.1)
            _, again = await self.registered(wire, expires=100, flowTimer=b"500")
            self.assertEqual(named(again), named(first))
            self.assertEqual((again.callId, again.cseq.number), (first.callId, number))
            self.assertEqual(bytes(again.from_.text), bytes(first.from_.text))
        self.assertEqual(self.edge.count, 1)
        self.assertTrue(agent.statuses[0].registered)

    async def test_stop(self) -> None:
        """
        Who is stopped says so: its binding, with its instance-id and reg-id, is gone at once, and
        the flow is closed.
        """
        agent = self.agent(self.edge.tcp, self.other.tcp)
        wires = [await edge.connection() for edge in (self.edge, self.other)]
        registers = [(await self.registered(wire))[1] for wire in wires]
        removals = await self.left(agent, *wires)
        for register, removal, wire in zip(registers, removals, wires, strict=True):
            self.assertEqual(removal.first(b"expires"), b"0")
            self.assertEqual(named(removal), named(register))
            self.assertEqual(contactOf(removal).text, contactOf(register).text)
            self.assertEqual((removal.callId, removal.cseq.number), (register.callId, 2))
            await within(wire.closed, "the end of a connection")

    async def test_stopMute(self) -> None:
        """
        A proxy that does not answer keeps nobody from stopping.
        """
        agent = self.agent()
        wire, _ = await self.registered()
        stopping = agent.stopService()
        await self.registers(wire)
        self.advance(4.9)
        await self.turn()
        self.assertFalse(stopping.called)
        self.advance(0.2)
        await within(stopping, "the end of the user agent")
        await within(wire.closed, "the end of a connection")

    async def test_stopUnregistered(self) -> None:
        """
        Who has no registration has none to remove, and stops at once: between two attempts, while
        it connects.
        """
        await self.edge.deafen()
        agent = self.agent()
        await self.until(lambda: agent.statuses[0].why, "a failure")
        await within(agent.stopService(), "the end of the user agent")
        agent.startService()
        await within(agent.stopService(), "the end of the user agent")

    async def test_stopRegistering(self) -> None:
        """
        A REGISTER that is still on its way does not come to life after the end.
        """
        agent = self.agent()
        wire = await self.edge.connection()
        register = await self.registers(wire)
        stopping = agent.stopService()
        removal = await self.registers(wire)
        wire.give(granted(register))
        await self.turn()
        self.assertFalse(stopping.called)
        wire.give(answered(removal))
        await within(stopping, "the end of the user agent")
        self.assertFalse(agent.statuses[0].registered)

    async def test_again(self) -> None:
        """
        A service can be started again.
        """
        agent = self.agent()
        wire, _ = await self.registered()
        await self.left(agent, wire)
        agent.startService()
        await self.registered()
        self.assertTrue(agent.statuses[0].registered)


class AnswerTests(AgentTestCase):
    """
    Answers that are no plain success.
    """

    async def refused(self, status: int, *headers: tuple[bytes, bytes], **changes: Any) -> Any:
        """
        Refuse the first REGISTER.

        @return: the user agent, the connection, and the REGISTER.
        """
        agent = self.agent(**changes)
        wire = await self.edge.connection()
        register = await self.registers(wire)
        wire.give(answered(register, status, *headers))
        return agent, wire, register

    async def test_tooBrief(self) -> None:
        """
        A registrar that wants longer registrations gets them, at once, over the same flow.
        """
        agent, wire, first = await self.refused(423, (b"Min-Expires", b"3600"))
        _, again = await self.registered(wire, expires=3600)
        self.assertEqual(again.first(b"expires"), b"3600")
        self.assertEqual((again.callId, again.cseq.number), (first.callId, 2))
        self.assertTrue(agent.statuses[0].registered)

    async def test_tooBriefForEver(self) -> None:
        """
        One that refuses whatever it is asked is not asked without end.
        """
        for value in (b"600", b"10", b"soon"):
            agent, wire, _ = await self.refused(423, (b"Min-Expires", value))
            await within(wire.closed, "the end of a connection")
            self.assertIn("423", agent.statuses[0].why)
            self.assertEqual(wire.heard.pending, [])

    async def test_digest(self) -> None:
        """
        Where a password is asked for the program hears so.
        """
        for status in (401, 407):
            told: list[Any] = []
            agent, wire, _ = await self.refused(status, changed=told.append)
            await within(wire.closed, "the end of a connection")
            self.assertIn(str(status), agent.statuses[0].why)
            self.assertFalse(agent.statuses[0].registered)
            self.assertEqual(told, agent.statuses)

    async def test_firstHopLacks(self) -> None:
        """
        A proxy without outbound is reported, and the others of the set serve.
        """
        agent = self.agent(self.edge.tcp, self.other.tcp)
        first, second = await self.edge.connection(), await self.other.connection()
        first.give(answered(await self.registers(first), 439))
        await self.registered(second)
        await within(first.closed, "the end of a connection")
        found = [(status.registered, status.why[:3]) for status in agent.statuses]
        self.assertEqual(found, [(False, "439"), (True, "")])

    async def test_firstHopLacksPlain(self) -> None:
        """
        Who has said that it will do, registers there without outbound: no reg-id.
        """
        agent, wire, _ = await self.refused(439, plain=True)
        register = await self.registers(wire)
        self.assertEqual(named(register)[1], None)
        wire.give(granted(register, outbound=False))
        await self.until(lambda: agent.statuses[0].registered, "a registration")
        self.assertFalse(agent.statuses[0].outbound)

    async def test_firstHopLacksTwice(self) -> None:
        """
        One that says 439 to that too is not asked without end.
        """
        _, wire, _ = await self.refused(439, plain=True)
        wire.give(answered(await self.registers(wire), 439))
        await within(wire.closed, "the end of a connection")
        self.assertEqual(wire.heard.pending, [])

    async def test_withoutOutbound(self) -> None:
        """
        A registrar without outbound has bound an address that nobody reaches: the client takes it
        back, and says what is the matter. C{Supported: outbound} in the answer is no sign.
        """
        agent = self.agent()
        wire = await self.edge.connection()
        register = await self.registers(wire)
        wire.give(
            answered(
                register, 200, (b"Contact", register.need(b"contact") + b";expires=600"),
                (b"Supported", b"path, outbound"),
            )
        )  # fmt: skip
        removal = await self.registers(wire)
        self.assertEqual(removal.first(b"expires"), b"0")
        self.assertEqual(named(removal), named(register))
        self.assertFalse(agent.statuses[0].registered)
        wire.give(answered(removal))
        await within(wire.closed, "the end of a connection")
        self.assertIn("outbound", agent.statuses[0].why)

    async def test_withoutOutboundPlain(self) -> None:
        """
        Who has said that it will do stays registered, and expects no pongs: the flow lives on
        without any.
        """
        agent = self.agent(plain=True)
        wire = await self.edge.connection()
        wire.give(granted(await self.registers(wire), 600, outbound=False))
        await self.until(lambda: agent.statuses[0].registered, "a registration")
        self.assertFalse(agent.statuses[0].outbound)
        self.advance(500)
        await self.turn()
        self.assertEqual((wire.heard.pending, self.edge.count), ([], 1))
        self.assertTrue(agent.statuses[0].registered)

    async def test_nothingGranted(self) -> None:
        """
        A 200 that grants no time is no registration, and not asked for without end.
        """
        agent = self.agent()
        wire = await self.edge.connection()
        wire.give(granted(await self.registers(wire), 0))
        await within(wire.closed, "the end of a connection")
        self.assertFalse(agent.statuses[0].registered)

    async def test_whenRegistered(self) -> None:
        """
        A program can wait until it is reachable, however often it asks.
        """
        agent = self.agent()
        waiting = agent.whenRegistered()
        await self.turn()
        self.assertFalse(waiting.called)
        await self.registered()
        await within(waiting, "a registration")
        await within(agent.whenRegistered(), "a registration")

    async def test_changed(self) -> None:
        """
        The program hears of each change once. When it fails over one that is in the log, and it
        stays registered.
        """
        told: list[tuple[bool, str]] = []

        def changed(status: Status) -> None:
            told.append((status.registered, status.why))
            raise RuntimeError("no more")

        agent = self.agent(changed=changed)
        wire, _ = await self.registered(expires=100, flowTimer=b"900")
        self.advance(91)
        wire.give(granted(await self.registers(wire), 100))
        await self.turn()
        self.assertTrue(agent.statuses[0].registered)
        wire.abort()
        await self.until(lambda: not agent.statuses[0].registered, "the loss of a flow")
        self.assertEqual(told, [(True, ""), (False, "the flow is lost")])
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 2)

    async def test_instanceOnWire(self) -> None:
        """
        The instance-id is the same to the letter in each REGISTER.
        """
        self.agent()
        wire, first = await self.registered(expires=100)
        texts = {re.search(rb'instance="[^"]*"', first.need(b"contact"))}
        found = {match[0] for match in texts if match}
        for _ in range(3):
            self.advance(91)
            request = await wire.hears()
            while not isinstance(request, Request):
                request = await wire.hears()
            wire.give(b"\r\n" + granted(request, 100))
            await self.turn()
            match = re.search(rb'instance="[^"]*"', request.need(b"contact"))
            assert match is not None
            found.add(match[0])
        self.assertEqual(len(found), 1)
