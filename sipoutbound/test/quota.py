"""
Quotas: how much of an RFC must be kept at least, so that what was reached is not lost again.

What is not applicable is left out of the count: it is about a part that this server does not play,
or about something that it may leave out and does. What is not kept counts against.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import Final

from attrs import frozen

from sipoutbound.test.conformance import KEPT, MUST, NOT_KEPT, SHOULD, Judgement, Statement


@frozen
class Quota:
    """
    What must be kept of one RFC, or of a section of it.

    @ivar rfc: the RFC's number.
    @ivar section: the section, with those below it; C{None} for the whole RFC.
    @ivar levels: whose statements are counted.
    @ivar percent: how many of a hundred must be kept at least.
    """

    rfc: str
    section: str | None
    levels: tuple[str, ...]
    percent: int

    @property
    def name(self) -> str:
        """
        What it is about, such as C{"RFC 3261 16, MUST"}.
        """
        place = f"RFC {self.rfc} {self.section}" if self.section else f"RFC {self.rfc}"
        return f"{place}, {self.levels[0]}"

    def covers(self, statement: Statement) -> bool:
        """
        Whether a statement is counted.
        """
        return (
            statement.rfc == self.rfc
            and statement.level in self.levels
            and (self.section is None or f"{statement.section}.".startswith(f"{self.section}."))
        )

    def share(
        self, stated: Iterable[Statement], judged: Mapping[str, Judgement]
    ) -> tuple[int, int]:
        """
        @param stated: the inventory.
        @param judged: the judgements by the statement's id.
        @return: how many statements are kept, and of how many.
        """
        ids = [each.id for each in stated if self.covers(each) and each.id in judged]
        states = Counter(judged[id].state for id in ids)
        return states[KEPT], states[KEPT] + states[NOT_KEPT]

    def met(self, kept: int, number: int) -> bool:
        """
        Whether that many kept of so many are enough.
        """
        return 100 * kept >= self.percent * number


def _of(rfcs: Collection[str], must: int, should: int) -> list[Quota]:
    places = [rfc.partition(" ") for rfc in rfcs]
    pairs = ((MUST, must), (SHOULD, should))
    return [
        Quota(rfc, section or None, levels, percent)
        for rfc, _, section in places
        for levels, percent in pairs
    ]


QUOTAS: Final = (
    *_of(("3327", "3581", "4320", "5393", "6026", "3263"), 100, 100),
    *_of(("3261 10", "3261 16", "3261 17", "3261 18"), 95, 85),
)
