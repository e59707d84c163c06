"""
What the server itself answers, as RFC 3261 8.2 has it, and what it sends with a Via of its own.
"""

from __future__ import annotations

import re

from sipoutbound.message.message import Response
from sipoutbound.test.bytewise import Raw
from sipoutbound.test.laboratory import WireTestCase
from sipoutbound.test.phone import DOMAIN, Phone
from sipoutbound.transaction.timers import OVERDUE, T1

HERE = b"sip:" + DOMAIN


class AnswerTests(WireTestCase):
    """
    A registrar, or a server that is asked what it can do.
    """

    async def exactly(self, phone: Phone) -> Response:
        """
        The very next thing, a 100 too.
        """
        response = await phone.hears()
        assert isinstance(response, Response), response
        return response

    async def test_noProvisional(self) -> None:
        """
        What the server answers itself, it answers once.
        """
        alice = await self.phone(b"alice")
        alice.register(alice.binding())
        self.assertEqual((await self.exactly(alice)).status, 200)
        for method, status in ((b"OPTIONS", 200), (b"MESSAGE", 405)):
            alice.ask(method, HERE)
            self.assertEqual((await self.exactly(alice)).status, status)
        await alice.hearsNothing()

    async def test_timestamp(self) -> None:
        """
        The 100 has the caller's Timestamp, and so tells it how far the server is; one that comes
        late says how late. No other response of the server has it.
        """
        alice, bob = await self.phone(b"alice"), await self.registered(b"bob")
        alice.ask(b"INVITE", bob.aor, [(b"Timestamp", b" 54.5  ")])
        trying = await self.exactly(alice)
        self.assertEqual((trying.status, trying.first(b"timestamp")), (100, b"54.5"))
        self.assertIsNone(trying.to.param(b"tag"))
        await bob.asked(b"INVITE")
        alice.ask(b"INVITE", bob.aor)
        self.assertIsNone((await self.exactly(alice)).first(b"timestamp"))
        await bob.asked(b"INVITE")
        alice.ask(b"MESSAGE", bob.aor, [(b"Timestamp", b"54 0.1")])
        await bob.asked(b"MESSAGE")
        self.advance(OVERDUE + 0.1)
        trying = await self.exactly(alice)
        self.assertEqual(trying.first(b"timestamp"), b"54 %.1f" % OVERDUE)
        alice.ask(b"OPTIONS", HERE, [(b"Timestamp", b"54")])
        self.assertIsNone((await alice.told(200)).first(b"timestamp"))

    async def test_echo(self) -> None:
        """
        An answer has of its request what every hop on the way back knows it by, in order and as it
        was written; the top Via alone says where the request came from.
        """
        alice = await self.phone(b"alice")
        vias = [b"v:SIP/2.0/TCP b.test;branch=1 ,SIP/2.0/UDP\tc", b"VIA :\r\n SIP / 2.0 / X [::1]"]
        lines = [b"CSEQ :\t0007  OPTIONS ", b"i: a@b", b"f:\r\n \"A, B\" <sip:a@b>;tag = 1;x"]
        top = b"Via: SIP/2.0/UDP 10.0.0.9:5099;branch=z9hG4bKecho;rport"
        asked = [b"OPTIONS %b SIP/2.0" % HERE, lines[0], top, *vias, *lines[1:], b"t:<%b>" % HERE]
        alice.send(b"\r\n".join([*asked, b"Subject: x", b"l: 0", b"", b""]))
        answer = Raw.of(bytes(await alice.told(200)))
        self.assertEqual(answer.without(b"v", b"via", b"to")[:3], lines)
        stamped = b"%b=%d;received=127.0.0.1" % (top, alice.local[1])
        self.assertEqual(answer.only(b"v", b"via"), [stamped, *vias])
        self.assertRegex(answer.only(b"to")[0], b"^To: <%b>;tag=[0-9a-f]{16}$" % HERE)
        self.assertEqual(answer.only(b"subject"), [])

    async def test_unsupported(self) -> None:
        """
        Nothing is applied that a phone has not said to support: no outbound, no Path, no
        Flow-Timer; and what is applied is said in Require.
        """
        for number, (tags, require) in enumerate(
            ((b"", []), (b"path", []), (b"timer, x", []), (b"path, outbound", [b"outbound"]))
        ):
            alice = await self.phone(b"alice%d" % number)
            alice.ask(
                b"REGISTER", HERE, [(b"Contact", alice.binding()), (b"Supported", tags)],
                to=b"<%b>" % alice.aor,
            )  # fmt: skip
            answer = await alice.told(200)
            self.assertEqual(answer.all(b"require"), require)
            self.assertEqual(bool(answer.all(b"path")), b"path" in tags)
            self.assertEqual(bool(answer.first(b"flow-timer")), bool(require))

    async def test_cancelRequires(self) -> None:
        """
        A CANCEL cancels, and an ACK acknowledges, whatever they say they require.
        """
        alice, bob = await self.phone(b"alice"), await self.registered(b"bob")
        invite = alice.ask(b"INVITE", bob.aor)
        ringing = await bob.asked(b"INVITE")
        bob.answer(ringing, 180)
        await alice.told(180)
        needs = b"\r\nRequire: dance\r\nProxy-Require: sing\r\nCSeq"
        needy = bytes(invite).replace(b"\r\nCSeq", needs)
        alice.send(re.sub(rb"\bINVITE\b", b"CANCEL", needy))
        await alice.told(200)
        bob.answer(await bob.asked(b"CANCEL"), 200)
        bob.answer(ringing, 487)
        await bob.asked(b"ACK")
        refusal = await alice.told(487)
        acknowledged = re.sub(rb"\r\nTo: [^\r]*", b"\r\nTo: " + refusal.need(b"to"), needy)
        alice.send(re.sub(rb"\bINVITE\b", b"ACK", acknowledged))
        await self.laboratory.turn()
        self.advance(T1 + 0.1)
        await alice.hearsNothing()

    async def test_refusedTwice(self) -> None:
        """
        What is refused without being remembered has the same answer each time, and its ACK is not
        taken for that of a call.
        """
        alice, bob = await self.phone(b"alice"), await self.registered(b"bob")
        good = alice.compose(b"INVITE", bob.aor)
        bad = bytes(good).replace(b"Max-Forwards: 70", b"Max-Forwards: 700")
        answers = []
        for _ in range(2):
            alice.send(bad)
            answers.append(await self.exactly(alice))
            self.advance(1)
        self.assertEqual(bytes(answers[0]), bytes(answers[1]))
        self.assertEqual(answers[0].status, 400)
        self.assertIsNotNone(answers[0].to.param(b"tag"))
        alice.acknowledge(good, answers[0])
        await bob.hearsNothing()
        await alice.hearsNothing()
        alice.send(bytes(alice.compose(b"INVITE", bob.aor)).replace(b": 70\r", b": 700\r"))
        other = await self.exactly(alice)
        self.assertNotEqual(other.to.param(b"tag"), answers[0].to.param(b"tag"))

    async def test_branches(self) -> None:
        """
        Each request that is sent on has a branch of its own, which says that it is unique; the
        CANCEL and the ACK for a failure have that of their INVITE.
        """
        alice, bob = await self.phone(b"alice"), await self.registered(b"bob")
        branches = set()
        for method in (b"MESSAGE", b"MESSAGE", b"OPTIONS", b"INFO"):
            alice.ask(method, bob.aor, callId=b"same", number=b"7")
            asked = await bob.asked(method)
            via = rb"\r\nVia: SIP/2\.0/UDP [^;]+;rport;branch=z9hG4bK[\w-]{16,}\r\n"
            self.assertRegex(bytes(asked), via)
            branches.add(asked.via.branch)
            bob.answer(asked, 200)
            await alice.told(200)
        self.assertEqual(len(branches), 4)
        sent = alice.ask(b"INVITE", bob.aor)
        invite = await bob.asked(b"INVITE")
        bob.answer(invite, 180)
        await alice.told(180)
        alice.again(sent, b"CANCEL")
        cancel = await bob.asked(b"CANCEL")
        bob.answer(cancel, 200)
        bob.answer(invite, 487)
        ack = await bob.asked(b"ACK")
        self.assertEqual({each.via.branch for each in (cancel, ack)}, {invite.via.branch})
        self.assertNotIn(invite.via.branch, branches)
