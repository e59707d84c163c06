"""
Tests of L{sipoutbound.location.memory}.
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipoutbound.location.memory import SWEEP, WorkingSet
from sipoutbound.outbound.binding import Binding
from sipoutbound.test.registers import NOW, binding

# Bindings of three AoRs over three flows and none, which expire within two minutes.
BINDINGS = st.builds(
    lambda number, regId, flow, expires: binding(
        number, regId=regId, flow=flow, expires=int(NOW) + expires
    ),
    st.integers(0, 2),
    st.integers(1, 3),
    st.sampled_from((b"", b"f1", b"f2", b"f3")),
    st.integers(1, 120),
)
STATES = st.lists(BINDINGS, max_size=4).map(
    lambda bindings: tuple({each.key: each for each in bindings}.values())
)
STEPS = st.lists(st.tuples(st.integers(0, 2), STATES), max_size=12)


class WorkingSetTests(SynchronousTestCase):
    """
    The indexes agree with the bindings, whatever is put.
    """

    def check(self, held: WorkingSet, model: dict[bytes, tuple[Binding, ...]]) -> None:
        """
        Compare with a table without indexes.
        """
        bindings = [each for bindings in model.values() for each in bindings]
        self.assertEqual(set(held), set(bindings))
        self.assertEqual(len(held), len(bindings))
        for flow in (b"f1", b"f2", b"f3"):
            on = {aor for aor, each in model.items() if any(b.flow == flow for b in each)}
            self.assertEqual(set(held.onFlow(flow)), on)
        self.assertEqual(held.onFlow(b""), ())

    @given(STEPS)
    @settings(max_examples=100, deadline=None)
    def test_indexes(self, steps: list[tuple[int, tuple[Binding, ...]]]) -> None:
        """
        A dead flow takes exactly its own bindings with it.
        """
        held, model = WorkingSet(), {}
        for number, state in steps:
            aor = b"user%d@example.test" % number
            held.put(aor, state)
            model[aor] = state
            self.assertEqual(held.of(aor), state)
        self.check(held, model)

    @given(STEPS, st.integers(0, 140))
    @settings(max_examples=200, deadline=None)
    def test_expire(self, steps: list[tuple[int, tuple[Binding, ...]]], elapsed: int) -> None:
        """
        Nothing is forgotten before its time, and everything soon after it, however it was
        refreshed or shortened in between.
        """
        held, model = WorkingSet(), {}
        for number, state in steps:
            aor = b"user%d@example.test" % number
            held.put(aor, state)
            model[aor] = state
        for time in (NOW + elapsed // 2, NOW + elapsed):
            before = {aor: held.of(aor) for aor in model}
            for aor, old, left in held.expire(time):
                self.assertEqual(old, before[aor])
                self.assertEqual(held.of(aor), left)
            for aor, state in model.items():
                kept = set(held.of(aor))
                self.assertLessEqual({b for b in state if b.expires > time}, kept)
                self.assertLessEqual(kept, {b for b in state if b.expires > time - SWEEP})
        held.expire(NOW + 1000)
        self.check(held, {})

    def test_find(self) -> None:
        """
        A binding is found by what the store calls it.
        """
        held = WorkingSet()
        held.put(b"a", (binding(1), binding(2)))
        self.assertEqual(held.find(b"a", binding(2).key), binding(2))
        self.assertIsNone(held.find(b"a", binding(3).key))
        self.assertIsNone(held.find(b"b", binding(2).key))
