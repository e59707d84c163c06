"""
The table of live flows: token to flow, silence to death.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from typing import Any

from attrs import define, field
from twisted.logger import Logger
from zope.interface import implementer

from sipoutbound.interfaces import Address, IFlows
from sipoutbound.outbound.flowtoken import DatagramFlow, Keys, StreamFlow
from sipoutbound.transport.flow import Flow

log = Logger()


@implementer(IFlows)
@define(eq=False, repr=False)
class Flows:
    """
    All flows of this process.

    @ivar keys: seal and open the tokens.
    @ivar now: seconds of the reactor's clock.
    @ivar later: calls back after some seconds (the server's timer wheel).
    @ivar epoch: this run of this node: tokens of an earlier run's connections name none of ours.
    @ivar lost: told each flow that has died, and before that if its peer leaves.
    """

    keys: Keys
    now: Callable[[], float]
    later: Callable[[float, Callable[[Any], None], Any], Any]
    lost: Callable[[Flow], None] = field(default=lambda flow: None)
    epoch: bytes = field(factory=lambda: secrets.token_bytes(8))
    _serial: int = field(default=0, init=False)
    _streams: dict[int, Flow] = field(factory=dict, init=False)
    _peers: dict[Address, Flow] = field(factory=dict, init=False)
    _leaving: set[Flow] = field(factory=set, init=False)
    _ports: list[Any] = field(factory=list, init=False)

    def identify(self) -> StreamFlow:
        """
        The identity of a new connection; never given twice.
        """
        self._serial += 1
        return StreamFlow(self.epoch, self._serial)

    def add(self, flow: Flow) -> None:
        """
        A connection was made.
        """
        assert isinstance(flow.identity, StreamFlow)
        self._streams[flow.identity.serial] = flow
        self._peers[flow.peer] = flow

    def addPort(self, port: Any) -> None:
        """
        A L{UDP port<sipoutbound.transport.datagram.Port>} is open, or one
        L{on all addresses<sipoutbound.transport.wildcard.Wildcard>}.
        """
        self._ports.append(port)

    def died(self, flow: Flow) -> None:
        """
        A flow is gone. Every binding on it goes with it (RFC 5626 7).
        """
        if not flow.alive:
            return
        flow.alive = False
        self._leaving.discard(flow)
        if isinstance(flow.identity, StreamFlow):
            self._remove(flow)
        self.lost(flow)

    def left(self, flow: Flow) -> None:
        """
        The peer of a connection sends no more: no token leads to it, what waits on it has failed,
        its bindings are gone. Answers can still be sent until it has L{died}.
        """
        self._remove(flow)
        self._leaving.add(flow)
        self.lost(flow)

    def _remove(self, flow: Flow) -> None:
        assert isinstance(flow.identity, StreamFlow)
        self._streams.pop(flow.identity.serial, None)
        if self._peers.get(flow.peer) is flow:
            del self._peers[flow.peer]

    def find(self, token: bytes) -> Flow | None:
        """
        @raise sipoutbound.outbound.flowtoken.Forged: when the token is not ours.
        """
        return self.live(self.keys.open(token))

    def live(self, identity: StreamFlow | DatagramFlow) -> Flow | None:
        """
        The flow of that identity; C{None} when it is gone.
        """
        if isinstance(identity, StreamFlow):
            return self._streams.get(identity.serial) if identity.epoch == self.epoch else None
        for port in self._ports:
            facing = port.at(identity.local)
            if facing is not None:
                flow: Flow = facing.flowTo(identity.peer)
                return flow if flow.alive else None
        return None

    def connection(self, peer: Address) -> Flow | None:
        """
        The connection to that address and port, whoever has made it (RFC 3261 18); C{None} where
        there is none. The youngest, should there be several.
        """
        return self._peers.get(peer)

    @property
    def ports(self) -> tuple[Any, ...]:
        """
        The open UDP ports.
        """
        return tuple(self._ports)

    def streams(self) -> Iterator[Flow]:
        """
        The live connections, also those that their peers have L{left}.
        """
        return iter((*self._streams.values(), *self._leaving))

    def watch(self, flow: Flow) -> None:
        """
        Look at a flow again when it may have been silent for too long.
        """
        self.later(flow.heard + flow.limit - self.now(), self._check, flow)

    def _check(self, flow: Flow) -> None:
        if not flow.alive:
            flow.limit = 0.0
        elif flow.heard + flow.limit > self.now():
            self.watch(flow)
        else:
            log.info("flow silent too long: {peer}", peer=flow.peer)
            flow.limit = 0.0
            flow.close()
