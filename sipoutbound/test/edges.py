"""
A scripted edge of somebody else's, between phones and the server.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from attrs import define

from sipoutbound.message.message import Request, Response
from sipoutbound.outbound.policy import Policy
from sipoutbound.registrar import Registrar
from sipoutbound.test.phone import Phone
from sipoutbound.transport.flow import hostport

#: What a phone behind the edge has sent its REGISTER with.
VIA = b"SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKphone"


def lenient(policy: Policy) -> Callable[..., Registrar]:
    """
    What makes a registrar of another policy, in place of L{Registrar} in L{sipoutbound.tap}.
    """

    def made(location: Any, serves: Any, now: Any, _: Any = None, flowOf: Any = None) -> Registrar:
        return Registrar(location, serves, now, policy, flowOf)

    return made


@define(eq=False)
class Edge:
    """
    An edge with one phone behind it.

    @ivar side: its side to the server; the phone's name and instance are this one's.
    """

    side: Phone

    def path(self, user: bytes = b"", ob: bool = True) -> bytes:
        """
        A Path value that leads to this edge.

        @param user: the token, or whatever stands there.
        """
        name = user + b"@" if user else b""
        return b"<sip:%b%b;lr%b>" % (name, hostport(self.side.local), b";ob" if ob else b"")

    def register(
        self,
        contact: bytes | None,
        paths: Iterable[bytes] = (),
        supported: bytes = b"path, outbound",
        **headers: bytes,
    ) -> Request:
        """
        Pass a REGISTER of the phone on.

        @param contact: the text of its Contact header; C{None} for none.
        @param paths: one Path line each.
        @param headers: more headers, by name.
        """
        lines = [(b"Via", VIA), *((b"Path", path) for path in paths)]
        lines += [(name.encode(), value) for name, value in headers.items()]
        return self.side.register(contact, lines, supported=supported)

    async def granted(
        self,
        contact: bytes | None,
        paths: Iterable[bytes] = (),
        supported: bytes = b"path, outbound",
    ) -> Response:
        """
        Pass a REGISTER on that is accepted.
        """
        self.register(contact, paths, supported)
        return await self.side.told(200)

    async def asked(self, method: bytes, status: int = 200) -> Request:
        """
        Such a request comes, and is answered.
        """
        request = await self.side.asked(method)
        self.side.answer(request, status)
        return request
