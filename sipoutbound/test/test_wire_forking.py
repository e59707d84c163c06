"""
Whom a call reaches when a user has several phones, and what the caller hears of it
(RFC 3261 16.6, 16.7).
"""

from __future__ import annotations

from typing import Final

from sipoutbound.message.message import Request
from sipoutbound.test.laboratory import WireTestCase
from sipoutbound.test.phone import Phone

# What two phones answer, and what the caller hears. 430 is the worst of 4xx, which is better than
# 5xx; where nothing else is left, it is 480. 503 would be about us.
BEST: Final = (
    ((486, 404), 486),
    ((404, 486), 404),
    ((500, 486), 486),
    ((302, 404), 302),
    ((404, 401), 401),
    ((486, 484), 484),
    ((430, 408), 408),
    ((430, 404), 404),
    ((430, 500), 480),
    ((430, 430), 480),
    ((503, 503), 500),
    ((503, 501), 500),
)


class ForkTests(WireTestCase):
    """
    One user with several phones.
    """

    async def phones(self, *preferences: bytes) -> tuple[Phone, list[Phone]]:
        """
        A caller, and the phones of whom it calls, each with its q.
        """
        phones = []
        for at, q in enumerate(preferences):
            phone = await self.phone(b"bob", (b"UDP", b"TCP")[at % 2])
            phones.append(await phone.registered(contact=phone.binding() + b";q=" + q))
        return await self.registered(b"alice"), phones

    async def ring(self, *preferences: bytes) -> tuple[Phone, list[Phone], list[Request]]:
        """
        The same, called.

        @return: the caller, the phones, and the requests as they came.
        """
        alice, phones = await self.phones(*preferences)
        alice.ask(b"INVITE", phones[0].aor)
        return alice, phones, [await phone.asked(b"INVITE") for phone in phones]

    async def test_parallel(self) -> None:
        """
        All phones ring; one answers, the other stops.
        """
        alice, (one, other), (first, second) = await self.ring(b"1", b"1")
        self.assertNotEqual(first.via.branch, second.via.branch)
        one.answer(first, 180)
        await alice.told(180)
        other.answer(second, 183)
        await alice.told(183)
        other.answer(second, 200)
        await alice.told(200)
        one.answer(await one.asked(b"CANCEL"), 200)
        one.answer(first, 487)
        await one.asked(b"ACK")
        await alice.hearsNothing()
        await other.hearsNothing()

    async def test_bothAnswer(self) -> None:
        """
        Both phones are picked up in the same moment: the caller gets both answers.
        """
        alice, (one, other), (first, second) = await self.ring(b"1", b"1")
        for phone, invite in ((one, first), (other, second)):
            phone.answer(invite, 180)
            await alice.told(180)
        one.answer(first, 200)
        await alice.told(200)
        await other.asked(b"CANCEL")
        other.answer(second, 200)
        await alice.told(200)

    async def test_preference(self) -> None:
        """
        A phone of lower q rings when those of higher q have refused, and not before.
        """
        alice, (low, high) = await self.phones(b"0.3", b"0.7")
        alice.ask(b"INVITE", low.aor)
        invite = await high.asked(b"INVITE")
        await low.hearsNothing()
        high.answer(invite, 486)
        low.answer(await low.asked(b"INVITE"), 200)
        await alice.told(200)
        await alice.hearsNothing()

    async def test_cancelAll(self) -> None:
        """
        The caller gives up: all phones stop, and a phone of lower q never rings.
        """
        alice, phones = await self.phones(b"1", b"1", b"0.1")
        *ringing, low = phones
        sent = alice.ask(b"INVITE", low.aor)
        invites = [await phone.asked(b"INVITE") for phone in ringing]
        for phone, invite in zip(ringing, invites, strict=True):
            phone.answer(invite, 180)
            await alice.told(180)
        alice.cancel(sent)
        await alice.told(200)
        for phone, invite in zip(ringing, invites, strict=True):
            phone.answer(await phone.asked(b"CANCEL"), 200)
            phone.answer(invite, 487)
            await phone.asked(b"ACK")
        alice.acknowledge(sent, await alice.told(487))
        await low.hearsNothing()

    async def test_best(self) -> None:
        """
        Of several refusals the caller hears the one that says most (RFC 3261 16.7 step 6): the
        lowest class, what tells how to succeed, and a failed flow last.
        """
        alice, phones = await self.phones(b"1", b"1")
        for answers, best in BEST:
            alice.ask(b"INVITE", phones[0].aor)
            for phone, status in zip(phones, answers, strict=True):
                phone.answer(await phone.asked(b"INVITE"), status)
                await phone.asked(b"ACK")
            await alice.told(best)
            for phone in phones:
                await phone.registered()

    async def test_busyEverywhere(self) -> None:
        """
        A 6xx is the user's last word: the other phone stops, and none of lower q rings.
        """
        alice, phones = await self.phones(b"1", b"1", b"0.5")
        one, other, low = phones
        alice.ask(b"INVITE", one.aor)
        first, second = await one.asked(b"INVITE"), await other.asked(b"INVITE")
        other.answer(second, 180)
        await alice.told(180)
        one.answer(first, 603)
        await one.asked(b"ACK")
        other.answer(await other.asked(b"CANCEL"), 200)
        other.answer(second, 487)
        await alice.told(603)
        await low.hearsNothing()

    async def test_registersMeanwhile(self) -> None:
        """
        A phone that registers while another rings is called when that one has refused (RFC 3261
        16.5), and not over a second flow of its own.
        """
        alice, (bob,) = await self.phones(b"1")
        alice.ask(b"INVITE", bob.aor)
        invite = await bob.asked(b"INVITE")
        bob.answer(invite, 180)
        await alice.told(180)
        again = await self.registered(b"bob", b"TCP", 2, like=bob)
        late = await self.registered(b"bob")
        bob.answer(invite, 486)
        await bob.asked(b"ACK")
        late.answer(await late.asked(b"INVITE"), 200)
        await alice.told(200)
        await again.hearsNothing()

    async def test_challenges(self) -> None:
        """
        The challenges of all phones are told together (RFC 3261 16.7 step 7).
        """
        alice, phones, invites = await self.ring(b"1", b"1")
        for at, (phone, invite) in enumerate(zip(phones, invites, strict=True)):
            phone.answer(invite, 401, [(b"WWW-Authenticate", b'Digest realm="%d"' % at)])
            await phone.asked(b"ACK")
        told = (await alice.told(401)).texts(b"www-authenticate")
        self.assertEqual(sorted(told), [b'Digest realm="0"', b'Digest realm="1"'])

    async def test_messageForked(self) -> None:
        """
        A message goes to all phones of the best q; the caller hears of one success.
        """
        alice, phones = await self.phones(b"1", b"1")
        alice.ask(b"MESSAGE", phones[0].aor)
        for phone in phones:
            phone.answer(await phone.asked(b"MESSAGE"), 200)
        await alice.told(200)
        await alice.hearsNothing()

    async def test_ownTokens(self) -> None:
        """
        Each phone gets the token of its own flow (each branch its own Record-Route).
        """
        _, _, (first, second) = await self.ring(b"1", b"1")
        self.assertNotEqual(first.all(b"record-route")[0], second.all(b"record-route")[0])
        self.assertEqual(first.all(b"record-route")[1], second.all(b"record-route")[1])


class DurableForkTests(ForkTests):
    """
    The same with bindings in SQLite.
    """

    durable = True
