"""
Flows: one connection, or one UDP five-tuple, and the way from a token back to it (RFC 5626 5.2).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from attrs import define, field
from zope.interface import implementer

from sipoutbound.interfaces import Address, IFlow
from sipoutbound.outbound.flowtoken import DatagramFlow, Keys, StreamFlow

if TYPE_CHECKING:
    from sipoutbound.transport.table import Flows


class Line(Protocol):
    """
    What carries a flow: the protocol of a connection, or a UDP port for all its flows.
    """

    def write(self, data: bytes, peer: Address) -> bool:
        """
        Send one message.

        @return: whether it was taken.
        """

    def drop(self, flow: Flow) -> None:
        """
        Give a flow up.
        """

    def flowTo(self, peer: Address) -> Flow:
        """
        The flow to another peer of the same port; only UDP has one.
        """


def hostport(address: Address) -> bytes:
    """
    An address as it stands in a URI or a Via: IPv6 in brackets.
    """
    host, port = address[0].encode(), address[1]
    return (b"[%b]:%d" if b":" in host else b"%b:%d") % (host, port)


@implementer(IFlow)
@define(eq=False, repr=False, weakref_slot=False)
class Flow:
    """
    One way to one peer.

    @ivar transport: upper-case, as in a Via.
    @ivar name: how the peer reaches us on it: C{b"host:port"}, and C{;transport=} where it is not
        UDP; belongs into a URI.
    @ivar peer: as anybody writes it: an IPv4 address without C{::ffff:}, IPv6 without the link.
    @ivar heard: when anything last came over it.
    @ivar limit: for how many seconds it may be silent; 0.0 for ever.
    @ivar registered: the addresses of record that are registered over it, as far as an edge apart
        has seen; else empty.
    @ivar instances: the instance-ids of those who have registered over it, as far as the edge saw.
    @ivar relayed: whether a user of ours has called a foreign domain over it.
    @ivar pending: the client transactions that wait on it, for whoever keeps them.
    """

    transport: bytes
    reliable: bool
    peer: Address
    name: bytes
    via: bytes
    identity: StreamFlow | DatagramFlow
    _flows: Flows
    _line: Line
    _where: Address
    heard: float = 0.0
    limit: float = 0.0
    alive: bool = True
    pending: set[Any] | None = None
    registered: set[bytes] | None = None
    instances: set[bytes] | None = None
    relayed: bool = False
    _token: bytes = field(default=b"", init=False)
    _sealer: Keys | None = field(default=None, init=False)

    @property
    def token(self) -> bytes:
        """
        The sealed token, made once for each ring of keys.
        """
        keys = self._flows.keys
        if self._sealer is not keys:
            self._token, self._sealer = keys.seal(self.identity), keys
        return self._token

    @property
    def tokens(self) -> tuple[bytes, ...]:
        """
        Every token that it may be known by: keys may have been rotated since it was registered.
        """
        keys = self._flows.keys
        return keys.seals(self.identity) if len(keys.all) > 1 else (self.token,)

    def send(self, data: bytes) -> bool:
        """
        Send one message; on a dead flow do nothing.

        @return: whether it was taken; if not it never arrives (RFC 3261 18.4).
        """
        return self.alive and self._line.write(data, self._where)

    def beside(self, port: int) -> Flow:
        """
        The flow to another port of the same peer, for a response to a client that does not know
        C{rport} (RFC 3261 18.2.2). Of a connection there is only itself.
        """
        if self.reliable or port == self.peer[1]:
            return self
        return self._line.flowTo((self._where[0], port))

    def watch(self, limit: float) -> None:
        """
        From now on take the flow for dead when it is silent for C{limit} seconds (RFC 5626 5.4).
        """
        watched, self.limit = self.limit, limit
        if not watched:
            self._flows.watch(self)

    def close(self) -> None:
        """
        Give the flow up: a connection is closed, a UDP flow dead until its peer sends a message.
        """
        self._line.drop(self)
