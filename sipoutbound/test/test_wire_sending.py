"""
Requests that are too large for UDP, and where responses may come (RFC 3261 18.1).
"""

from __future__ import annotations

from typing import Any

from attrs import evolve

from sipoutbound.test.directories import srv
from sipoutbound.test.laboratory import Laboratory
from sipoutbound.test.locating import HOST, URI, LocatingTestCase
from sipoutbound.test.phone import Phone


class SizeTests(LocatingTestCase):
    """
    Requests that are too large for UDP, and how connections are used (RFC 3261 18.1.1).
    """

    async def message(self, size: int, uri: bytes) -> Any:
        """
        A MESSAGE with a body of this size.
        """
        alice = await self.registered(b"alice")
        alice.ask(b"MESSAGE", uri, body=b"x" * size)
        return alice

    async def test_large(self) -> None:
        """
        A request of more than 1300 octets goes over TCP to the same place, and its Via says so.
        """
        tcp = self.streamServer()
        udp = await self.phone(b"foreign", b"UDP", tcp.address[1])
        alice = await self.message(1300, b"sip:f@%b:%d" % (HOST, tcp.address[1]))
        flow = await self.accepted(tcp)
        message = await flow.asked(b"MESSAGE")
        self.assertEqual((message.via.transport, len(message.body)), (b"TCP", 1300))
        flow.answer(message, 200)
        await alice.told(200)
        await udp.hearsNothing()

    async def test_limit(self) -> None:
        """
        It is the size of what is sent that counts: 1300 octets go over UDP, one more over TCP.
        """
        tcp = self.streamServer()
        udp = await self.phone(b"foreign", b"UDP", tcp.address[1])
        uri = b"sip:f@%b:%d" % (HOST, tcp.address[1])
        alice = await self.message(500, uri)
        probe = await udp.asked(b"MESSAGE")
        udp.answer(probe, 200)
        await alice.told(200)
        fit = 500 + 1300 - len(bytes(probe))
        alice.ask(b"MESSAGE", uri, body=b"x" * (fit - 1), callId=probe.callId + b"2")
        message = await udp.asked(b"MESSAGE")
        self.assertEqual(len(bytes(message)), 1300)
        udp.answer(message, 200)
        await alice.told(200)
        alice.ask(b"MESSAGE", uri, body=b"x" * fit, callId=probe.callId + b"2")
        await (await self.accepted(tcp)).asked(b"MESSAGE")

    async def test_offered(self) -> None:
        """
        A domain that has servers for TCP gets it there.
        """
        (udp,), tcp = await self.servers(10), self.streamServer()
        self.dns.add("_sip._tcp.foreign.test", srv(1, tcp.address[1], b"a.test"))
        await self.message(1300, URI)
        await (await self.accepted(tcp)).asked(b"MESSAGE")
        await udp.hearsNothing()

    async def test_back(self) -> None:
        """
        A server that refuses TCP gets it over UDP, whatever its size.
        """
        (udp,) = await self.servers(10)
        alice = await self.message(5000, URI)
        message = await udp.asked(b"MESSAGE")
        self.assertEqual((message.via.transport, len(message.body)), (b"UDP", 5000))
        udp.answer(message, 200)
        await alice.told(200)

    async def test_largeDatagram(self) -> None:
        """
        A datagram of 60,000 octets is taken, and passed on whole.
        """
        tcp = self.streamServer()
        await self.message(60_000, b"sip:f@%b:%d;transport=tcp" % (HOST, tcp.address[1]))
        message = await (await self.accepted(tcp)).asked(b"MESSAGE")
        self.assertEqual(message.body, b"x" * 60_000)

    async def test_oneConnection(self) -> None:
        """
        A second request takes the connection that the first has made; its response comes back on
        it.
        """
        alice, tcp = await self.registered(b"alice"), self.streamServer()
        uri = b"sip:f@%b:%d;transport=tcp" % (HOST, tcp.address[1])
        alice.ask(b"MESSAGE", uri)
        flow = await self.accepted(tcp)
        for _ in range(2):
            flow.answer(await flow.asked(b"MESSAGE"), 200)
            await alice.told(200)
            alice.ask(b"MESSAGE", uri)
        await flow.asked(b"MESSAGE")
        self.assertEqual(len(tcp.lines), 1)


class ResponseTests(LocatingTestCase):
    """
    Where responses to our requests may come (RFC 3261 18.1.1, 18.1.2).
    """

    async def test_otherConnection(self) -> None:
        """
        A server answers over a connection of its own to the address and port in our Via.
        """
        alice, tcp = await self.registered(b"alice"), self.streamServer()
        alice.ask(b"MESSAGE", b"sip:f@%b:%d;transport=tcp" % (HOST, tcp.address[1]))
        message = await (await self.accepted(tcp)).asked(b"MESSAGE")
        port = message.via.port
        assert port is not None
        back = await Phone.at((message.via.host.decode(), port), b"foreign", b"TCP")
        self.laboratory.phones.append(back)
        back.answer(message, 200)
        await alice.told(200)

    async def test_otherSocket(self) -> None:
        """
        Over UDP it may come from any socket to the address and port in our Via, which are those
        that we listen at.
        """
        alice = await self.registered(b"alice")
        one, other = await self.server(), await self.server()
        alice.ask(b"MESSAGE", b"sip:f@%b:%d" % (HOST, one.local[1]))
        message = await one.asked(b"MESSAGE")
        via = message.via
        self.assertEqual((via.host.decode(), via.port), self.laboratory.addresses()[b"UDP"])
        other.answer(message, 200)
        await alice.told(200)

    async def test_foreignSentBy(self) -> None:
        """
        A response whose Via names another host or port than ours is none for us.
        """
        alice, one = await self.registered(b"alice"), await self.server()
        alice.ask(b"MESSAGE", b"sip:f@%b:%d" % (HOST, one.local[1]))
        message = await one.asked(b"MESSAGE")
        assert message.via.port is not None
        ours = b"%b:%d" % (message.via.host, message.via.port)
        for sentBy in (b"192.0.2.1:%d" % message.via.port, HOST, HOST + b":1", b"x.example.com"):
            head = bytes(message).replace(b" " + ours + b";", b" " + sentBy + b";", 1)
            one.send(reply(head))
        await alice.hearsNothing()
        one.send(reply(bytes(message)))
        await alice.told(200)


class NameTests(LocatingTestCase):
    """
    The sent-by of our Via, by which others know us.
    """

    async def sent(self, laboratory: Laboratory, transport: bytes) -> bytes:
        """
        The topmost Via of a request that leaves over this transport.
        """
        alice = await laboratory.phone(b"alice")
        await alice.registered()
        if transport == b"UDP":
            other = await laboratory.phone(b"foreign")
            alice.ask(b"MESSAGE", b"sip:f@%b:%d" % (HOST, other.local[1]))
        else:
            tcp = self.streamServer()
            alice.ask(b"MESSAGE", b"sip:f@%b:%d;transport=tcp" % (HOST, tcp.address[1]))
            other = await self.accepted(tcp)
        return (await other.asked(b"MESSAGE")).all(b"via")[0].partition(b";")[0]

    async def test_address(self) -> None:
        """
        Unless anything else is said it is the address and the port that we listen at.
        """
        for transport in (b"UDP", b"TCP"):
            here = b"%b:%d" % (HOST, self.laboratory.addresses()[transport][1])
            via = await self.sent(self.laboratory, transport)
            self.assertEqual(via, b"SIP/2.0/%b %b" % (transport, here))

    async def test_advertised(self) -> None:
        """
        If a name is advertised it is that; without a port where the default one is meant.
        """
        advertise = {"udp": ("sip.example.test", None), "tcp": ("sip.example.test", 5070)}
        listen = tuple(evolve(place, port=0) for place in self.laboratory.settings.listen)
        settings = evolve(self.laboratory.settings, advertise=advertise, listen=listen)
        other = Laboratory(settings)
        other.start()
        self.addCleanup(other.close)
        named = (b"UDP", b"sip.example.test"), (b"TCP", b"sip.example.test:5070")
        for transport, sentBy in named:
            via = await self.sent(other, transport)
            self.assertEqual(via, b"SIP/2.0/%b %b" % (transport, sentBy))


def reply(request: bytes) -> bytes:
    """
    A 200 with the headers of a request.
    """
    return b"SIP/2.0 200 OK\r\n" + request.partition(b"\r\n")[2]
