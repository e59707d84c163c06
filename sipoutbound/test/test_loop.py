"""
Loops end, spirals do not (RFC 5393 4).
"""

from __future__ import annotations

from typing import Any

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from sipoutbound.message.message import Request
from sipoutbound.message.parse import parseMessage
from sipoutbound.routing.decision import Decision, Forward
from sipoutbound.routing.loop import LoopDetection
from sipoutbound.routing.request import Request as Passage
from sipoutbound.routing.router import Router
from sipoutbound.test.doubles import BINDING, FakeFlow, FakeLocation, request
from sipoutbound.test.proxies import Server

DESK = b"sip:desk@192.0.2.50"


def parsed(message: Request) -> Request:
    """
    A request as it is received once it was sent.
    """
    head, _, body = bytes(message).partition(b"\r\n\r\n")
    received = parseMessage(head, body)
    assert isinstance(received, Request)
    return received


class MarkTests(SynchronousTestCase):
    """
    L{LoopDetection.mark}: the same for what would go the same way, else another.
    """

    def setUp(self) -> None:
        """
        A request and its mark.
        """
        self.loops, self.flow = LoopDetection(), FakeFlow()
        self.first = self.mark(request())

    def mark(self, message: Request) -> bytes:
        """
        The mark of a request.
        """
        return self.loops.mark(message, self.flow)

    def changed(self, old: bytes, new: bytes) -> bytes:
        """
        The mark of a request that differs in one place.
        """
        text = bytes(request())
        self.assertEqual(text.count(old), 1)
        message = parseMessage(text.replace(old, new).removesuffix(b"\r\n\r\n"))
        assert isinstance(message, Request)
        return self.mark(message)

    def test_same(self) -> None:
        """
        A loop would not be seen. The method does not count: a CANCEL has its INVITE's branch.
        """
        self.assertEqual(self.mark(request(via=b"SIP/2.0/TCP x.org;branch=z9hG4bKx")), self.first)
        self.assertEqual(self.mark(request(b"ACK", forwards=b"3")), self.first)

    def test_other(self) -> None:
        """
        A spiral would end in 482.
        """
        for old, new in (
            (b"INVITE sip:bob@", b"INVITE sip:carol@"),
            (b"Max-Forwards", b"Route: <sip:p.example.org;lr>\r\nMax-Forwards"),
            (b";tag=a1", b";tag=a2"),
            (b"To: <sip:bob@example.com>", b"To: <sip:bob@example.com>;tag=b1"),
            (b"call-1", b"call-2"),
            (b"CSeq: 1", b"CSeq: 2"),
        ):
            self.assertNotEqual(self.changed(old, new), self.first)

    def test_otherHost(self) -> None:
        """
        A router that sends calls through a server of its own would get 482 on their way back.
        """
        self.flow = FakeFlow(peer=("192.0.2.50", 5060))
        self.assertNotEqual(self.mark(request()), self.first)

    def test_otherServer(self) -> None:
        """
        Behind an edge the registrar would refuse every call.
        """
        self.loops = LoopDetection()
        self.assertNotEqual(self.mark(request()), self.first)


class LoopTests(SynchronousTestCase):
    """
    Requests that come back to the server that has sent them.
    """

    def setUp(self) -> None:
        """
        A call to somebody whose phone is at another server.
        """
        self.server = Server({"desk": Forward(DESK.decode())})
        self.server.call(b"desk")
        (sent,) = self.server.transactions.begun
        self.sent, self.branch = parsed(sent.request), sent.branch

    def test_loop(self) -> None:
        """
        It comes back as it was: 482, and nothing is sent (RFC 5393 4.2.2).
        """
        looped = self.server.comeBack(self.sent, uri=b"sip:desk@example.com")
        self.assertEqual(looped.statuses, [100, 482])
        self.assertEqual(len(self.server.tried), 1)

    def test_spiral(self) -> None:
        """
        It comes back for somebody else, or by another Route: it goes on.
        """
        for uri, routes in (
            (b"sip:bob@example.com", ()),
            (b"sip:desk@example.com", (b"<sip:edge.example.com;lr>",)),
        ):
            before = len(self.server.tried)
            self.assertEqual(self.server.comeBack(self.sent, *routes, uri=uri).statuses, [100])
            self.assertEqual(len(self.server.tried), before + 1)

    def test_branch(self) -> None:
        """
        Each branch is unique, whatever it holds beside (RFC 3261 8.1.1.7).
        """
        self.server.call(b"desk")
        branches = [begun.branch for begun in self.server.transactions.begun]
        one, other = (branch.split(b"-") for branch in branches)
        self.assertNotEqual(one[0], other[0])
        self.assertEqual(one[1], other[1])
        self.assertEqual(self.sent.via.branch, self.branch)

    def test_othersVia(self) -> None:
        """
        What others write into their Vias is no concern of ours (RFC 5393 4.2.4).
        """
        self.sent.put(b"Via", b"SIP/2.0/UDP odd;=;\x22;branch")
        for uri, status in ((b"sip:desk@example.com", [100, 482]), (b"sip:bob@example.com", [100])):
            self.assertEqual(self.server.comeBack(self.sent, uri=uri).statuses, status)


class ContactTests(SynchronousTestCase):
    """
    Users whose Contacts are users of ours: nothing is sent to ourselves.
    """

    def setUp(self) -> None:
        """
        A server.
        """
        self.server = Server()

    def outcome(self, user: bytes) -> tuple[list[int], list[bytes], list[bytes]]:
        """
        Call a user: the answers, the flows that were sent down, the next hops looked for.
        """
        statuses = self.server.call(user, b"MESSAGE").statuses
        return statuses, self.server.tried, self.server.hops.reached

    def test_user(self) -> None:
        """
        A Contact that is a user of ours rings that user.
        """
        self.server.bind("desk", b"sip:bob@example.com;x=1")
        self.assertEqual(self.outcome(b"desk"), ([], [b"bob"], []))

    def test_each(self) -> None:
        """
        Two users with two Contacts each that name the other are no storm, but one 482.
        """
        self.server.bind("a", b"sip:b@example.com:5060;x=1", b"sip:b@example.com:5060;x=2")
        self.server.bind("b", b"sip:a@example.com:5060;x=1", b"sip:a@example.com:5060;x=2")
        self.assertEqual(self.outcome(b"a"), ([482], [], []))

    def test_itself(self) -> None:
        """
        So is one that names itself.
        """
        self.server.bind("a", b"sip:a@example.com;x=1")
        self.assertEqual(self.outcome(b"a"), ([482], [], []))

    def test_many(self) -> None:
        """
        Many users that all name each other: each is looked up once.
        """
        users = [f"n{number}" for number in range(12)]
        for user in users:
            contacts = [b"sip:%b@example.com" % other.encode() for other in users]
            self.server.bind(user, *contacts, b"sip:bob@example.com")
        looked: list[bytes] = []
        lookup = FakeLocation.lookup

        def counted(location: FakeLocation, aor: bytes) -> Any:
            looked.append(aor)
            return lookup(location, aor)

        self.patch(FakeLocation, "lookup", counted)
        self.server.call(b"n0")
        self.assertEqual(self.server.tried, [b"bob"])
        self.assertLess(len(looked), 20)

    def test_tree(self) -> None:
        """
        A user who leads to ten, who lead to ten more each, and so on: not all of thousands are
        called on behalf of one caller.
        """
        users = ["n"]
        for _ in range(3):
            for user in users:
                names = (b"sip:%b%d@example.com" % (user.encode(), number) for number in range(10))
                self.server.bind(user, *names)
            users = [f"{user}{number}" for user in users for number in range(10)]
        for user in users:
            self.server.bind(user, b"sip:%b@192.0.2.1" % user.encode())
        looked: list[bytes] = []
        lookup = FakeLocation.lookup

        def counted(location: FakeLocation, aor: bytes) -> Any:
            looked.append(aor)
            return lookup(location, aor)

        self.patch(FakeLocation, "lookup", counted)
        self.server.call(b"n")
        self.assertLess(len(looked), 62)

    def test_deep(self) -> None:
        """
        A chain that is too long is a loop to us.
        """
        for number in range(9):
            self.server.bind(f"n{number}", b"sip:n%d@example.com" % (number + 1))
        self.server.bind("n9", b"sip:bob@example.com")
        self.assertEqual(self.outcome(b"n0"), ([482], [], []))

    def test_beside(self) -> None:
        """
        One way of an instance is a user, the other a phone: both ring.
        """
        user = evolve(BINDING, contact=b"sip:bob@example.com", instance=b"one")
        phone = evolve(BINDING, contact=b"sip:desk@192.0.2.50", instance=b"one")
        for ways in ((user, phone), (phone, user)):
            self.server = Server()
            self.server.location.bindings[b"desk@example.com"] = ways
            self.server.call(b"desk")
            self.assertEqual(sorted(self.server.tried), [b"bob", DESK])

    def test_rules(self) -> None:
        """
        The rules of who is named by a Contact apply.
        """
        async def rule(router: Router, request: Passage) -> Decision:
            return Forward("sip:carol@example.com")

        self.server.rules["bob"] = rule
        self.server.bind("desk", b"sip:bob@example.com")
        self.assertEqual(self.outcome(b"desk"), ([], [b"carol"], []))
