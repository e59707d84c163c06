"""
URIs as SIP uses them: C{sip:}, C{sips:}, and others kept as they came (RFC 3261 19.1, RFC 5954).
"""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import AddressValueError, IPv6Address
from typing import Final

from attrs import define, evolve

from sipoutbound.message.grammar import ABSOLUTE_URI, SIP_URI, Malformed

Params = tuple[tuple[bytes, "bytes | None"], ...]

_ESCAPE: Final = re.compile(rb"%([0-9A-Fa-f]{2})")

# RFC 3261 19.1.4: the "reserved" of RFC 2396 2.2, which differ from their escapes; and "%" itself,
# or else "%2541" would be unescaped twice.
_RESERVED: Final = b";/?:@&=+$,%"

# RFC 3261 19.1.4: parameters that, present in one URI only, make two URIs differ.
_DECISIVE: Final = (b"user", b"ttl", b"method", b"maddr", b"transport")


def unescaped(text: bytes) -> bytes:
    """
    Undo C{%HH} escapes (RFC 3261 19.1.2).
    """
    if b"%" not in text:
        return text
    return _ESCAPE.sub(lambda match: bytes((int(match[1], 16),)), text)


def _comparable(text: bytes) -> bytes:
    """
    One spelling for all texts that RFC 3261 19.1.4 takes for the same.
    """
    if b"%" not in text:
        return text
    return _ESCAPE.sub(_comparableEscape, text)


def _comparableEscape(match: re.Match[bytes]) -> bytes:
    octet = bytes((int(match[1], 16),))
    return match[0].upper() if octet in _RESERVED else octet


def sameHost(one: bytes, other: bytes) -> bool:
    """
    Whether two hosts are the same: names without case, IPv6 references by their binary value
    (RFC 5954 4.2).
    """
    if one == other:
        return True
    if one[:1] == other[:1] == b"[":
        try:
            return IPv6Address(one[1:-1].decode()) == IPv6Address(other[1:-1].decode())
        except AddressValueError:
            return False
    return one.lower() == other.lower()


def paramOf(params: Params, name: bytes) -> bytes | None:
    """
    The value of the first parameter of that name; C{b""} for one without value, C{None} where there
    is none.
    """
    for key, value in params:
        if key == name:
            return value if value is not None else b""
    return None


# A value, and never changed. It is not frozen because one is made for nearly every message, and
# attrs takes three times as long to make a frozen one: it goes around its own guard for each
# attribute.
@define(unsafe_hash=True)
class URI:
    """
    One URI. All bytes are as they were sent, but scheme and host, which are lower-case.

    @ivar scheme: C{b"sip"}, C{b"sips"}, C{b"tel"} or whatever came.
    @ivar user: the user part, still escaped; C{None} where there is none.
    @ivar host: a name, an IPv4 address, or an IPv6 reference with its brackets; empty for
        schemes other than sip and sips.
    @ivar params: (lower-case name, value or C{None}) in the order they came.
    @ivar headers: what follows the question mark.
    @ivar opaque: for other schemes all that follows the colon.
    """

    scheme: bytes
    user: bytes | None
    password: bytes | None
    host: bytes
    port: int | None
    params: Params = ()
    headers: bytes | None = None
    opaque: bytes | None = None

    @classmethod
    def parse(cls, text: bytes) -> URI:
        """
        @param text: a whole URI, without angle brackets.
        @raise Malformed: when it is no URI.
        """
        match = SIP_URI.fullmatch(text)
        if match is None:
            return _parseOther(text)
        scheme, user, password, host, port, params, headers = match.groups()
        if port is not None and not 0 < int(port) < 65536:
            raise Malformed("Bad Port in URI")
        return cls(
            scheme.lower(),
            user,
            password,
            checkedHost(host),
            int(port) if port is not None else None,
            _parseParams(params) if params else (),
            headers,
        )

    def __bytes__(self) -> bytes:
        if self.opaque is not None:
            return self.scheme + b":" + self.opaque
        parts = [self.scheme, b":"]
        if self.user is not None:
            parts.append(self.user)
            if self.password is not None:
                parts += (b":", self.password)
            parts.append(b"@")
        parts.append(self.host)
        if self.port is not None:
            parts.append(b":%d" % self.port)
        for name, value in self.params:
            parts.append(b";" + name if value is None else b";" + name + b"=" + value)
        if self.headers is not None:
            parts += (b"?", self.headers)
        return b"".join(parts)

    def __str__(self) -> str:
        return bytes(self).decode("utf-8", "replace")

    def param(self, name: bytes) -> bytes | None:
        """
        The value of a parameter; C{b""} for one without value, C{None} where it is absent.

        @param name: lower-case.
        """
        return paramOf(self.params, name)

    def has(self, name: bytes) -> bool:
        """
        Whether a parameter is there, with or without a value.
        """
        return any(key == name for key, _ in self.params)

    def without(self, *names: bytes) -> URI:
        """
        This URI without the named parameters.
        """
        return evolve(self, params=tuple(pair for pair in self.params if pair[0] not in names))

    def aor(self) -> bytes:
        """
        The canonical address of record: C{b"user@host"}, unescaped, without port, parameters and
        password, the host in lower case (RFC 3261 10.3 step 5).
        """
        if self.opaque is not None:
            return self.scheme + b":" + self.opaque
        if self.user is None:
            return self.host
        return unescaped(self.user) + b"@" + self.host

    def equivalent(self, other: URI) -> bool:
        """
        Whether both name the same resource, by RFC 3261 19.1.4 and RFC 5954 4.2.
        """
        if self.opaque is not None or other.opaque is not None:
            return self == other
        return (
            self.scheme == other.scheme
            and _same(self.user, other.user)
            and _same(self.password, other.password)
            and self.port == other.port
            and sameHost(self.host, other.host)
            and _sameParams(_byName(self.params), _byName(other.params))
            and _sameHeaders(self.headers, other.headers)
        )


def cachedURI(text: bytes) -> URI:
    """
    L{URI.parse} for texts that return often: Request-URIs of a domain, Routes to this server.
    """
    return _remembered(text) if len(text) <= _LONGEST_REMEMBERED else URI.parse(text)


# Octets: our own Routes have some 120. Nobody can fill the memory with long ones.
_LONGEST_REMEMBERED: Final = 256
_remembered: Final = lru_cache(maxsize=1024)(URI.parse)


def _parseOther(text: bytes) -> URI:
    match = ABSOLUTE_URI.fullmatch(text)
    if match is None or match[1].lower() in (b"sip", b"sips"):
        raise Malformed("Bad URI")
    return URI(match[1].lower(), None, None, b"", None, opaque=match[2])


def checkedHost(host: bytes) -> bytes:
    """
    A host that the grammar allows, in lower case.

    @raise Malformed: when it is an IPv6 reference to nothing (RFC 5954 4.1).
    """
    if host[:1] == b"[" and not _isReference(host):
        raise Malformed("Bad IPv6 Reference")
    return host.lower()


@lru_cache(maxsize=1024)
def _isReference(host: bytes) -> bool:
    """
    Remembered, as it is asked of each Via, and takes longer than all the rest of it.
    """
    try:
        IPv6Address(host[1:-1].decode())
    except AddressValueError:
        return False
    return True


def _parseParams(text: bytes) -> Params:
    params = []
    for part in text[1:].split(b";"):
        name, equals, value = part.partition(b"=")
        params.append((name.lower(), value if equals else None))
    return tuple(params)


def _same(one: bytes | None, other: bytes | None) -> bool:
    if one is None or other is None:
        return one is other
    return one == other or _comparable(one) == _comparable(other)


def _byName(params: Params) -> dict[bytes, bytes]:
    return {
        _comparable(name).lower(): _comparable(value or b"").lower() for name, value in params
    }


def _sameParams(one: dict[bytes, bytes], other: dict[bytes, bytes]) -> bool:
    for name in one.keys() | other.keys():
        if name in one and name in other:
            if one[name] != other[name]:
                return False
        elif name in _DECISIVE:
            return False
    return True


def _sameHeaders(one: bytes | None, other: bytes | None) -> bool:
    def parsed(text: bytes | None) -> list[tuple[bytes, bytes]]:
        pairs = (part.partition(b"=") for part in (text or b"").split(b"&"))
        return sorted((_comparable(name).lower(), _comparable(value)) for name, _, value in pairs)

    return one == other or parsed(one) == parsed(other)
