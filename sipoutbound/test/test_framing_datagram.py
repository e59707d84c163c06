"""
Bytes to messages: datagrams, and what Content-Length says.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from sipoutbound.message.framing import Unframed, contentLength, parseDatagram
from sipoutbound.message.grammar import Malformed
from sipoutbound.message.message import Request, Response
from sipoutbound.message.parse import parseMessage
from sipoutbound.test.test_framing import CRLF, LIMITS, REQUEST, RESPONSE, text


class DatagramTests(SynchronousTestCase):
    """
    L{parseDatagram}.
    """

    def test_length(self) -> None:
        """
        Without Content-Length the body is all the rest; beyond it all is dropped (RFC 3261 18.3,
        RFC 4475 3.1.1.8).
        """
        for header, body in ((b"A: b", b"abcdef"), (b"l: 3", b"abc"), (b"l: 0", b"")):
            for start in (REQUEST, RESPONSE):
                data = text(header, body=b"abcdef", start=start, length=False)
                self.assertEqual(parseDatagram(data, LIMITS).body, body)
        self.assertEqual(parseDatagram(text() + text(), LIMITS).body, b"")

    def test_noLength(self) -> None:
        """
        A call that comes over UDP without a Content-Length reaches a phone on TCP whole (RFC 3261
        16.6 step 9); one that has a length keeps it as it is spelled.
        """
        for start in (REQUEST, RESPONSE):
            bare = text(b"A: b", body=b"abcdef", start=start, length=False)
            counted = text(b"A: b", body=b"abcdef", start=start)
            self.assertEqual(bytes(parseDatagram(bare, LIMITS)), counted)
            for line in (b"l: 6", b"CONTENT-length :  006", b"l:6\r\nl:6"):
                whole = text(line, b"A: b", body=b"abcdef", start=start, length=False)
                self.assertEqual(bytes(parseDatagram(whole, LIMITS)), whole)

    def test_short(self) -> None:
        """
        A request that is cut off is answered 400, a response is dropped (RFC 3261 18.3, RFC 4475
        3.1.2.2); so for a length that is none (3.1.2.3).
        """
        for length in (b"9999", b"4", b"-999", b"five", b"", b"99999999999", b"3\r\nl: 2"):
            message = parseDatagram(text(b"l: " + length, body=b"abc", length=False), LIMITS)
            assert isinstance(message, Request)
            assert message.flaw is not None, length
            self.assertEqual(message.flaw.status, 400)
            answer = text(b"l: " + length, body=b"abc", start=RESPONSE, length=False)
            self.assertRaises(Unframed, parseDatagram, answer, LIMITS)

    def test_edges(self) -> None:
        """
        Line breaks in front do no harm, nor does an end without the empty line.
        """
        whole = text(b"A: b", b"l: 0", length=False)
        for data in (CRLF * 3 + whole, whole, whole[:-2], whole[:-4]):
            self.assertEqual(bytes(parseDatagram(data, LIMITS)), whole)

    def test_notSip(self) -> None:
        """
        Anything else is dropped without an answer.
        """
        for data in (b"", CRLF, b"jaK", b"\0\0\0\0", b"\x80" * 2000, b"GET / HTTP/1.1" + CRLF * 2):
            self.assertIsNone(self.assertRaises(Unframed, parseDatagram, data, LIMITS).request)

    def test_flaws(self) -> None:
        """
        Other versions and too many headers are answered as on a stream.
        """
        for data, status in (
            (text(start=b"OPTIONS sip:a SIP/7.0"), 505), (text(*[b"a: b"] * 10000), 400),
            (text(start=b"OPTIONS  sip:a SIP/2.0"), 400),
        ):  # fmt: skip
            message = parseDatagram(data, LIMITS)
            assert isinstance(message, Request) and message.flaw is not None
            self.assertEqual(message.flaw.status, status)


class LengthTests(SynchronousTestCase):
    """
    L{contentLength}.
    """

    def test_length(self) -> None:
        """
        The same length twice is one, two different ones are none: who believed the first and who
        the second would see different messages.
        """
        for lines, length in (
            ((), None), ((b"l: 0",), 0), ((b"Content-Length:150",), 150), ((b"l: 5", b"L: 5"), 5),
        ):  # fmt: skip
            message = parseMessage(CRLF.join((RESPONSE, *lines)))
            assert isinstance(message, Response)
            self.assertEqual(contentLength(message), length)
        message = parseMessage(CRLF.join((REQUEST, b"l: 5", b"A: b", b"Content-Length: 6")))
        self.assertRaises(Malformed, contentLength, message)
