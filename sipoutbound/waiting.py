"""
Transactions under way: the machines of L{sipoutbound.transaction} with a flow and a user.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from attrs import define, field
from twisted.logger import Logger
from zope.interface import implementer

from sipoutbound.interfaces import IClientTransaction, IFlow, IResponses, IServerTransaction
from sipoutbound.message.message import Request, Response
from sipoutbound.message.parse import parseMessage
from sipoutbound.message.trying import trying
from sipoutbound.message.unique import unique
from sipoutbound.transaction.client import clientMachine
from sipoutbound.transaction.machine import Action, Event, Input, Machine, State, eventOf
from sipoutbound.transaction.server import serverMachine
from sipoutbound.transaction.timers import NEVER, OVERDUE, T1, T2, Timer, again, duration

log = Logger()

if TYPE_CHECKING:
    from sipoutbound.stack import Stack

# To read a member of an Enum costs ten times as much as to read one of these, and a REGISTER would
# read twelve.
_ACK: Final = Action.ACK
_AGAIN: Final = Action.AGAIN
_DESTROY: Final = Action.DESTROY
_PASS: Final = Action.PASS
_RESEND: Final = Action.RESEND
_SEND: Final = Action.SEND
_STOP: Final = Action.STOP

_COMPLETED: Final = State.COMPLETED
_TRYING: Final = State.TRYING

# The states of a server transaction that has had no final response.
_OPEN: Final = (State.TRYING, State.PROCEEDING)

# RFC 3261 9.1: after a CANCEL the INVITE has 64*T1 for its final response.
_AFTER_CANCEL: Final = 64 * T1


@define(eq=False, repr=False, weakref_slot=False)
class Transaction:
    """
    What both kinds share: a machine, its timers, the flow that takes what it sends.

    @ivar _interval: how long the timer that repeats ran the last time; no machine has two of them.
    """

    stack: Stack
    key: Any
    request: Request
    flow: IFlow
    machine: Machine = field(init=False)
    _timers: list[Any] | None = field(default=None, init=False)
    _interval: float = field(default=0.0, init=False)

    def feed(self, event: Input, message: Response | Request | None = None) -> None:
        """
        Take one step and do what comes of it.
        """
        for action in self.machine.step(event):
            if type(action) is Timer:
                self._start(action, duration(action, self.flow.reliable))
            elif action is _AGAIN:
                self._again(event)
            else:
                self._do(action, event, message)

    @abstractmethod
    def _do(self, action: Any, event: Input, message: Response | Request | None) -> None:
        """
        Do what a machine asks for, beside timers.
        """

    def _start(self, timer: Timer, delay: float) -> None:
        if delay == 0.0:
            self.feed(timer)
        elif delay != NEVER:
            entry = self.stack.later(delay, self.feed, timer)
            if self._timers is None:
                self._timers = [entry]
            else:
                self._timers.append(entry)

    def _again(self, timer: Any) -> None:
        interval = self._interval or duration(timer, self.flow.reliable)
        self._interval = again(timer, interval)
        self._start(timer, self._interval)

    def stop(self) -> None:
        """
        Let go of the timers.
        """
        timers, self._timers = self._timers, None
        for entry in timers or ():
            entry.cancel()


@implementer(IServerTransaction)
@define(eq=False, repr=False, weakref_slot=False)
class ServerTransaction(Transaction):
    """
    A request that came in and is to be answered.

    @ivar request: gone once it has failed or, if it is not INVITE, has its final response: what
        waits for repetitions does so by its thousands, and needs no more than what to repeat.
    @ivar flow: what it came on.
    @ivar back: where its responses go.
    @ivar cancelled: called when a CANCEL for it arrives.
    @ivar copies: what it has in common with copies of it, if it is the first of them.
    """

    back: IFlow
    cancelled: Callable[[], None] | None = field(default=None, init=False)
    copies: Any = field(default=None, init=False)
    _last: bytes | None = field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        self.machine = serverMachine(self.request.method)

    def repeated(self, request: Request) -> None:
        """
        The request came once more, or the ACK for its failure.
        """
        self.feed(Event.ACK if request.method == b"ACK" else Event.REQUEST, request)

    def respond(self, response: Response) -> None:
        """
        Send a response; provisional ones, one final, and for INVITE every further 2xx.
        """
        self.feed(eventOf(response.status), response)

    def hold(self) -> None:
        """
        The user has it. If it is not INVITE and gets no response in time there is to be a 100, over
        all transports, and never before (RFC 4320 4.1).
        """
        if self.machine.state is _TRYING:
            self._timers = [self.stack.later(OVERDUE, self._overdue, None)]

    def _overdue(self, _: None) -> None:
        if self.machine.state is _TRYING:
            self.respond(trying(self.request, OVERDUE))

    def refuse(self, status: int, headers: tuple[tuple[bytes, bytes], ...]) -> None:
        """
        Give it a final response if it has none, and end what is under way for an INVITE.
        """
        if self.machine.state in _OPEN:
            request, cancelled = self.request, self.cancelled
            self.respond(Response.reply(request, status, None, headers, unique()))
            if request.method == b"INVITE" and cancelled is not None:
                cancelled()

    def abandon(self) -> None:
        """
        Forget it without an answer, once its client does not repeat it any more (RFC 4320 4.2).
        """
        self.stop()
        self.machine.state = State.TERMINATED
        if self.flow.reliable:
            self._forget(None)
        else:
            self.stack.later(duration(Timer.J, False), self._forget, None)

    def _forget(self, _: None) -> None:
        self.stop()
        # Who serves it has it, and would be kept by it until the collector comes.
        self.cancelled = None
        self.stack.forget(self)

    def _do(self, action: Any, event: Input, message: Response | Request | None) -> None:
        if action is _SEND:
            self._send(bytes(message))  # type: ignore[arg-type]
        elif action is _RESEND:
            if self._last is not None:
                self.back.send(self._last)
        elif action is _PASS:
            assert isinstance(message, Request)
            self.stack.user.acknowledged(message, self.flow)  # type: ignore[union-attr]
        elif action is _STOP:
            self.stop()
        elif action is _DESTROY:
            self._forget(None)
        else:
            self._report(action)

    def _send(self, data: bytes) -> None:
        self._last = data
        if not self.back.send(data):
            self.stack.returned(self, data)
        if self.machine.state is _COMPLETED:
            del self.request
            self.cancelled = None

    def undelivered(self) -> None:
        """
        A response could not be sent, nowhere (RFC 3261 17.2.4).
        """
        self.feed(Event.TRANSPORT_ERROR)

    def _report(self, action: Any) -> None:
        """
        Nothing can be done about it, but for a call that still rings: its caller has left, so that
        nobody could talk to who picks up.
        """
        if action is Action.REPORT_TIMEOUT:
            log.info("no ACK of {peer}", peer=self.flow.peer)
            return
        # The request is let go of with the final response.
        rings = self.machine.state is State.PROCEEDING and self.request.method == b"INVITE"
        if rings and self.flow.reliable and self.cancelled is not None:
            self.cancelled()


@implementer(IClientTransaction)
@define(eq=False, repr=False, weakref_slot=False)
class ClientTransaction(Transaction):
    """
    A request sent and awaiting its responses.

    @ivar user: who wants them; C{None} where nobody does.
    @ivar answered: whether any has come.
    """

    user: IResponses | None
    answered: bool = field(default=False, init=False)
    _cancelling: bool = field(default=False, init=False)

    def begin(self) -> None:
        """
        Send the request.
        """
        self.machine = clientMachine(self.request.method)
        self.feed(Event.REQUEST)

    def responded(self, response: Response) -> None:
        """
        A response came.
        """
        owed, self.answered = self._cancelling and not self.answered, True
        self.feed(eventOf(response.status), response)
        if owed:
            self._sendCancel()

    def flowFailed(self) -> None:
        """
        The flow broke.
        """
        self.feed(Event.TRANSPORT_ERROR)

    def cancel(self) -> None:
        """
        Send a CANCEL, now or at the first provisional response (RFC 3261 9.1).
        """
        if self.request.method == b"INVITE" and not self._cancelling:
            self._cancelling = True
            if self.answered:
                self._sendCancel()

    def _sendCancel(self) -> None:
        if self.machine.state is State.PROCEEDING:
            branch = self.request.via.branch or b""
            self.stack.begin(_cancelOf(self.request), branch, self.flow, None)
            self._timers = self._timers or []
            self._timers.append(self.stack.later(_AFTER_CANCEL, self.feed, Event.ABANDON))

    def _do(self, action: Any, event: Input, message: Response | Request | None) -> None:
        if action is _SEND or action is _RESEND:
            self._send(first=action is _SEND)
        elif action is _ACK:
            assert isinstance(message, Response)
            self.flow.send(bytes(_ackOf(self.request, message)))
        elif action is Action.AGAIN_AT_T2:
            self._start(event, T2)  # type: ignore[arg-type]
        elif action is _STOP:
            self.stop()
        elif action is _DESTROY:
            self._forget()
        elif self.user is not None:
            try:
                self._report(action, message, self.user)
            except Exception:
                # What else the machine asks for is owed to the peer: an ACK, an end.
                log.failure("what came of a request was not taken")

    def _send(self, first: bool) -> None:
        """
        Send the request. What is not taken at first has failed (RFC 3261 17.1.4): told later, as
        who begins a transaction does not have it yet. A repetition is but lost.
        """
        if not self.flow.send(bytes(self.request)) and first:
            self.stack.later(0.0, self.feed, Event.TRANSPORT_ERROR)

    def _report(self, action: Any, message: Response | Request | None, user: IResponses) -> None:
        if action is _PASS:
            assert isinstance(message, Response)
            user.responded(message)
        elif action is Action.REPORT_TIMEOUT:
            user.timedOut()
        else:
            user.flowFailed()

    def _forget(self) -> None:
        self.stop()
        # Who waits has it, and would be kept by it until the collector comes.
        self.user = None
        self.stack.clients.pop(self.key, None)
        if self.flow.pending is not None:
            self.flow.pending.discard(self)


def _cancelOf(invite: Request) -> Request:
    """
    The CANCEL of a request of ours (RFC 3261 9.1): its Request-URI, top Via, Route, From, To,
    Call-ID and CSeq number.
    """
    return _derived(invite, b"CANCEL", (b"route", b"from", b"to", b"call-id"))


def _ackOf(invite: Request, response: Response) -> Request:
    """
    The ACK for a failure of an INVITE of ours (RFC 3261 17.1.1.3): the To is the response's.
    """
    ack = _derived(invite, b"ACK", (b"route", b"from", b"call-id"))
    ack.set(b"To", response.need(b"to"))
    return ack


def _derived(invite: Request, method: bytes, keys: tuple[bytes, ...]) -> Request:
    lines = [method + b" " + invite.uri + b" SIP/2.0", invite.lines[invite.keys.index(b"via")]]
    pairs = zip(invite.lines, invite.keys, strict=True)
    lines += (line for line, key in pairs if key in keys)
    lines.append(b"CSeq: %d %b" % (invite.cseq.number, method))
    lines += (b"Max-Forwards: 70", b"Content-Length: 0")
    derived = parseMessage(b"\r\n".join(lines))
    assert isinstance(derived, Request)
    return derived
