"""
The named patterns of the grammar, as far as their parsers' tests do not show them.
"""

from __future__ import annotations

import re

from twisted.trial.unittest import SynchronousTestCase

from sipoutbound.message import grammar
from sipoutbound.message.grammar import Malformed

NAME_ADDRESS, VIA = grammar.NAME_ADDRESS, grammar.VIA


class PatternTests(SynchronousTestCase):
    """
    What each pattern takes and what it refuses.
    """

    def takes(self, pattern: re.Pattern[bytes], *texts: bytes) -> None:
        """
        Check that all texts are taken whole.
        """
        for text in texts:
            self.assertIsNotNone(pattern.fullmatch(text), text)

    def refuses(self, pattern: re.Pattern[bytes], *texts: bytes) -> None:
        """
        Check that none is.
        """
        for text in texts:
            self.assertIsNone(pattern.fullmatch(text), text)

    def test_malformed(self) -> None:
        """
        The answer to what is malformed is 400 unless said otherwise.
        """
        self.assertEqual((Malformed("No").status, Malformed("No").reason), (400, "No"))
        self.assertEqual(Malformed("No", 505).status, 505)
        self.assertEqual(str(Malformed("No")), "No")

    def test_token(self) -> None:
        """
        Unknown methods and headers may use every character of a token (RFC 4475 3.1.1.2).
        """
        self.takes(grammar.TOKEN, b"!interesting-Method0123456789_*+`.%indeed'~", b"RE%47IST%45R")
        bad = (b"", b"a b", b"a:", b"a@b", b"a/b", b"a=b", b'a"', b"\xfc", b"a\n")
        self.refuses(grammar.TOKEN, *bad)

    def test_requestLine(self) -> None:
        """
        One space each; the version in any case (RFC 3261 7.1, RFC 4475 3.1.2.8 to 3.1.2.10).
        """
        line = grammar.REQUEST_LINE
        self.takes(line, b"INVITE sip:a@b SIP/2.0", b"x y sip/2.0", b"INVITE <sip:a@b> SIP/2.0")
        self.refuses(
            line,
            b"INVITE  sip:a SIP/2.0", b"INVITE sip:a  SIP/2.0", b"INVITE sip:a SIP/2.0 ",
            b"INVITE sip:a; lr SIP/2.0", b"INVITE sip:a SIP/3.0", b"INVITE sip:a SIP/2.00",
            b" INVITE sip:a SIP/2.0", b"INVITE\tsip:a\tSIP/2.0", b"IN/VITE sip:a SIP/2.0",
            b"INVITE sip:a SIP/2.0\n", b"INVITE sip:\x00a SIP/2.0", b"INVITE SIP/2.0",
        )  # fmt: skip

    def test_statusLine(self) -> None:
        """
        A phrase may be anything or nothing (RFC 4475 3.1.1.12, 3.1.1.13), a code has three digits
        (3.1.2.19).
        """
        line = grammar.STATUS_LINE
        self.takes(
            line, b"SIP/2.0 200 OK", b"SIP/2.0 100 ", b"SIP/2.0 100", b"sip/2.0 699 x",
            b"SIP/2.0 200 = 2**3 * 5**2 \xd0\xbd\xd0\xbe",
        )  # fmt: skip
        self.refuses(
            line, b"SIP/2.0 099 x", b"SIP/2.0 700 x", b"SIP/2.0 4294967301 x", b"SIP/2.0 20",
            b"SIP/2.0 200OK", b"SIP/3.0 200 OK", b"SIP/2.0  200 OK", b"SIP/2.0 200 O\rK",
        )  # fmt: skip

    def test_address(self) -> None:
        """
        Every way to write an address, the ones of RFC 4475 3.1.1.1, 3.1.1.2, 3.1.1.5, 3.1.1.6 and
        3.1.2.14 too.
        """
        self.takes(
            NAME_ADDRESS, b"<sip:a@b>", b"sip:a@b", b"sip:a@b;tag=1", b"Bob <sip:a@b>",
            b"Bob B. <sip:a@b> ; x",
            b'"J Rosenberg \\\\\\""       <sip:a@b>\r\n  ;\r\n  tag = 98asjd8', b"caller<sip:a@b>",
            b'"Quoted string \\"\\"" <sip:a@b> ; newparam =\r\n newvalue ;\r\n s ; q = 0.33',
            b'"BEL:\\\x07 NUL:\\\x00 DEL:\\\x7f" <sip:a@b>', b'"%Z%45" <sip:a@b>', b'""<sip:a@b>',
            b"token1~` token2'+_ token3*%!.- <sip:a@b>;fromParam''~+*_!.-%=\"\xd1\x80\";tag=_1'+`*",
            b'"Watson, Thomas" < sip:t.watson@example.org >',
            b'"<sip:x>;tag=1" <sip:a,b;c?d@e?f=g>', b"<sip:a@b>;;reg-id=1;",
            b"<sip:a@b>;+sip.instance=\"<urn:uuid:0>\"", b"tel:+1;tag=2", b"<sip:a@b>;tag=",
            b"\xc3\xbc".join((b'"', b'" <sip:a@b>')),
        )  # fmt: skip

    def test_badAddress(self) -> None:
        """
        What cannot be told apart is refused (RFC 4475 3.1.2.6, 3.1.2.13, 3.1.2.15).
        """
        self.refuses(
            NAME_ADDRESS, b"", b" ", b"<>", b"< >", b"<sip:a@b", b"sip:a@b>", b"<<sip:a@b>>",
            b"<sip:a@b> x", b'"Mr. J. User <sip:a@b>', b"Bell, Alexander <sip:a@b>;tag=43",
            b"sip:a@b?Route=%3Csip:c", b'"a" "b" <sip:a@b>', b'"a" b <sip:a@b>', b'"a\\" <sip:a@b>',
            b"<sip:a b>", b"sip:a, sip:b", b"<sip:a@b>;tag=\"x", b"<sip:a@b>;=x", b"<sip:a@b>,",
            b"\xfc <sip:a@b>", b"<sip:a\x00@b>", b"*", b"<sip:a@b>;tag=a<b", b'"a\\\xff" <sip:a@b>',
        )  # fmt: skip

    def test_via(self) -> None:
        """
        Spaces anywhere, unknown transports, IPv6 with and without brackets in C{received}
        (RFC 4475 3.1.1.1, 3.1.1.10; RFC 5118 4.5).
        """
        self.takes(
            VIA, b"SIP/2.0/UDP 192.0.2.2;branch=390skdjuw", b"sip/2.0/tcp h : 5060 ; rport ; x = y",
            b"SIP  /   2.0\r\n /UDP\r\n    192.0.2.2;branch=390skdjuw",
            b"SIP/2.0/UNKNOWN t4.example.com",
            b"SIP  / 2.0  / TCP     spindle.example.com   ;\r\n  branch  =   z9hG4bK9ikj8",
            b"SIP/2.0/UDP [2001:db8::9:1]:6050;received=[2001:db8::9:255];branch=z9hG4bKas3-111",
            b"SIP/2.0/UDP [2001:db8::9:1];received=2001:db8::9:255;branch=z9hG4bKas3",
            b"SIP/2.0/TCP host1.example.com;branch=z9hG4bK-.!%66*_+`'~", b"SIP/2.0/UDP h;branch=",
            b"SIP/7.0/UDP c.example.com", b"SIP/2.0/UDP 255.249.199.0", b"SIP/2.0/UDP 3f.4e_1",
        )  # fmt: skip
        self.refuses(
            VIA, b"", b"SIP/2.0/UDP", b"SIP/2.0/UDP ", b"SIP/2.0 UDP h", b"SIP//UDP h",
            b"SIP/2.0/UDPh", b"SIP/2.0/UDP h:", b"SIP/2.0/UDP h:x", b"SIP/2.0/UDP h x",
            b"SIP/2.0/UDP h,", b"SIP/2.0/UDP a@h", b'SIP/2.0/UDP h;x="', b"SIP/2.0/UDP 2001:db8::1",
            b"HTTP/2.0/UDP h", b"SIP/2.0/UDP 192.0.2.15;;,;,,", b"SIP/2.0/UDP 192.0.2.256",
            b"SIP/2.0/UDP 1.2.3", b"SIP/2.0/UDP 192.0.2.01",
        )  # fmt: skip

    def test_cseq(self) -> None:
        """
        Leading zeros and folds are taken (RFC 4475 3.1.1.1), more than ten digits are none.
        """
        self.takes(grammar.CSEQ, b"0009\r\n  INVITE", b"1 RE%47IST%45R", b"2147483647\tACK")
        self.refuses(grammar.CSEQ, b"", b"1", b"INVITE", b"-1 ACK", b"1ACK", b"36893488147419 A")
        self.refuses(grammar.CSEQ, b"1 INVITE x", b"+1 ACK", b"0x1 INVITE", b"\xd9\xa1 INVITE")
