"""
The messages of RFC 4475 and RFC 5118 with a few octets changed, at the whole server.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.logger import LogLevel, capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from sipoutbound.message.framing import Limits, parseDatagram
from sipoutbound.message.message import Request, Response
from sipoutbound.message.validity import flawOf
from sipoutbound.test.bareserver import BareServer
from sipoutbound.test.bytewise import checkRequest
from sipoutbound.test.doubles import FakeHops
from sipoutbound.test.tortures import DOMAINS, FILES, octets

_PIECES = (
    b"", b"\r\n", b"\r\n ", b"\n", b"\r", b",", b";", b'"', b"\\", b"<", b">", b"\x00", b"\xff",
    b":", b"@", b"%", b"[", b"]", b"=", b" ", b"\t", b"?", b"*", b"9" * 12, b";tag=1", b"sip:",
    b";lr", b";maddr=x", b"\r\nRoute: <sip:a;lr>\r\n", b"\r\nl: 3\r\n", b"\r\nContact: *\r\n",
    b"\r\nExpires: 0\r\n", b"\r\nPath: x\r\n", b"\r\nk: outbound\r\n", b"\r\nRequire: path\r\n",
    b';reg-id=1;+sip.instance="<x>"', b"\r\nTimestamp:\r\n", b"\r\n\r\n",
)  # fmt: skip

_CHANGES = st.tuples(st.floats(0, 1), st.integers(0, 12), st.sampled_from(_PIECES))


def changed(data: bytes, changes: list[tuple[float, int, bytes]]) -> bytes:
    """
    @param changes: where, as a part of the whole, how many octets go, and what comes instead.
    """
    for part, gone, piece in changes:
        at = int(part * len(data))
        data = data[:at] + piece + data[at + gone :]
    return data


class MutatedTests(SynchronousTestCase):
    """
    A server for each, where a user is registered whom many are for.
    """

    def setUp(self) -> None:
        """
        A folder for all of them.
        """
        self.folder = Path(self.mktemp()).absolute()
        self.folder.parent.mkdir(parents=True, exist_ok=True)

    def server(self) -> BareServer:
        """
        A new one, which finds a way to everybody.
        """
        server = BareServer(self.folder, DOMAINS)
        proxy: Any = server.server.stack.user
        proxy.ways = evolve(proxy.ways, hops=FakeHops())
        return server

    @given(
        st.sampled_from(sorted(FILES)), st.lists(_CHANGES, min_size=1, max_size=4), st.booleans()
    )
    @settings(max_examples=300, deadline=None)
    def test_survived(
        self, name: str, changes: list[tuple[float, int, bytes]], overTcp: bool
    ) -> None:
        """
        No traceback; what the server says is SIP; and what it passes on is sound, and as it came.
        """
        data = changed(octets(name), changes)
        server = self.server()
        phone = server.registered(b"sip:user@example.com")
        with capturedLogs() as events:
            if overTcp:
                said = server.connect().send(data)
            else:
                said = [sent for sent, _ in server.datagram(data)]
        errors = [formatEvent(each) for each in events if each["log_level"] >= LogLevel.error]
        self.assertEqual(errors, [])
        for answer in said:
            self.assertIsInstance(parseDatagram(answer, Limits()), Response)
        for left in phone.heard():
            self.passed(data, left)

    def passed(self, came: bytes, left: bytes) -> None:
        """
        Check what the phone has got.
        """
        message = parseDatagram(left, Limits())
        assert isinstance(message, Request), left
        self.assertIsNone(flawOf(message))
        if message.method not in (b"CANCEL", b"ACK"):
            head, _, body = came.lstrip(b"\r\n").partition(b"\r\n\r\n")
            head = head.removesuffix(b"\r\n")
            checkRequest(self, head + b"\r\n\r\n" + body[: len(message.body)], left)
