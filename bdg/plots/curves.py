"""Curves with error bars, of points of which some are not resolved and some are not there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bdg.plots.figure import COLOURS, GREY, MARKERS, axes_for

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_IN_LEGEND = 12
_MARKS = UNRESOLVED, NO_VALUE, NO_POINT = "not resolved", "no value", "no point"
MOST_MARKERS = 60  # points of a curve: more are a line


@dataclass(frozen=True, eq=False)
class Curve:
    """Points of one curve.

    Attributes
    ----------
    label : str
    x, y : array (n,)
    error : array (n,) or None
        Standard error, of y.
    resolved : array (n,) of bool, or None
        Where y means something; None: everywhere.
    lacking : array (n,) of bool
        Where there is no point.
    """

    label: str
    x: np.ndarray
    y: np.ndarray
    error: np.ndarray | None
    resolved: np.ndarray | None
    lacking: np.ndarray


def plot_curves(curves: Sequence[Curve], ax: Any, x_label: str, y_label: str, title: str = "") -> Figure:
    """Draw curves with error bars.

    Grey and open: not resolved, what there is of a value; at the lower edge: no value, or (a cross) no point.
    """
    figure, axes = axes_for(ax)
    for number, (curve, colour) in enumerate(zip(curves, _colours(len(curves)), strict=True)):
        order = _order(curve.x)
        x, y, lacking = curve.x[order], curve.y[order], curve.lacking[order]
        good = np.isfinite(y) if curve.resolved is None else np.isfinite(y) & curve.resolved[order].astype(bool)
        error = None if curve.error is None else np.where(good, abs(curve.error[order]), np.nan)
        marker = MARKERS[number % len(MARKERS)] if x.size <= MOST_MARKERS else ""
        style = {"color": colour, "marker": marker, "markersize": 5, "capsize": 2.5}
        axes.errorbar(x, np.where(good, y, np.nan), error, label=curve.label, **style)
        seen = ~good & np.isfinite(y)
        if seen.any():
            axes.plot(x[seen], y[seen], "o", color=GREY, fillstyle="none", label=UNRESOLVED)
        _mark_edge(axes, x[~good & ~seen & ~lacking], "|", NO_VALUE)
        _mark_edge(axes, x[lacking], "x", NO_POINT)
    axes.set(xlabel=x_label, ylabel=y_label, title=title)
    _legend(axes, figure, ax is None)
    return figure


def _order(x: np.ndarray) -> np.ndarray:
    """Return the order in which points are joined, without those whose x is not known."""
    if x.dtype.kind not in "iuf":  # texts
        return np.arange(x.size)
    order = np.argsort(x, kind="stable")
    return order[np.isfinite(x[order])]


def _mark_edge(axes: Axes, x: np.ndarray, marker: str, label: str) -> None:
    """Draw marks at the lower edge."""
    if x.size:
        axes.plot(x, np.full(x.shape, 0.03), marker, color=GREY, transform=axes.get_xaxis_transform(), label=label)


def _colours(count: int) -> list[Any]:
    """Return colours that can be told apart; of many curves, shades in their order."""
    if count <= len(COLOURS):
        return list(COLOURS[:count])
    from matplotlib import colormaps

    return [colormaps["viridis"](0.9 * place / (count - 1)) for place in range(count)]


def _legend(axes: Axes, figure: Figure, alone: bool) -> None:
    """Show the labels: beside the axes where there are many and the figure is ours."""
    found = [pair for pair in zip(*axes.get_legend_handles_labels(), strict=True) if pair[1]]
    found.sort(key=lambda pair: pair[1] in _MARKS)
    labels = {label: handle for handle, label in found}
    if not labels:
        return
    if alone and len(labels) > 5:
        columns = 1 + len(labels) // MOST_IN_LEGEND
        figure.legend(labels.values(), labels.keys(), frameon=False, loc="outside right upper", ncols=columns)
    else:
        axes.legend(labels.values(), labels.keys(), framealpha=0.8, edgecolor="none")
