"""
How the datagrams of a UDP socket are read, and ICMP errors about those that were sent.
"""

from __future__ import annotations

import socket
from struct import pack
from typing import Any

from attrs import define, field
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IReadDescriptor
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from sipoutbound.interfaces import Address
from sipoutbound.test.doubles import request
from sipoutbound.test.laboratory import without
from sipoutbound.test.sockets import SocketTestCase
from sipoutbound.transport import reader as module
from sipoutbound.transport.icmp import unreachable
from sipoutbound.transport.reader import Reader


@define(eq=False)
class FakeReactor:
    """
    Knows who is read.
    """

    readers: list[Any] = field(factory=list)

    def addReader(self, reader: Any) -> None:
        """
        Enter it.
        """
        self.readers.append(reader)

    def removeReader(self, reader: Any) -> None:
        """
        Take it off.
        """
        self.readers.remove(reader)


@define(eq=False)
class FakeTaker:
    """
    A socket on which datagrams and errors wait.

    @ivar waiting: what receiving comes to, in order: nothing wrong, or an exception.
    @ivar errors: the ancillary data of what waits in the error queue, and whom it is about.
    """

    waiting: list[OSError | None] = field(factory=list)
    errors: list[tuple[bytes, Address]] = field(factory=list)
    unreached: list[Address] = field(factory=list)
    number: int = 7

    @property
    def socket(self) -> Any:
        """
        Itself.
        """
        return self

    def fileno(self) -> int:
        """
        The number of the file.
        """
        return self.number

    def receive(self) -> None:
        """
        The next thing.
        """
        if not self.waiting:
            raise BlockingIOError
        error = self.waiting.pop(0)
        if error is not None:
            raise error

    def recvmsg(self, size: int, space: int, flags: int) -> Any:
        """
        The next error.
        """
        if flags != socket.MSG_ERRQUEUE or not self.errors:
            raise BlockingIOError
        data, peer = self.errors.pop(0)
        return b"", [(socket.IPPROTO_IP, 11, data)], flags, peer

    def refused(self, peer: Address) -> None:
        """
        Keep it.
        """
        self.unreached.append(peer)


def error(origin: int, kind: int, code: int) -> bytes:
    """
    An extended error of the kernel.
    """
    return pack("=IBBBxII", 111, origin, kind, code, 0, 0)


PEER = ("192.0.2.9", 5060)
REFUSED = error(2, 3, 3), PEER


class ReaderTests(SynchronousTestCase):
    """
    L{Reader}.
    """

    def setUp(self) -> None:
        """
        A reader on doubles.
        """
        self.reactor, self.taker = FakeReactor(), FakeTaker()
        self.reader = Reader(self.reactor, self.taker)
        self.reader.start()

    def test_interface(self) -> None:
        """
        The reactor can read it.
        """
        self.assertTrue(verifyObject(IReadDescriptor, self.reader))
        self.assertEqual((self.reader.fileno(), self.reader.logPrefix()), (7, "UDP"))

    def test_drained(self) -> None:
        """
        All that waits is taken in one turn.
        """
        self.taker.waiting = [None] * 100
        self.reader.doRead()
        self.assertEqual(self.taker.waiting, [])

    def test_bounded(self) -> None:
        """
        But not more than so much: a flood would stop connections and timers.
        """
        self.taker.waiting = [None] * (module.AT_ONCE + 3)
        self.reader.doRead()
        self.assertEqual(len(self.taker.waiting), 3)
        self.reader.doRead()
        self.assertEqual(self.taker.waiting, [])

    def test_errorBetween(self) -> None:
        """
        That a peer cannot be reached is told where a datagram is expected; those behind it are
        taken all the same.
        """
        self.taker.waiting = [None, ConnectionRefusedError(), None]
        self.taker.errors = [REFUSED]
        self.reader.doRead()
        self.assertEqual((self.taker.waiting, self.taker.unreached), ([], [PEER]))

    def test_onlyErrors(self) -> None:
        """
        Where nothing waits but errors a reactor wakes for them, or takes the socket for closed: it
        is read on either way.
        """
        self.taker.errors = [REFUSED]
        self.reader.doRead()
        self.assertEqual(self.taker.unreached, [PEER])
        self.taker.errors = [REFUSED]
        self.reader.stopListening()
        self.reader.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(self.taker.unreached, [PEER] * 2)
        self.assertEqual(self.reactor.readers, [self.reader])

    def test_stopped(self) -> None:
        """
        A reactor that stops, or a socket that is closed, is not read on.
        """
        self.reader.stopListening()
        self.reader.connectionLost(Failure(ConnectionLost()))
        self.taker.number = -1
        self.reader.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(self.reactor.readers, [])

    def test_mistake(self) -> None:
        """
        A mistake in what is made of a datagram or an error does not end the reading: one datagram
        would put the whole server to silence.
        """
        self.taker.errors = [REFUSED, REFUSED]
        self.taker.unreached = None  # type: ignore[assignment]
        self.reader.doRead()
        self.assertEqual(len(self.flushLoggedErrors(AttributeError)), 2)
        self.reader.stopListening()
        self.reader.connectionLost(Failure(ZeroDivisionError()))
        self.assertEqual(self.reactor.readers, [self.reader])

    def test_kinds(self) -> None:
        """
        A destination that is unreachable is; source quench, time exceeded and a datagram that was
        too large are no reason to give anybody up (RFC 3261 18.4).
        """
        for origin, kind, code, told in (
            (2, 3, 0, True), (2, 3, 1, True), (2, 3, 2, True), (2, 3, 3, True), (2, 12, 0, True),
            (3, 1, 4, True), (3, 4, 0, True),
            (2, 3, 4, False), (2, 4, 0, False), (2, 11, 0, False), (3, 2, 0, False),
            (3, 3, 0, False), (1, 3, 3, False),
        ):  # fmt: skip
            self.taker.errors = [(error(origin, kind, code), PEER)]
            found = list(unreachable(self.taker))  # type: ignore[arg-type]
            self.assertEqual(found, [PEER] if told else [], (origin, kind, code))


class UnreachableTests(SocketTestCase):
    """
    Real ICMP errors: who has left its port, on loopback.
    """

    host = "127.0.0.1"
    interface = "127.0.0.1"

    async def test_left(self) -> None:
        """
        A phone that has closed its port is known to be gone when a request is sent to it; what is
        sent to others meanwhile arrives, and what others send is heard.
        """
        self.served(self.interface)
        (port,) = self.place.flows.ports
        gone, there = self.client(self.host), self.client(self.host)
        lost, live = (port.flowTo(each.getsockname()[:2]) for each in (gone, there))
        gone.close()
        lost.pending = {"a request"}
        for _ in range(3):
            self.assertTrue(lost.send(b"request"))
            self.assertTrue(live.send(b"other"))
            self.assertEqual((await self.heard(there))[0], b"other")
        await self.until(lambda: self.place.lost)
        self.assertEqual({id(flow) for flow in self.place.lost}, {id(lost)})
        there.sendto(bytes(request(b"MESSAGE")), (self.host, port.local[1]))
        await self.until(lambda: self.place.messages)

    async def test_unasked(self) -> None:
        """
        Nobody is given up for an ICMP error, which anybody can forge, while nothing is asked of it.
        """
        self.served(self.interface)
        (port,) = self.place.flows.ports
        gone, there = self.client(self.host), self.client(self.host)
        lost = port.flowTo(gone.getsockname()[:2])
        gone.close()
        lost.send(b"answer")
        there.sendto(bytes(request(b"MESSAGE")), (self.host, port.local[1]))
        await self.until(lambda: self.place.messages)
        self.assertEqual((self.place.lost, lost.alive), ([], True))


class UnreachableSixTests(UnreachableTests):
    """
    The same over IPv6.
    """

    skip = without("::1")
    host = interface = "::1"


class UnreachableWildcardTests(UnreachableTests):
    """
    The same from a port on all addresses.
    """

    interface = "0.0.0.0"


class UnreachableBothTests(UnreachableTests):
    """
    The same with IPv4 peers of a port of IPv6.
    """

    skip = without("::1")
    interface = "::"
