"""Figures of single results: labelled, legible, safe for colour-blind readers. matplotlib loads on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from bdg.condensate.proximity.proximity_length import ProximityLength
    from bdg.densities.local_density_of_states import LocalDensityOfStates
    from bdg.states.bound_states import BoundStates, StateCount
    from bdg.thermal.free_energy import FreeEnergy

# Okabe and Ito (2008): distinguishable with every common colour vision
BLUE, ORANGE, GREEN, RED, PURPLE, SKY, YELLOW, BLACK = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#D55E00",
    "#CC79A7",
    "#56B4E9",
    "#F0E442",
    "#000000",
)
STYLE: Any = {"font.size": 10, "axes.labelsize": 11, "legend.fontsize": 9, "lines.linewidth": 1.4, "savefig.dpi": 200}


def axes_for(ax: Any = None, size: tuple[float, float] = (5.0, 3.6)) -> tuple[Figure, Axes]:
    """Return ``ax`` with its figure, or new axes on a new figure that no window system needs to know."""
    if ax is not None:
        return ax.figure, ax
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=size, layout="constrained")
        return figure, figure.add_subplot()


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


def plot_free_energy(result: FreeEnergy, ax: Any = None) -> Figure:
    """Return a Figure of a free energy ``F = E - T S`` and the condensation energy that is part of E."""
    figure, axes = axes_for(ax)
    heat = -result.temperature * result.entropy
    parts = {
        "$F$": result.value,
        "$E$": result.value - heat,
        "$-TS$": heat,
        r"$\sum|\Delta|^2/U$": result.condensation,
    }
    axes.bar(list(parts), list(parts.values()), color=SKY, edgecolor=BLUE)
    axes.axhline(0, color="black", lw=0.8)
    axes.set_ylabel("energy (unit of the hopping)")
    axes.set_title(f"$T$ = {result.temperature:g}", fontsize=10)
    return figure


def plot_site_map(positions: np.ndarray, values: np.ndarray, label: str, ax: Any = None) -> Figure:
    """Return a Figure of one value a site: a line in 1-D, a map in 2-D, the plane nearest the middle in 3-D."""
    figure, axes = axes_for(ax)
    positions = np.asarray(positions)
    if positions.shape[1] == 1:
        order = np.argsort(positions[:, 0])
        axes.plot(positions[order, 0], values[order], "o-", ms=3, color=BLUE)
        axes.set_xlabel("position $x$ (unit of the positions)")
        axes.set_ylabel(label)
        return figure
    shown = np.ones(len(positions), dtype=bool)
    if positions.shape[1] == 3:
        planes, counts = np.unique(np.round(positions[:, 2], 9), return_counts=True)
        middle = 0.5 * (planes[0] + planes[-1])
        best = planes[np.lexsort((abs(planes - middle), -counts))[0]]
        shown = abs(positions[:, 2] - best) < 1e-6 * max(1.0, abs(best))
        axes.set_title(f"$z$ = {best:.4g}", fontsize=10)
    points = axes.scatter(
        positions[shown, 0],
        positions[shown, 1],
        c=values[shown],
        marker="s",
        cmap="cividis",
        s=_marker(positions[shown]),
    )
    axes.set_aspect("equal")
    axes.set_xlabel("$x$ (unit of the positions)")
    axes.set_ylabel("$y$ (unit of the positions)")
    figure.colorbar(points, ax=axes, label=label)
    return figure


def plot_local_densities(result: LocalDensityOfStates, ax: Any = None) -> Figure:
    """Return a Figure: a map of the sites at a single energy, a map of E and x in 1-D, else one curve a site.

    Of more than six sites in 2-D and 3-D it shows the mean and the range.
    """
    label = r"local density of states $\rho$"
    if result.energies.size == 1:
        return plot_site_map(result.positions, result.values[0], label, ax)
    figure, axes = axes_for(ax)
    by_energy = np.argsort(result.energies, kind="stable")
    energies, values = result.energies[by_energy], result.values[by_energy]
    unit = "(unit of the hopping)"
    if result.sites.size > 6 and result.positions.shape[1] == 1:
        by_place = np.argsort(result.positions[:, 0], kind="stable")
        place = result.positions[by_place, 0]
        shown = axes.pcolormesh(place, energies, values[:, by_place], cmap="cividis", shading="nearest")
        axes.set_xlabel("position $x$ (unit of the positions)")
        axes.set_ylabel(f"energy $E$ {unit}")
        figure.colorbar(shown, ax=axes, label=label)
        return figure
    if result.sites.size > 6:
        axes.fill_between(energies, values.min(axis=1), values.max(axis=1), color=SKY, alpha=0.5, label="range")
        axes.plot(energies, values.mean(axis=1), color=BLUE, label=f"mean of {result.sites.size} sites")
    else:
        for site, curve, color in zip(result.sites, values.T, (BLUE, ORANGE, GREEN, RED, PURPLE, BLACK), strict=False):
            axes.plot(energies, curve, color=color, label=f"site {site}")
    axes.set_xlabel(f"energy $E$ {unit}")
    axes.set_ylabel(label)
    axes.legend(frameon=False)
    return figure


def plot_proximity(result: ProximityLength, ax: Any = None) -> Figure:
    """Return a Figure of mean |F| with standard errors against distance, and the fit over its window."""
    figure, axes = axes_for(ax)
    profile = result.profile
    error = np.nan_to_num(profile.standard_error)
    shown = profile.amplitude > 0
    axes.errorbar(
        profile.distance[shown],
        profile.amplitude[shown],
        error[shown],
        fmt="o",
        mfc="white",
        zorder=2,
        ms=4,
        capsize=2,
        color=BLUE,
        label="mean over sites",
    )
    fitted = np.isfinite(profile.fitted)
    words = f"{result.model.replace('_', ' ')}, {result.geometry}"
    if fitted.any():
        label = f"{words}: {result.length:.3g} ± {result.uncertainty:.1g}" + (
            "" if result.resolved else " (not resolved)"
        )
        axes.plot(profile.distance[fitted], profile.fitted[fitted], color=RED, label=label, zorder=3)
    axes.set_yscale("log")
    axes.set_xlabel("distance to the superconductor (position unit)")
    axes.set_ylabel(r"pair amplitude $|\langle F \rangle|$")
    axes.legend(frameon=False)
    return figure


def _marker(positions: np.ndarray) -> float:
    """Return a marker area that fills the axes for about this many sites."""
    return float(np.clip(4e4 / max(len(positions), 1), 2, 200))
