"""
Header fields in every form that RFC 3261 7.3 allows, at a started server.
"""

from __future__ import annotations

import re

from sipoutbound.settings import LOOPBACK as THIS_MACHINE
from sipoutbound.test.laboratory import WireTestCase
from sipoutbound.test.phone import DOMAIN

HERE = b"sip:" + DOMAIN
VIA = b"SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKphone"


class FormTests(WireTestCase):
    """
    RFC 3261 7.3.1 and 7.3.3: one header in many forms.
    """

    # Edges of a test are on this machine.
    trust = THIS_MACHINE

    async def test_lists(self) -> None:
        """
        Values on lines of their own, in one line, and mixed, are the same list: Contacts, Paths,
        option tags and hops are all seen.
        """
        paths = [b"<sip:c.test;lr>", b'<sip:b.test;lr>;x=","', b"<sip:a.test;lr;ob>"]
        for number, forms in enumerate(
            ([paths[0], paths[1], paths[2]], [b",".join(paths)], [b" , ".join(paths[:2]), paths[2]])
        ):
            alice = await self.phone(b"alice%d" % number)
            lines = [(b"PATH", form) for form in forms]
            alice.register(alice.binding(), [(b"v", VIA), *lines])
            answer = await alice.told(200)
            self.assertEqual((answer.all(b"path"), answer.all(b"require")), (paths, [b"outbound"]))
        bob = await self.phone(b"bob")
        bob.register(b"<sip:b@10.0.0.1>,<sip:b@10.0.0.2>", [(b"m", b"<sip:b@10.0.0.3> ,, ")])
        self.assertEqual(len((await bob.told(200)).all(b"contact")), 3)
        for required in ([b"a, b", b"c"], [b"a", b"b", b"c"], [b"a,b,c"]):
            bob.ask(b"MESSAGE", bob.aor, [(b"Proxy-Require", text) for text in required])
            self.assertEqual((await bob.told(420)).all(b"unsupported"), [b"a", b"b", b"c"])

    async def test_hops(self) -> None:
        """
        A REGISTER that has come by another proxy is known as such in either form of its Vias.
        """
        edge = await self.phone(b"alice")
        text = bytes(edge.compose(
            b"REGISTER", HERE, [(b"Contact", edge.binding()), (b"k", b"outbound")],
            to=b"<%b>" % edge.aor,
        ))  # fmt: skip
        for form in (rb"\g<0>, " + VIA, rb"\g<0>\r\nvia: " + VIA):
            edge.send(re.sub(rb"Via: [^\r]*", form, text).replace(b"z9hG4bK-", b"z9hG4bKx"))
            await edge.told(439)
            text = text.replace(b"CSeq: ", b"CSeq: 1").replace(b"z9hG4bK-", b"z9hG4bK-y")

    async def test_routes(self) -> None:
        """
        Routes of ours are followed to the last, in one line or in many.
        """
        bob = await self.phone(b"bob")
        bob.register(bob.binding())
        (path,) = (await bob.told(200)).all(b"path")
        host, port = self.laboratory.addresses()[b"UDP"]
        ours = b"<sip:%b:%d;lr>" % (host.encode(), port)
        caller = await self.phone(b"caller")
        both = ours + b"," + ours
        for forms in ([ours, ours, path], [both + b" , " + path], [both, path]):
            caller.ask(b"MESSAGE", b"sip:x@elsewhere.test", [(b"Route", form) for form in forms])
            message = await bob.asked(b"MESSAGE")
            self.assertEqual((message.uri, message.all(b"route")), (b"sip:x@elsewhere.test", []))

    async def test_twice(self) -> None:
        """
        A parameter that comes twice in a Contact, or a second tag, is refused: nobody could say
        which one counts.
        """
        alice = await self.registered(b"alice")
        for doubled in (b";expires=100;Expires=200", b";q=1;q=0", b";x;X=1"):
            alice.register(alice.binding() + doubled)
            await alice.told(400)
        for to in (b";tag=1;tag=2", b";tag=1;TAG=1", b" ; tag = \"x\" ; Tag"):
            alice.ask(b"OPTIONS", HERE, to=b"<%b>" % HERE + to)
            await alice.told(400)
        alice.ask(b"OPTIONS", HERE, to=b"\"tag tag\" <%b>;tag=tag" % HERE)
        await alice.told(200)
        self.assertEqual(len(await self.bindings(alice)), 1)

    async def test_case(self) -> None:
        """
        Names, option tags and parameters are read in any case, and quoted strings are not: another
        instance-id is another phone, unless it is a UUID.
        """
        alice = await self.phone(b"alice")
        shouted = b'<%b>;REG-ID=1;+SIP.Instance="<urn:%b>";EXPIRES=99'
        for instance, bound in ((b"x:Ab", 1), (b"x:Ab", 1), (b"x:ab", 2), (b"x:AB", 3)):
            text = bytes(alice.compose(
                b"REGISTER", HERE, [(b"CONTACT", shouted % (alice.contact, instance)),
                                    (b"supPORTED", b"OUTbound, Path"), (b"REQUIRE", b"Path")],
                to=b"<%b>" % alice.aor,
            ))  # fmt: skip
            text = text.replace(b"Call-ID", b"CALL-id").replace(b"From", b"fROM")
            alice.send(text.replace(b"CSeq", b"cSEQ").replace(b";branch=", b" ; BRANCH ="))
            answer = await alice.told(200)
            self.assertEqual(answer.all(b"require"), [b"outbound"])
            self.assertEqual(len(answer.all(b"contact")), bound)
            self.assertIn(b";expires=99", answer.all(b"contact")[0])

    async def test_compact(self) -> None:
        """
        A phone that writes the short names only registers, and is called.
        """
        bob = await self.phone(b"bob", b"TCP")
        lines = (
            b"REGISTER %b SIP/2.0" % HERE, b"v:" + bob.via(), b"f:<%b>;tag=1" % bob.aor,
            b"t:<%b>" % bob.aor, b"i:short", b"CSeq:1 REGISTER", b"m:" + bob.binding(),
            b"k:outbound,path", b"l:4", b"", b"body",
        )  # fmt: skip
        bob.send(b"\r\n".join(lines))
        answer = await bob.told(200)
        self.assertEqual((answer.callId, answer.all(b"require")), (b"short", [b"outbound"]))
        caller = await self.phone(b"caller")
        caller.ask(b"MESSAGE", bob.aor)
        bob.answer(await bob.asked(b"MESSAGE"), 200)
        await caller.told(200)

    async def test_unknown(self) -> None:
        """
        What the registrar does not know it leaves alone.
        """
        alice = await self.phone(b"alice")
        unknown = [(b"X-Foo", b";;,"), (b"Contacts", b"<sip:x>"), (b"S", b"\xff\""), (b"Y", b"")]
        alice.register(alice.binding(), unknown)
        self.assertEqual(len((await alice.told(200)).all(b"contact")), 1)

    async def test_sameContact(self) -> None:
        """
        A Contact that comes back in another spelling is the same one; what differs is another one
        (RFC 3261 19.1.4, RFC 5954 4.2).
        """
        alice = await self.phone(b"alice")
        for uri, bound in (
            (b"sip:alice@[2001:db8::9:1];transport=TCP", 1),
            (b"sip:%61lice@[2001:DB8:0::9:01];Transport=tcp;new=x", 1),
            (b"sip:alice@[2001:db8::9:10];transport=tcp", 2),
            (b"sip:Alice@[2001:db8::9:1];transport=tcp", 3),
            (b"sip:alice@[2001:db8::9:1]", 4), (b"sip:alice@[2001:db8::9:1]:5060", 5),
            (b"sip:alice@[2001:db8::9:1]:5060;user=phone", 6),
            (b"sip:alice@[2001:db8::9:1]:5060?x=y", 7),
        ):
            alice.register(b"<%b>" % uri)
            self.assertEqual(len((await alice.told(200)).all(b"contact")), bound, uri)
