"""
The directive C{optionlist}: the options of C{twistd sipoutbound}, from the help they print.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from inspect import signature
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from sipoutbound.options import Options

#: What each Twisted command has, beside its own.
COMMON = ("help", "version")


def entries(options: Options) -> Iterator[tuple[str, str]]:
    """
    @param options: a command line.
    @return: each option with its argument, and its help.
    """
    for long in sorted(name for name in options.longOpt if name.rstrip("=") not in COMMON):
        name = long.rstrip("=")
        method = getattr(options, f"opt_{name.replace('-', '_')}")
        arguments = [f" {argument.upper()}" for argument in signature(method).parameters]
        yield f"--{name}{arguments[0] if arguments else ''}", options.docs[name]


def plain(words: str) -> str:
    """
    The words, written so that none of them is markup.
    """
    return re.sub(r"([\\*`|_:\[])", r"\\\1", words)


class OptionList(SphinxDirective):
    """
    Each option as one entry, to which others can point.
    """

    def run(self) -> list[nodes.Node]:
        """
        @return: the entries.
        """
        lines = [".. program:: twistd sipoutbound"]
        for option, words in entries(Options()):
            lines += [f".. option:: {option}", "", f"   {plain(words)}", ""]
        return self.parse_text_to_nodes("\n\n".join(lines))


def setup(app: Sphinx) -> dict[str, Any]:
    """
    Called by Sphinx.
    """
    app.add_directive("optionlist", OptionList)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
