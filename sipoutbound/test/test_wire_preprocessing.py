"""
What decides where a request goes, with the running server: strict routers, C{maddr}, schemes; and
what cannot be sent (RFC 3261 16.3 to 16.6).
"""

from __future__ import annotations

from sipoutbound.message.message import Response
from sipoutbound.settings import LOOPBACK as THIS_MACHINE
from sipoutbound.test.laboratory import LOOPBACK, WireTestCase
from sipoutbound.test.phone import DOMAIN, Phone

HERE = LOOPBACK.encode()


class PreprocessingTestCase(WireTestCase):
    """
    What the tests of this module share.
    """

    def port(self, transport: bytes = b"UDP") -> int:
        """
        Where the server listens.
        """
        return self.laboratory.addresses()[transport][1]

    async def elsewhere(self) -> Phone:
        """
        A server of another domain.
        """
        other = await self.phone(b"other")
        other.contact = b"sip:other@%b:%d" % (HERE, other.local[1])
        return other


class StrictRouterTests(PreprocessingTestCase):
    """
    Routers that know only RFC 2543: their own URI is in the Request-URI.
    """

    # Edges of a test are on this machine.
    trust = THIS_MACHINE

    async def test_next(self) -> None:
        """
        A Route without C{lr} is where it goes, as its Request-URI; the real one is the last Route,
        and what comes of the request, its CANCEL too, goes the same way (RFC 3261 16.6 step 6).
        """
        alice, strict = await self.registered(b"alice"), await self.elsewhere()
        port = strict.local[1]
        uri = b"sip:s@%b:%d;x=Y;method=INVITE?h=1" % (HERE, port)
        rest = b'"Next" <sip:192.0.2.3;lr>;p=q'
        for routes in ([], [rest], [rest, b"<sip:192.0.2.4>"]):
            head = [(b"Route", b"<" + uri + b">")] + [(b"Route", route) for route in routes]
            sent = alice.ask(b"INVITE", b"sip:c@192.0.2.9;z=1", head)
            invite = await strict.asked(b"INVITE")
            self.assertEqual(invite.uri, b"sip:s@%b:%d;x=Y" % (HERE, port))
            self.assertEqual(invite.all(b"route"), [*routes, b"<sip:c@192.0.2.9;z=1>"])
            strict.answer(invite, 180)
            await alice.told(180)
            alice.cancel(sent)
            await alice.told(200)
            cancel = await strict.asked(b"CANCEL")
            self.assertEqual((cancel.uri, cancel.all(b"route")), (invite.uri, invite.all(b"route")))
            strict.answer(cancel, 200)
            strict.answer(invite, 487)
            await strict.asked(b"ACK")
            await alice.told(487)

    async def test_loose(self) -> None:
        """
        With C{lr} nothing moves.
        """
        alice, loose = await self.registered(b"alice"), await self.elsewhere()
        route = b"<sip:%b:%d;lr;x=Y>" % (HERE, loose.local[1])
        alice.ask(b"MESSAGE", b"sip:c@192.0.2.9;z=1", [(b"Route", route)])
        message = await loose.asked(b"MESSAGE")
        self.assertEqual((message.uri, message.all(b"route")), (b"sip:c@192.0.2.9;z=1", [route]))

    async def test_path(self) -> None:
        """
        A proxy in a phone's Path that routes strictly is understood too.
        """
        alice, strict, bob = (
            await self.registered(b"alice"), await self.elsewhere(), await self.phone(b"bob"),
        )  # fmt: skip
        path = b"<sip:p@%b:%d>" % (HERE, strict.local[1])
        via = bob.via() + b", SIP/2.0/UDP 192.0.2.3;branch=z9hG4bKp"
        bob.register(b"<" + bob.contact + b">", [(b"Path", path)], via=via)
        await bob.told(200)
        alice.ask(b"MESSAGE", bob.aor)
        message = await strict.asked(b"MESSAGE")
        self.assertEqual(message.uri, path.strip(b"<>"))
        self.assertEqual(message.all(b"route"), [b"<" + bob.contact + b">"])


class MaddrTests(PreprocessingTestCase):
    """
    C{maddr} says where a request goes, whatever the host is (RFC 3261 19.1.1).
    """

    async def test_ours(self) -> None:
        """
        One that is ours has done its work: it goes, with its port and transport, and the user is
        looked up as without (RFC 3261 16.4).
        """
        alice, bob = await self.phone(b"alice"), await self.registered(b"bob")
        for uri in (
            b"%b;maddr=%b" % (bob.aor, DOMAIN),
            b"%b:%d;maddr=%b;transport=udp" % (bob.aor, self.port(), HERE),
            b"%b:%d;transport=tcp;maddr=%b" % (bob.aor, self.port(b"TCP"), HERE),
        ):
            alice.ask(b"MESSAGE", uri)
            message = await bob.asked(b"MESSAGE")
            self.assertEqual(message.uri, bob.contact)
            bob.answer(message, 200)
            await alice.told(200)

    async def test_oursAndSomebodyElses(self) -> None:
        """
        What is left is taken as if it had come so: somebody else's domain, and strangers are not
        let through to it.
        """
        alice = await self.phone(b"alice")
        alice.ask(b"MESSAGE", b"sip:x@192.0.2.9:%d;maddr=%b" % (self.port(), HERE))
        await alice.told(403)

    async def test_elsewhere(self) -> None:
        """
        One that is not ours is the only target, though the domain is ours: a registered phone's
        request goes there, unchanged, a stranger's is refused (RFC 3261 16.5).
        """
        alice, bob = await self.registered(b"alice"), await self.registered(b"bob")
        other, stranger = await self.elsewhere(), await self.phone(b"stranger")
        uri = b"%b:%d;maddr=%b;x" % (bob.aor, other.local[1], HERE)
        alice.ask(b"MESSAGE", uri)
        self.assertEqual((await other.asked(b"MESSAGE")).uri, uri)
        stranger.ask(b"MESSAGE", uri)
        await stranger.told(403)
        await bob.hearsNothing()

    async def test_route(self) -> None:
        """
        In a Route too it says whose the Route is.
        """
        alice, bob = await self.registered(b"alice"), await self.registered(b"bob")
        other = await self.elsewhere()
        ours = b"<sip:proxy.example.org:%d;maddr=%b;lr>" % (self.port(), HERE)
        theirs = b"<sip:%b:%d;maddr=%b;lr>" % (DOMAIN, other.local[1], HERE)
        alice.ask(b"MESSAGE", bob.aor, [(b"Route", ours)])
        message = await bob.asked(b"MESSAGE")
        self.assertEqual(message.all(b"route"), [])
        bob.answer(message, 200)
        await alice.told(200)
        alice.ask(b"MESSAGE", bob.aor, [(b"Route", theirs)])
        message = await other.asked(b"MESSAGE")
        self.assertEqual((message.uri, message.all(b"route")), (bob.aor, [theirs]))


class SchemeTests(PreprocessingTestCase):
    """
    Request-URIs that lead nowhere here (RFC 3261 16.3 step 2).
    """

    async def test_unknown(self) -> None:
        """
        416 for a scheme that we know nothing of, and for a telephone number without a Route.
        """
        alice = await self.registered(b"alice")
        for uri in (b"nobodyknows:foo", b"tel:+15551234", b"mailto:bob@" + DOMAIN):
            alice.ask(b"MESSAGE", uri)
            await alice.told(416)
            invite = alice.ask(b"INVITE", uri)
            alice.acknowledge(invite, await alice.told(416))

    async def test_sips(self) -> None:
        """
        Without TLS there is no C{sips}: 416 for users of ours, for others, and along any Route; no
        phone is sent anything without TLS behind the caller's back (RFC 3261 26.2.2).
        """
        alice, bob = await self.registered(b"alice"), await self.registered(b"bob")
        bob.register(bob.binding())
        path = (await bob.told(200)).all(b"path")[0].replace(b";ob", b"")
        for uri, headers in (
            (b"sips:bob@" + DOMAIN, []),
            (b"SIPS:bob@" + DOMAIN, []),
            (b"sips:x@192.0.2.1", []),
            (b"sips:bob@" + DOMAIN, [(b"Route", path)]),
        ):
            alice.ask(b"MESSAGE", uri, headers)
            await alice.told(416)
        await bob.hearsNothing()


class SoundnessTests(PreprocessingTestCase):
    """
    What a proxy has to look at must be sound; what it has not it leaves alone (RFC 3261 16.3).
    """

    async def test_badNextRoute(self) -> None:
        """
        A Route behind ours that is none: 400, and the phone hears nothing.
        """
        alice, bob = await self.registered(b"alice"), await self.registered(b"bob")
        bob.register(bob.binding())
        path = (await bob.told(200)).all(b"path")[0].replace(b";ob", b"")
        for bad in (b"<nonsense>", b"<sip:x", b"sip:"):
            for route in ([(b"Route", path), (b"Route", bad)], [(b"Route", bad)]):
                alice.ask(b"MESSAGE", bob.aor, route)
                await alice.told(400)
        await bob.hearsNothing()

    async def test_badOthers(self) -> None:
        """
        Headers that are only the callee's are passed on as they are, bad or unknown.
        """
        alice, bob = await self.registered(b"alice"), await self.registered(b"bob")
        odd = [
            (b"Date", b"the day after tomorrow"),
            (b"Accept", b";;,,"),
            (b"Require", b"nothing, that we know"),
            (b"Expires", b"never"),
            (b"X-Unknown", b'"open'),
        ]
        alice.ask(b"FOO", bob.aor, odd)
        came = await bob.asked(b"FOO")
        for name, text in odd:
            self.assertEqual(came.texts(name.lower()), [text])

    async def test_tooLargeForUDP(self) -> None:
        """
        What no datagram can carry is refused as such (513), and the phone stays registered.
        """
        alice, bob = await self.registered(b"alice", b"TCP"), await self.registered(b"bob")
        for method in (b"MESSAGE", b"INVITE"):
            sent = alice.ask(method, bob.aor, body=b"x" * 65_300)
            response = await alice.told(513)
        alice.acknowledge(sent, response)
        alice.ask(b"MESSAGE", bob.aor, body=b"x" * 50_000)
        message = await bob.asked(b"MESSAGE")
        self.assertEqual(len(message.body), 50_000)
        bob.answer(message, 200)
        await alice.told(200)

    async def test_tooLargeForOne(self) -> None:
        """
        A phone's other flow may carry it.
        """
        alice, bob = await self.registered(b"alice", b"TCP"), await self.registered(b"bob")
        other = await self.registered(b"bob", b"TCP", 2, like=bob)
        alice.ask(b"MESSAGE", bob.aor, body=b"x" * 65_300)
        other.answer(await other.asked(b"MESSAGE"), 200)
        await alice.told(200)

    async def test_noLength(self) -> None:
        """
        A request that came by datagram without its length has it on a connection (RFC 3261 16.6
        step 9).
        """
        alice, bob = await self.registered(b"alice"), await self.registered(b"bob", b"TCP")
        for body in (b"", b"hello"):
            message = alice.compose(b"MESSAGE", bob.aor, [(b"Content-Type", b"text/plain")], body)
            message.drop(b"content-length")
            alice.send(message)
            came = await bob.asked(b"MESSAGE")
            self.assertEqual((came.first(b"content-length"), came.body), (b"%d" % len(body), body))
            bob.answer(came, 200)
            await alice.told(200)

    async def test_noLengthOfResponse(self) -> None:
        """
        So has its response (RFC 3261 18.3).
        """
        alice, bob = await self.registered(b"alice", b"TCP"), await self.registered(b"bob")
        alice.ask(b"MESSAGE", bob.aor)
        said = Response.reply(await bob.asked(b"MESSAGE"), 200, toTag=b"bob")
        said.drop(b"content-length")
        said.body = b"hello"
        bob.send(said)
        heard = await alice.told(200)
        self.assertEqual((heard.first(b"content-length"), heard.body), (b"5", b"hello"))
