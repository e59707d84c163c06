"""
Tests for the documentation's own directives: what they make of small tables, and of the options.
"""

from __future__ import annotations

import html
import os
import re
import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from sipoutbound.options import Options
from sipoutbound.test.conformance import FOLDER

CONFIGURATION = """
extensions = ["conformancepage", "optionlist", "sourcepages"]
source_root, source_packages = ".", ["office"]
project_copyright = "nobody"
"""

PAGES = {
    "conf.py": CONFIGURATION,
    "index.rst": "Page\n====\n\n.. conformance::\n",
    "statements.csv": """\
id,rfc,section,role,level
5626-5.1-4,5626,5.1,edge,MUST
3261-16.3-1,3261,16.3,proxy,MUST
3261-16.3-2,3261,16.3,proxy,MUST NOT
3261-8.1.1-1,3261,8.1.1,UA,MUST
""",
    "conformance.csv": """\
id,level,state,tests,reason
5626-5.1-4,MUST,kept,office.test_desk.DeskTests.test_first office.test_desk.DeskTests.test_old,
3261-16.3-1,MUST,kept,office.test_desk.DeskTests.test_second,
3261-16.3-2,MUST NOT,not kept,,It is <hard>.
3261-8.1.1-1,MUST,not applicable,,There is no *user agent*.
""",
    "office/test_desk.py": """\
class Old: pass

class DeskTests(Old):
    def test_first(self):
        '''This line is the <fifth>.'''

    @decorated
    async def test_second(self): pass
""",
}

TWISTED = "https://docs.twisted.org/en/stable/api"
PYTHON = "https://docs.python.org/3/library"
RFC = "https://www.rfc-editor.org/rfc"


class DocumentationTestCase(SynchronousTestCase):
    """
    A documentation of a few lines, made with the directives of the real one.
    """

    def setUp(self) -> None:
        """
        @raise SkipTest: where the directives or what they need are not installed.
        """
        if not (FOLDER / "statements.csv").is_file():
            raise SkipTest("docs/ is not beside the package: only in a checkout")
        if find_spec("sphinx") is None:
            raise SkipTest("Sphinx is not installed: pip install .[docs]")
        self.patch(sys, "path", [str(FOLDER / "_ext"), *sys.path])
        self.folder = Path(self.mktemp())

    def build(self, **others: str) -> tuple[int, str]:
        """
        @param others: pages to take instead, the names with C{_} for the dot.
        @return: Sphinx's exit status, and what it says on the standard error.
        """
        for name, text in {**PAGES, **{n.replace("_", "."): t for n, t in others.items()}}.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        search = os.pathsep.join(map(os.path.abspath, sys.path))
        ended = subprocess.run(
            [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", ".", "html"],
            cwd=self.folder, env={**os.environ, "PYTHONPATH": search},
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        return ended.returncode, ended.stderr

    def page(self, name: str = "index") -> str:
        """
        The text of a page that was built.
        """
        return (self.folder / "html" / f"{name}.html").read_text(encoding="utf-8")


class ConformancePageTests(DocumentationTestCase):
    """
    The page on conformance.
    """

    def test_page(self) -> None:
        """
        Readers see the counts, each statement with a link to its text, the tests with links to
        their source, and the reasons as they were written.
        """
        self.assertEqual(self.build(), (0, ""))
        page = self.page()
        for row in (
            "RFC 3261: SIP every role 1 1 1",
            "proxy 1 0 1",
            "UA 0 1 0",
            "RFC 5626: Outbound every role 1 0 0",
            "RFC 3261 10, 16, 17, 18: MUST 95% 1 of 2",
            "3261-16.3-2 proxy MUST NOT not kept It is &lt;hard&gt;.",
            "3261-8.1.1-1 UA MUST not applicable There is no *user agent*.",
        ):
            self.assertIn(row, self._rows(page))
        self.assertIn(f'href="{RFC}/rfc3261#section-8.1.1">3261-8.1.1-1</a>', page)
        for line, name in ((4, "test_first"), (3, "test_old"), (8, "test_second")):
            target = f'href="source/office/test_desk.py.html#line-{line}"'
            self.assertRegex(page, f"{target}>(<[^>]*>)*test_desk.DeskTests.{name}<")

    def _rows(self, page: str) -> list[str]:
        """
        The text of each row of each table.
        """
        rows = [row.partition("</tr>")[0] for row in page.split("<tr")[1:]]
        return [" ".join(re.sub("<[^>]*>", " ", row.partition(">")[2]).split()) for row in rows]

    def test_source(self) -> None:
        """
        Who follows the link to a test finds its text, on the line that the link says.
        """
        self.assertEqual(self.build(), (0, ""))
        fifth = self.page("source/office/test_desk.py").partition('id="line-5"')[2]
        fifth = fifth.partition('id="line-6"')[0]
        self.assertIn("This line is the &lt;fifth&gt;.", re.sub("<[^>]*>", "", f"<{fifth}>"))

    def test_noTest(self) -> None:
        """
        A table that names a test which is not there does not become a page with a dead link.
        """
        for name in (
            "office.test_desk.OtherTests.test_first",
            "office.test_gone.DeskTests.test_it",
        ):
            table = PAGES["conformance.csv"].replace("office.test_desk.DeskTests.test_second", name)
            status, told = self.build(conformance_csv=table)
            self.assertEqual(status, 1)
            self.assertIn(f"3261-16.3-1: {name} is not there", told)

    def test_noRow(self) -> None:
        """
        A table without a statement does not become a page that hides it.
        """
        table = PAGES["conformance.csv"].rpartition("3261-8.1.1-1")[0]
        status, told = self.build(conformance_csv=table)
        self.assertEqual(status, 1)
        self.assertIn("3261-8.1.1-1: has no row", told)


class OptionListTests(DocumentationTestCase):
    """
    The options of the command line.
    """

    def test_all(self) -> None:
        """
        Each option is there with its whole help, brackets and stars included.
        """
        self.assertEqual(self.build(index_rst="Page\n====\n\n.. optionlist::\n"), (0, ""))
        text = html.unescape(re.sub("<[^>]*>", "", self.page()))
        options = Options()
        for name in sorted({name.rstrip("=") for name in options.longOpt} - {"help", "version"}):
            self.assertIn(f'id="cmdoption-twistd-sipoutbound-{name}"', self.page())
            self.assertIn(options.docs[name].replace("'", "\N{RIGHT SINGLE QUOTATION MARK}"), text)


class ReferenceTests(DocumentationTestCase):
    """
    The API reference.
    """

    def test_elsewhere(self) -> None:
        """
        Names of Twisted and of Python lead to the page and the place where these document them.
        """
        reference = import_module("apireference")
        elsewhere = reference.Elsewhere(lambda *_, **__: None)
        for name, address in {
            "twisted.internet.defer.Deferred": f"{TWISTED}/twisted.internet.defer.Deferred.html",
            "twisted.internet.defer.Deferred.fromCoroutine": (
                f"{TWISTED}/twisted.internet.defer.Deferred.html#fromCoroutine"
            ),
            "twisted.internet.protocol.connectionDone": (
                f"{TWISTED}/twisted.internet.protocol.html#connectionDone"
            ),
            "twisted.internet": f"{TWISTED}/twisted.internet.html",
            "math.inf": f"{PYTHON}/math.html#math.inf",
            "collections.abc.Iterator": f"{PYTHON}/collections.abc.html#collections.abc.Iterator",
            "sqlite3": f"{PYTHON}/sqlite3.html#module-sqlite3",
            "OSError": f"{PYTHON}/exceptions.html#OSError",
            "bytes": f"{PYTHON}/stdtypes.html#bytes",
            "None": f"{PYTHON}/constants.html#None",
            "sorted": f"{PYTHON}/functions.html#sorted",
            "sipoutbound.stack": None,
            "Nonsense": None,
        }.items():
            self.assertEqual(elsewhere.getLink(name), address)
