"""
The way from an edge to its registrar (RFC 5626 5, RFC 3261 16.5).
"""

from __future__ import annotations

from attrs import define
from zope.interface import implementer

from sipoutbound.interfaces import IRouter
from sipoutbound.message.header import looseRoute
from sipoutbound.message.uri import URI
from sipoutbound.routing.decision import Decision, Forward, Target
from sipoutbound.routing.names import Names
from sipoutbound.routing.outgoing import NO_RELAY
from sipoutbound.routing.relay import Relay
from sipoutbound.routing.request import Request


@implementer(IRouter)
@define(eq=False, repr=False)
class Home:
    """
    Sends what an edge does not decide to the registrar, by a Route: the Request-URI stays. Requests
    for the registrar's own domains go there from anybody, others from those only who may have them
    relayed: the registrar trusts its edges, and would relay them.

    @ivar uri: the registrar's.
    @ivar names: the registrar's domains.
    @ivar relay: whose requests to others are taken.
    """

    uri: URI
    names: Names
    relay: Relay

    async def route(self, request: Request) -> Decision:
        """
        On to the registrar.
        """
        if not (self._isOurs(request) or self.relay.allows(request)):
            return NO_RELAY
        return Forward(Target(bytes(request.target), (looseRoute(self.uri),)))

    def _isOurs(self, request: Request) -> bool:
        if request.message.method == b"REGISTER":
            # For the domain in any case, as at the registrar.
            return request.target.host in self.names.domains
        return self.names.owns(request.target)
