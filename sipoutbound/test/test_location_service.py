"""
Tests of L{sipoutbound.location.service}.
"""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from sipoutbound.interfaces import ILocation
from sipoutbound.location.memory import SWEEP
from sipoutbound.location.service import GRACE, Location
from sipoutbound.outbound.binding import Binding, Bindings
from sipoutbound.outbound.refusal import Refusal
from sipoutbound.test.registers import (
    NOW,
    DictStore,
    HeldThread,
    atOnce,
    binding,
    to,
)


class LocationTests(SynchronousTestCase):
    """
    The service in memory: nothing ever waits.
    """

    def setUp(self) -> None:
        """
        Start it.
        """
        self.clock = Clock()
        self.location = Location(self.clock, lambda: NOW + self.clock.seconds())
        self.location.startService()

    def put(self, *bindings: Binding) -> None:
        """
        Have an AoR have these bindings.
        """
        atOnce(self.location.change(bindings[0].aor, to(*bindings)))

    def has(self, number: int) -> Bindings:
        """
        What callers of that AoR find.
        """
        return atOnce(self.location.lookup(b"user%d@example.test" % number))

    def test_interface(self) -> None:
        """
        The proxy finds here what it asks for.
        """
        verifyObject(ILocation, self.location)

    def test_change(self) -> None:
        """
        A registration is there for the next caller.
        """
        seen: list[Bindings] = []

        def algebra(before: Bindings) -> Bindings:
            seen.append(before)
            return (*before, binding(1, regId=len(before) + 1))

        for count in (1, 2):
            made = atOnce(self.location.change(binding(1).aor, algebra))
            self.assertEqual((len(made), self.has(1)), (count, made))
        self.assertEqual(seen, [(), (binding(1),)])

    def test_refusal(self) -> None:
        """
        A REGISTER that is refused changes nothing.
        """
        self.put(binding(1))

        def algebra(before: Bindings) -> Bindings:
            raise Refusal(403)

        with self.assertRaises(Refusal):
            atOnce(self.location.change(binding(1).aor, algebra))
        self.assertEqual(self.has(1), (binding(1),))

    def test_grace(self) -> None:
        """
        A phone that refreshes at the last moment can be called in between; one that does not is
        forgotten, in memory too.
        """
        self.put(binding(1, expires=int(NOW) + 60), binding(1, regId=2))
        self.clock.advance(60 + GRACE - 1)
        self.assertEqual(len(self.has(1)), 2)
        self.clock.advance(1)
        self.assertEqual([each.regId for each in self.has(1)], [2])
        self.clock.pump([SWEEP] * 3)
        self.assertEqual([each.regId for each in self.location.bindings()], [2])

    def test_flowDied(self) -> None:
        """
        When a connection with ten thousand users breaks, nobody is called over it any more, and
        everybody else still is (RFC 5626 7).
        """
        for number in range(10_000):
            self.put(binding(number, flow=b"trunk"), binding(number, regId=2, flow=b"other"))
        self.put(binding(0, flow=b"trunk"))
        self.assertTrue(self.location.registered(b"trunk"))
        self.location.flowDied(b"trunk")
        self.assertFalse(self.location.registered(b"trunk"))
        self.assertEqual(self.has(0), ())
        left = list(self.location.bindings())
        self.assertEqual({each.flow for each in left}, {b"other"})
        self.assertEqual(len(left), 9_999)

    def test_lateClose(self) -> None:
        """
        A phone that is back on a new connection stays when the old one is closed at last.
        """
        self.put(binding(1))
        self.put(binding(1, cseq=2, flow=b"new"))
        self.location.flowDied(b"flow1")
        self.assertEqual(len(self.has(1)), 1)
        self.location.flowDied(b"new")
        self.assertEqual(self.has(1), ())

    def test_noFlow(self) -> None:
        """
        Bindings behind other edges are nobody's flow here.
        """
        self.put(binding(1, flow=b""))
        self.location.flowDied(b"")
        self.assertEqual(len(self.has(1)), 1)
        self.assertFalse(self.location.registered(b""))

    def test_compareAndDelete(self) -> None:
        """
        A call that fails on an old flow does not unregister a phone that has come back while it
        rang (RFC 5626 7).
        """
        old = binding(1)
        self.put(old, binding(1, regId=2))
        for newer in ({"cseq": 2}, {"callId": b"new"}, {"path": (b"<sip:new>",)}):
            self.put(binding(1, **newer), binding(1, regId=2))
            self.assertFalse(atOnce(self.location.remove(old)))
            self.assertEqual(len(self.has(1)), 2)
        self.put(binding(1, expires=int(NOW) + 5), binding(1, regId=2))
        self.assertTrue(atOnce(self.location.remove(old)))
        self.assertEqual([each.regId for each in self.has(1)], [2])
        self.assertFalse(atOnce(self.location.remove(old)))

    def test_stop(self) -> None:
        """
        Stopping leaves no timer behind.
        """
        self.successResultOf(self.location.stopService())
        self.assertEqual(self.clock.getDelayedCalls(), [])


class LoadTests(SynchronousTestCase):
    """
    What is there after a restart.
    """

    def test_load(self) -> None:
        """
        Phones that were registered still are; those whose time was over or whose connection ended
        with the last process cost no caller any time, and are forgotten by the store as well.
        """
        alive, grace = binding(1), binding(1, regId=2, expires=int(NOW) - GRACE + 1)
        dead, expired = binding(2), binding(3, expires=int(NOW) - GRACE)
        store, thread, clock = DictStore(), HeldThread(), Clock()
        store.rows = {(each.aor, each.key): each for each in (alive, grace, dead, expired)}
        location = Location(clock, lambda: NOW, lambda one: None if one.flow == b"flow2" else one)
        location.keepIn(store, thread)
        location.startService()
        self.assertEqual(set(location.bindings()), {alive, grace})
        self.assertEqual(set(atOnce(location.lookup(alive.aor))), {alive, grace})
        self.assertTrue(location.registered(b"flow1"))
        clock.advance(0)
        thread.finish()
        self.assertEqual(store.kept, {alive, grace})

    def test_expiredAreDeleted(self) -> None:
        """
        The table that an operator looks at has no phones of last year.
        """
        store, thread, clock = DictStore(), HeldThread(), Clock()
        location = Location(clock, lambda: NOW + clock.seconds())
        location.keepIn(store, thread)
        store.rows = {(binding().aor, binding().key): binding(expires=int(NOW) + 1)}
        location.startService()
        clock.pump([SWEEP] * 4)
        thread.finish()
        self.assertEqual(store.kept, set())
