"""
Calls through the running server: from the INVITE to the BYE, and all that is no call (RFC 3261 16,
RFC 5626 5.3).
"""

from __future__ import annotations

from sipoutbound.message.message import Request
from sipoutbound.test.dialog import Dialog
from sipoutbound.test.laboratory import WireTestCase, without
from sipoutbound.test.phone import DOMAIN, Phone

# What a proxy may change of a request: RFC 3261 16.6 steps 3 to 8, RFC 5393 5.3.3.
TOUCHED = (b"via", b"max-forwards", b"max-breadth", b"record-route", b"route")

OFFER = (b"Content-Type", b"application/sdp")
BODY = b"v=0\r\no=- 0 0 IN IP4 10.0.0.9\r\nc=IN IP4 10.0.0.9\r\n\xff\x00\r\n\r\n"

# How a UDP or TCP flow's token looks, as a Record-Route.
TOKEN = rb"^<sip:[A-Za-z0-9_-]{40,}@127\.0\.0\.1:\d+(;transport=tcp)?;lr>$"


class CallTests(WireTestCase):
    """
    Two phones behind NATs, both registered.
    """

    transports = (b"UDP", b"UDP")

    async def pair(self) -> tuple[Phone, Phone]:
        """
        The caller and the callee.
        """
        caller, callee = self.transports
        return await self.registered(b"alice", caller), await self.registered(b"bob", callee)

    async def test_call(self) -> None:
        """
        It rings, it is answered, and the caller hangs up.
        """
        alice, bob = await self.pair()
        alice.ask(b"INVITE", bob.aor, [OFFER], BODY)
        trying = await alice.told(100)
        self.assertIsNone(trying.first(b"record-route"))
        invite = await bob.asked(b"INVITE")
        self.assertEqual(invite.body, BODY)
        bob.answer(invite, 180)
        ringing = await alice.told(180)
        bob.answer(invite, 200, [OFFER], BODY)
        answered = await alice.told(200)
        self.assertEqual(answered.body, BODY)
        self.assertEqual(ringing.all(b"record-route"), answered.all(b"record-route"))
        side = Dialog.ofCaller(alice, answered)
        side.ask(b"ACK", invite.cseq.number)
        await bob.asked(b"ACK")
        side.ask(b"BYE")
        bob.answer(await bob.asked(b"BYE"), 200)
        await alice.told(200)
        await alice.hearsNothing()
        await bob.hearsNothing()

    async def test_calleeHangsUp(self) -> None:
        """
        The callee's BYE reaches the caller, over its own flow.
        """
        alice, bob = await self.pair()
        _, side = await self.talk(alice, bob)
        side.ask(b"BYE")
        bye = await alice.asked(b"BYE")
        self.assertEqual(bye.uri, alice.contact)
        self.assertEqual(bye.all(b"route"), [])
        alice.answer(bye, 200)
        await bob.told(200)
        await alice.hearsNothing()

    async def test_recordRoute(self) -> None:
        """
        Both flows' tokens are in the route set, the callee's on top, in the INVITE and in the 200.
        """
        alice, bob = await self.pair()
        alice.ask(b"INVITE", bob.aor)
        invite = await bob.asked(b"INVITE")
        routes = invite.all(b"record-route")
        self.assertEqual(len(routes), 2)
        for route, transport in zip(routes, reversed(self.transports), strict=True):
            self.assertRegex(route, TOKEN)
            self.assertEqual(b";transport=tcp" in route, transport == b"TCP")
        self.assertNotIn(b";ob", b"".join(routes))
        bob.answer(invite, 200)
        self.assertEqual((await alice.told(200)).all(b"record-route"), routes)

    async def test_reinvite(self) -> None:
        """
        Either side changes the call under way; nobody's route set grows.
        """
        alice, bob = await self.pair()
        sides = await self.talk(alice, bob)
        for side, other in (sides, sides[::-1]):
            sent = side.ask(b"INVITE", body=BODY)
            invite = await other.phone.asked(b"INVITE")
            self.assertEqual(invite.uri, other.phone.contact)
            self.assertEqual(invite.all(b"record-route"), [])
            self.assertEqual(invite.all(b"route"), [])
            self.assertEqual(kept(invite), kept(sent))
            other.phone.answer(invite, 200)
            await side.phone.told(200)
            side.ask(b"ACK", side.number)
            await other.phone.asked(b"ACK")
            await side.phone.hearsNothing()

    async def test_reinviteRefused(self) -> None:
        """
        A change that is refused: the ACK is hop by hop, the call goes on.
        """
        alice, bob = await self.pair()
        side, other = await self.talk(alice, bob)
        sent = side.ask(b"INVITE")
        bob.answer(await bob.asked(b"INVITE"), 488)
        refusal = await alice.told(488)
        await bob.asked(b"ACK")
        alice.acknowledge(sent, refusal)
        await bob.hearsNothing()
        other.ask(b"BYE")
        alice.answer(await alice.asked(b"BYE"), 200)
        await bob.told(200)

    async def test_unchanged(self) -> None:
        """
        What arrives is what was sent, octet by octet, but for the lines that a proxy may touch; the
        Request-URI is what the callee registered.
        """
        alice, bob = await self.pair()
        odd = [
            (b"X-Odd", b"  spaced ;;, \t out  "),
            (b"s", b"short, compact"),
            (b"X-Folded", b"one\r\n  two\r\n\tthree"),
            (b"SUPPORTED", b"100rel,timer , x"),
            (b"x-Bytes", b"\xe2\x82\xac \xff"),
            (b"Contact", b'"A, <B>" <sip:alice@10.0.0.9:5099;ob>;+sip.x="<y>"'),
            OFFER,
        ]
        invite = alice.compose(b"INVITE", bob.aor, odd, BODY)
        alice.send(invite)
        arrived = await bob.asked(b"INVITE")
        self.assertEqual(kept(arrived), kept(invite))
        self.assertEqual(arrived.body, BODY)
        self.assertEqual(arrived.start, b"INVITE " + bob.contact + b" SIP/2.0")
        self.assertEqual(arrived.first(b"max-forwards"), b"69")
        self.assertEqual(len(arrived.all(b"via")), 2)
        ours, theirs = arrived.all(b"via")
        self.assertIn(b"z9hG4bK", ours)
        self.assertIn(invite.via.branch or b"", theirs)

    async def test_responseUnchanged(self) -> None:
        """
        What the callee answers arrives as it was said, but for the proxy's Via.
        """
        alice, bob = await self.pair()
        alice.ask(b"INVITE", bob.aor)
        invite = await bob.asked(b"INVITE")
        odd = [(b"X-Odd", b"a ,; b\r\n\tc"), (b"CONTACT", b"<sip:b@10.0.0.9;x=Y>"), OFFER]
        said = bob.answer(invite, 299, odd, BODY)
        heard = bytes(await alice.told(299))
        ours = invite.lines[invite.keys.index(b"via")] + b"\r\n"
        self.assertEqual(heard, said.replace(ours, b""))

    async def test_requestUri(self) -> None:
        """
        The callee finds its own Contact URI as the Request-URI, whatever is in it, and nobody's
        Contact is touched.
        """
        alice, bob = await self.pair()
        bob.contact = b"sip:b%6fb;x=1:p@[2001:DB8::9]:6000;Transport=TCP;ob;unknown=%41;lr2"
        await bob.registered()
        alice.ask(b"OPTIONS", bob.aor)
        self.assertEqual((await bob.asked(b"OPTIONS")).uri, bob.contact)

    async def test_received(self) -> None:
        """
        The callee sees in the caller's Via where the request came from (RFC 3581).
        """
        alice, bob = await self.pair()
        alice.ask(b"MESSAGE", bob.aor)
        via = (await bob.asked(b"MESSAGE")).all(b"via")[1]
        self.assertIn(b";rport=%d" % alice.local[1], via)
        self.assertIn(b";received=127.0.0.1", via)

    async def test_otherMethods(self) -> None:
        """
        A message, a question, and methods that nobody has heard of go the same way.
        """
        alice, bob = await self.pair()
        for method in (b"MESSAGE", b"OPTIONS", b"INFO", b"REFER", b"FOO", b"Invite", b"x-y.z!"):
            sent = alice.ask(method, bob.aor, body=BODY)
            arrived = await bob.asked(method)
            self.assertEqual(kept(arrived), kept(sent))
            bob.answer(arrived, 202, [(b"X-Said", method)])
            self.assertEqual((await alice.told(202)).first(b"x-said"), method)
        await alice.hearsNothing()
        await bob.hearsNothing()

    async def test_recordRouteOfMethods(self) -> None:
        """
        Requests that dialogs may come of leave a way back, unknown ones too; others need none.
        """
        alice, bob = await self.pair()
        for method, count in ((b"SUBSCRIBE", 2), (b"REFER", 2), (b"FOO", 2), (b"MESSAGE", 0)):
            alice.ask(method, bob.aor)
            request = await bob.asked(method)
            self.assertEqual(len(request.all(b"record-route")), count)
            bob.answer(request, 200)
            await alice.told(200)

    async def test_subscription(self) -> None:
        """
        A subscription's notifications find the subscriber, and its refresh the notifier.
        """
        alice, bob = await self.pair()
        alice.ask(b"SUBSCRIBE", bob.aor, [(b"Event", b"presence")])
        subscribe = await bob.asked(b"SUBSCRIBE")
        bob.answer(subscribe, 202)
        accepted = await alice.told(202)
        notifier = Dialog.ofCallee(bob, subscribe)
        notifier.ask(b"NOTIFY", body=BODY)
        notify = await alice.asked(b"NOTIFY")
        self.assertEqual(notify.body, BODY)
        alice.answer(notify, 200)
        await bob.told(200)
        Dialog.ofCaller(alice, accepted).ask(b"SUBSCRIBE")
        bob.answer(await bob.asked(b"SUBSCRIBE"), 200)
        await alice.told(200)

    async def test_provisionals(self) -> None:
        """
        Everything the callee says while it rings is passed on; its 100 is not.
        """
        alice, bob = await self.pair()
        alice.ask(b"INVITE", bob.aor)
        await alice.told(100)
        invite = await bob.asked(b"INVITE")
        for status in (100, 180, 183, 199, 180):
            bob.answer(invite, status)
        for status in (180, 183, 199, 180):
            self.assertEqual((await alice.hears()).status, status)

    async def test_refused(self) -> None:
        """
        A busy callee: the caller is told so, the callee's transaction is acknowledged by the proxy,
        and the caller's ACK goes no further.
        """
        alice, bob = await self.pair()
        sent = alice.ask(b"INVITE", bob.aor)
        invite = await bob.asked(b"INVITE")
        bob.answer(invite, 486)
        busy = await alice.told(486)
        ack = await bob.asked(b"ACK")
        self.assertEqual(ack.via.branch, invite.via.branch)
        self.assertEqual(ack.uri, invite.uri)
        self.assertEqual(ack.cseq.number, invite.cseq.number)
        self.assertEqual(ack.first(b"to"), busy.first(b"to"))
        self.assertEqual(len(ack.all(b"via")), 1)
        alice.acknowledge(sent, busy)
        await bob.hearsNothing()
        await alice.hearsNothing()

    async def test_cancelWhileRinging(self) -> None:
        """
        The caller gives up while it rings: the phone stops ringing.
        """
        alice, bob = await self.pair()
        sent = alice.ask(b"INVITE", bob.aor)
        invite = await bob.asked(b"INVITE")
        bob.answer(invite, 180)
        await alice.told(180)
        alice.cancel(sent)
        self.assertEqual((await alice.told(200)).cseq.method, b"CANCEL")
        cancel = await bob.asked(b"CANCEL")
        self.assertEqual(cancel.uri, invite.uri)
        self.assertEqual(cancel.all(b"via"), invite.all(b"via")[:1])
        self.assertEqual(cancel.cseq.number, invite.cseq.number)
        for key in (b"to", b"from", b"call-id"):
            self.assertEqual(cancel.first(key), invite.first(key))
        bob.answer(cancel, 200)
        bob.answer(invite, 487)
        ended = await alice.told(487)
        self.assertEqual(ended.cseq.method, b"INVITE")
        await bob.asked(b"ACK")
        alice.cancel(sent)
        self.assertEqual((await alice.told(200)).cseq.method, b"CANCEL")
        alice.acknowledge(sent, ended)
        await bob.hearsNothing()

    async def test_cancelBeforeRinging(self) -> None:
        """
        The caller gives up at once: the callee's phone is stopped as soon as it says anything, and
        not before (RFC 3261 9.1).
        """
        alice, bob = await self.pair()
        sent = alice.ask(b"INVITE", bob.aor)
        invite = await bob.asked(b"INVITE")
        alice.cancel(sent)
        self.assertEqual((await alice.told(200)).cseq.method, b"CANCEL")
        await bob.hearsNothing()
        bob.answer(invite, 100)
        bob.answer(await bob.asked(b"CANCEL"), 200)
        bob.answer(invite, 487)
        await bob.asked(b"ACK")
        await alice.told(487)

    async def test_cancelCrossesAnswer(self) -> None:
        """
        The callee answers while the caller gives up: the caller gets the answer, as it has to hang
        up then.
        """
        alice, bob = await self.pair()
        sent = alice.ask(b"INVITE", bob.aor)
        invite = await bob.asked(b"INVITE")
        bob.answer(invite, 180)
        await alice.told(180)
        alice.cancel(sent)
        await alice.told(200)
        await bob.asked(b"CANCEL")
        bob.answer(invite, 200)
        answered = await alice.told(200)
        self.assertEqual(answered.cseq.method, b"INVITE")
        side = Dialog.ofCaller(alice, answered)
        side.ask(b"ACK", sent.cseq.number)
        await bob.asked(b"ACK")
        side.ask(b"BYE")
        await bob.asked(b"BYE")

    async def test_cancelOfNothing(self) -> None:
        """
        A CANCEL of no call of ours goes on, as another server may have sent its INVITE past us; a
        repetition is the same request there, and what is answered is for nobody (RFC 3261 16.10,
        RFC 6026 7.3).
        """
        alice, bob = await self.pair()
        cancel = alice.cancel(alice.compose(b"INVITE", bob.aor))
        alice.send(cancel)
        first, second = await bob.asked(b"CANCEL"), await bob.asked(b"CANCEL")
        self.assertEqual(bytes(first), bytes(second))
        self.assertEqual((first.uri, len(first.all(b"via"))), (bob.contact, 2))
        bob.answer(first, 481)
        await alice.hearsNothing()

    async def test_answerRepeated(self) -> None:
        """
        The callee repeats its 200 until it hears the ACK: each goes to the caller, and each ACK to
        the callee, once (RFC 6026 7).
        """
        alice, bob = await self.pair()
        alice.ask(b"INVITE", bob.aor)
        invite = await bob.asked(b"INVITE")
        said = bob.answer(invite, 200)
        side = Dialog.ofCaller(alice, await alice.told(200))
        for _ in range(3):
            bob.send(said)
            await alice.told(200)
        for _ in range(2):
            side.ask(b"ACK", invite.cseq.number)
            self.assertEqual((await bob.asked(b"ACK")).all(b"route"), [])
        await bob.hearsNothing()
        await alice.hearsNothing()

    async def test_unreachable(self) -> None:
        """
        A user who is nowhere registered: 480, whatever is asked.
        """
        alice = await self.registered(b"alice", self.transports[0])
        for method in (b"MESSAGE", b"FOO", b"BYE"):
            alice.ask(method, b"sip:nobody@" + DOMAIN)
            await alice.told(480)
        sent = alice.ask(b"INVITE", b"sip:nobody@" + DOMAIN)
        alice.acknowledge(sent, await alice.told(480))

    async def test_oneself(self) -> None:
        """
        A phone that calls its own user, over the flow that it is reached by: it rings there.
        """
        alice = await self.registered(b"alice", self.transports[0])
        alice.ask(b"INVITE", alice.aor)
        await alice.told(100)
        invite = await alice.asked(b"INVITE")
        alice.answer(invite, 486)
        await alice.told(486)


class UDPToTCPCallTests(CallTests):
    """
    The same from UDP to TCP.
    """

    transports = (b"UDP", b"TCP")


class TCPToUDPCallTests(CallTests):
    """
    The same from TCP to UDP.
    """

    transports = (b"TCP", b"UDP")


class DurableCallTests(CallTests):
    """
    The same from TCP to TCP, with bindings in SQLite.
    """

    transports = (b"TCP", b"TCP")
    durable = True


class SixTests(CallTests):
    """
    The same over IPv6.
    """

    interface = "::1"
    skip = without("::1")

    async def test_recordRoute(self) -> None:
        """
        IPv6 references are in brackets.
        """
        alice, bob = await self.pair()
        alice.ask(b"INVITE", bob.aor)
        for route in (await bob.asked(b"INVITE")).all(b"record-route"):
            self.assertRegex(route, rb"^<sip:[A-Za-z0-9_-]{72}@\[::1\]:\d+;lr>$")

    async def test_received(self) -> None:
        """
        The caller's address is in its Via without brackets (RFC 3261 25.1, via-received).
        """
        alice, bob = await self.pair()
        alice.ask(b"MESSAGE", bob.aor)
        request = await bob.asked(b"MESSAGE")
        ours, theirs = request.all(b"via")
        self.assertRegex(ours, rb"^SIP/2\.0/UDP \[::1\]:\d+;rport;branch=z9hG4bK")
        self.assertIn(b";received=::1", theirs)


def kept(request: Request) -> list[bytes]:
    """
    The lines that no proxy may touch, in their order.
    """
    pairs = zip(request.lines, request.keys, strict=True)
    return [line for line, key in pairs if key not in TOUCHED]


