"""
The messages of RFC 4475 and RFC 5118, and a server to try them on.

The files under C{torture/} have the octets of the archives in these two texts. That of RFC 5118
ends its lines with a line feed only, and leaves out the empty line twice: their heads have been
given the line breaks that RFC 3261 7 wants, the bodies are as they were. In that of RFC 4475
C{baddn} has no empty line: so it is kept.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from twisted.trial.unittest import SynchronousTestCase

from sipoutbound.message.framing import Limits, parseDatagram
from sipoutbound.message.message import Request, Response
from sipoutbound.test.bareserver import BareServer
from sipoutbound.test.bytewise import Raw, checkRequest

FOLDER: Final = Path(__file__).parent / "torture"

#: By name, such as C{wsinv}.
FILES: Final = {path.stem: path for path in sorted(FOLDER.glob("*/*.msg"))}

#: Whom these messages are for.
DOMAINS: Final = (
    "example.com", "example.net", "example.org", "company.com", "chair-dnrc.example.com",
    "services.example.com", "registrar.example.com", "host.example.net", "[2001:db8::10]",
    "[2001:db8::192.0.2.1]",
)  # fmt: skip


def octets(name: str) -> bytes:
    """
    A message as it goes over the wire.
    """
    return FILES[name].read_bytes()


def request(name: str) -> Request:
    """
    One that is a request, as a datagram is read.
    """
    message = parseDatagram(octets(name), Limits())
    assert isinstance(message, Request)
    return message


def response(name: str) -> Response:
    """
    One that is a response.
    """
    message = parseDatagram(octets(name), Limits())
    assert isinstance(message, Response)
    return message


def relengthed(data: bytes) -> bytes:
    """
    The same message with the Content-Length that its body has.
    """
    head, _, body = data.partition(b"\r\n\r\n")
    raw = Raw.of(data)
    (line,) = raw.only(b"content-length", b"l")
    return head.replace(line, b"Content-Length: %d" % len(body)) + b"\r\n\r\n" + body


class TortureTestCase(SynchronousTestCase):
    """
    Each message gets a server of its own, so that none is taken for a repetition of another.
    """

    def server(self) -> BareServer:
        """
        A new server.
        """
        folder = Path(self.mktemp())
        folder.parent.mkdir(parents=True, exist_ok=True)
        return BareServer(folder.absolute(), DOMAINS)

    def told(self, answers: list[bytes]) -> list[Response]:
        """
        The final responses among these messages.
        """
        messages = [parseDatagram(answer, Limits()) for answer in answers]
        return [each for each in messages if isinstance(each, Response) and each.status >= 200]

    def overUdp(self, data: bytes) -> list[Response]:
        """
        The final responses to a datagram.
        """
        return self.told([answer for answer, _ in self.server().datagram(data)])

    def overTcp(self, data: bytes) -> tuple[list[Response], bool]:
        """
        The final responses to octets on a connection, and whether it is closed then.
        """
        plug = self.server().connect()
        return self.told(plug.send(data)), bool(plug.transport.closing)

    def statuses(self, data: bytes) -> tuple[list[int], list[int], bool]:
        """
        The same as status codes: over UDP, over TCP, and whether the connection is closed.
        """
        streamed, closed = self.overTcp(data)
        sent = [each.status for each in self.overUdp(data)]
        return sent, [each.status for each in streamed], closed

    def passedOn(self, data: bytes, uri: bytes) -> list[Request]:
        """
        What a registered phone gets of a request that comes over UDP and over TCP; nothing but what
        a proxy may touch has changed.

        @param uri: the address of record of the phone.
        """
        arrived = []
        for overTcp in (False, True):
            server = self.server()
            phone = server.registered(uri)
            caller = server.connect()
            answers = caller.send(data) if overTcp else [sent for sent, _ in server.datagram(data)]
            self.assertEqual(self.told(answers), [])
            (left,) = phone.heard()
            checkRequest(self, data, left)
            message = parseDatagram(left, Limits())
            assert isinstance(message, Request)
            arrived.append(message)
        return arrived
