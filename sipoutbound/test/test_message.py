"""
Requests and responses: read, changed, answered, printed.
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipoutbound.message.grammar import Malformed
from sipoutbound.message.header import CSeq
from sipoutbound.message.message import Request, Response
from sipoutbound.message.parse import parseMessage

#: A head with folds, compact forms, odd cases and spaces: much of RFC 4475 3.1.1.1.
TORTUOUS = b"\r\n".join(
    (
        b"INVITE sip:vivekg@chair-dnrc.example.com;unknownparam SIP/2.0",
        b"TO :\r\n sip:vivekg@chair-dnrc.example.com ;   tag    = 1918181833n",
        b'from   : "J Rosenberg \\\\\\""       <sip:jdrosen@example.com>\r\n  ;\r\n  tag = 98asjd8',
        b"MaX-fOrWaRdS: 0068",
        b"Call-ID: wsinv.ndaksdj@192.0.2.1",
        b"cseq: 0009\r\n  INVITE",
        b"Via  : SIP  /   2.0\r\n /UDP\r\n    192.0.2.2;branch=390skdjuw",
        b"s :",
        b"NewFangledHeader:   newfangled value\r\n continued newfangled value",
        b"UnknownHeaderWithUnusualValue: ;;,,;;,;",
        b"Route:\r\n <sip:services.example.com;lr;unknownwith=value;unknown-no-value>",
        b"v:  SIP  / 2.0  / TCP     spindle.example.com   ;\r\n  branch  =   z9hG4bK9ikj8  ,",
        b" SIP  /    2.0   / UDP  192.168.255.111   ; branch=\r\n z9hG4bK30239",
        b'm:"Quoted string \\"\\"" <sip:jdrosen@example.com> ; newparam =\r\n      newvalue ;',
        b"  secondparam ; q = 0.33",
    )
)

HEADERS = (
    b"Via: SIP/2.0/UDP 10.1.1.1;branch=z9hG4bK1, SIP/2.0/TCP b",
    b"v: SIP/2.0/TCP c",
    b"To: Bob <sip:bob@example.com>",
    b"From: <sip:alice@example.com>;tag=1",
    b"i: 1@a",
    b"CSeq: 7 INVITE",
    b"Route: <sip:p1;lr>, <sip:p2;lr>",
    b"Route: <sip:p3;lr>",
)


def request(*lines: bytes, start: bytes = b"INVITE sip:bob@example.com SIP/2.0") -> Request:
    """
    A request of these header lines.
    """
    message = parseMessage(b"\r\n".join((start, *lines)))
    assert isinstance(message, Request)
    return message


NAMES = st.sampled_from([b"Via", b"v", b"X-Y", b"to", b"Subject", b"CALL-ID"])
VALUES = st.lists(
    st.binary(max_size=6).map(lambda text: text.replace(b"\r", b"").replace(b"\n", b"")),
    min_size=1,
    max_size=3,
).map(b"\r\n ".join)
LINES = st.lists(st.tuples(NAMES, VALUES).map(b":".join), max_size=6)


class ParseTests(SynchronousTestCase):
    """
    L{parseMessage}.
    """

    @given(LINES, st.binary(max_size=20))
    @settings(max_examples=200, deadline=None)
    def test_identity(self, lines: list[bytes], body: bytes) -> None:
        """
        A message that nobody changes leaves as it came, folds, spaces and bad text included: what
        phones signed stays signed.
        """
        for start in (b"NOTIFY sip:a SIP/2.0", b"SIP/2.0 200 OK", b"X y SIP/3.0"):
            head = b"\r\n".join((start, *lines))
            message = parseMessage(head, body)
            self.assertEqual(bytes(message), head + b"\r\n\r\n" + body)
            self.assertEqual(message.lines, lines)
            self.assertEqual(bytes(message.copy()), bytes(message))

    def test_tortuous(self) -> None:
        """
        A phone that writes the strangest headers is understood (RFC 4475 3.1.1.1).
        """
        message = request(*TORTUOUS.split(b"\r\n")[1:], start=TORTUOUS.partition(b"\r\n")[0])
        self.assertEqual(bytes(message), TORTUOUS + b"\r\n\r\n")
        self.assertEqual(message.to.param(b"tag"), b"1918181833n")
        self.assertEqual(message.from_.param(b"tag"), b"98asjd8")
        self.assertEqual((message.via.host, message.via.branch), (b"192.0.2.2", b"390skdjuw"))
        self.assertEqual(len(message.all(b"via")), 3)
        self.assertEqual(message.cseq, CSeq(9, b"INVITE"))
        self.assertEqual(message.first(b"max-forwards"), b"0068")
        self.assertEqual(message.first(b"subject"), b"")
        fangled = b"newfangled value continued newfangled value"
        self.assertEqual(message.first(b"newfangledheader"), fangled)
        self.assertEqual(message.callId, b"wsinv.ndaksdj@192.0.2.1")
        self.assertTrue(message.inDialog)
        self.assertIsNone(message.flaw)

    def test_fold(self) -> None:
        """
        A fold is one space to who reads it, whatever its own spaces (RFC 3261 7.3.1).
        """
        message = request(b"Subject: a \t\r\n\t  b\r\n c", b"Z:\r\n y", b"To: z")
        self.assertEqual(message.first(b"subject"), b"a b c")
        self.assertEqual(message.first(b"z"), b"y")
        self.assertEqual(message.lines[0], b"Subject: a \t\r\n\t  b\r\n c")
        self.assertEqual(message.keys, [b"subject", b"z", b"to"])

    def test_foldedColon(self) -> None:
        """
        A colon in the folded part makes no header of it: nobody smuggles a Route in a Subject.
        """
        message = request(b"Subject: a\r\n Route: <sip:evil>", b"To: sip:a@b")
        self.assertEqual(message.keys, [b"subject", b"to"])
        self.assertEqual(message.first(b"subject"), b"a Route: <sip:evil>")

    def test_noHeader(self) -> None:
        """
        A line that is no header is kept and marked.
        """
        message = request(b"To: a", b"no header", b": x", b"(): x")
        self.assertEqual(message.keys, [b"to", b"", b"", b""])
        self.assertEqual(message.lines[1], b"no header")

    def test_methods(self) -> None:
        """
        A method nobody knows is one, case counts (RFC 3261 7.1, RFC 4475 3.1.1.2, 3.1.1.5).
        """
        for method in (b"INVITE", b"invite", b"NEWMETHOD", b"RE%47IST%45R", b"!x-Y09_*+`.%z'~"):
            message = request(start=method + b" sip:a@b sip/2.0")
            self.assertEqual((message.method, message.uri), (method, b"sip:a@b"))
            self.assertIsNone(message.flaw)

    def test_badStart(self) -> None:
        """
        Who sends a start line that is nearly one is told so, and who speaks another version gets
        505 (RFC 4475 3.1.2.8, 3.1.2.9, 3.1.2.10, 3.1.2.16).
        """
        for start, status in (
            (b"OPTIONS sip:t@example.org SIP/7.0", 505), (b"INVITE sip:a SIP/3.0", 505),
            (b"INVITE sip:a@b; lr SIP/2.0", 400), (b"INVITE  sip:a@b  SIP/2.0", 400),
            (b"OPTIONS sip:a@b SIP/2.0  ", 400), (b"OPTIONS\tsip:a@b SIP/2.0", 400),
        ):  # fmt: skip
            flaw = request(b"CSeq: 1 OPTIONS", start=start).flaw
            assert flaw is not None, start
            self.assertEqual(flaw.status, status, start)

    def test_notSip(self) -> None:
        """
        What is no SIP at all is told apart: there is nobody to answer (RFC 4475 3.1.2.19).
        """
        for head in (
            b"", b"\r\n", b"GET / HTTP/1.1", b"SIP/2.0 4e2 x", b"SIP/2.0  200", b"SIP 200 OK",
            b"\x16\x03\x01\x02\x00", b"INVITE sip:a@b",
            b" INVITE sip:a SIP/2.0", b"INVITE sip:a SIP/2.0\nTo: sip:a@b", b"jaK", b"Via: x",
        ):  # fmt: skip
            self.assertRaises(Malformed, parseMessage, head)

    def test_responses(self) -> None:
        """
        Status and phrase, however unusual (RFC 4475 3.1.1.12, 3.1.1.13).
        """
        for start, status, reason in (
            (b"SIP/2.0 200 OK", 200, b"OK"), (b"SIP/2.0 100 ", 100, b""),
            (b"SIP/2.0 100", 100, b""),
            (b"sip/2.0 699 = 2**3 * 5**2 \xd0\xbd", 699, b"= 2**3 * 5**2 \xd0\xbd"),
        ):  # fmt: skip
            message = parseMessage(start + b"\r\nCSeq: 1 INVITE\r\nA: b\r\n c")
            assert isinstance(message, Response)
            self.assertEqual((message.status, message.reason), (status, reason))
            self.assertTrue(bytes(message).startswith(start + b"\r\n"))

    def test_noStatus(self) -> None:
        """
        A response that no transaction can make sense of is one still: what comes behind it on the
        same connection is heard (RFC 4475 3.1.2.19).
        """
        for start in (
            b"SIP/2.0 4294967301 better not break the receiver", b"SIP/3.0 200 OK",
            b"SIP/2.0 099 x", b"SIP/2.0 700", b"sip/2.0 20 x",
        ):  # fmt: skip
            message = parseMessage(start + b"\r\nCSeq: 1 INVITE")
            assert isinstance(message, Response)
            self.assertEqual((message.status, message.cseq.number), (0, 1))

    def test_accessors(self) -> None:
        """
        The first line, all lines, all values; what is not there is none, or told by its name.
        """
        message = request(*HEADERS)
        self.assertEqual(message.first(b"route"), b"<sip:p1;lr>, <sip:p2;lr>")
        self.assertEqual(message.texts(b"route"), [b"<sip:p1;lr>, <sip:p2;lr>", b"<sip:p3;lr>"])
        self.assertEqual(message.all(b"route"), [b"<sip:p1;lr>", b"<sip:p2;lr>", b"<sip:p3;lr>"])
        self.assertEqual(message.all(b"via")[1:], [b"SIP/2.0/TCP b", b"SIP/2.0/TCP c"])
        self.assertEqual((message.via.host, message.callId), (b"10.1.1.1", b"1@a"))
        self.assertEqual((message.first(b"path"), message.all(b"path")), (None, []))
        self.assertEqual(message.texts(b"path"), [])
        error = self.assertRaises(Malformed, message.need, b"contact")
        self.assertEqual((error.status, error.reason), (400, "Missing Contact Header"))

    def test_missing(self) -> None:
        """
        A mandatory header that is absent, empty or bad is L{Malformed} when it is asked for.
        """
        empty = (b"Via:", b"To:", b"From:", b"CSeq:", b"Call-ID:")
        for lines in ((), empty, (b"Via: ,", b"To: ,")):
            message = request(*lines)
            for name in ("via", "to", "from_", "cseq", "callId"):
                self.assertRaises(Malformed, getattr, message, name)
        self.assertRaises(Malformed, lambda: request(start=b"INVITE sip: SIP/2.0").target)


class ChangeTests(SynchronousTestCase):
    """
    What a proxy does to its copy.
    """

    def check(self, message: Request) -> None:
        """
        Check that what is said of a message is what is printed of it.
        """
        again = parseMessage(bytes(message).partition(b"\r\n\r\n")[0], message.body)
        self.assertEqual(again.lines, message.lines)
        self.assertEqual(again.keys, message.keys)
        for key in set(again.keys):
            self.assertEqual(again.first(key), message.first(key))
            self.assertEqual(again.all(key), message.all(key))

    def test_put(self) -> None:
        """
        A Via goes on top of the others, a new header to the top, and is seen at once.
        """
        message = request(*HEADERS)
        self.assertEqual(message.via.host, b"10.1.1.1")
        message.put(b"Via", b"SIP/2.0/TCP new;branch=z9hG4bK2")
        message.put(b"Record-Route", b"<sip:us;lr>")
        self.assertEqual(message.lines[0], b"Record-Route: <sip:us;lr>")
        self.assertEqual(message.lines[1], b"Via: SIP/2.0/TCP new;branch=z9hG4bK2")
        self.assertEqual((message.via.host, len(message.all(b"via"))), (b"new", 4))
        message.put(b"Route", b"<sip:p0;lr>")
        self.assertEqual(message.all(b"route")[:2], [b"<sip:p0;lr>", b"<sip:p1;lr>"])
        self.check(message)

    def test_set(self) -> None:
        """
        Max-Forwards and CSeq are replaced where they stand, or added.
        """
        message = request(*HEADERS)
        self.assertEqual(message.cseq.number, 7)
        message.set(b"CSeq", b"8 ACK")
        message.set(b"Max-Forwards", b"70")
        message.set(b"route", b"<sip:x>")
        self.assertEqual(message.cseq, CSeq(8, b"ACK"))
        self.assertEqual(message.keys, [*request(*HEADERS).keys, b"max-forwards"])
        self.assertEqual(message.all(b"route"), [b"<sip:x>", b"<sip:p3;lr>"])
        self.check(message)

    def test_drop(self) -> None:
        """
        A header that is dropped is gone, all its lines, nothing else.
        """
        message = request(*HEADERS)
        message.drop(b"route")
        message.drop(b"nothing")
        self.assertEqual(message.lines, list(HEADERS[:-2]))
        self.assertEqual((message.first(b"route"), message.all(b"route")), (None, []))
        message.drop(b"via")
        self.assertRaises(Malformed, lambda: message.via)
        self.check(message)

    def test_pop(self) -> None:
        """
        Values are taken from the top, one by one, over the ends of lines, until none is left.
        """
        message = request(*HEADERS)
        for key in (b"route", b"via"):
            expected = message.all(key)
            for at, value in enumerate(expected):
                self.assertEqual(message.pop(key), value)
                self.assertEqual(message.all(key), expected[at + 1 :])
                self.check(message)
            self.assertRaises(Malformed, message.pop, key)
        self.assertEqual(message.lines, list(HEADERS[2:-2]))

    def test_popUneasy(self) -> None:
        """
        Folds and quoted commas do not confuse it, nor does a list without values.
        """
        message = request(b'm: "a, b" <sip:a>\r\n , <sip:b>', b"Route: ,")
        self.assertEqual(message.pop(b"contact"), b'"a, b" <sip:a>')
        self.assertEqual(message.lines[0], b"m: <sip:b>")
        self.assertRaises(Malformed, message.pop, b"route")

    def test_popVia(self) -> None:
        """
        A response that loses our Via has the next one on top.
        """
        message = request(*HEADERS)
        self.assertEqual(message.via.host, b"10.1.1.1")
        message.pop(b"via")
        self.assertEqual(message.via.host, b"b")

    def test_copy(self) -> None:
        """
        A copy has its own lines: what one branch of a fork gets, no other sees.
        """
        message = request(*HEADERS)
        message.body = b"x"
        copy = message.copy(b"sip:bob@192.0.2.1")
        copy.put(b"Via", b"SIP/2.0/UDP new")
        copy.pop(b"route")
        self.assertEqual(bytes(message), bytes(request(*HEADERS)) + b"x")
        self.assertEqual(copy.start, b"INVITE sip:bob@192.0.2.1 SIP/2.0")
        self.assertEqual((copy.method, copy.target.host), (b"INVITE", b"192.0.2.1"))
        self.assertEqual((message.via.host, copy.via.host), (b"10.1.1.1", b"new"))
