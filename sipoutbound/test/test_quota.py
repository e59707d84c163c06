"""
Tests for the quotas of the conformance table.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from sipoutbound.test.conformance import (
    KEPT,
    MUST,
    NOT_APPLICABLE,
    NOT_KEPT,
    SHOULD,
    Judgement,
    Statement,
)
from sipoutbound.test.quota import QUOTAS, Quota

PROXY = Quota("3261", ("16", "18.1"), MUST, 95)


def judged(*states: str) -> tuple[list[Statement], dict[str, Judgement]]:
    """
    @param states: what is said about one MUST after the other of RFC 3261 16.
    @return: the statements, and the judgements by their ids.
    """
    stated = [
        Statement(f"3261-16-{number}", "3261", "16", "proxy", "MUST")
        for number in range(len(states))
    ]
    pairs = zip(stated, states, strict=True)
    return stated, {each.id: Judgement(each.id, "MUST", state, (), "") for each, state in pairs}


class QuotaTests(SynchronousTestCase):
    """
    A share is what is kept of what applies.
    """

    def test_share(self) -> None:
        """
        What is not kept counts against, what is not applicable is left out.
        """
        share = PROXY.share(*judged(KEPT, KEPT, NOT_KEPT, NOT_APPLICABLE, KEPT))
        self.assertEqual(share, (3, 4))

    def test_met(self) -> None:
        """
        The number asked for is enough, and one less is not.
        """
        self.assertTrue(PROXY.met(19, 20))
        self.assertFalse(PROXY.met(18, 19))

    def test_all(self) -> None:
        """
        Of a hundred percent nothing is missing, however many there are.
        """
        whole = Quota("3327", (), MUST, 100)
        self.assertTrue(whole.met(1000, 1000))
        self.assertFalse(whole.met(999, 1000))

    def test_section(self) -> None:
        """
        A section has those below it, but not one whose number only begins alike.
        """
        covered = {
            section: PROXY.covers(Statement("", "3261", section, "proxy", "MUST"))
            for section in ("16", "16.7", "18.1.1", "1", "160", "17.16", "18.11", "18")
        }
        self.assertEqual([s for s, yes in covered.items() if yes], ["16", "16.7", "18.1.1"])

    def test_levels(self) -> None:
        """
        A MUST NOT and what is REQUIRED are as good as a MUST; a SHOULD or a MAY is not.
        """
        covered = [
            level
            for level in ("MUST", "MUST NOT", "REQUIRED", "SHOULD", "SHOULD NOT", "MAY")
            if PROXY.covers(Statement("", "3261", "16", "proxy", level))
        ]
        self.assertEqual(covered, ["MUST", "MUST NOT", "REQUIRED"])

    def test_goals(self) -> None:
        """
        These are the goals: lowering one is not done by the way.
        """
        goals = {(each.rfc, each.sections, each.levels): each.percent for each in QUOTAS}
        for rfc in ("3263", "3327", "3581", "4320", "5393", "6026"):
            self.assertEqual((goals[rfc, (), MUST], goals[rfc, (), SHOULD]), (100, 100))
        core = ("10", "16", "17", "18")
        self.assertEqual((goals["3261", core, MUST], goals["3261", core, SHOULD]), (95, 85))
