"""
What all flows of a client have in common.
"""

from __future__ import annotations

from typing import Any

from attrs import define, frozen

from sipoutbound.agent.account import Account
from sipoutbound.agent.line import Line, opened
from sipoutbound.agent.place import Locate, Place
from sipoutbound.outbound.backoff import Draw, Times
from sipoutbound.outbound.probe import Rhythm
from sipoutbound.stack import Stack
from sipoutbound.transport.listener import Listener


@frozen
class Habits:
    """
    How a client registers.

    @ivar expires: the seconds that it asks for.
    @ivar plain: whether a registration without outbound will do where a proxy or the registrar
        lacks it.
    """

    times: Times
    rhythm: Rhythm
    draw: Draw
    expires: int
    plain: bool


@define(eq=False, repr=False)
class Net:
    """
    What all flows of a client share.

    @ivar listeners: what flows have in common, by transport.
    """

    reactor: Any
    stack: Stack
    listeners: dict[bytes, Listener]
    locate: Locate
    account: Account

    async def opened(self, place: Place) -> Line:
        """
        A new flow.

        @raise Unreachable: when there is no way.
        """
        return await opened(self.reactor, place, self.listeners)
