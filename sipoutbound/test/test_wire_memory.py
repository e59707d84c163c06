"""
What calls leave behind: nothing that waits for the garbage collector, which comes late to a server
(it is told so at the start), so that memory would grow by what was over long ago.
"""

from __future__ import annotations

import gc
from typing import Any, Final

from sipoutbound.routing.attempt import Attempt
from sipoutbound.routing.branch import Branch
from sipoutbound.routing.course import Course
from sipoutbound.routing.fork import Fork
from sipoutbound.routing.forwarding import Forwarding
from sipoutbound.routing.request import Request
from sipoutbound.test.laboratory import WireTestCase
from sipoutbound.transport.stream import Connection
from sipoutbound.waiting import ClientTransaction, ServerTransaction

KINDS: Final = (
    Attempt,
    Branch,
    ClientTransaction,
    Connection,
    Course,
    Fork,
    Forwarding,
    Request,
    ServerTransaction,
)

# Seconds after which no transaction is left: timers C, and 64*T1 from its CANCEL on.
ALL_OVER: Final = 250


def found() -> list[Any]:
    """
    What there is of these kinds.
    """
    return [each for each in gc.get_objects() if isinstance(each, KINDS)]


class MemoryTests(WireTestCase):
    """
    The collector does not come at all.
    """

    def setUp(self) -> None:
        """
        What other tests have left is no matter of these.
        """
        super().setUp()
        gc.collect()
        gc.disable()
        self.addCleanup(gc.enable)
        self.others = set(map(id, found()))

    async def nothingLeft(self) -> None:
        """
        Some time after all was over nothing of it is left.
        """
        for _ in range(ALL_OVER):
            self.advance(1)
        await self.laboratory.turn()
        left = [type(each).__name__ for each in found() if id(each) not in self.others]
        self.assertEqual(left, [])

    async def test_registered(self) -> None:
        """
        After a registration, a refresh and a sign-off.
        """
        alice = await self.registered(b"alice")
        await alice.registered()
        alice.register(b"*", [(b"Expires", b"0")])
        await alice.told(200)
        await self.nothingLeft()

    async def test_connected(self) -> None:
        """
        After connections that the phone or the server has ended, in peace or not.
        """
        alice, bob = await self.registered(b"alice", b"TCP"), await self.phone(b"bob", b"TCP")
        carol = await self.phone(b"carol", b"TCP")
        carol.ask(b"MESSAGE", bob.aor)
        await carol.told(480)
        bob.send(b"no SIP\r\n\r\n")
        await bob.ended()
        await alice.close()
        await carol.abort()
        await self.nothingLeft()

    async def test_called(self) -> None:
        """
        After a call.
        """
        caller, callee = await self.registered(b"caller"), await self.registered(b"callee")
        side, _ = await self.talk(caller, callee)
        side.ask(b"BYE", 2)
        callee.answer(await callee.asked(b"BYE"), 200)
        await caller.told(200)
        await self.nothingLeft()

    async def test_refused(self) -> None:
        """
        After one that was refused, and one that was given up.
        """
        caller, callee = await self.registered(b"caller"), await self.registered(b"callee")
        for status in (486, 487):
            invite = caller.ask(b"INVITE", callee.aor)
            rings = await callee.asked(b"INVITE")
            if status == 487:
                callee.answer(rings, 180)
                await caller.told(180)
                caller.cancel(invite)
                await caller.told(200)
                callee.answer(await callee.asked(b"CANCEL"), 200)
            callee.answer(rings, status)
            await callee.asked(b"ACK")
            caller.acknowledge(invite, await caller.told(status))
        await self.nothingLeft()

    async def test_silent(self) -> None:
        """
        After calls that nobody has answered, at a phone's and elsewhere.
        """
        caller, callee = await self.registered(b"caller"), await self.registered(b"callee")
        elsewhere = b"sip:somebody@%b:%d" % (callee.local[0].encode(), callee.local[1])
        for method in (b"INVITE", b"MESSAGE"):
            for uri in (callee.aor, elsewhere):
                caller.ask(method, uri)
                await callee.asked(method)
        await self.nothingLeft()

    async def test_elsewhere(self) -> None:
        """
        After messages to another domain: taken and refused.
        """
        caller, other = await self.registered(b"caller"), await self.phone(b"other")
        uri = b"sip:somebody@%b:%d" % (other.local[0].encode(), other.local[1])
        for status in (200, 404, 503):
            caller.ask(b"MESSAGE", uri)
            other.answer(await other.asked(b"MESSAGE"), status)
            await caller.told(500 if status == 503 else status)
        await self.nothingLeft()
