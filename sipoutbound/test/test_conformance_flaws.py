"""
Tests for the checks of the conformance table, on small tables of their own.
"""

from __future__ import annotations

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from sipoutbound.test.conformance import (
    KEPT,
    LATER,
    LEVELS,
    NOT_APPLICABLE,
    NOT_KEPT,
    ROLES,
    Judgement,
    Statement,
    flaws,
    judgements,
    statements,
)

PATH = Statement("3327-5.3-1", "3327", "5.3", "registrar", "MUST")
TOKEN = Statement("5626-5.1-4", "5626", "5.1", "edge", "MUST NOT")
KEPT_PATH = Judgement(PATH.id, "MUST", KEPT, ("a.B.test_c",), "")
KEPT_TOKEN = Judgement(TOKEN.id, "MUST NOT", KEPT, ("a.B.test_d", "a.B.test_e"), "")
STATED = [PATH, TOKEN]


class FlawsTests(SynchronousTestCase):
    """
    Each thing that can be wrong with a table is told, with the statement's id.
    """

    def assertFlaw(self, flaw: str, *judged: Judgement) -> None:
        """
        That a table has just this flaw.
        """
        self.assertEqual(flaws(STATED, judged), [flaw])

    def test_none(self) -> None:
        """
        A table in order is left in peace.
        """
        self.assertEqual(flaws(STATED, [KEPT_TOKEN, KEPT_PATH]), [])

    def test_missing(self) -> None:
        """
        A statement that nobody has judged is missed.
        """
        self.assertFlaw("3327-5.3-1: has no row", KEPT_TOKEN)

    def test_doubled(self) -> None:
        """
        Two judgements on one statement, of which a reader would find one, are found both.
        """
        self.assertFlaw("3327-5.3-1: has 2 rows", KEPT_PATH, KEPT_TOKEN, KEPT_PATH)

    def test_unknown(self) -> None:
        """
        A row about nothing, such as one with a slip in its id, is no judgement.
        """
        unknown = evolve(KEPT_PATH, id="3327-5.3-9")
        flaw = "3327-5.3-9: is no statement of the inventory"
        self.assertFlaw(flaw, KEPT_PATH, KEPT_TOKEN, unknown)

    def test_level(self) -> None:
        """
        A MUST cannot be turned into a SHOULD in the table.
        """
        flaw = "3327-5.3-1: is called SHOULD and is a MUST"
        self.assertFlaw(flaw, evolve(KEPT_PATH, level="SHOULD"), KEPT_TOKEN)

    def test_state(self) -> None:
        """
        There are three states and no others.
        """
        flaw = "3327-5.3-1: 'partly' is no state"
        self.assertFlaw(flaw, evolve(KEPT_PATH, state="partly", reason="So."), KEPT_TOKEN)

    def test_keptWithoutTest(self) -> None:
        """
        Nothing is called kept on somebody's word.
        """
        flaw = "3327-5.3-1: kept, but no test shows it"
        self.assertFlaw(flaw, evolve(KEPT_PATH, tests=()), KEPT_TOKEN)

    def test_keptWithReason(self) -> None:
        """
        What is kept has no reason why it is not: one of the two would be wrong.
        """
        flaw = "3327-5.3-1: kept, but has a reason why it is not"
        self.assertFlaw(flaw, evolve(KEPT_PATH, reason="There is no Path."), KEPT_TOKEN)

    def test_withoutReason(self) -> None:
        """
        Who reads that something is not kept is told why.
        """
        for state in (NOT_KEPT, NOT_APPLICABLE):
            flaw = f"3327-5.3-1: {state} without a reason"
            self.assertFlaw(flaw, evolve(KEPT_PATH, state=state, reason=" "), KEPT_TOKEN)

    def test_twice(self) -> None:
        """
        One test is not counted as two.
        """
        name = "a.B.test_c"
        flaw = f"3327-5.3-1: names {name} twice"
        self.assertFlaw(flaw, evolve(KEPT_PATH, tests=(name, name)), KEPT_TOKEN)

    def test_owed(self) -> None:
        """
        No excuse is taken for a MUST of RFC 5626 that is the server's, whichever part has it.
        """
        for role in ("edge", "registrar", "authoritative-proxy", "transport", "all"):
            for level in ("MUST", "MUST NOT", "REQUIRED"):
                for state in (NOT_KEPT, NOT_APPLICABLE):
                    stated = evolve(TOKEN, role=role, level=level)
                    judged = Judgement(TOKEN.id, level, state, (), "It is hard.")
                    flaw = f"5626-5.1-4: {state}, but a {level} of RFC 5626 for {role}"
                    self.assertEqual(flaws([stated], [judged]), [flaw])

    def test_later(self) -> None:
        """
        The one exception is left when it is needed no more.
        """
        self.assertEqual(LATER, ("5626-12-4",))
        stated = Statement("5626-12-4", "5626", "12", "all", "REQUIRED")
        judged = Judgement(stated.id, "REQUIRED", NOT_KEPT, (), "There is no TLS.")
        self.assertEqual(flaws([stated], [judged]), [])
        kept = evolve(judged, state=KEPT, tests=("a.B.test_c",), reason="")
        flaw = "5626-12-4: kept, and needs its exception no longer"
        self.assertEqual(flaws([stated], [kept]), [flaw])

    def test_notOwed(self) -> None:
        """
        What is a user agent's, a SHOULD, or of another RFC may be left out with a reason.
        """
        for stated in (
            evolve(TOKEN, role="UA"),
            evolve(TOKEN, level="SHOULD"),
            evolve(TOKEN, rfc="5627"),
        ):
            judged = Judgement(TOKEN.id, stated.level, NOT_KEPT, (), "It is hard.")
            self.assertEqual(flaws([stated], [judged]), [])

    def test_inventory(self) -> None:
        """
        The inventory itself has no statement twice, and none that no check would look at because
        its level or role has a slip.
        """
        self.assertEqual(flaws([PATH, PATH], [KEPT_PATH]), ["3327-5.3-1: is stated 2 times"])
        stated = [evolve(PATH, level="Must"), evolve(TOKEN, role="egde")]
        judged = [evolve(KEPT_PATH, level="Must"), KEPT_TOKEN]
        self.assertEqual(
            flaws(stated, judged),
            [
                f"3327-5.3-1: 'Must' is none of the levels {', '.join(LEVELS)}",
                f"5626-5.1-4: 'egde' is none of the roles {', '.join(ROLES)}",
            ],
        )


class ReadingTests(SynchronousTestCase):
    """
    The two files are read as they are meant.
    """

    def test_statements(self) -> None:
        """
        A line of the inventory is a statement, in the file's order.
        """
        lines = [
            "id,rfc,section,role,level",
            "3327-5.3-1,3327,5.3,registrar,MUST",
            "5626-5.1-4,5626,5.1,edge,MUST NOT",
        ]
        self.assertEqual(statements(lines), STATED)

    def test_judgements(self) -> None:
        """
        A line of the table is a judgement; blanks part the tests, and a comma may be in a reason.
        """
        lines = [
            "id,level,state,tests,reason",
            "5626-5.1-4,MUST NOT,kept,a.B.test_d a.B.test_e,",
            '3327-5.3-1,MUST,not kept,,"There is none, yet."',
        ]
        read = Judgement(PATH.id, "MUST", NOT_KEPT, (), "There is none, yet.")
        self.assertEqual(judgements(lines), [KEPT_TOKEN, read])

    def test_columns(self) -> None:
        """
        Columns that are missing or in another order do not pass for others.
        """
        error = self.assertRaises(ValueError, judgements, ["id,state,level,tests,reason"])
        self.assertIn("should be id,level,state,tests,reason", str(error))

    def test_row(self) -> None:
        """
        An unquoted comma in a reason does not cut it off.
        """
        lines = ["id,level,state,tests,reason", "3327-5.3-1,MUST,not kept,,There is none, yet."]
        error = self.assertRaises(ValueError, judgements, lines)
        self.assertIn("row 2 has 6 columns", str(error))
