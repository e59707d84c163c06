"""
Dialogs: what two user agents share after an INVITE or a SUBSCRIBE (RFC 3261 12).
"""

from __future__ import annotations

from typing import Protocol

from attrs import define, field
from twisted.internet.defer import Deferred

from sipoutbound.agent.account import Draft
from sipoutbound.agent.reply import TextHeaders, checkedMethod, octetsOf
from sipoutbound.interfaces import IFlow
from sipoutbound.message.grammar import Malformed
from sipoutbound.message.header import NameAddress
from sipoutbound.message.message import Message, Request, Response
from sipoutbound.message.uri import URI

#: Call-ID, our tag, the other's (RFC 3261 12).
Key = tuple[bytes, bytes, bytes]


class Within(Protocol):
    """
    What a dialog needs of the user agent.
    """

    def within(self, dialog: Dialog, draft: Draft) -> Deferred[FinalResponse]:
        """
        Send a request within a dialog.
        """

    def ended(self, dialog: Dialog) -> None:
        """
        Forget a dialog.
        """


@define(eq=False, repr=False)
class Dialog:
    """
    One side of a dialog.

    @ivar local: our From, as text.
    @ivar remote: our To.
    @ivar target: the other's Contact URI.
    @ivar routes: the route set.
    @ivar flow: the flow that it came into being on.
    @ivar number: our last CSeq number.
    @ivar remoteNumber: the other's; -1 before the first.
    """

    callId: bytes
    local: bytes
    remote: bytes
    target: bytes
    routes: list[bytes]
    flow: IFlow
    number: int
    remoteNumber: int
    _agent: Within
    _ended: bool = field(default=False, init=False)
    _waiting: list[Deferred[None]] = field(factory=list, init=False)

    @classmethod
    def ofCaller(cls, response: Response, flow: IFlow, agent: Within) -> Dialog:
        """
        What a 2xx makes for who has asked (RFC 3261 12.1.2).

        @raise Malformed: when it lacks something that a dialog needs.
        """
        return cls(
            response.callId, response.need(b"from"), response.need(b"to"), contactOf(response),
            response.all(b"record-route")[::-1], flow, response.cseq.number, -1, agent,
        )  # fmt: skip

    @classmethod
    def ofCallee(cls, request: Request, tag: bytes, flow: IFlow, agent: Within) -> Dialog:
        """
        What a request makes for who answers it (RFC 3261 12.1.1).

        @param tag: our To tag.
        @raise Malformed: as L{ofCaller}.
        """
        return cls(
            request.callId, request.need(b"to") + b";tag=" + tag, request.need(b"from"),
            contactOf(request), request.all(b"record-route"), flow, 0, request.cseq.number, agent,
        )  # fmt: skip

    @property
    def key(self) -> Key:
        """
        What requests within it are known by.
        """
        return self.callId, tagIn(self.local), tagIn(self.remote)

    # For programs

    @property
    def ended(self) -> bool:
        """
        Whether it is over.
        """
        return self._ended

    def whenEnded(self) -> Deferred[None]:
        """
        @return: fires when one of the two sides has ended it.
        """
        waiting: Deferred[None] = Deferred()
        if self._ended:
            waiting.callback(None)
        else:
            self._waiting.append(waiting)
        return waiting

    def request(
        self, method: str, headers: TextHeaders = (), body: bytes = b""
    ) -> Deferred[FinalResponse]:
        """
        Send a request within the dialog.

        @return: the final response. An C{INVITE} is acknowledged before it is told.
        @raise ValueError: when the dialog has ended, or a header has a line break in it.
        """
        if self._ended:
            raise ValueError("the dialog has ended")
        octets = octetsOf(headers)
        name = checkedMethod(method)
        self.number += 1
        draft = self.draft(name, self.number, octets, body)
        if method == "BYE":
            self.end()
        return self._agent.within(self, draft)

    def bye(self) -> Deferred[FinalResponse]:
        """
        Hang up (RFC 3261 15). The dialog is over at once, whatever is answered.
        """
        return self.request("BYE")

    # For the user agent

    def draft(
        self, method: bytes, number: int, headers: list[tuple[bytes, bytes]], body: bytes = b""
    ) -> Draft:
        """
        A request within the dialog (RFC 3261 12.2.1.1).
        """
        uri, routes = self.target, list(self.routes)
        if routes and not NameAddress.parse(routes[0]).uri.has(b"lr"):
            # A strict router wants its own URI there, and ours at the end.
            uri, routes = NameAddress.parse(routes[0]).text, [*routes[1:], b"<%b>" % uri]
        contact = method not in _CONTACTLESS
        return Draft(
            method, uri, self.local, self.remote, self.callId, number, routes, headers, body,
            contact,
        )  # fmt: skip

    @property
    def nextHop(self) -> URI:
        """
        Where requests within it go first.

        @raise Malformed: when that is no URI.
        """
        return NameAddress.parse(self.routes[0]).uri if self.routes else URI.parse(self.target)

    def refreshed(self, message: Message) -> None:
        """
        The other side has said where it is now (RFC 3261 12.2.1.2, 12.2.2).
        """
        if message.first(b"contact"):
            self.target = contactOf(message)

    def end(self) -> None:
        """
        It is over.
        """
        if not self._ended:
            self._ended = True
            self._agent.ended(self)
            waiting, self._waiting = self._waiting, []
            for each in waiting:
                each.callback(None)


_CONTACTLESS = (b"ACK", b"BYE", b"CANCEL", b"MESSAGE", b"INFO", b"OPTIONS", b"PRACK")


@define(eq=False, repr=False)
class FinalResponse:
    """
    How a request of ours has ended.

    @ivar message: the response as it came.
    @ivar dialog: the dialog that it has made.
    """

    message: Response
    dialog: Dialog | None = None

    @property
    def status(self) -> int:
        """
        200 to 699. A 430 speaks of the flow of somebody else, so for an endpoint it is a 400
        (RFC 5626 11.5).
        """
        return 400 if self.message.status == 430 else self.message.status

    @property
    def reason(self) -> str:
        """
        The reason phrase.
        """
        return self.message.reason.decode("utf-8", "replace")

    @property
    def body(self) -> bytes:
        """
        The body.
        """
        return self.message.body

    def header(self, name: str) -> str | None:
        """
        The text of the first header of that name; C{None} where there is none.

        @param name: the long name, in lower case.
        """
        value = self.message.first(name.encode())
        return None if value is None else value.decode("utf-8", "replace")


def contactOf(message: Message) -> bytes:
    """
    The Contact URI of a message that forms a dialog.

    @raise Malformed: when there is none, or more than one (RFC 3261 8.1.1.8).
    """
    values = message.all(b"contact")
    if len(values) != 1:
        raise Malformed("Missing Contact Header")
    return NameAddress.parse(values[0]).text


def tagIn(address: bytes) -> bytes:
    """
    The tag of a From or To; empty where there is none.
    """
    return NameAddress.parse(address).param(b"tag") or b""


def keyOf(request: Request) -> Key:
    """
    The dialog that a request which came claims to be in.
    """
    return request.callId, tagIn(request.need(b"to")), tagIn(request.need(b"from"))
