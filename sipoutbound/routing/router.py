"""
The tree: routers with children, routers by method, leaves with a fixed answer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from inspect import isawaitable

from attrs import define
from zope.interface import implementer

from sipoutbound.interfaces import IRouter
from sipoutbound.routing.decision import Decision, Reply
from sipoutbound.routing.request import Request


@implementer(IRouter)
class Router:
    """
    A router by method: C{route_INVITE(request)}, C{route_MESSAGE(request)} and so on decide, as
    plain methods or coroutines. What has no such method, or gets C{None} from it, goes to C{inner}.

    Made for subclasses: it is what C{--route NAME:ARGUMENT} puts in front of the rest.

    @ivar argument: the ARGUMENT, C{None} where none was given.
    @ivar inner: the rest of the tree.
    """

    def __init__(self, argument: str | None, inner: IRouter) -> None:
        self.argument = argument
        self.inner = inner

    async def route(self, request: Request) -> Decision:
        """
        Decide, or leave it to C{inner}.
        """
        method = getattr(self, f"route_{request.method}", None)
        if method is not None:
            decision = method(request)
            if isawaitable(decision):
                decision = await decision
            if decision is not None:
                return decision  # type: ignore[no-any-return]
        return await self.inner.route(request)


@implementer(IRouter)
@define(eq=False, repr=False)
class Branching:
    """
    A router with children: the next name ahead chooses one, as a path segment does of resources.

    @ivar otherwise: where names without a child go; the name is still ahead there.
    @ivar children: name to router; the name is behind there.
    """

    otherwise: IRouter
    children: Mapping[str, IRouter]

    def route(self, request: Request) -> Awaitable[Decision]:
        """
        Leave it to the child.
        """
        ahead = request.ahead
        child = self.children.get(ahead[0]) if ahead else None
        if child is None:
            return self.otherwise.route(request)
        return child.route(request.step())


@implementer(IRouter)
@define(eq=False, repr=False)
class Answer:
    """
    A leaf that gives every request the same reply.
    """

    reply: Reply

    async def route(self, request: Request) -> Decision:
        """
        The reply.
        """
        return self.reply
