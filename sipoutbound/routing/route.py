"""
Route inspection, on the way in: ours? which flow? forged or gone? (RFC 3261 16.4, RFC 5626 5.3)
"""

from __future__ import annotations

from attrs import define, evolve
from zope.interface import implementer

from sipoutbound.interfaces import IFlow, IFlows, IRouter
from sipoutbound.message.header import NameAddress
from sipoutbound.message.uri import URI, cachedURI
from sipoutbound.outbound.flowtoken import Forged
from sipoutbound.routing.decision import Decision, Forward, Reply, Target
from sipoutbound.routing.names import Names
from sipoutbound.routing.record import PLAIN, isFirstHop
from sipoutbound.routing.request import Request, namesOf

#: RFC 5626 5.3.1: the token is not ours, or its flow is gone.
FORGED = Reply(403, "Forged Flow Token")
FAILED = Reply(430)


@implementer(IRouter)
@define(eq=False, repr=False)
class RouteInspection:
    """
    Takes our own Routes off a request and follows them: a token of another flow decides where the
    request goes, and nothing behind this router is asked.

    @ivar inner: the tree for requests whose Routes do not decide.
    @ivar dialogs: the same for requests within a dialog: no plugin sees them.
    @ivar foreign: for requests to somebody else, by a Route or within a dialog.
    """

    names: Names
    flows: IFlows
    inner: IRouter
    dialogs: IRouter
    foreign: IRouter

    async def route(self, request: Request) -> Decision:
        """
        Follow the Routes.
        """
        if b"route" not in request.message.keys:
            self._unaddressed(request)
            return await self._beyond(request).route(request)
        request.message = request.message.copy()
        followed = self._follow(request)
        if isinstance(followed, Reply | Forward):
            return followed
        return await followed.route(request)

    def _beyond(self, request: Request) -> IRouter:
        """
        Where a request goes whose Routes did not decide. Within a dialog the Request-URI is the
        Contact of somebody, who may be on this host at a port that is not ours. A C{maddr} that is
        not ours is the only target (RFC 3261 16.5). A CANCEL is of nothing that a plugin has seen.
        A REGISTER is in no dialog, whatever its To says: nobody passes the edge half by.
        """
        message = request.message
        if request.target.params and request.target.has(b"maddr"):
            return self.foreign
        if message.method == b"REGISTER" or not (message.method == b"CANCEL" or message.inDialog):
            return self.inner
        return self.dialogs if self.names.owns(request.target) else self.foreign

    def _follow(self, request: Request) -> Reply | Forward | IRouter:
        """
        @return: the decision, or the router that has it.
        """
        message = request.message
        self._unstrict(request)
        self._unaddressed(request)
        top = True
        while routes := message.all(b"route"):
            uri = cachedURI(NameAddress.parse(routes[0]).text)
            if not self.names.named(uri):
                return self.foreign
            message.pop(b"route")
            decided = self._token(request, uri, top) if uri.user is not None else None
            if decided is not None:
                return decided
            top = False
        return self._beyond(request)

    def _token(self, request: Request, uri: URI, top: bool) -> Reply | Forward | None:
        """
        The token of the flow that the request came on means that it goes out (RFC 5626 5.3.2): the
        next Route or the Request-URI decides. Any other is the flow it goes down. But a client that
        has registered anew goes on with a dialog whose flow has failed, known to us or not: it
        would get its own request over the old flow.

        @param top: whether it was the topmost Route as it came.
        """
        try:
            flow = self.flows.find(uri.user or b"")
        except Forged:
            return FORGED
        if flow is None:
            return FAILED
        if flow.identity == request.flow.identity or (top and _isOwn(request, uri, flow)):
            return None
        if top and _ofOneDevice(request.flow, flow):
            return FAILED
        _checkNext(request)
        return Forward(Target(flow=flow))

    def _unstrict(self, request: Request) -> None:
        """
        A strict router has put our Record-Route into the Request-URI, and the real one last of the
        Routes (RFC 3261 16.4).
        """
        target, message = request.target, request.message
        if not (target.has(b"lr") and message.all(b"route") and self.names.named(target)):
            return
        *routes, last = message.all(b"route")
        message.drop(b"route")
        for value in reversed([b"<%b>" % bytes(target), *routes]):
            message.put(b"Route", value)
        _retarget(request, cachedURI(NameAddress.parse(last).text))

    def _unaddressed(self, request: Request) -> None:
        """
        A C{maddr} that is ours has brought the request here and means nothing any more, nor do the
        port and the transport with it (RFC 3261 16.4).
        """
        target = request.target
        if target.params and target.has(b"maddr") and self.names.named(target):
            bare = target.without(b"maddr").without(b"transport")
            _retarget(request, evolve(bare, port=None))


def _retarget(request: Request, target: URI) -> None:
    request.target, request.ahead = target, namesOf(target)


def _checkNext(request: Request) -> None:
    """
    What is forwarded with a Route has a sound one on top (RFC 3261 16.3 step 1).

    @raise sipoutbound.message.grammar.Malformed: when it has not.
    """
    for route in request.message.all(b"route")[:1]:
        cachedURI(NameAddress.parse(route).text)


def _ofOneDevice(one: IFlow, other: IFlow) -> bool:
    """
    Whether the same device has registered over both.
    """
    if one.instances is None or other.instances is None:
        return False
    return not one.instances.isdisjoint(other.instances)


def _isOwn(request: Request, uri: URI, flow: IFlow) -> bool:
    """
    Whether a phone with a plain Contact has sent a request by its own Route, from another port than
    that of its Contact. Only the topmost Route is a sender's own, so two phones on one host reach
    each other; and only where nobody is between: else the host is that of a proxy.
    """
    sameHost = flow.peer[0] == request.flow.peer[0]
    return uri.has(PLAIN) and sameHost and isFirstHop(request.message)
