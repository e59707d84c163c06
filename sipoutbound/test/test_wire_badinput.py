"""
What no well-behaved client sends: it is answered as RFC 3261 says; the server lives on, nobody's
binding is lost, and no traceback gets into the log.
"""

from __future__ import annotations

import re

from sipoutbound.test.badinput import BadInputTestCase
from sipoutbound.test.phone import DOMAIN, Phone

# How the text of a sound request is spoilt: a pattern, what to put in its place, and the status of
# the answer. A request without Via cannot be answered at all.
SPOILT: tuple[tuple[bytes, bytes, int], ...] = (
    (rb"SIP/2\.0\r\n", b"SIP/3.0\r\n", 505),
    (rb"SIP/2\.0\r\n", b"SIP/2.0  \r\n", 400),
    (rb"MESSAGE sip", b"MESSAGE  sip", 400),
    (rb"sip:bob@", b"sip:bob@bad host,", 400),
    (rb"sip:bob@[^ ]*", b"sip:", 400),
    (rb"sip:bob@[^ ]*", b"<sip:bob@example.test>", 400),
    (rb"sip:bob@[^ ]*", b"sip:bob@[::1", 400),
    (rb"sip:bob@[^ ]*", b"sip:bob@[::g]", 400),
    (rb"sip:bob@[^ ]*", b"sip:bob@example.test:99999", 400),
    (rb"sip:bob@[^ ]*", b"sip:%zz@example.test", 400),
    (rb"sip:bob@[^ ]*", b"sip:bob@444.555.666.777", 400),
    (rb"sip:bob@[^ ]*", b"sip:bob@[2001:db8:::192.0.2.1]", 400),
    (rb"sip:bob@[^ ]*", rb"\g<0>?Route=%3Csip:evil%3E", 400),
    (rb"sip:bob@[^ ]*", b"bob", 400),
    (rb"sip:bob@[^ ]*", b"http://example.test/", 416),
    (rb"sip:bob@[^ ]*", b"tel:+15551234", 416),
    (rb"\r\nTo: [^\r]*", b"", 400),
    (rb"\r\nTo: [^\r]*", b"\r\nTo: ", 400),
    (rb"\r\nTo: [^\r]*", b"\r\nTo: <<sip:x>", 400),
    (rb"\r\nTo: [^\r]*", rb"\g<0>\g<0>", 400),
    (rb"\r\nFrom: [^\r]*", b"", 400),
    (rb"\r\nFrom: [^\r]*", b"\r\nFrom: \"open <sip:x@y>", 400),
    (rb"\r\nFrom: [^\r]*", rb"\g<0>\g<0>", 400),
    (rb"\r\nCall-ID: [^\r]*", b"", 400),
    (rb"\r\nCall-ID: [^\r]*", rb"\g<0>\g<0>", 400),
    (rb"\r\nCSeq: [^\r]*", b"", 400),
    (rb"\r\nCSeq: [^\r]*", rb"\g<0>\g<0>", 400),
    (rb"\r\nCSeq: [^\r]*", b"\r\nCSeq: 1 INVITE", 400),
    (rb"\r\nCSeq: [^\r]*", b"\r\nCSeq: x MESSAGE", 400),
    (rb"\r\nCSeq: [^\r]*", b"\r\nCSeq: -1 MESSAGE", 400),
    (rb"\r\nCSeq: [^\r]*", b"\r\nCSeq: 2147483648 MESSAGE", 400),
    (rb"\r\nCSeq: [^\r]*", b"\r\nCSeq: " + b"9" * 50_000 + b" MESSAGE", 400),
    (rb"\r\nMax-Forwards: [^\r]*", b"\r\nMax-Forwards: 0", 483),
    (rb"\r\nMax-Forwards: [^\r]*", b"\r\nMax-Forwards: 256", 400),
    (rb"\r\nMax-Forwards: [^\r]*", b"\r\nMax-Forwards: x", 400),
    (rb"\r\nMax-Forwards: [^\r]*", rb"\g<0>\g<0>", 400),
    (rb"\r\nVia: SIP/2[^\r]*", rb"\g<0>, ;", 400),
    (rb"\r\nVia: SIP/2", b"\r\nVia: SIP/3", 400),
    (rb"\r\nFrom", b"\r\nno header\r\nFrom", 400),
    (rb"\r\nFrom", b"\r\nBad Name: x\r\nFrom", 400),
    (rb"\r\nFrom", b"\r\n: x\r\nFrom", 400),
    (rb"\r\nFrom", b"\r\nRoute: <sip:\r\nFrom", 400),
    (rb"\r\nFrom", b"\r\nRoute: nonsense here\r\nFrom", 400),
    (rb"\r\nFrom", b"\r\nProxy-Require: dance, sing\r\nFrom", 420),
    (rb"\r\nFrom", b"\r\nX: y" * 10_000 + b"\r\nFrom", 400),
    (rb"\r\nFrom", b"\r\nX:" + b",;<\"" * 10_000 + b"\r\nFrom", 480),
)


class BadInputTests(BadInputTestCase):
    """
    Bad messages.
    """

    async def spoiltOver(self, transport: bytes) -> None:
        """
        Send each spoilt request, look at its answer.
        """
        await self.witnesses()
        phone = await self.phone(b"mallory", transport)
        for pattern, text, status in SPOILT:
            spoilt, count = re.subn(pattern, text, self.message(phone, b"bob"), count=1)
            self.assertEqual(count, 1)
            if status == 480:
                spoilt = spoilt.replace(b"bob", b"nobody")
            phone.send(spoilt)
            response = await self.toldOf(phone, spoilt, status)
            if status == 420:
                self.assertEqual(response.first(b"unsupported"), b"dance, sing")
        await phone.hearsNothing()
        await self.aliveAndWell()

    async def test_spoiltDatagrams(self) -> None:
        """
        Requests with something wrong in them, over UDP.
        """
        await self.spoiltOver(b"UDP")

    async def test_spoiltStream(self) -> None:
        """
        The same over one TCP connection, which stays open.
        """
        await self.spoiltOver(b"TCP")

    async def test_noVia(self) -> None:
        """
        What cannot be answered is not, and does no harm; a connection it came over is closed.
        """
        await self.witnesses()
        phone = await self.phone(b"mallory")
        for text in (b"", b"Via: \r\n", b"Via: SIP/2.0/UDP\r\n", b"Via: SIP/2.0/UDP [::1\r\n"):
            phone.send(re.sub(rb"Via: [^\r]*\r\n", text, self.message(phone)))
            other = await self.phone(b"mallory", b"TCP")
            other.send(re.sub(rb"Via: [^\r]*\r\n", text, self.message(other)))
            await other.ended()
        await phone.hearsNothing()
        await self.aliveAndWell()

    async def test_registrar(self) -> None:
        """
        The registrar refuses what it does not understand and keeps what it has.
        """
        await self.witnesses()
        bob, aor = self.bob, b"sip:" + DOMAIN
        for contact in (
            b"sip:", b"<sip:x", b"<sip:a@b>;q=2", b"<>", b"<sip:a@[::zz]>", b'"open <sip:a@b>',
            b"<sip:a@b>;reg-id=0;+sip.instance=\"<urn:x:y>\"", b"<sip:a@b:0>", b"*, *", b"x y",
        ):  # fmt: skip
            bob.register(contact)
            await bob.told(400)
        bob.ask(b"REGISTER", aor, to=b"<tel:+1555>")
        await bob.told(400)
        bob.ask(b"REGISTER", aor, to=b"<sip:bob@elsewhere.test>")
        await bob.told(404)
        for method in (b"FOO", b"MESSAGE", b"SUBSCRIBE"):
            bob.ask(method, aor)
            self.assertIn(b"REGISTER", (await bob.told(405)).all(b"allow"))
        invite = bob.ask(b"INVITE", aor)
        bob.acknowledge(invite, await bob.told(405))
        bob.ask(b"OPTIONS", aor, [(b"Require", b"dance")])
        self.assertEqual((await bob.told(420)).first(b"unsupported"), b"dance")
        await self.aliveAndWell()

    async def test_proxyRequire(self) -> None:
        """
        What a proxy must support and does not is told, and not forwarded; what only the callee must
        support is its own affair.
        """
        await self.witnesses()
        caller, bob = self.caller, self.bob
        caller.ask(b"MESSAGE", bob.aor, [(b"Proxy-Require", b"dance, sing")])
        self.assertEqual((await caller.told(420)).first(b"unsupported"), b"dance, sing")
        await bob.hearsNothing()
        caller.ask(b"MESSAGE", bob.aor, [(b"Require", b"dance")])
        bob.answer(await bob.asked(b"MESSAGE"), 420, [(b"Unsupported", b"dance")])
        await caller.told(420)
        await self.aliveAndWell()

    async def test_maxForwards(self) -> None:
        """
        The last hop that is allowed is taken, the next one is not; a request that does not count
        begins to.
        """
        await self.witnesses()
        caller, bob = self.caller, self.bob
        for value, status, arrives in ((b"0", 483, b""), (b"1", 200, b"0"), (b"255", 200, b"254")):
            text = bytes(caller.compose(b"MESSAGE", bob.aor))
            caller.send(text.replace(b"Max-Forwards: 70", b"Max-Forwards: " + value))
            if status == 200:
                message = await bob.asked(b"MESSAGE")
                self.assertEqual(message.first(b"max-forwards"), arrives)
                bob.answer(message, 200)
            await caller.told(status)
        text = bytes(caller.compose(b"MESSAGE", bob.aor))
        caller.send(text.replace(b"Max-Forwards: 70\r\n", b""))
        self.assertEqual((await bob.asked(b"MESSAGE")).first(b"max-forwards"), b"70")
        bob.send(b"")

    async def test_badResponses(self) -> None:
        """
        A phone that answers nonsense hurts nobody but its caller.
        """
        await self.witnesses()
        caller, bob = self.caller, self.bob
        caller.ask(b"MESSAGE", bob.aor)
        message = await bob.asked(b"MESSAGE")
        sound = bob.answer(message, 100)
        for pattern, text in (
            (rb"Via: [^\r]*", b"Via: nonsense"),
            (rb"Via: [^\r]*\r\n", b""),
            (rb"CSeq: [^\r]*", b"CSeq: nonsense"),
            (rb"CSeq: [^\r]*\r\n", b""),
            (rb"^SIP/2.0 100", b"SIP/2.0 99999"),
            (rb"Content-Length: 0", b"Content-Length: 100"),
        ):
            spoilt, count = re.subn(pattern, text, sound)
            self.assertTrue(count)
            bob.send(spoilt)
        bob.answer(message, 200)
        await caller.told(200)
        await caller.hearsNothing()
        await self.aliveAndWell()

    async def test_badDialogResponse(self) -> None:
        """
        A refusal without a To cannot be acknowledged; it is passed on or not, without harm.
        """
        await self.witnesses()
        bob = self.bob
        self.caller.ask(b"INVITE", bob.aor)
        invite = await bob.asked(b"INVITE")
        said = bob.answer(invite, 180)
        await self.caller.told(180)
        bob.send(re.sub(rb"To: [^\r]*\r\n", b"", said.replace(b" 180 ", b" 486 ")))
        await bob.hearsNothing()

    async def test_ipv6(self) -> None:
        """
        IPv6 references are understood wherever an address can stand.
        """
        await self.witnesses()
        bob, caller = self.bob, self.caller
        via = b"SIP/2.0/UDP [2001:db8::9:1]:5060;branch=z9hG4bKsix;rport"
        caller.ask(b"MESSAGE", bob.aor, [(b"Contact", b"<sip:[2001:db8::1]>")], via=via)
        bob.answer(await bob.asked(b"MESSAGE"), 200)
        await caller.told(200)
        caller.ask(b"MESSAGE", b"sip:bob@[2001:db8::1]:5070;transport=udp")
        await caller.told(403)
        caller.ask(b"MESSAGE", bob.aor, [(b"Route", b"<sip:[2001:db8::1];lr>")])
        await caller.told(403)
        await self.aliveAndWell()

    async def test_mutilated(self) -> None:
        """
        A sound REGISTER and INVITE, cut off at each of their octets, over UDP.
        """
        await self.witnesses()
        mallory = await self.phone(b"mallory")
        invite = bytes(mallory.compose(b"INVITE", b"sip:nobody@" + DOMAIN))
        register = bytes(mallory.register(mallory.binding()))
        await mallory.told(200)
        for whole in (invite, register):
            for end in range(1, len(whole) - 4, 3):
                mallory.send(whole[:end].replace(b"z9hG4bK", b"z9hG4bK%d" % end))
                if end % 20 == 0:
                    await self.caughtUp(mallory)
        await self.caughtUp(mallory)
        await self.aliveAndWell()

    async def caughtUp(self, phone: Phone) -> None:
        """
        Hear all that the server has to say until now.
        """
        question = phone.ask(b"OPTIONS", b"sip:" + DOMAIN)
        while (await phone.hears()).first(b"call-id") != question.callId:
            pass


class DurableBadInputTests(BadInputTests):
    """
    The same with bindings in SQLite.
    """

    durable = True
