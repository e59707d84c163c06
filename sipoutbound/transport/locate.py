"""
Where a URI's server is: the decisions of RFC 3263 4. Whoever knows the answers of the DNS is given;
here nothing is asked of the network, and nothing waits.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Final, Protocol

from attrs import define, field, frozen

from sipoutbound.interfaces import Address, Unreachable
from sipoutbound.message.uri import URI
from sipoutbound.transport.records import Draw, Pointer, Service, ordered, usable

# RFC 3261 19.1.2: the default port of both UDP and TCP.
_PORT: Final = 5060

#: The transports there are, the one that is taken if nobody says otherwise in front (RFC 3263 4.1).
TRANSPORTS: Final = (b"UDP", b"TCP")

# SRV records of which notice is taken, and addresses that are tried for one request: a domain with
# more would have its caller wait for minutes.
_SERVICES: Final = 32
_HOPS: Final = 16

# RFC 1035 2.3.1, 2.3.4: labels of 1 to 63 octets, 253 octets in all as text; underscores are found
# in names of services. Nobody must be asked about any other name.
_NAME: Final = re.compile(
    r"(?=.{1,254}\Z)  (?: [A-Za-z0-9_-]{1,63} \. )*  [A-Za-z0-9_-]{1,63} \.?", re.VERBOSE
)


class Unanswered(Unreachable):
    """
    Nobody has said, in time, whether there are such records.
    """


class Directory(Protocol):
    """
    Who knows what the DNS and the hosts file say. Names have no last dot; where there are no
    records, the answer is empty.
    """

    def listed(self, name: str) -> bool:
        """
        Whether the hosts file has the name: all that is to be known about it are its addresses.
        """

    async def pointers(self, name: str) -> tuple[Pointer, ...]:
        """
        @raise Unanswered: when nobody says.
        """

    async def services(self, *names: str) -> list[tuple[Service, ...]]:
        """
        The records of each name.

        @raise Unanswered: when nobody says, and no name has any.
        """

    async def addresses(self, name: str) -> tuple[str, ...]:
        """
        IPv4 and IPv6 addresses, those of the kind that we have in front.

        @raise Unanswered: when nobody says.
        """


@frozen
class Hop:
    """
    Where a request can be sent.

    @ivar transport: as in a Via.
    """

    transport: bytes
    address: Address


@frozen
class Place:
    """
    Where a server is, its addresses not known yet.

    @ivar host: a name or an address.
    """

    transport: bytes
    host: str
    port: int


@define(eq=False)
class Candidates:
    """
    The hops of one URI, the first to be tried in front. Each name is asked about when its turn has
    come.

    @ivar uri: a C{sip} URI.
    @ivar large: TCP is preferred where both sides have it: the request is too large for UDP.
    """

    uri: URI
    directory: Directory
    draw: Draw
    large: bool = False
    _places: list[Place] | None = field(default=None, init=False)
    _hops: list[Hop] = field(factory=list, init=False)
    _given: list[Hop] = field(factory=list, init=False)

    @property
    def more(self) -> bool:
        """
        Whether another hop may be left.
        """
        left = self._places is None or self._places or self._hops
        return bool(left) and len(self._given) < _HOPS

    async def next(self) -> Hop | None:
        """
        The next one, C{None} after the last.

        @raise Unreachable: when there can be none at all.
        """
        if self._places is None:
            # None, should this come to nothing.
            self._places = []
            self._places = await self._found()
        while self.more:
            if not self._hops:
                self._hops = await self._hopsOf(self._places.pop(0))
                continue
            hop = self._hops.pop(0)
            if hop not in self._given:
                self._given.append(hop)
                return hop
        return None

    async def _hopsOf(self, place: Place) -> list[Hop]:
        """
        @raise Unanswered: when nobody knows where the last place is.
        """
        try:
            hosts = await self._addressesOf(place.host)
        except Unanswered:
            if self._places:
                return []
            raise
        return [Hop(place.transport, (host, place.port)) for host in hosts]

    async def _addressesOf(self, host: str) -> tuple[str, ...]:
        address = numeric(host)
        return (address,) if address else await self.directory.addresses(host)

    async def _found(self) -> list[Place]:
        """
        RFC 3263 4.1 and 4.2, as far as to names.
        """
        uri = self.uri
        transport = (uri.param(b"transport") or b"").upper()
        if uri.scheme != b"sip" or transport not in (b"", *TRANSPORTS):
            raise Unreachable(f"no transport for {uri}")
        host = (uri.param(b"maddr") or uri.host).decode()
        plain = Place(transport or TRANSPORTS[0], host, uri.port or _PORT)
        if numeric(host):
            return [plain]
        name = checked(host)
        if uri.port or self.directory.listed(name):
            return [Place(plain.transport, name, plain.port)]
        return await self._servers(name, transport)

    async def _servers(self, name: str, transport: bytes) -> list[Place]:
        """
        The servers that a domain names, or the domain itself if it names none.
        """
        if not transport:
            places = await self._pointed(name)
            if places:
                return places
        wanted = [transport] if transport else self._preferred()
        names = [f"_sip._{each.decode().lower()}.{name}" for each in wanted]
        askable = _NAME.fullmatch(names[0]) is not None
        records = await self.directory.services(*names) if askable else []
        if not any(records):
            return [Place(transport or TRANSPORTS[0], name, _PORT)]
        pairs = zip(wanted, records, strict=True)
        return [place for each, found in pairs for place in self._placesOf(each, found)]

    def _preferred(self) -> list[bytes]:
        return sorted(TRANSPORTS, key=lambda each: self.large and each != b"TCP")

    async def _pointed(self, name: str) -> list[Place]:
        """
        What the domain's NAPTR records lead to: those of one order, and the next ones only where
        the first lead nowhere (RFC 2915 2).
        """
        try:
            pointers = usable(await self.directory.pointers(name))
        except Unanswered:
            # Some servers know nothing of NAPTR; the domain may have SRV records all the same.
            return []
        if self.large:
            pointers.sort(key=lambda each: each.transport != b"TCP")
        places: list[Place] = []
        for at, pointer in enumerate(pointers):
            if places and pointer.order != pointers[at - 1].order:
                break
            places += await self._behind(pointer)
        return places

    async def _behind(self, pointer: Pointer) -> list[Place]:
        assert pointer.transport is not None
        try:
            (records,) = await self.directory.services(checked(pointer.replacement))
        except Unreachable:
            return []
        return self._placesOf(pointer.transport, records)

    def _placesOf(self, transport: bytes, records: tuple[Service, ...]) -> list[Place]:
        """
        A service that is "decidedly not available" (RFC 2782) has an empty target.
        """
        fit = [each for each in records if each.port and (numeric(each.target) or
               _NAME.fullmatch(each.target))]  # fmt: skip
        services = ordered(fit, self.draw)[:_SERVICES]
        return [Place(transport, each.target, each.port) for each in services]


def numeric(host: str) -> str | None:
    """
    An address in its usual spelling, without brackets; C{None} for a name.
    """
    try:
        return str(ip_address(host.strip("[]")))
    except ValueError:
        return None


def checked(name: str) -> str:
    """
    A name to ask for, lower case, without its last dot.

    @raise Unreachable: when it can't be the name of a host.
    """
    if _NAME.fullmatch(name) is None:
        raise Unreachable(f"no host name: {name}")
    return name.lower().removesuffix(".")
