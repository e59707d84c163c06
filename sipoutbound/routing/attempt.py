"""
One attempt to deliver a request: what is sent down one flow, and what comes of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define, field
from zope.interface import implementer

from sipoutbound.interfaces import IClientTransaction, IResponses
from sipoutbound.message.message import Response
from sipoutbound.message.unique import unique
from sipoutbound.routing.course import Course
from sipoutbound.routing.decision import Target
from sipoutbound.routing.delivery import Copy, measure

if TYPE_CHECKING:
    from sipoutbound.routing.search import SequentialSearch


@implementer(IResponses)
@define(eq=False, repr=False)
class Attempt:
    """
    A request under way to one target.

    @ivar branch: whom its outcome concerns.
    @ivar target: where it goes.
    @ivar course: the addresses of its next hop; C{None} where it goes down a flow of ours.
    @ivar reused: it went over a connection that had been used before, and may have been about to
        be closed.
    @ivar heard: whether a provisional response has come.
    @ivar breadth: its part of Max-Breadth, until it has had its final response.
    @ivar abandoned: the branch has gone on to the next flow; what still comes is late.
    """

    branch: SequentialSearch
    target: Target
    course: Course | None = None
    reused: bool = False
    heard: bool = False
    breadth: int = 1
    abandoned: bool = False
    _transaction: IClientTransaction | None = field(default=None, init=False)

    @property
    def answered(self) -> bool:
        """
        Whether any response has come.
        """
        return self._transaction is not None and self._transaction.answered

    @property
    def hopeless(self) -> bool:
        """
        Whether nothing at all has come, from this address or from those tried before, and there is
        no other.
        """
        course = self.course
        if course is None:
            return not self.answered
        return not (course.answered or course.more) and course.latest is self

    def begin(self, copy: Copy) -> None:
        """
        Send it.
        """
        breadth = b"%d" % self.breadth
        if copy.request.first(b"max-breadth") != breadth:
            copy.request.set(b"Max-Breadth", breadth)
        if self.course is not None:
            self.course.latest = self
        self.reused = copy.flow.reliable and copy.flow.pending is not None
        transactions = self.branch.fork.transactions
        self._transaction = transactions.begin(copy.request, copy.branch, copy.flow, self)

    def cancel(self) -> None:
        """
        End it, as far as it can be.
        """
        if self._transaction is not None:
            self._transaction.cancel()

    def release(self) -> None:
        """
        Leave the part of Max-Breadth to others, once (RFC 5393 5.4.2).
        """
        amount, self.breadth = self.breadth, 0
        self.branch.regain(amount)

    def responded(self, response: Response) -> None:
        """
        A response came.
        """
        forwarded = self._forwarded(response)
        if forwarded.status >= 300:
            # After a 2xx nobody else is to be tried: there is nobody to leave it to.
            self.release()
        if self.course is not None:
            self.course.answered = True
            self._depart(self.course)
        if self.abandoned:
            self.branch.respondedLate(self, forwarded)
        else:
            self.branch.responded(self, forwarded)

    def _forwarded(self, response: Response) -> Response:
        """
        A response with our Via off. What has no other Via is not forwarded (RFC 3261 16.7 step 3):
        who has sent it has lost them. It is taken for a sign of life, or for a failure.
        """
        forwarded = response.copy()
        forwarded.pop(b"via")
        request = self.branch.fork.request
        if b"via" not in forwarded.values:
            status = 100 if response.status < 200 else 502
            return Response.reply(request.message, status, toTag=unique())
        if request.flow.reliable:
            measure(forwarded)
        return forwarded

    def timedOut(self) -> None:
        """
        No final response came in time.
        """
        self.release()
        self.branch.timedOut(self)
        self._depart(self.course)

    def flowFailed(self) -> None:
        """
        The flow broke meanwhile.
        """
        self.release()
        self.branch.flowFailed(self)
        self._depart(self.course)

    def _depart(self, course: Course | None) -> None:
        """
        Nobody needs to know any more that it was the latest. Each would be kept by the other until
        the collector comes.
        """
        if course is not None and course.latest is self:
            course.latest = None
