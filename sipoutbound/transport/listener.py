"""
What the flows of one listening port have in common: their name to the outside, their limits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from attrs import define, field

from sipoutbound.interfaces import Address
from sipoutbound.message.framing import Limits
from sipoutbound.message.message import Request, Response
from sipoutbound.outbound.flowtoken import DatagramFlow, StreamFlow
from sipoutbound.transport.flow import Flow, Line, hostport
from sipoutbound.transport.table import Flows

#: Default ports by transport (RFC 3261 19.1.2).
PORTS: Final = {b"UDP": 5060, b"TCP": 5060, b"TLS": 5061}


@define(eq=False, repr=False)
class Listener:
    """
    One port we listen on.

    @ivar transport: as in a Via.
    @ivar flows: where its flows are entered.
    @ivar received: told each message and the flow it came on.
    @ivar addresses: all C{b"host:port"} by which peers know this server; new ones are added.
    @ivar port: the port that peers call back, on connections that we have made.
    @ivar advertised: C{b"host"} or C{b"host:port"} to write instead of the local address.
    """

    transport: bytes
    flows: Flows
    received: Callable[[Flow, Request | Response], None]
    addresses: set[bytes]
    advertised: bytes | None = None
    port: int | None = None
    limits: Limits = field(factory=Limits)

    def sentBy(self, local: Address) -> bytes:
        """
        How peers reach us: what is advertised, else the local address.
        """
        host = plain(unlinked(local)[0])
        return self.advertised or hostport((host, self.port or local[1]))

    def streamFlow(self, line: Line, peer: Address, local: Address) -> Flow:
        """
        A new connection's flow.
        """
        flow = self._flow(line, peer, local, self.flows.identify(), True)
        self.flows.add(flow)
        return flow

    def datagramFlow(self, line: Line, peer: Address, local: Address) -> Flow:
        """
        The flow of a UDP five-tuple.

        @param peer: as the socket spells it; C{local} too.
        """
        identity = DatagramFlow(self.transport, local, unlinked(peer))
        return self._flow(line, peer, local, identity, False)

    def _flow(
        self,
        line: Line,
        peer: Address,
        local: Address,
        identity: StreamFlow | DatagramFlow,
        reliable: bool,
    ) -> Flow:
        sentBy = self.sentBy(local)
        # RFC 3581 3: behind a NAT of our own a response comes back to where the request came from.
        rport = b"" if reliable else b";rport"
        via = b"SIP/2.0/%b %b%b;branch=" % (self.transport, sentBy, rport)
        name = sentBy if not reliable else sentBy + b";transport=" + self.transport.lower()
        self.addresses.add(sentBy)
        host, port = unlinked(peer)
        seen = plain(host), port
        now = self.flows.now()
        return Flow(
            self.transport, reliable, seen, name, via, identity, self.flows, line, peer, now
        )


def plain(host: str) -> str:
    """
    An address as its owner writes it: an IPv4 peer of an IPv6 socket without its C{::ffff:}.
    """
    return host[7:] if host.startswith("::ffff:") and "." in host else host


def unlinked(address: Address) -> Address:
    """
    An address without the link that it is on (C{fe80::1%eth0}): that is nobody else's concern, and
    has no place in a header (RFC 6874 1) or a token.
    """
    return (address[0].partition("%")[0], address[1]) if "%" in address[0] else address
