"""
One request that a proxy in front has forked, and that comes to the running server by two ways
(RFC 3261 8.2.2.2, 16.3).
"""

from __future__ import annotations

from sipoutbound.message.message import Request
from sipoutbound.test.laboratory import WireTestCase
from sipoutbound.test.phone import DOMAIN, Phone


class MergedTests(WireTestCase):
    """
    Copies by two branches of the same proxy.
    """

    def copies(self, proxy: Phone, request: Request) -> tuple[Request, Request]:
        """
        The same request as that proxy sends it, twice.
        """
        one, other = request.copy(), request.copy()
        for copy in (one, other):
            copy.put(b"Via", proxy.via())
        return one, other

    async def test_registered(self) -> None:
        """
        A registration is taken once; the copy is told that it is one, and repeating either brings
        its own answer again.
        """
        proxy = await self.phone(b"bob")
        contact = b"<sip:bob@192.0.2.99>"
        head = [(b"Contact", contact)]
        register = proxy.compose(b"REGISTER", b"sip:" + DOMAIN, head, to=b"<%b>" % proxy.aor)
        one, other = self.copies(proxy, register)
        for _ in range(2):
            for copy, status in ((one, 200), (other, 482)):
                proxy.send(copy)
                response = await proxy.told(status)
                self.assertEqual(response.via.branch, copy.via.branch)
        self.assertEqual(len(await self.bindings(proxy)), 1)

    async def test_asked(self) -> None:
        """
        So is a question to the server itself, which answers each of a client's own ones, though.
        """
        proxy = await self.phone(b"bob")
        question = proxy.compose(b"OPTIONS", b"sip:" + DOMAIN)
        one, other = self.copies(proxy, question)
        proxy.send(one)
        await proxy.told(200)
        proxy.send(other)
        await proxy.told(482)
        proxy.send(proxy.compose(b"OPTIONS", b"sip:" + DOMAIN))
        await proxy.told(200)

    async def test_later(self) -> None:
        """
        Once the first has been answered and forgotten, what comes is no copy of anything.
        """
        proxy = await self.phone(b"bob", b"TCP")
        one, other = self.copies(proxy, proxy.compose(b"OPTIONS", b"sip:" + DOMAIN))
        for copy in (one, other):
            proxy.send(copy)
            await proxy.told(200)

    async def test_forwarded(self) -> None:
        """
        A proxy does not judge: both copies of a call reach the phone, which resolves it.
        """
        proxy, bob = await self.phone(b"alice"), await self.registered(b"bob")
        for method in (b"INVITE", b"MESSAGE"):
            one, other = self.copies(proxy, proxy.compose(method, bob.aor))
            for copy, status in ((one, 200), (other, 482)):
                proxy.send(copy)
                bob.answer(await bob.asked(method), status)
                response = await proxy.told(status)
                self.assertEqual(response.via.branch, copy.via.branch)
            if method == b"INVITE":
                await bob.asked(b"ACK")
