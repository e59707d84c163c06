"""
Routes with flow tokens, and who may send where, with the running server (RFC 5626 5.3, RFC 3261
16.4, 16.12).
"""

from __future__ import annotations

from sipoutbound.outbound.flowtoken import Keys
from sipoutbound.test.dialog import Dialog
from sipoutbound.test.laboratory import LOOPBACK, WireTestCase
from sipoutbound.test.phone import DOMAIN, Phone
from sipoutbound.transport.flow import hostport


class RoutingTestCase(WireTestCase):
    """
    What the tests of this module share.
    """

    def route(self, user: bytes, transport: bytes = b"UDP") -> tuple[bytes, bytes]:
        """
        A Route to the server.

        @param user: the token, or whatever stands there.
        """
        here = hostport(self.laboratory.addresses()[transport])
        suffix = b";transport=tcp" if transport == b"TCP" else b""
        return b"Route", b"<sip:%b@%b%b;lr>" % (user, here, suffix)

    async def token(self, phone: Phone) -> bytes:
        """
        The token of the phone's flow, as in the Path that its registration is told.
        """
        phone.register(phone.binding())
        path = (await phone.told(200)).all(b"path")[0]
        return path.partition(b"sip:")[2].partition(b"@")[0]


class TokenTests(RoutingTestCase):
    """
    A Route that points to us with a user part decides where a request goes.
    """

    async def test_decides(self) -> None:
        """
        The token's flow gets the request, whoever is in the Request-URI, which is left as it is.
        """
        for transport in (b"UDP", b"TCP"):
            alice = await self.phone(b"alice")
            bob = await self.registered(b"bob", transport)
            carol = await self.registered(b"carol")
            token = await self.token(bob)
            for uri in (carol.aor, b"sip:x@192.0.2.1:9;y=Z", b"tel:+1555"):
                alice.ask(b"MESSAGE", uri, [self.route(token, transport)])
                message = await bob.asked(b"MESSAGE")
                self.assertEqual(message.uri, uri)
                self.assertEqual(message.all(b"route"), [])
                bob.answer(message, 200)
                await alice.told(200)
            await carol.hearsNothing()

    async def test_furtherRoutes(self) -> None:
        """
        Routes behind the token are the next one's.
        """
        alice, bob = await self.phone(b"alice"), await self.registered(b"bob")
        rest = (b"Route", b'"x, y" <sip:192.0.2.1;lr>;a=b, <sip:192.0.2.2;lr>')
        alice.ask(b"MESSAGE", bob.aor, [self.route(await self.token(bob)), rest])
        self.assertEqual((await bob.asked(b"MESSAGE")).texts(b"route"), [rest[1]])

    async def test_escaped(self) -> None:
        """
        A token that somebody has percent-escaped on its way is the same token.
        """
        alice, bob = await self.phone(b"alice"), await self.registered(b"bob")
        token = await self.token(bob)
        escaped = b"".join(b"%%%02X" % octet for octet in token)
        alice.ask(b"MESSAGE", bob.aor, [self.route(escaped)])
        await bob.asked(b"MESSAGE")

    async def test_forged(self) -> None:
        """
        A token that is not ours gets 403, and nothing leaves: not to the flow it resembles, not to
        whom the Request-URI names.
        """
        alice = await self.phone(b"alice")
        bob, carol = await self.registered(b"bob"), await self.registered(b"carol", b"TCP")
        for phone in (bob, carol):
            token = await self.token(phone)
            for forged in (*forgeries(token), b"bob", b"x" * 2000, b"%00", b"A", b"=", b"%ff%fe"):
                alice.ask(b"MESSAGE", phone.aor, [self.route(forged)])
                await alice.told(403)
            invite = alice.ask(b"INVITE", phone.aor, [self.route(forged)])
            alice.acknowledge(invite, await alice.told(403))
            Dialog(alice, b"c", b"<sip:a@b>;tag=1", b"<sip:c@d>;tag=2", phone.contact, [
                self.route(forged)[1]
            ]).ask(b"ACK")  # fmt: skip
            await phone.hearsNothing()
        await alice.hearsNothing()

    async def test_foreignKey(self) -> None:
        """
        A token that another server has sealed is a forged one.
        """
        alice, bob = await self.phone(b"alice"), await self.registered(b"bob")
        keys = Keys.generate()
        identity = self.laboratory.server.flows.keys.open(await self.token(bob))
        alice.ask(b"MESSAGE", bob.aor, [self.route(keys.seal(identity))])
        await alice.told(403)
        await bob.hearsNothing()

    async def test_flowGone(self) -> None:
        """
        A request within a dialog whose flow is gone is told so (430), and goes nowhere else: not to
        the phone's other flow, not to its Contact.
        """
        alice = await self.registered(b"alice")
        bob = await self.registered(b"bob", b"TCP")
        other = await self.registered(b"bob", b"TCP", 2, like=bob)
        side, _ = await self.talk(alice, bob)
        await bob.close()
        side.ask(b"BYE")
        await alice.told(430)
        side.ask(b"ACK", 1)
        sent = side.ask(b"INVITE")
        alice.acknowledge(sent, await alice.told(430))
        await other.hearsNothing()

    async def test_portReused(self) -> None:
        """
        Another client behind the NAT is given the port of a connection that has ended: what was
        meant for the old one does not reach it.
        """
        alice = await self.registered(b"alice")
        bob = await self.registered(b"bob", b"TCP")
        side, _ = await self.talk(alice, bob)
        await bob.abort()
        stranger = await self.phone(b"stranger", b"TCP", bob.local[1])
        self.assertEqual(stranger.local, bob.local)
        side.ask(b"BYE")
        await alice.told(430)
        await stranger.hearsNothing()

    async def test_movedInDialog(self) -> None:
        """
        A phone that goes on with a call over a new flow: its own request does not come back to it
        over the old one, which is gone.
        """
        alice = await self.registered(b"alice", b"TCP")
        bob = await self.registered(b"bob")
        side, _ = await self.talk(alice, bob)
        await alice.close()
        side.phone = await self.registered(b"alice", b"TCP")
        side.ask(b"BYE")
        await side.phone.told(430)
        await bob.hearsNothing()

    async def test_withoutUser(self) -> None:
        """
        A Route to us without a token is only taken off (a client's outbound proxy, say).
        """
        alice, bob = await self.phone(b"alice"), await self.registered(b"bob")
        here = hostport(self.laboratory.addresses()[b"UDP"])
        for route in (b"<sip:%b;lr>" % here, b"<sip:%b;transport=udp;lr;x>" % here):
            alice.ask(b"MESSAGE", bob.aor, [(b"Route", route)])
            message = await bob.asked(b"MESSAGE")
            self.assertEqual(message.all(b"route"), [])
            bob.answer(message, 200)
            await alice.told(200)

    async def test_strictRouter(self) -> None:
        """
        A client that routes strictly puts our Route into the Request-URI and the other's Contact
        last (RFC 3261 16.4): the request finds its way all the same.
        """
        alice, bob = await self.registered(b"alice"), await self.registered(b"bob")
        side, _ = await self.talk(alice, bob)
        first, second = side.routes
        contact, side.target = side.target, first.strip(b"<>")
        side.routes = [second, b"<" + contact + b">"]
        side.ask(b"BYE")
        bye = await bob.asked(b"BYE")
        self.assertEqual((bye.uri, bye.all(b"route")), (bob.contact, []))

    async def test_rewrittenContact(self) -> None:
        """
        A Contact that changes in the dialog is the new target; the flow stays the way.
        """
        alice, bob = await self.registered(b"alice"), await self.registered(b"bob", b"TCP")
        side, _ = await self.talk(alice, bob)
        side.target = b"sip:elsewhere@10.9.9.9"
        side.ask(b"BYE")
        self.assertEqual((await bob.asked(b"BYE")).uri, side.target)

    async def test_userInPath(self) -> None:
        """
        Two flows of one phone have two tokens; one flow has one, whoever registers over it.
        """
        one = await self.registered(b"alice", b"TCP")
        other = await self.registered(b"alice", b"TCP", 2, like=one)
        first = await self.token(one)
        one.user = b"carol"
        self.assertEqual(await self.token(one), first)
        self.assertNotEqual(await self.token(other), first)


class RelayTests(RoutingTestCase):
    """
    Requests for others than our users.
    """

    async def foreigner(self) -> tuple[Phone, bytes]:
        """
        A server of another domain, and the URI of one of its users.
        """
        other = await self.phone(b"foreigner")
        other.contact = b"sip:f@%b:%d" % (LOOPBACK.encode(), other.local[1])
        return other, other.contact

    async def test_stranger(self) -> None:
        """
        Strangers cannot send through us to others: neither by Request-URI, nor by Route, nor with
        the air of a dialog.
        """
        bob = await self.registered(b"bob")
        other, uri = await self.foreigner()
        stranger = await self.phone(b"stranger")
        there = (b"Route", b"<" + uri + b";lr>")
        for target, headers in ((uri, []), (bob.aor, [there]), (uri, [there])):
            stranger.ask(b"MESSAGE", target, headers)
            await stranger.told(403)
        stranger.ask(b"MESSAGE", uri, to=b"<%b>;tag=x" % uri)
        await stranger.told(403)
        await other.hearsNothing()

    async def test_registered(self) -> None:
        """
        A registered phone calls somebody elsewhere, and either side ends it: what comes back finds
        the phone's flow.
        """
        for transport in (b"UDP", b"TCP"):
            alice = await self.registered(b"alice", transport)
            other, uri = await self.foreigner()
            alice.ask(b"INVITE", uri)
            invite = await other.asked(b"INVITE")
            self.assertEqual(invite.uri, uri)
            other.answer(invite, 200)
            side = Dialog.ofCaller(alice, await alice.told(200))
            side.ask(b"ACK", invite.cseq.number)
            await other.asked(b"ACK")
            back = Dialog.ofCallee(other, invite)
            back.ask(b"INFO")
            alice.answer(await alice.asked(b"INFO"), 200)
            await other.told(200)
            side.ask(b"BYE")
            other.answer(await other.asked(b"BYE"), 200)
            await alice.told(200)

    async def test_signedOff(self) -> None:
        """
        A phone that has signed off is a stranger again; what it had begun it may end.
        """
        alice = await self.registered(b"alice")
        other, uri = await self.foreigner()
        alice.ask(b"INVITE", uri)
        other.answer(await other.asked(b"INVITE"), 200)
        side = Dialog.ofCaller(alice, await alice.told(200))
        alice.register(b"*", [(b"Expires", b"0")])
        await alice.told(200)
        alice.ask(b"MESSAGE", uri)
        await alice.told(403)
        side.ask(b"BYE")
        await other.asked(b"BYE")

    async def test_routed(self) -> None:
        """
        A registered phone's own Routes are followed.
        """
        alice = await self.registered(b"alice")
        other, uri = await self.foreigner()
        there = b"<" + uri + b";lr>"
        alice.ask(b"MESSAGE", b"sip:x@192.0.2.77", [(b"Route", there)])
        message = await other.asked(b"MESSAGE")
        self.assertEqual((message.uri, message.all(b"route")), (b"sip:x@192.0.2.77", [there]))

    async def test_samePlaceOtherPort(self) -> None:
        """
        Our domain with a port that is not ours is somebody else; with one that is, it is ours.
        """
        stranger, bob = await self.phone(b"stranger"), await self.registered(b"bob")
        stranger.ask(b"MESSAGE", bob.aor + b":%d" % stranger.local[1])
        await stranger.told(403)
        for _, port in self.laboratory.addresses().values():
            stranger.ask(b"MESSAGE", bob.aor + b":%d" % port)
            bob.answer(await bob.asked(b"MESSAGE"), 200)
            await stranger.told(200)

    async def test_nobodyThere(self) -> None:
        """
        Nobody listens where a registered phone calls: it is told so.
        """
        alice = await self.registered(b"alice")
        gone = await self.phone(b"gone", b"TCP")
        await gone.abort()
        uri = b"sip:x@%b:%d;transport=tcp" % (LOOPBACK.encode(), gone.local[1])
        invite = alice.ask(b"INVITE", uri)
        alice.acknowledge(invite, await alice.told(500))

    async def test_foreignCaller(self) -> None:
        """
        Somebody elsewhere calls a user of ours; both can hang up.
        """
        other, uri = await self.foreigner()
        alice = await self.registered(b"alice", b"TCP")
        sides = await self.talk(other, alice)
        for side, there in (sides, sides[::-1]):
            side.ask(b"BYE")
            there.phone.answer(await there.phone.asked(b"BYE"), 200)
            await side.phone.told(200)
        self.assertEqual(sides[1].target, uri)

    async def test_behindForeignProxy(self) -> None:
        """
        A caller behind another proxy: that one knows the caller's flow, so there is no token of
        ours for it, and the BYE goes by the other proxy's Record-Route.
        """
        other, uri = await self.foreigner()
        alice = await self.registered(b"alice", b"TCP")
        behind = [
            (b"Via", b"SIP/2.0/UDP 10.8.8.8;branch=z9hG4bKbehind"),
            (b"Record-Route", b"<" + uri + b";lr>"),
        ]
        other.ask(b"INVITE", alice.aor, behind)
        invite = await alice.asked(b"INVITE")
        routes = invite.all(b"record-route")
        self.assertEqual((len(routes), routes[1]), (2, behind[1][1]))
        alice.answer(invite, 200)
        answered = await other.told(200)
        self.assertEqual(answered.all(b"via")[1], behind[0][1])
        Dialog.ofCallee(alice, invite).ask(b"BYE")
        bye = await other.asked(b"BYE")
        self.assertEqual(bye.all(b"route"), [behind[1][1]])


class SameHostTests(RelayTests):
    """
    The same where the others are on a host that is a domain of ours too, under other ports: as when
    everything is tried out on one machine.
    """

    domains = (DOMAIN.decode(), LOOPBACK)


def forgeries(token: bytes) -> list[bytes]:
    """
    What resembles a token and is none.
    """
    spoilt = [
        token[:at] + (b"B" if token[at : at + 1] == b"A" else b"A") + token[at + 1 :]
        for at in range(0, len(token) - 1, 3)
    ]
    return [*spoilt, token[:-1], token[1:], token + b"A", token[:20], 2 * token, token.swapcase()]
