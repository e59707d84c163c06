"""
One attempt to deliver a request: what is sent down one flow, and what comes of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define, field
from zope.interface import implementer

from sipoutbound.interfaces import IClientTransaction, IFlow, IResponses
from sipoutbound.message import message as wire
from sipoutbound.message.message import Response
from sipoutbound.message.unique import uniqueBranch
from sipoutbound.routing.decision import Target
from sipoutbound.routing.delivery import measure

if TYPE_CHECKING:
    from sipoutbound.routing.branch import Branch


@implementer(IResponses)
@define(eq=False, repr=False)
class Attempt:
    """
    A request under way to one target.

    @ivar branch: whom its outcome concerns.
    @ivar target: where it goes.
    @ivar reused: it went over a connection that had been used before, and may have been about to
        be closed.
    @ivar heard: whether a provisional response has come.
    @ivar breadth: its part of Max-Breadth, until it has had its final response.
    @ivar abandoned: the branch has gone on to the next flow; what still comes is late.
    """

    branch: Branch
    target: Target
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

    def begin(self, request: wire.Request, flow: IFlow) -> None:
        """
        Send it.

        @param request: complete but for our Via.
        """
        branch = uniqueBranch() + self.branch.fork.delivery.mark
        breadth = b"%d" % self.breadth
        if request.first(b"max-breadth") != breadth:
            request.set(b"Max-Breadth", breadth)
        request.put(b"Via", flow.via + branch)
        self._transaction = self.branch.fork.transactions.begin(request, branch, flow, self)

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
        if response.status >= 300:
            # After a 2xx nobody else is to be tried: there is nobody to leave it to.
            self.release()
        forwarded = response.copy()
        forwarded.pop(b"via")
        if self.branch.fork.request.flow.reliable:
            measure(forwarded)
        if self.abandoned:
            self.branch.respondedLate(self, forwarded)
        else:
            self.branch.responded(self, forwarded)

    def timedOut(self) -> None:
        """
        No final response came in time.
        """
        self.release()
        self.branch.timedOut(self)

    def flowFailed(self) -> None:
        """
        The flow broke meanwhile.
        """
        self.release()
        self.branch.flowFailed(self)
