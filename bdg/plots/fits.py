"""Figures of fits: points with their errors and lines through them, chi^2 over a pair of correlated parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from bdg.plots.figure import BLACK, COLOURS, axes_for

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST = 12.0
LEVELS = (2.30, 6.18)  # of chi^2 above its minimum: 68 and 95 % of two parameters


def plot_fit(
    points: np.ndarray,
    values: np.ndarray,
    errors: np.ndarray,
    lines: Mapping[str, np.ndarray],
    labels: tuple[str, str],
    ax: Any = None,
) -> Figure:
    """Return a Figure of points (T,) with errors and of named lines (T,), with the labels of both axes."""
    figure, axes = axes_for(ax)
    axes.errorbar(points, values, errors, fmt="o", ms=3, lw=0.8, color=BLACK, mfc="white", label="measured", zorder=1)
    for colour, (name, line) in zip(COLOURS, lines.items(), strict=False):
        axes.plot(points, line, color=colour, label=name, zorder=2)
    axes.set_xlabel(labels[0])
    axes.set_ylabel(labels[1])
    axes.legend(frameon=False)
    return figure


def plot_profile(
    first: np.ndarray,
    second: np.ndarray,
    excess: np.ndarray,
    best: tuple[float, float],
    labels: tuple[str, str],
    ax: Any = None,
) -> Figure:
    """Return a Figure of chi^2 above its minimum (G, G) over two parameters (G, G), with the regions of 68 and 95 %."""
    figure, axes = axes_for(ax, (4.6, 3.8))
    seen = np.ma.masked_invalid(excess)
    shown = axes.contourf(first, second, seen, np.linspace(0, MOST, 13), cmap="cividis_r", extend="max")
    axes.contour(first, second, seen, LEVELS, colors=[COLOURS[1]], linestyles=["-", "--"])
    for style, share in (("-", 68), ("--", 95)):
        axes.plot([], [], style, color=COLOURS[1], label=f"{share} %")
    axes.legend(frameon=False)
    axes.plot(*best, "x", color=COLOURS[1])
    axes.set_xlabel(labels[0])
    axes.set_ylabel(labels[1])
    figure.colorbar(shown, ax=axes, label=r"$\chi^2 - \chi^2_{\mathrm{min}}$")
    return figure
