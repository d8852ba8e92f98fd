"""Figures of jobs of kind "dos": densities with error bands against energy, and at E = 0 against temperature."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bdg.jobs.kinds.shared.groups import by_temperature, groups_of, seed_of, temperature_of
from bdg.jobs.model.figures import COLOURS, MARKERS, new_figure, save_each
from bdg.jobs.model.results import JobResults, PointResult
from bdg.plots.figure import BLACK

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def plot(results: JobResults, folder: Path, output: Mapping[str, Any]) -> list[Path]:
    """Draw both figures for each combination of the keys other than temperature and seed."""

    def draw(points: Sequence[PointResult]) -> dict[str, Figure | None]:
        return {"density_of_states": _densities(points), "zero_energy": _zero_energy(points)}

    return save_each(groups_of(results), folder, output, draw)


def mean_and_error(points: Sequence[PointResult], name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean of an observable over points and its standard error; of a single point its own error."""
    if len(points) == 1:
        of_one = {"density_per_meV": "density_error_per_meV", "normal_density_per_meV": "normal_density_error_per_meV"}
        return points[0][name], points[0][of_one.get(name, f"{name}_error")]
    values = np.array([point[name] for point in points])
    return values.mean(axis=0), values.std(axis=0, ddof=1) / np.sqrt(len(points))


def _densities(points: Sequence[PointResult]) -> Figure:
    """Draw the density of each temperature, per site; beside it the same over that of the normal state."""
    normal = [point for point in points if "ratio" in point.observables]
    figure = new_figure(9.2 if normal else 5.2, 4.2)
    panels = figure.subplots(1, 2 if normal else 1, squeeze=False)[0]
    for number, (temperature, members) in enumerate(by_temperature(points).items()):
        colour = COLOURS[number % len(COLOURS)]
        sites = int(members[0]["sites"])
        gap = float(members[0]["gap_meV"])
        energies = members[0]["energies_meV"]
        _band(panels[0], energies, mean_and_error(members, "density_per_meV"), colour, 1 / sites)
        panels[0].plot([], [], color=colour, label=f"{temperature:g} K")
        for sign in (1, -1):
            panels[-1].axvline(sign * gap, color=colour, ls=":", lw=1)
        with_normal = [point for point in members if "ratio" in point.observables]
        if with_normal:
            _band(panels[1], energies, mean_and_error(with_normal, "ratio"), colour, 1.0)
    if normal:
        first = next(iter(by_temperature(normal).values()))  # the normal state knows no temperature
        values = mean_and_error(first, "normal_density_per_meV")
        _band(panels[0], first[0]["energies_meV"], values, BLACK, 1 / int(first[0]["sites"]))
        panels[0].plot([], [], color=BLACK, label="normal state")
        panels[1].axhline(1, color=BLACK, lw=0.6)
        panels[1].set_ylabel(r"$\rho(E)\,/\,\rho_\mathrm{N}(E)$")
        panels[1].set_ylim(bottom=0)
    panels[-1].plot([], [], color="0.4", ls=":", lw=1, label=r"$\pm\Delta(T)$")
    panels[0].set_ylabel(r"density of states $\rho(E)/N$ (1/meV per site)")
    panels[0].set_ylim(bottom=0)
    for axes in panels:
        axes.set_xlabel("energy $E$ (meV)")
        axes.set_xlim(points[0]["energies_meV"][0], points[0]["energies_meV"][-1])
    seeds = len({seed_of(point) for point in points})
    band = f"mean of {seeds} seeds, bands: its standard error" if seeds > 1 else "bands: standard error"
    figure.legend(frameon=False, loc="outside lower center", ncols=6)
    panels[0].set_title(f"{band}; peak width {float(points[0]['peak_width_meV']):.2g} meV", fontsize=9)
    return figure


def _band(axes: Axes, energies: np.ndarray, values: tuple[np.ndarray, np.ndarray], colour: str, scale: float) -> None:
    mean, error = (scale * array for array in values)
    axes.fill_between(energies, mean - error, mean + error, color=colour, alpha=0.25, lw=0)
    axes.plot(energies, mean, color=colour, lw=1.1)


def _zero_energy(points: Sequence[PointResult]) -> Figure | None:
    """Draw rho(0)/rho_N(0) of each seed, and its mean, against temperature."""
    shown = [point for point in points if "ratio" in point.observables]
    if not shown:
        return None
    figure = new_figure(4.8, 3.8)
    axes = figure.add_subplot()
    temperatures = by_temperature(shown)
    seeds = sorted({seed_of(point) for point in shown})
    width = 0.35 * min(np.diff(sorted(temperatures)).min(initial=6.0), 6.0)
    for number, seed in enumerate(seeds):
        members = [point for point in shown if seed_of(point) == seed]
        shift = width * ((number + 0.5) / len(seeds) - 0.5) if len(seeds) > 1 else 0.0
        axes.errorbar(
            [temperature_of(point) + shift for point in members],
            [float(point["ratio_at_zero"]) for point in members],
            [float(point["ratio_at_zero_error"]) for point in members],
            fmt=MARKERS[0] if len(seeds) > 6 else MARKERS[number],
            ms=3.5,
            mfc="none",
            lw=0.8,
            capsize=1.5,
            color="0.55" if len(seeds) > 6 else COLOURS[number],
            label="each seed" if len(seeds) > 6 and not number else (f"seed {seed}" if len(seeds) <= 6 else None),
        )
    if len(seeds) > 1:
        means = [mean_and_error(members, "ratio_at_zero") for members in temperatures.values()]
        heights, errors = zip(*means, strict=True)
        axes.errorbar(
            list(temperatures), heights, errors, fmt="_", ms=14, mew=1.8, lw=1.8, capsize=4, color=BLACK, label="mean"
        )
    axes.axhline(1, color=BLACK, lw=0.6)
    axes.axvline(shown[0].parameters["system"]["critical_temperature_K"], color="0.6", ls=":", lw=1, label="$T_c$")
    axes.set_xlim(0, 1.05 * shown[0].parameters["system"]["critical_temperature_K"])
    axes.set_ylim(bottom=0)
    axes.set_xlabel("temperature $T$ (K)")
    axes.set_ylabel(r"$\rho(0)\,/\,\rho_\mathrm{N}(0)$")
    figure.legend(frameon=False, loc="outside lower center", ncols=4)
    return figure
