"""Figures of single results: labelled, legible, safe for colour-blind readers. matplotlib loads on first use."""

from __future__ import annotations

import functools
import io
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
GREY = "0.4"  # of what is no value: normal, not resolved
STYLE: Any = {"font.size": 10, "axes.labelsize": 11, "legend.fontsize": 9, "lines.linewidth": 1.4, "savefig.dpi": 200}

COLOURS = (BLUE, RED, GREEN, ORANGE, PURPLE, SKY)
MARKERS = "osD^vP"


def energy_in(unit: str | None) -> str:
    """Return the name of a unit of energy in brackets, and what stands for it without a name."""
    return f"({unit})" if unit else "(unit of the hopping)"


def length_in(unit: str | None) -> str:
    """Return the name of a unit of length in brackets, and what stands for it without a name."""
    return f"({unit})" if unit else "(unit of the positions)"


def density_in(unit: str | None) -> str:
    """Return the unit of states per energy in brackets."""
    return f"(1/{unit or 'hopping'})"


def current_in(unit: str | None, length: str = "") -> str:
    """Return the unit of a current, e times that of energy over hbar, in brackets; or of currents times a length."""
    moved = rf" $\cdot$ {length}" if length else ""
    return rf"($e\,\cdot$ {unit or 'hopping'}{moved}$/\hbar$)"


def stiffness_in(energy: str | None, length: str | None) -> str:
    """Return the unit of a stiffness, that of energy times the square of a length, in brackets."""
    return rf"({energy or 'hopping'} $\cdot$ {length or 'length'}$^2$)"


def named(value: str, unit: str | None) -> str:
    """Return a number with its unit, alone where that has no name."""
    return f"{value} {unit}" if unit else value


def axes_for(ax: Any = None, size: tuple[float, float] = (5.0, 3.6)) -> tuple[Figure, Axes]:
    """Return ``ax`` with its figure, or new axes on a new figure that no window system needs to know."""
    if ax is not None:
        return ax.figure, ax
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=size, layout="constrained")
        figure._repr_png_ = functools.partial(_png, figure)  # type: ignore[attr-defined]  # what a notebook asks for
        return figure, figure.add_subplot()


def _png(figure: Figure) -> bytes:
    """Return a figure as a notebook shows it, which knows those of pyplot only."""
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()
