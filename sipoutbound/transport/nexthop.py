"""
Next hops: from a URI to a flow, a new one if need be (RFC 3261 8.1.2, 18.1.1; RFC 3263 4 in part).
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Any, Final

from attrs import define, field
from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.interfaces import IResolutionReceiver
from twisted.internet.protocol import ClientFactory
from twisted.python.failure import Failure
from zope.interface import implementer

from sipoutbound.interfaces import Address, INextHops, Unreachable
from sipoutbound.message.uri import URI
from sipoutbound.transport.flow import Flow
from sipoutbound.transport.listener import PORTS, Listener
from sipoutbound.transport.stream import Connection

# Seconds to wait for a connection: a caller has given up after 64*T1 (RFC 3261 17.1.1.2).
CONNECT_TIMEOUT: Final = 10.0

# Seconds to wait for the addresses of a name: two tries of the system's resolver, 5 s each
# (resolv.conf(5), timeout).
LOOKUP_TIMEOUT: Final = 10.0

# Seconds after which no further address is tried: 64*T1, nobody waits for the request any more.
PATIENCE: Final = 32.0

# RFC 1035 2.3.1, 2.3.4: labels of 1 to 63 octets, 253 octets in all as text; underscores are found
# in names of services. The system's resolver must not see any other name.
_NAME: Final = re.compile(
    r"(?=.{1,254}\Z)  (?: [A-Za-z0-9_-]{1,63} \. )*  [A-Za-z0-9_-]{1,63} \.?", re.VERBOSE
)


@implementer(INextHops)
@define(eq=False, repr=False)
class NextHops:
    """
    Reaches peers whose flow nobody names: UDP from the ports we listen on, TCP over the connection
    that there is, or one that is made on demand and kept.

    @ivar listener: what the connections we make have in common; its name is how peers call back.
    """

    reactor: Any
    listener: Listener
    _dialling: dict[Address, list[Deferred[Flow]]] = field(factory=dict, init=False)

    async def reach(self, uri: URI) -> Flow:
        """
        @raise Unreachable: when there is no way.
        """
        transport = (uri.param(b"transport") or b"udp").upper()
        if uri.scheme != b"sip" or transport not in (b"UDP", b"TCP"):
            raise Unreachable(f"no transport for {uri}")
        hosts = await self._resolve((uri.param(b"maddr") or uri.host).decode())
        return await self._first(hosts, uri.port or PORTS[transport], transport)

    async def _first(self, hosts: list[str], port: int, transport: bytes) -> Flow:
        """
        The flow to the first of these addresses that can be reached (RFC 3263 4.2, 4.3).
        """
        since = self.reactor.seconds()
        failed = Unreachable("no address")
        for host in hosts:
            try:
                if transport == b"UDP":
                    return self._datagram((host, port))
                return await self._connected((host, port))
            except Unreachable as error:
                failed = error
            if self.reactor.seconds() - since > PATIENCE:
                break
        raise failed

    async def _resolve(self, host: str) -> list[str]:
        try:
            return [str(ip_address(host.strip("[]")))]
        except ValueError:
            addresses = await resolved(self.reactor, host)
        if not addresses:
            raise Unreachable(f"no address for {host}")
        return addresses

    def _datagram(self, peer: Address) -> Flow:
        """
        The flow from the first port whose addresses are of the peer's kind.
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

    async def _connected(self, peer: Address) -> Flow:
        flow = self.listener.flows.connection(peer)
        if flow is not None:
            return flow
        waiting: Deferred[Flow] = Deferred()
        if peer in self._dialling:
            self._dialling[peer].append(waiting)
        else:
            self._dialling[peer] = [waiting]
            self.reactor.connectTCP(*peer, Dialling(self, peer), timeout=CONNECT_TIMEOUT)
        return await waiting

    def connected(self, peer: Address, flow: Flow) -> None:
        """
        A connection we asked for was made.
        """
        for waiting in self._dialling.pop(peer, ()):
            waiting.callback(flow)

    def refused(self, peer: Address, why: str) -> None:
        """
        It could not be made.
        """
        for waiting in self._dialling.pop(peer, ()):
            waiting.errback(Unreachable(f"{peer[0]}:{peer[1]}: {why}"))


class Dialling(ClientFactory):
    """
    One connection being made.
    """

    noisy = False

    def __init__(self, hops: NextHops, peer: Address) -> None:
        self.hops = hops
        self.peer = peer

    def buildProtocol(self, addr: Any) -> Connection:
        """
        The connection is made.
        """
        return DialledConnection(self.hops.listener, self.hops, self.peer)

    def clientConnectionFailed(self, connector: Any, reason: Failure) -> None:
        """
        It is refused, or nobody answers.
        """
        self.hops.refused(self.peer, reason.getErrorMessage())


@define(eq=False, repr=False)
class DialledConnection(Connection):
    """
    A connection that we have made.
    """

    hops: NextHops
    dialled: Address

    def connectionMade(self) -> None:
        """
        Whoever waits for it has its flow.
        """
        super().connectionMade()
        assert self.flow is not None
        self.hops.connected(self.dialled, self.flow)


async def resolved(reactor: Any, host: str) -> list[str]:
    """
    The addresses of a host name, A and AAAA, by the system's resolver and in its order (RFC 6724);
    empty where it has none.

    @raise Unreachable: when it is no host name, or nobody knows in time.
    """
    if _NAME.fullmatch(host) is None:
        raise Unreachable(f"no host name: {host}")
    receiver = _Addresses()
    reactor.nameResolver.resolveHostName(receiver, host)
    try:
        return await receiver.done.addTimeout(LOOKUP_TIMEOUT, reactor)
    except TimeoutError:
        raise Unreachable(f"no answer about {host} in {LOOKUP_TIMEOUT:.0f} s") from None


@implementer(IResolutionReceiver)
class _Addresses:
    def __init__(self) -> None:
        self.found: list[str] = []
        self.done: Deferred[list[str]] = Deferred()

    def resolutionBegan(self, resolution: Any) -> None:
        pass

    def addressResolved(self, address: Any) -> None:
        self.found.append(address.host)

    def resolutionComplete(self) -> None:
        self.done.callback(self.found)
