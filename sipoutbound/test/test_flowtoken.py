"""
Tests of L{sipoutbound.outbound.flowtoken}.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64encode
from ipaddress import IPv4Address, IPv6Address

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipoutbound.outbound.flowtoken import DatagramFlow, Flow, Forged, Keys, StreamFlow
from sipoutbound.outbound.key import Key

ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

KEYS = Keys((Key(7, bytes(range(32))), Key(3, bytes(range(32, 64)))))

STREAM = StreamFlow(b"\x00\xffepoch\x80", 258)
IPV4 = DatagramFlow(b"UDP", ("192.0.2.1", 5060), ("203.0.113.9", 40001))
IPV6 = DatagramFlow(b"UDP", ("2001:db8::1", 5060), ("2001:db8:0:ff::9", 40001))
FLOWS: tuple[Flow, ...] = (STREAM, IPV4, IPV6)

PORTS = st.integers(0, 65535)
IPV4_ADDRESSES = st.tuples(st.integers(0, 2**32 - 1).map(lambda n: str(IPv4Address(n))), PORTS)
# Groups of hexadecimal digits only: C{ipaddress} spells mapped addresses otherwise than sockets.
IPV6_ADDRESSES = st.tuples(
    st.integers(2**112, 2**128 - 1).map(lambda n: str(IPv6Address(n))), PORTS
)


def datagramFlows() -> st.SearchStrategy[DatagramFlow]:
    """
    Any UDP flow of either family.
    """
    udp = st.just(b"UDP")
    return st.builds(DatagramFlow, udp, IPV4_ADDRESSES, IPV4_ADDRESSES) | st.builds(
        DatagramFlow, udp, IPV6_ADDRESSES, IPV6_ADDRESSES
    )


def flows() -> st.SearchStrategy[Flow]:
    """
    Any flow that has a token.
    """
    streams = st.builds(
        StreamFlow, st.binary(min_size=8, max_size=8), st.integers(0, 2**48 - 1)
    )
    return streams | datagramFlows()


def sealedByHand(sealed: bytes) -> bytes:
    """
    Seal any octets with the current key, as the module's text says, without the module.
    """
    mac = hmac.new(bytes(range(32)), sealed, hashlib.sha256).digest()[:16]
    return urlsafe_b64encode(sealed + mac).rstrip(b"=")


class SealTests(SynchronousTestCase):
    """
    What a token says, and that it says it back.
    """

    @given(flows())
    @settings(max_examples=200, deadline=None)
    def test_roundTrip(self, flow: Flow) -> None:
        """
        A request whose Route has our token goes to the very flow the token was made for.
        """
        self.assertEqual(KEYS.open(KEYS.seal(flow)), flow)

    @given(flows(), flows())
    @settings(max_examples=100, deadline=None)
    def test_unique(self, one: Flow, other: Flow) -> None:
        """
        Two flows never share a token (RFC 5626 5.1): a call would reach somebody else's phone.
        """
        self.assertEqual(KEYS.seal(one) == KEYS.seal(other), one == other)

    def test_layout(self) -> None:
        """
        The octets are those that the module's text promises: a node with another version of this
        program and the same keys understands them.
        """
        endpoints = bytes((192, 0, 2, 1)) + b"\x13\xc4" + bytes((203, 0, 113, 9)) + b"\x9c\x41"
        self.assertEqual(
            KEYS.seal(STREAM), sealedByHand(b"\x07\x01\x00\xffepoch\x80\0\0\0\0\x01\x02")
        )
        self.assertEqual(KEYS.seal(IPV4), sealedByHand(b"\x07\x02" + endpoints))

    def test_short(self) -> None:
        """
        Tokens stay short: they are in every Route, Path and Record-Route that passes.
        """
        self.assertEqual([len(KEYS.seal(flow)) for flow in FLOWS], [43, 40, 72])

    @given(flows())
    @settings(max_examples=50, deadline=None)
    def test_noEscapes(self, flow: Flow) -> None:
        """
        A token stands in the user part of a URI as it is; clients that escape badly keep it whole.
        """
        self.assertEqual(KEYS.seal(flow).strip(ALPHABET), b"")

    def test_mappedAddress(self) -> None:
        """
        IPv4 phones on a socket of both families keep their flows: the spelling of sockets is kept.
        """
        flow = DatagramFlow(b"UDP", ("::", 5060), ("::ffff:203.0.113.9", 40001))
        self.assertEqual(KEYS.open(KEYS.seal(flow)), flow)

    def test_notSealed(self) -> None:
        """
        An identity that would come back different, or as another flow's, is refused when the token
        is made, not when the first call is lost.
        """
        for flow in (
            StreamFlow(b"seven__", 1),
            StreamFlow(b"nine_____", 1),
            StreamFlow(b"8 octets", 2**48),
            StreamFlow(b"8 octets", -1),
            DatagramFlow(b"TCP", IPV4.local, IPV4.peer),
            DatagramFlow(b"UDP", ("localhost", 5060), IPV4.peer),
            DatagramFlow(b"UDP", IPV4.local, IPV6.peer),
            DatagramFlow(b"UDP", IPV6.local, IPV4.peer),
            DatagramFlow(b"UDP", IPV6.local, ("2001:DB8::9", 40001)),
            DatagramFlow(b"UDP", IPV6.local, ("fe80::9%lo", 40001)),
        ):
            self.assertRaises(ValueError, KEYS.seal, flow)


class OpenTests(SynchronousTestCase):
    """
    Whatever we have not sealed, in the one spelling it has, is forged; and only ever forged.
    """

    def test_bits(self) -> None:
        """
        No bit of what a token says can be changed: nobody turns the edge into a packet reflector.
        """
        for flow in FLOWS:
            token = KEYS.seal(flow)
            for at, character in enumerate(token):
                for bit in range(8):
                    other = token[:at] + bytes((character ^ 1 << bit,)) + token[at + 1 :]
                    self.assertRaises(Forged, KEYS.open, other)

    def test_sealedBits(self) -> None:
        """
        The same below the base64: each bit of key id, kind, identity and MAC counts.
        """
        sealed = b"\x07\x01\x00\xffepoch\x80\0\0\0\0\x01\x02"
        mac = hmac.new(bytes(range(32)), sealed, hashlib.sha256).digest()[:16]
        whole = int.from_bytes(sealed + mac, "big")
        for bit in range(8 * 32):
            octets = (whole ^ 1 << bit).to_bytes(32, "big")
            self.assertRaises(Forged, KEYS.open, urlsafe_b64encode(octets).rstrip(b"="))

    def test_otherLengths(self) -> None:
        """
        A token that was cut or that had something added is forged, the empty one too.
        """
        for flow in FLOWS:
            token = KEYS.seal(flow)
            for length in range(len(token)):
                self.assertRaises(Forged, KEYS.open, token[:length])
            for more in (b"A", b"=", b"==", b"AAAA", b" ", b"\n", b"\0", token, b"A" * 100000):
                self.assertRaises(Forged, KEYS.open, token + more)
                self.assertRaises(Forged, KEYS.open, more + token)

    def test_endless(self) -> None:
        """
        A user part of a megabyte of escapes is refused at a glance, before anything is undone.
        """
        error = self.assertRaises(Forged, KEYS.open, b"%41" * 350000)
        self.assertEqual(str(error), "too long")

    def test_foreignKey(self) -> None:
        """
        A token of another server is forged although it uses the same key id.
        """
        foreign = Keys((Key(7, bytes(32)),))
        for flow in FLOWS:
            self.assertRaises(Forged, KEYS.open, foreign.seal(flow))

    def test_unknownKey(self) -> None:
        """
        A token under a key id that we do not have is forged, even with a known secret.
        """
        unknown = Keys((Key(8, bytes(range(32))),))
        self.assertRaises(Forged, KEYS.open, unknown.seal(STREAM))

    def test_unknownKind(self) -> None:
        """
        What our key has sealed in a form that this version does not know is refused, not misread.
        """
        for sealed in (
            b"\x07\x00" + bytes(14),
            b"\x07\x04" + bytes(14),
            b"\x07\x02" + bytes(14),
            b"\x07\x01" + bytes(12),
            b"\x07\x02" + bytes(36),
        ):
            self.assertRaises(Forged, KEYS.open, sealedByHand(sealed))

    def test_spelling(self) -> None:
        """
        Base64 has many spellings of the same octets; only ours is taken, so that a token can be
        compared and counted as text.
        """
        token = next(
            token
            for token in (KEYS.seal(StreamFlow(b"8 octets", n)) for n in range(1000))
            if b"-" in token and b"_" in token
        )
        # 43 characters hold 258 bits; the last two are none of the 32 octets and must be zero.
        last = ALPHABET.index(token[-1:])
        for other in (1, 2, 3):
            self.assertRaises(Forged, KEYS.open, token[:-1] + ALPHABET[last + other :][:1])
        for spelling in (token.replace(b"-", b"+"), token.replace(b"_", b"/"), token.swapcase()):
            self.assertRaises(Forged, KEYS.open, spelling)

    def test_illegalCharacters(self) -> None:
        """
        Characters that lenient decoders skip make a token forged, at its full length too.
        """
        for flow in FLOWS:
            token = KEYS.seal(flow)
            for bad in (b" ", b"\n", b"\r", b"=", b".", b"\0", b"\xff", b"%", b"~"):
                for at in (0, 1, len(token) // 2, len(token) - 1):
                    self.assertRaises(Forged, KEYS.open, token[:at] + bad + token[at:])
                    self.assertRaises(Forged, KEYS.open, token[:at] + bad + token[at + 1 :])

    def test_escaped(self) -> None:
        """
        A proxy between may escape what need not be escaped (RFC 3261 19.1.2); calls still arrive.
        """
        for flow in FLOWS:
            token = KEYS.seal(flow)
            upper = b"".join(b"%%%02X" % character for character in token)
            lower = b"".join(b"%%%02x" % character for character in token)
            for escaped in (upper, lower, b"%%%02X" % token[0] + token[1:]):
                self.assertEqual(KEYS.open(escaped), flow)

    def test_escapedTwice(self) -> None:
        """
        Escapes are undone once, and broken ones are forged.
        """
        token = KEYS.seal(STREAM)
        for bad in (b"%%25%02X" % token[0], b"%", b"%4", b"%G1", b"%0A", b"%00"):
            self.assertRaises(Forged, KEYS.open, bad + token[1:])

    @given(st.binary(max_size=100) | st.text(ALPHABET.decode(), max_size=80).map(str.encode))
    @settings(max_examples=300, deadline=None)
    def test_garbage(self, token: bytes) -> None:
        """
        Whatever stands in a Route, the answer is a 403: never a traceback.
        """
        self.assertRaises(Forged, KEYS.open, token)

    @given(st.sampled_from((40, 43, 72)).flatmap(lambda n: st.binary(min_size=n, max_size=n)))
    @settings(max_examples=300, deadline=None)
    def test_garbageOfOurLength(self, token: bytes) -> None:
        """
        The same for what has the length of a token.
        """
        self.assertRaises(Forged, KEYS.open, token)


class KeysTests(SynchronousTestCase):
    """
    The key ring and its file.
    """

    def test_fileRoundTrip(self) -> None:
        """
        A restarted server knows the tokens that it sealed before.
        """
        keys = Keys.generate().rotated().rotated()
        self.assertEqual(Keys.parse(bytes(keys)), keys)
        self.assertEqual(Keys.parse(bytes(keys)).open(keys.seal(IPV4)), IPV4)

    def test_file(self) -> None:
        """
        The file is what the documentation shows: an operator can write one for a cluster.
        """
        text = b"# ours\r\n\n 7\t" + bytes(range(32)).hex().upper().encode() + b" \n3 "
        text += bytes(range(32, 64)).hex().encode()
        self.assertEqual(Keys.parse(text), KEYS)
        title, *lines = bytes(KEYS).splitlines()
        self.assertEqual(title[:1], b"#")
        self.assertEqual(lines[0], b"7 " + bytes(range(32)).hex().encode())
        self.assertEqual(len(lines), 2)

    def test_badFile(self) -> None:
        """
        A damaged key file is refused with the line's number, and no secret gets to the log.
        """
        secret = b"5e" * 32
        good = b"1 " + secret + b"\n"
        for line in (
            secret,
            b"2 " + secret[1:],
            b"2 " + secret + b"5e",
            b"256 " + secret,
            b"-1 " + secret,
            b"2 " + secret[1:] + b"g",
            b"2 " + secret + b" x",
            b"\xff\xfe",
        ):
            error = self.assertRaises(ValueError, Keys.parse, good + line)
            self.assertIn("line 2", str(error))
            self.assertNotIn("5e5e", str(error))
        self.assertRaises(ValueError, Keys.parse, good + good)
        for empty in (b"", b"\n", b"# 1 " + secret):
            self.assertRaises(ValueError, Keys.parse, empty)

    def test_secrets(self) -> None:
        """
        Keys are never the same, and a log line with a key ring does not give them away.
        """
        keys = Keys.generate()
        self.assertNotEqual(keys, Keys.generate())
        self.assertEqual(len(keys.keys[0].secret), 32)
        self.assertNotIn(repr(keys.keys[0].secret), repr(keys))
        self.assertNotIn(keys.keys[0].secret.hex(), repr(keys))

    def test_rotation(self) -> None:
        """
        After a rotation new tokens use the new key, and registrations made before stay reachable.
        """
        keys = Keys.generate()
        token = keys.seal(STREAM)
        for _ in range(3):
            keys = keys.rotated()
            self.assertEqual(keys.open(token), STREAM)
            self.assertNotEqual(keys.seal(STREAM), token)
            self.assertEqual(keys.open(keys.seal(STREAM)), STREAM)

    def test_rotatedOut(self) -> None:
        """
        A key that leaked is of no use after four rotations, and the file does not grow for ever.
        """
        keys = Keys.generate()
        token = keys.seal(STREAM)
        for _ in range(4):
            keys = keys.rotated()
        self.assertRaises(Forged, keys.open, token)
        self.assertEqual(len(keys.keys), 4)

    def test_overlap(self) -> None:
        """
        An edge that has not been given the new key takes the tokens of one that has for forged, and
        never misreads them.
        """
        keys = Keys.generate()
        self.assertRaises(Forged, keys.open, keys.rotated().seal(STREAM))

    def test_prepared(self) -> None:
        """
        Edges that share their keys can be given a new one in any order: as long as nobody has made
        the switch nothing changes, and after that those who have not know the tokens of those who
        have, and the other way round.
        """
        keys = Keys.generate().rotated()
        prepared = keys.prepared()
        switched = prepared.switched()
        for flow in FLOWS:
            self.assertEqual(prepared.seal(flow), keys.seal(flow))
            self.assertNotEqual(switched.seal(flow), keys.seal(flow))
            self.assertEqual(prepared.open(switched.seal(flow)), flow)
            self.assertEqual(switched.open(prepared.seal(flow)), flow)
            self.assertEqual(keys.open(prepared.seal(flow)), flow)
        self.assertIsNone(switched.coming)

    def test_inOrder(self) -> None:
        """
        A step that is out of turn is refused: a key that was handed out is not lost for another,
        and an old key never becomes the current one.
        """
        keys = Keys.generate()
        self.assertRaises(ValueError, keys.switched)
        self.assertRaises(ValueError, keys.prepared().prepared)
        self.assertRaises(ValueError, keys.prepared().rotated)
        self.assertRaises(ValueError, keys.prepared().switched().switched)

    def test_retired(self) -> None:
        """
        When a key has leaked, none but the current one need be believed any longer.
        """
        keys = Keys.generate()
        rotated = keys.rotated().rotated().prepared()
        retired = rotated.retired()
        self.assertEqual(retired.open(rotated.seal(STREAM)), STREAM)
        self.assertEqual(retired.coming, rotated.coming)
        self.assertRaises(Forged, retired.open, keys.seal(STREAM))

    def test_seals(self) -> None:
        """
        Whatever key a flow was registered with, its end finds its bindings.
        """
        first = Keys.generate()
        second = first.rotated()
        third = second.prepared()
        for flow in FLOWS:
            tokens = third.seals(flow)
            self.assertEqual(tokens[:2], (second.seal(flow), first.seal(flow)))
            self.assertEqual(tokens[2:], (third.switched().seal(flow),))

    def test_nextInFile(self) -> None:
        """
        Which key is next is in the file, wherever in it; and only one can be.
        """
        keys = Keys.generate().rotated().prepared()
        self.assertEqual(Keys.parse(bytes(keys)), keys)
        assert keys.coming is not None
        line = bytes(keys.coming).rstrip() + b" \t next \r\n"
        self.assertEqual(Keys.parse(line + bytes(Keys(keys.keys))), keys)
        self.assertRaises(ValueError, Keys.parse, line)
        other = bytes(Key.generate((keys.coming.number + 1) % 256)).rstrip() + b" next\n"
        self.assertRaises(ValueError, Keys.parse, bytes(keys) + other)
        self.assertRaises(ValueError, Keys.parse, bytes(keys).replace(b"next", b"soon"))

    def test_fingerprint(self) -> None:
        """
        People can tell whether two edges have the same key, and nobody can tell the key from that.
        """
        key = Key(7, bytes(range(32)))
        self.assertEqual(key.fingerprint, Key(8, bytes(range(32))).fingerprint)
        self.assertNotEqual(key.fingerprint, Key.generate(7).fingerprint)
        self.assertNotIn(key.fingerprint, key.secret.hex())

    def test_ids(self) -> None:
        """
        Key ids go round at 256 and never meet one that is still in use.
        """
        keys = Keys((Key(255, bytes(32)), Key(0, bytes(32)), Key(1, bytes(32))))
        rotated = keys.rotated()
        self.assertEqual([key.number for key in rotated.keys], [2, 255, 0, 1])
        for _ in range(300):
            rotated = rotated.rotated()
            self.assertEqual(len({key.number for key in rotated.keys}), 4)
