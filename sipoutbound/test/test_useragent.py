"""
Tests of the user agent with the real server.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sipoutbound.test.laboratory import WireTestCase, without
from sipoutbound.test.line import within
from sipoutbound.transport.flow import hostport
from sipoutbound.useragent import FinalResponse, Incoming, Reply, UserAgent

TEXT = (("Content-Type", "text/plain"),)


class ReachableTestCase(WireTestCase):
    """
    Tests with user agents.
    """

    def setUp(self) -> None:
        """
        Start the server.
        """
        super().setUp()
        self.agents: list[UserAgent] = []
        self.file = Path(self.mktemp())

    async def agent(self, user: str, *transports: bytes, **changes: Any) -> UserAgent:
        """
        A user agent that is registered over a flow of each transport.
        """
        proxies = []
        for transport in transports:
            address = hostport(self.laboratory.addresses()[transport]).decode()
            proxies.append(f"sip:{address};transport={transport.decode().lower()}")
        given = {"draw": lambda least, most: most, **changes}
        file = self.file.with_name(user)
        agent = UserAgent(self.laboratory.clock, f"sip:{user}@example.test", proxies, file, **given)
        # The laboratory is closed in a cleanup that was added before.
        self.addCleanup(self.stopped, agent)
        self.agents.append(agent)
        agent.startService()
        await self.up(agent)
        return agent

    async def stopped(self, agent: UserAgent) -> None:
        """
        Stop it, if it runs.
        """
        if agent.running:
            stopping = agent.stopService()
            for _ in range(3):
                await self.laboratory.turn()
                self.advance(2)
            await within(stopping, "the end of the user agent")
        await self.laboratory.turn()

    async def up(self, agent: UserAgent) -> None:
        """
        Wait until all its flows are registered.
        """
        await self.laboratory.until(
            lambda: all(status.outbound for status in agent.statuses), "a registration"
        )

    async def bound(self, agent: UserAgent) -> list[bytes]:
        """
        The bindings of its user, as the server tells them.
        """
        asking = agent.request("REGISTER", "sip:example.test", to=agent.aor)
        return (await within(asking, "an answer")).message.all(b"contact")

    def lose(self, number: int = 0) -> None:
        """
        Break one of the server's connections off.
        """
        tuple(self.laboratory.server.flows.streams())[number].close()

    async def passes(self, seconds: int) -> None:
        """
        Let time pass in which everybody is heard.
        """
        for _ in range(seconds):
            self.advance(1)
            await self.laboratory.turn()


class UserAgentTests(ReachableTestCase):
    """
    L{UserAgent} over TCP and UDP.
    """

    async def test_flows(self) -> None:
        """
        The server has a binding for each flow, of one instance.
        """
        agent = await self.agent("bot", b"TCP", b"UDP", b"TCP", b"UDP")
        bindings = await self.bound(agent)
        self.assertEqual(len(bindings), 4)
        for regId, text in enumerate(sorted(bindings, key=lambda text: text[-20:]), 1):
            self.assertIn(agent.instanceId.encode(), text)
            self.assertTrue(any(b";reg-id=%d;" % regId in each + b";" for each in bindings))

    async def test_kept(self) -> None:
        """
        For an hour both are kept alive and refreshed: no flow is formed anew.
        """
        told: list[Any] = []
        agent = await self.agent("bot", b"TCP", b"UDP", changed=told.append, expires=300)
        before = await self.bound(agent)
        told.clear()
        await self.passes(3600)
        after = await self.bound(agent)
        self.assertEqual(
            sorted(text.partition(b">")[0] for text in after),
            sorted(text.partition(b">")[0] for text in before),
        )
        self.assertEqual(told, [])

    async def test_restart(self) -> None:
        """
        After a restart its bindings have replaced the old ones, even if it had no time to say so.
        """
        agent = await self.agent("bot", b"TCP", b"UDP")
        killed = len(await self.bound(agent))
        again = await self.agent("bot", b"TCP", b"UDP")
        self.assertEqual(again.instanceId, agent.instanceId)
        self.assertEqual((killed, len(await self.bound(again))), (2, 2))

    async def test_stopped(self) -> None:
        """
        Who has stopped is not called any more.
        """
        agent = await self.agent("bot", b"TCP", b"UDP")
        alice = await self.registered(b"alice")
        await within(agent.stopService(), "the end of the user agent")
        alice.ask(b"MESSAGE", b"sip:bot@example.test")
        await alice.told(480)

    async def test_messages(self) -> None:
        """
        Messages come and go, whichever transport.
        """
        for transport in (b"TCP", b"UDP"):
            seen: list[str] = []

            def answer(incoming: Incoming, seen: list[str] = seen) -> int:
                seen.append(incoming.text)
                return 202

            agent = await self.agent("bot", transport, answer=answer)
            alice = await self.registered(b"alice")
            plain = (b"Content-Type", b"text/plain")
            alice.ask(b"MESSAGE", b"sip:bot@example.test", [plain], b"hi")
            await alice.told(202)
            asking = agent.request("MESSAGE", "sip:alice@example.test", TEXT, b"hello")
            message = await alice.asked(b"MESSAGE")
            self.assertEqual((message.body, seen), (b"hello", ["hi"]))
            alice.answer(message, 200)
            self.assertEqual((await within(asking, "an answer")).status, 200)
            await self.stopped(agent)

    async def test_lost(self) -> None:
        """
        When a flow is lost the other is called, and goes on; the lost one is replaced.
        """
        agent = await self.agent("bot", b"TCP", b"UDP", answer=lambda incoming: 200)
        alice = await self.registered(b"alice")
        self.lose()
        await self.laboratory.until(lambda: not agent.statuses[0].registered, "the loss of a flow")
        alice.ask(b"MESSAGE", b"sip:bot@example.test")
        await alice.told(200)
        asking = agent.request("MESSAGE", "sip:alice@example.test", TEXT, b"hello")
        alice.answer(await alice.asked(b"MESSAGE"), 200)
        self.assertEqual((await within(asking, "an answer")).status, 200)
        # No ping was answered yet: it was no success, and the other flow works.
        await self.passes(179)
        self.assertFalse(agent.statuses[0].registered)
        self.advance(2)
        await self.up(agent)
        self.assertEqual(len(await self.bound(agent)), 2)

    async def test_lostProven(self) -> None:
        """
        A flow that has proved itself is replaced at once.
        """
        agent = await self.agent("bot", b"TCP", answer=lambda incoming: 200)
        await self.passes(121)
        told: list[Any] = []
        agent.changed = told.append
        self.lose()
        await self.laboratory.until(lambda: len(told) == 2, "a loss and a registration")
        self.assertEqual([status.registered for status in told], [False, True])
        alice = await self.registered(b"alice")
        alice.ask(b"MESSAGE", b"sip:bot@example.test")
        await alice.told(200)

    async def talking(
        self, caller: UserAgent, user: str, taken: list[Incoming]
    ) -> tuple[FinalResponse, Incoming]:
        """
        A call between two of them.
        """
        final = await within(caller.invite(f"sip:{user}@example.test", b"v=0\r\n"), "an answer")
        self.assertEqual((final.status, final.body), (200, b"v=1\r\n"))
        return final, taken[-1]

    async def test_calls(self) -> None:
        """
        Two of them talk, each transport with each; either side hangs up.
        """
        taken: list[Incoming] = []

        async def answer(incoming: Incoming) -> Reply:
            taken.append(incoming)
            incoming.provisional()
            return Reply(200, b"v=1\r\n", (("Content-Type", "application/sdp"),))

        for one, other in ((b"TCP", b"UDP"), (b"UDP", b"TCP"), (b"TCP", b"TCP")):
            carol = await self.agent("carol", one)
            dave = await self.agent("dave", other, answer=answer)
            for hangsUp in (True, False):
                final, incoming = await self.talking(carol, "dave", taken)
                assert final.dialog is not None and incoming.dialog is not None
                sides = [final.dialog, incoming.dialog]
                first, second = sides if hangsUp else sides[::-1]
                ended = second.whenEnded()
                self.assertEqual((await within(first.bye(), "an answer")).status, 200)
                await within(ended, "the end of the call")
            # The ACK has arrived: nothing is repeated.
            self.advance(20)
            await self.laboratory.turn()
            for agent in (carol, dave):
                await self.stopped(agent)

    async def test_overloaded(self) -> None:
        """
        A server with too much to do is asked again when it says, and the client finds back.
        """
        agent = await self.agent("bot", b"TCP", answer=lambda incoming: 200)
        await self.passes(121)
        room, self.laboratory.server.stack.room = self.laboratory.server.stack.room, 0
        self.lose()
        await self.laboratory.until(lambda: "503" in agent.statuses[0].why, "a refusal")
        self.laboratory.server.stack.room = room
        self.advance(4.9)
        await self.laboratory.turn()
        self.assertFalse(agent.statuses[0].registered)
        self.advance(0.2)
        await self.up(agent)
        alice = await self.registered(b"alice")
        alice.ask(b"MESSAGE", b"sip:bot@example.test")
        await alice.told(200)


class IPv6Tests(ReachableTestCase):
    """
    The same over IPv6.
    """

    interface = "::1"
    skip = without("::1")

    async def test_flows(self) -> None:
        """
        A client that has IPv6 only is reachable, asks, and keeps its flows.
        """
        agent = await self.agent("bot", b"TCP", b"UDP", answer=lambda incoming: 200)
        bindings = await self.bound(agent)
        self.assertTrue(all(b"@[::1]:" in text for text in bindings) and len(bindings) == 2)
        await self.passes(200)
        alice = await self.registered(b"alice")
        for number in range(2):
            alice.ask(b"MESSAGE", b"sip:bot@example.test")
            await alice.told(200)
            if not number:
                self.lose()
                await self.laboratory.turn()
