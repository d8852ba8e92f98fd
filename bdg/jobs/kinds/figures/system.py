"""Summary and figures of jobs of kind "system": one figure a call, against what was swept."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bdg.jobs.kinds.shared.groups import grouped
from bdg.jobs.model.figures import legend_below, new_figure, save_each, shades
from bdg.jobs.model.results import JobResults, PointResult
from bdg.plots.figure import BLUE
from bdg.plots.maps import plot_site_map

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_MAPS = 4  # points of a group whose sites are shown; numbers of all are in results.h5
_WIDE = 2.5  # length over width
MOST_LABELS = 12  # curves that a legend can tell apart
_FOLLOWS = ("checksum",)  # of the system, with each other key

Swept = tuple[str, str]
"""Section and name of a key."""


@dataclass(frozen=True)
class Axis:
    """The swept number that figures are drawn against; none where nothing, or only texts, were swept."""

    key: Swept | None

    def of(self, point: PointResult) -> float:
        """Return the value of a point."""
        return float(_value(point, self.key)) if self.key else 0.0

    def label(self, point: PointResult) -> str:
        """Return the label of the axis, with the unit."""
        name = self.key[1] if self.key else ""
        if name == "temperature_K":
            return "temperature (K)"
        return f"temperature ({in_words(energy_unit(point))})" if name == "temperature" else name


def summarise(results: JobResults) -> str:
    """Return one line a point."""
    columns = {
        "lowest |E|": lambda point: abs(point["energies"]).min(),
        "all found": lambda point: bool(point["complete"]),
        "max |F|": lambda point: abs(point["amplitude"]).max(),
        "max |Delta|": lambda point: float(point["largest_delta"]),
        "T_c": lambda point: float(point["critical_temperature"]),
        "T_c (K)": lambda point: float(point["critical_temperature_K"]),
        "I_c": lambda point: float(point["critical_current"]),
    }
    lines = [f"{results.name}: calls on a System of one's own, {len(results)} points"]
    for point in results:
        words = []
        for name, value in columns.items():
            try:
                found = value(point)
            except KeyError:  # a call that was not asked for
                continue
            words.append(
                f"{name} {'yes' if found else 'not proven'}" if isinstance(found, bool) else f"{name} {found:.6g}"
            )
        lines.append(f"  {point.label}: {', '.join(words) or 'done'}")
    first = next(iter(results), None)
    if first is not None:
        lines.append(f"  energies in the unit of the system ({in_words(energy_unit(first))})")
    return "\n".join(lines)


def plot(results: JobResults, folder: Path, output: Mapping[str, Any]) -> list[Path]:
    """Draw a figure of each call, for each combination of the keys that it is not drawn against."""
    swept = _swept(results)
    axis = Axis(next((key for key in reversed(_numbers_first(results, swept)) if _is_number(results, key)), None))
    others = [key for key in swept if key != axis.key and key[1] != "seed"]
    groups = grouped(results, lambda point: ", ".join(f"{name} = {_value(point, (s, name))}" for s, name in others))

    def draw(points: Sequence[PointResult]) -> dict[str, Figure | None]:
        points = sorted(points, key=axis.of)
        return {
            "bound_states": _levels(points, axis),
            "density_of_states": _curves(points, axis, _DENSITY),
            "pair_amplitude": _sites(points, axis, "amplitude", "|F|"),
            "solve_gap": _sites(points, axis, "delta", r"|\Delta|"),
            "largest_gap": _scalar(points, axis, "largest_delta", r"max $|\Delta|$"),
            "critical_temperature": _scalar(points, axis, "critical_temperature", "$k_B T_c$"),
            "current_phase": _curves(points, axis, _CURRENT),
            "critical_current": _scalar(points, axis, "critical_current", "$I_c$"),
        }

    return save_each(groups, folder, output, draw)


def energy_unit(point: PointResult) -> str:
    """Return the name of the energy unit of a point's numbers."""
    known = ("energies", "density_energies", "largest_delta", "critical_temperature", "phase_free_energy")
    return next((point.units[name] for name in known if name in point.units), "hopping")


def in_words(unit: str) -> str:
    """Return the name of a unit as a figure shows it."""
    return {"hopping": "unit of the hopping", "1/hopping": "1/hopping", "length": "unit of the positions"}.get(
        unit, unit
    )


@dataclass(frozen=True)
class _Curve:
    """Observables of a curve a point, and the words of its axes."""

    x: str
    y: str
    error: str
    x_label: str
    y_label: str


_DENSITY = _Curve("density_energies", "density", "density_error", "energy $E$", r"density of states $\rho(E)$")
_CURRENT = _Curve("phases_pi", "current", "current_error", r"phase difference $\varphi/\pi$", "current $I$")


def _curves(points: Sequence[PointResult], axis: Axis, what: _Curve) -> Figure | None:
    points = [point for point in points if what.y in point.observables]
    if not points:
        return None
    figure = new_figure(5.2, 4.0)
    axes = figure.subplots()
    for colour, label, point in _coloured(points, axis):
        x, y, error = point[what.x], point[what.y], point[what.error]
        axes.plot(x, y, "-", lw=1.2, color=colour, label=label)
        axes.fill_between(x, y - error, y + error, color=colour, alpha=0.25, lw=0)
    unit = points[0].units[what.x]
    axes.set_xlabel(what.x_label if unit == "pi" else f"{what.x_label} ({in_words(unit)})")
    axes.set_ylabel(f"{what.y_label} ({in_words(points[0].units[what.y])})")
    if axes.get_legend_handles_labels()[1]:
        legend_below(figure, axes, 3)
    return figure


def _levels(points: Sequence[PointResult], axis: Axis) -> Figure | None:
    points = [point for point in points if "energies" in point.observables]
    if not points:
        return None
    figure = new_figure(5.2, 3.8)
    axes = figure.subplots()
    for point in points:
        levels = point["energies"]
        x = np.full(levels.size, axis.of(point)) if axis.key else np.arange(levels.size)
        axes.plot(x, levels, "_" if axis.key else "o", ms=7 if axis.key else 3, color=BLUE)
    axes.set_xlabel(axis.label(points[0]) if axis.key else "number of the level")
    axes.set_ylabel(f"energy $E$ ({in_words(points[0].units['energies'])})")
    return figure


def _scalar(points: Sequence[PointResult], axis: Axis, name: str, label: str) -> Figure | None:
    points = [point for point in points if name in point.observables]
    if not points or axis.key is None:
        return None
    figure = new_figure(4.6, 3.6)
    axes = figure.subplots()
    x, y = np.array([axis.of(point) for point in points]), np.array([float(point[name]) for point in points])
    values, place = np.unique(x, return_inverse=True)
    axes.plot(values, np.bincount(place, y) / np.bincount(place), "-", lw=0.9, color=BLUE)
    axes.plot(x, y, "o", ms=4, mfc="none", color=BLUE)
    axes.set_xlabel(axis.label(points[0]))
    axes.set_ylabel(f"{label} ({in_words(points[0].units[name])})")
    axes.set_ylim(bottom=min(0.0, *axes.get_ylim()))
    return figure


def _sites(points: Sequence[PointResult], axis: Axis, name: str, label: str) -> Figure | None:
    """Draw a modulus on all sites: curves in 1-D, else a map each of a few points."""
    points = [point for point in points if name in point.observables]
    if not points:
        return None
    unit = points[0].units[name]
    label = f"${label}$" if unit == "1" else f"${label}$ ({in_words(unit)})"
    if points[0]["positions"].shape[1] == 1:
        return _along(points, axis, name, label)
    shown = [points[n] for n in sorted({round(n) for n in np.linspace(0, len(points) - 1, MOST_MAPS)})]
    extent = np.ptp(points[0]["positions"], axis=0)[:2]
    wide = extent[0] > _WIDE * extent[1]  # a strip: one below the other
    columns = 1 if wide else min(2, len(shown))
    rows = math.ceil(len(shown) / columns)
    figure = new_figure(7.2 if wide else 4.4 * columns, (1.9 if wide else 3.6) * rows)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    largest = max(float(abs(point[name]).max()) for point in shown)
    for axes, point in zip(panels, shown, strict=False):
        plot_site_map(point["positions"], abs(point[name]), label, axes)
        axes.collections[0].set_clim(0, largest or 1.0)  # one scale for all
        title = axes.get_title()  # of the plane, in 3-D
        axes.set_title(", ".join(filter(None, [_name(point, axis), title])), fontsize=9)
        place = in_words(point.units["positions"])
        axes.set_xlabel(f"$x$ ({place})")
        axes.set_ylabel(f"$y$ ({place})")
    for axes in panels[len(shown) :]:
        axes.set_visible(False)
    return figure


def _along(points: Sequence[PointResult], axis: Axis, name: str, label: str) -> Figure:
    figure = new_figure(5.2, 3.8)
    axes = figure.subplots()
    for colour, words, point in _coloured(points, axis):
        order = np.argsort(point["positions"][:, 0])
        axes.plot(point["positions"][order, 0], abs(point[name])[order], "-", lw=1.2, color=colour, label=words)
    axes.set_xlabel(f"position $x$ ({in_words(points[0].units['positions'])})")
    axes.set_ylabel(label)
    axes.set_ylim(bottom=0)
    if axes.get_legend_handles_labels()[1]:
        legend_below(figure, axes, 3)
    return figure


def _coloured(points: Sequence[PointResult], axis: Axis) -> list[tuple[Any, str, PointResult]]:
    """Return a colour and the words of the legend for each point; of many only some are named."""
    values = sorted({axis.of(point) for point in points})
    colours = dict(zip(values, shades(len(values)), strict=True))
    step = math.ceil(len(values) / MOST_LABELS)
    named = {value: axis.key is not None and place % step == 0 for place, value in enumerate(values)}
    return [(colours[v], _name(point, axis) if named[v] else "", point) for point in points for v in (axis.of(point),)]


def _name(point: PointResult, axis: Axis) -> str:
    if axis.key is None:
        return ""
    name, value = axis.key[1], axis.of(point)
    return f"{value:g} K" if name == "temperature_K" else f"{name} = {value:g}"


def _swept(results: JobResults) -> list[Swept]:
    """Return the keys that differ between points, in the order of the file."""
    points = list(results)
    keys = [(section, name) for section, names in (points[0].parameters if points else {}).items() for name in names]
    return [k for k in keys if k[1] not in _FOLLOWS and len({repr(_value(point, k)) for point in points}) > 1]


def _numbers_first(results: JobResults, swept: Sequence[Swept]) -> list[Swept]:
    """Return the keys with a temperature last: what figures are drawn against if there is a choice."""
    return sorted(swept, key=lambda key: key[1].startswith("temperature"))


def _is_number(results: JobResults, key: Swept) -> bool:
    values = [_value(point, key) for point in results]
    return key[1] != "seed" and all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)


def _value(point: PointResult, key: Swept) -> Any:
    return point.parameters[key[0]].get(key[1])
