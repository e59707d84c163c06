"""
The transport layer on doubles: a listener with a clock, and what carries a flow.
"""

from __future__ import annotations

from typing import Any

from attrs import define, field
from twisted.internet.address import IPv4Address
from twisted.internet.task import Clock

from sipoutbound.interfaces import Address
from sipoutbound.message.message import Request, Response
from sipoutbound.outbound.flowtoken import Keys
from sipoutbound.transaction.wheel import Wheel
from sipoutbound.transport.flow import Flow
from sipoutbound.transport.listener import Listener
from sipoutbound.transport.stream import Connection
from sipoutbound.transport.table import Flows

LOCAL = ("127.0.0.1", 5060)
PEER = ("192.0.2.9", 40001)


@define(eq=False)
class FakeLine:
    """
    What carries flows.

    @ivar written: what was sent, and to whom.
    @ivar dropped: the flows that were given up.
    @ivar takes: whether it takes what is sent.
    """

    listener: Listener
    takes: bool = True
    written: list[tuple[bytes, Address]] = field(factory=list)
    dropped: list[Flow] = field(factory=list)

    def write(self, data: bytes, peer: Address) -> bool:
        """
        Keep it.
        """
        self.written.append((data, peer))
        return self.takes

    def drop(self, flow: Flow) -> None:
        """
        As the real ones: the flow is dead at once.
        """
        self.dropped.append(flow)
        self.listener.flows.died(flow)

    def flowTo(self, peer: Address) -> Flow:
        """
        A new flow.
        """
        return self.listener.datagramFlow(self, peer, LOCAL)


@define(eq=False)
class FakeTransport:
    """
    A connection that keeps what is sent, and is closed when the test says so.

    @ivar sent: what was sent.
    @ivar closing: C{"lose"} or C{"abort"}, once it is to be closed.
    @ivar paused: whether nothing is read.
    @ivar producer: who is told when the peer does not read.
    @ivar options: the socket's, by level and number.
    """

    peer: Address = PEER
    sent: bytes = b""
    closing: str = ""
    paused: bool = False
    producer: Any = None
    options: dict[tuple[int, int], int] = field(factory=dict)

    def write(self, data: bytes) -> None:
        """
        Keep it.
        """
        self.sent += data

    def loseConnection(self) -> None:
        """
        To be closed. Nothing comes of it while there is a producer and the peer does not read.
        """
        if not (self.producer and self.paused):
            self.closing = self.closing or "lose"

    def abortConnection(self) -> None:
        """
        To be closed at once.
        """
        self.closing = "abort"

    def pauseProducing(self) -> None:
        """
        Do not read.
        """
        self.paused = True

    def resumeProducing(self) -> None:
        """
        Read on.
        """
        self.paused = False

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """
        Keep it.
        """
        self.producer = producer

    def unregisterProducer(self) -> None:
        """
        As Twisted's: harmless if there is none.
        """
        self.producer = None

    def setTcpNoDelay(self, enabled: bool) -> None:
        """
        Nothing to do.
        """

    def setTcpKeepAlive(self, enabled: bool) -> None:
        """
        Nothing to do.
        """

    def getHandle(self) -> FakeTransport:
        """
        The socket, of which nothing but options can be set.
        """
        return self

    def setsockopt(self, level: int, option: int, value: int) -> None:
        """
        Keep it.
        """
        self.options[level, option] = value

    def getPeer(self) -> IPv4Address:
        """
        The peer.
        """
        return IPv4Address("TCP", *self.peer)

    def getHost(self) -> IPv4Address:
        """
        We.
        """
        return IPv4Address("TCP", *LOCAL)


@define(eq=False)
class Place:
    """
    One listening port with its table of flows.

    @ivar lost: the flows that died.
    @ivar messages: what was received, and on which flow.
    """

    transport: bytes = b"TCP"
    advertised: bytes | None = None
    clock: Clock = field(factory=Clock)
    lost: list[Flow] = field(factory=list)
    messages: list[tuple[Flow, Request | Response]] = field(factory=list)
    addresses: set[bytes] = field(factory=set)
    flows: Flows = field(init=False)
    listener: Listener = field(init=False)
    line: FakeLine = field(init=False)
    _wheel: Wheel = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._wheel = Wheel(_raised)
        self.flows = Flows(Keys.generate(), self.clock.seconds, self._later, self.lost.append)
        self.listener = Listener(
            self.transport, self.flows, self._received, self.addresses, self.advertised
        )
        self.line = FakeLine(self.listener)

    def _later(self, delay: float, call: Any, argument: Any) -> Any:
        return self._wheel.add(self.clock.seconds() + delay, call, argument)

    def _received(self, flow: Flow, message: Request | Response) -> None:
        self.messages.append((flow, message))

    def wait(self, seconds: float) -> None:
        """
        Let time pass, second by second.
        """
        for _ in range(round(seconds)):
            self.clock.advance(1)
            self._wheel.advance(self.clock.seconds())

    def stream(self, peer: Address = PEER) -> Flow:
        """
        The flow of a new connection.
        """
        return self.listener.streamFlow(self.line, peer, LOCAL)

    def datagram(self, peer: Address = PEER, local: Address = LOCAL) -> Flow:
        """
        The flow of a UDP five-tuple.
        """
        return self.listener.datagramFlow(self.line, peer, local)

    def connect(self, peer: Address = PEER) -> tuple[Connection, FakeTransport]:
        """
        Have a client connect.
        """
        connection, transport = Connection(self.listener), FakeTransport(peer)
        connection.makeConnection(transport)
        return connection, transport


def _raised(error: BaseException) -> None:
    raise error
