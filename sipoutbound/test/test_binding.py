"""
Tests of L{sipoutbound.outbound.binding}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from sipoutbound.test.registers import binding


class BindingTests(SynchronousTestCase):
    """
    What tells one binding from another.
    """

    def test_keyOfFlow(self) -> None:
        """
        A phone that registers anew has one binding per flow, not one per Contact URI it has used
        (RFC 5626 6).
        """
        first = binding(contact=b"sip:bob@192.0.2.1:1")
        self.assertEqual(first.key, binding(contact=b"sip:bob@192.0.2.1:2").key)
        self.assertNotEqual(first.key, binding(regId=2).key)
        self.assertNotEqual(first.key, binding(instance=b"urn:uuid:other").key)

    def test_keyOfContact(self) -> None:
        """
        A plain phone's binding never collides with a flow's, even one named to look like it.
        """
        flow = binding(regId=1, instance=b"sip:x")
        plain = binding(regId=None, instance=b"sip:x", contact=b"sip:x")
        self.assertEqual(plain.key, b"sip:x")
        self.assertNotIn(b"=", flow.contact.partition(b":")[0])
        self.assertIn(b"=", flow.key.partition(b";")[0])

    def test_sameOrRegisteredAnew(self) -> None:
        """
        What is learnt about an old registration is not held against the new one.
        """
        old = binding()
        self.assertTrue(old.isSameAs(binding(expires=1, updated=1.0)))
        for changed in ({"cseq": 2}, {"callId": b"x"}, {"path": (b"<sip:x>",)}, {"regId": 2}):
            self.assertFalse(old.isSameAs(binding(**changed)), changed)
