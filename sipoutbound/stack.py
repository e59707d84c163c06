"""
Where pure meets reactor: messages to transactions, actions to flows, timers (RFC 3261 17, 18).
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any, Final

from attrs import define, field
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from sipoutbound.interfaces import (
    IClientTransaction,
    IFlow,
    IResponses,
    ITransactions,
    ITransactionUser,
)
from sipoutbound.message.grammar import Malformed
from sipoutbound.message.message import Request, Response
from sipoutbound.message.stateless import acknowledgesStateless, stateless
from sipoutbound.message.unique import unique
from sipoutbound.message.validity import checkResponse, flawOf
from sipoutbound.transaction.matching import (
    cancelledKey,
    clientKey,
    clientKeyOf,
    mergeKey,
    sameSender,
    serverKey,
)
from sipoutbound.transaction.wheel import Wheel
from sipoutbound.transport.listener import PORTS
from sipoutbound.waiting import ClientTransaction, ServerTransaction

log = Logger()

# Requests that can be in hand at once: 10,000 a second for 64*T1 over UDP, and as many again.
IN_HAND: Final = 640_000

# Seconds after which to try again what was refused for want of room.
RETRY_AFTER: Final = b"5"


@implementer(ITransactions)
@define(eq=False, repr=False)
class Stack:
    """
    The transactions of one server, and the wheel of their timers.

    @ivar reactor: gives the time and wakes us.
    @ivar user: whom new requests go to; set before the first message.
    @ivar room: server transactions at most; more requests are answered 503.
    @ivar returning: takes a request, its flow, the response that this does not take, and what to
        call when nobody else does.
    """

    reactor: Any
    user: ITransactionUser | None = None
    room: int = IN_HAND
    returning: Callable[[Request, IFlow, bytes, Callable[[], None]], None] | None = None
    _wheel: Wheel = field(init=False)
    _alarm: Any = field(default=None, init=False)
    _due: float = field(default=inf, init=False)
    servers: dict[Any, ServerTransaction] = field(factory=dict, init=False)
    _first: dict[Any, Any] = field(factory=dict, init=False)
    clients: dict[Any, ClientTransaction] = field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        self._wheel = Wheel(lambda error: log.failure("in a timer", Failure(error)))

    # Time

    def now(self) -> float:
        """
        Seconds.
        """
        seconds: float = self.reactor.seconds()
        return seconds

    def later(self, delay: float, call: Callable[[Any], None], argument: Any) -> Any:
        """
        Call once after C{delay} seconds. What is returned has C{cancel()}.
        """
        when: float = self.reactor.seconds() + delay
        if when < self._due:
            self._arm(when)
        return self._wheel.add(when, call, argument)

    def _arm(self, due: float) -> None:
        """
        Be woken in time, and no later than before.
        """
        if self._alarm is not None:
            self._alarm.cancel()
        self._due = due
        self._alarm = self.reactor.callLater(max(0.0, due - self.now()), self._tick)

    def _tick(self) -> None:
        self._alarm, self._due = None, inf
        self._wheel.advance(self.now())
        due = self._wheel.next()
        if due is not None and due < self._due:
            self._arm(due)

    def stop(self) -> None:
        """
        Make no more calls.
        """
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm, self._due = None, -inf

    # Messages

    def received(self, flow: IFlow, message: Request | Response) -> None:
        """
        A message came on a flow.
        """
        try:
            if isinstance(message, Request):
                self._request(flow, message)
            else:
                self._response(flow, message)
        except Malformed as error:
            log.info("dropped, of {peer}: {why}", peer=flow.peer, why=error.reason)
            if flow.reliable and isinstance(message, Request):
                # Nobody can be answered without a Via, and nobody else than its peer has sent it.
                flow.close()
        except Exception:
            log.failure("a message of {peer} was not handled", peer=flow.peer)

    def _request(self, flow: IFlow, request: Request) -> None:
        back = self._stamp(flow, request)
        flaw = flawOf(request)
        if flaw is not None:
            self._refuse(back, request, flaw.status, flaw.reason)
            return
        key = serverKey(request)
        transaction = self.servers.get(key)
        if transaction is not None:
            transaction.repeated(request)
        elif request.method == b"ACK":
            if not acknowledgesStateless(request):
                self._user.acknowledged(request, flow)
        elif request.method == b"CANCEL" and cancelledKey(request) not in self.servers:
            self._user.unmatched(request, flow, back)
        elif len(self.servers) >= self.room:
            self._refuse(back, request, 503, "Too Many Requests", ((b"Retry-After", RETRY_AFTER),))
        else:
            self._begin(ServerTransaction(self, key, request, flow, back))

    def _begin(self, transaction: ServerTransaction) -> None:
        self.servers[transaction.key] = transaction
        copies = mergeKey(transaction.request)
        if copies is not None and copies not in self._first:
            self._first[copies] = transaction.key
            transaction.copies = copies
        if transaction.request.method == b"CANCEL":
            self._cancel(transaction)
        else:
            self._user.received(transaction)
            transaction.hold()

    @property
    def _user(self) -> ITransactionUser:
        assert self.user is not None
        return self.user

    def _stamp(self, flow: IFlow, request: Request) -> IFlow:
        """
        Mark where a request came from, and find where its responses go (RFC 3261 18.2, RFC 3581).
        """
        host, port = flow.peer
        if request.stamp(host.encode(), port) or flow.reliable:
            return flow
        return flow.beside(request.via.port or PORTS[b"UDP"])

    def _refuse(
        self,
        flow: IFlow,
        request: Request,
        status: int,
        reason: str,
        headers: tuple[tuple[bytes, bytes], ...] = (),
    ) -> None:
        """
        Answer without remembering it (RFC 3261 8.2.7). An ACK is never answered.
        """
        if request.method != b"ACK":
            flow.send(bytes(stateless(request, status, reason, headers)))

    def _cancel(self, transaction: ServerTransaction) -> None:
        """
        A CANCEL is answered by itself, whatever becomes of what it cancels (RFC 3261 9.2, 16.10).
        """
        target = self.servers[cancelledKey(transaction.request)]
        transaction.respond(Response.reply(transaction.request, 200, toTag=unique()))
        if target.cancelled is not None:
            target.cancelled()

    def merged(self, request: Request) -> bool:
        """
        Whether a request is a copy of one that is being answered, and that came another way: a user
        agent server refuses it with 482 (RFC 3261 8.2.2.2).
        """
        first = self._first.get(mergeKey(request)) if self._first else None
        return first is not None and first != serverKey(request)

    def forget(self, transaction: ServerTransaction) -> None:
        """
        A server transaction has ended.
        """
        self.servers.pop(transaction.key, None)
        if transaction.copies is not None:
            self._first.pop(transaction.copies, None)

    def _response(self, flow: IFlow, response: Response) -> None:
        transaction = self.clients.get(clientKey(response))
        # RFC 6026 8.9: a stray response is dropped.
        if transaction is not None and sameSender(response, transaction.request):
            checkResponse(response)
            transaction.responded(response)

    def returned(self, transaction: ServerTransaction, data: bytes) -> None:
        """
        The flow of a request takes its response no more: let it go another way, if there is one.
        """
        if self.returning is None:
            transaction.undelivered()
        else:
            request, flow = transaction.request, transaction.flow
            self.returning(request, flow, data, transaction.undelivered)

    # Transactions of ours

    def begin(
        self, request: Request, branch: bytes, flow: IFlow, user: IResponses | None
    ) -> IClientTransaction:
        """
        Send a request whose top Via is ours, and await its responses. Nothing is told before this
        has returned, not even that the request could not be sent.
        """
        key = clientKeyOf(branch, request.method)
        transaction = self.clients[key] = ClientTransaction(self, key, request, flow, user)
        if flow.pending is None:
            flow.pending = set()
        flow.pending.add(transaction)
        transaction.begin()
        return transaction

    def drain(self) -> None:
        """
        Answer whatever waits for its final response, and from now on each new request: 503, to be
        tried again elsewhere or later. To be called before the flows are closed. What rings is
        cancelled.
        """
        # No connections are made for those who have left.
        self.room, self.returning = 0, None
        for transaction in tuple(self.servers.values()):
            transaction.refuse(503, ((b"Retry-After", RETRY_AFTER),))

    def flowLost(self, flow: IFlow) -> None:
        """
        A flow died: whatever waits on it has failed.
        """
        for transaction in tuple(flow.pending or ()):
            transaction.flowFailed()
