"""
Tests of L{sipoutbound.outbound.update}.
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipoutbound.message.grammar import Malformed
from sipoutbound.message.uri import URI
from sipoutbound.outbound.binding import Binding, Bindings
from sipoutbound.outbound.headers import registerTexts
from sipoutbound.outbound.policy import Policy
from sipoutbound.outbound.refusal import Refusal
from sipoutbound.outbound.registration import Registration
from sipoutbound.outbound.terms import Terms
from sipoutbound.outbound.update import update
from sipoutbound.test.registers import (
    EDGE,
    NOW,
    PHONE,
    contact,
    registration,
    terms,
    wireRegisters,
)

POLICY = Policy()
TABLET = b"urn:uuid:00000000-0000-1000-8000-0000000000ff"

# Two of them equivalent by RFC 3261 19.1.4, and one that differs by its port.
URIS = (b"sip:bob@h", b"sip:b%6fb@H", b"sip:bob@h:5060", b"sip:x@y;transport=tcp")


def _wanted(uri: bytes, instance: bytes | None, regId: int | None, expires: int) -> bytes:
    return contact(uri, instance, regId, expires)


CONTACTS = st.builds(
    _wanted,
    st.sampled_from(URIS),
    st.sampled_from((None, PHONE, TABLET)),
    st.sampled_from((None, 1, 2)),
    st.sampled_from((0, 60, 600)),
)


def _registration(contacts: list[bytes], cseq: int, callId: bytes, path: bytes) -> Registration:
    try:
        return registration(*contacts, cseq=cseq, callId=callId, path=path)
    except Refusal:
        # More than one flow at once: only the first of them.
        return registration(contacts[0], cseq=cseq, callId=callId, path=path)


REGISTERS = st.builds(
    _registration,
    st.lists(CONTACTS, min_size=1, max_size=3),
    st.integers(1, 9),
    st.sampled_from((b"c1", b"c2")),
    st.sampled_from((EDGE, b"<sip:token2@edge.test;lr;ob>")),
)


def after(registers: list[Registration], policy: Policy = POLICY) -> Bindings:
    """
    The bindings after some REGISTERs, refused ones left out, one a minute.
    """
    bindings: Bindings = ()
    for minute, each in enumerate(registers):
        try:
            bindings = update(bindings, each, policy, NOW + 60 * minute - 60 * len(registers))
        except Refusal:
            continue
    return bindings


BINDINGS = st.lists(REGISTERS, max_size=8).map(after)


def later(registered: Registration, cseq: int = 100) -> Registration:
    """
    The same REGISTER with a higher CSeq.
    """
    return Registration(registered.terms, registered.callId, cseq)


def touched(binding: Binding, registered: Registration) -> bool:
    """
    Whether a binding is any business of a REGISTER: one of its own, or the same plain device's. Of
    two Contacts with one URI the last counts.
    """
    alone = update((), registered, POLICY, NOW)
    devices = {made.instance for made in alone if made.regId is None and made.instance}
    return any(grant.concerns(binding) for grant in registered.terms.grants) or (
        binding.regId is None and binding.instance in devices
    )


class UpdateLaws(SynchronousTestCase):
    """
    What holds whatever was registered before, and whatever is registered next.
    """

    @given(BINDINGS, REGISTERS)
    @settings(max_examples=100, deadline=None)
    def test_oneBindingPerKey(self, bindings: Bindings, registered: Registration) -> None:
        """
        No phone is called twice by one call: no two bindings of a flow, or of one URI.
        """
        made = update(bindings, later(registered), POLICY, NOW)
        self.assertEqual(len({each.key for each in made}), len(made))
        uris = [URI.parse(each.contact) for each in made if each.regId is None]
        for at, one in enumerate(uris):
            self.assertFalse(any(one.equivalent(other) for other in uris[:at]))

    @given(BINDINGS, REGISTERS)
    @settings(max_examples=100, deadline=None)
    def test_whatIsAskedForIsBound(self, bindings: Bindings, registered: Registration) -> None:
        """
        A phone that is told 200 is registered as it asked to be, and what it removed is gone.
        """
        made = update(bindings, later(registered), POLICY, NOW)
        kept = [grant for grant in registered.terms.grants if grant.seconds]
        for grant in kept:
            bound = [each for each in made if grant.concerns(each)]
            self.assertEqual(len(bound), 1)
            self.assertEqual(bound[0].cseq, 100)
            self.assertEqual(bound[0].regId, grant.regId)
            self.assertEqual(bound[0].path, registered.terms.path)
        for grant in registered.terms.grants:
            if not grant.seconds:
                left = [each for each in made if grant.concerns(each)]
                self.assertEqual([each.cseq for each in left], [100] * len(left))

    @given(BINDINGS, REGISTERS)
    @settings(max_examples=100, deadline=None)
    def test_othersAreUntouched(self, bindings: Bindings, registered: Registration) -> None:
        """
        Registering one phone, or one flow, never disturbs another.
        """
        made = update(bindings, later(registered), POLICY, NOW)
        for each in bindings:
            if not touched(each, registered):
                self.assertTrue(any(each is other for other in made))

    @given(BINDINGS, REGISTERS)
    @settings(max_examples=100, deadline=None)
    def test_refreshKeepsTheKeys(self, bindings: Bindings, registered: Registration) -> None:
        """
        Refreshing does nothing but refresh.
        """
        once = update(bindings, later(registered, 100), POLICY, NOW)
        twice = update(once, later(registered, 101), POLICY, NOW)
        self.assertEqual({each.key for each in once}, {each.key for each in twice})
        self.assertEqual(len(once), len(twice))

    @given(BINDINGS, REGISTERS)
    @settings(max_examples=100, deadline=None)
    def test_orderIsKept(self, bindings: Bindings, registered: Registration) -> None:
        """
        A REGISTER that was delayed on its way never undoes a later one (RFC 3261 10.3): a binding
        has the highest CSeq of its Call-ID, and what it would have undone refuses it as a whole.
        """
        stale = [
            each
            for each in bindings
            if touched(each, registered)
            and each.callId == registered.callId
            and each.cseq >= registered.cseq
        ]
        try:
            made = update(bindings, registered, POLICY, NOW)
        except Refusal as refusal:
            self.assertTrue(stale)
            self.assertEqual(refusal.status, 500)
        else:
            self.assertFalse(stale)
            for before in bindings:
                for now in made:
                    if before.key == now.key and before.callId == now.callId:
                        self.assertGreaterEqual(now.cseq, before.cseq)

    @given(BINDINGS, REGISTERS)
    @settings(max_examples=100, deadline=None)
    def test_retransmission(self, bindings: Bindings, registered: Registration) -> None:
        """
        A phone whose 200 got lost while the server restarted sends its REGISTER once more, and is
        told 200, not an error; a minute later the same is a mistake or a replay.
        """
        once = update(bindings, later(registered), POLICY, NOW)
        self.assertEqual(update(once, later(registered), POLICY, NOW + 31), once)
        if any(grant.seconds for grant in registered.terms.grants):
            self.assertRaises(Refusal, update, once, later(registered), POLICY, NOW + 33)

    @given(BINDINGS)
    @settings(max_examples=100, deadline=None)
    def test_nothingAsked(self, bindings: Bindings) -> None:
        """
        A fetch changes nothing.
        """
        self.assertIs(update(bindings, registration(), POLICY, NOW), bindings)

    @given(st.lists(REGISTERS, max_size=12))
    @settings(max_examples=100, deadline=None)
    def test_room(self, registers: list[Registration]) -> None:
        """
        However much is registered, a limit is a limit: callers never wait for hundreds of flows.
        """
        made = after(registers, Policy(devices=2, flows=1))
        self.assertLessEqual(len({each.instance or each.contact for each in made}), 2)
        flows = [each.instance for each in made if each.regId is not None]
        self.assertEqual(len(set(flows)), len(flows))


class UpdateTests(SynchronousTestCase):
    """
    Cases with a story.
    """

    def test_whatIsStored(self) -> None:
        """
        All there is to know about a binding is kept (RFC 3261 10.3, RFC 5626 6, RFC 3327 5.3).
        """
        asked = terms(
            b'Contact: <sip:b@h>;x;reg-id=3;q=0.5;expires=90;+sip.instance="<urn:x:Y>"',
            b"Path: <sip:p>, <sip:q>",
            b"User-Agent: U/1",
        )
        flows: dict[tuple[bytes, ...], bytes] = {(b"<sip:p>", b"<sip:q>"): b"the flow"}
        (made,) = update((), Registration(asked, b"c", 7), POLICY, NOW + 0.9, flows.__getitem__)
        self.assertEqual(
            made,
            Binding(
                asked.aor, b"sip:b@h", b';x;reg-id=3;+sip.instance="<urn:x:Y>"', b"urn:x:Y", 3,
                (b"<sip:p>", b"<sip:q>"), b"c", 7, 500, int(NOW) + 90, NOW + 0.9, b"U/1",
                b"the flow",
            ),
        )  # fmt: skip

    def test_newFlow(self) -> None:
        """
        A phone back on a new connection is called over that one (RFC 5626 6).
        """
        old = update((), registration(contact(instance=PHONE, regId=1)), POLICY, NOW)
        moved = registration(
            contact(b"sip:new@h", PHONE, 1), cseq=2, path=b"<sip:token2@edge.test;lr;ob>"
        )
        (made,) = update(old, moved, POLICY, NOW, lambda path: path[0][5:11])
        self.assertEqual((made.contact, made.flow), (b"sip:new@h", b"token2"))

    def test_sameFlowIsNotLookedUpAgain(self) -> None:
        """
        The common refresh stays cheap: its Path was understood the first time.
        """
        asked: list[bytes] = []

        def flowOf(path: tuple[bytes, ...]) -> bytes:
            asked.append(path[0])
            return b"token1"

        first = registration(contact(instance=PHONE, regId=1))
        once = update((), first, POLICY, NOW, flowOf)
        (made,) = update(once, later(first), POLICY, NOW, flowOf)
        self.assertEqual((asked, made.flow), ([EDGE], b"token1"))

    def test_pjsuaAfterFlowLoss(self) -> None:
        """
        pjsua drops its old URI and adds its new one under one key in one REGISTER; it is called at
        the new one instead of nowhere.
        """
        old, new = b"sip:pjs@127.0.0.1:37855", b"sip:pjs@127.0.0.1:53601"
        before = update((), registration(contact(old, PHONE, 1)), POLICY, NOW)
        for order in ((new, old), (old, new)):
            both = [contact(uri, PHONE, 1, 300 if uri == new else 0) for uri in order]
            made = update(before, registration(*both, cseq=2), POLICY, NOW)
            self.assertEqual([each.contact for each in made], [new])

    def test_linphoneAfterChangeOfNetwork(self) -> None:
        """
        Linphone without reg-id under a new URI leaves no dead binding behind; its flow-aware
        sibling with the same instance is not its business.
        """
        flow = update((), registration(contact(instance=PHONE, regId=1), callId=b"f"), POLICY, NOW)
        first = update(flow, registration(contact(b"sip:old@h", PHONE)), POLICY, NOW)
        made = update(first, registration(contact(b"sip:new@h", PHONE), cseq=2), POLICY, NOW)
        self.assertEqual({(each.contact, each.regId) for each in made},
                         {(flow[0].contact, 1), (b"sip:new@h", None)})  # fmt: skip

    def test_delayedRegisterOfAnInstance(self) -> None:
        """
        Linphone's REGISTER from its last network, delayed, does not undo the one from its new one.
        """
        made = update((), registration(contact(b"sip:new@h", PHONE), cseq=2), POLICY, NOW)
        self.assertRaises(
            Refusal, update, made, registration(contact(b"sip:old@h", PHONE)), POLICY, NOW
        )

    def test_retransmissionOfEquivalentUris(self) -> None:
        """
        Also where two of its Contacts are one and the same, so that one was bound.
        """
        twice = registration(contact(b"sip:bob@h"), contact(b"sip:b%6fb@H"))
        made = update((), twice, POLICY, NOW)
        self.assertEqual(len(made), 1)
        self.assertIs(update(made, twice, POLICY, NOW), made)

    def test_sameNumberOtherRequest(self) -> None:
        """
        Only the same request again is taken for a retransmission: one that asks for something
        else under the same CSeq is not answered as if it had got it.
        """
        first = registration(contact(instance=PHONE, regId=1))
        made = update((), first, POLICY, NOW)
        self.assertIs(update(made, first, POLICY, NOW), made)
        for other in (
            registration(contact(b"sip:other@h", PHONE, 1)),
            registration(contact(instance=PHONE, regId=1) + b";x"),
            registration(contact(instance=PHONE, regId=1), path=b"<sip:other>"),
        ):
            self.assertRaises(Refusal, update, made, other, POLICY, NOW)

    def test_twoUrisOfOneInstance(self) -> None:
        """
        A phone without reg-id that asks for two URIs in one REGISTER gets both.
        """
        both = registration(contact(b"sip:a@h", PHONE), contact(b"sip:b@h", PHONE))
        self.assertEqual(len(update((), both, POLICY, NOW)), 2)

    def test_removeByKey(self) -> None:
        """
        A rebooted phone with a new URI can still remove its flow (RFC 5626 6: the URI is not
        compared).
        """
        before = update((), registration(contact(instance=PHONE, regId=1)), POLICY, NOW)
        gone = registration(contact(b"sip:other@h", PHONE, 1, 0), callId=b"new")
        self.assertEqual(update(before, gone, POLICY, NOW), ())

    def test_star(self) -> None:
        """
        C{*} removes all, unless some binding has seen a later request of that Call-ID: then it
        removes none (RFC 3261 10.3 step 6).
        """
        before = after([registration(contact(b"sip:a@h")), registration(contact(b"sip:b@h"),
                        callId=b"c2", cseq=5)])  # fmt: skip
        star = terms(b"Contact: *", b"Expires: 0")
        self.assertEqual(len(before), 2)
        for callId, cseq in ((b"c1", 1), (b"c2", 5), (b"c2", 4)):
            with self.assertRaises(Refusal) as caught:
                update(before, Registration(star, callId, cseq), POLICY, NOW)
            self.assertEqual(caught.exception.status, 500)
        for callId, cseq in ((b"c1", 2), (b"c2", 6), (b"c3", 1)):
            self.assertEqual(update(before, Registration(star, callId, cseq), POLICY, NOW), ())

    def test_newCallIdLeavesSiblings(self) -> None:
        """
        A fresh Call-ID on one flow does not cost the phone its other flow.
        """
        flows = after([registration(contact(instance=PHONE, regId=n), callId=b"%d" % n)
                       for n in (1, 2)])  # fmt: skip
        again = registration(contact(instance=PHONE, regId=1), callId=b"x")
        self.assertEqual(len(update(flows, again, POLICY, NOW)), 2)

    def test_tooManyDevices(self) -> None:
        """
        The eleventh device is told that there is no room; the ten can refresh, also with limits
        lowered since, and one more flow of a device is no more device.
        """
        devices = [contact(b"sip:%d@h" % n, b"urn:uuid:%d" % n, 1) for n in range(11)]
        ten = after([registration(each) for each in devices[:10]])
        with self.assertRaises(Refusal) as caught:
            update(ten, registration(devices[10]), POLICY, NOW)
        self.assertEqual(caught.exception.status, 403)
        update(ten, registration(devices[9], cseq=2), Policy(devices=3), NOW)
        update(ten, registration(contact(b"sip:x@h", b"urn:uuid:1", 2)), POLICY, NOW)
        replaced = registration(devices[0] + b";expires=0", devices[10], cseq=2)
        self.assertEqual(len(update(ten, replaced, POLICY, NOW)), 10)

    def test_tooManyFlows(self) -> None:
        """
        A device that makes up reg-ids does not fill the table; its flows can be refreshed.
        """
        flows = [contact(instance=PHONE, regId=n) for n in range(1, 10)]
        eight = after([registration(each) for each in flows])
        self.assertEqual(len(eight), 8)
        with self.assertRaises(Refusal) as caught:
            update(eight, registration(flows[8]), POLICY, NOW)
        self.assertEqual(caught.exception.status, 403)
        update(eight, registration(flows[0], cseq=2), Policy(flows=2), NOW)

    def test_badUris(self) -> None:
        """
        What could not be called is not registered.
        """
        for bad in (registration(contact(b"sip:a b@h".replace(b" ", b"{"))),
                    registration(contact(b"sip:a@h:99999")),
                    registration(contact(), path=b"<sip:edge:0>"),
                    registration(contact(), path=b"<edge>")):  # fmt: skip
            self.assertRaises(Malformed, update, (), bad, POLICY, NOW)

    def test_wire(self) -> None:
        """
        Every real client is bound by its first REGISTER, refreshed by its next, and bound once.
        """
        for name, message in wireRegisters():
            read = Terms.parse(registerTexts(message), lambda host: True, POLICY)
            first = Registration(read, message.callId, message.cseq.number)
            once = update((), first, POLICY, NOW)
            removal = "unregister" in name
            self.assertEqual(len(once), 0 if removal else 1, name)
            if not removal:
                (again,) = update(once, later(first, first.cseq + 1), POLICY, NOW + 30)
                self.assertEqual(again.key, once[0].key, name)
                self.assertEqual(again.regId is not None, b"reg-id" in again.params, name)
