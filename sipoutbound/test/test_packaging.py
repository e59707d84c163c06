"""Tests for what makes an installed copy whole: the twistd command, the data beside the code."""

from __future__ import annotations

import os
import subprocess
import sys
from configparser import ConfigParser
from importlib.resources import files
from pathlib import Path

from twisted.application.service import IServiceMaker, ServiceMaker
from twisted.plugin import getPlugins, pluginPackagePaths
from twisted.trial.unittest import SkipTest, SynchronousTestCase

import sipoutbound
from sipoutbound.options import Options

CHECKOUT = Path(sipoutbound.__file__).parents[1]
TWISTD = "import sys; from twisted.scripts.twistd import run; sys.argv[0] = 'twistd'; run()"


def twistd(folder: str, *words: str) -> subprocess.CompletedProcess[str]:
    """
    @param folder: where to run.
    @param words: the command line.
    @return: how C{twistd} ended, within 60 seconds.
    """
    os.makedirs(folder)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))}
    return subprocess.run(
        [sys.executable, "-c", TWISTD, *words],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


class PluginTests(SynchronousTestCase):
    """twistd knows the command."""

    def test_found(self) -> None:
        """Twisted finds one service maker of that name, and its code can be imported."""
        named = [maker for maker in getPlugins(IServiceMaker) if maker.tapname == "sipoutbound"]
        self.assertEqual(len(named), 1)
        (maker,) = named
        assert isinstance(maker, ServiceMaker)
        self.assertEqual(maker.module, "sipoutbound.tap")
        self.assertIs(maker.options, Options)

    def test_listedFromAnyFolder(self) -> None:
        """C{twistd --help} lists the command wherever it is typed."""
        ended = twistd(self.mktemp(), "--help")
        self.assertEqual((ended.returncode, ended.stderr), (0, ""))
        self.assertIn("    sipoutbound ", ended.stdout)

    def test_mistakeIsOneLine(self) -> None:
        """A wrong option is one line on the standard error and status 1, without the help."""
        for words in (["--bogus"], ["--route", "no-such-plugin"]):
            ended = twistd(self.mktemp(), "-n", "sipoutbound", *words)
            self.assertEqual((ended.returncode, ended.stdout), (1, ""))
            self.assertTrue(ended.stderr.startswith("sipoutbound: "), ended.stderr)
            self.assertIn(words[0], ended.stderr)
            self.assertEqual(ended.stderr.count("\n"), 1)

    def test_noPackageOfOurOwn(self) -> None:
        """An C{__init__.py} beside the plugin would hide it, or all of Twisted's own."""
        ours = [
            folder
            for folder in pluginPackagePaths("twisted.plugins")
            if os.path.exists(os.path.join(folder, "sipoutbound_plugin.py"))
        ]
        for folder in ours:
            self.assertFalse(os.path.exists(os.path.join(os.path.dirname(folder), "__init__.py")))


class DataTests(SynchronousTestCase):
    """Files that are no code are installed too."""

    def test_typed(self) -> None:
        """Type checkers believe the annotations of whoever imports this."""
        self.assertTrue(files("sipoutbound").joinpath("py.typed").is_file())

    def test_everyKindIsNamed(self) -> None:
        """Each data file in the packages is of a kind that C{setup.cfg} installs."""
        patterns = self.setup()["options.package_data"]["*"].split()
        for path in (CHECKOUT / "sipoutbound").rglob("*"):
            within = path.relative_to(CHECKOUT)
            hidden = any(part.startswith((".", "__pycache__")) for part in within.parts)
            if path.is_file() and path.suffix != ".py" and not hidden:
                self.assertTrue(any(map(path.match, patterns)), within)

    def test_editable(self) -> None:
        """Both settings without which an editable install loses the plugin are there."""
        setup = self.setup()
        self.assertEqual(setup["options"]["package_dir"].split(), ["=", "."])
        self.assertEqual(setup["options"]["packages"], "find_namespace:")
        self.assertIn("twisted.plugins", setup["options.packages.find"]["include"].split())

    def setup(self) -> ConfigParser:
        """
        @return: the metadata.
        @raise SkipTest: in an installed copy, which has none.
        """
        parser = ConfigParser()
        if not parser.read(CHECKOUT / "setup.cfg"):
            raise SkipTest("only in a checkout")
        return parser
