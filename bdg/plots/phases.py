"""Figures of currents: maps over the structure, and current against phase. matplotlib loads on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from bdg.currents.phase_curves import BRANCHES, series
from bdg.plots.figure import BLACK, BLUE, COLOURS, RED, SKY, UNIT, axes_for

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from bdg.currents.current_phase import CurrentPhase
    from bdg.granular.phase_harmonics import PhaseHarmonics

MOST_TERMS = 24  # bars that stay legible


def plot_current_phase(result: CurrentPhase, ax: Any = None) -> Figure:
    """Return a Figure of I(phi): samples, the series of the harmonics, the largest current."""
    figure, axes = axes_for(ax)
    phases = result.phases / np.pi
    low, high = phases.min(), phases.max()
    fine = np.linspace(low, high, 401)
    orders = result.harmonics.shape[1] - 1
    if result.evidence["branch_spread"] > BRANCHES * abs(result.current).max():
        order = np.argsort(phases)
        axes.plot(phases[order], result.current[order], color=SKY, label="depends on how the phase is reached")
    elif high > low and orders:
        axes.plot(fine, series(result.harmonics, np.pi * fine), color=SKY, label=f"{orders} harmonics")
    axes.plot(phases, result.current, "o", ms=4, mfc="white", color=BLUE, label="computed")
    axes.axhline(0, color=BLACK, lw=0.6)
    place = result.critical_phase / np.pi
    place += 2 * np.round((0.5 * (low + high) - place) / 2)
    if low <= place <= high:
        forward, backward = np.nan_to_num(result.critical_currents)
        top = result.critical_current if forward >= backward else -result.critical_current
        axes.plot(place, top, "*", ms=9, color=RED, label=f"$I_c$ = {result.critical_current:.4g}")
    axes.set_xlabel(r"phase difference $\varphi/\pi$")
    axes.set_ylabel(f"current $I$ {UNIT}")
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
