"""
Which server of another domain is called, and over which transport (RFC 3263 4).
"""

from __future__ import annotations

from twisted.names import dns

from sipoutbound.test.dialog import Dialog
from sipoutbound.test.directories import a, naptr, srv
from sipoutbound.test.laboratory import LOOPBACK
from sipoutbound.test.locating import HOST, URI, LocatingTestCase
from sipoutbound.test.phone import Phone


class TransactionTests(LocatingTestCase):
    """
    One transaction, one server (RFC 3263 4).
    """

    async def test_found(self) -> None:
        """
        A registered phone calls a domain whose SRV records point to two servers: the first one gets
        the call, its Request-URI as it was dialled, and the second hears nothing.
        """
        alice = await self.registered(b"alice")
        first, second = await self.servers(10, 20)
        alice.ask(b"INVITE", URI)
        invite = await first.asked(b"INVITE")
        self.assertEqual(invite.uri, URI)
        asked = ["NAPTR foreign.test", "SRV _sip._udp.foreign.test", "SRV _sip._tcp.foreign.test",
                 "A a.test"]  # fmt: skip
        self.assertEqual(self.dns.asked, asked)
        first.answer(invite, 200)
        side = Dialog.ofCaller(alice, await alice.told(200))
        side.ask(b"ACK", 1)
        await second.hearsNothing()

    async def test_sameServer(self) -> None:
        """
        Repetitions of the request and the ACK for a failure go where the request went, though the
        domain has moved meanwhile.
        """
        alice = await self.registered(b"alice")
        first, second = await self.server(), await self.server()
        self.dns.add("_sip._udp.foreign.test", srv(1, first.local[1], b"a.test", ttl=1))
        sent = alice.ask(b"INVITE", URI)
        invite = await first.asked(b"INVITE")
        self.dns.zone.records[b"_sip._udp.foreign.test"] = [srv(1, second.local[1], b"a.test")]
        self.advance(1.1)
        again = await first.asked(b"INVITE")
        self.assertEqual(bytes(again), bytes(invite))
        first.answer(invite, 486)
        ack = await self.repeated(first, b"ACK")
        self.assertEqual(ack.via.branch, invite.via.branch)
        alice.acknowledge(sent, await alice.told(486))
        await second.hearsNothing()

    async def test_cancel(self) -> None:
        """
        So does a CANCEL.
        """
        alice = await self.registered(b"alice")
        first, second = await self.servers(10, 20)
        sent = alice.ask(b"INVITE", URI)
        invite = await first.asked(b"INVITE")
        first.answer(invite, 180)
        await alice.told(180)
        self.dns.zone.records[b"_sip._udp.foreign.test"] = [srv(1, second.local[1], b"a.test")]
        self.advance(61)
        alice.cancel(sent)
        cancel = await self.repeated(first, b"CANCEL")
        self.assertEqual((cancel.via.branch, cancel.uri), (invite.via.branch, URI))
        first.answer(cancel, 200)
        first.answer(invite, 487)
        await self.repeated(first, b"ACK")
        await second.hearsNothing()

    async def test_oneServerACall(self) -> None:
        """
        Of two equal servers, one call always meets the same: its requests, and the ACK for a 2xx
        that is passed on without a transaction, each time it comes. Other calls meet the other one.
        """
        alice = await self.registered(b"alice")
        both = await self.servers(10, 10)
        met = set()
        for number in range(12):
            callId = b"call-%d" % number
            alice.ask(b"MESSAGE", URI, callId=callId)
            at = await self.whoever(both)
            met.add(at.local)
            other = both[1 - both.index(at)]
            self.dns.zone.records[b"_sip._udp.foreign.test"].reverse()
            self.advance(61)
            alice.ask(b"OPTIONS", URI, callId=callId)
            at.answer(await self.repeated(at, b"OPTIONS"), 200)
            await alice.told(200)
            for _ in range(2):
                alice.ask(b"ACK", URI, callId=callId, to=b"<%b>;tag=x" % URI)
                await self.repeated(at, b"ACK")
            await other.hearsNothing()
        self.assertEqual(len(met), 2)

    async def whoever(self, phones: list[Phone]) -> Phone:
        """
        Which of them is asked something; it answers.
        """
        await self.laboratory.until(
            lambda: any(phone.line.heard.pending for phone in phones), "a request"
        )
        (phone,) = (phone for phone in phones if phone.line.heard.pending)
        phone.answer(await phone.hears(), 404)
        return phone


class TransportTests(LocatingTestCase):
    """
    Over which transport (RFC 3263 4.1).
    """

    async def test_preferred(self) -> None:
        """
        The domain's NAPTR records decide: here TCP, although it has UDP too. What they say of TLS
        and SCTP is left alone.
        """
        alice = await self.registered(b"alice")
        udp, tcp = await self.server(), self.streamServer()
        self.dns.add(
            "foreign.test",
            naptr(1, b"SIPS+D2T", b"_sips._tcp.foreign.test"),
            naptr(2, b"SIP+D2S", b"_sip._sctp.foreign.test"),
            naptr(3, b"SIP+D2T", b"tcp.elsewhere.test"),
            naptr(4, b"SIP+D2U", b"udp.elsewhere.test"),
        )
        self.dns.add("tcp.elsewhere.test", srv(1, tcp.address[1], b"a.test"))
        self.dns.add("udp.elsewhere.test", srv(1, udp.local[1], b"a.test"))
        alice.ask(b"MESSAGE", URI)
        flow = await self.accepted(tcp)
        message = await flow.asked(b"MESSAGE")
        self.assertEqual((message.uri, message.via.transport), (URI, b"TCP"))
        flow.answer(message, 200)
        await alice.told(200)
        await udp.hearsNothing()
        asked = ["NAPTR foreign.test", "SRV tcp.elsewhere.test", "A a.test"]
        self.assertEqual(self.dns.asked, asked)

    async def test_given(self) -> None:
        """
        A transport in the URI decides; only its SRV records are asked for.
        """
        alice = await self.registered(b"alice")
        (udp,), tcp = await self.servers(10), self.streamServer()
        self.dns.add("_sip._tcp.foreign.test", srv(1, tcp.address[1], b"a.test"))
        alice.ask(b"MESSAGE", URI + b";transport=tcp")
        flow = await self.accepted(tcp)
        flow.answer(await flow.asked(b"MESSAGE"), 200)
        await alice.told(200)
        alice.ask(b"MESSAGE", URI + b";transport=udp")
        udp.answer(await udp.asked(b"MESSAGE"), 200)
        await alice.told(200)
        self.assertNotIn("NAPTR foreign.test", self.dns.asked)

    async def test_port(self) -> None:
        """
        A name with a port: UDP, and its addresses alone are asked for.
        """
        alice, other = await self.registered(b"alice"), await self.server()
        self.dns.add("_sip._udp.a.test", srv(1, 9, b"a.test"))
        alice.ask(b"MESSAGE", b"sip:f@a.test:%d" % other.local[1])
        other.answer(await other.asked(b"MESSAGE"), 200)
        await alice.told(200)
        self.assertEqual(self.dns.asked, ["A a.test"])

    async def test_numeric(self) -> None:
        """
        An address is not asked for at all, be it the host or C{maddr}, which goes before the host;
        UDP unless the URI says TCP.
        """
        alice, tcp = await self.registered(b"alice"), self.streamServer()
        other = await self.server()
        for uri in (b"sip:f@%b:%d" % (HOST, other.local[1]),
                    b"sip:f@a.test:%d;maddr=%b" % (other.local[1], HOST)):  # fmt: skip
            alice.ask(b"MESSAGE", uri)
            other.answer(await other.asked(b"MESSAGE"), 200)
            await alice.told(200)
        alice.ask(b"MESSAGE", b"sip:f@%b:%d;transport=tcp" % (HOST, tcp.address[1]))
        await (await self.accepted(tcp)).asked(b"MESSAGE")
        self.assertEqual(self.dns.asked, [])

    async def test_maddrName(self) -> None:
        """
        A name in C{maddr} is asked for in place of the host.
        """
        alice = await self.registered(b"alice")
        (other,) = await self.servers(10)
        uri = b"sip:f@nowhere.test;maddr=foreign.test"
        alice.ask(b"MESSAGE", uri)
        self.assertEqual((await other.asked(b"MESSAGE")).uri, uri)

    async def test_noRecords(self) -> None:
        """
        A domain without SRV records is looked for at its own addresses.
        """
        alice = await self.registered(b"alice")
        alice.ask(b"MESSAGE", b"sip:f@plain.test")
        await alice.told(500)
        asked = ["NAPTR plain.test", "SRV _sip._udp.plain.test", "SRV _sip._tcp.plain.test",
                 "A plain.test"]  # fmt: skip
        self.assertEqual(self.dns.asked, asked)

    async def test_notOffered(self) -> None:
        """
        A domain that has no SIP (a target of ".") is not called at its web server.
        """
        alice, other = await self.registered(b"alice"), await self.server()
        self.dns.add("_sip._udp.foreign.test", srv(0, 0, b""))
        self.dns.add("foreign.test", a(LOOPBACK))
        alice.ask(b"MESSAGE", URI)
        await alice.told(500)
        self.assertNotIn("A foreign.test", self.dns.asked)
        await other.hearsNothing()

    async def test_hosts(self) -> None:
        """
        Names in the hosts file do not depend on the DNS.
        """
        self.dns.factory.mute = True
        alice, other = await self.registered(b"alice"), await self.server()
        alice.ask(b"MESSAGE", b"sip:f@localhost:%d" % other.local[1])
        other.answer(await other.asked(b"MESSAGE"), 200)
        await alice.told(200)
        self.assertEqual(self.dns.asked, [])

    async def test_alias(self) -> None:
        """
        A server behind an alias is found.
        """
        alice, other = await self.registered(b"alice"), await self.server()
        self.dns.add("alias.test", dns.Record_CNAME(b"a.test", 60))
        self.dns.add("_sip._udp.foreign.test", srv(1, other.local[1], b"alias.test"))
        alice.ask(b"MESSAGE", URI)
        other.answer(await other.asked(b"MESSAGE"), 200)
        await alice.told(200)

    async def test_truncated(self) -> None:
        """
        So is one whose records do not fit into a datagram.
        """
        alice = await self.registered(b"alice")
        self.dns.factory.truncated = True
        (other,) = await self.servers(10)
        alice.ask(b"MESSAGE", URI)
        other.answer(await other.asked(b"MESSAGE"), 200)
        await alice.told(200)
