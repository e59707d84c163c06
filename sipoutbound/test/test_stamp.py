"""
What the server writes into the top Via of a request (RFC 3261 18.2.1, RFC 3581).
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipoutbound.message.grammar import Malformed
from sipoutbound.message.header import Via
from sipoutbound.message.message import Request
from sipoutbound.message.parse import parseMessage

PEER = (b"192.0.2.1", 9988)


def stamped(*vias: bytes, peer: tuple[bytes, int] = PEER) -> Request:
    """
    A request with these Via lines, stamped as if it came from C{peer}.
    """
    message = parseMessage(b"\r\n".join((b"INVITE sip:a@b SIP/2.0", *vias, b"To: sip:a@b")))
    assert isinstance(message, Request)
    message.stamp(*peer)
    return message


def found(message: Request) -> dict[bytes, bytes | None]:
    """
    The parameters of the top Via, each of them once.
    """
    params = message.via.params
    assert len(dict(params)) == len(params), params
    return dict(params)


PIECES = (
    b";branch=z9hG4bK1", b";rport", b";RPORT", b"; rport = 1", b";rport=", b";received=6.6.6.6",
    b";Received = 6.6.6.6", b";received", b";received=[::6]", b";received=::6", b";ttl=1", b";",
    b';x=";received=6.6.6.6;rport"', b';y="a, b\\";rport"', b"\r\n ;z", b';received="6"',
)  # fmt: skip
PARAMS = st.lists(st.sampled_from(PIECES), max_size=5).map(b"".join)


class StampTests(SynchronousTestCase):
    """
    L{Request.stamp}.
    """

    def test_nothing(self) -> None:
        """
        A client that names its own address and asks for nothing gets its Via back as it was.
        """
        for via in (b"Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1", b"v :SIP/2.0/TCP  192.0.2.1:1"):
            self.assertEqual(stamped(via).lines[0], via)

    def test_received(self) -> None:
        """
        Behind another address or a name the source is written down: the response finds back
        (RFC 3261 18.2.1).
        """
        for host in (b"10.1.1.1", b"bobspc.biloxi.com:5060", b"[2001:db8::9:1]", b"192.0.2.10"):
            message = stamped(b"Via: SIP/2.0/UDP " + host + b";branch=z9hG4bK1")
            self.assertEqual(found(message), {b"branch": b"z9hG4bK1", b"received": b"192.0.2.1"})
            self.assertFalse(message.wantsSourcePort)

    def test_rport(self) -> None:
        """
        Who asks for it is told its port, and its address though it be the same (RFC 3581 4).
        """
        for host in (b"10.1.1.1:4540", b"192.0.2.1", b"a.example.com"):
            for rport in (b";rport", b";RPort", b" ; rport ", b";rport=", b"; rport = 1"):
                for form in (rport + b";branch=z9hG4bK1", b";branch=z9hG4bK1" + rport):
                    message = stamped(b"Via: SIP/2.0/UDP " + host + form)
                    self.assertEqual(
                        found(message),
                        {b"branch": b"z9hG4bK1", b"rport": b"9988", b"received": b"192.0.2.1"},
                    )
                    self.assertTrue(message.wantsSourcePort)

    def test_notRport(self) -> None:
        """
        A parameter that only looks like it asks for nothing.
        """
        for params in (b";x-rport", b";rports", b";x=rport", b";rport-x=1"):
            via = b"Via: SIP/2.0/UDP 192.0.2.1" + params
            message = stamped(via)
            self.assertEqual(message.lines[0], via)
            self.assertFalse(message.wantsSourcePort)

    def test_spoofed(self) -> None:
        """
        An address that the client wrote itself is replaced, however it is spelled: nobody aims our
        responses at others.
        """
        for host in (b"192.0.2.1", b"10.1.1.1"):
            for spoof in (
                b";received=6.6.6.6", b";Received=6.6.6.6", b"; RECEIVED = 6.6.6.6", b";received",
                b";received=", b';received="6.6.6.6"', b";received=[::6]", b";received=::6",
                b";received=6.6.6.6;received=7.7.7.7",
            ):  # fmt: skip
                message = stamped(b"Via: SIP/2.0/UDP " + host + spoof + b";branch=z9hG4bK1")
                params = {b"branch": b"z9hG4bK1", b"received": b"192.0.2.1"}
                self.assertEqual(found(message), params)

    def test_ipv6(self) -> None:
        """
        IPv6: C{received} goes without brackets (RFC 5118 4.5), the same address in another
        spelling is the same (RFC 5954).
        """
        peer = (b"2001:db8::9:1", 5070)
        via = b"Via: SIP/2.0/UDP [2001:0DB8:0::9:1]:5060;branch=z9hG4bK1"
        self.assertEqual(stamped(via, peer=peer).lines[0], via)
        self.assertEqual(
            stamped(via + b";rport", peer=peer).lines[0],
            via + b";rport=5070;received=2001:db8::9:1",
        )
        other = b"Via: SIP/2.0/UDP [2001:db8::9:2]"
        self.assertEqual(stamped(other, peer=peer).lines[0], other + b";received=2001:db8::9:1")
        self.assertEqual(found(stamped(other))[b"received"], b"192.0.2.1")
        self.assertEqual(
            found(stamped(b"Via: SIP/2.0/UDP 192.0.2.1", peer=peer))[b"received"], b"2001:db8::9:1"
        )

    def test_others(self) -> None:
        """
        Only the topmost Via is changed, whether the others share its line or not.
        """
        lower = b'SIP/2.0/UDP 10.2.2.2;rport;received=7.7.7.7;x="a, b"'
        message = stamped(b"v: SIP/2.0/UDP 10.1.1.1;rport , " + lower, b"Via: " + lower)
        top = b"SIP/2.0/UDP 10.1.1.1;rport=9988;received=192.0.2.1"
        self.assertEqual(message.lines[:2], [b"v: " + top + b", " + lower, b"Via: " + lower])
        self.assertEqual(message.all(b"via"), [top, lower, lower])
        self.assertEqual(message.first(b"via"), top + b", " + lower)

    def test_folded(self) -> None:
        """
        A folded Via is stamped whole.
        """
        message = stamped(b"Via: SIP/2.0/UDP\r\n 10.1.1.1;branch=z9hG4bK1\r\n          ;rport")
        self.assertEqual(
            found(message), {b"branch": b"z9hG4bK1", b"rport": b"9988", b"received": b"192.0.2.1"}
        )
        self.assertEqual(Via.parse(message.all(b"via")[0]).host, b"10.1.1.1")

    def test_malformed(self) -> None:
        """
        Without a Via that can be read there is nothing to stamp.
        """
        self.assertRaises(Malformed, stamped)
        for via in (b"Via:", b"Via: ,", b"Via: x", b"Via: SIP/2.0/UDP h:99999;rport"):
            self.assertRaises(Malformed, stamped, via)

    @given(st.sampled_from([b"192.0.2.1", b"h.example.com", b"[::1]:5070"]), PARAMS)
    @settings(max_examples=300, deadline=None)
    def test_always(self, host: bytes, params: bytes) -> None:
        """
        Whatever was there: what is left is a Via with at most one C{received}, which is true, with
        the true port for every C{rport}, and with all other parameters as they were.
        """
        before = Via.parse(b"SIP/2.0/UDP " + host + params.replace(b"\r\n", b""))
        message = stamped(b"Via: SIP/2.0/UDP " + host + params)
        after = message.via
        ours = (b"received", b"rport")
        self.assertEqual(
            [pair for pair in after.params if pair[0] not in ours],
            [pair for pair in before.params if pair[0] not in ours],
        )
        self.assertEqual((after.host, after.port), (before.host, before.port))
        self.assertEqual(after.branch, before.branch)
        received = [value for name, value in after.params if name == b"received"]
        self.assertIn(received, ([], [b"192.0.2.1"]))
        asked = any(name == b"rport" for name, _ in before.params)
        if asked or host != b"192.0.2.1":
            self.assertEqual(received, [b"192.0.2.1"])
        for name, value in after.params:
            if name == b"rport":
                self.assertEqual(value, b"9988")
