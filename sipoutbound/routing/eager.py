"""
Coroutines that mostly have nothing to wait for.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

from twisted.internet.defer import Deferred

_T = TypeVar("_T")


def begun(coroutine: Coroutine[Deferred[Any], Any, _T]) -> Deferred[_T] | None:
    """
    Run a coroutine up to where it waits. One that never does costs no Deferred.

    @return: C{None} when it has ended; else what L{Deferred.fromCoroutine} would have returned.
    @raise BaseException: whatever it raises before it first waits.
    """
    try:
        waiting = coroutine.send(None)
    except StopIteration:
        return None
    return Deferred.fromCoroutine(_rest(coroutine, waiting))


async def _rest(coroutine: Coroutine[Deferred[Any], Any, _T], waiting: Deferred[Any]) -> _T:
    try:
        while True:
            try:
                result = await waiting
            except GeneratorExit:
                coroutine.close()
                raise
            except BaseException as error:
                waiting = coroutine.throw(error)
            else:
                waiting = coroutine.send(result)
    except StopIteration as ended:
        value: _T = ended.value
        return value
