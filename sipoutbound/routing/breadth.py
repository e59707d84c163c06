"""
Max-Breadth: how many branches of a request may be under way at once, everywhere (RFC 5393 5.3).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from attrs import define, field

from sipoutbound.message.header import number
from sipoutbound.message.message import Request

#: What a request is given that comes without a Max-Breadth, and what is left of a larger one
#: (RFC 5393 5.3.3).
MOST: Final = 60


def breadthOf(request: Request) -> int:
    """
    The Incoming Max-Breadth of a request (RFC 5393 5.3.2).

    @raise sipoutbound.message.grammar.Malformed: when its Max-Breadth is no number.
    """
    text = request.first(b"max-breadth")
    return MOST if text is None else min(number(text, "Max-Breadth"), MOST)


@define(eq=False)
class Breadth:
    """
    What is left of the Max-Breadth of one response context: what was sent, and has no final
    response yet, has the rest (RFC 5393 5.3.3).

    @ivar left: how many more branches there may be.
    """

    left: int
    _awaited: list[Callable[[], None]] = field(factory=list, init=False)

    def shares(self, count: int) -> list[int]:
        """
        Take all that is left for so many branches, nearly the same for each.

        @param count: one or more; for as many as are left there is at least one each.
        """
        each, more = divmod(self.left, count)
        self.left = 0
        return [each + (at < more) for at in range(count)]

    def giveBack(self, amount: int) -> None:
        """
        What has had its final response leaves its part to others (RFC 5393 5.3.3.1).
        """
        self.left += amount
        self.tell()

    def tell(self) -> None:
        """
        Have those begin who have waited for more.
        """
        awaited, self._awaited = self._awaited, []
        for call in awaited:
            call()

    def whenFreed(self, call: Callable[[], None]) -> None:
        """
        Call once when there is more left.
        """
        self._awaited.append(call)
