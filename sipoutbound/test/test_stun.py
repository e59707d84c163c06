"""
Tests of L{sipoutbound.outbound.stun}.
"""

from __future__ import annotations

import struct
import zlib
from ipaddress import IPv4Address, IPv6Address

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipoutbound.outbound.stun import answer, isStun, mapped, refused, request

ID = bytes(range(1, 13))
PEER = ("192.0.2.1", 32853)
COOKIE = bytes.fromhex("2112a442")

# RFC 5769 2.1, 2.2, 2.3: a request with ICE's attributes, and responses over IPv4 and IPv6.
SAMPLE_ID = bytes.fromhex("b7e7a701bc34d686fa87dfae")
SAMPLE_REQUEST = bytes.fromhex(
    "00010058 2112a442 b7e7a701bc34d686fa87dfae"
    "80220010 5354554e207465737420636c69656e74"
    "00240004 6e0001ff"
    "80290008 932ff9b151263b36"
    "00060009 6576746a3a68367659202020"
    "00080014 9aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2"
    "80280004 e57a3bcf"
)
SAMPLE_IPV4 = bytes.fromhex(
    "0101003c 2112a442 b7e7a701bc34d686fa87dfae"
    "8022000b 7465737420766563746f7220"
    "00200008 0001a147e112a643"
    "00080014 2b91f599fd9e90c38c7489f92af9ba53f06be7d7"
    "80280004 c07d4c96"
)
SAMPLE_IPV6 = bytes.fromhex(
    "01010048 2112a442 b7e7a701bc34d686fa87dfae"
    "8022000b 7465737420766563746f7220"
    "00200014 0002a1470113a9faa5d3f179bc25f4b5bed2b9d9"
    "00080014 a382954e4be67bf11784c97c8292c275bfe3ed41"
    "80280004 c8fb0b4c"
)


def attribute(kind: int, value: bytes = b"", padding: bytes = b"\0") -> bytes:
    """
    One attribute, padded.
    """
    return struct.pack(">HH", kind, len(value)) + value + padding * (-len(value) % 4)


def message(kind: int, *attributes: bytes, cookie: bytes = COOKIE) -> bytes:
    """
    A message of that type.
    """
    body = b"".join(attributes)
    return struct.pack(">HH", kind, len(body)) + cookie + ID + body


def printed(kind: int, *attributes: bytes) -> bytes:
    """
    A message of that type with a right FINGERPRINT behind the attributes.
    """
    whole = message(kind, *attributes, attribute(0x8028, bytes(4)))[:-8]
    return whole + attribute(0x8028, (zlib.crc32(whole) ^ 0x5354554E).to_bytes(4, "big"))


class DemultiplexingTests(SynchronousTestCase):
    """
    STUN and SIP on one port.
    """

    def test_firstOctet(self) -> None:
        """
        The first octet alone decides (RFC 5626 8); no STUN gets to SIP, no SIP gets lost.
        """
        for octet in range(256):
            self.assertEqual(isStun(bytes((octet,)) + b"rest"), octet < 2)
        self.assertIs(isStun(b""), False)
        self.assertIs(isStun(b"REGISTER sip:example.com SIP/2.0\r\n"), False)
        self.assertIs(isStun(b"\r\n\r\n"), False)
        self.assertIs(isStun(request(ID)), True)


class SuccessTests(SynchronousTestCase):
    """
    Binding requests that get our view of the client's address.
    """

    def test_octets(self) -> None:
        """
        The answer is a Binding response with XOR-MAPPED-ADDRESS alone; phones take it as the pong.
        """
        expected = message(0x0101, bytes.fromhex("00200008 0001a147 e112a643"))
        self.assertEqual(answer(request(ID), PEER), expected)

    def test_request(self) -> None:
        """
        A request is a bare header, in RFC 8489's form with the cookie.
        """
        self.assertEqual(request(ID), bytes.fromhex("00010000") + COOKIE + ID)
        for wrong in (b"", ID[1:], ID + b"\0"):
            self.assertRaises(ValueError, request, wrong)

    @given(st.integers(0, 2**32 - 1), st.integers(0, 65535), st.binary(min_size=12, max_size=12))
    @settings(max_examples=100, deadline=None)
    def test_ipv4(self, host: int, port: int, transaction: bytes) -> None:
        """
        A client learns the same address and port that we see; a wrong one would look like a failed
        flow to it.
        """
        peer = (str(IPv4Address(host)), port)
        self.assertEqual(mapped(answer(request(transaction), peer) or b"", transaction), peer)

    @given(
        st.integers(2**112, 2**128 - 1), st.integers(0, 65535), st.binary(min_size=12, max_size=12)
    )
    @settings(max_examples=100, deadline=None)
    def test_ipv6(self, host: int, port: int, transaction: bytes) -> None:
        """
        The same over IPv6.
        """
        peer = (str(IPv6Address(host)), port)
        self.assertEqual(mapped(answer(request(transaction), peer) or b"", transaction), peer)

    def test_mappedIPv4(self) -> None:
        """
        On a socket of both families an IPv4 client is told its IPv4 address.
        """
        for host in ("::ffff:192.0.2.1", "::FFFF:c000:0201"):
            self.assertEqual(answer(request(ID), (host, 32853)), answer(request(ID), PEER))

    def test_scope(self) -> None:
        """
        A link-local client is told its address without the name of our interface.
        """
        found = mapped(answer(request(ID), ("fe80::1%eth0", 5060)) or b"", ID)
        self.assertEqual(found, ("fe80::1", 5060))

    def test_ignored(self) -> None:
        """
        What need not be understood, and what is known but not expected, changes nothing: baresip
        sends SOFTWARE, others send credentials.
        """
        for attributes in (
            (attribute(0x8022, b"libre v1.1.0"),),
            (attribute(0x8022, b"odd", padding=b"\xff"), attribute(0xFFFF)),
            (attribute(0x0006, b"user"), attribute(0x0014, b"r"), attribute(0x0015, b"nonce")),
            (attribute(0x001E, bytes(32)), attribute(0x001C, bytes(32))),
            (attribute(0x0020, bytes(8)),),
        ):
            self.assertEqual(answer(message(1, *attributes), PEER), answer(request(ID), PEER))

    def test_behindIntegrity(self) -> None:
        """
        Whatever follows a MESSAGE-INTEGRITY is ignored (RFC 8489 9), unknown or not.
        """
        for integrity in (attribute(0x0008, bytes(20)), attribute(0x001C, bytes(32))):
            asked = message(1, integrity, attribute(0x0024, b"four"))
            self.assertEqual(answer(asked, PEER), answer(request(ID), PEER))

    def test_fingerprint(self) -> None:
        """
        Who sends a right FINGERPRINT gets one, right again; the address is the same.
        """
        reply = answer(printed(1, attribute(0x8022, b"x")), PEER)
        self.assertEqual(reply, printed(0x0101, bytes.fromhex("00200008 0001a147 e112a643")))
        self.assertEqual(mapped(reply or b"", ID), PEER)


class UnknownAttributeTests(SynchronousTestCase):
    """
    Binding requests that ask for more than we understand (RFC 8489 6.3.1).
    """

    def refusal(self, *types: int) -> tuple[bytes, ...]:
        """
        The attributes of a 420 for those types.
        """
        listed = b"".join(struct.pack(">H", kind) for kind in types)
        reason = b"\0\0\x04\x14Unknown Attribute"
        return attribute(0x0009, reason), attribute(0x000A, listed)

    def test_lengths(self) -> None:
        """
        A client can read which attributes we do not know: the length is that of the list, without
        padding, for an odd and an even number of them.
        """
        for types in ((0x0024,), (0x0024, 0x0003), (0x7FFF, 0x0003, 0x0000)):
            asked = message(1, *(attribute(kind, b"value") for kind in types))
            self.assertEqual(answer(asked, PEER), message(0x0111, *self.refusal(*types)))

    def test_twice(self) -> None:
        """
        An attribute that comes twice is listed once; what is known or optional is not.
        """
        asked = message(
            1, *map(attribute, (0x0024, 0x8024, 0x0003, 0x0006, 0x0024, 0x8000)),
        )
        self.assertEqual(answer(asked, PEER), message(0x0111, *self.refusal(0x0024, 0x0003)))

    def test_every(self) -> None:
        """
        Exactly the comprehension-required types that RFC 8489 18.3 does not define are refused.
        """
        known = {1, 6, 8, 9, 0xA, 0x14, 0x15, 0x1C, 0x1D, 0x1E, 0x20}
        for kind in (*range(0x100), *range(0x7F00, 0x8100)):
            if kind == 0x8028:
                continue
            reply = answer(message(1, attribute(kind)), PEER) or b""
            refused = kind < 0x8000 and kind not in known
            self.assertEqual(reply[:2], b"\x01\x11" if refused else b"\x01\x01", hex(kind))

    def test_sample(self) -> None:
        """
        The sample request of RFC 5769 is ICE's: its PRIORITY is none of ours; the FINGERPRINT is
        that of another implementation, and ours comes with the refusal.
        """
        reply = answer(SAMPLE_REQUEST, PEER)
        expected = printed(0x0111, *self.refusal(0x0024))
        self.assertEqual(len(reply or b""), len(expected))
        self.assertEqual((reply or b"")[20:-8], expected[20:-8])
        self.assertEqual((reply or b"")[8:20], SAMPLE_ID)


class SilenceTests(SynchronousTestCase):
    """
    What gets no answer at all, so that nobody can make us send to a third party or to ourselves.
    """

    def test_types(self) -> None:
        """
        Only Binding requests are answered: two servers never answer each other's answers.
        """
        for kind in range(0x10000):
            if kind != 0x0001:
                self.assertIsNone(answer(message(kind), PEER), hex(kind))

    def test_cookie(self) -> None:
        """
        Requests of RFC 3489 have no cookie and get nothing (RFC 5626 8).
        """
        for bit in range(32):
            cookie = (0x2112A442 ^ 1 << bit).to_bytes(4, "big")
            self.assertIsNone(answer(message(1, cookie=cookie), PEER))

    def test_cut(self) -> None:
        """
        A datagram that was cut anywhere, or that has something behind it, is dropped.
        """
        whole = printed(1, attribute(0x8022, b"software"))
        self.assertIsNotNone(answer(whole, PEER))
        for length in range(len(whole)):
            self.assertIsNone(answer(whole[:length], PEER))
        for more in (b"\0", bytes(4), whole):
            self.assertIsNone(answer(whole + more, PEER))

    def test_lengths(self) -> None:
        """
        Lengths that lie are no way to read beyond the datagram.
        """
        for body in (
            b"\x80\x22\0",
            b"\x80\x22\0\1\0\0",
            struct.pack(">HH", 0x8022, 1),
            struct.pack(">HH", 0x8022, 5) + bytes(4),
            struct.pack(">HH", 0x8022, 0xFFFF) + bytes(8),
            attribute(0x8022, b"fine") + struct.pack(">HH", 0x8022, 0xFFFC),
        ):
            self.assertIsNone(answer(message(1, body), PEER))

    def test_fingerprint(self) -> None:
        """
        With a FINGERPRINT that is wrong, misplaced or of a wrong length it was not STUN after all.
        """
        whole = printed(1, attribute(0x8022, b"x"))
        # The transaction id, the value of the attribute with its padding, and the CRC itself.
        for at in (*range(8, 20), *range(24, 28), *range(32, 36)):
            for bit in range(8):
                other = whole[:at] + bytes((whole[at] ^ 1 << bit,)) + whole[at + 1 :]
                self.assertIsNone(answer(other, PEER))
        self.assertIsNone(answer(message(1, whole[-8:], attribute(0x8022, b"x")), PEER))
        self.assertIsNone(answer(message(1, attribute(0x8028)), PEER))
        self.assertIsNone(answer(message(1, attribute(0x8028, bytes(8))), PEER))

    @given(st.binary(max_size=60), st.binary(max_size=60))
    @settings(max_examples=300, deadline=None)
    def test_garbage(self, body: bytes, tail: bytes) -> None:
        """
        Nothing that can come in a datagram raises anything.
        """
        for data in (body, message(1, body) + tail, message(0x0101, body), printed(1, body)):
            answer(data, PEER)
            mapped(data, ID)


class MappedTests(SynchronousTestCase):
    """
    What a user agent takes for its address.
    """

    def test_samples(self) -> None:
        """
        The responses of RFC 5769, made by another implementation, are read right.
        """
        self.assertEqual(mapped(SAMPLE_IPV4, SAMPLE_ID), PEER)
        self.assertEqual(
            mapped(SAMPLE_IPV6, SAMPLE_ID), ("2001:db8:1234:5678:11:2233:4455:6677", 32853)
        )

    def test_transaction(self) -> None:
        """
        A stray or guessed response cannot make a client think that its address has changed.
        """
        self.assertIsNone(mapped(answer(request(ID), PEER) or b"", SAMPLE_ID))

    def test_notSuccess(self) -> None:
        """
        Refusals, requests, responses without the address or with more than we understand, and
        addresses of a family or length that does not exist, tell no address.
        """
        address = attribute(0x0020, b"\0\1\xa1\x47" + COOKIE)
        for data in (
            request(ID),
            answer(message(1, attribute(0x0024)), PEER) or b"",
            message(0x0111, address),
            message(0x0101),
            message(0x0101, attribute(0x0001, b"\0\1\xa1\x47" + COOKIE)),
            message(0x0101, attribute(0x0024), address),
            message(0x0101, attribute(0x0020, b"\0\2\xa1\x47" + COOKIE)),
            message(0x0101, attribute(0x0020, b"\0\1\xa1\x47" + COOKIE + ID)),
            message(0x0101, attribute(0x0020, b"\0\3\xa1\x47" + COOKIE)),
            message(0x0101, attribute(0x0020, b"\0\1\xa1")),
            message(0x0101, attribute(0x0020)),
        ):
            self.assertIsNone(mapped(data, ID))

    def test_first(self) -> None:
        """
        Of two addresses the first counts (RFC 8489 14).
        """
        first = attribute(0x0020, b"\0\1\xa1\x47\xe1\x12\xa6\x43")
        second = attribute(0x0020, b"\0\1\0\0" + bytes(4))
        self.assertEqual(mapped(message(0x0101, first, second), ID), PEER)

    def test_refused(self) -> None:
        """
        An error response says that the flow is of no use; nobody else can say so in its place.
        """
        error = answer(message(1, attribute(0x0024)), PEER) or b""
        success = answer(request(ID), PEER) or b""
        found = [refused(error, ID), refused(error, SAMPLE_ID), refused(success, ID)]
        self.assertEqual(found, [True, False, False])
        self.assertFalse(refused(error[:-1], ID))
