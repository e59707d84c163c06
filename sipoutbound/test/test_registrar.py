"""
Tests of L{sipoutbound.registrar}.
"""

from __future__ import annotations

from collections.abc import Callable
from time import process_time
from typing import Any

from attrs import define
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from sipoutbound.interfaces import IRegistrar
from sipoutbound.location.journal import StoreBusy, StoreUnavailable
from sipoutbound.location.service import Location
from sipoutbound.message.message import Request, Response
from sipoutbound.message.parse import parseMessage
from sipoutbound.outbound.binding import Bindings
from sipoutbound.outbound.policy import Policy
from sipoutbound.registrar import Registrar
from sipoutbound.test.registers import AOR, NOW, PHONE, atOnce, contact, register, wireRegisters

FLOW = b"Contact: " + contact(instance=PHONE, regId=1)
OUTBOUND = b"Supported: path, outbound"
PATH = b"Path: <sip:core.test;lr>, <sip:t@edge.test;lr;ob>"


@define(eq=False)
class FullDisk:
    """
    A location service that can keep nothing.

    @ivar trouble: what it raises.
    """

    trouble: Exception

    async def change(self, aor: bytes, algebra: Callable[[Bindings], Bindings]) -> Bindings:
        """
        Refuse.
        """
        raise self.trouble


class RegistrarTests(SynchronousTestCase):
    """
    Requests in, responses out, above a location service in memory.
    """

    def setUp(self) -> None:
        """
        Make a registrar for two domains.
        """
        self.clock = Clock()
        self.location = Location(self.clock, self.now)
        self.registrar = self.made()

    def now(self) -> float:
        """
        The time.
        """
        return NOW + self.clock.seconds()

    def made(self, policy: Policy | None = None) -> Registrar:
        """
        A registrar above the location service.
        """
        serves = (b"example.test", b"127.0.0.1").__contains__
        return Registrar(
            self.location, serves, self.now, policy or Policy(), lambda path: path[0][5:6]
        )

    def answer(self, request: Request, status: int = 200) -> Response:
        """
        The answer to a request, as it arrives at the client.
        """
        sent = bytes(atOnce(self.registrar.register(request)))
        response = parseMessage(sent.removesuffix(b"\r\n\r\n"))
        assert isinstance(response, Response)
        self.assertEqual(response.status, status, response.reason)
        return response

    def bound(self, aor: bytes = AOR) -> Bindings:
        """
        What callers find.
        """
        return atOnce(self.location.lookup(aor))

    def test_interface(self) -> None:
        """
        The routing tree finds here what it asks for.
        """
        verifyObject(IRegistrar, self.registrar)

    def test_answer(self) -> None:
        """
        A phone learns that it is registered, for how long, over which way, with outbound, and what
        time it is (RFC 3261 10.3 step 8, RFC 3327 5.3, RFC 5626 6).
        """
        response = self.answer(register(FLOW, OUTBOUND, PATH, b"Expires: 90"))
        self.assertEqual(
            response.all(b"contact"),
            [b'<sip:bob@192.0.2.1:5060>;+sip.instance="<%b>";reg-id=1;expires=90' % PHONE],
        )
        self.assertEqual(response.all(b"path"), [b"<sip:core.test;lr>", b"<sip:t@edge.test;lr;ob>"])
        self.assertEqual(response.all(b"require"), [b"outbound"])
        self.assertEqual(response.all(b"supported"), [b"outbound", b"path"])
        self.assertEqual(response.first(b"date"), b"Fri, 15 Jan 2027 08:00:00 GMT")
        self.assertTrue(response.to.param(b"tag"))
        self.assertEqual((response.callId, response.cseq.number), (b"c1", 1))

    def test_remaining(self) -> None:
        """
        All bindings are listed with the time they have left, and never one whose time is over,
        though it serves a little longer.
        """
        self.answer(register(b"Contact: <sip:a@h>;expires=60, <sip:b@h>;expires=70;q=0.25"))
        self.clock.advance(59.5)
        fetched = self.answer(register(cseq=2))
        self.assertEqual(
            fetched.all(b"contact"), [b"<sip:a@h>;expires=1", b"<sip:b@h>;expires=11;q=0.250"]
        )
        self.clock.advance(1)
        self.assertEqual(len(self.bound()), 2)
        fetched = self.answer(register(cseq=3))
        self.assertEqual(fetched.all(b"contact"), [b"<sip:b@h>;expires=10;q=0.250"])
        self.assertEqual(fetched.first(b"date"), b"Fri, 15 Jan 2027 08:01:00 GMT")

    def test_onlyItsOwnPath(self) -> None:
        """
        A phone sees the Path of its own registration, if it understands it (RFC 3327 5.3).
        """
        self.answer(register(FLOW, OUTBOUND, PATH))
        other = register(b"Contact: <sip:x@h>", b"Path: <sip:q>", b"Supported: path", callId=b"x")
        self.assertEqual(self.answer(other).all(b"path"), [b"<sip:q>"])
        unaware = register(b"Contact: <sip:y@h>", b"Path: <sip:r>", callId=b"y")
        self.assertEqual(self.answer(unaware).all(b"path"), [])
        self.assertEqual([each.path for each in self.bound()[1:]], [(b"<sip:q>",), (b"<sip:r>",)])

    def test_requireOutbound(self) -> None:
        """
        A phone believes in outbound when and only when it is there (RFC 5626 4.2.1, 6).
        """
        for lines, hops, required in (
            ((FLOW, OUTBOUND), 1, True),
            ((FLOW, OUTBOUND, PATH), 2, True),
            ((FLOW,), 1, False),
            ((FLOW, OUTBOUND, b"Expires: 0"), 1, True),
            ((b"Contact: " + contact(instance=PHONE), OUTBOUND), 1, False),
            ((b"Contact: " + contact(regId=1), OUTBOUND), 1, False),
            ((OUTBOUND,), 1, False),
            ((OUTBOUND, b"Contact: *", b"Expires: 0"), 1, False),
        ):
            response = self.answer(register(*lines, hops=hops, callId=b"%d" % id(lines)))
            self.assertEqual(response.all(b"require"), [b"outbound"] * required, lines)

    def test_flow(self) -> None:
        """
        A binding knows the flow in the topmost Path value, which a request goes to first: were it
        another one, the binding would outlive the flow that leads there.
        """
        self.answer(register(FLOW, OUTBOUND, b"Path: <sip:own@edge>, <sip:not@edge;ob>"))
        self.assertEqual([each.flow for each in self.bound()], [b"o"])

    def test_long(self) -> None:
        """
        Nobody fills the memory, or keeps the server busy, with a few requests.
        """
        long = b"x" * 3000
        for headers, status in (
            ((b"Contact: <sip:%b@h>" % long,), 400),
            ((b"Contact: <sip:b@h>", b"Path: <sip:%b>" % long), 400),
            ((b"Contact: " + b", ".join(b"<sip:%d@h>" % n for n in range(5000)),), 403),
            ((b"Contact: <sip:b@h>", b"User-Agent: " + long), 200),
        ):
            began = process_time()
            self.answer(register(*headers, cseq=9), status)
            self.assertLess(process_time() - began, 0.5)
        (bound,) = self.bound()
        self.assertLess(len(bound.userAgent), 300)
        remembered: Any = self.registrar._client
        self.assertEqual(remembered.cache_info().currsize, 0)

    def test_refusals(self) -> None:
        """
        Each mistake gets the answer that RFC 3261 or RFC 5626 name, with what the phone needs to
        do better, and changes nothing.
        """
        self.answer(register(FLOW, cseq=5))
        before = self.bound()
        for request, status, header, value in (
            (register(b"Require: gruu", FLOW), 420, b"unsupported", b"gruu"),
            (register(FLOW, to=b"bob@elsewhere.test"), 404, None, None),
            (register(b"Contact: <sip:a@h>", b"Expires: 59"), 423, b"min-expires", b"60"),
            (register(FLOW, OUTBOUND, hops=2), 439, None, None),
            (register(FLOW, cseq=4), 500, None, None),
            (register(b"Contact: *"), 400, None, None),
            (register(b"Contact: <sip:a@h>;q=2"), 400, None, None),
            (register(b"Contact: <sip:a@h>, <nonsense>"), 400, None, None),
            (register(b"Contact: " + contact(instance=PHONE, regId=0)), 400, None, None),
            (register(b"Contact: <sip:a@h>", b"Path: nonsense>"), 400, None, None),
        ):
            response = self.answer(request, status)
            if header is not None:
                self.assertEqual(response.first(header), value)
            self.assertTrue(response.to.param(b"tag"))
            self.assertEqual(self.bound(), before)

    def test_secondContactRefused(self) -> None:
        """
        A REGISTER is carried out as a whole or not at all (RFC 3261 10.3).
        """
        self.answer(register(b"Contact: <sip:a@h>", cseq=9))
        both = register(b"Contact: <sip:new@h>, <sip:a@h>;expires=0", cseq=8)
        self.answer(both, 500)
        self.assertEqual([each.contact for each in self.bound()], [b"sip:a@h"])

    def test_fullDisk(self) -> None:
        """
        A phone whose registration cannot be kept is told so with 500, or with 503 when the server
        has too much to do (RFC 3261 10.3 step 7, 21.5.4), and when to come back, not all at one
        moment.
        """
        for trouble, status in ((StoreUnavailable(), 500), (StoreBusy(), 503)):
            self.registrar = Registrar(FullDisk(trouble), lambda host: True, self.now)
            response = self.answer(register(FLOW), status)
            self.assertIn(int(response.need(b"retry-after")), range(5, 16))

    def test_removal(self) -> None:
        """
        A phone that leaves is not called any more, and sees that nothing of it is left.
        """
        self.answer(register(FLOW, OUTBOUND))
        response = self.answer(register(FLOW + b";expires=0", OUTBOUND, cseq=2))
        self.assertEqual((response.all(b"contact"), self.bound()), ([], ()))

    def test_wire(self) -> None:
        """
        Every real client gets its 200, with C{Require: outbound} if it asked for it with all that
        belongs to it.
        """
        for name, request in wireRegisters():
            response = self.answer(request)
            aor = request.to.uri.aor()
            outbound = b"outbound" in b",".join(request.texts(b"supported"))
            regId = b"reg-id=" in b",".join(request.texts(b"contact"))
            self.assertEqual(response.all(b"require") != [], outbound and regId, name)
            if "unregister" not in name:
                self.assertIn(self.bound(aor)[-1].contact, request.texts(b"contact")[0], name)

    def test_refresh(self) -> None:
        """
        Refreshes are known by their text and still do what they say.
        """
        for cseq in range(1, 4):
            self.clock.advance(10)
            self.answer(register(FLOW, OUTBOUND, cseq=cseq))
        (left,) = self.bound()
        self.assertEqual((left.cseq, left.expires), (3, int(NOW) + 30 + 3600))
