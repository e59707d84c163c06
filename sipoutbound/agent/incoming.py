"""
Requests that come to a user agent, as its program sees them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from attrs import define, field

from sipoutbound.agent.account import SUPPORTED, Account
from sipoutbound.agent.dialog import Dialog
from sipoutbound.agent.reply import Reply, TextHeaders, octetsOf
from sipoutbound.interfaces import IServerTransaction
from sipoutbound.message.message import Request, Response
from sipoutbound.message.name import KEYS
from sipoutbound.message.unique import unique


@define(eq=False, repr=False)
class Incoming:
    """
    One request.

    @ivar message: what came.
    @ivar dialog: the dialog that it is in, or that it has made, once an INVITE was accepted.
    """

    message: Request
    dialog: Dialog | None
    _transaction: IServerTransaction
    _account: Account
    tag: bytes = field(factory=unique, init=False)

    @property
    def method(self) -> str:
        """
        The method, such as C{"MESSAGE"}.
        """
        return self.message.method.decode()

    @property
    def caller(self) -> str:
        """
        The URI in From: who says to ask. Nobody here has checked it.
        """
        return self.message.from_.text.decode("utf-8", "replace")

    @property
    def body(self) -> bytes:
        """
        The body.
        """
        return self.message.body

    @property
    def text(self) -> str:
        """
        The body as text.
        """
        return self.message.body.decode("utf-8", "replace")

    def header(self, name: str) -> str | None:
        """
        The text of the first header of that name, in any spelling; C{None} where there is none.
        """
        value = self.message.first(KEYS[name.encode()])
        return None if value is None else value.decode("utf-8", "replace")

    def provisional(self, status: int = 180, headers: TextHeaders = (), body: bytes = b"") -> None:
        """
        Say that it goes on: 180 by default, it rings. For INVITE only: nothing else has such
        responses (RFC 4320 4.1).

        @param status: 101 to 199; any other is a C{ValueError}.
        """
        if not 101 <= status <= 199 or self.message.method != b"INVITE":
            raise ValueError(f"no {status} for {self.method}")
        self._transaction.respond(self.response(status, octetsOf(headers), body))

    def response(
        self,
        status: int,
        headers: list[tuple[bytes, bytes]],
        body: bytes = b"",
        reason: str | None = None,
    ) -> Response:
        """
        A response to it, not sent: with a Contact, and the way back, where it may form a dialog
        (RFC 3261 12.1.1).
        """
        request = self.message
        added = [SUPPORTED] if 200 <= status < 300 else []
        if status < 300 and request.method in _DIALOG_FORMING:
            added += [(b"Record-Route", text) for text in request.texts(b"record-route")]
            contact = self._account.contact(self._transaction.flow)
            added.append((b"Contact", self._account.address(contact)))
        made = Response.reply(request, status, reason, (*added, *headers), self.tag)
        if body:
            made.set(b"Content-Length", b"%d" % len(body))
            made.body = body
        return made


# RFC 3261 12.1, RFC 6665, RFC 3515, RFC 3311.
_DIALOG_FORMING = (b"INVITE", b"SUBSCRIBE", b"REFER", b"UPDATE")

#: What a program returns: a response, its status alone, or C{None} for "not mine".
Answer: TypeAlias = Reply | int | None
Answering = Callable[[Incoming], Answer | Awaitable[Answer]]
