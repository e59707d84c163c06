"""
SIPp registers many users and makes many calls through the running server: with scenarios of ours,
in which the Contacts name a port at which nobody listens, so whatever reaches SIPp came over its
flow; and with those that it has built in, which know nothing of outbound.
"""

from __future__ import annotations

import socket
import time
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from sipoutbound.test.bed import LOOPBACK, freePorts, missing
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


class BuiltInTests(SynchronousTestCase):
    """
    The scenarios that SIPp has built in, as operators use them. Its callee does not register, so
    that is done for it: with its address as the Contact.
    """

    skip = missing(sipp="sip-tester")

    calls = 50

    def setUp(self) -> None:
        """
        Start the server, and a place for the callee.
        """
        self.folder = Path(self.mktemp()).resolve()
        # SIPp calls "service" at the server's address; "branchc" has a domain of its own.
        domains = ["--domain", LOOPBACK, "--domain", "CA.cym.com", "--domain", "nnl.cym"]
        self.server = Server(self.folder / "server", options=domains).start()
        self.addCleanup(self.server.stop)
        (self.port,) = freePorts(1)

    def sipp(self, scenario: str, transport: str, *options: str) -> Sipp:
        """
        @return: a SIPp that runs; it is ended with the test.
        """
        address = self.server.address
        started = Sipp(scenario, address, transport, self.folder, options).start()
        self.addCleanup(started.stop)
        return started

    def callee(self, transport: str) -> Sipp:
        """
        @return: a callee that has begun to listen.
        """
        sipp = self.sipp("uas", transport, "-p", str(self.port), "-m", str(self.calls))
        kind = socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM
        deadline = time.monotonic() + 10
        while self.free(kind):
            self.assertLess(time.monotonic(), deadline, sipp.program.tail())
            time.sleep(0.02)
        return sipp

    def free(self, kind: socket.SocketKind) -> bool:
        """
        @return: whether nobody has the callee's port yet.
        """
        with socket.socket(type=kind) as probe:
            try:
                probe.bind((LOOPBACK, self.port))
            except OSError:
                return False
            return True

    def register(self, user: str, transport: str) -> None:
        """
        Register the callee.

        @param user: its address of record.
        """
        with socket.socket(type=socket.SOCK_DGRAM) as phone:
            phone.settimeout(10)
            phone.connect((LOOPBACK, self.server.port))
            lines = (
                f"REGISTER sip:{user.partition('@')[2]} SIP/2.0",
                f"Via: SIP/2.0/UDP {LOOPBACK};branch=z9hG4bK{user};rport",
                f"From: <sip:{user}>;tag=1",
                f"To: <sip:{user}>",
                f"Call-ID: {user}",
                "CSeq: 1 REGISTER",
                f"Contact: <sip:{LOOPBACK}:{self.port};transport={transport}>",
            )
            phone.send("".join(f"{line}\r\n" for line in (*lines, "")).encode())
            self.assertEqual(phone.recv(4096)[:12], b"SIP/2.0 200 ")

    def assertCalls(self, scenario: str, transport: str, user: str) -> None:
        """
        Make calls, and have the callee count them too: it misses an ACK that the caller does not.

        @raise AssertionError: one of them failed.
        """
        self.register(user, transport)
        callee = self.callee(transport)
        caller = self.sipp(scenario, transport, "-r", "50", "-m", str(self.calls))
        for sipp in (caller, callee):
            counted = sipp.finish(60.0)
            said = caller.errors() + callee.errors()
            self.assertEqual(counted, {"succeeded": self.calls, "failed": 0}, said)

    def test_uac(self) -> None:
        """
        C{sipp -sn uac} calls C{sipp -sn uas} over UDP.
        """
        self.assertCalls("uac", "udp", f"service@{LOOPBACK}")

    def test_uacOverTCP(self) -> None:
        """
        And over TCP: the server connects to the callee.
        """
        self.assertCalls("uac", "tcp", f"service@{LOOPBACK}")

    def test_regexp(self) -> None:
        """
        C{sipp -sn regexp} finds its own body and the callee's Contact in the answer.
        """
        self.assertCalls("regexp", "udp", f"service@{LOOPBACK}")

    def test_branchc(self) -> None:
        """
        C{sipp -sn branchc} registers before each call. (Its counterpart C{branchs} is a registrar
        itself, and has no place behind another.)
        """
        self.calls = 20
        self.assertCalls("branchc", "udp", "ua2@CA.cym.com")
