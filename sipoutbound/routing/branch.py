"""
One branch of a fork: one instance, one flow of it at a time (RFC 5626 7, RFC 3261 16.6).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from attrs import define

from sipoutbound.message.message import Response
from sipoutbound.routing.attempt import Attempt
from sipoutbound.routing.course import Course
from sipoutbound.routing.decision import Target
from sipoutbound.routing.search import SequentialSearch

if TYPE_CHECKING:
    from sipoutbound.routing.fork import Fork

# Seconds without any response after which the next flow of the instance is tried: a caller would
# hang up before timer B ends, 32 s (RFC 3261 17.1.1.2). Four transmissions over UDP fit in.
SILENCE: Final = 2.0

# The same for other requests than INVITE to an address that has no flow to us: whoever works there
# has said 100 after 3.5 s (RFC 4320 4.1).
SLOW: Final = 5.0

# Seconds from the last provisional response until an INVITE is given up: timer C, more than three
# minutes (RFC 3261 16.6 step 11).
TIMER_C: Final = 185.0


@define(eq=False, repr=False)
class Branch(SequentialSearch):
    """
    The flows of one instance, tried one after the other. A flow is left for the next one when it is
    gone, when it answers 430 or 408, and when it stays silent; any other final response is the
    instance's answer, and its other flows are left alone.
    """

    @classmethod
    def to(cls, fork: Fork, target: Target, breadth: int) -> Branch:
        """
        The branch to a target.
        """
        return cls(fork, [target, *target.otherwise], breadth)

    def start(self) -> None:
        """
        Try the first flow that is there.
        """
        self._next(430)

    def _share(self, attempt: Attempt) -> int:
        """
        How much of Max-Breadth an attempt gets. One is kept for each further flow, in case that
        this one stays silent: they never fork (RFC 5393 5.6), as they lead to a phone. For another
        address, which may fork, half is kept.
        """
        share = self.breadth - len(self.ways)
        if attempt.course is not None and attempt.course.more:
            share -= share // 2
        return max(1, share)

    def _silence(self, course: Course | None) -> float:
        """
        For how long to wait for the first response while there is another way; 0.0 where there is
        none.
        """
        more = course is not None and course.more
        if more and not self.fork.invite:
            return SLOW
        return SILENCE if self.ways or more else 0.0

    def responded(self, attempt: Attempt, response: Response) -> None:
        """
        A response to the current attempt; our Via is off.
        """
        status = response.status
        if status < 200:
            self._provisional(attempt, response)
        elif status == 430:
            self._remove(attempt.target)
            self._next(430)
        elif status == 408 and self.ways:
            self._next(408)
        elif status == 503 and self._hasOther(attempt):
            assert attempt.course is not None
            attempt.course.refusal = response
            self._onward(attempt, status)
        elif status < 300:
            self._stopTimer()
            self.fork.succeeded(response, self)
            self._end(None)
        else:
            self._end(response)

    def _hasOther(self, attempt: Attempt) -> bool:
        """
        Whether the next hop has another address.
        """
        course = attempt.course
        return course is not None and course.more and not self._cancelled

    def respondedLate(self, attempt: Attempt, response: Response) -> None:
        """
        A response to an attempt that was given up. Its phone must not ring; if somebody has picked
        up all the same, the caller gets it (RFC 3261 16.7 step 5), and no other flow rings on.
        """
        status = response.status
        if status < 200:
            attempt.cancel()
        elif status < 300:
            self.cancel()
            self.fork.succeeded(response, self)
        elif status == 430:
            self._remove(attempt.target)

    def _provisional(self, attempt: Attempt, response: Response) -> None:
        """
        Up to the first one timer B is shorter than timer C. A further 100 gives no more time (RFC
        3261 16.7 step 2).
        """
        heard, attempt.heard = attempt.heard, True
        if response.status > 100 or not (heard or self._isOfEdge(attempt)):
            self._hold(attempt)
        # RFC 4320 4.1: nobody is told that anything else than an INVITE rings.
        if self.fork.invite and response.status > 100 and not self._ended:
            self.fork.progressed(response)

    def _isOfEdge(self, attempt: Attempt) -> bool:
        """
        Whether a 100 says nothing of the phone: it is of an edge in front of it. The phone has
        another flow, maybe of a better one.
        """
        return attempt.course is not None and bool(attempt.target.route) and bool(self.ways)

    def _hold(self, attempt: Attempt) -> None:
        """
        Give an INVITE the time of timer C.
        """
        self._stopTimer()
        if self.fork.invite:
            self._timer = self.fork.transactions.later(TIMER_C, self._tooLong, attempt)

    def _tooLong(self, attempt: Attempt) -> None:
        """
        Timer C: it rang for too long.
        """
        self._timer = None
        attempt.abandoned = True
        attempt.cancel()
        self._end(self._local(408))

    def timedOut(self, attempt: Attempt) -> None:
        """
        No final response: a binding that nobody answers for is removed. Another flow is of use to
        an INVITE only: the caller's own 64*T1 is over otherwise.
        """
        if attempt.hopeless:
            self._remove(attempt.target)
        if self._awaits(attempt):
            if not self.fork.invite:
                self.ways.clear()
            self._onward(attempt, 408)

    def flowFailed(self, attempt: Attempt) -> None:
        """
        The flow broke: its bindings are gone already. A connection that we had made to a next hop
        may have been closed there for being idle: it is made once more.
        """
        if not self._awaits(attempt):
            return
        course = attempt.course
        if course is None:
            self._next(430)
        elif attempt.reused and not (attempt.answered or course.renewed or self._cancelled):
            self._reach(course, anew=True)
        else:
            # RFC 3261 16.9: as a 503 had come. A 430 is for flows (RFC 5626 11.5).
            self._onward(attempt, 503 if attempt.target.binding is None else 430)

    def _awaits(self, attempt: Attempt) -> bool:
        """
        Whether what becomes of an attempt is the branch's concern. Its transaction lives on after
        the final response, and may fail then.
        """
        return attempt is self._current and not self._ended

    def cancel(self) -> None:
        """
        No further flow, and an end to the one under way.
        """
        self.ways.clear()
        self._cancelled = True
        if self._current is not None and not self._ended:
            self._current.cancel()

    def regain(self, amount: int) -> None:
        """
        An attempt needs its part of Max-Breadth no more.
        """
        if self._ended:
            self.fork.breadth.giveBack(amount)
        else:
            self.breadth += amount

    def released(self) -> int:
        """
        What is left of its part, to be given to others.
        """
        left, self.breadth = self.breadth, 0
        return left

    def _end(self, response: Response | None) -> None:
        self._stopTimer()
        # They have it, and would be kept by it until the collector comes.
        self._current = self._overtaking = None
        if not self._ended:
            self._ended = True
            self.fork.ended(self, response)
