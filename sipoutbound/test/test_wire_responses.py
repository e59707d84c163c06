"""
Responses that nobody has asked for, and those that are not what they seem, with the running server
(RFC 3261 16.7, 18.1.2, RFC 6026 7.3).
"""

from __future__ import annotations

from sipoutbound.message.message import Request, Response
from sipoutbound.test.laboratory import WireTestCase


class ResponseTests(WireTestCase):
    """
    What a phone sends back.
    """

    def reply(self, request: Request, status: int, via: bytes) -> Response:
        """
        A response with another Via in place of ours.
        """
        response = Response.reply(request, status, toTag=b"bob")
        response.pop(b"via")
        response.put(b"Via", via)
        return response

    async def test_sentBy(self) -> None:
        """
        Our branch under somebody else's name is a response to him: it is dropped, the right one
        passed on.
        """
        alice, bob = await self.registered(b"alice"), await self.registered(b"bob")
        alice.ask(b"INVITE", bob.aor)
        invite = await bob.asked(b"INVITE")
        ours = invite.all(b"via")[0]
        host = invite.via.host
        for spoilt in (
            ours.replace(host, b"192.0.2.66"),
            ours.replace(b":%d" % (invite.via.port or 0), b":9"),
            ours.replace(b":%d" % (invite.via.port or 0), b""),
        ):
            self.assertNotEqual(spoilt, ours)
            bob.send(self.reply(invite, 200, spoilt))
        await bob.hearsNothing()
        bob.answer(invite, 180)
        await alice.told(180)
        bob.send(self.reply(invite, 486, b"SIP / 2.0/udp " + ours.partition(b" ")[2]))
        await alice.told(486)

    async def test_stray(self) -> None:
        """
        A response of no request of ours goes to nobody, whatever its Vias say, and however good.
        """
        alice, bob = await self.registered(b"alice"), await self.registered(b"bob")
        alice.ask(b"INVITE", bob.aor)
        invite = await bob.asked(b"INVITE")
        ours = invite.all(b"via")[0]
        branch = invite.via.branch or b""
        for status in (180, 200, 404, 600):
            bob.send(self.reply(invite, status, ours.replace(branch, b"z9hG4bKstray")))
            response = self.reply(invite, status, ours)
            response.set(b"CSeq", b"%d MESSAGE" % invite.cseq.number)
            bob.send(response)
        await bob.hearsNothing()
        await alice.told(100)
        await alice.hearsNothing()

    async def test_ownRequests(self) -> None:
        """
        What answers a CANCEL of ours is for us alone (RFC 3261 16.7 step 3).
        """
        alice, bob = await self.registered(b"alice"), await self.registered(b"bob")
        sent = alice.ask(b"INVITE", bob.aor)
        invite = await bob.asked(b"INVITE")
        bob.answer(invite, 180)
        await alice.told(180)
        alice.cancel(sent)
        await alice.told(200)
        cancel = await bob.asked(b"CANCEL")
        for status in (100, 200):
            bob.answer(cancel, status)
        await bob.hearsNothing()
        await alice.hearsNothing()

    async def test_viasLost(self) -> None:
        """
        A phone whose responses have lost the Vias behind ours has said something, but nobody else
        could take it: it rings for as long as any other, and what it says in the end is a failure
        of the next hop.
        """
        alice, bob = await self.registered(b"alice"), await self.registered(b"bob")
        for status in (200, 486):
            sent = alice.ask(b"INVITE", bob.aor)
            invite = await bob.asked(b"INVITE")
            lost = invite.copy()
            lost.drop(b"via")
            lost.put(b"Via", invite.all(b"via")[0])
            await alice.told(100)
            bob.answer(lost, 180)
            await self.laboratory.turn()
            self.advance(10.0)
            await bob.hearsNothing()
            bob.answer(lost, status)
            response = await alice.told(502)
            self.assertEqual(len(response.all(b"via")), 1)
            alice.acknowledge(sent, response)
            if status == 486:
                await bob.asked(b"ACK")
