"""
A peer that listens on TCP, as another server does.
"""

from __future__ import annotations

from typing import Any

from attrs import define, field
from twisted.internet import reactor as theReactor
from twisted.internet.defer import DeferredQueue, maybeDeferred
from twisted.internet.protocol import Factory

from sipoutbound.interfaces import Address
from sipoutbound.test.line import Octets, within
from sipoutbound.test.phone import Phone

reactor: Any = theReactor


@define(eq=False)
class Peer(Factory):
    """
    A listening port, and phones on the connections that are made to it.

    @ivar accepted: the connections that nobody has asked for yet.
    """

    noisy = False

    accepted: DeferredQueue[Octets] = field(factory=DeferredQueue)
    lines: list[Octets] = field(factory=list)
    _port: Any = None

    def listen(self, host: str) -> Peer:
        """
        Listen on any port.

        @return: itself.
        """
        self._port = reactor.listenTCP(0, self, interface=host)
        return self

    @property
    def address(self) -> Address:
        """
        Where.
        """
        host = self._port.getHost()
        return host.host, host.port

    def buildProtocol(self, addr: Any) -> Octets:
        """
        A connection was made.
        """
        octets = Octets((addr.host, addr.port))
        self.lines.append(octets)
        self.accepted.put(octets)
        return octets

    async def connected(self, user: bytes) -> Phone:
        """
        @return: a phone on the next connection.
        """
        line = await within(self.accepted.get(), "a connection")
        return Phone(user, line, self.address)

    async def close(self) -> None:
        """
        Listen no more, and close what was made.
        """
        port, self._port = self._port, None
        if port is not None:
            await maybeDeferred(port.stopListening)
        for line in self.lines:
            if not line.closed.called:
                line.abort()
                await within(line.closed, "the end of a connection")
