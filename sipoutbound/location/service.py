"""
The location service: which bindings an address of record has, at once from memory, and durable
before anybody is told so (RFC 3261 10.3 step 7).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from attrs import define, field
from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from zope.interface import implementer

from sipoutbound.interfaces import ILocation
from sipoutbound.location.journal import WAITING, Journal
from sipoutbound.location.memory import SWEEP, WorkingSet
from sipoutbound.location.store import Store
from sipoutbound.location.thread import Thread
from sipoutbound.outbound.binding import Binding, Bindings

#: For how long a binding still serves after its time, in seconds. SIP.js refreshes when 99% are
#: over; a REGISTER over UDP that is lost three times comes 3.5 s later (RFC 3261 17.1.2.2).
GRACE: Final = 10


@implementer(ILocation)
@define(eq=False)
class Location(Service):
    """
    Bindings in memory, above a store or not. Every method is to be called in the reactor's thread.

    @ivar clock: the reactor, or a clock in its place.
    @ivar now: tells the time in seconds since the epoch.
    @ivar revived: told each stored binding at the start: what it is in this run, C{None} where it
        can serve no more.
    """

    _clock: IReactorTime
    _now: Callable[[], float]
    _revived: Callable[[Binding], Binding | None] = lambda binding: binding
    _set: WorkingSet = field(factory=WorkingSet, init=False)
    _journal: Journal | None = field(default=None, init=False)
    _sweep: LoopingCall = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._sweep = LoopingCall(self.expire)
        self._sweep.clock = self._clock

    def keepIn(self, store: Store, thread: Thread, waiting: int = WAITING) -> None:
        """
        Have bindings outlive a restart. To be called before the service starts; without it they
        are in memory only, and no method here ever waits.

        @param thread: where the store is used.
        @param waiting: how many changes may wait to become durable.
        """
        self._journal = Journal(self._clock, store, thread, self._set, waiting)

    async def lookup(self, aor: bytes) -> Bindings:
        """
        The bindings that may be used for an AoR, those in their grace too.
        """
        limit = self._now() - GRACE
        return tuple(binding for binding in self._set.of(aor) if binding.expires > limit)

    def registered(self, flow: bytes) -> bool:
        """
        Whether any binding is reached over that flow.

        @param flow: as in L{Binding.flow}.
        """
        return bool(self._set.onFlow(flow))

    def bindings(self) -> Iterator[Binding]:
        """
        Every binding of every AoR.
        """
        return iter(self._set)

    async def change(self, aor: bytes, algebra: Callable[[Bindings], Bindings]) -> Bindings:
        """
        Apply C{algebra} to the bindings of an AoR. It is applied at once; the answer comes when it
        is durable.

        @param algebra: old bindings to new ones; called once, at once. What it raises passes
            through, and nothing is changed.
        @return: the new bindings.
        @raise StoreUnavailable: when it could not be made durable. Nothing is changed.
        """
        before = self._set.of(aor)
        after = algebra(before)
        if self._journal is None:
            self._set.put(aor, after)
        elif after is not before:
            await self._journal.ask(aor, before, after)
        elif (settled := self._journal.settled(aor)) is not None:
            await settled
        return after

    async def remove(self, binding: Binding) -> bool:
        """
        Compare and delete: remove a binding that turned out useless, unless it has been registered
        anew since (RFC 5626 7).

        @return: whether it was there still.
        """
        before = self._set.of(binding.aor)
        after = tuple(other for other in before if not other.isSameAs(binding))
        if len(after) == len(before):
            return False
        if self._journal is not None:
            self._journal.lose(binding)
        self._drop(binding.aor, before, after)
        return True

    def flowDied(self, flow: bytes) -> None:
        """
        Remove every binding on a flow, of every AoR (RFC 5626 7). One that has been registered
        anew over another flow stays.

        @param flow: as in L{Binding.flow}.
        """
        if self._journal is not None:
            self._journal.loseFlow(flow)
        for aor in self._set.onFlow(flow):
            before = self._set.of(aor)
            self._drop(aor, before, tuple(b for b in before if b.flow != flow))

    def expire(self) -> None:
        """
        Forget what expired and had its grace.
        """
        for aor, before, after in self._set.expire(self._now() - GRACE):
            self._note(aor, before, after)

    def startService(self) -> None:
        """
        Load the store, without what expired or is dead.

        @raise StoreError: when it cannot be read.
        """
        super().startService()
        if self._journal is not None:
            self._load(self._journal.open())
        self._sweep.start(SWEEP, now=False)

    def stopService(self) -> Deferred[None]:
        """
        @return: fires when what is left has been written and the store is closed.
        """
        super().stopService()
        if self._sweep.running:
            self._sweep.stop()
        return Deferred.fromCoroutine(self._close())

    async def _close(self) -> None:
        if self._journal is not None:
            await self._journal.close()

    def _load(self, stored: list[Binding]) -> None:
        byAor: dict[bytes, list[Binding]] = {}
        limit = self._now() - GRACE
        for binding in stored:
            revived = self._revived(binding) if binding.expires > limit else None
            if revived is None:
                self._note(binding.aor, (binding,), ())
            else:
                byAor.setdefault(binding.aor, []).append(revived)
        for aor, bindings in byAor.items():
            self._set.put(aor, tuple(bindings))

    def _drop(self, aor: bytes, before: Bindings, after: Bindings) -> None:
        self._set.put(aor, after)
        self._note(aor, before, after)

    def _note(self, aor: bytes, before: Bindings, after: Bindings) -> None:
        if self._journal is not None:
            self._journal.note(aor, before, after)
