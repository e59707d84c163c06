"""
The keys of flow tokens are changed under a running server (RFC 5626 5.2, 9.3).
"""

from __future__ import annotations

from collections.abc import Callable

from sipoutbound.message.message import Response
from sipoutbound.outbound.flowtoken import Keys
from sipoutbound.rotation import PERIOD
from sipoutbound.state import keyFile, keysThere, replaceKeys
from sipoutbound.test.cluster import ClusterTestCase
from sipoutbound.test.laboratory import Laboratory, WireTestCase
from sipoutbound.test.phone import Phone


def changed(server: Laboratory, change: Callable[[Keys], Keys]) -> None:
    """
    Change the keys as the command does, and have the server take them over.
    """
    folder = server.settings.state
    replaceKeys(folder, change(keysThere(folder)))
    taken(server)


def taken(server: Laboratory) -> None:
    """
    Have the server take over the keys that are in its folder.
    """
    for _ in range(3):
        server.clock.advance(PERIOD + 1)
    assert server.server.flows.keys == keysThere(server.settings.state)


class RotationTests(WireTestCase):
    """
    One server for all.
    """

    def rotated(self, times: int = 1) -> None:
        """
        Rotate the keys.
        """
        for _ in range(times):
            changed(self.laboratory, Keys.rotated)

    async def path(self, phone: Phone) -> bytes:
        """
        The Path of a new registration over the same flow.
        """
        phone.register(phone.binding())
        (path,) = (await phone.told(200)).all(b"path")
        return path

    async def test_goesOn(self) -> None:
        """
        Phones notice nothing of a rotation: they are called over the flows that they have, a call
        that was up before is hung up by either side, and none is a stranger now.
        """
        for transport in (b"TCP", b"UDP"):
            bob = await self.registered(b"bob" + transport, transport)
            alice = await self.registered(b"alice" + transport, transport)
            sides = await self.talk(alice, bob)
            self.rotated(3)
            for side, other in (sides, sides[::-1]):
                side.ask(b"BYE")
                other.phone.answer(await other.phone.asked(b"BYE"), 200)
                await side.phone.told(200)
            await self.talk(alice, bob)
            bob.ask(b"MESSAGE", b"sip:x@127.0.0.1:1;transport=tcp")
            response = await bob.hears()
            assert isinstance(response, Response)
            self.assertNotEqual(response.status, 403)

    async def test_newToken(self) -> None:
        """
        A phone that registers again over the same connection gets a token of the new key, so it is
        reached for as long as its connection lives, through any number of rotations.
        """
        alice = await self.registered(b"alice")
        bob = await self.phone(b"bob", b"TCP")
        paths = [await self.path(bob)]
        for _ in range(6):
            self.rotated()
            paths.append(await self.path(bob))
        self.assertEqual(len(set(paths)), 7)
        self.assertEqual(len(await self.bindings(bob)), 1)
        await self.talk(alice, bob)

    async def test_closed(self) -> None:
        """
        A connection that was registered before the rotation takes its bindings with it when it
        closes, those registered after it too: no caller waits for either.
        """
        caller = await self.phone(b"caller")
        bob = await self.registered(b"bob", b"TCP")
        self.rotated()
        carol = Phone(b"carol", bob.line, bob.local)
        await carol.registered()
        location = self.laboratory.server.location
        self.assertEqual(sum(1 for _ in location.bindings()), 2)
        await bob.abort()
        gone = lambda: not any(True for _ in location.bindings())  # noqa: E731
        await self.laboratory.until(gone, "the bindings are gone")
        for user in (bob, carol):
            caller.ask(b"MESSAGE", user.aor)
            await caller.told(480)

    async def test_retired(self) -> None:
        """
        A token of a key that has leaked and was retired is forged: whoever has the key can no
        longer send down anybody's flow. A phone is called again when it registers next.
        """
        alice = await self.registered(b"alice")
        bob = await self.phone(b"bob", b"TCP")
        old = await self.path(bob)
        self.rotated()
        changed(self.laboratory, Keys.retired)
        alice.ask(b"MESSAGE", b"sip:bob@10.0.0.9", [(b"Route", old)])
        await alice.told(403)
        alice.ask(b"MESSAGE", bob.aor)
        await alice.told(480)
        await bob.registered()
        await self.talk(alice, bob)


class EdgeRotationTests(ClusterTestCase):
    """
    Edges and a registrar apart.
    """

    async def test_closed(self) -> None:
        """
        The registrar behind an edge learns at once that a flow is dead that was registered before
        the edge's keys were rotated.
        """
        bob = await self.phone(0, b"bob")
        await bob.registered()
        changed(self.edges[0], Keys.rotated)
        self.assertEqual(self.bindings(), 1)
        await bob.abort()
        await self.registrar.until(lambda: not self.bindings(), "the registrar knows")

    async def test_shared(self) -> None:
        """
        Edges with one ring of keys pass through a rotation without ever taking each other's tokens
        for forged, as they do without that: in whatever order they are given the new files.
        """
        bob = await self.phone(0, b"bob")
        files = [keyFile(edge.settings.state) for edge in self.edges]
        await self.showsToken(bob, 403)
        for change in (Keys.rotated, *(Keys.prepared, Keys.switched) * 2):
            changed(self.edges[0], change)
            if change != Keys.rotated:
                await self.showsToken(bob, 430)
            if change == Keys.switched:
                changed(self.edges[1], change)
                self.assertEqual(files[1].read_bytes(), files[0].read_bytes())
            else:
                files[1].write_bytes(files[0].read_bytes())
                taken(self.edges[1])
            await self.showsToken(bob, 430)

    async def showsToken(self, bob: Phone, status: int) -> None:
        """
        A stranger shows the second edge the token that a phone has of the first.
        """
        bob.register(bob.binding())
        (path,) = (await bob.told(200)).all(b"path")
        token = path.partition(b"@")[0]
        stranger = await self.phone(1, b"stranger", b"UDP")
        address = b"@127.0.0.1:%d;lr;ob>" % self.edges[1].addresses()[b"UDP"][1]
        stranger.ask(b"MESSAGE", b"sip:bob@10.0.0.9", [(b"Route", token + address)])
        await stranger.told(status)
