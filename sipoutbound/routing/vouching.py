"""
Whose word a registrar takes for the way back to a client (RFC 3327 6.1, RFC 5626 12).
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Final

from attrs import define
from twisted.logger import Logger
from zope.interface import implementer

from sipoutbound.interfaces import IRouter
from sipoutbound.routing.decision import Decision, Reply
from sipoutbound.routing.request import Request
from sipoutbound.routing.router import Answer
from sipoutbound.routing.trust import Trust

log = Logger()

_REFUSED: Final = Answer(Reply(403, "Path Not Trusted"))


@implementer(IRouter)
@define(eq=False, repr=False)
class Vouching:
    """
    Lets a Path in from trusted peers only, wherever it goes: whoever may write one has the calls of
    a user go where he likes, and a registrar that trusts us would believe it of us.

    @ivar inner: the tree behind.
    @ivar trust: who vouches for what he has sent on.
    @ivar always: whether somebody has to vouch for each REGISTER: clients come by edges only.
    """

    inner: IRouter
    trust: Trust
    always: bool = False

    def route(self, request: Request) -> Awaitable[Decision]:
        """
        Refuse a REGISTER that nobody vouches for.
        """
        message, peer = request.message, request.flow.peer
        foreign = message.method == b"REGISTER" and (self.always or b"path" in message.values)
        if foreign and not self.trust.includes(peer[0]):
            log.info("REGISTER of {peer} refused: not from a trusted edge", peer=peer)
            return _REFUSED.route(request)
        return self.inner.route(request)
