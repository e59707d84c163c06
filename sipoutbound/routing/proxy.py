"""
The proxy core (RFC 3261 16): asks the tree, and carries its decision out.
"""

from __future__ import annotations

from traceback import walk_tb

from attrs import define, field
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.python.reflect import fullyQualifiedName
from zope.interface import implementer

from sipoutbound.interfaces import (
    IFlow,
    IRouter,
    IServerTransaction,
    ITransactions,
    ITransactionUser,
    Unreachable,
)
from sipoutbound.message import message as wire
from sipoutbound.message.grammar import Malformed
from sipoutbound.message.message import Response
from sipoutbound.message.unique import unique, uniqueBranch
from sipoutbound.routing.decision import Forward
from sipoutbound.routing.delivery import Delivery, Ways
from sipoutbound.routing.eager import begun
from sipoutbound.routing.forwarding import Forwarding, refusalOf
from sipoutbound.routing.loop import LoopDetection
from sipoutbound.routing.request import Request

log = Logger()


@implementer(ITransactionUser)
@define(eq=False, repr=False)
class Proxy:
    """
    Takes requests from the transaction layer, and sends them where the tree says.

    @ivar tree: the root of the routing tree.
    @ivar users: the part of it that is asked again for a target that is a user of ours.
    @ivar transactions: what sends.
    @ivar ways: flows and next hops.
    @ivar loops: knows what has been here before.
    """

    tree: IRouter
    users: IRouter
    transactions: ITransactions
    ways: Ways
    loops: LoopDetection = field(factory=LoopDetection)

    def received(self, transaction: IServerTransaction) -> None:
        """
        A new request.
        """
        request = transaction.request
        if request.method == b"INVITE":
            # RFC 3261 17.2.1: within 200 ms, or the client repeats its INVITE.
            transaction.respond(Response.reply(request, 100))
        forwarding = Forwarding(self, transaction, request)
        try:
            serving = begun(forwarding.serve())
        except Exception:
            _failed(Failure(), transaction, request)
            return
        if serving is not None:
            forwarding.serving = serving
            transaction.cancelled = forwarding.cancel
            serving.addErrback(_failed, transaction, request)

    def acknowledged(self, request: wire.Request, flow: IFlow) -> None:
        """
        An ACK for a 2xx: sent on without a transaction (RFC 3261 16.11), never answered.
        """
        passing = Deferred.fromCoroutine(self._acknowledge(Request.arrived(request, flow, None)))
        passing.addErrback(_notPassed, flow)

    async def _acknowledge(self, request: Request) -> None:
        decision = await self.tree.route(request)
        if type(decision) is not Forward or refusalOf(request.message) is not None:
            return
        delivery = Delivery(request, self.ways)
        for target in sum(decision.groups, ())[:1]:
            flow = delivery.flowOf(target) or await delivery.reach(target)
            if flow.alive:
                ack = delivery.message(target, flow)
                ack.put(b"Via", flow.via + uniqueBranch())
                flow.send(bytes(ack))


def _notPassed(failure: Failure, flow: IFlow) -> None:
    """
    An ACK is never answered, so the log alone tells.
    """
    if failure.check(Unreachable, Malformed) is None:
        log.failure("an ACK was not passed on", failure)
    log.info("ACK of {peer} dropped: {why}", peer=flow.peer, why=failure.getErrorMessage())


def _failed(failure: Failure, transaction: IServerTransaction, request: wire.Request) -> None:
    """
    A router raised an exception, or the caller has cancelled while it was thinking.
    """
    cancelled = failure.check(CancelledError) is not None
    if not cancelled:
        method = request.method.decode()
        log.failure("{at} failed at {method}", failure, at=_routerOf(failure), method=method)
    status = 487 if cancelled else 500
    transaction.respond(Response.reply(request, status, toTag=unique()))


def _routerOf(failure: Failure) -> str:
    """
    The innermost router that an exception came from, for the operator: a plugin's name most often.
    """
    frames = [frame for frame, _ in walk_tb(failure.getTracebackObject())]
    for frame in reversed(frames):
        router = frame.f_locals.get("self")
        if IRouter.providedBy(router):
            name: str = fullyQualifiedName(type(router))
            return name
    return "routing"
