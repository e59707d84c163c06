"""
What is not forwarded, whoever sends it and wherever it goes (RFC 3261 16.3).
"""

from __future__ import annotations

from sipoutbound.message import message as wire
from sipoutbound.routing.breadth import breadthOf
from sipoutbound.routing.decision import Reply


def refusalOf(request: wire.Request) -> Reply | None:
    """
    Why a request may not be forwarded; C{None} when it may (RFC 3261 16.3 steps 2, 3, 5; RFC 5393
    5.3.3). What an ACK or a CANCEL says it requires means nothing (RFC 3261 8.2.2.3).
    """
    if request.uri[:5].lower() == b"sips:":
        return Reply(416)
    forwards = request.first(b"max-forwards")
    if forwards is not None and int(forwards) == 0:
        return Reply(483)
    required = request.all(b"proxy-require")
    if required and request.method not in (b"ACK", b"CANCEL"):
        return Reply.unsupported(required)
    if breadthOf(request) == 0:
        return Reply(440)
    return None
