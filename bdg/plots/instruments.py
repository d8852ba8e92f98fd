"""Figures of what instruments read: images of a scanning SQUID, curves against field and temperature."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bdg.plots.figure import BLACK, COLOURS, axes_for

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def plot_image(x_um: np.ndarray, values: np.ndarray, vortices_um: np.ndarray, ax: Any = None) -> Figure:
    """Return a Figure of a field map (n, n) in uT over a square window, vortices in it as crosses."""
    figure, axes = axes_for(ax, (4.8, 4.0))
    shown = draw_image(axes, x_um, values, vortices_um)
    axes.set_xlabel(r"$x$ ($\mu$m)")
    axes.set_ylabel(r"$y$ ($\mu$m)")
    figure.colorbar(shown, ax=axes, label=r"flux density ($\mu$T)")
    return figure


def draw_image(axes: Axes, x_um: np.ndarray, values: np.ndarray, vortices_um: np.ndarray, **scale: Any) -> Any:
    """Draw a field map (n, n) in uT with the vortices (V, 2) in it as crosses; return what a colour bar needs."""
    shown = axes.pcolormesh(x_um, x_um, values, cmap="cividis", shading="nearest", rasterized=True, **scale)
    edge = abs(x_um).max()
    inside = vortices_um[(abs(vortices_um) <= edge).all(axis=1)] if vortices_um.size else vortices_um.reshape(0, 2)
    axes.plot(inside[:, 0], inside[:, 1], "x", color="white", ms=3, mew=0.8)
    axes.set_aspect("equal")
    return shown


def draw_panels(
    figure: Figure,
    x_um: np.ndarray,
    images: Sequence[np.ndarray],
    titles: Sequence[str],
    vortices_um: Sequence[np.ndarray],
    columns: int,
) -> None:
    """Draw images (n, n) in uT of one window, in rows of panels with a common colour scale that contains 0."""
    rows = -(-len(images) // columns)
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    limits = {"vmin": min(0.0, *(values.min() for values in images)), "vmax": max(0.0, *(v.max() for v in images))}
    for place, (axes, values, title, vortices) in enumerate(zip(grid.flat, images, titles, vortices_um, strict=False)):
        shown = draw_image(axes, x_um, values, vortices, **limits)
        axes.set_title(title, fontsize=10)
        if place % columns == 0:
            axes.set_ylabel(r"$y$ ($\mu$m)")
        if place + columns >= len(images):
            axes.set_xlabel(r"$x$ ($\mu$m)")
            axes.tick_params(labelbottom=True)
    for axes in grid.flat[len(images) :]:
        axes.remove()
    figure.colorbar(shown, ax=grid, pad=0.015, aspect=30, label=r"flux density ($\mu$T)")


def plot_positions(positions_um: np.ndarray, size_um: float, ax: Any = None) -> Figure:
    """Return a Figure of one arrangement of vortices (V, 2) in its square."""
    figure, axes = axes_for(ax, (4.0, 4.0))
    axes.plot(positions_um[:, 0], positions_um[:, 1], "o", ms=4, color=COLOURS[0])
    axes.set(xlim=(-size_um / 2, size_um / 2), ylim=(-size_um / 2, size_um / 2), aspect="equal")
    axes.set_xlabel(r"$x$ ($\mu$m)")
    axes.set_ylabel(r"$y$ ($\mu$m)")
    return figure


def plot_curves(
    points: np.ndarray, curves: Mapping[str, np.ndarray], labels: tuple[str, str], ax: Any = None, marker: str = "o-"
) -> Figure:
    """Return a Figure of named curves (M,) over common points, with the labels of both axes."""
    figure, axes = axes_for(ax)
    for colour, (name, values) in zip(COLOURS, curves.items(), strict=False):
        axes.plot(points, values, marker, ms=3, color=colour, label=name)
    axes.axhline(0, color=BLACK, lw=0.6)
    axes.set_xlabel(labels[0])
    axes.set_ylabel(labels[1])
    if len(curves) > 1:
        axes.legend(frameon=False)
    return figure


def plot_depth_posterior(
    heights_um: np.ndarray, depths_um: np.ndarray, probability: np.ndarray, interval_um: np.ndarray, ax: Any = None
) -> Figure:
    """Return a Figure of a posterior over depths (Z, L) and heights (Z,), of depths alone if there is one height.

    Shades hold 95 % and 68 % of the probability. The interval of the depth, or its upper end alone (NaN, upper), is
    drawn as lines.
    """
    figure, axes = axes_for(ax)
    if heights_um.size == 1:
        widths = np.gradient(depths_um[0])
        axes.plot(depths_um[0], probability[0] / widths, color=COLOURS[0])
        axes.set_ylabel(r"posterior density (1/$\mu$m)")
        axes.set_ylim(bottom=0)
    else:
        widths = np.gradient(depths_um, axis=1) * np.gradient(heights_um)[:, None]
        density = probability / widths
        order = np.argsort(-density, axis=None)
        inside = np.empty(density.size)
        inside[order] = np.cumsum(probability.ravel()[order])
        inside = inside.reshape(density.shape)
        for level, alpha in ((0.95, 0.3), (0.683, 0.6)):
            low, high = _ends_of_rows(depths_um, inside <= level)
            axes.fill_betweenx(heights_um, low, high, color=COLOURS[0], alpha=alpha, lw=0, label=f"{level:.0%}")
        axes.set_ylabel(r"height $z$ ($\mu$m)")
        axes.legend(frameon=False)
    for end in interval_um[np.isfinite(interval_um)]:
        axes.axvline(end, color=BLACK, lw=0.8, ls=":")
    axes.set_xlabel(r"penetration depth $\lambda$ ($\mu$m)")
    return figure


def _ends_of_rows(rows: np.ndarray, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the first and the last chosen value of rows (Z, L), NaN where there is none."""
    some = chosen.any(axis=1)
    at = np.arange(len(rows))
    first = rows[at, chosen.argmax(axis=1)]
    last = rows[at, rows.shape[1] - 1 - chosen[:, ::-1].argmax(axis=1)]
    return np.where(some, first, np.nan), np.where(some, last, np.nan)
