"""
Edges and a registrar as operators run them: each a process of its own (RFC 5626 5.3.1, 6, 9.3).
"""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from sipoutbound.message.message import Request
from sipoutbound.test.bed import LOOPBACK, environment
from sipoutbound.test.bed_server import Server
from sipoutbound.test.dialog import Dialog
from sipoutbound.test.laboratory import quietPort
from sipoutbound.test.phone import Phone


class ProcessesTests(TestCase):
    """
    Two edges, and a registrar behind them.
    """

    timeout = 90.0

    def setUp(self) -> None:
        """
        Start all three.
        """
        self.folder = Path(self.mktemp()).absolute()
        self.registrar = self.server("registrar", "--role", "registrar")
        home = f"sip:{self.registrar.address};transport=tcp"
        edge = ("--role", "edge", "--registrar", home, "--trust", "none")
        self.edges = [self.server(name, *edge) for name in ("first", "second")]
        servers = (self.registrar, *self.edges)
        with ThreadPoolExecutor() as threads:
            list(threads.map(self.started, servers))

    def server(self, name: str, *options: str) -> Server:
        """
        A server that listens on this machine alone.
        """
        return Server(self.folder / name, ports=[quietPort()], options=options)

    def started(self, server: Server) -> None:
        """
        Start a server, which ends with the test.
        """
        server.start()
        self.addCleanup(server.stop)

    async def phone(self, edge: int, user: bytes, transport: bytes = b"TCP") -> Phone:
        """
        A phone that has reached an edge.
        """
        phone = await Phone.at((LOOPBACK, self.edges[edge].port), user, transport)
        self.addCleanup(phone.close)
        return phone

    async def path(self, phone: Phone, regId: int = 1) -> bytes:
        """
        Register, and say what Path that makes.
        """
        phone.register(phone.binding(regId))
        (path,) = (await phone.told(200)).all(b"path")
        return path

    async def talk(self, caller: Phone, callee: Phone) -> Dialog:
        """
        A call that is answered; the caller's side.
        """
        invite = await self.rings(caller, callee)
        callee.answer(invite, 200)
        side = Dialog.ofCaller(caller, await caller.told(200))
        side.ask(b"ACK", 1)
        await callee.asked(b"ACK")
        return side

    async def rings(self, caller: Phone, callee: Phone) -> Request:
        """
        A call that reaches a phone.
        """
        caller.ask(b"INVITE", callee.aor)
        invite = await callee.asked(b"INVITE")
        callee.answer(invite, 180)
        await caller.told(180)
        return invite

    async def test_deadFlow(self) -> None:
        """
        The callee's connection to its edge breaks off during a call: who hangs up is told so, 430,
        by that edge through the other one; and the next call rings over the callee's other flow.
        """
        first, second = await self.phone(0, b"bob"), await self.phone(1, b"bob", b"UDP")
        second.instance = first.instance
        alice = await self.phone(1, b"alice")
        await alice.registered()
        await first.registered(1)
        side = await self.talk(alice, first)
        await second.registered(2)
        await first.abort()
        side.ask(b"BYE")
        await alice.told(430)
        await self.rings(alice, second)

    async def test_stopped(self) -> None:
        """
        An edge that is stopped tells the registrar of the connections that end with it: nobody has
        to try them. A phone on UDP is reached when the edge is back.
        """
        first, second = await self.phone(0, b"bob"), await self.phone(1, b"bob")
        second.instance = first.instance
        carol = await self.phone(0, b"carol", b"UDP")
        await first.registered(1)
        await second.registered(2)
        await carol.registered()
        await deferToThread(self.edges[0].stop)
        for user, left in ((b"bob", 1), (b"carol", 1)):
            asker = await self.phone(1, user)
            asker.register(None)
            self.assertEqual(len((await asker.told(200)).all(b"contact")), left, user)

    async def test_restarted(self) -> None:
        """
        An edge is killed and started again, its keys rotated in between. What came over UDP goes on
        as if nothing had been, a call that was up too; of a connection it says 430, so the call
        rings over the phone's other edge.
        """
        carol = await self.phone(0, b"carol", b"UDP")
        first, second = await self.phone(0, b"bob"), await self.phone(1, b"bob")
        second.instance = first.instance
        alice = await self.phone(1, b"alice")
        for phone in (carol, first, alice):
            await phone.registered()
        await second.registered(2)
        side = await self.talk(alice, carol)
        lost = await self.talk(alice, first)
        self.edges[0].kill()
        self.rotate(self.edges[0])
        await deferToThread(self.edges[0].start)
        side.ask(b"BYE")
        carol.answer(await carol.asked(b"BYE"), 200)
        await alice.told(200)
        await self.rings(alice, carol)
        lost.ask(b"BYE")
        await alice.told(430)
        await self.rings(alice, second)

    def rotate(self, server: Server) -> None:
        """
        What an operator types.
        """
        command = [sys.executable, "-m", "sipoutbound.keys", "--state", str(server.folder)]
        subprocess.run(
            [*command, "rotate"], check=True, capture_output=True, env=environment(), timeout=60
        )

    async def test_forged(self) -> None:
        """
        Who makes up a token, or has that of another edge, is told 403 and reaches nobody: asked
        directly, and through an edge that he is registered with.
        """
        bob, mallory = await self.phone(0, b"bob"), await self.phone(1, b"mallory")
        paths = await self.path(bob), await self.path(mallory)
        token, edge = paths[0].split(b"@")
        swapped = token[:-1] + (b"A" if token[-1:] != b"A" else b"B")
        foreign = paths[1].split(b"@")[0]
        stranger = await self.phone(0, b"stranger")
        for bad in (swapped, foreign, b"<sip:alice"):
            for who in (stranger, mallory):
                who.ask(b"MESSAGE", b"sip:bob@10.0.0.9", [(b"Route", bad + b"@" + edge)])
                await who.told(403)
        await bob.hearsNothing()

    async def test_firstHopLacksOutbound(self) -> None:
        """
        A phone behind a proxy that knows nothing of outbound, in front of the edge, is told 439 by
        the registrar: it has no flow by which it could be called, and nothing is kept of it.
        """
        bob = await self.phone(0, b"bob", b"UDP")
        proxy = b", SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bK-phone"
        bob.register(bob.binding(), via=bob.via() + proxy)
        await bob.told(439)
        bob.register(None)
        self.assertEqual((await bob.told(200)).all(b"contact"), [])
        bob.register(bob.binding(), via=bob.via() + proxy, supported=b"path")
        response = await bob.told(200)
        self.assertEqual(response.all(b"require"), [])
        self.assertEqual(len(response.all(b"contact")), 1)
