"""
Requests to foreign domains, and who may send them (RFC 3261 16.5, 26.3.2).
"""

from __future__ import annotations

from typing import Final

from attrs import define
from zope.interface import implementer

from sipoutbound.interfaces import ILocation, IRouter
from sipoutbound.routing.decision import Decision, Forward, Reply, Target
from sipoutbound.routing.request import Request
from sipoutbound.routing.trust import Trust

_NO_RELAY: Final = Reply(403, "Relaying Denied")
_SCHEME: Final = Reply(416)


@implementer(IRouter)
@define(eq=False, repr=False)
class Outgoing:
    """
    Sends requests that are not for us to where they are for, on behalf of registered users and of
    trusted peers; anybody else gets 403.

    @ivar location: knows over which flows somebody has registered.
    @ivar trust: whose requests are relayed though nobody has registered over their flows.
    """

    location: ILocation
    trust: Trust

    async def route(self, request: Request) -> Decision:
        """
        Forward it to its next Route, or its Request-URI.
        """
        if request.target.scheme != b"sip":
            # sips would be TLS all the way (RFC 3261 26.2.2), which no transport here can promise.
            return _SCHEME
        if not self._mayRelay(request):
            return _NO_RELAY
        return Forward(Target(bytes(request.target)))

    def _mayRelay(self, request: Request) -> bool:
        """
        A flow that somebody has registered over. Who has signed off since may end what he began.
        """
        flow = request.flow
        if self.location.registered(flow.token):
            flow.relayed = True
            return True
        if flow.relayed and request.message.inDialog:
            return True
        return self.trust.includes(flow.peer[0])
