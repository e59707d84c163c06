"""
Bytes to messages: a stream with limits, a datagram (RFC 3261 18.3, RFC 5626 4.4.1).
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import Final

from attrs import define, field, frozen

from sipoutbound.message.grammar import Malformed
from sipoutbound.message.header import number
from sipoutbound.message.message import Request, Response
from sipoutbound.message.parse import parseMessage


class Life(Enum):
    """
    What a peer sends only to show that it lives.
    """

    PING = "two line breaks between messages: a pong is due (RFC 5626 4.4.1)"
    CRLF = "a lone line break: a sign of life, never answered"


@frozen
class Limits:
    """
    How much of one message is taken; what exceeds it is answered 513 or 400.

    @ivar head: octets of start line and headers. SIP over UDP cannot have more than 64 KiB at all.
    @ivar body: octets of body.
    @ivar lines: header lines; a route set of twenty hops and all known headers fit several times.
    """

    head: int = 65536
    body: int = 1 << 20
    lines: int = 256


class Unframed(Exception):
    """
    A stream on which the end of a message can no longer be told. Nothing after it can be trusted.

    @ivar request: what can be answered before the connection is closed, its flaw set; else C{None}.
    """

    def __init__(self, reason: str, request: Request | None = None) -> None:
        super().__init__(reason)
        self.request = request


Event = Request | Response | Life

_END: Final = b"\r\n\r\n"


@define(eq=False)
class Stream:
    """
    The receiving half of a stream. Feed it what arrives, in any pieces; it yields what is whole.
    """

    limits: Limits = field(factory=Limits)
    _rest: bytearray = field(factory=bytearray, init=False)
    _searched: int = field(default=0, init=False)
    _halfPing: bool = field(default=False, init=False)
    _waiting: tuple[Request | Response, int] | None = field(default=None, init=False)
    _broken: bool = field(default=False, init=False)

    @property
    def partial(self) -> bool:
        """
        Whether a message has begun and has not ended.
        """
        return self._waiting is not None or bool(self._rest.strip(b"\r\n"))

    def receive(self, data: bytes) -> Iterator[Event]:
        """
        @param data: what arrived.
        @raise Unframed: after everything in front of it has been yielded. Whatever comes later on
            this stream is dropped: it may be a body that looks like a message.
        """
        if self._broken:
            return
        self._rest += data
        try:
            while (event := self._next()) is not None:
                yield event
        except Unframed:
            self._broken = True
            self._rest.clear()
            raise

    def _next(self) -> Event | None:
        if self._waiting is not None:
            return self._finish(*self._waiting)
        if self._rest.startswith((b"\r", b"\n")):
            return self._lineBreak()
        return self._head()

    def _lineBreak(self) -> Life | None:
        """
        One line break in front of a message: every second one makes a ping of two.
        """
        if self._rest[:2] != b"\r\n":
            if len(self._rest) > 1 or self._rest == b"\n":
                raise Unframed("a line break that is none")
            return None
        del self._rest[:2]
        self._halfPing = not self._halfPing
        return Life.CRLF if self._halfPing else Life.PING

    def _head(self) -> Event | None:
        end = self._rest.find(_END, self._searched)
        if end > self.limits.head or (end < 0 and len(self._rest) > self.limits.head):
            raise Unframed("a head over the limit", _oversized(bytes(self._rest), self.limits))
        if end < 0:
            self._searched = max(0, len(self._rest) - 3)
            return None
        head = bytes(self._rest[:end])
        del self._rest[: end + 4]
        self._searched = 0
        self._halfPing = False
        message = _parse(head, self.limits)
        return self._finish(message, self._length(message))

    def _length(self, message: Request | Response) -> int:
        try:
            length = contentLength(message)
            if length is None:
                raise Malformed("Missing Content-Length Header")
            if length > self.limits.body:
                raise Malformed("Message Too Large", 513)
        except Malformed as flaw:
            raise Unframed(flaw.reason, _flawed(message, flaw)) from None
        return length

    def _finish(self, message: Request | Response, length: int) -> Event | None:
        if len(self._rest) < length:
            self._waiting = message, length
            return None
        self._waiting = None
        if length:
            message.body = bytes(self._rest[:length])
            del self._rest[:length]
        return message


def contentLength(message: Request | Response) -> int | None:
    """
    The Content-Length; C{None} where there is none (RFC 3261 20.14).

    @raise Malformed: when it is no number, or there are two that differ.
    """
    text = message.values.get(b"content-length")
    if text is None:
        return None
    if message.keys.count(b"content-length") > 1 and len(set(message.texts(b"content-length"))) > 1:
        raise Malformed("Conflicting Content-Length Headers")
    return number(text, "Content-Length")


def parseDatagram(data: bytes, limits: Limits) -> Request | Response:
    """
    The one message of a datagram (RFC 3261 18.3). Octets beyond its Content-Length are dropped; a
    datagram shorter than that is a request with a C{flaw}. One without Content-Length gets it, as
    it may leave over a stream (RFC 3261 16.6 step 9).

    @raise Unframed: when there is nothing to answer: no SIP, or a response that is cut off.
    """
    head, _, body = data.lstrip(b"\r\n").partition(_END)
    message = _parse(head[:-2] if head.endswith(b"\r\n") else head, limits)
    try:
        length = contentLength(message)
        if length is not None and length > len(body):
            raise Malformed("Body Shorter Than Content-Length")
        if length is None:
            message.set(b"Content-Length", b"%d" % len(body))
    except Malformed as flaw:
        if _flawed(message, flaw) is None:
            raise Unframed(flaw.reason) from None
        length = None
    message.body = body if length is None else body[:length]
    return message


def _parse(head: bytes, limits: Limits) -> Request | Response:
    try:
        message = parseMessage(head)
    except Malformed as error:
        raise Unframed(f"{error.reason}: {head[:60]!r}") from None
    if len(message.lines) > limits.lines:
        _flawed(message, Malformed("Too Many Headers"))
    return message


def _flawed(message: Request | Response, flaw: Malformed) -> Request | None:
    if isinstance(message, Request):
        message.flaw = message.flaw or flaw
        return message
    return None


def _oversized(data: bytes, limits: Limits) -> Request | None:
    """
    What can be read of a head that is too long, to answer 513 to it.
    """
    head = data[: limits.head].rpartition(b"\r\n")[0]
    try:
        return _flawed(parseMessage(head), Malformed("Message Too Large", 513))
    except Malformed:
        return None
