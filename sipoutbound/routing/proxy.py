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
)
from sipoutbound.message import message as wire
from sipoutbound.message.message import Response
from sipoutbound.message.stateless import stateless
from sipoutbound.message.trying import trying
from sipoutbound.message.unique import unique
from sipoutbound.routing.decision import Reply
from sipoutbound.routing.delivery import Ways
from sipoutbound.routing.eager import begun
from sipoutbound.routing.forwarding import Forwarding
from sipoutbound.routing.loop import LoopDetection
from sipoutbound.routing.stateless import StatelessProxy

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
            transaction.respond(trying(request))
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
        passing = Deferred.fromCoroutine(self._stateless.passOn(request, flow))
        passing.addErrback(_refusalFor, request)
        passing.addCallback(_dropped, flow)

    def unmatched(self, request: wire.Request, flow: IFlow, back: IFlow) -> None:
        """
        A CANCEL of nothing that is known here: sent on without a transaction, as what it cancels
        may have been (RFC 3261 16.10). One that goes nowhere is answered so (RFC 3261 9.2).
        """
        passing = Deferred.fromCoroutine(self._stateless.passOn(request, flow))
        passing.addErrback(_refusalFor, request)
        passing.addCallback(_answered, request, back)

    @property
    def _stateless(self) -> StatelessProxy:
        return StatelessProxy(self.tree, self.ways, self.loops)


def _refusalFor(failure: Failure, request: wire.Request) -> Reply:
    """
    A mistake of ours.
    """
    log.failure("{method} was not passed on", failure, method=request.method.decode())
    return Reply(500)


def _dropped(reply: Reply | None, flow: IFlow) -> None:
    """
    An ACK is never answered, so the log alone tells.
    """
    if reply is not None:
        log.info("ACK of {peer} dropped: {reply}", peer=flow.peer, reply=reply)


def _answered(reply: Reply | None, request: wire.Request, back: IFlow) -> None:
    if reply is not None:
        back.send(bytes(stateless(request, reply.status, reply.reason)))


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
