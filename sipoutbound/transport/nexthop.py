"""
Next hops: from a URI to the flows that lead there, one address after the other (RFC 3263 4,
RFC 3261 18.1.1).
"""

from __future__ import annotations

from ipaddress import ip_address
from random import Random
from typing import Any, Final

from attrs import define, field
from twisted.internet.defer import Deferred, TimeoutError
from zope.interface import implementer

from sipoutbound.interfaces import Address, IHops, INextHops, Unreachable
from sipoutbound.message.uri import URI
from sipoutbound.transport.answers import Answers
from sipoutbound.transport.dialling import Dialled
from sipoutbound.transport.flow import Flow
from sipoutbound.transport.listener import Listener
from sipoutbound.transport.locate import Candidates, Directory, Hop

# Seconds to wait for a connection: a caller has given up after 64*T1 (RFC 3261 17.1.1.2). Where
# there is another way than this one: the time of a SYN and of two repetitions (RFC 6298 2).
CONNECT_TIMEOUT: Final = 10.0
IMPATIENT: Final = 4.0

# Seconds to wait for what the DNS says about the next address.
LOOKUP_TIMEOUT: Final = 10.0

# Seconds for which large requests to a peer that knows UDP only (RFC 3261 18.1.1, for the sake of
# RFC 2543) are not tried over TCP again.
DATAGRAMS_ONLY: Final = 300.0

# Seconds after which no further address is tried: 64*T1, nobody waits for the request any more.
PATIENCE: Final = 32.0


@implementer(INextHops)
@define(eq=False, repr=False)
class NextHops:
    """
    Reaches peers that have no flow to us: UDP from the ports we listen on, TCP over connections
    made on demand and kept.

    @ivar listener: what the connections we make have in common; its name is how peers call back.
    @ivar directory: what is known about names.
    """

    reactor: Any
    listener: Listener
    directory: Directory
    dialled: Dialled = field(init=False)
    _datagramsOnly: Answers = field(factory=Answers, init=False)

    def __attrs_post_init__(self) -> None:
        self.dialled = Dialled(self.reactor, self.listener)

    def towards(self, uri: URI, key: bytes) -> IHops:
        """
        The ways to where a URI leads.

        @param key: with the same key equal servers are tried in the same order.
        """
        return Hops(self, uri, key, self.reactor.seconds())

    def refusedTCP(self, peer: Address) -> None:
        """
        Remember that a peer that we know by UDP could not be reached by TCP.
        """
        self._datagramsOnly.keep(peer, True, DATAGRAMS_ONLY, self.reactor.seconds())

    def speaksUDPOnly(self, peer: Address) -> bool:
        """
        Whether that was so not long ago.
        """
        return self._datagramsOnly.find(peer, self.reactor.seconds()) is not None

    def datagram(self, peer: Address) -> Flow:
        """
        The flow from the first port whose addresses are of the peer's kind.

        @raise Unreachable: when there is no such port.
        """
        target = ip_address(peer[0])
        for port in self.listener.flows.ports:
            local = ip_address(port.local[0])
            bothFamilies = local.is_unspecified and local.version == 6
            fits = local.is_loopback == target.is_loopback or local.is_unspecified
            if fits and (local.version == target.version or bothFamilies):
                flow: Flow = port.flowTo(peer)
                return flow
        raise Unreachable(f"no UDP port that reaches {peer[0]}")


@implementer(IHops)
@define(eq=False, repr=False)
class Hops:
    """
    The ways to where one URI leads, for one request.

    @ivar large: TCP comes first, since the request is too large for UDP.
    """

    _net: NextHops
    _uri: URI
    _key: bytes
    _since: float
    large: bool = field(default=False, init=False)
    _candidates: Candidates = field(init=False)
    _hop: Hop | None = field(default=None, init=False)
    _first: bool = field(default=True, init=False)

    def __attrs_post_init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        # RFC 3263 4.4: who repeats a request without knowing it draws the same lots.
        lots = Random(self._key)
        directory = self._net.directory
        self._candidates = Candidates(
            self._uri, directory, lambda most: lots.randint(0, most), self.large
        )

    @property
    def more(self) -> bool:
        """
        Whether another address may be left.
        """
        return self._candidates.more and self._left > 0

    @property
    def _left(self) -> float:
        passed: float = self._net.reactor.seconds() - self._since
        return PATIENCE - passed

    async def next(self) -> Flow:
        """
        The flow to the next address that can be reached.

        @raise Unreachable: when there is none any more.
        """
        failed = Unreachable(f"no address for {self._uri}")
        while self._left > 0:
            self._first = self._hop is None
            hop = await self._located()
            if hop is None:
                break
            self._hop = hop
            try:
                return await self._flow(hop)
            except Unreachable as error:
                failed = error
        raise failed

    async def again(self) -> Flow:
        """
        The flow to the present address once more.

        @raise Unreachable: when it can't be reached.
        """
        assert self._hop is not None
        return await self._flow(self._hop)

    async def larger(self) -> Flow:
        """
        The request has turned out to be too large for UDP: a flow over TCP, or again one over UDP
        where that can't be had (RFC 3261 18.1.1). If nobody else was tried before, those servers
        are asked that offer TCP.

        @raise Unreachable: when there is none.
        """
        self.large = True
        if not self._first:
            return await self.again()
        self._begin()
        return await self.next()

    async def _located(self) -> Hop | None:
        finding = Deferred.fromCoroutine(self._candidates.next())
        if not finding.called:
            finding.addTimeout(LOOKUP_TIMEOUT, self._net.reactor)
        try:
            return await finding
        except TimeoutError:
            raise Unreachable(f"nothing is known about {self._uri} in time") from None

    async def _flow(self, hop: Hop) -> Flow:
        if hop.transport == b"TCP":
            patience = IMPATIENT if self._candidates.more else CONNECT_TIMEOUT
            return await self._net.dialled.to(hop.address, patience)
        if self.large and not self._net.speaksUDPOnly(hop.address):
            try:
                return await self._net.dialled.to(hop.address, IMPATIENT)
            except Unreachable:
                self._net.refusedTCP(hop.address)
        return self._net.datagram(hop.address)
