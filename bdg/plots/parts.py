"""Bars: quantities that are sums of parts, and what each of several ways takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bdg.plots.figure import BLACK, BLUE, ORANGE, SKY, axes_for, energy_in, named, stiffness_in

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_free_energy(
    value: float,
    entropy: float,
    condensation: float,
    temperature: float,
    ax: Any = None,
    *,
    energy_unit: str | None = None,
) -> Figure:
    """Return a Figure of a free energy ``F = E - T S`` and the condensation energy that is part of E."""
    figure, axes = axes_for(ax)
    heat = -temperature * entropy
    parts = {
        "$F$": value,
        "$E$": value - heat,
        "$-TS$": heat,
        r"$\sum|\Delta|^2/U$": condensation,
    }
    axes.bar(list(parts), list(parts.values()), color=SKY, edgecolor=BLUE)
    axes.axhline(0, color="black", lw=0.8)
    axes.set_ylabel(f"energy {energy_in(energy_unit)}")
    axes.set_title(f"$T$ = {named(f'{temperature:g}', energy_unit)}", fontsize=10)
    return figure


def plot_stiffness(
    names: Sequence[str],
    diamagnetic: np.ndarray,
    paramagnetic: np.ndarray,
    stiffness: np.ndarray,
    ax: Any = None,
    *,
    energy_unit: str | None = None,
    length_unit: str | None = None,
) -> Figure:
    """Return a Figure of bars: diamagnetic part, paramagnetic part, stiffness (d,), for each axis of the twist."""
    figure, axes = axes_for(ax)
    parts = {
        "diamagnetic": (diamagnetic, SKY),
        "paramagnetic": (paramagnetic, ORANGE),
        "stiffness": (stiffness, BLUE),
    }
    place = np.arange(len(names))
    for number, (name, (heights, colour)) in enumerate(parts.items()):
        axes.bar(place + 0.27 * (number - 1), heights, 0.25, color=colour, label=name)
    axes.axhline(0, color=BLACK, lw=0.6)
    axes.set_xticks(place, [f"${name}{name}$" for name in names])
    axes.set_ylabel(f"per site {stiffness_in(energy_unit, length_unit)}")
    axes.set_ylim(top=1.3 * axes.get_ylim()[1])
    axes.legend(frameon=False, ncols=3, loc="upper center")
    return figure


def plot_seconds(names: Sequence[str], seconds: np.ndarray, feasible: np.ndarray, ax: Any = None) -> Figure:
    """Return a Figure of the expected seconds of each way (R,), pale where it does not fit."""
    figure, axes = axes_for(ax)
    colours = [BLUE if fits else SKY for fits in feasible]
    axes.bar(names, np.where(np.isfinite(seconds), seconds, 0.0), color=colours)
    axes.set_yscale("log")
    axes.set_ylabel("expected seconds (pale: does not fit)")
    return figure
