"""Maps of sites and bonds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from bdg.plots.figure import (
    BLACK,
    BLUE,
    GREEN,
    ORANGE,
    PURPLE,
    RED,
    SKY,
    axes_for,
    current_in,
    density_in,
    energy_in,
    length_in,
    named,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ARROWS = 600  # at most: more are averaged over square cells
FAINT = 0.02  # of the longest: shorter arrows are left out


def plot_site_map(
    positions: np.ndarray, values: np.ndarray, label: str, ax: Any = None, *, length_unit: str | None = None
) -> Figure:
    """Return a Figure of one value a site: a line in 1-D, a map in 2-D, the plane nearest the middle in 3-D."""
    figure, axes = axes_for(ax)
    positions = np.asarray(positions)
    if positions.shape[1] == 1:
        order = np.argsort(positions[:, 0])
        axes.plot(positions[order, 0], values[order], "o-", ms=3, color=BLUE)
        axes.set_xlabel(f"position $x$ {length_in(length_unit)}")
        axes.set_ylabel(label)
        return figure
    shown = _plane(positions, axes, length_unit)
    points = axes.scatter(
        positions[shown, 0],
        positions[shown, 1],
        c=values[shown],
        marker="s",
        cmap="cividis",
        s=_marker(positions[shown]),
    )
    axes.set_aspect("equal")
    axes.set_xlabel(f"$x$ {length_in(length_unit)}")
    axes.set_ylabel(f"$y$ {length_in(length_unit)}")
    figure.colorbar(points, ax=axes, label=label)
    return figure


def plot_local_densities(
    energies: np.ndarray,
    values: np.ndarray,
    sites: np.ndarray,
    positions: np.ndarray,
    ax: Any = None,
    *,
    energy_unit: str | None = None,
    length_unit: str | None = None,
) -> Figure:
    """Return a Figure of densities (M, S): a map of the sites at a single energy, a map of E and x in 1-D, else curves.

    Of more than six sites in 2-D and 3-D it shows the mean and the range.
    """
    label = rf"local density of states $\rho$ {density_in(energy_unit)}"
    if energies.size == 1:
        return plot_site_map(positions, values[0], label, ax, length_unit=length_unit)
    figure, axes = axes_for(ax)
    by_energy = np.argsort(energies, kind="stable")
    energies, values = energies[by_energy], values[by_energy]
    if sites.size > 6 and positions.shape[1] == 1:
        by_place = np.argsort(positions[:, 0], kind="stable")
        place = positions[by_place, 0]
        shown = axes.pcolormesh(place, energies, values[:, by_place], cmap="cividis", shading="nearest")
        axes.set_xlabel(f"position $x$ {length_in(length_unit)}")
        axes.set_ylabel(f"energy $E$ {energy_in(energy_unit)}")
        figure.colorbar(shown, ax=axes, label=label)
        return figure
    if sites.size > 6:
        axes.fill_between(energies, values.min(axis=1), values.max(axis=1), color=SKY, alpha=0.5, label="range")
        axes.plot(energies, values.mean(axis=1), color=BLUE, label=f"mean of {sites.size} sites")
    else:
        for site, curve, color in zip(sites, values.T, (BLUE, ORANGE, GREEN, RED, PURPLE, BLACK), strict=False):
            axes.plot(energies, curve, color=color, label=f"site {site}")
    axes.set_xlabel(f"energy $E$ {energy_in(energy_unit)}")
    axes.set_ylabel(label)
    axes.legend(frameon=False)
    return figure


def plot_spectral_function(
    energies: np.ndarray, values: np.ndarray, ax: Any = None, *, energy_unit: str | None = None
) -> Figure:
    """Return a Figure of a spectral function (M, K): a map over the list of wave vectors and energy."""
    figure, axes = axes_for(ax)
    order = np.argsort(energies)
    waves = np.arange(values.shape[1])
    image = axes.pcolormesh(waves, energies[order], values[order], cmap="cividis", shading="nearest")
    axes.set_xlabel("number of the wave vector")
    axes.set_ylabel(f"energy $E$ {energy_in(energy_unit)}")
    figure.colorbar(image, ax=axes, label=f"$A(k, E)$ {density_in(energy_unit)}")
    return figure


def _marker(positions: np.ndarray) -> float:
    """Return a marker area that fills the axes for about this many sites."""
    return float(np.clip(4e4 / max(len(positions), 1), 2, 200))


def plot_bond_currents(
    positions: np.ndarray,
    bonds: np.ndarray,
    currents: np.ndarray,
    field: np.ndarray,
    grain: np.ndarray,
    ax: Any = None,
    *,
    energy_unit: str | None = None,
    length_unit: str | None = None,
) -> Figure:
    """Return a Figure of the currents: on bonds in 1-D, the field as arrows on |J| in 2-D, the middle plane in 3-D.

    ``bonds`` (B, 2) and ``currents`` (B,) go from site to site; ``field`` (N, dim) and ``grain`` (N,) are of the sites.
    """
    figure, axes = axes_for(ax)
    if positions.shape[1] == 1:
        middle = positions[bonds].mean(axis=1)[:, 0]
        along = np.sign(positions[bonds[:, 1], 0] - positions[bonds[:, 0], 0])
        order = np.argsort(middle)
        axes.plot(middle[order], (currents * along)[order], "o-", ms=3, color=BLUE)
        axes.axhline(0, color=BLACK, lw=0.6)
        axes.set_xlabel(f"position $x$ {length_in(length_unit)}")
        axes.set_ylabel(f"current $J$ {current_in(energy_unit)}")
        return figure
    shown = _plane(positions, axes, length_unit)
    place, flow = positions[shown, :2], field[shown, :2]
    size = np.linalg.norm(flow, axis=1)
    colours = axes.scatter(place[:, 0], place[:, 1], c=size, cmap="cividis", marker="s", s=_marker(place))
    inside = place[grain[shown] >= 0]
    if len(inside) and len(inside) < len(place):
        axes.plot(*inside.T, ".", ms=2, color=ORANGE, label="superconductor")
        figure.legend(loc="outside upper right", frameon=False)
    place, flow = _thinned(place, flow)
    long = np.linalg.norm(flow, axis=1)
    kept = long > FAINT * long.max(initial=0.0)
    if kept.any():
        axes.quiver(
            *place[kept].T, *flow[kept].T, color="white", ec=BLACK, lw=0.3, pivot="middle", angles="xy", width=0.004
        )
    axes.set_aspect("equal")
    axes.set_xlabel(f"$x$ {length_in(length_unit)}")
    axes.set_ylabel(f"$y$ {length_in(length_unit)}")
    label = rf"$|J|$ a site {current_in(energy_unit, length_unit or 'length')}"
    figure.colorbar(colours, ax=axes, shrink=0.8, label=label)
    return figure


def _plane(positions: np.ndarray, axes: Axes, length_unit: str | None) -> np.ndarray:
    """Return which sites (N,) are shown: all in 2-D; in 3-D the middle plane, whose height becomes the title."""
    if positions.shape[1] == 2:
        return np.ones(len(positions), dtype=bool)
    height = _middle_plane(positions[:, 2])
    axes.set_title(f"$z$ = {named(f'{height:.4g}', length_unit)}", fontsize=10)
    return abs(positions[:, 2] - height) < 1e-6 * max(1.0, abs(height))


def _middle_plane(heights: np.ndarray) -> float:
    """Return the height that most sites have; of several, the one nearest to the middle."""
    planes, counts = np.unique(np.round(heights, 9), return_counts=True)
    middle = 0.5 * (planes[0] + planes[-1])
    return float(planes[np.lexsort((abs(planes - middle), -counts))[0]])


def _thinned(place: np.ndarray, flow: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return at most about ARROWS arrows: means over square cells."""
    if len(place) <= ARROWS:
        return place, flow
    extent = np.ptp(place, axis=0)
    cell = float(np.sqrt(extent.prod() / ARROWS))
    index = np.floor((place - place.min(axis=0)) / cell).astype(np.int64)
    _, group = np.unique(index, axis=0, return_inverse=True)
    count = np.bincount(group)
    mean = lambda values: np.stack([np.bincount(group, column) / count for column in values.T], axis=1)  # noqa: E731
    return mean(place), mean(flow)
