"""
Loops on the wire: they end at once, in one answer (RFC 5393).
"""

from __future__ import annotations

from sipoutbound.message.uri import URI
from sipoutbound.test.laboratory import LOOPBACK, WireTestCase
from sipoutbound.test.phone import DOMAIN


class LoopTests(WireTestCase):
    """
    Users who lead to each other, and servers that send back.
    """

    domains = (DOMAIN.decode(), "localhost")

    async def test_eachOther(self) -> None:
        """
        Two users whose Contacts name the other at this server, under its host name: a storm that
        doubles at each turn, were it sent.
        """
        phone = await self.phone(b"alice")
        _, port = self.laboratory.addresses()[b"UDP"]
        for user, other in ((b"a", b"b"), (b"b", b"a")):
            phone.user = user
            here = b"sip:%b@localhost:%d" % (other, port)
            contact = b"<%b;x=1>, <%b;x=2>" % (here, here)
            for domain in (DOMAIN, b"localhost"):
                to = b"<sip:%b@%b>" % (user, domain)
                phone.register(contact, to=to, callId=user + domain)
                await phone.told(200)
        phone.ask(b"MESSAGE", b"sip:a@" + DOMAIN)
        response = await phone.told(482)
        self.assertEqual(len(response.all(b"via")), 1)
        await phone.hearsNothing()

    async def test_sentBack(self) -> None:
        """
        A server elsewhere that a Contact leads to sends it back as it was.
        """
        alice, other = await self.phone(b"alice"), await self.phone(b"bob")
        registers = await self.phone(b"bob")
        contact = b"sip:bob@%b:%d" % (LOOPBACK.encode(), other.local[1])
        await registers.registered(contact=b"<" + contact + b">")
        alice.ask(b"MESSAGE", other.aor)
        came = await other.asked(b"MESSAGE")
        self.assertEqual(bytes(URI.parse(came.uri)), contact)
        back = came.copy(other.aor)
        back.put(b"Via", other.via())
        other.send(back)
        response = await other.told(482)
        self.assertEqual(response.via.branch, back.via.branch)
        other.answer(came, 482)
        await alice.told(482)

    async def test_farther(self) -> None:
        """
        A loop over several servers: our Via is not the topmost, and what theirs look like does not
        matter (RFC 5393 4.2.2, 4.2.4).
        """
        alice, other = await self.phone(b"alice"), await self.phone(b"bob")
        registers = await self.phone(b"bob")
        contact = b"sip:bob@%b:%d" % (LOOPBACK.encode(), other.local[1])
        await registers.registered(contact=b"<" + contact + b">")
        alice.ask(b"MESSAGE", other.aor)
        came = await other.asked(b"MESSAGE")
        for strange in (
            (b"SIP / 2.0 / FOO  x.example ;branch=z9hG4bK1;lone;q=\"a;b,c\\\"\";z=\"\"",),
            (b"SIP/2.0/UDP [2001:db8::1]:9;ttl=1;branch=;maddr=224.2.0.1", b"SIP/2.0/UDP y:1"),
            (b"SIP/2.0/UDP a;branch=%%%;;x", b"nonsense"),
        ):
            back = came.copy(other.aor)
            for via in (*strange, other.via()):
                back.put(b"Via", via)
            other.send(back)
            response = await other.told(482)
            self.assertEqual(response.via.branch, back.via.branch)

    async def test_spiral(self) -> None:
        """
        What comes back for somebody else is no loop (RFC 5393 4.2.1): the phone it is for now gets
        it.
        """
        alice, carol = await self.phone(b"alice"), await self.registered(b"carol")
        other, registers = await self.phone(b"bob"), await self.phone(b"bob")
        contact = b"sip:bob@%b:%d" % (LOOPBACK.encode(), other.local[1])
        await registers.registered(contact=b"<" + contact + b">")
        alice.ask(b"INVITE", other.aor)
        came = await other.asked(b"INVITE")
        back = came.copy(carol.aor)
        back.put(b"Via", other.via())
        other.send(back)
        invite = await carol.asked(b"INVITE")
        ours = [via.partition(b"branch=")[2] for via in invite.all(b"via")[::2]]
        self.assertNotEqual(ours[0], ours[1])
        carol.answer(invite, 486)
        self.assertEqual((await carol.asked(b"ACK")).via.branch, invite.via.branch)
        await other.told(486)
