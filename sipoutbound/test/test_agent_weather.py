"""
Tests of a user agent in bad weather: edges that do anything at any time.
"""

from __future__ import annotations

from random import Random
from typing import Any

from sipoutbound.message.message import Request, Response
from sipoutbound.test.edge import AgentTestCase, Bound, answered, granted
from sipoutbound.test.test_agent_incoming import asking
from sipoutbound.useragent import Incoming, UserAgent

ALICE = "sip:alice@example.test"

ANSWERS = (
    (423, (b"Min-Expires", b"700")),
    (503, (b"Retry-After", b"0")),
    (503, (b"Retry-After", b"20")),
    (401, (b"X", b"y")),
    (439, (b"X", b"y")),
    (500, (b"X", b"y")),
)


class WeatherTests(AgentTestCase):
    """
    Whatever happens, a client stays in one piece, and comes back.
    """

    def answer(self, incoming: Incoming) -> int:
        """
        What the program says.
        """
        return self.random.choice((200, 200, 486))

    async def test_weather(self) -> None:
        """
        Refusals, silence, lost connections, requests from both sides, in any order: no error is
        logged, it is registered again some time after the sky has cleared, and can be stopped.
        """
        for seed in range(12):
            self.random = Random(seed)
            plain = bool(seed % 3 == 0)
            agent = self.agent(
                self.edge.tcp, self.other.udp, answer=self.answer, plain=plain,
                draw=self.random.uniform, expires=300,
            )  # fmt: skip
            for _ in range(150):
                await self.storm(agent)
            for _ in range(800):
                if all(status.registered for status in agent.statuses):
                    break
                await self.turn()
                self.hear(calm=True)
                self.advance(self.random.uniform(1, 20))
            self.assertTrue(all(status.registered for status in agent.statuses), seed)
            stopping = agent.stopService()
            for _ in range(10):
                await self.turn()
                self.advance(1)
            self.assertTrue(stopping.called, seed)

    async def storm(self, agent: UserAgent) -> None:
        """
        Something happens.
        """
        happens = self.random.choice((self.breaks, self.asks, self.moves, self.comes, None, None))
        if happens is not None:
            happens(agent)
        await self.turn()
        self.hear(calm=False)
        await self.turn()
        self.advance(self.random.choice((0.1, 1, 5, 30)))

    def wires(self) -> list[Any]:
        """
        The connections there are.
        """
        return [each for each in self.edge.all if not each.closed.called]

    def breaks(self, agent: UserAgent) -> None:
        """
        Connections end.
        """
        for each in self.wires():
            if self.random.random() < 0.5:
                each.abort()

    def asks(self, agent: UserAgent) -> None:
        """
        The program asks, and may lose its patience.
        """
        sending = agent.request(self.random.choice(("MESSAGE", "INVITE", "SUBSCRIBE")), ALICE)
        sending.addErrback(lambda failure: None)
        if self.random.random() < 0.3:
            self.clock.callLater(1, sending.cancel)

    def moves(self, agent: UserAgent) -> None:
        """
        A NAT forgets, STUN is lost.
        """
        self.other.bound.mapped = ("192.0.2.1", self.random.randint(1, 3))
        self.other.bound.mute = self.random.random() < 0.3

    def comes(self, agent: UserAgent) -> None:
        """
        A request comes.
        """
        method = self.random.choice((b"MESSAGE", b"INVITE", b"CANCEL", b"ACK", b"BYE"))
        contact = b"Contact: <%b>" % self.other.udp.encode()
        request = asking(method, contact, number=self.random.randint(1, 1000))
        for wire in self.wires()[-1:]:
            wire.give(bytes(request))

    def hear(self, calm: bool) -> None:
        """
        React to what has come, or in a storm perhaps not.
        """
        if calm:
            self.other.bound.mapped, self.other.bound.mute = None, False
        for wire in (*self.wires(), self.other.bound):
            pending, wire.heard.pending = wire.heard.pending, []
            for heard in pending:
                if calm or self.random.random() < 0.8:
                    self.react(wire, heard, calm)

    def react(self, wire: Any, heard: Any, calm: bool) -> None:
        """
        Answer a message or a ping.
        """
        if isinstance(heard, Response):
            return
        if not isinstance(heard, Request):
            if not isinstance(wire, Bound) and self.random.random() < 0.5:
                wire.give(b"\r\n")
            return
        if heard.method == b"ACK":
            return
        if calm and heard.method == b"REGISTER":
            wire.give(granted(heard, 300, b"100"))
        elif heard.method == b"REGISTER" and self.random.random() < 0.6:
            timer = self.random.choice((None, b"20", b"1", b"0", b"x"))
            wire.give(granted(heard, self.random.choice((0, 60, 300)), timer,
                              self.random.random() < 0.7))  # fmt: skip
        else:
            status, header = self.random.choice(ANSWERS)
            wire.give(answered(heard, status, header))
