"""
Phones that know nothing of outbound, and clients that are older than that (RFC 3261).
"""

from __future__ import annotations

from sipoutbound.test.laboratory import LOOPBACK, WireTestCase


class PlainPhoneTests(WireTestCase):
    """
    Phones that know nothing of outbound.
    """

    async def test_plainOverUDP(self) -> None:
        """
        A phone on a public address is called at its Contact, and both can hang up.
        """
        alice = await self.registered(b"alice")
        bob = await self.phone(b"bob")
        bob.contact = b"sip:bob@%b:%d" % (LOOPBACK.encode(), bob.local[1])
        await bob.registered(contact=b"<" + bob.contact + b">")
        sides = await self.talk(alice, bob)
        for side, other in (sides, sides[::-1]):
            side.ask(b"BYE")
            bye = await other.phone.asked(b"BYE")
            self.assertEqual(bye.uri, other.phone.contact)
            other.phone.answer(bye, 200)
            await side.phone.told(200)

    async def test_plainElsewhere(self) -> None:
        """
        A public Contact other than where the REGISTER came from, on the same host: that one counts.
        """
        alice = await self.registered(b"alice")
        desk = await self.phone(b"bob")
        phone = await self.phone(b"bob")
        phone.contact = b"sip:bob@%b:%d" % (LOOPBACK.encode(), phone.local[1])
        await desk.registered(contact=b"<" + phone.contact + b">")
        alice.ask(b"MESSAGE", phone.aor)
        phone.answer(await phone.asked(b"MESSAGE"), 200)
        await alice.told(200)

    async def test_sendsFromElsewhere(self) -> None:
        """
        A phone that sends from another port than it listens at can hang up.
        """
        alice = await self.registered(b"alice")
        listens, sends = await self.phone(b"bob"), await self.phone(b"bob")
        listens.contact = b"sip:bob@%b:%d" % (LOOPBACK.encode(), listens.local[1])
        await sends.registered(contact=b"<" + listens.contact + b">")
        _, side = await self.talk(alice, listens)
        side.phone = sends
        side.ask(b"BYE")
        alice.answer(await alice.asked(b"BYE"), 200)
        await sends.told(200)
        await listens.hearsNothing()

    async def test_privateContact(self) -> None:
        """
        A phone behind a NAT that asks for nothing is reached over the flow that it registered with,
        and so is what follows in the dialog.
        """
        for user, transport in ((b"bob", b"UDP"), (b"carol", b"TCP")):
            alice = await self.registered(b"alice", transport)
            phone = await self.phone(user, transport)
            await phone.registered(contact=b"<" + phone.contact + b">")
            sides = await self.talk(alice, phone)
            for side, other in (sides, sides[::-1]):
                side.ask(b"BYE")
                other.phone.answer(await other.phone.asked(b"BYE"), 200)
                await side.phone.told(200)

    async def test_invalidContact(self) -> None:
        """
        A Contact that says itself that it leads nowhere (RFC 7118 5.2) is never looked up.
        """
        alice = await self.registered(b"alice")
        bob = await self.phone(b"bob", b"TCP")
        bob.contact = b"sip:x7dg@nk2f0.invalid;transport=ws"
        await bob.registered(contact=b"<" + bob.contact + b">")
        alice.ask(b"MESSAGE", bob.aor)
        self.assertEqual((await bob.asked(b"MESSAGE")).uri, bob.contact)

    async def test_unregisteredCaller(self) -> None:
        """
        A stranger may call a user; the callee's BYE finds it over its flow.
        """
        stranger = await self.phone(b"stranger")
        bob = await self.registered(b"bob", b"TCP")
        _, side = await self.talk(stranger, bob)
        side.ask(b"BYE")
        stranger.answer(await stranger.asked(b"BYE"), 200)
        await bob.told(200)

    async def test_noRport(self) -> None:
        """
        A client that does not ask for rport gets its responses at the port in its Via
        (RFC 3261 18.2.2).
        """
        bob = await self.registered(b"bob")
        sender, receiver = await self.phone(b"one"), await self.phone(b"other")
        via = b"SIP/2.0/UDP %b:%d;branch=z9hG4bKold" % (LOOPBACK.encode(), receiver.local[1])
        sender.ask(b"MESSAGE", bob.aor, via=via)
        bob.answer(await bob.asked(b"MESSAGE"), 200)
        response = await receiver.told(200)
        self.assertEqual(response.all(b"via"), [via])
        await sender.hearsNothing()
