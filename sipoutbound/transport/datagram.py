"""
SIP over UDP: one port, many flows (RFC 3261 18, RFC 3581, RFC 5626 4.4.2).
"""

from __future__ import annotations

import socket
from errno import EAGAIN, ENOBUFS, EWOULDBLOCK
from typing import Any, Final

from attrs import define, field
from twisted.logger import Logger

from sipoutbound.interfaces import Address
from sipoutbound.message.framing import Unframed, parseDatagram
from sipoutbound.outbound.stun import answer, isStun
from sipoutbound.transport.flow import Flow
from sipoutbound.transport.listener import Listener, unlinked

log = Logger()

# How many peers are remembered. A UDP flow is all in its token: a forgotten one is made anew.
REMEMBERED: Final = 100_000

# What a full queue of ours says. It is a loss as any other on the way: repetition cures it.
_FULL: Final = frozenset((EAGAIN, EWOULDBLOCK, ENOBUFS))


#: Octets of the largest datagram (RFC 768: 16 bits of length).
LARGEST: Final = 65536


@define(eq=False, repr=False)
class Port:
    """
    One UDP port, and the flows to the peers it has heard.

    @ivar local: our address as bound.
    @ivar socket: where datagrams come from and leave; non-blocking.
    """

    listener: Listener
    socket: socket.socket
    local: Address
    _flows: dict[Address, Flow] = field(factory=dict, init=False)
    _kept: int = field(default=0, init=False)

    def receive(self) -> None:
        """
        Take the next datagram.

        @raise OSError: there is none, or an error of an earlier one that we sent is told (ip(7)).
        """
        datagram, peer = self.socket.recvfrom(LARGEST)
        self.take(datagram, peerOf(peer))

    def take(self, datagram: bytes, peer: Address) -> None:
        """
        Take a datagram that has come; nothing is raised.
        """
        try:
            self.datagramReceived(datagram, peer)
        except Exception:
            log.failure("a datagram of {peer} was not taken", peer=peer)

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        """
        A datagram came: a message, a STUN request, or a keep-alive. Keep-alives of a flow that was
        given up have no answer: its bindings are gone, and only a message says that its client
        knows (RFC 5626 4.4).
        """
        flow = self._flows.get(addr)
        if flow is None:
            flow = self.flowTo(addr)
        flow.heard = self.listener.flows.now()
        if isStun(datagram):
            if flow.alive:
                self._keepalive(datagram, flow, addr)
        else:
            self._message(datagram, flow)

    def _keepalive(self, datagram: bytes, flow: Flow, addr: Address) -> None:
        """
        Answer STUN (RFC 5626 8), if that is what it is: nothing is sent for anything else.
        """
        if (response := answer(datagram, flow.peer)) is not None:
            self.write(response, addr)

    def _message(self, datagram: bytes, flow: Flow) -> None:
        if not datagram.strip(b"\r\n\0 "):
            return
        try:
            message = parseDatagram(datagram, self.listener.limits)
        except Unframed as error:
            log.info("datagram of {peer} dropped: {error}", peer=flow.peer, error=error)
            return
        if not flow.alive:
            flow.alive = True
        self.listener.received(flow, message)

    def flowTo(self, peer: Address) -> Flow:
        """
        The flow to a peer.
        """
        address = spelled(peer, self.local[0])
        flow = self._flows.get(address)
        if flow is None:
            if len(self._flows) >= max(REMEMBERED, 2 * self._kept):
                self._forget()
            flow = self._flows[address] = self.listener.datagramFlow(self, address, self.local)
            if "%" in address[0]:
                # No token says on which link that is: on the last one that it was heard on.
                self._flows[unlinked(address)] = flow
        return flow

    def _forget(self) -> None:
        """
        Make room: let go of the older half of those that nobody waits for.
        """
        for peer in list(self._flows)[: REMEMBERED // 2]:
            flow = self._flows[peer]
            if not flow.limit and not flow.pending:
                del self._flows[peer]
        # Not again for each new peer, where few could be let go of.
        self._kept = len(self._flows)

    def write(self, data: bytes, peer: Address) -> bool:
        """
        Send a datagram.

        @param peer: as the socket spells it.
        @return: whether it may arrive. It can't where it is too large, or there is no way to the
            peer (RFC 3261 18.4).
        """
        try:
            self._sendTwice(data, numbered(peer) if "%" in peer[0] else peer)
        except OSError as error:
            if error.errno in _FULL:
                log.debug("datagram to {peer} lost: {error}", peer=peer, error=error)
                return True
            log.info("datagram to {peer} not sent: {error}", peer=peer, error=error)
            return False
        return True

    def _sendTwice(self, data: bytes, peer: Address) -> None:
        """
        An ICMP error about an earlier datagram, to whomever, is told to who sends the next one, and
        that is not sent then (ip(7), IP_RECVERR). So only what fails twice has failed.
        """
        try:
            self._send(data, peer)
        except OSError as error:
            if error.errno in _FULL:
                raise
            self._send(data, peer)

    def _send(self, data: bytes, peer: Address) -> None:
        self.socket.sendto(data, peer)

    def at(self, local: Address) -> Port | None:
        """
        Itself, if that is its address.
        """
        return self if local == self.local else None

    def refused(self, address: Any) -> None:
        """
        ICMP says that a peer cannot be reached: its bindings are gone, and whatever waits on the
        flow has failed (RFC 5626 7, RFC 3261 18.4). That is believed while a request of ours is
        under way: anybody can forge an ICMP error about a datagram that was never sent.

        @param address: as the socket tells it.
        """
        flow = self._flows.get(peerOf(address))
        if flow is not None and flow.pending:
            log.info("unreachable: {peer}", peer=flow.peer)
            self.listener.flows.lost(flow)

    def drop(self, flow: Flow) -> None:
        """
        Take the flow for dead until its peer sends a message.
        """
        self.listener.flows.died(flow)


def peerOf(address: Any) -> Address:
    """
    A peer by what its socket tells of it: IPv6 addresses of one link with the name of that.
    """
    if len(address) == 2 or not address[3]:
        found: Address = address[:2]
        return found
    return f"{address[0]}%{socket.if_indextoname(address[3])}", address[1]


def numbered(peer: Address) -> Any:
    """
    An address on one of our links as a socket wants it, which does not look behind the C{%}.

    @raise OSError: there is no such link any more.
    """
    host, _, link = peer[0].partition("%")
    return host, peer[1], 0, socket.if_nametoindex(link)


def spelled(peer: Address, local: str) -> Address:
    """
    A peer as a socket with that address spells it: one of IPv6 wants IPv4 peers mapped.
    """
    if ":" in local and ":" not in peer[0]:
        return f"::ffff:{peer[0]}", peer[1]
    return peer
