"""
Where responses go, from where, and what is written down for that (RFC 3261 18.2, RFC 3581).
"""

from __future__ import annotations

import socket

from attrs import evolve

from sipoutbound.addresses import withTCP
from sipoutbound.message.header import NameAddress, Via
from sipoutbound.settings import CONNECTION, DATAGRAM, STREAM, Listen
from sipoutbound.settings import LOOPBACK as LOOPBACK_NETWORKS
from sipoutbound.test.bed import freePorts
from sipoutbound.test.laboratory import LOOPBACK, WireTestCase
from sipoutbound.test.peer import Peer
from sipoutbound.test.phone import DOMAIN, Phone

HERE = LOOPBACK.encode()


class SourceTests(WireTestCase):
    """
    The source of a request, in the response that its client hears.
    """

    async def test_rport(self) -> None:
        """
        Who asks for its port is told that and its address, although it knows the address; over TCP
        as over UDP.
        """
        for transport in (b"UDP", b"TCP"):
            phone = await self.phone(b"alice", transport)
            for number, place in enumerate((HERE, b"10.0.0.9:5099", b"phone.example.org")):
                via = b"SIP/2.0/%b %b;branch=z9hG4bK%d%b;rport" % (
                    transport, place, number, transport,
                )  # fmt: skip
                phone.ask(b"OPTIONS", b"sip:" + DOMAIN, via=via)
                params = dict((await phone.told(200)).via.params)
                self.assertEqual(params[b"rport"], b"%d" % phone.local[1])
                self.assertEqual(params[b"received"], HERE)

    async def test_received(self) -> None:
        """
        Who does not ask is told its address where its Via says another, or a name; over TCP as over
        UDP. Nothing is told where the Via is right.
        """
        for transport in (b"UDP", b"TCP"):
            phone = await self.phone(b"alice", transport)
            for host in (b"10.0.0.9", b"phone.example.org", b"localhost", b"[::1]", HERE):
                place = b"%b:%d" % (host, phone.local[1])
                name = b"%b%d" % (transport, len(host))
                via = b"SIP/2.0/%b %b;branch=z9hG4bK%b" % (transport, place, name)
                phone.ask(b"OPTIONS", b"sip:" + DOMAIN, via=via)
                params = dict((await phone.told(200)).via.params)
                self.assertEqual(params.get(b"received"), None if host == HERE else HERE)
                self.assertNotIn(b"rport", params)

    async def test_forms(self) -> None:
        """
        C{rport} is understood with a value and without, in any case (RFC 3581 5).
        """
        phone = await self.phone(b"alice")
        for number, form in enumerate((b"rport", b"RPORT", b"rport=1", b"rport=65535")):
            via = b"SIP/2.0/UDP 10.0.0.9;%b;branch=z9hG4bK%d" % (form, number)
            phone.ask(b"OPTIONS", b"sip:" + DOMAIN, via=via)
            params = (await phone.told(200)).via.params
            values = [value for name, value in params if name == b"rport"]
            self.assertEqual(values, [b"%d" % phone.local[1]])


class PlaceTests(WireTestCase):
    """
    Where a response goes.
    """

    async def test_sourcePort(self) -> None:
        """
        With C{rport} it goes back to the port that the request came from, whatever port the Via
        has: behind a NAT no other leads to the client.
        """
        sender, other = await self.phone(b"one"), await self.phone(b"other")
        via = b"SIP/2.0/UDP 10.0.0.9:%d;branch=z9hG4bKa;rport" % other.local[1]
        sender.ask(b"OPTIONS", b"sip:" + DOMAIN, via=via)
        await sender.told(200)
        await other.hearsNothing()

    async def test_sentByPort(self) -> None:
        """
        Without it, to the port in the Via, at the address that the request came from.
        """
        sender, other = await self.phone(b"one"), await self.phone(b"other")
        via = b"SIP/2.0/UDP 10.0.0.9:%d;branch=z9hG4bKb" % other.local[1]
        sender.ask(b"OPTIONS", b"sip:" + DOMAIN, via=via)
        self.assertIn((b"received", HERE), (await other.told(200)).via.params)
        await sender.hearsNothing()

    async def test_fromPort(self) -> None:
        """
        It leaves from the port that the request came to.
        """
        server = self.laboratory.addresses()[b"UDP"]
        with socket.socket(type=socket.SOCK_DGRAM) as phone:
            phone.bind((LOOPBACK, 0))
            phone.setblocking(False)
            there = await self.phone(b"there")
            via = b"SIP/2.0/UDP 10.0.0.9;branch=z9hG4bKc;rport"
            phone.sendto(bytes(there.compose(b"OPTIONS", b"sip:" + DOMAIN, via=via)), server)
            await there.hearsNothing()
            answer, source = phone.recvfrom(4096)
            self.assertEqual((answer[:11], source), (b"SIP/2.0 200", server))

    async def test_others(self) -> None:
        """
        Nobody aims a response at somebody else: neither C{maddr} nor C{received} of the client's
        own are followed.
        """
        server = self.laboratory.addresses()[b"UDP"]
        sender = await self.phone(b"one")
        with socket.socket(type=socket.SOCK_DGRAM) as victim:
            victim.bind(("127.0.0.7", sender.local[1]))
            victim.setblocking(False)
            for number, aimed in enumerate((b"maddr=127.0.0.7", b"received=127.0.0.7")):
                place = b"%b:%d" % (HERE, sender.local[1])
                via = b"SIP/2.0/UDP %b;branch=z9hG4bKd%d;%b" % (place, number, aimed)
                sender.ask(b"OPTIONS", b"sip:" + DOMAIN, via=via)
                await sender.told(200)
            self.assertRaises(BlockingIOError, victim.recvfrom, 4096)
            self.assertEqual(server[0], LOOPBACK)


class OwnViaTests(WireTestCase):
    """
    Our own Via, and the responses to our own requests.
    """

    async def test_rport(self) -> None:
        """
        Over UDP we ask for our port ourselves, with a parameter that has no value; over TCP not.
        """
        alice = await self.registered(b"alice")
        for transport, params in ((b"UDP", (b"rport", b"branch")), (b"TCP", (b"branch",))):
            bob = await self.registered(b"bob-" + transport, transport)
            alice.ask(b"MESSAGE", bob.aor)
            via = (await bob.asked(b"MESSAGE")).via
            self.assertEqual(tuple(name for name, _ in via.params), params)
            self.assertIsNone(dict(via.params).get(b"rport"))

    async def test_bothPorts(self) -> None:
        """
        A response is heard where the request came from and where our Via says; it is the same
        place, and any of the callee's ports may answer.
        """
        alice, bob = await self.registered(b"alice"), await self.registered(b"bob")
        other = await self.phone(b"other")
        for phone in (bob, other):
            alice.ask(b"MESSAGE", bob.aor)
            message = await bob.asked(b"MESSAGE")
            server = self.laboratory.addresses()[b"UDP"]
            self.assertEqual((message.via.host, message.via.port), (server[0].encode(), server[1]))
            phone.answer(message, 200)
            await alice.told(200)

    async def test_names(self) -> None:
        """
        Every address that is handed out, in Path, Record-Route and Via, is listened on.
        """
        caller = await self.registered(b"caller")
        for transport in (b"UDP", b"TCP"):
            alice = await self.registered(b"alice-" + transport, transport)
            alice.register(alice.binding())
            path = NameAddress.parse((await alice.told(200)).all(b"path")[0]).uri
            caller.ask(b"INVITE", alice.aor)
            invite = await alice.asked(b"INVITE")
            route = NameAddress.parse(invite.all(b"record-route")[0]).uri
            alice.answer(invite, 486)
            for uri in (path, route):
                by = (uri.param(b"transport") or b"udp").upper()
                await self.answers((uri.host.decode(), uri.port or 5060), by)
            await self.answers((invite.via.host.decode(), invite.via.port or 5060), transport)

    async def answers(self, place: tuple[str, int], transport: bytes) -> None:
        """
        Make sure that the server is there.
        """
        phone = await Phone.at(place, b"asker", transport)
        self.laboratory.phones.append(phone)
        await phone.hearsNothing()

    async def test_twin(self) -> None:
        """
        Where UDP is listened on, TCP is too: messages that are too large for a datagram come there.
        """
        (port,) = freePorts(1)
        laboratory = self.laboratory
        await laboratory.server.stopService()
        only = (Listen(DATAGRAM, port, LOOPBACK),)
        laboratory.settings = evolve(laboratory.settings, listen=only)
        await laboratory.restart()
        for transport in (b"UDP", b"TCP"):
            self.assertEqual(laboratory.addresses()[transport], (LOOPBACK, port))
            await self.answers((LOOPBACK, port), transport)

    def test_noTwin(self) -> None:
        """
        Unless the operator has said what is to be listened on for TCP there.
        """
        one, other = Listen(DATAGRAM, 5060), Listen(DATAGRAM, 5070, LOOPBACK)
        told = Listen(CONNECTION, 5060, LOOPBACK)
        endpoint = Listen(STREAM, endpoint="systemd:domain=INET:index=0")
        self.assertEqual(withTCP((one,)), [one, Listen(CONNECTION, 5060)])
        self.assertEqual(
            withTCP((one, other, told)), [one, other, told, Listen(CONNECTION, 5070, LOOPBACK)]
        )
        self.assertEqual(withTCP((one, endpoint)), [one, endpoint])


class ReturnTests(WireTestCase):
    """
    Connections that are closed before the response.
    """

    async def asked(self, caller: Phone, peer: Peer, callee: Phone) -> None:
        """
        A request whose Via has the peer's port arrives, and the connection is closed.
        """
        place = b"%b:%d" % (HERE, peer.address[1])
        via = b"SIP/2.0/TCP %b;branch=z9hG4bK%d" % (place, peer.address[1])
        caller.ask(b"INVITE", callee.aor, via=via)
        self.invite = await callee.asked(b"INVITE")
        await self.leave(caller)

    async def leave(self, caller: Phone) -> None:
        """
        Its connection is closed, and the server has noticed.
        """
        await caller.abort()
        streams = self.laboratory.server.flows.streams
        await self.laboratory.until(
            lambda: caller.local not in [flow.peer for flow in streams()], "its end is noticed"
        )

    async def test_reconnected(self) -> None:
        """
        The server of a caller that has closed its connection hears the answer over a new one, at
        the port in its Via; further ones over the same.
        """
        bob, caller = await self.registered(b"bob"), await self.phone(b"caller", b"TCP")
        peer = Peer().listen(LOOPBACK)
        self.addCleanup(peer.close)
        await self.asked(caller, peer, bob)
        bob.answer(self.invite, 180)
        back = await peer.connected(b"caller")
        await back.told(180)
        bob.answer(self.invite, 200)
        await back.told(200)
        self.assertEqual(len(peer.lines), 1)

    async def test_nobodyThere(self) -> None:
        """
        A phone behind a NAT cannot be reached so: its response is lost, with a line in the log, and
        nothing else is.
        """
        bob, caller = await self.registered(b"bob"), await self.phone(b"caller", b"TCP")
        peer = Peer().listen(LOOPBACK)
        await self.asked(caller, peer, bob)
        await peer.close()
        bob.answer(self.invite, 486)
        await bob.asked(b"ACK")
        await bob.hearsNothing()

    async def test_ringsForNobody(self) -> None:
        """
        A phone does not ring on for a caller who has left and can't be reached.
        """
        bob, caller = await self.registered(b"bob"), await self.phone(b"caller", b"TCP")
        peer = Peer().listen(LOOPBACK)
        await self.asked(caller, peer, bob)
        await peer.close()
        bob.answer(self.invite, 180)
        bob.answer(await bob.asked(b"CANCEL"), 200)
        bob.answer(self.invite, 487)
        await bob.asked(b"ACK")
        await bob.hearsNothing()

    async def test_sameConnection(self) -> None:
        """
        As long as it is open the connection of the request has its response, whatever the Via says.
        """
        bob, caller = await self.registered(b"bob"), await self.phone(b"caller", b"TCP")
        peer = Peer().listen(LOOPBACK)
        self.addCleanup(peer.close)
        place = b"%b:%d" % (HERE, peer.address[1])
        caller.ask(b"MESSAGE", bob.aor, via=b"SIP/2.0/TCP %b;branch=z9hG4bKe" % place)
        bob.answer(await bob.asked(b"MESSAGE"), 200)
        self.assertEqual(Via.parse((await caller.told(200)).all(b"via")[0]).port, peer.address[1])
        self.assertEqual(peer.lines, [])

    async def elsewhere(self, peer: Peer) -> None:
        """
        A client whose Via names a port of another host has left when its answer comes.
        """
        bob, caller = await self.registered(b"bob"), await self.phone(b"caller", b"TCP")
        via = b"SIP/2.0/TCP %b:%d;branch=z9hG4bKf" % (peer.address[0].encode(), peer.address[1])
        caller.ask(b"MESSAGE", bob.aor, via=via)
        message = await bob.asked(b"MESSAGE")
        await self.leave(caller)
        bob.answer(message, 200)
        await bob.hearsNothing()
        await self.laboratory.turn()

    async def test_stranger(self) -> None:
        """
        Nobody has a connection made to another host than his own.
        """
        peer = Peer().listen("127.0.0.2")
        self.addCleanup(peer.close)
        await self.elsewhere(peer)
        self.assertEqual(peer.lines, [])


class TrustedReturnTests(ReturnTests):
    """
    The same for a server that is trusted, which has other hosts too.
    """

    trust = LOOPBACK_NETWORKS

    async def test_stranger(self) -> None:
        """
        Where it takes no connection at the address that it has asked from, its answer goes to the
        host that its Via names (RFC 3263 5).
        """
        peer = Peer().listen("127.0.0.2")
        self.addCleanup(peer.close)
        await self.elsewhere(peer)
        await (await peer.connected(b"caller")).told(200)
