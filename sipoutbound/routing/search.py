"""
Flows and addresses tried one after the other: the sequential search of RFC 3261 6, 16.6 step 7.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, Final

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from sipoutbound.interfaces import IFlow, Unreachable
from sipoutbound.message.grammar import Malformed
from sipoutbound.message.message import Response
from sipoutbound.message.unique import unique
from sipoutbound.routing.attempt import Attempt
from sipoutbound.routing.course import Course
from sipoutbound.routing.decision import Target
from sipoutbound.routing.delivery import Copy

if TYPE_CHECKING:
    from sipoutbound.routing.fork import Fork

log = Logger()

# Octets that a request may have before Max-Breadth is put on it: what UDP over IPv4 carries (65,535
# less both headers, RFC 791, RFC 768), less what the longest names make of a Via.
LARGEST_DATAGRAM: Final = 65_507 - 100


@define(eq=False, repr=False)
class SequentialSearch:
    """
    The ways of a request to one recipient, one at a time: the flows of an instance, and the
    addresses of each next hop on the way to it. When to leave one is for others to say.

    @ivar fork: the fork it belongs to.
    @ivar ways: the flows not tried yet, in order.
    @ivar breadth: what is left of its part of Max-Breadth; what it has sent has the rest.
    @ivar _current: what is under way.
    @ivar _overtaking: what is under way, while another address than its own is looked for.
    @ivar _reaching: whose next hop a way is looked for to.
    """

    fork: Fork
    ways: list[Target]
    breadth: int
    _current: Attempt | None = field(default=None, init=False)
    _overtaking: Attempt | None = field(default=None, init=False)
    _reaching: Course | None = field(default=None, init=False)
    _timer: Any = field(default=None, init=False)
    _cancelled: bool = field(default=False, init=False)
    _ended: bool = field(default=False, init=False)

    @abstractmethod
    def responded(self, attempt: Attempt, response: Response) -> None:
        """
        A response to the current attempt; our Via is off.
        """

    @abstractmethod
    def respondedLate(self, attempt: Attempt, response: Response) -> None:
        """
        A response to an attempt that was given up.
        """

    @abstractmethod
    def timedOut(self, attempt: Attempt) -> None:
        """
        No final response came in time.
        """

    @abstractmethod
    def flowFailed(self, attempt: Attempt) -> None:
        """
        The flow broke.
        """

    @abstractmethod
    def _end(self, response: Response | None) -> None:
        """
        It is over.

        @param response: what has come of it; C{None} after a 2xx.
        """

    @abstractmethod
    def regain(self, amount: int) -> None:
        """
        An attempt needs its part of Max-Breadth no more.
        """

    @abstractmethod
    def _share(self, attempt: Attempt) -> int:
        """
        How much of Max-Breadth an attempt gets.
        """

    @abstractmethod
    def _silence(self, course: Course | None) -> float:
        """
        For how long to wait for the first response while there is another way; 0.0 where there is
        none.

        @param course: where it goes; C{None} where that is down a flow.
        """

    @abstractmethod
    def _hold(self, attempt: Attempt) -> None:
        """
        Something was heard of an attempt, but not of its recipient; it is all there is.
        """

    def _next(self, status: int) -> None:
        """
        @param status: what the branch has come to if no flow is left.
        """
        self._stopTimer()
        self._current = self._overtaking = self._reaching = None
        while self.ways:
            target = self.ways.pop(0)
            flow = self.fork.delivery.flowOf(target)
            if flow is None:
                self._reach(Course(self.fork.delivery, target))
                return
            if flow.alive:
                self._down(flow, target)
                return
            self._remove(target)
        self._end(self._local(487 if self._cancelled else status))

    def _down(self, flow: IFlow, target: Target) -> None:
        try:
            self._try(self.fork.delivery.copy(target, flow), Attempt(self, target))
        except Exception:
            self._broken(Failure())

    def _reach(self, course: Course, anew: bool = False) -> None:
        """
        No flow of ours leads there: go to the next address of the next hop.

        @param anew: to the present one, over another connection.
        """
        if not anew:
            self._stopTimer()
        self._current, self._reaching = None, course
        if self.ways:
            self._listen(course)
        reaching = Deferred.fromCoroutine(course.again() if anew else course.next())
        reaching.addCallbacks(self._found, self._unreachable, (course,), {}, (course,))
        reaching.addErrback(self._broken)

    def _listen(self, course: Course | None) -> None:
        """
        Have silence noticed: since the next hop is looked for, whatever connections it takes.
        """
        silence = self._silence(course)
        if silence and self._timer is None:
            self._timer = self.fork.transactions.later(silence, self._quiet, None)

    def _quiet(self, _: None) -> None:
        """
        Nothing was heard for too long. What takes no connection, and refuses none, is left for the
        next flow, if there is one.
        """
        self._timer = None
        if self._current is not None:
            self._silent(self._current)
        elif self._others():
            self._next(408)

    def _found(self, copy: Copy, course: Course) -> None:
        """
        There is a way to a next hop. If that has taken too long, nobody wants it any more.
        """
        if self._reaching is course:
            self._reaching = None
            if not self.fork.invite:
                self._stopTimer()
            self._reached(copy, course)

    def _reached(self, copy: Copy, course: Course) -> None:
        self._try(copy, Attempt(self, course.target, course))

    def _try(self, copy: Copy, attempt: Attempt) -> None:
        if self._cancelled:
            self._end(self._local(487))
            return
        if not copy.flow.reliable and len(bytes(copy.request)) > LARGEST_DATAGRAM:
            self._onward(attempt, 513)
            return
        self._current = attempt
        attempt.breadth = self._share(attempt)
        self.breadth -= attempt.breadth
        self._listen(attempt.course)
        attempt.begin(copy)

    def _broken(self, failure: Failure) -> None:
        """
        A mistake of ours: the caller must not wait for it, nor the other branches.
        """
        log.failure("while forwarding", failure)
        if self._current is not None:
            self._current.release()
        self._end(self._local(500))

    def _unreachable(self, failure: Failure, course: Course) -> None:
        _told(failure)
        if not course.answered:
            self._remove(course.target)
        if self._reaching is course:
            self._exhausted(course)

    def _exhausted(self, course: Course) -> None:
        """
        No address of a next hop is left. A 503 is an answer of the instance (RFC 5626 7).
        """
        if course.refusal is not None and not self._cancelled:
            self._end(course.refusal)
        else:
            self._next(course.status)

    def _silent(self, attempt: Attempt) -> None:
        """
        Nothing was heard there: leave it for an address, or a flow, that may be there, but not its
        binding.
        """
        course = attempt.course
        if course is None or attempt.answered or not course.more:
            self._leave(attempt)
            return
        if not self.breadth:
            return
        self._overtaking = attempt
        reaching = Deferred.fromCoroutine(course.next())
        reaching.addCallbacks(self._overtaken, self._alone, (attempt,), {}, (attempt,))
        reaching.addErrback(self._broken)

    def _overtaken(self, copy: Copy, attempt: Attempt) -> None:
        """
        There is another address. It is kept for later if the first has answered meanwhile.
        """
        if self._ended or self._overtaking is not attempt:
            return
        self._overtaking = None
        assert attempt.course is not None
        if self._current is attempt and (attempt.answered or self._cancelled):
            attempt.course.reached = copy
        else:
            attempt.abandoned = True
            self._reached(copy, attempt.course)

    def _alone(self, failure: Failure, attempt: Attempt) -> None:
        """
        There is no other address.
        """
        _told(failure)
        if self._ended or self._overtaking is not attempt:
            return
        self._overtaking = None
        assert attempt.course is not None
        if self._current is not attempt:
            self._exhausted(attempt.course)
        elif not attempt.answered:
            self._leave(attempt)

    def _leave(self, attempt: Attempt) -> None:
        """
        Go on to the next flow, if there is one.
        """
        if self.breadth and self._others():
            attempt.abandoned = True
            if attempt.answered:
                attempt.cancel()
            self._next(408)
        elif attempt.answered:
            self._hold(attempt)

    def _others(self) -> bool:
        """
        Whether there is another flow.
        """
        flows = map(self.fork.delivery.flowOf, self.ways)
        return any(flow is None or flow.alive for flow in flows)

    def _onward(self, attempt: Attempt, status: int) -> None:
        """
        An attempt has failed: to the next address, or else the next flow.

        @param status: what the branch has come to if none is left.
        """
        course = attempt.course
        if course is None:
            self._next(status)
            return
        course.status = status
        if self._overtaking is not None:
            self._stopTimer()
            self._current = None
        elif course.more and not self._cancelled:
            self._reach(course)
        else:
            self._exhausted(course)

    def _remove(self, target: Target) -> None:
        if target.binding is not None:
            removing = Deferred.fromCoroutine(self.fork.delivery.location.remove(target.binding))
            removing.addErrback(lambda failure: log.failure("while removing a binding", failure))

    def _local(self, status: int) -> Response:
        return Response.reply(self.fork.request.message, status, toTag=unique())

    def _stopTimer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()


def _told(failure: Failure) -> None:
    if failure.check(Unreachable, Malformed) is None:
        log.failure("while looking for a next hop", failure)
    log.info("unreachable: {why}", why=failure.getErrorMessage())
