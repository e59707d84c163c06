"""
What one phone sends and another one gets, octet by octet, through a started server.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import product

from sipoutbound.message.message import Request, Response
from sipoutbound.test.bytewise import Raw, checkRequest, checkResponse
from sipoutbound.test.laboratory import WireTestCase
from sipoutbound.test.phone import Phone

TRANSPORTS = (b"UDP", b"TCP")

#: Requests as lists of lines; each lacks its start line and its top Via.
REQUESTS: dict[str, tuple[bytes, ...]] = {
    "usual": (
        b"Max-Forwards: 70", b"From: <sip:alice@example.test>;tag=a", b"To: <sip:bob@example.test>",
        b"Call-ID: 1", b"CSeq: 1 %(method)b", b"Content-Length: %(length)d",
    ),
    "compact": (
        b"f:sip:alice@example.test;tag=a", b"t:sip:bob@example.test", b"i:2", b"CSeq:2 %(method)b",
        b"Max-Forwards:70", b"m:<sip:alice@10.0.0.9>;x", b"k:timer,100rel", b"s:hello",
        b"c:application/sdp", b"e:gzip", b"x:1800", b"o:presence", b"u:x", b"r:<sip:c@d>",
        b"b:<sip:e@f>", b"l:%(length)d",
    ),
    "shouted": (
        b"CONTENT-LENGTH: %(length)d", b"CALL-ID: 3", b"CSEQ: 3 %(method)b", b"MAX-FORWARDS: 70",
        b"FROM: ALICE <SIP:ALICE@EXAMPLE.TEST>;TAG=A", b"tO: <SIP:bob@EXAMPLE.test>;X=Y",
        b"sUbJeCt: x",
    ),
    "folded": (
        b"From:\r\n \"A\\\"lice\"\r\n\t<sip:alice@example.test>\r\n  ;\r\n tag = a",
        b"To\t:\r\n   sip:bob@example.test", b"Call-ID:\r\n 4", b"CSeq:  004\r\n\t%(method)b",
        b"Subject: a\r\n b\r\n\tc  \r\n  ", b"Content-Length :\r\n %(length)d",
        b"Max-Forwards\t:\r\n 0070",
    ),
    "unknown": (
        b"X-Nothing:", b"X-Blank:  \t ", b"X-Odd-!%%*_+`'~.: ;;,,;;,;", b"X: a, b ,c,,d", b"x: e",
        b"Call-ID: 5@()<>:\\/[]?{}", b"CSeq: 5 %(method)b", b"Contentlength: 7", b"X-Via: v",
        b"From: <sip:alice@example.test>;tag=a;x=\"y, <z>\"", b"To: <sip:bob@example.test>;tag2",
        b"V-I-A: x", b"Max-Forwards: 70", b"X-Max-Forwards: 3", b"L: %(length)d",
    ),
    "octets": (
        b"Subject: \xe4\xbd\xa0\xe5\xa5\xbd \xd0\xbd", b"X-Latin: \xfc\xe4\xf6 \xff\xfe\x80",
        b"X-Control: \x01\x07\x08\x0b\x0c\x1b\x7f", b"X-Nul: a\x00b", b"Call-ID: 6",
        b"From: \"\xd0\xbd\" <sip:alice@example.test>;tag=a", b"CSeq: 6 %(method)b",
        b"To: \"B\xc3\xb6b\" <sip:bob@example.test>", b"Max-Forwards: 70", b"l: %(length)d",
    ),
    "many": (
        b"Allow: INVITE,ACK", b"Via: SIP/2.0/TCP b.test;branch=z9hG4bKb  ,SIP/2.0/UDP\tc.test",
        b"Allow:BYE ,CANCEL", b"Accept: a/b;q=0.1,,c/d",
        b"v:SIP / 2.0 / SCTP\r\n [::1] ; x = \"y\"",
        b"Authorization: Digest realm=\"a\", nonce=\"b, c\"", b"Authorization: Digest realm=\"d\"",
        b"Proxy-Authorization: Digest realm=\"elsewhere.test\",uri=\"sip:x\"", b"VIA: SIP/2.0/X z",
        b"From: <sip:alice@example.test>;tag=a", b"To: <sip:bob@example.test>", b"Call-ID: 7",
        b"Warning: 399 a \"b, c\", 399 d \"e\"", b"CSeq: 7 %(method)b", b"Max-Forwards: 70",
        b"Require: x,y", b"Supported:", b"Content-Length: %(length)d", b"l: %(length)d",
    ),
    "no hops": (
        b"From: <sip:alice@example.test>;tag=a", b"To: <sip:bob@example.test>", b"Call-ID: 8",
        b"CSeq: 8 %(method)b", b"Contact: <sip:alice@10.0.0.9:5099;ob>;x", b"l: %(length)d",
        b"Record-Route: <sip:p1.test;lr>,<sip:p2.test;lr;x>", b"record-route:  <sip:p3.test;lr>",
    ),
}  # fmt: skip

BODIES = (b"", b"\x00\x01\xff" * 40, b"\r\n\r\nINVITE sip:x SIP/2.0\r\nVia: y\r\n\r\n", b"v=0\nx\r")

#: What a callee adds to its answers, behind and in front of what it copies.
ANSWERS = (
    (b"200 OK", (), (b"Content-Length: %(length)d",)),
    (b"200 \xd0\xbd\xd0\xbe % \t", (b"l:%(length)d", b"X-A:", b"k:a,b"), (b"k : c ,", b"X-A:  ")),
    (b"299", (b"Server: a\r\n b\r\n  c", b"X: \xff\x00"), (b"m: <sip:b@c>", b"L\t:%(length)d")),
    (b"486 ", (b"Warning: 399 a \"b, <c\"",), (b"x-Y: ;;,,", b"CONTENT-length: 00%(length)d")),
)  # fmt: skip


class UntouchedTests(WireTestCase):
    """
    From every transport to every other.
    """

    async def pairs(self) -> AsyncIterator[tuple[Phone, Phone]]:
        """
        A caller and a callee each, of whom the former one has signed off.
        """
        for one, other in product(TRANSPORTS, TRANSPORTS):
            caller, callee = await self.phone(b"alice", one), await self.registered(b"bob", other)
            yield caller, callee
            callee.register(b"*", [(b"Expires", b"0")])
            await callee.told(200)

    def written(
        self, caller: Phone, method: bytes, lines: tuple[bytes, ...], body: bytes
    ) -> bytes:
        """
        A request of these lines.
        """
        values = {b"method": method, b"length": len(body)}
        start = method + b" sip:bob@example.test SIP/2.0"
        filled = [line % values for line in lines]
        return b"\r\n".join((start, b"Via: " + caller.via(), *filled, b"", body))

    async def passedOn(self, caller: Phone, callee: Phone, data: bytes) -> Request:
        """
        What the callee gets of a request.
        """
        caller.send(data)
        arrived = await callee.hears(repr(data))
        assert isinstance(arrived, Request), bytes(arrived)
        checkRequest(self, data, bytes(arrived))
        return arrived

    async def test_requests(self) -> None:
        """
        Lines in any spelling, order and number, and bodies of any octets.
        """
        async for caller, callee in self.pairs():
            for number, lines in enumerate(REQUESTS.values()):
                data = self.written(caller, b"MESSAGE", lines, BODIES[number % len(BODIES)])
                arrived = await self.passedOn(caller, callee, data)
                callee.answer(arrived, 200)
                await caller.told(200)

    async def test_invites(self) -> None:
        """
        A call gets a Record-Route in front of all others, and nothing else.
        """
        caller, callee = await self.phone(b"alice", b"TCP"), await self.registered(b"bob")
        for lines in REQUESTS.values():
            data = self.written(caller, b"INVITE", lines, BODIES[3])
            arrived = await self.passedOn(caller, callee, data)
            before, after = Raw.of(data), Raw.of(bytes(arrived))
            routes, added = before.only(b"record-route"), after.only(b"record-route")
            self.assertEqual(added[len(added) - len(routes) :], routes)
            self.assertGreater(len(added), len(routes))
            callee.answer(arrived, 486)
            await callee.asked(b"ACK")
            await caller.told(486)

    async def test_noLength(self) -> None:
        """
        What has no Content-Length gets it, in a request and in a response; nothing else.
        """
        for other in TRANSPORTS:
            caller, callee = await self.phone(b"alice"), await self.registered(b"bob", other)
            lines = tuple(line for line in REQUESTS["usual"] if b"Length" not in line)
            arrived = await self.passedOn(
                caller, callee, self.written(caller, b"MESSAGE", lines, BODIES[1])
            )
            self.assertEqual(arrived.body, BODIES[1])
            callee.answer(arrived, 200)
            await caller.told(200)
            await callee.close()
        caller, callee = await self.phone(b"alice", b"TCP"), await self.registered(b"bob")
        arrived = await self.passedOn(
            caller, callee, self.written(caller, b"MESSAGE", REQUESTS["usual"], b"")
        )
        bare = self.answered(arrived, b"200 OK", (), (), BODIES[1])
        callee.send(bare)
        checkResponse(self, bare, bytes(await caller.told(200)))

    def answered(
        self, asked: Request, status: bytes, front: tuple[bytes, ...], behind: tuple[bytes, ...],
        body: bytes = b"",
    ) -> bytes:  # fmt: skip
        """
        An answer of these lines around those that it copies, which are in an order of their own.
        """
        raw = Raw.of(bytes(asked))
        vias = raw.only(b"via", b"v")
        others = raw.only(b"from", b"f", b"to", b"t", b"call-id", b"i", b"cseq")
        added = [[line % {b"length": len(body)} for line in lines] for lines in (front, behind)]
        lines = (*added[0], *others[2:], *vias, *others[:2], *added[1])
        return b"\r\n".join((b"SIP/2.0 " + status, *lines, b"", body))

    async def test_responses(self) -> None:
        """
        Answers lose the server's own Via, and nothing else.
        """
        async for caller, callee in self.pairs():
            for number, (status, front, behind) in enumerate(ANSWERS):
                lines = REQUESTS[("folded", "many", "compact", "octets")[number]]
                data = self.written(caller, b"MESSAGE", lines, b"")
                arrived = await self.passedOn(caller, callee, data)
                answer = self.answered(arrived, status, front, behind, BODIES[number])
                callee.send(answer)
                heard = await caller.hears(repr(answer))
                assert isinstance(heard, Response)
                checkResponse(self, answer, bytes(heard))

    async def test_joinedVias(self) -> None:
        """
        A callee that writes all Vias into one line has its answer passed on all the same.
        """
        caller, callee = await self.phone(b"alice"), await self.registered(b"bob", b"TCP")
        caller.send(self.written(caller, b"MESSAGE", REQUESTS["usual"], b""))
        arrived = await callee.asked(b"MESSAGE")
        own, *others = [line.partition(b": ")[2] for line in Raw.of(bytes(arrived)).only(b"via")]
        plain = self.answered(arrived, b"200 OK", (), (b"l: 0",))
        joined = plain.replace(b"\r\nVia: " + others[0], b"").replace(
            own, own + b" ,\r\n  " + others[0]
        )
        callee.send(joined)
        heard = await caller.told(200)
        expected = plain.replace(b"Via: " + own + b"\r\n", b"")
        self.assertEqual(bytes(heard), expected)
