"""
Bytes to messages: streams and their keep-alives. Datagrams are in C{test_framing_datagram}.
"""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipoutbound.message.framing import Event, Life, Limits, Stream, Unframed
from sipoutbound.message.message import Request
from sipoutbound.test.hostile import ALMOST_SIP

CRLF = b"\r\n"
LIMITS = Limits()
REQUEST = b"OPTIONS sip:a@b SIP/2.0"
RESPONSE = b"SIP/2.0 200 OK"


def text(*lines: bytes, body: bytes = b"", start: bytes = REQUEST, length: bool = True) -> bytes:
    """
    A message as it goes over the wire.
    """
    counted = (b"Content-Length: %d" % len(body),) if length else ()
    return CRLF.join((start, *lines, *counted, b"", body))


def told(event: Event) -> object:
    """
    An event in a form that can be compared.
    """
    return event if isinstance(event, Life) else (type(event), bytes(event))


def fed(stream: Stream, *pieces: bytes) -> list[object]:
    """
    What a stream makes of these segments; the last thing is L{Unframed} when it gives up.
    """
    events: list[object] = []
    for piece in pieces:
        try:
            for event in stream.receive(piece):
                events.append(told(event))
        except Unframed as error:
            events.append((Unframed, str(error)))
    return events


def unframed(data: bytes, limits: Limits = LIMITS) -> Unframed:
    """
    The error that a stream ends with.
    """
    try:
        list(Stream(limits).receive(data))
    except Unframed as error:
        return error
    raise AssertionError("nothing wrong with it")


def flawOf(error: Unframed) -> tuple[int, str]:
    """
    What the sender is told.
    """
    assert error.request is not None and error.request.flaw is not None, error
    return error.request.flaw.status, error.request.flaw.reason


WHOLE = st.sampled_from(
    [
        CRLF, CRLF * 2, text(), text(body=b"v=0\r\n\r\nx"), text(b"A: b\r\n c", start=RESPONSE),
        text(body=CRLF * 2, start=RESPONSE), text(b"l: 3", body=b"abc", length=False),
    ]
)  # fmt: skip
CUTS = st.lists(st.integers(0, 400), max_size=12)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """
    C{data} in pieces.
    """
    ends = [0, *sorted(places), len(data)]
    return [data[one:other] for one, other in pairwise(ends)]


class PieceTests(SynchronousTestCase):
    """
    How a stream is cut into segments means nothing.
    """

    @given(st.lists(WHOLE, max_size=6).map(b"".join), CUTS)
    @settings(max_examples=200, deadline=None)
    def test_messages(self, data: bytes, places: list[int]) -> None:
        """
        A network that cuts messages anywhere changes nothing of what is received, and nothing but
        line breaks is left out.
        """
        events = fed(Stream(), data)
        self.assertEqual(fed(Stream(), *cut(data, places)), events)
        self.assertEqual(fed(Stream(), *(data[at : at + 1] for at in range(len(data)))), events)
        found = Stream().receive(data)
        parts = [CRLF if isinstance(event, Life) else bytes(event) for event in found]
        self.assertEqual(b"".join(parts), data)

    @given(ALMOST_SIP, CUTS)
    @settings(max_examples=200, deadline=None)
    def test_garbage(self, data: bytes, places: list[int]) -> None:
        """
        The same for what is no SIP: it ends at the same place.
        """
        whole, pieces = fed(Stream(), data), fed(Stream(), *cut(data, places))
        self.assertEqual(pieces, whole)


class KeepAliveTests(SynchronousTestCase):
    """
    RFC 5626 4.4.1.
    """

    def test_lone(self) -> None:
        """
        A lone line break is a sign of life, or the pong we wait for; it gets no answer.
        """
        self.assertEqual(fed(Stream(), CRLF), [Life.CRLF])
        self.assertEqual(fed(Stream(), b"\r", b"\n"), [Life.CRLF])
        self.assertEqual(fed(Stream(), b"\r"), [])

    def test_ping(self) -> None:
        """
        Two are a ping, whatever segments they come in: one pong for each, or the phone takes its
        flow for dead.
        """
        for pieces in (
            (b"\r\n\r\n",), (b"\r\n", b"\r\n"), (b"\r", b"\n\r\n"), (b"\r\n\r", b"\n"),
            (b"\r", b"\n", b"\r", b"\n"), (b"", b"\r\n\r", b"", b"\n"),
        ):  # fmt: skip
            self.assertEqual(fed(Stream(), *pieces), [Life.CRLF, Life.PING])

    def test_many(self) -> None:
        """
        Every second line break makes a ping.
        """
        for count in range(8):
            events = fed(Stream(), CRLF * count)
            self.assertEqual(events.count(Life.PING), count // 2)
            self.assertEqual(len(events), count)

    def test_glued(self) -> None:
        """
        A ping is seen in front of a message, behind it, and between two, and a message begins a
        new count: no line break in front pairs with one behind.
        """
        one, told = text(body=b"x"), (Request, text(body=b"x"))
        ping = [Life.CRLF, Life.PING]
        self.assertEqual(fed(Stream(), CRLF * 2 + one), [*ping, told])
        self.assertEqual(fed(Stream(), one + CRLF * 2), [told, *ping])
        self.assertEqual(fed(Stream(), one + CRLF * 2 + one), [told, *ping, told])
        self.assertEqual(fed(Stream(), CRLF + one + CRLF), [Life.CRLF, told, Life.CRLF])
        self.assertEqual(fed(Stream(), CRLF * 3 + one + CRLF * 2), [*ping, Life.CRLF, told, *ping])

    def test_inside(self) -> None:
        """
        Line breaks in a body are the body's.
        """
        data = text(body=CRLF * 2)
        self.assertEqual(fed(Stream(), data), [(Request, data)])

    def test_other(self) -> None:
        """
        Line breaks that are none end the stream: it is not SIP that comes.
        """
        for data in (b"\n", b"\n\n", b"\rX", b"\r\r\n", b"\r\n\n"):
            events = fed(Stream(), data)
            self.assertEqual(events[-1], (Unframed, "a line break that is none"))
            self.assertNotIn(Life.PING, events)


class StreamTests(SynchronousTestCase):
    """
    L{Stream}.
    """

    def test_length(self) -> None:
        """
        The next message begins where Content-Length says, in any of its spellings.
        """
        for header in (b"Content-Length: 3", b"content-length:3", b"l :  003 ", b"L:\r\n 3"):
            data = text(header, body=b"abc", length=False)
            self.assertEqual(fed(Stream(), data + data), [(Request, data)] * 2)
        twice = text(b"l: 3", body=b"abc")
        self.assertEqual(fed(Stream(), twice), [(Request, twice)])

    def test_badLength(self) -> None:
        """
        Without a length that can be trusted the sender is told 400 and nothing more is read
        (RFC 4475 3.1.2.3): what follows may be a body that looks like a request.
        """
        for lines in (
            (), (b"l: -1",), (b"l: five",), (b"l:",), (b"l: 1.5",), (b"l: +0",), (b"l: 1, 1",),
            (b"l: 0x1",), (b"l: 99999999999999999999",), (b"l: 1", b"Content-Length: 2"),
            (b"l: 0", b"l: -1"), (b"l", ),
        ):  # fmt: skip
            data = text(*lines, length=False) + text()
            status, reason = flawOf(unframed(data))
            self.assertEqual(status, 400, lines)
            self.assertIn("Content-Length", reason)
            stream = Stream()
            self.assertEqual(fed(stream, data, text(), CRLF * 2), [(Unframed, reason)])
            self.assertFalse(stream.partial)

    def test_before(self) -> None:
        """
        What came whole in front of the fault is handled.
        """
        events = fed(Stream(), text() + CRLF * 2 + text(b"l: -1", length=False))
        self.assertEqual(events[:3], [(Request, text()), Life.CRLF, Life.PING])
        self.assertEqual(len(events), 4)

    def test_badResponse(self) -> None:
        """
        A response is not answered.
        """
        self.assertIsNone(unframed(text(b"l: -1", start=RESPONSE, length=False)).request)
        self.assertIsNone(unframed(text(start=RESPONSE, length=False)).request)

    def test_notSip(self) -> None:
        """
        HTTP, TLS, or a port scan: nothing is answered.
        """
        for data in (b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\r\n\r\n", b"SSH-2.0-x\r\n\r\n"):
            error = unframed(data + text())
            self.assertIsNone(error.request)
            self.assertIn("Not SIP", str(error))

    def test_version(self) -> None:
        """
        A request of another version is framed, and carries what it is to be told.
        """
        (message,) = Stream().receive(text(start=b"OPTIONS sip:a SIP/3.0"))
        assert isinstance(message, Request) and message.flaw is not None
        self.assertEqual(message.flaw.status, 505)

    def test_longHead(self) -> None:
        """
        A header of 1 MiB is refused with 513 before it is all here, whatever pieces it comes in.
        """
        head = REQUEST + CRLF + b"Via: SIP/2.0/TCP h" + CRLF + b"Subject: "
        for size in (LIMITS.head, 1 << 20):
            error = unframed(head + b"x" * size)
            self.assertEqual(flawOf(error), (513, "Message Too Large"))
            assert error.request is not None
            self.assertEqual(error.request.via.host, b"h")
            self.assertEqual(flawOf(unframed(head + b"x" * size + CRLF * 2))[0], 513)
        stream, sent = Stream(), 0
        with self.assertRaises(Unframed):
            while sent < 1 << 20:
                list(stream.receive(b"INVITE sip:" if not sent else b"x" * 1000))
                sent += 1000
        self.assertLess(sent, LIMITS.head + 2000)

    def test_limits(self) -> None:
        """
        What is just within the limits is taken, one octet more is not.
        """
        limits = Limits(head=100, body=10, lines=2)
        head = text(b"A: ", body=b"0123456789")
        fill = b"A: " + b"x" * (100 - head.index(CRLF * 2))
        self.assertEqual(len(fed(Stream(limits), text(fill, body=b"0123456789"))), 1)
        self.assertEqual(flawOf(unframed(text(fill + b"x", body=b"0123456789"), limits))[0], 513)
        self.assertEqual(flawOf(unframed(text(body=b"0123456789a"), limits))[0], 513)
        self.assertEqual(flawOf(unframed(text(b"l: 11", length=False), limits))[0], 513)

    def test_manyHeaders(self) -> None:
        """
        10,000 headers are refused with 400, and the stream goes on.
        """
        data = text(*[b"a: b"] * 10000)
        first, second = Stream().receive(data + text())
        assert isinstance(first, Request) and isinstance(second, Request)
        assert first.flaw is not None
        self.assertEqual((first.flaw.status, first.flaw.reason), (400, "Too Many Headers"))
        self.assertIsNone(second.flaw)

    def test_partial(self) -> None:
        """
        Half a message is told from silence: only the former is waited for with a clock.
        """
        data = text(b"A: b", body=b"abc")
        for end in range(1, len(data)):
            stream = Stream()
            self.assertFalse(stream.partial)
            self.assertEqual(fed(stream, CRLF * 2 + data[:end]), [Life.CRLF, Life.PING])
            self.assertTrue(stream.partial, data[:end])
            self.assertEqual(fed(stream, data[end:]), [(Request, data)])
            self.assertFalse(stream.partial)
        for quiet in (b"", b"\r", CRLF, CRLF * 2, CRLF + b"\r"):
            stream = Stream()
            fed(stream, quiet)
            self.assertFalse(stream.partial, quiet)
