"""Figures of levels and phases: slopes, statistics, levels along a parameter, harmonics of the free energy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from bdg.levels.level_statistics import ratio_density
from bdg.plots.figure import BLACK, BLUE, GREEN, ORANGE, PURPLE, RED, SKY, axes_for

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from bdg.granular.phase_harmonics import PhaseHarmonics
    from bdg.granular.phase_response import PhaseResponse
    from bdg.levels.level_statistics import LevelStatistics
    from bdg.levels.spectrum_along import LevelCurves
    from bdg.levels.thouless_energy import ThoulessEnergy

COLOURS = (BLUE, RED, GREEN, ORANGE, PURPLE, SKY)
MOST_TERMS = 24  # bars that stay legible


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


def plot_phase_harmonics(result: PhaseHarmonics, ax: Any = None) -> Figure:
    """Return a Figure of F against phase where one phase is free, else of the largest terms."""
    figure, axes = axes_for(ax)
    if result.free_energy.ndim == 1:
        fine = np.linspace(0, 2 * np.pi, 301)
        order = result.orders[:, 1]  # of the phase that is free
        curve = (result.amplitudes * np.exp(1j * fine[:, None] * order)).real.sum(axis=1)
        axes.plot(fine / np.pi, curve, color=RED, label=f"{order.size} harmonics")
        axes.plot(result.phases / np.pi, result.free_energy, "o", ms=4, color=BLUE, label="computed")
        axes.set_xlabel(r"phase difference $\varphi/\pi$")
        axes.set_ylabel(r"$F-\langle F\rangle_\varphi$ (unit of the hopping)")
        axes.legend(frameon=False)
        return figure
    shown = min(MOST_TERMS, result.amplitudes.size)
    sizes, involved = abs(result.amplitudes[:shown]), np.count_nonzero(result.orders[:shown], axis=1)
    for count in np.unique(involved):
        mine = np.flatnonzero(involved == count)
        axes.bar(
            mine, sizes[mine], color=COLOURS[count % len(COLOURS)], label="1 grain" if count == 1 else f"{count} grains"
        )
    if result.error > 0:
        axes.axhline(result.error, color=BLACK, lw=0.8, ls=":", label="error")
    axes.set_yscale("log")
    axes.set_xticks(
        range(shown), [",".join(map(str, order)) for order in result.orders[:shown]], rotation=90, fontsize=7
    )
    axes.set_xlabel("integers of the term")
    axes.set_ylabel("amplitude $|A_n|$ (unit of the hopping)")
    axes.legend(frameon=False)
    return figure
