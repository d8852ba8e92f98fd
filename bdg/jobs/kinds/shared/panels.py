"""Panels that the figures of several kinds of jobs share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from bdg.jobs.kinds.shared.groups import temperature_of
from bdg.jobs.model.figures import legend_below, new_figure, shades
from bdg.jobs.model.results import PointResult
from bdg.plots.figure import GREY

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_ROWS = 4  # boxes that get a row of panels of their own; means over all of them are in results.h5


def beside_temperature(
    points: Sequence[PointResult], height: float, draw: Callable[[Axes, PointResult, Any, str], None], name: str
) -> tuple[Figure, Axes, Axes]:
    """Return a figure of points, a colour a temperature, with its left and right panel.

    Left is what ``draw(axes, point, colour, label)`` makes of each point, right the observable ``name`` against
    temperature; labels of the axes are the caller's, but for the temperature.
    """
    figure = new_figure(7.2, height)
    left, right = figure.subplots(1, 2)
    temperatures = sorted({temperature_of(point) for point in points})
    colours = dict(zip(temperatures, shades(len(temperatures)), strict=True))
    for point in points:
        kelvin = temperature_of(point)
        draw(left, point, colours[kelvin], f"{kelvin:g} K")
        right.plot(kelvin, float(point[name]), "o", ms=4, mfc="none", color=colours[kelvin])
    right.set_xlabel("temperature (K)")
    right.set_xlim(left=0)
    right.set_ylim(bottom=0)
    legend_below(figure, left)
    return figure, left, right


def mark_normal(axes: Axes, places: Sequence[float]) -> None:
    """Mark where Delta = 0 is the solution, on the axis of zero, and say so."""
    if places:
        heights = [0.0] * len(places)
        axes.plot(places, heights, "x", ms=5, color=GREY, label=r"normal: $\Delta$ = 0", clip_on=False, zorder=4)
        axes.legend(frameon=False, fontsize=8)
