"""
A scripted edge: the proxy of a user agent under test, which does what a test says.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from attrs import define, field
from twisted.internet import reactor as theReactor
from twisted.internet.defer import DeferredQueue
from twisted.internet.protocol import DatagramProtocol, Factory
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from sipoutbound.interfaces import Address
from sipoutbound.message.message import Request, Response
from sipoutbound.message.parse import parseMessage
from sipoutbound.outbound import stun
from sipoutbound.test.laboratory import LOOPBACK, PushedClock
from sipoutbound.test.line import Octets, until, within
from sipoutbound.useragent import UserAgent

reactor: Any = theReactor

AOR: Final = "sip:bot@example.test"

#: Seconds that what happens at once may take on a busy machine; fewer than any difference that is
#: looked at between two times.
NOW: Final = 1.5


@define(eq=False, repr=False)
class Accepted(Octets):
    """
    A connection that the user agent has made.

    @ivar port: its port.
    """

    port: int = 0

    def connectionMade(self) -> None:
        """
        Note whose it is. Nothing small must wait for an acknowledgement (RFC 896): seconds pass in
        no time here.
        """
        self.transport.setTcpNoDelay(True)
        self.port = self.transport.getPeer().port

    async def hears(self, what: str = "anything") -> Any:
        """
        The next message or line break.
        """
        return await within(self.heard.get(), f"the edge awaits {what}")

    def give(self, data: bytes) -> None:
        """
        Send something.
        """
        self.write(data)


@define(eq=False, repr=False)
class Bound(DatagramProtocol):
    """
    The edge's UDP port, facing whoever has sent last.

    @ivar mapped: what STUN tells in place of the sender's address.
    @ivar mute: whether STUN is not answered.
    @ivar asked: when STUN was asked for, and by whom.
    """

    transport: Any = None
    heard: DeferredQueue[Any] = field(factory=DeferredQueue)
    peer: Address = ("", 0)
    mapped: Address | None = None
    mute: bool = False
    asked: list[tuple[float, Address]] = field(factory=list)
    clock: Any = None

    @property
    def port(self) -> int:
        """
        The port of whoever has sent last.
        """
        return self.peer[1]

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        """
        Answer STUN, hand out messages.
        """
        self.peer = addr
        if not stun.isStun(datagram):
            head, _, body = datagram.partition(b"\r\n\r\n")
            self.heard.put(parseMessage(head, body) if b"SIP/2.0" in head else datagram)
            return
        self.asked.append((self.clock.seconds(), addr))
        if not self.mute:
            answer = stun.answer(datagram, self.mapped or addr)
            assert answer is not None
            self.give(answer)

    async def hears(self, what: str = "anything") -> Any:
        """
        The next message.
        """
        return await within(self.heard.get(), f"the edge awaits {what}")

    def give(self, data: bytes) -> None:
        """
        Send something.
        """
        self.transport.write(data, self.peer)


@define(eq=False, repr=False)
class Edge:
    """
    The edge.

    @ivar dialled: the connections as they come.
    @ivar count: how many have come.
    """

    clock: Any
    dialled: DeferredQueue[Accepted] = field(factory=DeferredQueue)
    bound: Bound = field(factory=Bound)
    count: int = 0
    all: list[Accepted] = field(factory=list)
    _ports: list[Any] = field(factory=list)
    port: int = 0
    datagramPort: int = 0

    def listen(self, interface: str = LOOPBACK) -> None:
        """
        Listen, at the same ports as before if there were any.
        """
        dialled = reactor.listenTCP(self.port, _Accepting(self), interface=interface)
        self.bound.clock = self.clock
        bound = reactor.listenUDP(self.datagramPort, self.bound, interface, 65536)
        self.port, self.datagramPort = dialled.getHost().port, bound.getHost().port
        self._ports = [dialled, bound]

    async def deafen(self) -> None:
        """
        Listen no more.
        """
        ports, self._ports = self._ports, []
        for port in ports:
            await port.stopListening()

    async def close(self) -> None:
        """
        End all.
        """
        await self.deafen()
        for each in self.all:
            if not each.closed.called:
                each.abort()
                await within(each.closed, "the end of a connection")

    @property
    def tcp(self) -> str:
        """
        Its URI for connections.
        """
        return f"sip:{LOOPBACK}:{self.port};transport=tcp"

    @property
    def udp(self) -> str:
        """
        Its URI for datagrams.
        """
        return f"sip:{LOOPBACK}:{self.datagramPort}"

    async def connection(self) -> Accepted:
        """
        The next connection.
        """
        return await within(self.dialled.get(), "the edge awaits a connection")


class _Accepting(Factory):
    noisy = False

    def __init__(self, edge: Edge) -> None:
        self.edge = edge

    def buildProtocol(self, addr: Any) -> Accepted:
        accepted = Accepted((addr.host, addr.port))
        self.edge.count += 1
        self.edge.all.append(accepted)
        self.edge.dialled.put(accepted)
        return accepted


Wire = Accepted | Bound


def answered(
    request: Request, status: int = 200, *headers: tuple[bytes, bytes], body: bytes = b""
) -> bytes:
    """
    A response.
    """
    response = Response.reply(request, status, None, headers, b"edge")
    if body:
        response.set(b"Content-Length", b"%d" % len(body))
        response.body = body
    return bytes(response)


def granted(
    request: Request, expires: int = 600, flowTimer: bytes | None = None, outbound: bool = True
) -> bytes:
    """
    The 200 to a REGISTER.
    """
    contact = request.need(b"contact") + b";expires=%d" % expires
    headers = [(b"Contact", contact)]
    if outbound:
        headers.append((b"Require", b"outbound"))
    if flowTimer is not None:
        headers.append((b"Flow-Timer", flowTimer))
    return answered(request, 200, *headers)


class AgentTestCase(TestCase):
    """
    Tests of a user agent with scripted edges.

    @ivar draws: the bounds between which was drawn; the upper one is taken.
    """

    timeout = 60.0

    def setUp(self) -> None:
        """
        Two edges that listen.
        """
        self.clock = PushedClock()
        self.edge, self.other = Edge(self.clock), Edge(self.clock)
        self.file = Path(self.mktemp()) / "instance"
        self.agents: list[UserAgent] = []
        self.draws: list[tuple[float, float]] = []
        self.addCleanup(self._end)
        for edge in (self.edge, self.other):
            edge.listen()

    async def _end(self) -> None:
        for agent in self.agents:
            if agent.running:
                stopping = agent.stopService()
                self.advance(10)
                await within(stopping, "the end of the user agent")
        for edge in (self.edge, self.other):
            await edge.close()
        await self.turn()
        self.clock.stop()
        left = [str(call) for call in self.clock.calls]
        self.assertEqual(left, [], "left behind")

    def draw(self, least: float, most: float) -> float:
        """
        The most, noted.
        """
        self.draws.append((least, most))
        return most

    def agent(self, *proxies: str, answer: Any = None, **changes: Any) -> UserAgent:
        """
        A user agent, started.
        """
        given: dict[str, Any] = {"draw": self.draw, **changes}
        if answer is not None:
            given["answer"] = answer
        agent = UserAgent(self.clock, AOR, proxies or (self.edge.tcp,), self.file, **given)
        self.agents.append(agent)
        agent.startService()
        return agent

    def advance(self, seconds: float) -> None:
        """
        Let time pass.
        """
        self.clock.advance(seconds)

    async def turn(self) -> None:
        """
        Let everybody take what was sent so far.
        """
        for _ in range(10):
            await deferLater(reactor, 0)

    async def until(self, condition: Callable[[], object], what: str) -> None:
        """
        See L{sipoutbound.test.line.until}.
        """
        await until(condition, what)

    async def dies(self, agent: UserAgent, number: int = 0) -> None:
        """
        Make sure that a flow is given up now, not some time later.
        """
        since = self.clock.seconds()
        await self.until(lambda: not agent.statuses[number].registered, "the end of a flow")
        self.assertLess(self.clock.seconds() - since, NOW)

    async def registers(self, wire: Wire) -> Request:
        """
        The next thing that comes, which must be a REGISTER.
        """
        request = await wire.hears("REGISTER")
        assert isinstance(request, Request) and request.method == b"REGISTER", request
        return request

    async def registered(self, wire: Wire | None = None, **grant: Any) -> tuple[Any, Request]:
        """
        Grant the next REGISTER.

        @param wire: where it comes; a new connection to the first edge where it is not given.
        @return: that, and the REGISTER.
        """
        found = wire or await self.edge.connection()
        request = await self.registers(found)
        found.give(granted(request, **grant))
        await self.turn()
        return found, request

    async def left(self, agent: UserAgent, *wires: Any) -> list[Request]:
        """
        Stop it.

        @return: the REGISTERs that say so.
        """
        stopping = agent.stopService()
        removals = []
        for wire in wires:
            removals.append(await self.registers(wire))
            wire.give(answered(removals[-1]))
        await within(stopping, "the end of the user agent")
        return removals
