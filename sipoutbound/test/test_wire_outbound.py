"""
When a registration is outbound, and what it replaces (RFC 5626 6).
"""

from __future__ import annotations

from sipoutbound import tap
from sipoutbound.location.sqlite import SQLiteStore
from sipoutbound.message.message import Response
from sipoutbound.outbound.policy import Policy
from sipoutbound.routing.decision import Decision, Redirect, Reply
from sipoutbound.routing.request import Request
from sipoutbound.routing.router import Router
from sipoutbound.settings import LOOPBACK as THIS_MACHINE
from sipoutbound.test.edges import Edge, lenient
from sipoutbound.test.laboratory import WireTestCase
from sipoutbound.test.phone import Phone
from sipoutbound.test.test_wire_registering import INSTANCE, plain, untimed


class OutboundTestCase(WireTestCase):
    """
    What the tests of this module share.
    """

    async def edge(self) -> Edge:
        """
        Somebody else's edge, with alice's phone behind it.
        """
        return Edge(await self.phone(b"alice"))

    async def granted(
        self, phone: Phone, contact: bytes | None, supported: bytes = b"path, outbound"
    ) -> Response:
        """
        A REGISTER that is accepted.
        """
        phone.register(contact, supported=supported)
        return await phone.told(200)

    async def rings(self, phone: Phone, aor: bytes | None = None) -> None:
        """
        Make sure that a caller reaches a phone.

        @param aor: who is called: the phone's user, unless told otherwise.
        """
        caller = await self.phone(b"caller")
        caller.ask(b"MESSAGE", aor or phone.aor)
        phone.answer(await phone.asked(b"MESSAGE"), 200)
        await caller.told(200)

    def assertApplied(self, response: Response, applied: bool, told: bool | None = None) -> None:
        """
        Check whether a phone is told that it has outbound, and how often to ping.

        @param told: whether it is told how often, where that is not the same.
        """
        self.assertEqual(response.all(b"require"), [b"outbound"] * applied)
        times = response.texts(b"flow-timer")
        self.assertEqual(times, [b"120"] * (applied if told is None else told))


class FirstHopTests(OutboundTestCase):
    """
    Who holds the phone's connection: the server, or an edge that says so.
    """

    # Edges of a test are on this machine.
    trust = THIS_MACHINE

    async def test_oneVia(self) -> None:
        """
        A phone that is connected to the server has outbound, whatever Path there is: none, or one
        of its own that knows nothing of it.
        """
        alice = await self.phone(b"alice")
        self.assertApplied(await self.granted(alice, alice.binding()), True)
        alice.register(alice.binding(), [(b"Path", b"<sip:home.example;lr>")])
        self.assertApplied(await alice.told(200), True)

    async def test_noPath(self) -> None:
        """
        Behind somebody who leaves no Path nobody could find the phone's connection: it is told so,
        and not taken for registered (RFC 5626 6, 11.6).
        """
        edge = await self.edge()
        edge.register(edge.side.binding())
        response = await edge.side.told(439)
        self.assertEqual(response.reason, b"First Hop Lacks Outbound Support")
        self.assertEqual(await self.bindings(edge.side), [])

    async def test_pathWithoutOb(self) -> None:
        """
        The same behind an edge that leaves its Path but does not hold connections; and the binding
        that the phone has stays as it is.
        """
        edge = await self.edge()
        await edge.granted(edge.side.binding(), [edge.path(b"token")])
        before = untimed(await self.bindings(edge.side))
        edge.side.contact = b"sip:alice@10.0.0.77"
        edge.register(edge.side.binding(), [edge.path(ob=False)])
        await edge.side.told(439)
        self.assertEqual(untimed(await self.bindings(edge.side)), before)

    async def test_neverAsked(self) -> None:
        """
        A phone that does not know outbound is never told 439: its reg-id is ignored, and it has a
        binding by its Contact URI, as any other.
        """
        edge = await self.edge()
        for paths in ((), (edge.path(ob=False),)):
            response = await edge.granted(edge.side.binding(), paths, b"path")
            self.assertApplied(response, False)
        edge.side.contact = b"sip:alice@10.0.0.77"
        edge.side.instance = b"11111111-0000-4000-8000-000000000001"
        response = await edge.granted(edge.side.binding(), [edge.path(ob=False)], b"path")
        self.assertApplied(response, False)
        self.assertEqual(len(response.all(b"contact")), 2)

    async def test_obOfTheBottomMostPath(self) -> None:
        """
        The first hop's Path is the last one, as each proxy puts its own in front: only its C{ob}
        counts, in however many lines and values they come.
        """
        edge = await self.edge()
        first, without = edge.path(b"token"), edge.path(ob=False)
        core, coreOb = b"<sip:core.example;lr>", b"<sip:core.example;lr;ob>"
        for paths in ((core, first), (core + b", " + first,), (core, core, without + b"," + first)):
            self.assertApplied(await edge.granted(edge.side.binding(), paths), True, told=False)
        for paths in ((coreOb, without), (coreOb + b", " + without,), (first, coreOb, core)):
            edge.register(edge.side.binding(2), paths)
            await edge.side.told(439)

    async def test_obInTheContact(self) -> None:
        """
        C{ob} counts as a parameter of the Path's URI, not beside it, and not in the Contact.
        """
        edge = await self.edge()
        edge.side.contact += b";ob"
        for path in (b"<sip:edge.example;lr>;ob", b"<sip:ob@ob.example;lr;x=ob>"):
            edge.register(edge.side.binding(), [path])
            await edge.side.told(439)

    async def test_missingObIgnored(self) -> None:
        """
        Where the operator would rather have phones registered that die of a 439 (older pjsip), they
        are, without outbound.
        """
        self.patch(tap, "Registrar", lenient(Policy(rejectMissingOb=False)))
        await self.laboratory.crash()
        await self.laboratory.restart()
        edge = await self.edge()
        response = await edge.granted(edge.side.binding(), [edge.path(ob=False)])
        self.assertApplied(response, False)
        self.assertEqual(len(response.all(b"contact")), 1)

    async def test_wayBack(self) -> None:
        """
        Who calls a phone behind edges reaches it over just those, in the order of their Path, under
        the Contact it gave (RFC 3327 5.4).
        """
        edge = await self.edge()
        paths = edge.path(b"core"), b"<sip:token@edge.example;lr;ob;x=1>", b"<sip:z.example;lr;ob>"
        await edge.granted(edge.side.binding(), [paths[0] + b", " + paths[1], paths[2]])
        caller = await self.phone(b"caller")
        caller.ask(b"MESSAGE", edge.side.aor)
        message = await edge.asked(b"MESSAGE")
        self.assertEqual(message.all(b"route"), list(paths))
        self.assertEqual(message.uri, edge.side.contact)
        await caller.told(200)


class BindingTests(OutboundTestCase):
    """
    Instance and reg-id.
    """

    async def test_requireOnlyWhenApplied(self) -> None:
        """
        A phone believes that it has outbound when the answer requires it: it is there when and only
        when its reg-id counted and it asked, and so is the time to ping in (RFC 5626 6).
        """
        alice = await self.phone(b"alice")
        instance = alice.binding().partition(b";reg-id")[0]
        for contact, supported, applied in (
            (alice.binding(), b"path, outbound", True),
            (alice.binding(), b"OUTBOUND", True),
            (alice.binding(), b"path", False),
            (instance, b"path, outbound", False),
            (plain(1) + b";reg-id=1", b"path, outbound", False),
            (plain(2), b"path, outbound", False),
            (None, b"path, outbound", False),
        ):
            self.assertApplied(await self.granted(alice, contact, supported), applied)
        alice.register(b"*", [(b"Expires", b"0")])
        self.assertApplied(await alice.told(200), False)

    async def test_instanceWithoutRegId(self) -> None:
        """
        A phone may name its instance and want no outbound.
        """
        alice = await self.phone(b"alice")
        contact = alice.binding().partition(b";reg-id")[0]
        response = await self.granted(alice, contact)
        self.assertApplied(response, False)
        self.assertEqual(untimed(response.all(b"contact")), [contact])
        await self.rings(alice)

    async def test_obWithoutRegId(self) -> None:
        """
        A phone that says C{ob} in its INVITE, and neither registers nor supports outbound, calls
        and is hung up on like any other.
        """
        bob, alice = await self.registered(b"bob"), await self.phone(b"alice", b"TCP")
        alice.contact += b";ob"
        side, other = await self.talk(alice, bob)
        self.assertEqual(other.target, alice.contact)
        other.ask(b"BYE")
        alice.answer(await alice.asked(b"BYE"), 200)
        await bob.told(200)
        self.assertEqual(side.phone, alice)

    async def test_plainAndOutbound(self) -> None:
        """
        One user may have phones of both kinds, at one URI even: both are listed, both ring, and
        signing one off leaves the other.
        """
        alice = await self.registered(b"alice")
        other = b"<" + alice.contact + b">"
        response = await self.granted(alice, other)
        self.assertEqual(untimed(response.all(b"contact")), [alice.binding(), other])
        caller = await self.phone(b"caller")
        invite = caller.ask(b"INVITE", alice.aor)
        rung = [await alice.asked(b"INVITE") for _ in range(2)]
        for each in rung:
            alice.answer(each, 486)
        caller.acknowledge(invite, await caller.told(486))
        for _ in rung:
            await alice.asked(b"ACK")
        response = await self.granted(alice, other + b";expires=0")
        self.assertEqual(untimed(response.all(b"contact")), [alice.binding()])

    async def test_sameInstanceOtherSpelling(self) -> None:
        """
        A phone that writes its UUID in capitals has not become another one (RFC 5626 4.1); the case
        of other URNs matters where their own rules say so.
        """
        alice = await self.phone(b"alice")
        uri = b"<" + alice.contact + b">;reg-id=1;"
        for same in (INSTANCE, INSTANCE.lower(), INSTANCE.replace(b"urn:uuid", b"URN:Uuid")):
            response = await self.granted(alice, uri + same)
            self.assertEqual(untimed(response.all(b"contact")), [uri + same])
        spelled = (b"urn:foo:A%2c", b"URN:Foo:A%2C"), (b"urn:foo:a%2c",), (b"Foo:x",), (b"foo:x",)
        for number, spellings in enumerate(spelled, 2):
            for urn in spellings:
                response = await self.granted(alice, uri + b'+sip.instance="<%b>"' % urn)
                self.assertEqual(len(response.all(b"contact")), number)

    async def test_noInstanceId(self) -> None:
        """
        What is no instance-id by its grammar makes no outbound registration (RFC 5626 10).
        """
        alice = await self.phone(b"alice")
        uri = b"<" + alice.contact + b">;reg-id=1;+sip.instance="
        for text in (b'"urn:uuid:%b"' % alice.instance, b"urn:uuid:" + alice.instance, b'"<>"'):
            self.assertApplied(await self.granted(alice, uri + text), False)
        alice.register(uri + b"<urn:uuid:%b>" % alice.instance)
        await alice.told(400)

    async def test_highestRegId(self) -> None:
        """
        A phone may number its flows up to 2^31-1 (RFC 5626 10).
        """
        alice = await self.phone(b"alice")
        for number in (1, 2147483647):
            self.assertApplied(await self.granted(alice, alice.binding(number)), True)
        self.assertEqual(len(await self.bindings(alice)), 2)

    async def test_otherUriSameKey(self) -> None:
        """
        The Contact URI tells no flow from another: with it go all that the phone said with the one
        before, and the way there.
        """
        old = await self.phone(b"alice")
        await self.granted(old, old.binding() + b";audio")
        new = await self.phone(b"alice", b"TCP")
        new.instance, new.callId = old.instance, old.callId
        new.contact = b"sip:another@10.5.5.5:5066;transport=tcp"
        new.register(new.binding() + b";video", number=b"900")
        response = await new.told(200)
        self.assertEqual(untimed(response.all(b"contact")), [new.binding() + b";video"])
        await self.rings(new)
        await old.hearsNothing()

    async def test_newConnection(self) -> None:
        """
        A phone that comes back over another connection is called over that one from then on, over
        just the connection of its REGISTER, wherever its Contact points.
        """
        first = await self.registered(b"alice", b"TCP")
        await self.rings(first)
        second = await self.registered(b"alice", b"TCP", like=first)
        await self.rings(second)
        await first.hearsNothing()

    async def test_sameInstanceOfTwoUsers(self) -> None:
        """
        An instance-id and a reg-id say nothing without the user: who copies them takes over nobody
        else's calls (RFC 5626 12).
        """
        alice = await self.registered(b"alice")
        mallory = await self.registered(b"mallory", like=alice)
        self.assertEqual(untimed(await self.bindings(alice)), [alice.binding()])
        self.assertEqual(untimed(await self.bindings(mallory)), [mallory.binding()])
        await self.rings(alice)
        await self.rings(mallory)

    async def test_limitIsPerInstance(self) -> None:
        """
        The flows of one phone take no room from a user's other phones, and a phone with too many
        of them displaces nothing.
        """
        phones = [await self.registered(b"alice") for _ in range(10)]
        for regId in range(2, 9):
            await phones[0].registered(regId)
        phones[0].register(phones[0].binding(9))
        await phones[0].told(403)
        eleventh = await self.phone(b"alice")
        eleventh.register(eleventh.binding())
        await eleventh.told(403)
        for phone in phones:
            await phone.registered()
        self.assertEqual(len(await self.bindings(phones[0])), 17)


class StoredTests(OutboundTestCase):
    """
    What the database has of a registration.
    """

    durable = True

    async def test_lastUpdated(self) -> None:
        """
        An operator sees when a phone was last heard of: every refresh counts, on whatever flow.
        """
        alice = await self.registered(b"alice")
        store = SQLiteStore(self.laboratory.settings.state / "location.sqlite")
        self.addCleanup(store.close)
        (first,) = store.load()
        self.advance(100)
        moved = await self.registered(b"alice", b"TCP", like=alice)
        (second,) = store.load()
        self.assertGreaterEqual(second.updated - first.updated, 100)
        self.assertEqual((second.callId, second.contact), (moved.callId, moved.contact))
        self.assertEqual(second.cseq, 1)
        self.assertNotEqual(second.flow, first.flow)


class Guard(Router):
    """
    Somebody who looks at every REGISTER before the registrar does.
    """

    async def route_REGISTER(self, request: Request) -> Decision | None:
        """
        By what stands in C{X-Pass}: unknown, forbidden, elsewhere, or let through.
        """
        password = request.header("X-Pass")
        if password is None:
            return Reply(401, headers=(("WWW-Authenticate", 'X realm="x"'),))
        if password == "elsewhere":
            return Redirect(("sip:registrar.example",))
        return None if password == "right" else Reply(403)


class GuardedTests(OutboundTestCase):
    """
    Registrations that are refused for who asks.
    """

    routes = (("sipoutbound.test.test_wire_outbound.Guard", None),)

    async def test_refused(self) -> None:
        """
        A REGISTER that is refused has changed nothing: neither the Contact, nor over which way the
        phone is called (RFC 3261 10.3, RFC 5626 12).
        """
        alice, right = await self.phone(b"alice"), (b"X-Pass", b"right")
        alice.register(alice.binding(), [right])
        path = (await alice.told(200)).all(b"path")
        mallory = await self.phone(b"alice", b"TCP")
        mallory.instance = alice.instance
        for headers, status in (
            ([], 401),
            ([(b"X-Pass", b"wrong")], 403),
            ([(b"X-Pass", b"elsewhere")], 302),
        ):
            mallory.register(mallory.binding(), headers)
            self.assertEqual((await mallory.told(status)).all(b"path"), [])
            mallory.register(b"*", [*headers, (b"Expires", b"0")])
            await mallory.told(status)
        await self.rings(alice)
        await mallory.hearsNothing()
        alice.register(alice.binding(), [right])
        response = await alice.told(200)
        self.assertEqual(response.all(b"path"), path)
        self.assertEqual(untimed(response.all(b"contact")), [alice.binding()])

    async def test_elsewhere(self) -> None:
        """
        A phone can be sent to another registrar (RFC 3261 10.3).
        """
        alice = await self.phone(b"alice")
        alice.register(alice.binding(), [(b"X-Pass", b"elsewhere")])
        response = await alice.told(302)
        self.assertEqual(response.all(b"contact"), [b"<sip:registrar.example>"])
