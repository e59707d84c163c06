"""
Registering with the running server (RFC 3261 10, RFC 5626 6, RFC 3327).
"""

from __future__ import annotations

import re

from sipoutbound.message.message import Response
from sipoutbound.settings import LOOPBACK as THIS_MACHINE
from sipoutbound.test.laboratory import WireTestCase
from sipoutbound.test.phone import DOMAIN, Phone

INSTANCE = b'+sip.instance="<urn:uuid:00000000-0000-4000-8000-AABBCCDDEEFF>"'


def plain(number: int) -> bytes:
    """
    A Contact without outbound.
    """
    return b"<sip:alice@192.0.2.%d>" % number


class RegisteringTests(WireTestCase):
    """
    A phone adds, refreshes, removes and fetches its bindings.
    """

    # Edges of a test are on this machine.
    trust = THIS_MACHINE

    async def alice(self) -> Phone:
        """
        The phone of these tests.
        """
        return await self.phone(b"alice")

    async def granted(self, phone: Phone, contact: bytes | None, **headers: bytes) -> Response:
        """
        A REGISTER that is accepted.

        @param headers: more headers, by name.
        """
        phone.register(contact, [(name.encode(), value) for name, value in headers.items()])
        return await phone.told(200)

    async def refused(
        self, phone: Phone, status: int, contact: bytes, **headers: bytes
    ) -> Response:
        """
        A REGISTER that is refused, and changes nothing.
        """
        before = untimed(await self.bindings(phone))
        phone.register(contact, [(name.encode(), value) for name, value in headers.items()])
        response = await phone.told(status)
        self.assertEqual(untimed(await self.bindings(phone)), before)
        return response

    async def test_outbound(self) -> None:
        """
        An outbound registration is told that it is one, how often to ping, and its way back.
        """
        alice = await self.alice()
        response = await self.granted(alice, alice.binding(), Expires=b"600")
        self.assertEqual(response.first(b"contact"), alice.binding() + b";expires=600")
        self.assertEqual(response.first(b"require"), b"outbound")
        self.assertEqual(response.first(b"flow-timer"), b"120")
        self.assertEqual(sorted(response.all(b"supported")), [b"outbound", b"path"])
        host, port = self.laboratory.addresses()[b"UDP"]
        here = re.escape(f"{host}:{port}".encode())
        (path,) = response.all(b"path")
        self.assertRegex(path, rb"^<sip:[A-Za-z0-9_-]{40}@" + here + rb";lr;ob>$")

    async def test_outboundOverStream(self) -> None:
        """
        The same over TCP: the Path names the transport of the flow, and no address of it.
        """
        alice = await self.phone(b"alice", b"TCP")
        response = await self.granted(alice, alice.binding())
        self.assertEqual(response.first(b"require"), b"outbound")
        (path,) = response.all(b"path")
        self.assertRegex(path, rb"^<sip:[A-Za-z0-9_-]{43}@127\.0\.0\.1:\d+;transport=tcp;lr;ob>$")

    async def test_plain(self) -> None:
        """
        A phone that does not ask for outbound is not told that it has it.
        """
        alice = await self.alice()
        response = await self.granted(alice, plain(1))
        self.assertIsNone(response.first(b"require"))
        self.assertIsNone(response.first(b"flow-timer"))
        self.assertEqual(response.all(b"contact"), [plain(1) + b";expires=3600"])

    async def test_paramsKept(self) -> None:
        """
        All that a phone says with its Contact is kept as it was said (RFC 5626 6).
        """
        alice = await self.alice()
        contact = alice.binding() + b';audio;methods="INVITE, ACK";+x.y="a;b"'
        response = await self.granted(alice, b'"A, B" ' + contact + b";q=0.25;expires=90")
        self.assertEqual(response.all(b"contact"), [contact + b";expires=90;q=0.250"])

    async def test_refreshReplaces(self) -> None:
        """
        A phone that comes back from elsewhere has one binding, the new one: it is known by instance
        and reg-id, not by its Contact URI.
        """
        alice = await self.registered(b"alice")
        moved = await self.phone(b"alice", b"TCP")
        moved.instance = alice.instance.upper()
        moved.contact = b"sip:alice@10.1.1.1:6000;transport=tcp"
        await moved.registered()
        self.assertEqual(untimed(await self.bindings(moved)), [moved.binding()])

    async def test_twoFlows(self) -> None:
        """
        Two flows of one phone are two bindings; refreshing one leaves the other alone.
        """
        one = await self.registered(b"alice")
        other = await self.registered(b"alice", b"TCP", 2, like=one)
        await one.registered(1)
        expected = [one.binding(1), other.binding(2)]
        self.assertEqual(sorted(untimed(await self.bindings(one))), sorted(expected))

    async def test_twoInstances(self) -> None:
        """
        Two phones of one user do not displace each other, with the same Contact URI even.
        """
        phones = [await self.registered(b"alice"), await self.registered(b"alice")]
        expected = [phone.binding() for phone in phones]
        self.assertEqual(untimed(await self.bindings(phones[0])), expected)

    async def test_add(self) -> None:
        """
        Plain Contacts add up, each with its own lifetime or the header's.
        """
        alice = await self.alice()
        both = plain(1) + b";expires=100, " + plain(2)
        response = await self.granted(alice, both, Expires=b"200")
        expected = [plain(1) + b";expires=100", plain(2) + b";expires=200"]
        self.assertEqual(response.all(b"contact"), expected)

    async def test_remove(self) -> None:
        """
        A phone that signs off is gone; its siblings stay.
        """
        one = await self.registered(b"alice")
        other = await self.registered(b"alice", regId=2, like=one)
        response = await self.granted(one, one.binding() + b";expires=0")
        self.assertEqual(untimed(response.all(b"contact")), [other.binding(2)])
        response = await self.granted(other, other.binding(2), Expires=b"0")
        self.assertEqual(response.all(b"contact"), [])

    async def test_removeAll(self) -> None:
        """
        C{Contact: *} removes everything.
        """
        alice = await self.registered(b"alice")
        await self.granted(alice, plain(1))
        response = await self.granted(alice, b"*", Expires=b"0")
        self.assertEqual(response.all(b"contact"), [])
        self.assertEqual(await self.bindings(alice), [])

    async def test_starAlone(self) -> None:
        """
        C{*} with anything else is refused and removes nothing (RFC 3261 10.3 step 6).
        """
        alice = await self.registered(b"alice")
        await self.refused(alice, 400, b"*")
        await self.refused(alice, 400, b"*", Expires=b"60")
        await self.refused(alice, 400, b"*, " + plain(1), Expires=b"0")

    async def test_fetch(self) -> None:
        """
        Asking what is registered changes nothing, and is no outbound registration.
        """
        alice = await self.registered(b"alice")
        response = await self.granted(alice, None)
        self.assertEqual(untimed(response.all(b"contact")), [alice.binding()])
        self.assertIsNone(response.first(b"require"))
        self.assertIsNone(response.first(b"flow-timer"))

    async def test_lifetimes(self) -> None:
        """
        One hour by default, one day at most, one minute at least (423 with Min-Expires).
        """
        alice = await self.alice()
        for asked, given in ((b"999999", 86400), (b"60", 60), (b"nonsense", 3600)):
            response = await self.granted(alice, plain(1), Expires=asked)
            self.assertEqual(response.all(b"contact"), [plain(1) + b";expires=%d" % given])
        response = await self.refused(alice, 423, plain(1), Expires=b"59")
        self.assertEqual(response.first(b"min-expires"), b"60")
        await self.refused(alice, 423, plain(2) + b";expires=1")

    async def test_expires(self) -> None:
        """
        A phone that does not refresh is gone, a while after its time.
        """
        alice = await self.alice()
        await self.granted(alice, alice.binding(), Expires=b"60")
        self.advance(80)
        self.assertEqual(await self.bindings(alice), [])
        caller = await self.phone(b"caller")
        caller.ask(b"MESSAGE", alice.aor)
        await caller.told(480)

    async def test_preference(self) -> None:
        """
        The q of each Contact is kept; one that is no number is refused.
        """
        alice = await self.alice()
        response = await self.granted(alice, plain(1) + b";q=0.5, " + plain(2) + b";q=1.0")
        self.assertEqual(
            response.all(b"contact"),
            [plain(1) + b";expires=3600;q=0.500", plain(2) + b";expires=3600"],
        )
        await self.refused(alice, 400, plain(3) + b";q=1.5")

    async def test_limits(self) -> None:
        """
        One user cannot fill the server: the eleventh Contact is refused, a refresh never is. The
        flows of one phone count as one.
        """
        alice = await self.registered(b"alice")
        for regId in range(2, 9):
            await alice.registered(regId)
        await self.refused(alice, 403, alice.binding(9))
        for each in range(9):
            await self.granted(alice, plain(each))
        await self.refused(alice, 403, plain(100))
        await self.granted(alice, plain(8))
        await alice.registered(8)

    async def test_regIdWithoutInstance(self) -> None:
        """
        A reg-id without an instance-id is ignored (RFC 5626 6).
        """
        alice = await self.alice()
        response = await self.granted(alice, plain(1) + b";reg-id=1")
        self.assertIsNone(response.first(b"require"))
        await self.granted(alice, plain(2) + b";reg-id=1")
        self.assertEqual(len(await self.bindings(alice)), 2)

    async def test_badRegId(self) -> None:
        """
        A reg-id that is none is refused, and nothing is stored.
        """
        alice = await self.registered(b"alice")
        for text in (b"0", b"x", b"-1", b"2147483648", b"", b"1.5"):
            await self.refused(alice, 400, plain(1) + b";" + INSTANCE + b";reg-id=" + text)

    async def test_severalRegIds(self) -> None:
        """
        One REGISTER binds one flow (RFC 5626 6): 400, all or nothing.
        """
        alice = await self.registered(b"alice")
        await self.refused(alice, 400, alice.binding(2) + b", " + alice.binding(3))
        await self.refused(alice, 400, alice.binding(2) + b", " + plain(1))

    async def test_newAndOldContact(self) -> None:
        """
        pjsua, after losing its flow, removes the old URI and adds the new one under one reg-id: it
        stays registered.
        """
        alice = await self.registered(b"alice")
        old = alice.binding()
        alice.contact = b"sip:alice@10.0.0.9:6000"
        for value in (alice.binding() + b", " + old + b";expires=0", alice.binding()):
            response = await self.granted(alice, value)
            self.assertEqual(untimed(response.all(b"contact")), [alice.binding()])

    async def test_order(self) -> None:
        """
        A REGISTER that was overtaken by a later one changes nothing; a new Call-ID begins anew.
        """
        alice = await self.alice()
        alice.register(plain(1), number=b"7")
        await alice.told(200)
        for number in (b"6", b"7"):
            alice.register(plain(1) + b";expires=0", number=number)
            await alice.told(500)
        self.assertEqual(untimed(await self.bindings(alice)), [plain(1)])
        alice.register(plain(1) + b";expires=0", number=b"1", callId=b"another")
        self.assertEqual((await alice.told(200)).all(b"contact"), [])

    async def test_allOrNothing(self) -> None:
        """
        Of a REGISTER with one bad Contact nothing is taken.
        """
        alice = await self.registered(b"alice")
        await self.refused(alice, 400, plain(1) + b", <sip:alice@bad host>")
        await self.refused(alice, 400, plain(1) + b", <sip:>")
        await self.refused(alice, 423, plain(1) + b", " + plain(2) + b";expires=5")

    async def test_behindForeignEdge(self) -> None:
        """
        Behind an edge that does not know outbound a phone is told so by 439, if it asked; one that
        says C{ob} in the first hop's Path will do (RFC 5626 6).
        """
        edge = await self.alice()
        vias = (b"Via", b"SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKphone")
        without, withOb = (b"Path", b"<sip:edge.example;lr>"), (b"Path", b"<sip:e.example;lr;ob>")
        edge.register(edge.binding(), [vias])
        await edge.told(439)
        edge.register(edge.binding(), [vias, without])
        await edge.told(439)
        self.assertEqual(await self.bindings(edge), [])
        edge.register(edge.binding(), [vias, without, withOb])
        response = await edge.told(200)
        self.assertEqual(response.all(b"path"), [without[1], withOb[1]])
        self.assertEqual(response.first(b"require"), b"outbound")
        self.assertIsNone(response.first(b"flow-timer"))

    async def test_unknownExtension(self) -> None:
        """
        What the registrar must support and does not is told (RFC 3261 8.2.2.3).
        """
        alice = await self.alice()
        response = await self.refused(alice, 420, alice.binding(), Require=b"outbound, dance, path")
        self.assertEqual(response.first(b"unsupported"), b"dance")

    async def test_severalUsersOnOneFlow(self) -> None:
        """
        One connection can carry the registrations of several users.
        """
        phone = await self.registered(b"alice", b"TCP")
        phone.user = b"carol"
        await phone.registered()
        self.assertEqual(untimed(await self.bindings(phone)), [phone.binding()])
        phone.user = b"alice"
        self.assertEqual(len(await self.bindings(phone)), 1)

    async def test_spelling(self) -> None:
        """
        One user is one, however the address is spelled (RFC 3261 10.3 step 5).
        """
        alice = await self.registered(b"alice")
        for spelling in (b"%61lice", b"al%69ce"):
            to = b"<sip:" + spelling + b"@" + DOMAIN.upper() + b":5060;user=ip>"
            alice.register(None, to=to)
            self.assertEqual(len((await alice.told(200)).all(b"contact")), 1)
        alice.register(None, to=b"<sip:Alice@" + DOMAIN + b">")
        self.assertEqual((await alice.told(200)).all(b"contact"), [])

    async def test_retransmitted(self) -> None:
        """
        Over UDP a REGISTER that comes twice is answered twice with the same octets.
        """
        alice = await self.alice()
        request = alice.register(alice.binding())
        first = await alice.told(200)
        self.advance(5)
        alice.send(request)
        self.assertEqual(bytes(await alice.told(200)), bytes(first))

    async def test_unasked(self) -> None:
        """
        The server never speaks of its own accord.
        """
        alice = await self.registered(b"alice")
        await alice.hearsNothing()


class StrangersTests(WireTestCase):
    """
    REGISTER requests that are for others.
    """

    async def test_foreign(self) -> None:
        """
        Only users of our domains register here.
        """
        alice = await self.phone(b"alice")
        alice.register(alice.binding(), to=b"<sip:alice@elsewhere.example>")
        await alice.told(404)
        alice.ask(b"REGISTER", b"sip:elsewhere.example", to=b"<sip:alice@elsewhere.example>")
        await alice.told(403)


class DurableRegisteringTests(RegisteringTests):
    """
    The same with bindings in SQLite.
    """

    durable = True


def untimed(contacts: list[bytes]) -> list[bytes]:
    """
    Contact values without their lifetimes.
    """
    return [re.sub(rb";expires=\d+", b"", contact) for contact in contacts]
