"""
A request under way through the tree: names ahead, names behind, the flow it came on.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from attrs import define, evolve, field

from sipoutbound.interfaces import IFlow
from sipoutbound.message import message as wire
from sipoutbound.message.message import Response
from sipoutbound.message.name import KEYS
from sipoutbound.message.uri import URI, cachedURI, unescaped
from sipoutbound.routing.decision import Decision

#: Carries a decision about a request out, and ends it after so many seconds, if any.
Forwarder = Callable[["Request", Decision, "float | None"], Awaitable[Response]]


@define(eq=False, repr=False)
class Request:
    """
    One request on its way.

    @ivar message: what came, less the Routes that are behind, or with our Path; a plugin leaves
        it alone.
    @ivar target: its Request-URI, or what a router in front has put instead.
    @ivar flow: the flow it came on; an opaque value.
    @ivar behind: the names already walked, as C{prepath} of a resource.
    @ivar ahead: the names to go: the domain, then the user, as far as there are any.
    @ivar depth: how many users of ours have led here, one after the other.
    @ivar answering: told each response before it goes back: what the edge half adds to it.
    """

    message: wire.Request
    target: URI
    flow: IFlow
    behind: tuple[str, ...] = ()
    ahead: tuple[str, ...] = ()
    depth: int = 0
    _forwarding: Forwarder | None = None
    answering: Callable[[Response], None] | None = field(default=None, init=False)

    @classmethod
    def arrived(cls, message: wire.Request, flow: IFlow, forwarding: Any) -> Request:
        """
        A request at the root of the tree.
        """
        target = cachedURI(message.uri)
        return cls(message, target, flow, (), namesOf(target), 0, forwarding)

    @property
    def method(self) -> str:
        """
        The method, such as C{"INVITE"}.
        """
        return self.message.method.decode()

    @property
    def uri(self) -> str:
        """
        The Request-URI.
        """
        return str(self.target)

    @property
    def user(self) -> str:
        """
        The user part of the Request-URI, unescaped; empty where there is none.
        """
        return unescaped(self.target.user or b"").decode("utf-8", "replace")

    @property
    def host(self) -> str:
        """
        The host of the Request-URI: our domain, where the request is for a user of ours.
        """
        return self.target.host.decode()

    @property
    def aor(self) -> str:
        """
        The address of record that is called: C{"user@host"}, without port and parameters.
        """
        return self.target.aor().decode("utf-8", "replace")

    @property
    def caller(self) -> str:
        """
        The URI in From: who says to call. Nobody has checked it.
        """
        return self.message.from_.text.decode("utf-8", "replace")

    @property
    def body(self) -> bytes:
        """
        The body.
        """
        return self.message.body

    def header(self, name: str) -> str | None:
        """
        The text of the first header of that name, in any spelling; C{None} where there is none.
        """
        value = self.message.first(KEYS[name.encode()])
        return None if value is None else value.decode("utf-8", "replace")

    def to(self, uri: str | bytes | URI) -> Request:
        """
        The same request for another target, to give to an inner router.

        @raise sipoutbound.message.grammar.Malformed: when C{uri} is none.
        """
        text = uri.encode() if isinstance(uri, str) else bytes(uri)
        target = URI.parse(text)
        ahead, depth = namesOf(target), self.depth + 1
        return evolve(self, target=target, behind=(), ahead=ahead, depth=depth)

    def step(self) -> Request:
        """
        The same request one name further.
        """
        name, *ahead = self.ahead
        behind = (*self.behind, name)
        # Not by evolve(): every request takes this step, and it costs ten times as much.
        return Request(
            self.message, self.target, self.flow, behind, tuple(ahead), self.depth, self._forwarding
        )

    async def forward(self, decision: Decision, seconds: float | None = None) -> Response:
        """
        Carry a decision out now, such as the one of an inner router, and wait for the best final
        response. A 2xx has been passed on to the caller when it is returned; any other has not, and
        is, when a router returns it. Once the caller has cancelled it is 487 and nothing is sent.

        @param seconds: for how long an INVITE may ring: the response is 408 then.
        """
        assert self._forwarding is not None
        return await self._forwarding(self, decision, seconds)

    def served(self) -> None:
        """
        It has been answered: nothing more is forwarded. It and who forwards would keep each other
        until the collector comes.
        """
        self._forwarding = None


def namesOf(target: URI) -> tuple[str, ...]:
    """
    What the tree walks along: the host, in lower case, then the user, unescaped.
    """
    host = target.host.decode()
    if target.user is None:
        return (host,)
    return host, unescaped(target.user).decode("utf-8", "replace")
