"""
SIP over UDP: one port, many flows (RFC 3261 18, RFC 3581, RFC 5626 4.4.2).
"""

from __future__ import annotations

import socket
from errno import EAGAIN, ENOBUFS, EWOULDBLOCK
from typing import Any, Final

from attrs import define, field
from twisted.internet.protocol import DatagramProtocol
from twisted.logger import Logger

from sipoutbound.interfaces import Address
from sipoutbound.message.framing import Unframed, parseDatagram
from sipoutbound.outbound.stun import answer, isStun
from sipoutbound.transport.flow import Flow
from sipoutbound.transport.listener import Listener

log = Logger()

# How many peers are remembered. A UDP flow is all in its token: a forgotten one is made anew.
REMEMBERED: Final = 100_000

# What a full queue of ours says. It is a loss as any other on the way: repetition cures it.
_FULL: Final = frozenset((EAGAIN, EWOULDBLOCK, ENOBUFS))


@define(eq=False, repr=False)
class Port(DatagramProtocol):
    """
    One UDP port, and the flows to the peers it has heard.

    @ivar local: our address as bound.
    @ivar socket: where datagrams leave; non-blocking.
    """

    noisy = False

    listener: Listener
    socket: socket.socket
    local: Address
    _flows: dict[Address, Flow] = field(factory=dict, init=False)
    _kept: int = field(default=0, init=False)

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        """
        A datagram came: a message, a STUN request, or a keep-alive.
        """
        flow = self._flows.get(addr)
        if flow is None:
            flow = self.flowTo(addr)
        flow.heard = self.listener.flows.now()
        if not flow.alive:
            flow.alive = True
        if isStun(datagram):
            self._keepalive(datagram, flow)
        else:
            self._message(datagram, flow)

    def _keepalive(self, datagram: bytes, flow: Flow) -> None:
        """
        Answer STUN (RFC 5626 8), if that is what it is: nothing is sent for anything else.
        """
        if (response := answer(datagram, flow.peer)) is not None:
            self.write(response, flow.peer)

    def _message(self, datagram: bytes, flow: Flow) -> None:
        if not datagram.strip(b"\r\n\0 "):
            return
        try:
            message = parseDatagram(datagram, self.listener.limits)
        except Unframed as error:
            log.info("datagram of {peer} dropped: {error}", peer=flow.peer, error=error)
            return
        self.listener.received(flow, message)

    def flowTo(self, peer: Address) -> Flow:
        """
        The flow to a peer.
        """
        spelled = self._spelled(peer)
        flow = self._flows.get(spelled)
        if flow is None:
            if len(self._flows) >= max(REMEMBERED, 2 * self._kept):
                self._forget()
            flow = self._flows[spelled] = self.listener.datagramFlow(self, spelled, self.local)
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

        @return: whether it may arrive. It can't where it is too large, or there is no way to the
            peer (RFC 3261 18.4).
        """
        try:
            self.socket.sendto(data, self._spelled(peer))
        except OSError as error:
            if error.errno in _FULL:
                log.debug("datagram to {peer} lost: {error}", peer=peer, error=error)
                return True
            log.info("datagram to {peer} not sent: {error}", peer=peer, error=error)
            return False
        return True

    def _spelled(self, peer: Address) -> Address:
        """
        An IPv4 peer as a socket of IPv6 wants it.
        """
        if self.socket.family is socket.AF_INET6 and ":" not in peer[0]:
            return f"::ffff:{peer[0]}", peer[1]
        return peer

    def drop(self, flow: Flow) -> None:
        """
        Take the flow for dead until its peer is heard again.
        """
        self.listener.flows.died(flow)
