"""Means over samples with their standard errors, one series for each kind of sample."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from bdg.plots.figure import COLOURS, MARKERS

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_means(axes: Axes, x: Any, means: Any, errors: Any, number: int, label: str = "") -> None:
    """Draw means (P,) with errors (P,), nan for none, at x (P,); ``number`` of the series sets colour and marker."""
    axes.errorbar(
        np.asarray(x),
        np.asarray(means),
        yerr=np.nan_to_num(np.asarray(errors, dtype=float)),
        fmt=MARKERS[number % len(MARKERS)] + "-",
        ms=4,
        lw=1,
        capsize=2,
        mfc="white",
        color=COLOURS[number % len(COLOURS)],
        label=label or None,
    )


def temperature_axis(axes: Axes) -> None:
    """Make x a temperature in kelvin on a logarithmic scale with plain numbers."""
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    axes.set_xlabel("temperature $T$ (K)")
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 4)))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
