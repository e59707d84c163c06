"""
A UDP port: datagrams to messages, on the flows to its peers.
"""

from __future__ import annotations

from errno import EMSGSIZE, ENETUNREACH, ENOBUFS, EPERM, EWOULDBLOCK
from socket import AF_INET, AF_INET6, AddressFamily
from typing import Any

from attrs import define, field
from twisted.trial.unittest import SynchronousTestCase

from sipoutbound.interfaces import Address
from sipoutbound.message.message import Request
from sipoutbound.test.doubles import request
from sipoutbound.test.wires import LOCAL, PEER, Place
from sipoutbound.transport import datagram
from sipoutbound.transport.datagram import Port

# A binding request of STUN (RFC 8489 5): type, length, cookie, transaction id.
STUN = b"\x00\x01\x00\x00\x21\x12\xa4\x42" + b"transaction."


@define(eq=False)
class FakeSocket:
    """
    Keeps what is sent.
    """

    family: AddressFamily = AF_INET
    sent: list[tuple[bytes, Address]] = field(factory=list)
    error: OSError | None = None

    def sendto(self, data: bytes, peer: Address) -> None:
        """
        Keep it.
        """
        if self.error is not None:
            raise self.error
        self.sent.append((data, peer))


class PortTests(SynchronousTestCase):
    """
    L{Port}.
    """

    def setUp(self) -> None:
        """
        A port.
        """
        self.place = Place(b"UDP")
        self.socket = FakeSocket()
        self.port = self.opened(self.socket, LOCAL)

    def opened(self, socket: Any, local: Address) -> Port:
        """
        A port on a socket that is none.
        """
        return Port(self.place.listener, socket, local)

    def test_message(self) -> None:
        """
        A message comes on the flow of its sender; each sender has one flow.
        """
        data = bytes(request(b"MESSAGE", body=b"hello"))
        self.port.datagramReceived(data, PEER)
        self.port.datagramReceived(data, PEER)
        self.port.datagramReceived(data, ("192.0.2.10", 5060))
        flows = [flow for flow, _ in self.place.messages]
        self.assertIs(flows[0], flows[1])
        self.assertEqual([flow.peer for flow in flows], [PEER, PEER, ("192.0.2.10", 5060)])
        _, message = self.place.messages[0]
        assert isinstance(message, Request)
        self.assertEqual((message.method, message.body), (b"MESSAGE", b"hello"))

    def test_back(self) -> None:
        """
        What is sent over the flow leaves from this port, to where the sender was.
        """
        self.port.datagramReceived(bytes(request(b"MESSAGE")), PEER)
        self.place.messages[0][0].send(b"answer")
        self.assertEqual(self.socket.sent, [(b"answer", PEER)])
        self.assertIs(self.port.flowTo(PEER), self.place.messages[0][0])

    def test_stun(self) -> None:
        """
        A STUN request is answered with the address that it came from (RFC 5626 8).
        """
        self.port.datagramReceived(STUN, PEER)
        ((answer, peer),) = self.socket.sent
        self.assertEqual((answer[:2], answer[8:20], peer), (b"\x01\x01", b"transaction.", PEER))

    def test_nothing(self) -> None:
        """
        Line breaks, nothing at all and what is no SIP: never an answer, nor a traceback.
        """
        for data in (b"", b"\r\n", b"\r\n\r\n", b"\0\0\0\0", b"\x01", b"hello", b"\xff" * 99):
            self.port.datagramReceived(data, PEER)
        self.assertEqual((self.socket.sent, self.place.messages), ([], []))

    def test_anythingIsLife(self) -> None:
        """
        Whatever comes shows that the client is there: message, STUN or line break.
        """
        flow = self.port.flowTo(PEER)
        for data in (b"\r\n\r\n", STUN, bytes(request(b"MESSAGE"))):
            self.place.wait(10)
            self.port.datagramReceived(data, PEER)
            self.assertEqual(flow.heard, self.place.clock.seconds())

    def test_revived(self) -> None:
        """
        A UDP flow that was given up lives again when its client says something: it would never get
        an answer else. Its keep-alives have none: who was given up is to know.
        """
        flow = self.port.flowTo(PEER)
        flow.close()
        flow.send(b"lost")
        for data in (STUN, b"\r\n\r\n", b"nonsense"):
            self.port.datagramReceived(data, PEER)
        self.assertEqual((flow.alive, self.place.lost, self.socket.sent), (False, [flow], []))
        self.port.datagramReceived(bytes(request(b"MESSAGE")), PEER)
        self.assertTrue(flow.alive)
        self.assertIs(self.place.messages[0][0], flow)

    def test_notSent(self) -> None:
        """
        What can't be sent is told (RFC 3261 18.4): a phone would be taken for gone because a
        message was too large. A full queue is a loss on the way as any other.
        """
        flow = self.port.flowTo(PEER)
        for number, taken in (
            (EMSGSIZE, False), (ENETUNREACH, False), (EPERM, False),
            (EWOULDBLOCK, True), (ENOBUFS, True),
        ):  # fmt: skip
            self.socket.error = OSError(number, "no")
            self.assertIs(flow.send(b"lost"), taken, number)
        self.socket.error = None
        self.assertIs(flow.send(b"sent"), True)

    def test_bothFamilies(self) -> None:
        """
        A port of IPv6 has IPv4 peers too; their flow is one, however they are spelled.
        """
        self.socket.family = AF_INET6
        port = self.opened(self.socket, ("::", 5060))
        flow = port.flowTo(PEER)
        self.assertIs(port.flowTo(("::ffff:192.0.2.9", PEER[1])), flow)
        port.datagramReceived(STUN, ("::ffff:192.0.2.9", PEER[1]))
        flow.send(b"x")
        self.assertEqual([peer[0] for _, peer in self.socket.sent], ["::ffff:192.0.2.9"] * 2)
        self.assertEqual(flow.peer, PEER)

    def test_memory(self) -> None:
        """
        Strangers and the dead do not fill the memory; who is waited for or watched is kept.
        """
        self.patch(datagram, "REMEMBERED", 10)
        watched, waiting, dead, *others = (
            self.port.flowTo((f"192.0.2.{number}", 5060)) for number in range(10)
        )
        watched.watch(100)
        waiting.pending = {object()}
        self.place.flows.died(dead)
        self.port.flowTo(PEER)
        for flow in (watched, waiting, others[-1]):
            self.assertIs(self.port.flowTo(flow.peer), flow)
        for flow in (dead, others[0]):
            self.assertIsNot(self.port.flowTo(flow.peer), flow)
