"""Figures of jobs of kind "squid": panels against field and temperature with one colour scale, and curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bdg.jobs.kinds.shared.groups import grouped, groups_of, seed_of, temperature_of
from bdg.jobs.model.figures import legend_below, new_figure, save_each, shades
from bdg.jobs.model.results import JobResults, PointResult
from bdg.plots.figure import BLACK
from bdg.plots.instruments import draw_panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INSIDE = ("temperature_K", "applied_field_uT", "seed")  # keys whose points share a figure
MOST_PANELS, COLUMNS = 16, 4


def applied_of(point: PointResult) -> float:
    """Return the applied field of a point in uT."""
    return point.parameters["compute"]["applied_field_uT"]


def plot(results: JobResults, folder: Path, output: Mapping[str, Any]) -> list[Path]:
    """Draw all figures, one set for each combination of the keys other than field, temperature and seed."""

    def draw(points: Sequence[PointResult]) -> dict[str, Figure | None]:
        first = [point for point in points if seed_of(point) == seed_of(points[0])]
        return {"squid_panels": _panels(first), "squid_warming": _warming(first), "squid_curves": _curves(points)}

    return save_each(groups_of(results, INSIDE), folder, output, draw)


def _is_locked(point: PointResult) -> bool:
    return bool(np.isfinite(point["penetration_depth_um"]))


def _panels(points: Sequence[PointResult]) -> Figure:
    """Draw all fields at the lowest temperature after the image without vortices at the highest, if there is one."""
    coldest = min(map(temperature_of, points))
    cold = sorted((p for p in points if temperature_of(p) == coldest), key=lambda p: -applied_of(p))
    normal = sorted((p for p in points if not _is_locked(p)), key=lambda p: (abs(applied_of(p)), -temperature_of(p)))
    shown = [*(p for p in normal[:1] if temperature_of(p) > coldest), *cold][:MOST_PANELS]
    return _images(shown, [f"{temperature_of(p):g} K, {field_words(applied_of(p))}\n{_vortex_words(p)}" for p in shown])


def _warming(points: Sequence[PointResult]) -> Figure | None:
    """Draw all temperatures at the field with the fewest vortices."""
    locked = [point for point in points if _is_locked(point) and point["net_field_uT"] != 0]
    fields = grouped(locked, lambda point: abs(float(point["net_field_uT"])))
    if not fields or len(fields[min(fields)]) < 2:
        return None
    shown = sorted(fields[min(fields)], key=temperature_of)[:MOST_PANELS]
    titles = [
        f"{temperature_of(p):g} K, {field_words(applied_of(p))}, "
        f"$\\lambda$ = {float(p['penetration_depth_um']):.1f} $\\mu$m\n"
        f"mean {p['images_uT'][typical(p)].mean():.2f}, std {p['images_uT'][typical(p)].std():.2f} $\\mu$T"
        for p in shown
    ]
    return _images(shown, titles)


def field_words(applied: float) -> str:
    """Return an applied field with its sign for a title."""
    return f"${applied:+g}$ $\\mu$T" if applied else r"0 $\mu$T"


def _vortex_words(point: PointResult) -> str:
    if not _is_locked(point):
        return "no vortices"
    count = int(point["counts"][typical(point)])
    return f"{count} {'vortex' if count == 1 else 'vortices'}"


def typical(point: PointResult) -> int:
    """Return the first arrangement whose number of vortices is nearest to B S/Phi_0."""
    return int(np.argmin(abs(point["counts"] - float(point["expected_vortices"]))))


def _images(points: Sequence[PointResult], titles: Sequence[str]) -> Figure:
    columns = min(COLUMNS, len(points))
    figure = new_figure(1.7 + 2.1 * columns, 0.5 + 2.6 * -(-len(points) // columns), "compressed")
    images = [point["images_uT"][typical(point)] for point in points]
    vortices = [point["positions_um"][typical(point)] for point in points]
    draw_panels(figure, points[0]["x_um"], images, titles, vortices, columns)
    return figure


def _curves(points: Sequence[PointResult]) -> Figure | None:
    """Draw counts against field, and mean, standard deviation and peak against field, a colour a temperature."""
    if len(points) < 2:
        return None
    temperatures = sorted({temperature_of(point) for point in points})
    colours = dict(zip(temperatures, shades(len(temperatures)), strict=True))
    figure = new_figure(8.4, 5.6)
    grid = figure.subplots(2, 2, sharex=True)
    fields = np.array(sorted({applied_of(p) for p in points}))
    cold = {applied_of(p): float(p["expected_vortices"]) for p in points if temperature_of(p) == temperatures[0]}
    grid[0, 0].plot(list(cold), list(cold.values()), "-", color=BLACK, lw=0.8, label=r"$B\,S/\Phi_0$", zorder=0)
    for axes, name, error, label in (
        (grid[0, 0], "vortices", "vortices_error", "vortices in the window"),
        (grid[0, 1], "mean_uT", "mean_error_uT", r"mean flux density ($\mu$T)"),
        (grid[1, 0], "deviation_uT", "deviation_error_uT", r"standard deviation ($\mu$T)"),
        (grid[1, 1], "peak_uT", "peak_error_uT", r"peak ($\mu$T)"),
    ):
        _against_field(axes, points, (name, error), colours, 0.006 * float(np.ptp(fields)))
        axes.set_ylabel(label)
    for axes in grid[1]:
        axes.set_xlabel(r"applied field ($\mu$T)")
    legend_below(figure, grid[0, 0])
    return figure


def _against_field(
    axes: Axes, points: Sequence[PointResult], names: tuple[str, str], colours: Mapping[float, Any], shift: float
) -> None:
    for place, (kelvin, members) in enumerate(sorted(grouped(points, temperature_of).items())):
        value, error = (np.array([float(p[name]) for p in members]) for name in names)
        at = np.array([applied_of(p) for p in members]) + shift * (place - (len(colours) - 1) / 2)
        axes.errorbar(
            at, value, error, fmt="o", ms=3.5, mfc="none", capsize=2, color=colours[kelvin], label=f"{kelvin:g} K"
        )
