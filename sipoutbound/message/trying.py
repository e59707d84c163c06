"""
The first response that a server of its own accord gives (RFC 3261 8.2.6.1).
"""

from __future__ import annotations

from sipoutbound.message.message import Request, Response


def trying(request: Request, delay: float = 0.0) -> Response:
    """
    100 (Trying), without a tag. The Timestamp of the request is in it, so that who has sent it
    learns how long the way is.

    @param delay: seconds since the request came; said behind the Timestamp.
    """
    stamp = request.first(b"timestamp")
    if stamp is None:
        return Response.reply(request, 100)
    if delay:
        stamp = b"%b %.1f" % (stamp.split()[0] if stamp else b"", delay)
    return Response.reply(request, 100, None, ((b"Timestamp", stamp),))
