"""
The conformance table holds: it says something about every statement, and its evidence is there.
"""

from __future__ import annotations

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from sipoutbound.test.conformance import FOLDER, Judgement, Statement, flaws, inventory, table
from sipoutbound.test.evidence import flawOf
from sipoutbound.test.quota import QUOTAS


class ConformanceTests(SynchronousTestCase):
    """
    C{docs/conformance.csv}, the table that is published.
    """

    stated: list[Statement]
    judged: list[Judgement]

    def setUp(self) -> None:
        """
        @raise SkipTest: where the package has been installed without its documentation.
        """
        if not (FOLDER / "statements.csv").is_file():
            raise SkipTest("docs/ is not beside the package: only in a checkout")
        self.stated, self.judged = inventory(), table()

    def test_complete(self) -> None:
        """
        Whoever looks a statement up finds what it is and why; and no MUST of RFC 5626 for a server
        is given up.
        """
        self.assertEqual("\n".join(flaws(self.stated, self.judged)), "")

    def test_evidence(self) -> None:
        """
        What is called kept is shown by tests that are there and are run: a promise whose test was
        renamed, dropped or skipped would be worth nothing.
        """
        names = {name: judgement.id for judgement in self.judged for name in judgement.tests}
        found = [(id, name, flawOf(name)) for name, id in names.items()]
        self.assertEqual("\n".join(f"{i}: {name} {flaw}" for i, name, flaw in found if flaw), "")

    def test_quotas(self) -> None:
        """
        No less is kept of an RFC than was reached once. What is not applicable is left out of the
        count, what is not kept counts against it.
        """
        judged = {judgement.id: judgement for judgement in self.judged}
        shares = [(quota, *quota.share(self.stated, judged)) for quota in QUOTAS]
        short = [
            f"{quota.name}: {kept} of {number} kept, {quota.percent}% needed"
            for quota, kept, number in shares
            if not quota.met(kept, number)
        ]
        self.assertEqual("\n".join(short), "")
