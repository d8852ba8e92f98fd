"""Formulas as MathML, which browsers draw themselves: pages need neither a network nor a script."""

from __future__ import annotations

from html import escape
from typing import Any

import latex2mathml.converter
from sphinx.errors import ExtensionError


def mathml(latex: str, display: str) -> str:
    """Return a formula as MathML; "display" is "inline" or "block"."""
    try:
        return latex2mathml.converter.convert(latex, display=display)
    except Exception as error:
        raise ExtensionError(f"no MathML for {latex!r}: {error}") from error


def _inline(translator: Any, node: Any) -> None:
    from docutils.nodes import SkipNode

    translator.body.append(mathml(node.astext(), "inline"))
    raise SkipNode


def _block(translator: Any, node: Any) -> None:
    from docutils.nodes import SkipNode

    text = "".join(mathml(part, "block") for part in _lines(node.astext()))
    label = f' id="{escape(node["ids"][0])}"' if node.get("ids") else ""
    translator.body.append(f'<div class="formula"{label}>{text}</div>')
    raise SkipNode


def _lines(latex: str) -> list[str]:
    """Return formulas that blank lines separate."""
    return [part.strip() for part in latex.split("\n\n") if part.strip()]


def setup(app: Any) -> dict[str, Any]:
    """Register as the renderer of formulas in HTML."""
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
    app.config.html_math_renderer = "mathml"
    return {"parallel_read_safe": True, "parallel_write_safe": True}
