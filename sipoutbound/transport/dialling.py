"""
Connections to peers: those that there are, and those that we make (RFC 3261 18.1.1).
"""

from __future__ import annotations

from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.protocol import ClientFactory
from twisted.python.failure import Failure

from sipoutbound.interfaces import Address, Unreachable
from sipoutbound.transport.flow import Flow
from sipoutbound.transport.listener import Listener
from sipoutbound.transport.stream import Connection


@define(eq=False, repr=False)
class Dialled:
    """
    The TCP connections that we make, one to each peer that has none.

    @ivar listener: what they have in common; its name is how peers call back.
    """

    reactor: Any
    listener: Listener
    _making: dict[Address, list[Deferred[Flow]]] = field(factory=dict, init=False)

    async def to(self, peer: Address, patience: float) -> Flow:
        """
        The connection to a peer, made if there is none.

        @param patience: for how many seconds to wait for it.
        @raise Unreachable: when it can't be made.
        """
        flow = self.listener.flows.connection(peer)
        if flow is not None:
            return flow
        waiting: Deferred[Flow] = Deferred()
        if peer in self._making:
            self._making[peer].append(waiting)
        else:
            self._making[peer] = [waiting]
            self.reactor.connectTCP(*peer, Dialling(self, peer), timeout=patience)
        return await waiting

    def connected(self, peer: Address, flow: Flow) -> None:
        """
        A connection we asked for was made.
        """
        for waiting in self._making.pop(peer, ()):
            waiting.callback(flow)

    def refused(self, peer: Address, why: str) -> None:
        """
        It could not be made.
        """
        for waiting in self._making.pop(peer, ()):
            waiting.errback(Unreachable(f"{peer[0]}:{peer[1]}: {why}"))


class Dialling(ClientFactory):
    """
    One connection being made.
    """

    noisy = False

    def __init__(self, dialled: Dialled, peer: Address) -> None:
        self.dialled = dialled
        self.peer = peer

    def buildProtocol(self, addr: Any) -> Connection:
        """
        The connection is made.
        """
        return DialledConnection(self.dialled.listener, self.dialled, self.peer)

    def clientConnectionFailed(self, connector: Any, reason: Failure) -> None:
        """
        It is refused, or nobody answers.
        """
        self.dialled.refused(self.peer, reason.getErrorMessage())


@define(eq=False, repr=False)
class DialledConnection(Connection):
    """
    A connection that we have made.
    """

    dialled: Dialled
    dialledPeer: Address

    def connectionMade(self) -> None:
        """
        Whoever waits for it has its flow.
        """
        super().connectionMade()
        assert self.flow is not None
        self.dialled.connected(self.dialledPeer, self.flow)
