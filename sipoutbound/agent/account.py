"""
Who a client is: its address of record and its instance, as they stand in requests (RFC 5626 4.1).
"""

from __future__ import annotations

from collections.abc import Iterable

from attrs import frozen

from sipoutbound.interfaces import IFlow
from sipoutbound.message.message import Request
from sipoutbound.message.parse import parseMessage
from sipoutbound.message.unique import uniqueBranch
from sipoutbound.message.uri import URI

Headers = Iterable[tuple[bytes, bytes]]

#: RFC 5626 4.2.1, 4.3.
SUPPORTED = (b"Supported", b"path, outbound")


@frozen
class Account:
    """
    @ivar aor: the address of record, a URI.
    @ivar instance: the instance-id, a URN.
    """

    aor: URI
    instance: bytes

    @property
    def domain(self) -> bytes:
        """
        Where it registers: the URI of its domain (RFC 3261 10.2).
        """
        return bytes(URI(self.aor.scheme, None, None, self.aor.host, self.aor.port))

    def contact(self, flow: IFlow) -> bytes:
        """
        Its Contact URI on a flow: the address that it has itself. Nobody else needs to reach that.
        """
        user = b"" if self.aor.user is None else self.aor.user + b"@"
        return b"sip:%b%b" % (user, flow.name)

    def address(self, uri: bytes) -> bytes:
        """
        The Contact header of a URI of ours, with the instance-id.
        """
        return b'<%b>;+sip.instance="<%b>"' % (uri, self.instance)


@frozen
class Way:
    """
    A flow, and the Routes of whoever must be passed on it.
    """

    flow: IFlow
    routes: tuple[bytes, ...] = ()


@frozen
class Draft:
    """
    A request without what depends on the way that it goes.

    @ivar routes: the route set behind those of the way.
    @ivar headers: those after the ones that every request has.
    @ivar contact: whether it tells where the answers within its dialog go (RFC 5626 4.3).
    """

    method: bytes
    uri: bytes
    from_: bytes
    to: bytes
    callId: bytes
    number: int
    routes: list[bytes]
    headers: list[tuple[bytes, bytes]]
    body: bytes = b""
    contact: bool = False

    def over(self, way: Way, account: Account) -> tuple[Request, bytes]:
        """
        The request as it goes a way, and its new branch.
        """
        flow = way.flow
        branch = uniqueBranch()
        headers = list(self.headers)
        if self.contact:
            uri = account.contact(flow) + b";ob"
            headers.append((b"Contact", account.address(uri)))
        lines = [
            b"%b %b SIP/2.0" % (self.method, self.uri),
            b"Via: " + flow.via + branch,
            *[b"Route: " + route for route in (*way.routes, *self.routes)],
            b"Max-Forwards: 70",
            b"From: " + self.from_,
            b"To: " + self.to,
            b"Call-ID: " + self.callId,
            b"CSeq: %d %b" % (self.number, self.method),
            *[name + b": " + value for name, value in headers],
            b"Content-Length: %d" % len(self.body),
        ]
        request = parseMessage(b"\r\n".join(lines), self.body)
        assert isinstance(request, Request)
        return request, branch
