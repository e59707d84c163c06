"""
The programs in C{examples/}, each in the running server.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from sipoutbound.mistake import Mistake
from sipoutbound.plugin import routers
from sipoutbound.routing.decision import Reply
from sipoutbound.routing.router import Answer
from sipoutbound.test.dialog import Dialog
from sipoutbound.test.laboratory import WireTestCase
from sipoutbound.test.phone import Phone
from sipoutbound.useragent import UserAgent

EXAMPLES = Path(__file__).parents[2] / "examples"

#: Lines that an example may have.
LONGEST = 30


class ExampleTestCase(WireTestCase):
    """
    Tests with the examples at hand, as C{PYTHONPATH=examples} has them.
    """

    def setUp(self) -> None:
        """
        Start the server.
        """
        self.patch(sys, "path", [str(EXAMPLES), *sys.path])
        super().setUp()


class LengthTests(SynchronousTestCase):
    """
    The examples as such.
    """

    def test_short(self) -> None:
        """
        An example that is too long is no example.
        """
        names = {path.name: path for path in EXAMPLES.glob("*.py")}
        self.assertLessEqual({"bot.py", "callforward.py", "echo.py"}, names.keys())
        for name, path in names.items():
            self.assertLessEqual(len(path.read_text().splitlines()), LONGEST, name)


class CallForwardTests(ExampleTestCase):
    """
    C{examples/callforward.py}.
    """

    routes = (("callforward.CallForward", "alice@example.test=bob@example.test"),)

    async def calling(self, alice: bool = True) -> tuple[Phone, Phone, Phone]:
        """
        Carol calls alice.

        @param alice: whether she has registered.
        @return: the phones of carol, alice and bob.
        """
        hers, bob = await self.phone(b"alice", b"TCP"), await self.registered(b"bob")
        if alice:
            await hers.registered()
        carol = await self.phone(b"carol")
        self.invite = carol.ask(b"INVITE", hers.aor)
        return carol, hers, bob

    async def taken(self, carol: Phone, bob: Phone) -> None:
        """
        Check that bob is rung, can take the call, and that it can be ended.
        """
        invite = await bob.asked(b"INVITE")
        self.assertEqual(invite.uri, bob.contact)
        bob.answer(invite, 200)
        hers, his = Dialog.ofCaller(carol, await carol.told(200)), Dialog.ofCallee(bob, invite)
        hers.ask(b"ACK", 1)
        await bob.asked(b"ACK")
        his.ask(b"BYE")
        carol.answer(await carol.asked(b"BYE"), 200)
        await bob.told(200)

    async def test_answered(self) -> None:
        """
        When she takes the call it is hers.
        """
        carol, alice, bob = await self.calling()
        alice.answer(await alice.asked(b"INVITE"), 200)
        await carol.told(200)
        await bob.hearsNothing()

    async def test_busy(self) -> None:
        """
        When she is busy it is bob's, and carol does not hear of it.
        """
        carol, alice, bob = await self.calling()
        alice.answer(await alice.asked(b"INVITE"), 486)
        await alice.asked(b"ACK")
        await self.taken(carol, bob)

    async def test_unavailable(self) -> None:
        """
        The same when she has not registered.
        """
        carol, _, bob = await self.calling(alice=False)
        await self.taken(carol, bob)

    async def test_noAnswer(self) -> None:
        """
        The same when she lets it ring: her phone stops then.
        """
        carol, alice, bob = await self.calling()
        invite = await alice.asked(b"INVITE")
        alice.answer(invite, 180)
        await carol.told(180)
        self.advance(19)
        await bob.hearsNothing()
        self.advance(2)
        alice.answer(await alice.asked(b"CANCEL"), 200)
        alice.answer(invite, 487)
        await alice.asked(b"ACK")
        await self.taken(carol, bob)

    async def test_declined(self) -> None:
        """
        When she declines, that is what carol hears.
        """
        carol, alice, bob = await self.calling()
        alice.answer(await alice.asked(b"INVITE"), 603)
        await alice.asked(b"ACK")
        await carol.told(603)
        await bob.hearsNothing()

    async def test_hungUp(self) -> None:
        """
        When carol hangs up, bob is not disturbed.
        """
        carol, alice, bob = await self.calling()
        invite = await alice.asked(b"INVITE")
        alice.answer(invite, 180)
        await carol.told(180)
        carol.cancel(self.invite)
        self.assertEqual((await carol.told(200)).cseq.method, b"CANCEL")
        alice.answer(await alice.asked(b"CANCEL"), 200)
        alice.answer(invite, 487)
        await alice.asked(b"ACK")
        await carol.told(487)
        await bob.hearsNothing()

    async def test_others(self) -> None:
        """
        Calls for others, and other requests for her, are as ever.
        """
        _, alice, bob = await self.calling()
        await alice.asked(b"INVITE")
        bob.ask(b"MESSAGE", alice.aor)
        alice.answer(await alice.asked(b"MESSAGE"), 486)
        await bob.told(486)

    def test_argument(self) -> None:
        """
        An argument that says nothing is refused with what would be right.
        """
        for argument in (None, "", "alice@example.test", "alice@example.test="):
            spec = [("callforward.CallForward", argument)]
            line = str(self.assertRaises(Mistake, routers, spec, Answer(Reply(404))))
            self.assertIn("USER@DOMAIN=OTHER@DOMAIN", line)


class EchoTests(ExampleTestCase):
    """
    C{examples/echo.py}.
    """

    routes = (("echo.Echo", "echo@example.test"),)

    async def test_echo(self) -> None:
        """
        Each phone gets its own text back, over its flow, and its answer ends the message.
        """
        for transport in (b"UDP", b"TCP"):
            alice = await self.registered(b"alice", transport)
            text = (b"Content-Type", b"text/plain")
            alice.ask(b"MESSAGE", b"sip:echo@example.test", [text], b"hello")
            echo = await alice.asked(b"MESSAGE")
            self.assertEqual((echo.uri, echo.body), (alice.contact, b"hello"))
            self.assertEqual(echo.first(b"content-type"), b"text/plain")
            alice.answer(echo, 200)
            await alice.told(200)
            await alice.close()

    async def test_strangers(self) -> None:
        """
        Nobody can have messages sent to somebody else through it.
        """
        mallory = await self.phone(b"mallory")
        mallory.ask(b"MESSAGE", b"sip:echo@example.test")
        await mallory.told(480)
        forged = bytes(mallory.compose(b"MESSAGE", b"sip:echo@example.test"))
        mallory.send(forged.replace(b"sip:mallory@example.test", b"sip:victim@192.0.2.1"))
        await mallory.told(403)

    async def test_others(self) -> None:
        """
        Messages to others reach them.
        """
        alice, bob = await self.registered(b"alice"), await self.registered(b"bob")
        alice.ask(b"MESSAGE", bob.aor)
        bob.answer(await bob.asked(b"MESSAGE"), 200)
        await alice.told(200)


class BotTests(ExampleTestCase):
    """
    C{examples/bot.py}.
    """

    async def started(self) -> UserAgent:
        """
        The bot, registered over two flows.
        """
        # A module of examples/, which is no package.
        module = importlib.import_module("bot")
        self.patch(module, "Path", lambda name: Path(self.mktemp()) / name)
        proxies = [
            f"sip:{host}:{port};transport={transport.decode()}"
            for transport, (host, port) in self.laboratory.addresses().items()
        ]
        bot: UserAgent = module.bot(self.laboratory.clock, "sip:bot@example.test", *proxies)
        bot.startService()
        self.addCleanup(bot.stopService)
        await self.laboratory.until(
            lambda: all(status.outbound for status in bot.statuses), "the registrations of the bot"
        )
        return bot

    async def test_message(self) -> None:
        """
        A text comes back in capitals, and the writer hears that it has arrived.
        """
        await self.started()
        alice = await self.registered(b"alice")
        text = (b"Content-Type", b"text/plain")
        alice.ask(b"MESSAGE", b"sip:bot@example.test", [text], b"hello")
        echo = await alice.asked(b"MESSAGE")
        self.assertEqual((echo.body, echo.from_.text), (b"HELLO", b"sip:bot@example.test"))
        self.assertEqual(echo.first(b"content-type"), b"text/plain")
        alice.answer(echo, 200)
        await alice.told(200)

    async def test_lostFlow(self) -> None:
        """
        With one of its two flows gone it still answers.
        """
        bot = await self.started()
        alice = await self.registered(b"alice")
        for flow in tuple(self.laboratory.server.flows.streams()):
            flow.close()
        await self.laboratory.until(
            lambda: sum(status.registered for status in bot.statuses) == 1, "the loss of a flow"
        )
        alice.ask(b"MESSAGE", b"sip:bot@example.test", [], b"hello")
        alice.answer(await alice.asked(b"MESSAGE"), 200)
        await alice.told(200)

    async def test_others(self) -> None:
        """
        It takes no calls.
        """
        await self.started()
        alice = await self.registered(b"alice")
        invite = alice.ask(b"INVITE", b"sip:bot@example.test")
        alice.acknowledge(invite, await alice.told(405))
