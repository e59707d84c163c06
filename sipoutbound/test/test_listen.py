"""
Listening ports, with real sockets on loopback.
"""

from __future__ import annotations

import socket
from socket import SOCK_DGRAM, SOCK_STREAM, SocketKind
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase, TestCase

from sipoutbound.outbound.flowtoken import DatagramFlow
from sipoutbound.test.doubles import request
from sipoutbound.test.wires import Place
from sipoutbound.transport.flow import Flow
from sipoutbound.transport.listen import (
    BoundService,
    DatagramService,
    EndpointService,
    ListenError,
    StreamService,
    bound,
)

LOOPBACK = "127.0.0.1"
PING, PONG = b"\r\n\r\n", b"\r\n"


class BoundTests(SynchronousTestCase):
    """
    L{bound}: mistakes are known before the server starts.
    """

    def bound(self, kind: SocketKind, interface: str = LOOPBACK, port: int = 0) -> socket.socket:
        """
        A socket for the time of a test.
        """
        opened = bound(kind, interface, port)
        self.addCleanup(opened.close)
        return opened

    def test_inUse(self) -> None:
        """
        A port that somebody else has is refused.
        """
        for kind in (SOCK_STREAM, SOCK_DGRAM):
            port = self.bound(kind).getsockname()[1]
            self.assertRaises(OSError, bound, kind, LOOPBACK, port)

    def test_notHere(self) -> None:
        """
        So is an address that this machine does not have (RFC 5737: nobody has it).
        """
        for kind in (SOCK_STREAM, SOCK_DGRAM):
            self.assertRaises(OSError, bound, kind, "192.0.2.1", 0)

    def test_bound(self) -> None:
        """
        It has the address that was asked for, and never blocks; a free port is chosen for 0.
        """
        for kind in (SOCK_STREAM, SOCK_DGRAM):
            opened = self.bound(kind)
            host, port = opened.getsockname()
            self.assertEqual((host, port > 0, opened.getblocking()), (LOOPBACK, True, False))

    def test_restart(self) -> None:
        """
        A TCP port can be had again at once, though connections of the last run linger.
        """
        listening = self.bound(SOCK_STREAM)
        port = listening.getsockname()[1]
        with socket.create_connection((LOOPBACK, port)) as client:
            listening.setblocking(True)
            accepted, _ = listening.accept()
            accepted.close()
            client.recv(1)
        listening.close()
        self.bound(SOCK_STREAM, port=port)


class ServiceTests(TestCase):
    """
    The services of bound sockets.
    """

    def setUp(self) -> None:
        """
        A place of each kind.
        """
        self.tcp, self.udp = Place(b"TCP"), Place(b"UDP")

    def started(self, kind: type[BoundService]) -> BoundService:
        """
        A service for the time of the test.
        """
        stream = kind is StreamService
        opened = bound(SOCK_STREAM if stream else SOCK_DGRAM, LOOPBACK, 0)
        service = kind(reactor, (self.tcp if stream else self.udp).listener, opened)
        service.startService()
        self.addCleanup(self.stopped, service)
        return service

    def stopped(self, service: BoundService) -> Deferred[Any] | None:
        """
        Stop it, unless the test has.
        """
        return service.stopService() if service.running else None

    def client(self, kind: SocketKind, service: BoundService) -> socket.socket:
        """
        A client of a service, for the time of the test.
        """
        client = socket.socket(type=kind)
        self.addCleanup(client.close)
        client.connect(service.address)
        client.setblocking(False)
        return client

    async def heard(self, client: socket.socket) -> bytes:
        """
        What the client hears next.
        """
        for _ in range(500):
            try:
                return client.recv(4096)
            except BlockingIOError:
                await self.turn()
        raise self.failureException("nothing was heard")

    async def turn(self) -> None:
        """
        Let the reactor do something.
        """
        passed: Deferred[None] = Deferred()
        reactor.callLater(0.01, passed.callback, None)
        await passed

    async def test_stream(self) -> None:
        """
        Clients can connect, and each has its flow.
        """
        service = self.started(StreamService)
        client = self.client(SOCK_STREAM, service)
        client.send(PING)
        self.assertEqual(await self.heard(client), PONG)
        (flow,) = self.tcp.flows.streams()
        self.assertEqual(flow.peer, client.getsockname())
        flow.close()
        self.assertEqual(await self.heard(client), b"")

    async def test_beforeStart(self) -> None:
        """
        Phones that connect while the server starts are not turned away.
        """
        opened = bound(SOCK_STREAM, LOOPBACK, 0)
        service = StreamService(reactor, self.tcp.listener, opened)
        client = self.client(SOCK_STREAM, service)
        client.send(PING)
        service.startService()
        self.addCleanup(service.stopService)
        self.assertEqual(await self.heard(client), PONG)
        client.close()
        while tuple(self.tcp.flows.streams()):
            await self.turn()

    async def test_datagram(self) -> None:
        """
        Datagrams come, and go back from the same port; its flows can be found by their tokens.
        """
        service = self.started(DatagramService)
        client = self.client(SOCK_DGRAM, service)
        client.send(bytes(request(b"MESSAGE")))
        while not self.udp.messages:
            await self.turn()
        ((flow, _),) = self.udp.messages
        flow.send(b"answer")
        self.assertEqual(await self.heard(client), b"answer")
        identity = DatagramFlow(b"UDP", service.address, client.getsockname())
        self.assertEqual(flow.identity, identity)
        self.assertIs(self.udp.flows.find(flow.token), flow)

    async def test_large(self) -> None:
        """
        A datagram of 60,000 octets is not cut: a message with a large body fits in.
        """
        client = self.client(SOCK_DGRAM, self.started(DatagramService))
        client.send(bytes(request(b"MESSAGE", body=b"x" * 60_000)))
        while not self.udp.messages:
            await self.turn()
        self.assertEqual(len(self.udp.messages[0][1].body), 60_000)

    async def test_stopped(self) -> None:
        """
        A stopped service gives its port back; what is sent then is lost in silence.
        """
        for kind, socketKind in ((StreamService, SOCK_STREAM), (DatagramService, SOCK_DGRAM)):
            service = self.started(kind)
            address = service.address
            flow: Flow | None = None
            if kind is DatagramService:
                (port,) = self.udp.flows.ports
                flow = port.flowTo((LOOPBACK, 9))
            await service.stopService()
            bound(socketKind, *address).close()
            if flow is not None:
                flow.send(b"lost")


class EndpointTests(TestCase):
    """
    Any other stream endpoint of Twisted.
    """

    async def test_listens(self) -> None:
        """
        It is listened on until the service stops.
        """
        service = EndpointService(reactor, Place().listener, f"tcp:0:interface={LOOPBACK}")
        service.startService()
        await service.stopService()

    def test_cannot(self) -> None:
        """
        A mistake that shows only now names the endpoint and says why.
        """
        taken = bound(SOCK_STREAM, LOOPBACK, 0)
        self.addCleanup(taken.close)
        endpoint = f"tcp:{taken.getsockname()[1]}:interface={LOOPBACK}"
        service = EndpointService(reactor, Place().listener, endpoint)
        error = self.assertRaises(ListenError, service.startService)
        self.assertIn(endpoint, str(error))
        self.assertIn("in use", str(error))
        return service.stopService()  # type: ignore[return-value]
