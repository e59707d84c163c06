"""
An outbound user agent as a Twisted service (RFC 5626 4).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from random import uniform
from typing import Any, Final

from attrs import define, field, frozen
from twisted.application.service import Service
from twisted.internet.defer import Deferred, gatherResults
from twisted.logger import Logger

from sipoutbound.agent.account import SUPPORTED, Account, Draft
from sipoutbound.agent.core import Core
from sipoutbound.agent.dialog import Dialog, FinalResponse
from sipoutbound.agent.identity import instanceIn
from sipoutbound.agent.incoming import Answering, Incoming
from sipoutbound.agent.net import Habits, Net
from sipoutbound.agent.place import Locate, locating
from sipoutbound.agent.registration import Registration
from sipoutbound.agent.reply import Reply, TextHeaders, checkedMethod, octetsOf
from sipoutbound.agent.sending import NoAnswer
from sipoutbound.agent.ways import Ways
from sipoutbound.interfaces import Unreachable
from sipoutbound.message.message import Response
from sipoutbound.message.unique import unique
from sipoutbound.message.uri import URI
from sipoutbound.outbound.backoff import Draw, Times
from sipoutbound.outbound.flowtoken import Keys
from sipoutbound.outbound.instance import checkedInstance
from sipoutbound.outbound.probe import Rhythm
from sipoutbound.stack import Stack
from sipoutbound.transport.directory import NameDirectory
from sipoutbound.transport.flow import Flow
from sipoutbound.transport.listener import Listener
from sipoutbound.transport.table import Flows

log = Logger()

__all__ = [
    "Dialog", "FinalResponse", "Incoming", "NoAnswer", "Reply", "Rhythm", "Status", "Times",
    "Unreachable", "UserAgent",
]  # fmt: skip

# RFC 3261 12.1, RFC 3515, RFC 6665: requests that can form a dialog.
_DIALOG_FORMING: Final = ("INVITE", "SUBSCRIBE", "REFER")


@frozen
class Status:
    """
    How it stands with one proxy.

    @ivar proxy: its URI.
    @ivar regId: the reg-id, always the same for its place in the set.
    @ivar registered: whether the registration over its flow stands.
    @ivar outbound: whether outbound applies to it.
    @ivar why: what went wrong the last time, such as C{"439 First Hop Lacks Outbound Support"};
        empty when all is well.
    """

    proxy: str
    regId: int
    registered: bool
    outbound: bool
    why: str


def _nothing(incoming: Incoming) -> None:
    """
    Answer nothing oneself.
    """


@define(eq=False, repr=False)
class UserAgent(Service):
    """
    A client that stays reachable behind any NAT: it registers over a flow through each of its
    proxies, keeps these alive, and forms new ones when they fail.

    All times are in seconds.

    @ivar reactor: the reactor, or what a test has in its place.
    @ivar aor: the address of record, such as C{"sip:alice@example.com"}.
    @ivar proxies: the URIs of its outbound proxies, C{"sip:edge1.example.com;transport=tcp"} for
        example. The first has reg-id 1, the second 2: leave them in their order.
    @ivar instance: the file that keeps the instance-id, made where it is not there; or the
        instance-id itself, a C{urn:uuid:}.
    @ivar answer: called with each request that comes; returns a L{Reply}, a status, C{None} for
        what it does not know, or an awaitable of one of them. A coroutine is cancelled when the
        caller hangs up.
    @ivar changed: told how it stands with a proxy when that has changed.
    @ivar expires: for how long to register; a registrar may have it otherwise.
    @ivar plain: whether to register without outbound where a proxy or the registrar lacks it. The
        Contact is of use only where nothing is in between.
    @ivar times: how long to wait after failures.
    @ivar rhythm: how often to ping a connection whose proxy does not say.
    @ivar locate: finds the addresses of a URI.
    @ivar draw: draws a number between two.
    """

    reactor: Any
    aor: str
    proxies: Sequence[str]
    instance: Path | str
    answer: Answering = _nothing
    changed: Callable[[Status], None] = field(default=lambda status: None, kw_only=True)
    expires: int = field(default=600, kw_only=True)
    plain: bool = field(default=False, kw_only=True)
    times: Times = field(factory=Times, kw_only=True)
    rhythm: Rhythm = field(factory=Rhythm, kw_only=True)
    locate: Locate | None = field(default=None, kw_only=True)
    draw: Draw = field(default=uniform, kw_only=True)
    _account: Account = field(init=False)
    _uris: list[URI] = field(init=False)
    _stack: Stack = field(init=False)
    _directory: NameDirectory = field(init=False)
    _core: Core = field(init=False)
    _registrations: list[Registration] = field(factory=list, init=False)
    _known: list[Status] = field(factory=list, init=False)
    _waiting: list[Deferred[None]] = field(factory=list, init=False)

    def __attrs_post_init__(self) -> None:
        """
        @raise ValueError: when the address of record, a proxy or the instance-id is none.
        @raise OSError: when the instance-id can be neither read nor kept.
        """
        aor = URI.parse(self.aor.encode())
        self._uris = [URI.parse(proxy.encode()) for proxy in self.proxies]
        if not self._uris or {uri.scheme for uri in (aor, *self._uris)} != {b"sip"}:
            raise ValueError("an address of record and at least one proxy are needed, sip: URIs")
        given = self.instance
        urn = instanceIn(given) if isinstance(given, Path) else checkedInstance(given)
        self._account = Account(aor, urn.encode())

    @property
    def instanceId(self) -> str:
        """
        The instance-id, a URN.
        """
        return self._account.instance.decode()

    @property
    def statuses(self) -> list[Status]:
        """
        How it stands with each proxy.
        """
        return [_statusOf(registration) for registration in self._registrations]

    def whenRegistered(self) -> Deferred[None]:
        """
        @return: fires when at least one registration stands.
        """
        waiting: Deferred[None] = Deferred()
        self._waiting.append(waiting)
        self._wake()
        return waiting

    # The service

    def startService(self) -> None:
        """
        Register through each proxy.
        """
        super().startService()
        self._stack = Stack(self.reactor)
        self._directory = NameDirectory(self.reactor)
        net = self._net()
        habits = Habits(self.times, self.rhythm, self.draw, self.expires, self.plain)
        self._registrations = []
        for number, proxy in enumerate(self._uris):
            registration = Registration(
                net, habits, proxy, number + 1, self._othersThan(number), self._told
            )
            self._registrations.append(registration)
        self._core = Core(net, Ways(net, self._registrations), self.answer)
        self._stack.user = self._core
        self._known = self.statuses
        for registration in self._registrations:
            registration.start()

    def _net(self) -> Net:
        flows = Flows(Keys.generate(), self.reactor.seconds, self._stack.later, self._lost)
        listeners = {
            transport: Listener(transport, flows, self._stack.received, set())
            for transport in (b"UDP", b"TCP")
        }
        locate = self.locate or locating(self._directory)
        return Net(self.reactor, self._stack, listeners, locate, self._account)

    def stopService(self) -> Deferred[Any]:
        """
        Remove the registrations and close all flows. Calls end without a word.

        @return: fires when that is done, after some seconds at most, whoever does not answer.
        """
        super().stopService()
        self._stack.drain()
        self._core.stop()
        leaving = [registration.stop() for registration in self._registrations]
        return gatherResults(leaving).addCallback(self._stopped)

    def _stopped(self, _: Any) -> None:
        self._directory.close()
        self._stack.stop()

    def _othersThan(self, number: int) -> Callable[[], bool]:
        def others() -> bool:
            return any(
                each.recovery.registered and each.regId != number + 1
                for each in self._registrations
            )

        return others

    def _told(self, registration: Registration) -> None:
        before, self._known = self._known, self.statuses
        for status in self._known:
            if status not in before:
                self._tell(status)
        self._wake()

    def _tell(self, status: Status) -> None:
        try:
            self.changed(status)
        except Exception:
            log.failure("a change of {proxy} was not taken", proxy=status.proxy)

    def _wake(self) -> None:
        if any(each.recovery.registered for each in self._registrations):
            waiting, self._waiting = self._waiting, []
            for each in waiting:
                each.callback(None)

    def _lost(self, flow: Flow) -> None:
        """
        A flow has failed. Its registration knows before whoever has sent a request over it and
        wants another.
        """
        for registration in self._registrations:
            if registration.line is not None and registration.line.flow is flow:
                registration.flowLost()
        self._stack.flowLost(flow)

    # Requests

    def request(
        self,
        method: str,
        uri: str,
        headers: TextHeaders = (),
        body: bytes = b"",
        *,
        to: str | None = None,
        routes: Sequence[str] | None = None,
    ) -> Deferred[FinalResponse]:
        """
        Send a request outside of dialogs. It goes over the first flow that is registered; if that
        fails before anything has been answered, over the next. An C{INVITE} is acknowledged before
        its 2xx is told, and cancelled when the Deferred is.

        @param to: the URI in To, where that is not the Request-URI.
        @param routes: the URIs to go through in place of a proxy's.
        @return: the final response, whatever it says; fails with L{Unreachable} when no flow is
            left, with L{NoAnswer} when there is no response in time.
        @raise ValueError: when a URI is none, a header has a line break in it, or the service does
            not run.
        """
        draft = self._draft(method, uri, to or uri, octetsOf(headers), body)
        if routes is None:
            ways = self._core.ways.outward()
        else:
            hops = [URI.parse(route.encode()) for route in routes]
            draft.routes.extend(b"<%b>" % bytes(hop) for hop in hops)
            ways = self._core.ways.towards(hops[0] if hops else URI.parse(uri.encode()))
        return self._core.ask(draft, ways, None)

    def _draft(
        self, method: str, uri: str, to: str, headers: list[tuple[bytes, bytes]], body: bytes
    ) -> Draft:
        if not self.running:
            raise ValueError("the user agent does not run")
        for address in (uri, to):
            URI.parse(address.encode())
        from_ = b"<%b>;tag=%b" % (bytes(self._account.aor), unique())
        return Draft(
            checkedMethod(method), uri.encode(), from_, b"<%b>" % to.encode(), unique(), 1, [],
            [SUPPORTED, *headers], body, method in _DIALOG_FORMING,
        )  # fmt: skip

    def invite(
        self,
        uri: str,
        sdp: bytes = b"",
        headers: TextHeaders = (),
        provisional: Callable[[Response], None] | None = None,
    ) -> Deferred[FinalResponse]:
        """
        Call somebody. The INVITE is acknowledged before its 2xx is told, and cancelled when the
        Deferred is. The call itself is the C{dialog} of the final response.

        @param sdp: an offer.
        @param provisional: told each 1xx.
        @return: as for L{request}.
        @raise ValueError: as L{request}.
        """
        offered = (("Content-Type", "application/sdp"), *headers) if sdp else headers
        draft = self._draft("INVITE", uri, uri, octetsOf(offered), sdp)
        return self._core.ask(draft, self._core.ways.outward(), provisional)


def _statusOf(registration: Registration) -> Status:
    grant = registration.grant
    registered = registration.recovery.registered
    return Status(
        str(registration.proxy),
        registration.regId,
        registered,
        registered and grant is not None and grant.outbound,
        registration.why,
    )
