"""
The API reference: what pydoctor does not know of itself.
"""

from __future__ import annotations

import builtins
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pydoctor.model import Module, Package, System
from pydoctor.sphinx import SphinxInventory

TWISTED = "https://docs.twisted.org/en/stable/api"
PYTHON = "https://docs.python.org/3/library"


# Where Python documents the names that need no import; types stand beside the functions else.
STANDARD_TYPES = (
    str, bytes, bytearray, memoryview, list, tuple, range, dict, set, frozenset,
)  # fmt: skip
CONSTANTS = (None, True, False, Ellipsis, NotImplemented)


class Elsewhere(SphinxInventory):
    """
    Where names of Twisted and of Python's library are documented, by the rules of their sites: no
    inventory needs to be fetched for it.
    """

    def getLink(self, name: str) -> str | None:
        """
        @param name: a dotted name.
        @return: the address of its documentation; C{None} where it is neither's.
        """
        package = name.partition(".")[0]
        if hasattr(builtins, name):
            return f"{PYTHON}/{_chapter(getattr(builtins, name))}.html#{name}"
        if package == "twisted":
            return _twisted(*_split(name))
        if package in sys.stdlib_module_names:
            return _python(*_split(name))
        return None


def _chapter(value: object) -> str:
    if isinstance(value, type) and issubclass(value, BaseException):
        return "exceptions"
    if any(value is each for each in CONSTANTS):
        return "constants"
    return "stdtypes" if value in STANDARD_TYPES else "functions"


def _split(name: str) -> tuple[str, list[str]]:
    """
    The module that a name begins with, and the names within it.
    """
    parts = name.split(".")
    within: list[str] = []
    while len(parts) > 1 and not _isModule(".".join(parts)):
        within.insert(0, parts.pop())
    return ".".join(parts), within


def _isModule(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def _twisted(module: str, within: list[str]) -> str:
    """
    pydoctor has a page for each module and one for each class; the rest is somewhere on these.
    """
    pages = 1 if within and within[0][0].isupper() else 0
    page, place = ".".join([module, *within[:pages]]), ".".join(within[pages:])
    return f"{TWISTED}/{page}.html" + (f"#{place}" if place else "")


def _python(module: str, within: list[str]) -> str:
    """
    Sphinx has a page for each module.
    """
    place = ".".join([module, *within]) if within else f"module-{module}"
    return f"{PYTHON}/{module}.html#{place}"


class Reference(System):
    """
    What pydoctor knows of the package.
    """

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.intersphinx = Elsewhere(self.msg)

    def setSourceHref(self, mod: Module, source_path: Path) -> None:
        """
        A module's source is on a page, whose name ends as those of pages do.
        """
        super().setSourceHref(mod, source_path)
        mod.source_href = f"{mod.source_href}.html"
        if isinstance(mod, Package):
            mod.source_hrefs = [mod.source_href]

    def msg(self, section: str, msg: str, *args: Any, **options: Any) -> None:
        """
        Say something, and take it for a warning if it is one.

        That the possessive quantifiers of Python 3.11 cannot be shown in colour is none: pydoctor
        colours regular expressions with a parser of Python 3.6, and shows these without.
        """
        if not (section == "colorize constant" and "Cannot colorize regular expression" in msg):
            super().msg(section, msg, *args, **options)
