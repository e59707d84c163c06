"""
The dialogs of a scripted phone (RFC 3261 12).
"""

from __future__ import annotations

from attrs import define

from sipoutbound.message.message import Message, Request, Response
from sipoutbound.test.phone import CONTACTLESS, Phone, written


@define(eq=False)
class Dialog:
    """
    One side of a dialog (RFC 3261 12).

    @ivar local: our From.
    @ivar remote: our To.
    @ivar target: the other's Contact URI.
    @ivar routes: the Route values, in order.
    """

    phone: Phone
    callId: bytes
    local: bytes
    remote: bytes
    target: bytes
    routes: list[bytes]
    number: int = 100

    @classmethod
    def ofCaller(cls, phone: Phone, response: Response) -> Dialog:
        """
        What a 2xx has made for who gets it (RFC 3261 12.1.2).
        """
        routes = response.all(b"record-route")[::-1]
        local, remote = response.need(b"from"), response.need(b"to")
        return cls(phone, response.callId, local, remote, _contactOf(response), routes)

    @classmethod
    def ofCallee(cls, phone: Phone, request: Request) -> Dialog:
        """
        What a request has made for who answers it (RFC 3261 12.1.1).
        """
        local = request.need(b"to") + b";tag=" + phone.user
        routes = request.all(b"record-route")
        remote = request.need(b"from")
        return cls(phone, request.callId, local, remote, _contactOf(request), routes)

    def ask(self, method: bytes, number: int | None = None, body: bytes = b"") -> Request:
        """
        Send a request within the dialog.

        @param number: the CSeq number; the next one where it is C{None}.
        """
        if number is None:
            self.number += 1
            number = self.number
        lines = [
            method + b" " + self.target + b" SIP/2.0",
            b"Via: " + self.phone.via(),
            *(b"Route: " + route for route in self.routes),
            b"Max-Forwards: 70",
            b"From: " + self.local,
            b"To: " + self.remote,
            b"Call-ID: " + self.callId,
            b"CSeq: %d %b" % (number, method),
        ]
        if method not in CONTACTLESS:
            lines.append(b"Contact: <%b>" % self.phone.contact)
        request = written(lines, body)
        self.phone.send(request)
        return request


def _contactOf(message: Message) -> bytes:
    return message.need(b"contact").strip(b"<>")
