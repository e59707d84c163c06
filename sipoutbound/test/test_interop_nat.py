"""
A client behind a NAT that forgets it, with machines of their own: it stays reachable, and is bound
once (RFC 5626 4.4, 6).
"""

from __future__ import annotations

from sipoutbound.test.bed_agent import Agent
from sipoutbound.test.bed_cluster import UNACKNOWLEDGED, NetTestCase


class NATTests(NetTestCase):
    """
    Bob is behind a NAT, Alice is not.
    """

    def setUp(self) -> None:
        """
        Start the server.
        """
        super().setUp()
        self.registrar = self.server("server")
        self.phone, self.nat = self.internet.natted()
        self.elsewhere = self.internet.machine()
        self.registrar.ready()

    def agents(self, transport: str) -> tuple[Agent, Agent]:
        """
        Alice and Bob, who have registered.
        """
        alice = self.agent("alice", self.elsewhere, self.registrar, transport=transport)
        bob = self.agent("bob", self.phone, self.registrar, transport=transport)
        alice.registered()
        bob.registered()
        return alice, bob

    def forgotten(self, transport: str) -> None:
        """
        Bob is called, the NAT loses its mappings, Bob registers anew and is called again.
        """
        alice, bob = self.agents(transport)
        alice.calls("bob")
        before = self.registrar.bindings("bob")
        since = bob.program.mark()
        self.nat.forgets()
        bob.program.expect("^lost 1", since)
        bob.registered(1, since)
        after = self.registrar.bindings("bob")
        self.assertEqual([regId for regId, _ in after], [1])
        self.assertNotEqual(after, before)
        self.assertLess(alice.calls("bob"), 1)

    def test_datagrams(self) -> None:
        """
        The NAT has another port for Bob after it has forgotten him: STUN tells him, and his new
        registration has taken the place of the old one.
        """
        self.forgotten("udp")

    def test_stream(self) -> None:
        """
        Half of Bob's connection is gone, as the next thing that he sends tells him.
        """
        self.forgotten("tcp")

    def test_halfOpen(self) -> None:
        """
        Bob's connection is cut and nobody says so. A call is sent down it, nothing of that is
        acknowledged, and the server takes it for dead: nobody else waits for him in vain.
        """
        alice, _ = self.agents("tcp")
        self.internet.cut(self.nat)
        since = alice.program.mark()
        alice.program.say("call sip:bob@example.test")
        gone = self.until(lambda: not self.registrar.bindings("bob"), "the binding is gone")
        self.assertLess(gone, UNACKNOWLEDGED + 2)
        alice.program.expect("^final 480", since)
        self.internet.mend()
