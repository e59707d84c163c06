"""
Which of our addresses a datagram came to, and from which it leaves, on a socket that is bound to
all of them (Linux: ip(7) IP_PKTINFO, ipv6(7) IPV6_PKTINFO; RFC 3542 6).
"""

from __future__ import annotations

from socket import (
    AF_INET,
    AF_INET6,
    CMSG_SPACE,
    IPPROTO_IP,
    IPPROTO_IPV6,
    IPV6_PKTINFO,
    IPV6_RECVPKTINFO,
    inet_ntop,
    inet_pton,
    socket,
)
from struct import Struct
from typing import Final

Ancillary = list[tuple[int, int, bytes]]

# linux/in.h; Python's socket module has it from 3.14 on.
_IP_PKTINFO: Final = 8

# struct in_pktinfo: interface, our address, the one in the datagram's header.
_FOUR: Final = Struct("=i4s4s")

# struct in6_pktinfo: address, interface.
_SIX: Final = Struct("=16si")

# RFC 4291 2.7: the first octet of a multicast address. (In IPv4 the kernel tells our own address.)
_MULTICAST: Final = 0xFF

#: Octets that a datagram's ancillary data takes at most.
SPACE: Final = CMSG_SPACE(_FOUR.size) + CMSG_SPACE(_SIX.size)


def askForAddresses(opened: socket) -> None:
    """
    Have the kernel tell with each datagram which address it came to.
    """
    if opened.family is AF_INET6:
        opened.setsockopt(IPPROTO_IPV6, IPV6_RECVPKTINFO, 1)
    else:
        opened.setsockopt(IPPROTO_IP, _IP_PKTINFO, 1)


def addressIn(ancillary: Ancillary) -> str | None:
    """
    The address of ours that a datagram came to, as its socket spells it; C{None} where it is not
    told, or is a multicast address, which nothing can leave from.
    """
    for level, kind, data in ancillary:
        if level == IPPROTO_IP and kind == _IP_PKTINFO:
            return inet_ntop(AF_INET, _FOUR.unpack(data)[1])
        if level == IPPROTO_IPV6 and kind == IPV6_PKTINFO and data[0] != _MULTICAST:
            return inet_ntop(AF_INET6, _SIX.unpack(data)[0])
    return None


def leavingFrom(host: str) -> Ancillary:
    """
    What goes with a datagram that is to leave from an address of ours; from C{0.0.0.0} and C{::} it
    leaves from the one that the system chooses.
    """
    if ":" in host:
        return [(IPPROTO_IPV6, IPV6_PKTINFO, _SIX.pack(inet_pton(AF_INET6, host), 0))]
    return [(IPPROTO_IP, _IP_PKTINFO, _FOUR.pack(0, inet_pton(AF_INET, host), bytes(4)))]
