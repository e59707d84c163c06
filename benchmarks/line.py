"""
The line of a phone to an edge, that can break in two ways.
"""

from __future__ import annotations

from typing import Any

from twisted.protocols.portforward import (
    ProxyClient,
    ProxyClientFactory,
    ProxyFactory,
    ProxyServer,
)


class _Prompt:
    """
    One side: passes on at once what comes, as long as the line works.
    """

    transport: Any
    factory: Any

    def connectionMade(self) -> None:
        """
        Without this the second of two messages would wait for the receipt of the first (Nagle).
        """
        self.transport.setTcpNoDelay(True)
        super().connectionMade()  # type: ignore[misc]

    def dataReceived(self, data: bytes) -> None:
        """
        Octets came.
        """
        if not self._line.mute:
            super().dataReceived(data)  # type: ignore[misc]

    @property
    def _line(self) -> Line:
        raise NotImplementedError


class _FarSide(_Prompt, ProxyClient):
    @property
    def _line(self) -> Line:
        line: Line = self.factory.server.factory
        return line


class _FarFactory(ProxyClientFactory):
    protocol = _FarSide
    noisy = False


class _NearSide(_Prompt, ProxyServer):
    clientProtocolFactory = _FarFactory

    @property
    def _line(self) -> Line:
        line: Line = self.factory
        return line


class Line(ProxyFactory):
    """
    Carries the connections that are made to one port on to another.

    @ivar mute: nothing gets through, and nobody is told: the connections stay, and each side
        acknowledges what it is sent.
    """

    protocol = _NearSide
    noisy = False

    def __init__(self, port: int) -> None:
        super().__init__("127.0.0.1", port)
        self.mute = False
        self._sides: list[Any] = []

    def buildProtocol(self, addr: Any) -> Any:
        """
        Somebody connects.
        """
        side = super().buildProtocol(addr)
        self._sides.append(side)
        return side

    def cut(self) -> None:
        """
        Both ends are told that the connection is over. The next one works.
        """
        self.mute = False
        for side in self._sides:
            for each in (side, side.peer):
                if each is not None:
                    each.transport.abortConnection()
        self._sides.clear()
