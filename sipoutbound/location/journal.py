"""
Group commit: what changes in the working set becomes durable, many changes as one.
"""

from __future__ import annotations

from typing import Final

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from sipoutbound.location.batch import Batch
from sipoutbound.location.memory import WorkingSet
from sipoutbound.location.store import Store
from sipoutbound.location.thread import Thread
from sipoutbound.outbound.binding import Binding, Bindings

#: How many changes may wait to become durable. At 5,000 a second they take 4 s: a client waits 32
#: (RFC 3261 17.1.2.2).
WAITING: Final = 20_000

#: Seconds from a failed commit to the next attempt when no change asks for one before.
RETRY: Final = 1.0


class StoreUnavailable(Exception):
    """
    A change cannot be made durable now. It has been undone.
    """


class StoreBusy(StoreUnavailable):
    """
    So many changes wait already, or the server stops. Nothing has been tried.
    """


@define(eq=False)
class Journal:
    """
    Writes what changes in a working set to a store. While one batch is being written the next one
    gathers. When writing fails, each AoR with a change that somebody waits for goes back to what it
    was, and what the store has of it is made sure of by the next batch.

    @ivar clock: the reactor, or a clock in its place.
    @ivar store: where bindings outlive a restart.
    @ivar thread: where the store is used.
    @ivar bindings: the working set.
    @ivar waiting: how many changes may wait to become durable.
    """

    _clock: IReactorTime
    _store: Store
    _thread: Thread
    _bindings: WorkingSet
    _waiting: int = WAITING
    _gathering: Batch = field(factory=Batch, init=False)
    _running: Batch | None = field(default=None, init=False)
    _next: IDelayedCall | None = field(default=None, init=False)
    _open: bool = field(default=False, init=False)
    _log = Logger()

    def open(self) -> list[Binding]:
        """
        Be ready for changes.

        @return: what the store has.
        @raise StoreError: when it cannot be read.
        """
        loaded = list(self._store.load())
        self._thread.start()
        self._open = True
        return loaded

    async def close(self) -> None:
        """
        Write what is left, and let go of the store.
        """
        self._open = False
        try:
            while self._running is not None or not self._gathering.isEmpty:
                if self._running is None:
                    self._commit()
                await (self._running or self._gathering).wait()
        except StoreUnavailable:
            self._log.error("The last changes of the location service are lost")
        self._cancelNext()
        await self._thread.run(self._store.close)
        self._thread.stop()

    def ask(self, aor: bytes, before: Bindings, after: Bindings) -> Deferred[None]:
        """
        Change an AoR by request.

        @return: fires when the change is durable, or with L{StoreUnavailable} when it is undone.
        @raise StoreBusy: when too many changes wait already; nothing is changed.
        """
        batch = self._gathering
        waiting = len(batch.waiters)
        if self._running is not None:
            waiting += len(self._running.waiters)
        if waiting >= self._waiting or not self._open:
            raise StoreBusy("Too many changes wait" if self._open else "Closed")
        self._bindings.put(aor, after)
        batch.before.setdefault(aor, before)
        batch.add(aor, before, after)
        self._arrange(0)
        return batch.wait()

    def settled(self, aor: bytes) -> Deferred[None] | None:
        """
        When what is asked of an AoR already is durable; C{None} if it is.
        """
        for batch in (self._gathering, self._running):
            if batch is not None and aor in batch.before:
                return batch.wait()
        return None

    def note(self, aor: bytes, before: Bindings, after: Bindings) -> None:
        """
        Write what happened to an AoR, without anybody waiting for it. It is not undone.
        """
        self._gathering.add(aor, before, after)
        self._arrange(0)

    def lose(self, binding: Binding) -> None:
        """
        A binding is useless: do not go back to it.
        """
        if self._isUnsettled():
            self._gathering.lost.append(binding)

    def loseFlow(self, flow: bytes) -> None:
        """
        A flow is dead: do not go back to bindings on it.
        """
        if self._isUnsettled():
            self._gathering.dead.add(flow)

    def _isUnsettled(self) -> bool:
        return self._running is not None or bool(self._gathering.before)

    def _arrange(self, delay: float) -> None:
        if self._running is None and self._next is None:
            self._next = self._clock.callLater(delay, self._commit)

    def _cancelNext(self) -> None:
        if self._next is not None and self._next.active():
            self._next.cancel()
        self._next = None

    def _commit(self) -> None:
        self._cancelNext()
        batch = self._running = self._gathering
        self._gathering = Batch()
        done = self._thread.run(lambda: self._store.commit(batch.rows))
        done.addCallbacks(
            self._committed, self._failed, callbackArgs=(batch,), errbackArgs=(batch,)
        )

    def _committed(self, result: None, batch: Batch) -> None:
        self._running = None
        if not self._gathering.isEmpty:
            self._commit()
        for waiter in batch.waiters:
            waiter.callback(None)

    def _failed(self, failure: Failure, batch: Batch) -> None:
        # What came after was built upon what has failed, so it fails too.
        later = self._gathering
        self._running, self._gathering = None, Batch()
        waiters = (*batch.waiters, *later.waiters)
        reason = failure.getErrorMessage()
        self._log.error("{count} changes undone: {reason}", count=len(waiters), reason=reason)
        self._goBack(later, batch)
        for aor, key in (*batch.rows, *later.rows):
            self._gathering.rows[aor, key] = self._bindings.find(aor, key)
        self._arrange(RETRY)
        for waiter in waiters:
            waiter.errback(StoreUnavailable(reason))

    def _goBack(self, *batches: Batch) -> None:
        for undone in batches:
            for aor, before in undone.before.items():
                kept = (b for b in before if not any(batch.forgets(b) for batch in batches))
                self._bindings.put(aor, tuple(kept))
