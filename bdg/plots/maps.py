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
    from matplotlib.collections import PolyCollection
    from matplotlib.figure import Figure

ARROWS = 16  # along the longer side at most: more are averaged over square cells
FAINT = 0.02  # of the longest: shorter arrows are left out
FLAT = 0.4  # height over width of a map
ALONG = 1e-3  # of the nearest distance: neighbours that are off by less lie along an axis
CIRCLE = 24  # corners
SAMPLE = 64  # sites whose neighbours are looked at
_SQUARE = np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])


def plot_site_map(
    positions: np.ndarray,
    values: np.ndarray,
    label: str,
    ax: Any = None,
    *,
    note: str = "",
    length_unit: str | None = None,
) -> Figure:
    """Return a Figure of one value a site: a line in 1-D, a map in 2-D, the plane nearest the middle in 3-D.

    ``note`` becomes the title, beside the height of a plane.
    """
    figure, axes = axes_for(ax)
    positions = np.asarray(positions)
    axes.set_title(note, fontsize=10)
    if positions.shape[1] == 1:
        order = np.argsort(positions[:, 0])
        axes.plot(positions[order, 0], values[order], "o-", ms=3, color=BLUE)
        axes.set_xlabel(f"position $x$ {length_in(length_unit)}")
        axes.set_ylabel(label)
        return figure
    shown = _plane(positions, axes, length_unit)
    points = _draw_cells(axes, positions[shown, :2], values[shown], length_unit)
    if values[shown].any() or not note:  # zeros alone need no scale
        _colour_bar(figure, axes, points, label)
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


def _draw_cells(axes: Axes, place: np.ndarray, values: np.ndarray, length_unit: str | None) -> PolyCollection:
    """Draw a value (S,) on the cell of each site (S, 2): rectangles on a lattice along x and y, else circles."""
    from matplotlib.collections import PolyCollection

    corners = cell_of(place)
    cells = PolyCollection(list(place[:, None] + corners), cmap="cividis", lw=0, rasterized=True)
    cells.set_array(values)
    axes.add_collection(cells)
    low, high = place.min(axis=0) + corners.min(axis=0), place.max(axis=0) + corners.max(axis=0)
    axes.set_xlim(low[0], high[0])
    axes.set_ylim(low[1], high[1])
    axes.set_aspect("equal")
    axes.set_xlabel(f"$x$ {length_in(length_unit)}")
    axes.set_ylabel("$y$" if _is_flat(axes) else f"$y$ {length_in(length_unit)}")
    return cells


def cell_of(place: np.ndarray) -> np.ndarray:
    """Return the corners (K, 2) of the cell of a site at the origin, from the distances of sites (S, 2) to the nearest.

    A rectangle where neighbours lie along x or y, as far apart as these do; else a circle that touches the next one.
    """
    if len(place) < 2:
        return 0.5 * _SQUARE
    some = np.unique(np.linspace(0, len(place) - 1, SAMPLE).astype(np.int64))
    distance = np.linalg.norm(place[some, None] - place, axis=2)
    distance[np.arange(some.size), some] = np.inf
    across = abs(place[some] - place[distance.argmin(axis=1)])
    nearest = float(np.median(distance.min(axis=1)))
    if (across.min(axis=1) < ALONG * nearest).all():
        steps = [np.diff(np.unique(np.round(x / nearest, 6))) * nearest for x in place.T]
        return 0.5 * _SQUARE * [float(step.min()) if step.size else nearest for step in steps]
    angle = 2 * np.pi * np.arange(CIRCLE) / CIRCLE
    return 0.5 * nearest * np.stack([np.cos(angle), np.sin(angle)], axis=1)


def _is_flat(axes: Axes) -> bool:
    """Return whether a map is so much wider than high that nothing long fits beside it."""
    return bool(np.ptp(axes.get_ylim()) < FLAT * np.ptp(axes.get_xlim()))


def _colour_bar(figure: Figure, axes: Axes, mapped: Any, label: str) -> None:
    """Put the scale beside a map, below a flat one."""
    where: dict[str, Any] = {"location": "bottom", "aspect": 40} if _is_flat(axes) else {}
    figure.colorbar(mapped, ax=axes, label=label, **where)
    if _is_flat(axes):
        axes.locator_params(axis="y", nbins=4 if np.ptp(axes.get_ylim()) > 0.1 * np.ptp(axes.get_xlim()) else 1)


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
    cells = _draw_cells(axes, place, np.linalg.norm(flow, axis=1), length_unit)
    inside = place[grain[shown] >= 0]
    if len(inside) and len(inside) < len(place):
        axes.plot(*inside.T, ".", ms=2, color=ORANGE, label="superconductor")
        figure.legend(loc="outside upper right", frameon=False)
    _draw_arrows(axes, place, flow)
    label = rf"$|J|$ a site {current_in(energy_unit, length_unit or 'length')}"
    _colour_bar(figure, axes, cells, label)
    return figure


def _draw_arrows(axes: Axes, place: np.ndarray, flow: np.ndarray) -> None:
    """Draw means of a flow (S, 2) over square cells as arrows that stay in them, and what the longest one means."""
    extent = np.ptp(place, axis=0) + np.ptp(cell_of(place), axis=0)
    cell = max(float(extent.max()) / ARROWS, float(np.ptp(cell_of(place), axis=0).max()))
    place, flow = _thinned(place, flow, cell)
    long = np.linalg.norm(flow, axis=1)
    top = float(long.max(initial=0.0))
    kept = long > FAINT * top
    if not kept.any():
        return
    arrows = axes.quiver(
        *place[kept].T,
        *flow[kept].T,
        color="white",
        ec=BLACK,
        lw=0.4,
        pivot="middle",
        angles="xy",
        scale_units="xy",
        scale=top / (0.9 * cell),
        width=0.006,
    )
    axes.quiverkey(arrows, 0.03, 1.06, top, f"{top:.2g}", labelpos="E", coordinates="axes")


def _plane(positions: np.ndarray, axes: Axes, length_unit: str | None) -> np.ndarray:
    """Return which sites (N,) are shown: all in 2-D; in 3-D the middle plane, whose height becomes the title."""
    if positions.shape[1] == 2:
        return np.ones(len(positions), dtype=bool)
    height = _middle_plane(positions[:, 2])
    words = f"$z$ = {named(f'{height:.4g}', length_unit)}"
    axes.set_title(", ".join(filter(None, (words, axes.get_title()))), fontsize=10)
    return abs(positions[:, 2] - height) < 1e-6 * max(1.0, abs(height))


def _middle_plane(heights: np.ndarray) -> float:
    """Return the height that most sites have; of several, the one nearest to the middle."""
    planes, counts = np.unique(np.round(heights, 9), return_counts=True)
    middle = 0.5 * (planes[0] + planes[-1])
    return float(planes[np.lexsort((abs(planes - middle), -counts))[0]])


def _thinned(place: np.ndarray, flow: np.ndarray, cell: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the means of places and flows over square cells of this width."""
    index = np.floor((place - place.min(axis=0)) / cell + 1e-6).astype(np.int64)
    _, group = np.unique(index, axis=0, return_inverse=True)
    count = np.bincount(group)
    place, flow = (
        np.stack([np.bincount(group, column) / count for column in values.T], axis=1) for values in (place, flow)
    )
    return place, flow
