"""
Keep-alives, SIP and what is neither, told apart on each port (RFC 5626 4.4, 8).
"""

from __future__ import annotations

import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path
from struct import pack
from typing import Any

from attrs import evolve
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from twisted.internet.endpoints import SSL4ClientEndpoint, connectProtocol
from twisted.internet.ssl import CertificateOptions
from twisted.trial.unittest import SkipTest

from sipoutbound.message.framing import Limits, parseDatagram
from sipoutbound.message.message import Message
from sipoutbound.settings import DATAGRAM, Listen
from sipoutbound.test.laboratory import LOOPBACK, WireTestCase, reactor
from sipoutbound.test.line import Octets, within
from sipoutbound.test.phone import DOMAIN, Phone
from sipoutbound.test.test_wire_keepalive import COOKIE, PING, PONG, question
from sipoutbound.transport import datagram
from sipoutbound.transport.listen import EndpointService
from sipoutbound.transport.stream import UNACKNOWLEDGED

# RFC 8489 5: the type of a Binding request, and of its success response.
REQUEST, SUCCESS = 0x0001, 0x0101

# RFC 3320 7.1: a SigComp message begins with five bits set. This one brings its own bytecode.
SIGCOMP = b"\xf8\x00\xa1\x1c\x01\x86\x09\x22\x86\x01\x16\xf9\x23"


def stun(kind: int = REQUEST, transaction: bytes = b"abcdefghijkl") -> bytes:
    """
    A STUN message without attributes.
    """
    return pack(">HHI", kind, 0, COOKIE) + transaction


class DatagramTests(WireTestCase):
    """
    On UDP.
    """

    async def assertAnswered(self, phone: Phone) -> None:
        """
        Check that a Binding request of the phone is answered.
        """
        phone.send(stun())
        answer = await phone.hears()
        self.assertEqual(answer[:2] + answer[4:20], pack(">HI", SUCCESS, COOKIE) + stun()[8:])
        mapped = pack(">HHBBH", 0x0020, 8, 0, 1, phone.local[1] ^ COOKIE >> 16)
        self.assertEqual(answer[20:28], mapped)

    async def test_everyPort(self) -> None:
        """
        Wherever SIP is served over UDP, a phone can keep its flow alive: on every port, and on each
        for that port's flow.
        """
        await self.laboratory.crash()
        more = [Listen(DATAGRAM, 0, LOOPBACK) for _ in range(3)]
        settings = self.laboratory.settings
        self.laboratory.settings = evolve(settings, listen=(*settings.listen, *more))
        await self.laboratory.restart()
        every = self.laboratory.server.ports
        ports = [port for port in every if port.listener.transport == b"UDP"]
        self.assertEqual(len(ports), 4)
        for port in ports:
            phone = await Phone.at(port.address, b"alice", b"UDP")
            self.laboratory.phones.append(phone)
            await self.assertAnswered(phone)
            phone.send(question(phone))
            await phone.told(200)

    async def test_otherKinds(self) -> None:
        """
        Only Binding requests are answered: no indication, no response, and no method of those who
        relay media.
        """
        phone = await self.phone(b"alice")
        for kind in (0x0011, SUCCESS, 0x0111, 0x0003, 0x0004, 0x0008, 0x0009, 0x0002):
            phone.send(stun(kind))
        await phone.hearsNothing()
        await self.assertAnswered(phone)

    async def test_firstOctet(self) -> None:
        """
        A datagram that begins with 0 or 1 is never read as SIP, however much it looks so behind;
        one with anything else in front is never answered as STUN.
        """
        phone = await self.phone(b"alice")
        read: list[bytes] = []

        def noted(data: bytes, limits: Limits) -> Message:
            read.append(data)
            return parseDatagram(data, limits)

        self.patch(datagram, "parseDatagram", noted)
        for octet in (b"\0", b"\1", b"\0\0", b"\1\0"):
            phone.send(octet + question(phone))
        for first in (2, 3, 0x40, 0x80, 0xC0, 0xFF):
            phone.send(bytes((first,)) + stun()[1:])
        await phone.hearsNothing()
        self.assertEqual(len(read), 7)
        self.assertFalse([data for data in read if data[0] in (0, 1)])

    async def test_neverAsks(self) -> None:
        """
        The server sends no STUN request of its own, whatever a phone has agreed to: it answers.
        """
        phones = [await self.registered(b"alice"), await self.phone(b"bob")]
        await phones[1].registered(contact=b"<" + phones[1].contact + b">;ob")
        for _ in range(6):
            self.advance(50)
            for phone in phones:
                await phone.hearsNothing()

    async def test_sigcomp(self) -> None:
        """
        Compressed signalling is not spoken here: it is neither taken for SIP nor for STUN, which is
        told from it by its first bits and answered as it came, uncompressed (RFC 5626 8.1).
        """
        phone = await self.phone(b"alice")
        phone.send(SIGCOMP + question(phone))
        phone.send(SIGCOMP + stun())
        await phone.hearsNothing()
        await self.assertAnswered(phone)


class StreamTests(WireTestCase):
    """
    On connections.
    """

    async def test_sigcomp(self) -> None:
        """
        On a connection with compressed signalling no line break is ever sent in the clear, where
        the peer would take it for compressed octets: the connection ends (RFC 5626 4.4.1).
        """
        phone = await self.phone(b"alice", b"TCP")
        phone.send(SIGCOMP + PING + question(phone) + PING)
        await phone.ended()
        self.assertNotIn(PONG, phone.line.heard.pending)

    async def test_pongsBetweenMessages(self) -> None:
        """
        A pong is two octets between the server's messages, however many of those it has to send.
        """
        phone = await self.registered(b"alice", b"TCP")
        caller = await self.phone(b"caller", b"TCP")
        for number in range(20):
            caller.ask(b"MESSAGE", phone.aor, body=b"\r\n\r\n" * number)
            phone.send(PING + question(phone) + PING)
        heard = [await phone.hears() for _ in range(80)]
        self.assertEqual(heard.count(PONG), 40)
        bodies = [each.body for each in heard if isinstance(each, Message) and each.body]
        self.assertEqual(sorted(bodies), [b"\r\n\r\n" * number for number in range(1, 20)])


class TLSTests(WireTestCase):
    """
    On connections with TLS, which an operator can have from any endpoint of Twisted that speaks it.
    """

    async def encrypted(self) -> tuple[str, int]:
        """
        Start the server with such an endpoint.

        @return: its address.
        """
        await self.laboratory.crash()
        pem = Path(self.mktemp()).absolute()
        pem.write_bytes(certificate())
        place = Listen.parse(f"ssl:0:interface={LOOPBACK}:privateKey={pem}:certKey={pem}")
        settings = self.laboratory.settings
        self.laboratory.settings = evolve(
            settings, listen=(*settings.listen, place), allowAnonymous=True
        )
        await self.laboratory.restart()
        (service,) = [each for each in self.laboratory.server if isinstance(each, EndpointService)]
        listening: Any = service._listening
        host = listening.result.getHost()
        return host.host, host.port

    async def encrypting(self, address: tuple[str, int]) -> Phone:
        """
        A phone that speaks TLS.
        """
        line = Octets(address)
        endpoint = SSL4ClientEndpoint(reactor, *address, CertificateOptions(verify=False))
        await within(connectProtocol(endpoint, line), "a connection with TLS")
        local = line.transport.getHost()
        phone = Phone(b"alice", line, (local.host, local.port))
        self.laboratory.phones.append(phone)
        return phone

    async def test_unacknowledged(self) -> None:
        """
        A phone that has silently gone is missed as soon with TLS as without.
        """
        if not hasattr(socket, "TCP_USER_TIMEOUT"):
            raise SkipTest("this system does not know TCP_USER_TIMEOUT")
        await self.encrypting(await self.encrypted())
        (flow,) = self.laboratory.server.flows.streams()
        line: Any = flow._line
        opened = line.transport.transport.getHandle()
        limit = opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
        self.assertEqual(limit, UNACKNOWLEDGED * 1000)

    async def test_ping(self) -> None:
        """
        Over TLS a ping is answered within TLS, between messages; what is not encrypted is no ping.
        """
        address = await self.encrypted()
        phone = await self.encrypting(address)
        phone.send(PING + question(phone) + PING)
        heard = [await phone.hears() for _ in range(3)]
        self.assertEqual([each == PONG for each in heard], [True, False, True])
        phone.ask(b"OPTIONS", b"sip:" + DOMAIN)
        await phone.told(200)
        bare = await Phone.at(address, b"bare", b"TCP")
        self.laboratory.phones.append(bare)
        bare.send(3 * PING)
        await bare.ended()
        self.assertNotIn(PONG, bare.line.heard.pending)


def certificate() -> bytes:
    """
    A key and a certificate that it has signed itself, PEM.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, DOMAIN.decode())])
    since = datetime.now(UTC) - timedelta(days=1)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(since)
        .not_valid_after(since + timedelta(days=9))
        .sign(key, SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return private + signed.public_bytes(Encoding.PEM)
