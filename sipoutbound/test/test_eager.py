"""
Coroutines that are run at once, and go on as a L{Deferred} does where they wait.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Coroutine
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.trial.unittest import SynchronousTestCase

from sipoutbound.routing.eager import begun


class BegunTests(SynchronousTestCase):
    """
    L{begun}: nobody can tell it from L{Deferred.fromCoroutine}, but for one that never waits.
    """

    def setUp(self) -> None:
        """
        What the coroutine has come to.
        """
        self.steps: list[Any] = []

    async def work(self, *waits: Deferred[Any]) -> str:
        """
        Wait for each, and note what came.
        """
        for wait in waits:
            try:
                self.steps.append(await wait)
            except Exception as error:
                self.steps.append(type(error))
                raise
        return "done"

    def waiting(self, coroutine: Coroutine[Deferred[Any], Any, str]) -> Deferred[str]:
        """
        Begin a coroutine that waits.
        """
        result = begun(coroutine)
        assert result is not None
        return result

    def test_neverWaits(self) -> None:
        """
        A request that is answered at once costs no Deferred; fired ones are no reason to wait.
        """
        self.assertIsNone(begun(self.work(succeed(1), succeed(2))))
        self.assertEqual(self.steps, [1, 2])

    def test_raises(self) -> None:
        """
        An error before it waits comes out at once.
        """
        async def wrong() -> None:
            raise ZeroDivisionError

        self.assertRaises(ZeroDivisionError, begun, wrong())

    def test_waits(self) -> None:
        """
        It goes on with what it waited for, one after the other, to its result.
        """
        one: Deferred[int] = Deferred()
        other: Deferred[int] = Deferred()
        result = self.waiting(self.work(one, other))
        one.callback(1)
        self.assertEqual(self.steps, [1])
        self.assertNoResult(result)
        other.callback(2)
        self.assertEqual((self.steps, self.successResultOf(result)), ([1, 2], "done"))

    def test_fails(self) -> None:
        """
        What it waited for failed: it is told, and its error is the result.
        """
        one: Deferred[int] = Deferred()
        other: Deferred[int] = Deferred()
        result = self.waiting(self.work(one, other))
        one.callback(1)
        other.errback(ZeroDivisionError())
        self.failureResultOf(result, ZeroDivisionError)
        self.assertEqual(self.steps, [1, ZeroDivisionError])

    def test_cancelled(self) -> None:
        """
        To cancel it cancels what it waits for.
        """
        one: Deferred[int] = Deferred()
        result = self.waiting(self.work(one))
        result.cancel()
        self.failureResultOf(result, CancelledError)
        self.assertEqual(self.steps, [CancelledError])

    def test_forgotten(self) -> None:
        """
        One that nobody waits for any more is closed, in silence: what it holds is let go of.
        """
        closed: list[bool] = []
        complaints: list[Any] = []
        self.patch(sys, "unraisablehook", complaints.append)

        async def holds(wait: Deferred[int]) -> None:
            try:
                await wait
            finally:
                closed.append(True)

        wait: Deferred[int] = Deferred()
        result = begun(holds(wait))
        del result, wait
        gc.collect()
        self.assertEqual((closed, complaints), ([True], []))
