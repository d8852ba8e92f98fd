"""What the figures of all kinds of jobs share: their keys in [output], their looks, and how they are saved."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from bdg.jobs.schema import Key
from bdg.plotting import STYLE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

OUTPUT_KEYS = (
    Key("figures", "bool", "draw figures at the end of a run", default=True),
    Key("pdf", "bool", "figures as PDF besides PNG", default=True),
    Key("dpi", "int", "resolution of the PNG figures", default=200, least=50, most=1200),
)


@contextlib.contextmanager
def paper_style() -> Iterator[None]:
    """Apply the package's style to what is drawn inside."""
    import matplotlib

    # Type 42 fonts: text in the PDF stays text, and journals accept it
    with matplotlib.rc_context({**STYLE, "pdf.fonttype": 42}):
        yield


def new_figure(width: float, height: float, layout: Literal["constrained", "compressed"] = "constrained") -> Figure:
    """Return an empty figure (inches) that needs no window system; "compressed" suits rows of maps."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout=layout)


def save_figure(figure: Figure, folder: Path, name: str, output: Mapping[str, Any]) -> list[Path]:
    """Save a figure as [output] asks for and return the paths."""
    paths = [folder / f"{name}.png"]
    figure.savefig(paths[0], dpi=output.get("dpi", 200))
    if output.get("pdf", True):
        paths.append(folder / f"{name}.pdf")
        figure.savefig(paths[-1])
    return paths
