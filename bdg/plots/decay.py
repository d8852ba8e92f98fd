"""Decay of an amplitude with distance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from bdg.plots.figure import BLUE, RED, axes_for

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from bdg.condensate.proximity.proximity_length import ProximityLength


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
