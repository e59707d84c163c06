"""
Transports on the wire: UDP and TCP, connections shared by both directions, and kept while there may
be use for them (RFC 3261 18).
"""

from __future__ import annotations

from typing import Any

from attrs import evolve
from twisted.internet.protocol import Factory

from sipoutbound.outbound.keepalive import SHORTEST
from sipoutbound.test.laboratory import LOOPBACK, WireTestCase, reactor
from sipoutbound.test.line import Octets, within
from sipoutbound.test.phone import Phone

# Seconds: 64*T1, what a transaction takes that nobody answers (RFC 3261 17.1.1.2).
TRANSACTION = 32.0


class Lines(Factory):
    """
    Waits for connections of the server.
    """

    def __init__(self) -> None:
        self.lines: list[Octets] = []

    def buildProtocol(self, addr: Any) -> Octets:
        """
        One more.
        """
        self.lines.append(Octets((LOOPBACK, 0)))
        return self.lines[-1]


class TransportTests(WireTestCase):
    """
    Every SIP element has UDP and TCP.
    """

    async def test_both(self) -> None:
        """
        A client may choose either, and calls somebody who has chosen the other.
        """
        alice, bob = await self.registered(b"alice", b"UDP"), await self.registered(b"bob", b"TCP")
        for one, other in ((alice, bob), (bob, alice)):
            one.ask(b"MESSAGE", other.aor)
            other.answer(await other.asked(b"MESSAGE"), 200)
            await one.told(200)


class SharedConnectionTests(WireTestCase):
    """
    One connection between the server and a peer is enough.
    """

    async def listening(self) -> tuple[Lines, bytes]:
        """
        A peer that the server has to connect to.

        @return: its connections, and its URI.
        """
        lines = Lines()
        port = reactor.listenTCP(0, lines, interface=LOOPBACK)
        self.addCleanup(port.stopListening)
        return lines, b"sip:peer@127.0.0.1:%d;transport=tcp" % port.getHost().port

    async def answering(self, lines: Lines) -> Phone:
        """
        Who is at the other end of the server's connection, once there is one.
        """
        await self.laboratory.until(lambda: lines.lines, "a connection")
        phone = Phone(b"peer", lines.lines[0], (LOOPBACK, 0))
        self.laboratory.phones.append(phone)
        return phone

    async def test_nextRequest(self) -> None:
        """
        A peer that the server has connected to is not connected to again for the next request.
        """
        alice = await self.registered(b"alice")
        lines, uri = await self.listening()
        for _ in range(3):
            alice.ask(b"MESSAGE", uri)
            peer = await self.answering(lines)
            peer.answer(await peer.asked(b"MESSAGE"), 200)
            await alice.told(200)
        self.assertEqual(len(lines.lines), 1)

    async def test_otherDirection(self) -> None:
        """
        A peer may send its own requests over a connection that the server has made, and has its
        answers there.
        """
        alice = await self.registered(b"alice")
        lines, uri = await self.listening()
        alice.ask(b"MESSAGE", uri)
        peer = await self.answering(lines)
        peer.answer(await peer.asked(b"MESSAGE"), 200)
        await alice.told(200)
        peer.ask(b"MESSAGE", alice.aor)
        alice.answer(await alice.asked(b"MESSAGE"), 200)
        await peer.told(200)

    async def test_accepted(self) -> None:
        """
        A peer that has connected to the server is sent requests for its address and port over that
        connection; nothing listens there, so any other would be refused.
        """
        alice = await self.registered(b"alice")
        peer = await self.phone(b"peer", b"TCP")
        uri = b"sip:peer@127.0.0.1:%d;transport=tcp" % peer.local[1]
        alice.ask(b"MESSAGE", uri)
        peer.answer(await peer.asked(b"MESSAGE"), 200)
        await alice.told(200)


class KeptConnectionTests(WireTestCase):
    """
    A connection is not closed because nothing has come over it for a while.
    """

    async def test_silent(self) -> None:
        """
        A peer that has promised nothing finds its connection open after an hour.
        """
        peer = await self.phone(b"peer", b"TCP")
        peer.ask(b"OPTIONS", b"sip:example.test")
        await peer.told(200)
        self.advance(3600)
        await self.laboratory.turn()
        self.assertFalse(peer.line.closed.called)
        peer.ask(b"OPTIONS", b"sip:example.test")
        await peer.told(200)

    async def test_shortestFlowTimer(self) -> None:
        """
        A phone that is to be heard every 20 s, and is not, can still end what it has begun: it is
        given up only after a whole transaction's time.
        """
        await self.laboratory.crash()
        settings = self.laboratory.settings
        self.laboratory.settings = evolve(settings, flowTimer=SHORTEST)
        await self.laboratory.restart()
        alice = await self.registered(b"alice", b"TCP")
        self.advance(TRANSACTION + 1)
        await self.laboratory.turn()
        self.assertFalse(alice.line.closed.called)
        self.advance(TRANSACTION)
        await within(alice.line.closed, "the end of a connection that is silent for too long")

    async def test_ringing(self) -> None:
        """
        A phone may ring for longer than timer C and its Flow-Timer, if it says each minute that it
        still does, as it has to: neither end of the call is hung up on by the server.
        """
        caller = await self.phone(b"caller", b"TCP")
        alice = await self.registered(b"alice", b"TCP")
        caller.ask(b"INVITE", alice.aor)
        invite = await alice.asked(b"INVITE")
        for _ in range(5):
            alice.answer(invite, 180)
            await caller.told(180)
            self.advance(60)
            await self.laboratory.turn()
        alice.answer(invite, 200)
        await caller.told(200)
