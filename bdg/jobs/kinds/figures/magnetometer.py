"""Figures of magnetometer jobs: slopes against temperature, loops, cooling with and without a field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bdg.instruments.samples import DIRECTIONS
from bdg.jobs.model.figures import COLOURS, new_figure, paper_style, save_each, save_figure, shades
from bdg.jobs.model.results import JobResults, PointResult
from bdg.plots.figure import BLACK

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_PLATES = len(COLOURS)
LINES = dict(zip(DIRECTIONS, ("-", "--"), strict=True))
SIGNS = {"perpendicular": r"$H \perp$ plate", "parallel": r"$H \parallel$ plate"}


def directions_of(point: PointResult) -> list[str]:
    """Return the directions of the field that a point has."""
    return [direction for direction in DIRECTIONS if f"{direction}_slope" in point.observables]


def plot(results: JobResults, folder: Path, output: Mapping[str, Any]) -> list[Path]:
    """Draw the slopes of all plates, and loops and cooling curves of each."""
    points = list(results)
    if not points:
        return []
    with paper_style():
        paths = save_figure(draw_slopes(points[:MOST_PLATES]), folder, "slopes", output)
    each = {title_of(point): [point] for point in points}
    return paths + save_each(
        each, folder, output, lambda of: {"loops": draw_loops(of[0]), "cooling": draw_cooling(of[0])}
    )


def title_of(point: PointResult) -> str:
    """Return the size of the plate, and what is swept besides."""
    system = point.parameters["system"]
    size = f"{system['width_mm']:g} mm x {system['width_mm']:g} mm x {system['thickness_mm']:g} mm"
    others = [part for part in point.label.split(", ") if not part.startswith(("width_mm", "thickness_mm", "the only"))]
    return ", ".join([size, *others])


def draw_slopes(points: Sequence[PointResult]) -> Figure:
    """Draw -4 pi M/H at the first field in both directions, and the ratio of both beside that of shape alone."""
    figure = new_figure(8.4, 3.6)
    left, right = figure.subplots(1, 2)
    for colour, point in zip(COLOURS, points, strict=False):
        temperatures, found = point["temperatures_K"], directions_of(point)
        for direction in found:
            label = f"{title_of(point)}" if direction == found[0] else None
            left.plot(temperatures, -point[f"{direction}_slope"], LINES[direction], color=colour, label=label)
        if len(found) < len(DIRECTIONS):
            continue
        slopes, full = ([point[f"{d}_{name}"] for d in DIRECTIONS] for name in ("slope", "full_screening"))
        some = slopes[1] < 0
        right.plot(temperatures[some], slopes[0][some] / slopes[1][some], color=colour)
        right.axhline(float(full[0] / full[1]), ls=":", lw=1, color=colour)
    field = points[0].parameters["compute"]["slope_field_Oe"]
    left.set_yscale("log")
    left.set_ylabel(f"$-4\\pi M/H$ at {field:g} Oe")
    left.legend(frameon=False, fontsize=7, title=f"solid {SIGNS[DIRECTIONS[0]]}, dashed {SIGNS[DIRECTIONS[1]]}")
    left.get_legend().get_title().set_fontsize(7)
    right.set_ylabel(f"slope {SIGNS[DIRECTIONS[0]]} over {SIGNS[DIRECTIONS[1]]}")
    right.set_title("dotted: full screening, the shape alone", fontsize=9)
    right.set_ylim(bottom=0)
    for axes in (left, right):
        axes.set_xlabel("temperature (K)")
    return figure


def draw_loops(point: PointResult) -> Figure:
    """Draw M(H) at all temperatures, one panel a direction."""
    found = directions_of(point)
    figure = new_figure(4.2 * len(found) + 0.6, 3.4)
    panels = figure.subplots(1, len(found), squeeze=False)[0]
    temperatures, fields = point["loop_temperatures_K"], point["loop_fields_Oe"]
    for axes, direction in zip(panels, found, strict=True):
        for colour, temperature, values in zip(
            shades(len(temperatures)), temperatures, point[f"{direction}_loop_emu_cm3"], strict=True
        ):
            axes.plot(fields, values, color=colour, lw=1, label=f"{temperature:g} K")
        axes.set_title(SIGNS[direction], fontsize=10)
        axes.set_xlabel("$H$ (Oe)")
        axes.locator_params(axis="x", nbins=5)
        axes.set_ylabel("$M$ (emu/cm$^3$)")
    panels[-1].legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def draw_cooling(point: PointResult) -> Figure:
    """Draw M on warming after cooling without and with the field, in both directions."""
    figure = new_figure(4.8, 3.4)
    axes = figure.subplots()
    for colour, direction in zip(COLOURS, directions_of(point), strict=False):
        for name, line in (("zfc", "-"), ("fc", "--")):
            values = point[f"{direction}_{name}_emu_cm3"]
            axes.plot(point["temperatures_K"], values, line, color=colour, label=f"{name.upper()}, {SIGNS[direction]}")
    axes.axhline(0, color=BLACK, lw=0.6)
    axes.set_xlabel("temperature (K)")
    axes.set_ylabel(f"$M$ (emu/cm$^3$) at {point.parameters['compute']['cooling_field_Oe']:g} Oe")
    axes.legend(frameon=False, fontsize=8)
    return figure
