"""
That no input keeps the server busy, or makes it fail in another way than it says.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from functools import partial
from time import process_time

from hypothesis import example, given, settings
from twisted.trial.unittest import SynchronousTestCase

from sipoutbound.message import grammar, header, message, uri
from sipoutbound.message.framing import Limits, Stream, Unframed, parseDatagram
from sipoutbound.message.grammar import Malformed
from sipoutbound.message.header import CSeq, NameAddress, Via, number, parseParams, splitList
from sipoutbound.message.message import Request, Response
from sipoutbound.message.parse import parseMessage
from sipoutbound.message.uri import URI
from sipoutbound.message.validity import flawOf
from sipoutbound.test.hostile import ALMOST_SIP, BEGINNINGS, ENDINGS, FLOODS

# Seconds of processor time for 64 KiB. What is linear needs some milliseconds, what is quadratic
# many seconds.
BOUND = 0.8

LIMITS = Limits()

PARSERS: dict[str, Callable[[bytes], object]] = {
    "splitList": splitList,
    "parseParams": parseParams,
    "number": lambda text: number(text, "Number"),
    "URI": URI.parse,
    "NameAddress": NameAddress.parse,
    "Via": Via.parse,
    "CSeq": CSeq.parse,
    "parseMessage": parseMessage,
}


def asRequest(via: bytes, to: bytes) -> Request:
    """
    A request with these header texts.
    """
    head = b"INVITE sip:bob@example.com SIP/2.0\r\nv: " + via + b"\r\nt: " + to
    request = parseMessage(head + b"\r\nf: sip:a@b;tag=1\r\ni: 1\r\nCSeq: 1 INVITE")
    assert isinstance(request, Request)
    return request


def handled(request: Request) -> None:
    """
    All that the server asks of a request, whatever that is.
    """
    flawOf(request)
    Response.reply(request, 400, toTag=b"x")
    for name in ("via", "cseq", "callId", "to", "from_", "target", "formsDialog", "inDialog"):
        with contextlib.suppress(Malformed):
            getattr(request, name)
    with contextlib.suppress(Malformed):
        request.stamp(b"192.0.2.1", 5060)
        assert request.via.branch == request.via.branch
    for key in (b"via", b"route", b"to"):
        request.all(key)
        with contextlib.suppress(Malformed):
            request.pop(key)


def asked(via: bytes, to: bytes) -> None:
    """
    L{handled} for a request of these texts.
    """
    handled(asRequest(via, to))


class TimeTests(SynchronousTestCase):
    """
    One datagram must not stop everybody's calls for seconds.
    """

    def swift(self, name: str, parse: Callable[[bytes], object], text: bytes) -> None:
        """
        Check that an input is done with soon, taken or refused.
        """
        begun = process_time()
        with contextlib.suppress(Malformed, Unframed):
            parse(text)
        spent = process_time() - begun
        self.assertLess(spent, BOUND, f"{name} of {text[:24]!r}...{text[-8:]!r}")

    def test_patterns(self) -> None:
        """
        Every pattern of the grammar, whole and wherever it may begin, and those of the parsers.
        """
        patterns = [
            (f"{module.__name__} {name}", value)
            for module in (grammar, header, message, uri)
            for name, value in vars(module).items()
            if isinstance(value, re.Pattern)
        ]
        self.assertGreater(len({pattern for _, pattern in patterns}), 12)
        for text in FLOODS:
            for name, pattern in patterns:
                self.swift(name, pattern.fullmatch, text)

    def test_parsers(self) -> None:
        """
        Every parser, with what lets it begin in front of the flood and what makes it fail behind.
        """
        for flood in FLOODS:
            for at, beginning in enumerate(BEGINNINGS):
                text = beginning + flood + ENDINGS[at % len(ENDINGS)]
                for name, parse in PARSERS.items():
                    self.swift(name, parse, text)

    def test_requests(self) -> None:
        """
        A request with the flood in its Via or its To: stamped, checked and answered.
        """
        for flood in FLOODS:
            for via, to in (
                (b"SIP/2.0/UDP h;x=" + flood, b"sip:a@b"),
                (b"SIP/2.0/UDP h;rport;x=" + flood + b'"', b"sip:a@b"),
                (b"SIP/2.0/UDP h" + flood, b"<sip:a@b>;tag=" + flood + b'"'),
                (b"SIP/2.0/UDP h;rport," + flood, b"<sip:a@b" + flood),
                (b"SIP/2.0/UDP h\r\n " + flood + b";rport", b"a\r\n " + flood + b"x"),
            ):
                self.swift("request", partial(asked, via), to)

    def test_framing(self) -> None:
        """
        A stream and a datagram, also when the flood comes in pieces.
        """

        def feed(text: bytes) -> None:
            stream = Stream()
            for at in range(0, len(text), 97):
                list(stream.receive(text[at : at + 97]))

        for flood in FLOODS:
            self.swift("Stream", feed, flood)
            self.swift("Stream", feed, b"OPTIONS sip:a SIP/2.0\r\nA: " + flood)
            self.swift("parseDatagram", lambda text: parseDatagram(text, LIMITS), flood)


class ErrorTests(SynchronousTestCase):
    """
    What the network sends must never end in a traceback.
    """

    @given(ALMOST_SIP)
    @settings(max_examples=300, deadline=None)
    def test_parsers(self, text: bytes) -> None:
        """
        A parser takes the text or says L{Malformed}, with a status and one line of reason.
        """
        for parse in PARSERS.values():
            try:
                parse(text)
            except Malformed as error:
                self.assertIn(error.status, (400, 505))
                self.assertNotIn("\n", error.reason)

    @given(ALMOST_SIP, ALMOST_SIP)
    @example(b",", b"")
    @example(b"SIP/2.0/UDP h:99999;rport", b"")
    @example(b"SIP/2.0/UDP [:::]", b",")
    @settings(max_examples=300, deadline=None)
    def test_requests(self, via: bytes, to: bytes) -> None:
        """
        The same for all that is asked of a request.
        """
        with contextlib.suppress(Malformed):
            asked(via, to)

    @given(ALMOST_SIP)
    @settings(max_examples=300, deadline=None)
    def test_framing(self, data: bytes) -> None:
        """
        A stream and a datagram are taken or L{Unframed}.
        """
        with contextlib.suppress(Unframed):
            for event in Stream().receive(data):
                if isinstance(event, Request):
                    handled(event)
        with contextlib.suppress(Unframed):
            message = parseDatagram(data, LIMITS)
            if isinstance(message, Request):
                handled(message)
