"""Tests for L{sipoutbound.plugin}: which routers C{--route} finds, and how they are composed."""

from __future__ import annotations

import sys
from collections.abc import Awaitable
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import frozen
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from sipoutbound.interfaces import IRouter, IRouterMaker
from sipoutbound.mistake import Mistake
from sipoutbound.options import Options
from sipoutbound.plugin import makers, routers

if TYPE_CHECKING:
    from sipoutbound.routing.decision import Decision
    from sipoutbound.routing.request import Request


@implementer(IRouter)
@frozen
class Layer:
    """A router that only knows what it was made of."""

    argument: str | None
    inner: IRouter | None

    def route(self, request: Request) -> Awaitable[Decision]:
        """Never called: these tests look at the composition only."""
        raise AssertionError(request)


@implementer(IRouterMaker)
@frozen
class Maker:
    """
    A plugin.

    @ivar name: its name.
    """

    name: str
    description: str = "Makes layers."

    def makeRouter(self, argument: str | None, inner: IRouter) -> IRouter:
        """
        @raise ValueError: for the argument C{wrong}.
        """
        if argument == "wrong":
            raise ValueError("must be\na SIP URI")
        return Layer(argument, inner)


INNERMOST = Layer("innermost", None)
KNOWN = [Maker("beta"), Maker("alpha")]


def callable_(argument: str | None, inner: IRouter) -> IRouter:
    """What a dotted name can stand for."""
    return Layer(f"dotted {argument}", inner)


def barren(argument: str | None, inner: IRouter) -> None:
    """A callable that forgets to return its router."""


def broken(argument: str | None, inner: IRouter) -> IRouter:
    """A callable with a mistake of its programmer's."""
    return dict[str, IRouter]()["absent"]


NOT_CALLABLE = "text"


class RoutersTests(SynchronousTestCase):
    """The routers that the command line asks for stand before the rest of the tree."""

    def refused(self, name: str, argument: str | None, *expected: str) -> None:
        """
        @param name: of the route.
        @param argument: of the route.
        @param expected: what the complaint must have in it beside the name.
        """
        specs = [(name, argument)]
        line = str(self.assertRaises(Mistake, routers, specs, INNERMOST, KNOWN))
        self.assertNotIn("\n", line)
        for text in (f"--route {name}", *expected):
            self.assertIn(text, line)

    def test_none(self) -> None:
        """Without C{--route} a request meets the rest of the tree itself."""
        self.assertIs(routers((), INNERMOST, KNOWN), INNERMOST)

    def test_firstIsOutermost(self) -> None:
        """The first C{--route} sees a request first, and each gets its own argument."""
        tree = routers([("alpha", "1"), ("beta", None), ("alpha", "")], INNERMOST, KNOWN)
        self.assertEqual(tree, Layer("1", Layer(None, Layer("", INNERMOST))))

    def test_dottedName(self) -> None:
        """A router can be used by its Python name without being installed as a plugin."""
        name = f"{__name__}.callable_"
        tree = routers([("alpha", None), (name, "x")], INNERMOST, KNOWN)
        self.assertEqual(tree, Layer(None, Layer("dotted x", INNERMOST)))

    def test_unknownName(self) -> None:
        """A name that no plugin has is refused with the names there are."""
        self.refused("gamma", "x", "alpha, beta")
        line = str(self.assertRaises(Mistake, routers, [("gamma", None)], INNERMOST, []))
        self.assertIn("none", line)

    def test_unknownDottedName(self) -> None:
        """A Python name that nothing has is told as that, whichever part is wrong."""
        for name in ("no_such_package.router", ".x", "a..b"):
            self.refused(name, None, "alpha, beta")
        self.refused("sipoutbound.no_such_module.router", None, "'no_such_module'")
        self.refused(f"{__name__}.missing", None, "'missing'")

    def test_brokenModule(self) -> None:
        """An error inside the operator's module is told with its own words and its place."""
        for text, expected in (
            ("import no_such_thing", "No module named 'no_such_thing'"),
            ("1 / 0", "ZeroDivisionError: division by zero"),
            ("def", "SyntaxError"),
        ):
            name = self.module(text)
            self.refused(f"{name}.router", None, expected, "line 1")

    def module(self, text: str) -> str:
        """
        @param text: the source of a module.
        @return: its name; it can be imported until the test ends.
        """
        folder = self.mktemp()
        name = f"policy_{abs(hash(text))}"
        Path(folder).mkdir()
        (Path(folder) / f"{name}.py").write_text(text)
        self.patch(sys, "path", [folder, *sys.path])
        return name

    def test_notCallable(self) -> None:
        """A Python name of something that makes no router is refused."""
        self.refused(f"{__name__}.NOT_CALLABLE", None, "callable")

    def test_noRouter(self) -> None:
        """What is made must be a router, or the first request would find out."""
        self.refused(f"{__name__}.barren", None, "IRouter", "None")

    def test_wrongArgument(self) -> None:
        """A plugin's complaint about its argument reaches the operator, on one line."""
        self.refused("alpha", "wrong", "--route alpha:wrong", "must be")

    def test_brokenMaker(self) -> None:
        """A plugin that fails otherwise is named, with what happened and where."""
        self.refused(f"{__name__}.broken", None, "KeyError", "test_plugin.py", "line")


class MakersTests(SynchronousTestCase):
    """Plugins are found where Twisted looks for them."""

    def install(self) -> None:
        """Makes two plugins known to C{getPlugins}."""
        self.patch(sys.modules["sipoutbound.plugin"], "getPlugins", lambda interface: iter(KNOWN))

    def test_installed(self) -> None:
        """The installed plugins are what C{--route} chooses from."""
        self.install()
        self.assertEqual([maker.name for maker in makers()], ["alpha", "beta"])
        self.assertEqual(routers([("beta", None)], INNERMOST), Layer(None, INNERMOST))

    def test_real(self) -> None:
        """Asking Twisted itself gives makers only."""
        for maker in makers():
            self.assertTrue(IRouterMaker.providedBy(maker))

    def test_listed(self) -> None:
        """C{--help-routes} lists each with what it does, and the server does not start."""
        self.install()
        printed = StringIO()
        self.patch(sys, "stdout", printed)
        ended = self.assertRaises(SystemExit, Options().parseOptions, ["--help-routes"])
        self.assertEqual(ended.code, 0)
        rows = [line.split() for line in printed.getvalue().splitlines()]
        self.assertEqual(rows, [["alpha", "Makes", "layers."], ["beta", "Makes", "layers."]])
