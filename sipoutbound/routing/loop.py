"""
Loop detection: what came back to us as it was before is forwarded no more (RFC 5393 4).
"""

from __future__ import annotations

import os
from hashlib import blake2b
from typing import Final

from attrs import define, field

from sipoutbound.interfaces import IFlow
from sipoutbound.message.message import Request
from sipoutbound.routing.decision import Reply

#: The answer to what has been here before (RFC 5393 4.2.2).
LOOP: Final = Reply(482)

# RFC 5393 4.2.4 takes 32 bits for enough.
_DIGEST_OCTETS: Final = 8
_KEY_OCTETS: Final = 16


def _key() -> bytes:
    return os.urandom(_KEY_OCTETS)


@define(eq=False, repr=False)
class LoopDetection:
    """
    Knows a request again by the second part of the branch of our own Via.

    The key makes that part ours: nobody else's Via can hold it, so that none has to be parsed, and
    another server of this kind, which gets the same request from us, does not take it for its own.
    """

    _secret: bytes = field(factory=_key)

    def mark(self, request: Request, flow: IFlow) -> bytes:
        """
        The second part of a branch (RFC 5393 4.2.1): another one for whatever decides where a
        request goes. The host that it came from is a part of it, as a router may send a request
        through a server of its own and know by that that it has been there. The method is not: an
        ACK and a CANCEL have the branch of their INVITE.

        @param request: as it came, with all of its Routes.
        @param flow: what it came on.
        """
        digest = blake2b(key=self._secret, digest_size=_DIGEST_OCTETS)
        digest.update(b"\n".join((
            request.uri,
            b",".join(request.all(b"route")),
            request.from_.param(b"tag") or b"",
            request.to.param(b"tag") or b"",
            request.callId,
            b"%d" % request.cseq.number,
            flow.peer[0].encode(),
        )))  # fmt: skip
        return b"-" + digest.hexdigest().encode()

    def looped(self, request: Request, mark: bytes) -> bool:
        """
        Whether a request has been here before, with nothing changed that decides where it goes
        (RFC 5393 4.2.2). One that has changed is a spiral, and may pass.

        @param mark: its L{mark}.
        """
        return any(mark in text for text in request.texts(b"via"))
