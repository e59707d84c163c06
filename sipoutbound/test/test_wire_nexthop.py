"""
Servers of other domains that fail, and those that are called then (RFC 3263 4.3).
"""

from __future__ import annotations

from sipoutbound.routing.branch import SILENCE
from sipoutbound.test.bed import freePorts
from sipoutbound.test.directories import NameServer, a, srv
from sipoutbound.test.laboratory import LOOPBACK
from sipoutbound.test.locating import URI, LocatingTestCase
from sipoutbound.transport.nexthop import LOOKUP_TIMEOUT


class FailureTests(LocatingTestCase):
    """
    Servers that fail, and the next ones (RFC 3263 4.3).
    """

    async def test_silent(self) -> None:
        """
        The first server is dead: the call comes to the second after two seconds, as a transaction
        of its own, and the caller talks to that one.
        """
        alice = await self.registered(b"alice")
        first, second = await self.servers(10, 20)
        alice.ask(b"INVITE", URI)
        lost = await first.asked(b"INVITE")
        await alice.told(100)
        self.advance(SILENCE + 0.1)
        invite = await second.asked(b"INVITE")
        self.assertNotEqual(invite.via.branch, lost.via.branch)
        for key in (b"call-id", b"cseq", b"from", b"to", b"max-forwards", b"contact"):
            self.assertEqual(invite.need(key), lost.need(key))
        second.answer(invite, 200)
        await alice.told(200)

    async def test_unavailable(self) -> None:
        """
        503 of the first: the second is called, and the caller does not hear of it.
        """
        alice = await self.registered(b"alice")
        first, second = await self.servers(10, 20)
        alice.ask(b"INVITE", URI)
        refused = await first.asked(b"INVITE")
        first.answer(refused, 503)
        await first.asked(b"ACK")
        invite = await second.asked(b"INVITE")
        self.assertNotEqual(invite.via.branch, refused.via.branch)
        second.answer(invite, 486)
        await alice.told(486)

    async def test_allUnavailable(self) -> None:
        """
        503 of all: the caller is told 500, once.
        """
        alice = await self.registered(b"alice")
        both = await self.servers(10, 20)
        alice.ask(b"MESSAGE", URI)
        for phone in both:
            phone.answer(await phone.asked(b"MESSAGE"), 503)
        await alice.told(500)
        await alice.hearsNothing()

    async def test_refused(self) -> None:
        """
        The first refuses the connection: the second is called at once.
        """
        alice, tcp = await self.registered(b"alice"), self.streamServer()
        (nobody,) = freePorts(1)
        self.dns.add("_sip._tcp.foreign.test", srv(1, nobody, b"a.test"),
                     srv(2, tcp.address[1], b"a.test"))  # fmt: skip
        alice.ask(b"MESSAGE", URI)
        flow = await self.accepted(tcp)
        flow.answer(await flow.asked(b"MESSAGE"), 200)
        await alice.told(200)

    async def test_unheard(self) -> None:
        """
        Nobody has the UDP port of the first, and its machine says so (ICMP): likewise.
        """
        alice, second = await self.registered(b"alice"), await self.server()
        (nobody,) = freePorts(1)
        self.dns.add("_sip._udp.foreign.test", srv(1, nobody, b"a.test"),
                     srv(2, second.local[1], b"a.test"))  # fmt: skip
        alice.ask(b"INVITE", URI)
        second.answer(await second.asked(b"INVITE"), 200)
        await alice.told(200)

    async def test_broken(self) -> None:
        """
        The first closes the connection without an answer: likewise.
        """
        alice = await self.registered(b"alice")
        first, second = self.streamServer(), self.streamServer()
        self.dns.add("_sip._tcp.foreign.test", srv(1, first.address[1], b"a.test"),
                     srv(2, second.address[1], b"a.test"))  # fmt: skip
        alice.ask(b"MESSAGE", URI)
        flow = await self.accepted(first)
        await flow.asked(b"MESSAGE")
        await flow.abort()
        flow = await self.accepted(second)
        flow.answer(await flow.asked(b"MESSAGE"), 200)
        await alice.told(200)

    async def test_addresses(self) -> None:
        """
        A name with two addresses, nothing listening at the first of them.
        """
        alice, tcp = await self.registered(b"alice"), self.streamServer()
        self.dns.add("two.test", a("127.0.0.99"), a(LOOPBACK))
        alice.ask(b"MESSAGE", b"sip:f@two.test:%d;transport=tcp" % tcp.address[1])
        flow = await self.accepted(tcp)
        flow.answer(await flow.asked(b"MESSAGE"), 200)
        await alice.told(200)

    async def test_nobody(self) -> None:
        """
        All refuse: the caller is told so at once.
        """
        alice = await self.registered(b"alice")
        for port in freePorts(3):
            self.dns.add("_sip._tcp.foreign.test", srv(1, port, b"a.test"))
        alice.ask(b"MESSAGE", URI)
        await alice.told(500)

    async def test_deadDNS(self) -> None:
        """
        A DNS server that does not answer: the caller is told so within ten seconds, and so are all
        who call meanwhile, with no more questions asked than of one.
        """
        alice = await self.registered(b"alice")
        self.dns.factory.mute = True
        calls = [alice.ask(b"INVITE", URI) for _ in range(5)]
        for _ in calls:
            await alice.told(100)
        for _ in range(int(LOOKUP_TIMEOUT) + 1):
            await self.laboratory.turn()
            self.advance(1)
        for _ in calls:
            await alice.told(500)
        self.assertLess(len(self.dns.asked), 8)

    async def test_cancelledWhileLooking(self) -> None:
        """
        The caller hangs up while the DNS is asked: nobody is called when it answers at last.
        """
        alice = await self.registered(b"alice")
        (other,) = await self.servers(10)
        self.dns.factory.mute = True
        sent = alice.ask(b"INVITE", URI)
        await alice.told(100)
        alice.cancel(sent)
        await alice.told(200)
        await self.laboratory.until(lambda: self.dns.asked, "a question")
        self.dns.factory.mute = False
        self.advance(1.1)
        alice.acknowledge(sent, await alice.told(487))
        await other.hearsNothing()

    async def test_stops(self) -> None:
        """
        The server ends at once while the DNS is asked, and leaves nothing behind.
        """
        alice = await self.registered(b"alice")
        self.dns.factory.mute = True
        alice.ask(b"INVITE", URI)
        await alice.told(100)
        await self.laboratory.until(lambda: self.dns.asked, "a question")


class SlowTests(LocatingTestCase):
    """
    Many DNS servers, and all of them dead: all together take longer than a caller waits.
    """

    def setUp(self) -> None:
        """
        Start them.
        """
        self.dead = [NameServer().start() for _ in range(3)]
        for each in self.dead:
            self.addCleanup(each.stop)
            each.factory.mute = True
        super().setUp()
        self.dns.factory.mute = True

    async def test_given(self) -> None:
        """
        The caller is told after ten seconds, though the DNS is still being asked.
        """
        alice = await self.registered(b"alice")
        for uri in (b"sip:f@one.test", b"sip:f@two.test;transport=udp", b"sip:f@three.test:5070"):
            alice.ask(b"MESSAGE", uri)
            for _ in range(int(LOOKUP_TIMEOUT) - 1):
                await self.laboratory.turn()
                self.advance(1)
            await alice.hearsNothing()
            self.advance(2)
            await alice.told(500)
