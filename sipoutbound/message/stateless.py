"""
Answers that nobody remembers having given (RFC 3261 8.2.7).
"""

from __future__ import annotations

from sipoutbound.message.message import Headers, Request, Response
from sipoutbound.message.unique import steady


def stateless(
    request: Request, status: int, reason: str | None = None, headers: Headers = ()
) -> Response:
    """
    A final response that is the same each time the request is repeated, down to its To tag.
    """
    return Response.reply(request, status, reason, headers, _tag(request))


def acknowledgesStateless(ack: Request) -> bool:
    """
    Whether an ACK is for such a response. It is of no call then, and to be ignored.

    @raise sipoutbound.message.grammar.Malformed: when its To or Via is none.
    """
    return ack.to.param(b"tag") == _tag(ack)


def _tag(request: Request) -> bytes:
    texts = (request.first(key) or b"" for key in (b"from", b"call-id"))
    return steady(request.via.branch or b"", *texts)
