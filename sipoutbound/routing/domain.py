"""
A domain of ours: REGISTER to its registrar, a user to its bindings (RFC 3261 16.5, RFC 5626 7).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from itertools import groupby
from typing import Final

from attrs import define, evolve
from zope.interface import implementer

from sipoutbound.interfaces import ILocation, IRegistrar, IRouter
from sipoutbound.message import message as wire
from sipoutbound.outbound.binding import Binding
from sipoutbound.routing.decision import Decision, Forward, Reply, Target
from sipoutbound.routing.loop import LOOP
from sipoutbound.routing.names import Names
from sipoutbound.routing.request import Request

# What the server itself answers, where a request is for no user (RFC 3261 8.2.1, 11.2).
_ALLOW: Final = ("Allow", "REGISTER, OPTIONS")
_SUPPORTED: Final = ("Supported", "path, outbound")
_CAPABLE: Final = Reply(200, headers=(_ALLOW, ("Accept", ""), _SUPPORTED))
_NOT_ALLOWED: Final = Reply(405, headers=(_ALLOW,))
_SCHEME: Final = Reply(416)
_UNAVAILABLE: Final = Reply(480)


@implementer(IRouter)
@define(eq=False, repr=False)
class Domain:
    """
    The users of one or more domains.

    @ivar merged: whether a request is a copy of one that is being answered.
    """

    registrar: IRegistrar
    location: ILocation
    merged: Callable[[wire.Request], bool]

    async def route(self, request: Request) -> Decision:
        """
        To the registrar, to the user's bindings, or answered here. What is answered here is so once
        only, if a proxy has forked it and it comes by two ways (RFC 3261 8.2.2.2).
        """
        if request.target.scheme == b"sips":
            # RFC 3261 26.2.2: TLS all the way, which no transport here can promise.
            return _SCHEME
        if request.message.method == b"REGISTER":
            if self.merged(request.message):
                return LOOP
            return await self.registrar.register(request.message)
        if request.target.user is None:
            return self._itself(request)
        aor = request.target.aor()
        bindings = await self.location.lookup(aor)
        return Forward(*targetGroups(bindings), watched=aor) if bindings else _UNAVAILABLE

    def _itself(self, request: Request) -> Decision:
        if self.merged(request.message):
            return LOOP
        if request.message.method != b"OPTIONS":
            return _NOT_ALLOWED
        required = request.message.all(b"require")
        if required:
            return Reply.unsupported(required)
        return _CAPABLE


@implementer(IRouter)
@define(eq=False, repr=False)
class Responsibility:
    """
    Tells a domain from somebody else on the same host, under another port. A REGISTER is for the
    domain in any case: whoever maps ports may have it come under one that we don't know.

    @ivar names: who we are.
    @ivar domain: for what is ours.
    @ivar others: for what is not.
    """

    names: Names
    domain: IRouter
    others: IRouter

    def route(self, request: Request) -> Awaitable[Decision]:
        """
        Leave it to one of them.
        """
        ours = request.message.method == b"REGISTER" or self.names.owns(request.target)
        return (self.domain if ours else self.others).route(request)


def targetGroups(bindings: Iterable[Binding]) -> list[tuple[Target, ...]]:
    """
    Bindings as groups of targets: instances of equal q at once, the highest q first; the flows of
    an instance one at a time, in the order of q and then reg-id (RFC 5626 7).
    """
    instances: dict[bytes, list[Binding]] = {}
    for binding in bindings:
        instances.setdefault(instanceOf(binding), []).append(binding)
    devices = [sorted(flows, key=_preference) for flows in instances.values()]
    devices.sort(key=_firstQ)
    return [tuple(map(_device, group)) for _, group in groupby(devices, key=_firstQ)]


def instanceOf(binding: Binding) -> bytes:
    """
    What tells the phone of a binding from others. A binding without instance is an instance of its
    own: nothing else is known to reach it.
    """
    return binding.instance or b"<" + binding.contact


def _preference(binding: Binding) -> tuple[int, float, float]:
    # Flows without a reg-id come last, the most recent of them first (RFC 5627 6.1).
    regId = float("inf") if binding.regId is None else binding.regId
    return -binding.q, regId, -binding.updated


def _firstQ(flows: list[Binding]) -> int:
    return -flows[0].q


def _device(flows: list[Binding]) -> Target:
    first, *others = (Target(flow.contact, flow.path, binding=flow) for flow in flows)
    return evolve(first, otherwise=tuple(others))
