"""
Where a proxy is: from a URI to addresses (RFC 3263 4.2, for URIs with a transport and addresses).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from typing import Any, Final

from attrs import frozen
from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.interfaces import IResolutionReceiver
from zope.interface import implementer

from sipoutbound.interfaces import Address, Unreachable
from sipoutbound.message.uri import URI
from sipoutbound.transport.listener import PORTS

# Seconds for the addresses of a name: two tries of the system's resolver, 5 s each
# (resolv.conf(5), timeout).
_LOOKUP_TIMEOUT: Final = 10.0


@frozen
class Place:
    """
    Where a request can be sent.

    @ivar transport: as in a Via.
    """

    transport: bytes
    address: Address


#: Finds the places of a URI, the best in front; raises L{Unreachable} where there is none.
Locate = Callable[[URI], Awaitable[list[Place]]]


def locating(reactor: Any) -> Locate:
    """
    What finds places with the system's resolver: the transport that the URI says, else UDP
    (RFC 3263 4.1).
    """

    async def locate(uri: URI) -> list[Place]:
        transport = (uri.param(b"transport") or b"udp").upper()
        if uri.scheme != b"sip" or transport not in (b"UDP", b"TCP"):
            raise Unreachable(f"no transport for {uri}")
        hosts = await _addresses(reactor, (uri.param(b"maddr") or uri.host).decode())
        port = uri.port or PORTS[transport]
        return [Place(transport, (host, port)) for host in hosts]

    return locate


async def _addresses(reactor: Any, host: str) -> list[str]:
    try:
        return [str(ip_address(host.strip("[]")))]
    except ValueError:
        receiver = _Addresses()
    reactor.nameResolver.resolveHostName(receiver, host)
    try:
        found = await receiver.done.addTimeout(_LOOKUP_TIMEOUT, reactor)
    except TimeoutError:
        raise Unreachable(f"no answer about {host} in {_LOOKUP_TIMEOUT:.0f} s") from None
    if not found:
        raise Unreachable(f"no address for {host}")
    return found


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
