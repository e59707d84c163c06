"""
Max-Breadth on the wire (RFC 5393 5.3).
"""

from __future__ import annotations

from sipoutbound.message.message import Request
from sipoutbound.test.dialog import Dialog
from sipoutbound.test.laboratory import WireTestCase
from sipoutbound.test.phone import Phone


class BreadthTests(WireTestCase):
    """
    A user with several phones.
    """

    async def phones(self, count: int) -> tuple[Phone, list[Phone]]:
        """
        A caller, and phones of one user.
        """
        phones = [await self.registered(b"bob", (b"UDP", b"TCP")[at % 2]) for at in range(count)]
        return await self.registered(b"alice"), phones

    def given(self, request: Request) -> int:
        """
        The Max-Breadth of a request, of which it has one.
        """
        (text,) = request.texts(b"max-breadth")
        return int(text)

    async def test_single(self) -> None:
        """
        One phone has all of it: 60 where none came, and at most; it does not become less on the way
        (RFC 5393 5.3.3).
        """
        alice, (bob,) = await self.phones(1)
        for came, goes in ((None, 60), (b"1", 1), (b"7", 7), (b"60", 60), (b"1000", 60)):
            headers = [] if came is None else [(b"Max-Breadth", came)]
            alice.ask(b"MESSAGE", bob.aor, headers)
            message = await bob.asked(b"MESSAGE")
            self.assertEqual(self.given(message), goes)
            bob.answer(message, 200)
            await alice.told(200)

    async def test_everything(self) -> None:
        """
        Whatever is passed on has exactly one, requests of a dialog and their ACK too.
        """
        alice, (bob,) = await self.phones(1)
        alice.ask(b"INVITE", bob.aor)
        invite = await bob.asked(b"INVITE")
        bob.answer(invite, 200)
        side = Dialog.ofCaller(alice, await alice.told(200))
        side.ask(b"ACK", invite.cseq.number)
        ack = await bob.asked(b"ACK")
        Dialog.ofCallee(bob, invite).ask(b"BYE")
        bye = await alice.asked(b"BYE")
        self.assertEqual([self.given(each) for each in (invite, ack, bye)], [60, 60, 60])

    async def test_parallel(self) -> None:
        """
        Phones that ring at once share it.
        """
        alice, phones = await self.phones(3)
        alice.ask(b"INVITE", phones[0].aor, [(b"Max-Breadth", b"10")])
        shares = [self.given(await phone.asked(b"INVITE")) for phone in phones]
        self.assertEqual(sorted(shares), [3, 3, 4])

    async def test_serial(self) -> None:
        """
        Where it does not do for all, the rest rings when somebody has refused; all have been asked
        in the end.
        """
        alice, phones = await self.phones(3)
        alice.ask(b"INVITE", phones[0].aor, [(b"Max-Breadth", b"1")])
        for at, phone in enumerate(phones):
            invite = await phone.asked(b"INVITE")
            self.assertEqual(self.given(invite), 1)
            for later in phones[at + 1 :]:
                await later.hearsNothing()
            phone.answer(invite, 486)
            await phone.asked(b"ACK")
        await alice.told(486)

    async def test_nextFlow(self) -> None:
        """
        A failed flow leaves all of it to the next one (RFC 5393 5.3.3.1).
        """
        alice, (bob,) = await self.phones(1)
        other = await self.registered(b"bob", b"TCP", 2, like=bob)
        alice.ask(b"INVITE", bob.aor, [(b"Max-Breadth", b"1")])
        bob.answer(await bob.asked(b"INVITE"), 430)
        await bob.asked(b"ACK")
        self.assertEqual(self.given(await other.asked(b"INVITE")), 1)

    async def test_none(self) -> None:
        """
        Nothing goes where nothing may (440); a bad one is the sender's mistake (400); who answers
        himself looks past both (RFC 5393 5.3.5).
        """
        alice, (bob,) = await self.phones(1)
        for text, status in ((b"0", 440), (b"many", 400), (b"5;x=y", 400)):
            alice.ask(b"MESSAGE", bob.aor, [(b"Max-Breadth", text)])
            await alice.told(status)
            alice.register(alice.binding(), [(b"Max-Breadth", text)])
            await alice.told(200)
        await bob.hearsNothing()
