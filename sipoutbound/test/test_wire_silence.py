"""
Flows and edges that say nothing, as seen by a registrar behind them: no caller waits for long while
the phone has another flow (RFC 5626 7).
"""

from __future__ import annotations

from typing import Any, Final

from sipoutbound.message.message import Request
from sipoutbound.routing.branch import SILENCE, TIMER_C
from sipoutbound.settings import LOOPBACK as THIS_MACHINE
from sipoutbound.test.cluster import ClusterTestCase
from sipoutbound.test.edges import Edge
from sipoutbound.test.laboratory import WireTestCase
from sipoutbound.test.phone import Phone

#: What is added to a time to have it over.
MORE: Final = 0.1


class SilenceTests(ClusterTestCase):
    """
    Bob's phone is registered over both edges, Alice calls over the second.
    """

    async def calls(self, callee: Phone) -> tuple[Phone, Request]:
        """
        A caller whose call has come to a phone, and that has been told to wait.
        """
        alice = await self.phone(1, b"alice")
        alice.ask(b"INVITE", callee.aor)
        invite = await callee.asked(b"INVITE")
        for server in (self.registrar, *self.edges):
            await server.turn()
        return alice, invite

    async def test_flow(self) -> None:
        """
        The edge has the call and says so, but the phone does not answer over it: after two seconds
        it rings over the other edge. Its registrations stay.
        """
        first, second = await self.flows(b"bob")
        alice, _ = await self.calls(first)
        self.registrar.clock.advance(SILENCE - MORE)
        await second.hearsNothing()
        self.registrar.clock.advance(2 * MORE)
        second.answer(await second.asked(b"INVITE"), 180)
        await alice.told(180)
        self.assertEqual(self.bindings(), 2)

    async def test_awakesLater(self) -> None:
        """
        The call arrives over the silent flow after all: the phone does not ring twice.
        """
        first, second = await self.flows(b"bob")
        alice, invite = await self.calls(first)
        self.registrar.clock.advance(SILENCE + MORE)
        again = await second.asked(b"INVITE")
        first.answer(invite, 180)
        cancel = await first.asked(b"CANCEL")
        self.assertEqual(cancel.callId, invite.callId)
        second.answer(again, 200)
        await alice.told(200)

    async def test_onlyFlow(self) -> None:
        """
        A phone that has no other flow is given all the time there is, also over an edge.
        """
        bob = await self.phone(0, b"bob")
        await bob.registered()
        alice, invite = await self.calls(bob)
        self.registrar.clock.advance(2 * SILENCE)
        bob.answer(invite, 180)
        await alice.told(180)

    async def test_noOther(self) -> None:
        """
        The other flow fails as well: the caller is told at once, and does not wait for the first.
        """
        first, second = await self.flows(b"bob")
        alice, _ = await self.calls(first)
        self.registrar.clock.advance(SILENCE + MORE)
        invite = await second.asked(b"INVITE")
        second.answer(invite, 430)
        await alice.told(480)

    async def test_ringsForLong(self) -> None:
        """
        Once it rings, nothing else is tried, however long nobody picks up.
        """
        first, second = await self.flows(b"bob")
        alice, invite = await self.calls(first)
        first.answer(invite, 180)
        await alice.told(180)
        self.registrar.clock.advance(TIMER_C - 1)
        await second.hearsNothing()

    async def test_noConnection(self) -> None:
        """
        The edge's machine is gone and says nothing to the connection that is asked for: the phone
        rings over the other one as soon as with a silent flow.
        """
        first, second = await self.flows(b"bob")
        alice = await self.phone(1, b"alice")
        self.vanish()
        alice.ask(b"INVITE", first.aor)
        await alice.told(100)
        await self.registrar.until(lambda: self.registrar.server.stack.servers, "the call is there")
        self.registrar.clock.advance(SILENCE + MORE)
        second.answer(await second.asked(b"INVITE"), 180)
        await alice.told(180)
        self.assertEqual(self.bindings(), 2)

    def vanish(self) -> None:
        """
        From now on nobody answers the registrar at the first edge's address.
        """
        clock: Any = self.registrar.clock
        edge, connect = self.edges[0].addresses()[b"TCP"], clock.connectTCP

        def lost(host: str, port: int, *given: Any, **more: Any) -> Any:
            return None if (host, port) == edge else connect(host, port, *given, **more)

        clock.connectTCP = lost

    async def test_connectionBreaks(self) -> None:
        """
        The connection to a silent edge is given up by the system while a call waits for it: that
        gives the edge no more time than it had.
        """
        first, second = await self.flows(b"bob")
        alice = await self.phone(1, b"alice")
        alice.ask(b"MESSAGE", first.aor)
        first.answer(await first.asked(b"MESSAGE"), 200)
        await alice.told(200)
        for port in self.edges[0].server.ports:
            port.listener.received = lambda flow, message: None
        began = self.registrar.clock.seconds()
        alice.ask(b"INVITE", first.aor)
        await alice.told(100)
        stack = self.registrar.server.stack
        await self.registrar.until(lambda: stack.clients, "the call has left")
        flows, edge = self.registrar.server.flows, self.edges[0].addresses()[b"TCP"]
        self.registrar.clock.advance(SILENCE - MORE)
        self.vanish()
        connection = flows.connection(edge)
        assert connection is not None
        connection.close()
        self.registrar.clock.advance(2 * MORE)
        second.answer(await second.asked(b"INVITE"), 180)
        self.assertLess(self.registrar.clock.seconds() - began, SILENCE + 1)
        await alice.told(180)


class MixedSilenceTests(WireTestCase):
    """
    A phone registered over an edge, and over a flow to the registrar itself.
    """

    # The edge of the test is on this machine.
    trust = THIS_MACHINE

    async def test_otherGone(self) -> None:
        """
        The other flow breaks while the first is silent: nothing is left to be tried, and the call
        is given up when a call that rings would be, not never.
        """
        edge = Edge(await self.phone(b"bob"))
        await edge.granted(edge.side.binding(), [edge.path(b"token")])
        second = await self.registered(b"bob", b"TCP", 2, like=edge.side)
        alice = await self.phone(b"alice")
        alice.ask(b"INVITE", edge.side.aor)
        await edge.asked(b"INVITE", 100)
        await self.laboratory.turn()
        await second.abort()
        await self.laboratory.turn()
        self.advance(SILENCE + MORE)
        await alice.told(100)
        self.advance(TIMER_C)
        await edge.side.asked(b"CANCEL")
        await alice.told(408)
