"""
Streams and datagrams on which messages cannot be told apart: the connection is closed with a line
in the log, the server lives on, nobody's binding is lost (RFC 3261 18.3, 20.14).
"""

from __future__ import annotations

from twisted.logger import capturedLogs

from sipoutbound.test.badinput import BadInputTestCase, logged
from sipoutbound.test.phone import Phone
from sipoutbound.transport.stream import PATIENCE

# What is said of the length of the body, and the status of the answer. Over a stream the connection
# is closed after the answer: nobody knows where the next message begins.
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


class BadStreamTests(BadInputTestCase):
    """
    Bad framing.
    """

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

    async def test_notReading(self) -> None:
        """
        A phone that takes nothing from its connection does not fill the server: it is taken for
        gone.
        """
        await self.witnesses()
        lazy = await self.registered(b"lazy", b"TCP")
        lazy.line.transport.pauseProducing()
        caller = await self.registered(b"caller", b"TCP")
        body = bytes(1 << 19)
        with capturedLogs() as events:
            for _ in range(64):
                caller.ask(b"MESSAGE", lazy.aor, body=body)
            await caller.told(480)
        self.assertTrue([line for line in logged(events) if "does not read" in line])
        lazy.line.transport.resumeProducing()
        await self.closed(lazy)
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


class DurableBadStreamTests(BadStreamTests):
    """
    The same with bindings in SQLite.
    """

    durable = True
