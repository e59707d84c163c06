"""
Carries a L{Forward} out: the response context of RFC 3261 16.7.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import repeat

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from sipoutbound.interfaces import ITransactions
from sipoutbound.message.message import Response
from sipoutbound.message.unique import unique
from sipoutbound.message.uri import URI, cachedURI, unescaped
from sipoutbound.outbound.binding import Binding
from sipoutbound.routing.best import bestOf
from sipoutbound.routing.branch import Branch
from sipoutbound.routing.breadth import Breadth
from sipoutbound.routing.decision import Forward, Target
from sipoutbound.routing.delivery import Delivery
from sipoutbound.routing.domain import instanceOf, targetGroups
from sipoutbound.routing.request import Request

log = Logger()

Groups = list[tuple[Target, ...]]


@define(eq=False, repr=False)
class Fork:
    """
    A request on its way to the groups of a L{Forward}, one group after the other, all targets of a
    group at once, or as many of them as Max-Breadth allows, and the others as these end.

    @ivar request: the request.
    @ivar delivery: how it is sent.
    @ivar transactions: what sends it.
    @ivar breadth: what is left of its Max-Breadth.
    @ivar respond: takes every provisional response and every 2xx, as they come.
    @ivar concluded: told the best final response once no branch is left: a 2xx that C{respond} has
        had already, or another.
    """

    request: Request
    delivery: Delivery
    transactions: ITransactions
    breadth: Breadth
    respond: Callable[[Response], None]
    concluded: Callable[[Response], None]
    cancelled: bool = field(default=False, init=False)
    _groups: list[tuple[Target, ...]] = field(factory=list, init=False)
    _waiting: list[Target] = field(factory=list, init=False)
    _branches: list[Branch] = field(factory=list, init=False)
    _finals: list[Response] = field(factory=list, init=False)
    _authoritative: bool = field(default=False, init=False)
    _expired: bool = field(default=False, init=False)
    _success: Response | None = field(default=None, init=False)
    _watched: bytes = field(default=b"", init=False)
    _called: set[bytes] = field(factory=set, init=False)
    _goingOn: bool = field(default=False, init=False)
    _looking: bool = field(default=False, init=False)
    _queued: bool = field(default=False, init=False)
    _over: bool = field(default=False, init=False)

    @property
    def invite(self) -> bool:
        """
        Whether it is an INVITE.
        """
        return self.request.message.method == b"INVITE"

    @property
    def won(self) -> bool:
        """
        Whether a 2xx has come.
        """
        return self._success is not None

    def start(self, forward: Forward) -> None:
        """
        Begin with the first group.
        """
        self._groups = distinct(forward.groups)
        self._authoritative = any(
            target.binding is not None for group in forward.groups for target in group
        )
        self._watched = forward.watched
        bindings = (target.binding for group in forward.groups for target in group)
        self._called = {instanceOf(binding) for binding in bindings if binding is not None}
        self._goOn()

    def _goOn(self) -> None:
        """
        Do what there is to do now. A branch that ends as soon as it begins leads here once more:
        whoever is at it goes on with that too, so that a thousand of them need no deep stack.
        """
        if self._goingOn:
            return
        self._goingOn = True
        try:
            while self._step():
                pass
        finally:
            self._goingOn = False

    def _step(self) -> bool:
        """
        @return: whether there may be more to do at once.
        """
        if self._over or self._looking:
            return False
        if self._waiting:
            return self._begin()
        if self._branches:
            return False
        if self._groups and not self._decided:
            self._waiting = list(self._groups.pop(0))
            return True
        if self._watched and not self._decided:
            self._lookAgain(self._watched)
            return True
        self._over = True
        self.concluded(self._success or self._best())
        return False

    def _lookAgain(self, aor: bytes) -> None:
        """
        Find the phones that have registered meanwhile (RFC 3261 16.5), but for those that were
        called: no instance is called over two of its flows (RFC 5626 7).
        """
        self._watched, self._looking = b"", True
        looking = Deferred.fromCoroutine(self.delivery.location.lookup(aor))
        looking.addCallback(self._found, aor)
        looking.addErrback(lambda failure: log.failure("while looking for phones", failure))
        looking.addCallback(self._looked)

    def _looked(self, _: object) -> None:
        self._looking = False
        self._goOn()

    def _found(self, bindings: Iterable[Binding], aor: bytes) -> None:
        news = [each for each in bindings if instanceOf(each) not in self._called]
        if news:
            self._groups, self._watched = targetGroups(news), aor
            self._called.update(map(instanceOf, news))

    def _begin(self) -> bool:
        """
        Start as many of the group's branches as there may be, and wait with the others.

        @return: whether any has been started.
        """
        targets = self._waiting[: self.breadth.left]
        if not targets:
            if not self._queued:
                self._queued = True
                self.breadth.whenFreed(self._freed)
            return False
        del self._waiting[: len(targets)]
        shares = self.breadth.shares(len(targets))
        branches = [*map(Branch.to, repeat(self), targets, shares)]
        self._branches += branches
        for branch in branches:
            branch.start()
        return True

    def _freed(self) -> None:
        self._queued = False
        self._goOn()

    @property
    def _decided(self) -> bool:
        # RFC 3261 16.7 step 5: a 6xx ends it for everybody.
        busy = any(response.status >= 600 for response in self._finals)
        return self._success is not None or self.cancelled or busy

    def progressed(self, response: Response) -> None:
        """
        A provisional response.
        """
        if self._success is None:
            self.respond(response)

    def succeeded(self, response: Response, branch: Branch) -> None:
        """
        A 2xx: the caller gets it at once, and for INVITE each further one; the others are
        cancelled (RFC 3261 16.7 step 5, 10).
        """
        if self.invite or self._success is None:
            self._success = self._success or response
            self.respond(response)
        self._cancelBut(branch)

    def ended(self, branch: Branch, response: Response | None) -> None:
        """
        A branch is over.

        @param response: its final response; C{None} after a 2xx.
        """
        if response is not None:
            self._finals.append(response)
            if response.status >= 600:
                self._cancelBut(branch)
        self._branches.remove(branch)
        self.breadth.left += branch.released()
        self._goOn()
        self.breadth.tell()

    def cancel(self) -> None:
        """
        The caller does not want it any more (RFC 3261 16.10).
        """
        self.cancelled = True
        self._cancelBut(None)

    def expire(self) -> None:
        """
        It has rung for long enough: what rings is cancelled, and nobody else is tried.
        """
        self._expired = True
        self.cancel()

    def _cancelBut(self, one: Branch | None) -> None:
        onlyWaits = bool(self._waiting) and not self._branches
        self._waiting.clear()
        for branch in tuple(self._branches):
            if branch is not one:
                branch.cancel()
        if onlyWaits:
            self._goOn()

    def _best(self) -> Response:
        if not self._finals:
            return self._local(480)
        best = bestOf(self._finals)
        if best.status == 430 and self._authoritative:
            # RFC 5626 11.5: it is for us, never for the caller.
            return self._local(480)
        if best.status == 487 and self._expired:
            return self._local(408)
        if best.status == 503:
            # RFC 3261 16.7 step 6: our client must not take it for our own.
            return self._local(500)
        return best

    def _local(self, status: int) -> Response:
        return Response.reply(self.request.message, status, toTag=unique())


def distinct(groups: Iterable[tuple[Target, ...]]) -> Groups:
    """
    Each target once, where it comes first (RFC 3261 16.5). The same Contact over different flows is
    that of different phones, which are behind NATs and know no better.
    """
    found: dict[tuple[object, ...], list[URI]] = {}
    kept = (tuple(target for target in group if _isNew(target, found)) for group in groups)
    return [group for group in kept if group]


def _isNew(target: Target, found: dict[tuple[object, ...], list[URI]]) -> bool:
    if target.uri is None:
        return True
    uri = cachedURI(target.uri)
    # What is equivalent has the same user and port at least: only such are compared.
    user = unescaped(uri.user or b"")
    known = found.setdefault((target.route, target.flow, user, uri.port), [])
    if any(uri.equivalent(other) for other in known):
        return False
    known.append(uri)
    return True
