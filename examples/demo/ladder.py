"""
Who sent what to whom, drawn with one column for each process.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from actor import Told
from words import meaning

WIDTH = 10


class Ladder:
    """
    @ivar columns: the names, from left to right.
    @ivar dead: those of them that are no more.
    """

    def __init__(self, columns: Sequence[str]) -> None:
        self.columns = columns
        self.dead: set[str] = set()

    def draw(self, told: Sequence[Told], start: float) -> Iterator[str]:
        """
        The lines of a picture. "Please wait" (100) is left out: each hop says it to the one before.

        @param told: what the processes have told, in any order.
        @param start: what the times are counted from.
        """
        yield " " * 10 + "".join(f"{name:^{WIDTH}}" for name in self.columns)
        arrived = {_key(each): each["who"] for each in told if each["what"] == "received"}
        # The ACK for a refusal has the branch of its INVITE (RFC 3261 17.1.1.3).
        asked = {each["branch"] for each in told if each.get("method") == "INVITE"}
        for each in sorted(told, key=lambda each: float(each["at"])):
            at = f"{(each['at'] - start) * 1000:6.0f} ms "
            if each["what"] == "unreachable":
                yield at + self._mark(each["who"], "nobody there: I try another way")
            elif each["what"] == "sent" and each["status"] != 100:
                refusal = each["method"] == "ACK" and each["branch"] in asked
                words = "understood" if refusal else meaning(each["method"], each["status"])
                yield at + self._arrow(each["who"], arrived.get(_key(each)), words)

    def _arrow(self, sender: str, receiver: str | None, words: str) -> str:
        if receiver is None:
            return self._mark(sender, f"{words} (nobody hears it)")
        line = self._posts()
        begin, end = self._at(sender), self._at(receiver)
        left, right = sorted((begin, end))
        line[left + 1 : right] = "-" * (right - left - 1)
        if end > begin:
            line[right - 1] = ">"
        else:
            line[left + 1] = "<"
        return "".join(line) + words

    def _mark(self, name: str, words: str) -> str:
        line = self._posts()
        line[self._at(name)] = "x"
        return "".join(line) + words

    def _posts(self) -> list[str]:
        """
        A line with nothing but the columns.
        """
        posts = ("." if name in self.dead else "|" for name in self.columns)
        return list("".join(f"{post:^{WIDTH}}" for post in posts))

    def _at(self, name: str) -> int:
        return self.columns.index(name) * WIDTH + (WIDTH - 1) // 2


def _key(told: Told) -> tuple[str, str, int]:
    return told["branch"], told["method"], told["status"]
