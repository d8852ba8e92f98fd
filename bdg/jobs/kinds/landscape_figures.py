"""Figures of landscape jobs: stiffness beyond pairs, irreducible forces and loops against temperature, with errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bdg.jobs.kinds.shared.groups import by_temperature, groups_of
from bdg.jobs.model.figures import COLOURS, MARKERS, new_figure, paper_style, save_figure
from bdg.jobs.model.results import JobResults, PointResult
from bdg.plots.figure import BLACK

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def ensemble(points: Sequence[PointResult]) -> dict[str, tuple[float, float]]:
    """Return mean and standard error over samples of what they measure, by name; nan errors of a single sample."""
    columns: dict[str, list[float]] = {"R": [], "B": [], "triples": [], "quadruples": [], "pairs": [], "touched": []}
    for point in points:
        values = point.observables
        columns["R"].append(float(point["stiffness_ratio"]))
        columns["pairs"].append(float(np.triu(point["pairs_meV"], 1).sum()))
        if "irreducible" in values:
            columns["B"].append(float(point["irreducible"]))
        for count, name in ((3, "triples"), (4, "quadruples")):
            if f"weights_of_{count}_meV" in values:
                weights = point[f"weights_of_{count}_meV"]
                columns[name].append(float(weights[count] / weights[2]))
        if "grains_touched" in values:
            columns["touched"].append(float(np.nanmean(point["grains_touched"])))
    return {name: _mean(np.array(column)) for name, column in columns.items() if column}


def _mean(values: np.ndarray) -> tuple[float, float]:
    spread = values.std(ddof=1) / np.sqrt(values.size) if values.size > 1 else np.nan
    return float(values.mean()), float(spread)


def plot(results: JobResults, folder: Path, output: Mapping[str, Any]) -> list[Path]:
    """Draw the ratio of stiffnesses, and what is beyond pairs, one colour for each combination of the other keys."""
    groups = groups_of(results)
    if not groups:
        return []
    with paper_style():
        paths = save_figure(_ratio(groups), folder, "stiffness_ratio", output)
        beyond = _beyond(groups)
        return paths if beyond is None else paths + save_figure(beyond, folder, "beyond_pairs", output)


def _ratio(groups: Mapping[str, list[PointResult]]) -> Figure:
    figure = new_figure(9.0, 3.9)
    ratio, missing = figure.subplots(1, 2)
    ratio.axhline(1, color=BLACK, lw=0.8, ls=":")
    for number, (title, points) in enumerate(groups.items()):
        _points(ratio, points, number, "R", title)
        _points(missing, points, number, "R", "", lambda mean: 1 - mean)
    ratio.set_ylabel("stiffness ratio $R$: all grains on / pairs")
    missing.set_ylabel(r"$1-R$")
    missing.set_yscale("log")
    return _finished(figure, (ratio, missing), len(groups))


def _beyond(groups: Mapping[str, list[PointResult]]) -> Figure | None:
    found = {title: ensemble(points) for title, points in groups.items()}
    names = [name for name in ("B", "triples", "quadruples") if any(name in means for means in found.values())]
    if not names:
        return None
    words = {
        "B": "irreducible part of the forces",
        "triples": "three nearest grains: loops / pairs",
        "quadruples": "four nearest grains: loops / pairs",
    }
    figure = new_figure(0.6 + 3.6 * len(names), 3.9)
    grid = figure.subplots(1, len(names), squeeze=False)[0]
    for axes, name in zip(grid, names, strict=True):
        for number, (title, points) in enumerate(groups.items()):
            _points(axes, points, number, name, title if axes is grid[0] else "")
        axes.set_ylabel(words[name])
        axes.set_yscale("log")
    return _finished(figure, grid, len(groups))


def _points(
    axes: Axes, points: Sequence[PointResult], number: int, name: str, title: str, change: Any = lambda mean: mean
) -> None:
    """Draw means with standard errors against temperature."""
    rows = [
        (at, *means[name]) for at, members in by_temperature(points).items() if name in (means := ensemble(members))
    ]
    if not rows:
        return
    temperature, mean, error = np.array(rows).T
    axes.errorbar(
        temperature,
        change(mean),
        yerr=np.nan_to_num(error),
        fmt=MARKERS[number % 6] + "-",
        ms=4,
        lw=1,
        capsize=2,
        mfc="white",
        color=COLOURS[number % 6],
        label=title or None,
    )


def _finished(figure: Figure, grid: Any, groups: int) -> Figure:
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    for axes in grid:
        axes.set_xlabel("temperature $T$ (K)")
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 4)))
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
    if groups > 1:
        figure.legend(frameon=False, loc="outside lower center", ncols=2)
    return figure
