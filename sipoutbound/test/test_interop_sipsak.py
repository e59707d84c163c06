"""
sipsak's usrloc mode against the running server.

Its loops are left out: version 0.9.8.1 of Debian ends with a segmentation fault in C{-I} and C{-M},
with any server, and sends two messages as one from the second user of C{-b -e} on.
"""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from sipoutbound.test.bed import LOOPBACK, Loopback, missing
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
        # The port apart from the URI, of which sipsak would write only four digits.
        where = ["-s", f"sip:{user}@{LOOPBACK}", "-r", str(self.server.port)]
        sipsak = Program(["sipsak", "-vvv", "-U", *options, *where], Loopback())
        sipsak.start()
        self.assertEqual(sipsak.wait(), 0, sipsak.tail())
        return sipsak.tail()

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
