"""
sipsak against the running server: its usrloc mode, pings, traces, floods and trash.

Its loops are left out: version 0.9.8.1 of Debian ends with a segmentation fault in C{-I} and C{-M},
with any server, and sends two messages as one from the second user of C{-b -e} on.
"""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from sipoutbound.test.bed import LOOPBACK, Loopback, freePorts, missing
from sipoutbound.test.bed_program import Program
from sipoutbound.test.bed_server import Server

USERS = 20


class SipsakTests(SynchronousTestCase):
    """
    sipsak is a plain client on UDP, without RFC 5626; its exit code says whether it got a 200.
    """

    skip = missing(sipsak="sipsak")

    def setUp(self) -> None:
        """
        Start the server.
        """
        options = ["--domain", LOOPBACK]
        self.server = Server(Path(self.mktemp()).resolve(), options=options).start()
        self.addCleanup(self.server.stop)

    def register(self, user: str, *options: str) -> str:
        """
        Send a REGISTER.

        @return: what sipsak printed: the answer too.
        @raise AssertionError: the answer was not 200.
        """
        code, said = self.sipsak(f"sip:{user}@{LOOPBACK}", "-U", *options)
        self.assertEqual(code, 0, said)
        return said

    def sipsak(self, uri: str, *options: str) -> tuple[int, str]:
        """
        Run it.

        @return: its exit code, and what it printed: the answers too.
        """
        # The port apart from the URI, of which sipsak would write only four digits.
        where = ["-s", uri, "-r", str(self.server.port)]
        sipsak = Program(["sipsak", "-vvv", *options, *where], Loopback())
        sipsak.start()
        return sipsak.wait(), sipsak.tail()

    def test_users(self) -> None:
        """
        Users register, one after the other, and each is told of its own binding alone.
        """
        for number in range(USERS):
            self.register(f"sak{number}", "-C", f"sip:sak{number}@192.0.2.1", "-x", "600")
        for number in range(USERS):
            said = self.register(f"sak{number}", "-C", "empty")
            self.assertEqual(said.count("Contact:"), 1, said)
            self.assertIn(f"sip:sak{number}@192.0.2.1", said)

    def test_remove(self) -> None:
        """
        C{Contact: *} removes all that a user registered (RFC 3261 10.2.2).
        """
        self.register("sak", "-C", "sip:sak@192.0.2.1", "-x", "600")
        self.register("sak", "-C", "sip:sak@192.0.2.2", "-x", "600")
        self.register("sak", "-C", "*", "-x", "0")
        self.assertNotIn("192.0.2", self.register("sak", "-C", "empty"))

    def test_ping(self) -> None:
        """
        OPTIONS of the server itself: 200, over UDP and TCP.
        """
        for transport in ("udp", "tcp"):
            code, said = self.sipsak(f"sip:{LOOPBACK}", "-E", transport)
            self.assertEqual(code, 0, said)
            self.assertIn("SIP/2.0 200 OK", said)

    def test_trace(self) -> None:
        """
        A trace to a user whose phone is off: 483 of the first hop, which is the server, then 480.
        """
        (port,) = freePorts(1)
        self.register("sak", "-C", f"sip:sak@{LOOPBACK}:{port}", "-x", "600")
        code, said = self.sipsak(f"sip:sak@{LOOPBACK}", "-T")
        self.assertEqual(code, 1, said)
        self.assertIn("SIP/2.0 483 Too Many Hops", said)
        self.assertIn("SIP/2.0 480 Temporarily Unavailable", said)

    def test_flood(self) -> None:
        """
        A thousand requests as fast as sipsak can, which hears no answer: the next one has its own.
        """
        code, said = self.sipsak(f"sip:{LOOPBACK}", "-F", "-e", "1000")
        self.assertEqual(code, 0, said)
        self.assertIn("flood end reached", said)
        self.test_ping()

    def test_trash(self) -> None:
        """
        Requests in which more and more is changed at random do the server no harm.
        """
        self.sipsak(f"sip:{LOOPBACK}", "-R", "-t", "20")
        self.test_ping()
