"""
What is known about names, from a real DNS server on loopback that may be slow, dead or wrong.
"""

from __future__ import annotations

from collections.abc import Awaitable
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import deferLater
from twisted.names import dns
from twisted.trial.unittest import SynchronousTestCase, TestCase

from sipoutbound.test.directories import NameServer, a, naptr, reactor, srv
from sipoutbound.test.laboratory import PushedClock
from sipoutbound.test.line import within
from sipoutbound.transport import directory as module
from sipoutbound.transport.answers import LONGEST, Answers
from sipoutbound.transport.directory import FAILED, NEGATIVE, UNDER_WAY, NameDirectory
from sipoutbound.transport.lent import Lent
from sipoutbound.transport.locate import Unanswered
from sipoutbound.transport.records import Pointer, Service


class DirectoryTestCase(TestCase):
    """
    A directory with one DNS server, and a clock that can be pushed on.
    """

    timeout = 30.0
    families: tuple[int, ...] = (4,)

    def setUp(self) -> None:
        """
        Start both.
        """
        self.dns = NameServer().start()
        self.addCleanup(self.dns.stop)
        self.clock = PushedClock()
        self.addCleanup(self.clock.stop)
        self.directory = self.asking(self.dns.address)

    def asking(self, *servers: tuple[str, int], hosts: str = "/nonexistent") -> NameDirectory:
        """
        A directory that asks these servers.
        """
        made = NameDirectory(self.clock, servers, self.families, hosts)
        self.addCleanup(made.close)
        return made

    def asked(self, awaitable: Awaitable[Any]) -> Deferred[Any]:
        """
        Have it asked.
        """

        async def whole() -> Any:
            return await awaitable

        return Deferred.fromCoroutine(whole())

    async def heard(self, count: int) -> None:
        """
        Wait until the server has been asked so many questions.
        """
        async def turns() -> None:
            while len(self.dns.asked) < count:
                await deferLater(reactor, 0.001)

        await within(Deferred.fromCoroutine(turns()), f"question {count}")

    async def unanswered(self, asked: Deferred[Any]) -> None:
        """
        Let time pass until it is given up.
        """
        while not asked.called:
            await deferLater(reactor, 0)
            self.clock.advance(1)
        await self.assertFailure(asked, Unanswered)


class AnswerTests(DirectoryTestCase):
    """
    What comes, and how it is read.
    """

    async def test_pointers(self) -> None:
        """
        NAPTR records as the domain has published them.
        """
        self.dns.add("foreign.test", naptr(10, b"SIP+D2U", b"_sip._udp.Foreign.test"))
        found = await self.directory.pointers("foreign.test")
        self.assertEqual(found, (Pointer(10, 0, "s", "SIP+D2U", "", "_sip._udp.foreign.test"),))

    async def test_services(self) -> None:
        """
        SRV records of several names at once; a target of "." is none.
        """
        self.dns.add("_sip._udp.foreign.test", srv(10, 5070, b"A.test", 7), srv(20, 1, b""))
        found = await self.directory.services("_sip._udp.foreign.test", "_sip._tcp.foreign.test")
        udp, tcp = found
        self.assertCountEqual(udp, [Service(10, 7, 5070, "a.test"), Service(20, 1, 1, "")])
        self.assertEqual(tcp, ())

    async def test_addresses(self) -> None:
        """
        The addresses of the kind that we have; the other one is not even asked for.
        """
        self.dns.add("a.test", a("192.0.2.1"), dns.Record_AAAA("2001:db8::1", 60), a("192.0.2.2"))
        found = await self.directory.addresses("a.test")
        self.assertCountEqual(found, ["192.0.2.1", "192.0.2.2"])
        self.assertEqual(self.dns.asked, ["A a.test"])

    async def test_bothFamilies(self) -> None:
        """
        Both kinds where we have both, the preferred one in front; one that is missing, or that
        nobody answers for, does not matter.
        """
        self.dns.add("a.test", a("192.0.2.1"), dns.Record_AAAA("2001:db8::1", 60))
        self.dns.add("b.test", a("192.0.2.2"))
        self.directory = NameDirectory(self.clock, (self.dns.address,), (6, 4), "/nonexistent")
        self.addCleanup(self.directory.close)
        found = await self.directory.addresses("a.test")
        self.assertEqual(found, ("2001:db8::1", "192.0.2.1"))
        self.assertEqual(await self.directory.addresses("b.test"), ("192.0.2.2",))
        self.dns.add("c.test", a("192.0.2.3"))
        self.dns.factory.broken[dns.AAAA] = dns.ESERVER
        self.assertEqual(await self.directory.addresses("c.test"), ("192.0.2.3",))

    async def test_none(self) -> None:
        """
        A name that is not there (NXDOMAIN), or has other records only.
        """
        self.dns.add("a.test", a("192.0.2.1"))
        self.assertEqual(await self.directory.addresses("nowhere.test"), ())
        self.assertEqual(await self.directory.pointers("a.test"), ())

    async def test_unknownKind(self) -> None:
        """
        Old DNS servers answer a question for NAPTR with an error: there are none.
        """
        for code in (dns.ENOTIMP, dns.EFORMAT):
            self.dns.factory.broken[dns.NAPTR] = code
            self.assertEqual(await self.directory.pointers(f"a{code}.test"), ())

    async def test_alias(self) -> None:
        """
        Aliases are followed, be the whole chain in one answer or not; in a circle they end.
        """
        self.dns.add("www.test", dns.Record_CNAME(b"web.test", 60))
        self.dns.add("web.test", dns.Record_CNAME(b"HOST.test", 60))
        self.dns.add("host.test", a("192.0.2.1"))
        self.dns.add("loop.test", dns.Record_CNAME(b"pool.test", 60))
        self.dns.add("pool.test", dns.Record_CNAME(b"loop.test", 60))
        self.assertEqual(await self.directory.addresses("web.test"), ("192.0.2.1",))
        self.assertEqual(await self.directory.addresses("www.test"), ("192.0.2.1",))
        self.assertEqual(await self.directory.addresses("loop.test"), ())
        self.assertLess(len(self.dns.asked), 20)

    async def test_strangers(self) -> None:
        """
        Records of another name than was asked for are not taken: a domain says nothing about
        others.
        """
        stray = dns.RRHeader(b"b.test", dns.A, dns.IN, 60, a("192.0.2.66"), auth=True)
        self.dns.factory.added.append(stray)
        self.dns.add("a.test", a("192.0.2.1"))
        self.assertEqual(await self.directory.addresses("a.test"), ("192.0.2.1",))
        self.dns.add("b.test", a("192.0.2.2"))
        found = await self.directory.addresses("b.test")
        self.assertCountEqual(found, ["192.0.2.2", "192.0.2.66"])

    async def test_truncated(self) -> None:
        """
        An answer too large for a datagram is fetched over TCP.
        """
        self.dns.factory.truncated = True
        targets = [f"server-with-a-long-name-{at}.test".encode() for at in range(30)]
        self.dns.add("_sip._udp.big.test", *(srv(1, 5060, target) for target in targets))
        (found,) = await self.directory.services("_sip._udp.big.test")
        self.assertCountEqual([each.target.encode() for each in found], targets)
        self.assertEqual(self.dns.asked[1:], ["SRV _sip._udp.big.test over TCP"])

    async def test_many(self) -> None:
        """
        Of an answer with hundreds of records a part is enough.
        """
        self.dns.factory.truncated = True
        self.dns.add("_sip._udp.big.test", *(srv(1, at, b"a.test") for at in range(1, 500)))
        (found,) = await self.directory.services("_sip._udp.big.test")
        self.assertEqual(len(found), 64)


class LifetimeTests(DirectoryTestCase):
    """
    For how long an answer holds.
    """

    async def test_kept(self) -> None:
        """
        For its time to live, the shortest in the answer, nobody is asked again; then somebody is.
        """
        self.dns.add("www.test", dns.Record_CNAME(b"host.test", 10))
        self.dns.add("host.test", a("192.0.2.1", 100), a("192.0.2.2", 50))
        for name, seconds in (("www.test", 10), ("host.test", 50)):
            await self.directory.addresses(name)
            asked = len(self.dns.asked)
            self.clock.advance(seconds - 1)
            self.assertEqual(len(await self.directory.addresses(name)), 2)
            self.assertEqual(len(self.dns.asked), asked)
            self.clock.advance(2)
            await self.directory.addresses(name)
            self.assertEqual(len(self.dns.asked), asked + 1)

    async def test_changed(self) -> None:
        """
        A server that has moved is found when the old answer has run out.
        """
        self.dns.add("a.test", a("192.0.2.1", 10))
        self.assertEqual(await self.directory.addresses("a.test"), ("192.0.2.1",))
        self.dns.zone.records[b"a.test"] = [a("192.0.2.2", 10)]
        self.clock.advance(11)
        self.assertEqual(await self.directory.addresses("a.test"), ("192.0.2.2",))

    async def test_negative(self) -> None:
        """
        That there is nothing is believed for as long as the domain says (20 s here), and not for
        long where it says nothing.
        """
        self.dns.add("a.test", a("192.0.2.1"))
        for name, seconds in (("a.test", 20.0), ("nowhere.test", NEGATIVE)):
            for _ in range(2):
                await self.directory.pointers(name)
            asked = len(self.dns.asked)
            self.clock.advance(seconds - 1)
            await self.directory.pointers(name)
            self.assertEqual(len(self.dns.asked), asked)
            self.clock.advance(2)
            await self.directory.pointers(name)
            self.assertEqual(len(self.dns.asked), asked + 1)

    async def test_zero(self) -> None:
        """
        A time to live of 0: asked each time.
        """
        self.dns.add("a.test", a("192.0.2.1", 0))
        for count in (1, 2, 3):
            await self.directory.addresses("a.test")
            self.assertEqual(len(self.dns.asked), count)

    async def test_together(self) -> None:
        """
        A hundred calls to one domain ask once.
        """
        self.dns.add("a.test", a("192.0.2.1", 0))
        asked = [self.asked(self.directory.addresses("a.test")) for _ in range(100)]
        found = await gatherResults(asked)
        self.assertEqual(found, [("192.0.2.1",)] * 100)
        self.assertEqual(self.dns.asked, ["A a.test"])


class DeadTests(DirectoryTestCase):
    """
    DNS servers that do not answer, or say that they can't.
    """

    async def test_dead(self) -> None:
        """
        A server that says nothing is asked twice and given up after three seconds, not later; its
        callers of the next seconds are told at once, and then it is asked again.
        """
        self.dns.factory.mute = True
        before = self.clock.seconds()
        await self.unanswered(self.asked(self.directory.addresses("a.test")))
        self.assertLess(self.clock.seconds() - before, 5)
        await self.assertFailure(self.asked(self.directory.addresses("a.test")), Unanswered)
        await self.heard(2)
        self.assertEqual(self.dns.asked, ["A a.test"] * 2)
        self.dns.factory.mute = False
        self.dns.add("a.test", a("192.0.2.1"))
        self.clock.advance(FAILED + 1)
        self.assertEqual(await self.directory.addresses("a.test"), ("192.0.2.1",))

    async def test_second(self) -> None:
        """
        If the first server is dead the second one is asked.
        """
        dead = NameServer().start()
        self.addCleanup(dead.stop)
        dead.factory.mute = True
        self.dns.add("a.test", a("192.0.2.1"))
        self.directory = self.asking(dead.address, self.dns.address)
        asked = self.asked(self.directory.addresses("a.test"))
        while not dead.asked:
            await deferLater(reactor, 0.001)
        self.clock.advance(1.1)
        self.assertEqual(await asked, ("192.0.2.1",))

    async def test_failing(self) -> None:
        """
        A server that has trouble (SERVFAIL) or refuses does not say that there are no records.
        """
        for code in (dns.ESERVER, dns.EREFUSED):
            self.dns.factory.broken[dns.SRV] = code
            name = f"_sip._udp.x{code}.test"
            await self.assertFailure(self.asked(self.directory.services(name)), Unanswered)

    async def test_secondAfterFailure(self) -> None:
        """
        If the first server has trouble the others are asked, in their order.
        """
        self.dns.add("a.test", a("192.0.2.1"))
        bad = [NameServer().start() for _ in range(2)]
        for each, code in zip(bad, (dns.ESERVER, dns.EREFUSED), strict=True):
            self.addCleanup(each.stop)
            each.factory.broken[dns.A] = code
        self.directory = self.asking(*(each.address for each in bad), self.dns.address)
        self.assertEqual(await self.directory.addresses("a.test"), ("192.0.2.1",))
        self.assertEqual([each.asked for each in bad], [["A a.test"]] * 2)

    async def test_oneOfTwo(self) -> None:
        """
        One name that has records is enough, whatever is the matter with the other.
        """
        self.dns.add("_sip._udp.a.test", srv(1, 5060, b"a.test"))
        self.dns.factory.mute = True
        mute = self.asked(self.directory.services("_sip._tcp.a.test"))
        await self.unanswered(mute)
        self.dns.factory.mute = False
        found = await self.directory.services("_sip._tcp.a.test", "_sip._udp.a.test")
        self.assertEqual([len(each) for each in found], [0, 1])

    async def test_bound(self) -> None:
        """
        A dead server and a flood of names do not use up all sockets: who is too many is told at
        once.
        """
        self.dns.factory.mute = True
        asked = [self.asked(self.directory.addresses(f"a{at}.test")) for at in range(UNDER_WAY)]
        self.assertFalse(any(each.called for each in asked))
        await self.assertFailure(self.asked(self.directory.addresses("b.test")), Unanswered)
        self.directory.close()
        for each in asked:
            await self.assertFailure(each, Unanswered)

    async def test_closed(self) -> None:
        """
        When the server stops, whoever waits is told, nothing is left, and nothing more is asked.
        """
        self.dns.factory.mute = True
        asked = self.asked(self.directory.addresses("a.test"))
        self.directory.close()
        await self.assertFailure(asked, Unanswered)
        await self.assertFailure(self.asked(self.directory.addresses("b.test")), Unanswered)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    async def test_noSockets(self) -> None:
        """
        After a question that could not be sent the same name can be asked for again.
        """
        self.dns.add("a.test", a("192.0.2.1"))

        def none(lent: Any, *args: Any, **named: Any) -> Any:
            raise ZeroDivisionError

        with_ = self.patch(Lent, "listenUDP", none)
        await self.assertFailure(self.asked(self.directory.addresses("a.test")), Unanswered)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        with_.restore()
        self.clock.advance(FAILED + 1)
        self.assertEqual(await self.directory.addresses("a.test"), ("192.0.2.1",))


class HostsTests(DirectoryTestCase):
    """
    The hosts file, and where the DNS servers come from.
    """

    async def test_file(self) -> None:
        """
        A name in the hosts file has those addresses, our kind in front, whatever the DNS says;
        others are asked for.
        """
        path = Path(self.mktemp()).absolute()
        path.write_text("2001:db8::9 box.test\n192.0.2.9 Box.test box # the office\n")
        self.dns.add("box.test", a("192.0.2.1"))
        self.dns.add("other.test", a("192.0.2.2"))
        self.directory = self.asking(self.dns.address, hosts=str(path))
        for name in ("box.test", "box"):
            self.assertTrue(self.directory.listed(name))
        found = await self.directory.addresses("box.test")
        self.assertEqual(found, ("192.0.2.9", "2001:db8::9"))
        self.assertEqual(self.dns.asked, [])
        self.assertFalse(self.directory.listed("other.test"))
        self.assertEqual(await self.directory.addresses("other.test"), ("192.0.2.2",))

    async def test_edited(self) -> None:
        """
        What is written into the file counts soon, without a restart.
        """
        path = Path(self.mktemp()).absolute()
        path.write_text("192.0.2.9 box.test\n")
        self.directory = self.asking(self.dns.address, hosts=str(path))
        self.assertEqual(await self.directory.addresses("box.test"), ("192.0.2.9",))
        path.write_text("192.0.2.8 box.test\n")
        self.clock.advance(6)
        self.assertEqual(await self.directory.addresses("box.test"), ("192.0.2.8",))

    async def test_localhost(self) -> None:
        """
        The machine's own name for itself, from its own file.
        """
        made = NameDirectory(self.clock, (), (4,))
        self.addCleanup(made.close)
        self.assertIn("127.0.0.1", await made.addresses("localhost"))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    async def test_resolvConf(self) -> None:
        """
        Where no DNS server is named, those of the operating system are asked; the file is looked
        at again from time to time, until the server stops.
        """
        path = Path(self.mktemp()).absolute()
        path.write_text("search example.com\nnameserver 127.0.0.1\noptions edns0\n")
        self.patch(module, "RESOLV_CONF", str(path))
        self.patch(dns, "PORT", self.dns.port)
        self.dns.add("a.test", a("192.0.2.1"))
        self.directory = self.asking()
        self.assertEqual(await self.directory.addresses("a.test"), ("192.0.2.1",))
        self.directory.close()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    async def test_badResolvConf(self) -> None:
        """
        A file that can't be read is a server that does not answer, not the end of ours.
        """
        path = Path(self.mktemp()).absolute()
        path.write_text("nameserver\n")
        self.patch(module, "RESOLV_CONF", str(path))
        self.directory = self.asking()
        await self.assertFailure(self.asked(self.directory.addresses("a.test")), Unanswered)
        self.assertEqual(len(self.flushLoggedErrors(IndexError)), 1)


class AnswersTests(SynchronousTestCase):
    """
    The memory itself.
    """

    def test_bound(self) -> None:
        """
        It does not grow without end: the oldest answers go first.
        """
        answers = Answers(room=3)
        for at in range(5):
            answers.keep(at, "x", 10.0, float(at))
        self.assertEqual(len(answers), 3)
        self.assertEqual([answers.find(at, 5.0) for at in range(5)], [None, None, "x", "x", "x"])

    def test_again(self) -> None:
        """
        An answer that is renewed is a young one.
        """
        answers = Answers(room=2)
        for at in (1, 2, 1, 3):
            answers.keep(at, at, 10.0, 0.0)
        self.assertEqual([answers.find(at, 5.0) for at in (1, 2, 3)], [1, None, 3])

    def test_longest(self) -> None:
        """
        A time to live of a year is one of an hour.
        """
        answers = Answers()
        answers.keep("q", "x", 1e9, 100.0)
        self.assertEqual(answers.find("q", 100.0 + LONGEST - 1), "x")
        self.assertIsNone(answers.find("q", 100.0 + LONGEST))
        self.assertEqual(len(answers), 0)

    def test_empty(self) -> None:
        """
        That there is nothing is an answer too.
        """
        answers = Answers()
        answers.keep("q", [], 1.0, 0.0)
        self.assertEqual(answers.find("q", 0.5), [])
