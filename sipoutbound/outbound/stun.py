"""
STUN as a keep-alive on SIP's UDP ports: Binding requests and their answers (RFC 5626 8, RFC 8489).

No credentials, no redirection, no state: RFC 5626 8 needs Binding requests and responses only, and
no compatibility with RFC 3489, whose messages have no magic cookie.
"""

from __future__ import annotations

from collections.abc import Iterable
from socket import AF_INET, AF_INET6, inet_ntop, inet_pton
from struct import Struct
from typing import Final
from zlib import crc32

from attrs import frozen

# RFC 8489 5: kind, length of what follows the header, magic cookie, transaction id.
_HEADER: Final = Struct(">HHI12s")
_COOKIE: Final = 0x2112A442
_TRANSACTION_OCTETS: Final = 12

# Message types: the Binding method with its classes (RFC 8489 5).
_REQUEST: Final = 0x0001
_SUCCESS: Final = 0x0101
_ERROR: Final = 0x0111

# RFC 8489 14: kind, length of the value before its padding to four octets.
_ATTRIBUTE: Final = Struct(">HH")
_MESSAGE_INTEGRITY: Final = 0x0008
_ERROR_CODE: Final = 0x0009
_UNKNOWN_ATTRIBUTES: Final = 0x000A
_MESSAGE_INTEGRITY_SHA256: Final = 0x001C
_XOR_MAPPED_ADDRESS: Final = 0x0020
_FINGERPRINT: Final = 0x8028

# RFC 8489 14: types from here on may be ignored by whoever does not know them.
_OPTIONAL: Final = 0x8000

# RFC 8489 18.3: what must be understood and is; what a Binding request does not need of these is
# "known but unexpected" and ignored (RFC 8489 6.3). Those of RFC 3489 alone are reserved: unknown.
_KNOWN: Final = frozenset((
    0x0001,  # MAPPED-ADDRESS
    0x0006,  # USERNAME
    _MESSAGE_INTEGRITY,
    _ERROR_CODE,
    _UNKNOWN_ATTRIBUTES,
    0x0014,  # REALM
    0x0015,  # NONCE
    _MESSAGE_INTEGRITY_SHA256,
    0x001D,  # PASSWORD-ALGORITHM
    0x001E,  # USERHASH
    _XOR_MAPPED_ADDRESS,
))

# RFC 8489 14.1, 14.2: a zero octet, family, port, then the address. Families 1 and 2.
_ADDRESS: Final = Struct(">xBH")
_PORT_MASK: Final = _COOKIE >> 16

# RFC 4291 2.5.5.2: an IPv4 address as a socket of both families shows it.
_IPV4_MAPPED: Final = bytes(10) + b"\xff\xff"

# RFC 8489 14.8: class 4, number 20, and the recommended reason.
_ERROR_420: Final = b"\0\0\x04\x14Unknown Attribute"

# RFC 8489 14.7.
_FINGERPRINT_MASK: Final = 0x5354554E
_FINGERPRINT_OCTETS: Final = 8


@frozen
class _Message:
    """
    A STUN message that is well formed and whose FINGERPRINT, if any, is right.
    """

    kind: int
    transaction: bytes
    attributes: list[tuple[int, bytes]]
    fingerprint: bool


def isStun(data: bytes) -> bool:
    """
    Whether a datagram is STUN's and none of SIP's business: its first octet is 0 or 1 (RFC 5626 8).
    """
    return data[:1] in (b"\0", b"\1")


def answer(data: bytes, peer: tuple[str, int]) -> bytes | None:
    """
    Answer a datagram on a SIP port as the limited STUN server of RFC 5626 8.

    @param peer: the numeric address and the port that it came from, which the answer tells.
    @return: a Binding response, or an error response 420 that lists the attributes which would have
        to be understood; it has a FINGERPRINT when the request has one. C{None}: no answer is due
        (not a well-formed Binding request; RFC 8489 6.3).
    """
    message = _read(data)
    if message is None or message.kind != _REQUEST:
        return None
    unknown = _unknown(message.attributes)
    if unknown:
        types = b"".join(kind.to_bytes(2, "big") for kind in unknown)
        body = _attribute(_ERROR_CODE, _ERROR_420) + _attribute(_UNKNOWN_ATTRIBUTES, types)
        return _printed(_ERROR, message.transaction, body, message.fingerprint)
    body = _attribute(_XOR_MAPPED_ADDRESS, _xorMapped(peer, message.transaction))
    return _printed(_SUCCESS, message.transaction, body, message.fingerprint)


def request(transactionId: bytes) -> bytes:
    """
    The Binding request of a keep-alive; it needs no attributes (RFC 5626 8).

    @param transactionId: 12 octets that nobody can guess, new for each transaction (RFC 8489 5).
    @raise ValueError: not 12 octets.
    """
    if len(transactionId) != _TRANSACTION_OCTETS:
        raise ValueError("a STUN transaction id is 12 octets")
    return _printed(_REQUEST, transactionId, b"", fingerprint=False)


def mapped(data: bytes, transactionId: bytes) -> tuple[str, int] | None:
    """
    Read our address and port, as the server sees them, from the answer to L{request}.

    @return: C{None} for whatever is not a Binding success response of this transaction.
    """
    message = _read(data)
    if message is None or message.kind != _SUCCESS or message.transaction != transactionId:
        return None
    if _unknown(message.attributes):
        return None
    for kind, value in message.attributes:
        if kind == _XOR_MAPPED_ADDRESS:
            return _unmapped(value, transactionId)
    return None


def refused(data: bytes, transactionId: bytes) -> bool:
    """
    Whether this is a Binding error response to L{request}.
    """
    message = _read(data)
    return message is not None and (message.kind, message.transaction) == (_ERROR, transactionId)


def _read(data: bytes) -> _Message | None:
    if len(data) < _HEADER.size:
        return None
    kind, length, cookie, transaction = _HEADER.unpack_from(data)
    if cookie != _COOKIE or length != len(data) - _HEADER.size or length % 4:
        return None
    attributes = _attributes(data)
    if attributes is None:
        return None
    fingerprint = any(kind == _FINGERPRINT for kind, _ in attributes)
    if fingerprint and data[-_FINGERPRINT_OCTETS:] != _fingerprint(data[:-_FINGERPRINT_OCTETS]):
        return None
    return _Message(kind, transaction, attributes, fingerprint)


def _attributes(data: bytes) -> list[tuple[int, bytes]] | None:
    found = []
    at = _HEADER.size
    while at < len(data):
        kind, length = _ATTRIBUTE.unpack_from(data, at)
        start = at + _ATTRIBUTE.size
        end = start + length
        if end > len(data):
            return None
        found.append((kind, data[start:end]))
        at = end + -end % 4
    return found


def _unknown(attributes: Iterable[tuple[int, bytes]]) -> list[int]:
    unknown: dict[int, None] = {}
    for kind, _ in attributes:
        if kind in (_MESSAGE_INTEGRITY, _MESSAGE_INTEGRITY_SHA256):
            break  # RFC 8489 9: what follows is not protected and must be ignored
        if kind < _OPTIONAL and kind not in _KNOWN:
            unknown[kind] = None
    return list(unknown)


def _printed(kind: int, transaction: bytes, body: bytes, fingerprint: bool) -> bytes:
    length = len(body) + _FINGERPRINT_OCTETS * fingerprint
    message = _HEADER.pack(kind, length, _COOKIE, transaction) + body
    return message + _fingerprint(message) if fingerprint else message


def _attribute(kind: int, value: bytes) -> bytes:
    return _ATTRIBUTE.pack(kind, len(value)) + value + bytes(-len(value) % 4)


def _fingerprint(message: bytes) -> bytes:
    return _attribute(_FINGERPRINT, (crc32(message) ^ _FINGERPRINT_MASK).to_bytes(4, "big"))


def _xorMapped(peer: tuple[str, int], transaction: bytes) -> bytes:
    host, port = peer
    octets = inet_pton(AF_INET6 if ":" in host else AF_INET, host.partition("%")[0])
    if octets[:12] == _IPV4_MAPPED:
        octets = octets[12:]
    family = 1 if len(octets) == 4 else 2
    return _ADDRESS.pack(family, port ^ _PORT_MASK) + _masked(octets, transaction)


def _unmapped(value: bytes, transaction: bytes) -> tuple[str, int] | None:
    if len(value) not in (8, 20) or value[1] != (1 if len(value) == 8 else 2):
        return None
    _, port = _ADDRESS.unpack_from(value)
    host = inet_ntop(AF_INET if len(value) == 8 else AF_INET6, _masked(value[4:], transaction))
    return host, port ^ _PORT_MASK


def _masked(octets: bytes, transaction: bytes) -> bytes:
    mask = _COOKIE.to_bytes(4, "big") + transaction
    return bytes(one ^ other for one, other in zip(octets, mask, strict=False))
