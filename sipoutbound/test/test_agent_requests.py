"""
Tests of requests that a user agent sends outside of dialogs.
"""

from __future__ import annotations

from typing import Any

from twisted.internet import reactor as theReactor
from twisted.internet.defer import Deferred

from sipoutbound.agent.line import ClientPort
from sipoutbound.agent.place import Place, locating
from sipoutbound.message.message import Request
from sipoutbound.message.uri import URI
from sipoutbound.test.directories import FakeDirectory
from sipoutbound.test.edge import Accepted, AgentTestCase, answered
from sipoutbound.test.line import within
from sipoutbound.useragent import FinalResponse, NoAnswer, Unreachable, UserAgent

ALICE = "sip:alice@example.test"
TEXT = (("Content-Type", "text/plain"),)


reactor: Any = theReactor


def _isOurs(reader: Any) -> bool:
    """
    Whether a user agent reads it.
    """
    return isinstance(getattr(reader, "protocol", None), ClientPort)


class RequestTests(AgentTestCase):
    """
    L{UserAgent.request}.
    """

    async def two(self) -> tuple[UserAgent, Accepted, Accepted]:
        """
        A user agent with two registered flows.
        """
        agent = self.agent(self.edge.tcp, self.other.tcp)
        first, _ = await self.registered(await self.edge.connection(), expires=100_000)
        second, _ = await self.registered(await self.other.connection(), expires=100_000)
        return agent, first, second

    async def asked(self, wire: Any, method: bytes = b"MESSAGE") -> Request:
        """
        The next thing that comes, which must be such a request.
        """
        request = await wire.hears(method.decode())
        assert isinstance(request, Request) and request.method == method, request
        return request

    async def final(self, asking: Deferred[FinalResponse]) -> FinalResponse:
        """
        How it ends.
        """
        return await within(asking, "the end of a request")

    async def test_message(self) -> None:
        """
        A request goes over the flow that is registered, through its proxy, and says that we know
        outbound. Its answer comes back.
        """
        agent, wire, _ = await self.two()
        asking = agent.request("MESSAGE", ALICE, TEXT, b"hello")
        request = await self.asked(wire)
        self.assertEqual(request.uri, ALICE.encode())
        self.assertEqual(request.to.text, ALICE.encode())
        self.assertEqual(request.from_.text, b"sip:bot@example.test")
        self.assertEqual(request.all(b"route"), [b"<%b;lr>" % self.edge.tcp.encode()])
        self.assertEqual(request.all(b"supported"), [b"path", b"outbound"])
        self.assertEqual((request.first(b"content-type"), request.body), (b"text/plain", b"hello"))
        self.assertNotIn(b"contact", request.values)
        self.assertEqual(request.first(b"max-forwards"), b"70")
        wire.give(answered(request, 202, (b"X-Said", b"so"), body=b"thanks"))
        final = await self.final(asking)
        self.assertEqual((final.status, final.reason, final.body), (202, "Accepted", b"thanks"))
        self.assertEqual((final.header("x-said"), final.header("x-other")), ("so", None))
        self.assertEqual((self.edge.count, self.other.count), (1, 1))

    async def test_datagram(self) -> None:
        """
        Over UDP it leaves from where the registration came from, and asks to be answered there.
        """
        agent = self.agent(self.edge.udp)
        await self.registered(self.edge.bound)
        port = self.edge.bound.port
        asking = agent.request("MESSAGE", ALICE, TEXT, b"hello")
        request = await self.asked(self.edge.bound)
        self.assertEqual(self.edge.bound.port, port)
        self.assertTrue(request.wantsSourcePort)
        self.edge.bound.give(answered(request))
        self.assertEqual((await self.final(asking)).status, 200)

    async def test_dialogForming(self) -> None:
        """
        What can form a dialog has a Contact with C{ob}, so that all that follows comes over this
        flow, and with the instance-id.
        """
        agent, wire, _ = await self.two()
        for method in ("INVITE", "SUBSCRIBE", "REFER"):
            agent.request(method, ALICE).addErrback(lambda failure: None)
            request = await self.asked(wire, method.encode())
            (contact,) = request.all(b"contact")
            uri = b"sip:bot@127.0.0.1:%d;transport=tcp;ob" % wire.port
            instance = agent.instanceId.encode()
            self.assertEqual(contact, b'<%b>;+sip.instance="<%b>"' % (uri, instance))
            self.assertIn(b"outbound", request.all(b"supported"))
            wire.give(answered(request, 486))
            if method == "INVITE":
                await self.asked(wire, b"ACK")

    async def test_failover(self) -> None:
        """
        When the flow breaks before there was an answer the same request goes over the next one, and
        whoever gets it twice can tell. When that breaks too, the program hears so.
        """
        agent, first, second = await self.two()
        asking = agent.request("MESSAGE", ALICE, TEXT, b"hello")
        request = await self.asked(first)
        await self.edge.deafen()
        first.abort()
        again = await self.asked(second)
        for key in (b"call-id", b"cseq", b"from", b"to"):
            self.assertEqual(again.values[key], request.values[key])
        self.assertNotEqual(again.via.branch, request.via.branch)
        self.assertEqual(again.all(b"route"), [b"<%b;lr>" % self.other.tcp.encode()])
        await self.other.deafen()
        second.abort()
        failure = await within(self.failed(asking), "the end of a request")
        self.assertIsInstance(failure, Unreachable)

    def failed(self, asking: Deferred[FinalResponse]) -> Deferred[Any]:
        """
        Why it has failed.
        """
        found: Deferred[Any] = Deferred()
        asking.addCallbacks(found.errback, lambda failure: found.callback(failure.value))
        return found

    async def test_lostBefore(self) -> None:
        """
        A flow that is known to be lost is not even tried.
        """
        agent, first, second = await self.two()
        first.abort()
        await self.until(lambda: not agent.statuses[0].registered, "the loss of a flow")
        asking = agent.request("MESSAGE", ALICE)
        second.give(answered(await self.asked(second)))
        self.assertEqual((await self.final(asking)).status, 200)

    async def test_answeredAlready(self) -> None:
        """
        Once somebody has the request, it is not sent to him a second time.
        """
        agent, first, second = await self.two()
        asking = agent.invite(ALICE)
        first.give(answered(await self.asked(first, b"INVITE"), 180))
        await self.turn()
        first.abort()
        failure = await within(self.failed(asking), "the end of a request")
        self.assertIsInstance(failure, Unreachable)
        self.assertEqual(second.heard.pending, [])

    async def test_unregistered(self) -> None:
        """
        Who is not registered can still ask: over a new flow to a proxy.
        """
        agent = self.agent()
        wire = await self.edge.connection()
        wire.give(answered(await self.registers(wire), 403))
        await within(wire.closed, "the end of a connection")
        asking = agent.request("MESSAGE", ALICE)
        fresh = await self.edge.connection()
        request = await self.asked(fresh)
        self.assertEqual(request.all(b"route"), [b"<%b;lr>" % self.edge.tcp.encode()])
        fresh.give(answered(request))
        self.assertEqual((await self.final(asking)).status, 200)
        again = agent.request("MESSAGE", ALICE)
        fresh.give(answered(await self.asked(fresh)))
        self.assertEqual((await self.final(again)).status, 200)
        self.assertEqual(self.edge.count, 2)

    async def test_otherProxy(self) -> None:
        """
        Nobody knows where the first proxy is: who asks does so through the second.
        """
        known = {"second.test": ["127.0.0.1"], "first.test": None}
        names = "first.test", "second.test"
        proxies = [f"sip:{name}:{self.edge.port};transport=tcp" for name in names]
        agent = self.agent(*proxies, locate=locating(FakeDirectory(known)))
        wire = await self.edge.connection()
        wire.give(answered(await self.registers(wire), 403))
        await within(wire.closed, "the end of a connection")
        asking = agent.request("MESSAGE", ALICE)
        fresh = await self.edge.connection()
        fresh.give(answered(await self.asked(fresh)))
        self.assertEqual((await self.final(asking)).status, 200)

    async def test_tooLarge(self) -> None:
        """
        What UDP can't carry is not sent over a new flow either: the program hears so, and no port
        is opened for it.
        """
        agent = self.agent(self.edge.udp)
        wire, _ = await self.registered(self.edge.bound)
        for _ in range(3):
            asking = agent.request("MESSAGE", ALICE, TEXT, bytes(70_000))
            self.assertIsInstance(await within(self.failed(asking), "an end"), Unreachable)
        self.assertEqual(wire.heard.pending, [])
        self.assertEqual([reader for reader in reactor.getReaders() if _isOurs(reader)][1:], [])
        asking = agent.request("MESSAGE", ALICE)
        wire.give(answered(await self.asked(wire)))
        self.assertEqual((await self.final(asking)).status, 200)

    async def test_routes(self) -> None:
        """
        A next hop that the program names is looked up; when that is where a flow of ours leads, the
        flow is used, else there is a new one.
        """
        stranger = self.other

        async def locate(uri: URI) -> list[Place]:
            edge = stranger if uri.host == b"stranger.test" else self.edge
            return [Place(b"TCP", ("127.0.0.1", edge.port))]

        agent = self.agent("sip:edge.test", locate=locate)
        wire, _ = await self.registered()
        for name, count in (("sip:alias.edge.test;lr", 0), ("sip:stranger.test;lr", 1)):
            asking = agent.request("MESSAGE", ALICE, routes=[name])
            used = await stranger.connection() if count else wire
            request = await self.asked(used)
            self.assertEqual(request.all(b"route"), [b"<%b>" % name.encode()])
            used.give(answered(request))
            self.assertEqual((await self.final(asking)).status, 200)
            self.assertEqual((self.edge.count, stranger.count), (1, count))
        asking = agent.request("MESSAGE", "sip:alice@alias.edge.test", routes=[])
        request = await self.asked(wire)
        self.assertNotIn(b"route", request.values)
        wire.give(answered(request))
        await self.final(asking)

    async def test_noAnswer(self) -> None:
        """
        A request that nobody answers ends after 32 s.
        """
        agent, _, _ = await self.two()
        failing = self.failed(agent.request("MESSAGE", ALICE))
        self.advance(31.8)
        await self.turn()
        self.assertFalse(failing.called)
        self.advance(0.3)
        self.assertIsInstance(await within(failing, "the end of a request"), NoAnswer)

    async def test_refusals(self) -> None:
        """
        A refusal is a result, for the program to read. A 430 speaks of a flow that is not ours: it
        is an ordinary 400 to us, and no reason to try another one.
        """
        agent, first, second = await self.two()
        for status, seen in ((401, 401), (407, 407), (486, 486), (430, 400), (503, 503)):
            asking = agent.request("MESSAGE", ALICE)
            first.give(answered(await self.asked(first), status))
            final = await self.final(asking)
            self.assertEqual((final.status, final.message.status), (seen, status))
        self.assertEqual(second.heard.pending, [])

    async def test_thirdParty(self) -> None:
        """
        A registration for somebody else names neither our instance nor a reg-id: it would take the
        place of our own.
        """
        agent, wire, _ = await self.two()
        asking = agent.request(
            "REGISTER", "sip:example.test", (("Contact", "<sip:desk@192.0.2.9>"),), to=ALICE
        )
        request = await self.asked(wire, b"REGISTER")
        self.assertEqual(request.to.text, ALICE.encode())
        self.assertEqual(request.all(b"contact"), [b"<sip:desk@192.0.2.9>"])
        wire.give(answered(request))
        await self.final(asking)

    async def test_allContacts(self) -> None:
        """
        Whoever removes all bindings of a user sends an asterisk and nothing beside it.
        """
        agent, wire, _ = await self.two()
        headers = (("Contact", "*"), ("Expires", "0"))
        asking = agent.request("REGISTER", "sip:example.test", headers, to=agent.aor)
        request = await self.asked(wire, b"REGISTER")
        self.assertEqual(request.texts(b"contact"), [b"*"])
        self.assertEqual(request.first(b"expires"), b"0")
        wire.give(answered(request))
        await self.final(asking)

    async def test_senseless(self) -> None:
        """
        What would break the message, or can't be sent, is refused at once.
        """
        agent, _, _ = await self.two()
        for uri, headers in (
            (ALICE, (("X", "a\r\nVia: b"),)),
            (ALICE, (("X\n", "a"),)),
            ("nobody", ()),
            (ALICE + ">\r\nX: y", ()),
        ):
            self.assertRaises(ValueError, agent.request, "MESSAGE", uri, headers)
        for method in ("MESS AGE", "", "ACK", "CANCEL"):
            self.assertRaises(ValueError, agent.request, method, ALICE)

    async def test_stopped(self) -> None:
        """
        A user agent that has stopped sends nothing, and whoever waits hears so.
        """
        agent, first, second = await self.two()
        failing = self.failed(agent.request("MESSAGE", ALICE))
        await self.asked(first)
        await self.left(agent, first, second)
        self.assertIsInstance(await within(failing, "the end of a request"), Unreachable)
        self.assertRaises(ValueError, agent.request, "MESSAGE", ALICE)

    async def test_cancelled(self) -> None:
        """
        A program may stop waiting.
        """
        agent, wire, _ = await self.two()
        asking = agent.request("MESSAGE", ALICE)
        request = await self.asked(wire)
        asking.addErrback(lambda failure: None)
        asking.cancel()
        wire.give(answered(request))
        await self.turn()
        self.assertTrue(agent.statuses[0].registered)
