"""
Whether a request is in a dialog, and what it is answered with.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from sipoutbound.message.grammar import Malformed
from sipoutbound.message.message import Response
from sipoutbound.message.parse import parseMessage
from sipoutbound.message.status import PHRASES
from sipoutbound.test.test_message import HEADERS, request


class DialogTests(SynchronousTestCase):
    """
    L{Request.inDialog} and L{Request.formsDialog}.
    """

    TAGGED = (
        b"<sip:a@b>;tag=1", b"<sip:a@b> ; x ; TAG\t= 1", b"sip:a@b;tag=1", b'<sip:a@b>;tag=1;x="y"',
        b'"x" <sip:a@b>;x=";";tag=1;y', b"A<sip:a@b>\r\n ;\r\n tag\r\n =\r\n 1",
    )  # fmt: skip
    UNTAGGED = (
        b"<sip:a@b>", b"<sip:a@b;tag=1>", b'";tag=1" <sip:a@b>', b'<sip:a@b>;x=";tag=1"',
        b"<sip:a;tag=1@b>;tags=1;x-tag=2", b'";tag=1" <sip:a@b;tag=2>;x=";tag=3;y"',
        b"tag <sip:a@b>", b"sip:tag@b",
    )  # fmt: skip

    def test_inDialog(self) -> None:
        """
        Only a parameter of the To is a tag, not what stands in its name, its URI or its quotes.
        """
        for to in self.TAGGED:
            self.assertTrue(request(b"To: " + to).inDialog, to)
        for to in self.UNTAGGED:
            self.assertFalse(request(b"t:" + to).inDialog, to)
        self.assertRaises(Malformed, lambda: request().inDialog)

    def test_formsDialog(self) -> None:
        """
        Any request outside of a dialog may form one, but those that are known not to
        (RFC 3261 12.1, RFC 5626 5.3).
        """
        for method, forms in (
            (b"INVITE", True), (b"SUBSCRIBE", True), (b"REFER", True), (b"NEW", True),
            (b"REGISTER", False), (b"OPTIONS", False), (b"MESSAGE", False), (b"PUBLISH", False),
            (b"ACK", False), (b"BYE", False), (b"CANCEL", False),
        ):  # fmt: skip
            start = method + b" sip:a@b SIP/2.0"
            self.assertEqual(request(b"To: sip:a@b", start=start).formsDialog, forms)
            self.assertFalse(request(b"To: sip:a@b;tag=1", start=start).formsDialog)


class ReplyTests(SynchronousTestCase):
    """
    L{Response.reply}.
    """

    def test_echo(self) -> None:
        """
        Every Via as it came and in order, From, To, Call-ID, CSeq (RFC 3261 8.2.6.2): else no proxy
        on the way back knows the response.
        """
        folded = b"V :  SIP/2.0/TCP d\r\n ;branch=1"
        reply = Response.reply(request(*HEADERS, folded), 200, headers=((b"m", b"<sip:x>"),))
        lines = (b"SIP/2.0 200 OK", *HEADERS[:6], folded, b"m: <sip:x>", b"Content-Length: 0")
        self.assertEqual(bytes(reply), b"\r\n".join(lines) + b"\r\n\r\n")
        self.assertEqual((reply.status, reply.reason, reply.body), (200, b"OK", b""))
        self.assertEqual((reply.via.host, reply.cseq.number), (b"10.1.1.1", 7))
        self.assertEqual(reply.first(b"contact"), b"<sip:x>")
        self.assertEqual(reply.first(b"content-length"), b"0")

    def test_tag(self) -> None:
        """
        A To gets its tag once, and only where it has none (RFC 3261 8.2.6.2): with a second one the
        caller would take the answer for another dialog's.
        """
        for to in DialogTests.UNTAGGED:
            line = b"To: " + to
            reply = Response.reply(request(line), 180, toTag=b"abc")
            self.assertEqual(reply.lines[0], line + b";tag=abc")
            self.assertEqual(reply.to.param(b"tag"), b"abc")
            self.assertEqual(Response.reply(request(line), 100).lines[0], line)
        for to in DialogTests.TAGGED:
            line = b"To: " + to
            self.assertEqual(Response.reply(request(line), 180, toTag=b"abc").lines[0], line)

    def test_badTo(self) -> None:
        """
        A request without a To, or with a bad one, can be refused all the same.
        """
        self.assertEqual(Response.reply(request(), 400, toTag=b"a").keys, [b"content-length"])
        bad = b'To: "Mr. J. User <sip:j.user@example.com>'
        self.assertEqual(Response.reply(request(bad), 400, toTag=b"a").lines[0], bad + b";tag=a")

    def test_reason(self) -> None:
        """
        The phrase is the usual one, or what the caller wants to be read.
        """
        for status, reason, start in (
            (430, None, b"430 Flow Failed"), (400, "Bad Via", b"400 Bad Via"), (499, None, b"499 "),
            (439, None, b"439 First Hop Lacks Outbound Support"), (200, b"Fine", b"200 Fine"),
        ):  # fmt: skip
            reply = Response.reply(request(), status, reason)
            self.assertEqual(reply.start, b"SIP/2.0 " + start)
            self.assertEqual(bytes(parseMessage(reply.start)), reply.start + b"\r\n\r\n")
        for status, phrase in PHRASES.items():
            self.assertTrue(100 <= status <= 699 and phrase)
