"""
Keep-alive with the running server (RFC 5626 4.4, 5.4, 8).
"""

from __future__ import annotations

from socket import inet_aton
from struct import pack, unpack

from sipoutbound.outbound.keepalive import GRACE
from sipoutbound.settings import Settings
from sipoutbound.test.laboratory import WireTestCase
from sipoutbound.test.line import within
from sipoutbound.test.phone import DOMAIN, Phone

PING, PONG = b"\r\n\r\n", b"\r\n"

# RFC 8489 5
COOKIE = 0x2112A442

# How long a client may be silent: the Flow-Timer and the grace, RFC 5626 5.4.
LIMIT = Settings().flowTimer + GRACE


def question(phone: Phone) -> bytes:
    """
    A request that the server answers 200 itself.
    """
    return bytes(phone.compose(b"OPTIONS", b"sip:" + DOMAIN))


class StreamTests(WireTestCase):
    """
    Pings and pongs over TCP.
    """

    async def dialled(self) -> Phone:
        """
        A phone whose octets leave at once.
        """
        phone = await self.phone(b"alice", b"TCP")
        phone.line.transport.setTcpNoDelay(True)
        return phone

    async def test_ping(self) -> None:
        """
        Each ping has one pong.
        """
        phone = await self.dialled()
        for _ in range(3):
            phone.send(PING)
            self.assertEqual(await phone.hears(), PONG)
        phone.send(3 * PING)
        for _ in range(3):
            self.assertEqual(await phone.hears(), PONG)
        await phone.hearsNothing()

    async def test_split(self) -> None:
        """
        A ping in pieces is one ping.
        """
        phone = await self.dialled()
        for pieces in ((b"\r", b"\n\r\n"), (b"\r\n", b"\r\n"), (b"\r\n\r", b"\n")):
            for piece in pieces:
                phone.send(piece)
                # The next piece leaves when this one has arrived.
                await self.laboratory.turn()
            self.assertEqual(await phone.hears(), PONG)
        await phone.hearsNothing()

    async def test_glued(self) -> None:
        """
        Pings in one segment with messages, before, between and behind them, are answered each, in
        their place.
        """
        phone = await self.dialled()
        phone.send(PING + question(phone) + PING + PING + question(phone) + PING)
        heard = [await phone.hears() for _ in range(6)]
        self.assertEqual([each == PONG for each in heard], [True, False, True, True, False, True])
        await phone.hearsNothing()

    async def test_loneCRLF(self) -> None:
        """
        A single line break is no ping: to answer a pong with a pong would never end.
        """
        phone = await self.dialled()
        phone.send(b"\r\n" + question(phone))
        await phone.told(200)
        await phone.hearsNothing()

    async def test_duringMessage(self) -> None:
        """
        Line breaks within a message are the message's.
        """
        alice = await self.registered(b"alice", b"TCP")
        body = 3 * PING
        alice.ask(b"MESSAGE", alice.aor, body=body)
        message = await alice.asked(b"MESSAGE")
        self.assertEqual(message.body, body)

    async def test_silent(self) -> None:
        """
        A phone that is silent for longer than it was told is taken for gone: its connection is
        closed, its binding removed.
        """
        caller = await self.phone(b"caller")
        alice = await self.registered(b"alice", b"TCP")
        self.advance(LIMIT - 1)
        self.assertFalse(alice.line.closed.called)
        self.advance(2)
        await within(alice.line.closed, "the end of the connection")
        caller.ask(b"MESSAGE", alice.aor)
        await caller.told(480)

    async def test_pingsKeepAlive(self) -> None:
        """
        A phone that pings stays; so does one that has registered without outbound and never pings.
        """
        caller = await self.phone(b"caller")
        alice = await self.registered(b"alice", b"TCP")
        plain = await self.phone(b"plain", b"TCP")
        await plain.registered(contact=b"<" + plain.contact + b">")
        for _ in range(4):
            self.advance(LIMIT - 5)
            alice.send(PING)
            self.assertEqual(await alice.hears(), PONG)
        for phone in (alice, plain):
            caller.ask(b"MESSAGE", phone.aor)
            phone.answer(await phone.asked(b"MESSAGE"), 200)
            await caller.told(200)


class DatagramTests(WireTestCase):
    """
    Keep-alive over UDP.
    """

    def binding(self, transaction: bytes, attributes: bytes = b"") -> bytes:
        """
        A STUN Binding request.
        """
        return pack(">HHI", 1, len(attributes), COOKIE) + transaction + attributes

    async def test_line_breaks(self) -> None:
        """
        Line breaks in datagrams are ignored, alone or before a message.
        """
        phone = await self.phone(b"alice")
        for datagram in (PING, b"\r\n", b"\0\0\0\0", b"", b" "):
            phone.send(datagram)
        await phone.hearsNothing()
        phone.send(PING + question(phone))
        await phone.told(200)

    async def test_stun(self) -> None:
        """
        A Binding request on the SIP port is told where it came from.
        """
        phone = await self.phone(b"alice")
        for transaction in (b"abcdefghijkl", b"\xff" * 12):
            phone.send(self.binding(transaction))
            answer = await phone.hears()
            kind, length, cookie = unpack(">HHI", answer[:8])
            self.assertEqual((kind, length + 20, cookie), (0x0101, len(answer), COOKIE))
            self.assertEqual(answer[8:20], transaction)
            attribute, size, family, port, host = unpack(">HHHHI", answer[20:32])
            self.assertEqual((attribute, size, family), (0x0020, 8, 1))
            self.assertEqual(port ^ COOKIE >> 16, phone.local[1])
            self.assertEqual(pack(">I", host ^ COOKIE), inet_aton(phone.local[0]))
        await phone.hearsNothing()

    async def test_stunAttributes(self) -> None:
        """
        What a Binding request brings and need not be understood is passed over; what must be is
        refused by name (420), and nothing is mapped then. The same request has the same answer.
        """
        phone = await self.phone(b"alice")
        software = b"\x80\x22\x00\x04test"
        phone.send(self.binding(b"abcdefghijkl", software))
        answer = await phone.hears()
        self.assertEqual(answer[:2], b"\x01\x01")
        phone.send(self.binding(b"abcdefghijkl", software))
        self.assertEqual(await phone.hears(), answer)
        phone.send(self.binding(b"abcdefghijkl", b"\x00\x7f\x00\x04what" + software))
        refusal = await phone.hears()
        kind, length, cookie = unpack(">HHI", refusal[:8])
        self.assertEqual((kind, length + 20, cookie), (0x0111, len(refusal), COOKIE))
        self.assertEqual((refusal[8:20], length % 4), (b"abcdefghijkl", 0))
        attributes = refusal[20:]
        # ERROR-CODE: 420 as class 4 and number 20; UNKNOWN-ATTRIBUTES: that one.
        self.assertEqual((attributes[:2], attributes[4:8]), (b"\x00\x09", b"\x00\x00\x04\x14"))
        self.assertIn(b"\x00\x0a\x00\x02\x00\x7f", attributes)
        self.assertNotIn(b"\x00\x20\x00\x08", attributes)

    async def test_noStun(self) -> None:
        """
        What begins like STUN and is none is ignored.
        """
        phone = await self.phone(b"alice")
        whole = self.binding(b"abcdefghijkl")
        for datagram in (
            whole[:19],
            whole + b"x",
            b"\0\1\0\4" + whole[4:],
            b"\1\1" + whole[2:],
            whole[:4] + b"\0\0\0\0" + whole[8:],
            b"\0" * 20,
            b"\1",
        ):
            phone.send(datagram)
        await phone.hearsNothing()

    async def test_silent(self) -> None:
        """
        Over UDP too a silent phone is taken for gone, and has to register again.
        """
        caller = await self.phone(b"caller")
        alice = await self.registered(b"alice")
        self.advance(LIMIT + 1)
        caller.ask(b"MESSAGE", alice.aor)
        await caller.told(480)
        await alice.registered()
        caller.ask(b"MESSAGE", alice.aor)
        await alice.asked(b"MESSAGE")

    async def test_asleep(self) -> None:
        """
        A laptop that has slept for too long asks by STUN whether its flow lives: it gets no answer,
        so that it registers anew in place of waiting for calls that cannot come.
        """
        alice = await self.registered(b"alice")
        self.advance(LIMIT + 1)
        alice.send(self.binding(b"abcdefghijkl"))
        alice.send(PING)
        alice.send(self.binding(b"abcdefghijkl"))
        await alice.registered()
        alice.send(self.binding(b"abcdefghijkm"))
        self.assertEqual((await alice.hears())[8:20], b"abcdefghijkm")

    async def test_alive(self) -> None:
        """
        STUN, line breaks or requests keep a phone registered.
        """
        caller = await self.phone(b"caller")
        alice = await self.registered(b"alice")
        for life in (self.binding(b"abcdefghijkl"), PING, question(alice)):
            self.advance(LIMIT - 5)
            alice.send(life)
            if life != PING:
                await alice.hears()
            await self.laboratory.turn()
        self.advance(LIMIT - 5)
        caller.ask(b"MESSAGE", alice.aor)
        alice.answer(await alice.asked(b"MESSAGE"), 200)
        await caller.told(200)
