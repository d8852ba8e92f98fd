"""Figures of jobs of kind "ldos": maps of the slice with outlined grains, and spectra along the row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bdg.jobs.kinds.shared.groups import groups_of, seed_of, temperature_of
from bdg.jobs.kinds.shared.panels import MOST_ROWS
from bdg.jobs.kinds.shared.planes import draw_slice, slice_axes
from bdg.jobs.model.figures import new_figure, save_each
from bdg.jobs.model.results import JobResults, PointResult
from bdg.plots.figure import BLACK

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LEVELS = {0: "$E$ = 0", 1: r"$E$ = $\Delta(T)$"}


def plot(results: JobResults, folder: Path, output: Mapping[str, Any]) -> list[Path]:
    """Draw all figures, one set for each combination of the keys other than temperature and seed."""

    def draw(points: Sequence[PointResult]) -> dict[str, Figure | None]:
        shown = points[:MOST_ROWS]
        return {"ldos_map": _maps(shown), "ldos_ratio": _ratios(shown), "ldos_row": _rows(shown)}

    return save_each(groups_of(results), folder, output, draw)


def _maps(points: Sequence[PointResult]) -> Figure:
    """Draw the density itself."""
    from matplotlib.colors import Normalize

    values = [point["map_density_per_meV"] for point in points]
    norm = Normalize(0, float(np.quantile(np.concatenate([array.ravel() for array in values]), 0.995)))
    return _grid(points, values, norm, "viridis", "local density of states\n" + r"$\rho_i(E)$ (1/meV per site)")


def _ratios(points: Sequence[PointResult]) -> Figure | None:
    """Draw the density over that of the normal state, on a logarithmic scale with 1 in its middle."""
    shown = [point for point in points if "normal_map_density_per_meV" in point.observables]
    if not shown:
        return None
    values = [point["map_density_per_meV"] / point["normal_map_density_per_meV"] for point in shown]
    label = r"$\rho_i(E)\,/\,\rho_{\mathrm{N},i}(E)$"
    norm, ticks = _ratio_scale(values)
    return _grid(shown, values, norm, "RdBu_r", label, ticks)


def _ratio_scale(values: Sequence[np.ndarray]) -> tuple[Any, list[float]]:
    """Return a logarithmic scale with 1 in its middle that all but one value of 200 fit on, and its ticks."""
    from matplotlib.colors import LogNorm

    size = abs(np.log(np.concatenate([array.ravel() for array in values])))
    most = float(np.exp(np.clip(np.quantile(size, 0.995), np.log(1.3), np.log(10))))
    steps = (1.2, 1.5, 2.0, 3.0, 5.0, 10.0)
    ticks = [1.0, *(tick for step in steps if step <= 1.001 * most for tick in (step, 1 / step))]
    return LogNorm(1 / most, most), sorted(ticks)


def _grid(
    points: Sequence[PointResult],
    values: Sequence[np.ndarray],
    norm: Any,
    cmap: str,
    label: str,
    ticks: Sequence[float] | None = None,
) -> Figure:
    """Draw a row of panels for each point, a panel for each energy, with one colour bar."""
    columns = max(array.shape[0] for array in values)
    figure = new_figure(1.7 + 2.3 * columns, 0.5 + 2.55 * len(points), "compressed")
    grid = figure.subplots(len(points), columns, squeeze=False, sharex="row", sharey="row")
    mesh: Any = None
    for row, (point, maps) in enumerate(zip(points, values, strict=True)):
        first, second, cut = slice_axes(point)
        for column, energy in enumerate(point.parameters["compute"]["energies_over_delta"]):
            axes = grid[row, column]
            mesh = draw_slice(axes, point, maps[column], norm, cmap)
            axes.set_xlabel(f"${first}$ (nm)")
            if row == 0:
                axes.set_title(_LEVELS.get(energy, rf"$E$ = {energy:g} $\Delta(T)$"), fontsize=10)
        where = f"{cut} = {float(point['slice_position_nm']):.1f} nm"
        grid[row, 0].set_ylabel(f"{temperature_of(point):g} K, seed {seed_of(point)}, {where}\n${second}$ (nm)")
        for spare in range(len(maps), columns):
            grid[row, spare].set_visible(False)
    bar = figure.colorbar(mesh, ax=grid, pad=0.015, aspect=30, extend="both" if ticks else "max", ticks=ticks)
    bar.set_label(label)
    if ticks:
        bar.ax.set_yticklabels([f"{tick:.2g}" for tick in ticks])
        bar.ax.minorticks_off()
    return figure


def _rows(points: Sequence[PointResult]) -> Figure | None:
    """Draw the spectra along the row, over those of the normal state where they are there, with the edges of grains."""
    from matplotlib.colors import Normalize

    shown = [point for point in points if "row_density_per_meV" in point.observables]
    if not shown:
        return None
    divided = all("normal_row_density_per_meV" in point.observables for point in shown)
    values = [point["row_density_per_meV"] for point in shown]
    if divided:
        values = [array / point["normal_row_density_per_meV"] for array, point in zip(values, shown, strict=True)]
        norm, ticks = _ratio_scale(values)
    else:
        ticks = []
        norm = Normalize(0, float(np.quantile(np.concatenate([array.ravel() for array in values]), 0.995)))
    columns = min(2, len(shown))
    rows = -(-len(shown) // columns)
    figure = new_figure(1.4 + 3.9 * columns, 0.6 + 3.0 * rows)
    grid = figure.subplots(rows, columns, squeeze=False)
    mesh: Any = None
    for axes, point, array in zip(grid.ravel(), shown, values, strict=False):
        mesh = _row(axes, point, array, norm, "RdBu_r" if divided else "viridis")
    for spare in grid.ravel()[len(shown) :]:
        spare.set_visible(False)
    bar = figure.colorbar(mesh, ax=grid, pad=0.015, aspect=30, extend="both" if ticks else "max", ticks=ticks or None)
    bar.set_label(r"$\rho_i(E)\,/\,\rho_{\mathrm{N},i}(E)$" if divided else r"$\rho_i(E)$ (1/meV per site)")
    if ticks:
        bar.ax.set_yticklabels([f"{tick:.2g}" for tick in ticks])
        bar.ax.minorticks_off()
    return figure


def _row(axes: Any, point: PointResult, values: np.ndarray, norm: Any, cmap: str) -> Any:
    axis, spacing = int(point["row_axis"]), point.parameters["system"]["spacing_nm"]
    x, energies = point["row_positions_nm"][:, axis], point["row_energies_meV"]
    step = energies[1] - energies[0]
    edges = np.append(x, x[-1] + spacing) - spacing / 2
    levels = np.append(energies, energies[-1] + step) - step / 2
    mesh = axes.pcolormesh(edges, levels, values, norm=norm, cmap=cmap, rasterized=True)
    change = np.flatnonzero(np.diff(point["row_grain"])) + 1
    for edge in edges[change]:
        axes.axvline(edge, color=BLACK, lw=0.9)
    gap = float(point["gap_meV"])
    for sign in (1, -1):
        axes.axhline(sign * gap, color=BLACK, lw=0.8, ls=":")
    inside = point["row_grain"] >= 0
    bounds = np.concatenate([[0], change, [x.size]])
    for begin, end in zip(bounds[:-1], bounds[1:], strict=True):
        if inside[begin]:
            middle = (edges[begin] + edges[end]) / 2
            axes.annotate("grain", (middle, levels[-1]), (0, -3), textcoords="offset points", ha="center", va="top")
    axes.set_xlabel(f"${'xyz'[axis]}$ (nm)")
    axes.set_ylabel("energy $E$ (meV)")
    axes.set_title(f"{temperature_of(point):g} K, seed {seed_of(point)}", fontsize=10, loc="center")
    return mesh
