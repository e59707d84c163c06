"""
What the DNS and the hosts file know about names: asked over twisted.names, kept for a while.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address
from typing import Any, Final

from attrs import define, field
from twisted.internet.defer import Deferred, TimeoutError
from twisted.logger import Logger
from twisted.names import client, dns
from twisted.names.error import (
    DNSFormatError,
    DNSNameError,
    DNSNotImplementedError,
    DNSQueryRefusedError,
    DNSQueryTimeoutError,
    DNSServerError,
    DomainError,
)
from twisted.names.hosts import searchFileForAll
from twisted.python.failure import Failure
from twisted.python.filepath import FilePath

from sipoutbound.interfaces import Address
from sipoutbound.transport.answers import Answers
from sipoutbound.transport.lent import Lent
from sipoutbound.transport.locate import Unanswered
from sipoutbound.transport.records import Pointer, Service

log = Logger()

# Seconds in which each DNS server in turn has to answer, and then once more: a caller waits.
TIMEOUTS: Final = (1, 2)

# Questions under way at most: each takes a socket.
UNDER_WAY: Final = 200

# Aliases (CNAME) in a row; more are taken for a loop.
_ALIASES: Final = 8

# Records of one answer of which notice is taken.
_RECORDS: Final = 64

# Seconds for which is remembered that there are no such records, unless the domain says less
# (RFC 2308 5), and that nobody has answered (RFC 2308 7.2); what the hosts file says.
NEGATIVE: Final = 30.0
FAILED: Final = 5.0
LISTED: Final = 5.0

HOSTS: Final = "/etc/hosts"
RESOLV_CONF: Final = "/etc/resolv.conf"

Question = tuple[int, str]

# What stands for "nobody has answered" among the answers.
_NOBODY: Final = object()


@define(eq=False, repr=False)
class NameDirectory:
    """
    Answers from memory, from the hosts file, or from DNS servers. A question that is asked already
    is not asked twice.

    @ivar servers: the DNS servers; those of C{/etc/resolv.conf} where there are none.
    @ivar families: 4 and 6, the kinds of addresses of use to us, the preferred one in front.
    @ivar hosts: a hosts(5) file.
    """

    reactor: Any
    servers: tuple[Address, ...] = ()
    families: tuple[int, ...] = (6, 4)
    hosts: str = HOSTS
    _closed: bool = field(default=False, init=False)
    _lent: Lent = field(init=False)
    _resolver: Any = field(default=None, init=False)
    _answers: Answers = field(factory=Answers, init=False)
    _asked: dict[Question, list[Deferred[Any]]] = field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        self._lent = Lent(self.reactor)

    def close(self) -> None:
        """
        Ask nothing more; whoever waits is told that nobody has answered.
        """
        self._closed = True
        self._lent.takeBack()
        for question in tuple(self._asked):
            self._tell(question, _NOBODY)

    def listed(self, name: str) -> bool:
        """
        Whether the hosts file has the name.
        """
        return bool(self._inFile(name))

    async def pointers(self, name: str) -> tuple[Pointer, ...]:
        """
        The NAPTR records of a name.

        @raise Unanswered: when nobody says.
        """
        return tuple(map(_pointer, await self._ask(dns.NAPTR, name)))

    async def services(self, *names: str) -> list[tuple[Service, ...]]:
        """
        The SRV records of each name, asked for at once.

        @raise Unanswered: when nobody says, and no name has any.
        """
        found = await self._together([(dns.SRV, name) for name in names])
        return [tuple(map(_service, records)) for records in found]

    async def addresses(self, name: str) -> tuple[str, ...]:
        """
        The addresses of a name: those of the hosts file, else what the DNS says.

        @raise Unanswered: when nobody says.
        """
        listed = self._inFile(name)
        if listed:
            return tuple(sorted(listed, key=self._preference))
        kinds = [dns.AAAA if family == 6 else dns.A for family in self.families]
        found = await self._together([(kind, name) for kind in kinds])
        return tuple(_address(record) for records in found for record in records)

    def _preference(self, address: str) -> int:
        version = ip_address(address).version
        return self.families.index(version) if version in self.families else len(self.families)

    def _inFile(self, name: str) -> list[str]:
        now = self.reactor.seconds()
        question = 0, name
        listed: list[str] | None = self._answers.find(question, now)
        if listed is None:
            listed = searchFileForAll(FilePath(self.hosts), name.encode())
            self._answers.keep(question, listed, LISTED, now)
        return listed

    async def _together(self, questions: list[Question]) -> list[list[Any]]:
        """
        The records for each question.

        @raise Unanswered: when nobody says, and no question has any.
        """
        # All are asked before the first is waited for. Who gives up waiting leaves the others to
        # themselves: nothing that they come to is an error.
        asked = [Deferred.fromCoroutine(self._ask(*question)) for question in questions]
        answered = [each.addErrback(_unanswered) for each in asked]
        settled = [await each for each in answered]
        found = [[] if isinstance(each, Unanswered) else each for each in settled]
        for each in settled:
            if isinstance(each, Unanswered) and not any(found):
                raise each
        return found

    async def _ask(self, kind: int, name: str) -> list[Any]:
        """
        The records of one kind that a name has.

        @raise Unanswered: when nobody says.
        """
        question = kind, name
        answer = self._answers.find(question, self.reactor.seconds())
        if answer is None:
            answer = await self._waiting(question)
        if answer is _NOBODY:
            raise Unanswered(f"no answer about {dns.QUERY_TYPES.get(kind, kind)} of {name}")
        found: list[Any] = answer
        return found

    def _waiting(self, question: Question) -> Deferred[Any]:
        waiting: Deferred[Any] = Deferred()
        if question in self._asked:
            self._asked[question].append(waiting)
        elif self._closed or len(self._asked) >= UNDER_WAY:
            waiting.callback(_NOBODY)
        else:
            self._asked[question] = [waiting]
            asking = Deferred.fromCoroutine(self._records(*question))
            asking.addErrback(self._failed)
            asking.addCallback(self._came, question)
        return waiting

    def _came(self, came: tuple[Any, float], question: Question) -> None:
        answer, seconds = came
        self._answers.keep(question, answer, seconds, self.reactor.seconds())
        self._tell(question, answer)

    def _tell(self, question: Question, answer: Any) -> None:
        for waiting in self._asked.pop(question, ()):
            if not waiting.called:
                waiting.callback(answer)

    def _failed(self, failure: Failure) -> tuple[Any, float]:
        """
        No answer, or one that says nothing.
        """
        if failure.check(DomainError, DNSQueryTimeoutError, TimeoutError, OSError) is None:
            # After an exception while it asked, twisted.names takes the question for asked and
            # would never ask it again: it is not to be used any more.
            log.failure("while asking the DNS", failure)
            self._resolver = None
        log.info("DNS: {why}", why=failure.getErrorMessage() or repr(failure.value))
        return _NOBODY, FAILED

    async def _records(self, kind: int, name: str) -> tuple[list[Any], float]:
        """
        What the DNS says, and for how many seconds it holds. Aliases are followed.
        """
        lifetimes = []
        for _ in range(_ALIASES):
            try:
                answers, authority, _more = await self._query(kind, name)
            except (DNSNameError, DNSFormatError, DNSNotImplementedError) as error:
                message = error.args[0] if error.args else None
                return [], _negative(getattr(message, "authority", ()))
            name, passed = _aliased(name, answers)
            records = [each for each in answers if each.type == kind and _owner(each) == name]
            lifetimes += [each.ttl for each in (*passed, *records)]
            if records:
                return [each.payload for each in records[:_RECORDS]], float(min(lifetimes))
            if not passed:
                return [], min([*lifetimes, _negative(authority)])
        return [], NEGATIVE

    async def _query(self, kind: int, name: str) -> Any:
        """
        Ask the DNS servers, each when those in front have not answered. twisted.names leaves it at
        an error that one of them answers: the others may know better.
        """
        if self._resolver is None:
            self._resolver = self._resolverOf(list(self.servers))
        query, resolver = dns.Query(name.encode(), kind), self._resolver
        others = [*resolver.servers, *resolver.dynServers][1:]
        while True:
            try:
                return await resolver.query(query, TIMEOUTS)
            except (DNSServerError, DNSQueryRefusedError):
                if not others:
                    raise
            resolver, others = self._resolverOf(others), others[1:]

    def _resolverOf(self, servers: list[Address]) -> Any:
        return client.Resolver(None if servers else RESOLV_CONF, servers, TIMEOUTS, self._lent)


def _unanswered(failure: Failure) -> Unanswered:
    failure.trap(Unanswered)
    assert isinstance(failure.value, Unanswered)
    return failure.value


def _owner(record: Any) -> str:
    return _text(record.name.name)


def _text(name: bytes) -> str:
    return name.decode("ascii", "replace").lower().removesuffix(".")


def _aliased(name: str, answers: Iterable[Any]) -> tuple[str, list[Any]]:
    """
    What a name comes to by the aliases in an answer, and the aliases.
    """
    aliases = {_owner(each): each for each in answers if each.type == dns.CNAME}
    passed: list[Any] = []
    while name in aliases and len(passed) < _ALIASES:
        passed.append(aliases[name])
        name = _text(aliases[name].payload.name.name)
    return name, passed


def _negative(authority: Iterable[Any]) -> float:
    """
    For how long to believe that there is nothing: what the domain's SOA says, if that is less.
    """
    said = [min(each.ttl, each.payload.minimum) for each in authority if each.type == dns.SOA]
    return float(min([NEGATIVE, *said]))


def _pointer(record: Any) -> Pointer:
    texts = (record.flags, record.service, record.regexp)
    flags, service, regexp = (_string(text) for text in texts)
    replacement = _text(record.replacement.name)
    return Pointer(record.order, record.preference, flags, service, regexp, replacement)


def _string(text: Any) -> str:
    octets: bytes = text.string
    return octets.decode("ascii", "replace")


def _service(record: Any) -> Service:
    target = _text(record.target.name)
    return Service(record.priority, record.weight, record.port, target)


def _address(record: Any) -> str:
    return str(ip_address(record.address))
