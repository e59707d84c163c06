"""
Phones that have moved to another network in the middle of a call: what they say in the call is
never sent back to themselves (RFC 5626 5.3), and how the call goes on.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from sipoutbound.test.cluster import ClusterTestCase
from sipoutbound.test.dialog import Dialog
from sipoutbound.test.laboratory import WireTestCase
from sipoutbound.test.phone import Phone


class Moving:
    """
    Alice's phone moves. Nobody has noticed that its old flow is of no use: it is not closed.
    """

    assertEqual: Any

    @abstractmethod
    async def joined(self, user: bytes, transport: bytes) -> Phone:
        """
        A phone that can reach its server.
        """

    async def calling(self, transport: bytes) -> tuple[Phone, Phone, Dialog, Dialog]:
        """
        Alice and Bob, who have registered, and their sides of a call.
        """
        alice = await (await self.joined(b"alice", transport)).registered()
        bob = await (await self.joined(b"bob", b"UDP")).registered()
        alice.ask(b"INVITE", bob.aor)
        invite = await bob.asked(b"INVITE")
        bob.answer(invite, 200)
        side = Dialog.ofCaller(alice, await alice.told(200))
        side.ask(b"ACK", 1)
        await bob.asked(b"ACK")
        return alice, bob, side, Dialog.ofCallee(bob, invite)

    async def moved(self, phone: Phone) -> Phone:
        """
        The same phone elsewhere, registered anew.
        """
        other = await self.joined(phone.user, phone.transport)
        other.instance = phone.instance.upper()
        return await other.registered()

    async def test_ownRequest(self) -> None:
        """
        What the phone says in the call is refused with 430: it learns that the call has to be made
        anew, and does not have to take its own hanging up for the other's.
        """
        for transport in (b"UDP", b"TCP"):
            alice, bob, side, _ = await self.calling(transport)
            side.phone = await self.moved(alice)
            side.ask(b"BYE")
            await side.phone.told(430)
            sent = side.ask(b"INVITE")
            side.phone.acknowledge(sent, await side.phone.told(430))
            side.ask(b"ACK", 1)
            for phone in (alice, bob):
                await phone.hearsNothing()

    async def test_otherFlow(self) -> None:
        """
        The same over the other flow of the phone, that it has had all the time.
        """
        alice, bob, side, _ = await self.calling(b"UDP")
        second = await self.joined(b"alice", b"TCP")
        second.instance = alice.instance
        side.phone = await second.registered(2)
        side.ask(b"BYE")
        await second.told(430)
        for phone in (alice, bob):
            await phone.hearsNothing()

    async def test_othersRequest(self) -> None:
        """
        Who only opens a new flow before he gives up the old one is not cut off: what the other says
        comes over the old flow as long as that lives, and so does what he says over it himself.
        """
        alice, bob, side, other = await self.calling(b"UDP")
        await self.moved(alice)
        other.ask(b"INFO")
        alice.answer(await alice.asked(b"INFO"), 200)
        await bob.told(200)
        side.ask(b"BYE")
        bob.answer(await bob.asked(b"BYE"), 200)
        await alice.told(200)

    async def test_otherDevice(self) -> None:
        """
        It is not the user that counts: she may call from one of her devices to another, and both
        may say what they like.
        """
        one = await (await self.joined(b"alice", b"UDP")).registered()
        two = await (await self.joined(b"alice", b"UDP")).registered()
        one.ask(b"INVITE", one.aor)
        await one.told(100)
        one.answer(await one.asked(b"INVITE"), 486)
        await one.asked(b"ACK")
        invite = await two.asked(b"INVITE")
        two.answer(invite, 200)
        sides = [Dialog.ofCaller(one, await one.told(200)), Dialog.ofCallee(two, invite)]
        for side, other in (sides, sides[::-1]):
            side.ask(b"INFO")
            other.phone.answer(await other.phone.asked(b"INFO"), 200)
            await side.phone.told(200)

    async def test_callsItself(self) -> None:
        """
        A phone may call its own number, say to hear whether it works: the call comes over its first
        flow when it leaves by the second, and can be ended from either end.
        """
        one = await (await self.joined(b"alice", b"UDP")).registered()
        two = await self.joined(b"alice", b"UDP")
        two.instance = one.instance
        await two.registered(2)
        two.ask(b"INVITE", two.aor)
        invite = await one.asked(b"INVITE")
        one.answer(invite, 200)
        sides = [Dialog.ofCaller(two, await two.told(200)), Dialog.ofCallee(one, invite)]
        for side, other in (sides, sides[::-1]):
            side.ask(b"INFO")
            other.phone.answer(await other.phone.asked(b"INFO"), 200)
            await side.phone.told(200)

    async def test_cure(self) -> None:
        """
        The phone calls again from where it is now, and says which call that replaces (RFC 3891):
        the other one gets that, and the new call works in both directions.
        """
        alice, bob, side, _ = await self.calling(b"UDP")
        phone = await self.moved(alice)
        tags = [value.partition(b";tag=")[2] for value in (side.remote, side.local)]
        replaces = b"%b;to-tag=%b;from-tag=%b" % (side.callId, *tags)
        phone.ask(b"INVITE", bob.aor, [(b"Replaces", replaces), (b"Require", b"replaces")])
        invite = await bob.asked(b"INVITE")
        self.assertEqual(invite.first(b"replaces"), replaces)
        bob.answer(invite, 200)
        sides = [Dialog.ofCaller(phone, await phone.told(200)), Dialog.ofCallee(bob, invite)]
        sides[0].ask(b"ACK", invite.cseq.number)
        await bob.asked(b"ACK")
        for one, two in (sides, sides[::-1]):
            one.ask(b"INFO")
            two.phone.answer(await two.phone.asked(b"INFO"), 200)
            await one.phone.told(200)


class MovingTests(Moving, WireTestCase):
    """
    All in one process.
    """

    async def joined(self, user: bytes, transport: bytes) -> Phone:
        """
        A phone of the server.
        """
        return await self.phone(user, transport)


class MovingBehindEdgeTests(Moving, ClusterTestCase):
    """
    An edge, and the registrar behind it.
    """

    async def joined(self, user: bytes, transport: bytes) -> Phone:
        """
        A phone at the first edge.
        """
        return await self.phone(0, user, transport)
