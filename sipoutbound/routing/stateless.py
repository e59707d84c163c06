"""
Passing on without a transaction: an ACK for a 2xx, a CANCEL of nothing known here (RFC 3261 16.10,
16.11).
"""

from __future__ import annotations

from typing import Final

from attrs import define

from sipoutbound.interfaces import IFlow, IRouter, Unreachable
from sipoutbound.message import message as wire
from sipoutbound.message.grammar import Malformed
from sipoutbound.message.unique import MAGIC, steady
from sipoutbound.routing.breadth import breadthOf
from sipoutbound.routing.course import Course
from sipoutbound.routing.decision import Decision, Forward, Reply, Target
from sipoutbound.routing.delivery import Delivery, Ways
from sipoutbound.routing.loop import LOOP, LoopDetection
from sipoutbound.routing.refusal import refusalOf
from sipoutbound.routing.request import Request

# RFC 3261 9.2: what is not passed on would have to be known here.
_UNKNOWN: Final = Reply(481)
_UNREACHABLE: Final = Reply(500)


@define(frozen=True, eq=False)
class StatelessProxy:
    """
    Sends a request to one target, the same for each repetition, and remembers nothing of it. Its
    responses come to nobody (RFC 6026 7.3).

    @ivar tree: the root of the routing tree.
    @ivar ways: flows and next hops.
    @ivar loops: knows what has been here before.
    """

    tree: IRouter
    ways: Ways
    loops: LoopDetection

    async def passOn(self, message: wire.Request, flow: IFlow) -> Reply | None:
        """
        Pass a request on.

        @return: C{None} when it was; else how it would be answered.
        """
        try:
            return await self._passOn(message, flow)
        except Malformed as error:
            return Reply(error.status, error.reason)

    async def _passOn(self, message: wire.Request, flow: IFlow) -> Reply | None:
        mark = self.loops.mark(message, flow)
        request = Request.arrived(message, flow, None)
        decision = await self.tree.route(request)
        target = _firstOf(decision)
        if not isinstance(target, Target):
            return target
        looped = LOOP if self.loops.looped(message, mark) else None
        return refusalOf(request.message) or looped or await self._sent(request, target, mark)

    async def _sent(self, request: Request, target: Target, mark: bytes) -> Reply | None:
        delivery = Delivery(request, self.ways)
        delivery.branch = statelessBranch(request.message) + mark
        flow = delivery.flowOf(target)
        if flow is not None and not flow.alive:
            return Reply(430)
        try:
            course = Course(delivery, target)
            copy = await course.next() if flow is None else delivery.copy(target, flow)
        except Unreachable:
            return _UNREACHABLE
        copy.request.set(b"Max-Breadth", b"%d" % breadthOf(copy.request))
        copy.flow.send(bytes(copy.request))
        return None


def _firstOf(decision: Decision) -> Target | Reply:
    """
    The one target (RFC 3261 16.11). What the server would answer itself is of no transaction here;
    why it does not pass something on is told.
    """
    if isinstance(decision, Forward) and decision.groups:
        return decision.groups[0][0]
    if isinstance(decision, Reply) and decision.status in (403, 416, 430, 482):
        return decision
    return _UNKNOWN


def statelessBranch(request: wire.Request) -> bytes:
    """
    The same branch for each repetition of a request, and for a CANCEL and its INVITE (RFC 3261
    16.11): made of the branch that it came with, or of what else tells it from all others.
    """
    branch = request.via.branch or b""
    if branch.startswith(MAGIC) and branch != MAGIC:
        return MAGIC + steady(branch)
    return MAGIC + steady(
        request.all(b"via")[0],
        request.to.param(b"tag") or b"",
        request.from_.param(b"tag") or b"",
        request.callId,
        b"%d" % request.cseq.number,
        request.uri,
    )
