"""Figures of composite jobs: spectrum, map of |F|, |F| against distance, proximity length against temperature."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bdg.condensate.bcs import gap_ratio
from bdg.condensate.proximity.kinetics import clean_length, diffusive_length, kinetic_length
from bdg.jobs.kinds.shared.groups import grouped, groups_of, seed_of, temperature_of
from bdg.jobs.kinds.shared.panels import MOST_ROWS
from bdg.jobs.kinds.shared.planes import draw_slice, slice_axes
from bdg.jobs.model.figures import COLOURS, MARKERS, new_figure, save_each
from bdg.jobs.model.results import JobResults, PointResult
from bdg.lattices.units import temperature_in_t
from bdg.plots.figure import BLACK, BLUE, RED

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def plot(results: JobResults, folder: Path, output: Mapping[str, Any]) -> list[Path]:
    """Draw all figures, one set for each combination of the keys other than temperature and seed."""

    def draw(points: Sequence[PointResult]) -> dict[str, Figure | None]:
        return {
            "spectrum": _spectrum(points),
            "pair_amplitude_map": _maps(points),
            "pair_amplitude_profile": _profiles(points),
            "proximity_length": _lengths(points),
        }

    return save_each(groups_of(results), folder, output, draw)


def _by_seed(points: Sequence[PointResult]) -> dict[int, list[PointResult]]:
    return grouped(points, seed_of)


# --------------------------------------------------------------------------------------------------- bound states
def _spectrum(points: Sequence[PointResult]) -> Figure | None:
    """Draw the lowest levels of each seed against temperature between the lines +-Delta(T), with the proven counts."""
    shown = [point for point in points if "energies_meV" in point.observables]
    if not shown:
        return None
    seeds = dict(list(_by_seed(shown).items())[:MOST_ROWS])
    figure = new_figure(1.2 + 3.0 * len(seeds), 5.4)
    grid = figure.subplots(2, len(seeds), squeeze=False, sharey="row", sharex=True, height_ratios=(1, 1.25))
    for column, (seed, members) in enumerate(seeds.items()):
        whole, close = grid[0, column], grid[1, column]
        for axes in (whole, close):
            _gap_lines(axes, members[0])
            width = _tick_width(shown)
            for point in members:
                levels = point["energies_meV"]
                axes.hlines(levels, *_around(temperature_of(point), width), color=BLUE, lw=0.5)
            axes.grid(axis="x", visible=False)
        gap = max(float(point["gap_meV"]) for point in members)
        crowded = width < 1.2  # counts side by side would run into each other
        whole.set_ylim(-1.45 * gap, 1.45 * gap)
        for point in members:
            count = int(point["states_below_gap"])
            text = str(count) if count >= 0 else "not\nproven"
            at = (temperature_of(point), 1.4 * gap)
            whole.annotate(text, at, ha="center", va="top", fontsize=9, rotation=90 if crowded else 0)
        reach = max(abs(point["energies_meV"]).max() for point in shown)
        close.set_ylim(-1.08 * reach, 1.08 * reach)
        whole.set_title(f"seed {seed}; numbers: states with $|E|<\\Delta(T)$", fontsize=9)
        close.set_xlabel("temperature $T$ (K)")
    number = max(point["energies_meV"].size for point in shown)
    grid[0, 0].set_ylabel("energy $E$ (meV)")
    grid[1, 0].set_ylabel(f"$E$ (meV), the {number} lowest states")
    grid[0, -1].plot([], [], color=RED, label=r"$\pm\Delta(T)$")
    grid[0, -1].plot([], [], color=BLUE, label=f"{number} lowest states")
    figure.legend(frameon=False, loc="outside lower center", ncols=2)
    return figure


def _gap_lines(axes: Axes, point: PointResult) -> None:
    system = point.parameters["system"]
    critical = system["critical_temperature_K"]
    fine = np.linspace(0, critical, 300)
    gap = system["delta_meV"] * gap_ratio(fine / critical)
    for sign in (1, -1):
        axes.plot(fine, sign * gap, color=RED, lw=1.2)
    axes.set_xlim(0, 1.02 * critical)
    axes.axhline(0, color=BLACK, lw=0.4)


def _tick_width(points: Sequence[PointResult]) -> float:
    temperatures = np.unique([temperature_of(point) for point in points])
    return 0.35 * min(np.diff(temperatures).min(initial=6.0), 6.0)


def _around(centre: float, width: float) -> tuple[float, float]:
    return centre - width / 2, centre + width / 2


# ------------------------------------------------------------------------------------------------------------ maps
def _maps(points: Sequence[PointResult]) -> Figure | None:
    """Draw |F| on the slice, a row a seed and a panel a temperature, grains outlined along the edges of their sites."""
    from matplotlib.colors import LogNorm

    shown = [point for point in points if "slice_amplitude" in point.observables]
    if not shown:
        return None
    seeds = dict(list(_by_seed(shown).items())[:MOST_ROWS])
    temperatures = sorted({temperature_of(point) for point in shown})
    values = np.concatenate([abs(point["slice_amplitude"]) for point in shown])
    positive = values[values > 0]
    high = float(positive.max())
    norm = LogNorm(max(float(np.quantile(positive, 0.01)), 1e-6 * high), high)
    figure = new_figure(1.5 + 2.3 * len(temperatures), 0.5 + 2.55 * len(seeds), "compressed")
    grid = figure.subplots(len(seeds), len(temperatures), squeeze=False, sharex="row", sharey="row")
    mesh: Any = None
    for row, (seed, members) in enumerate(seeds.items()):
        there = {temperature_of(point): point for point in members}
        for column, temperature in enumerate(temperatures):
            axes = grid[row, column]
            axes.set_aspect("equal")
            if row == 0:
                axes.set_title(f"$T$ = {temperature:g} K", fontsize=10)
            if temperature not in there:
                axes.text(0.5, 0.5, "missing", ha="center", va="center", transform=axes.transAxes, color="0.5")
                continue
            amplitude = np.maximum(abs(there[temperature]["slice_amplitude"]), 1e-300)
            mesh = draw_slice(axes, there[temperature], amplitude, norm)
            first, second, cut = slice_axes(there[temperature])
            if column == 0:
                position = float(there[temperature]["slice_position_nm"])
                axes.set_ylabel(f"seed {seed}, {cut} = {position:.1f} nm\n${second}$ (nm)")
            axes.set_xlabel(f"${first}$ (nm)")
    bar = figure.colorbar(mesh, ax=grid, pad=0.015, aspect=30, extend="min")
    bar.set_label("pair amplitude $|F|$")
    return figure


# -------------------------------------------------------------------------------------------------------- profiles
def _profiles(points: Sequence[PointResult]) -> Figure:
    """Draw mean |F| with standard errors against distance, a panel a seed and a colour a temperature, with the fits."""
    seeds = dict(list(_by_seed(points).items())[:MOST_ROWS])
    temperatures = sorted({temperature_of(point) for point in points})
    figure = new_figure(0.9 + 3.1 * len(seeds), 4.0)
    grid = figure.subplots(1, len(seeds), squeeze=False, sharey=True, sharex=True)
    furthest = max(point["profile_distance_nm"][point["profile_count"] >= 2].max() for point in points)
    lowest = min(point["profile_amplitude"][point["profile_count"] >= 2].min() for point in points)
    for column, (seed, members) in enumerate(seeds.items()):
        axes = grid[0, column]
        for point in members:
            number = temperatures.index(temperature_of(point))
            colour = COLOURS[number % len(COLOURS)]
            many = point["profile_count"] >= 2
            distance, error = point["profile_distance_nm"][many], point["profile_error"][many]
            axes.errorbar(
                distance,
                point["profile_amplitude"][many],
                error,
                fmt=MARKERS[number % 6],
                ms=4,
                mfc="none",
                capsize=2,
                lw=0.9,
                color=colour,
            )
            fitted = np.isfinite(point["profile_fit"])
            axes.plot(
                point["profile_distance_nm"][fitted],
                point["profile_fit"][fitted],
                "-" if point["length_resolved"] else "--",
                color=colour,
                lw=1.4,
            )
        axes.set_yscale("log")
        axes.set_ylim(bottom=0.5 * lowest)
        axes.set_xlim(0, 1.05 * furthest)
        axes.set_title(f"seed {seed}", fontsize=10)
        axes.set_xlabel("distance to the nearest grain (nm)")
    grid[0, 0].set_ylabel("mean pair amplitude $|F|$")
    for number, temperature in enumerate(temperatures):
        label = f"{temperature:g} K"
        grid[0, 0].plot([], [], MARKERS[number % 6] + "-", ms=4, mfc="none", color=COLOURS[number % 6], label=label)
    grid[0, 0].plot([], [], "k-", label=r"fit $\propto e^{-x/\xi}\,R/(R+x)$")
    grid[0, 0].plot([], [], "k--", label=r"fit, $\xi$ not resolved")
    figure.legend(frameon=False, loc="outside lower center", ncols=min(len(temperatures) + 2, 6))
    return figure


# --------------------------------------------------------------------------------------------------------- lengths
def _lengths(points: Sequence[PointResult]) -> Figure:
    """Draw the length against temperature beside theory; what is not resolved is an open symbol with an arrow."""
    figure = new_figure(5.6, 4.8)
    axes = figure.add_subplot()
    temperatures = np.array([temperature_of(point) for point in points])
    low, high = 0.8 * temperatures.min(), 1.2 * temperatures.max()
    drawn = _theory_curves(axes, points[0], low, high)
    seeds = _by_seed(points)
    for number, (seed, members) in enumerate(seeds.items()):
        colour, marker = COLOURS[number % 6], MARKERS[number % 6]
        shift = 1 + 0.03 * (number - (len(seeds) - 1) / 2)  # errors of different seeds must not hide each other
        for point in members:
            drawn += _length(axes, shift * temperature_of(point), point, colour, marker)
        axes.plot([], [], marker, ms=6, color=colour, label=f"seed {seed}")
    if not all(point["length_resolved"] for point in points):
        axes.plot([], [], "o", ms=6, mfc="white", color="0.3", label="not resolved")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(low, high)
    spacing = points[0].parameters["system"]["spacing_nm"]
    bottom, top = 0.8 * min(spacing, *drawn), 1.2 * max(drawn)
    axes.set_ylim(bottom, top)
    limit = min(float(point["largest_distance_nm"]) for point in points) / 2
    if top > limit:
        axes.axhspan(limit, top, color="0.9", lw=0, zorder=0)
        words = "not resolvable: beyond half the largest distance"
        axes.text(0.985 * high, top / 1.04, words, ha="right", va="top", fontsize=8, color="0.4")
    if spacing > bottom:
        axes.axhspan(bottom, spacing, color="0.9", lw=0, zorder=0)
        words = "not resolvable: below the lattice constant"
        axes.text(1.02 * low, 1.04 * bottom, words, va="bottom", fontsize=8, color="0.4")
    _plain_ticks(axes, sorted(set(temperatures.tolist())))
    axes.set_xlabel("temperature $T$ (K)")
    axes.set_ylabel(r"proximity length $\xi$ (nm)")
    figure.legend(frameon=False, loc="outside lower center", ncols=3)
    return figure


def _length(axes: Axes, at: float, point: PointResult, colour: str, marker: str) -> list[float]:
    """Draw one length and return the heights that must be seen."""
    length, error = float(point["length_nm"]), float(point["length_uncertainty_nm"])
    if point["length_resolved"]:
        axes.errorbar(at, length, error, fmt=marker, ms=6, capsize=3, color=colour, mec="white", mew=0.4)
        return [length + error, max(length - error, 0.5 * length)]
    if np.isnan(length):
        return []
    limit = float(point["largest_distance_nm"]) / 2
    shown = min(length, 1.5 * limit)  # the fit of a length that the box does not hold is a bound, not a value
    up = length > limit
    arrow = {"arrowstyle": "->", "color": colour, "lw": 1.1}
    axes.annotate("", (at, shown * (1.25 if up else 0.8)), (at, shown), arrowprops=arrow)
    axes.plot(at, shown, marker, ms=6, mfc="white", color=colour)
    return [shown * (1.3 if up else 0.77), shown]


def _theory_curves(axes: Axes, point: PointResult, low: float, high: float) -> list[float]:
    """Draw the clean, diffusive and kinetic length with the lattice's own v_F, and return the heights to be seen."""
    system = point.parameters["system"]
    velocity = float(point["v_F"]) * system["spacing_nm"]
    path, hopping = system["mean_free_path_nm"], float(point["hopping_meV"])
    fine = np.geomspace(low, high, 120)
    energies = [temperature_in_t(value, hopping) for value in fine]
    curves = {
        "clean": ([clean_length(velocity, energy) for energy in energies], ":"),
        "diffusive": ([diffusive_length(velocity, path, energy, 3) for energy in energies], "--"),
        f"kinetic, $l$ = {path:g} nm": ([kinetic_length(velocity, path, energy, 3) for energy in energies], "-"),
    }
    for label, (lengths, style) in curves.items():
        axes.plot(fine, lengths, style, color=BLACK, lw=1.2, label=label)
    kinetic = curves[f"kinetic, $l$ = {path:g} nm"][0]
    return [max(kinetic), min(kinetic), min(max(curves["clean"][0]), 4 * max(kinetic))]


def _plain_ticks(axes: Axes, temperatures: Sequence[float]) -> None:
    from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter, NullLocator

    if len(temperatures) <= 8:
        axes.xaxis.set_major_locator(FixedLocator(temperatures))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_major_locator(LogLocator(10, subs=(1.0, 2.0, 3.0, 5.0)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
