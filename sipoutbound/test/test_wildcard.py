"""
A UDP port on all addresses: who asks one of them hears from that one (RFC 3581 4).
"""

from __future__ import annotations

import socket
from struct import pack

from sipoutbound.outbound.flowtoken import DatagramFlow
from sipoutbound.test.doubles import request
from sipoutbound.test.laboratory import without
from sipoutbound.test.sockets import SocketTestCase
from sipoutbound.transport import wildcard
from sipoutbound.transport.listen import DatagramService
from sipoutbound.transport.packetinfo import addressIn
from sipoutbound.transport.wildcard import Wildcard, outward

# A binding request of STUN (RFC 8489 5): type, length, cookie, transaction id.
STUN = b"\x00\x01\x00\x00\x21\x12\xa4\x42" + b"transaction."


def linked() -> str:
    """
    An address of this machine on one of its links, with the name of that; empty where it has none.
    """
    for number, name in socket.if_nameindex():
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            try:
                # All nodes of the link (RFC 4291 2.7.1); nothing is sent.
                probe.connect(("ff02::1", 9, 0, number))
            except OSError:
                continue
            host: str = probe.getsockname()[0]
            if host.startswith("fe80:"):
                return host.partition("%")[0] + "%" + name
    return ""


class WildcardTests(SocketTestCase):
    """
    All addresses of IPv4, of which loopback has many.
    """

    interface = "0.0.0.0"
    ours: tuple[str, ...] = ("127.0.0.1", "127.0.0.2", "127.1.2.3")
    spelling = ""

    def setUp(self) -> None:
        """
        The service.
        """
        super().setUp()
        self.service: DatagramService = self.served(self.interface)
        self.number = self.service.address[1]

    def local(self, host: str) -> str:
        """
        An address as the socket spells it.
        """
        return host if ":" in host else self.spelling + host

    async def test_stun(self) -> None:
        """
        STUN is answered from where it was sent to: a NAT would let nothing else in.
        """
        for host in self.ours:
            client = self.client(host)
            client.sendto(STUN, (host, self.number))
            answer, source = await self.heard(client)
            self.assertEqual((answer[8:20], source), (b"transaction.", (host, self.number)))

    async def test_flows(self) -> None:
        """
        A client that knows us by two addresses has a flow to each: what is sent down one leaves
        from its address, also when it is found by its token, and its name is that address.
        """
        client = self.client(self.ours[0])
        for host in self.ours:
            if (":" in host) != (":" in self.ours[0]):
                continue
            client.sendto(bytes(request(b"MESSAGE")), (host, self.number))
            await self.until(lambda: self.place.messages)
            ((flow, _),) = self.place.messages
            self.place.messages.clear()
            self.assertIs(self.place.flows.find(flow.token), flow)
            flow.send(b"answer")
            self.assertEqual(await self.heard(client), (b"answer", (host, self.number)))
            self.assertTrue(flow.name.startswith(host.encode() + b":"), flow.name)
            self.assertTrue(flow.via.startswith(b"SIP/2.0/UDP " + host.encode()), flow.via)
            other = self.client(self.ours[0])
            flow.beside(other.getsockname()[1]).send(b"beside")
            self.assertEqual(await self.heard(other), (b"beside", (host, self.number)))

    async def test_afterRestart(self) -> None:
        """
        A phone is called from the address that it registered at, though nothing has come to that
        one in this run.
        """
        host = self.ours[1]
        client = self.client(self.ours[0])
        peer = client.getsockname()[:2]
        local = self.local(host), self.number
        identity = DatagramFlow(b"UDP", local, (self.local(peer[0]), peer[1]))
        flow = self.place.flows.find(self.place.flows.keys.seal(identity))
        assert flow is not None
        flow.send(b"call")
        self.assertEqual(await self.heard(client), (b"call", (host, self.number)))

    async def test_otherAddress(self) -> None:
        """
        A flow of another port is none of ours; one of an address that the machine has no longer
        takes nothing.
        """
        peer = self.local("127.0.0.9"), 9
        find, seal = self.place.flows.find, self.place.flows.keys.seal
        moved = DatagramFlow(b"UDP", (self.local("127.0.0.1"), self.number ^ 1), peer)
        self.assertIsNone(find(seal(moved)))
        gone = find(seal(DatagramFlow(b"UDP", (self.local("192.0.2.1"), self.number), peer)))
        assert gone is not None
        self.assertFalse(gone.send(b"lost"))

    async def test_outward(self) -> None:
        """
        Who has not sent anything is sent to from the address that the system chooses for it.
        """
        (port,) = self.place.flows.ports
        for host in ("127.0.0.1", "127.0.0.5"):
            client = self.client(host)
            flow = port.flowTo(client.getsockname())
            self.assertEqual(flow.identity.local[0], self.local("127.0.0.1"))
            flow.send(b"request")
            self.assertEqual(await self.heard(client), (b"request", ("127.0.0.1", self.number)))

    async def test_many(self) -> None:
        """
        Who can send to very many addresses of ours does not fill the memory.
        """
        self.patch(wildcard, "MOST", 2)
        client = self.client("127.0.0.1")
        for host in ("127.0.0.1", "127.0.0.2", "127.0.0.3"):
            client.sendto(STUN, (host, self.number))
        client.sendto(STUN, ("127.0.0.2", self.number))
        sources = [(await self.heard(client))[1][0] for _ in range(3)]
        self.assertEqual(sources, ["127.0.0.1", "127.0.0.2", "127.0.0.2"])
        local = self.local("127.0.0.3"), self.number
        identity = DatagramFlow(b"UDP", local, (self.local("127.0.0.9"), 9))
        self.assertIsNone(self.place.flows.find(self.place.flows.keys.seal(identity)))


class BothTests(WildcardTests):
    """
    All addresses of IPv6 and IPv4, on one socket.
    """

    skip = without("::1")
    interface = "::"
    ours = ("127.0.0.1", "127.0.0.2", "::1")
    spelling = "::ffff:"


class AddressTests(SocketTestCase):
    """
    What the kernel tells of a datagram.
    """

    def test_multicast(self) -> None:
        """
        What comes to a group of IPv6 is answered from an address of our own.
        """
        group = b"\xff\x02" + bytes(13) + b"\1" + pack("=i", 1)
        told = [(socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, group)]
        self.assertIsNone(addressIn(told))
        self.assertIsNone(addressIn([]))

    async def test_notTold(self) -> None:
        """
        Where the kernel tells nothing the answer leaves from an address that leads to the peer.
        """
        service = self.served("0.0.0.0")
        service.opened.setsockopt(socket.IPPROTO_IP, 8, 0)
        client = self.client("127.0.0.1")
        client.sendto(STUN, ("127.0.0.2", service.address[1]))
        _, source = await self.heard(client)
        self.assertEqual(source, ("127.0.0.1", service.address[1]))

    def test_noWay(self) -> None:
        """
        Nobody may send to the broadcast address without saying so: no address is chosen.
        """
        self.assertEqual(outward("0.0.0.0", ("255.255.255.255", 5070)), "0.0.0.0")
        self.assertEqual(outward("0.0.0.0", ("127.0.0.5", 5070)), "127.0.0.1")

    def test_cheap(self) -> None:
        """
        A port on one address asks for nothing: that would cost each datagram time.
        """
        self.served("127.0.0.1")
        (port,) = self.place.flows.ports
        self.assertNotIsInstance(port, Wildcard)
        self.assertEqual(port.socket.getsockopt(socket.IPPROTO_IP, 8), 0)


class LinkTests(SocketTestCase):
    """
    Clients on a link of ours, which have no other address (RFC 4291 2.5.6).
    """

    skip = None if linked() else "no address of a link here: fe80::"

    async def test_flow(self) -> None:
        """
        They are answered, and found by their tokens; what is written of them says nothing of the
        link.
        """
        service = self.served("::")
        host, _, name = linked().partition("%")
        link = 0, socket.if_nametoindex(name)
        client = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        self.addCleanup(client.close)
        client.bind((host, 0, *link))
        client.setblocking(False)
        peer = client.getsockname()[:2]
        client.sendto(STUN, (host, service.address[1], *link))
        answer, source = await self.heard(client)
        self.assertEqual((answer[:2], source[1]), (b"\x01\x01", service.address[1]))
        client.sendto(bytes(request(b"MESSAGE")), (host, service.address[1], *link))
        await self.until(lambda: self.place.messages)
        ((flow, _),) = self.place.messages
        self.assertEqual(flow.peer, (host, peer[1]))
        self.assertNotIn(b"%", flow.name + flow.via)
        self.assertIs(self.place.flows.find(flow.token), flow)
        flow.send(b"answer")
        self.assertEqual((await self.heard(client))[0], b"answer")
