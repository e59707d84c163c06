"""
Pages with the source text of the package, its tests among it, so that the rest can point there.

Configuration: C{source_root}, the folder of a checkout, and C{source_packages}, those in it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.builders.html import StandaloneHTMLBuilder

FOLDER = "source"


def pageOf(module: str) -> str:
    """
    @param module: a module's dotted name.
    @return: the name of the page with its source, as Sphinx names pages.
    """
    return f"{FOLDER}/{module.replace('.', '/')}.py"


def lineOf(root: Path, name: str) -> int | None:
    """
    @param root: the folder of a checkout.
    @param name: module, class and method, with dots.
    @return: the line where the method is defined, or the class that has it from another one;
        C{None} where there is no such module or class.
    """
    module, _, place = name.rpartition(".")
    module, _, case = module.rpartition(".")
    path = root / f"{module.replace('.', '/')}.py"
    if not path.is_file():
        return None
    lines = _lines(path)
    return lines.get(f"{case}.{place}") or lines.get(case)


@cache
def _lines(path: Path) -> dict[str, int]:
    found = {}
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef):
            found[node.name] = node.lineno
            for inner in node.body:
                if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef):
                    found[f"{node.name}.{inner.name}"] = inner.lineno
    return found


def pages(app: Sphinx) -> Iterator[tuple[str, dict[str, Any], str]]:
    """
    @return: name, contents and template of each page.
    """
    if not isinstance(app.builder, StandaloneHTMLBuilder):
        return
    root = Path(app.config.source_root)
    for package in app.config.source_packages:
        for path in sorted((root / package).rglob("*.py")):
            module = ".".join(path.relative_to(root).with_suffix("").parts)
            text = path.read_text(encoding="utf-8")
            body = app.builder.highlighter.highlight_block(
                text, "python", linenos="inline", lineanchors="line"
            )
            title = escape(module)
            yield pageOf(module), {"title": title, "body": f"<h1>{title}</h1>{body}"}, "page.html"


def setup(app: Sphinx) -> dict[str, Any]:
    """
    Called by Sphinx.
    """
    app.add_config_value("source_root", ".", "env", str)
    app.add_config_value("source_packages", [], "env", list)
    app.connect("html-collect-pages", pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
