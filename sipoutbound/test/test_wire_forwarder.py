"""
Clients behind a forwarder that says who they are (the PROXY protocol), over the wire.
"""

from __future__ import annotations

from typing import Final

from twisted.internet import reactor
from twisted.trial.unittest import TestCase

from sipoutbound.test.laboratory import LOOPBACK, quietPort
from sipoutbound.test.line import Datagrams, Octets, opened, within
from sipoutbound.test.wires import Place
from sipoutbound.transport.listen import EndpointService

# A message, and a ping, whose pong comes once the message has been taken.
SENT: Final = b"OPTIONS sip:x.org SIP/2.0\r\nContent-Length: 0\r\n\r\n\r\n\r\n"


class ForwarderTests(TestCase):
    """
    The endpoint C{haproxy:}.
    """

    def setUp(self) -> None:
        """
        Something listens for a forwarder.
        """
        self.place, self.address = Place(), (LOOPBACK, quietPort())
        endpoint = f"haproxy:tcp:{self.address[1]}:interface={LOOPBACK}"
        service = EndpointService(reactor, self.place.listener, endpoint)
        service.startService()
        self.addCleanup(service.stopService)

    async def heard(self, header: bytes) -> Datagrams | Octets:
        """
        A connection of a forwarder that has been heard.
        """
        line = await opened(self.address, b"TCP")
        line.write(header + SENT)
        self.assertEqual(await within(line.heard.get(), "a pong"), b"\r\n")
        return line

    async def end(self, line: Datagrams | Octets) -> None:
        """
        The connection ends, and nothing is left of it.
        """
        line.close()
        await within(line.closed, "the end of the connection")
        self.assertEqual([*self.place.flows.streams()], [])

    async def test_named(self) -> None:
        """
        The client is the one that the forwarder names: it is told its own address, and what that of
        the forwarder is trusted with is not for strangers.
        """
        line = await self.heard(b"PROXY TCP4 192.0.2.7 192.0.2.1 4000 5060\r\n")
        ((flow, _),) = self.place.messages
        self.assertEqual(flow.peer, ("192.0.2.7", 4000))
        self.assertEqual(flow.name, b"192.0.2.1:5060;transport=tcp")
        self.assertEqual([*self.place.flows.streams()], [flow])
        await self.end(line)

    async def test_unnamed(self) -> None:
        """
        What the forwarder sends for itself, such as to see whether we live, is its own.
        """
        line = await self.heard(b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0")
        ((flow, _),) = self.place.messages
        own = LOOPBACK, line.transport.getHost().port
        self.assertEqual((flow.peer, self.place.lost), (own, []))
        await self.end(line)
