"""
Evidence: a test that the conformance table names, looked up by its dotted name.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import Any, Final
from unittest import TestCase

#: How trial and unittest are told not to run a test, or not to mind when it fails.
NOT_RUN: Final = ("skip", "todo", "__unittest_skip__", "__unittest_expecting_failure__")


def flawOf(name: str) -> str | None:
    """
    Why a name is no evidence. That a test skips itself while it runs cannot be seen here.

    @param name: module, class and method of a test, with dots.
    @return: a clause about it; C{None} where trial would run that very test.
    """
    parts = name.rsplit(".", 2)
    if len(parts) < 3:
        return "is not module.class.method"
    module = _module(parts[0])
    if module is None:
        return "is in no module of tests that there is"
    case = getattr(module, parts[1], None)
    if not (isinstance(case, type) and issubclass(case, TestCase)):
        return "is in no test case that there is"
    method = getattr(case, parts[2], None)
    if not (callable(method) and parts[2].startswith("test")):
        return "is no test of its case"
    return _notRun(method, case, module)


def _module(name: str) -> ModuleType | None:
    """
    The module of that name, if trial looks for tests in it; one that cannot be imported for
    another reason than its absence is an error of its own.
    """
    if not name.rpartition(".")[2].startswith("test_"):
        return None
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if f"{name}.".startswith(f"{error.name}."):
            return None
        raise


def _notRun(*places: Any) -> str | None:
    for place in places:
        for attribute in NOT_RUN:
            if getattr(place, attribute, None) not in (None, False):
                return f"is not run, or may fail: {place.__name__} has {attribute}"
    return None
