"""
Peers without a flow to us: which port, which connection, or no way (RFC 3261 8.1.2, 18.1.1).
"""

from __future__ import annotations

from socket import SOCK_STREAM
from typing import Any

from attrs import define, field
from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase, TestCase

from sipoutbound.interfaces import Address, IHops, Unreachable
from sipoutbound.message.uri import URI
from sipoutbound.test.directories import FakeDirectory
from sipoutbound.test.wires import FakeTransport, Place
from sipoutbound.transport.flow import Flow
from sipoutbound.transport.listen import StreamService, bound
from sipoutbound.transport.nexthop import CONNECT_TIMEOUT, IMPATIENT, LOOKUP_TIMEOUT, NextHops

LOOPBACK = "127.0.0.1"


@define(eq=False)
class FakePort:
    """
    A UDP port.
    """

    local: Address
    asked: list[Address] = field(factory=list)

    def flowTo(self, peer: Address) -> Flow:
        """
        Note who was asked for.
        """
        self.asked.append(peer)
        return Place(b"UDP").datagram(peer)


class FakeReactor(Clock):
    """
    A reactor that knows how long it takes to be refused.

    @ivar listening: who takes connections; any other refuses.
    @ivar dialled: who was called.
    @ivar timeouts: for how long each was to be waited for.
    """

    def __init__(self, *listening: str) -> None:
        super().__init__()
        self.listening = listening
        self.dialled: list[str] = []
        self.timeouts: list[float] = []
        self.delay = 0.0

    def connectTCP(self, host: str, port: int, factory: Any, timeout: float) -> None:
        """
        Let it be refused, or connect.
        """
        self.dialled.append(host)
        self.timeouts.append(timeout)
        if host in self.listening:
            factory.buildProtocol(None).makeConnection(FakeTransport((host, port)))
        else:
            self.callLater(self.delay, factory.clientConnectionFailed, None, Failure(OSError("no")))


class DatagramTests(SynchronousTestCase):
    """
    Over UDP, from the port that reaches the peer.
    """

    def reach(self, uri: bytes, *ports: str) -> Deferred[Flow]:
        """
        Reach a URI from ports with these local addresses.
        """
        place = Place(b"TCP")
        self.ports = [FakePort((host, 5060)) for host in ports]
        for port in self.ports:
            place.flows.addPort(port)
        self.reactor = FakeReactor()
        directory = FakeDirectory(
            {
                "phone.example.com": ["192.0.2.7", "192.0.2.8"],
                "both.example.com": ["2001:db8::7", "192.0.2.7"],
                "slow.example.com": Deferred(),
                "silent.example.com": None,
            }
        )
        hops = NextHops(self.reactor, place.listener, directory)
        return reached(hops.towards(URI.parse(uri), b"call"))

    def asked(self) -> list[list[Address]]:
        """
        Whom each port was asked for.
        """
        return [port.asked for port in self.ports]

    def unreachable(self, uri: bytes, *ports: str) -> None:
        """
        Check that there is no way.
        """
        self.failureResultOf(self.reach(uri, *ports), Unreachable)

    def test_address(self) -> None:
        """
        Where the URI says, 5060 by default; C{maddr} goes before the host (RFC 3261 19.1.1).
        """
        for uri, peer in (
            (b"sip:b@192.0.2.7", ("192.0.2.7", 5060)),
            (b"sip:b@192.0.2.7:5070;transport=UDP", ("192.0.2.7", 5070)),
            (b"sip:b@192.0.2.7:5070;maddr=192.0.2.9", ("192.0.2.9", 5070)),
            (b"sip:b@phone.example.com", ("192.0.2.7", 5060)),
        ):
            flow = self.successResultOf(self.reach(uri, "192.0.2.1"))
            self.assertEqual((flow.peer, self.asked()), (peer, [[peer]]))

    def test_port(self) -> None:
        """
        From a port that reaches it: loopback from loopback, each family from its own, the first.
        """
        for uri, ports, chosen in (
            (b"sip:b@192.0.2.7", ("127.0.0.1", "192.0.2.1", "192.0.2.2"), 1),
            (b"sip:b@127.0.0.1:17000", ("192.0.2.1", "127.0.0.1"), 1),
            (b"sip:b@127.0.0.1:17000", ("0.0.0.0",), 0),
            (b"sip:b@192.0.2.7", ("::1", "0.0.0.0"), 1),
            (b"sip:b@[2001:db8::7]", ("192.0.2.1", "0.0.0.0", "2001:db8::1"), 2),
            (b"sip:b@[::1]:17000", ("127.0.0.1", "::1"), 1),
            (b"sip:b@192.0.2.7", ("::",), 0),
        ):
            self.successResultOf(self.reach(uri, *ports))
            expected = [1 if at == chosen else 0 for at in range(len(ports))]
            self.assertEqual([len(peers) for peers in self.asked()], expected, uri)

    def test_unreachable(self) -> None:
        """
        No port, no address, no transport of ours: no way, told in one line.
        """
        self.unreachable(b"sip:b@192.0.2.7")
        self.unreachable(b"sip:b@192.0.2.7", "127.0.0.1", "2001:db8::1")
        self.unreachable(b"sip:b@nowhere.example.com", "192.0.2.1")
        for uri in (b"sips:b@192.0.2.7", b"sip:b@192.0.2.7;transport=sctp", b"tel:+1"):
            self.unreachable(uri, "192.0.2.1")


    def test_noName(self) -> None:
        """
        What can't be a host name is not looked up: the system's resolver may fail on it so badly
        that the caller would never get an answer.
        """
        label = b"a" * 64
        for host in (b"a..b", label + b".example.com", b".", b"a." + b".".join([label[:63]] * 4)):
            uri = b"sip:b@x;maddr=" + host
            error = self.failureResultOf(self.reach(uri, "192.0.2.1"), Unreachable).value
            self.assertIn("no host name", str(error), host)
        flow = self.successResultOf(self.reach(b"sip:b@phone.example.com", "192.0.2.1"))
        self.assertEqual(flow.peer[0], "192.0.2.7")

    def test_slow(self) -> None:
        """
        A look-up that does not end is given up: the caller is told, and nothing is left behind.
        """
        reaching = self.reach(b"sip:b@slow.example.com", "192.0.2.1")
        self.reactor.advance(LOOKUP_TIMEOUT - 1)
        self.assertNoResult(reaching)
        self.reactor.advance(2)
        self.failureResultOf(reaching, Unreachable)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_silent(self) -> None:
        """
        The same at once where the DNS itself has given up.
        """
        self.unreachable(b"sip:b@silent.example.com", "192.0.2.1")

    def test_otherFamily(self) -> None:
        """
        A name with an address of each kind is reached by the kind that we have.
        """
        flow = self.successResultOf(self.reach(b"sip:b@both.example.com", "192.0.2.1"))
        self.assertEqual(flow.peer, ("192.0.2.7", 5060))


def reached(hops: IHops) -> Deferred[Any]:
    """
    The flow to the next address.
    """
    return Deferred.fromCoroutine(hops.next())


class AddressTests(SynchronousTestCase):
    """
    A name with several addresses, over TCP (RFC 3263 4.2, 4.3).
    """

    delay = 0.0

    def reach(self, *addresses: str, listening: tuple[str, ...] = ()) -> Deferred[Flow]:
        """
        Reach a name that has these addresses.
        """
        self.reactor = FakeReactor(*listening)
        self.reactor.delay = self.delay
        directory = FakeDirectory({"x.example.com": addresses})
        hops = NextHops(self.reactor, Place().listener, directory)
        self.hops = hops.towards(URI.parse(b"sip:b@x.example.com:5060;transport=tcp"), b"call")
        return reached(self.hops)

    def test_next(self) -> None:
        """
        One server of several being down does not make its domain unreachable.
        """
        hosts = ("192.0.2.7", "2001:db8::7", "192.0.2.8", "192.0.2.9")
        reaching = self.reach(*hosts, listening=("192.0.2.8",))
        self.reactor.advance(1)
        self.reactor.advance(1)
        self.assertEqual(self.successResultOf(reaching).peer, ("192.0.2.8", 5060))
        self.assertEqual(self.reactor.dialled, list(hosts[:3]))

    def test_none(self) -> None:
        """
        If none can be reached the last one's failure is told.
        """
        reaching = self.reach("192.0.2.7", "192.0.2.8")
        self.reactor.advance(1)
        self.reactor.advance(1)
        error = self.failureResultOf(reaching, Unreachable).value
        self.assertIn("192.0.2.8:5060", str(error))

    def test_many(self) -> None:
        """
        A name with hundreds of addresses where nobody answers does not occupy us for hours.
        """
        self.delay = 4.0
        reaching = self.reach(*(f"192.0.2.{number}" for number in range(1, 200)))
        for _ in range(10):
            self.reactor.advance(4)
        self.failureResultOf(reaching, Unreachable)
        self.assertLess(len(self.reactor.dialled), 10)
        self.assertFalse(self.hops.more)

    def test_manyRefused(self) -> None:
        """
        Nor are hundreds of them called in one moment because all refuse.
        """
        reaching = self.reach(*(f"192.0.2.{number}" for number in range(1, 200)))
        for _ in range(30):
            self.reactor.advance(0)
        self.failureResultOf(reaching, Unreachable)
        self.assertEqual(len(self.reactor.dialled), 16)

    def test_patience(self) -> None:
        """
        An address that does not answer is left sooner while there is another: the caller waits.
        """
        reaching = self.reach("192.0.2.7", "192.0.2.8")
        self.reactor.advance(1)
        self.reactor.advance(1)
        self.failureResultOf(reaching, Unreachable)
        self.assertEqual(self.reactor.timeouts, [IMPATIENT, CONNECT_TIMEOUT])

    def test_afterwards(self) -> None:
        """
        One after the other is given, then none any more.
        """
        hosts = ("192.0.2.7", "192.0.2.8")
        flow = self.successResultOf(self.reach(*hosts, listening=hosts))
        self.assertEqual((flow.peer[0], self.hops.more), (hosts[0], True))
        self.assertIs(self.successResultOf(Deferred.fromCoroutine(self.hops.again())), flow)
        flow = self.successResultOf(reached(self.hops))
        self.assertEqual((flow.peer[0], self.hops.more), (hosts[1], False))
        self.failureResultOf(reached(self.hops), Unreachable)


class StreamTests(TestCase):
    """
    Over TCP, by connections that are kept.
    """

    def setUp(self) -> None:
        """
        A peer on loopback, and we.
        """
        self.peer, self.place = Place(), Place()
        opened = bound(SOCK_STREAM, LOOPBACK, 0)
        self.service = StreamService(reactor, self.peer.listener, opened)
        self.service.startService()
        self.address = self.service.address
        self.hops = NextHops(reactor, self.place.listener, FakeDirectory())

    async def tearDown(self) -> None:  # type: ignore[override]
        """
        Nothing is left open.
        """
        await self.service.stopService()
        for place in (self.place, self.peer):
            for flow in place.flows.streams():
                flow.close()
        for place in (self.place, self.peer):
            while tuple(place.flows.streams()):
                await self.turn()
        await self.turn()

    async def turn(self) -> None:
        """
        Let the reactor do something.
        """
        passed: Deferred[None] = Deferred()
        reactor.callLater(0.01, passed.callback, None)
        await passed

    def reach(self) -> Deferred[Flow]:
        """
        Reach the peer.
        """
        host, port = self.address
        uri = f"sip:b@{host}:{port};transport=tcp".encode()
        return reached(self.hops.towards(URI.parse(uri), b"call"))

    async def accepted(self, count: int) -> list[Flow]:
        """
        The peer's ends, when there are so many.
        """
        while len(flows := list(self.peer.flows.streams())) < count:
            await self.turn()
        return flows

    async def test_connects(self) -> None:
        """
        A connection is made, and is a flow of ours as any other.
        """
        flow = await self.reach()
        self.assertEqual((flow.peer, flow.reliable), (self.address, True))
        self.assertIs(self.place.flows.find(flow.token), flow)

    async def test_kept(self) -> None:
        """
        The next request takes the same one.
        """
        self.assertIs(await self.reach(), await self.reach())
        self.assertEqual(len(await self.accepted(1)), 1)

    async def test_atOnce(self) -> None:
        """
        So do those that come while it is being made.
        """
        flows = await gatherResults([self.reach() for _ in range(5)])
        self.assertEqual(len({flow.token for flow in flows}), 1)

    async def test_again(self) -> None:
        """
        When it has been closed, another is made.
        """
        first = await self.reach()
        (end,) = await self.accepted(1)
        end.close()
        while first.alive:
            await self.turn()
        second = await self.reach()
        self.assertIsNot(second, first)
        self.assertTrue(second.alive)

    async def test_refused(self) -> None:
        """
        A peer that refuses is unreachable, for each who waits; it is tried again the next time.
        """
        await self.service.stopService()
        waiting = [self.reach() for _ in range(2)]
        for each in waiting:
            error = await self.assertFailure(each, Unreachable)
            self.assertIn(f"{self.address[0]}:{self.address[1]}", str(error))
        self.service = StreamService(
            reactor, self.peer.listener, bound(SOCK_STREAM, *self.address)
        )
        self.service.startService()
        self.assertTrue((await self.reach()).alive)
