"""
A reactor that can be taken back from whom it was lent to.
"""

from __future__ import annotations

from typing import Any
from weakref import WeakSet

from attrs import define, field


@define(eq=False, repr=False)
class Lent:
    """
    What a resolver of twisted.names uses of a reactor. It has no end of its own: it looks at
    C{/etc/resolv.conf} once a minute for ever, and keeps its connections.
    """

    reactor: Any
    _calls: WeakSet[Any] = field(factory=WeakSet, init=False)
    _ports: WeakSet[Any] = field(factory=WeakSet, init=False)
    _connectors: WeakSet[Any] = field(factory=WeakSet, init=False)

    def seconds(self) -> float:
        """
        See L{twisted.internet.interfaces.IReactorTime.seconds}.
        """
        seconds: float = self.reactor.seconds()
        return seconds

    def callLater(self, delay: float, call: Any, *args: Any, **named: Any) -> Any:
        """
        See L{twisted.internet.interfaces.IReactorTime.callLater}.
        """
        later = self.reactor.callLater(delay, call, *args, **named)
        self._calls.add(later)
        return later

    def listenUDP(self, *args: Any, **named: Any) -> Any:
        """
        See L{twisted.internet.interfaces.IReactorUDP.listenUDP}.
        """
        port = self.reactor.listenUDP(*args, **named)
        self._ports.add(port)
        return port

    def connectTCP(self, *args: Any, **named: Any) -> Any:
        """
        See L{twisted.internet.interfaces.IReactorTCP.connectTCP}.
        """
        connector = self.reactor.connectTCP(*args, **named)
        self._connectors.add(connector)
        return connector

    def takeBack(self) -> None:
        """
        Make no more calls, and close what is open.
        """
        for call in tuple(self._calls):
            if call.active():
                call.cancel()
        # One that has been closed in this turn is still there, and must not be closed twice.
        for port in self._ports & set(self.reactor.getReaders()):
            port.stopListening()
        for connector in tuple(self._connectors):
            connector.disconnect()
