"""
Decisions: what a router returns. All are values, so nobody can answer twice or forget to.
"""

from __future__ import annotations

from typing import Any

from attrs import field, frozen

from sipoutbound.interfaces import IFlow
from sipoutbound.message.grammar import Malformed
from sipoutbound.message.message import Response
from sipoutbound.message.uri import URI

TextHeaders = tuple[tuple[str, str], ...]


def textOf(octets: bytes) -> str:
    """
    The text of a header, from which L{octetsOf} makes the same octets again, UTF-8 or not.
    """
    return octets.decode("utf-8", "surrogateescape")


def octetsOf(text: str) -> bytes:
    """
    A header's text as it is sent: UTF-8 (RFC 3261 7.3.1, 25.1), or what L{textOf} was given.
    """
    return text.encode("utf-8", "surrogateescape")


@frozen
class Reply:
    """
    Answer the request here.

    @ivar status: 200 to 699.
    @ivar reason: the reason phrase; the usual one where it is C{None}.
    @ivar headers: (name, value) pairs.
    """

    status: int
    reason: str | None = None
    headers: TextHeaders = ()

    @classmethod
    def unsupported(cls, extensions: list[bytes]) -> Reply:
        """
        That extensions are asked for which are not there (RFC 3261 8.2.2.3, 16.3 step 5).

        @param extensions: as they were asked for, whatever octets they are.
        """
        return cls(420, headers=(("Unsupported", textOf(b", ".join(extensions))),))


@frozen
class Redirect:
    """
    Tell the caller where to go instead (302, RFC 3261 8.3).

    @ivar contacts: URIs, the first the most preferred.
    """

    contacts: tuple[str, ...]


@frozen
class Target:
    """
    One recipient of a forwarded request (RFC 3261 16.5).

    @ivar uri: the Request-URI to send, as bytes; the request's own where it is C{None}.
    @ivar route: Route values to put in front of those of the request (RFC 3327 5.4).
    @ivar flow: the flow to send it down, whatever the URI says.
    @ivar binding: the binding it stands for, which is removed when its flow has failed.
    @ivar otherwise: further flows of the same instance, each tried when those in front of it have
        failed, and never two at a time (RFC 5626 7).
    """

    uri: bytes | None = None
    route: tuple[bytes, ...] = ()
    flow: IFlow | None = None
    binding: Any = None
    otherwise: tuple[Target, ...] = ()


def _target(to: Target | URI | str | bytes) -> Target:
    if isinstance(to, Target):
        return to
    text = to.encode() if isinstance(to, str) else bytes(to)
    try:
        URI.parse(text)
    except Malformed as error:
        # Not the caller's mistake: no answer of 400 must come of it.
        raise ValueError(f"not a URI: {to!r}") from error
    return Target(text)


def _groups(groups: tuple[Any, ...]) -> tuple[tuple[Target, ...], ...]:
    """
    An empty group is none: nothing would come of it.
    """
    lists = (group if isinstance(group, tuple | list) else (group,) for group in groups)
    return tuple(tuple(map(_target, group)) for group in lists if group)


@frozen(init=False)
class Forward:
    """
    Send the request on.

    C{Forward("sip:a@x.org", "sip:b@x.org")} tries one after the other; C{Forward(("sip:a@x.org",
    "sip:b@x.org"))} both at once. URIs of this server's own domains go to their users' bindings.

    Anything else than a URI is a C{ValueError}.

    @ivar groups: groups of L{Target}, the next tried when the one in front of it has failed.
    @ivar headers: (name, value) pairs to put in front of the request's own.
    @ivar watched: the address of record whose bindings they all are: a phone that registers for it
        while these are tried is tried after them (RFC 3261 16.5).
    """

    groups: tuple[tuple[Target, ...], ...]
    headers: TextHeaders = field(default=())
    watched: bytes = field(default=b"", eq=False)

    def __init__(self, *groups: Any, headers: TextHeaders = (), watched: bytes = b"") -> None:
        self.__attrs_init__(_groups(groups), headers, watched)


#: A response of L{Response} is passed on as it is: one that C{request.forward} gave.
Decision = Reply | Forward | Redirect | Response
