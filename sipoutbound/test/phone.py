"""
A scripted client: it sends what it is told to, answers nothing by itself, and hands out what comes.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import count
from typing import Any, Final

from attrs import define, field

from sipoutbound.interfaces import Address
from sipoutbound.message.message import Message, Request, Response
from sipoutbound.message.parse import parseMessage
from sipoutbound.test.line import Datagrams, Octets, opened, within

DOMAIN: Final = b"example.test"

# Where a phone believes to be: behind a NAT, so nothing that is sent there arrives.
PRIVATE: Final = b"10.0.0.9:5099"

Headers = Iterable[tuple[bytes, bytes]]

# Methods that need no Contact, or of which it is the very matter (RFC 3261 20, table 2).
CONTACTLESS: Final = (b"REGISTER", b"ACK", b"BYE", b"CANCEL", b"MESSAGE", b"OPTIONS")

_serial = count(1)


@define(eq=False, repr=False)
class Phone:
    """
    One client on one flow.

    @ivar user: the user part of its address of record.
    @ivar line: its flow.
    @ivar local: its address as the server sees it.
    @ivar contact: its Contact URI: behind a NAT unless a test says otherwise.
    @ivar instance: the UUID of its instance-id.
    @ivar callId: the Call-ID of its REGISTERs.
    """

    user: bytes
    line: Datagrams | Octets
    local: Address
    contact: bytes = field()
    instance: bytes = field(factory=lambda: b"00000000-0000-4000-8000-%012x" % next(_serial))
    callId: bytes = field(factory=lambda: b"register-%d" % next(_serial))
    _numbers: Any = field(factory=lambda: count(1))

    @contact.default
    def _private(self) -> bytes:
        return b"sip:%b@%b;transport=%b" % (self.user, PRIVATE, self.transport.lower())

    @classmethod
    async def at(cls, server: Address, user: bytes, transport: bytes, port: int = 0) -> Phone:
        """
        A phone with a new line.

        @param server: where to.
        @param port: the port to be seen with; 0 for any that is free.
        """
        line = await opened(server, transport, port)
        local = line.transport.getHost()
        return cls(user, line, (local.host, local.port))

    @property
    def transport(self) -> bytes:
        """
        As it stands in a Via.
        """
        return b"TCP" if isinstance(self.line, Octets) else b"UDP"

    @property
    def aor(self) -> bytes:
        """
        Its address of record, a URI.
        """
        return b"sip:%b@%b" % (self.user, DOMAIN)

    # Sending

    def send(self, data: bytes | Message) -> None:
        """
        Send it as it is.
        """
        self.line.write(bytes(data))

    def compose(
        self, method: bytes, uri: bytes, headers: Headers = (), body: bytes = b"", **changes: bytes
    ) -> Request:
        """
        A request outside of dialogs, not sent yet.

        @param changes: other values of C{via}, C{to}, C{callId} or C{number}, the CSeq's.
        """
        number = changes.get("number", b"%d" % next(self._numbers))
        lines = [
            method + b" " + uri + b" SIP/2.0",
            b"Via: " + changes.get("via", self.via()),
            b"Max-Forwards: 70",
            b"From: <%b>;tag=%b" % (self.aor, self.user),
            b"To: " + changes.get("to", b"<%b>" % uri),
            b"Call-ID: " + changes.get("callId", b"call-%d" % next(_serial)),
            b"CSeq: %b %b" % (number, method),
        ]
        if method not in CONTACTLESS:
            lines.append(b"Contact: <%b>" % self.contact)
        return written([*lines, *_lines(headers)], body)

    def via(self) -> bytes:
        """
        A new Via value.
        """
        return b"SIP/2.0/%b %b;branch=z9hG4bK-%d;rport" % (self.transport, PRIVATE, next(_serial))

    def ask(
        self, method: bytes, uri: bytes, headers: Headers = (), body: bytes = b"", **changes: bytes
    ) -> Request:
        """
        L{compose} a request and send it.
        """
        request = self.compose(method, uri, headers, body, **changes)
        self.send(request)
        return request

    def again(self, request: Request, method: bytes, to: bytes | None = None) -> Request:
        """
        Send the CANCEL of a request, or the ACK for its failure: of the same branch.

        @param to: the To of the response, for an ACK.
        """
        keep = (b"route", b"max-forwards", b"from", b"call-id")
        pairs = zip(request.lines, request.keys, strict=True)
        lines = [
            method + b" " + request.uri + b" SIP/2.0",
            request.lines[request.keys.index(b"via")],
            *(line for line, key in pairs if key in keep),
            b"To: " + (to or request.need(b"to")),
            b"CSeq: %d %b" % (request.cseq.number, method),
        ]
        made = written(lines)
        self.send(made)
        return made

    def cancel(self, invite: Request) -> Request:
        """
        Send its CANCEL (RFC 3261 9.1).
        """
        return self.again(invite, b"CANCEL")

    def acknowledge(self, invite: Request, response: Response) -> Request:
        """
        Send the ACK for a failure (RFC 3261 17.1.1.3).
        """
        return self.again(invite, b"ACK", response.need(b"to"))

    def answer(
        self, request: Request, status: int, headers: Headers = (), body: bytes = b""
    ) -> bytes:
        """
        Send a response of ours; with a Contact where a dialog can come of it.

        @return: what was sent.
        """
        echoed = (b"via", b"from", b"call-id", b"cseq", b"record-route")
        pairs = zip(request.lines, request.keys, strict=True)
        lines = [line for line, key in pairs if key in echoed]
        to = request.need(b"to")
        tag = b"" if b";tag=" in to or status == 100 else b";tag=" + self.user
        lines.append(b"To: " + to + tag)
        if 100 < status < 300 and request.method not in CONTACTLESS:
            lines.append(b"Contact: <%b>" % self.contact)
        lines += [*_lines(headers), b"Content-Length: %d" % len(body), b"", body]
        made = b"\r\n".join([b"SIP/2.0 %d Said So" % status, *lines])
        self.send(made)
        return made

    # Hearing

    async def hears(self, what: str = "anything") -> Any:
        """
        The next thing that comes: a message, or octets that are none.
        """
        return await within(self.line.heard.get(), f"{self.user.decode()} awaits {what}")

    async def asked(self, method: bytes) -> Request:
        """
        The next thing, which must be such a request.
        """
        request = await self.hears(method.decode())
        assert isinstance(request, Request) and request.method == method, bytes(request)
        return request

    async def told(self, status: int) -> Response:
        """
        The next thing but 100 (Trying), which must be a response with that status.
        """
        response = await self.hears(str(status))
        while isinstance(response, Response) and response.status == 100 != status:
            response = await self.hears(str(status))
        assert isinstance(response, Response) and response.status == status, bytes(response)
        return response

    async def hearsNothing(self) -> None:
        """
        Make sure that the server has sent nothing but what was heard already: it answers a question
        of ours next. Also that it is alive.
        """
        question = self.ask(b"OPTIONS", b"sip:" + DOMAIN)
        answer = await self.told(200)
        assert answer.callId == question.callId, bytes(answer)

    # Usual doings

    def binding(self, regId: int = 1) -> bytes:
        """
        The Contact of an outbound registration (RFC 5626 4.2.1).
        """
        return b'<%b>;+sip.instance="<urn:uuid:%b>";reg-id=%d' % (
            self.contact, self.instance, regId,
        )  # fmt: skip

    def register(self, contact: bytes | None, headers: Headers = (), **changes: bytes) -> Request:
        """
        Send a REGISTER.

        @param contact: the text of its Contact header; C{None} for none.
        @param changes: as of L{compose}, or another value of C{supported}.
        """
        changes = {"to": b"<%b>" % self.aor, "callId": self.callId, **changes}
        contacts = [] if contact is None else [(b"Contact", contact)]
        supported = (b"Supported", changes.pop("supported", b"path, outbound"))
        return self.ask(
            b"REGISTER", b"sip:" + DOMAIN, [*contacts, supported, *headers], **changes
        )

    async def registered(self, regId: int = 1, contact: bytes | None = None) -> Phone:
        """
        Register, as an outbound flow unless C{contact} says otherwise.

        @return: itself.
        """
        self.register(contact or self.binding(regId))
        await self.told(200)
        return self

    def speakingFor(self, other: Phone) -> Phone:
        """
        A phone on this one's flow, for what is to be asked in the name of the other's user.
        """
        return Phone(other.user, self.line, self.local, instance=other.instance)

    async def close(self) -> None:
        """
        Close its flow, and wait until the server must have noticed.
        """
        if not self.line.closed.called:
            self.line.close()
        try:
            await within(self.line.closed, "the end of a connection")
        except AssertionError:
            self.line.abort()
            raise

    async def ended(self) -> None:
        """
        Wait until the server has closed its flow.
        """
        await within(self.line.closed, "the end of a connection")

    async def abort(self) -> None:
        """
        Break its flow off.
        """
        self.line.abort()
        await within(self.line.closed, "the end of a connection")


def _lines(headers: Headers) -> list[bytes]:
    return [name + b": " + value for name, value in headers]


def written(lines: list[bytes], body: bytes = b"") -> Request:
    """
    The request of these lines, its Content-Length added.
    """
    request = parseMessage(b"\r\n".join([*lines, b"Content-Length: %d" % len(body)]), body)
    assert isinstance(request, Request)
    return request
