"""
Requests to foreign domains, and who may send them (RFC 3261 16.5, 26.3.2).
"""

from __future__ import annotations

from typing import Final

from attrs import define
from zope.interface import implementer

from sipoutbound.interfaces import IRouter
from sipoutbound.routing.decision import Decision, Forward, Reply, Target
from sipoutbound.routing.relay import Relay
from sipoutbound.routing.request import Request

#: The answer to who may not.
NO_RELAY: Final = Reply(403, "Relaying Denied")
_SCHEME: Final = Reply(416)


@implementer(IRouter)
@define(eq=False, repr=False)
class Outgoing:
    """
    Sends requests that are not for us to where they are for, on behalf of registered users and of
    trusted peers; anybody else gets 403.

    @ivar relay: whose requests these may be.
    """

    relay: Relay

    async def route(self, request: Request) -> Decision:
        """
        Forward it to its next Route, or its Request-URI.
        """
        if request.target.scheme != b"sip":
            # sips would be TLS all the way (RFC 3261 26.2.2), which no transport here can promise.
            return _SCHEME
        if not self.relay.allows(request):
            return NO_RELAY
        return Forward(Target(bytes(request.target)))
