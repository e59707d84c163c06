"""
Quotas: how much of an RFC must be kept at least, so that what was reached is not lost again.

What is not applicable is left out of the count: it is about a part that this server does not play,
or about something that it may leave out and does. What is not kept counts against.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

from attrs import frozen

from sipoutbound.test.conformance import KEPT, MUST, NOT_KEPT, SHOULD, Judgement, Statement


@frozen
class Quota:
    """
    What must be kept of one RFC, or of some sections of it taken together.

    @ivar rfc: the RFC's number.
    @ivar sections: the sections, with those below them; none for the whole RFC.
    @ivar levels: whose statements are counted.
    @ivar percent: how many of a hundred must be kept at least.
    """

    rfc: str
    sections: tuple[str, ...]
    levels: tuple[str, ...]
    percent: int

    @property
    def name(self) -> str:
        """
        What it is about, such as C{"RFC 3261 16, 17: MUST"}.
        """
        place = f"RFC {self.rfc} {', '.join(self.sections)}"
        return f"{place.strip()}: {self.levels[0]}"

    def covers(self, statement: Statement) -> bool:
        """
        Whether a statement is counted.
        """
        if statement.rfc != self.rfc or statement.level not in self.levels:
            return False
        begins = f"{statement.section}.".startswith
        return not self.sections or any(begins(f"{section}.") for section in self.sections)

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


def _of(rfc: str, must: int, should: int, *sections: str) -> tuple[Quota, Quota]:
    return Quota(rfc, sections, MUST, must), Quota(rfc, sections, SHOULD, should)


QUOTAS: Final = (
    *_of("3261", 95, 85, "10", "16", "17", "18"),
    *_of("3263", 100, 100),
    *_of("3327", 100, 100),
    *_of("3581", 100, 100),
    *_of("4320", 100, 100),
    *_of("5393", 100, 100),
    *_of("6026", 100, 100),
)
