"""
What an edge tells its registrar: flows that have died (RFC 5626 7 has bindings go with their flow).

An edge sends OPTIONS to the registrar, as anybody may, with one header more::

    Flow-Failed = "Flow-Failed" HCOLON LAQUOT SIP-URI RAQUOT *( COMMA LAQUOT SIP-URI RAQUOT )

Each is the URI that the edge has put into a Path. A registrar that does not know the header answers
and learns of the flow by the first 430; one that does believes it from trusted peers only.
As it trusts its edges, a request of anybody who is not trusted himself loses the header there.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from sipoutbound.interfaces import IFlow, INextHops, IRouter, ITransactions, Unreachable
from sipoutbound.message import message as wire
from sipoutbound.message.grammar import Malformed
from sipoutbound.message.header import NameAddress, looseRoute
from sipoutbound.message.parse import parseMessage
from sipoutbound.message.unique import unique, uniqueBranch
from sipoutbound.message.uri import URI, cachedURI
from sipoutbound.routing.decision import Decision
from sipoutbound.routing.request import Request
from sipoutbound.routing.trust import Trust

log = Logger()

#: The header's name, and the key of it.
NAME: Final = b"Flow-Failed"
FLOW_FAILED: Final = NAME.lower()

# URIs in one message: with tokens of 43 characters some 9 kB, which no element refuses; and in one
# that may go over UDP (RFC 3261 18.1.1: 1300 octets). A flow has one for each key of its edge.
_MOST: Final = 100
_FEW: Final = 8


def flowOfEdge(path: bytes) -> bytes:
    """
    The key of another edge's flow, by the Path value that the edge has made of it: its token and
    the edge, as two edges may make the same token. Empty for a value without a token.
    """
    try:
        uri = cachedURI(NameAddress.parse(path).text)
    except Malformed:
        return b""
    if uri.user is None:
        return b""
    return b"%b@%b:%d" % (uri.user, uri.host, uri.port or 0)


@define(eq=False, repr=False)
class FlowNotice:
    """
    Collects the flows that die in one turn, and tells of them in as few messages as can be.

    @ivar registrar: whom to tell.
    @ivar domain: a domain of the registrar's.
    @ivar transactions: what sends.
    @ivar hops: the way there.
    """

    registrar: URI
    domain: bytes
    transactions: ITransactions
    hops: INextHops
    _died: dict[IFlow, None] = field(factory=dict, init=False)

    def died(self, flow: IFlow) -> None:
        """
        A flow is gone. Whoever was not registered over it is not missed.
        """
        if flow.registered:
            if not self._died:
                self.transactions.later(0.0, self._tell, None)
            self._died[flow] = None

    def leaving(self, flows: Iterable[IFlow]) -> None:
        """
        These are about to be closed, as the edge stops: tell of them while there is a way.
        """
        for flow in flows:
            self.died(flow)
        self._tell(None)

    def _tell(self, _: None) -> None:
        died = [*self._died]
        self._died.clear()
        if not died:
            return
        most = max(1, _MOST // len(died[0].tokens))
        for at in range(0, len(died), most):
            telling = Deferred.fromCoroutine(self._send(died[at : at + most]))
            telling.addErrback(_untold)

    async def _send(self, died: list[IFlow]) -> None:
        hops = self.hops.towards(self.registrar, self.domain)
        way = await hops.next()
        tokens = sum(len(flow.tokens) for flow in died)
        if tokens > _FEW and not (way.reliable or hops.large):
            way = await hops.larger()
        # Who is heard over UDP again meanwhile may have registered anew, and is reached as before.
        gone = [flow for flow in died if flow.reliable or not flow.alive]
        if gone:
            branch = uniqueBranch()
            self.transactions.begin(self._message(way, branch, gone), branch, way, None)
        for flow in gone:
            flow.registered = None

    def _message(self, flow: IFlow, branch: bytes, gone: list[IFlow]) -> wire.Request:
        uris = [
            b"<sip:%b@%b;lr;ob>" % (token, each.name) for each in gone for token in each.tokens
        ]
        lines = (
            b"OPTIONS sip:%b SIP/2.0" % self.domain,
            b"Via: " + flow.via + branch,
            b"Route: " + looseRoute(self.registrar),
            b"Max-Forwards: 70",
            b"From: <sip:%b>;tag=%b" % (flow.name.partition(b";")[0], unique()),
            b"To: <sip:%b>" % self.domain,
            b"Call-ID: " + unique(),
            b"CSeq: 1 OPTIONS",
            NAME + b": " + b", ".join(uris),
            b"Content-Length: 0",
        )
        message = parseMessage(b"\r\n".join(lines))
        assert isinstance(message, wire.Request)
        return message


def _untold(failure: Failure) -> None:
    """
    The registrar finds out by itself, at the next request.
    """
    if failure.check(Unreachable) is None:
        log.failure("flows that died were not told of", failure)
    else:
        log.info("flows that died were not told of: {why}", why=failure.getErrorMessage())


@implementer(IRouter)
@define(eq=False, repr=False)
class NoticeTaking:
    """
    Takes notice of what trusted peers say, and has nobody else say it in our name, whichever way
    his request goes. What it was in goes on to whoever answers it.

    @ivar inner: the tree behind.
    @ivar trust: whose notices are believed.
    @ivar died: told the key of each flow that has died.
    """

    inner: IRouter
    trust: Trust
    died: Callable[[bytes], None]

    def route(self, request: Request) -> Awaitable[Decision]:
        """
        Tell of what is dead.
        """
        if FLOW_FAILED in request.message.values:
            self._notice(request)
        return self.inner.route(request)

    def _notice(self, request: Request) -> None:
        if self.trust.includes(request.flow.peer[0]):
            for value in request.message.all(FLOW_FAILED):
                self.died(flowOfEdge(value))
        else:
            request.message = request.message.copy()
            request.message.drop(FLOW_FAILED)
