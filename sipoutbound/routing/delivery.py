"""
What is sent to a target, and down which flow (RFC 3261 16.6, RFC 3327 5.4, RFC 5626 5.3.1, 7).
"""

from __future__ import annotations

from typing import Final

from attrs import define, evolve, field

from sipoutbound.interfaces import IFlow, IFlows, IHops, ILocation, INextHops
from sipoutbound.message import message as wire
from sipoutbound.message.grammar import Malformed
from sipoutbound.message.header import NameAddress
from sipoutbound.message.unique import uniqueBranch
from sipoutbound.message.uri import URI, cachedURI
from sipoutbound.outbound.flowtoken import Forged
from sipoutbound.routing.decision import Target, TextHeaders
from sipoutbound.routing.names import Names
from sipoutbound.routing.record import plainRoute, sourceRoute, tokenRoute
from sipoutbound.routing.request import Request

# RFC 3261 16.6 step 3: what a request without Max-Forwards starts from.
_MAX_FORWARDS: Final = 70


@define(frozen=True, eq=False)
class Ways:
    """
    What is known of flows and next hops; the same for all requests.
    """

    names: Names
    flows: IFlows
    hops: INextHops
    location: ILocation


@define(frozen=True, eq=False)
class Copy:
    """
    A request ready to be sent.

    @ivar branch: of our Via, which is on top.
    @ivar flow: where it goes.
    """

    request: wire.Request
    branch: bytes
    flow: IFlow


class _Gone:
    """
    Stands for a flow that is no more.
    """

    alive = False


@define(eq=False, repr=False)
class Delivery:
    """
    One request, and how it is sent to each of its targets.

    @ivar request: as it came, less our own Routes.
    @ivar ways: flows and next hops.
    @ivar headers: what a router adds.
    @ivar branch: of all its Vias, where each repetition is to have the same.
    @ivar mark: the second part of the branches of our Vias, by which a loop is known.
    """

    request: Request
    ways: Ways
    headers: TextHeaders = ()
    mark: bytes = b""
    branch: bytes = b""
    _hops: int = field(init=False)

    def __attrs_post_init__(self) -> None:
        forwards = self.request.message.first(b"max-forwards")
        self._hops = int(forwards) - 1 if forwards is not None else _MAX_FORWARDS

    @property
    def location(self) -> ILocation:
        """
        Where a failed binding is removed.
        """
        return self.ways.location

    def flowOf(self, target: Target) -> IFlow | None:
        """
        The flow that leads to a target: its own, or that of our token on top of its path. One that
        is gone is not alive. C{None} where no token of ours leads there.
        """
        if target.flow is not None:
            return target.flow
        if not target.route:
            return None
        try:
            uri = cachedURI(NameAddress.parse(target.route[0]).text)
            if uri.user is None or not self.ways.names.named(uri):
                return None
            return self.ways.flows.find(uri.user) or _GONE
        except (Forged, Malformed):
            # Sealed by keys that we no longer have: a flow of another time. Or no way at all.
            return _GONE

    def hops(self, target: Target) -> IHops:
        """
        The ways to the next hop: the first Route, or else the Request-URI (RFC 3261 16.6 step 6,
        7). What belongs to one call takes the same of several servers that are equal.

        @raise Malformed: when what leads there is no URI.
        """
        message = self.request.message
        routes = target.route or tuple(message.all(b"route"))
        uri = NameAddress.parse(routes[0]).uri if routes else self._target(target)
        return self.ways.hops.towards(uri, message.callId)

    def _target(self, target: Target) -> URI:
        return self.request.target if target.uri is None else URI.parse(target.uri)

    def copy(self, target: Target, flow: IFlow) -> Copy:
        """
        The request as it is sent down a flow, with a Via of our own (RFC 3261 16.6 step 8).
        """
        branch = self.branch or uniqueBranch() + self.mark
        request = self.message(target, flow)
        request.put(b"Via", flow.via + branch)
        return Copy(request, branch, flow)

    def message(self, target: Target, flow: IFlow) -> wire.Request:
        """
        The request as it is sent, but for our Via.
        """
        source = self.request.message
        forwarded = source.copy(self._requestURI(target))
        forwarded.set(b"Max-Forwards", b"%d" % self._hops)
        if flow.reliable:
            measure(forwarded)
        for name, text in reversed(self.headers):
            forwarded.put(name.encode(), text.encode())
        byToken = self.flowOf(target) is not None
        ours = byToken and target.flow is None
        for value in reversed(target.route[1:] if ours else target.route):
            forwarded.put(b"Route", value)
        for route in self._recordRoutes(target, flow, byToken):
            forwarded.put(b"Record-Route", route)
        return forStrictRouter(forwarded) if b"route" in forwarded.values else forwarded

    def _requestURI(self, target: Target) -> bytes | None:
        """
        RFC 3261 19.1.1, Table 1: no method parameter and no headers in a Request-URI.

        @return: C{None} when it stays, octet by octet.
        """
        came = self.request.message.uri
        wanted = bytes(self.request.target) if target.uri is None else target.uri
        if wanted in (came, bytes(cachedURI(came))):
            return None
        if b"?" not in wanted and b"method=" not in wanted.lower():
            return wanted
        return bytes(evolve(URI.parse(wanted).without(b"method"), headers=None))

    def _recordRoutes(self, target: Target, flow: IFlow, byToken: bool) -> list[bytes]:
        """
        The flow it came on, then the flow it goes down, if dialogs come of it (RFC 5626 5.3): by
        our token, or the flow made to a plain Contact. So nobody who calls our users has to be
        let through to anywhere else. Others may not speak the transport that it came by (RFC 3261
        16.6 step 4), and are told of the one that they are reached by.
        """
        message = self.request.message
        if not message.formsDialog:
            return []
        source = sourceRoute(message, self.request.flow)
        routes = [source] if source is not None else []
        if byToken:
            return [*routes, tokenRoute(flow)]
        if target.binding is not None and not target.route:
            return [*routes, plainRoute(flow)]
        if routes and flow.transport != self.request.flow.transport:
            return [*routes, b"<sip:%b;lr>" % flow.name]
        return routes


def measure(message: wire.Message) -> None:
    """
    Add the Content-Length that a connection needs and a datagram does not (RFC 3261 16.6 step 9,
    18.3).
    """
    if b"content-length" not in message.values:
        message.set(b"Content-Length", b"%d" % len(message.body))


def forStrictRouter(request: wire.Request) -> wire.Request:
    """
    The same request, or where a strict router is next, the one that it expects: its own URI as the
    Request-URI, the real one last of the Routes (RFC 3261 16.6 step 6).

    @raise Malformed: when the next Route is none.
    """
    routes = request.all(b"route")
    uri = cachedURI(NameAddress.parse(routes[0]).text) if routes else None
    if uri is None or uri.has(b"lr"):
        return request
    changed = request.copy(bytes(evolve(uri.without(b"method"), headers=None)))
    changed.drop(b"route")
    for value in (b"<%b>" % request.uri, *routes[:0:-1]):
        changed.put(b"Route", value)
    return changed


_GONE: Final[IFlow] = _Gone()  # type: ignore[assignment]
