"""
What the server has promised holds when it is killed (RFC 3261 10.3, RFC 5626 9.3).
"""

from __future__ import annotations

import re
import signal
import sys
from pathlib import Path
from typing import Any

from attrs import define, evolve, field
from twisted.internet.defer import Deferred
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

import sipoutbound
from sipoutbound.interfaces import Address
from sipoutbound.location.sqlite import SQLiteStore
from sipoutbound.outbound.flowtoken import Keys
from sipoutbound.outbound.keepalive import GRACE
from sipoutbound.settings import LOOPBACK as THIS_MACHINE
from sipoutbound.settings import Settings
from sipoutbound.test.laboratory import LOOPBACK, WireTestCase, quietPort, reactor
from sipoutbound.test.line import within
from sipoutbound.test.phone import DOMAIN, Phone

# How long a phone may be silent that was told the Flow-Timer (RFC 5626 5.4), in seconds.
LIMIT = Settings().flowTimer + GRACE

LISTENING = re.compile(rb"listening: [0-9.]+:([0-9]+) (UDP|TCP)")


class RestartTests(WireTestCase):
    """
    Servers in this process: one is taken off its sockets, the next one started on its folder.
    """

    # Edges of a test are on this machine.
    trust = THIS_MACHINE

    durable = True

    async def restarted(self) -> None:
        """
        A crash and a new start.
        """
        await self.laboratory.crash()
        await self.laboratory.restart()

    async def test_datagramFlow(self) -> None:
        """
        A phone on UDP notices nothing: it is registered still, and called over the flow it has.
        """
        bob = await self.registered(b"bob")
        before = await self.bindings(bob)
        await self.restarted()
        self.assertEqual(await self.bindings(bob), before)
        alice = await self.registered(b"alice")
        await self.talk(alice, bob)

    async def test_keyRotated(self) -> None:
        """
        With a new key in front of the old one a phone is still registered, and no stranger: it may
        call foreign domains, and its flow's end is that of its binding.
        """
        bob = await self.registered(b"bob")
        await self.laboratory.crash()
        keys = self.laboratory.settings.state / "flow-token.keys"
        keys.write_bytes(bytes(Keys.parse(keys.read_bytes()).rotated()))
        await self.laboratory.restart()
        bob.ask(b"MESSAGE", b"sip:x@127.0.0.1:1;transport=tcp")
        await bob.told(500)
        alice = await self.registered(b"alice")
        await self.talk(alice, bob)

    async def test_dialogGoesOn(self) -> None:
        """
        A call between phones on UDP outlives the server: both may hang up.
        """
        alice, bob = await self.registered(b"alice"), await self.registered(b"bob")
        sides = await self.talk(alice, bob)
        await self.restarted()
        for side, other in (sides, sides[::-1]):
            side.ask(b"BYE")
            other.phone.answer(await other.phone.asked(b"BYE"), 200)
            await side.phone.told(200)

    async def test_streamFlow(self) -> None:
        """
        The connections of the old server are known to be dead: they cost no caller any time, and
        the other flow of the same phone rings at once.
        """
        gone = await self.registered(b"carol", b"TCP")
        first = await self.registered(b"bob", b"TCP", 1)
        second = await self.registered(b"bob", b"UDP", 2, like=first)
        await self.restarted()
        (left,) = await self.bindings(second)
        self.assertIn(b";reg-id=2", left)
        alice = await self.registered(b"alice")
        alice.ask(b"MESSAGE", gone.aor)
        await alice.told(480)
        alice.ask(b"MESSAGE", first.aor)
        second.answer(await second.asked(b"MESSAGE"), 200)
        await alice.told(200)

    async def test_oldToken(self) -> None:
        """
        A token of an old connection is genuine, but its flow is gone: 430, and never another
        connection of the new server's.
        """
        alice, bob = await self.registered(b"alice"), await self.registered(b"bob", b"TCP")
        side, _ = await self.talk(alice, bob)
        await self.restarted()
        strangers = [await self.phone(b"stranger", b"TCP") for _ in range(4)]
        side.ask(b"BYE")
        await alice.told(430)
        for stranger in strangers:
            await stranger.hearsNothing()

    async def test_replacedAfterwards(self) -> None:
        """
        A phone that comes back over a new connection has one binding.
        """
        old = await self.registered(b"bob", b"TCP")
        await self.restarted()
        bob = await self.registered(b"bob", b"TCP", like=old)
        self.assertEqual(len(await self.bindings(bob)), 1)
        alice = await self.registered(b"alice")
        await self.talk(alice, bob)

    async def missing(self, phone: Phone) -> None:
        """
        Make sure that a caller is told that nobody is there.
        """
        caller = await self.phone(b"caller")
        caller.ask(b"MESSAGE", phone.aor)
        await caller.told(480)

    async def reached(self, phone: Phone) -> None:
        """
        Make sure that a caller reaches the phone.
        """
        caller = await self.phone(b"caller")
        caller.ask(b"MESSAGE", phone.aor)
        phone.answer(await phone.asked(b"MESSAGE"), 200)
        await caller.told(200)

    async def test_silentAfterwards(self) -> None:
        """
        A phone on UDP that was told to ping, and went away while the server did not run, is taken
        for gone as soon as one that goes away later: no caller waits for it for the whole lifetime
        of its binding.
        """
        bob = await self.registered(b"bob")
        await self.restarted()
        self.advance(LIMIT - 1)
        self.assertEqual(len(await self.bindings(await self.phone(b"bob"))), 1)
        self.advance(2)
        await self.missing(bob)
        self.assertEqual(await self.bindings(await self.phone(b"bob")), [])

    async def test_aliveAfterwards(self) -> None:
        """
        One that goes on pinging stays registered, though it does not register again.
        """
        bob = await self.registered(b"bob")
        await self.restarted()
        for _ in range(3):
            self.advance(LIMIT - 5)
            bob.send(b"\r\n\r\n")
            await self.laboratory.turn()
        await self.reached(bob)

    async def test_neverToldToPing(self) -> None:
        """
        A phone that was not told to ping is not expected to: with a plain registration, or with a
        reg-id but without a word of support for outbound.
        """
        plain, silent = await self.phone(b"plain"), await self.phone(b"silent")
        await plain.registered(contact=b"<" + plain.contact + b">")
        silent.register(silent.binding(), supported=b"path")
        self.assertIsNone((await silent.told(200)).first(b"flow-timer"))
        await self.restarted()
        self.advance(LIMIT + 1)
        await self.reached(plain)
        await self.reached(silent)

    async def test_toldAnotherTime(self) -> None:
        """
        A shorter Flow-Timer that the operator has set meanwhile is for those who are told it: who
        was told a longer one before is given that, also after it was heard again.
        """
        bob = await self.registered(b"bob")
        await self.laboratory.crash()
        self.laboratory.settings = evolve(self.laboratory.settings, flowTimer=20)
        await self.laboratory.restart()
        self.advance(LIMIT - 1)
        bob.send(b"\r\n\r\n")
        await self.laboratory.turn()
        self.advance(LIMIT - 1)
        await self.reached(bob)
        await bob.registered()
        self.advance(20 + GRACE + 1)
        await self.missing(bob)

    async def test_removed(self) -> None:
        """
        What was signed off, or lost with its connection, or replaced, does not come back.
        """
        one, other = await self.registered(b"bob"), await self.registered(b"bob", b"TCP")
        third = await self.registered(b"bob")
        await third.registered(contact=third.binding() + b";expires=0")
        await other.close()
        one.contact = b"sip:bob@10.7.7.7"
        await one.registered()
        await self.laboratory.crash()
        await self.laboratory.restart()
        (left,) = await self.bindings(one)
        self.assertIn(one.contact, left)

    async def test_expiredMeanwhile(self) -> None:
        """
        What expired while nobody ran is gone.
        """
        bob = await self.phone(b"bob")
        await bob.registered(contact=bob.binding() + b";expires=60")
        await self.laboratory.crash()
        self.laboratory.clock.ahead += 80
        await self.laboratory.restart()
        self.assertEqual(await self.bindings(bob), [])

    async def test_orderKept(self) -> None:
        """
        The new server knows which REGISTER was the last: an older one that comes late changes
        nothing, one that is repeated is answered as before.
        """
        bob = await self.phone(b"bob")
        first = bob.register(bob.binding())
        await bob.told(200)
        last = bob.register(bob.binding())
        answer = await bob.told(200)
        await self.restarted()
        bob.send(last)
        self.assertEqual((await bob.told(200)).first(b"contact"), answer.first(b"contact"))
        bob.send(bytes(first).replace(b"z9hG4bK", b"z9hG4bKlate"))
        await bob.told(500)

    async def test_manyTimes(self) -> None:
        """
        One crash after the other.
        """
        bob = await self.registered(b"bob")
        for _ in range(3):
            await self.restarted()
            await bob.registered()
        self.assertEqual(len(await self.bindings(bob)), 1)

    async def test_stopped(self) -> None:
        """
        A server that is stopped in good order has written the same, and has closed its connections.
        """
        bob = await self.registered(b"bob")
        carol = await self.registered(b"carol", b"TCP")
        await within(self.laboratory.server.stopService(), "the end of the server")
        await within(carol.line.closed, "the end of the connection")
        store = SQLiteStore(self.laboratory.settings.state / "location.sqlite")
        self.assertEqual([each.aor for each in store.load()], [b"bob@" + DOMAIN])
        store.close()
        await self.laboratory.restart()
        self.assertEqual(len(await self.bindings(bob)), 1)


@define(eq=False)
class Daemon(ProcessProtocol):
    """
    A true C{twistd}, to be killed.

    @ivar listening: fires with its addresses when it listens.
    @ivar ended: fires when it has ended.
    @ivar log: what it has logged.
    """

    listening: Deferred[dict[bytes, Address]] = field(factory=Deferred)
    ended: Deferred[None] = field(factory=Deferred)
    log: bytes = b""

    def outReceived(self, data: bytes) -> None:
        """
        It logs.
        """
        self.log += data
        ports = {match[2]: (LOOPBACK, int(match[1])) for match in LISTENING.finditer(self.log)}
        if len(ports) == 2 and not self.listening.called:
            self.listening.callback(ports)

    errReceived = outReceived

    def processEnded(self, reason: Failure) -> None:
        """
        It has ended.
        """
        if not self.listening.called:
            self.listening.errback(AssertionError(self.log.decode()))
        self.ended.callback(None)


class KilledTests(TestCase):
    """
    The server as operators start it, ended by SIGKILL.
    """

    timeout = 60.0

    def setUp(self) -> None:
        """
        Choose a folder.
        """
        self.folder = Path(self.mktemp()).absolute()
        place = LOOPBACK, quietPort()
        self.ports: dict[bytes, Address] = {b"UDP": place, b"TCP": place}

    async def start(self) -> None:
        """
        Start it, where it was before if it was.
        """
        twistd = str(Path(sys.executable).with_name("twistd"))
        command = [twistd, "-n", "--pidfile=", "sipoutbound", "--state", str(self.folder)]
        command += ["--domain", DOMAIN.decode()]
        for transport in (b"UDP", b"TCP"):
            port = self.ports[transport][1]
            command += ["--listen", f"{transport.decode().lower()}:{port}:interface={LOOPBACK}"]
        self.daemon = Daemon()
        home = str(Path(sipoutbound.__file__).parent.parent)
        self.process: Any = reactor.spawnProcess(
            self.daemon, twistd, command, {"PYTHONPATH": home}, home
        )
        self.addCleanup(self.kill)
        self.ports = await within(self.daemon.listening, "the server's start")

    async def kill(self) -> None:
        """
        End it as a power cut would.
        """
        if not self.daemon.ended.called:
            self.process.signalProcess(signal.SIGKILL)
            await within(self.daemon.ended, "the end of the process")
        self.assertNotIn(b"Traceback", self.daemon.log)

    async def phone(self, user: bytes, transport: bytes = b"UDP") -> Phone:
        """
        A new phone.
        """
        phone = await Phone.at(self.ports[transport], user, transport)
        self.addCleanup(phone.close)
        return phone

    async def test_killed(self) -> None:
        """
        Killed in the middle of a thousand registrations, it knows after a new start every single
        one that it had acknowledged: those over UDP can be called at once, those over connections
        are known to be gone.
        """
        await self.start()
        phones = await self.phone(b"u", b"UDP"), await self.phone(b"t", b"TCP")
        told: list[bytes] = []
        for batch in range(10):
            for phone in phones:
                self.burst(phone, range(batch * 50, batch * 50 + 50))
            while len(told) < 80 * batch + 60:
                for phone in phones:
                    told.append((await phone.told(200)).to.uri.user or b"")
        self.process.signalProcess(signal.SIGKILL)
        await within(self.daemon.ended, "the end of the process")
        for phone in phones:
            told += heardSo(phone)
        await self.start()
        await self.called(phones[0], [user for user in told if user.startswith(b"u")])
        await self.missed([user for user in told if user.startswith(b"t")])

    def burst(self, phone: Phone, numbers: range) -> None:
        """
        Register many users over one flow, without waiting.
        """
        letter = phone.user[:1]
        for number in numbers:
            phone.user = b"%b%d" % (letter, number)
            phone.register(phone.binding())

    async def called(self, phone: Phone, users: list[bytes]) -> None:
        """
        Make sure that each of the users is reached over the flow it had before.
        """
        caller = await self.phone(b"caller")
        self.assertGreater(len(users), 300)
        for user in users:
            caller.ask(b"MESSAGE", b"sip:%b@%b" % (user, DOMAIN))
            message = await phone.asked(b"MESSAGE")
            self.assertIn(b"sip:%b@" % user, message.need(b"to"))
            phone.answer(message, 200)
            await caller.told(200)

    async def missed(self, users: list[bytes]) -> None:
        """
        Make sure that each of the users is known to be nowhere.
        """
        caller = await self.phone(b"caller")
        self.assertGreater(len(users), 300)
        for user in users:
            caller.ask(b"MESSAGE", b"sip:%b@%b" % (user, DOMAIN))
            await caller.told(480)


def heardSo(phone: Phone) -> list[bytes]:
    """
    The users of the 200s that a phone has heard and nobody has looked at.
    """
    heard, phone.line.heard.pending = phone.line.heard.pending, []
    return [response.to.uri.user or b"" for response in heard if response.status == 200]
