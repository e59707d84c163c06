"""
Doubles of transactions, their clock in the hands of the test.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import define, field
from twisted.internet.task import Clock
from zope.interface import implementer

from sipoutbound.interfaces import (
    IClientTransaction,
    IFlow,
    IResponses,
    IServerTransaction,
    ITransactions,
)
from sipoutbound.message.message import Request, Response
from sipoutbound.test.doubles import FakeFlow


@implementer(IServerTransaction)
@define(eq=False)
class FakeServerTransaction:
    """
    A request that waits for its answer.

    @ivar responses: those given.
    @ivar abandoned: whether it was forgotten.
    """

    request: Request
    flow: FakeFlow = field(factory=FakeFlow)
    cancelled: Callable[[], None] | None = None
    responses: list[Response] = field(factory=list)
    abandoned: bool = False

    def respond(self, response: Response) -> None:
        """
        Keep it.
        """
        self.responses.append(response)

    def abandon(self) -> None:
        """
        Note it.
        """
        self.abandoned = True

    def cancel(self) -> None:
        """
        A CANCEL came.
        """
        assert self.cancelled is not None
        self.cancelled()

    @property
    def statuses(self) -> list[int]:
        """
        The status codes of the responses so far.
        """
        return [response.status for response in self.responses]


@implementer(IClientTransaction)
@define(eq=False)
class FakeClientTransaction:
    """
    A request that was sent, and waits for what the test lets come.

    @ivar cancels: how often it was to be cancelled.
    """

    request: Request
    branch: bytes
    flow: IFlow
    user: Any
    answered: bool = False
    cancels: int = 0

    def cancel(self) -> None:
        """
        Count it.
        """
        self.cancels += 1

    def answer(self, status: int, *headers: tuple[bytes, bytes], tag: bytes = b"b1") -> Response:
        """
        Let a response come.

        @return: the response as it came.
        """
        response = Response.reply(self.request, status, None, headers, tag)
        self.answered = True
        self.user.responded(response)
        return response

    def timeOut(self) -> None:
        """
        Let timer B or F fire.
        """
        self.user.timedOut()

    def fail(self) -> None:
        """
        Let the flow break.
        """
        self.user.flowFailed()


@implementer(ITransactions)
@define(eq=False)
class FakeTransactions:
    """
    The transaction layer, its clock in the hands of the test.

    @ivar begun: what was sent, in order.
    """

    clock: Clock = field(factory=Clock)
    begun: list[FakeClientTransaction] = field(factory=list)

    def begin(
        self, request: Request, branch: bytes, flow: IFlow, user: IResponses | None
    ) -> FakeClientTransaction:
        """
        Note it; on a dead flow it fails at once, as the stack does.
        """
        transaction = FakeClientTransaction(request, branch, flow, user)
        self.begun.append(transaction)
        if not flow.alive and user is not None:
            user.flowFailed()
        return transaction

    def later(self, delay: float, call: Callable[[Any], None], argument: Any) -> Any:
        """
        By the clock.
        """
        return Later(self.clock.callLater(delay, call, argument))

    @property
    def flows(self) -> list[bytes]:
        """
        The labels of the flows that were sent down.
        """
        return [begun.flow.label for begun in self.begun if isinstance(begun.flow, FakeFlow)]


@define(eq=False)
class Later:
    """
    A call to be made later that may be cancelled at any time, as those of the wheel.
    """

    _call: Any

    def cancel(self) -> None:
        """
        Not to be made any more.
        """
        if self._call.active():
            self._call.cancel()
