"""
Answers of the DNS that are kept for as long as they may be (RFC 1035 7.4, RFC 2308 5).
"""

from __future__ import annotations

from typing import Any, Final

from attrs import define, field

# Answers kept at most. A domain takes four or five.
ROOM: Final = 20_000

# Seconds for which an answer is kept at most, whatever its time to live says: an hour, so that what
# was published by mistake does not last.
LONGEST: Final = 3600.0


@define(eq=False)
class Answers:
    """
    What was asked, what came, and until when it holds.

    @ivar room: how many are kept; the oldest go first.
    """

    room: int = ROOM
    _kept: dict[Any, tuple[float, Any]] = field(factory=dict, init=False)

    def __len__(self) -> int:
        return len(self._kept)

    def find(self, question: Any, now: float) -> Any:
        """
        The answer; C{None} where there is none any more.

        @param now: seconds, of a clock that is never set back.
        """
        until, answer = self._kept.get(question, (now, None))
        if until > now:
            return answer
        self._kept.pop(question, None)
        return None

    def keep(self, question: Any, answer: Any, seconds: float, now: float) -> None:
        """
        Keep an answer for its time to live; not at all where that is 0.
        """
        self._kept.pop(question, None)
        if seconds > 0:
            if len(self._kept) >= self.room:
                del self._kept[next(iter(self._kept))]
            self._kept[question] = now + min(seconds, LONGEST), answer
