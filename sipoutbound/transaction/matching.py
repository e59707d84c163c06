"""
Which transaction a message belongs to: keys to look it up by (RFC 3261 17.1.3, 17.2.3, 9.2).

Two messages belong to the same transaction if their keys are equal. Keys are tuples to be put into
dicts; what is in them is nobody else's business.
"""

from __future__ import annotations

from typing import Final

from sipoutbound.message.header import Via
from sipoutbound.message.message import Request, Response
from sipoutbound.message.unique import MAGIC

Key = tuple[object, ...]
ClientKey = tuple[bytes, bytes]


def serverKey(request: Request) -> Key:
    """
    The server transaction of a request that came. An ACK has the key of the INVITE that it
    acknowledges: that of a 2xx has another branch and so matches nothing, save from RFC 2543
    clients (RFC 6026 6).

    @raise Malformed: when a header that the key is made of is absent or bad.
    """
    method = request.method
    return _key(request, b"INVITE" if method == b"ACK" else method)


def cancelledKey(cancel: Request) -> Key:
    """
    The server transaction that a CANCEL wants to end: that of the INVITE (RFC 3261 9.2). A CANCEL
    of any other request has no effect (9.1, 9.2), so none is looked for.

    @raise Malformed: as L{serverKey}.
    """
    return _key(cancel, b"INVITE")


def clientKey(response: Response) -> ClientKey:
    """
    The client transaction of a response that came (RFC 3261 17.1.3).

    @raise Malformed: when Via or CSeq is absent or bad.
    """
    return (response.via.branch or b"", response.cseq.method)


def clientKeyOf(branch: bytes, method: bytes) -> ClientKey:
    """
    The key of a client transaction of our own.

    @param branch: what is in the top Via of the request as it is sent; not empty.
    @param method: the request's.
    """
    return (branch, method)


def mergeKey(request: Request) -> Key | None:
    """
    What the copies of one request have in common that a proxy has forked and that have come by two
    ways (RFC 3261 8.2.2.2); C{None} for what cannot be such a copy: it belongs to a dialog, or
    nobody is between its client and us. No proxy changes what the key is made of, so that nothing
    has to be parsed.
    """
    values = request.values
    direct = request.keys.count(b"via") == 1 and b"," not in values[b"via"]
    if direct or request.inDialog:
        return None
    return (values[b"from"], values[b"call-id"], values[b"cseq"])


def sameSender(response: Response, request: Request) -> bool:
    """
    Whether the topmost Via of a response has the sent-by of a request of ours: one with another is
    not for us, whatever its branch (RFC 3261 18.1.2).
    """
    one, other = response.via, request.via
    ports = one.port or _defaultPort(one), other.port or _defaultPort(other)
    return one.host == other.host and ports[0] == ports[1]


def _key(request: Request, method: bytes) -> Key:
    """
    Branches are compared octet by octet. A branch that is the magic cookie and nothing more names
    no transaction: the rules for RFC 2543 apply (RFC 4475 3.2.1).
    """
    via = request.via
    branch = via.branch
    if branch is None or not branch.startswith(MAGIC) or branch == MAGIC:
        return _oldKey(request, method)
    return (branch, via.host, via.port or _defaultPort(via), method)


def _oldKey(request: Request, method: bytes) -> Key:
    """
    RFC 3261 17.2.3 for clients of RFC 2543.

    The To tag is left out for INVITE: an ACK's is that of the response, which the INVITE did not
    have. RFC 3261 compares it with the response's to tell the ACKs of a 2xx and of another final
    response apart; a transaction here never sends both (its table discards the second).
    """
    via = request.via
    return (
        method,
        request.uri,
        None if method == b"INVITE" else request.to.param(b"tag"),
        request.from_.param(b"tag"),
        request.callId,
        request.cseq.number,
        (via.transport, via.host, via.port or _defaultPort(via)),
        frozenset(via.params),
    )


def _defaultPort(via: Via) -> int:
    return _PORTS.get(via.transport, 5060)


# The port that a sent-by without one means: RFC 3261 18.1.1; RFC 7118 5.5.
_PORTS: Final = {b"TLS": 5061, b"TLS-SCTP": 5061, b"WS": 80, b"WSS": 443}
