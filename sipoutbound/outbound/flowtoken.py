"""
Flow tokens: the identity of a flow, sealed so that nobody else can make one (RFC 5626 5.2).

A token is the user part of the Path and Record-Route URIs that an edge writes. What it says::

    token    = base64url, without padding, of (sealed mac)
    sealed   = key-id kind identity     ; one octet, one octet, what the kind says
    mac      = the first 16 octets of HMAC-SHA256 (sealed) with the key of that key-id

    kind 1, identity = epoch serial     ; a stream: 8 octets, 6 octets; 43 characters in all
    kind 2, identity = local peer       ; UDP over IPv4: twice address and port; 40 characters
    kind 3, identity = local peer       ; UDP over IPv6; 72 characters

A stream's token never holds addresses, so a NAT port that is used again reaches nobody. A UDP flow
has nothing but its addresses, so its token outlives a restart.
"""

from __future__ import annotations

import hmac
import re
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from socket import AF_INET, AF_INET6, AddressFamily, inet_ntop, inet_pton
from struct import Struct
from typing import Final

from attrs import Factory, field, frozen

from sipoutbound.message.uri import unescaped
from sipoutbound.outbound.key import Key

EPOCH_OCTETS: Final = 8

# 48 bits: 10,000 connections a second for 890 years of one run.
_SERIAL_OCTETS: Final = 6

# HMAC-SHA256 cut to 128 bits; RFC 2104 5 asks for half of the hash's length at least.
_MAC_OCTETS: Final = 16

# Older keys that a rotation keeps. Tokens in Path live as long as a registration, tokens in
# Record-Route as long as a dialog: three times the time between rotations must be longer.
_OLDER_KEYS: Final = 3

# What follows the secret of a key that seals nothing yet.
_NEXT: Final = re.compile(rb"(?<=[0-9A-Fa-f])[ \t]+next[ \t]*$")

_KEY_FILE_TITLE: Final = (
    b"# Keys of flow tokens: id (0 to 255), secret. The first seals, one with 'next' will.\n"
)


class Forged(ValueError):
    """
    A token that none of our keys has sealed; the request deserves a 403 (RFC 5626 5.3.1).
    """


@frozen
class StreamFlow:
    """
    A connection (TCP, TLS, WebSocket), known by the run of the node that had it.

    @ivar epoch: 8 random octets, chosen anew at each start of this node.
    @ivar serial: the number of the connection in this run, below 2**48.
    """

    epoch: bytes
    serial: int


@frozen
class DatagramFlow:
    """
    A UDP five-tuple (RFC 5626 3.4).

    Both addresses are numeric, of one family, and spelled as C{socket.inet_ntop} does, which is how
    sockets give them; no scope.

    @ivar transport: C{b"UDP"}.
    @ivar local: our address and port.
    @ivar peer: the client's address and port as we see them, behind its NAT.
    """

    transport: bytes
    local: tuple[str, int]
    peer: tuple[str, int]


Flow = StreamFlow | DatagramFlow


def _keyed(keys: Keys) -> dict[int, hmac.HMAC]:
    return {key.number: hmac.new(key.secret, digestmod="sha256") for key in keys.all}


@frozen
class Keys:
    """
    A key ring: seals with its current key, opens what any of its keys has sealed.

    @ivar keys: the current key first, then those that it came after; at least one.
    @ivar coming: the key that will be the current one after the L{switch<switched>}. Of the edges
        that share a ring one may have made the switch already.
    """

    keys: tuple[Key, ...] = field()
    coming: Key | None = None
    # Keyed once, copied for each token: the key schedule is half the cost of a short HMAC.
    _macs: Mapping[int, hmac.HMAC] = field(
        default=Factory(_keyed, takes_self=True), init=False, repr=False, eq=False
    )

    def __attrs_post_init__(self) -> None:
        if not self.keys:
            raise ValueError("no key")
        if len(self._macs) < len(self.all):
            raise ValueError("two keys with the same id")

    @property
    def all(self) -> tuple[Key, ...]:
        """
        Every key, the current one first; no id twice.
        """
        return self.keys if self.coming is None else (*self.keys, self.coming)

    @classmethod
    def generate(cls) -> Keys:
        """
        Make a ring of one fresh key. Its id is any, so that rings can be put together.
        """
        return cls((Key.generate(secrets.randbelow(256)),))

    @classmethod
    def parse(cls, text: bytes) -> Keys:
        """
        Read a key file: a key a line, the current one first; blank and C{#} lines are skipped. One
        line may end in C{next}.

        @raise ValueError: no key, an id twice, two that are next, or a line that is no key; never
            shows a secret.
        """
        keys: list[Key] = []
        coming: list[Key] = []
        for number, line in enumerate(text.splitlines(), 1):
            if not line.strip() or line.lstrip().startswith(b"#"):
                continue
            try:
                bare = _NEXT.sub(b"", line)
                (keys if bare == line else coming).append(Key.parse(bare))
            except ValueError as error:
                raise ValueError(f"line {number}: {error}") from None
        if len(coming) > 1:
            raise ValueError("two keys that are next")
        return cls(tuple(keys), *coming)

    def __bytes__(self) -> bytes:
        """
        Print the key file that L{parse} reads.
        """
        coming = b"" if self.coming is None else bytes(self.coming).rstrip() + b" next\n"
        return _KEY_FILE_TITLE + b"".join(map(bytes, self.keys)) + coming

    def prepared(self) -> Keys:
        """
        A ring with a fresh key that is to be the next: it can be handed to every edge before any
        of them seals with it.

        @raise ValueError: this one has such a key.
        """
        if self.coming is not None:
            raise ValueError(f"key {self.coming.number} is next already")
        taken = {key.number for key in self.keys}
        number = (self.keys[0].number + 1) % 256
        while number in taken:
            number = (number + 1) % 256
        return Keys(self.keys, Key.generate(number))

    def switched(self) -> Keys:
        """
        A ring that seals with the next key, and still opens what this one's newest have sealed.

        @return: the next key and the three newest of this ring.
        @raise ValueError: no key is next.
        """
        if self.coming is None:
            raise ValueError("no key is next")
        return Keys((self.coming, *self.keys[:_OLDER_KEYS]))

    def rotated(self) -> Keys:
        """
        A ring with a fresh current key, for an edge that shares its keys with no other.

        @raise ValueError: a key is next already, which others may be waiting for.
        """
        return self.prepared().switched()

    def retired(self) -> Keys:
        """
        A ring that opens nothing that older keys than the current one have sealed.
        """
        return Keys(self.keys[:1], self.coming)

    def seals(self, flow: Flow) -> tuple[bytes, ...]:
        """
        Every token that a flow may be known by elsewhere: one of each key, the current one's first.
        """
        return tuple(self._sealed(key, flow) for key in self.all)

    def seal(self, flow: Flow) -> bytes:
        """
        Make the token of a flow; equal flows have equal tokens until the next rotation.

        @return: letters, digits, C{-} and C{_} only, so it needs no escape in a URI.
        @raise ValueError: an identity that no token can hold, or would not give back as it is.
        """
        return self._sealed(self.keys[0], flow)

    def _sealed(self, key: Key, flow: Flow) -> bytes:
        sealed = bytes((key.number,)) + _identity(flow)
        return _spelled(sealed + self._mac(sealed))

    def open(self, token: bytes) -> Flow:
        """
        Check a token and read the flow that it names; whether that flow still lives is not asked.

        @param token: the user part of a URI as it came; other elements may have escaped it
            (RFC 3261 19.1.2).
        @raise Forged: none of these keys has sealed it, or not in this spelling; nothing else is
            ever raised.
        """
        octets = _octets(token)
        sealed = octets[:-_MAC_OCTETS]
        if not hmac.compare_digest(self._mac(sealed), octets[-_MAC_OCTETS:]):
            raise Forged("not sealed by us")
        return _flow(sealed)

    def _mac(self, sealed: bytes) -> bytes:
        keyed = self._macs.get(sealed[0])
        if keyed is None:
            raise Forged("unknown key")
        mac = keyed.copy()
        mac.update(sealed)
        return mac.digest()[:_MAC_OCTETS]


def _spelled(octets: bytes) -> bytes:
    return urlsafe_b64encode(octets).rstrip(b"=")


def _octets(token: bytes) -> bytes:
    # Each character may have been escaped to three; what is longer is not worth looking at.
    if len(token) > 3 * _LONGEST:
        raise Forged("too long")
    text = unescaped(token)
    if len(text) not in _LENGTHS:
        raise Forged("wrong length")
    try:
        octets = urlsafe_b64decode(text + b"=" * (-len(text) % 4))
    except ValueError:
        raise Forged("not base64url") from None
    # The decoder skips what it does not know and drops odd bits: only the one spelling is ours.
    if _spelled(octets) != text:
        raise Forged("not base64url as we spell it")
    return octets


def _identity(flow: Flow) -> bytes:
    if isinstance(flow, StreamFlow):
        return _streamIdentity(flow)
    if flow.transport != b"UDP":
        raise ValueError(f"no flow token for datagrams over {flow.transport!r}")
    family = AF_INET6 if ":" in flow.local[0] else AF_INET
    kind = _KINDS[family]
    return bytes((kind,)) + _FORMS[kind].pack(
        _packed(family, flow.local[0]), flow.local[1], _packed(family, flow.peer[0]), flow.peer[1]
    )


def _streamIdentity(flow: StreamFlow) -> bytes:
    if len(flow.epoch) != EPOCH_OCTETS or not 0 <= flow.serial < 1 << 8 * _SERIAL_OCTETS:
        raise ValueError(f"an epoch is 8 octets, a serial is below 2**48: {flow!r}")
    serial = flow.serial.to_bytes(_SERIAL_OCTETS, "big")
    return bytes((_STREAM,)) + _FORMS[_STREAM].pack(flow.epoch, serial)


def _packed(family: AddressFamily, address: str) -> bytes:
    try:
        octets = inet_pton(family, address)
    except OSError:
        raise ValueError(f"not a numeric address of the flow's family: {address!r}") from None
    if inet_ntop(family, octets) != address:
        raise ValueError(f"not in canonical form: {address!r}")
    return octets


def _flow(sealed: bytes) -> Flow:
    kind = sealed[1]
    form = _FORMS.get(kind)
    if form is None or form.size != len(sealed) - 2:
        raise Forged("unknown kind")  # sealed with our key by another version of this program
    if kind == _STREAM:
        epoch, serial = form.unpack_from(sealed, 2)
        return StreamFlow(epoch, int.from_bytes(serial, "big"))
    local, localPort, peer, peerPort = form.unpack_from(sealed, 2)
    family = _FAMILIES[kind]
    return DatagramFlow(
        b"UDP", (inet_ntop(family, local), localPort), (inet_ntop(family, peer), peerPort)
    )


# The kinds of identity, and what follows the kind's octet.
_STREAM: Final = 1
_KINDS: Final = {AF_INET: 2, AF_INET6: 3}
_FAMILIES: Final = {kind: family for family, kind in _KINDS.items()}
_FORMS: Final = {1: Struct(">8s6s"), 2: Struct(">4sH4sH"), 3: Struct(">16sH16sH")}

# What a token's length can be, in characters: key id, kind, identity and MAC, in base64.
_LENGTHS: Final = frozenset(
    -(-(2 + form.size + _MAC_OCTETS) * 4 // 3) for form in _FORMS.values()
)
_LONGEST: Final = max(_LENGTHS)
