"""The docs site: `make docs`. Pages of docs/, and the public names from their docstrings."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import bdg

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))  # the extensions beside this file

project = "bdg"
author = "the maintainers of bdg"
version = release = bdg.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "formulas", "pages"]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
exclude_patterns = ["_build", "*.py"]
default_role = "py:obj"
suppress_warnings = ["myst.header", "misc.highlighting_failure", "ref.python"]  # names that many results have

myst_enable_extensions = ["dollarmath", "colon_fence"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the sections say shapes and units
autodoc_class_signature = "separated"
napoleon_numpy_docstring, napoleon_google_docstring = True, False
napoleon_use_ivar = True
napoleon_use_rtype = False
maximum_signature_line_length = 88

html_theme = "furo"
html_title = f"bdg {release}"
html_static_path = ["style"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
html_theme_options = {"navigation_with_keys": True}


def _plain_bars(app, what, name, obj, options, lines):
    """|F| is a modulus in a docstring, not a substitution."""
    literal = False
    for number, line in enumerate(lines):
        stripped = line.strip()
        if stripped.startswith(".. math::"):
            literal = True
        elif stripped and not line.startswith((" ", "\t")):
            literal = False
        if not literal:
            lines[number] = _outside_literals(line)


def _outside_literals(line):
    parts = re.split(r"(``.*?``)", line)
    return "".join(part if part.startswith("``") else part.replace("|", r"\|") for part in parts)


def setup(app):
    """Hook into autodoc."""
    app.connect("autodoc-process-docstring", _plain_bars, priority=900)  # after napoleon
