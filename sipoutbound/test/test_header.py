"""
Typed header values, and how a header's text is cut into them.
"""

from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipoutbound.message.grammar import Malformed
from sipoutbound.message.header import CSeq, NameAddress, Via, number, parseParams, splitList
from sipoutbound.message.name import COMPACT, KEYS, NONE
from sipoutbound.test.hostile import ALMOST_SIP

QUOTED = st.lists(st.sampled_from(["a", ",", "<", ">", " ", ";", '\\"', "\\\\"]), max_size=6).map(
    lambda pieces: f'"{"".join(pieces)}"'
)
ANGLED = st.text('ab,;"@: ', max_size=6).map(lambda text: f"<{text}>")
#: One value of a list, with everything that may hide a comma.
VALUE = st.lists(QUOTED | ANGLED | st.text("ab;=", min_size=1), min_size=1, max_size=4).map(
    lambda pieces: "".join(pieces).encode()
)


class ListTests(SynchronousTestCase):
    """
    L{splitList}.
    """

    @given(st.lists(VALUE, max_size=5))
    @settings(max_examples=200, deadline=None)
    def test_values(self, values: list[bytes]) -> None:
        """
        Values come out as they went in, whatever is in their quotes and brackets, with any spaces
        and folds around the commas.
        """
        for comma in (b",", b", ", b" ,\r\n\t"):
            self.assertEqual(splitList(comma.join(values)), values)

    @given(ALMOST_SIP)
    @settings(max_examples=300, deadline=None)
    def test_nothingLost(self, text: bytes) -> None:
        """
        No octet but separators is lost, in bad text neither: what is left out could be the quote
        that makes it bad.
        """
        separators = re.compile(rb"[,\s]")
        self.assertEqual(separators.sub(b"", b"".join(splitList(text))), separators.sub(b"", text))
        for value in splitList(text):
            self.assertEqual(value, value.strip())
            self.assertTrue(value)

    def test_examples(self) -> None:
        """
        Contacts with commas where they separate nothing, and lists with holes.
        """
        first = b'"Bell, Alexander" <sip:a,b@c>;x="y, z\\", <"'
        self.assertEqual(splitList(first + b" , <sip:d>"), [first, b"<sip:d>"])
        self.assertEqual(splitList(b"path, outbound"), [b"path", b"outbound"])
        self.assertEqual(splitList(b" ,, a ,,b, "), [b"a", b"b"])
        for nothing in (b"", b"  ", b",", b" , ,"):
            self.assertEqual(splitList(nothing), [])

    def test_open(self) -> None:
        """
        A quote or bracket that is not closed spoils all behind it; nothing in it is a value.
        """
        for text in (b'a, "b, <sip:evil>, c', b"a, <b, c", b'a, "b, c\\', b'a, "b, c\\"'):
            self.assertEqual(splitList(text), [b"a", text[3:]])
            self.assertRaises(Malformed, NameAddress.parse, text[3:])


class NameTests(SynchronousTestCase):
    """
    L{KEYS}.
    """

    def test_spellings(self) -> None:
        """
        A header is found however its name is spelled (RFC 4475 3.1.1.1, 3.1.1.7).
        """
        for name in (b"Via", b"via", b"VIA", b"vIa", b"v", b"V", b"Via ", b"v\t ", b"V  "):
            self.assertEqual(KEYS[name], b"via")
        self.assertEqual(KEYS[b"CALL-id"], b"call-id")
        self.assertEqual(KEYS[b"X-New"], b"x-new")
        self.assertEqual(KEYS[b"C%6Fntact"], b"c%6fntact")

    def test_compact(self) -> None:
        """
        Every compact form is known in either case (RFC 3261 7.3.3).
        """
        for short, name in COMPACT.items():
            for spelling in (short, short.upper(), name, name.title()):
                self.assertEqual(KEYS[spelling], name)
        rfc3261 = {
            b"i": b"call-id", b"m": b"contact", b"e": b"content-encoding", b"l": b"content-length",
            b"c": b"content-type", b"f": b"from", b"s": b"subject", b"k": b"supported", b"t": b"to",
            b"v": b"via",
        }  # fmt: skip
        self.assertEqual(rfc3261, {short: COMPACT[short] for short in rfc3261})

    def test_none(self) -> None:
        """
        What is no name is none, and no name that anybody sends is remembered.
        """
        size = len(KEYS)
        for name in (b"", b" Via", b"Vi a", b"V(ia", b"\xfc", b"a\x00", b"\tv"):
            self.assertEqual(KEYS[name], NONE)
        self.assertEqual(KEYS[b"X-Never-Seen"], b"x-never-seen")
        self.assertEqual(len(KEYS), size)


class NumberTests(SynchronousTestCase):
    """
    L{number}.
    """

    def test_number(self) -> None:
        """
        Digits are a number, with zeros in front (RFC 4475 3.1.1.1) and spaces around.
        """
        for text, value in ((b"0", 0), (b"0068", 68), (b" 70\t", 70), (b"9999999999", 9999999999)):
            self.assertEqual(number(text, "Expires"), value)

    def test_bad(self) -> None:
        """
        Anything else is refused by its header's name (RFC 4475 3.1.2.3, 3.1.2.4): an Expires of a
        hundred digits binds nothing forever.
        """
        for text in (b"", b" ", b"-1", b"+1", b"1.0", b"1e3", b"0x1", b"1 2", b"five", b"1" * 99):
            error = self.assertRaises(Malformed, number, text, "Expires")
            self.assertEqual((error.status, error.reason), (400, "Bad Expires"))


class NameAddressTests(SynchronousTestCase):
    """
    L{NameAddress}.
    """

    def test_parts(self) -> None:
        """
        Display name, URI and parameters, the latter where they belong: behind C{>} to the header,
        without brackets all of them (RFC 3261 20).
        """
        tail = b';Reg-Id=1;+sip.instance="<urn:x>";q = 0.5'
        address = NameAddress.parse(b'"A; B" <sip:a@b;lr;x=1>' + tail)
        self.assertEqual((address.display, address.text), (b'"A; B"', b"sip:a@b;lr;x=1"))
        self.assertEqual(address.uri.params, ((b"lr", None), (b"x", b"1")))
        self.assertEqual(address.tail, tail)
        self.assertEqual(address.param(b"+sip.instance"), b'"<urn:x>"')
        self.assertEqual((address.param(b"reg-id"), address.param(b"q")), (b"1", b"0.5"))
        self.assertEqual((address.has(b"lr"), address.param(b"lr")), (False, None))
        bare = NameAddress.parse(b"sip:a@b;tag=1;x")
        self.assertEqual((bare.display, bare.text), (b"", b"sip:a@b"))
        self.assertEqual(bare.params, ((b"tag", b"1"), (b"x", None)))
        self.assertEqual((bare.has(b"x"), bare.param(b"x")), (True, b""))

    def test_display(self) -> None:
        """
        A display name is kept as it was shown to us.
        """
        for display in (b"", b"Bob", b"Bob  B.", b'"Bob \\"B\\" <x>"', b"%Z%45"):
            address = NameAddress.parse(display + b" <sip:a@b>")
            self.assertEqual((address.display, address.tail), (display, b""))
            self.assertEqual(address.params, ())

    def test_empty(self) -> None:
        """
        Empty parameters are overlooked: RFC 5626 3.2 prints one itself.
        """
        address = NameAddress.parse(b'<sip:a@b>;reg-id=1;;+sip.instance="<urn:x>";')
        self.assertEqual(address.params, ((b"reg-id", b"1"), (b"+sip.instance", b'"<urn:x>"')))

    def test_uriLater(self) -> None:
        """
        A bad URI is found when it is looked at: nobody else's To is our concern.
        """
        address = NameAddress.parse(b"<sip:a@b@c>;tag=1")
        self.assertRaises(Malformed, lambda: address.uri)
        self.assertRaises(Malformed, NameAddress.parse, b'"Mr. J. User <sip:a@b>')

    def test_semicolonInQuotes(self) -> None:
        """
        A semicolon in quotes begins no parameter.
        """
        params = parseParams(b';x="a;tag=1\\";q=1";y')
        self.assertEqual(params, ((b"x", b'"a;tag=1\\";q=1"'), (b"y", None)))


class ViaTests(SynchronousTestCase):
    """
    L{Via}.
    """

    def test_parts(self) -> None:
        """
        Transport, host, port, branch, however they are written.
        """
        via = Via.parse(b"sip / 2.0 / tcp  Spindle.COM : 5070 ; Branch = z9hG4bKX ;rport;ttl=1")
        self.assertEqual((via.transport, via.host, via.port), (b"TCP", b"spindle.com", 5070))
        self.assertEqual(via.branch, b"z9hG4bKX")
        self.assertEqual(via.params, ((b"branch", b"z9hG4bKX"), (b"rport", None), (b"ttl", b"1")))
        plain = Via.parse(b"SIP/2.0/UDP [2001:DB8::1]")
        self.assertEqual((plain.host, plain.port), (b"[2001:db8::1]", None))
        self.assertEqual((plain.branch, plain.params), (None, ()))

    def test_branch(self) -> None:
        """
        A branch is what a transaction is found by: only the parameter of that name, and all of it.
        """
        odd = b"z9hG4bK-.!%66*_+`'~"
        self.assertEqual(Via.parse(b"SIP/2.0/UDP h;x-branch=1;branch=" + odd).branch, odd)
        self.assertEqual(Via.parse(b"SIP/2.0/UDP h;branch=z9hG4bK").branch, b"z9hG4bK")
        self.assertEqual(Via.parse(b"SIP/2.0/UDP h;branches=1").branch, None)
        self.assertEqual(Via.parse(b'SIP/2.0/UDP h;x=";branch=no";branch=yes').branch, b"yes")

    def test_port(self) -> None:
        """
        A port that no datagram can be sent to is refused before anybody tries.
        """
        for port in (b"0", b"65536", b"99999", b"123456"):
            self.assertRaises(Malformed, Via.parse, b"SIP/2.0/UDP h:" + port)
        self.assertEqual(Via.parse(b"SIP/2.0/UDP h:65535").port, 65535)

    def test_host(self) -> None:
        """
        An address that is none is told from the others, and not sent to (RFC 5954 4.1).
        """
        for host in (b"[2001:db8:::192.0.2.1]", b"[::1", b"[]", b"[1.2.3.4]", b"444.555.666.777"):
            self.assertRaises(Malformed, Via.parse, b"SIP/2.0/UDP " + host)
        for host in (b"[2001:db8::192.0.2.1]", b"[::ffff:192.0.2.1]", b"192.0.2.1", b"1a"):
            self.assertEqual(Via.parse(b"SIP/2.0/UDP " + host).host, host)

    def test_version(self) -> None:
        """
        A Via of another version can be answered still (RFC 4475 3.1.2.16).
        """
        self.assertEqual(Via.parse(b"SIP/2.0/UDP h").version, b"2.0")
        self.assertEqual(Via.parse(b"SIP/7.0/UDP h").version, b"7.0")


class CSeqTests(SynchronousTestCase):
    """
    L{CSeq}.
    """

    def test_parts(self) -> None:
        """
        Number and method, the method's case kept (RFC 3261 7.1).
        """
        self.assertEqual(CSeq.parse(b"0009\r\n  INVITE"), CSeq(9, b"INVITE"))
        self.assertEqual(CSeq.parse(b"2147483647 invite"), CSeq((1 << 31) - 1, b"invite"))

    def test_tooGreat(self) -> None:
        """
        2**31 and more are refused (RFC 3261 8.1.1.5, RFC 4475 3.1.2.4).
        """
        for text in (b"2147483648 A", b"4294967296 A", b"36893488147419103232 A", b"", b"A 1"):
            self.assertRaises(Malformed, CSeq.parse, text)
