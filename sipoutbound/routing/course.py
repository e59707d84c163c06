"""
The way of a request to a next hop that has several addresses, and maybe several transports
(RFC 3261 16.6 step 7, 18.1.1, RFC 3263 4.3).
"""

from __future__ import annotations

from typing import Final

from attrs import define, field

from sipoutbound.interfaces import IFlow, IHops, Unreachable
from sipoutbound.message.message import Response
from sipoutbound.routing.decision import Target
from sipoutbound.routing.delivery import Copy, Delivery

# Octets of a request over UDP at most, the path's MTU being unknown (RFC 3261 18.1.1).
LARGEST: Final = 1300


@define(eq=False, repr=False)
class Course:
    """
    One target's way. It is gone on from one address to the next while all that comes of it is
    failure.

    @ivar status: what it has come to if no address is left.
    @ivar refusal: the 503 that an address has answered.
    @ivar answered: whether any response has come from any address.
    @ivar renewed: whether the present address has been given a second connection.
    @ivar reached: what to send to an address that was found before it was needed.
    @ivar latest: what was sent to the present address.
    """

    delivery: Delivery
    target: Target
    status: int = field(init=False)
    refusal: Response | None = field(default=None, init=False)
    answered: bool = field(default=False, init=False)
    renewed: bool = field(default=False, init=False)
    reached: Copy | None = field(default=None, init=False)
    latest: object = field(default=None, init=False)
    _hops: IHops | None = field(default=None, init=False)

    @status.default
    def _failed(self) -> int:
        # RFC 3261 16.9: a transport error counts as a 503. Of a binding its flow has failed.
        return 503 if self.target.binding is None else 430

    @property
    def more(self) -> bool:
        """
        Whether another address may be left.
        """
        return self._hops is None or self.reached is not None or self._hops.more

    async def next(self) -> Copy:
        """
        What to send to the next address that can be reached.

        @raise Unreachable: when there is none any more.
        """
        if self._hops is None:
            self._hops = self.delivery.hops(self.target)
        copy, self.reached = self.reached, None
        if copy is not None and copy.flow.alive:
            return copy
        flow = await self._hops.next()
        self.renewed = False
        return await self._fitting(self._hops, flow)

    async def again(self) -> Copy:
        """
        What to send to the present address over a new connection; if that can't be made, to the
        next one.

        @raise Unreachable: when there is none any more.
        """
        assert self._hops is not None
        try:
            flow = await self._hops.again()
        except Unreachable:
            return await self.next()
        self.renewed = True
        return await self._fitting(self._hops, flow)

    async def _fitting(self, hops: IHops, flow: IFlow) -> Copy:
        copy = self.delivery.copy(self.target, flow)
        if flow.reliable or hops.large or _size(copy) <= LARGEST:
            return copy
        return self.delivery.copy(self.target, await hops.larger())


def _size(copy: Copy) -> int:
    """
    The size that a request has when it is sent; a Max-Breadth is still to be put on it.
    """
    missing = copy.request.first(b"max-breadth") is None
    return len(bytes(copy.request)) + missing * len(b"Max-Breadth: 60\r\n")
