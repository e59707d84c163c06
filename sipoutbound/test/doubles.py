"""
Doubles of what routing and the stack meet: messages, flows, next hops, a location service, a
registrar; none of them needs a reactor.
"""

from __future__ import annotations

from typing import Any

from attrs import define, evolve, field
from twisted.internet.defer import Deferred
from zope.interface import implementer

from sipoutbound.interfaces import (
    Address,
    IFlow,
    IFlows,
    IHops,
    ILocation,
    INextHops,
    IRegistrar,
    IRouter,
    Unreachable,
)
from sipoutbound.message.message import Request, Response
from sipoutbound.message.parse import parseMessage
from sipoutbound.message.uri import URI
from sipoutbound.outbound.binding import Binding
from sipoutbound.outbound.flowtoken import Forged, StreamFlow
from sipoutbound.routing.decision import Decision
from sipoutbound.routing.names import Names
from sipoutbound.routing.request import Request as Passage

#: The one instance of most tests.
PHONE = b"urn:uuid:00000000-0000-4000-8000-000000000001"

BINDING = Binding(
    aor=b"bob@example.com",
    contact=b"sip:bob@192.0.2.4:5060",
    params=b"",
    instance=None,
    regId=None,
    path=(),
    callId=b"register-1",
    cseq=1,
    q=1000,
    expires=2_000_000_000,
    updated=1_000_000_000.0,
    userAgent=b"",
    flow=b"",
)


def request(
    method: bytes = b"INVITE",
    uri: bytes = b"sip:bob@example.com",
    *headers: bytes,
    via: bytes = b"SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKcaller",
    to: bytes = b"<sip:bob@example.com>",
    forwards: bytes = b"70",
    body: bytes = b"",
) -> Request:
    """
    A request as it is received.

    @param headers: further header lines.
    """
    head = (
        method + b" " + uri + b" SIP/2.0",
        b"Via: " + via,
        *headers,
        b"Max-Forwards: " + forwards,
        b"From: <sip:alice@example.com>;tag=a1",
        b"To: " + to,
        b"Call-ID: call-1",
        b"CSeq: 1 " + method,
    )
    message = parseMessage(b"\r\n".join(head), body)
    assert isinstance(message, Request)
    return message


@implementer(IFlow)
@define(eq=False)
class FakeFlow:
    """
    A flow that keeps what is sent down.

    @ivar label: its name in a test; its token is made of it.
    @ivar takes: whether the network takes what is sent.
    @ivar sent: what was sent.
    @ivar watched: the limits it was watched with.
    """

    label: bytes = b"flow"
    peer: Address = ("192.0.2.9", 5060)
    transport: bytes = b"TCP"
    reliable: bool = True
    pending: set[Any] | None = None
    alive: bool = True
    registered: set[bytes] | None = None
    instances: set[bytes] | None = None
    relayed: bool = False
    takes: bool = True
    sent: list[bytes] = field(factory=list)
    watched: list[float] = field(factory=list)

    @property
    def identity(self) -> object:
        """
        Equal for flows with equal labels.
        """
        return StreamFlow(self.label, 1)

    @property
    def token(self) -> bytes:
        """
        Readable, unlike a real one.
        """
        return b"token-of-" + self.label

    @property
    def tokens(self) -> tuple[bytes, ...]:
        """
        No keys were ever rotated.
        """
        return (self.token,)

    @property
    def name(self) -> bytes:
        """
        The edge.
        """
        return b"edge.example.com" + (b";transport=tcp" if self.reliable else b"")

    @property
    def via(self) -> bytes:
        """
        The beginning of the edge's Via.
        """
        return b"SIP/2.0/" + self.transport + b" edge.example.com;branch="

    def send(self, data: bytes) -> bool:
        """
        Keep it.
        """
        if self.alive and self.takes:
            self.sent.append(data)
        return self.alive and self.takes

    def close(self) -> None:
        """
        Nothing more can be sent.
        """
        self.alive = False

    def beside(self, port: int) -> FakeFlow:
        """
        Another flow, for UDP.
        """
        return self if self.reliable else evolve(self, peer=(self.peer[0], port))

    def watch(self, limit: float) -> None:
        """
        Keep the limit.
        """
        self.watched.append(limit)

    @property
    def path(self) -> bytes:
        """
        The Path value of an outbound registration over it.
        """
        return b"<sip:%b@%b;lr;ob>" % (self.token, self.name)


@implementer(IFlows)
@define(eq=False)
class FakeFlows:
    """
    The flows there are.

    @ivar flows: by token; C{None} for one that is gone. A token that is not in it is forged.
    """

    flows: dict[bytes, FakeFlow | None] = field(factory=dict)

    @classmethod
    def of(cls, *flows: FakeFlow) -> FakeFlows:
        """
        A table with these flows, and one that is gone.
        """
        return cls({b"token-of-gone": None, **{flow.token: flow for flow in flows}})

    def find(self, token: bytes) -> FakeFlow | None:
        """
        @raise Forged: for a token that is not in the table.
        """
        try:
            flow = self.flows[token]
        except KeyError:
            raise Forged("not ours") from None
        return flow if flow is not None and flow.alive else None


@implementer(INextHops)
@define(eq=False)
class FakeHops:
    """
    Next hops by URI.

    @ivar ways: what reaching a URI comes to; an exception is raised, a L{Deferred} waited for, of a
        list one is taken after the other.
    @ivar larger: the same where the request is too large for UDP.
    @ivar reached: the URIs that were asked for.
    @ivar keys: what they were asked for with.
    """

    ways: dict[bytes, Any] = field(factory=dict)
    larger: dict[bytes, Any] = field(factory=dict)
    reached: list[bytes] = field(factory=list)
    keys: list[bytes] = field(factory=list)

    def towards(self, uri: URI, key: bytes) -> FakeCourse:
        """
        What C{ways} says; by default a new UDP flow, labelled with the URI.
        """
        self.keys.append(key)
        return FakeCourse(self, bytes(uri))


@implementer(IHops)
@define(eq=False)
class FakeCourse:
    """
    The addresses of one next hop.
    """

    hops: FakeHops
    uri: bytes
    large: bool = False
    count: int = 0

    @property
    def more(self) -> bool:
        """
        Whether the list goes on.
        """
        ways = self.hops.ways.get(self.uri)
        return self.count < len(ways) if isinstance(ways, list) else self.count == 0

    async def next(self) -> IFlow:
        """
        The next of the list.
        """
        self.hops.reached.append(self.uri)
        self.count += 1
        return await self._way()

    async def again(self) -> IFlow:
        """
        The same once more.
        """
        self.hops.reached.append(self.uri)
        return await self._way()

    async def larger(self) -> IFlow:
        """
        What C{larger} says.
        """
        self.large = True
        found: IFlow = self.hops.larger[self.uri]
        return found

    async def _way(self) -> IFlow:
        text = self.uri
        way = self.hops.ways.get(text)
        if isinstance(way, list):
            way = way[self.count - 1] if self.count <= len(way) else Unreachable("no more")
        if isinstance(way, Deferred):
            way = await way
        if isinstance(way, Exception):
            raise way
        if way is None:
            way = self.hops.ways[text] = FakeFlow(text, transport=b"UDP", reliable=False)
        found: IFlow = way
        return found


@implementer(ILocation)
@define(eq=False)
class FakeLocation:
    """
    Bindings by address of record.

    @ivar removed: the bindings that were to be removed.
    """

    bindings: dict[bytes, tuple[Binding, ...]] = field(factory=dict)
    removed: list[Binding] = field(factory=list)

    async def lookup(self, aor: bytes) -> tuple[Binding, ...]:
        """
        The bindings of an AoR.
        """
        return self.bindings.get(aor, ())

    async def remove(self, binding: Binding) -> bool:
        """
        Note it.
        """
        self.removed.append(binding)
        return True


@implementer(IRegistrar)
@define(eq=False)
class FakeRegistrar:
    """
    Answers every REGISTER alike.

    @ivar headers: of the answers.
    @ivar seen: the REGISTERs.
    """

    status: int = 200
    headers: tuple[tuple[bytes, bytes], ...] = ()
    seen: list[Request] = field(factory=list)

    async def register(self, request: Request) -> Response:
        """
        The answer.
        """
        self.seen.append(request)
        return Response.reply(request, self.status, None, self.headers, b"registrar")


@implementer(IRouter)
@define(eq=False)
class FakeRouter:
    """
    Always decides the same.

    @ivar seen: the requests it was asked about.
    """

    decision: Decision
    seen: list[Passage] = field(factory=list)

    async def route(self, request: Passage) -> Decision:
        """
        The decision.
        """
        self.seen.append(request)
        return self.decision


def names() -> Names:
    """
    The names of the server in these tests.
    """
    return Names(frozenset((b"example.com",)), {b"edge.example.com:5060", b"192.0.2.1:5060"})


def flowBinding(flow: FakeFlow, regId: int = 1, **changes: Any) -> Binding:
    """
    An outbound binding of the phone over a flow.
    """
    outbound = evolve(
        BINDING, instance=PHONE, regId=regId, path=(flow.path,), flow=flow.token
    )
    return evolve(outbound, **changes)


def decided(router: IRouter, request: Passage) -> Deferred[Decision]:
    """
    What a router decides.
    """

    async def asked() -> Decision:
        return await router.route(request)

    return Deferred.fromCoroutine(asked())
