"""
What a REGISTER makes of the bindings of its address of record: RFC 3261 10.3 steps 6 and 7 with
RFC 5626 6. Pure: bindings in, bindings out, or a refusal and nothing changed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from sipoutbound.message.header import NameAddress
from sipoutbound.message.uri import URI, cachedURI
from sipoutbound.outbound.binding import Binding, Bindings
from sipoutbound.outbound.policy import Policy
from sipoutbound.outbound.refusal import Refusal
from sipoutbound.outbound.registration import Registration
from sipoutbound.outbound.terms import Grant

#: Tells the key of the flow from the Path values; empty where they name none that can be watched.
FlowOf: TypeAlias = Callable[[tuple[bytes, ...]], bytes]

#: How long a request may be retransmitted, in seconds: 64*T1 (RFC 3261 17.1.2.2).
_RETRANSMISSIONS: Final = 32


class _OutOfOrder(Exception):
    """
    A binding has seen a later request of that Call-ID, or this one.
    """


def update(
    bindings: Bindings,
    registration: Registration,
    policy: Policy,
    now: float,
    flowOf: FlowOf = lambda value: b"",
) -> Bindings:
    """
    Carry out a REGISTER.

    @param bindings: those of its address of record.
    @param policy: how much room there is.
    @param now: seconds since the epoch.
    @param flowOf: asked about the Path values when they are new.
    @return: the bindings there are then; the same object where nothing changes.
    @raise Refusal: 403 where there is no room, 500 when it is out of order.
    @raise Malformed: when a new Contact's URI or a new Path value cannot be read.
    """
    grants = registration.terms.grants
    try:
        if len(grants) == len(bindings) == 1 and grants[0].seconds:
            # A phone refreshes the one binding it has: the same as below, at a third of the cost.
            before = bindings[0]
            if grants[0].concerns(before):
                _checkOrder(before, registration)
                return (_bound(grants[0], registration, before, now, flowOf),)
        if registration.terms.star:
            _checkAll(bindings, registration)
            return ()
        rest, made = _carriedOut(bindings, registration, now, flowOf)
    except _OutOfOrder:
        if _isRepeated(bindings, registration, now):
            return bindings
        # RFC 3261 names no code here, and 500 for what is out of order in a dialog (12.2.2).
        raise Refusal(500, "CSeq Out of Order") from None
    if not made and len(rest) == len(bindings):
        return bindings
    after = (*rest, *made)
    _checkRoom(bindings, after, made, policy)
    return after


def _carriedOut(
    bindings: Bindings, registration: Registration, now: float, flowOf: FlowOf
) -> tuple[list[Binding], list[Binding]]:
    # What is left untouched of the bindings, and what is new or refreshed.
    rest = list(bindings)
    made: list[Binding] = []
    for grant in registration.terms.grants:
        concerned = tuple(binding for binding in bindings if grant.concerns(binding))
        _checkAll(concerned, registration)
        _discard(rest, concerned)
        made = [binding for binding in made if not grant.concerns(binding)]
        if grant.seconds:
            before = concerned[0] if concerned else None
            made.append(_bound(grant, registration, before, now, flowOf))
    superseded = _superseded(rest, made)
    _checkAll(superseded, registration)
    _discard(rest, superseded)
    return rest, made


def _bound(
    grant: Grant, registration: Registration, before: Binding | None, now: float, flowOf: FlowOf
) -> Binding:
    # What is as it was in the binding before needs no second look.
    contact, terms, path = grant.contact, registration.terms, registration.terms.path
    if before is None or before.contact != contact.uri:
        URI.parse(contact.uri)
    if before is None or before.path != path:
        for value in path:
            cachedURI(NameAddress.parse(value).text)
        flow = flowOf(path) if path else b""
    else:
        flow = before.flow
    return Binding(
        terms.aor,
        contact.uri,
        contact.params,
        contact.instance,
        grant.regId,
        path,
        registration.callId,
        registration.cseq,
        contact.q,
        int(now) + grant.seconds,
        now,
        terms.userAgent,
        flow,
        grant.flowTimer,
    )


def _superseded(rest: list[Binding], made: list[Binding]) -> Bindings:
    # A client without reg-id that comes back under another URI (Linphone after a change of
    # network) has one binding, not one per network it has been in.
    instances = {binding.instance for binding in made if binding.regId is None}
    instances.discard(None)
    return tuple(b for b in rest if b.regId is None and b.instance in instances)


def _checkOrder(binding: Binding, registration: Registration) -> None:
    # RFC 3261 10.3 steps 6 and 7
    if binding.callId == registration.callId and binding.cseq >= registration.cseq:
        raise _OutOfOrder


def _checkAll(bindings: Bindings, registration: Registration) -> None:
    for binding in bindings:
        _checkOrder(binding, registration)


def _checkRoom(before: Bindings, after: Bindings, made: list[Binding], policy: Policy) -> None:
    # A limit refuses what is new, never the refresh of what is there.
    devices = _devices(after)
    if devices > policy.devices and devices > _devices(before):
        raise Refusal(403, "Too Many Contacts")
    for binding in made:
        flows = _flows(after, binding)
        if flows > policy.flows and flows > _flows(before, binding):
            raise Refusal(403, "Too Many Flows")


def _devices(bindings: Bindings) -> int:
    return len({binding.instance or binding.contact for binding in bindings})


def _flows(bindings: Bindings, binding: Binding) -> int:
    if binding.regId is None:
        return 0
    return sum(1 for other in bindings if other.regId and other.instance == binding.instance)


def _isRepeated(bindings: Bindings, registration: Registration, now: float) -> bool:
    # The transaction layer absorbs retransmissions, but not one that comes after a restart: the
    # same request again, carried out before. An error in answer to it would have a client give up
    # a registration that it has. So: is everything there already that it would make of nothing?
    _, made = _carriedOut((), registration, now, lambda value: b"")
    return bool(made) and all(
        any(_isRepetition(binding, again) for binding in bindings) for again in made
    )


def _isRepetition(binding: Binding, again: Binding) -> bool:
    return (
        binding.isSameAs(again)
        and binding.contact == again.contact
        and binding.params == again.params
        and binding.q == again.q
        and binding.seconds == again.seconds
        and again.updated - binding.updated < _RETRANSMISSIONS
    )


def _discard(bindings: list[Binding], unwanted: Bindings) -> None:
    # By identity: comparing values would read every field.
    if unwanted:
        bindings[:] = [b for b in bindings if not any(b is other for other in unwanted)]
