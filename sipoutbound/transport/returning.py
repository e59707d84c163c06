"""
Responses whose flow is gone: where else their client may be (RFC 3261 18.2.2, RFC 3263 5).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from sipoutbound.interfaces import IFlow, INextHops, Unreachable
from sipoutbound.message.message import Request
from sipoutbound.message.uri import URI

log = Logger()

# Responses that are on their way like this at once; more are dropped.
UNDER_WAY: Final = 100


@define(eq=False, repr=False)
class Returning:
    """
    Brings responses to clients that do not have the flow any more on which they have asked.

    @ivar hops: the ways to peers.
    @ivar trusted: whether a peer with this address may name another host in its Via. Whoever else
        could do that would aim the server at strangers.
    """

    hops: INextHops
    trusted: Callable[[str], bool]
    _underWay: int = field(default=0, init=False)

    def send(
        self, request: Request, flow: IFlow, data: bytes, failed: Callable[[], None]
    ) -> None:
        """
        Send a response some other way, if there is one. Whether it arrives is not told.

        @param request: what it answers.
        @param flow: what that came on.
        @param failed: called when it could not be sent.
        """
        if self._underWay >= UNDER_WAY:
            failed()
            return
        self._underWay += 1
        uris = placesOf(request, flow, self.trusted(flow.peer[0]))
        returning = Deferred.fromCoroutine(self._send(uris, request.callId, data))
        returning.addErrback(_lost, failed)
        returning.addBoth(self._done)

    async def _send(self, uris: Iterator[URI], key: bytes, data: bytes) -> None:
        failed = Unreachable("no other way")
        for uri in uris:
            hops = self.hops.towards(uri, key)
            try:
                while not (await hops.next()).send(data):
                    pass
                return
            except Unreachable as error:
                failed = error
        raise failed

    def _done(self, _: object) -> None:
        self._underWay -= 1


def placesOf(request: Request, flow: IFlow, trusted: bool) -> Iterator[URI]:
    """
    Where a client may be: after its connection has broken, at the same host, at the port that its
    Via names. Then wherever that Via leads, if the client may say so: it is looked for as for a
    request with a transport (RFC 3263 5 is 4.2 in this). Who asks for C{rport} wants its response
    where its request came from.
    """
    via = request.via
    params = ((b"transport", flow.transport.lower()),)
    if flow.reliable:
        host = flow.peer[0].encode()
        host = b"[%b]" % host if b":" in host else host
        yield URI(b"sip", None, None, host, via.port, params)
    if trusted and not any(name == b"rport" for name, _ in via.params):
        yield URI(b"sip", None, None, via.host, via.port, params)


def _lost(failure: Failure, failed: Callable[[], None]) -> None:
    if failure.check(Unreachable) is None:
        log.failure("while returning a response", failure)
    log.info("a response is lost: {why}", why=failure.getErrorMessage())
    failed()
