"""
Tests of L{sipoutbound.outbound.headers}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from sipoutbound.outbound.headers import registerTexts
from sipoutbound.test.registers import contact, register


class RegisterTextsTests(SynchronousTestCase):
    """
    What a refresh repeats.
    """

    def test_refresh(self) -> None:
        """
        A refresh is known for one: what changes from one to the next is left out.
        """
        lines = (b"Contact: " + contact(), b"Expires: 60", b"User-Agent: U")
        first = registerTexts(register(*lines, cseq=1))
        self.assertEqual(first, registerTexts(register(*lines, cseq=2, callId=b"other")))
        for other in ((b"Contact: <sip:x@y>", *lines[1:]), (*lines, b"Path: <sip:p>"), lines[:2]):
            self.assertNotEqual(first, registerTexts(register(*other)))

    def test_listsOverSeveralLines(self) -> None:
        """
        Contacts, Paths and option-tags count however they are divided into lines.
        """
        one = register(
            b"Contact: <sip:a@h>, <sip:b@h>", b"Path: <sip:p>, <sip:q>", b"Require: x, y"
        )
        two = register(
            b"m: <sip:a@h>", b"Path: <sip:p>", b"Require: x", b"Contact: <sip:b@h>",
            b"Path: <sip:q>", b"Require: y",
        )  # fmt: skip
        self.assertEqual(registerTexts(one), registerTexts(two))

    def test_otherDuplicates(self) -> None:
        """
        Linphone's three Accept lines are nobody's business here.
        """
        accepts = (b"Accept: a/b", b"Accept: c/d")
        self.assertEqual(registerTexts(register(*accepts)), registerTexts(register()))

    def test_hops(self) -> None:
        """
        The first hop is known by its one Via, however the Vias are divided into lines.
        """
        self.assertEqual([registerTexts(register(hops=n))[-1] for n in (1, 2, 3)], [1, 2, 3])
        joined = register(b"Via: SIP/2.0/UDP b, SIP/2.0/UDP c")
        self.assertEqual(registerTexts(joined)[-1], 3)
