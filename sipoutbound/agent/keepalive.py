"""
Keeps a flow of ours alive, and notices when it is not (RFC 5626 4.4).
"""

from __future__ import annotations

from collections.abc import Callable
from os import urandom
from typing import Any

from attrs import define, field

from sipoutbound.agent.line import Line
from sipoutbound.interfaces import Address
from sipoutbound.outbound import stun
from sipoutbound.outbound.backoff import Draw
from sipoutbound.outbound.probe import (
    PING,
    PONG_DEADLINE,
    REPETITIONS,
    STUN_DEADLINE,
    Deed,
    Probe,
    Sign,
)
from sipoutbound.stack import Stack

# RFC 8489 5.
_TRANSACTION_OCTETS = 12


@define(eq=False)
class _Asked:
    """
    One probe under way.

    @ivar transaction: the id of its STUN transaction; empty on a stream.
    """

    probe: Probe
    data: bytes
    transaction: bytes
    timers: list[Any] = field(factory=list)

    def stop(self) -> None:
        for timer in self.timers:
            timer.cancel()


@define(eq=False, repr=False)
class Keepalive:
    """
    The probes of one flow.

    @ivar stack: has the time.
    @ivar proved: told of each answer.
    @ivar failed: told, once, why the flow has failed.
    @ivar proven: whether there was an answer.
    """

    stack: Stack
    line: Line
    draw: Draw
    proved: Callable[[], None]
    failed: Callable[[str], None]
    proven: bool = field(default=False, init=False)
    _bounds: tuple[float, float] = field(default=(0.0, 0.0), init=False)
    _last: float | None = field(default=None, init=False)
    _next: Any = field(default=None, init=False)
    _asked: list[_Asked] = field(factory=list, init=False)
    _mapped: Address | None = field(default=None, init=False)

    def keep(self, bounds: tuple[float, float]) -> None:
        """
        Probe the flow from now on, or at other intervals than before.

        The first STUN request leaves at once: until it is answered nobody knows which address it
        was that has registered. A first ping comes after an interval: a server that takes every
        registration and closes must not be called successful each time.

        @param bounds: between how many and how many seconds apart.
        """
        signs = self.line.signs
        signs.pong, signs.stun, signs.whole = self._pong, self._stun, self._whole
        self._bounds = bounds
        if self._last is None:
            self._last = self.stack.now()
            if not self.line.flow.reliable:
                self._ask()
        self._schedule()

    def stop(self) -> None:
        """
        No more probes.
        """
        if self._next is not None:
            self._next.cancel()
        asked, self._asked = self._asked, []
        for each in asked:
            each.stop()

    def _schedule(self) -> None:
        """
        The next probe, counted from the sending of the one before: answers may take their time.
        """
        if self._next is not None:
            self._next.cancel()
        assert self._last is not None
        wait = self._last + self.draw(*self._bounds) - self.stack.now()
        self._next = self.stack.later(max(0.0, wait), self._due, None)

    def _due(self, _: None) -> None:
        self._ask()
        self._schedule()

    def _ask(self) -> None:
        self._last = self.stack.now()
        asked = self._begun()
        self._asked.append(asked)
        self.line.flow.send(asked.data)

    def _begun(self) -> _Asked:
        later = self.stack.later
        if self.line.flow.reliable:
            asked = _Asked(Probe(), PING, b"")
            asked.timers.append(later(PONG_DEADLINE, self._late, asked))
            return asked
        transaction = urandom(_TRANSACTION_OCTETS)
        asked = _Asked(Probe(), stun.request(transaction), transaction)
        passed = 0.0
        for wait in REPETITIONS:
            passed += wait
            asked.timers.append(later(passed, self._repeat, asked))
        asked.timers.append(later(STUN_DEADLINE, self._late, asked))
        return asked

    def _late(self, asked: _Asked) -> None:
        within = self.line.signs.partial
        self._feed(asked, Sign.DEADLINE_WITHIN if within else Sign.DEADLINE, "no answer to a ping")

    def _repeat(self, asked: _Asked) -> None:
        self._feed(asked, Sign.REPEAT)

    def _pong(self) -> None:
        if self._asked:
            self._feed(self._asked[0], Sign.ANSWER)

    def _whole(self) -> None:
        for asked in tuple(self._asked):
            self._feed(asked, Sign.WHOLE, "no answer to a ping")

    def _stun(self, data: bytes) -> None:
        for asked in tuple(self._asked):
            address = stun.mapped(data, asked.transaction)
            if address is not None:
                self._mapping(asked, address)
            elif stun.refused(data, asked.transaction):
                self._feed(asked, Sign.REJECTION, "STUN is refused")

    def _mapping(self, asked: _Asked, address: Address) -> None:
        """
        The first address that is told is the one to compare with (RFC 5626 4.4.2).
        """
        if self._mapped is None:
            self._mapped = address
        if address == self._mapped:
            self._feed(asked, Sign.ANSWER)
        else:
            was, now = self._mapped, address
            why = f"a NAT has another address for us: {now[0]}:{now[1]}, not {was[0]}:{was[1]}"
            self._feed(asked, Sign.REJECTION, why)

    def _feed(self, asked: _Asked, sign: Sign, why: str = "") -> None:
        for deed in asked.probe.step(sign):
            if deed is Deed.ASK:
                self.line.flow.send(asked.data)
            elif deed is Deed.PROVE:
                asked.stop()
                self._asked.remove(asked)
                self.proven = True
                self.proved()
            else:
                self.stop()
                self.failed(why)
