"""
A cluster: a registrar and edges in front of it, each a server of its own on loopback sockets.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from attrs import evolve
from twisted.trial.unittest import TestCase

from sipoutbound import tap
from sipoutbound.message.uri import URI
from sipoutbound.settings import (
    CONNECTION,
    DATAGRAM,
    EDGE,
    LOOPBACK,
    MEMORY,
    REGISTRAR,
    Listen,
    Networks,
    Settings,
)
from sipoutbound.test.laboratory import LOOPBACK as HOST
from sipoutbound.test.laboratory import Laboratory, quietPort
from sipoutbound.test.phone import DOMAIN, Phone


class ClusterTestCase(TestCase):
    """
    Tests with a registrar and two edges.

    @cvar transport: how edges send to the registrar.
    @cvar trusted: whom the registrar trusts.
    """

    timeout = 60.0
    transport = b"TCP"
    trusted: Networks = LOOPBACK

    def setUp(self) -> None:
        """
        Start all three.
        """
        self.ahead = 0.0
        self.patch(tap, "time", lambda: time.time() + self.ahead)
        self.registrar = self.started(role=REGISTRAR, trust=self.trusted)
        self.home = self.uriOf(self.registrar)
        self.edges = [self.edge(self.home) for _ in range(2)]

    def edge(self, home: URI, trust: Networks = ()) -> Laboratory:
        """
        One more edge.

        @param trust: nobody, as the phones are on this machine too.
        """
        return self.started(role=EDGE, registrar=home, trust=trust)

    def uriOf(self, server: Laboratory) -> URI:
        """
        The URI by which an edge reaches a server.
        """
        host, port = server.addresses()[self.transport]
        text = b"sip:%b:%d;transport=%b" % (host.encode(), port, self.transport.lower())
        return URI.parse(text)

    def started(self, **settings: Any) -> Laboratory:
        """
        A running server, ended with the test.
        """
        state = Path(self.mktemp()).absolute()
        port = quietPort()
        listen = (Listen(DATAGRAM, port, HOST), Listen(CONNECTION, port, HOST))
        common = Settings(
            (DOMAIN.decode(),), listen, state=state, location=(MEMORY, None), allowAnonymous=True
        )
        server = Laboratory(evolve(common, **settings))
        server.start()
        self.addCleanup(server.close)
        return server

    async def phone(self, edge: int, user: bytes, transport: bytes = b"TCP") -> Phone:
        """
        A phone that has reached an edge.
        """
        return await self.edges[edge].phone(user, transport)

    async def flows(self, user: bytes, transport: bytes = b"TCP") -> tuple[Phone, Phone]:
        """
        A phone registered over both edges.
        """
        first, second = [await self.phone(edge, user, transport) for edge in range(2)]
        second.instance = first.instance
        await first.registered(1)
        await second.registered(2)
        return first, second

    def bindings(self) -> int:
        """
        How many bindings the registrar has.
        """
        return sum(1 for _ in self.registrar.server.location.bindings())
