"""
SIP over a stream of octets: TCP, and whatever else looks like it (RFC 3261 18.3).
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from attrs import define, field
from twisted.internet.interfaces import IHalfCloseableProtocol, IPushProducer
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from sipoutbound.interfaces import Address
from sipoutbound.message.framing import Life, Stream, Unframed
from sipoutbound.message.message import Request, Response
from sipoutbound.transport.flow import Flow
from sipoutbound.transport.listener import Listener

log = Logger()

# Seconds for the rest of a message once it has begun, and for a peer to read what it is sent before
# its connection is closed: 64*T1, what a whole transaction may take.
PATIENCE: Final = 32.0

# Seconds for the answers to a peer that sends no more. A REGISTER that waits for the disk has its
# own in far less, and most phones that say so have just been switched off.
LINGER: Final = 2.0

#: Seconds in which a peer must acknowledge what it is sent: 64*T1, after which nobody waits any
#: more for what came of it (RFC 3261 17). A phone that is back on the air sooner, out of a lift or
#: a tunnel, keeps its connection. Linux by itself waits for some 15 minutes (tcp(7), tcp_retries2).
UNACKNOWLEDGED: Final = 32.0

# Octets that may wait for a peer that does not read; beyond it the connection is of no use.
BACKLOG: Final = 1 << 20

_PONG: Final = b"\r\n"


@implementer(IPushProducer, IHalfCloseableProtocol)
@define(eq=False, repr=False)
class Connection(Protocol):
    """
    One connection and its flow.

    @ivar listener: what it has in common with the others of its port.
    @ivar _owed: how many requests have had no final response yet.
    @ivar _ending: what closes it in the end, once it is to be closed.
    """

    listener: Listener
    flow: Flow | None = field(default=None, init=False)
    transport: Any = field(default=None, init=False)
    _stream: Stream = field(init=False)
    _unread: int = field(default=-1, init=False)
    _begun: float | None = field(default=None, init=False)
    _impatient: Any = field(default=None, init=False)
    _owed: int = field(default=0, init=False)
    _ending: Any = field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        self._stream = Stream(self.listener.limits)

    def connectionMade(self) -> None:
        """
        A flow begins.
        """
        self.transport.setTcpNoDelay(True)
        self.transport.setTcpKeepAlive(True)
        limitSilence(self.transport)
        self.transport.registerProducer(self, True)
        self._begin(self.transport.getPeer())

    def _begin(self, peer: Any) -> None:
        listener = self.listener
        local = self.transport.getHost()
        self.flow = listener.streamFlow(self, (peer.host, peer.port), (local.host, local.port))

    def dataReceived(self, data: bytes) -> None:
        """
        Octets came: messages, keep-alives, or something that is not SIP.
        """
        flow = self.flow
        assert flow is not None
        flow.heard = self.listener.flows.now()
        begun = self._begun
        try:
            for event in self._stream.receive(data):
                begun = None
                if isinstance(event, Life):
                    self._sign(flow, event)
                else:
                    self._message(flow, event)
        except Unframed as error:
            self._unframed(flow, error)
        if self._stream.partial and begun is None:
            begun = flow.heard
            if self._impatient is None and flow.alive:
                self._impatient = self.listener.flows.later(PATIENCE, self._late, begun)
        self._begun = begun

    def _sign(self, flow: Flow, life: Life) -> None:
        """
        The peer shows that it lives, and may want to know whether we do.
        """
        if life is Life.PING:
            self.write(_PONG, flow.peer)

    def _message(self, flow: Flow, message: Request | Response) -> None:
        if type(message) is Request and message.method != b"ACK":
            self._owed += 1
        self.listener.received(flow, message)

    def _unframed(self, flow: Flow, error: Unframed) -> None:
        log.info("closing {peer}: {error}", peer=flow.peer, error=error)
        if error.request is not None:
            self.listener.received(flow, error.request)
        self._finish()

    def _late(self, begun: float) -> None:
        """
        @param begun: when the message began that was being waited for.
        """
        self._impatient = None
        flow = self.flow
        if flow is None or not flow.alive or self._begun is None:
            return
        if self._begun > begun:
            left = self._begun + PATIENCE - self.listener.flows.now()
            self._impatient = self.listener.flows.later(left, self._late, self._begun)
            return
        log.info("closing {peer}: half a message, then nothing", peer=flow.peer)
        self.transport.abortConnection()

    def write(self, data: bytes, peer: Address) -> bool:
        """
        Send octets; what one turn sends leaves together.

        @return: whether they may arrive.
        """
        self.transport.write(data)
        if self._unread >= 0:
            self._unread += len(data)
            if self._unread > BACKLOG:
                log.info("closing {peer}: it does not read", peer=peer)
                self.transport.abortConnection()
                return False
        if self._owed and data[:8] == b"SIP/2.0 " and data[8:9] > b"1":
            self._answered()
        return True

    def _answered(self) -> None:
        """
        A final response was sent. After the last one nothing keeps a connection whose peer sends no
        more.
        """
        self._owed -= 1
        if self._ending is not None and not self._owed:
            self._finish()

    def _finish(self, _: None = None) -> None:
        """
        Close the connection when all is sent. A producer would keep it open for as long as the peer
        does not read, so it is taken off; and who does not read at all is not waited for.
        """
        self.transport.unregisterProducer()
        self.transport.loseConnection()
        self._await(PATIENCE, self._abort)

    def _await(self, delay: float, end: Callable[[None], None]) -> None:
        """
        Have the connection come to an end later, if it does not before.
        """
        if self._ending is not None:
            self._ending.cancel()
        self._ending = self.listener.flows.later(delay, end, None)

    def _abort(self, _: None) -> None:
        self.transport.abortConnection()

    def drop(self, flow: Flow) -> None:
        """
        Close the connection. Its flow is dead at once.
        """
        self._finish()
        self.listener.flows.died(flow)

    def flowTo(self, peer: Address) -> Flow:
        """
        A connection has one flow.
        """
        assert self.flow is not None
        return self.flow

    def pauseProducing(self) -> None:
        """
        The peer does not read: take no more requests from it until it does. Told at each write.
        """
        self._unread = max(0, self._unread)
        self.transport.pauseProducing()

    def resumeProducing(self) -> None:
        """
        The peer reads again.
        """
        self._unread = -1
        self.transport.resumeProducing()

    def stopProducing(self) -> None:
        """
        The transport is closed; C{connectionLost} follows.
        """

    def readConnectionLost(self) -> None:
        """
        The peer sends no more. A flow has two directions: it is over, and nothing new is sent over
        it. What the peer has asked before is answered, if that does not take too long.
        """
        if not self._owed:
            self._finish()
        elif self.flow is not None:
            self._await(LINGER, self._finish)
            self.listener.flows.left(self.flow)

    def writeConnectionLost(self) -> None:
        """
        Nothing more can be sent.
        """
        self._finish()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        The flow is gone, and with it its bindings (RFC 5626 7).
        """
        for waiting in (self._impatient, self._ending):
            if waiting is not None:
                waiting.cancel()
        if self.flow is not None:
            self.listener.flows.died(self.flow)
            # Each would be kept by the other until the collector comes.
            self.flow = None


@define(eq=False, repr=False)
class EndpointConnection(Connection):
    """
    A connection of any endpoint of Twisted. Whoever forwards it to us (C{haproxy:}) may say in
    front of all else whose it is.
    """

    _named: bool = field(default=False, init=False)

    def dataReceived(self, data: bytes) -> None:
        """
        See L{Connection.dataReceived}.
        """
        if not self._named:
            self._named = True
            self._rename(self.transport.getPeer())
        super().dataReceived(data)

    def _rename(self, peer: Any) -> None:
        """
        The client is another than it seemed to be: so is the flow, which nobody knows yet.
        """
        assert self.flow is not None
        if (peer.host, peer.port) != self.flow.peer:
            self.listener.flows.died(self.flow)
            self._begin(peer)


def limitSilence(transport: Any) -> None:
    """
    Have a connection broken off whose peer does not acknowledge what it is sent for
    L{UNACKNOWLEDGED} seconds: it is half-open, or the link is cut (RFC 5482). Not every system can.

    @param transport: Twisted's, of TCP or of a protocol on top of it, such as TLS.
    """
    while hasattr(transport, "transport"):
        transport = transport.transport
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        opened, milliseconds = transport.getHandle(), int(UNACKNOWLEDGED * 1000)
        # A stream endpoint need not be TCP.
        with suppress(OSError):
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)
