"""
Who knows the names in tests: a directory that is told all, and DNS servers on loopback.
"""

from __future__ import annotations

from typing import Any

from attrs import define, field
from twisted.internet import reactor as theReactor
from twisted.internet.defer import Deferred
from twisted.names import dns
from twisted.names.authority import FileAuthority
from twisted.names.server import DNSServerFactory

from sipoutbound.test.bed import LOOPBACK, freePorts
from sipoutbound.transport.locate import Unanswered
from sipoutbound.transport.records import Pointer, Service

reactor: Any = theReactor


@define(eq=False)
class FakeDirectory:
    """
    A directory in memory.

    @ivar known: records by name; C{None} where nobody answers, and a L{Deferred} is waited for.
    @ivar file: the names in the hosts file.
    @ivar asked: the kinds and names that were asked for, in order.
    """

    known: dict[str, Any] = field(factory=dict)
    file: tuple[str, ...] = ()
    asked: list[str] = field(factory=list)

    def listed(self, name: str) -> bool:
        """
        Whether C{file} has it.
        """
        return name in self.file

    async def pointers(self, name: str) -> tuple[Pointer, ...]:
        """
        Of a name's records those.
        """
        return tuple(await self._records("NAPTR", name, Pointer))

    async def services(self, *names: str) -> list[tuple[Service, ...]]:
        """
        Of each name's records those; unanswered where one is and no other has any.
        """
        found: list[tuple[Service, ...]] = []
        failed: list[Unanswered] = []
        for name in names:
            try:
                found.append(tuple(await self._records("SRV", name, Service)))
            except Unanswered as error:
                failed.append(error)
                found.append(())
        if failed and not any(found):
            raise failed[0]
        return found

    async def addresses(self, name: str) -> tuple[str, ...]:
        """
        Of a name's records those.
        """
        return tuple(await self._records("A", name, str))

    async def _records(self, kind: str, name: str, wanted: type) -> list[Any]:
        self.asked.append(f"{kind} {name}")
        records = self.known.get(name, ())
        if isinstance(records, Deferred):
            records = await records
        if records is None:
            raise Unanswered(f"no answer about {name}")
        return [each for each in records if isinstance(each, wanted)]


ZONE = b"test"


class Zone(FileAuthority):
    """
    The authority for the top level domain C{test}.
    """

    soa: Any
    records: Any

    def loadFile(self, filename: Any) -> None:
        """
        Begin with nothing but the SOA, and a minimum for what is not there.
        """
        self.soa = ZONE, dns.Record_SOA(mname=b"ns.test", minimum=20, expire=300, ttl=300)
        self.records = {ZONE: [self.soa[1]]}


class Answering(DNSServerFactory):
    """
    An authoritative DNS server that can be told to behave badly.

    @ivar asked: the kinds and names that were asked for.
    @ivar mute: whether it never answers.
    @ivar truncated: whether answers over UDP are cut off, as those are that are too large.
    @ivar added: records that are in every answer, whatever was asked for.
    @ivar broken: kinds of records for which it has an error instead of an answer.
    """

    noisy = False

    def __init__(self, zone: Zone) -> None:
        super().__init__([zone])
        self.asked: list[str] = []
        self.mute = self.truncated = False
        self.broken: dict[int, int] = {}
        self.added: list[Any] = []

    def handleQuery(self, message: Any, protocol: Any, address: Any) -> Any:
        """
        Note what is asked for.
        """
        (query,) = message.queries
        over = "" if address else " over TCP"
        self.asked.append(f"{dns.QUERY_TYPES[query.type]} {query.name.name.decode()}{over}")
        if self.mute:
            return None
        if query.type in self.broken:
            message.rCode, message.answer = self.broken[query.type], 1
            return self.sendReply(protocol, message, address)
        return super().handleQuery(message, protocol, address)

    def sendReply(self, protocol: Any, message: Any, address: Any) -> None:
        """
        Cut it off, if that is wanted.
        """
        message.answers = [*message.answers, *self.added]
        if self.truncated and address:
            message.trunc, message.answers = 1, []
        super().sendReply(protocol, message, address)


@define(eq=False)
class NameServer:
    """
    A DNS server on a free port of loopback, UDP and TCP.
    """

    zone: Zone = field(factory=lambda: Zone(None))
    factory: Answering = field(init=False)
    port: int = field(init=False)
    _ports: list[Any] = field(factory=list, init=False)

    def __attrs_post_init__(self) -> None:
        self.factory = Answering(self.zone)

    @property
    def asked(self) -> list[str]:
        """
        The kinds and names that were asked for.
        """
        return self.factory.asked

    @property
    def address(self) -> tuple[str, int]:
        """
        Where it listens.
        """
        return LOOPBACK, self.port

    def start(self) -> NameServer:
        """
        Begin to answer.
        """
        (self.port,) = freePorts(1)
        datagrams = dns.DNSDatagramProtocol(self.factory)
        datagrams.noisy = False
        self._ports = [
            reactor.listenUDP(self.port, datagrams, LOOPBACK),
            reactor.listenTCP(self.port, self.factory, interface=LOOPBACK),
        ]
        return self

    async def stop(self) -> None:
        """
        Be gone.
        """
        for connection in tuple(self.factory.connections):
            connection.transport.abortConnection()
        for port in self._ports:
            await port.stopListening()

    def add(self, name: str, *records: Any) -> None:
        """
        Let there be records of a name.
        """
        self.zone.records.setdefault(name.encode(), []).extend(records)


def naptr(order: int, service: bytes, replacement: bytes, ttl: int = 60) -> Any:
    """
    A NAPTR record of SIP.
    """
    return dns.Record_NAPTR(order, 0, b"s", service, b"", replacement, ttl)


def srv(priority: int, port: int, target: bytes, weight: int = 1, ttl: int = 60) -> Any:
    """
    An SRV record.
    """
    return dns.Record_SRV(priority, weight, port, target, ttl)


def a(address: str, ttl: int = 60) -> Any:
    """
    An A record.
    """
    return dns.Record_A(address, ttl)
