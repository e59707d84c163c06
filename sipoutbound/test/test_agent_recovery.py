"""
Tests of how a user agent comes back after a flow has failed (RFC 5626 4.5).
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred

from sipoutbound.agent.place import Place, locating
from sipoutbound.message.message import Request
from sipoutbound.message.uri import URI
from sipoutbound.test.directories import FakeDirectory
from sipoutbound.test.edge import NOW, Accepted, AgentTestCase, answered, granted
from sipoutbound.test.line import within
from sipoutbound.transport.records import Service
from sipoutbound.useragent import Times, Unreachable, UserAgent


class RecoveryTests(AgentTestCase):
    """
    Waits, to the tenth of a second.
    """

    async def proven(self, wire: Accepted | None = None) -> Accepted:
        """
        Register, and answer one ping.
        """
        found, _ = await self.registered(wire, expires=10_000, flowTimer=b"20")
        connection: Accepted = found
        self.advance(20.1)
        for _ in range(2):
            self.assertEqual(await connection.hears("a ping"), b"\r\n")
        connection.give(b"\r\n")
        await self.turn()
        return connection

    async def comesAfter(self, seconds: float, edge: Any = None) -> Accepted:
        """
        Make sure that nobody comes before a time, and that then somebody does.

        @return: the connection.
        """
        edge = edge or self.edge
        count = edge.count
        if seconds:
            self.advance(seconds - 0.3)
            await self.turn()
            self.assertEqual(edge.count, count, f"before {seconds} s")
            self.advance(0.4)
        since = self.clock.seconds()
        connection: Accepted = await edge.connection()
        self.assertLess(self.clock.seconds() - since, NOW, f"after {seconds} s")
        return connection

    async def refuse(self, wire: Accepted, status: int = 500, *headers: Any) -> None:
        """
        Refuse a REGISTER, and wait until the client has gone.
        """
        wire.give(answered(await self.registers(wire), status, *headers))
        await within(wire.closed, "the end of a connection")
        await self.turn()

    async def test_replaced(self) -> None:
        """
        A flow that was a success is replaced at once: same reg-id, same Call-ID, next CSeq.
        """
        agent = self.agent()
        wire = await self.proven()
        wire.abort()
        _, register = await self.registered(await self.comesAfter(0))
        self.assertEqual(register.cseq.number, 2)
        self.assertEqual(register.need(b"contact")[-9:], b";reg-id=1")
        self.assertTrue(agent.statuses[0].registered)

    async def test_unproven(self) -> None:
        """
        A flow that was lost before its first pong was no success: a server that takes everybody and
        dies is given time.
        """
        self.agent()
        for wait in (60, 120):
            wire, _ = await self.registered(expires=10_000)
            wire.close()
            await within(wire.closed, "the end of a connection")
            await self.turn()
            last = await self.comesAfter(wait)
            self.edge.dialled.put(last)
        self.assertEqual(self.draws[-1], (60, 120))

    async def test_allFailed(self) -> None:
        """
        Nobody reachable: 30 to 60 s after the first failure, then twice that, up to 15 to 30
        minutes, for ever.
        """
        self.agent()
        wire = await self.edge.connection()
        for wait in (60, 120, 240, 480, 960, 1800, 1800, 1800):
            await self.refuse(wire)
            self.assertEqual(self.draws[-1], (wait / 2, wait))
            wire = await self.comesAfter(wait)

    async def test_otherWorks(self) -> None:
        """
        While another flow works there is no hurry: 90 to 180 s, then twice that.
        """
        self.agent(self.edge.tcp, self.other.udp)
        self.other.bound.give(granted(await self.registers(self.other.bound), 100_000))
        await self.until(lambda: self.agents[0].statuses[1].registered, "a registration")
        wire = await self.edge.connection()
        for wait in (180, 360, 720, 1440, 1800, 1800):
            await self.refuse(wire)
            self.assertEqual(self.draws[-1], (wait / 2, wait))
            wire = await self.later(wait)

    async def later(self, seconds: float) -> Accepted:
        """
        As L{comesAfter}, while the other flow's keep-alives are answered.
        """
        for _ in range(int(seconds - 1) // 10):
            self.advance(10)
            await self.turn()
        self.assertEqual(self.edge.dialled.pending, [], f"before {seconds} s")
        self.advance((seconds - 1) % 10 + 1.1)
        since = self.clock.seconds()
        connection = await self.edge.connection()
        self.assertLess(self.clock.seconds() - since, NOW, f"after {seconds} s")
        return connection

    async def test_unreachable(self) -> None:
        """
        A connection that can't be made counts as any other failure.
        """
        await self.edge.deafen()
        agent = self.agent()
        await self.until(lambda: agent.statuses[0].why, "a failure")
        self.assertEqual(self.draws, [(30, 60)])
        self.edge.listen()
        await self.registered(await self.comesAfter(60))
        self.assertTrue(agent.statuses[0].registered)
        self.assertEqual(agent.statuses[0].why, "")

    async def test_noWay(self) -> None:
        """
        Where there is no network, as on a phone in a tunnel, the program is told, the log has no
        traceback, and it is tried again.
        """
        agent = self.agent("sip:255.255.255.255:5060;transport=udp")
        await self.turn()
        self.assertIn("255.255.255.255:5060", agent.statuses[0].why)
        self.advance(60.1)
        await self.turn()
        self.assertEqual(len(self.draws), 2)

    async def test_unanswered(self) -> None:
        """
        So does a REGISTER that nobody answers within 32 s.
        """
        self.agent()
        wire = await self.edge.connection()
        await self.registers(wire)
        self.advance(31.9)
        await self.turn()
        self.assertEqual(self.draws, [])
        since = self.clock.seconds()
        self.advance(0.3)
        await within(wire.closed, "the end of a connection")
        self.assertLess(self.clock.seconds() - since, NOW)
        self.assertEqual(self.draws, [(30, 60)])

    async def test_success(self) -> None:
        """
        After a success the next failure is the first again.
        """
        self.agent()
        wire = await self.edge.connection()
        await self.refuse(wire)
        wire = await self.proven(await self.comesAfter(60))
        wire.abort()
        await self.refuse(await self.edge.connection())
        self.assertEqual(self.draws[-1], (30, 60))

    async def test_times(self) -> None:
        """
        The times are the program's to choose.
        """
        self.agent(times=Times(allFailed=2, longest=5))
        wire = await self.edge.connection()
        for wait in (4, 5, 5):
            await self.refuse(wire)
            wire = await self.comesAfter(wait)

    async def test_retryAfter(self) -> None:
        """
        A server with too much to do says when to come back: neither sooner nor later.
        """
        self.agent()
        await self.refuse(await self.edge.connection(), 503, (b"Retry-After", b"5"))
        await self.registers(await self.comesAfter(5))

    async def test_retryAtOnce(self) -> None:
        """
        C{Retry-After: 0} means at once, but not again and again.
        """
        self.agent()
        await self.refuse(await self.edge.connection(), 503, (b"Retry-After", b"0"))
        wire = await self.edge.connection()
        await self.refuse(wire, 503, (b"Retry-After", b"0"))
        await self.comesAfter(120)

    async def test_retryLater(self) -> None:
        """
        A C{Retry-After} that exceeds the wait makes it longer.
        """
        self.agent()
        await self.refuse(await self.edge.connection())
        await self.refuse(await self.comesAfter(60), 503, (b"Retry-After", b"500"))
        await self.comesAfter(500)

    async def test_otherHost(self) -> None:
        """
        A proxy with two hosts is asked for anew at each attempt, and the host that has refused has
        its turn last.
        """
        asked = []

        async def locate(uri: URI) -> list[Place]:
            asked.append(uri)
            return [Place(b"TCP", ("127.0.0.1", each.port)) for each in (self.edge, self.other)]

        agent = self.agent("sip:edge.example.test", locate=locate)
        await self.refuse(await self.edge.connection(), 503, (b"Retry-After", b"0"))
        await self.registered(await self.other.connection())
        self.assertEqual(len(asked), 2)
        self.assertTrue(agent.statuses[0].registered)

    async def test_services(self) -> None:
        """
        A domain says with SRV records where its proxies are and which is the first; the second is
        asked when that has refused, and the first again when it has its turn.
        """
        ports = (self.edge.port, self.other.port)
        known = {
            "_sip._tcp.edge.test": [
                Service(priority, 1, port, "host.edge.test") for priority, port in enumerate(ports)
            ],
            "host.edge.test": ["127.0.0.1"],
        }
        locate = locating(FakeDirectory(known))
        agent = self.agent("sip:edge.test;transport=tcp", locate=locate)
        await self.refuse(await self.edge.connection())
        await self.refuse(await self.comesAfter(60, self.other))
        wire = await self.comesAfter(120)
        self.edge.dialled.put(wire)
        await self.registered()
        # And requests whose next hop is found by the same records go over that flow.
        asking = agent.request("MESSAGE", agent.aor, routes=["sip:edge.test;transport=tcp;lr"])
        wire.give(answered(await wire.hears()))
        self.assertEqual((await within(asking, "an answer")).status, 200)
        self.assertEqual((self.edge.count, self.other.count), (2, 1))

    async def test_halfKnown(self) -> None:
        """
        A domain has two proxies, and nobody says in time where the second is: the first will do.
        """
        known = {
            "_sip._tcp.edge.test": [
                Service(1, 1, self.edge.port, "127.0.0.1"),
                Service(2, 1, self.other.port, "mute.edge.test"),
            ],
            "mute.edge.test": None,
        }
        agent = self.agent(
            "sip:edge.test;transport=tcp", locate=locating(FakeDirectory(known))
        )
        self.assertEqual(agent.statuses[0].why, "")
        await self.registered()

    async def test_nextHost(self) -> None:
        """
        A host that can't be reached is passed over at once.
        """
        await self.edge.deafen()

        async def locate(uri: URI) -> list[Place]:
            return [Place(b"TCP", ("127.0.0.1", each.port)) for each in (self.edge, self.other)]

        self.agent("sip:edge.example.test", locate=locate)
        await self.registered(await self.other.connection())

    async def test_unknown(self) -> None:
        """
        A name that nobody knows, or a transport that is not there, is a failure as any other; the
        program sees which.
        """

        async def locate(uri: URI) -> list[Place]:
            raise Unreachable(f"nobody knows {uri.host.decode()}")

        agent = self.agent("sip:edge.example.test", locate=locate)
        self.assertIn("nobody knows edge.example.test", agent.statuses[0].why)
        self.assertEqual(self.draws, [(30, 60)])
        agent = self.agent("sip:127.0.0.1;transport=sctp")
        self.assertIn("transport", agent.statuses[0].why)

    async def test_names(self) -> None:
        """
        A name is looked up: in the hosts file, then in the DNS.
        """
        await self.edge.close()
        self.edge.listen("127.0.0.1")
        agent = self.agent(f"sip:localhost:{self.edge.port};transport=tcp")
        await self.registered(await self.edge.connection())
        self.assertTrue(agent.statuses[0].registered)

    async def test_stopLocating(self) -> None:
        """
        Who is stopped while a name is looked up does not connect when it is found.
        """
        looking: Deferred[list[Place]] = Deferred()
        agent = self.agent("sip:edge.example.test", locate=lambda uri: looking)
        await within(agent.stopService(), "the end of the user agent")
        if not looking.called:
            looking.callback([Place(b"TCP", ("127.0.0.1", self.edge.port))])
        await self.turn()
        self.assertEqual(self.edge.count, 0)

    async def test_refusedRefreshes(self) -> None:
        """
        A registrar that refuses each refresh for a while is asked more and more rarely, although
        the proxy answers every ping; once it accepts one, all is forgotten.
        """
        agent = self.agent()
        wire, _ = await self.registered(expires=100, flowTimer=b"20")
        for seconds in (90, 0, 120, 240):
            passed, register = await self.nextRegister(wire)
            self.assertLessEqual(abs(passed - seconds), 2, seconds)
            wire.give(answered(register, 503, (b"Retry-After", b"0")))
        _, register = await self.nextRegister(wire)
        wire.give(granted(register, 100, b"20"))
        for seconds in (90, 0, 120):
            passed, register = await self.nextRegister(wire)
            self.assertLessEqual(abs(passed - seconds), 2, seconds)
            wire.give(answered(register, 503, (b"Retry-After", b"0")))
        self.assertTrue(agent.statuses[0].registered)

    async def nextRegister(self, wire: Accepted) -> tuple[int, Request]:
        """
        Let time pass and answer pings until a REGISTER comes.

        @return: after how many seconds, and the REGISTER.
        """
        for passed in range(2000):
            await self.turn()
            while wire.heard.pending:
                heard = await wire.hears()
                if isinstance(heard, Request):
                    return passed, heard
                self.assertEqual([heard, await wire.hears()], [b"\r\n"] * 2)
                wire.give(b"\r\n")
            await self.turn()
            self.advance(1)
        raise AssertionError("no REGISTER")

    async def test_independent(self) -> None:
        """
        When one flow is lost the other is left alone.
        """
        agent = self.agent(self.edge.tcp, self.other.tcp)
        other, _ = await self.registered(await self.other.connection(), expires=10_000)
        wire, _ = await self.registered(expires=10_000)
        wire.abort()
        await self.until(lambda: not agent.statuses[0].registered, "the loss of a flow")
        self.assertEqual(self.draws[-1], (90, 180))
        self.assertTrue(agent.statuses[1].registered)
        self.assertFalse(other.closed.called)

    async def test_twoAgents(self) -> None:
        """
        What one user agent goes through is of no matter to another.
        """
        for _ in range(2):
            self.agent()
        first, second = await self.edge.connection(), await self.edge.connection()
        await self.refuse(first)
        await self.registered(second)
        found = [each.statuses[0].registered for each in self.agents if isinstance(each, UserAgent)]
        self.assertEqual(sorted(found), [False, True])
