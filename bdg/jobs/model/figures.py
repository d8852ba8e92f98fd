"""What the figures of all kinds of jobs share: keys in [output], looks, a figure for each group of points, saving."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from bdg.jobs.model.results import PointResult
from bdg.jobs.model.schema import Key
from bdg.plots.figure import COLOURS as COLOURS
from bdg.plots.figure import MARKERS as MARKERS
from bdg.plots.figure import STYLE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
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
    endings = ("png", "pdf") if output.get("pdf", True) else ("png",)
    return [_saved_whole(figure, folder / f"{name}.{ending}", output.get("dpi", 200)) for ending in endings]


def _saved_whole(figure: Figure, path: Path, dpi: int) -> Path:
    """Write a figure under a temporary name and rename it: a full disk leaves no half of one."""
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        figure.savefig(temporary, format=path.suffix[1:], dpi=dpi)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def save_each(
    groups: Mapping[str, list[PointResult]],
    folder: Path,
    output: Mapping[str, Any],
    draw: Callable[[list[PointResult]], Mapping[str, Figure | None]],
) -> list[Path]:
    """Save what ``draw`` makes of each group of points and return the paths.

    ``draw`` returns figures by name, None where there is nothing to show. Each gets the title of its group; of several
    groups, the number of the group goes into the names of the files.
    """
    paths = []
    with paper_style():
        for number, (title, points) in enumerate(groups.items()):
            suffix = f"_{number + 1}" if len(groups) > 1 else ""
            for name, figure in draw(points).items():
                if figure is not None:
                    if title:
                        figure.suptitle(title, fontsize=10)
                    paths += save_figure(figure, folder, name + suffix, output)
    return paths


def shades(count: int) -> list[Any]:
    """Return colours of a rising quantity, from dark to light."""
    from matplotlib import colormaps

    return [colormaps["viridis"](0.9 * place / max(1, count - 1)) for place in range(count)]


def legend_below(figure: Figure, axes: Axes, columns: int = 6) -> None:
    """Put a legend of the labels of ``axes``, each once, below a figure."""
    handles, labels = axes.get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))
    figure.legend(list(unique.values()), list(unique), frameon=False, loc="outside lower center", ncols=columns)
