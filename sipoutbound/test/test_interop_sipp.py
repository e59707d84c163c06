"""
SIPp registers many users and makes many calls through the running server. The Contacts that it
gives name a port at which nobody listens, so whatever reaches it came over its flow.
"""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from sipoutbound.test.bed import missing
from sipoutbound.test.bed_server import Server
from sipoutbound.test.bed_sipp import Sipp

USERS = 50_000

CALLS = 1_000


class SippTests(SynchronousTestCase):
    """
    Load over one UDP socket or one TCP connection.
    """

    skip = missing(sipp="sip-tester")

    def setUp(self) -> None:
        """
        Start the server.
        """
        self.folder = Path(self.mktemp()).resolve()
        self.server = Server(self.folder / "server").start()
        self.addCleanup(self.server.stop)

    def sipp(self, scenario: str, transport: str, *options: str) -> Sipp:
        """
        @return: a SIPp that runs; it is ended with the test.
        """
        started = Sipp(scenario, self.server.address, transport, self.folder, options).start()
        self.addCleanup(started.stop)
        return started

    def test_fiftyThousandUsers(self) -> None:
        """
        50,000 users register, durably, and every one is told 200.
        """
        load = ["-key", "user", "user", "-r", "10000", "-l", "300", "-m", str(USERS)]
        sipp = self.sipp("register", "udp", *load)
        counted = sipp.finish(120.0)
        self.assertEqual(counted, {"succeeded": USERS, "failed": 0}, sipp.errors())

    def assertCalls(self, transport: str) -> None:
        """
        Make 1,000 calls, 200 in each second, to one callee.

        @raise AssertionError: one of them failed.
        """
        answer = Path(__file__).parent / "scenario" / "answer.xml"
        callee = self.sipp("callee", transport, "-m", "1", "-oocsf", str(answer))
        callee.program.expect("registered")
        caller = self.sipp("call", transport, "-r", "200", "-m", str(CALLS))
        counted = caller.finish(60.0)
        said = caller.errors() + callee.errors()
        self.assertEqual(counted, {"succeeded": CALLS, "failed": 0}, said)

    def test_callsOverUDP(self) -> None:
        """
        Calls between clients on UDP are set up, acknowledged and ended along the recorded route.
        """
        self.assertCalls("udp")

    def test_callsOverTCP(self) -> None:
        """
        Calls between clients on TCP are set up, acknowledged and ended along the recorded route.
        """
        self.assertCalls("tcp")
