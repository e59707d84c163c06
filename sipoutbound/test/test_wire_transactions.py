"""
What is repeated between the phones and the running server, and what is not (RFC 3261 17, RFC 6026).
"""

from __future__ import annotations

from typing import Final

from sipoutbound.test.dialog import Dialog
from sipoutbound.test.laboratory import WireTestCase
from sipoutbound.test.phone import DOMAIN, Phone
from sipoutbound.transaction.timers import T1, T2, T4

# A little more than T1, 2*T1, and so on: the server's clock counts in hundredths.
TICK: Final = 0.02


class UDPTests(WireTestCase):
    """
    Caller and callee use UDP, which loses datagrams.
    """

    async def pair(self) -> tuple[Phone, Phone]:
        """
        The caller and the callee.
        """
        return await self.registered(b"alice"), await self.registered(b"bob")

    async def test_inviteRepeated(self) -> None:
        """
        The caller repeats its INVITE: it hears the last response again, the callee rings once.
        """
        alice, bob = await self.pair()
        sent = alice.ask(b"INVITE", bob.aor)
        invite = await bob.asked(b"INVITE")
        trying = await alice.told(100)
        alice.send(sent)
        self.assertEqual(bytes(await alice.told(100)), bytes(trying))
        bob.answer(invite, 180)
        ringing = await alice.told(180)
        alice.send(sent)
        self.assertEqual(bytes(await alice.told(180)), bytes(ringing))
        await bob.hearsNothing()

    async def test_inviteRepeatedLate(self) -> None:
        """
        A repeated INVITE that arrives after the answer is no new call (RFC 6026 7.1).
        """
        alice, bob = await self.pair()
        sent = alice.ask(b"INVITE", bob.aor)
        bob.answer(await bob.asked(b"INVITE"), 200)
        await alice.told(200)
        alice.send(sent)
        await alice.hearsNothing()
        self.advance(T2)
        alice.send(sent)
        await alice.hearsNothing()
        await bob.hearsNothing()

    async def test_messageRepeated(self) -> None:
        """
        A message that the caller repeats arrives once, and is answered as often as it came.
        """
        alice, bob = await self.pair()
        sent = alice.ask(b"MESSAGE", bob.aor)
        message = await bob.asked(b"MESSAGE")
        alice.send(sent)
        await alice.hearsNothing()
        bob.answer(message, 200)
        first = bytes(await alice.told(200))
        for _ in range(2):
            self.advance(T2)
            alice.send(sent)
            self.assertEqual(bytes(await alice.told(200)), first)
        await bob.hearsNothing()

    async def test_repeatedWithoutBranch(self) -> None:
        """
        The same from a client of RFC 2543, which knows no branches.
        """
        _, bob = await self.pair()
        old = await self.phone(b"old")
        sent = old.ask(b"MESSAGE", bob.aor, via=b"SIP/2.0/UDP 10.0.0.9:5099;rport")
        message = await bob.asked(b"MESSAGE")
        old.send(sent)
        await old.hearsNothing()
        await bob.hearsNothing()
        bob.answer(message, 200)
        await old.told(200)

    async def test_refusalRepeated(self) -> None:
        """
        The caller hears a refusal again and again until it acknowledges it.
        """
        alice, bob = await self.pair()
        sent = alice.ask(b"INVITE", bob.aor)
        bob.answer(await bob.asked(b"INVITE"), 486)
        refusal = await alice.told(486)
        interval = T1
        for _ in range(5):
            self.advance(interval + TICK)
            self.assertEqual(bytes(await alice.told(486)), bytes(refusal))
            interval = min(2 * interval, T2)
        alice.send(sent)
        await alice.told(486)
        alice.acknowledge(sent, refusal)
        alice.acknowledge(sent, refusal)
        await alice.hearsNothing()
        self.advance(T2 + TICK)
        alice.send(sent)
        await alice.hearsNothing()

    async def test_neverAcknowledged(self) -> None:
        """
        A caller that never acknowledges a refusal is not bothered for ever (timer H).
        """
        alice = await self.registered(b"alice")
        alice.ask(b"INVITE", b"sip:nobody@" + DOMAIN)
        await alice.told(480)
        self.advance(64 * T1 + TICK)
        await alice.told(480)
        await alice.hearsNothing()
        self.advance(T2 + TICK)
        await alice.hearsNothing()

    async def test_inviteUnanswered(self) -> None:
        """
        The server repeats its INVITE until the callee says anything at all.
        """
        alice, bob = await self.pair()
        alice.ask(b"INVITE", bob.aor)
        invite = await bob.asked(b"INVITE")
        for interval in (T1, 2 * T1, 4 * T1, 8 * T1):
            self.advance(interval + TICK)
            self.assertEqual(bytes(await bob.asked(b"INVITE")), bytes(invite))
        bob.answer(invite, 100)
        await bob.hearsNothing()
        self.advance(16 * T1 + TICK)
        await bob.hearsNothing()

    async def test_messageUnanswered(self) -> None:
        """
        The server repeats any other request until it is answered, no slower than every T2.
        """
        alice, bob = await self.pair()
        alice.ask(b"MESSAGE", bob.aor)
        message = await bob.asked(b"MESSAGE")
        for interval in (T1, 2 * T1, 4 * T1, T2, T2):
            self.advance(interval + TICK)
            self.assertEqual(bytes(await bob.asked(b"MESSAGE")), bytes(message))
        bob.answer(message, 200)
        await alice.told(200)
        self.advance(T2 + TICK)
        await bob.hearsNothing()

    async def test_refusalHeardTwice(self) -> None:
        """
        The callee did not get the ACK for its refusal: it gets another, the caller hears nothing.
        """
        alice, bob = await self.pair()
        sent = alice.ask(b"INVITE", bob.aor)
        said = bob.answer(await bob.asked(b"INVITE"), 486)
        ack = await bob.asked(b"ACK")
        alice.acknowledge(sent, await alice.told(486))
        bob.send(said)
        self.assertEqual(bytes(await bob.asked(b"ACK")), bytes(ack))
        await alice.hearsNothing()

    async def test_answerHeardTwice(self) -> None:
        """
        The callee repeats its answer to a message: the caller hears it once.
        """
        alice, bob = await self.pair()
        alice.ask(b"MESSAGE", bob.aor)
        said = bob.answer(await bob.asked(b"MESSAGE"), 200)
        await alice.told(200)
        bob.send(said)
        await bob.hearsNothing()
        await alice.hearsNothing()
        self.advance(T4 + TICK)
        bob.send(said)
        await bob.hearsNothing()
        await alice.hearsNothing()

    async def test_cancelRepeated(self) -> None:
        """
        A CANCEL that the caller repeats is answered each time, and sent on once.
        """
        alice, bob = await self.pair()
        sent = alice.ask(b"INVITE", bob.aor)
        invite = await bob.asked(b"INVITE")
        bob.answer(invite, 180)
        await alice.told(180)
        for _ in range(3):
            alice.cancel(sent)
            self.assertEqual((await alice.told(200)).cseq.method, b"CANCEL")
        bob.answer(await bob.asked(b"CANCEL"), 200)
        await bob.hearsNothing()

    async def test_stray(self) -> None:
        """
        A response to nothing, and an ACK of nothing, reach nobody (RFC 6026 8.9).
        """
        alice, bob = await self.pair()
        alice.ask(b"MESSAGE", bob.aor)
        message = await bob.asked(b"MESSAGE")
        told = bob.answer(message, 200)
        await alice.told(200)
        bob.send(told.replace(message.via.branch or b"", b"z9hG4bKnone"))
        bob.send(told.replace(b"CSeq: 2 MESSAGE", b"CSeq: 2 INFO"))
        alice.again(alice.compose(b"INVITE", b"sip:nobody@" + DOMAIN), b"ACK")
        await bob.hearsNothing()
        await alice.hearsNothing()


class TCPTests(WireTestCase):
    """
    Caller and callee use TCP, which loses nothing: nobody repeats anything.
    """

    async def test_nothingRepeated(self) -> None:
        """
        Neither the server's request nor its refusal comes twice.
        """
        alice, bob = await self.registered(b"alice", b"TCP"), await self.registered(b"bob", b"TCP")
        sent = alice.ask(b"INVITE", bob.aor)
        invite = await bob.asked(b"INVITE")
        self.advance(T2)
        await bob.hearsNothing()
        bob.answer(invite, 486)
        await bob.asked(b"ACK")
        refusal = await alice.told(486)
        self.advance(T2)
        await alice.hearsNothing()
        alice.acknowledge(sent, refusal)
        await alice.hearsNothing()
        await bob.hearsNothing()

    async def test_answerRepeated(self) -> None:
        """
        But for the 200 of a call: the callee repeats it over TCP too, and it goes to the caller.
        """
        alice, bob = await self.registered(b"alice", b"TCP"), await self.registered(b"bob", b"TCP")
        alice.ask(b"INVITE", bob.aor)
        said = bob.answer(await bob.asked(b"INVITE"), 200)
        side = Dialog.ofCaller(alice, await alice.told(200))
        self.advance(T1)
        bob.send(said)
        await alice.told(200)
        side.ask(b"ACK", 1)
        await bob.asked(b"ACK")

    async def test_manyInOneSegment(self) -> None:
        """
        Requests that come in one piece, or octet by octet, are answered in order.
        """
        alice = await self.phone(b"alice", b"TCP")
        asked = [alice.compose(b"OPTIONS", b"sip:" + DOMAIN) for _ in range(20)]
        whole = b"".join(map(bytes, asked))
        alice.send(whole)
        for request in asked:
            self.assertEqual((await alice.told(200)).callId, request.callId)
        alice.line.transport.setTcpNoDelay(True)
        for octet in bytes(alice.compose(b"OPTIONS", b"sip:" + DOMAIN)):
            alice.send(bytes((octet,)))
        await alice.told(200)


class OverloadTests(WireTestCase):
    """
    More requests than the server has room for.
    """

    async def test_overload(self) -> None:
        """
        What is too much is told so and when to come back (503, Retry-After), and is served then;
        what is under way goes on.
        """
        alice, bob = await self.registered(b"alice"), await self.registered(b"bob")
        self.advance(64 * T1 + TICK)
        self.laboratory.server.stack.room = 2
        for _ in range(2):
            alice.ask(b"MESSAGE", bob.aor)
        waiting = [await bob.asked(b"MESSAGE") for _ in range(2)]
        refused = alice.ask(b"MESSAGE", bob.aor)
        self.assertEqual((await alice.told(503)).first(b"retry-after"), b"5")
        for message in waiting:
            bob.answer(message, 200)
            await alice.told(200)
        self.advance(64 * T1 + TICK)
        alice.send(refused)
        bob.answer(await bob.asked(b"MESSAGE"), 200)
        await alice.told(200)


class LeftoverTests(WireTestCase):
    """
    What the server keeps in mind.
    """

    async def test_forgotten(self) -> None:
        """
        When calls are over and their time is, nothing of them is left.
        """
        alice, bob = await self.registered(b"alice"), await self.registered(b"bob", b"TCP")
        side, _ = await self.talk(alice, bob)
        side.ask(b"BYE")
        bob.answer(await bob.asked(b"BYE"), 200)
        await alice.told(200)
        sent = alice.ask(b"INVITE", bob.aor)
        invite = await bob.asked(b"INVITE")
        bob.answer(invite, 180)
        await alice.told(180)
        alice.cancel(sent)
        await alice.told(200)
        bob.answer(await bob.asked(b"CANCEL"), 200)
        bob.answer(invite, 487)
        alice.acknowledge(sent, await alice.told(487))
        await alice.hearsNothing()
        stack = self.laboratory.server.stack
        for _ in range(2):
            self.advance(64 * T1 + TICK)
        self.assertEqual((stack.servers, stack.clients), ({}, {}))
