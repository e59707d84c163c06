"""
SIP over UDP on all addresses of the machine: what comes to one of them is answered from it
(RFC 3581 4), and so is each flow's identity (RFC 5626 3.4).
"""

from __future__ import annotations

import socket
from typing import Any, Final

from attrs import define, field
from twisted.logger import Logger

from sipoutbound.interfaces import Address
from sipoutbound.transport.datagram import LARGEST, Port, peerOf, spelled
from sipoutbound.transport.flow import Flow
from sipoutbound.transport.listener import Listener
from sipoutbound.transport.packetinfo import SPACE, Ancillary, addressIn, leavingFrom

log = Logger()

#: All addresses, as a socket is bound to them: of IPv4, of both.
WILDCARDS: Final = ("0.0.0.0", "::")

# Our addresses at most. A machine has some; one that a whole IPv6 network is routed to has 2**64,
# and who sends chooses among them.
MOST: Final = 1024


@define(eq=False, repr=False)
class FacingPort(Port):
    """
    One of the addresses of a socket that is bound to all.
    """

    _source: Ancillary = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._source = leavingFrom(self.local[0])

    def _send(self, data: bytes, peer: Address) -> None:
        self.socket.sendmsg([data], self._source, 0, peer)


@define(eq=False, repr=False)
class Wildcard:
    """
    A UDP socket bound to all addresses: a port for each that datagrams come to or leave from.

    @ivar local: as bound.
    """

    listener: Listener
    socket: socket.socket
    local: Address
    _ports: dict[str, FacingPort] = field(factory=dict, init=False)

    def receive(self) -> None:
        """
        Take the next datagram.

        @raise OSError: there is none, or an error of an earlier one that we sent is told (ip(7)).
        """
        datagram, ancillary, _, peer = self.socket.recvmsg(LARGEST, SPACE)
        host = addressIn(ancillary) or outward(self.local[0], peer)
        port = self._bounded(host)
        if port is not None:
            port.take(datagram, peerOf(peer))

    def at(self, local: Address) -> FacingPort | None:
        """
        The port of one of our addresses, C{None} for an address that can't be ours.
        """
        sameFamily = (":" in local[0]) == (":" in self.local[0])
        return self._bounded(local[0]) if sameFamily and local[1] == self.local[1] else None

    def flowTo(self, peer: Address) -> Flow:
        """
        The flow to a peer from the address that the system chooses for it.
        """
        host = outward(self.local[0], spelled(peer, self.local[0]))
        return self._facing(host).flowTo(peer)

    def _bounded(self, host: str) -> FacingPort | None:
        if host not in self._ports and len(self._ports) >= MOST:
            log.warn("too many addresses of ours: {host} is not served", host=host)
            return None
        return self._facing(host)

    def _facing(self, host: str) -> FacingPort:
        port = self._ports.get(host)
        if port is None:
            address = host, self.local[1]
            port = self._ports[host] = FacingPort(self.listener, self.socket, address)
        return port

    def refused(self, address: Any) -> None:
        """
        A peer cannot be reached, whatever address we had sent from.
        """
        for port in tuple(self._ports.values()):
            port.refused(address)


def outward(host: str, peer: Any) -> str:
    """
    The address of ours that packets to a peer leave from.

    @param host: all addresses, as bound.
    @param peer: as the socket tells or wants it.
    @return: one of them; C{host} where there is no way to the peer.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(peer)
        except OSError:
            return host
        name: str = probe.getsockname()[0]
        return name
