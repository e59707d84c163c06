"""
The REGISTERs of real clients (folder C{wire}), as they were received, sent to the running server.
"""

from __future__ import annotations

import re
import socket
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from sipoutbound.test.bed import LOOPBACK
from sipoutbound.test.bed_server import Server

WIRE = Path(__file__).parent / "wire"

# How long an answer may take, in seconds.
PATIENCE = 10.0

# The server that a message was sent to then: in a Route, or in the Request-URI of Net::SIP.
OLD_SERVER = re.compile(rb"(?m)^(REGISTER |Route: <)sip:(?:127\.0\.0\.1|localhost):\d+")

# Where a client that does not ask for rport (RFC 3581) wants its answer (RFC 3261 18.2.2).
SENT_BY = re.compile(rb"(?m)^(Via: SIP/2\.0/UDP 127\.0\.0\.1):\d+")


def addressed(message: bytes, server: int, client: int) -> bytes:
    """
    Put today's ports into a message; all else stays as it came.

    @param message: a REGISTER of the folder.
    @param server: the port of the server that runs now.
    @param client: the port of the socket that it is sent from.
    """
    message = OLD_SERVER.sub(rb"\1sip:127.0.0.1:%d" % server, message)
    return SENT_BY.sub(rb"\1:%d" % client, message)


class WireTests(SynchronousTestCase):
    """
    Each REGISTER is sent over a new socket, UDP or TCP; those of WS and TLS clients without what
    they were wrapped in.
    """

    def setUp(self) -> None:
        """
        Start the server.
        """
        options = ["--domain", LOOPBACK]
        self.server = Server(Path(self.mktemp()).resolve(), options=options).start()
        self.addCleanup(self.server.stop)

    def ask(self, message: bytes) -> bytes:
        """
        @param message: a REGISTER of the folder.
        @return: the head of its answer.
        """
        kind = socket.SOCK_DGRAM if b"SIP/2.0/UDP" in message else socket.SOCK_STREAM
        with socket.socket(type=kind) as client:
            client.settimeout(PATIENCE)
            client.bind((LOOPBACK, 0))
            client.connect((LOOPBACK, self.server.port))
            client.sendall(addressed(message, self.server.port, client.getsockname()[1]))
            return client.recv(65536).partition(b"\r\n\r\n")[0]

    def test_understood(self) -> None:
        """
        Every client is told 200, and what it registered; one that asks for outbound is told that
        it has it (RFC 5626 6).
        """
        files = sorted(WIRE.glob("*.txt"))
        self.assertTrue(files)
        wrong = {}
        for file in files:
            message = file.read_bytes()
            answer = self.ask(message)
            if not all(re.search(pattern, answer) for pattern in expected(message)):
                wrong[file.name] = answer
        self.assertEqual(wrong, {})

    def test_twoContacts(self) -> None:
        """
        pjsua, which lost its flow, binds a new URI and removes the old one of the same reg-id in
        one REGISTER: it stays registered, with the new one.
        """
        message = (WIRE / "pjsua-2.17dev-tls-after-flow-loss-TWO-CONTACTS.txt").read_bytes()
        answer = self.ask(message)
        self.assertIn(b"sip:pjs@127.0.0.1:53601", answer)
        self.assertNotIn(b"sip:pjs@127.0.0.1:37855", answer)


def expected(message: bytes) -> list[bytes]:
    """
    @return: patterns that must be in the head of the answer to a REGISTER.
    """
    patterns = [rb"^SIP/2\.0 200 "]
    if b"expires=0" in message and message.count(b"\r\nContact:") == 1:
        return patterns
    contact = re.search(rb"\r\nContact:[^<]*<([^>]*)>", message)
    assert contact is not None
    patterns.append(re.escape(contact[1]))
    if b"reg-id=" in message and re.search(rb"\r\nSupported:.*outbound", message):
        patterns.append(rb"\r\nRequire: outbound")
    return patterns
