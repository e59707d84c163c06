"""
Listening ports as services. The sockets are bound at once, so that a mistake is known before the
server starts; they are served from the start of the service to its end.
"""

from __future__ import annotations

import sys
from abc import abstractmethod
from socket import (
    AF_INET,
    AF_INET6,
    SO_RCVBUF,
    SO_REUSEADDR,
    SOCK_STREAM,
    SOL_SOCKET,
    SocketKind,
    socket,
)
from typing import Any, Final

from attrs import define, field
from twisted.application.service import Service
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import IListeningPort
from twisted.internet.protocol import Factory
from twisted.python.failure import Failure

from sipoutbound.interfaces import Address
from sipoutbound.transport.datagram import Port
from sipoutbound.transport.icmp import askForErrors
from sipoutbound.transport.listener import Listener
from sipoutbound.transport.packetinfo import askForAddresses
from sipoutbound.transport.reader import Reader
from sipoutbound.transport.stream import Connection, EndpointConnection
from sipoutbound.transport.wildcard import WILDCARDS, Wildcard

# Connections that may wait to be accepted, when phones return together. Linux caps it at
# net.core.somaxconn, 4096 since 5.4.
WAITING: Final = 4096

# Octets that the kernel keeps for us while we are busy; capped by net.core.rmem_max.
RECEIVE_BUFFER: Final = 8 << 20


class ListenError(Exception):
    """
    A place where nobody can listen; its text names it and says why.
    """


def bound(kind: SocketKind, interface: str, port: int) -> socket:
    """
    A socket bound to an address.

    @param interface: a numeric address; empty for all of IPv4.
    @raise OSError: when it can't be.
    """
    family = AF_INET6 if ":" in interface else AF_INET
    opened = socket(family, kind)
    try:
        if kind is SOCK_STREAM:
            opened.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
        else:
            opened.setsockopt(SOL_SOCKET, SO_RCVBUF, RECEIVE_BUFFER)
        opened.bind((interface, port))
        opened.setblocking(False)
        if kind is SOCK_STREAM:
            opened.listen(WAITING)
    except OSError:
        opened.close()
        raise
    return opened


class Connections(Factory):
    """
    Makes a L{Connection} for each that is accepted.
    """

    noisy = False

    def __init__(self, listener: Listener) -> None:
        self.listener = listener

    def buildProtocol(self, addr: Any) -> Connection:
        """
        One connection was accepted.
        """
        return Connection(self.listener)


class EndpointConnections(Connections):
    """
    Makes an L{EndpointConnection} for each that is accepted.
    """

    def buildProtocol(self, addr: Any) -> Connection:
        """
        One connection was accepted.
        """
        return EndpointConnection(self.listener)


@define(eq=False, repr=False)
class BoundService(Service):
    """
    What the services of bound sockets share.
    """

    reactor: Any
    listener: Listener
    opened: socket
    _port: IListeningPort | Reader | None = field(default=None, init=False)

    @property
    def address(self) -> Address:
        """
        Where it listens: host and port as bound.
        """
        host, port = self.opened.getsockname()[:2]
        return host, port

    def startService(self) -> None:
        """
        Serve the socket.
        """
        super().startService()
        self._port = self._adopt(self.opened)

    @abstractmethod
    def _adopt(self, opened: socket) -> IListeningPort | Reader:
        """
        Have the reactor serve it.
        """

    def stopService(self) -> Deferred[Any]:
        """
        Close it.
        """
        super().stopService()
        port, self._port = self._port, None
        stopped = maybeDeferred(port.stopListening if port is not None else lambda: None)
        self.opened.close()
        return stopped


class StreamService(BoundService):
    """
    Listens for TCP connections.
    """

    def _adopt(self, opened: socket) -> IListeningPort:
        port: IListeningPort = self.reactor.adoptStreamPort(
            opened.fileno(), opened.family, Connections(self.listener)
        )
        return port


class DatagramService(BoundService):
    """
    Serves a UDP port.
    """

    def _adopt(self, opened: socket) -> Reader:
        port = self._portOf(opened)
        self.listener.flows.addPort(port)
        if sys.platform == "linux":
            askForErrors(opened)
        reader = Reader(self.reactor, port)
        reader.start()
        return reader

    def _portOf(self, opened: socket) -> Port | Wildcard:
        if self.address[0] not in WILDCARDS:
            return Port(self.listener, opened, self.address)
        if sys.platform == "linux":
            askForAddresses(opened)
        return Wildcard(self.listener, opened, self.address)


@define(eq=False, repr=False)
class EndpointService(Service):
    """
    Listens on any stream endpoint of Twisted: C{systemd:}, C{haproxy:}.
    """

    reactor: Any
    listener: Listener
    endpoint: str
    _listening: Deferred[IListeningPort] | None = field(default=None, init=False)

    def startService(self) -> None:
        """
        Listen.

        @raise ListenError: when it can't.
        """
        super().startService()
        failed: list[Failure] = []
        endpoint = serverFromString(self.reactor, self.endpoint)
        self._listening = endpoint.listen(EndpointConnections(self.listener))
        self._listening.addErrback(failed.append)
        if failed:
            raise ListenError(f"{self.endpoint}: {failed[0].getErrorMessage()}")

    def stopService(self) -> Deferred[Any]:
        """
        Close it.
        """
        super().stopService()
        listening: Deferred[Any] = self._listening or succeed(None)
        return listening.addCallback(lambda port: port and port.stopListening())
