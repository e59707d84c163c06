"""
A connection: octets to messages, keep-alives, and peers that stop halfway or do not read.
"""

from __future__ import annotations

import socket

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from sipoutbound.message.message import Request
from sipoutbound.test.doubles import request
from sipoutbound.test.wires import PEER, Place
from sipoutbound.transport.stream import BACKLOG, LINGER, PATIENCE, UNACKNOWLEDGED

MESSAGE = bytes(request(b"MESSAGE", b"sip:b@x.org", b"Content-Length: 5", body=b"hello"))

ACK = bytes(request(b"ACK", b"sip:b@x.org", b"Content-Length: 0"))


class ConnectionTests(SynchronousTestCase):
    """
    L{Connection<sipoutbound.transport.stream.Connection>}.
    """

    def setUp(self) -> None:
        """
        A client has connected.
        """
        self.place = Place()
        self.connection, self.transport = self.place.connect()
        assert self.connection.flow is not None
        self.flow = self.connection.flow

    def test_flow(self) -> None:
        """
        A connection is a flow from its beginning to its end (RFC 5626 3.4, 7).
        """
        self.assertEqual((self.flow.peer, self.flow.reliable, self.flow.alive), (PEER, True, True))
        self.assertIs(self.place.flows.find(self.flow.token), self.flow)
        self.connection.connectionLost()
        self.assertEqual((self.flow.alive, self.place.lost), (False, [self.flow]))

    def test_unacknowledged(self) -> None:
        """
        The system is asked to break a connection off whose peer acknowledges nothing: whoever calls
        a phone that has silently gone is told so before he has hung up.
        """
        if not hasattr(socket, "TCP_USER_TIMEOUT"):
            raise SkipTest("this system does not know TCP_USER_TIMEOUT")
        option = (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
        self.assertEqual(self.transport.options[option], UNACKNOWLEDGED * 1000)

    def test_unlimited(self) -> None:
        """
        Where the system cannot do that, connections work all the same.
        """
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            self.patch(socket, "TCP_USER_TIMEOUT", None)
            del socket.TCP_USER_TIMEOUT
        _, transport = self.place.connect()
        self.assertEqual(transport.options, {})

    def test_messages(self) -> None:
        """
        Messages come out whole and in order, however they are cut.
        """
        for size in (1, 7, 3 * len(MESSAGE)):
            data = 3 * MESSAGE
            for at in range(0, len(data), size):
                self.connection.dataReceived(data[at : at + size])
            bodies = [message.body for _, message in self.place.messages]
            self.assertEqual(bodies, [b"hello"] * 3)
            self.place.messages.clear()

    def test_ping(self) -> None:
        """
        A ping between messages has one pong; a lone line break has none (RFC 5626 4.4.1).
        """
        self.connection.dataReceived(b"\r\n\r\n")
        self.assertEqual(self.transport.sent, b"\r\n")
        self.connection.dataReceived(MESSAGE + b"\r\n" + MESSAGE)
        self.assertEqual((self.transport.sent, len(self.place.messages)), (b"\r\n", 2))

    def test_heard(self) -> None:
        """
        Any octet shows that the client is there.
        """
        for data in (b"\r\n\r\n", b"\r\n", MESSAGE[:7], MESSAGE[7:]):
            self.place.wait(10)
            self.connection.dataReceived(data)
            self.assertEqual(self.flow.heard, self.place.clock.seconds())

    def test_notSip(self) -> None:
        """
        What is no SIP closes the connection: nothing behind it can be told apart any more.
        """
        self.connection.dataReceived(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        self.assertEqual((self.transport.closing, self.place.messages), ("lose", []))

    def test_unframed(self) -> None:
        """
        A request without an end that can be told is answered before that.
        """
        broken = MESSAGE.replace(b"Content-Length: 5", b"Content-Length: -5")
        self.connection.dataReceived(broken)
        ((flow, message),) = self.place.messages
        assert isinstance(message, Request)
        self.assertIs(flow, self.flow)
        self.assertIsNotNone(message.flaw)
        self.assertEqual(self.transport.closing, "lose")

    def test_half(self) -> None:
        """
        Half a message and then nothing: the connection is not kept for ever.
        """
        self.connection.dataReceived(MESSAGE[:50])
        self.place.wait(PATIENCE - 1)
        self.assertEqual(self.transport.closing, "")
        self.place.wait(2)
        self.assertEqual(self.transport.closing, "abort")

    def test_dripping(self) -> None:
        """
        Nor one whose message comes octet by octet for ever.
        """
        for octet in MESSAGE[:40]:
            self.connection.dataReceived(bytes((octet,)))
            self.place.wait(1)
        self.assertEqual(self.transport.closing, "abort")

    def test_busy(self) -> None:
        """
        A busy one is not taken for that, though some message is always half there.
        """
        self.connection.dataReceived(MESSAGE[:50])
        for _ in range(100):
            self.connection.dataReceived(MESSAGE[50:] + MESSAGE[:50])
            self.place.wait(1)
        self.assertEqual((self.transport.closing, len(self.place.messages)), ("", 100))

    def test_waits(self) -> None:
        """
        Nor is one that has nothing to say: between messages it may be silent.
        """
        self.connection.dataReceived(MESSAGE[:50])
        self.connection.dataReceived(MESSAGE[50:])
        self.place.wait(300)
        self.assertEqual(self.transport.closing, "")

    def test_closedHalf(self) -> None:
        """
        Closed in the middle of a message: no call is left behind.
        """
        self.connection.dataReceived(MESSAGE[:50])
        self.connection.connectionLost()
        self.transport.closing = ""
        self.place.wait(PATIENCE + 2)
        self.assertEqual(self.transport.closing, "")

    def test_doesNotRead(self) -> None:
        """
        A peer that does not read is sent so much and no more, and nothing is taken from it.
        """
        self.connection.pauseProducing()
        self.assertTrue(self.transport.paused)
        self.flow.send(b"x" * BACKLOG)
        self.assertEqual(self.transport.closing, "")
        self.flow.send(b"x")
        self.assertEqual(self.transport.closing, "abort")

    def test_readsAgain(self) -> None:
        """
        If it does again all is well.
        """
        self.connection.pauseProducing()
        self.flow.send(b"x" * BACKLOG)
        self.connection.resumeProducing()
        self.assertFalse(self.transport.paused)
        self.flow.send(b"x" * BACKLOG)
        self.connection.pauseProducing()
        self.flow.send(b"x" * BACKLOG)
        self.assertEqual(self.transport.closing, "")

    def test_told(self) -> None:
        """
        The transport tells the connection of it.
        """
        self.assertIs(self.transport.producer, self.connection)

    def test_closedUnread(self) -> None:
        """
        A connection that is given up while its peer does not read is closed all the same: with
        thousands of such peers there would be no file descriptor left.
        """
        for end in ("close", "readConnectionLost", "writeConnectionLost", "dataReceived"):
            self.setUp()
            self.connection.pauseProducing()
            if end == "dataReceived":
                self.connection.dataReceived(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            else:
                getattr(self.flow if end == "close" else self.connection, end)()
            self.assertEqual(self.transport.closing, "lose")
            self.place.wait(PATIENCE - 1)
            self.assertEqual(self.transport.closing, "lose")
            self.place.wait(2)
            self.assertEqual(self.transport.closing, "abort")

    def test_closedInTime(self) -> None:
        """
        One that has closed by then is left alone.
        """
        self.flow.close()
        self.connection.connectionLost()
        self.place.wait(PATIENCE + 2)
        self.assertEqual(self.transport.closing, "lose")

    def test_given(self) -> None:
        """
        A flow that is given up is dead at once, its connection closed.
        """
        self.flow.close()
        self.assertEqual((self.transport.closing, self.place.lost), ("lose", [self.flow]))
        self.connection.connectionLost()
        self.assertEqual(self.place.lost, [self.flow])

    def test_halfClosed(self) -> None:
        """
        A flow has two directions: when either ends it is over.
        """
        for ends in (self.connection.readConnectionLost, self.connection.writeConnectionLost):
            self.transport.closing = ""
            ends()
            self.assertEqual(self.transport.closing, "lose")

    def test_halfClosedPending(self) -> None:
        """
        A client that says that it sends no more, as soon as it has asked, gets its answers; then
        the connection is closed. Nothing new goes to it meanwhile, its bindings are gone.
        """
        self.connection.dataReceived(2 * MESSAGE)
        self.connection.readConnectionLost()
        self.assertEqual((self.transport.closing, self.place.lost), ("", [self.flow]))
        self.assertIsNone(self.place.flows.find(self.flow.token))
        for data in (b"SIP/2.0 100 Trying\r\n", b"SIP/2.0 200 OK\r\n"):
            self.assertTrue(self.flow.send(data))
            self.assertEqual(self.transport.closing, "")
        self.flow.send(b"SIP/2.0 404 Not Found\r\n")
        self.assertEqual(self.transport.closing, "lose")
        self.connection.connectionLost()
        self.assertFalse(self.flow.alive)
        self.assertEqual(self.place.lost, 2 * [self.flow])

    def test_halfClosedUnanswered(self) -> None:
        """
        Answers that do not come soon are not waited for: an INVITE may ring for minutes.
        """
        self.connection.dataReceived(MESSAGE)
        self.connection.readConnectionLost()
        self.place.wait(LINGER - 1)
        self.assertEqual(self.transport.closing, "")
        self.place.wait(2)
        self.assertEqual(self.transport.closing, "lose")

    def test_halfClosedAnswered(self) -> None:
        """
        Where all is answered, or nothing was asked, it is closed at once.
        """
        self.connection.dataReceived(ACK + MESSAGE)
        self.assertEqual(len(self.place.messages), 2)
        self.flow.send(b"SIP/2.0 200 OK\r\n")
        self.connection.readConnectionLost()
        self.assertEqual(self.transport.closing, "lose")
