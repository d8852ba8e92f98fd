"""Figures of loops jobs: grains touched and sites covered by states, level statistics, terms of the free energy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bdg.jobs.kinds.shared.groups import by_temperature, groups_of, temperature_of
from bdg.jobs.model.figures import COLOURS, MARKERS, new_figure, save_each
from bdg.jobs.model.results import JobResults, PointResult
from bdg.levels.level_statistics import LevelStatistics, level_statistics
from bdg.plots.figure import BLACK

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def plot(results: JobResults, folder: Path, output: Mapping[str, Any]) -> list[Path]:
    """Draw all figures, one set for each combination of the keys other than temperature and seed."""

    def draw(points: Sequence[PointResult]) -> dict[str, Figure | None]:
        return {
            "grains_touched": _states(points),
            "level_statistics": _statistics(points),
            "loop_terms": _terms(points),
        }

    return save_each(groups_of(results), folder, output, draw)


def pooled_statistics(points: Sequence[PointResult]) -> dict[float, LevelStatistics]:
    """Return the level statistics of each temperature over all boxes that have three different levels."""
    found = {}
    for temperature, members in by_temperature(points).items():
        try:
            found[temperature] = level_statistics([point["energies_meV"] for point in members])
        except ValueError:
            continue
    return found


def _states(points: Sequence[PointResult]) -> Figure:
    """Draw grains touched and sites covered against |E|/Delta, one colour a temperature."""
    figure = new_figure(9.0, 3.9)
    touched, covered = figure.subplots(1, 2)
    for number, (temperature, members) in enumerate(by_temperature(points).items()):
        style: dict[str, Any] = {
            "ms": 3,
            "mfc": "none",
            "color": COLOURS[number % 6],
            "ls": "none",
            "marker": MARKERS[number % 6],
        }
        for first, point in enumerate(members):
            energies = point["energies_meV"]
            upper = energies > 0  # the states at -E are mirror images
            reduced = energies[upper] / float(point["gap_meV"])
            label = None if first else f"{temperature:g} K"
            touched.plot(reduced, point["grains_touched"][upper], label=label, **style)
            covered.plot(reduced, point["participation"][upper] / float(point["host_sites"]), **style)
    most = max(int(point["grains"]) for point in points)
    _line(touched, most, f"all {most} grains of a box")
    _line(touched, 2, "a pair")
    touched.set_ylim(0.8, 1.08 * most + 0.4)
    touched.set_ylabel(r"grains touched $(\Sigma|w_g|)^2/\Sigma w_g^2$")
    covered.set_ylabel("host sites covered / host sites")
    covered.set_ylim(bottom=0)
    for axes in (touched, covered):
        axes.set_xlabel(r"energy $E/\Delta(T)$")
        axes.set_xlim(left=0)
    figure.legend(frameon=False, loc="outside lower center", ncols=6)
    return figure


def _line(axes: Axes, height: float, words: str) -> None:
    axes.axhline(height, color=BLACK, lw=0.8, ls=":")
    axes.text(0.99, height, words, ha="right", va="bottom", transform=axes.get_yaxis_transform(), fontsize=8)


def _statistics(points: Sequence[PointResult]) -> Figure | None:
    """Draw the histogram of gap ratios of each temperature over all boxes."""
    found = pooled_statistics(points)
    if not found:
        return None
    figure = new_figure(0.6 + 3.6 * len(found), 3.6)
    grid = figure.subplots(1, len(found), squeeze=False, sharey=True)[0]
    for axes, (temperature, statistics) in zip(grid, found.items(), strict=True):
        statistics.plot(axes)
        words = f"{temperature:g} K: {statistics.ratio:.3f} ± {statistics.error:.2g}, {statistics.ratios.size} ratios"
        axes.set_title(words, fontsize=9)
    handles = grid[0].get_legend_handles_labels()
    highest = max(bar.get_height() for axes in grid for bar in axes.patches)
    grid[0].set_ylim(0, 1.05 * max(2.0, highest))
    for number, axes in enumerate(grid):
        axes.get_legend().remove()
        if number:
            axes.set_ylabel("")
    figure.legend(*handles, frameon=False, loc="outside lower center", ncols=2 if len(found) == 1 else 4)
    return figure


def _terms(points: Sequence[PointResult]) -> Figure | None:
    """Draw the weights of pairs, triples and quadruples against temperature, and their ratio to the pairs."""
    shown = [point for point in points if "loop_weights_meV" in point.observables]
    if not shown:
        return None
    figure = new_figure(9.0, 3.9)
    weights, ratios = figure.subplots(1, 2)
    names = {2: "pairs", 3: "three grains", 4: "four grains"}
    most = max(point["loop_weights_meV"].size for point in shown) - 1
    for count in range(2, most + 1):
        colour, marker = COLOURS[count - 2], MARKERS[count - 2]
        members = [point for point in shown if point["loop_weights_meV"].size > count]
        temperatures = np.array([temperature_of(point) for point in members])
        values = np.array([float(point["loop_weights_meV"][count]) for point in members])
        pairs = np.array([float(point["loop_weights_meV"][2]) for point in members])
        for axes, heights in ((weights, values), (ratios, values / pairs)):
            if count == 2 and axes is ratios:
                continue
            axes.plot(temperatures, heights, marker, ms=4, mfc="none", color=colour)
            different = np.unique(temperatures)
            means = [np.exp(np.log(heights[temperatures == at]).mean()) for at in different]
            label = names[count] if axes is weights else None
            axes.plot(different, means, "-", lw=1, color=colour, label=label)
    weights.set_yscale("log")
    weights.set_ylabel("rms of the irreducible part of $F$ (meV)")
    ratios.set_ylabel("loops / pairs")
    if most > 2:
        ratios.set_yscale("log")
    else:
        ratios.set_visible(False)
    for axes in (weights, ratios):
        axes.set_xlabel("temperature $T$ (K)")
    weights.set_title("symbols: boxes; lines: geometric mean", fontsize=9)
    figure.legend(frameon=False, loc="outside lower center", ncols=3)
    return figure
