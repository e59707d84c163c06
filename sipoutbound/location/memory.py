"""
The working set: every binding in memory, found by address of record, by flow, by expiry.
"""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heappop, heappush
from typing import Final

from attrs import define, field

from sipoutbound.outbound.binding import Binding, Bindings

#: Bindings that expire within the same so many seconds are swept together.
SWEEP: Final = 5


@define(eq=False)
class WorkingSet:
    """
    Bindings by AoR, with two indexes. An AoR is listed for the sweep by the earliest expiry of its
    bindings when it was listed; a refresh leaves that alone, and the sweep lists it anew.
    """

    _bindings: dict[bytes, Bindings] = field(factory=dict)
    _flows: dict[bytes, set[bytes]] = field(factory=dict)
    _sweeps: dict[int, set[bytes]] = field(factory=dict)
    _due: list[int] = field(factory=list)

    def __iter__(self) -> Iterator[Binding]:
        for bindings in list(self._bindings.values()):
            yield from bindings

    def __len__(self) -> int:
        return sum(map(len, self._bindings.values()))

    def of(self, aor: bytes) -> Bindings:
        """
        The bindings of an AoR, dead or alive.
        """
        return self._bindings.get(aor, ())

    def find(self, aor: bytes, key: bytes) -> Binding | None:
        """
        The binding of that AoR with that L{Binding.key}.
        """
        for binding in self.of(aor):
            if binding.key == key:
                return binding
        return None

    def onFlow(self, flow: bytes) -> tuple[bytes, ...]:
        """
        The AoRs with a binding on that flow.
        """
        return tuple(self._flows.get(flow, ()))

    def put(self, aor: bytes, bindings: Bindings) -> None:
        """
        Replace the bindings of an AoR.
        """
        before = self._bindings.get(aor, ())
        if bindings:
            self._bindings[aor] = bindings
        else:
            self._bindings.pop(aor, None)
        if before or bindings:
            self._follow(aor, before, bindings)
        if bindings and (not before or _earliest(bindings) < _earliest(before)):
            self._listForSweep(aor, bindings)

    def expire(self, limit: float) -> list[tuple[bytes, Bindings, Bindings]]:
        """
        Drop what expired at C{limit} or earlier; some may stay for up to L{SWEEP} seconds more.

        @return: (AoR, bindings before, bindings left) for each AoR that changed.
        """
        changes = []
        while self._due and (self._due[0] + 1) * SWEEP <= limit:
            for aor in self._sweeps.pop(heappop(self._due)):
                before = self.of(aor)
                left = tuple(binding for binding in before if binding.expires > limit)
                if len(left) < len(before):
                    self.put(aor, left)
                    changes.append((aor, before, left))
                if left:
                    self._listForSweep(aor, left)
        return changes

    def _follow(self, aor: bytes, before: Bindings, after: Bindings) -> None:
        if len(before) == len(after) == 1 and before[0].flow == after[0].flow:
            return
        old = {binding.flow for binding in before}
        new = {binding.flow for binding in after}
        for flow in new - old:
            if flow:
                self._flows.setdefault(flow, set()).add(aor)
        for flow in old - new:
            if flow:
                aors = self._flows[flow]
                aors.discard(aor)
                if not aors:
                    del self._flows[flow]

    def _listForSweep(self, aor: bytes, bindings: Bindings) -> None:
        sweep = _earliest(bindings) // SWEEP
        if sweep not in self._sweeps:
            self._sweeps[sweep] = set()
            heappush(self._due, sweep)
        self._sweeps[sweep].add(aor)


def _earliest(bindings: Bindings) -> int:
    if len(bindings) == 1:
        return bindings[0].expires
    return min(binding.expires for binding in bindings)
