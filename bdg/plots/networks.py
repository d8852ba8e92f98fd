"""Figures of networks of grains: their couplings, helicity against temperature, and where it locks the phases."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bdg.plots.figure import BLACK, COLOURS, axes_for

if TYPE_CHECKING:
    from matplotlib.figure import Figure

AXES = "xyz"


def plot_helicity(temperatures: np.ndarray, helicity: np.ndarray, errors: np.ndarray, ax: Any = None) -> Figure:
    """Return a Figure of the helicity moduli (T, d) with errors against temperatures (T,) in any order."""
    figure, axes = axes_for(ax)
    order = np.argsort(temperatures)
    for axis in range(helicity.shape[1]):
        values, bars = helicity[order, axis], errors[order, axis]
        axes.errorbar(temperatures[order], values, bars, fmt="o-", ms=3, color=COLOURS[axis], label=f"${AXES[axis]}$")
    axes.axhline(0, color=BLACK, lw=0.6)
    axes.set_xlabel("temperature (unit of the couplings)")
    axes.set_ylabel(r"helicity modulus $\Upsilon$")
    axes.legend(frameon=False)
    return figure


def plot_locking(
    sizes: np.ndarray,
    temperatures: Sequence[np.ndarray],
    values: Sequence[np.ndarray],
    errors: Sequence[np.ndarray],
    level: float,
    found: tuple[float, float],
    ax: Any = None,
) -> Figure:
    """Return a Figure of ``L Y/T`` against temperature for each size, the level and the temperature with its error."""
    figure, axes = axes_for(ax)
    for number, length in enumerate(sizes):
        if temperatures[number].any():
            colour = COLOURS[number % len(COLOURS)]
            points = temperatures[number], values[number], errors[number]
            axes.errorbar(*points, fmt="o-", ms=3, color=colour, label=f"$L$ = {length:.4g}")
    axes.axhline(level, color=BLACK, lw=0.8, ls=":")
    axes.axvspan(found[0] - found[1], found[0] + found[1], color=BLACK, alpha=0.15, lw=0)
    axes.set_xlabel("temperature (unit of the couplings)")
    axes.set_ylabel(r"$L\Upsilon/T$")
    axes.set_title(f"$T$ = {found[0]:.4g} ± {found[1]:.1g}", fontsize=10)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False)
    return figure


def plot_couplings(
    gaps: np.ndarray, temperatures: np.ndarray, means: np.ndarray, errors: np.ndarray, ax: Any = None
) -> Figure:
    """Return a Figure of couplings (g, t) in kelvin with errors against gaps (g,) in nm, a line a temperature."""
    figure, axes = axes_for(ax)
    for number, temperature in enumerate(temperatures):
        colour = COLOURS[number % len(COLOURS)]
        points = gaps, means[:, number], errors[:, number]
        axes.errorbar(*points, fmt="o-", ms=3, lw=1, capsize=2, color=colour, label=f"{temperature:g} K")
    axes.set_yscale("log")
    axes.set_xlabel("gap between the surfaces (nm)")
    axes.set_ylabel(r"$E_J/k_B$ (K)")
    axes.legend(frameon=False, fontsize=8)
    return figure


def plot_sensitivity(names: Sequence[str], sensitivity: np.ndarray, ax: Any = None) -> Figure:
    """Return a Figure of the share of the variance that each unknown explains alone, the largest on top."""
    figure, axes = axes_for(ax)
    order = np.argsort(sensitivity)
    axes.barh([names[number] for number in order], sensitivity[order], color=COLOURS[0], height=0.6)
    axes.set_xlim(0, 1)
    axes.set_xlabel("share of the variance")
    return figure


def plot_voltages(
    currents: np.ndarray, voltages: np.ndarray, errors: np.ndarray, resistance: float, ax: Any = None
) -> Figure:
    """Return a Figure of voltages (K,) with errors against currents (K,), and the line of the normal resistance."""
    figure, axes = axes_for(ax)
    order = np.argsort(currents)
    axes.errorbar(currents[order], voltages[order], errors[order], fmt="o-", ms=3, color=COLOURS[0])
    axes.plot(currents[order], resistance * currents[order], color=BLACK, lw=0.8, ls=":", label="$R\\,I$")
    axes.set_xlabel("current (A)")
    axes.set_ylabel("voltage (V)")
    axes.legend(frameon=False)
    return figure


def plot_resistance(temperatures: np.ndarray, resistance: np.ndarray, errors: np.ndarray, ax: Any = None) -> Figure:
    """Return a Figure of R/R_N (T,) with errors against temperatures (T,)."""
    figure, axes = axes_for(ax)
    order = np.argsort(temperatures)
    axes.errorbar(temperatures[order], resistance[order], errors[order], fmt="o-", ms=3, color=COLOURS[0])
    axes.axhline(0, color=BLACK, lw=0.6)
    axes.set_xlabel("temperature (unit of the couplings)")
    axes.set_ylabel("$R/R_N$")
    return figure


def plot_two_steps(
    temperatures: np.ndarray,
    resistance: np.ndarray,
    lines: Sequence[np.ndarray],
    found: tuple[float, float],
    ax: Any = None,
) -> Figure:
    """Return a Figure of R (T,) against temperatures (T,), with straight lines (value at 0, slope) that cross."""
    figure, axes = axes_for(ax)
    axes.plot(temperatures, resistance, "o", ms=3, color=COLOURS[0])
    for number, (value, slope) in enumerate(lines, 1):
        axes.plot(temperatures, value + slope * temperatures, lw=1, color=COLOURS[number])
    if lines:
        axes.axvspan(found[0] - found[1], found[0] + found[1], color=BLACK, alpha=0.15, lw=0)
        axes.set_title(f"$T$ = {found[0]:.4g} ± {found[1]:.1g}", fontsize=10)
    axes.set_ylim(-0.05 * resistance.max(), 1.1 * resistance.max())
    axes.set_xlabel("temperature")
    axes.set_ylabel("$R$")
    return figure


def plot_cycle(
    temperatures: np.ndarray,
    curves: Sequence[tuple[np.ndarray, np.ndarray, str]],
    joined: float,
    field: float,
    ax: Any = None,
) -> Figure:
    """Return a Figure of magnetisations (T,), each with errors and a name, against temperatures (T,), and T_irr."""
    figure, axes = axes_for(ax)
    for number, (values, errors, name) in enumerate(curves):
        axes.errorbar(temperatures, values, errors, fmt="o-", ms=3, color=COLOURS[number], label=name)
    if joined > 0:
        axes.axvline(joined, color=BLACK, lw=0.8, ls=":")
    axes.axhline(0, color=BLACK, lw=0.6)
    axes.set_xlabel("temperature (K)")
    axes.set_ylabel("$M$ (A/m)")
    axes.set_title(f"{field:g} Oe", fontsize=10)
    axes.legend(frameon=False)
    return figure
