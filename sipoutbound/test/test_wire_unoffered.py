"""
What belongs to extensions that the server does not offer: it promises none of them, and is in
nobody's way (RFC 5627, RFC 6223, RFC 7616, RFC 8599, RFC 8760).
"""

from __future__ import annotations

from sipoutbound.message.message import Message, Request, Response
from sipoutbound.test.laboratory import LOOPBACK, WireTestCase
from sipoutbound.test.phone import DOMAIN, Phone

PUSH = b";pn-provider=fcm;pn-prid=d0c70e;pn-param=p1"


class GRUUTests(WireTestCase):
    """
    Globally routable URIs (RFC 5627).
    """

    async def test_notPromised(self) -> None:
        """
        A phone that asks for a GRUU is registered without one, gets its instance-id back and
        nothing that it could take for a GRUU; what it made up itself is only a parameter.
        """
        alice = await self.phone(b"alice")
        alice.register(alice.binding(), supported=b"path, outbound, gruu")
        response = await alice.told(200)
        self.assertIn(b'+sip.instance="<urn:uuid:%b>"' % alice.instance, response.need(b"contact"))
        self.assertEqual(sorted(response.all(b"supported")), [b"outbound", b"path"])
        self.assertEqual(response.all(b"require"), [b"outbound"])
        self.assertNotIn(b"gruu", bytes(response))

    async def test_required(self) -> None:
        """
        A phone that cannot do without is told so.
        """
        alice = await self.phone(b"alice")
        alice.register(alice.binding(), [(b"Require", b"gruu")])
        self.assertEqual((await alice.told(420)).all(b"unsupported"), [b"gruu"])

    async def test_recordRouted(self) -> None:
        """
        A caller whose Contact is somebody's GRUU is hung up on over its flow all the same: the
        server stays on the route, and does not rely on who would resolve that.
        """
        bob, alice = await self.registered(b"bob"), await self.registered(b"alice", b"TCP")
        alice.contact = alice.aor + b";gr=urn:uuid:" + alice.instance
        _, other = await self.talk(alice, bob)
        self.assertEqual((other.target, len(other.routes)), (alice.contact, 2))
        other.ask(b"BYE")
        await alice.asked(b"BYE")


class KeepTests(WireTestCase):
    """
    Keep-alives that are negotiated in the Via (RFC 6223).
    """

    def keeping(self, phone: Phone, keep: bytes = b";keep") -> bytes:
        """
        A Via of a phone that offers to ping.
        """
        return phone.via() + keep

    async def test_notAgreed(self) -> None:
        """
        A phone that offers to ping by C{keep} gets it back as it was, which says no: neither for a
        registration nor for a dialog.
        """
        bob, alice = await self.registered(b"bob"), await self.phone(b"alice")
        for keep in (b";keep", b";keep=30"):
            alice.register(alice.binding(), via=self.keeping(alice, keep))
            (via,) = (await alice.told(200)).all(b"via")
            self.assertIn(keep[1:], via.split(b";"))
        alice.ask(b"INVITE", bob.aor, via=self.keeping(alice))
        bob.answer(await bob.asked(b"INVITE"), 200)
        self.assertNotIn(b"keep=", (await alice.told(200)).all(b"via")[0])

    async def test_neverOffered(self) -> None:
        """
        The server never offers to ping anybody: no request that it passes on says so for it, not
        even an ACK.
        """
        alice, bob = await self.registered(b"alice"), await self.registered(b"bob")
        alice.ask(b"INVITE", bob.aor, via=self.keeping(alice))
        seen = [await bob.asked(b"INVITE")]
        bob.answer(seen[0], 486)
        await alice.told(486)
        seen.append(await bob.asked(b"ACK"))
        side, _ = await self.talk(alice, bob)
        side.ask(b"BYE")
        seen.append(await bob.asked(b"BYE"))
        for request in seen:
            self.assertNotIn(b"keep", request.all(b"via")[0])

    async def test_noReuse(self) -> None:
        """
        C{keep} does not mean that calls may come over the same connection: they go where the
        Contact says.
        """
        line, there = await self.phone(b"alice", b"TCP"), await self.phone(b"alice")
        contact = b"sip:alice@%b:%d" % (LOOPBACK.encode(), there.local[1])
        line.register(b"<" + contact + b">", via=self.keeping(line), supported=b"path")
        await line.told(200)
        caller = await self.phone(b"caller")
        caller.ask(b"MESSAGE", line.aor)
        there.answer(await there.asked(b"MESSAGE"), 200)
        await caller.told(200)
        await line.hearsNothing()


class PushTests(WireTestCase):
    """
    Push notification (RFC 8599).
    """

    async def answered(self, phone: Phone) -> Response:
        """
        How a REGISTER of the phone is answered.
        """
        phone.register(phone.binding())
        return await phone.told(200)

    async def test_notPromised(self) -> None:
        """
        A phone that would be woken by push, or asks who could do that, is registered like any
        other: it is not told that anybody will, and not that nobody can (555).
        """
        for params in (b"", PUSH, b";pn-provider=apns", b";pn-provider"):
            phone = await self.phone(b"alice")
            phone.contact += params
            response = await self.answered(phone)
            self.assertIn(phone.contact, response.all(b"contact")[-1])
            self.assertEqual(response.texts(b"feature-caps"), [])

    async def test_notToldToOthers(self) -> None:
        """
        By what a phone is woken is its own business: a caller does not learn it, whatever becomes
        of the call.
        """
        alice, bob = await self.phone(b"alice"), await self.phone(b"bob")
        bare = alice.contact
        alice.contact += PUSH
        await alice.registered()
        alice.contact = bare
        heard: list[Message] = []
        for status in (180, 486):
            invite = bob.ask(b"INVITE", alice.aor)
            alice.answer(await alice.asked(b"INVITE"), status)
            heard.append(await bob.told(status))
            if status == 180:
                bob.cancel(invite)
                heard.append(await bob.told(200))
                alice.answer(await alice.asked(b"CANCEL"), 200)
        bob.ask(b"OPTIONS", b"sip:" + DOMAIN)
        heard.append(await bob.told(200))
        for message in heard:
            self.assertNotIn(b"pn-prid", bytes(message))


class ChallengeTests(WireTestCase):
    """
    Challenges that others give to callers (RFC 8760 2.5).
    """

    async def test_order(self) -> None:
        """
        Two servers challenge a caller, with several algorithms each: the caller sees all of them,
        those of each server in its order of preference.
        """
        bobs = [await self.registered(b"bob") for _ in range(2)]
        alice = await self.phone(b"alice")
        alice.ask(b"INVITE", bobs[0].aor)
        kinds = b"SHA-512-256", b"SHA-256", b"MD5"
        for at, bob in enumerate(bobs):
            invite: Request = await bob.asked(b"INVITE")
            lines = [b'Digest realm="%d", algorithm=%b' % (at, kind) for kind in kinds]
            bob.answer(invite, 407, [(b"Proxy-Authenticate", line) for line in lines])
            await bob.asked(b"ACK")
        told = (await alice.told(407)).texts(b"proxy-authenticate")
        for at in range(2):
            realm = [line for line in told if b'"%d"' % at in line]
            self.assertEqual([line.rpartition(b"=")[2] for line in realm], list(kinds))
        self.assertEqual(len(told), 6)
