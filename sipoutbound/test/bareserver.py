"""
The whole server without sockets: octets in, octets out, at once.
"""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

from attrs import define, field
from twisted.internet.testing import MemoryReactorClock

from sipoutbound import tap
from sipoutbound.interfaces import Address
from sipoutbound.message.framing import Stream
from sipoutbound.message.message import Request, Response
from sipoutbound.settings import MEMORY, Settings
from sipoutbound.test.wires import LOCAL, PEER, FakeTransport
from sipoutbound.transport.datagram import Port
from sipoutbound.transport.listener import Listener
from sipoutbound.transport.stream import Connection


@define(eq=False)
class Postbox:
    """
    A UDP socket that keeps what is sent.

    @ivar sent: the datagrams, and whom they are for.
    """

    family: int = socket.AF_INET
    sent: list[tuple[bytes, Address]] = field(factory=list)

    def sendto(self, data: bytes, peer: Address) -> None:
        """
        Keep it.
        """
        self.sent.append((data, peer))


@define(eq=False)
class Plug:
    """
    A client's end of a connection to the server.

    @ivar transport: what the server has of it.
    """

    connection: Connection
    transport: FakeTransport

    def send(self, data: bytes) -> list[bytes]:
        """
        Send octets.

        @return: the messages that come back at once, as they came.
        """
        before = len(self.transport.sent)
        self.connection.dataReceived(data)
        return cut(self.transport.sent[before:])

    def heard(self) -> list[bytes]:
        """
        All messages that have come, as they came.
        """
        return cut(self.transport.sent)


def cut(data: bytes) -> list[bytes]:
    """
    The messages in what was sent over a connection.
    """
    events = Stream().receive(data)
    return [bytes(event) for event in events if isinstance(event, Request | Response)]


@define(eq=False)
class BareServer:
    """
    The server as C{twistd} makes it, but for its sockets and its time.

    @ivar state: a folder for its keys.
    @ivar domains: what it answers for.
    @ivar postbox: what it sends over UDP.
    """

    state: Path
    domains: tuple[str, ...]
    clock: Any = field(factory=MemoryReactorClock)
    postbox: Any = field(factory=Postbox)
    server: tap.Server = field(init=False)
    port: Any = field(init=False)

    def __attrs_post_init__(self) -> None:
        settings = Settings(self.domains, (), state=self.state, location=(MEMORY, None))
        self.server = tap.Server(settings, self.clock)
        self.port = Port(self._listener(b"UDP"), self.postbox, LOCAL)

    def _listener(self, transport: bytes) -> Listener:
        server = self.server
        return Listener(transport, server.flows, server.stack.received, server.names.addresses)

    def datagram(self, data: bytes, peer: Address = PEER) -> list[tuple[bytes, Address]]:
        """
        A datagram comes.

        @return: what is sent at once over UDP, and whom to.
        """
        before = len(self.postbox.sent)
        self.port.datagramReceived(data, peer)
        sent: list[tuple[bytes, Address]] = self.postbox.sent[before:]
        return sent

    def connect(self, peer: Address = PEER) -> Plug:
        """
        A client connects.
        """
        plug = Plug(Connection(self._listener(b"TCP")), FakeTransport(peer))
        plug.connection.makeConnection(plug.transport)
        return plug

    def registered(self, aor: bytes, peer: Address = ("192.0.2.77", 5077)) -> Plug:
        """
        A phone that has registered over a connection of its own.

        @param aor: its address of record, a URI.
        """
        plug = self.connect(peer)
        (answer,) = plug.send(REGISTER % {b"aor": aor, b"host": peer[0].encode()})
        assert answer.startswith(b"SIP/2.0 200 "), answer
        plug.transport.sent = b""
        return plug

    def wait(self, seconds: int) -> None:
        """
        Let time pass.
        """
        self.clock.pump([1.0] * seconds)


REGISTER = (
    b"REGISTER sip:example.com SIP/2.0\r\n"
    b"Via: SIP/2.0/TCP %(host)b;branch=z9hG4bKregister\r\n"
    b"From: <%(aor)b>;tag=r\r\nTo: <%(aor)b>\r\nCall-ID: register\r\nCSeq: 1 REGISTER\r\n"
    b"Contact: <sip:phone@%(host)b:5077;transport=tcp>\r\nContent-Length: 0\r\n\r\n"
)
