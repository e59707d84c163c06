"""
ICMP errors about datagrams that were sent: who cannot be reached (RFC 3261 18.4, RFC 5626 7; Linux:
ip(7) IP_RECVERR, ipv6(7) IPV6_RECVERR).
"""

from __future__ import annotations

from collections.abc import Iterator
from socket import AF_INET6, IPPROTO_IP, IPPROTO_IPV6, MSG_ERRQUEUE, socket
from struct import Struct
from typing import Any, Final

# linux/in.h, linux/in6.h; Python's socket module has them from 3.14 on.
_IP_RECVERR: Final = 11
_IPV6_RECVERR: Final = 25

# struct sock_extended_err of linux/errqueue.h, without its last fields: errno, origin, type, code.
_ERROR: Final = Struct("=IBBB")

# Its origins: SO_EE_ORIGIN_ICMP, SO_EE_ORIGIN_ICMP6.
_ICMP: Final = 2
_ICMP6: Final = 3

# RFC 792, RFC 4443 3.1, 3.4: destination unreachable, parameter problem. The others are no concern
# of a transport's user (RFC 3261 18.4: source quench, time exceeded).
_UNREACHABLE: Final = frozenset(((_ICMP, 3), (_ICMP, 12), (_ICMP6, 1), (_ICMP6, 4)))

# RFC 1191: destination unreachable because the datagram is too large; the next one is cut up.
_TOO_LARGE: Final = (_ICMP, 3, 4)

# Octets: one control message is some 50; of the datagram that was sent nothing is looked at.
_SPACE: Final = 512

# Errors read in one turn at most.
_AT_ONCE: Final = 256


def askForErrors(opened: socket) -> None:
    """
    Have the kernel keep ICMP errors about what this socket sends.
    """
    opened.setsockopt(IPPROTO_IP, _IP_RECVERR, 1)
    if opened.family is AF_INET6:
        opened.setsockopt(IPPROTO_IPV6, _IPV6_RECVERR, 1)


def unreachable(opened: socket) -> Iterator[Any]:
    """
    The peers that cannot be reached, by the errors that wait, as the socket tells them.
    """
    for _ in range(_AT_ONCE):
        try:
            _, ancillary, _, peer = opened.recvmsg(0, _SPACE, MSG_ERRQUEUE)
        except OSError:
            return
        if any(_tellsOf(data) for _, kind, data in ancillary if kind in _KINDS):
            yield peer


_KINDS: Final = (_IP_RECVERR, _IPV6_RECVERR)


def _tellsOf(error: bytes) -> bool:
    _, origin, kind, code = _ERROR.unpack_from(error)
    return (origin, kind) in _UNREACHABLE and (origin, kind, code) != _TOO_LARGE
