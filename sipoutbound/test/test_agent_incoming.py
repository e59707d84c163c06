"""
Tests of requests that come to a user agent, and what its program answers.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred

from sipoutbound.message.message import Request, Response
from sipoutbound.test.edge import AgentTestCase
from sipoutbound.test.phone import written
from sipoutbound.useragent import Incoming, Reply, UserAgent


def asking(method: bytes, *headers: bytes, to: bytes = b"", number: int = 1) -> Request:
    """
    A request for the user agent.

    @param headers: further lines; a Via of C{TCP} where they have none.
    @param to: our tag, within a dialog.
    """
    return written([
        method + b" sip:bot@127.0.0.1 SIP/2.0",
        b"Via: SIP/2.0/TCP 192.0.2.1;branch=z9hG4bK-%b-%d" % (method, number),
        b"Max-Forwards: 70",
        b"From: <sip:alice@example.test>;tag=a1",
        b"To: <sip:bot@example.test>" + to,
        b"Call-ID: call-1",
        b"CSeq: %d %b" % (number, method),
        *headers,
    ])


class AnswerTests(AgentTestCase):
    """
    What a program returns, and what its caller gets.
    """

    async def started(self, answer: Any, **changes: Any) -> tuple[UserAgent, Any]:
        """
        A registered user agent and its flow.
        """
        agent = self.agent(answer=answer, **changes)
        wire, _ = await self.registered(expires=10_000)
        return agent, wire

    async def response(self, wire: Any, request: Request | None = None) -> Response:
        """
        Send a request, and take the answer.
        """
        if request is not None:
            wire.give(bytes(request))
        response = await wire.hears("a response")
        assert isinstance(response, Response), response
        return response

    async def test_kinds(self) -> None:
        """
        A status, a reply, a Deferred or a coroutine of one.
        """

        async def later(status: int) -> Reply:
            return Reply(status)

        for number, (answer, status) in enumerate(
            (
                (lambda incoming: 202, 202),
                (lambda incoming: Reply(603), 603),
                (lambda incoming: later(404), 404),
                (lambda incoming: self.fired(486), 486),
            ),
            1,
        ):
            _, wire = await self.started(answer)
            response = await self.response(wire, asking(b"MESSAGE", number=number))
            self.assertEqual(response.status, status)
            self.assertTrue(response.to.param(b"tag"))

    def fired(self, status: int) -> Deferred[Any]:
        """
        A Deferred that fires in its time.
        """
        waiting: Deferred[Any] = Deferred()
        self.clock.callLater(0, waiting.callback, status)
        return waiting

    async def test_reply(self) -> None:
        """
        A reply may have a body, headers and words of its own.
        """
        reply = Reply(200, b"yes", (("Content-Type", "text/plain"), ("X-Mood", "good")), "Sure")
        _, wire = await self.started(lambda incoming: reply)
        response = await self.response(wire, asking(b"MESSAGE"))
        self.assertEqual((response.reason, response.body), (b"Sure", b"yes"))
        self.assertEqual(response.first(b"x-mood"), b"good")
        self.assertEqual(response.texts(b"content-length"), [b"3"])

    async def test_seen(self) -> None:
        """
        The program sees who asks what.
        """
        seen: list[Incoming] = []

        def answer(incoming: Incoming) -> int:
            seen.append(incoming)
            return 200

        _, wire = await self.started(answer)
        request = asking(b"MESSAGE", b"Subject: lunch")
        request.body = "mañana".encode()
        request.set(b"Content-Length", b"7")
        await self.response(wire, request)
        (incoming,) = seen
        self.assertEqual((incoming.method, incoming.caller), ("MESSAGE", "sip:alice@example.test"))
        self.assertEqual((incoming.text, incoming.body), ("mañana", "mañana".encode()))
        self.assertEqual((incoming.header("s"), incoming.header("X")), ("lunch", None))
        self.assertIsNone(incoming.dialog)

    async def test_nobody(self) -> None:
        """
        What a program does not know is refused, but OPTIONS, which asks whether anybody is there.
        """
        agent = self.agent()
        wire, _ = await self.registered()
        response = await self.response(wire, asking(b"MESSAGE"))
        self.assertEqual(response.status, 405)
        self.assertTrue(response.first(b"allow"))
        response = await self.response(wire, asking(b"OPTIONS"))
        self.assertEqual(response.status, 200)
        self.assertEqual(response.all(b"supported"), [b"path", b"outbound"])
        self.assertTrue(response.first(b"allow"))
        self.assertTrue(agent.running)

    async def test_broken(self) -> None:
        """
        A program that fails costs its caller a 500, and is in the log; the user agent goes on.
        """
        for wrong in (lambda incoming: 1 / 0, lambda incoming: 99, lambda incoming: "yes"):
            _, wire = await self.started(wrong)
            self.assertEqual((await self.response(wire, asking(b"MESSAGE"))).status, 500)
            self.assertEqual(len(self.flushLoggedErrors()), 1)

    async def test_injected(self) -> None:
        """
        A line break in a header of a reply never reaches the wire.
        """
        _, wire = await self.started(lambda incoming: Reply(200, headers=(("X", "a\r\nY: b"),)))
        self.assertEqual((await self.response(wire, asking(b"MESSAGE"))).status, 500)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    async def test_required(self) -> None:
        """
        A caller who insists on something that is not there hears what; outbound and path are.
        """
        _, wire = await self.started(lambda incoming: 200)
        response = await self.response(wire, asking(b"MESSAGE", b"Require: path, 100rel, foo"))
        self.assertEqual(response.status, 420)
        self.assertEqual(response.all(b"unsupported"), [b"100rel", b"foo"])
        request = asking(b"MESSAGE", b"Require: path, outbound", number=2)
        self.assertEqual((await self.response(wire, request)).status, 200)

    async def test_noDialog(self) -> None:
        """
        What belongs to no dialog of ours is told so (RFC 3261 12.2.2), so is a CANCEL of nothing,
        and an ACK to nothing gets no answer.
        """
        _, wire = await self.started(lambda incoming: 200)
        wire.give(bytes(asking(b"ACK", to=b";tag=gone")))
        for method, to in ((b"BYE", b";tag=gone"), (b"INFO", b";tag=gone"), (b"CANCEL", b"")):
            response = await self.response(wire, asking(method, to=to))
            self.assertEqual((response.status, response.cseq.method), (481, method))

    async def test_malformed(self) -> None:
        """
        A request without sense is answered as one.
        """
        _, wire = await self.started(lambda incoming: 200)
        request = bytes(asking(b"MESSAGE")).replace(b"<sip:bot@example.test>", b"<<")
        wire.give(request)
        self.assertEqual((await self.response(wire)).status, 400)

    async def test_repeated(self) -> None:
        """
        A request that comes twice reaches the program once.
        """
        seen: list[Incoming] = []

        def answer(incoming: Incoming) -> int:
            seen.append(incoming)
            return 200

        self.agent(self.edge.udp, answer=answer)
        wire, _ = await self.registered(self.edge.bound)
        for _ in range(2):
            wire.give(bytes(asking(b"MESSAGE")).replace(b"/TCP 192.0.2.1", b"/UDP 192.0.2.1;rport"))
            self.assertEqual((await self.response(wire)).status, 200)
        self.assertEqual(len(seen), 1)

    async def test_copies(self) -> None:
        """
        A registrar that calls all flows at once reaches the program once: the copy is refused. It
        is no copy when it comes much later, or from somebody else.
        """
        seen: list[Incoming] = []

        def answer(incoming: Incoming) -> int:
            seen.append(incoming)
            return 200

        self.agent(self.edge.tcp, self.other.tcp, answer=answer)
        first, _ = await self.registered(expires=10_000)
        second, _ = await self.registered(await self.other.connection(), expires=10_000)
        for number in (1, 2):
            request = asking(b"MESSAGE")
            self.assertEqual((await self.response(first, request)).status, 200)
            copy = bytes(request).replace(b"z9hG4bK-MESSAGE-1", b"z9hG4bK-other-%d" % number)
            second.give(copy)
            self.assertEqual((await self.response(second)).status, 482)
            self.assertEqual(len(seen), number)
            self.advance(33)
            await self.turn()
        second.give(copy)
        self.assertEqual((await self.response(second)).status, 200)
        first.give(copy.replace(b";tag=a1", b";tag=a2"))
        self.assertEqual((await self.response(first)).status, 200)

    async def test_garbage(self) -> None:
        """
        Datagrams that are nothing are dropped.
        """
        self.agent(self.edge.udp, answer=lambda incoming: 200)
        wire, _ = await self.registered(self.edge.bound)
        for data in (b"\r\n\r\n", b"\0", b"hello", b"\xff" * 100, b"INVITE sip:x SIP/2.0\r\n\r\n"):
            wire.give(data)
        data = bytes(asking(b"MESSAGE")).replace(b"/TCP 192.0.2.1", b"/UDP 192.0.2.1;rport")
        wire.give(data)
        self.assertEqual((await self.response(wire)).status, 200)
