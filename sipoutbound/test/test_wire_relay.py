"""
Trusted peers, with the running server: who is let through to other domains, and who is not (RFC
3261 16.3, 16.5).
"""

from __future__ import annotations

from sipoutbound.settings import trust
from sipoutbound.test.laboratory import LOOPBACK, WireTestCase
from sipoutbound.test.phone import Phone


class RelayTestCase(WireTestCase):
    """
    What the tests of this module share.
    """

    async def elsewhere(self) -> Phone:
        """
        A user of another domain, on a server of its own.
        """
        other = await self.phone(b"other")
        other.contact = b"sip:other@%b:%d" % (LOOPBACK.encode(), other.local[1])
        return other


class TrustedTests(RelayTestCase):
    """
    The peer's address is trusted.
    """

    trust = trust("192.0.2.0/24,127.0.0.0/8")

    async def test_relayed(self) -> None:
        """
        A trusted peer that has never registered sends through us, over UDP and TCP, and hears what
        comes of it.
        """
        other = await self.elsewhere()
        for transport in (b"UDP", b"TCP"):
            peer = await self.phone(b"peer", transport)
            for method in (b"INVITE", b"MESSAGE", b"FOO"):
                peer.ask(method, other.contact)
                asked = await other.asked(method)
                self.assertEqual(asked.uri, other.contact)
                other.answer(asked, 200)
                await peer.told(200)

    async def test_routed(self) -> None:
        """
        Its Routes are followed.
        """
        other, peer = await self.elsewhere(), await self.phone(b"peer")
        route = b"<" + other.contact + b";lr>"
        peer.ask(b"MESSAGE", b"sip:x@192.0.2.77", [(b"Route", route)])
        message = await other.asked(b"MESSAGE")
        self.assertEqual((message.uri, message.all(b"route")), (b"sip:x@192.0.2.77", [route]))

    async def test_refusedThere(self) -> None:
        """
        What is refused there is refused here, and acknowledged by us.
        """
        other, peer = await self.elsewhere(), await self.phone(b"peer", b"TCP")
        peer.ask(b"INVITE", other.contact)
        other.answer(await other.asked(b"INVITE"), 486)
        await other.asked(b"ACK")
        await peer.told(486)

    async def test_cancel(self) -> None:
        """
        It can give up what it has begun.
        """
        other, peer = await self.elsewhere(), await self.phone(b"peer")
        sent = peer.ask(b"INVITE", other.contact)
        invite = await other.asked(b"INVITE")
        other.answer(invite, 180)
        await peer.told(180)
        peer.cancel(sent)
        await peer.told(200)
        await other.asked(b"CANCEL")


class UntrustedTests(RelayTestCase):
    """
    Only others are trusted.
    """

    trust = trust("192.0.2.0/24,::1")

    async def test_refused(self) -> None:
        """
        Whatever a stranger sends to elsewhere: 403, and nothing leaves; its ACK and its CANCEL
        neither.
        """
        other = await self.elsewhere()
        for transport in (b"UDP", b"TCP"):
            stranger = await self.phone(b"stranger", transport)
            for method in (b"MESSAGE", b"BYE", b"FOO", b"REGISTER", b"OPTIONS"):
                stranger.ask(method, other.contact)
                self.assertEqual((await stranger.told(403)).reason, b"Relaying Denied")
            invite = stranger.ask(b"INVITE", other.contact)
            stranger.acknowledge(invite, await stranger.told(403))
            stranger.cancel(stranger.compose(b"INVITE", other.contact))
            await stranger.told(403)
            to = b"<" + other.contact + b">;tag=x"
            stranger.ask(b"ACK", other.contact, to=to)
            await stranger.hearsNothing()
        await other.hearsNothing()


class DefaultTests(RelayTestCase):
    """
    Where the operator has said nothing.
    """

    trust = None

    async def test_thisMachine(self) -> None:
        """
        Not even this machine sends through it: whatever forwards connections here has everybody's
        come from it.
        """
        other, peer = await self.elsewhere(), await self.phone(b"peer")
        peer.ask(b"MESSAGE", other.contact)
        self.assertEqual((await peer.told(403)).reason, b"Relaying Denied")
        await other.hearsNothing()
