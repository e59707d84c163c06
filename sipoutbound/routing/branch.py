"""
One branch of a fork: one instance, one flow of it at a time (RFC 5626 7, RFC 3261 16.6).
"""

from __future__ import annotations

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
from sipoutbound.routing.decision import Target

if TYPE_CHECKING:
    from sipoutbound.routing.fork import Fork

log = Logger()

# Seconds without any response after which the next flow of the instance is tried: a caller would
# hang up before timer B ends, 32 s (RFC 3261 17.1.1.2). Four transmissions over UDP fit in.
SILENCE: Final = 2.0

# Octets that a request may have before our own Via is put on it: what UDP over IPv4 carries (65,535
# less both headers, RFC 791, RFC 768), less what the longest names make of a Via.
LARGEST_DATAGRAM: Final = 65_507 - 400

# Seconds from the last provisional response until an INVITE is given up: timer C, more than three
# minutes (RFC 3261 16.6 step 11).
TIMER_C: Final = 185.0


@define(eq=False, repr=False)
class Branch:
    """
    The flows of one instance, tried one after the other. A flow is left for the next one when it is
    gone, when it answers 430 or 408, and when it stays silent; any other final response is the
    instance's answer, and its other flows are left alone.

    @ivar fork: the fork it belongs to.
    @ivar ways: the flows not tried yet, in order.
    @ivar breadth: what is left of its part of Max-Breadth; what it has sent has the rest.
    """

    fork: Fork
    ways: list[Target]
    breadth: int
    _current: Attempt | None = field(default=None, init=False)
    _timer: Any = field(default=None, init=False)
    _cancelled: bool = field(default=False, init=False)
    _again: bool = field(default=False, init=False)
    _ended: bool = field(default=False, init=False)

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

    def _next(self, status: int) -> None:
        """
        @param status: what the branch has come to if no flow is left.
        """
        self._stopTimer()
        self._current = None
        while self.ways:
            target = self.ways.pop(0)
            flow = self.fork.delivery.flowOf(target)
            if flow is None:
                self._reach(target)
                return
            if flow.alive:
                self._try(flow, target)
                return
            self._remove(target)
        self._end(self._local(487 if self._cancelled else status))

    def _reach(self, target: Target) -> None:
        """
        No flow of ours leads there: find the next hop.
        """
        reaching = Deferred.fromCoroutine(self.fork.delivery.reach(target))
        reaching.addCallbacks(self._try, self._unreachable, (target,), {}, (target,))
        reaching.addErrback(self._broken)

    def _broken(self, failure: Failure) -> None:
        """
        A mistake of ours: the caller must not wait for it, nor the other branches.
        """
        log.failure("while forwarding", failure)
        if self._current is not None:
            self._current.release()
        self._end(self._local(500))

    def _unreachable(self, failure: Failure, target: Target) -> None:
        if failure.check(Unreachable, Malformed) is None:
            log.failure("while looking for a next hop", failure)
        log.info("unreachable: {why}", why=failure.getErrorMessage())
        self._remove(target)
        self._next(430 if target.binding is not None else 503)

    def _try(self, flow: IFlow, target: Target) -> None:
        try:
            self._send(flow, target)
        except Exception:
            self._broken(Failure())

    def _send(self, flow: IFlow, target: Target) -> None:
        if self._cancelled:
            self._end(self._local(487))
            return
        request = self.fork.delivery.message(target, flow)
        if not flow.reliable and len(bytes(request)) > LARGEST_DATAGRAM:
            self._next(513)
            return
        attempt = self._current = Attempt(self, target, flow.reliable and flow.pending is not None)
        # One for each further flow, in case that this one stays silent: they never fork (RFC 5393
        # 5.6), as they lead to a phone.
        attempt.breadth = max(1, self.breadth - len(self.ways))
        self.breadth -= attempt.breadth
        if self.ways:
            self._timer = self.fork.transactions.later(SILENCE, self._silent, attempt)
        attempt.begin(request, flow)

    def _silent(self, attempt: Attempt) -> None:
        """
        Nothing was heard on this flow: leave it for one that may be there, but not its binding.
        """
        self._timer = None
        flows = map(self.fork.delivery.flowOf, self.ways)
        if self.breadth and any(flow is None or flow.alive for flow in flows):
            attempt.abandoned = True
            self._next(408)

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
        elif status < 300:
            self._stopTimer()
            self.fork.succeeded(response, self)
            self._end(None)
        else:
            self._end(response)

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
        if response.status > 100 or not heard:
            self._stopTimer()
            if self.fork.invite:
                self._timer = self.fork.transactions.later(TIMER_C, self._tooLong, attempt)
        # RFC 4320 4.1: nobody is told that anything else than an INVITE rings.
        if self.fork.invite and response.status > 100 and not self._ended:
            self.fork.progressed(response)

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
        if not attempt.answered:
            self._remove(attempt.target)
        if self._awaits(attempt):
            if not self.fork.invite:
                self.ways.clear()
            self._next(408)

    def flowFailed(self, attempt: Attempt) -> None:
        """
        The flow broke: its bindings are gone already. A connection that we had made to a next hop
        may have been closed there for being idle: it is made once more.
        """
        if not self._awaits(attempt):
            return
        made = self.fork.delivery.flowOf(attempt.target) is None
        if made and attempt.reused and not (attempt.answered or self._again or self._cancelled):
            self._again = True
            self._stopTimer()
            self._current = None
            self._reach(attempt.target)
        else:
            # RFC 3261 16.9: as a 503 had come. A 430 is for flows (RFC 5626 11.5).
            self._next(503 if made and attempt.target.binding is None else 430)

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

    def _remove(self, target: Target) -> None:
        if target.binding is not None:
            removing = Deferred.fromCoroutine(self.fork.delivery.location.remove(target.binding))
            removing.addErrback(lambda failure: log.failure("while removing a binding", failure))

    def _local(self, status: int) -> Response:
        return Response.reply(self.fork.request.message, status, toTag=unique())

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

    def _stopTimer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    def _end(self, response: Response | None) -> None:
        self._stopTimer()
        if not self._ended:
            self._ended = True
            self.fork.ended(self, response)
