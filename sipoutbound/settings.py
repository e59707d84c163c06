"""What the operator decided, as one value, and the grammar of the options that make it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from itertools import combinations
from pathlib import Path

from attrs import field, frozen
from twisted.internet.endpoints import (
    StandardIOEndpoint,
    UNIXServerEndpoint,
    serverFromString,
)

from sipoutbound.message.grammar import HOST, Malformed
from sipoutbound.message.uri import URI
from sipoutbound.outbound.keepalive import LONGEST, SHORTEST

_HOST = re.compile(HOST)
_ADVERTISE = re.compile(r"([^:]*):(\[.*?\]|[^:]*)(?::([^:]*))?", re.DOTALL)
_RESOLVER = re.compile(r"(\[[^]]*\]|[^:]*)(?::([^:]*))?")
_NUMBER = re.compile(r"[0-9]{1,9}")
DATAGRAM, CONNECTION, STREAM = "udp", "tcp", "stream"
MEMORY, SQLITE = "memory", "sqlite"
NOBODY = "none"
BOTH, EDGE, REGISTRAR = "both", "edge", "registrar"


def number(text: str, least: int, most: int) -> int:
    """
    @param text: decimal digits.
    @param least: the smallest number that will do.
    @param most: the largest.
    @return: the number.
    @raise ValueError: with what would be right.
    """
    if _NUMBER.fullmatch(text) is None or not least <= int(text) <= most:
        raise ValueError(f"must be a number from {least} to {most}")
    return int(text)


def port(text: str, least: int = 0) -> int:
    """
    @param text: a port number; 0 stands for one that is free.
    @param least: the smallest number that will do.
    @return: the number.
    @raise ValueError: with what would be right.
    """
    try:
        return number(text, least, 65535)
    except ValueError as error:
        raise ValueError(f"the port {error}, not '{text}'") from None


def host(text: str) -> str:
    """
    @param text: a host name, an IPv4 address, or an IPv6 address in brackets.
    @return: the same in lower case, brackets kept: as RFC 3261 25.1 writes a C{host}.
    @raise ValueError: with what would be right.
    """
    # No top level of a name begins with a digit (RFC 3261 25.1, toplabel): it is an address.
    address = text[:1] == "[" or text.rstrip(".").rpartition(".")[2][:1].isdigit()
    wellFormed = _HOST.fullmatch(text.encode("utf-8", "replace")) and ".." not in text
    if not wellFormed or (address and not isAddress(text.strip("[]"))):
        raise ValueError("the host must be a name, an IPv4 address or an [IPv6 address]")
    return text.lower()


def flowTimer(text: str) -> int:
    """
    @param text: seconds, RFC 5626 4.4 and 5.4.
    @return: the number.
    @raise ValueError: with what would be right.
    """
    try:
        return number(text, SHORTEST, LONGEST)
    except ValueError as error:
        raise ValueError(f"{error} (seconds)") from None


def isAddress(text: str) -> bool:
    """
    @param text: anything.
    @return: whether it is an IPv4 address, or an IPv6 address without brackets.
    """
    try:
        return bool(ip_address(text))
    except ValueError:
        return False


@frozen
class Listen:
    """
    One C{--listen}: a place where clients are waited for.

    @ivar transport: L{DATAGRAM}, L{CONNECTION}, or L{STREAM} for any other Twisted endpoint.
    @ivar port: the port, 0 for one that is free; 0 with L{STREAM}, which keeps it to itself.
    @ivar interface: an IP address without brackets, or empty for every IPv4 address of the machine.
    @ivar endpoint: with L{STREAM} what C{serverFromString} takes, else empty.
    """

    transport: str
    port: int = 0
    interface: str = ""
    endpoint: str = ""

    @classmethod
    def parse(cls, text: str) -> Listen:
        """
        @param text: C{udp:PORT}, C{tcp:PORT}, each with C{:interface=ADDRESS} or without, or any
            other Twisted stream endpoint's description, such as C{systemd:domain=INET:index=0}.
        @return: the place.
        @raise ValueError: with what would be right.
        """
        transport, _, rest = text.partition(":")
        if transport not in (DATAGRAM, CONNECTION):
            _checkEndpoint(text)
            return cls(STREAM, endpoint=text)
        digits, _, rest = rest.partition(":")
        name, _, address = rest.partition("=")
        interface = address.replace("\\", "").removeprefix("[").removesuffix("]")
        if rest and (name != "interface" or not isAddress(interface)):
            raise ValueError("after the port only ':interface=' with an IP address can follow")
        return cls(transport, port(digits), interface)

    @property
    def open(self) -> bool:
        """Whether others than this machine can reach it, as far as the option tells."""
        return not (self.interface and ip_address(self.interface).is_loopback)

    def overlaps(self, other: Listen) -> bool:
        """
        @param other: another place.
        @return: whether the operating system would not give both.
        """
        if STREAM in (self.transport, other.transport):
            return self == other
        samePort = (self.transport, self.port) == (other.transport, other.port) and self.port != 0
        either = (self.interface, other.interface)
        everywhere = any(not at or ip_address(at).is_unspecified for at in either)
        return samePort and (everywhere or self.interface == other.interface)

    def __str__(self) -> str:
        if self.transport == STREAM:
            return self.endpoint
        place = f":interface={self.interface}" if self.interface else ""
        return f"{self.transport}:{self.port}{place}"


def _checkEndpoint(text: str) -> None:
    """
    @raise ValueError: unless Twisted knows such a stream endpoint, and its peers have addresses,
        without which there is neither a Via nor a Path.
    """
    try:
        endpoint = serverFromString(object(), text)
    except Exception as error:  # whatever that endpoint's own plugin raises at a bad description
        raise ValueError(
            f"must be udp:PORT, tcp:PORT or a Twisted stream endpoint ({error})"
        ) from error
    if isinstance(endpoint, UNIXServerEndpoint | StandardIOEndpoint):
        raise ValueError("must be udp:PORT, tcp:PORT or another endpoint of the internet")


Advertised = tuple[str, int | None]


def advertised(text: str) -> tuple[str, Advertised]:
    """
    @param text: C{TRANSPORT:HOST} or C{TRANSPORT:HOST:PORT}, IPv6 addresses in brackets.
    @return: the transport, and the host with its port or C{None}.
    @raise ValueError: with what would be right.
    """
    parts = _ADVERTISE.fullmatch(text)
    if parts is None or parts[1] not in (DATAGRAM, CONNECTION):
        raise ValueError("must be udp:HOST or tcp:HOST, with :PORT or without, IPv6 in [brackets]")
    return parts[1], (host(parts[2]), None if parts[3] is None else port(parts[3], 1))


def resolver(text: str) -> tuple[str, int]:
    """
    @param text: C{ADDRESS} or C{ADDRESS:PORT} of a DNS server, IPv6 in brackets.
    @return: the address without brackets, and the port.
    @raise ValueError: with what would be right.
    """
    parts = _RESOLVER.fullmatch(text)
    if parts is None or not isAddress(parts[1].strip("[]")):
        raise ValueError("must be the IP address of a DNS server, with :PORT or without")
    return parts[1].strip("[]"), port(parts[2] or "53", 1)


def location(text: str) -> tuple[str, Path | None]:
    """
    @param text: C{memory:}, or C{sqlite:PATH}.
    @return: L{MEMORY} and nothing, or L{SQLITE} and the absolute path.
    @raise ValueError: with what would be right.
    """
    if text == f"{MEMORY}:":
        return MEMORY, None
    kind, _, name = text.partition(":")
    if kind != SQLITE or not name:
        raise ValueError("must be memory: or sqlite:PATH")
    return SQLITE, path(name)


def path(text: str) -> Path:
    """
    @param text: the name of a file or folder, from the current folder, C{~} being the user's.
    @return: the same, absolute, so that it means the same when C{twistd} has changed folders.
    @raise ValueError: when it cannot be the name of a file.
    """
    if not text or "\0" in text:
        raise ValueError("must be the name of a file or folder")
    try:
        return Path(text).expanduser().absolute()
    except RuntimeError as error:
        raise ValueError(str(error)) from error


Networks = tuple[IPv4Network | IPv6Network, ...]

#: Whose Path to believe where nothing is said: this machine's.
LOOPBACK: Networks = (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128"))


def trust(text: str) -> Networks:
    """
    @param text: IP addresses and networks, apart by commas; or C{none}, for nobody.
    @return: the networks, an address being one of its own.
    @raise ValueError: with what would be right.
    """
    if text == NOBODY:
        return ()
    try:
        networks = tuple(ip_network(part.strip().strip("[]")) for part in text.split(","))
    except ValueError:
        raise ValueError(
            f"must be addresses or networks, such as 192.0.2.7 or 10.0.0.0/8, or '{NOBODY}'"
        ) from None
    if any(network.prefixlen == 0 for network in networks):
        raise ValueError("must not be everybody: that would be an open relay")
    return networks


def role(text: str) -> str:
    """
    @param text: L{BOTH}, L{EDGE} or L{REGISTRAR}.
    @return: the same.
    @raise ValueError: with what would be right.
    """
    if text not in (BOTH, EDGE, REGISTRAR):
        raise ValueError(f"must be {BOTH}, {EDGE} or {REGISTRAR}")
    return text


def registrar(text: str) -> URI:
    """
    @param text: the URI of a registrar, such as C{sip:registrar.internal:5060;transport=tcp}.
    @return: the same.
    @raise ValueError: with what would be right.
    """
    try:
        uri = URI.parse(text.encode())
    except Malformed:
        uri = URI(b"", None, None, b"", None)
    transport = (uri.param(b"transport") or b"udp").lower().decode("ascii", "replace")
    if uri.scheme != b"sip" or uri.user is not None or transport not in (DATAGRAM, CONNECTION):
        raise ValueError("must be sip:HOST[:PORT], with ';transport=tcp' or without")
    return uri


def route(text: str) -> tuple[str, str | None]:
    """
    @param text: C{NAME} or C{NAME:ARGUMENT}.
    @return: the name, and the argument or C{None}.
    @raise ValueError: with what would be right.
    """
    name, colon, argument = text.partition(":")
    if not name:
        raise ValueError("must be NAME or NAME:ARGUMENT; --help-routes lists the names")
    return name, argument if colon else None


@frozen
class Settings:
    """
    What the operator decided. Whatever was not said has its default.

    @ivar domains: what this server answers for, as RFC 3261 25.1 writes a C{host}, lower case.
    @ivar listen: where clients are waited for.
    @ivar advertise: C{udp} or C{tcp} to the host, in brackets if IPv6, and port that are written
        into Via, Path and Record-Route instead of the listener's; the port may be C{None}.
    @ivar location: L{MEMORY} and C{None}, or L{SQLITE} and the database's path.
    @ivar trust: where the peers are that are trusted; C{None} where nothing was said.
    @ivar role: L{BOTH}, L{EDGE} or L{REGISTRAR}.
    @ivar registrar: where an edge sends what it does not decide; C{None} for other roles.
    @ivar flowTimer: seconds, RFC 5626 4.4 and 5.4.
    @ivar state: the folder with the keys of flow tokens and the embedded database.
    @ivar routes: name and argument of each routing plugin, the outermost first.
    @ivar resolvers: the DNS servers to ask, address and port; those of the system where empty.
    @ivar allowAnonymous: whether strangers may register over a network.
    """

    domains: tuple[str, ...] = ("localhost", "127.0.0.1", "[::1]")
    listen: tuple[Listen, ...] = (
        Listen(DATAGRAM, 5060, "127.0.0.1"),
        Listen(CONNECTION, 5060, "127.0.0.1"),
    )
    advertise: Mapping[str, Advertised] = field(factory=dict)
    trust: Networks | None = None
    flowTimer: int = 120
    state: Path = field(factory=lambda: path("sipoutbound.state"))
    role: str = BOTH
    registrar: URI | None = None
    location: tuple[str, Path | None] = field()
    routes: tuple[tuple[str, str | None], ...] = ()
    resolvers: tuple[tuple[str, int], ...] = ()
    allowAnonymous: bool = False

    @property
    def families(self) -> tuple[int, ...]:
        """
        6 and 4, the kinds of addresses that are listened on; both where that can't be told.
        """
        if any(one.transport == STREAM for one in self.listen):
            return 6, 4
        found = {ip_address(one.interface or "0.0.0.0").version for one in self.listen}
        everywhere = any(one.interface == "::" for one in self.listen)
        return (6, 4) if everywhere else tuple(sorted(found, reverse=True))

    @location.default
    def _embedded(self) -> tuple[str, Path | None]:
        return (MEMORY, None) if self.role == EDGE else (SQLITE, self.state / "location.sqlite")

    @property
    def trusted(self) -> Networks:
        """
        Where the peers are whose Path is believed: this machine, if nothing was said.
        """
        return LOOPBACK if self.trust is None else self.trust

    @property
    def relayed(self) -> Networks:
        """
        Where the peers are whose requests are relayed though they have not registered. Nowhere, if
        nothing was said: whatever forwards connections on this machine would make us an open relay.
        A registrar's edges have seen to it.
        """
        return self.trusted if self.role == REGISTRAR else self.trust or ()

    def __attrs_post_init__(self) -> None:
        """
        @raise ValueError: when two decisions contradict each other, with what would be right.
        """
        self._checkRole()
        self._checkApart()
        self._checkAdvertised()
        self._checkSafe()

    def _checkRole(self) -> None:
        if self.role == EDGE and self.registrar is None:
            raise ValueError("--role edge needs --registrar, the URI of the registrar behind it")
        if self.role != EDGE and self.registrar is not None:
            raise ValueError("--registrar is for an edge: add --role edge, or leave it out")
        if self.role == EDGE and self.location[0] != MEMORY:
            raise ValueError("--location: an edge keeps no bindings: leave it out")

    def _checkApart(self) -> None:
        for one, other in combinations(self.listen, 2):
            if one.overlaps(other):
                raise ValueError(
                    f"--listen {one} and --listen {other} are the same place: leave one out"
                )

    def _checkAdvertised(self) -> None:
        kinds = {CONNECTION if one.transport == STREAM else one.transport for one in self.listen}
        for transport in self.advertise.keys() - kinds:
            raise ValueError(
                f"--advertise {transport}:{self.advertise[transport][0]}: nothing listens there, "
                f"add --listen {transport}:PORT or leave it out"
            )

    def _checkSafe(self) -> None:
        for one in self.listen:
            if one.open and not self.allowAnonymous and self.role != REGISTRAR:
                local = "" if one.transport == STREAM else "add ':interface=127.0.0.1', or "
                raise ValueError(
                    f"--listen {one}: strangers could register there: {local}say --allow-anonymous"
                )
