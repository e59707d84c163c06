"""
The way back to a phone: Path at the registrar, and at the edge of somebody else's registrar
(RFC 3327).
"""

from __future__ import annotations

from sipoutbound import tap
from sipoutbound.message.message import Request
from sipoutbound.outbound.policy import Policy
from sipoutbound.settings import LOOPBACK as THIS_MACHINE
from sipoutbound.test.edges import Edge, lenient
from sipoutbound.test.laboratory import LOOPBACK, WireTestCase
from sipoutbound.test.phone import Phone
from sipoutbound.test.test_wire_registering import plain, untimed


class RegistrarTests(WireTestCase):
    """
    Path values that others have added.
    """

    # Edges of a test are on this machine.
    trust = THIS_MACHINE

    async def edge(self) -> Edge:
        """
        Somebody else's edge, with alice's phone behind it.
        """
        return Edge(await self.phone(b"alice"))

    async def called(self, edge: Edge) -> list[bytes]:
        """
        Call alice.

        @return: the Routes that her edge sees.
        """
        caller = await self.phone(b"caller")
        caller.ask(b"MESSAGE", edge.side.aor)
        message = await edge.asked(b"MESSAGE")
        await caller.told(200)
        return message.all(b"route")

    async def test_reflected(self) -> None:
        """
        The answer to a REGISTER shows the whole way, octet by octet and in its order, in one line
        or several.
        """
        edge = await self.edge()
        values = [edge.path(b"Core"), b'"An edge" <sip:T%41@Edge.example;lr;ob;x>;y=" ,"']
        for paths in (values, [b", ".join(values)], [b",".join(values)]):
            response = await edge.granted(edge.side.binding(), paths)
            self.assertEqual(response.all(b"path"), values)
            self.assertEqual(await self.called(edge), values)

    async def test_eachItsOwn(self) -> None:
        """
        Two phones of one user behind two edges are called over one each; the answer lists both
        Contacts, and the way of the one who asks (RFC 5626 9.2).
        """
        one, other = await self.edge(), await self.edge()
        ways = [one.path(b"one")], [other.path(b"other")]
        await one.granted(one.side.binding(), ways[0])
        response = await other.granted(other.side.binding(), ways[1])
        self.assertEqual(len(response.all(b"contact")), 2)
        self.assertEqual(response.all(b"path"), ways[1])
        caller = await self.phone(b"caller")
        caller.ask(b"INVITE", one.side.aor)
        for edge, way in ((one, ways[0]), (other, ways[1])):
            self.assertEqual((await edge.asked(b"INVITE", 180)).all(b"route"), way)

    async def test_replaced(self) -> None:
        """
        A refresh over another way, or over none, is what counts from then on.
        """
        edge, next_ = await self.edge(), await self.edge()
        contact = edge.side.binding()
        await edge.granted(contact, [edge.path(b"a"), b"<sip:x.example;lr;ob>"])
        edge.register(contact, [next_.path(b"b")])
        await edge.side.told(200)
        self.assertEqual(await self.called(next_), [next_.path(b"b")])

    async def test_onlyInSuccess(self) -> None:
        """
        A Path stands in REGISTERs and in answers that grant them, and nowhere else: not in a
        refusal, and in no other request.
        """
        edge = await self.edge()
        edge.register(edge.side.binding() + b";expires=1", [edge.path()])
        self.assertEqual((await edge.side.told(423)).all(b"path"), [])
        await edge.granted(edge.side.binding(), [edge.path()])
        bob = await self.registered(b"bob")
        bob.ask(b"INVITE", edge.side.aor)
        invite = await edge.asked(b"INVITE")
        self.assertEqual(invite.all(b"path"), [])
        self.assertEqual((await bob.told(200)).all(b"path"), [])

    async def test_brackets(self) -> None:
        """
        A Path value is an address in brackets, or it is refused: without them nobody could tell
        whose C{lr} and C{ob} it has.
        """
        edge = await self.edge()
        bare = b"sip:edge.example;lr;ob"
        for bad in (bare, edge.path() + b", " + bare, b"<" + bare):
            edge.register(edge.side.binding(), [bad])
            await edge.side.told(400)
        self.assertEqual(await self.bindings(edge.side), [])

    async def test_ownAddsLr(self) -> None:
        """
        The server's own Path is that of a loose router, for plain phones too.
        """
        for transport in (b"UDP", b"TCP"):
            phone = await self.phone(b"bob", transport)
            for contact in (phone.binding(), b"<" + phone.contact + b">"):
                phone.register(contact)
                (path,) = (await phone.told(200)).all(b"path")
                self.assertRegex(path, rb"^<sip:[^;>]+(;transport=tcp)?;lr(;ob)?>$")

    async def test_phonesOwn(self) -> None:
        """
        A phone may name a way of its own: it is behind the server's, and goes along with a call.
        """
        bob = await self.phone(b"bob")
        own = b"<sip:home.example;lr>"
        bob.register(bob.binding(), [(b"Path", own)])
        ours, *behind = (await bob.told(200)).all(b"path")
        self.assertEqual(behind, [own])
        self.assertIn(b";ob>", ours)
        caller = await self.phone(b"caller")
        caller.ask(b"MESSAGE", bob.aor)
        message = await bob.asked(b"MESSAGE")
        self.assertEqual(message.all(b"route"), [own])

    async def test_unknownToThePhone(self) -> None:
        """
        A phone that does not know Path cannot see who has put himself between: it is told what it
        lacks, and what it had stays (RFC 3327 5.3).
        """
        edge = await self.edge()
        await edge.granted(plain(1), [edge.path()])
        for contact, supported in ((plain(1), b"outbound"), (edge.side.binding(), b"gruu")):
            edge.register(contact, [edge.path(b"evil")], supported)
            response = await edge.side.told(420)
            self.assertEqual(response.all(b"unsupported"), [b"path"])
        self.assertEqual(untimed(await self.bindings(edge.side)), [plain(1)])
        self.assertEqual(await self.called(edge), [edge.path()])

    async def test_unknownToThePhoneAccepted(self) -> None:
        """
        An operator who trusts the edges has such phones registered, and called over those; they are
        shown no header that they do not know.
        """
        self.patch(tap, "Registrar", lenient(Policy(rejectUnknownPath=False)))
        await self.laboratory.crash()
        await self.laboratory.restart()
        edge = await self.edge()
        response = await edge.granted(plain(1), [edge.path()], b"gruu")
        self.assertEqual(response.all(b"path"), [])
        self.assertEqual(await self.called(edge), [edge.path()])

    async def test_unknownToADirectPhone(self) -> None:
        """
        The server's own Path is nobody else's: a phone that does not know the word, behind its own
        NAT, is registered and called.
        """
        bob = await self.phone(b"bob", b"TCP")
        bob.register(b"<" + bob.contact + b">", supported=b"timer")
        self.assertEqual((await bob.told(200)).all(b"path"), [])
        caller = await self.phone(b"caller")
        caller.ask(b"MESSAGE", bob.aor)
        await bob.asked(b"MESSAGE")


class EdgeTests(WireTestCase):
    """
    Phones of ours that register with somebody else's registrar, through the server.
    """

    # Edges of a test are on this machine.
    trust = THIS_MACHINE

    async def foreign(self) -> Phone:
        """
        Somebody else's registrar.
        """
        return await self.phone(b"registrar")

    async def passed(
        self, phone: Phone, registrar: Phone, contact: bytes, *paths: bytes, supported: bytes
    ) -> Request:
        """
        A REGISTER for a user of the other registrar's.

        @return: how it arrives there.
        """
        domain = b"sip:%b:%d" % (LOOPBACK.encode(), registrar.local[1])
        lines = [(b"Contact", contact), (b"Supported", supported)]
        lines += [(b"Path", path) for path in paths]
        phone.ask(b"REGISTER", domain, lines, to=b"<sip:ann@%b>" % domain[4:])
        request = await registrar.asked(b"REGISTER")
        self.assertEqual(request.uri, domain)
        self.assertEqual(request.all(b"contact"), [contact])
        return request

    async def test_inserted(self) -> None:
        """
        The other registrar finds our Path on top of those that were there, with the flow the phone
        has: what it sends there reaches the phone.
        """
        registrar = await self.foreign()
        for transport in (b"UDP", b"TCP"):
            alice = await self.registered(b"alice", transport)
            for contact, ending in ((alice.binding(), b";lr;ob>"), (plain(1), b";lr>")):
                there = b"<sip:before.example;lr>"
                request = await self.passed(
                    alice, registrar, contact, there, supported=b"gruu, PATH, outbound"
                )
                ours, *behind = request.all(b"path")
                self.assertEqual(behind, [there])
                self.assertTrue(ours.endswith(ending), ours)
                registrar.answer(request, 200)
                await alice.told(200)
                registrar.ask(b"MESSAGE", b"sip:ann@10.0.0.9", [(b"Route", ours)])
                message = await alice.asked(b"MESSAGE")
                self.assertEqual(message.all(b"route"), [])
                alice.answer(message, 200)
                await registrar.told(200)

    async def test_notForWhoDoesNotKnowIt(self) -> None:
        """
        A plain phone that does not know Path gets none on its way to another registrar, which might
        refuse it for that.
        """
        registrar, alice = await self.foreign(), await self.registered(b"alice")
        request = await self.passed(alice, registrar, plain(1), supported=b"timer")
        self.assertEqual(request.all(b"path"), [])

    async def test_answerUnchanged(self) -> None:
        """
        What the other registrar answers comes to the phone octet by octet, but for our Via: the
        Path, a Service-Route, in their lines and order (RFC 3327 5.2, RFC 3608 6.2).
        """
        registrar, alice = await self.foreign(), await self.registered(b"alice")
        request = await self.passed(
            alice, registrar, alice.binding(), supported=b"path, outbound"
        )
        (ours,) = request.all(b"path")
        lines = [
            (b"Path", ours + b" ,<sip:X.example;lr>;a=\" b\""),
            (b"Service-Route", b"<sip:hsp.example;lr> , <sip:b.example;lr>"),
            (b"PATH", b"<sip:changed.example;lr>"),
            (b"Service-Route", b"<sip:c.example;lr>"),
            (b"Contact", alice.binding() + b";expires=99"),
        ]
        sent = registrar.answer(request, 200, lines)
        heard = bytes(await alice.told(200))
        ourVia, rest = sent.split(b"\r\n", 2)[1:]
        self.assertTrue(ourVia.lower().startswith(b"via:"), ourVia)
        self.assertEqual(heard.split(b"\r\n", 1)[1], rest)
