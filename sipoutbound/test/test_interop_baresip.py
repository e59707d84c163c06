"""
baresip phones, each with two flows, call each other through the server. They are in a network in
which a connection to a phone is refused, so that a call over TCP arrives over a registered flow or
not at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from sipoutbound.test.bed import CLIENT_PORTS, LOOPBACK, Namespace, freePorts, missing
from sipoutbound.test.bed_baresip import Baresip
from sipoutbound.test.bed_server import Server


class BaresipTestCase(SynchronousTestCase):
    """
    Ursula's phone is on UDP, Theo's on TCP.
    """

    skip = missing(baresip="baresip-core", stdbuf="coreutils")

    def setUp(self) -> None:
        """
        Start the server and both phones, and wait until all four flows are registered.
        """
        reason = Namespace.impossible()
        if reason is not None:
            self.skipTest(reason)
        self.network = Namespace().open()
        self.addCleanup(self.network.close)
        self.folder = Path(self.mktemp()).resolve()
        self.ports = self.served()
        self.ursula = self.phone("ursula", "udp", CLIENT_PORTS[0])
        self.theo = self.phone("theo", "tcp", CLIENT_PORTS[10])

    def served(self) -> Sequence[int]:
        """
        Start what the phones register with.

        @return: its two ports.
        """
        server = Server(self.folder / "server", self.network, freePorts(2)).start()
        self.addCleanup(server.stop)
        return server.ports

    def phone(self, user: str, transport: str, port: int) -> Baresip:
        """
        @return: a phone that has registered both its flows.
        """
        servers = [f"{LOOPBACK}:{each}" for each in self.ports]
        phone = Baresip(user, transport, port, servers, self.folder / user, self.network)
        self.addCleanup(phone.stop)
        phone.start()
        bindings = {phone.registered(regId) for regId in (1, 2)}
        self.assertIn(2, bindings, phone.phone.tail())
        return phone

    def call(self, caller: Baresip, callee: Baresip) -> None:
        """
        Make a call and wait until both phones say that it is up.
        """
        marks = caller.control.mark(), callee.control.mark()
        caller.dial(callee.user)
        caller.expectCall("ESTABLISHED", marks[0])
        callee.expectCall("ESTABLISHED", marks[1])

    def end(self, one: Baresip, other: Baresip) -> None:
        """
        Let one phone hang up and wait until both say that the call is over.
        """
        marks = one.control.mark(), other.control.mark()
        one.hangUp()
        one.expectCall("CLOSED", marks[0])
        other.expectCall("CLOSED", marks[1])

    def callToTheo(self) -> int:
        """
        @return: the port of the server from which Theo's phone was called.
        """
        before = self.theo.phone.mark()
        self.call(self.ursula, self.theo)
        server = self.theo.invitedFrom(before)
        self.end(self.theo, self.ursula)
        return int(server.rpartition(":")[2])


class BaresipTests(BaresipTestCase):
    """
    With our server alone.
    """

    def test_registered(self) -> None:
        """
        Each phone is told of both its flows: two bindings of one instance, and no more after the
        second phone registered.
        """
        self.assertEqual(max(self.ursula.registered(regId) for regId in (1, 2)), 2)
        self.assertEqual(max(self.theo.registered(regId) for regId in (1, 2)), 2)

    def test_fromUDPToTCP(self) -> None:
        """
        A phone on UDP reaches one on TCP, and either can hang up: the other's call ends too.
        """
        self.call(self.ursula, self.theo)
        self.end(self.ursula, self.theo)
        self.call(self.ursula, self.theo)
        self.end(self.theo, self.ursula)

    def test_fromTCPToUDP(self) -> None:
        """
        A phone on TCP reaches one on UDP, and either can hang up: the other's call ends too.
        """
        self.call(self.theo, self.ursula)
        self.end(self.theo, self.ursula)
        self.call(self.theo, self.ursula)
        self.end(self.ursula, self.theo)

    def test_secondFlow(self) -> None:
        """
        A phone is called over its first flow, and after that connection was cut over its second,
        at once.
        """
        first, second = self.ports
        self.assertEqual(self.callToTheo(), first)
        if not self.network.cut(first):
            self.skipTest("this kernel cannot cut connections (CONFIG_INET_DIAG_DESTROY)")
        self.assertEqual(self.callToTheo(), second)
