"""
Which flow of a phone is called, and when the next one is (RFC 5626 7).
"""

from __future__ import annotations

from typing import Final

from sipoutbound.message.message import Request
from sipoutbound.routing.branch import SILENCE, TIMER_C
from sipoutbound.test.dialog import Dialog
from sipoutbound.test.laboratory import WireTestCase
from sipoutbound.test.phone import Phone
from sipoutbound.transaction.timers import T1

# 64*T1: timers B and F (RFC 3261 17.1).
GIVEN_UP: Final = 64 * T1 + 0.1


class FlowTests(WireTestCase):
    """
    One phone with two flows.
    """

    transport = b"TCP"

    async def flows(self) -> tuple[Phone, Phone, Phone]:
        """
        A caller, and the two flows of whom it calls.
        """
        first = await self.registered(b"bob", self.transport, 1)
        second = await self.registered(b"bob", self.transport, 2, like=first)
        return await self.registered(b"alice"), first, second

    async def test_lowestFirst(self) -> None:
        """
        The flow with the lowest reg-id rings alone, whichever was registered last.
        """
        alice, first, second = await self.flows()
        await first.registered(1)
        alice.ask(b"INVITE", first.aor)
        invite = await first.asked(b"INVITE")
        first.answer(invite, 180)
        await alice.told(180)
        self.advance(SILENCE + 1)
        await second.hearsNothing()

    async def test_preferenceFirst(self) -> None:
        """
        A higher q comes before a lower reg-id.
        """
        alice, first, second = await self.flows()
        await first.registered(contact=first.binding(1) + b";q=0.5")
        alice.ask(b"MESSAGE", first.aor)
        await second.asked(b"MESSAGE")
        await first.hearsNothing()

    async def test_flowFailed(self) -> None:
        """
        A flow that is said to have failed (430) costs nothing: the other rings, the caller hears
        only of that, and the failed one is forgotten.
        """
        alice, first, second = await self.flows()
        alice.ask(b"INVITE", first.aor)
        invite = await first.asked(b"INVITE")
        first.answer(invite, 430)
        await first.asked(b"ACK")
        second.answer(await second.asked(b"INVITE"), 200)
        await alice.told(200)
        (left,) = await self.bindings(second)
        self.assertIn(b";reg-id=2", left)

    async def test_allFailed(self) -> None:
        """
        No flow is left: the caller is told 480, never 430 (RFC 5626 11.5).
        """
        alice, first, second = await self.flows()
        alice.ask(b"MESSAGE", first.aor)
        first.answer(await first.asked(b"MESSAGE"), 430)
        second.answer(await second.asked(b"MESSAGE"), 430)
        await alice.told(480)
        self.assertEqual(await self.bindings(alice.speakingFor(first)), [])

    async def test_finalAnswer(self) -> None:
        """
        Any other answer is the phone's: its other flow stays silent (RFC 5626 7).
        """
        alice, first, second = await self.flows()
        for status in (486, 404, 500, 503, 302, 603):
            alice.ask(b"MESSAGE", first.aor)
            first.answer(await first.asked(b"MESSAGE"), status)
            await alice.told(500 if status == 503 else status)
            await second.hearsNothing()
        self.assertEqual(len(await self.bindings(first)), 2)

    async def test_busy(self) -> None:
        """
        A phone that is busy does not ring on its other flow.
        """
        alice, first, second = await self.flows()
        sent = alice.ask(b"INVITE", first.aor)
        first.answer(await first.asked(b"INVITE"), 486)
        alice.acknowledge(sent, await alice.told(486))
        await second.hearsNothing()

    async def test_timeoutHeard(self) -> None:
        """
        A 408 lets the other flow be tried, but somebody has answered: the binding stays.
        """
        alice, first, second = await self.flows()
        alice.ask(b"INVITE", first.aor)
        first.answer(await first.asked(b"INVITE"), 408)
        await first.asked(b"ACK")
        second.answer(await second.asked(b"INVITE"), 200)
        await alice.told(200)
        self.assertEqual(len(await self.bindings(first)), 2)

    async def test_silent(self) -> None:
        """
        A flow on which nobody answers is left after two seconds; its binding is not.
        """
        alice, first, second = await self.flows()
        alice.ask(b"INVITE", first.aor)
        await first.asked(b"INVITE")
        await alice.told(100)
        self.advance(SILENCE - 0.1)
        await second.hearsNothing()
        self.advance(0.2)
        invite = await second.asked(b"INVITE")
        self.assertEqual(invite.uri, second.contact)
        second.answer(invite, 200)
        await alice.told(200)
        self.assertEqual(len(await self.bindings(alice.speakingFor(second))), 2)

    async def test_lateRinging(self) -> None:
        """
        The silent flow rings after all, when the other one does already: it is stopped.
        """
        late, alice, first, _ = await self.late()
        first.answer(late, 180)
        cancel = await asked(first, b"CANCEL")
        self.assertEqual(cancel.via.branch, late.via.branch)
        first.answer(cancel, 200)
        first.answer(late, 487)
        await asked(first, b"ACK")
        await alice.hearsNothing()

    async def test_lateAnswer(self) -> None:
        """
        The silent flow answers after all: the call goes there, the other flow stops ringing.
        """
        late, alice, first, second = await self.late()
        first.answer(late, 200)
        answered = await alice.told(200)
        ringing = self.ringing
        cancel = await second.asked(b"CANCEL")
        second.answer(cancel, 200)
        second.answer(ringing, 487)
        await second.asked(b"ACK")
        side = Dialog.ofCaller(alice, answered)
        side.ask(b"ACK", 1)
        await asked(first, b"ACK")
        side.ask(b"BYE")
        await asked(first, b"BYE")

    async def test_lateRefusal(self) -> None:
        """
        The silent flow refuses after all: the other one has the call.
        """
        late, alice, first, second = await self.late()
        first.answer(late, 486)
        await asked(first, b"ACK")
        second.answer(self.ringing, 200)
        await alice.told(200)

    async def test_twoAnswers(self) -> None:
        """
        Both flows are answered: the caller gets both 200s, as RFC 3261 13.2.2.4 says.
        """
        late, alice, first, second = await self.late()
        second.answer(self.ringing, 200)
        one = Dialog.ofCaller(alice, await alice.told(200))
        first.answer(late, 200)
        other = Dialog.ofCaller(alice, await alice.told(200))
        for side, phone in ((one, second), (other, first)):
            side.ask(b"ACK", 1)
            await asked(phone, b"ACK")

    async def late(self) -> tuple[Request, Phone, Phone, Phone]:
        """
        A call whose first flow is silent and whose second rings.

        @return: the request at the first flow, and the phones.
        """
        alice, first, second = await self.flows()
        alice.ask(b"INVITE", first.aor)
        late = await first.asked(b"INVITE")
        self.advance(SILENCE + 0.1)
        self.ringing = await second.asked(b"INVITE")
        second.answer(self.ringing, 180)
        await alice.told(180)
        return late, alice, first, second

    async def test_silentMessage(self) -> None:
        """
        A message goes over the other flow after the same time, and not to both at once.
        """
        alice, first, second = await self.flows()
        alice.ask(b"MESSAGE", first.aor)
        await first.asked(b"MESSAGE")
        self.advance(SILENCE + 0.1)
        second.answer(await second.asked(b"MESSAGE"), 200)
        await alice.told(200)

    async def test_provisionalEndsSilence(self) -> None:
        """
        A flow that has said as much as 100 is no silent one.
        """
        alice, first, second = await self.flows()
        alice.ask(b"INVITE", first.aor)
        first.answer(await first.asked(b"INVITE"), 100)
        await first.hearsNothing()
        self.advance(SILENCE + 5)
        await second.hearsNothing()

    async def test_cancelDuringFailover(self) -> None:
        """
        The caller gives up while the second flow rings: no third is tried.
        """
        alice, first, second = await self.flows()
        third = await self.registered(b"bob", self.transport, 3, like=first)
        sent = alice.ask(b"INVITE", first.aor)
        await first.asked(b"INVITE")
        self.advance(SILENCE + 0.1)
        invite = await second.asked(b"INVITE")
        second.answer(invite, 180)
        await alice.told(180)
        alice.cancel(sent)
        await alice.told(200)
        second.answer(await second.asked(b"CANCEL"), 200)
        second.answer(invite, 430)
        await alice.told(487)
        await third.hearsNothing()

    async def test_nobodyAnswers(self) -> None:
        """
        No flow says anything: the caller of a call is told so, and what answers nobody is removed.
        """
        alice, first, second = await self.flows()
        alice.ask(b"INVITE", first.aor)
        await first.asked(b"INVITE")
        self.advance(SILENCE + 0.1)
        await second.asked(b"INVITE")
        self.advance(GIVEN_UP)
        await alice.told(408)
        self.assertEqual(await self.bindings(alice.speakingFor(first)), [])

    async def test_messageUnanswered(self) -> None:
        """
        Nobody answers a message: nobody is told 408 (RFC 4320 4.2), and the binding is removed.
        """
        alice = await self.registered(b"alice")
        bob = await self.registered(b"bob", self.transport)
        alice.ask(b"MESSAGE", bob.aor)
        await bob.asked(b"MESSAGE")
        self.advance(GIVEN_UP)
        await alice.hearsNothing()
        self.assertEqual(await self.bindings(alice.speakingFor(bob)), [])

    async def test_refreshedMeanwhile(self) -> None:
        """
        Nobody answered on the old flow, but the phone has registered anew since: it stays
        registered.
        """
        alice = await self.registered(b"alice")
        bob = await self.registered(b"bob", self.transport)
        alice.ask(b"INVITE", bob.aor)
        await bob.asked(b"INVITE")
        moved = await self.phone(b"bob")
        moved.instance = bob.instance
        await moved.registered()
        self.advance(GIVEN_UP)
        await alice.told(408)
        self.assertEqual(len(await self.bindings(moved)), 1)

    async def test_ringsTooLong(self) -> None:
        """
        It rings for more than three minutes (timer C): the phone is stopped, the caller told, and
        the binding stays.
        """
        alice, first, second = await self.flows()
        alice.ask(b"INVITE", first.aor)
        invite = await first.asked(b"INVITE")
        first.answer(invite, 180)
        await alice.told(180)
        for _ in range(2):
            self.advance(TIMER_C / 2 - 1)
            for phone in (alice, first, second):
                await phone.hearsNothing()
        first.answer(invite, 180)
        await alice.told(180)
        self.advance(TIMER_C / 2)
        for phone in (alice, first, second):
            await phone.hearsNothing()
        self.advance(TIMER_C / 2 + 0.1)
        await asked(first, b"CANCEL")
        await alice.told(408)
        await second.hearsNothing()
        self.assertEqual(len(await self.bindings(second)), 2)


class UDPFlowTests(FlowTests):
    """
    The same over UDP, with bindings in SQLite.
    """

    transport = b"UDP"
    durable = True


async def asked(phone: Phone, method: bytes) -> Request:
    """
    The next such request; over UDP, what the server repeats meanwhile is passed by.
    """
    while True:
        request = await phone.hears(method.decode())
        if isinstance(request, Request) and request.method == method:
            return request
