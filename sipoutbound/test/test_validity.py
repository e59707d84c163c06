"""
Which requests are refused before anybody looks at what they want.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from sipoutbound.message.framing import Limits, parseDatagram
from sipoutbound.message.grammar import Malformed
from sipoutbound.message.message import Request, Response
from sipoutbound.message.validity import checkResponse, flawOf

GOOD = {
    b"Via": b"SIP/2.0/UDP [2001:db8::9:1];branch=z9hG4bKas3-111",
    b"To": b"sip:user@example.com",
    b"From": b"sip:user@example.com;tag=81x2",
    b"Call-ID": b"SSG9559905523997077@hlau_4100",
    b"Max-Forwards": b"70",
    b"Contact": b'"Caller" <sip:caller@[2001:db8::1]>',
    b"CSeq": b"98176 REGISTER",
}


def flaw(
    *more: bytes, start: bytes | None = None, **changes: bytes | None
) -> tuple[int, str] | None:
    """
    What is wrong with a request, as status and reason.

    @param more: lines beside those of L{GOOD}.
    @param changes: other texts of those, C{None} to leave one out; C{_} stands for C{-}.
    """
    headers = {**GOOD, **{name.replace("_", "-").encode(): text for name, text in changes.items()}}
    lines = [name + b": " + text for name, text in headers.items() if text is not None]
    first = start or b"REGISTER sip:[2001:db8::10] SIP/2.0"
    request = parseDatagram(b"\r\n".join((first, *lines, *more, b"", b"")), Limits())
    assert isinstance(request, Request)
    found = flawOf(request)
    return None if found is None else (found.status, found.reason)


class ResponseTests(SynchronousTestCase):
    """
    L{checkResponse}.
    """

    def response(self, *without: bytes) -> Response:
        """
        A response that lacks some headers.
        """
        names = [name for name in GOOD if name not in without]
        lines = [b"SIP/2.0 200 OK", *(name + b": " + GOOD[name] for name in names)]
        message = parseDatagram(b"\r\n".join((*lines, b"", b"")), Limits())
        assert isinstance(message, Response)
        return message

    def test_mandatory(self) -> None:
        """
        A response must have what it is acknowledged with; what else it lacks does no harm.
        """
        checkResponse(self.response())
        checkResponse(self.response(b"Contact", b"Max-Forwards"))
        for name in (b"To", b"From", b"Call-ID", b"CSeq"):
            self.assertRaises(Malformed, checkResponse, self.response(name))

    def test_status(self) -> None:
        """
        A status that is none ends no call (RFC 4475 3.1.2.19).
        """
        response = self.response()
        response.status = 0
        self.assertRaises(Malformed, checkResponse, response)


class ValidityTests(SynchronousTestCase):
    """
    L{flawOf}.
    """

    def test_sound(self) -> None:
        """
        A good request is let pass (RFC 5118 4.1), also with what older clients leave out and with
        headers that only its recipient has to understand.
        """
        self.assertIsNone(flaw())
        self.assertIsNone(flaw(Max_Forwards=None))
        self.assertIsNone(flaw(From=b"sip:user@example.com"))
        self.assertIsNone(flaw(Contact=b"&%$", Max_Forwards=b"255"))
        self.assertIsNone(flaw(b"Date: Fri, 01 Jan 2010 16:00:00 EST", b"Expires: 1" + b"0" * 100))
        self.assertIsNone(flaw(b"v: SIP/2.0/TCP [2001:db8::255];received=192.0.2.2", b"m: <sip:x>"))

    def test_uri(self) -> None:
        """
        Any Request-URI that is one may be asked for: C{tel:}, unknown schemes, IPv6 and its port
        (RFC 5118 4.3, 4.4; RFC 4475 3.3.2, 3.3.3).
        """
        for uri in (
            b"tel:+1-201", b"nobodyKnowsThisScheme:x", b"soap.beep://192.0.2.103:3002", b"sips:a@b",
            b"sip:[2001:db8::10:5070]", b"sip:[2001:db8::10]:5070", b"sip:user;par=u%40e.net@e.com",
        ):  # fmt: skip
            self.assertIsNone(flaw(start=b"REGISTER " + uri + b" SIP/2.0"))

    def test_badUri(self) -> None:
        """
        A Request-URI that is none is answered 400 (RFC 5118 4.2, RFC 4475 3.1.2.7).
        """
        for uri in (b"sip:2001:db8::10", b"<sip:user@example.com>", b"sip:", b"user", b"sip:a@b@c"):
            self.assertEqual(flaw(start=b"REGISTER " + uri + b" SIP/2.0"), (400, "Bad URI"))
        found = flaw(start=b"REGISTER sip:[2001:db8:::192.0.2.1] SIP/2.0")
        self.assertEqual(found, (400, "Bad IPv6 Reference"))

    def test_uriHeaders(self) -> None:
        """
        A Request-URI with headers in it is refused: they are for a Contact or a Refer-To, and
        nobody gets a Route of somebody else's making (RFC 3261 19.1.1, RFC 4475 3.1.2.11).
        """
        start = b"REGISTER sip:user@example.com?Route=%3Csip:example.com%3E SIP/2.0"
        self.assertEqual(flaw(start=start), (400, "Headers in Request-URI"))

    def test_furtherVias(self) -> None:
        """
        A line of Vias must be one to its end (RFC 4475 3.1.2.1); other lines are of no concern
        here, as no response goes by them.
        """
        top = GOOD[b"Via"]
        for text in (b";,;,,", b",;", b",sip:x", b",SIP/2.0/UDP"):
            self.assertEqual(flaw(Via=top + text), (400, "Bad Via"))
        self.assertIsNone(flaw(Via=top + b" , SIP/2.0/TCP b;x=\"a,b\", SIP/7.0/X c, "))
        self.assertIsNone(flaw(b"Via: what?"))

    def test_routes(self) -> None:
        """
        More Routes than any request can follow would cost the server seconds.
        """
        self.assertIsNone(flaw(b"Route: " + b", ".join([b"<sip:a;lr>"] * 70)))
        for line in (b"Route: " + b", ".join([b"<sip:a;lr>"] * 71),):
            self.assertEqual(flaw(line), (400, "Too Many Routes"))

    def test_missing(self) -> None:
        """
        Each mandatory header must be there and hold something (RFC 3261 8.1.1, RFC 4475 3.3.1).
        """
        for name in ("Via", "To", "From", "Call_ID", "CSeq"):
            for text in (None, b"", b"  "):
                found = flaw(**{name: text})
                assert found is not None, name
                self.assertEqual(found[0], 400)
                self.assertIn("Missing", found[1])

    def test_doubled(self) -> None:
        """
        None may come twice, the compact form counts too (RFC 4475 3.3.8): two To headers would let
        each element on the way believe another one.
        """
        for line in (
            b"To: sip:user@example.com", b"t: sip:u@e", b"f: sip:u@e;tag=2", b"i: 1@a",
            b"CSeq: 98176 REGISTER", b"max-forwards: 70",
        ):  # fmt: skip
            found = flaw(line)
            assert found is not None, line
            self.assertEqual((found[0], found[1][:13]), (400, "More Than One"))
        self.assertEqual(flaw(b"Expires: 1", b"Expires: 1"), (400, "More Than One Expires Header"))

    def test_malformed(self) -> None:
        """
        Nor may it be bad (RFC 4475 3.1.2.1, 3.1.2.4, 3.1.2.6, 3.1.2.15, 3.1.2.17).
        """
        for name, text in (
            ("CSeq", b"36893488147419103232 REGISTER"), ("CSeq", b"8 INVITE"),
            ("CSeq", b"8 register"), ("CSeq", b"REGISTER"), ("To", b"*"),
            ("To", b'"Mr. J. User <sip:j.user@example.com>'),
            ("From", b"Bell, Alexander <sip:a.g.bell@example.com>;tag=43"),
            ("Via", b"SIP/2.0/UDP"), ("Via", b","), ("Via", b"SIP/3.0/UDP h"),
            ("Via", b"SIP/2.0/UDP h:0"), ("Max_Forwards", b"300"), ("Max_Forwards", b"-1"),
            ("Max_Forwards", b""), ("Max_Forwards", b"1" + b"0" * 100),
        ):  # fmt: skip
            found = flaw(**{name: text})
            assert found is not None, (name, text)
            self.assertEqual(found[0], 400)

    def test_tags(self) -> None:
        """
        With two tags a request would be of two dialogs, of which each hop takes another one.
        """
        for text in (b"<sip:a@b>;tag=1;tag=2", b"sip:a@b;TAG=1;x;tag", b'<sip:b>;tag="1" ; Tag=1'):
            self.assertEqual(flaw(To=text), (400, "More Than One Tag"))
            self.assertEqual(flaw(From=text), (400, "More Than One Tag"))
        for text in (b'"tag;tag=1" <sip:tag@b;tag=2>;tag=3', b"sip:a@b;tag=tag;tags=tag"):
            self.assertIsNone(flaw(To=text, From=text))

    def test_notHeaders(self) -> None:
        """
        A line that is no header at all is refused, not passed on for others to guess at.
        """
        for line in (b"no header", b": empty", b"(): x", b"To To: x"):
            self.assertEqual(flaw(line), (400, "Bad Header Line"))

    def test_earlierFlaw(self) -> None:
        """
        What was found while reading comes first: another version is 505 whatever its Via says
        (RFC 4475 3.1.2.16).
        """
        found = flaw(start=b"REGISTER sip:a SIP/7.0", Via=b"SIP/7.0/UDP h")
        self.assertEqual(found, (505, "Version Not Supported"))
        self.assertEqual(flaw(b"l: -999"), (400, "Bad Content-Length"))
        self.assertEqual(flaw(*[b"a: b"] * 10000), (400, "Too Many Headers"))

    def test_unknownMethod(self) -> None:
        """
        A method nobody knows is no flaw.
        """
        self.assertIsNone(flaw(start=b"RE%47IST%45R sip:a SIP/2.0", CSeq=b"1 RE%47IST%45R"))
