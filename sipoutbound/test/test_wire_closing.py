"""
Connections that end: their bindings are gone, and who was about to use them goes on at once
(RFC 5626 7).
"""

from __future__ import annotations

from time import perf_counter
from typing import Final

from sipoutbound.test.laboratory import WireTestCase
from sipoutbound.test.phone import Phone

# Seconds within which the next flow must ring when one is known to be dead. It takes a millisecond;
# the rest is for a machine that is busy with other things.
AT_ONCE: Final = 0.2


class LostConnectionTests(WireTestCase):
    """
    Connections that end.
    """

    async def ringsOn(self, second: Phone, since: float) -> None:
        """
        Make sure that a phone rings at once.
        """
        await second.asked(b"INVITE")
        took = perf_counter() - since
        self.assertLess(took, AT_ONCE)

    async def test_closedBefore(self) -> None:
        """
        The first flow was just closed: the caller hears ringing on the second at once.
        """
        alice = await self.registered(b"alice")
        first = await self.registered(b"bob", b"TCP", 1)
        second = await self.registered(b"bob", b"TCP", 2, like=first)
        await first.close()
        alice.ask(b"INVITE", first.aor)
        await self.ringsOn(second, perf_counter())
        (left,) = await self.bindings(second)
        self.assertIn(b";reg-id=2", left)

    async def test_closedMeanwhile(self) -> None:
        """
        The first flow is closed, or breaks, while it rings: the second rings at once.
        """
        alice = await self.registered(b"alice")
        for end in ("close", "abort"):
            first = await self.registered(b"bob", b"TCP", 1)
            second = await self.registered(b"bob", b"TCP", 2, like=first)
            alice.ask(b"INVITE", first.aor)
            first.answer(await first.asked(b"INVITE"), 180)
            await alice.told(180)
            await getattr(first, end)()
            await self.ringsOn(second, perf_counter())
            await second.close()
            await alice.told(480)

    async def test_allUsers(self) -> None:
        """
        A closed connection takes all its bindings with it, of all users (RFC 5626 7).
        """
        alice = await self.registered(b"alice")
        phone = await self.registered(b"bob", b"TCP")
        for phone.user in (b"carol", b"dave"):
            await phone.registered()
        phone.user = b"erin"
        await phone.registered(contact=b"<" + phone.contact + b">")
        await phone.close()
        for phone.user in (b"bob", b"carol", b"dave", b"erin"):
            self.assertEqual(await self.bindings(alice.speakingFor(phone)), [])
            alice.ask(b"MESSAGE", phone.aor)
            await alice.told(480)

    async def test_lateClose(self) -> None:
        """
        An old connection that ends after the phone has come back over a new one takes nothing with
        it.
        """
        alice = await self.registered(b"alice")
        old = await self.registered(b"bob", b"TCP")
        new = await self.registered(b"bob", b"TCP", like=old)
        await old.close()
        self.assertEqual(len(await self.bindings(new)), 1)
        alice.ask(b"MESSAGE", new.aor)
        new.answer(await new.asked(b"MESSAGE"), 200)
        await alice.told(200)

    async def test_lastClosed(self) -> None:
        """
        The only flow ends while it rings: the caller is told at once, with 480.
        """
        alice = await self.registered(b"alice")
        bob = await self.registered(b"bob", b"TCP")
        alice.ask(b"INVITE", bob.aor)
        await bob.asked(b"INVITE")
        await bob.close()
        await alice.told(480)

    async def test_otherInstanceStays(self) -> None:
        """
        One phone's connection ends while both of a user's phones ring: the other goes on ringing.
        """
        alice = await self.registered(b"alice")
        one, other = [await self.registered(b"bob", b"TCP") for _ in range(2)]
        alice.ask(b"INVITE", one.aor)
        await one.asked(b"INVITE")
        invite = await other.asked(b"INVITE")
        await one.close()
        other.answer(invite, 200)
        await alice.told(200)

    async def test_closedAsking(self) -> None:
        """
        A phone that says that it sends no more right after a REGISTER gets its answer, and has no
        binding when the connection is closed.
        """
        alice = await self.registered(b"alice")
        bob = await self.phone(b"bob", b"TCP")
        bob.register(bob.binding())
        await bob.close()
        await bob.told(200)
        self.assertEqual(await self.bindings(alice.speakingFor(bob)), [])

    async def test_callerGone(self) -> None:
        """
        The caller's connection ends while it rings, and after that the callee answers: nobody
        minds, and the server lives on.
        """
        alice = await self.registered(b"alice", b"TCP")
        bob = await self.registered(b"bob", b"TCP")
        alice.ask(b"INVITE", bob.aor)
        invite = await bob.asked(b"INVITE")
        await alice.close()
        bob.answer(invite, 200)
        await bob.hearsNothing()


class DurableLostConnectionTests(LostConnectionTests):
    """
    The same with bindings in SQLite.
    """

    durable = True
