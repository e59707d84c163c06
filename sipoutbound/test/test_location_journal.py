"""
Tests of L{sipoutbound.location.journal} and L{sipoutbound.location.batch}.
"""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from sipoutbound.location.journal import RETRY, StoreBusy, StoreUnavailable
from sipoutbound.location.service import Location
from sipoutbound.outbound.binding import Binding, Bindings
from sipoutbound.test.registers import (
    NOW,
    DictStore,
    HeldThread,
    atOnce,
    binding,
    to,
)


class GroupCommitTests(SynchronousTestCase):
    """
    A location service above a store whose commits end when the test says so.
    """

    def setUp(self) -> None:
        """
        Start it, with room for five waiting changes.
        """
        self.clock = Clock()
        self.store, self.thread = DictStore(), HeldThread()
        self.location = Location(self.clock, lambda: NOW + self.clock.seconds())
        self.location.keepIn(self.store, self.thread, waiting=5)
        self.location.startService()

    def put(self, *bindings: Binding) -> Deferred[Bindings]:
        """
        Have an AoR have these bindings.
        """
        return Deferred.fromCoroutine(self.location.change(bindings[0].aor, to(*bindings)))

    def has(self, number: int) -> Bindings:
        """
        What callers of that AoR find.
        """
        return atOnce(self.location.lookup(b"user%d@example.test" % number))

    def commit(self, broken: bool = False) -> None:
        """
        End the turn of the reactor, and the commit.
        """
        self.clock.advance(0)
        self.store.broken = broken
        self.thread.finish()
        self.store.broken = False
        self.flushLoggedErrors()

    def test_answerAfterCommit(self) -> None:
        """
        Nobody is told 200 for what a power cut may undo.
        """
        done = self.put(binding(1))
        self.assertEqual(self.has(1), (binding(1),))
        self.clock.advance(0)
        self.assertNoResult(done)
        self.commit()
        self.assertEqual(self.successResultOf(done), (binding(1),))
        self.assertEqual(self.store.kept, {binding(1)})

    def test_oneCommitForMany(self) -> None:
        """
        A thousand phones that come back together cost one write to the disk, not a thousand.
        """
        done = [self.put(binding(n)) for n in range(5)]
        self.commit()
        self.assertEqual(len(self.store.commits), 1)
        for each in done:
            self.successResultOf(each)

    def test_nextBatchGathers(self) -> None:
        """
        What comes while the disk is busy is the next commit, and starts as soon as it is free.
        """
        first = self.put(binding(1))
        self.clock.advance(0)
        second, third = self.put(binding(2)), self.put(binding(1, cseq=2))
        self.thread.finish()
        self.successResultOf(first)
        self.assertNoResult(second)
        self.thread.finish()
        self.successResultOf(second)
        self.successResultOf(third)
        self.assertEqual([len(rows) for rows in self.store.commits], [1, 2])
        self.assertEqual(self.store.kept, {binding(2), binding(1, cseq=2)})
        self.assertTrue(self.thread.isIdle)

    def test_onlyWhatChanged(self) -> None:
        """
        A refresh of one flow does not write the others, and a removed one is deleted.
        """
        one, two = binding(1), binding(1, regId=2)
        self.put(one, two)
        self.commit()
        self.put(binding(1, cseq=2), two)
        self.commit()
        self.assertEqual(self.store.commits[1], {(one.aor, one.key): binding(1, cseq=2)})
        self.put(two)
        self.commit()
        self.assertEqual(self.store.commits[2], {(one.aor, one.key): None})

    def test_nothingChanged(self) -> None:
        """
        A fetch costs no commit; one that sees what is not yet durable waits for it.
        """
        aor = binding(1).aor
        self.assertEqual(atOnce(self.location.change(aor, lambda before: before)), ())
        pending = self.put(binding(1))
        fetch = Deferred.fromCoroutine(self.location.change(aor, lambda before: before))
        self.clock.advance(0)
        running = Deferred.fromCoroutine(self.location.change(aor, lambda before: before))
        self.assertNoResult(fetch)
        self.assertNoResult(running)
        self.commit()
        for done in (pending, fetch, running):
            self.assertEqual(self.successResultOf(done), (binding(1),))
        self.assertTrue(self.thread.isIdle)

    def test_emptyChange(self) -> None:
        """
        A change to the same bindings is answered too, even while a commit runs.
        """
        self.put(binding(1))
        self.clock.advance(0)
        same = self.put(*self.has(1))
        self.thread.finish()
        self.thread.finish()
        self.assertEqual(self.successResultOf(same), (binding(1),))

    def test_failedCommit(self) -> None:
        """
        When the disk is full a phone hears so, its old binding is used, and the next phone is
        served as soon as there is space again.
        """
        self.put(binding(1))
        self.commit()
        refused, also = self.put(binding(1, cseq=2)), self.put(binding(2))
        self.commit(broken=True)
        self.failureResultOf(refused, StoreUnavailable)
        self.failureResultOf(also, StoreUnavailable)
        self.assertEqual((self.has(1), self.has(2)), ((binding(1),), ()))
        again = self.put(binding(1, cseq=3))
        self.clock.advance(RETRY)
        self.thread.finish()
        self.successResultOf(again)
        self.assertEqual(self.store.kept, {binding(1, cseq=3)})

    def test_failureTakesWhatWasBuiltUponIt(self) -> None:
        """
        Changes on top of one that failed fail with it: nobody is left between two states.
        """
        self.put(binding(1))
        self.commit()
        first = self.put(binding(1, cseq=2))
        self.clock.advance(0)
        second = self.put(binding(1, cseq=3), binding(1, regId=2))
        self.commit(broken=True)
        self.failureResultOf(first, StoreUnavailable)
        self.failureResultOf(second, StoreUnavailable)
        self.assertEqual(self.has(1), (binding(1),))
        self.clock.advance(RETRY)
        self.thread.finish()
        self.assertEqual(self.store.kept, {binding(1)})

    def test_deadStayDead(self) -> None:
        """
        A failed commit brings no binding back whose flow has died or that was found useless in
        the meantime; the store forgets it as soon as it can.
        """
        for number in (1, 2, 3):
            self.put(binding(number))
        self.commit()
        refused = [self.put(binding(n, cseq=2, flow=b"other%d" % n)) for n in (1, 2, 3)]
        self.clock.advance(0)
        self.location.flowDied(b"flow1")
        self.assertTrue(atOnce(self.location.remove(binding(2, cseq=2))))
        self.commit(broken=True)
        for each in refused:
            self.failureResultOf(each, StoreUnavailable)
        states = [self.has(number) for number in (1, 2, 3)]
        self.assertEqual(states, [(), (binding(2),), (binding(3),)])
        self.clock.advance(RETRY)
        self.thread.finish()
        self.assertEqual(self.store.kept, {binding(2), binding(3)})

    def test_flowDiesDuringItsOwnCommit(self) -> None:
        """
        A phone that vanishes right after registering is gone from memory and store.
        """
        done = self.put(binding(1))
        self.clock.advance(0)
        self.location.flowDied(b"flow1")
        self.assertEqual(self.has(1), ())
        self.thread.finish()
        self.successResultOf(done)
        self.thread.finish()
        self.assertEqual(self.store.kept, set())

    def test_removalThatCannotBeStored(self) -> None:
        """
        A binding removed while the disk is full does not come back by a restart later.
        """
        self.put(binding(1))
        self.commit()
        self.location.flowDied(b"flow1")
        self.commit(broken=True)
        self.assertEqual((self.has(1), self.store.kept), ((), {binding(1)}))
        self.clock.advance(RETRY)
        self.thread.finish()
        self.assertEqual(self.store.kept, set())

    def test_bound(self) -> None:
        """
        When more phones come than the disk takes, the last ones hear so at once instead of
        waiting in vain, and nothing of theirs is done.
        """
        waiting = [self.put(binding(0))]
        self.clock.advance(0)
        waiting += [self.put(binding(n)) for n in range(1, 5)]
        self.failureResultOf(self.put(binding(5)), StoreBusy)
        self.assertEqual(self.has(5), ())
        self.thread.finish()
        self.thread.finish()
        for each in waiting:
            self.successResultOf(each)
        self.assertEqual(len(self.store.rows), 5)

    def test_bystandersAreNotBound(self) -> None:
        """
        Dead flows are taken note of however full the queue is.
        """
        waiting = [self.put(binding(n)) for n in range(5)]
        self.location.flowDied(b"flow0")
        self.assertEqual(self.has(0), ())
        self.commit()
        self.assertEqual(len(waiting), 5)
        self.assertNotIn(binding(0), self.store.kept)

    def test_cancelled(self) -> None:
        """
        Who stops waiting does no harm to the others.
        """
        impatient, patient = self.put(binding(1)), self.put(binding(2))
        impatient.cancel()
        self.failureResultOf(impatient, CancelledError)
        self.commit()
        self.successResultOf(patient)

    def test_stop(self) -> None:
        """
        A clean stop loses nothing: what runs and what gathered is written, then the store closed.
        """
        first = self.put(binding(1))
        self.clock.advance(0)
        second = self.put(binding(2))
        stopped = self.location.stopService()
        self.failureResultOf(self.put(binding(3)), StoreBusy)
        self.thread.finish()
        self.thread.finish()
        self.successResultOf(first)
        self.successResultOf(second)
        self.assertNoResult(stopped)
        self.thread.finish()
        self.successResultOf(stopped)
        self.assertEqual(self.store.kept, {binding(1), binding(2)})
        self.assertTrue(self.store.closed)
        self.assertFalse(self.thread.running)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_stopBeforeTheTurnEnds(self) -> None:
        """
        What came in the same turn as the stop is written too, once.
        """
        done = self.put(binding(1))
        stopped = self.location.stopService()
        self.thread.finish()
        self.thread.finish()
        self.successResultOf(done)
        self.successResultOf(stopped)
        self.assertEqual(len(self.store.commits), 1)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_stopWithBrokenStore(self) -> None:
        """
        A store in trouble does not keep the server from stopping.
        """
        self.put(binding(1)).addErrback(lambda failure: failure.trap(StoreUnavailable))
        stopped = self.location.stopService()
        self.commit(broken=True)
        self.thread.finish()
        self.successResultOf(stopped)
        self.assertEqual(self.clock.getDelayedCalls(), [])
