"""
The running server on all addresses of its machine, reached by several of them (RFC 3581 4), and
phones that have left their port (RFC 5626 7).
"""

from __future__ import annotations

from sipoutbound.test.laboratory import WireTestCase
from sipoutbound.test.phone import Phone


class WildcardTests(WireTestCase):
    """
    Phones that hear only what comes from where they send to, as behind a NAT.
    """

    interface = "0.0.0.0"

    async def by(self, host: str, user: bytes) -> Phone:
        """
        A registered phone that knows the server by one of its addresses.
        """
        number = self.laboratory.addresses()[b"UDP"][1]
        phone = await Phone.at((host, number), user, b"UDP")
        self.laboratory.phones.append(phone)
        phone.line.transport.connect(host, number)
        return await phone.registered()

    async def test_call(self) -> None:
        """
        A call between two that know the server by different addresses: answers, requests and what
        follows in the dialog come to each from the one that it knows.
        """
        alice, bob = await self.by("127.0.0.2", b"alice"), await self.by("127.0.0.3", b"bob")
        sides = await self.talk(alice, bob)
        for side, other in (sides, sides[::-1]):
            side.ask(b"BYE")
            other.phone.answer(await other.phone.asked(b"BYE"), 200)
            await side.phone.told(200)

    async def test_names(self) -> None:
        """
        Each is told the address that it knows: in the Path, in Record-Route, and in the Via.
        """
        alice, bob = await self.by("127.0.0.2", b"alice"), await self.by("127.0.0.3", b"bob")
        alice.register(alice.binding())
        self.assertIn(b"@127.0.0.2:", (await alice.told(200)).all(b"path")[0])
        alice.ask(b"INVITE", bob.aor)
        invite = await bob.asked(b"INVITE")
        self.assertEqual(invite.via.host, b"127.0.0.3")
        bob.answer(invite, 486)


class DurableWildcardTests(WildcardTests):
    """
    The same, with the bindings kept.
    """

    durable = True

    async def test_afterRestart(self) -> None:
        """
        After a restart a phone is called from the address that it knows.
        """
        alice, bob = await self.by("127.0.0.2", b"alice"), await self.by("127.0.0.3", b"bob")
        await self.laboratory.crash()
        await self.laboratory.restart()
        alice.ask(b"MESSAGE", bob.aor)
        bob.answer(await bob.asked(b"MESSAGE"), 200)
        await alice.told(200)


class LeftTests(WireTestCase):
    """
    Phones on UDP that have closed their port: their machine says so (ICMP).
    """

    async def test_left(self) -> None:
        """
        Who calls one is told at once, and none of its bindings is left, of whatever user.
        """
        alice, bob = await self.registered(b"alice"), await self.registered(b"bob")
        carol = await bob.speakingFor(await self.phone(b"carol")).registered()
        await bob.close()
        alice.ask(b"INVITE", bob.aor)
        await alice.told(480)
        for gone in (bob, carol):
            self.assertEqual(await self.bindings(alice.speakingFor(gone)), [])

    async def test_nextFlow(self) -> None:
        """
        Its call comes over its next flow at once.
        """
        alice, one = await self.registered(b"alice"), await self.registered(b"bob")
        other = await self.registered(b"bob", b"TCP", 2, like=one)
        await one.close()
        alice.ask(b"INVITE", one.aor)
        other.answer(await other.asked(b"INVITE"), 200)
        await alice.told(200)

    async def test_message(self) -> None:
        """
        So with any other request.
        """
        alice, bob = await self.registered(b"alice"), await self.registered(b"bob")
        await bob.close()
        alice.ask(b"MESSAGE", bob.aor)
        await alice.told(480)
