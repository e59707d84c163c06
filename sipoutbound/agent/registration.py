"""
One flow of the client through one proxy of its set, and the registration over it (RFC 5626 4.2).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from attrs import define, field
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from sipoutbound.agent.account import SUPPORTED, Draft, Way
from sipoutbound.agent.keepalive import Keepalive
from sipoutbound.agent.line import Line
from sipoutbound.agent.net import Habits, Net
from sipoutbound.agent.place import Place
from sipoutbound.interfaces import IResponses, Unreachable
from sipoutbound.message.header import looseRoute
from sipoutbound.message.message import Response
from sipoutbound.message.unique import unique
from sipoutbound.message.uri import URI
from sipoutbound.outbound.backoff import Backoff
from sipoutbound.outbound.grant import Grant, seconds
from sipoutbound.outbound.recovery import Action, Event, Recovery, State

log = Logger()

# Parts of the time that was granted after which it is asked for again: drawn for each, so that
# clients that came together do not return together; early enough for some attempts.
_REFRESH: Final = (0.8, 0.9)

#: Seconds in which a client takes its leave at most.
LEAVE: Final = 5.0

# RFC 3261 20.33: answers that may say when to ask again, and then are no verdict.
_FOR_A_WHILE: Final = (413, 480, 500, 503)


@define(eq=False, repr=False)
class Registration:
    """
    A proxy of the set, and what there is between it and us.

    @ivar others: whether another registration of the client stands.
    @ivar changed: told when something has changed.
    @ivar why: what went wrong the last time; empty when all is well.
    @ivar line: the flow there is.
    @ivar place: where it leads.
    """

    net: Net
    habits: Habits
    proxy: URI
    regId: int
    others: Callable[[], bool]
    changed: Callable[[Registration], None]
    recovery: Recovery = field(factory=Recovery, init=False)
    why: str = field(default="", init=False)
    line: Line | None = field(default=None, init=False)
    place: Place | None = field(default=None, init=False)
    grant: Grant | None = field(default=None, init=False)
    _backoff: Backoff = field(init=False)
    _callId: bytes = field(factory=unique, init=False)
    _tag: bytes = field(factory=unique, init=False)
    _number: int = field(default=0, init=False)
    _expires: int = field(init=False)
    _plain: bool = field(default=False, init=False)
    _acceptances: int = field(default=0, init=False)
    _retryAfter: float | None = field(default=None, init=False)
    _tries: dict[Place, int] = field(factory=dict, init=False)
    _successful: bool = field(default=False, init=False)
    _keepalive: Keepalive | None = field(default=None, init=False)
    _asking: _Asking | None = field(default=None, init=False)
    _forming: Deferred[None] | None = field(default=None, init=False)
    _alarm: Any = field(default=None, init=False)
    _over: Deferred[None] = field(factory=Deferred, init=False)

    def __attrs_post_init__(self) -> None:
        self._backoff = Backoff(self.habits.times, self.habits.draw)
        self._expires = self.habits.expires

    def start(self) -> None:
        """
        Register, and stay registered.
        """
        self._over = Deferred()
        self.feed(Event.START)

    def stop(self) -> Deferred[None]:
        """
        Remove the registration.

        @return: fires when that is done, after L{LEAVE} seconds at most.
        """
        over = self._over
        self.feed(Event.STOP)
        return over

    def flowLost(self, why: str = "the flow is lost") -> None:
        """
        The flow has failed.
        """
        self.why = why
        self.feed(Event.FAILED)

    def feed(self, event: Event) -> None:
        """
        Something has happened.
        """
        before = self.recovery.state
        for action in self.recovery.step(event):
            _DOINGS[action](self)
        if self.recovery.state is not before:
            self.changed(self)

    @property
    def way(self) -> Way:
        """
        Over the flow that there is, and through the proxy.
        """
        assert self.line is not None
        return Way(self.line.flow, (looseRoute(self.proxy),))

    # Forming a flow

    def _form(self) -> None:
        self._acceptances, self._successful = 0, False
        self._forming = Deferred.fromCoroutine(self._opening())
        self._forming.addErrback(self._unformed)

    async def _opening(self) -> None:
        """
        The addresses are asked for each time, and those come first that were tried least since the
        last success (RFC 5626 4.2.1).
        """
        places = await self.net.locate(self.proxy)
        places = sorted(places, key=lambda place: self._tries.get(place, 0))
        failed = Unreachable(f"no address for {self.proxy}")
        for self.place in places:
            self._tries[self.place] = self._tries.get(self.place, 0) + 1
            try:
                self.line = await self.net.opened(self.place)
            except Unreachable as error:
                failed = error
            else:
                self.feed(Event.FORMED)
                return
        raise failed

    def _unformed(self, failure: Failure) -> None:
        if failure.check(CancelledError):
            return
        if failure.check(Unreachable) is None:
            log.failure("while forming a flow to {proxy}", failure, proxy=self.proxy)
        self.why = failure.getErrorMessage()
        self.feed(Event.UNFORMED)

    def _drop(self) -> None:
        line, self.line, self._asking = self.line, None, None
        forming, self._forming = self._forming, None
        self._silence()
        self._await(None)
        if forming is not None:
            forming.cancel()
        if line is not None and line.flow.alive:
            line.flow.close()

    # Registering

    def _register(self) -> None:
        self._send(self._expires, removing=False)

    def _remove(self) -> None:
        self._await(LEAVE)
        self._send(0, removing=True)

    def _send(self, expires: int, removing: bool) -> None:
        """
        The instance-id and the reg-id are the same in each REGISTER (RFC 5626 4.2.1, 4.2.2).
        """
        assert self.line is not None
        account, flow = self.net.account, self.line.flow
        self._number += 1
        contact = account.address(account.contact(flow))
        if not self._plain:
            contact += b";reg-id=%d" % self.regId
        own = b"<%b>" % bytes(account.aor)
        draft = Draft(
            b"REGISTER", account.domain, own + b";tag=" + self._tag, own, self._callId,
            self._number, [],
            [(b"Contact", contact), SUPPORTED, (b"Expires", b"%d" % expires)],
        )  # fmt: skip
        request, branch = draft.over(self.way, account)
        self._asking = _Asking(self, removing)
        self.net.stack.begin(request, branch, flow, self._asking)

    def answered(self, response: Response) -> None:
        """
        The final response to a REGISTER.
        """
        self.why = f"{response.status} {response.reason.decode('utf-8', 'replace')}"
        self.feed((self._granted if response.status < 300 else self._refused)(response))

    def _granted(self, response: Response) -> Event:
        assert self.line is not None
        contact = self.net.account.contact(self.line.flow)
        grant = Grant.parse(response, contact, self.regId, self._expires)
        if not grant.outbound and not self.habits.plain:
            self.why = "the registrar does without outbound"
            return Event.LACKING
        if grant.expires == 0:
            return Event.REFUSED
        self.grant, self.why = grant, ""
        return Event.ACCEPTED

    def _refused(self, response: Response) -> Event:
        least = seconds(response, b"min-expires")
        if response.status == 423 and least is not None and least > self._expires:
            self._expires = least
            return Event.REPEAT
        if response.status == 439 and self.habits.plain and not self._plain:
            self._plain = True
            return Event.REPEAT
        self._retryAfter = None
        if response.status in _FOR_A_WHILE:
            self._retryAfter = seconds(response, b"retry-after")
        return Event.REFUSED if self._retryAfter is None else Event.BUSY

    # Being registered

    def _keep(self) -> None:
        assert self.line is not None and self.grant is not None
        self._acceptances += 1
        if self.grant.outbound:
            if self._keepalive is None:
                self._keepalive = Keepalive(
                    self.net.stack, self.line, self.habits.draw, self._ponged, self.flowLost
                )
            bounds = self.habits.rhythm.bounds(self.grant.flowTimer, self.line.flow.reliable)
            self._keepalive.keep(bounds)
            proven = self._keepalive.proven
        else:
            # There is no pong to be expected: the flow has lasted until a refresh, or has not.
            self._silence()
            proven = self._acceptances > 1
        if proven:
            self._proved()

    def _silence(self) -> None:
        if self._keepalive is not None:
            self._keepalive.stop()
        self._keepalive = None

    def _ponged(self) -> None:
        """
        A keep-alive was answered. That is no success of a refresh that is being refused.
        """
        self._successful = True
        if self.recovery.state is State.REGISTERED:
            self._proved()

    def _proved(self) -> None:
        """
        The flow is a success by RFC 5626 4.5: registered, and a keep-alive was answered.
        """
        self._successful = True
        self._backoff.succeeded()
        self._tries.clear()

    def _refreshLater(self) -> None:
        assert self.grant is not None
        self._await(self.grant.expires * self.habits.draw(*_REFRESH))

    # Failing

    def _backOff(self) -> None:
        retryAfter, self._retryAfter = self._retryAfter, None
        self._await(self._backoff.failed(self.others(), retryAfter))

    def _recover(self) -> None:
        self._await(self._backoff.lost(self._successful, self.others()))

    def _await(self, delay: float | None) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if delay is not None:
            self._alarm = self.net.stack.later(delay, self._due, None)

    def _due(self, _: None) -> None:
        self._alarm = None
        self.feed(Event.DUE)

    def _conclude(self) -> None:
        self._over.callback(None)


@implementer(IResponses)
@define(eq=False)
class _Asking:
    """
    Awaits the answer to one REGISTER. One that is not awaited any more is not told.
    """

    owner: Registration
    removing: bool

    def responded(self, response: Response) -> None:
        if response.status < 200 or self.owner._asking is not self:
            return
        if self.removing:
            self.owner.feed(Event.REMOVED)
        else:
            self.owner.answered(response)

    def timedOut(self) -> None:
        self._unanswered("no answer to a REGISTER")

    def flowFailed(self) -> None:
        self._unanswered("the flow is lost")

    def _unanswered(self, why: str) -> None:
        if self.owner._asking is self:
            self.owner.flowLost(why)


_DOINGS: Final[dict[Action, Callable[[Registration], None]]] = {
    Action.FORM: Registration._form,
    Action.REGISTER: Registration._register,
    Action.KEEP: Registration._keep,
    Action.REFRESH_LATER: Registration._refreshLater,
    Action.ASK_LATER: Registration._backOff,
    Action.BACK_OFF: Registration._backOff,
    Action.RECOVER: Registration._recover,
    Action.REMOVE: Registration._remove,
    Action.DROP: Registration._drop,
    Action.CONCLUDE: Registration._conclude,
}
