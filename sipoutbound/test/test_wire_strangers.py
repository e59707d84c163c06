"""
What strangers try at edges and at a registrar: to have others' requests relayed, to speak in an
edge's name, to write a Path of their own; over the wire.
"""

from __future__ import annotations

from typing import Final

from sipoutbound.test.cluster import ClusterTestCase
from sipoutbound.test.laboratory import WireTestCase
from sipoutbound.test.phone import DOMAIN

# To headers of the kinds of REGISTER: the second has a tag, as if there were a dialog.
TAGS: Final = (b"", b";tag=1")

PATH: Final = (b"Path", b"<sip:mallory@10.0.0.1;lr;ob>")


class StrangersAtEdgesTests(ClusterTestCase):
    """
    The registrar believes its edges, so that these must not say what strangers tell them to.
    """

    def registrarRoute(self) -> tuple[bytes, bytes]:
        """
        A Route that leads past what the edge does with REGISTER.
        """
        return b"Route", b"<%b;lr>" % bytes(self.home)

    async def test_registerElsewhere(self) -> None:
        """
        A REGISTER is no way for strangers to reach other domains through edge and registrar.
        """
        somebody = await self.registrar.phone(b"somebody")
        host = b"%b:%d" % (somebody.local[0].encode(), somebody.local[1])
        mallory = await self.phone(0, b"mallory")
        for uri in (b"sip:" + host, b"sip:elsewhere.invalid", b"sip:elsewhere.invalid;lr"):
            mallory.ask(b"REGISTER", uri, [(b"Contact", b"<sip:m@10.0.0.1>")])
            await mallory.told(403)
        await somebody.hearsNothing()

    async def test_notice(self) -> None:
        """
        A phone that may send to other domains cannot sign off somebody else by that: its notice of
        a dead flow does not get to the registrar, whatever way it takes.
        """
        bob = await self.phone(0, b"bob")
        bob.register(bob.binding())
        (path,) = (await bob.told(200)).all(b"path")
        mallory = await (await self.phone(0, b"mallory")).registered()
        notice = (b"Flow-Failed", path)
        route = self.registrarRoute()
        mallory.ask(b"OPTIONS", b"sip:" + DOMAIN, [route, notice])
        await mallory.told(200)
        mallory.ask(b"OPTIONS", bytes(self.home), [notice])
        await mallory.hears()
        mallory.ask(b"OPTIONS", b"sip:" + DOMAIN, [notice], to=b"<sip:%b>;tag=1" % DOMAIN)
        await mallory.told(200)
        self.assertEqual(self.bindings(), 2)

    async def test_path(self) -> None:
        """
        A phone cannot write a Path of its own into its REGISTER, neither by a Route to the
        registrar nor by a tag in To: calls would go where it likes.
        """
        mallory = await (await self.phone(0, b"mallory")).registered()
        route = self.registrarRoute()
        for tag in TAGS:
            for headers in ([PATH], [route, PATH]):
                to = b"<sip:bob@%b>%b" % (DOMAIN, tag)
                mallory.register(mallory.binding(), headers, to=to)
                await mallory.told(403)
        self.assertEqual(self.bindings(), 1)

    async def test_tagged(self) -> None:
        """
        A REGISTER whose To has a tag gets the edge's Path as any other, so that the phone is
        reached over its flow.
        """
        bob = await self.phone(0, b"bob")
        bob.register(bob.binding(), to=b"<%b>;tag=1" % bob.aor)
        self.assertEqual((await bob.told(200)).all(b"require"), [b"outbound"])


class StrangersAtRegistrarTests(ClusterTestCase):
    """
    A registrar that trusts nobody.
    """

    trusted = ()

    async def test_direct(self) -> None:
        """
        REGISTER is taken from edges only, also one whose To has a tag.
        """
        for tag in TAGS:
            mallory = await self.registrar.phone(b"mallory", b"TCP")
            mallory.register(mallory.binding(), [PATH], to=b"<%b>%b" % (mallory.aor, tag))
            await mallory.told(403)
        self.assertEqual(self.bindings(), 0)


class StrangersAtOneServerTests(WireTestCase):
    """
    A server that is both, and trusts nobody.
    """

    async def test_path(self) -> None:
        """
        A Path that a phone has written itself is refused, also with a tag in To.
        """
        for tag in TAGS:
            mallory = await self.phone(b"mallory")
            mallory.register(mallory.binding(), [PATH], to=b"<%b>%b" % (mallory.aor, tag))
            await mallory.told(403)
