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

_NO_RELAY: Final = Reply(403, "Relaying Denied")
_SCHEME: Final = Reply(416)


@implementer(IRouter)
@define(eq=False, repr=False)
class Outgoing:
    """
    Sends requests that are not for us to where they are for, on behalf of registered users only.

    @ivar location: knows over which flows somebody has registered.
    """

    location: ILocation

    async def route(self, request: Request) -> Decision:
        """
        Forward it to its next Route, or its Request-URI.
        """
        if request.target.scheme not in (b"sip", b"sips"):
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
        return flow.relayed and request.message.inDialog
