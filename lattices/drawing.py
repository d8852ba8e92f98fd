"""A system drawn before anything is solved: sites, hoppings, grains, Delta, leads. matplotlib loads on use."""

from __future__ import annotations

import functools
import io
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

if TYPE_CHECKING:
    from matplotlib.figure import Figure


MOST_SITES = {1: 20_000, 2: 20_000, 3: 5_000}  # by dimension: more cannot be told apart, and take seconds
MOST_BONDS = {1: 20_000, 2: 40_000, 3: 8_000}
MOST_NUMBERS = 40  # grains that are numbered
HOST, BOND, PAIRED, LEAD = "0.72", "0.8", "#E69F00", ("#D55E00", "#0072B2", "#009E73", "#CC79A7")


def plot_system(system: Any, ax: Any = None) -> Figure:
    """Return a Figure of a system in 1-D, 2-D or 3-D; of too many sites and bonds some are left out, and it says so."""
    dim = system.positions.shape[1]
    if dim > 3:
        raise ValueError(f"a system is drawn in one, two or three dimensions; this one has {dim}")
    axes = _axes(ax, system.positions)
    places = system.positions if dim > 1 else np.pad(system.positions, ((0, 0), (0, 1)))
    shown = _shown(system.grain >= 0, MOST_SITES[dim])
    notes = [f"{_counted(system.n_sites, 'site')}, {_counted(system.n_grains, 'grain')}"]
    if shown.size < system.n_sites:
        notes.append(f"{shown.size} sites drawn, no hoppings")
    else:
        notes += _draw_bonds(axes, system, places)
    area = float(np.clip((2e4 if dim < 3 else 6e4) / shown.size, 1.5, 60))
    _draw_sites(axes, system, places, shown, area)
    for number, lead in enumerate(system.leads):
        colour = LEAD[number % len(LEAD)]
        style = {"marker": "v", "s": 1.5 * area + 10, "color": colour, "zorder": 5}
        axes.scatter(*places[lead.interface].T, label=f"lead {number}", **style)
    _number_grains(axes, system, places)
    _label(axes, system, notes)
    if axes.get_legend_handles_labels()[0]:
        style = {"frameon": False, "fontsize": 8}
        axes.figure.legend(loc="outside lower center", ncols=3, **style) if ax is None else axes.legend(**style)
    return axes.figure


def _axes(ax: Any, positions: np.ndarray) -> Any:
    """Return the axes to draw into, new ones of the shape of the system."""
    dim = positions.shape[1]
    if ax is not None:
        if dim == 3 and not hasattr(ax, "get_zlim"):
            raise TypeError("ax must be 3-D axes for a system in three dimensions; make them with projection='3d'")
        return ax
    from matplotlib.figure import Figure

    extent = np.ptp(positions, axis=0)
    height = {1: 1.0, 2: 4.0 * extent[-1] / max(extent[0], 0.2 * extent[-1], 1e-300), 3: 3.4}[dim]
    figure = Figure(figsize=(5.4, min(height + 1.4, 6.0)), layout="compressed")
    figure._repr_png_ = functools.partial(_png, figure)  # type: ignore[attr-defined]  # what a notebook asks for
    return figure.add_subplot(projection="3d" if dim == 3 else None)


def _shown(superconducting: np.ndarray, most: int) -> np.ndarray:
    """Return the sites that are drawn: all, or a random share, in which half are superconducting where there are many.

    Every n-th site of a grid would be a pattern.
    """
    if superconducting.size <= most:
        return np.arange(superconducting.size)
    rng = np.random.default_rng(0)
    inside, outside = np.flatnonzero(superconducting), np.flatnonzero(~superconducting)
    taken = min(inside.size, max(most // 2, most - outside.size))
    kept = [rng.choice(part, count, replace=False) for part, count in ((inside, taken), (outside, most - taken))]
    return np.sort(np.concatenate(kept))


def _draw_bonds(axes: Any, system: Any, places: np.ndarray) -> list[str]:
    """Draw bonds that do not wrap around, those with pairing in a colour of their own; return what must be said."""
    bonds = sp.triu(system.adjacency, 1).tocoo()
    ends = np.stack([bonds.row, bonds.col], axis=1)
    if len(ends) > MOST_BONDS[system.positions.shape[1]]:
        return [f"{len(ends)} hoppings, not drawn"]
    straight = system.positions[ends[:, 1]] - system.positions[ends[:, 0]]
    wraps = ~np.isclose(straight, system.displacement(ends[:, 0], ends[:, 1])).all(axis=1)
    paired = _paired(system, ends)
    width = float(np.clip(400 / max(len(ends), 1), 0.25, 1.0))
    for chosen, colour, wide, label in ((~paired, BOND, 1, None), (paired, PAIRED, 3, "pairing on the bond")):
        lines = places[ends[chosen & ~wraps]]
        if len(lines):
            axes.add_collection(_lines(lines, colors=colour, linewidths=wide * width, label=label, zorder=1))
    return [f"{np.count_nonzero(wraps)} hoppings around the box not drawn"] if wraps.any() else []


def _paired(system: Any, ends: np.ndarray) -> np.ndarray:
    """Return which bonds (B,) carry pairing."""
    if system.pairing is None:
        return np.zeros(len(ends), dtype=bool)
    pairs = system.pairing.tocoo()
    there = sp.csr_matrix(
        (np.ones(pairs.nnz), (pairs.row // system.norbs, pairs.col // system.norbs)), shape=(system.n_sites,) * 2
    )
    return np.asarray(there[ends[:, 0], ends[:, 1]]).ravel() > 0


def _lines(lines: np.ndarray, **style: Any) -> Any:
    if lines.shape[2] == 3:
        from mpl_toolkits.mplot3d.art3d import Line3DCollection

        return Line3DCollection(lines, **style)
    from matplotlib.collections import LineCollection

    return LineCollection(list(lines), **style)


def _draw_sites(axes: Any, system: Any, places: np.ndarray, shown: np.ndarray, area: float) -> None:
    """Draw the host in grey, sites with Delta by its size, superconducting ones without as circles."""
    sizes, grain = abs(system.delta[shown]), system.grain[shown]
    crowd = {"depthshade": False} if places.shape[1] == 3 else {}
    host = (grain < 0) & (sizes == 0)
    if host.any():
        faint = 0.5 if places.shape[1] == 3 else 1.0
        points = places[shown[host]].T
        axes.scatter(*points, s=0.4 * area, color=HOST, lw=0, alpha=faint, label="host", zorder=2, **crowd)
    bare = (grain >= 0) & (sizes == 0)
    if bare.any():
        points, style = places[shown[bare]].T, {"facecolors": "none", "edgecolors": "#0072B2", "lw": 0.8}
        axes.scatter(*points, s=0.6 * area, label=r"superconductor, $\Delta$ = 0", zorder=3, **style, **crowd)
    paired = sizes > 0
    if paired.any():
        points = places[shown[paired]].T
        limits = {"vmin": 0.0, "vmax": float(sizes.max())}
        drawn = axes.scatter(*points, s=area, c=sizes[paired], cmap="viridis", lw=0, zorder=3, **limits, **crowd)
        unit = system.energy_unit or "unit of the hopping"
        placed = {"shrink": 0.7, "pad": 0.12} if places.shape[1] == 3 else {}
        axes.figure.colorbar(drawn, ax=axes, label=rf"$|\Delta|$ ({unit})", **placed)


def _number_grains(axes: Any, system: Any, places: np.ndarray) -> None:
    """Write the number of each grain beside its middle, with its phase where Delta has one."""
    if not 0 < system.n_grains <= MOST_NUMBERS:
        return
    inside = np.flatnonzero(system.grain >= 0)
    numbers = system.grain[inside]
    middle = _middles(places[inside], numbers, system.period)
    turned = np.iscomplexobj(system.delta) and bool(system.delta.imag.any())
    sums = np.array([system.delta[system.grain == number].sum() for number in range(system.n_grains)])
    for number, place in enumerate(middle):
        text = f"{number}: {np.angle(sums[number]) / np.pi:.2g}$\\pi$" if turned and sums[number] else str(number)
        frame = {"boxstyle": "round,pad=0.15", "fc": "white", "ec": "none", "alpha": 0.75}
        place = place + [0, 0.4] if system.positions.shape[1] == 1 else place  # above the chain
        axes.text(*place, text, fontsize=8, ha="center", va="center", bbox=frame, zorder=6)


def _middles(places: np.ndarray, numbers: np.ndarray, period: Any) -> np.ndarray:
    """Return the mean place of each number; one that wraps around a boundary is taken together."""
    counts, first = np.bincount(numbers), np.unique(numbers, return_index=True)[1]
    middle = np.empty((counts.size, places.shape[1]))
    for axis, along in enumerate(places.T):
        length = period[axis] if axis < len(period) else None
        away = along - along[first][numbers]
        if length is not None:
            away -= length * np.round(away / length)
        middle[:, axis] = along[first] + np.bincount(numbers, away) / counts
        if length is not None:
            low = along.min()
            middle[:, axis] = low + (middle[:, axis] - low) % length
    return middle


def _label(axes: Any, system: Any, notes: list[str]) -> None:
    dim, unit = system.positions.shape[1], system.length_unit or "unit of the positions"
    axes.set_xlabel(f"$x$ ({unit})")
    if dim == 1:
        axes.set_yticks([])
        axes.set_ylim(-1, 1)
    else:
        axes.set_ylabel(f"$y$ ({unit})")
    if dim == 2:
        axes.set_aspect("equal")
        axes.yaxis.get_major_locator().set_params(nbins=5, steps=[1, 2, 5, 10])  # the same before and after the layout
    if dim == 3:
        axes.set_zlabel(f"$z$ ({unit})")
        extent = np.ptp(system.positions, axis=0)
        axes.set_box_aspect(np.maximum(extent, 0.2 * extent.max()) if extent.max() else None)
        for axis in (axes.xaxis, axes.yaxis, axes.zaxis):
            axis.get_major_locator().set_params(nbins=4)
    axes.set_title("\n".join(notes), fontsize=9)


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"


def _png(figure: Figure) -> bytes:
    """Return a figure as a notebook shows it, which knows those of pyplot only."""
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()
