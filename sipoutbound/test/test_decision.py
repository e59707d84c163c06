"""
Decisions as a programmer writes them.
"""

from __future__ import annotations

from typing import Any

from attrs.exceptions import FrozenInstanceError
from twisted.trial.unittest import SynchronousTestCase

from sipoutbound.message.grammar import Malformed
from sipoutbound.message.uri import URI
from sipoutbound.routing.decision import Forward, Redirect, Reply, Target

ALICE, BOB = "sip:alice@example.org", "sip:bob@example.org"


class ForwardTests(SynchronousTestCase):
    """
    L{Forward}: what rings at once, and what after it.
    """

    def test_oneAfterTheOther(self) -> None:
        """
        Targets beside each other are tried one after the other.
        """
        groups = (Target(ALICE.encode()),), (Target(BOB.encode()),)
        self.assertEqual(Forward(ALICE, BOB).groups, groups)

    def test_atOnce(self) -> None:
        """
        Targets in a tuple or a list ring at once.
        """
        groups = ((Target(ALICE.encode()), Target(BOB.encode())),)
        self.assertEqual(Forward((ALICE, BOB)).groups, groups)
        self.assertEqual(Forward([ALICE, BOB]).groups, groups)

    def test_spellings(self) -> None:
        """
        A target is text, octets, a URI or a whole L{Target}.
        """
        whole = Target(BOB.encode(), (b"<sip:p.example.org;lr>",))
        mixed = Forward(ALICE.encode(), URI.parse(ALICE.encode()), whole, BOB)
        texts = [target.uri for group in mixed.groups for target in group]
        alice = ALICE.encode()
        self.assertEqual(texts, [alice, alice, BOB.encode(), BOB.encode()])
        self.assertEqual(mixed.groups[2], (whole,))

    def test_noURI(self) -> None:
        """
        A router's mistake is told to who wrote it, and not to the caller as his.
        """
        for text in ("bob at example.org", "sip:\u00e4@example.org", ""):
            error = self.assertRaises(ValueError, Forward, text)
            self.assertNotIsInstance(error, Malformed)
            self.assertIn(repr(text), str(error))

    def test_empty(self) -> None:
        """
        No target at all is a value too: it comes to 480.
        """
        self.assertEqual(Forward().groups, ())

    def test_emptyGroup(self) -> None:
        """
        Nor is a group of none a group: a caller would wait for it for ever.
        """
        empty: tuple[tuple[Any, ...], ...] = (([],), ((),), ((), []), ([], ALICE, ()))
        for groups in empty:
            expected = ((Target(ALICE.encode()),),) if ALICE in groups else ()
            self.assertEqual(Forward(*groups).groups, expected)

    def test_groupsAgain(self) -> None:
        """
        Groups make the same decision again, with other headers for instance.
        """
        one = Forward((ALICE, BOB), ALICE)
        other = Forward(*one.groups, headers=(("X", "y"),))
        self.assertEqual(other.groups, one.groups)
        self.assertEqual(other.headers, (("X", "y"),))

    def test_values(self) -> None:
        """
        Decisions are values: equal when they say the same, never changed by whom they pass.
        """
        self.assertEqual(Forward(ALICE), Forward(Target(ALICE.encode())))
        self.assertNotEqual(Forward(ALICE), Forward(BOB))
        self.assertEqual(Reply(486), Reply(486, None, ()))
        for value in (Forward(ALICE), Reply(486), Redirect((ALICE,)), Target()):
            for name in ("status", "groups", "contacts", "uri"):
                if hasattr(value, name):
                    self.assertRaises(FrozenInstanceError, setattr, value, name, None)
