"""
How long the timers of transactions run, and the times at which messages are repeated because of it.
"""

from __future__ import annotations

from attrs import define, field
from twisted.trial.unittest import SynchronousTestCase

from sipoutbound.transaction.client import clientMachine
from sipoutbound.transaction.machine import Action, Event, Input, Machine, State
from sipoutbound.transaction.server import serverMachine
from sipoutbound.transaction.timers import NEVER, T1, T2, T4, Timer, again, duration
from sipoutbound.transaction.wheel import Wheel

# Appendix A of RFC 3261 with RFC 6026 8.11, in seconds: over UDP, over everything else.
TABLE_4 = """
A 0.5 never
B 32  32
D 32  0
E 0.5 never
F 32  32
G 0.5 never
H 32  32
I 5   0
J 32  0
K 5   0
L 32  32
M 32  32
"""


class DurationTests(SynchronousTestCase):
    """
    L{duration} and L{again}.
    """

    def test_first(self) -> None:
        """
        Repetitions would come too early or too late, and transactions last too long or not long
        enough to absorb what peers repeat.
        """
        lines = TABLE_4.strip().splitlines()
        self.assertEqual(len(lines), len(Timer))
        for line in lines:
            name, unreliable, reliable = line.replace("never", str(NEVER)).split()
            self.assertEqual(duration(Timer[name], False), float(unreliable), name)
            self.assertEqual(duration(Timer[name], True), float(reliable), name)

    def test_constants(self) -> None:
        """
        We would time out while the rest of the world still waits (RFC 3261 Table 4).
        """
        self.assertEqual((T1, T2, T4), (0.5, 4.0, 5.0))

    def test_again(self) -> None:
        """
        An INVITE would be repeated too often (A has no limit), other things too seldom.
        """
        for timer, expected in (
            (Timer.A, [1.0, 2.0, 4.0, 8.0, 16.0, 32.0]),
            (Timer.E, [1.0, 2.0, 4.0, 4.0, 4.0, 4.0]),
            (Timer.G, [1.0, 2.0, 4.0, 4.0, 4.0, 4.0]),
        ):
            interval, intervals = duration(timer, False), []
            for _ in expected:
                interval = again(timer, interval)
                intervals.append(interval)
            self.assertEqual(intervals, expected, timer.name)


def _raise(error: BaseException) -> None:
    raise error


@define(eq=False)
class Course:
    """
    One transaction on a wheel: what it does, and when.

    @ivar log: (seconds since the start, action).
    """

    machine: Machine
    reliable: bool = False
    now: float = 0.0
    log: list[tuple[float, Action]] = field(factory=list)
    wheel: Wheel = field(factory=lambda: Wheel(_raise, tick=1 / 1024))
    intervals: dict[Timer, float] = field(factory=dict)

    def feed(self, event: Input) -> None:
        """
        Give the machine an input and do what it says.
        """
        for action in self.machine.step(event):
            if isinstance(action, Timer):
                self.start(action, duration(action, self.reliable))
            elif action in (Action.AGAIN, Action.AGAIN_AT_T2):
                assert isinstance(event, Timer)
                doubled = again(event, self.intervals[event])
                self.start(event, doubled if action is Action.AGAIN else T2)
            else:
                self.log.append((self.now, action))

    def start(self, timer: Timer, seconds: float) -> None:
        """
        Start a timer as the rules in L{sipoutbound.transaction.machine} say.
        """
        self.intervals[timer] = seconds
        if seconds == 0.0:
            self.feed(timer)
        elif seconds < NEVER:
            self.wheel.add(self.now + seconds, self.feed, timer)

    def until(self, end: float) -> None:
        """
        Let time pass.
        """
        while (due := self.wheel.next()) is not None and due <= end:
            self.now = due
            self.wheel.advance(due)
            assert self.wheel.next() != due, "advanced without effect"
        self.now = end

    def times(self, *wanted: Action) -> list[float]:
        """
        When the transaction did one of these, to a tenth of a second.
        """
        return [round(when, 1) for when, action in self.log if action in wanted]


class CourseTests(SynchronousTestCase):
    """
    Whole transactions in time.
    """

    def test_inviteUnanswered(self) -> None:
        """
        A callee on a bad network would get fewer INVITEs than RFC 3261 17.1.1.2 promises, or the
        caller wait longer than 32 s.
        """
        course = Course(clientMachine(b"INVITE"))
        course.feed(Event.REQUEST)
        course.until(100)
        self.assertEqual(
            course.times(Action.SEND, Action.RESEND), [0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5]
        )
        self.assertEqual(course.times(Action.REPORT_TIMEOUT), [32])
        self.assertEqual(course.times(Action.DESTROY), [32])

    def test_inviteOverTCP(self) -> None:
        """
        INVITEs would be repeated over TCP.
        """
        course = Course(clientMachine(b"INVITE"), reliable=True)
        course.feed(Event.REQUEST)
        course.until(100)
        self.assertEqual(course.times(Action.SEND, Action.RESEND), [0])
        self.assertEqual(course.times(Action.REPORT_TIMEOUT), [32])

    def test_inviteRinging(self) -> None:
        """
        INVITEs would be repeated to a phone that rings, or the call be given up after 32 s.
        """
        course = Course(clientMachine(b"INVITE"))
        course.feed(Event.REQUEST)
        course.until(0.7)
        course.feed(Event.PROVISIONAL)
        course.until(100)
        self.assertEqual(course.times(Action.SEND, Action.RESEND), [0, 0.5])
        self.assertIs(course.machine.state, State.PROCEEDING)

    def test_inviteRefused(self) -> None:
        """
        A refusal would be acknowledged once only, or not at all over TCP, and be repeated to us.
        """
        for reliable, end in ((False, 32), (True, 0)):
            course = Course(clientMachine(b"INVITE"), reliable)
            course.feed(Event.REQUEST)
            course.feed(Event.FAILURE)
            course.until(20)
            course.feed(Event.FAILURE)
            course.until(100)
            self.assertEqual(course.times(Action.ACK), [0] if reliable else [0, 20])
            self.assertEqual(course.times(Action.PASS), [0])
            self.assertEqual(course.times(Action.DESTROY), [end])

    def test_requestUnanswered(self) -> None:
        """
        A MESSAGE on a bad network would be repeated too seldom or for too long (RFC 3261 17.1.2.2).
        """
        course = Course(clientMachine(b"MESSAGE"))
        course.feed(Event.REQUEST)
        course.until(100)
        self.assertEqual(
            course.times(Action.SEND, Action.RESEND),
            [0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5],
        )
        self.assertEqual(course.times(Action.REPORT_TIMEOUT), [32])

    def test_requestProceeding(self) -> None:
        """
        Repetitions after a 100 would come faster than every 4 s, or stop and lose the answer.
        """
        course = Course(clientMachine(b"MESSAGE"))
        course.feed(Event.REQUEST)
        course.until(0.2)
        course.feed(Event.PROVISIONAL)
        course.until(14)
        course.feed(Event.SUCCESS)
        course.until(100)
        self.assertEqual(course.times(Action.SEND, Action.RESEND), [0, 0.5, 4.5, 8.5, 12.5])
        self.assertEqual(course.times(Action.DESTROY), [19])

    def test_refusalUnacknowledged(self) -> None:
        """
        A caller that lost our 486 would ring for ever, or we repeat it for ever (RFC 3261 17.2.1).
        """
        course = Course(serverMachine(b"INVITE"))
        course.feed(Event.FAILURE)
        course.until(100)
        self.assertEqual(
            course.times(Action.SEND, Action.RESEND),
            [0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5],
        )
        self.assertEqual(course.times(Action.REPORT_TIMEOUT), [32])

    def test_refusalAcknowledged(self) -> None:
        """
        A refusal would be repeated after its ACK, or a late ACK be taken for that of a call.
        """
        for reliable, end in ((False, 6), (True, 1)):
            course = Course(serverMachine(b"INVITE"), reliable)
            course.feed(Event.FAILURE)
            course.until(1)
            course.feed(Event.ACK)
            course.until(100)
            self.assertEqual(
                course.times(Action.SEND, Action.RESEND), [0] if reliable else [0, 0.5]
            )
            self.assertEqual(course.times(Action.DESTROY), [end])

    def test_answered(self) -> None:
        """
        A repeated INVITE would ring again after the call was answered, over TCP too (RFC 6026 7.1).
        """
        for reliable in (False, True):
            course = Course(serverMachine(b"INVITE"), reliable)
            course.feed(Event.SUCCESS)
            course.until(31)
            course.feed(Event.REQUEST)
            course.feed(Event.SUCCESS)
            course.until(100)
            self.assertEqual(course.times(Action.SEND), [0, 31])
            self.assertEqual(course.times(Action.DESTROY), [32])

    def test_registered(self) -> None:
        """
        A REGISTER whose 200 got lost would be carried out again; over TCP its transaction would
        stay in memory for 32 s.
        """
        for reliable, end in ((False, 32), (True, 0)):
            course = Course(serverMachine(b"REGISTER"), reliable)
            course.feed(Event.SUCCESS)
            course.until(30)
            course.feed(Event.REQUEST)
            course.until(100)
            self.assertEqual(course.times(Action.SEND), [0])
            self.assertEqual(course.times(Action.RESEND), [] if reliable else [30])
            self.assertEqual(course.times(Action.DESTROY), [end])
