"""
Who may have requests sent to foreign domains (RFC 3261 26.3.2).
"""

from __future__ import annotations

from typing import Protocol

from attrs import define

from sipoutbound.interfaces import IFlows
from sipoutbound.routing.request import Request
from sipoutbound.routing.trust import Trust


class Registrations(Protocol):
    """
    Knows over which flows somebody is registered.
    """

    def registered(self, flow: bytes) -> bool:
        """
        Whether anybody is registered over the flow with that token.
        """


@define(eq=False, repr=False)
class Seen:
    """
    The L{Registrations} of an edge, which has no bindings: what registrars have answered.
    """

    flows: IFlows

    def registered(self, flow: bytes) -> bool:
        """
        See L{Registrations.registered}.
        """
        found = self.flows.find(flow)
        return found is not None and found.registered


@define(eq=False, repr=False)
class Relay:
    """
    Who may send to others than us: registered users and trusted peers.

    @ivar registrations: over which flows somebody has registered.
    @ivar trust: whose requests are relayed though nobody has registered over their flows.
    """

    registrations: Registrations
    trust: Trust

    def allows(self, request: Request) -> bool:
        """
        A flow that somebody has registered over. Who has signed off since may end what he began.
        """
        flow = request.flow
        if self.registrations.registered(flow.token):
            flow.relayed = True
            return True
        if flow.relayed and request.message.inDialog:
            return True
        return self.trust.includes(flow.peer[0])
