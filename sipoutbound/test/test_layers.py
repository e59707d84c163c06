"""
Who may import whom. Each layer sees only those below it, so that what SIP says can be read, tested
and trusted without sockets, and a router without the server.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

from attrs import frozen
from twisted.trial.unittest import SynchronousTestCase

PACKAGE: Final = Path(__file__).parents[1]

# A layer, and those it may import beside itself; from the bottom to the top.
LAYERS: Final = {
    "mistake": (),
    "message": (),
    "interfaces": (),
    "outbound": ("message",),
    "transaction": ("message",),
    "transport": ("message", "outbound", "interfaces"),
    "stack": ("message", "outbound", "interfaces", "transaction", "transport"),
    "routing": ("message", "outbound", "interfaces"),
    "location": ("message", "outbound", "interfaces"),
    "registrar": ("message", "outbound", "interfaces", "location"),
    "agent": ("message", "outbound", "interfaces", "transaction", "transport", "stack"),
    "useragent": ("message", "outbound", "interfaces", "transport", "stack", "agent"),
    "settings": ("message", "outbound", "mistake"),
    "plugin": ("message", "outbound", "interfaces", "routing", "mistake"),
    "tap": (
        "mistake", "message", "interfaces", "outbound", "transaction", "transport", "stack",
        "routing", "location", "registrar", "settings", "plugin",
    ),
}  # fmt: skip

# Modules beside the folders, and the layer that each belongs to, where that has another name.
MODULES: Final = {
    "addresses": "tap",
    "waiting": "stack",
    "state": "tap",
    "rotation": "tap",
    "keys": "tap",
    "options": "tap",
    "configuration": "tap",
}

# Layers without I/O: nothing but Python itself and attrs.
PURE: Final = ("message", "outbound", "transaction")

# The one place that knows the running reactor.
REACTOR: Final = "tap"

# Seams say what crosses them: the types on either side, of which they use nothing.
NAMES_ONLY: Final = "interfaces"


@frozen
class Import:
    """
    One import.

    @ivar module: the dotted name of who imports.
    @ivar name: the dotted name of what.
    @ivar typing: whether for annotations only.
    """

    module: str
    name: str
    typing: bool


def importsOf(path: Path) -> Iterator[Import]:
    """
    Every import in a module, those inside functions too.
    """
    module = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
    tree = ast.parse(path.read_text(), str(path))
    guarded = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")
        for statement in node.body
        for inner in ast.walk(statement)
    }
    for node in ast.walk(tree):
        for name in _names(node):
            yield Import(module.removesuffix(".__init__"), name, node in guarded)


def _names(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [f"{'.' * node.level}{node.module or ''}.{alias.name}" for alias in node.names]
    return []


def layerOf(name: str) -> str | None:
    """
    The layer of a dotted name; C{None} for what is not of this package.
    """
    package, _, rest = name.partition(".")
    if package != PACKAGE.name:
        return None
    first = rest.partition(".")[0]
    return MODULES.get(first, first)


@cache
def modules() -> list[Import]:
    """
    Every import of the package, but for its tests.
    """
    paths = [path for path in PACKAGE.rglob("*.py") if "test" not in path.parts[:-1]]
    return [each for path in sorted(paths) for each in importsOf(path)]


class LayersTests(SynchronousTestCase):
    """
    The package as it is.
    """

    def setUp(self) -> None:
        """
        Read it.
        """
        self.imports = modules()
        self.assertGreater(len(self.imports), 100)

    def test_upwards(self) -> None:
        """
        A layer that reaches up cannot be understood, tested or replaced without what is above it.
        """
        wrong = []
        for each in self.imports:
            above, below = layerOf(each.module), layerOf(each.name)
            if below is None or below == above or not above:
                continue
            if each.typing and above == NAMES_ONLY:
                continue
            if below not in LAYERS.get(above, ()):
                wrong.append(f"{each.module} imports {each.name}")
        self.assertEqual(wrong, [])

    def test_everyModulePlaced(self) -> None:
        """
        A new module belongs somewhere, before anybody imports it.
        """
        names = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py"}
        names |= {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()}
        unplaced = {MODULES.get(name, name) for name in names} - LAYERS.keys()
        self.assertEqual(unplaced, {"__init__", "test"})

    def test_pure(self) -> None:
        """
        What SIP and RFC 5626 say is told without Twisted, without sockets, without the time.
        """
        wrong = [
            f"{each.module} imports {each.name}"
            for each in self.imports
            if layerOf(each.module) in PURE
            and layerOf(each.name) is None
            and each.name.partition(".")[0] not in {"attrs", *sys.stdlib_module_names}
        ]
        self.assertEqual(wrong, [])

    def test_noClock(self) -> None:
        """
        There time is an argument: a test would have to wait, and a clock that is set would end
        registrations.
        """
        impure = ("time", "datetime", "asyncio", "selectors", "threading", "subprocess")
        wrong = [
            f"{each.module} imports {each.name}"
            for each in self.imports
            if layerOf(each.module) in PURE and each.name.partition(".")[0] in impure
        ]
        self.assertEqual(wrong, [])

    def test_reactor(self) -> None:
        """
        The reactor is given to whoever needs it: only so can a test give a clock in its place.
        """
        wrong = [
            f"{each.module} imports {each.name}"
            for each in self.imports
            if each.name.startswith("twisted.internet.reactor") and layerOf(each.module) != REACTOR
        ]
        self.assertEqual(wrong, [])

    def test_absolute(self) -> None:
        """
        Imports are absolute: who imports whom can be searched for.
        """
        relative = [each.module for each in self.imports if each.name.startswith(".")]
        self.assertEqual(relative, [])

    def test_noTests(self) -> None:
        """
        The server does not need its tests.
        """
        wrong = [each.module for each in self.imports if layerOf(each.name) == "test"]
        self.assertEqual(wrong, [])


class CheckTests(SynchronousTestCase):
    """
    What reads the imports sees all of them.
    """

    def test_kinds(self) -> None:
        """
        At the top, inside functions, for annotations.
        """
        path = PACKAGE / "sample.py"
        text = (
            "import os, twisted.internet\nfrom sipoutbound import stack\nif TYPE_CHECKING:\n"
            "    from sipoutbound.tap import Server\ndef f():\n    from . import tap\n"
        )
        self.patch(Path, "read_text", lambda path: text)
        found = [(each.name, each.typing) for each in importsOf(path)]
        self.assertCountEqual(
            found,
            [
                ("os", False), ("twisted.internet", False), ("sipoutbound.stack", False),
                ("sipoutbound.tap.Server", True), ("..tap", False),
            ],
        )  # fmt: skip

    def test_layers(self) -> None:
        """
        A module belongs to its folder, or to the layer that is said.
        """
        for name, layer in (
            ("sipoutbound.message.uri.URI", "message"),
            ("sipoutbound.waiting.Transaction", "stack"),
            ("sipoutbound.stack", "stack"),
            ("twisted.internet.defer", None),
        ):
            self.assertEqual(layerOf(name), layer)

    def test_order(self) -> None:
        """
        The table itself has no circle: each layer only sees those that stand above it there.
        """
        known: set[str] = set()
        for layer, below in LAYERS.items():
            self.assertLessEqual(set(below), known, layer)
            known.add(layer)
