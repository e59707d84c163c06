"""How Sphinx makes the documentation: C{make docs}. Nothing is fetched from the network."""

from __future__ import annotations

import sys
from importlib.metadata import version as versionOf
from pathlib import Path

HERE = Path(__file__).parent
CHECKOUT = HERE.parent
sys.path.insert(0, str(HERE / "_ext"))

project = "sipoutbound"
author = "the sipoutbound authors"
project_copyright = author
version = release = versionOf(project)

extensions = [
    "pydoctor.sphinx_ext.build_apidocs",
    "sphinx.ext.intersphinx",
    "conformancepage",
    "optionlist",
    "sourcepages",
]
exclude_patterns = ["_build"]
nitpicky = True

html_theme = "furo"
html_title = project
html_static_path = ["_static"]
html_css_files = ["tables.css"]
html_copy_source = False

# Only the inventory that pydoctor has just written is asked, and only when a page says so.
intersphinx_mapping: dict[str, tuple[str, str]] = {}

source_root = str(CHECKOUT)
source_packages = ["sipoutbound"]

# The reference is pydoctor's work, not autodoc's: the docstrings are epytext, which autodoc would
# read as reStructuredText; zope interfaces and attrs classes are understood; and it reads the
# source without importing it.
pydoctor_url_path = "api/"
pydoctor_args = [
    "--project-name=sipoutbound",
    f"--project-version={version}",
    "--project-url=../index.html",
    f"--project-base-dir={CHECKOUT}",
    "--docformat=epytext",
    "--theme=readthedocs",
    f"--template-dir={HERE / '_templates' / 'api'}",
    "--system-class=apireference.Reference",
    "--html-viewsource-base=../source",
    "--html-viewsource-template={{mod_source_href}}#line-{{lineno}}",
    "--privacy=HIDDEN:sipoutbound.test",
    "--privacy=HIDDEN:sipoutbound.test.**",
    "--html-output={outdir}/api",
    str(CHECKOUT / "sipoutbound"),
]
