"""Curves of quantities that are sums of parts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from bdg.plots.figure import BLACK, BLUE, ORANGE, SKY, axes_for

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from bdg.currents.superfluid_stiffness import SuperfluidStiffness
    from bdg.thermal.free_energy import FreeEnergy


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


def plot_stiffness(result: SuperfluidStiffness, ax: Any = None) -> Figure:
    """Return a Figure of bars: diamagnetic part, paramagnetic part, stiffness, for each axis of the twist."""
    figure, axes = axes_for(ax)
    parts = {
        "diamagnetic": (result.diamagnetic, SKY),
        "paramagnetic": (result.paramagnetic, ORANGE),
        "stiffness": (result.stiffness, BLUE),
    }
    names = list("xyz"[: len(result.stiffness)]) if result.direction == "all" else [result.direction]
    place = np.arange(len(names))
    for number, (name, (value, colour)) in enumerate(parts.items()):
        heights = np.diagonal(value) if result.direction == "all" else [value]
        axes.bar(place + 0.27 * (number - 1), heights, 0.25, color=colour, label=name)
    axes.axhline(0, color=BLACK, lw=0.6)
    axes.set_xticks(place, [f"${name}{name}$" for name in names])
    axes.set_ylabel(r"per site (hopping $\cdot$ length$^2$)")
    axes.set_ylim(top=1.3 * axes.get_ylim()[1])
    axes.legend(frameon=False, ncols=3, loc="upper center")
    return figure
