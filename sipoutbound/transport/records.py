"""
What the DNS says about a domain's SIP servers, and in which order it wants them tried: NAPTR and
SRV records (RFC 2915, RFC 2782, RFC 3263 4.1, 4.3).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from typing import Final

from attrs import frozen

#: The transports there are, by the services in NAPTR records that stand for them (RFC 3263 9).
#: "SIPS+D2T" is TLS and "SIP+D2S" SCTP, neither of which there is.
SERVICES: Final = {"SIP+D2U": b"UDP", "SIP+D2T": b"TCP"}

#: A number from 0 to the given one, inclusive; all as likely.
Draw = Callable[[int], int]


@frozen
class Pointer:
    """
    A NAPTR record.

    @ivar flags: C{"s"} where the replacement is the name of SRV records.
    @ivar service: such as C{"SIP+D2U"}.
    @ivar regexp: empty in records of SIP.
    @ivar replacement: the name to go on with, without its last dot.
    """

    order: int
    preference: int
    flags: str
    service: str
    regexp: str
    replacement: str

    @property
    def transport(self) -> bytes | None:
        """
        The transport it stands for, as in a Via; C{None} where it is of no use to us.
        """
        if self.flags.lower() != "s" or self.regexp or not self.replacement:
            return None
        return SERVICES.get(self.service.upper())


@frozen
class Service:
    """
    An SRV record.

    @ivar target: a host name without its last dot: empty where the service is not offered at all.
    """

    priority: int
    weight: int
    port: int
    target: str


def usable(pointers: Iterable[Pointer]) -> list[Pointer]:
    """
    Those that lead to transports of ours, in the order in which they are to be tried: by order,
    then preference. Of the same rank in the same order each time (RFC 3263 4.4).
    """
    fit = (pointer for pointer in pointers if pointer.transport is not None)
    return sorted(fit, key=lambda each: (each.order, each.preference, each.service.upper(),
                                         each.replacement))  # fmt: skip


def ordered(services: Iterable[Service], draw: Draw) -> list[Service]:
    """
    SRV records in the order in which they are to be tried: the lowest priority first, among equals
    by lot, the heavier ones more often (RFC 2782, "Usage rules"). The same lots give the same
    order, however the records came (RFC 3263 4.4).
    """
    ranked = sorted(services, key=_rank)
    groups = groupby(ranked, key=lambda service: service.priority)
    return [service for _, group in groups for service in _drawn(list(group), draw)]


def _rank(service: Service) -> tuple[int, bool, str, int, int]:
    """
    Those without weight come first within their priority: only so does a lot of 0 find them.
    """
    return service.priority, service.weight > 0, service.target, service.port, service.weight


def _drawn(services: list[Service], draw: Draw) -> Iterator[Service]:
    while services:
        yield services.pop(_chosen([service.weight for service in services], draw))


def _chosen(weights: Sequence[int], draw: Draw) -> int:
    """
    The first whose running sum is not below the lot.
    """
    left = draw(sum(weights))
    for at, weight in enumerate(weights):
        left -= weight
        if left <= 0:
            return at
    return len(weights) - 1
