"""
Tests of L{sipoutbound.outbound.terms} and L{sipoutbound.outbound.policy}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from sipoutbound.message.grammar import Malformed
from sipoutbound.outbound.policy import Policy
from sipoutbound.outbound.refusal import Refusal
from sipoutbound.outbound.terms import Terms
from sipoutbound.test.registers import PHONE, contact, terms

OUTBOUND = b"Supported: path, outbound"
PATH = b"Supported: path"
FLOW = b"Contact: " + contact(instance=PHONE, regId=1)
WITH_OB = b"Path: <sip:core.test;lr>, <sip:token@edge.test;lr;ob>"
WITHOUT_OB = b"Path: <sip:core.test;lr;ob>, <sip:edge.test;lr>"


class TermsTests(SynchronousTestCase):
    """
    What a REGISTER is granted before its bindings are looked at.
    """

    def refused(
        self, status: int, *headers: bytes, policy: Policy | None = None, hops: int = 1
    ) -> Refusal:
        """
        Be refused.
        """
        with self.assertRaises(Refusal) as caught:
            terms(*headers, policy=policy, hops=hops)
        refusal: Refusal = caught.exception
        self.assertEqual(refusal.status, status)
        return refusal

    def seconds(self, *headers: bytes, policy: Policy | None = None) -> list[int]:
        """
        The lifetimes granted.
        """
        return [grant.seconds for grant in terms(*headers, policy=policy).grants]

    def test_lifetime(self) -> None:
        """
        A phone gets the lifetime it asks for: its Contact's, else the header's, else ours
        (RFC 3261 10.3 step 7).
        """
        both = b"Contact: <sip:a@h>;expires=100, <sip:b@h>"
        self.assertEqual(self.seconds(both, b"Expires: 200"), [100, 200])
        self.assertEqual(self.seconds(both), [100, 3600])
        self.assertEqual(self.seconds(both, b"Expires: soon"), [100, 3600])
        self.assertEqual(self.seconds(b"Contact: <sip:a@h>", policy=Policy(default=77)), [77])

    def test_maximum(self) -> None:
        """
        Nobody stays for years after having gone.
        """
        self.assertEqual(self.seconds(b"Contact: <sip:a@h>;expires=4294967295"), [86400])

    def test_minimum(self) -> None:
        """
        A phone that would refresh every second is told how long to wait instead; a removal and an
        hour never are too brief (RFC 3261 10.3 step 7).
        """
        short = b"Contact: <sip:a@h>;expires=59"
        self.assertEqual(self.refused(423, short).headers, ((b"Min-Expires", b"60"),))
        self.assertEqual(self.seconds(b"Contact: <sip:a@h>;expires=60"), [60])
        self.assertEqual(self.seconds(b"Contact: <sip:a@h>;expires=0"), [0])
        strict = Policy(minimum=7200)
        self.refused(423, b"Contact: <sip:a@h>;expires=3599", policy=strict)
        self.assertEqual(self.seconds(b"Contact: <sip:a@h>;expires=3600", policy=strict), [3600])

    def test_addressOfRecord(self) -> None:
        """
        However a phone writes its user's address, the calls reach it (RFC 3261 10.3 step 5).
        """
        for to in (b"bob@example.test", b"%62ob@EXAMPLE.test", b"bob@example.test:5060;user=phone"):
            self.assertEqual(terms(to=to).aor, b"bob@example.test")

    def test_notServed(self) -> None:
        """
        Users of other domains, and what is no user, are not found here.
        """
        for to in (b"bob@elsewhere.test", b"example.test"):
            with self.assertRaises(Refusal) as caught:
                terms(to=to)
            self.assertEqual(caught.exception.status, 404)

    def test_require(self) -> None:
        """
        A client that needs what we lack is told what, before anything else (RFC 3261 8.2.2.3).
        """
        terms(b"Require: path, Outbound")
        refusal = self.refused(420, b"Require: gruu, path", b"Require: x", b"Contact: <")
        self.assertEqual(refusal.headers, ((b"Unsupported", b"gruu, x"),))

    def test_star(self) -> None:
        """
        C{*} removes everything, and only when it is meant (RFC 3261 10.3 step 6).
        """
        self.assertTrue(terms(b"Contact: *", b"Expires: 0").star)
        for lines in (
            (b"Contact: *",),
            (b"Contact: *", b"Expires: 1"),
            (b"Contact: *", b"Expires: x"),
            (b"Contact: *, <sip:a@h>", b"Expires: 0"),
            (b"Contact: <sip:a@h>", b"Contact: *", b"Expires: 0"),
            (b"Contact: *;expires=0",),
        ):
            with self.assertRaises(Malformed, msg=lines) as caught:
                terms(*lines)
            self.assertEqual(caught.exception.status, 400)

    def test_fetch(self) -> None:
        """
        A REGISTER without Contact asks for nothing.
        """
        fetch = terms(OUTBOUND, WITH_OB)
        self.assertEqual((fetch.grants, fetch.star, fetch.appliesOutbound), ((), False, False))

    def assertOutbound(self, asked: Terms, regId: int | None, required: bool) -> None:
        """
        Check how a single Contact is bound and what the answer requires.
        """
        self.assertEqual([grant.regId for grant in asked.grants], [regId])
        self.assertEqual(asked.appliesOutbound, required)

    def test_outbound(self) -> None:
        """
        Outbound is applied where the first hop holds the connection, and said so to who asked
        (RFC 5626 6).
        """
        self.assertOutbound(terms(FLOW, OUTBOUND), 1, True)
        self.assertOutbound(terms(FLOW, OUTBOUND, WITHOUT_OB), 1, True)
        self.assertOutbound(terms(FLOW, OUTBOUND, WITH_OB, hops=2), 1, True)
        self.assertOutbound(terms(FLOW, WITH_OB, PATH, hops=2), 1, False)

    def test_edgeWithoutOutbound(self) -> None:
        """
        A phone behind an edge that cannot hold its connection learns so, if it knows the answer
        (RFC 5626 6, 11.6); the first hop's Path value decides, not one of a later proxy.
        """
        for path in ((), (WITHOUT_OB,)):
            self.refused(439, FLOW, OUTBOUND, *path, hops=2)
            self.assertOutbound(terms(FLOW, *path, PATH, hops=2), None, False)
            lenient = Policy(rejectMissingOb=False)
            asked = terms(FLOW, OUTBOUND, *path, hops=2, policy=lenient)
            self.assertOutbound(asked, None, False)
        self.assertOutbound(terms(b"Contact: " + contact(), OUTBOUND, hops=2), None, False)

    def test_withoutInstance(self) -> None:
        """
        A reg-id alone is ignored (RFC 5626 6), except to say 439 where that is due.
        """
        lone = b"Contact: " + contact(regId=1)
        self.assertOutbound(terms(lone, OUTBOUND), None, False)
        self.refused(439, lone, OUTBOUND, hops=2)

    def test_instanceOnly(self) -> None:
        """
        An instance alone is fine, and no outbound.
        """
        self.assertOutbound(terms(b"Contact: " + contact(instance=PHONE), OUTBOUND), None, False)

    def test_severalFlows(self) -> None:
        """
        One REGISTER binds one flow, since it came over one; it may drop any number besides
        (RFC 5626 6).
        """
        one, other = contact(instance=PHONE, regId=1), contact(b"sip:x@h", instance=PHONE, regId=2)
        self.refused(400, b"Contact: " + one, b"Contact: " + other)
        self.refused(400, b"Contact: " + one, b"Contact: <sip:plain@h>")
        grants = terms(b"Contact: " + one, b"Contact: " + other + b";expires=0").grants
        self.assertEqual([(grant.regId, grant.seconds) for grant in grants], [(2, 0), (1, 3600)])
        self.assertEqual(self.seconds(b"Contact: " + one + b"," + other, b"Expires: 0"), [0, 0])

    def test_path(self) -> None:
        """
        Calls take the way back in the order it was written (RFC 3327 5.3).
        """
        asked = terms(b"Path: <sip:a;lr>,<sip:b;x=1,2>", b"Path: <sip:c>")
        self.assertEqual(asked.path, (b"<sip:a;lr>", b"<sip:b;x=1,2>", b"<sip:c>"))
        self.assertRaises(Malformed, terms, b"Path: <sip:a>;x=\"\rEvil: y\"")
        self.assertRaises(Malformed, terms, b"Path: sip:a;lr")

    def test_unknownPath(self) -> None:
        """
        A phone that does not know Path cannot see who is in its way: what it gets is a refusal
        (RFC 3327 5.3), unless the operator trusts whoever that is. What the phone itself or this
        server has put there is nobody else's, and no Path is kept by who only asks or leaves.
        """
        plain = b"Contact: <sip:a@h>"
        with self.assertRaises(Refusal) as caught:
            terms(plain, WITH_OB, hops=2)
        self.assertEqual(caught.exception.headers, ((b"Unsupported", b"path"),))
        self.refused(420, FLOW, b"Supported: outbound", WITH_OB, hops=2)
        self.refused(439, FLOW, b"Supported: outbound", WITHOUT_OB, hops=2)
        for known in (
            terms(plain, WITH_OB, hops=2, policy=Policy(rejectUnknownPath=False)),
            terms(plain, WITH_OB, PATH, hops=2),
            terms(plain, WITH_OB),
        ):
            self.assertEqual(len(known.path), 2)
        self.assertEqual(len(terms(plain, hops=2).grants), 1)
        self.assertEqual(terms(WITH_OB, hops=2).grants, ())
