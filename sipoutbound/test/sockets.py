"""
UDP clients of a service on real sockets.
"""

from __future__ import annotations

import socket
from typing import Any

from twisted.internet import reactor as theReactor
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from sipoutbound.interfaces import Address
from sipoutbound.test.wires import Place
from sipoutbound.transport.listen import DatagramService, bound

reactor: Any = theReactor


class SocketTestCase(TestCase):
    """
    Tests with a UDP service that is bound somewhere, and clients.
    """

    timeout = 30.0

    def setUp(self) -> None:
        """
        A place for flows.
        """
        self.place = Place(b"UDP")

    def served(self, interface: str) -> DatagramService:
        """
        A service for the time of the test.
        """
        opened = bound(socket.SOCK_DGRAM, interface, 0)
        service = DatagramService(reactor, self.place.listener, opened)
        service.startService()
        self.addCleanup(service.stopService)
        return service

    def client(self, host: str) -> socket.socket:
        """
        A client for the time of the test, which takes answers from anywhere.
        """
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        client = socket.socket(family, socket.SOCK_DGRAM)
        self.addCleanup(client.close)
        client.bind((host, 0))
        client.setblocking(False)
        return client

    async def heard(self, client: socket.socket) -> tuple[bytes, Address]:
        """
        What the client hears next, and from where.
        """
        for _ in range(500):
            try:
                data, peer = client.recvfrom(65536)
            except BlockingIOError:
                await deferLater(reactor, 0.01)
            else:
                return data, peer[:2]
        raise self.failureException("nothing was heard")

    async def until(self, condition: Any) -> None:
        """
        Let the reactor turn until something is so.
        """
        for _ in range(500):
            if condition():
                return
            await deferLater(reactor, 0.01)
        raise self.failureException("has not come true")
