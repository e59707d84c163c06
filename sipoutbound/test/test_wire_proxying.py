"""
What a proxy does with a request and its responses, with the running server (RFC 3261 9, 16).
"""

from __future__ import annotations

from sipoutbound.routing.branch import TIMER_C
from sipoutbound.test.dialog import Dialog
from sipoutbound.test.laboratory import LOOPBACK, WireTestCase
from sipoutbound.test.phone import DOMAIN

HERE = LOOPBACK.encode()


class AnswerTests(WireTestCase):
    """
    What the proxy answers itself, and how it passes on what others answer.
    """

    async def test_own(self) -> None:
        """
        A refusal of the proxy's own is a whole response: the caller's Via, From, Call-ID and CSeq,
        its To with a tag (RFC 3261 8.2.6.2, 16.1).
        """
        alice = await self.registered(b"alice")
        for uri, headers, status in (
            (b"sip:nobody@" + DOMAIN, [], 480),
            (b"tel:+1555", [], 416),
            (b"sip:alice@" + DOMAIN, [(b"Proxy-Require", b"x")], 420),
        ):
            asked = alice.ask(b"MESSAGE", uri, headers)
            answer = await alice.told(status)
            for key in (b"from", b"call-id", b"cseq"):
                self.assertEqual(answer.texts(key), asked.texts(key))
            self.assertEqual(len(answer.all(b"via")), 1)
            self.assertEqual(answer.via.branch, asked.via.branch)
            self.assertTrue(answer.to.param(b"tag"))

    async def test_tags(self) -> None:
        """
        The To of whoever answers is passed on as it is, whatever it answers; where the request had
        a tag, so has the response (RFC 3261 16.7 step 6).
        """
        alice, bob = await self.registered(b"alice"), await self.registered(b"bob")
        alice.ask(b"INVITE", bob.aor)
        invite = await bob.asked(b"INVITE")
        to = invite.need(b"to")
        for status in (180, 183, 486):
            bob.answer(invite, status)
            self.assertEqual((await alice.told(status)).need(b"to"), to + b";tag=bob")
        await bob.asked(b"ACK")
        tagged = b"<%b>;tag=was-there" % bob.aor
        for status in (200, 302, 404, 603):
            alice.ask(b"INFO", bob.aor, to=tagged)
            bob.answer(await bob.asked(b"INFO"), status)
            self.assertEqual((await alice.told(status)).need(b"to"), tagged)

    async def test_received(self) -> None:
        """
        The caller's own Via comes back to it with what was put there on the way in (RFC 3261 16.7
        step 9).
        """
        alice, bob = await self.registered(b"alice"), await self.registered(b"bob")
        for status in (200, 404):
            alice.ask(b"MESSAGE", bob.aor)
            bob.answer(await bob.asked(b"MESSAGE"), status)
            via = (await alice.told(status)).all(b"via")[0]
            self.assertIn(b";received=127.0.0.1", via)
            self.assertIn(b";rport=%d" % alice.local[1], via)

    async def test_bothChallenges(self) -> None:
        """
        Challenges of both kinds are told together, as they were (RFC 3261 16.7 step 7).
        """
        alice = await self.registered(b"alice")
        phones = [await self.registered(b"bob"), await self.registered(b"bob", b"TCP")]
        www, proxy = b"WWW-Authenticate", b"Proxy-Authenticate"
        said = (
            [(www, b'Digest realm="a", nonce="1,2"'), (www, b"X y")],
            [(proxy, b'Digest realm="b"'), (www, b"Z z")],
        )
        alice.ask(b"MESSAGE", phones[0].aor)
        for phone, status, challenges in zip(phones, (401, 407), said, strict=True):
            phone.answer(await phone.asked(b"MESSAGE"), status, challenges)
        answer = await alice.hears()
        self.assertIn(answer.status, (401, 407))
        for name in (www, proxy):
            wanted = [text for each in said for key, text in each if key == name]
            self.assertEqual(sorted(answer.texts(name.lower())), sorted(wanted))

    async def test_redirectedThere(self) -> None:
        """
        Where somebody else's server says that its user has moved, that is for the caller to follow,
        not for us (RFC 3261 16.5): the answer is passed on with its Contacts, nobody else asked.
        """
        alice, there = await self.registered(b"alice"), await self.phone(b"there")
        moved = await self.phone(b"moved")
        contact = b"<sip:moved@%b:%d>" % (HERE, moved.local[1])
        alice.ask(b"MESSAGE", b"sip:there@%b:%d" % (HERE, there.local[1]))
        there.answer(await there.asked(b"MESSAGE"), 302, [(b"Contact", contact)])
        self.assertEqual((await alice.told(302)).all(b"contact"), [contact])
        await moved.hearsNothing()

    async def test_lastHop(self) -> None:
        """
        What ends here may have no hop left (RFC 3261 16.3 step 3): the server answers a question to
        itself, and registers who asks; a question to a user would have to go on.
        """
        alice = await self.registered(b"alice")
        for message, status in (
            (alice.compose(b"OPTIONS", b"sip:" + DOMAIN), 200),
            (alice.compose(b"OPTIONS", alice.aor), 483),
            (alice.compose(b"REGISTER", b"sip:" + DOMAIN, to=b"<%b>" % alice.aor), 200),
        ):
            alice.send(bytes(message).replace(b"Max-Forwards: 70", b"Max-Forwards: 0"))
            await alice.told(status)

    async def test_noEarlyTrying(self) -> None:
        """
        Only an INVITE is told at once that it is under way (RFC 3261 16.2, RFC 4320 4.1).
        """
        alice, bob = await self.registered(b"alice"), await self.registered(b"bob")
        alice.ask(b"MESSAGE", bob.aor)
        message = await bob.asked(b"MESSAGE")
        bob.answer(message, 200)
        self.assertEqual((await alice.hears()).status, 200)
        alice.ask(b"INVITE", bob.aor)
        self.assertEqual((await alice.hears()).status, 100)

    async def test_ringsOn(self) -> None:
        """
        Each time that it rings gives it more than three minutes again (RFC 3261 16.7 step 2); a 100
        does not.
        """
        alice, bob = await self.registered(b"alice", b"TCP"), await self.registered(b"bob", b"TCP")
        alice.ask(b"INVITE", bob.aor)
        invite = await bob.asked(b"INVITE")
        self.assertGreater(TIMER_C, 180)
        for status in (100, 180, 183):
            bob.answer(invite, status)
            if status > 100:
                await alice.told(status)
            await bob.hearsNothing()
            for _ in range(2):
                self.advance(88)
                await alice.hearsNothing()
                await bob.hearsNothing()
        bob.answer(invite, 100)
        await bob.hearsNothing()
        self.advance(TIMER_C - 176 + 0.1)
        await bob.asked(b"CANCEL")
        await alice.told(408)


class RequestTests(WireTestCase):
    """
    What is sent on, and to whom.
    """

    async def test_canonical(self) -> None:
        """
        A user is found however the address is spelled (RFC 3261 16.5, 10.3 step 5).
        """
        alice, bob = await self.registered(b"alice"), await self.registered(b"bob")
        for spelled in (b"sip:%62ob@EXAMPLE.test", b"SIP:b%6Fb:secret@example.test;x=1;user=ip"):
            alice.ask(b"MESSAGE", spelled)
            bob.answer(await bob.asked(b"MESSAGE"), 200)
            await alice.told(200)

    async def test_strictRouterToUser(self) -> None:
        """
        What a strict router had put last of the Routes is looked up as if it had come so (RFC 3261
        16.4).
        """
        alice, bob = await self.phone(b"alice"), await self.registered(b"bob")
        _, port = self.laboratory.addresses()[b"UDP"]
        ours = b"sip:%b:%d;lr" % (HERE, port)
        alice.ask(b"MESSAGE", ours, [(b"Route", b"<" + bob.aor + b">")])
        message = await bob.asked(b"MESSAGE")
        self.assertEqual((message.uri, message.all(b"route")), (bob.contact, []))

    async def test_notInRequestUri(self) -> None:
        """
        What no Request-URI can have is left out of a Contact that becomes one (RFC 3261 16.6 step
        2, 19.1.1), and nothing else.
        """
        alice, bob = await self.registered(b"alice"), await self.phone(b"bob")
        bob.contact = b"sip:bob@10.0.0.9;method=INVITE;x=Y?subject=z"
        await bob.registered()
        alice.ask(b"MESSAGE", bob.aor)
        self.assertEqual((await bob.asked(b"MESSAGE")).uri, b"sip:bob@10.0.0.9;x=Y")

    async def test_oncePerTarget(self) -> None:
        """
        Somebody whom two ways lead to is called once (RFC 3261 16.5).
        """
        alice, phone = await self.registered(b"alice"), await self.phone(b"carol")
        contact = b"sip:%%b@%b:%d" % (HERE, phone.local[1])
        for user, spelled in ((b"carol", b"desk"), (b"dave", b"%64esk")):
            to = b"<sip:%b@%b>" % (user, DOMAIN)
            phone.register(b"<" + contact % spelled + b">", to=to, callId=user)
            await phone.told(200)
        both = b"<sip:carol@%b>, <sip:dave@%b>" % (DOMAIN, DOMAIN)
        phone.register(both, to=b"<sip:bob@%b>" % DOMAIN, callId=b"both")
        await phone.told(200)
        alice.ask(b"MESSAGE", b"sip:bob@" + DOMAIN)
        message = await phone.asked(b"MESSAGE")
        await phone.hearsNothing()
        phone.answer(message, 200)
        await alice.told(200)

    async def test_notCancelled(self) -> None:
        """
        Nothing but an INVITE is ever cancelled (RFC 3261 9.1): the slower phone is left alone.
        """
        alice = await self.registered(b"alice")
        one, other = await self.registered(b"bob"), await self.registered(b"bob", b"TCP")
        alice.ask(b"MESSAGE", one.aor)
        message, late = await one.asked(b"MESSAGE"), await other.asked(b"MESSAGE")
        other.answer(late, 100)
        one.answer(message, 200)
        await alice.told(200)
        await other.hearsNothing()
        alice.cancel(alice.compose(b"MESSAGE", one.aor))
        await one.asked(b"CANCEL")

    async def test_betweenTransports(self) -> None:
        """
        What a client repeats over UDP, where it may be lost, goes over a connection once, and each
        repetition is answered (RFC 3261 16.1); a connection's goes over UDP until it is answered.
        """
        alice, bob = await self.registered(b"alice"), await self.registered(b"bob", b"TCP")
        message = alice.ask(b"MESSAGE", bob.aor)
        came = await bob.asked(b"MESSAGE")
        alice.send(message)
        await bob.hearsNothing()
        bob.answer(came, 200)
        await alice.told(200)
        alice.send(message)
        await alice.told(200)
        bob.ask(b"MESSAGE", alice.aor)
        first = await alice.asked(b"MESSAGE")
        self.advance(0.5)
        self.assertEqual(bytes(await alice.asked(b"MESSAGE")), bytes(first))
        alice.answer(first, 200)
        await bob.told(200)
        await bob.hearsNothing()

    async def test_cancelIsBare(self) -> None:
        """
        A CANCEL requires nothing of anybody (RFC 3261 9.1).
        """
        alice, bob = await self.registered(b"alice"), await self.registered(b"bob", b"TCP")
        sent = alice.ask(b"INVITE", bob.aor, [(b"Require", b"100rel"), (b"X-Y", b"z")])
        invite = await bob.asked(b"INVITE")
        self.assertEqual(invite.first(b"require"), b"100rel")
        bob.answer(invite, 180)
        await alice.told(180)
        alice.cancel(sent)
        cancel = await bob.asked(b"CANCEL")
        for key in (b"require", b"proxy-require", b"contact", b"record-route"):
            self.assertIsNone(cancel.first(key))

    async def test_callerGone(self) -> None:
        """
        That the caller's connection has broken ends nobody's ringing: it may be back (RFC 3261
        16.9).
        """
        alice, bob = await self.registered(b"alice", b"TCP"), await self.registered(b"bob")
        alice.ask(b"INVITE", bob.aor)
        invite = await bob.asked(b"INVITE")
        bob.answer(invite, 180)
        await alice.told(180)
        await alice.close()
        bob.answer(invite, 183)
        await bob.hearsNothing()

    async def test_wayBack(self) -> None:
        """
        Somebody elsewhere who is called over UDP is told of a way back over UDP, and not of the TCP
        that the caller speaks (RFC 3261 16.6 step 4); both can go on with the call.
        """
        alice, other = await self.registered(b"alice", b"TCP"), await self.phone(b"other")
        other.contact = b"sip:other@%b:%d" % (HERE, other.local[1])
        alice.ask(b"INVITE", other.contact)
        invite = await other.asked(b"INVITE")
        _, port = self.laboratory.addresses()[b"UDP"]
        self.assertEqual(invite.all(b"record-route")[0], b"<sip:%b:%d;lr>" % (HERE, port))
        other.answer(invite, 200)
        side = Dialog.ofCaller(alice, await alice.told(200))
        side.ask(b"ACK", invite.cseq.number)
        await other.asked(b"ACK")
        for one, there in ((Dialog.ofCallee(other, invite), alice), (side, other)):
            one.ask(b"INFO")
            info = await there.asked(b"INFO")
            self.assertEqual((info.uri, info.all(b"route")), (there.contact, []))
            there.answer(info, 200)
            await one.phone.told(200)


class StatelessTests(WireTestCase):
    """
    A CANCEL of nothing that is known here (RFC 3261 16.10, 16.11).
    """

    async def test_refused(self) -> None:
        """
        It is looked at like any other request before it goes on.
        """
        alice, bob = await self.registered(b"alice"), await self.registered(b"bob")
        for text, status in (
            (b"Max-Forwards: 0", 483),
            (b"Max-Forwards: 7\r\nMax-Breadth: 0", 440),
            (b"Max-Forwards: 7\r\nRoute: <sip:forged@127.0.0.1:%d;lr>", 403),
        ):
            if b"%d" in text:
                text %= self.laboratory.addresses()[b"UDP"][1]
            cancel = bytes(alice.compose(b"CANCEL", bob.aor)).replace(b"Max-Forwards: 70", text)
            answers = []
            for _ in range(2):
                alice.send(cancel)
                answers.append(bytes(await alice.told(status)))
            self.assertEqual(answers[0], answers[1])
        await bob.hearsNothing()

    async def test_ours(self) -> None:
        """
        Where it would end here there is nothing to cancel (RFC 3261 9.2): 481.
        """
        alice = await self.registered(b"alice")
        for uri in (b"sip:" + DOMAIN, b"sip:nobody@" + DOMAIN):
            alice.cancel(alice.compose(b"INVITE", uri))
            answer = await alice.told(481)
            self.assertTrue(answer.to.param(b"tag"))

    async def test_routed(self) -> None:
        """
        Its Routes are followed like any other's, and its way is the same each time, also without a
        branch to know it by.
        """
        alice, bob = await self.registered(b"alice"), await self.registered(b"bob", b"TCP")
        bob.register(bob.binding())
        path = (await bob.told(200)).all(b"path")[0]
        old = b"SIP/2.0/UDP 10.0.0.9:5099;rport"
        for via in (alice.via(), old):
            cancel = alice.compose(b"CANCEL", b"sip:x@192.0.2.9", [(b"Route", path)], via=via)
            for _ in range(2):
                alice.send(cancel)
            first, second = await bob.asked(b"CANCEL"), await bob.asked(b"CANCEL")
            self.assertEqual(bytes(first), bytes(second))
            self.assertEqual((first.uri, first.all(b"route")), (b"sip:x@192.0.2.9", []))
            self.assertEqual(first.first(b"max-forwards"), b"69")
        await alice.hearsNothing()

    async def test_required(self) -> None:
        """
        What it says it requires is of no concern (RFC 3261 8.2.2.3): what it cancels was told.
        """
        alice, bob = await self.registered(b"alice"), await self.registered(b"bob")
        alice.ask(b"CANCEL", bob.aor, [(b"Proxy-Require", b"x"), (b"Require", b"y")])
        cancel = await bob.asked(b"CANCEL")
        self.assertEqual((cancel.all(b"proxy-require"), cancel.all(b"require")), ([b"x"], [b"y"]))

    async def test_loop(self) -> None:
        """
        One that comes back is not sent round again.
        """
        alice, bob = await self.registered(b"alice"), await self.registered(b"bob")
        alice.cancel(alice.compose(b"INVITE", bob.aor))
        came = await bob.asked(b"CANCEL")
        back = came.copy(bob.aor)
        back.put(b"Via", bob.via())
        bob.send(back)
        await bob.told(482)
