"""
The registrar: a REGISTER in, its answer out (RFC 3261 10.3, RFC 5626 6, RFC 3327 5.3).
"""

from __future__ import annotations

from collections.abc import Callable
from email.utils import formatdate
from functools import lru_cache
from random import randint
from typing import Final, Protocol, TypeAlias

from attrs import define, field, frozen
from zope.interface import implementer

from sipoutbound.interfaces import IRegistrar
from sipoutbound.location.journal import StoreBusy, StoreUnavailable
from sipoutbound.message.grammar import Malformed
from sipoutbound.message.message import Request, Response
from sipoutbound.message.unique import unique
from sipoutbound.outbound.binding import Binding, Bindings
from sipoutbound.outbound.headers import Texts, registerTexts
from sipoutbound.outbound.policy import Policy
from sipoutbound.outbound.refusal import Refusal
from sipoutbound.outbound.registration import Registration
from sipoutbound.outbound.terms import EXTENSIONS, Terms
from sipoutbound.outbound.update import FlowOf, update

_Headers: TypeAlias = tuple[tuple[bytes, bytes], ...]
_NONE: Final[_Headers] = ()

#: How many clients' REGISTERs are remembered as read, 1.5 kB each. A refresh repeats all that
#: matters but its CSeq to the letter, and reading it would cost more than all the rest.
REMEMBERED: Final = 1 << 16

# Octets of header text: a phone's have some 600. What is longer is read anew each time, or a few
# thousand requests would fill the memory.
_REMEMBERED_LENGTH: Final = 2048

_SUPPORTED: Final = b", ".join(sorted(EXTENSIONS))

#: Seconds to come back after, when the store is in trouble: spread, so that not all come at once.
_RETRY_AFTER: Final = (5, 15)


class Changing(Protocol):
    """
    What a registrar needs of L{sipoutbound.location.service.Location}.
    """

    async def change(self, aor: bytes, algebra: Callable[[Bindings], Bindings]) -> Bindings:
        """
        See L{sipoutbound.location.service.Location.change}.
        """


@frozen
class _Client:
    """
    What stays the same from one refresh of a client to the next.

    @ivar headers: the headers of a 200 that do not depend on the bindings.
    """

    terms: Terms
    headers: _Headers


@implementer(IRegistrar)
@define(eq=False)
class Registrar:
    """
    Answers REGISTER requests. Its settings stay as they are: for others make another.

    @ivar location: keeps the bindings.
    @ivar serves: whether a host, in lower case, is a domain of this registrar.
    @ivar now: tells the time in seconds since the epoch.
    @ivar policy: what it grants.
    @ivar flowOf: the key of the flow that Path values name; empty where they name none.
    """

    _location: Changing
    _serves: Callable[[bytes], bool]
    _now: Callable[[], float]
    _policy: Policy = field(factory=Policy)
    _flowOf: FlowOf = lambda value: b""
    _client: Callable[[Texts], _Client] = field(init=False)
    _date: tuple[int, bytes] = field(default=(0, b""), init=False)

    def __attrs_post_init__(self) -> None:
        self._client = lru_cache(REMEMBERED)(self._read)

    async def register(self, request: Request) -> Response:
        """
        Carry out a REGISTER.

        @return: the answer: 200 when it is durable, else a refusal, and nothing was changed.
        """
        try:
            client, registration = self._parse(request)
            now = self._now()
            bindings = await self._location.change(
                client.terms.aor,
                lambda before: update(before, registration, self._policy, now, self._flowOf),
            )
        except (Malformed, Refusal, StoreUnavailable) as error:
            return _refused(request, error)
        return Response.reply(request, 200, None, self._answer(client, bindings, now), unique())

    def _parse(self, request: Request) -> tuple[_Client, Registration]:
        texts = registerTexts(request)
        known = sum(map(len, filter(None, texts[:-1]))) <= _REMEMBERED_LENGTH
        client = self._client(texts) if known else self._read(texts)
        return client, Registration(client.terms, request.callId, request.cseq.number)

    def _read(self, texts: Texts) -> _Client:
        terms = Terms.parse(texts, self._serves, self._policy)
        return _Client(terms, self._constant(terms))

    def _constant(self, terms: Terms) -> _Headers:
        headers = []
        if b"path" in terms.supported:
            headers += [(b"Path", value) for value in terms.path]
        if terms.appliesOutbound:
            headers.append((b"Require", b"outbound"))
        headers.append((b"Supported", _SUPPORTED))
        return tuple(headers)

    def _answer(self, client: _Client, bindings: Bindings, now: float) -> _Headers:
        second = int(now)
        if self._date[0] != second:
            # SIP-date = rfc1123-date
            self._date = (second, formatdate(second, usegmt=True).encode())
        return (
            *[(b"Contact", _contact(each, second)) for each in bindings if each.expires > second],
            *client.headers,
            (b"Date", self._date[1]),
        )


def _contact(binding: Binding, now: int) -> bytes:
    value = b"<%b>%b;expires=%d" % (binding.contact, binding.params, binding.expires - now)
    if binding.q == 1000:
        return value
    return value + b";q=0.%03d" % binding.q


def _refused(request: Request, error: Malformed | Refusal | StoreUnavailable) -> Response:
    # RFC 3261 10.3 step 7: 500 for what could not be kept. 503 sends the client elsewhere.
    status, reason, headers = 503 if isinstance(error, StoreBusy) else 500, None, _NONE
    if isinstance(error, Malformed):
        status, reason = error.status, error.reason
    elif isinstance(error, Refusal):
        status, reason, headers = error.status, error.reason, error.headers
    else:
        headers = ((b"Retry-After", b"%d" % randint(*_RETRY_AFTER)),)
    return Response.reply(request, status, reason, headers, unique())
