"""
The sockets of a scripted phone: what they hear is cut into messages and queued.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final, TypeVar

from attrs import define, field
from twisted.internet import reactor as theReactor
from twisted.internet.defer import Deferred, DeferredQueue, TimeoutError
from twisted.internet.endpoints import HostnameEndpoint, connectProtocol
from twisted.internet.protocol import DatagramProtocol, Protocol, connectionDone
from twisted.internet.task import deferLater
from twisted.python.failure import Failure

from sipoutbound.interfaces import Address
from sipoutbound.message.parse import parseMessage

reactor: Any = theReactor

# Seconds that a test waits for what must come. On a busy machine, not one where all is well.
DEADLINE: Final = 10.0

_T = TypeVar("_T")


async def within(deferred: Deferred[_T], what: str) -> _T:
    """
    Wait for something until the deadline.

    @raise AssertionError: when it has not come by then, naming C{what}.
    """
    try:
        return await deferred.addTimeout(DEADLINE, reactor)
    except TimeoutError:
        raise AssertionError(f"nothing came in {DEADLINE} s: {what}") from None


async def until(condition: Callable[[], object], what: str) -> None:
    """
    Let the reactor turn until something is so.

    @raise AssertionError: when it is not by the deadline, naming C{what}.
    """
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, f"has not come true in {DEADLINE} s: {what}"
        await deferLater(reactor, 0)


@define(eq=False, repr=False)
class Datagrams(DatagramProtocol):
    """
    The UDP side of a phone.
    """

    server: Address
    transport: Any = None
    heard: DeferredQueue[Any] = field(factory=DeferredQueue)
    closed: Deferred[None] = field(factory=Deferred)

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        """
        A message, or anything else as it came.
        """
        head, _, body = datagram.partition(b"\r\n\r\n")
        self.heard.put(parseMessage(head, body) if b"SIP/2.0" in head else datagram)

    def write(self, data: bytes) -> None:
        """
        Send a datagram.
        """
        self.transport.write(data, self.server)

    def close(self) -> None:
        """
        Close the socket.
        """
        self.transport.stopListening()

    abort = close

    def stopProtocol(self) -> None:
        """
        The socket is closed.
        """
        self.closed.callback(None)


@define(eq=False, repr=False)
class Octets(Protocol):
    """
    The TCP side of a phone. It hears messages, and each C{CRLF} between them.
    """

    server: Address
    transport: Any = None
    heard: DeferredQueue[Any] = field(factory=DeferredQueue)
    closed: Deferred[None] = field(factory=Deferred)
    _rest: bytes = b""

    def dataReceived(self, data: bytes) -> None:
        """
        Cut what came into messages.
        """
        self._rest += data
        while self._rest:
            size = 2 if self._rest.startswith(b"\r\n") else self._size()
            if size == 0 or len(self._rest) < size:
                return
            whole, self._rest = self._rest[:size], self._rest[size:]
            head, _, body = whole.partition(b"\r\n\r\n")
            self.heard.put(parseMessage(head, body) if body or size > 2 else whole)

    def _size(self) -> int:
        head, end, _ = self._rest.partition(b"\r\n\r\n")
        if not end:
            return 0
        return len(head) + 4 + int(parseMessage(head).first(b"content-length") or b"")

    def write(self, data: bytes) -> None:
        """
        Send octets.
        """
        self.transport.write(data)

    def close(self) -> None:
        """
        Say that nothing more comes; the server closes then, and has noticed when we are closed.
        """
        self.transport.loseWriteConnection()

    def abort(self) -> None:
        """
        Break the connection off (RST).
        """
        self.transport.abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        The connection is closed.
        """
        self.closed.callback(None)


async def opened(server: Address, transport: bytes, port: int = 0) -> Datagrams | Octets:
    """
    A new line.

    @param server: where to.
    @param port: our own; 0 for any that is free.
    """
    if transport == b"UDP":
        datagrams = Datagrams(server)
        reactor.listenUDP(port, datagrams, server[0], 65536)
        return datagrams
    octets = Octets(server)
    endpoint = HostnameEndpoint(reactor, *server, timeout=DEADLINE, bindAddress=(server[0], port))
    await within(connectProtocol(endpoint, octets), "a connection")
    return octets
