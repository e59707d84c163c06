"""
The timer wheel: nothing early, nothing lost, nothing held on to.
"""

from __future__ import annotations

from weakref import ref

from attrs import define
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipoutbound.transaction.wheel import Entry, Wheel

TICK = 0.01

# What happens to a wheel: a call is added so many seconds from now, the n-th call (modulo their
# number) is cancelled, or so many seconds pass.
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.floats(-1, 40)),
        st.tuples(st.just("cancel"), st.integers(0, 30)),
        st.tuples(st.just("pass"), st.floats(0, 20)),
    ),
    max_size=60,
)
# Clocks begin anywhere: at boot, or in 1970.
BEGINNINGS = st.sampled_from([0.0, 0.1, 12345.678, 1.7e9])


@define(eq=False)
class Argument:
    """
    Something whose end can be seen.
    """


@define(eq=False)
class Owner:
    """
    Something with a method to be called.
    """

    def call(self, argument: Argument) -> None:
        """
        The call.
        """


def unexpected(error: BaseException) -> None:
    """
    For wheels whose calls do not fail.
    """
    raise error


@define(eq=False)
class Trial:
    """
    A wheel beside a simple list of what should happen.

    @ivar pending: the time of each call neither made nor cancelled.
    @ivar made: those made, with the time.
    """

    now: float
    wheel: Wheel
    pending: dict[int, float]
    made: list[tuple[int, float]]
    entries: list[Entry]

    def take(self, what: str, number: float) -> None:
        """
        Take one of L{STEPS}.
        """
        if what == "add":
            self.pending[len(self.entries)] = self.now + number
            self.entries.append(
                self.wheel.add(self.now + number, self.record, len(self.entries))
            )
        elif what == "cancel" and self.entries:
            which = int(number) % len(self.entries)
            self.entries[which].cancel()
            self.pending.pop(which, None)
        elif what == "pass":
            self.now += number
            self.wheel.advance(self.now)

    def record(self, which: int) -> None:
        """
        The call that is made.
        """
        self.made.append((which, self.now))


class WheelTests(SynchronousTestCase):
    """
    L{Wheel}.
    """

    def wheel(self) -> Wheel:
        """
        A wheel whose calls do not fail.
        """
        return Wheel(unexpected, TICK)

    @settings(max_examples=100, deadline=None)
    @given(BEGINNINGS, STEPS)
    def test_nothingEarlyNothingLost(self, now: float, steps: list[tuple[str, float]]) -> None:
        """
        A message would be repeated too early, twice, after its transaction has ended, or never.
        """
        trial = Trial(now, self.wheel(), {}, [], [])
        for what, number in steps:
            del trial.made[:]
            trial.take(what, number)
            for which, when in trial.made:
                self.assertLessEqual(trial.pending.pop(which), when)
            if what == "pass":
                late = [t for t in trial.pending.values() if t + 1.001 * TICK < trial.now]
                self.assertEqual(late, [])
            following = trial.wheel.next()
            for when in trial.pending.values():
                assert following is not None
                self.assertLessEqual(following, max(when, trial.now) + 1.001 * TICK)

    @settings(max_examples=100, deadline=None)
    @given(st.lists(st.floats(0, 100), min_size=1, max_size=30))
    def test_order(self, times: list[float]) -> None:
        """
        After a pause a transaction would be given up before its last repetition is sent.
        """
        wheel, made = self.wheel(), list[float]()
        for when in times:
            wheel.add(when, made.append, when)
        wheel.advance(1000)
        self.assertEqual(made, sorted(times, key=lambda when: int(when / TICK)))

    @settings(max_examples=100, deadline=None)
    @given(st.floats(0, 1e9), st.sampled_from([0.01, 0.001, 1 / 1024, 0.25]))
    def test_next(self, when: float, tick: float) -> None:
        """
        The server would come back when told, find nothing to do, and come back again without end.
        """
        wheel, made = Wheel(unexpected, tick), list[int]()
        wheel.add(when, made.append, 1)
        due = wheel.next()
        assert due is not None
        self.assertGreaterEqual(due, when)
        wheel.advance(due)
        self.assertEqual(made, [1])
        self.assertIsNone(wheel.next())

    def test_empty(self) -> None:
        """
        An idle server would wake up for nothing.
        """
        wheel = self.wheel()
        wheel.advance(5)
        self.assertIsNone(wheel.next())

    def test_addWhileAdvancing(self) -> None:
        """
        A timer started by another one would be lost, or an overdue one hang the server.
        """
        wheel, made = self.wheel(), list[float]()

        def again(when: float) -> None:
            made.append(when)
            wheel.add(when + 1, again, when + 1)

        wheel.add(1, again, 1.0)
        wheel.advance(10)
        self.assertEqual(made, [1])
        wheel.advance(10)
        self.assertEqual(made, [1, 2])

    def test_cancelWhileAdvancing(self) -> None:
        """
        A transaction ended by one timer would still have another one fire in the same tick.
        """
        wheel, made = self.wheel(), list[int]()
        entries = list[Entry]()

        def cancelOthers(which: int) -> None:
            made.append(which)
            for entry in entries:
                entry.cancel()

        entries += [wheel.add(when, cancelOthers, n) for n, when in enumerate((1, 1, 2))]
        wheel.advance(3)
        self.assertEqual(made, [0])

    def test_failure(self) -> None:
        """
        One error would lose the timers of all other calls that are due.
        """
        errors, made = list[BaseException](), list[int]()
        wheel = Wheel(errors.append, TICK)

        def call(number: int) -> None:
            made.append(number)
            if number % 2:
                raise ValueError(number)

        for number, when in enumerate((1, 1, 1, 2, 3)):
            wheel.add(when, call, number)
        wheel.advance(5)
        self.assertEqual(made, [0, 1, 2, 3, 4])
        self.assertEqual([str(error) for error in errors], ["1", "3"])

    def test_cancelReleases(self) -> None:
        """
        Every call that was answered would stay in memory for another half minute.
        """
        wheel, argument, owner = self.wheel(), Argument(), Owner()
        entry = wheel.add(32, owner.call, argument)
        seen = ref(argument), ref(owner)
        entry.cancel()
        del argument, owner
        self.assertEqual([thing() for thing in seen], [None, None])
        entry.cancel()

    def test_madeReleases(self) -> None:
        """
        A transaction that keeps its entries would keep itself in memory.
        """
        wheel, argument = self.wheel(), Argument()
        entry = wheel.add(1, id, argument)
        seen = ref(argument)
        del argument
        wheel.advance(2)
        self.assertIsNone(seen())
        entry.cancel()
