"""
Reads the datagrams of a UDP socket: all that wait, up to a bound, in one turn of the reactor.
"""

from __future__ import annotations

from typing import Any, Final, Protocol

from attrs import define
from twisted.internet.error import ConnectionLost
from twisted.internet.interfaces import IReadDescriptor
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from sipoutbound.transport.icmp import unreachable

log = Logger()

#: Datagrams in one turn at most: 256 REGISTERs take some 10 ms, then connections and timers go on.
AT_ONCE: Final = 256


class Taker(Protocol):
    """
    Whose datagrams they are.
    """

    @property
    def socket(self) -> Any:
        """
        Where they come from; non-blocking.
        """

    def receive(self) -> None:
        """
        Take the next one.

        @raise OSError: there is none, or an error of an earlier one that we sent is told (ip(7)).
        """

    def refused(self, address: Any) -> None:
        """
        A peer cannot be reached.

        @param address: as the socket tells it.
        """


@implementer(IReadDescriptor)
@define(eq=False, repr=False)
class Reader:
    """
    One socket that is being read.
    """

    reactor: Any
    taker: Taker

    def start(self) -> None:
        """
        Read from now on.
        """
        self.reactor.addReader(self)

    def stopListening(self) -> None:
        """
        Read no more.
        """
        self.reactor.removeReader(self)

    def fileno(self) -> int:
        """
        See L{twisted.internet.interfaces.IFileDescriptor}.
        """
        number: int = self.taker.socket.fileno()
        return number

    def logPrefix(self) -> str:
        """
        See L{twisted.internet.interfaces.ILoggingContext}.
        """
        return "UDP"

    def doRead(self) -> None:
        """
        Something waits.
        """
        receive = self.taker.receive
        for number in range(AT_ONCE):
            try:
                receive()
            except BlockingIOError:
                if number == 0:
                    self._errors()
                return
            except OSError:
                self._errors()

    def _errors(self) -> None:
        for peer in unreachable(self.taker.socket):
            try:
                self.taker.refused(peer)
            except Exception:
                log.failure("that {peer} cannot be reached was not taken", peer=peer)

    def connectionLost(self, reason: Failure) -> None:
        """
        The reactor takes a socket on which nothing waits but errors for one that is closed, and one
        of which the reading has failed for broken: take the errors and go on. Unless it stops.
        """
        if reason.check(ConnectionLost) is None and self.fileno() >= 0:
            self._errors()
            self.start()
