"""
A 2xx to an INVITE: repeated until the ACK has come (RFC 3261 13.3.1.4).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import define, field

from sipoutbound.interfaces import IServerTransaction
from sipoutbound.message.message import Response
from sipoutbound.stack import Stack
from sipoutbound.transaction.timers import T1, T2


@define(eq=False)
class Acceptance:
    """
    One 2xx.

    @ivar number: the CSeq number of the INVITE and its ACK.
    @ivar unacknowledged: called when no ACK has come within 64*T1.
    """

    stack: Stack
    transaction: IServerTransaction
    response: Response
    number: int
    unacknowledged: Callable[[], None]
    _interval: float = field(default=T1, init=False)
    _timers: list[Any] = field(factory=list, init=False)

    def begin(self) -> None:
        """
        Send it.
        """
        later = self.stack.later
        self.transaction.respond(self.response)
        self._timers = [later(T1, self._again, None), later(64 * T1, self._givenUp, None)]

    def _again(self, _: None) -> None:
        self.transaction.respond(self.response)
        self._interval = min(2 * self._interval, T2)
        self._timers[0] = self.stack.later(self._interval, self._again, None)

    def _givenUp(self, _: None) -> None:
        self.stop()
        self.unacknowledged()

    def stop(self) -> None:
        """
        The ACK has come, or nobody waits for it any more.
        """
        for timer in self._timers:
            timer.cancel()
