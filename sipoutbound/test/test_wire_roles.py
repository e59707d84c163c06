"""
Edges and a registrar as servers of their own: RFC 5626 as it was meant, over the wire.
"""

from __future__ import annotations

from sipoutbound.message.message import Request, Response
from sipoutbound.settings import LOOPBACK
from sipoutbound.test.cluster import ClusterTestCase
from sipoutbound.test.dialog import Dialog
from sipoutbound.test.phone import DOMAIN, Phone


class RolesTests(ClusterTestCase):
    """
    Registering and being called through edges.
    """

    async def rings(self, caller: Phone, callee: Phone) -> Request:
        """
        A call that reaches a phone.
        """
        caller.ask(b"INVITE", callee.aor)
        invite = await callee.asked(b"INVITE")
        callee.answer(invite, 180)
        await caller.told(180)
        return invite

    async def test_registered(self) -> None:
        """
        The phone sees what it would see of one server: outbound applied, the edge's Path, and how
        often the edge wants to hear it.
        """
        for transport in (b"TCP", b"UDP"):
            bob = await self.phone(0, b"bob" + transport, transport)
            bob.register(bob.binding())
            response = await bob.told(200)
            self.assertEqual(response.all(b"require"), [b"outbound"])
            self.assertEqual(response.first(b"flow-timer"), b"120")
            (path,) = response.all(b"path")
            self.assertTrue(path.endswith(b";lr;ob>"), path)

    async def test_called(self) -> None:
        """
        A call between two edges: rung, answered, hung up from either side, over the phones' own
        connections all the way.
        """
        alice = await self.phone(0, b"alice")
        await alice.registered()
        bob = await self.phone(1, b"bob", b"UDP")
        await bob.registered()
        for hangsUp in range(2):
            invite = await self.rings(alice, bob)
            bob.answer(invite, 200)
            sides = [Dialog.ofCaller(alice, await alice.told(200)), Dialog.ofCallee(bob, invite)]
            sides[0].ask(b"ACK", 1)
            await bob.asked(b"ACK")
            sides[hangsUp].ask(b"BYE", 2)
            other = (bob, alice)[hangsUp]
            other.answer(await other.asked(b"BYE"), 200)
            await (alice, bob)[hangsUp].told(200)

    async def test_closed(self) -> None:
        """
        The phone's first connection is closed: the registrar behind the edge knows at once, and the
        next call rings over the other edge.
        """
        first, second = await self.flows(b"bob")
        alice = await self.phone(1, b"alice")
        self.assertEqual(self.bindings(), 2)
        await first.abort()
        await self.registrar.until(lambda: self.bindings() == 1, "the registrar knows")
        await self.rings(alice, second)

    async def test_withoutNotice(self) -> None:
        """
        If the edge's notice is lost, its 430 has the call ring over the other edge, and the dead
        binding is gone.
        """
        first, second = await self.flows(b"bob")
        alice = await self.phone(1, b"alice")
        self.edges[0].server.flows.lost = lambda flow: None
        await first.abort()
        await self.edges[0].turn()
        self.assertEqual(self.bindings(), 2)
        await self.rings(alice, second)
        self.assertEqual(self.bindings(), 1)

    async def test_edgeKilled(self) -> None:
        """
        An edge is killed: its address refuses, and the call rings over the other one.
        """
        _, second = await self.flows(b"bob")
        alice = await self.phone(1, b"alice")
        await self.edges[0].crash()
        await self.rings(alice, second)

    async def test_edgeRestarted(self) -> None:
        """
        An edge that was restarted with its keys knows its UDP flows, and of connections that they
        are gone: 430, never 403, after which no other flow could be tried.
        """
        carol = await self.phone(0, b"carol", b"UDP")
        await carol.registered()
        _, second = await self.flows(b"bob")
        alice = await self.phone(1, b"alice")
        await self.edges[0].crash()
        await self.edges[0].restart()
        await self.rings(alice, carol)
        await self.rings(alice, second)

    async def test_strangers(self) -> None:
        """
        An edge is no way for strangers to call other domains: the registrar trusts the edge.
        """
        mallory = await self.phone(0, b"mallory")
        mallory.ask(b"MESSAGE", b"sip:somebody@elsewhere.invalid")
        await mallory.told(403)
        await mallory.registered()
        mallory.ask(b"MESSAGE", b"sip:somebody@elsewhere.invalid")
        response = await mallory.hears()
        assert isinstance(response, Response)
        self.assertNotEqual(response.status, 403)

    async def test_twoUsers(self) -> None:
        """
        Of two users of one phone one signs off, and somebody asks where he is: the other may still
        call other domains.
        """
        desk = await self.phone(0, b"desk")
        home = desk.speakingFor(await self.phone(0, b"home"))
        for user in (desk, home):
            user.register(user.binding())
            await user.told(200)
        home.register(home.binding() + b";expires=0")
        self.assertEqual((await home.told(200)).all(b"contact"), [])
        home.register(None)
        await home.told(200)
        desk.ask(b"MESSAGE", b"sip:somebody@elsewhere.invalid")
        self.assertNotEqual((await desk.hears()).status, 403)
        desk.register(desk.binding() + b";expires=0")
        await desk.told(200)
        desk.ask(b"MESSAGE", b"sip:somebody@elsewhere.invalid")
        await desk.told(403)

    async def test_notAnEdge(self) -> None:
        """
        A phone cannot write its own Path, nor tell a registrar that somebody else's flow is dead.
        """
        bob = await self.phone(0, b"bob")
        bob.register(bob.binding())
        (path,) = (await bob.told(200)).all(b"path")
        mallory = await self.phone(0, b"mallory")
        mallory.register(mallory.binding(), [(b"Path", b"<sip:mallory@10.0.0.1;lr;ob>")])
        await mallory.told(403)
        mallory.ask(b"OPTIONS", b"sip:" + DOMAIN, [(b"Flow-Failed", path)])
        await mallory.told(200)
        self.assertEqual(self.bindings(), 1)

    async def test_edgeBehindEdge(self) -> None:
        """
        Two edges in a row: the phone is called through both, C{ob} being the first one's, and when
        it leaves the registrar knows.
        """
        outer = self.edge(self.home, LOOPBACK)
        self.edges.append(self.edge(self.uriOf(outer)))
        bob, alice = await self.phone(2, b"bob"), await self.phone(1, b"alice")
        bob.register(bob.binding())
        response = await bob.told(200)
        self.assertEqual(response.all(b"require"), [b"outbound"])
        self.assertEqual([b";ob" in value for value in response.all(b"path")], [False, True])
        await self.rings(alice, bob)
        await bob.abort()
        await self.registrar.until(lambda: self.bindings() == 0, "the registrar knows")


class DatagramRolesTests(RolesTests):
    """
    The same with UDP between the edges and the registrar.
    """

    transport = b"UDP"


class UntrustedTests(ClusterTestCase):
    """
    A registrar that does not know its edges.
    """

    trusted = ()

    async def test_refused(self) -> None:
        """
        Whoever could write a Path would get a user's calls: REGISTER is taken from edges only.
        """
        bob = await self.phone(0, b"bob")
        bob.register(bob.binding())
        await bob.told(403)
        direct = await self.registrar.phone(b"bob", b"TCP")
        direct.register(direct.binding())
        await direct.told(403)
        self.assertEqual(self.bindings(), 0)
