"""
Where the server listens, and the addresses by which peers may know that.
"""

from __future__ import annotations

import socket

from attrs import evolve

from sipoutbound.settings import CONNECTION, DATAGRAM, STREAM, Listen
from sipoutbound.transport.flow import hostport


def withTCP(places: tuple[Listen, ...]) -> list[Listen]:
    """
    Where to listen: on TCP too at each port that is listened on for UDP (RFC 3261 18.2.1), where
    comes what is too large for a datagram. Unless something is said about TCP at that port; what an
    endpoint takes is not known.
    """
    taken = {place.port for place in places if place.transport == CONNECTION}
    if any(place.transport == STREAM for place in places):
        return [*places]
    datagrams = [place for place in places if place.transport == DATAGRAM]
    twins = [place for place in datagrams if place.port not in taken]
    return [*places, *(evolve(twin, transport=CONNECTION) for twin in twins)]


def reachable(address: tuple[str, int]) -> list[bytes]:
    """
    The addresses by which peers may know a listening port: its own, or if it listens on all, those
    of this machine that can be told without asking anybody.
    """
    host, port = address
    if host not in ("0.0.0.0", "::"):
        return [hostport(address)]
    return [hostport((name, port)) for name in ("127.0.0.1", "::1", *outwardAddresses())]


def outwardAddresses() -> list[str]:
    """
    The addresses that packets to the rest of the world would leave from; none are sent.
    """
    found = []
    # RFC 5737, RFC 3849: addresses for documentation, routed like any other.
    for family, peer in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect((peer, 5060))
                found.append(probe.getsockname()[0])
            except OSError:
                continue
    return found
