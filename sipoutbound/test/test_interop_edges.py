"""
Two edges, a registrar behind them, and clients with a flow to each edge, with machines of their
own: the loss of any one of them costs no call (RFC 5626 3.2, 7, 9).
"""

from __future__ import annotations

import time

from sipoutbound.test.bed import missing
from sipoutbound.test.bed_agent import Agent
from sipoutbound.test.bed_baresip import Baresip
from sipoutbound.test.bed_cluster import UNACKNOWLEDGED, NetTestCase, addressOf, machineOf
from sipoutbound.test.bed_server import Server

# In how many seconds a call has to ring: over another flow than the one that says nothing, or where
# it is known at once what is gone.
SILENT = 2.5
KNOWN = 1.0

# The same where what is gone says so itself.
QUICK = 0.020


class EdgesTests(NetTestCase):
    """
    Bob has a flow to both edges and is behind a NAT; Alice, who calls him, is at the second edge.
    """

    def setUp(self) -> None:
        """
        Start the servers.
        """
        super().setUp()
        self.registrar = self.server("registrar", "--role", "registrar", "--trust", "10.0.0.0/8")
        self.edges = [self.edge(f"edge{number}") for number in (1, 2)]
        self.phone, self.nat = self.internet.natted()
        for server in (self.registrar, *self.edges):
            server.ready()

    def edge(self, name: str) -> Server:
        """
        An edge, launched.
        """
        registrar = f"sip:{addressOf(self.registrar)};transport=tcp"
        return self.server(name, "--role", "edge", "--registrar", registrar, "--trust", "none")

    def agents(self) -> tuple[Agent, Agent]:
        """
        Alice and Bob, who have registered.
        """
        alice = self.agent("alice", self.internet.machine(), self.edges[1])
        bob = self.agent("bob", self.phone, *self.edges)
        alice.registered()
        bob.registered(1)
        bob.registered(2)
        self.assertLess(self.ringing(alice, bob, self.edges[0]), KNOWN)
        return alice, bob

    def ringing(self, alice: Agent, bob: Agent, edge: Server) -> float:
        """
        Alice calls Bob, who has to be called over that edge.

        @return: after how many seconds it rang.
        """
        since = bob.program.mark()
        took = alice.calls("bob")
        self.assertEqual(bob.rung(since), machineOf(edge).address)
        return took

    def test_edgeSilent(self) -> None:
        """
        The machine of an edge is cut off: Bob's phone rings over the other edge, at the first call
        and also when no connection to the silent edge is left. Nobody is signed off.
        """
        alice, bob = self.agents()
        self.internet.cut(machineOf(self.edges[0]))
        for _ in range(3):
            self.assertLess(self.ringing(alice, bob, self.edges[1]), SILENT)
        self.assertEqual([regId for regId, _ in self.registrar.bindings("bob")], [1, 2])
        self.internet.mend()

    def test_flowSilent(self) -> None:
        """
        The way between the phone and the first edge is cut: the phone rings over the second. The
        flow is taken for dead soon after, at the registrar too, and then costs no time.
        """
        alice, bob = self.agents()
        self.internet.cut(machineOf(self.edges[0]), self.nat)
        self.assertLess(self.ringing(alice, bob, self.edges[1]), SILENT)
        left = [2]
        self.until(
            lambda: [regId for regId, _ in self.registrar.bindings("bob")] == left,
            "the dead flow is not bound any more",
            UNACKNOWLEDGED,
        )
        self.assertLess(self.ringing(alice, bob, self.edges[1]), KNOWN)
        self.internet.mend()

    def test_edgeKilled(self) -> None:
        """
        An edge is killed: its machine says so, and the phone rings over the other one in no time.
        Where this machine is too busy for that, it has two more attempts.
        """
        alice, bob = self.agents()
        times: list[float] = []
        while True:
            since = bob.program.mark()
            self.edges[0].kill()
            times.append(self.ringing(alice, bob, self.edges[1]))
            self.assertLess(times[-1], KNOWN)
            if times[-1] < QUICK or len(times) == 3:
                break
            self.edges[0].start()
            bob.registered(1, since)
        self.assertLess(times[-1], QUICK, times)

    def test_registrarRestarted(self) -> None:
        """
        The registrar is killed and started again: who has registered is called as soon as it
        listens.
        """
        alice, bob = self.agents()
        before = self.registrar.bindings("bob")
        self.registrar.kill()
        self.registrar.start()
        self.assertLess(self.ringing(alice, bob, self.edges[0]), KNOWN)
        self.assertEqual(self.registrar.bindings("bob"), before)

    def test_registrarGone(self) -> None:
        """
        The same where the edges could not know that their connections were gone. If they had
        something on the way there, their systems repeat it after twice the time that they have
        waited (RFC 6298 5.5), and only then learn of it.
        """
        alice, bob = self.agents()
        before = self.registrar.bindings("bob")
        began = time.monotonic()
        self.internet.cut(machineOf(self.registrar))
        self.registrar.kill()
        self.registrar.start()
        self.internet.mend()
        away = time.monotonic() - began
        self.assertLess(self.ringing(alice, bob, self.edges[0]), away + KNOWN)
        self.assertEqual(self.registrar.bindings("bob"), before)

    def test_baresip(self) -> None:
        """
        The same two edges with somebody else's client: it rings over its first flow, and when that
        edge is cut off over its second.
        """
        lacking = missing(baresip="baresip-core", stdbuf="coreutils")
        if lacking is not None:
            self.skipTest(lacking)
        alice = self.agent("alice", self.internet.machine(), self.edges[1])
        servers = [addressOf(edge) for edge in self.edges]
        folder, host = self.folder / "bob", self.phone.address
        bob = Baresip("bob", "tcp", 5070, servers, folder, self.phone, host)
        self.addCleanup(bob.stop)
        bob.start()
        for regId in (1, 2):
            bob.registered(regId)
        alice.registered()
        for edge in self.edges:
            since = bob.phone.mark()
            self.assertLess(alice.calls("bob"), SILENT)
            self.assertEqual(bob.invitedFrom(since), addressOf(edge))
            self.internet.cut(machineOf(self.edges[0]))
        self.internet.mend()
