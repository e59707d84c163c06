"""
The flows that a client makes: a connection, or a UDP port of its own for each (RFC 5626 4.2, 4.3).
"""

from __future__ import annotations

from collections.abc import Callable
from errno import EAGAIN, ENOBUFS
from typing import Any, Final

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.error import MessageLengthError
from twisted.internet.protocol import ClientFactory, DatagramProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure

from sipoutbound.agent.place import Place
from sipoutbound.interfaces import Address, Unreachable
from sipoutbound.message.framing import Life, Unframed, parseDatagram
from sipoutbound.outbound.stun import isStun
from sipoutbound.transport.flow import Flow
from sipoutbound.transport.listener import Listener
from sipoutbound.transport.stream import Connection

log = Logger()

# Seconds to wait for a connection: the time of a SYN and of two repetitions (RFC 6298 2).
CONNECT_TIMEOUT: Final = 7.0

# What a full queue of ours says: a datagram is lost as it might be anywhere, the flow lives.
_FULL: Final = (EAGAIN, ENOBUFS)


def _nothing(*arguments: Any) -> None:
    pass


@define(eq=False, repr=False)
class Signs:
    """
    What comes over a flow and is no message, for whoever keeps it alive.

    @ivar pong: told of each line break between messages.
    @ivar stun: told of each STUN message.
    @ivar whole: told that no message is half received.
    @ivar partial: whether one is.
    """

    pong: Callable[[], None] = _nothing
    stun: Callable[[bytes], None] = _nothing
    whole: Callable[[], None] = _nothing
    partial: bool = False


@define(eq=False, repr=False)
class ClientConnection(Connection):
    """
    A connection that we have made. A line break is a pong, or nothing, and never answered: it is we
    who ping (RFC 5626 4.4.1).
    """

    made: Deferred[Line]
    signs: Signs = field(factory=Signs)

    def connectionMade(self) -> None:
        """
        There is a flow.
        """
        super().connectionMade()
        assert self.flow is not None
        self.made.callback(Line(self.flow, self.signs))

    def dataReceived(self, data: bytes) -> None:
        """
        See L{Connection.dataReceived}.
        """
        super().dataReceived(data)
        self.signs.partial = self._stream.partial
        if not self.signs.partial:
            self.signs.whole()

    def _sign(self, flow: Flow, life: Life) -> None:
        self.signs.pong()


class _Dialling(ClientFactory):
    noisy = False

    def __init__(self, listener: Listener) -> None:
        self.listener = listener
        self.made: Deferred[Line] = Deferred(lambda _: self.connector.disconnect())

    def startedConnecting(self, connector: Any) -> None:
        self.connector = connector

    def buildProtocol(self, addr: Any) -> Connection:
        return ClientConnection(self.listener, self.made)

    def clientConnectionFailed(self, connector: Any, reason: Failure) -> None:
        self.made.errback(Unreachable(reason.getErrorMessage()))


@define(eq=False, repr=False)
class ClientPort(DatagramProtocol):
    """
    A UDP port with one peer only, so that its errors are told (ICMP) and nobody else is heard.
    """

    noisy = False
    transport: Any = field(default=None, init=False)

    listener: Listener
    peer: Address
    signs: Signs = field(factory=Signs)
    flow: Flow | None = field(default=None, init=False)

    def face(self) -> Flow:
        """
        Talk to the one peer.

        @return: the flow.
        @raise OSError: when there is no way.
        """
        self.transport.connect(*self.peer)
        local = self.transport.getHost()
        self.flow = self.listener.datagramFlow(self, self.peer, (local.host, local.port))
        return self.flow

    def stopProtocol(self) -> None:
        """
        The port is closed: by us, or by the reactor, which takes a socket on which nothing waits
        but an error for one that is closed. Where there was no way there never was a flow.
        """
        if self.flow is not None:
            self.listener.flows.died(self.flow)

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        """
        A message, or STUN.
        """
        flow = self.flow
        assert flow is not None
        flow.heard = self.listener.flows.now()
        if isStun(datagram):
            self.signs.stun(datagram)
        elif datagram.strip(b"\r\n\0 "):
            try:
                message = parseDatagram(datagram, self.listener.limits)
            except Unframed as error:
                log.info("datagram of {peer} dropped: {error}", peer=self.peer, error=error)
            else:
                self.listener.received(flow, message)

    def connectionRefused(self) -> None:
        """
        Nobody is there (ICMP). It may be told while something is being sent, and who sends is not
        to hear of it before that is done.
        """
        self.listener.flows.later(0.0, self.drop, self.flow)

    def write(self, data: bytes, peer: Address) -> bool:
        """
        Send a datagram.

        @return: whether it may arrive.
        """
        try:
            if self.transport is not None:
                self.transport.write(data)
        except MessageLengthError:
            return False
        except OSError as error:
            return error.errno in _FULL
        return True

    def drop(self, flow: Flow) -> None:
        """
        Close the port.
        """
        if self.transport is not None:
            self.transport.stopListening()
        self.listener.flows.died(flow)

    def flowTo(self, peer: Address) -> Flow:
        """
        There is but one flow.
        """
        assert self.flow is not None
        return self.flow


@define(eq=False, repr=False)
class Line:
    """
    A flow of ours, and what comes over it beside messages.
    """

    flow: Flow
    signs: Signs


async def opened(reactor: Any, place: Place, listeners: dict[bytes, Listener]) -> Line:
    """
    A new flow to a place.

    @param listeners: what flows have in common, by transport.
    @raise Unreachable: when there is no way.
    """
    listener, peer = listeners[place.transport], place.address
    try:
        if place.transport == b"UDP":
            return _facing(reactor, ClientPort(listener, peer))
        dialling = _Dialling(listener)
        reactor.connectTCP(*peer, dialling, timeout=CONNECT_TIMEOUT)
        return await dialling.made
    except (Unreachable, OSError) as error:
        raise Unreachable(f"{peer[0]}:{peer[1]}: {error}") from error


def _facing(reactor: Any, port: ClientPort) -> Line:
    bound = reactor.listenUDP(0, port, "::" if ":" in port.peer[0] else "", 65536)
    try:
        return Line(port.face(), port.signs)
    except OSError:
        bound.stopListening()
        raise
