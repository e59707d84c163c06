"""
The running server beside servers of other domains, and a DNS server that knows them.
"""

from __future__ import annotations

from collections.abc import Sequence

from sipoutbound.message.message import Request
from sipoutbound.test.directories import NameServer, a, srv
from sipoutbound.test.laboratory import LOOPBACK, WireTestCase
from sipoutbound.test.peer import Peer
from sipoutbound.test.phone import Phone

#: Somebody of another domain.
URI = b"sip:f@foreign.test"

HOST = LOOPBACK.encode()


class LocatingTestCase(WireTestCase):
    """
    The server asks a DNS server of the test.

    @ivar dead: others that it asks first.
    """

    dead: Sequence[NameServer] = ()

    def setUp(self) -> None:
        """
        Start both.
        """
        self.dns = NameServer().start()
        self.addCleanup(self.dns.stop)
        self.resolvers = (*(each.address for each in self.dead), self.dns.address)
        super().setUp()
        self.dns.add("a.test", a(LOOPBACK))

    async def server(self) -> Phone:
        """
        A server of another domain, over UDP.
        """
        return await self.phone(b"foreign")

    def streamServer(self, host: str = LOOPBACK) -> Peer:
        """
        One over TCP.
        """
        peer = Peer().listen(host)
        self.addCleanup(peer.close)
        return peer

    async def accepted(self, peer: Peer) -> Phone:
        """
        The next connection that is made to it.
        """
        return await peer.connected(b"foreign")

    async def servers(self, *priorities: int) -> list[Phone]:
        """
        Servers of foreign.test over UDP, each with its priority.
        """
        made = [await self.server() for _ in priorities]
        for phone, priority in zip(made, priorities, strict=True):
            self.dns.add("_sip._udp.foreign.test", srv(priority, phone.local[1], b"a.test"))
        return made

    async def repeated(self, phone: Phone, method: bytes) -> Request:
        """
        The next such request; others that are repeated meanwhile are passed by.
        """
        while True:
            request = await phone.hears(method.decode())
            if isinstance(request, Request) and request.method == method:
                return request
