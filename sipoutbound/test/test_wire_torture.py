"""
All messages of RFC 4475 and RFC 5118 at a started server: it survives them.
"""

from __future__ import annotations

from sipoutbound.message.framing import Limits, parseDatagram
from sipoutbound.message.message import Request, Response
from sipoutbound.test.badinput import BadInputTestCase
from sipoutbound.test.phone import DOMAIN, Phone
from sipoutbound.test.tortures import DOMAINS, FILES, octets


class TortureTests(BadInputTestCase):
    """
    What it logs as an error fails a test, as everywhere.
    """

    domains = (DOMAIN.decode(), *DOMAINS)

    async def survived(self) -> None:
        """
        Whoever was registered is reached still, and others can register.
        """
        await self.aliveAndWell()
        for transport in (b"UDP", b"TCP"):
            await self.registered(b"dave", transport)

    async def test_datagrams(self) -> None:
        """
        Each in a datagram, one after the other from one phone, then each again.
        """
        await self.witnesses()
        mallory = await self.phone(b"mallory")
        for name in (*FILES, *FILES):
            mallory.send(octets(name))
            await self.caughtUp(mallory)
        await self.survived()

    async def caughtUp(self, phone: Phone) -> set[bytes]:
        """
        Hear all that the server has to say until now.

        @return: the Call-IDs of what has got its final answer.
        """
        question = phone.ask(b"OPTIONS", b"sip:" + DOMAIN)
        answered: set[bytes] = set()
        while question.callId not in answered:
            response = await phone.hears()
            assert isinstance(response, Response), response
            if response.status >= 200:
                answered.add(response.first(b"call-id") or b"")
        return answered - {question.callId}

    async def test_connections(self) -> None:
        """
        Each over a connection of its own, in two pieces, which is broken off then.
        """
        await self.witnesses()
        for name in FILES:
            mallory = await self.phone(b"mallory", b"TCP")
            data = octets(name)
            mallory.send(data[:77])
            await self.laboratory.turn()
            mallory.send(data[77:])
            await self.laboratory.turn()
            await mallory.abort()
        await self.survived()

    async def test_oneConnection(self) -> None:
        """
        All whose end can be told, over one connection at once: each request gets its final answer,
        and the connection stays.
        """
        await self.witnesses()
        mallory = await self.phone(b"mallory", b"TCP")
        names = [name for name in FILES if name not in UNFRAMED]
        mallory.send(b"".join(map(octets, names)))
        messages = [parseDatagram(octets(name), Limits()) for name in names]
        asked = {each.first(b"call-id") or b"" for each in messages if isinstance(each, Request)}
        self.assertEqual(await self.caughtUp(mallory), asked)
        await self.survived()


# Their Content-Length is not that of their body, or there is none; or there is no empty line.
UNFRAMED = (
    "baddn", "clerr", "dblreq", "inv2543", "ipv6-in-sdp", "mcl01", "mult-ip-in-sdp", "ncl",
)  # fmt: skip
