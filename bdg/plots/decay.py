"""Decay of an amplitude with distance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from bdg.plots.figure import BLUE, RED, axes_for, length_in

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_decay(
    distance: np.ndarray,
    amplitude: np.ndarray,
    error: np.ndarray,
    fitted: np.ndarray,
    label: str,
    ax: Any = None,
    *,
    length_unit: str | None = None,
) -> Figure:
    """Return a Figure of mean |F| with standard errors against distance (B,), and the fit (nan outside its window).

    ``label`` names the fit, also where there is no line of it; errors that are nan are not drawn.
    """
    figure, axes = axes_for(ax)
    error = np.nan_to_num(error)
    shown = amplitude > 0
    axes.errorbar(
        distance[shown],
        amplitude[shown],
        error[shown],
        fmt="o",
        mfc="white",
        zorder=2,
        ms=4,
        capsize=2,
        color=BLUE,
        label="mean over sites",
    )
    inside = np.isfinite(fitted)
    if inside.any():
        axes.plot(distance[inside], fitted[inside], color=RED, label=label, zorder=3)
    else:
        axes.plot([], [], " ", label=label)
    if shown.any():
        axes.set_yscale("log")
    axes.set_xlabel(f"distance to the superconductor {length_in(length_unit)}")
    axes.set_ylabel(r"pair amplitude $|\langle F \rangle|$")
    axes.legend(frameon=False)
    return figure
