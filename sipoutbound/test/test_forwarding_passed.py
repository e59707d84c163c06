"""
Responses on their way back to the caller: each 2xx once, and nothing after it.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from sipoutbound.routing.decision import Decision, Forward
from sipoutbound.routing.request import Request as Passage
from sipoutbound.routing.router import Router
from sipoutbound.test.proxies import Server


class PassedTests(SynchronousTestCase):
    """
    What is passed on, whatever a router does with it.
    """

    def test_passedOnce(self) -> None:
        """
        A 2xx that forwarding gave has been passed on: returning it sends nothing again, nor does
        deciding something else.
        """
        async def returns(router: Router, request: Passage) -> Decision:
            return await request.forward(await router.inner.route(request))

        async def persists(router: Router, request: Passage) -> Decision:
            await request.forward(await router.inner.route(request))
            return Forward("sip:carol@example.com")

        for rule in (returns, persists):
            server = Server({"bob": rule})
            transaction = server.call(b"bob")
            server.answer(200)
            self.assertEqual((server.tried, transaction.statuses), ([b"bob"], [100, 200]))

    def test_lateSuccess(self) -> None:
        """
        The first phone picks up while the router already has the second rung: it stops ringing, no
        further one begins to, and the caller gets nothing after the 2xx.
        """
        async def briefly(router: Router, request: Passage) -> Decision:
            await request.forward(Forward("sip:bob@example.com"), seconds=20)
            second = await request.forward(Forward("sip:carol@example.com", "sip:x@192.0.2.77"))
            self.assertEqual(second.status, 487)
            return second

        server = Server({"desk": briefly})
        transaction = server.call(b"desk")
        server.answer(180)
        server.transactions.clock.advance(20)
        server.answer(408, 0)
        server.answer(180, 1)
        server.answer(200, 0)
        self.assertEqual([begun.cancels for begun in server.transactions.begun], [1, 1])
        server.answer(487, 1)
        self.assertEqual(transaction.statuses, [100, 180, 180, 200])
        self.assertEqual(server.tried, [b"bob", b"carol"])

    def test_responsePassedOn(self) -> None:
        """
        A failure that is returned reaches the caller with its headers.
        """
        async def returns(router: Router, request: Passage) -> Decision:
            return await request.forward(await router.inner.route(request))

        server = Server({"bob": returns})
        transaction = server.call(b"bob", b"MESSAGE")
        server.transactions.begun[0].answer(486, (b"X-Why", b"dinner"))
        self.assertEqual(transaction.responses[-1].first(b"x-why"), b"dinner")

    def test_twoSuccesses(self) -> None:
        """
        Two phones pick up at once: the caller gets each 2xx once, whatever order they come in.
        """
        server = Server({"desk": Forward(("sip:bob@example.com", "sip:carol@example.com"))})
        transaction = server.call(b"desk")
        server.transactions.begun[0].answer(200, tag=b"one")
        server.transactions.begun[1].answer(200, tag=b"two")
        tags = [response.to.param(b"tag") for response in transaction.responses[1:]]
        self.assertEqual(tags, [b"one", b"two"])

    def test_notCancelled(self) -> None:
        """
        Who has picked up is not cancelled.
        """
        server = Server()
        server.call(b"bob")
        server.answer(200)
        self.assertEqual(server.transactions.begun[0].cancels, 0)
