"""
Connections of the running server: how long they last, who uses them, and those that cannot be made
(RFC 3261 18, 18.4; RFC 5923 8).
"""

from __future__ import annotations

import socket
from typing import Any

from twisted.trial.unittest import SkipTest

from sipoutbound.routing.branch import TIMER_C
from sipoutbound.test.laboratory import LOOPBACK, WireTestCase
from sipoutbound.test.line import within
from sipoutbound.test.peer import Peer
from sipoutbound.test.phone import DOMAIN, Phone
from sipoutbound.transaction.timers import T1
from sipoutbound.transport.stream import UNACKNOWLEDGED

HERE = LOOPBACK.encode()


class ConnectionTests(WireTestCase):
    """
    Connections that phones make, and that the server makes.
    """

    async def listening(self) -> Peer:
        """
        Another server.
        """
        peer = Peer().listen(LOOPBACK)
        self.addCleanup(peer.close)
        return peer

    async def bound(self, user: bytes, port: int) -> Phone:
        """
        A phone on UDP whose Contact is a TCP port of its host.
        """
        phone = await self.phone(user)
        phone.contact = b"sip:%b@%b:%d;transport=tcp" % (user, HERE, port)
        return await phone.registered(contact=b"<" + phone.contact + b">")

    async def test_kept(self) -> None:
        """
        A connection outlives all that was said over it: a call that rings as long as one may ring
        is answered over it, and so is what comes next.
        """
        peer, alice = await self.listening(), await self.phone(b"alice", b"TCP")
        bob = await self.bound(b"bob", peer.address[1])
        alice.ask(b"MESSAGE", bob.aor)
        there = await peer.connected(b"bob")
        for _ in range(3):
            there.answer(await there.asked(b"MESSAGE"), 200)
            await alice.told(200)
            self.advance(TIMER_C + 64 * T1 + 1)
            alice.ask(b"MESSAGE", bob.aor)
        await there.asked(b"MESSAGE")
        self.assertEqual(len(peer.lines), 1)
        self.assertFalse(alice.line.closed.called)

    async def test_unacknowledged(self) -> None:
        """
        Neither a connection that a phone has made nor one that the server has made is trusted for a
        quarter of an hour when nothing of what is sent over it arrives any more.
        """
        if not hasattr(socket, "TCP_USER_TIMEOUT"):
            raise SkipTest("this system does not know TCP_USER_TIMEOUT")
        peer, alice = await self.listening(), await self.phone(b"alice", b"TCP")
        bob = await self.bound(b"bob", peer.address[1])
        alice.ask(b"MESSAGE", bob.aor)
        await (await peer.connected(b"bob")).asked(b"MESSAGE")
        limits = []
        for flow in self.laboratory.server.flows.streams():
            line: Any = flow._line
            opened = line.transport.getHandle()
            limits.append(opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT))
        self.assertEqual(limits, [UNACKNOWLEDGED * 1000] * 2)

    async def test_bothWays(self) -> None:
        """
        A connection that the server has made takes requests of the other side too, and one that a
        phone has made takes requests to its address.
        """
        peer, alice = await self.listening(), await self.registered(b"alice", b"TCP")
        bob = await self.bound(b"bob", peer.address[1])
        alice.ask(b"MESSAGE", bob.aor)
        there = await peer.connected(b"bob")
        there.answer(await there.asked(b"MESSAGE"), 200)
        await alice.told(200)
        there.ask(b"MESSAGE", alice.aor)
        alice.answer(await alice.asked(b"MESSAGE"), 200)
        await there.told(200)
        carol = await self.phone(b"carol", b"TCP")
        carol.contact = b"sip:carol@%b:%d;transport=tcp" % (HERE, carol.local[1])
        await carol.registered(contact=b"<" + carol.contact + b">")
        there.ask(b"MESSAGE", carol.aor)
        carol.answer(await carol.asked(b"MESSAGE"), 200)
        await there.told(200)

    async def test_again(self) -> None:
        """
        A connection that its peer has closed is made once more for the next request.
        """
        peer, alice = await self.listening(), await self.phone(b"alice", b"TCP")
        bob = await self.bound(b"bob", peer.address[1])
        for _ in range(2):
            alice.ask(b"MESSAGE", bob.aor)
            there = await peer.connected(b"bob")
            there.answer(await there.asked(b"MESSAGE"), 200)
            await alice.told(200)
            await there.abort()
            await self.laboratory.turn()

    async def test_alias(self) -> None:
        """
        A connection is not taken for one to another address because its client says so: whoever
        wrote the address of somebody else would get its calls. All else is as without C{alias}.
        """
        peer, alice = await self.listening(), await self.phone(b"alice", b"TCP")
        port = peer.address[1]
        liar = await self.phone(b"liar", b"TCP")
        via = b"SIP/2.0/TCP %b:%d;branch=z9hG4bKalias;rport;alias" % (HERE, port)
        liar.ask(b"OPTIONS", b"sip:" + DOMAIN, via=via)
        self.assertIn((b"alias", None), (await liar.told(200)).via.params)
        bob = await self.bound(b"bob", port)
        alice.ask(b"MESSAGE", bob.aor)
        there = await peer.connected(b"bob")
        there.answer(await there.asked(b"MESSAGE"), 200)
        await alice.told(200)
        await liar.hearsNothing()

    async def test_refused(self) -> None:
        """
        Nobody listens at the callee's address: the caller is told at once, of a call and a message.
        """
        peer, alice = await self.listening(), await self.phone(b"alice")
        bob = await self.bound(b"bob", peer.address[1])
        await peer.close()
        for method in (b"INVITE", b"MESSAGE"):
            alice.ask(method, bob.aor)
            await alice.told(480)
            bob.register(b"<" + bob.contact + b">")
            await bob.told(200)

    async def test_reset(self) -> None:
        """
        A connection that breaks while an answer is awaited: the caller is told at once.
        """
        alice = await self.phone(b"alice")
        for method in (b"INVITE", b"MESSAGE"):
            bob = await self.registered(b"bob", b"TCP")
            alice.ask(method, bob.aor)
            await bob.asked(method)
            await bob.abort()
            await alice.told(480)


class DatagramTests(WireTestCase):
    """
    Datagrams that are longer or shorter than they say (RFC 3261 18.3).
    """

    async def test_longer(self) -> None:
        """
        What follows the body is dropped, of a request and of a response.
        """
        alice, bob = await self.registered(b"alice"), await self.registered(b"bob")
        message = alice.compose(b"MESSAGE", bob.aor, body=b"hello")
        alice.send(bytes(message) + b", and more\r\n\r\nINVITE")
        arrived = await bob.asked(b"MESSAGE")
        self.assertEqual((arrived.body, arrived.first(b"content-length")), (b"hello", b"5"))
        self.patch(Phone, "send", lambda phone, data: phone.line.write(bytes(data) + b"junk"))
        bob.answer(arrived, 200, body=b"hi")
        self.assertEqual((await alice.told(200)).body, b"hi")

    async def test_shorter(self) -> None:
        """
        A request that is cut off is answered 400; a response that is cut off is no response.
        """
        alice, bob = await self.registered(b"alice"), await self.registered(b"bob")
        sent = alice.compose(b"MESSAGE", bob.aor, body=b"hello")
        alice.send(bytes(sent)[:-1])
        self.assertEqual((await alice.told(400)).callId, sent.callId)
        await bob.hearsNothing()
        alice.ask(b"MESSAGE", bob.aor)
        arrived = await bob.asked(b"MESSAGE")
        self.patch(Phone, "send", lambda phone, data: phone.line.write(bytes(data)[:-1]))
        bob.answer(arrived, 200, body=b"hi")
        self.patch(Phone, "send", lambda phone, data: phone.line.write(bytes(data)))
        await bob.hearsNothing()
        await alice.hearsNothing()
        bob.answer(arrived, 200, body=b"hi")
        self.assertEqual((await alice.told(200)).body, b"hi")

    async def test_noLength(self) -> None:
        """
        Without a Content-Length the body goes to the end of the datagram; on a stream nobody knows
        where it ends, so that is refused and the connection closed.
        """
        alice, bob = await self.registered(b"alice"), await self.registered(b"bob")
        sent = bytes(alice.compose(b"MESSAGE", bob.aor, body=b"hello"))
        alice.send(sent.replace(b"Content-Length: 5\r\n", b""))
        arrived = await bob.asked(b"MESSAGE")
        self.assertEqual(arrived.body, b"hello")
        bob.answer(arrived, 200)
        await alice.told(200)
        stream = await self.phone(b"carol", b"TCP")
        question = bytes(stream.compose(b"OPTIONS", b"sip:" + DOMAIN))
        stream.send(question.replace(b"Content-Length: 0\r\n", b""))
        await stream.told(400)
        await within(stream.line.closed, "the end of the connection")
