"""
What the running server takes for the same request and what not, and what it makes of answers that
come late (RFC 3261 17.1.3, 17.2.3; RFC 4320; RFC 6026).
"""

from __future__ import annotations

from sipoutbound.message.message import Request
from sipoutbound.test.dialog import Dialog
from sipoutbound.test.laboratory import WireTestCase
from sipoutbound.test.phone import DOMAIN, Phone
from sipoutbound.transaction.timers import OVERDUE, T1, T2

# A little more than what a timer takes: the server's clock counts in hundredths.
TICK = 0.02

# A Via as before RFC 3261, without a branch.
OLD = b"SIP/2.0/UDP 10.0.0.9:5099;rport"


class SameTests(WireTestCase):
    """
    The same request or another.
    """

    async def test_branches(self) -> None:
        """
        A branch that two clients have chosen both, or one for two methods, is no repetition.
        """
        bob = await self.registered(b"bob")
        one, other = await self.phone(b"one"), await self.phone(b"other")
        for phone, place, method in (
            (one, b"10.0.0.1", b"MESSAGE"), (other, b"10.0.0.2", b"MESSAGE"),
            (one, b"10.0.0.1:5070", b"MESSAGE"), (one, b"10.0.0.1", b"INFO"),
        ):  # fmt: skip
            via = b"SIP/2.0/UDP " + place + b";branch=z9hG4bKsame;rport"
            sent = phone.ask(method, bob.aor, via=via)
            arrived = await bob.asked(method)
            self.assertEqual(arrived.callId, sent.callId)
            bob.answer(arrived, 200)
            self.assertEqual((await phone.told(200)).callId, sent.callId)

    async def test_repeated(self) -> None:
        """
        All else may differ: the branch, its sent-by and the method make a repetition.
        """
        bob, one = await self.registered(b"bob"), await self.phone(b"one")
        via = b"SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKsame;rport"
        one.ask(b"MESSAGE", bob.aor, via=via)
        bob.answer(await bob.asked(b"MESSAGE"), 202)
        first = await one.told(202)
        one.ask(b"MESSAGE", bob.aor, via=via)
        self.assertEqual(bytes(await one.told(202)), bytes(first))
        await bob.hearsNothing()

    async def old(self) -> tuple[Phone, Phone, Request]:
        """
        A caller of RFC 2543, who repeats its INVITE; a callee who rings.
        """
        bob, old = await self.registered(b"bob"), await self.phone(b"old")
        sent = old.ask(b"INVITE", bob.aor, via=OLD)
        invite = await bob.asked(b"INVITE")
        bob.answer(invite, 180)
        await old.told(180)
        old.send(sent)
        await old.told(180)
        self.invite = invite
        return bob, old, sent

    async def test_oldCancel(self) -> None:
        """
        A caller without branches can cancel; it acknowledges the end, and hears it no more.
        """
        bob, old, sent = await self.old()
        old.cancel(sent)
        self.assertEqual((await old.told(200)).cseq.method, b"CANCEL")
        bob.answer(await bob.asked(b"CANCEL"), 200)
        bob.answer(self.invite, 487)
        await bob.asked(b"ACK")
        old.acknowledge(sent, await old.told(487))
        await old.hearsNothing()
        self.advance(T1 + TICK)
        await old.hearsNothing()
        await bob.hearsNothing()

    async def test_oldAck(self) -> None:
        """
        Its ACK for an answer may look like that for a failure, which is for the server alone: it
        reaches the callee, sent to the callee's Contact or to where the INVITE was.
        """
        bob, old, sent = await self.old()
        bob.answer(self.invite, 200)
        answer = await old.told(200)
        side = Dialog.ofCaller(old, answer)
        old.send(sent)
        await old.hearsNothing()
        self.patch(Phone, "via", lambda phone: OLD)
        side.ask(b"ACK", 1)
        self.assertEqual((await bob.asked(b"ACK")).callId, sent.callId)
        old.acknowledge(sent, answer)
        self.assertEqual((await bob.asked(b"ACK")).callId, sent.callId)


class LateTests(WireTestCase):
    """
    Answers that are late.
    """

    async def test_trying(self) -> None:
        """
        Over UDP and TCP alike a message that takes long is answered 100 when its client has come to
        repeat it slowly, and no sooner: it would take the 100 for no loss at all.
        """
        bob = await self.registered(b"bob")
        for transport in (b"UDP", b"TCP"):
            alice = await self.registered(b"alice-" + transport, transport)
            sent = alice.ask(b"MESSAGE", bob.aor)
            message = await bob.asked(b"MESSAGE")
            self.advance(OVERDUE - 0.1)
            await bob.asked(b"MESSAGE")
            await alice.hearsNothing()
            self.advance(0.1 + TICK)
            await alice.told(100)
            alice.send(sent)
            await alice.told(100)
            bob.answer(message, 200)
            await alice.told(200)
            await self.quiet(bob)

    async def quiet(self, phone: Phone) -> None:
        """
        Hear all that the server has sent until now.
        """
        question = phone.ask(b"OPTIONS", b"sip:" + DOMAIN)
        while (await phone.hears()).callId != question.callId:
            pass

    async def test_ringing(self) -> None:
        """
        That a message "rings" is told nobody, whatever the callee says (RFC 4320 4.1).
        """
        alice, bob = await self.registered(b"alice"), await self.registered(b"bob")
        for method in (b"MESSAGE", b"INFO", b"SUBSCRIBE"):
            alice.ask(method, bob.aor)
            message = await bob.asked(method)
            for status in (180, 183, 199):
                bob.answer(message, status)
            await bob.hearsNothing()
            await alice.hearsNothing()
            bob.answer(message, 200)
            await alice.told(200)

    async def test_message(self) -> None:
        """
        An answer to a message that comes when its sender has given up is sent nowhere: neither it
        nor a 408 (RFC 4320 4.2).
        """
        for transport in (b"UDP", b"TCP"):
            alice = await self.registered(b"alice", transport)
            bob = await self.registered(b"bob", transport)
            alice.ask(b"MESSAGE", bob.aor)
            message = await bob.asked(b"MESSAGE")
            bob.answer(message, 100)
            await bob.hearsNothing()
            self.advance(OVERDUE + TICK)
            await alice.told(100)
            self.advance(64 * T1 + TICK)
            bob.answer(message, 200)
            await self.quiet(bob)
            await alice.hearsNothing()

    async def test_call(self) -> None:
        """
        An answer to a call is passed on for 32 s, and then to nobody, even if nothing else is wrong
        with it (RFC 6026 7.2, 8.3).
        """
        alice, bob = await self.registered(b"alice"), await self.registered(b"bob")
        alice.ask(b"INVITE", bob.aor)
        said = bob.answer(await bob.asked(b"INVITE"), 200)
        await alice.told(200)
        for _ in range(2):
            self.advance(T2)
            bob.send(said)
            await alice.told(200)
        self.advance(64 * T1)
        bob.send(said)
        await bob.hearsNothing()
        await alice.hearsNothing()

    async def test_atOnce(self) -> None:
        """
        A REGISTER is answered before its client repeats it the first time.
        """
        alice = await self.phone(b"alice")
        since = self.laboratory.clock.seconds()
        await alice.registered()
        self.assertLess(self.laboratory.clock.seconds() - since, T1)


class DurableLateTests(LateTests):
    """
    The same, with bindings in SQLite.
    """

    durable = True
