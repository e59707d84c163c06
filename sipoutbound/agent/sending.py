"""
A request of ours on its way: over one flow after another, until one takes it to an answer.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

from attrs import define, field
from twisted.internet.defer import Deferred
from zope.interface import implementer

from sipoutbound.agent.account import Draft, Way
from sipoutbound.agent.net import Net
from sipoutbound.interfaces import IClientTransaction, IFlow, IResponses, Unreachable
from sipoutbound.message.message import Response


class NoAnswer(Exception):
    """
    Nobody has given a final response in time (RFC 3261 17.1: timer B or F).
    """


class _FlowFailed(Exception):
    """
    The flow broke before there was any answer.
    """


#: Told each 2xx to an INVITE, the repeated ones too, the flow it came on, and whether anybody still
#: waits for it.
Accepted = Callable[[Response, IFlow, bool], None]


@implementer(IResponses)
@define(eq=False)
class _Attempt:
    """
    The request over one flow.
    """

    flow: IFlow
    provisional: Callable[[Response], None] | None
    accepted: Accepted | None
    transaction: IClientTransaction = field(init=False)
    done: Deferred[Response] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.done = Deferred(lambda _: self.transaction.cancel())

    def responded(self, response: Response) -> None:
        if response.status < 200:
            if self.provisional is not None and not self.done.called:
                self.provisional(response)
            return
        if response.status < 300 and self.accepted is not None:
            self.accepted(response, self.flow, not self.done.called)
        if not self.done.called:
            self.done.callback(response)

    def timedOut(self) -> None:
        self._failed(NoAnswer("no answer in time"))

    def flowFailed(self) -> None:
        """
        Somebody who has said something has the request: it must not be there twice.
        """
        why = "the flow has failed"
        self._failed(Unreachable(why) if self.transaction.answered else _FlowFailed(why))

    def _failed(self, why: Exception) -> None:
        if not self.done.called:
            self.done.errback(why)


async def sent(
    net: Net,
    draft: Draft,
    ways: AsyncIterator[Way],
    provisional: Callable[[Response], None] | None = None,
    accepted: Accepted | None = None,
) -> Response:
    """
    Send a request and wait for its final response. If the flow fails before anything has come, the
    request goes over the next one: the same, so that whoever gets it twice knows (RFC 3261
    8.2.2.2). To cancel the wait is to send a CANCEL for an INVITE.

    @param ways: what to try, in order.
    @param provisional: told each 1xx.
    @raise Unreachable: when no flow is left.
    @raise NoAnswer: when none comes.
    """
    failed = Unreachable("no flow")
    async for way in ways:
        request, branch = draft.over(way, net.account)
        attempt = _Attempt(way.flow, provisional, accepted)
        attempt.transaction = net.stack.begin(request, branch, way.flow, attempt)
        try:
            return await attempt.done
        except _FlowFailed as error:
            failed = Unreachable(str(error))
    raise failed
