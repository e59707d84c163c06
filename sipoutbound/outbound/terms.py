"""
What a REGISTER asks for and a policy grants: all of it that is the same from one refresh to the
next (RFC 3261 10.3, RFC 3327 5.3, RFC 5626 6).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from attrs import frozen

from sipoutbound.message.grammar import Malformed
from sipoutbound.message.header import NameAddress, splitList
from sipoutbound.message.uri import URI
from sipoutbound.outbound.binding import Binding
from sipoutbound.outbound.contact import Contact, lifetime
from sipoutbound.outbound.headers import Texts
from sipoutbound.outbound.policy import Policy
from sipoutbound.outbound.refusal import Refusal

#: The extensions that a REGISTER may require (RFC 3327, RFC 5626).
EXTENSIONS: Final = frozenset((b"path", b"outbound"))

# Octets of a User-Agent that are kept, for people to read.
_AGENT_LENGTH: Final = 256

# Expires: 0, which Contact: * needs (RFC 3261 10.3 step 6).
_ZERO: Final = re.compile(rb"0+")


@frozen
class Grant:
    """
    One Contact as it is taken.

    @ivar contact: the Contact.
    @ivar regId: its reg-id, if that counts (RFC 5626 6).
    @ivar seconds: its lifetime as granted; 0 removes.
    @ivar flowTimer: what its client is told of L{Policy.flowTimer}.
    """

    contact: Contact
    regId: int | None
    seconds: int
    flowTimer: int

    def concerns(self, binding: Binding) -> bool:
        """
        Whether the binding is the one this Contact is about: by instance and reg-id (RFC 5626 6),
        by the URI otherwise (RFC 3261 19.1.4). The two kinds leave each other alone.

        @raise Malformed: when the Contact's URI cannot be read, and has to be.
        """
        if self.regId is not None:
            return binding.regId == self.regId and binding.instance == self.contact.instance
        if binding.regId is not None:
            return False
        if binding.contact == self.contact.uri:
            return True
        return URI.parse(binding.contact).equivalent(URI.parse(self.contact.uri))


@frozen
class Terms:
    """
    @ivar aor: the canonical address of record.
    @ivar userAgent: the User-Agent, or empty.
    @ivar path: the Path values, topmost first.
    @ivar supported: the option-tags of Supported.
    @ivar hops: how many Via values there are.
    @ivar star: whether the Contact is C{*}: remove everything.
    @ivar grants: the Contacts, those to be removed first: pjsua drops its old URI and adds its new
        one in one REGISTER, both with the same instance and reg-id. Empty for a fetch.
    """

    aor: bytes
    userAgent: bytes
    path: tuple[bytes, ...]
    supported: frozenset[bytes]
    hops: int
    star: bool
    grants: tuple[Grant, ...]

    @classmethod
    def parse(cls, texts: Texts, serves: Callable[[bytes], bool], policy: Policy) -> Terms:
        """
        Steps 2 and 5 to 7 of RFC 3261 10.3, as far as they do not depend on the bindings.

        @param serves: whether a host, in lower case, is a domain of the registrar.
        @raise Malformed: when a text cannot be read.
        @raise Refusal: 400, 404, 420, 423, 439.
        """
        to, agent, require, supported, contact, expires, path, hops = texts
        _checkRequired(_optionTags(require))
        aor = _servedAor(to or b"", serves)
        values = _pathValues(path or b"", policy)
        tags = _optionTags(supported)
        common = (aor, (agent or b"")[:_AGENT_LENGTH], values, tags, hops)
        if contact == b"*":
            if _ZERO.fullmatch(expires or b"") is None:
                raise Malformed("Contact * Needs Expires: 0")
            return cls(*common, star=True, grants=())
        contacts = _contacts(contact or b"", policy)
        counts = _regIdsCount(contacts, values, tags, hops, policy)
        if policy.rejectUnknownPath and contacts and hops > 1:
            _checkPathKnown(values, tags)
        otherwise = None if expires is None else lifetime(expires)
        # RFC 5626 5.4: told beside Require: outbound, and by the first hop only.
        timer = policy.flowTimer if hops == 1 and b"outbound" in tags else 0
        grants = [_granted(each, otherwise, counts, policy, timer) for each in contacts]
        if counts:
            _checkSingleFlow(grants)
        grants.sort(key=lambda grant: grant.seconds > 0)
        return cls(*common, star=False, grants=tuple(grants))

    @property
    def appliesOutbound(self) -> bool:
        """
        Whether outbound processing is applied and was asked for: the answer then requires
        C{outbound} (RFC 5626 6).
        """
        return b"outbound" in self.supported and any(
            grant.regId is not None for grant in self.grants
        )


def _servedAor(to: bytes, serves: Callable[[bytes], bool]) -> bytes:
    # RFC 3261 10.3 step 5. An address of record is sip or sips (10.2) and names a user.
    uri = NameAddress.parse(to).uri
    if uri.opaque is not None:
        raise Malformed("To Is No SIP URI")
    if uri.user is None or not serves(uri.host):
        raise Refusal(404)
    return uri.aor()


def _optionTags(text: bytes | None) -> frozenset[bytes]:
    # RFC 3261 20.32, 20.37
    return frozenset(tag.lower() for tag in splitList(text or b""))


def _checkRequired(tags: frozenset[bytes]) -> None:
    # RFC 3261 8.2.2.3
    if unknown := tags - EXTENSIONS:
        raise Refusal(420, headers=((b"Unsupported", b", ".join(sorted(unknown))),))


def _pathValues(text: bytes, policy: Policy) -> tuple[bytes, ...]:
    if len(text) > policy.length:
        raise Malformed("Path Too Long")
    # A line break that is no folding must get neither into an answer nor into a store.
    if b"\n" in text or b"\r" in text:
        raise Malformed("Line Break in Path")
    values = tuple(splitList(text))
    # path-value = name-addr *( SEMI rr-param ) (RFC 3327 4): what it has no brackets around would
    # lose its parameters.
    if any(b"<" not in value for value in values):
        raise Malformed("Path Without Brackets")
    return values


def _checkPathKnown(path: tuple[bytes, ...], supported: frozenset[bytes]) -> None:
    # RFC 3327 5.3
    if path and b"path" not in supported:
        raise Refusal(420, headers=((b"Unsupported", b"path"),))


def _contacts(text: bytes, policy: Policy) -> list[Contact]:
    values = splitList(text)
    if b"*" in values:
        raise Malformed("Contact * Must Be Alone")
    if len(values) > policy.contacts:
        raise Refusal(403, "Too Many Contacts")
    if any(len(value) > policy.length for value in values):
        raise Malformed("Contact Too Long")
    return [Contact.parse(value) for value in values]


def _regIdsCount(
    contacts: list[Contact],
    path: tuple[bytes, ...],
    supported: frozenset[bytes],
    hops: int,
    policy: Policy,
) -> bool:
    # RFC 5626 6: they count where the client's own connection ends here, or at an edge that says
    # "ob". Proxies prepend their Path values (RFC 3327 5.2), so the first hop's is the last.
    # Otherwise 439 to who asked for outbound, even without an instance-id: it says more than
    # ignoring the reg-id would.
    if all(contact.regId is None for contact in contacts):
        return False
    if hops == 1 or (path and NameAddress.parse(path[-1]).uri.has(b"ob")):
        return True
    if policy.rejectMissingOb and b"outbound" in supported:
        raise Refusal(439)
    return False


def _granted(
    contact: Contact, otherwise: int | None, counts: bool, policy: Policy, flowTimer: int
) -> Grant:
    asked = otherwise if contact.expires is None else contact.expires
    # RFC 5626 6: a reg-id without instance-id is ignored.
    regId = contact.regId if counts and contact.instance is not None else None
    return Grant(contact, regId, policy.lifetime(asked), 0 if regId is None else flowTimer)


def _checkSingleFlow(grants: list[Grant]) -> None:
    # RFC 5626 6: one REGISTER binds one flow.
    kept = [grant.contact for grant in grants if grant.seconds]
    if len(kept) > 1 and any(contact.regId is not None for contact in kept):
        raise Refusal(400, "More Than One Contact With reg-id")
