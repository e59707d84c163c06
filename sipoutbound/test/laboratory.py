"""
A laboratory: the real server on loopback sockets, scripted phones, a time that can be pushed on.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from random import randrange
from socket import SOCK_DGRAM, SOCK_STREAM
from typing import Any

from attrs import define, evolve, field
from twisted.internet import reactor as theReactor
from twisted.internet.task import Clock, deferLater
from twisted.trial.unittest import TestCase

from sipoutbound import tap
from sipoutbound.interfaces import Address
from sipoutbound.settings import (
    CONNECTION,
    DATAGRAM,
    MEMORY,
    SQLITE,
    Listen,
    Networks,
    Settings,
)
from sipoutbound.test.dialog import Dialog
from sipoutbound.test.line import until, within
from sipoutbound.test.phone import DOMAIN, Phone
from sipoutbound.transport.listen import bound

reactor: Any = theReactor

LOOPBACK = "127.0.0.1"


class PushedClock(Clock):
    """
    The reactor with another time: that of the world, and what a test has pushed it on.

    @ivar ahead: how far it is in front of the world's, in seconds.
    """

    def __init__(self, ahead: float = 0.0) -> None:
        super().__init__()
        self.ahead = ahead
        self._alarm: Any = None

    def __getattr__(self, name: str) -> Any:
        return getattr(reactor, name)

    def seconds(self) -> float:
        """
        See L{twisted.internet.interfaces.IReactorTime.seconds}.
        """
        seconds: float = reactor.seconds() + self.ahead
        return seconds

    def callLater(self, delay: float, callable: Any, *args: object, **kw: object) -> Any:
        """
        See L{twisted.internet.interfaces.IReactorTime.callLater}.
        """
        call: Any = super().callLater(delay, callable, *args, **kw)
        call.resetter = lambda _: self._arm()
        self._arm()
        return call

    def advance(self, amount: float) -> None:
        """
        Push the time on, and make the calls that are due then.
        """
        self.ahead += amount
        super().advance(0)
        self._arm()

    def stop(self) -> None:
        """
        Make no more calls.
        """
        if self._alarm is not None and self._alarm.active():
            self._alarm.cancel()
        self._alarm = None

    def _arm(self) -> None:
        self.stop()
        if self.calls:
            due = min(call.getTime() for call in self.calls)
            self._alarm = reactor.callLater(max(0.0, due - self.seconds()), self.advance, 0)


@define(eq=False)
class Laboratory:
    """
    The server and its phones. To be closed when the test is over.

    @ivar settings: the server's.
    """

    settings: Settings
    clock: PushedClock = field(factory=PushedClock)
    phones: list[Phone] = field(factory=list)
    server: tap.Server = field(init=False)
    _crashed: list[tap.Server] = field(factory=list, init=False)

    def start(self) -> None:
        """
        Start the server. The next one will have its ports.
        """
        self.server = tap.Server(self.settings, self.clock)
        self.server.startService()
        ports = zip(self.settings.listen, self.server.ports, strict=False)
        places = [evolve(place, port=port.address[1]) for place, port in ports]
        self.settings = evolve(self.settings, listen=tuple(places))

    def time(self) -> float:
        """
        Seconds since the epoch, pushed on like all other time.
        """
        return time.time() + self.clock.ahead

    def addresses(self) -> dict[bytes, Address]:
        """
        Where the server listens, by transport.
        """
        return {port.listener.transport: port.address for port in self.server.ports}

    async def phone(self, user: bytes, transport: bytes = b"UDP", port: int = 0) -> Phone:
        """
        A new phone.

        @param port: the port to be seen with; 0 for any that is free.
        """
        phone = await Phone.at(self.addresses()[transport], user, transport, port)
        self.phones.append(phone)
        return phone

    async def until(self, condition: Callable[[], object], what: str) -> None:
        """
        See L{sipoutbound.test.line.until}.
        """
        await until(condition, what)

    async def turn(self) -> None:
        """
        Let the server take what was sent to it so far.
        """
        for _ in range(3):
            await deferLater(reactor, 0)

    async def crash(self) -> None:
        """
        Take the server from its sockets and stop its time, before it can write or tell anything.
        """
        server = self.server
        server.flows.lost = lambda flow: None
        self.clock.stop()
        for flow in server.flows.streams():
            flow.close()
        for port in server.ports:
            await port.disownServiceParent()
        server.stack.stop()
        self._crashed.append(server)

    async def restart(self) -> None:
        """
        Start another server in place of the one that has crashed or been stopped.
        """
        self.clock.stop()
        self.clock = PushedClock(self.clock.ahead)
        self.start()

    async def close(self) -> None:
        """
        End everything, and make sure that the server leaves nothing behind.
        """
        try:
            for phone in self.phones:
                await phone.close()
        finally:
            for server in self._crashed:
                await within(server.location.stopService(), "the end of a crashed server")
            if self.server not in self._crashed:
                await within(self.server.stopService(), "the end of the server")
            self.clock.stop()
        left = [str(call) for call in self.clock.calls]
        assert not left, f"the server has stopped and left {left}"


def quietPort() -> int:
    """
    A free port that the system gives to no connection by itself (Linux begins at 32768): whoever
    starts a server anew finds it free again.
    """
    while True:
        port = randrange(20_000, 32_000)
        try:
            for kind in (SOCK_DGRAM, SOCK_STREAM):
                bound(kind, LOOPBACK, port).close()
        except OSError:
            continue
        return port


def without(address: str) -> str | None:
    """
    Why tests that need a local address cannot run; C{None} where they can.
    """
    try:
        bound(SOCK_DGRAM, address, 0).close()
    except OSError as error:
        return f"no address {address} here: {error.strerror}"
    return None


class WireTestCase(TestCase):
    """
    Tests with a server of their own. What it logs as an error fails the test.

    @cvar durable: whether bindings are kept in SQLite.
    @cvar routes: the server's C{--route}.
    @cvar interface: where it listens.
    @cvar domains: what it answers for.
    @cvar trust: whom it trusts: nobody, as all phones of a test are on this machine.
    @ivar resolvers: the DNS servers that it asks.
    """

    timeout = 60.0
    durable = False
    routes: tuple[tuple[str, str | None], ...] = ()
    interface = LOOPBACK
    domains: tuple[str, ...] = (DOMAIN.decode(),)
    trust: Networks | None = ()
    resolvers: tuple[Address, ...] = ()

    def setUp(self) -> None:
        """
        Start the server.
        """
        state = Path(self.mktemp()).absolute()
        port = quietPort()
        listen = (Listen(DATAGRAM, port, self.interface), Listen(CONNECTION, port, self.interface))
        location = (SQLITE, state / "location.sqlite") if self.durable else (MEMORY, None)
        self.laboratory = Laboratory(
            Settings(
                self.domains,
                listen,
                state=state,
                location=location,
                routes=self.routes,
                trust=self.trust,
                allowAnonymous=True,
                resolvers=self.resolvers,
            )
        )
        self.patch(tap, "time", self.laboratory.time)
        self.laboratory.start()
        self.addCleanup(self.laboratory.close)

    def advance(self, seconds: float) -> None:
        """
        Let time pass for the server.
        """
        self.laboratory.clock.advance(seconds)

    async def phone(self, user: bytes, transport: bytes = b"UDP", port: int = 0) -> Phone:
        """
        See L{Laboratory.phone}.
        """
        return await self.laboratory.phone(user, transport, port)

    async def registered(
        self, user: bytes, transport: bytes = b"UDP", regId: int = 1, like: Phone | None = None
    ) -> Phone:
        """
        A new phone with an outbound registration.

        @param like: another flow of the same instance.
        """
        phone = await self.phone(user, transport)
        if like is not None:
            phone.instance = like.instance
        return await phone.registered(regId)

    async def bindings(self, phone: Phone) -> list[bytes]:
        """
        What the server has bound to the phone's address of record, as it says itself: the Contact
        values of a fetch.
        """
        phone.register(None)
        return (await phone.told(200)).all(b"contact")

    async def talk(self, caller: Phone, callee: Phone) -> tuple[Dialog, Dialog]:
        """
        A call that is answered.

        @return: the caller's and the callee's side.
        """
        caller.ask(b"INVITE", callee.aor)
        invite = await callee.asked(b"INVITE")
        callee.answer(invite, 200)
        side = Dialog.ofCaller(caller, await caller.told(200))
        side.ask(b"ACK", 1)
        await callee.asked(b"ACK")
        return side, Dialog.ofCallee(callee, invite)
