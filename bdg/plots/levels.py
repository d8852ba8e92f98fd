"""Figures of levels and phases: slopes, statistics, levels along a parameter, harmonics of the free energy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from bdg.levels.level_statistics import ratio_density
from bdg.plots.figure import BLACK, BLUE, COLOURS, GREEN, RED, SKY, axes_for

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from bdg.granular.phase_response import PhaseResponse
    from bdg.levels.level_statistics import LevelStatistics
    from bdg.levels.spectrum_along import LevelCurves
    from bdg.levels.thouless_energy import ThoulessEnergy
    from bdg.states.bound_states import BoundStates, StateCount


def plot_phase_response(result: PhaseResponse, ax: Any = None) -> Figure:
    """Return a Figure of the slopes of each level against its energy, coloured by the number of grains touched."""
    figure, axes = axes_for(ax)
    k, n_grains = result.slopes.shape
    energies = np.repeat(result.energies, n_grains)
    touched = np.repeat(result.grains_touched, n_grains)
    slopes = result.slopes.ravel()
    known = np.isfinite(slopes) & np.isfinite(touched)
    still = np.isfinite(slopes) & ~known
    axes.plot(energies[still], slopes[still], ".", ms=3, color="0.7")
    points = axes.scatter(
        energies[known], slopes[known], c=touched[known], s=14, cmap="viridis", vmin=1, vmax=max(n_grains, 2), zorder=3
    )
    axes.axhline(0, color=BLACK, lw=0.6)
    axes.set_xlabel("energy $E$ (unit of the hopping)")
    axes.set_ylabel(r"$\partial E/\partial\varphi_g$ (unit of the hopping)")
    axes.set_title(f"{k} levels, {n_grains} grains", fontsize=10)
    figure.colorbar(points, ax=axes, label="grains touched")
    return figure


def plot_level_statistics(result: LevelStatistics, ax: Any = None) -> Figure:
    """Return a Figure of the histogram of ratios with the densities of uncorrelated levels, GOE and GUE."""
    figure, axes = axes_for(ax)
    bins = int(np.clip(np.sqrt(result.ratios.size), 4, 30))
    axes.hist(result.ratios, bins=bins, range=(0, 1), density=True, color=SKY, alpha=0.6, label="levels")
    r = np.linspace(0, 1, 300)
    for name, colour, style in (("poisson", BLACK, ":"), ("goe", RED, "-"), ("gue", GREEN, "--")):
        label = f"{'Poisson' if name == 'poisson' else name.upper()}: {result.references[name]:.4f}"
        axes.plot(r, ratio_density(r, name), style, color=colour, label=label)
    axes.set_xlabel("ratio $r$ of consecutive spacings")
    axes.set_ylabel("probability density")
    words = f"mean {result.ratio:.3f} ± {result.error:.2g}: {result.ratios.size} ratios"
    axes.set_title(words + (f" of {result.samples} samples" if result.samples > 1 else ""), fontsize=10)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.35 * axes.get_ylim()[1])  # room for the legend
    axes.legend(frameon=False, ncols=2)
    return figure


def plot_level_curves(result: LevelCurves, ax: Any = None) -> Figure:
    """Return a Figure of the followed levels, one colour each, with crossings and the minigap."""
    figure, axes = axes_for(ax)
    for number, curve in enumerate(result.fine_energies.T):
        axes.plot(result.fine_values, curve, "-", lw=1.2, color=COLOURS[number % len(COLOURS)])
    for sign in (1, -1):
        label = "minigap" if sign == 1 else None
        axes.plot(result.values, sign * result.minigap, "o", ms=2.5, color=BLACK, label=label, zorder=3)
    if result.crossings.size:
        axes.plot(*result.crossings.T, "x", ms=6, color="0.35", label="crossing", zorder=4)
    axes.set_xlabel("parameter")
    axes.set_ylabel("energy $E$ (unit of the hopping)")
    figure.legend(frameon=False, loc="outside lower center", ncols=2) if ax is None else axes.legend(frameon=False)
    return figure


def plot_thouless_energy(result: ThoulessEnergy, ax: Any = None) -> Figure:
    """Return a Figure of the response of each level to the twist against its energy, with the mean."""
    figure, axes = axes_for(ax)
    shift = result.evidence["method"] == "shift"
    sizes = abs(result.responses)
    axes.plot(result.levels, sizes, "o", ms=3, mfc="none", color=BLUE, label="levels")
    axes.axhline(sizes.mean(), color=RED, label=f"mean: $E_T$ = {result.energy:.3g} ± {result.error:.1g}")
    if sizes.min() > 0 and sizes.max() > 30 * np.median(sizes):
        axes.set_yscale("log")
    axes.set_xlabel("level of $h$ (unit of the hopping)")
    axes.set_ylabel(r"$|E(\pi)-E(0)|$" if shift else r"$|d^2E/d\varphi^2|$")
    axes.set_title(f"twist along {'xyz'[result.axis]}, $E_T/\\delta$ = {result.conductance:.2g}", fontsize=10)
    axes.legend(frameon=False)
    return figure


def plot_levels(states: BoundStates, ax: Any = None) -> Figure:
    """Return a Figure of the levels in ascending order, with a line at E = 0."""
    figure, axes = axes_for(ax)
    axes.plot(np.arange(1, states.energies.size + 1), np.sort(states.energies), "o", ms=4, color=BLUE)
    axes.axhline(0, color=BLACK, lw=0.6)
    axes.set_xlabel("state, by energy")
    axes.set_ylabel("energy $E$ (unit of the hopping)")
    proof = "proven complete" if states.complete else "completeness not proven"
    axes.set_title(f"{states.energies.size} states, {proof}", fontsize=10)
    return figure


def plot_count(result: StateCount, ax: Any = None) -> Figure:
    """Return a Figure of the number of states over the interval |E| < energy that it was counted in."""
    figure, axes = axes_for(ax)
    height = max(result.count, 0)
    axes.fill_between([-result.energy, result.energy], height, color=SKY, ec=BLUE)
    proof = "proven by inertia" if result.count >= 0 else "not proven"
    axes.set_title(f"{result.count if result.count >= 0 else '?'} states, {proof}", fontsize=10)
    axes.set_xlabel("energy $E$ (unit of the hopping)")
    axes.set_ylabel("states inside")
    axes.set_ylim(0, 1.1 * max(height, 1))
    return figure
