"""
SIP over a stream of octets: TCP, and whatever else looks like it (RFC 3261 18.3).
"""

from __future__ import annotations

from typing import Any, Final

from attrs import define, field
from twisted.internet.interfaces import IHalfCloseableProtocol, IPushProducer
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from sipoutbound.interfaces import Address
from sipoutbound.message.framing import Life, Stream, Unframed
from sipoutbound.transport.flow import Flow
from sipoutbound.transport.listener import Listener

log = Logger()

# Seconds for the rest of a message once it has begun: 64*T1, what a whole transaction may take.
PATIENCE: Final = 32.0

# Octets that may wait for a peer that does not read; beyond it the connection is of no use.
BACKLOG: Final = 1 << 20

_PONG: Final = b"\r\n"


@implementer(IPushProducer, IHalfCloseableProtocol)
@define(eq=False, repr=False)
class Connection(Protocol):
    """
    One connection and its flow.

    @ivar listener: what it has in common with the others of its port.
    """

    listener: Listener
    flow: Flow | None = field(default=None, init=False)
    transport: Any = field(default=None, init=False)
    _stream: Stream = field(init=False)
    _unread: int = field(default=-1, init=False)
    _begun: float | None = field(default=None, init=False)
    _impatient: Any = field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        self._stream = Stream(self.listener.limits)

    def connectionMade(self) -> None:
        """
        A flow begins.
        """
        self.transport.setTcpNoDelay(True)
        self.transport.setTcpKeepAlive(True)
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
                if event is Life.PING:
                    self.write(_PONG, flow.peer)
                elif event is not Life.CRLF:
                    self.listener.received(flow, event)
        except Unframed as error:
            self._unframed(flow, error)
        if self._stream.partial and begun is None:
            begun = flow.heard
            if self._impatient is None and flow.alive:
                self._impatient = self.listener.flows.later(PATIENCE, self._late, begun)
        self._begun = begun

    def _unframed(self, flow: Flow, error: Unframed) -> None:
        log.info("closing {peer}: {error}", peer=flow.peer, error=error)
        if error.request is not None:
            self.listener.received(flow, error.request)
        self.transport.loseConnection()

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

    def write(self, data: bytes, peer: Address) -> None:
        """
        Send octets; what one turn sends leaves together.
        """
        self.transport.write(data)
        if self._unread >= 0:
            self._unread += len(data)
            if self._unread > BACKLOG:
                log.info("closing {peer}: it does not read", peer=peer)
                self.transport.abortConnection()

    def drop(self, flow: Flow) -> None:
        """
        Close the connection. Its flow is dead at once.
        """
        self.transport.loseConnection()
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
        The peer sends no more. A flow has two directions: it is over.
        """
        self.transport.loseConnection()

    def writeConnectionLost(self) -> None:
        """
        Nothing more can be sent.
        """
        self.transport.loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        The flow is gone, and with it its bindings (RFC 5626 7).
        """
        if self._impatient is not None:
            self._impatient.cancel()
        if self.flow is not None:
            self.listener.flows.died(self.flow)
