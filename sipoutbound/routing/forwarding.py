"""
One request from its arrival to its answer: the tree is asked, its decision carried out.
"""

from __future__ import annotations

from functools import cached_property
from itertools import zip_longest
from typing import TYPE_CHECKING, Final

from attrs import define, evolve, field
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from sipoutbound.interfaces import IServerTransaction
from sipoutbound.message import message as wire
from sipoutbound.message.grammar import Malformed
from sipoutbound.message.message import Response
from sipoutbound.message.unique import unique
from sipoutbound.message.uri import cachedURI
from sipoutbound.routing.breadth import MOST, Breadth, breadthOf
from sipoutbound.routing.decision import Decision, Forward, Redirect, Reply, Target, octetsOf
from sipoutbound.routing.delivery import Delivery
from sipoutbound.routing.fork import Fork
from sipoutbound.routing.loop import LOOP
from sipoutbound.routing.refusal import refusalOf
from sipoutbound.routing.request import Request

if TYPE_CHECKING:
    from sipoutbound.routing.proxy import Proxy

log = Logger()

# Users of ours who lead to users of ours, and so on: more than this is a loop.
_DEEPEST: Final = 5

# Users whose Contacts are asked for on behalf of one request, as many as may ring at once where
# nobody says otherwise: five deep and ten Contacts each would have a request go to 100,000.
_LED: Final = MOST
_UNAVAILABLE: Final = Reply(480)

Groups = list[tuple[Target, ...]]


@define(eq=False, repr=False)
class Forwarding:
    """
    One request being served.

    @ivar came: the request as it came.
    @ivar serving: what waits for L{serve} to end, when it does not at once.
    """

    proxy: Proxy
    transaction: IServerTransaction
    came: wire.Request
    serving: Deferred[None] | None = field(default=None, init=False)
    _request: Request = field(init=False)
    _forks: list[Fork] = field(factory=list, init=False)
    _cancelled: bool = field(default=False, init=False)
    _passed: Response | None = field(default=None, init=False)

    async def serve(self) -> None:
        """
        Decide, and do it.
        """
        transaction = self.transaction
        request = Request.arrived(self.came, transaction.flow, self.response)
        self._request = request
        try:
            decision = await self.proxy.tree.route(request)
            response = await self.response(request, decision)
        except Malformed as error:
            log.info("{method} refused: {why}", method=request.method, why=error.reason)
            response = answerOf(request.message, Reply(error.status, error.reason))
        finally:
            request.served()
        if self._passed is not None:
            return
        if response.status == 408 and request.message.method != b"INVITE":
            # RFC 4320 4.2: it would be late everywhere.
            transaction.abandon()
        else:
            self._respond(response)

    def cancel(self) -> None:
        """
        The caller does not want it any more (RFC 3261 16.10): whatever rings is cancelled, a router
        that thinks is interrupted, and nothing is forwarded from now on.
        """
        self._cancelled = True
        if not self._forks and self.serving is not None:
            self.serving.cancel()
        for fork in tuple(self._forks):
            fork.cancel()

    async def response(
        self, request: Request, decision: Decision, seconds: float | None = None
    ) -> Response:
        """
        The response that a decision comes to. That of a L{Forward} is the best final one; a 2xx has
        been passed on when it is returned, any other has not.

        @param seconds: for how long an INVITE may ring; C{None} for as long as timer C lets it.
        """
        if isinstance(decision, Forward):
            refusal = refusalOf(request.message) or self._loop()
            decision = refusal or await self._resolved(request, decision)
        if isinstance(decision, Forward):
            return self._over(request) or await self._forked(request, decision, seconds)
        if isinstance(decision, Response):
            return decision
        return answerOf(request.message, decision)

    def _loop(self) -> Reply | None:
        """
        RFC 3261 16.3 step 4, as RFC 5393 4.2.2 has it.
        """
        looped = self.proxy.loops.looped(self.came, self._mark)
        return LOOP if looped else None

    @cached_property
    def _mark(self) -> bytes:
        return self.proxy.loops.mark(self.came, self.transaction.flow)

    @cached_property
    def _breadth(self) -> Breadth:
        return Breadth(breadthOf(self.came))

    def _over(self, request: Request) -> Response | None:
        """
        What has become of it, when nothing is to be forwarded any more.
        """
        if self._passed is None and self._cancelled:
            return answerOf(request.message, Reply(487))
        return self._passed

    async def _forked(
        self, request: Request, forward: Forward, seconds: float | None
    ) -> Response:
        done: Deferred[Response] = Deferred()
        delivery = Delivery(request, self.proxy.ways, forward.headers, self._mark)
        fork = Fork(
            request,
            delivery,
            self.proxy.transactions,
            self._breadth,
            self._pass,
            done.callback,
        )
        self._forks.append(fork)
        fork.start(forward)
        timer = None
        if seconds is not None:
            timer = self.proxy.transactions.later(seconds, Fork.expire, fork)
        response = await done
        self._forks.remove(fork)
        if timer is not None:
            timer.cancel()
        return response

    def _pass(self, response: Response) -> None:
        if response.status >= 200 and self._passed is None:
            self._passed = response
            self._cancelOthers()
        self._respond(response)

    def _respond(self, response: Response) -> None:
        if self._request.answering is not None:
            self._request.answering(response)
        self.transaction.respond(response)

    def _cancelOthers(self) -> None:
        """
        Somebody has picked up late, and a router has had others rung meanwhile: they stop (RFC 3261
        16.7 step 10).
        """
        for fork in tuple(self._forks):
            if not fork.won:
                fork.cancel()

    async def _resolved(
        self, request: Request, forward: Forward, led: set[bytes] | None = None
    ) -> Decision:
        """
        The same with bindings in place of those targets that are users of ours. A Route that is
        left on the request leads elsewhere, whatever the target is called (RFC 3261 16.12).

        @param led: the users that were asked already. As a Contact each counts once (RFC 3261
            16.5), so that users who name each other cost no more than there are of them.
        """
        users = any(self._leadsToUser(target) for group in forward.groups for target in group)
        if not users or request.message.all(b"route"):
            return forward
        groups: Groups = []
        failure: Decision = _UNAVAILABLE
        led = {request.target.aor()} if led is None else led
        for group in forward.groups:
            ways = [way for target in group for way in self._apart(target)]
            found = [await self._found(request, way, led) for way in ways]
            groups += merged([item.groups for item in found if isinstance(item, Forward)])
            failure = next((item for item in found if not isinstance(item, Forward)), failure)
        return Forward(*groups, headers=forward.headers) if groups else failure

    def _leadsToUser(self, target: Target) -> bool:
        return any(map(self._isUser, (target, *target.otherwise)))

    def _isUser(self, target: Target) -> bool:
        """
        Whether it is for a user of ours, also as somebody's Contact: so nothing is sent to
        ourselves.
        """
        if target.uri is None or target.route or target.flow:
            return False
        return self.proxy.ways.names.owns(cachedURI(target.uri))

    def _apart(self, target: Target) -> list[Target]:
        """
        The users among the ways of one instance, and the rest as one.
        """
        ways = target, *target.otherwise
        users = [evolve(way, otherwise=()) for way in ways if self._isUser(way)]
        rest = [way for way in ways if not self._isUser(way)]
        return users + [evolve(first, otherwise=(*rest[1:],)) for first in rest[:1]]

    async def _found(self, request: Request, target: Target, led: set[bytes]) -> Decision:
        if not self._isUser(target):
            return Forward(target)
        inner = request.to(target.uri or b"")
        again = target.binding is not None and (inner.target.aor() in led or len(led) >= _LED)
        if again or request.depth >= _DEEPEST:
            return LOOP
        led.add(inner.target.aor())
        decision = await self.proxy.users.route(inner)
        if isinstance(decision, Forward):
            return await self._resolved(inner, decision, led)
        return decision


def merged(lists: list[tuple[tuple[Target, ...], ...]]) -> Groups:
    """
    What goes on at once: the first groups of all together, then the second ones.
    """
    return [sum(groups, ()) for groups in zip_longest(*lists, fillvalue=())]


def answerOf(request: wire.Request, decision: Reply | Redirect) -> Response:
    """
    The response that a decision means.
    """
    if type(decision) is Redirect:
        contacts = ", ".join(f"<{uri}>" for uri in decision.contacts)
        decision = Reply(302, headers=(("Contact", contacts),))
    assert type(decision) is Reply
    headers = [(name.encode(), octetsOf(value)) for name, value in decision.headers]
    return Response.reply(request, decision.status, decision.reason, headers, unique())
