"""
Connections that clients have made, on the wire: used for requests to them, and kept while there may
be use for them (RFC 3261 18).
"""

from __future__ import annotations

from attrs import evolve

from sipoutbound.outbound.keepalive import SHORTEST
from sipoutbound.test.laboratory import WireTestCase
from sipoutbound.test.line import within

# Seconds: 64*T1, what a transaction takes that nobody answers (RFC 3261 17.1.1.2).
TRANSACTION = 32.0


class SharedConnectionTests(WireTestCase):
    """
    A connection is for both directions, whoever has made it.
    """

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
