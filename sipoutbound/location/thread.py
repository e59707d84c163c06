"""
The one thread that a store is used from.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorFromThreads
from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool

_T = TypeVar("_T")


class Thread(Protocol):
    """
    Runs blocking calls one after the other, away from the reactor.
    """

    def start(self) -> None:
        """
        Be ready for L{run}.
        """

    def run(self, call: Callable[[], _T]) -> Deferred[_T]:
        """
        @return: fires in the reactor's thread with what C{call} returned or raised.
        """

    def stop(self) -> None:
        """
        End. Nothing may be running.
        """


class _Daemon(threading.Thread):
    # What was acknowledged is durable already: a store that hangs need not keep the process.

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, daemon=True, **named)


def _singlePool() -> ThreadPool:
    pool = ThreadPool(0, 1, "location")
    pool.threadFactory = _Daemon
    return pool


@define(eq=False)
class StoreThread:
    """
    A L{Thread} of its own, so that slow name look-ups in the reactor's pool hold up no commit.
    """

    _reactor: IReactorFromThreads
    _pool: ThreadPool = field(factory=_singlePool, init=False)

    def start(self) -> None:
        """
        See L{Thread.start}.
        """
        self._pool.start()

    def run(self, call: Callable[[], _T]) -> Deferred[_T]:
        """
        See L{Thread.run}.
        """
        return deferToThreadPool(self._reactor, self._pool, call)

    def stop(self) -> None:
        """
        See L{Thread.stop}.
        """
        self._pool.stop()
