"""Figures of landscape jobs: stiffness beyond pairs, irreducible forces and loops against temperature, with errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bdg.jobs.kinds.shared.groups import by_temperature, groups_of
from bdg.jobs.model.figures import new_figure, paper_style, save_figure
from bdg.jobs.model.means import plain_mean
from bdg.jobs.model.results import JobResults, PointResult
from bdg.plots.figure import BLACK
from bdg.plots.means import draw_means, temperature_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def ensemble(points: Sequence[PointResult]) -> dict[str, tuple[float, float]]:
    """Return mean and standard error over samples of what they measure, by name; nan errors of a single sample."""
    names = ("R", "B", "nonlocal", "triples", "quadruples", "pairs", "touched")
    columns: dict[str, list[float]] = {name: [] for name in names}
    for point in points:
        values = point.observables
        columns["R"].append(float(point["stiffness_ratio"]))
        columns["pairs"].append(float(np.triu(point["pairs_meV"], 1).sum()))
        if "irreducible" in values:
            columns["B"].append(float(point["irreducible"]))
        if "nonlocal_share" in values:  # younger than the others
            columns["nonlocal"].append(float(point["nonlocal_share"]))
        for count, name in ((3, "triples"), (4, "quadruples")):
            if f"weights_of_{count}_meV" in values:
                weights = point[f"weights_of_{count}_meV"]
                columns[name].append(float(weights[count] / weights[2]))
        if "grains_touched" in values:
            columns["touched"].append(float(np.nanmean(point["grains_touched"])))
    return {name: _mean(np.array(column)) for name, column in columns.items() if column}


def _mean(values: np.ndarray) -> tuple[float, float]:
    found = plain_mean(values, np.isfinite(values))
    return float(found.value), float(found.error)


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
    words = {
        "B": "irreducible part of the forces",
        "nonlocal": r"nonlocal part of $dI_i/d\varphi_j$",
        "triples": "three nearest grains: loops / pairs",
        "quadruples": "four nearest grains: loops / pairs",
    }
    names = [name for name in words if any(name in means for means in found.values())]
    if not names:
        return None
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
    draw_means(axes, temperature, change(mean), error, number, title)


def _finished(figure: Figure, grid: Any, groups: int) -> Figure:
    for axes in grid:
        temperature_axis(axes)
    if groups > 1:
        figure.legend(frameon=False, loc="outside lower center", ncols=2)
    return figure
