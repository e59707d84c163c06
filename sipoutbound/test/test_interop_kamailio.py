"""
Kamailio with its own outbound module in the place of a server of ours: an edge in front of our
registrar, and a registrar behind our edge (RFC 5626).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from sipoutbound.message.message import Request, Response
from sipoutbound.test import test_interop_baresip as baresip
from sipoutbound.test.bed import LOOPBACK, freePorts
from sipoutbound.test.bed_kamailio import Kamailio, impossible
from sipoutbound.test.bed_server import Server
from sipoutbound.test.dialog import Dialog
from sipoutbound.test.laboratory import quietPort
from sipoutbound.test.phone import Phone

# What Kamailio asks of who wants a token in the Record-Route of a call of his own (RFC 5626 4.3).
CALLER = [(b"Supported", b"outbound, path")]


class KamailioTestCase(TestCase):
    """
    Tests with both.
    """

    skip = impossible()
    timeout = 90.0

    def setUp(self) -> None:
        """
        Choose a folder.
        """
        self.folder = Path(self.mktemp()).absolute()

    def kamailio(self, name: str, registrar: str = "", *defines: str) -> Kamailio:
        """
        A Kamailio that runs for the time of the test.
        """
        port = quietPort()
        kamailio = Kamailio(name, self.folder / f"{name}-{port}", registrar, defines, port)
        kamailio.start()
        self.addCleanup(kamailio.stop)
        return kamailio

    def server(self, *options: str) -> Server:
        """
        A server of ours that runs for the time of the test.
        """
        server = Server(self.folder / "ours", ports=[quietPort()], options=options).start()
        self.addCleanup(server.stop)
        return server

    async def phone(self, port: int, user: bytes, transport: bytes = b"TCP") -> Phone:
        """
        A phone that has reached an edge, and says C{ob} in its Contact.
        """
        phone = await Phone.at((LOOPBACK, port), user, transport)
        self.addCleanup(phone.close)
        phone.contact += b";ob"
        return phone

    async def registered(self, phone: Phone, regId: int = 1) -> Response:
        """
        What a phone is told that registers a flow: that outbound was applied.
        """
        phone.register(phone.binding(regId))
        response = await phone.told(200)
        self.assertEqual(response.all(b"require"), [b"outbound"])
        return response

    async def rings(self, caller: Phone, callee: Phone) -> Request:
        """
        A call that reaches a phone.
        """
        caller.ask(b"INVITE", callee.aor, CALLER)
        invite = await callee.asked(b"INVITE")
        callee.answer(invite, 180)
        await caller.told(180)
        return invite

    async def hungUpByEither(self, caller: Phone, callee: Phone) -> None:
        """
        Calls that are answered and hung up, from one side and from the other.
        """
        for hangsUp in range(2):
            invite = await self.rings(caller, callee)
            callee.answer(invite, 200)
            side = Dialog.ofCaller(caller, await caller.told(200))
            sides = [side, Dialog.ofCallee(callee, invite)]
            side.ask(b"ACK", 1)
            await callee.asked(b"ACK")
            sides[hangsUp].ask(b"BYE", 2)
            other = (callee, caller)[hangsUp]
            other.answer(await other.asked(b"BYE"), 200)
            await (caller, callee)[hangsUp].told(200)

    async def contacts(self, phone: Phone) -> list[bytes]:
        """
        The Contact values of a fetch.
        """
        phone.register(None)
        return (await phone.told(200)).all(b"contact")


class ForeignEdgeTests(KamailioTestCase):
    """
    Two Kamailios as edges of our registrar.
    """

    def setUp(self) -> None:
        """
        Start all three.
        """
        super().setUp()
        registrar = self.server("--role", "registrar")
        self.home = f"sip:{registrar.address};transport=tcp"
        self.edges = [self.kamailio("edge", self.home) for _ in range(2)]

    async def flows(self, user: bytes) -> tuple[Phone, Phone]:
        """
        A phone registered over both edges.
        """
        first, second = [await self.phone(edge.port, user) for edge in self.edges]
        second.instance = first.instance
        await self.registered(first, 1)
        await self.registered(second, 2)
        return first, second

    async def test_registered(self) -> None:
        """
        Over both transports the phone is told that outbound was applied, and gets back the Path
        with Kamailio's token.
        """
        for transport in (b"TCP", b"UDP"):
            bob = await self.phone(self.edges[0].port, b"bob" + transport, transport)
            response = await self.registered(bob)
            paths = response.all(b"path")
            self.assertIn(b";ob", paths[-1])
            self.assertIn(b"@127.0.0.1:%d" % self.edges[0].port, paths[-1])

    async def test_called(self) -> None:
        """
        Phones at different edges call each other over the connections that they have, and either
        hangs up.
        """
        alice = await self.phone(self.edges[0].port, b"alice")
        bob = await self.phone(self.edges[1].port, b"bob", b"UDP")
        await self.registered(alice)
        await self.registered(bob)
        await self.hungUpByEither(alice, bob)
        await self.hungUpByEither(bob, alice)

    async def test_flowClosed(self) -> None:
        """
        The phone's first connection is closed, and Kamailio says 430: the call rings over the other
        edge, and of the dead flow nothing is left at our registrar.
        """
        first, second = await self.flows(b"bob")
        alice = await self.phone(self.edges[1].port, b"alice")
        await first.abort()
        self.assertEqual(len(await self.contacts(second)), 2)
        await self.rings(alice, second)
        self.assertEqual(len(await self.contacts(second)), 1)

    async def test_flowSilent(self) -> None:
        """
        A phone on UDP is gone without a word. When Kamailio has waited for it long enough it says
        430, and the call rings over the other edge.
        """
        first = await self.phone(self.edges[0].port, b"bob", b"UDP")
        second = await self.phone(self.edges[1].port, b"bob")
        second.instance = first.instance
        await self.registered(first, 1)
        await self.registered(second, 2)
        alice = await self.phone(self.edges[1].port, b"alice")
        alice.ask(b"INVITE", first.aor, CALLER)
        await first.asked(b"INVITE")
        second.answer(await second.asked(b"INVITE"), 180)
        await alice.told(180)

    async def test_otherFailure(self) -> None:
        """
        A Kamailio whose configuration does not look after flows says something else than 430 of a
        connection that is gone. That is no leave to try another flow (RFC 5626 7): the caller is
        told, and the second flow does not ring.
        """
        self.edges[0] = self.kamailio("edge", self.home, "SILENT")
        first, second = await self.flows(b"bob")
        alice = await self.phone(self.edges[1].port, b"alice")
        await first.abort()
        alice.ask(b"INVITE", first.aor, CALLER)
        response = await alice.told(477)
        self.assertIsNone(response.first(b"contact"))
        self.assertEqual(len(await self.contacts(second)), 2)

    async def test_forged(self) -> None:
        """
        A Kamailio that was restarted has other keys and says 403 of the tokens that it made before.
        Nothing else is tried then either.
        """
        first, second = await self.flows(b"bob")
        alice = await self.phone(self.edges[1].port, b"alice")
        self.edges[0].stop()
        self.edges[0].start()
        alice.ask(b"INVITE", first.aor, CALLER)
        await alice.told(403)
        self.assertEqual(len(await self.contacts(second)), 2)

    async def test_withoutOutbound(self) -> None:
        """
        Behind a Kamailio without its outbound module the phone is told 439: it has no flow by which
        it could be called; nothing is kept of it.
        """
        blind = self.kamailio("edge", self.home, "BLIND")
        bob = await self.phone(blind.port, b"bob")
        bob.register(bob.binding())
        await bob.told(439)
        self.assertEqual(await self.contacts(bob), [])


class ForeignRegistrarTests(KamailioTestCase):
    """
    Kamailio as the registrar of our edge.
    """

    def setUp(self) -> None:
        """
        Start both.
        """
        super().setUp()
        self.registrar = self.kamailio("registrar")
        home = f"sip:{self.registrar.address};transport=tcp"
        edge = ("--role", "edge", "--registrar", home, "--trust", "none")
        self.edge = self.server(*edge)

    async def flows(self, user: bytes) -> tuple[Phone, Phone]:
        """
        A phone registered twice. Kamailio takes a new Call-ID of an instance for a new start of the
        phone, and removes its other flows.
        """
        first, second = [await self.phone(self.edge.port, user) for _ in range(2)]
        second.instance, second.callId = first.instance, first.callId
        await self.registered(first, 1)
        await self.registered(second, 2)
        return first, second

    async def said(self, line: str, since: int) -> None:
        """
        Wait for a line of Kamailio's log.
        """
        await deferToThread(self.registrar.program.expect, line, since)

    async def test_registered(self) -> None:
        """
        Kamailio believes our Path: outbound was applied, the phone gets the Path back, and of two
        times to be heard in the one that our edge keeps.
        """
        for transport in (b"TCP", b"UDP"):
            bob = await self.phone(self.edge.port, b"bob" + transport, transport)
            response = await self.registered(bob)
            (path,) = response.all(b"path")
            self.assertTrue(path.endswith(b";lr;ob>"), path)
            self.assertEqual(response.all(b"flow-timer"), [b"120"])
            (contact,) = response.all(b"contact")
            self.assertIn(b"reg-id=1", contact)
            self.assertIn(bob.instance, contact)

    async def test_called(self) -> None:
        """
        Phones call each other over the connections that they have to our edge, by its tokens, and
        either hangs up.
        """
        alice = await self.phone(self.edge.port, b"alice")
        bob = await self.phone(self.edge.port, b"bob", b"UDP")
        await self.registered(alice)
        await self.registered(bob)
        await self.hungUpByEither(alice, bob)
        await self.hungUpByEither(bob, alice)

    async def test_flowClosed(self) -> None:
        """
        A connection is closed. Kamailio does not know what our edge tells of dead flows, and is
        told 430 when it tries: the phone's other flow rings, and the binding is gone.
        """
        first, second = await self.flows(b"bob")
        alice = await self.phone(self.edge.port, b"alice")
        mark = self.registrar.program.mark()
        await first.abort()
        await self.said("asked with Flow-Failed", mark)
        self.assertEqual(len(await self.contacts(second)), 2)
        await self.rings(alice, second)
        await self.said("flow failed: 430", mark)
        self.assertEqual(len(await self.contacts(second)), 1)

    async def test_edgeRestarted(self) -> None:
        """
        Our edge is killed and started again: its UDP flows serve on for Kamailio, and a connection
        is told of with 430.
        """
        first, _ = await self.flows(b"bob")
        carol = await self.phone(self.edge.port, b"carol", b"UDP")
        await self.registered(carol)
        self.edge.kill()
        self.edge.start()
        alice = await self.phone(self.edge.port, b"alice")
        await self.rings(alice, carol)
        mark = self.registrar.program.mark()
        alice.ask(b"INVITE", first.aor, CALLER)
        await self.said("flow failed: 430", mark)


class BaresipTests(baresip.BaresipTestCase):
    """
    baresip phones with two flows each, over two Kamailios to our registrar.
    """

    skip = impossible() or baresip.BaresipTestCase.skip

    def served(self) -> Sequence[int]:
        """
        Start all three.
        """
        options = ("--role", "registrar")
        folder = self.folder / "server"
        registrar = Server(folder, self.network, freePorts(1), options).start()
        self.addCleanup(registrar.stop)
        home = f"sip:{registrar.address};transport=tcp"
        ports = freePorts(2)
        for port in ports:
            edge = Kamailio("edge", self.folder / str(port), home, (), port, self.network)
            edge.start()
            self.addCleanup(edge.stop)
        return ports

    def test_secondFlow(self) -> None:
        """
        A phone is called over its first flow, and after that connection was cut over its second, at
        once.
        """
        first, second = self.ports
        self.assertEqual(self.callToTheo(), first)
        if not self.network.cut(first):
            self.skipTest("this kernel cannot cut connections (CONFIG_INET_DIAG_DESTROY)")
        self.assertEqual(self.callToTheo(), second)
