"""Figures of what depends on phases: currents, and the free energy with its Fourier terms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from bdg.plots.figure import BLACK, BLUE, COLOURS, GREY, RED, SKY, axes_for, current_in, energy_in

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

MOST_TERMS = 24  # bars that stay legible


def plot_current_phase(
    phases: np.ndarray,
    current: np.ndarray,
    line: tuple[np.ndarray, np.ndarray],
    label: str,
    top: tuple[float, float],
    ax: Any = None,
    *,
    normal: np.ndarray | None = None,
    energy_unit: str | None = None,
) -> Figure:
    """Return a Figure of I(phi): samples (P,), a line of phases and currents by its label, the largest current.

    An empty line is not drawn; ``top`` is phase and signed current of the largest |I|, shown where the phases reach;
    ``normal`` (P,) marks phases at which an electrode is normal.
    """
    figure, axes = axes_for(ax)
    phases = phases / np.pi
    low, high = phases.min(), phases.max()
    if line[0].size:
        axes.plot(line[0] / np.pi, line[1], color=SKY, label=label)
    lost = np.zeros(phases.size, dtype=bool) if normal is None else normal
    axes.axhline(0, color=BLACK, lw=0.6)
    axes.plot(phases[~lost], current[~lost], "o", ms=4, mfc="white", color=BLUE, label="computed")
    if lost.any():
        draw_normal(axes, phases[lost], current[lost])
    place = top[0] / np.pi
    place += 2 * np.round((0.5 * (low + high) - place) / 2)
    if low <= place <= high and not lost.all():
        axes.plot(place, top[1], "*", ms=9, color=RED, label=f"$I_c$ = {abs(top[1]):.4g}")
    axes.set_xlabel(r"phase difference $\varphi/\pi$")
    axes.set_ylabel(f"current $I$ {current_in(energy_unit)}")
    axes.legend(frameon=False)
    return figure


def draw_normal(axes: Axes, phases: np.ndarray, current: np.ndarray) -> Line2D:
    """Mark samples at which an electrode is normal; return the marks for a legend."""
    (marks,) = axes.plot(phases, current, "x", ms=5, color=GREY, label=r"normal: $\Delta$ = 0")
    return marks


def plot_free_energy_of_phase(
    phases: np.ndarray,
    free_energy: np.ndarray,
    fine: np.ndarray,
    curve: np.ndarray,
    label: str,
    ax: Any = None,
    *,
    energy_unit: str | None = None,
) -> Figure:
    """Return a Figure of F at phases (P,), with a curve at finer ones."""
    figure, axes = axes_for(ax)
    axes.plot(fine / np.pi, curve, color=RED, label=label)
    axes.plot(phases / np.pi, free_energy, "o", ms=4, color=BLUE, label="computed")
    axes.set_xlabel(r"phase difference $\varphi/\pi$")
    axes.set_ylabel(rf"$F-\langle F\rangle_\varphi$ {energy_in(energy_unit)}")
    axes.legend(frameon=False)
    return figure


def plot_phase_terms(
    orders: np.ndarray, amplitudes: np.ndarray, error: float, ax: Any = None, *, energy_unit: str | None = None
) -> Figure:
    """Return a Figure of the first amplitudes (M,), with the integers (M, m) of the terms and the error, if any."""
    figure, axes = axes_for(ax)
    shown = min(MOST_TERMS, amplitudes.size)
    sizes, involved = abs(amplitudes[:shown]), np.count_nonzero(orders[:shown], axis=1)
    for count in np.unique(involved):
        mine = np.flatnonzero(involved == count)
        axes.bar(
            mine, sizes[mine], color=COLOURS[count % len(COLOURS)], label="1 grain" if count == 1 else f"{count} grains"
        )
    if error > 0:
        axes.axhline(error, color=BLACK, lw=0.8, ls=":", label="error")
    axes.set_yscale("log")
    axes.set_xticks(range(shown), [",".join(map(str, order)) for order in orders[:shown]], rotation=90, fontsize=7)
    axes.set_xlabel("integers of the term")
    axes.set_ylabel(f"amplitude $|A_n|$ {energy_in(energy_unit)}")
    axes.legend(frameon=False)
    return figure


def plot_dressed_couplings(
    pairs: np.ndarray, dressed: np.ndarray, error: float, ax: Any = None, *, energy_unit: str | None = None
) -> Figure:
    """Return a Figure of couplings (B,) with all grains on against those of isolated pairs (B,), on equal axes."""
    figure, axes = axes_for(ax)
    shown = (pairs > error) & (dressed > error)
    axes.plot(pairs[shown], dressed[shown], "o", ms=4, mfc="white", color=BLUE, label="pairs of grains")
    if shown.any():
        ends = np.array([pairs[shown].min(), pairs[shown].max()])
        axes.plot(ends, ends, color=BLACK, lw=0.8, label="equal")
        axes.set_xscale("log")
        axes.set_yscale("log")
    axes.set_xlabel(f"coupling of the isolated pair {energy_in(energy_unit)}")
    axes.set_ylabel(f"coupling with all grains on {energy_in(energy_unit)}")
    axes.legend(frameon=False)
    return figure
