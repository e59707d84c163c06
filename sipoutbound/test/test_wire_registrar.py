"""
The registrar step by step (RFC 3261 10.3).
"""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from typing import cast

from sipoutbound.message.message import Response
from sipoutbound.test.laboratory import WireTestCase
from sipoutbound.test.phone import DOMAIN, Phone
from sipoutbound.test.test_wire_registering import plain, untimed


class StepTests(WireTestCase):
    """
    One REGISTER after the other.
    """

    async def alice(self) -> Phone:
        """
        The phone of these tests.
        """
        return await self.phone(b"alice")

    async def told(
        self, phone: Phone, status: int, contact: bytes | None, **how: bytes
    ) -> Response:
        """
        A REGISTER and its answer.

        @param how: C{expires}, or what L{Phone.compose} takes.
        """
        expires = how.pop("expires", None)
        headers = [] if expires is None else [(b"Expires", expires)]
        phone.register(contact, headers, **how)
        return await phone.told(status)

    async def test_recordRoute(self) -> None:
        """
        A Record-Route means nothing in a REGISTER: calls do not go that way, and the answer has
        none.
        """
        alice = await self.alice()
        alice.register(alice.binding(), [(b"Record-Route", b"<sip:nowhere.example;lr>")])
        self.assertEqual((await alice.told(200)).all(b"record-route"), [])
        caller = await self.phone(b"caller")
        caller.ask(b"MESSAGE", alice.aor)
        message = await alice.asked(b"MESSAGE")
        self.assertEqual((message.all(b"route"), message.uri), ([], alice.contact))

    async def test_lifetimeAsked(self) -> None:
        """
        The Contact's own lifetime comes first, then the header's, then the server's default; one
        that is no number counts as an hour, one beyond all bounds as the most there is.
        """
        alice = await self.alice()
        for number, (param, header, granted) in enumerate((
            (b"100", b"200", 100), (None, b"200", 200), (None, None, 3600), (b"abc", b"200", 3600),
            (None, b"", 3600), (b"99999999999", None, 86400), (None, b"4294967296", 86400),
        )):  # fmt: skip
            contact = plain(number)
            asked = contact if param is None else contact + b";expires=" + param
            how = {} if header is None else {"expires": header}
            response = await self.told(alice, 200, asked, **how)
            self.assertIn(contact + b";expires=%d" % granted, response.all(b"contact"))

    async def test_tooBrief(self) -> None:
        """
        Only a lifetime that is too short is refused, with the one that would do: never a removal,
        and never an hour (RFC 3261 10.3 step 7).
        """
        alice = await self.registered(b"alice")
        response = await self.told(alice, 423, plain(1) + b";expires=10")
        self.assertEqual(response.first(b"min-expires"), b"60")
        self.assertEqual((await self.told(alice, 423, plain(1), expires=b"59")).status, 423)
        for expires in (b"0", b"60", b"3599", b"3600", b"3601"):
            await self.told(alice, 200, plain(1), expires=expires)
        self.assertEqual(len(await self.bindings(alice)), 2)

    async def test_thirdParty(self) -> None:
        """
        An assistant may register for somebody else: the To tells whose binding it is.
        """
        assistant, boss = await self.phone(b"assistant"), await self.phone(b"boss")
        assistant.register(assistant.binding(), to=b"<" + boss.aor + b">")
        await assistant.told(200)
        self.assertEqual(untimed(await self.bindings(boss)), [assistant.binding()])
        self.assertEqual(await self.bindings(assistant), [])

    async def test_never600(self) -> None:
        """
        Whatever is wrong with a REGISTER, no answer speaks for all other registrars (RFC 3261
        10.3).
        """
        alice = await self.registered(b"alice")
        for contact in (b"*", b"<nonsense>", b"<sip:a@h>;q=7", plain(1) + b";reg-id=0", b"<tel:1>",
                        plain(1) + b";expires=1", b", ".join([plain(1)] * 200)):  # fmt: skip
            alice.register(contact)
            response = cast(Response, await alice.hears())
            self.assertIn(response.status, range(200, 600), contact)
        for name, value in ((b"Require", b"x"), (b"Proxy-Require", b"x"), (b"Max-Forwards", b"0"),
                            (b"Expires", b"-1"), (b"Path", b"<sip:")):  # fmt: skip
            alice.register(plain(1), [(name, value)])
            response = cast(Response, await alice.hears())
            self.assertIn(response.status, range(200, 600), name)

    async def test_inOrder(self) -> None:
        """
        REGISTERs that come in one segment are carried out in their order, each upon what the one
        before has left.
        """
        phone = await self.phone(b"alice", b"TCP")
        common = {"to": b"<%b>" % phone.aor, "callId": phone.callId}
        requests = [
            phone.compose(b"REGISTER", b"sip:" + DOMAIN, [(b"Contact", contact)], **common)
            for contact in (
                plain(1), plain(2), plain(1) + b";expires=0", plain(3), plain(2) + b";expires=0",
            )
        ]  # fmt: skip
        phone.send(b"".join(map(bytes, requests)))
        seen = []
        for request in requests:
            response = await phone.told(200)
            self.assertEqual(response.cseq, request.cseq)
            seen.append(sorted(untimed(response.all(b"contact"))))
        one, two, three = plain(1), plain(2), plain(3)
        self.assertEqual(seen, [[one], [one, two], [two], [two, three], [three]])

    async def test_independent(self) -> None:
        """
        REGISTERs of several users that come at once have nothing to do with each other, also when
        some of them are refused.
        """
        phone = await self.phone(b"alice", b"TCP")
        users = [b"user%d" % number for number in range(9)]
        sent = b""
        for number, user in enumerate(users):
            uri = b"<sip:%b@%b>" % (user, DOMAIN)
            contact = b"*" if number % 3 == 1 else b"<sip:%b@192.0.2.1>" % user
            lines = [(b"Contact", contact)]
            sent += bytes(phone.compose(b"REGISTER", b"sip:" + DOMAIN, lines, to=uri))
        phone.send(sent)
        answers = {}
        for _ in users:
            response = cast(Response, await phone.hears())
            answers[response.to.uri.user] = response.status, untimed(response.all(b"contact"))
        for number, user in enumerate(users):
            bound = 200, [b"<sip:%b@192.0.2.1>" % user]
            self.assertEqual(answers[user], (400, []) if number % 3 == 1 else bound)

    async def test_removeAllOnlyIfLater(self) -> None:
        """
        C{Contact: *} removes every binding or none: none if one of them has seen a later REGISTER
        of that Call-ID (RFC 3261 10.3 step 6).
        """
        alice = await self.alice()
        await self.told(alice, 200, plain(1), callId=b"one", number=b"5")
        await self.told(alice, 200, plain(2), callId=b"two", number=b"9")
        for callId, number in ((b"one", b"4"), (b"one", b"5"), (b"two", b"9"), (b"two", b"8")):
            await self.told(alice, 500, b"*", expires=b"0", callId=callId, number=number)
            self.assertEqual(untimed(await self.bindings(alice)), [plain(1), plain(2)])
        for callId, number in ((b"one", b"6"), (b"two", b"10"), (b"new", b"1")):
            await self.told(alice, 200, b"*", expires=b"0", callId=callId, number=number)
            self.assertEqual(await self.bindings(alice), [])
            await self.told(alice, 200, plain(1), callId=b"one", number=b"7")
            await self.told(alice, 200, plain(2), callId=b"two", number=b"9")

    async def test_updatedOnlyIfLater(self) -> None:
        """
        A binding changes by a REGISTER that is later, or of another Call-ID; one that comes late
        fails, and of what else it asks for nothing is done (RFC 3261 10.3 step 7).
        """
        alice = await self.alice()
        contact = plain(1)
        for callId, number, expires, status in (
            (b"a", b"5", b"100", 200), (b"a", b"4", b"200", 500), (b"a", b"5", b"300", 500),
            (b"a", b"6", b"400", 200), (b"b", b"1", b"500", 200), (b"a", b"2", b"600", 200),
            (b"a", b"1", b"0", 500), (b"a", b"3", b"0", 200),
        ):  # fmt: skip
            before = untimed(await self.bindings(alice))
            both = contact + b";expires=%b, %b;expires=%b" % (expires, plain(2), expires)
            response = await self.told(alice, status, both, callId=callId, number=number)
            if status == 500:
                self.assertEqual(untimed(await self.bindings(alice)), before)
            else:
                left = [contact + b";expires=" + expires, plain(2) + b";expires=" + expires]
                self.assertEqual(response.all(b"contact"), [] if expires == b"0" else left)

    async def test_date(self) -> None:
        """
        A phone can set its clock by the answer.
        """
        response = await self.told(await self.alice(), 200, None)
        date = response.need(b"date").decode()
        self.assertRegex(date, r"^[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT$")
        told = parsedate_to_datetime(date).timestamp()
        self.assertLess(abs(told - self.laboratory.time()), 10)

    async def test_everyBindingHasItsLifetime(self) -> None:
        """
        The answer lists all that is bound, with the time each has left, whoever asks.
        """
        alice = await self.registered(b"alice")
        await self.told(alice, 200, plain(1), expires=b"100")
        other = await self.registered(b"alice")
        response = await self.told(other, 200, None)
        self.assertEqual(len(response.all(b"contact")), 3)
        for contact in response.all(b"contact"):
            self.assertRegex(contact, rb";expires=[1-9]\d*(;q=.*)?$")


class DurableStepTests(StepTests):
    """
    The same with bindings in SQLite.
    """

    durable = True

    async def test_notStored(self) -> None:
        """
        A phone whose registration could not be stored is told so, with 500 and when to try again;
        it has what it had before, none of what it asked for, and the next one can be stored.
        """
        alice = await self.registered(b"alice")
        before = untimed(await self.bindings(alice))
        path = self.laboratory.settings.state / "location.sqlite"
        path.rename(path.with_suffix(".aside"))
        alice.register(alice.binding(2) + b", " + plain(1) + b";expires=0")
        response = await alice.told(500)
        self.assertRegex(response.need(b"retry-after"), rb"^[1-9]\d*$")
        self.assertEqual(untimed(await self.bindings(alice)), before)
        path.with_suffix(".aside").rename(path)
        await alice.registered(2)
        self.assertEqual(len(await self.bindings(alice)), 2)
