"""Figures of levels: themselves, their number and density, slopes, statistics, levels along a parameter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from bdg.plots.figure import BLACK, BLUE, COLOURS, GREEN, RED, SKY, axes_for, density_in, energy_in, named

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_phase_response(
    energies: np.ndarray, slopes: np.ndarray, touched: np.ndarray, ax: Any = None, *, energy_unit: str | None = None
) -> Figure:
    """Return a Figure of the slopes (k, G) of each level against its energy, coloured by the grains touched (k,)."""
    figure, axes = axes_for(ax)
    k, n_grains = slopes.shape
    energies, touched, slopes = np.repeat(energies, n_grains), np.repeat(touched, n_grains), slopes.ravel()
    known = np.isfinite(slopes) & np.isfinite(touched)
    still = np.isfinite(slopes) & ~known
    axes.plot(energies[still], slopes[still], ".", ms=3, color="0.7")
    points = axes.scatter(
        energies[known], slopes[known], c=touched[known], s=14, cmap="viridis", vmin=1, vmax=max(n_grains, 2), zorder=3
    )
    axes.axhline(0, color=BLACK, lw=0.6)
    axes.set_xlabel(f"energy $E$ {energy_in(energy_unit)}")
    axes.set_ylabel(rf"$\partial E/\partial\varphi_g$ {energy_in(energy_unit)}")
    axes.set_title(f"{k} levels, {n_grains} grains", fontsize=10)
    figure.colorbar(points, ax=axes, label="grains touched")
    return figure


def plot_level_statistics(
    ratios: np.ndarray, r: np.ndarray, densities: Mapping[str, np.ndarray], title: str, ax: Any = None
) -> Figure:
    """Return a Figure of the histogram of ratios (n,) with up to three densities at ``r``, by their labels."""
    figure, axes = axes_for(ax)
    bins = int(np.clip(np.sqrt(ratios.size), 4, 30))
    axes.hist(ratios, bins=bins, range=(0, 1), density=True, color=SKY, alpha=0.6, label="levels")
    lines = zip(densities.items(), (BLACK, RED, GREEN), (":", "-", "--"), strict=False)
    for (label, density), colour, style in lines:
        axes.plot(r, density, style, color=colour, label=label)
    axes.set_xlabel("ratio $r$ of consecutive spacings")
    axes.set_ylabel("probability density")
    axes.set_title(title, fontsize=10)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.35 * axes.get_ylim()[1])  # room for the legend
    axes.legend(frameon=False, ncols=2)
    return figure


def plot_level_curves(
    values: np.ndarray,
    minigap: np.ndarray,
    fine_values: np.ndarray,
    fine_energies: np.ndarray,
    crossings: np.ndarray,
    ax: Any = None,
    *,
    energy_unit: str | None = None,
) -> Figure:
    """Return a Figure of the followed levels (W, k), one colour each, with the minigap (V,) and crossings (C, 2)."""
    figure, axes = axes_for(ax)
    for number, curve in enumerate(fine_energies.T):
        axes.plot(fine_values, curve, "-", lw=1.2, color=COLOURS[number % len(COLOURS)])
    for sign in (1, -1):
        label = "minigap" if sign == 1 else None
        axes.plot(values, sign * minigap, "o", ms=2.5, color=BLACK, label=label, zorder=3)
    if crossings.size:
        axes.plot(*crossings.T, "x", ms=6, color="0.35", label="crossing", zorder=4)
    axes.set_xlabel("parameter")
    axes.set_ylabel(f"energy $E$ {energy_in(energy_unit)}")
    figure.legend(frameon=False, loc="outside lower center", ncols=2) if ax is None else axes.legend(frameon=False)
    return figure


def plot_twist_responses(
    levels: np.ndarray,
    responses: np.ndarray,
    shift: bool,
    mean: str,
    title: str,
    ax: Any = None,
    *,
    energy_unit: str | None = None,
) -> Figure:
    """Return a Figure of the response of each level (n,) to a twist against its energy, with the mean and its label.

    Responses are shifts from twist 0 to pi, or second derivatives at 0.
    """
    figure, axes = axes_for(ax)
    sizes = abs(responses)
    axes.plot(levels, sizes, "o", ms=3, mfc="none", color=BLUE, label="levels")
    axes.axhline(sizes.mean(), color=RED, label=mean)
    if sizes.min() > 0 and sizes.max() > 30 * np.median(sizes):
        axes.set_yscale("log")
    axes.set_xlabel(f"level of $h$ {energy_in(energy_unit)}")
    response = r"$|E(\pi)-E(0)|$" if shift else r"$|d^2E/d\varphi^2|$"
    axes.set_ylabel(f"{response} {energy_in(energy_unit)}")
    axes.set_title(title, fontsize=10)
    axes.legend(frameon=False)
    return figure


def plot_levels(energies: np.ndarray, complete: bool, ax: Any = None, *, energy_unit: str | None = None) -> Figure:
    """Return a Figure of the levels (k,) in ascending order, with a line at E = 0."""
    figure, axes = axes_for(ax)
    axes.plot(np.arange(1, energies.size + 1), np.sort(energies), "o", ms=4, color=BLUE)
    axes.axhline(0, color=BLACK, lw=0.6)
    axes.set_xlabel("state, by energy")
    axes.set_ylabel(f"energy $E$ {energy_in(energy_unit)}")
    proof = "proven complete" if complete else "completeness not proven"
    axes.set_title(f"{energies.size} states, {proof}", fontsize=10)
    return figure


def plot_count(energy: float, count: int, ax: Any = None, *, energy_unit: str | None = None) -> Figure:
    """Return a Figure of the number of states (-1: not proven) over the interval |E| < energy."""
    figure, axes = axes_for(ax)
    height = max(count, 0)
    axes.fill_between([-energy, energy], height, color=SKY, ec=BLUE)
    proof = "proven by inertia" if count >= 0 else "not proven"
    axes.set_title(f"{count if count >= 0 else '?'} states, {proof}", fontsize=10)
    axes.set_xlabel(f"energy $E$ {energy_in(energy_unit)}")
    axes.set_ylabel("states inside")
    axes.set_ylim(0, 1.1 * max(height, 1))
    return figure


def plot_density(
    energies: np.ndarray,
    values: np.ndarray,
    error: np.ndarray,
    broadening: float,
    ax: Any = None,
    *,
    energy_unit: str | None = None,
) -> Figure:
    """Return a Figure of a density of states (M,) with its error band against energy."""
    figure, axes = axes_for(ax)
    order = np.argsort(energies)
    energies, values, error = energies[order], values[order], error[order]
    axes.fill_between(energies, values - error, values + error, color=SKY, lw=0)
    axes.plot(energies, values, color=BLUE)
    axes.set_xlabel(f"energy $E$ {energy_in(energy_unit)}")
    axes.set_ylabel(rf"density of states $\rho(E)$ {density_in(energy_unit)}")
    axes.set_ylim(bottom=0)
    axes.set_title(f"broadening {named(f'{broadening:.2g}', energy_unit)}", fontsize=10)
    return figure
