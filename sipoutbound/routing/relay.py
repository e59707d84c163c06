"""
Who may have requests sent to foreign domains (RFC 3261 26.3.2).
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import define

from sipoutbound.interfaces import IFlow
from sipoutbound.routing.request import Request
from sipoutbound.routing.trust import Trust


@define(eq=False, repr=False)
class Relay:
    """
    Who may send to others than us: registered users and trusted peers.

    @ivar registered: whether somebody is registered over a flow.
    @ivar trust: whose requests are relayed though nobody has registered over their flows.
    """

    registered: Callable[[IFlow], bool]
    trust: Trust

    def allows(self, request: Request) -> bool:
        """
        A flow that somebody has registered over. Who has signed off since may end what he began.
        """
        flow = request.flow
        if self.registered(flow):
            flow.relayed = True
            return True
        if flow.relayed and request.message.inDialog:
            return True
        return self.trust.includes(flow.peer[0])
