"""
A cable between a phone and an edge, that can be cut.
"""

from __future__ import annotations

from typing import Any

from twisted.protocols.portforward import (
    ProxyClient,
    ProxyClientFactory,
    ProxyFactory,
    ProxyServer,
)


class FarEnd(ProxyClient):
    """
    The side of the edge.
    """

    def connectionMade(self) -> None:
        """
        What comes is passed on at once, whether or not what came before has arrived.
        """
        self.transport.setTcpNoDelay(True)
        super().connectionMade()


class FarEndFactory(ProxyClientFactory):
    """
    Makes far ends.
    """

    protocol = FarEnd
    noisy = False


class End(ProxyServer):
    """
    The side of the phone.
    """

    clientProtocolFactory = FarEndFactory

    def connectionMade(self) -> None:
        """
        See L{FarEnd.connectionMade}.
        """
        self.transport.setTcpNoDelay(True)
        super().connectionMade()


class Cable(ProxyFactory):
    """
    Carries the connections that are made to one port on to another.
    """

    protocol = End
    noisy = False

    def __init__(self, port: int) -> None:
        super().__init__("127.0.0.1", port)
        self.ends: list[End] = []

    def buildProtocol(self, addr: Any) -> End:
        """
        Somebody connects.
        """
        end: End = super().buildProtocol(addr)
        self.ends.append(end)
        return end

    def cut(self) -> None:
        """
        Both ends are dead at once. The next connection finds the cable mended.
        """
        for end in self.ends:
            for side in (end, end.peer):
                if side is not None:
                    side.transport.abortConnection()
        self.ends.clear()
