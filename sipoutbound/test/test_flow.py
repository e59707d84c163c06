"""
Flows and their names (RFC 5626 3.4, 5.2).
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from sipoutbound.outbound.flowtoken import DatagramFlow, StreamFlow
from sipoutbound.test.wires import LOCAL, PEER, Place
from sipoutbound.transport.flow import hostport
from sipoutbound.transport.listener import plain


class FlowTests(SynchronousTestCase):
    """
    L{Flow<sipoutbound.transport.flow.Flow>}.
    """

    def setUp(self) -> None:
        """
        A port of each kind.
        """
        self.tcp, self.udp = Place(b"TCP"), Place(b"UDP")

    def test_send(self) -> None:
        """
        What is sent goes to the peer; nothing does over a flow that is dead.
        """
        for place, flow in ((self.tcp, self.tcp.stream()), (self.udp, self.udp.datagram())):
            self.assertTrue(flow.send(b"one"))
            place.flows.died(flow)
            self.assertFalse(flow.send(b"two"))
            self.assertEqual(place.line.written, [(b"one", PEER)])

    def test_notTaken(self) -> None:
        """
        What is not taken is told: it would be waited for in vain.
        """
        flow = self.udp.datagram()
        self.udp.line.takes = False
        self.assertFalse(flow.send(b"one"))

    def test_names(self) -> None:
        """
        How we are reached, in a URI and in a Via (RFC 3261 18.1.1; RFC 3581 3: UDP only).
        """
        stream, datagram = self.tcp.stream(), self.udp.datagram()
        self.assertEqual(stream.name, b"127.0.0.1:5060;transport=tcp")
        self.assertEqual(stream.via, b"SIP/2.0/TCP 127.0.0.1:5060;branch=")
        self.assertEqual(datagram.name, b"127.0.0.1:5060")
        self.assertEqual(datagram.via, b"SIP/2.0/UDP 127.0.0.1:5060;rport;branch=")

    def test_advertised(self) -> None:
        """
        What is advertised takes the place of the address; either names us then.
        """
        place = Place(b"TCP", b"sip.example.com")
        flow = place.stream()
        self.assertEqual(flow.name, b"sip.example.com;transport=tcp")
        self.assertEqual(flow.via, b"SIP/2.0/TCP sip.example.com;branch=")
        self.assertEqual(place.addresses, {b"sip.example.com"})
        self.tcp.stream()
        self.assertEqual(self.tcp.addresses, {b"127.0.0.1:5060"})

    def test_ipv6(self) -> None:
        """
        IPv6 addresses have brackets; a mapped IPv4 address is an IPv4 address to its peer.
        """
        flow = self.udp.datagram(("2001:db8::7", 5070), ("2001:db8::1", 5060))
        self.assertEqual((flow.name, flow.peer), (b"[2001:db8::1]:5060", ("2001:db8::7", 5070)))
        mapped = self.udp.datagram(("::ffff:192.0.2.9", 5070), ("::ffff:192.0.2.1", 5060))
        self.assertEqual((mapped.name, mapped.peer), (b"192.0.2.1:5060", ("192.0.2.9", 5070)))
        self.assertEqual(hostport(("::1", 5060)), b"[::1]:5060")
        self.assertEqual((plain("::ffff:192.0.2.9"), plain("::ffff:1")), ("192.0.2.9", "::ffff:1"))

    def test_identity(self) -> None:
        """
        Each connection is another flow, even from the same address; a UDP flow is its addresses.
        """
        one, other = self.tcp.stream(), self.tcp.stream()
        self.assertNotEqual(one.identity, other.identity)
        self.assertNotEqual(one.token, other.token)
        assert isinstance(one.identity, StreamFlow)
        same, again = self.udp.datagram(), self.udp.datagram()
        self.assertEqual(same.identity, DatagramFlow(b"UDP", LOCAL, PEER))
        self.assertEqual((same.identity, same.token), (again.identity, again.token))

    def test_tokenOnce(self) -> None:
        """
        A token is sealed once: it is in every message.
        """
        flow = self.tcp.stream()
        self.assertIs(flow.token, flow.token)

    def test_beside(self) -> None:
        """
        An answer to a client without C{rport} goes to another port of it; over a connection there
        is no other (RFC 3261 18.2.2).
        """
        flow, stream = self.udp.datagram(), self.tcp.stream()
        self.assertEqual(flow.beside(5070).peer, (PEER[0], 5070))
        self.assertIs(flow.beside(PEER[1]), flow)
        self.assertIs(stream.beside(5070), stream)

    def test_close(self) -> None:
        """
        To close a flow is up to what carries it.
        """
        flow = self.tcp.stream()
        flow.close()
        self.assertEqual((self.tcp.line.dropped, flow.alive), ([flow], False))
