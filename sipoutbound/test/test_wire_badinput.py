"""
What no well-behaved client sends: it is answered as RFC 3261 says, or the connection is closed; the
server lives on, nobody's binding is lost, and no traceback gets into the log.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from twisted.logger import LogLevel, capturedLogs, formatEvent

from sipoutbound.message.message import Response
from sipoutbound.test.laboratory import WireTestCase
from sipoutbound.test.line import within
from sipoutbound.test.phone import DOMAIN, Phone
from sipoutbound.transport.stream import PATIENCE

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
    (rb"\r\nFrom", b"\r\nno header\r\nFrom", 400),
    (rb"\r\nFrom", b"\r\nBad Name: x\r\nFrom", 400),
    (rb"\r\nFrom", b"\r\n: x\r\nFrom", 400),
    (rb"\r\nFrom", b"\r\nRoute: <sip:\r\nFrom", 400),
    (rb"\r\nFrom", b"\r\nRoute: nonsense here\r\nFrom", 400),
    (rb"\r\nFrom", b"\r\nProxy-Require: dance, sing\r\nFrom", 420),
    (rb"\r\nFrom", b"\r\nX: y" * 10_000 + b"\r\nFrom", 400),
    (rb"\r\nFrom", b"\r\nX:" + b",;<\"" * 10_000 + b"\r\nFrom", 480),
)

# The same for what says how long the body is. Over a stream the connection is closed after the
# answer: nobody knows where the next message begins.
MEASURED: tuple[tuple[bytes, int], ...] = (
    (b"Content-Length: -1", 400),
    (b"Content-Length: x", 400),
    (b"Content-Length: ", 400),
    (b"Content-Length: 1e3", 400),
    (b"Content-Length: 99999999999999999999", 400),
    (b"Content-Length: 0\r\nContent-Length: 5", 400),
    (b"Content-Length: 9999999999", 513),
    (b"Content-Length: 1048577", 513),
)


class BadInputTests(WireTestCase):
    """
    Every test ends with a message that reaches its recipient, and a look at its bindings.
    """

    async def witnesses(self) -> None:
        """
        Register those whose bindings must survive.
        """
        self.bob = await self.registered(b"bob")
        self.carol = await self.registered(b"carol", b"TCP")
        self.caller = await self.phone(b"caller")

    async def aliveAndWell(self) -> None:
        """
        Everybody is reached still, and nothing but that arrives.
        """
        for phone in (self.bob, self.carol):
            self.caller.ask(b"MESSAGE", phone.aor)
            phone.answer(await phone.asked(b"MESSAGE"), 200)
            await self.caller.told(200)
            self.assertEqual(len(await self.bindings(phone)), 1)

    def message(self, phone: Phone, user: bytes = b"nobody") -> bytes:
        """
        A sound request, which is answered 480.
        """
        return bytes(phone.compose(b"MESSAGE", b"sip:%b@%b" % (user, DOMAIN)))

    async def closed(self, phone: Phone) -> None:
        """
        The server closes the connection.
        """
        await within(phone.line.closed, "the end of the connection")

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

    async def toldOf(self, phone: Phone, spoilt: bytes, status: int) -> Response:
        """
        The answer to a spoilt request.
        """
        response = await phone.hears(f"{status} to {spoilt[:400]!r}")
        assert isinstance(response, Response)
        self.assertEqual(response.status, status, f"{spoilt[:1000]!r}")
        return response

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
        What cannot be answered is not, and does no harm.
        """
        await self.witnesses()
        for transport in (b"UDP", b"TCP"):
            phone = await self.phone(b"mallory", transport)
            for text in (b"", b"Via: \r\n", b"Via: SIP/2.0/UDP\r\n", b"Via: SIP/2.0/UDP [::1\r\n"):
                phone.send(re.sub(rb"Via: [^\r]*\r\n", text, self.message(phone)))
            await phone.hearsNothing()
        await self.aliveAndWell()

    async def test_notSIP(self) -> None:
        """
        Anything but SIP: dropped over UDP, the connection closed over TCP.
        """
        await self.witnesses()
        for garbage in (
            b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
            b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03" + bytes(range(256)) + b"\r\n\r\n",
            b"hello\r\n\r\n",
            b"SIP/2.0\r\n\r\n",
            b"SIP/2.0 999 What\r\n\r\n",
            b"SIP/2.0 200 OK\r\n\r\n",
            b"\xff" * 3000 + b"\r\n\r\n",
            b"\0" + b"x" * 100 + b"\r\n\r\n",
            b"\n\n\n",
            b"\rx",
        ):
            self.caller.send(garbage)
            phone = await self.phone(b"mallory", b"TCP")
            await self.closedWithLine(phone, garbage)
        await self.caller.hearsNothing()
        await self.aliveAndWell()

    async def closedWithLine(self, phone: Phone, data: bytes) -> None:
        """
        Something is sent, the connection is closed, and one line of the log says why.
        """
        with capturedLogs() as events:
            phone.send(data)
            await self.closed(phone)
        lines = [line for line in logged(events) if "closing" in line]
        self.assertEqual(len(lines), 1, f"{data[:60]!r}: {lines}")
        self.assertIn(str(phone.local[1]), lines[0])

    async def test_lyingLength(self) -> None:
        """
        A Content-Length that is none, or too much: the answer, and over TCP the end.
        """
        await self.witnesses()
        for text, status in MEASURED:
            spoilt = self.message(self.caller).replace(b"Content-Length: 0", text)
            phone = await self.phone(b"mallory", b"TCP")
            phone.send(spoilt)
            await self.toldOf(phone, spoilt, status)
            await self.closed(phone)
            self.caller.send(spoilt)
            await self.toldOf(self.caller, spoilt, 400)
        await self.aliveAndWell()

    async def test_noLength(self) -> None:
        """
        Without a Content-Length a datagram ends with itself; a stream does not end.
        """
        await self.witnesses()
        spoilt = self.message(self.caller).replace(b"Content-Length: 0\r\n", b"")
        self.caller.send(spoilt)
        await self.caller.told(480)
        phone = await self.phone(b"mallory", b"TCP")
        phone.send(spoilt)
        await self.toldOf(phone, spoilt, 400)
        await self.closed(phone)
        await self.aliveAndWell()

    async def test_tooLong(self) -> None:
        """
        More announced than comes: over UDP 400, over TCP the connection is closed after a while.
        """
        await self.witnesses()
        spoilt = self.message(self.caller).replace(b"Content-Length: 0", b"Content-Length: 9")
        self.caller.send(spoilt + b"12345678")
        await self.caller.told(400)
        phone = await self.phone(b"mallory", b"TCP")
        await self.silence(phone, spoilt + b"12345678")
        await self.aliveAndWell()

    async def test_tooShort(self) -> None:
        """
        Less announced than comes: over UDP the rest is dropped, over TCP it is no SIP.
        """
        await self.witnesses()
        bob = self.bob
        short = bytes(self.caller.compose(b"MESSAGE", bob.aor))
        short = short.replace(b"Content-Length: 0", b"Content-Length: 3") + b"abcdef\r\n\r\n"
        self.caller.send(short)
        message = await bob.asked(b"MESSAGE")
        self.assertEqual(message.body, b"abc")
        bob.answer(message, 200)
        await self.caller.told(200)
        phone = await self.phone(b"mallory", b"TCP")
        phone.send(short.replace(b"branch=z9hG4bK", b"branch=z9hG4bKother"))
        self.assertEqual((await bob.asked(b"MESSAGE")).body, b"abc")
        await self.closed(phone)
        await self.aliveAndWell()

    async def silence(self, phone: Phone, data: bytes) -> None:
        """
        Half a message, then nothing, until the server has had enough.
        """
        phone.send(data)
        await self.laboratory.turn()
        self.advance(PATIENCE - 1)
        await self.laboratory.turn()
        self.assertFalse(phone.line.closed.called)
        with capturedLogs() as events:
            self.advance(2)
            await self.closed(phone)
        self.assertEqual(len([line for line in logged(events) if "closing" in line]), 1)

    async def test_half(self) -> None:
        """
        Half a message and then nothing: the connection is closed after a while, with a line.
        """
        await self.witnesses()
        for half in (b"M", b"MESSAGE sip:", self.message(self.caller)[:-2]):
            await self.silence(await self.phone(b"mallory", b"TCP"), half)
        await self.aliveAndWell()

    async def test_drip(self) -> None:
        """
        A message that comes an octet now and then does not hold the connection for ever.
        """
        await self.witnesses()
        phone = await self.phone(b"mallory", b"TCP")
        for octet in b"MES":
            phone.send(bytes((octet,)))
            await self.laboratory.turn()
            self.advance(PATIENCE / 2)
        await self.closed(phone)
        await self.aliveAndWell()

    async def test_slowButWhole(self) -> None:
        """
        A slow client is no bad one: whoever ends its messages in time is served.
        """
        await self.witnesses()
        phone = await self.phone(b"slow", b"TCP")
        for _ in range(3):
            whole = self.message(phone)
            phone.send(whole[:40])
            await self.laboratory.turn()
            self.advance(PATIENCE - 2)
            phone.send(whole[40:])
            await phone.told(480)
        await self.aliveAndWell()

    async def test_hugeHeader(self) -> None:
        """
        A header of 1 MiB is not taken: the connection is closed. What came first is answered 513.
        """
        await self.witnesses()
        whole = self.message(self.caller).partition(b"\r\nFrom")[0] + b"\r\nX: "
        phone = await self.phone(b"mallory", b"TCP")
        await self.closedWithLine(phone, whole + b"x" * (1 << 20))
        phone = await self.phone(b"mallory", b"TCP")
        phone.send(whole + b"x" * 65536)
        await phone.told(513)
        await self.closed(phone)
        await self.aliveAndWell()

    async def test_neverEnding(self) -> None:
        """
        A start line without an end, and endless headers: the connection is closed.
        """
        await self.witnesses()
        for endless in (b"M sip:" + b"x" * 100_000, b"M sip:x SIP/2.0" + b"\r\nX: y" * 20_000):
            phone = await self.phone(b"mallory", b"TCP")
            await self.closedWithLine(phone, endless)
        await self.aliveAndWell()

    async def test_bigBody(self) -> None:
        """
        A body of 60 kB arrives whole: it is large, not bad.
        """
        alice = await self.registered(b"alice", b"TCP")
        carol = await self.registered(b"carol", b"TCP")
        body = bytes(range(256)) * 240
        alice.ask(b"MESSAGE", carol.aor, body=body)
        self.assertEqual((await carol.asked(b"MESSAGE")).body, body)

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
        sound = bob.answer(message, 180)
        for pattern, text in (
            (rb"Via: [^\r]*", b"Via: nonsense"),
            (rb"Via: [^\r]*\r\n", b""),
            (rb"CSeq: [^\r]*", b"CSeq: nonsense"),
            (rb"CSeq: [^\r]*\r\n", b""),
            (rb"^SIP/2.0 180", b"SIP/2.0 99999"),
            (rb"Content-Length: 0", b"Content-Length: 100"),
        ):
            spoilt, count = re.subn(pattern, text, sound)
            self.assertTrue(count)
            bob.send(spoilt)
        bob.answer(message, 200)
        self.assertEqual((await caller.hears()).status, 180)
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


def logged(events: Iterable[dict[str, Any]]) -> list[str]:
    """
    What operators see of the server's log.
    """
    return [
        formatEvent(event)
        for event in events
        if event["log_level"] >= LogLevel.info and event["log_namespace"].startswith("sipoutbound")
    ]
