"""
One timer wheel for all transactions: calls to be made later, hundreds of thousands pending.

Times are those of any one clock that does not go back, in seconds. The wheel has no clock of its
own: its owner asks L{Wheel.next} when to come back, and tells it the time with L{Wheel.advance}.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any, TypeVar

from attrs import define, field

_T = TypeVar("_T")


@define(eq=False, weakref_slot=False)
class Entry:
    """
    One call that is pending, made, or cancelled.
    """

    _call: Callable[[Any], object] | None
    _argument: Any

    def cancel(self) -> None:
        """
        Not to be made any more. The call and its argument are let go of at once, not only when they
        would have been due. Harmless when the call was made or cancelled before.
        """
        self._call = self._argument = None

    def run(self) -> None:
        """
        Make the call, unless it was made or cancelled before. For the wheel.
        """
        call, argument = self._call, self._argument
        self._call = self._argument = None
        if call is not None:
            call(argument)


@define(eq=False)
class Wheel:
    """
    Calls sorted by the tick at which they are due. A call is made at the end of the tick in which
    its time lies: never early, and late by one tick at most, if the wheel is advanced in time.

    @ivar failed: told each exception that a call raises; must not raise one itself.
    @ivar tick: the length of a tick in seconds. RFC 3261's shortest time is T1, half a second.
    """

    failed: Callable[[BaseException], object]
    tick: float = 0.01
    _buckets: dict[int, list[Entry]] = field(factory=dict, init=False)
    _ticks: list[int] = field(factory=list, init=False)

    def add(self, when: float, call: Callable[[_T], object], argument: _T) -> Entry:
        """
        Have C{call(argument)} made at a time. One that has passed already means the next
        L{advance}, and never the one under way.

        @param when: finite.
        """
        entry = Entry(call, argument)
        tick = int(when / self.tick) + 1
        try:
            self._buckets[tick].append(entry)
        except KeyError:
            self._buckets[tick] = [entry]
            heappush(self._ticks, tick)
        return entry

    def advance(self, now: float) -> None:
        """
        Make every call that is due: in the order of their ticks, within a tick in the order in
        which they were added.
        """
        due = []
        while self._ticks and self._ticks[0] * self.tick <= now:
            due.append(self._buckets.pop(heappop(self._ticks)))
        for bucket in due:
            for entry in bucket:
                try:
                    entry.run()
                except BaseException as error:
                    self.failed(error)

    def next(self) -> float | None:
        """
        When to L{advance} next; C{None} where nothing is pending. What is due then may have been
        cancelled: nobody looks before.
        """
        return self._ticks[0] * self.tick if self._ticks else None
