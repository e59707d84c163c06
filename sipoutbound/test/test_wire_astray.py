"""
Responses to servers whose connection has broken meanwhile (RFC 3261 18.2.2, RFC 3263 5).
"""

from __future__ import annotations

from sipoutbound.message.message import Request
from sipoutbound.settings import LOOPBACK as TRUSTED
from sipoutbound.test.directories import a
from sipoutbound.test.locating import LocatingTestCase
from sipoutbound.test.phone import Phone


class AstrayTestCase(LocatingTestCase):
    """
    What the tests of this module share.
    """

    async def lost(self, sentBy: bytes, params: bytes = b"") -> tuple[Phone, Request]:
        """
        A server asks bob something over TCP, and loses its connection.

        @return: bob, and what he was asked.
        """
        bob, caller = await self.registered(b"bob"), await self.phone(b"proxy", b"TCP")
        via = b"SIP/2.0/TCP " + sentBy + b";branch=z9hG4bKlost" + params
        caller.ask(b"MESSAGE", bob.aor, via=via)
        message = await bob.asked(b"MESSAGE")
        await caller.abort()
        await self.laboratory.until(
            lambda: not list(self.laboratory.server.flows.streams()), "the end of its flow"
        )
        return bob, message


class AstrayTests(AstrayTestCase):
    """
    A server that we trust.
    """

    trust = TRUSTED

    async def test_address(self) -> None:
        """
        It is connected to at the address it came from and the port that it has named; or else at
        the address that it has named.
        """
        for host in ("127.0.0.1", "127.0.0.2"):
            proxy = self.streamServer(host)
            place = b"%b:%d" % (host.encode(), proxy.address[1])
            bob, message = await self.lost(place)
            bob.answer(message, 200)
            response = await (await self.accepted(proxy)).told(200)
            self.assertEqual(response.via.branch, b"z9hG4bKlost")
            await proxy.close()

    async def test_name(self) -> None:
        """
        If nobody is there, where its name leads: one address after the other, here another machine
        that stands in for it.
        """
        backup = self.streamServer("127.0.0.2")
        self.dns.add("proxy.test", a("127.0.0.3"), a("127.0.0.2"))
        bob, message = await self.lost(b"proxy.test:%d" % backup.address[1])
        bob.answer(message, 200)
        await (await self.accepted(backup)).told(200)
        self.assertEqual(self.dns.asked, ["A proxy.test"])

    async def test_rport(self) -> None:
        """
        A phone behind a NAT has said C{rport}: nobody is connected to at the address that it
        believes to have.
        """
        other = self.streamServer("127.0.0.2")
        bob, message = await self.lost(b"127.0.0.2:%d" % other.address[1], b";rport")
        bob.answer(message, 200)
        await bob.hearsNothing()
        self.assertEqual(other.lines, [])


class StrangerTests(AstrayTestCase):
    """
    Anybody else.
    """

    async def test_elsewhere(self) -> None:
        """
        A stranger can't have us connect to a third by naming it in a Via.
        """
        victim = self.streamServer("127.0.0.2")
        self.dns.add("victim.test", a("127.0.0.2"))
        for host in (b"127.0.0.2", b"victim.test"):
            bob, message = await self.lost(b"%b:%d" % (host, victim.address[1]))
            bob.answer(message, 200)
            await bob.hearsNothing()
        self.assertEqual((victim.lines, self.dns.asked), ([], []))
