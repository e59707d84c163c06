"""
Which flow a request of ours goes over (RFC 5626 4.3).
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from attrs import define, field

from sipoutbound.agent.account import Way
from sipoutbound.agent.line import Line
from sipoutbound.agent.net import Net
from sipoutbound.agent.place import Place
from sipoutbound.agent.registration import Registration
from sipoutbound.interfaces import IFlow, Unreachable
from sipoutbound.message.header import looseRoute
from sipoutbound.message.uri import URI


@define(eq=False, repr=False)
class Ways:
    """
    The flows of a client: those of its registrations, and others that were needed.
    """

    net: Net
    registrations: list[Registration]
    _others: list[Line] = field(factory=list, init=False)
    _closed: bool = field(default=False, init=False)

    async def outward(self) -> AsyncIterator[Way]:
        """
        Through the proxies: over each flow that is registered, then, should none of them do, over
        others.

        @raise Unreachable: at the end, when nobody knows where one of them is.
        """
        for registration in self.registrations:
            if registration.recovery.registered:
                yield registration.way
        unknown: Unreachable | None = None
        for registration in self.registrations:
            try:
                async for way in self.towards(registration.proxy):
                    yield Way(way.flow, (looseRoute(registration.proxy),))
            except Unreachable as error:
                unknown = error
        if unknown is not None:
            raise unknown

    async def towards(self, uri: URI, usual: IFlow | None = None) -> AsyncIterator[Way]:
        """
        To the next hop that a URI names: over the flow there is to its address, and a new one only
        where there is none, or it has failed.

        @param usual: to be preferred where there are several.
        """
        for place in await self.net.locate(uri):
            known = self._known(place, usual)
            if known is not None and not self._closed:
                yield Way(known)
            if known is None or not known.alive:
                try:
                    yield Way(await self._new(place))
                except Unreachable:
                    continue

    def _known(self, place: Place, usual: IFlow | None) -> IFlow | None:
        lines = (*(registration.line for registration in self.registrations), *self._others)
        for flow in (usual, *(line.flow for line in lines if line is not None)):
            if flow is not None and flow.alive and _leads(flow, place):
                return flow
        return None

    async def _new(self, place: Place) -> IFlow:
        """
        @raise Unreachable: when there is none, or all is over.
        """
        if self._closed:
            raise Unreachable("the user agent has stopped")
        line = await self.net.opened(place)
        self._others = [*(other for other in self._others if other.flow.alive), line]
        if self._closed:
            line.flow.close()
        return line.flow

    def close(self) -> None:
        """
        Close those that no registration closes, and make no more.
        """
        self._closed = True
        for line in self._others:
            if line.flow.alive:
                line.flow.close()


def _leads(flow: IFlow, place: Place) -> bool:
    return (flow.transport, flow.peer) == (place.transport, place.address)
