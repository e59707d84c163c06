"""
By which way a phone is reached: its own flow, its Path, and nothing else, with the running server
(RFC 5626 5, 7; RFC 3327 5).
"""

from __future__ import annotations

from typing import Any

from twisted.internet.protocol import Protocol, ServerFactory

from sipoutbound.interfaces import Address
from sipoutbound.message.message import Request
from sipoutbound.settings import LOOPBACK as THIS_MACHINE
from sipoutbound.test.dialog import Dialog
from sipoutbound.test.laboratory import LOOPBACK, WireTestCase, reactor
from sipoutbound.test.phone import DOMAIN, Phone

HERE = LOOPBACK.encode()


class Trap(ServerFactory):
    """
    Listens where a phone's Contact says that it is, and where nobody should ever look.

    @ivar caught: how often somebody has connected.
    """

    noisy = False
    caught = 0

    def buildProtocol(self, addr: Any) -> Protocol:
        """
        Somebody has connected.
        """
        self.caught += 1
        return Protocol()


class FlowTests(WireTestCase):
    """
    A phone with a flow is sent to over that flow.
    """

    def trap(self) -> tuple[Trap, bytes]:
        """
        A trap, and the Contact that leads into it.
        """
        trap = Trap()
        port: Any = reactor.listenTCP(0, trap, interface=LOOPBACK)
        self.addCleanup(port.stopListening)
        return trap, b"sip:bob@%b:%d;transport=tcp" % (HERE, port.getHost().port)

    async def trapped(self) -> tuple[Phone, Trap]:
        """
        A phone whose Contact leads into a trap.
        """
        trap, contact = self.trap()
        bob = await self.phone(b"bob", b"TCP")
        bob.contact = contact
        return await bob.registered(), trap

    async def test_neverDialled(self) -> None:
        """
        A Contact that looks reachable is not connected to: while the flow lives it is used, when it
        is gone the caller is told so.
        """
        alice = await self.registered(b"alice")
        bob, trap = await self.trapped()
        side, _ = await self.talk(alice, bob)
        await bob.close()
        side.ask(b"BYE")
        await alice.told(430)
        alice.ask(b"MESSAGE", bob.aor)
        await alice.told(480)
        self.assertEqual(trap.caught, 0)

    async def test_deadToken(self) -> None:
        """
        A genuine token whose connection is gone: 430, and no connection is made to anywhere.
        """
        alice = await self.phone(b"alice")
        bob, trap = await self.trapped()
        bob.register(bob.binding())
        (path,) = (await bob.told(200)).all(b"path")
        await bob.abort()
        for method in (b"MESSAGE", b"FOO"):
            alice.ask(method, bob.contact, [(b"Route", path)])
            await alice.told(430)
        self.assertEqual(trap.caught, 0)

    async def test_addresses(self) -> None:
        """
        Over UDP a call comes from the very port that the phone has registered with, as its NAT lets
        nothing else through; over TCP on its connection.
        """
        alice = await self.registered(b"alice")
        bob = await self.registered(b"bob")
        sources: list[Address] = []
        take = bob.line.datagramReceived  # type: ignore[union-attr]

        def noted(datagram: bytes, address: Address) -> None:
            sources.append(address)
            take(datagram, address)

        self.patch(bob.line, "datagramReceived", noted)
        for method in (b"MESSAGE", b"OPTIONS"):
            alice.ask(method, bob.aor)
            bob.answer(await bob.asked(method), 200)
            await alice.told(200)
        here = self.laboratory.addresses()[b"UDP"]
        self.assertEqual(sources, [here, here])

    async def test_otherTransport(self) -> None:
        """
        The next flow gets a request of its own: with the Via and the way back of its transport, and
        another branch. The ACK for its answer goes down that flow, once.
        """
        alice, bob = await self.registered(b"alice"), await self.registered(b"bob")
        other = await self.registered(b"bob", b"TCP", 2, like=bob)
        alice.ask(b"INVITE", bob.aor)
        first = await bob.asked(b"INVITE")
        bob.answer(first, 430)
        await bob.asked(b"ACK")
        second = await other.asked(b"INVITE")
        self.assertEqual((first.via.transport, second.via.transport), (b"UDP", b"TCP"))
        self.assertNotEqual(first.via.branch, second.via.branch)
        routes = [invite.all(b"record-route") for invite in (first, second)]
        self.assertEqual(routes[0][1], routes[1][1])
        self.assertIn(b";transport=tcp;lr", routes[1][0])
        self.assertNotIn(b"transport", routes[0][0])
        other.answer(second, 200)
        side = Dialog.ofCaller(alice, await alice.told(200))
        side.ask(b"ACK", second.cseq.number)
        await other.asked(b"ACK")
        await other.hearsNothing()

    async def test_obWithoutMore(self) -> None:
        """
        A caller that says C{ob} in its Contact and nothing else of outbound, and has not even
        registered, is found again by who answers.
        """
        bob = await self.registered(b"bob")
        for transport in (b"UDP", b"TCP"):
            alice = await self.phone(b"alice", transport)
            alice.contact += b";ob"
            _, side = await self.talk(alice, bob)
            for method in (b"INVITE", b"BYE"):
                side.ask(method)
                request = await alice.asked(method)
                self.assertEqual(request.uri, alice.contact)
                alice.answer(request, 200)
                await bob.told(200)

    async def test_routeWithOb(self) -> None:
        """
        A call that comes along a phone's Path, as from a registrar elsewhere: what follows in the
        dialog finds the phone by the same token, without C{ob} (RFC 5626 5.3.1).
        """
        core, bob = await self.phone(b"core"), await self.registered(b"bob", b"TCP")
        core.contact = b"sip:core@%b:%d" % (HERE, core.local[1])
        bob.register(bob.binding())
        (path,) = (await bob.told(200)).all(b"path")
        self.assertIn(b";ob", path)
        core.ask(b"INVITE", bob.contact, [(b"Route", path)])
        invite = await bob.asked(b"INVITE")
        self.assertEqual(invite.all(b"route"), [])
        self.assertEqual(invite.all(b"record-route")[0], path.replace(b";ob", b""))
        bob.answer(invite, 200)
        side = Dialog.ofCaller(core, await core.told(200))
        side.ask(b"ACK", invite.cseq.number)
        await bob.asked(b"ACK")
        side.ask(b"BYE")
        bye = await bob.asked(b"BYE")
        self.assertEqual((bye.all(b"route"), bye.all(b"record-route")), ([], []))


class PathTests(WireTestCase):
    """
    Phones behind other servers.
    """

    # Edges of a test are on this machine.
    trust = THIS_MACHINE

    async def edge(self) -> Phone:
        """
        A server through which phones register.
        """
        edge = await self.phone(b"edge")
        edge.contact = b"sip:edge@%b:%d" % (HERE, edge.local[1])
        return edge

    def path(self, edge: Phone, token: bytes) -> bytes:
        """
        A Path value of that server's.
        """
        return b"<sip:%b@%b:%d;lr;ob>" % (token, HERE, edge.local[1])

    async def behind(self, edge: Phone, bob: Phone, regId: int, *path: bytes) -> None:
        """
        Have a phone register through it, as a flow of its own.

        @param path: the Path, topmost first.
        """
        via = b"SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKphone"
        edge.user = bob.user
        values = [(b"Path", value) for value in path]
        headers = [(b"Via", via), *values]
        edge.register(bob.binding(regId), headers, callId=b"%b-%d" % (bob.callId, regId))
        response = await edge.told(200)
        self.assertEqual(response.all(b"path"), list(path))

    async def test_noPathOfOurs(self) -> None:
        """
        Only the first hop puts C{ob} and a token into a Path: behind another server there is but
        its own (RFC 5626 5.1), whether its Via is on a line of its own or not.
        """
        edge, bob = await self.edge(), await self.phone(b"bob")
        await self.behind(edge, bob, 1, self.path(edge, b"t"))
        via = edge.via() + b" , SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKphone"
        head = [(b"Path", self.path(edge, b"t"))]
        edge.register(bob.binding(2), head, callId=b"x", via=via)
        self.assertEqual((await edge.told(200)).all(b"path"), [self.path(edge, b"t")])

    async def test_followed(self) -> None:
        """
        A phone with a Path is reached by it: its values are the Routes, in their order and in front
        of any other, its Contact the Request-URI (RFC 5626 7, RFC 3261 16.6 step 6).
        """
        alice = await self.registered(b"alice")
        edge, bob = await self.edge(), await self.phone(b"bob")
        path = self.path(edge, b"top"), b"<sip:t@192.0.2.3;lr;ob>"
        await self.behind(edge, bob, 1, *path)
        alice.ask(b"INVITE", bob.aor)
        invite = await edge.asked(b"INVITE")
        self.assertEqual((invite.uri, invite.all(b"route")), (bob.contact, list(path)))

    async def test_eachItsOwn(self) -> None:
        """
        Two phones behind two servers: each branch has the Path of its phone, and no other.
        """
        alice = await self.registered(b"alice")
        edges = [await self.edge(), await self.edge()]
        for number, edge in enumerate(edges):
            bob = await self.phone(b"bob")
            await self.behind(edge, bob, 1, self.path(edge, b"%d" % number))
        alice.ask(b"INVITE", b"sip:bob@" + DOMAIN)
        for number, edge in enumerate(edges):
            invite = await edge.asked(b"INVITE")
            self.assertEqual(invite.all(b"route"), [self.path(edge, b"%d" % number)])

    async def test_failedThere(self) -> None:
        """
        The first server has lost the phone (430): the call goes by the other, and the lost way is
        forgotten. When that one has lost it too, the caller is told 480.
        """
        alice = await self.registered(b"alice")
        edges, bob = [await self.edge(), await self.edge()], await self.phone(b"bob")
        for number, edge in enumerate(edges, 1):
            await self.behind(edge, bob, number, self.path(edge, b"%d" % number))
        alice.ask(b"INVITE", bob.aor)
        for edge in edges:
            invite: Request = await edge.asked(b"INVITE")
            edge.answer(invite, 430)
            await edge.asked(b"ACK")
        await alice.told(480)
        self.assertEqual(await self.bindings(bob), [])

    async def test_refusedThere(self) -> None:
        """
        The phone itself has refused by the first: the other hears nothing (RFC 5626 7).
        """
        alice = await self.registered(b"alice")
        edges, bob = [await self.edge(), await self.edge()], await self.phone(b"bob")
        for number, edge in enumerate(edges, 1):
            await self.behind(edge, bob, number, self.path(edge, b"%d" % number))
        for status in (302, 401, 403, 404, 486, 500, 503, 603):
            alice.ask(b"MESSAGE", bob.aor)
            edges[0].answer(await edges[0].asked(b"MESSAGE"), status)
            await alice.told(500 if status == 503 else status)
        await edges[1].hearsNothing()
        self.assertEqual(len(await self.bindings(bob)), 2)

    async def test_notRefused(self) -> None:
        """
        A phone that does not ask for outbound is never told of a first hop that lacks it (RFC 5626
        11.6).
        """
        edge, bob = await self.edge(), await self.phone(b"bob")
        via = (b"Via", b"SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKphone")
        for supported, contact in (
            (b"path", bob.binding()),
            (b"path, outbound", b"<" + bob.contact + b">"),
        ):
            request = edge.compose(
                b"REGISTER",
                b"sip:" + DOMAIN,
                [via, (b"Contact", contact), (b"Supported", supported)],
                to=b"<%b>" % bob.aor,
            )
            edge.send(request)
            await edge.told(200)
