"""
A group commit: changes of many addresses of record that are written as one.
"""

from __future__ import annotations

from attrs import define, field
from twisted.internet.defer import Deferred

from sipoutbound.outbound.binding import Binding, Bindings


@define(eq=False)
class Batch:
    """
    @ivar rows: what is to be written, by AoR and L{Binding.key}; C{None} deletes.
    @ivar before: by AoR, its bindings before the first change that somebody waits for: what to go
        back to when the commit fails.
    @ivar waiters: fire when the commit is through.
    @ivar lost: bindings removed by what happened, not by request: they must not come back.
    @ivar dead: the same for all bindings of a flow.
    """

    rows: dict[tuple[bytes, bytes], Binding | None] = field(factory=dict)
    before: dict[bytes, Bindings] = field(factory=dict)
    waiters: list[Deferred[None]] = field(factory=list)
    lost: list[Binding] = field(factory=list)
    dead: set[bytes] = field(factory=set)

    @property
    def isEmpty(self) -> bool:
        """
        Whether there is nothing to write and nobody to tell.
        """
        return not self.rows and not self.waiters

    def add(self, aor: bytes, before: Bindings, after: Bindings) -> None:
        """
        Write what differs between two states of an AoR.
        """
        rows = self.rows
        for binding in before:
            if not any(binding is other for other in after):
                rows[aor, binding.key] = None
        for binding in after:
            if not any(binding is other for other in before):
                rows[aor, binding.key] = binding

    def wait(self) -> Deferred[None]:
        """
        A Deferred of one's own that fires when the commit is through.
        """
        waiter: Deferred[None] = Deferred()
        self.waiters.append(waiter)
        return waiter

    def forgets(self, binding: Binding) -> bool:
        """
        Whether a binding has been lost since.
        """
        return binding.flow in self.dead or binding in self.lost
