"""
Tests for what counts as evidence in the conformance table.
"""

from __future__ import annotations

import os
import sys
import unittest
from types import ModuleType
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from sipoutbound.test.evidence import flawOf

MODULE = "sipoutbound.test.test_made_up"


class ModuleTests(SynchronousTestCase):
    """
    Names of tests in a module that each test makes up.
    """

    def setUp(self) -> None:
        """
        A module that can be imported, with one test case.
        """

        class Case(SynchronousTestCase):
            def test_it(self) -> None:
                """It is so."""

            def check_it(self) -> None:
                """It is no test: trial does not run it."""

        self.case = Case
        self.module = ModuleType(MODULE)
        self.module.CaseTests = Case  # type: ignore[attr-defined]
        sys.modules[MODULE] = self.module
        self.addCleanup(sys.modules.pop, MODULE)

    def assertFlaw(self, part: str, name: str) -> None:
        """
        That a name is none, for that reason.
        """
        self.assertIn(part, flawOf(name) or "no flaw")

    def test_there(self) -> None:
        """
        A test that trial runs is evidence.
        """
        self.assertIsNone(flawOf(f"{MODULE}.CaseTests.test_it"))

    def test_itself(self) -> None:
        """
        So it is in a real module.
        """
        self.assertIsNone(flawOf(f"{__name__}.ModuleTests.test_itself"))

    def test_inherited(self) -> None:
        """
        A test that a case has from another one is run in both.
        """
        self.module.MoreTests = type("MoreTests", (self.case,), {})  # type: ignore[attr-defined]
        self.assertIsNone(flawOf(f"{MODULE}.MoreTests.test_it"))

    def test_renamed(self) -> None:
        """
        A method that is not there is none, nor is one that trial does not take for a test.
        """
        self.assertFlaw("no test of its case", f"{MODULE}.CaseTests.test_other")
        self.assertFlaw("no test of its case", f"{MODULE}.CaseTests.check_it")
        self.assertFlaw("no test of its case", f"{MODULE}.CaseTests.assertEqual")

    def test_noCase(self) -> None:
        """
        A class that is not there, or that no test runner would look at, has no tests.
        """
        self.module.Plain = type("Plain", (), {"test_it": print})  # type: ignore[attr-defined]
        for name in ("OtherTests", "Plain", "__name__"):
            self.assertFlaw("no test case", f"{MODULE}.{name}.test_it")

    def test_noModule(self) -> None:
        """
        A module that is not there, or where trial does not look for tests, has none.
        """
        for module in ("sipoutbound.test.test_gone", "gone.test_gone", "sipoutbound.test.phone"):
            self.assertFlaw("no module of tests", f"{module}.CaseTests.test_it")

    def test_brokenModule(self) -> None:
        """
        A module of tests that wants what is not installed is not taken for one that is not there.
        """
        folder = self.mktemp()
        os.mkdir(folder)
        with open(os.path.join(folder, "test_wanting.py"), "w", encoding="ascii") as file:
            file.write("import there_is_no_such_module\n")
        self.patch(sys, "path", [*sys.path, os.path.abspath(folder)])
        self.assertRaises(ModuleNotFoundError, flawOf, "test_wanting.CaseTests.test_it")

    def test_short(self) -> None:
        """
        The name of a case, of a module or of nothing is not the name of a test.
        """
        for name in (f"{MODULE}.CaseTests", MODULE, "test_it", "a.test_it", ""):
            self.assertIsNotNone(flawOf(name))

    def test_skipped(self) -> None:
        """
        A test that is skipped shows nothing, wherever that is said; nor does one that may fail.
        """
        name = f"{MODULE}.CaseTests.test_it"
        for place in (self.case.test_it, self.case, self.module):
            for attribute in ("skip", "todo"):
                with mock.patch.object(place, attribute, "not today", create=True):
                    self.assertFlaw(f"has {attribute}", name)
        self.assertIsNone(flawOf(name))

    def test_decorated(self) -> None:
        """
        So it is with the decorators of Python's own unittest.
        """
        for number, decorate in enumerate((unittest.skip("not today"), unittest.expectedFailure)):

            def test_it(self: object) -> None:
                """It is not so."""

            case = type("CaseTests", (SynchronousTestCase,), {"test_it": decorate(test_it)})
            setattr(self.module, f"Case{number}Tests", case)
            self.assertFlaw("is not run", f"{MODULE}.Case{number}Tests.test_it")
