"""Figures of single results: labelled, legible, safe for colour-blind readers. matplotlib loads on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


# Okabe and Ito (2008): distinguishable with every common colour vision
BLUE, ORANGE, GREEN, RED, PURPLE, SKY, YELLOW, BLACK = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#D55E00",
    "#CC79A7",
    "#56B4E9",
    "#F0E442",
    "#000000",
)
STYLE: Any = {"font.size": 10, "axes.labelsize": 11, "legend.fontsize": 9, "lines.linewidth": 1.4, "savefig.dpi": 200}

UNIT = r"($e\,\cdot$ hopping$/\hbar$)"
POSITION = "(unit of the positions)"

COLOURS = (BLUE, RED, GREEN, ORANGE, PURPLE, SKY)
MARKERS = "osD^vP"


def axes_for(ax: Any = None, size: tuple[float, float] = (5.0, 3.6)) -> tuple[Figure, Axes]:
    """Return ``ax`` with its figure, or new axes on a new figure that no window system needs to know."""
    if ax is not None:
        return ax.figure, ax
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=size, layout="constrained")
        return figure, figure.add_subplot()
