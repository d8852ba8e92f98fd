"""A lattice plane through a composite and a row of sites in it: which sites, what is stored, how it is drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bdg.jobs.model.kind import Observable
from bdg.jobs.model.results import PointResult
from bdg.lattices.system import System
from bdg.plots.figure import BLACK

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class Plane:
    """Sites of a lattice plane.

    Attributes
    ----------
    sites : array (S,) of int
        In ascending order.
    axis : int
        The plane is perpendicular to it.
    position : float
        On that axis, in nm.
    """

    sites: np.ndarray
    axis: int
    position: float


def densest_plane(composite: System, spacing: float) -> Plane:
    """Return the lattice plane, across any axis, that cuts most grain sites."""
    index = _cells(composite.positions, spacing)
    inside = composite.grain >= 0
    best, most = (0, 0), -1
    for axis in range(index.shape[1]):
        counts = np.bincount(index[inside, axis], minlength=index[:, axis].max() + 1)
        if counts.max() > most:
            best, most = (axis, int(counts.argmax())), int(counts.max())
    axis, number = best
    return Plane(np.flatnonzero(index[:, axis] == number), axis, float((number + 0.5) * spacing))


def densest_row(composite: System, plane: Plane, spacing: float) -> tuple[np.ndarray, int]:
    """Return the row of sites in a plane, along either of its axes, that cuts most grain sites, and its axis."""
    index = _cells(composite.positions[plane.sites], spacing)
    inside = composite.grain[plane.sites] >= 0
    kept = [axis for axis in range(index.shape[1]) if axis != plane.axis]
    best, most, along = np.zeros(0, dtype=np.int64), -1, kept[0]
    for axis, across in zip(kept, reversed(kept), strict=True):
        counts = np.bincount(index[inside, across], minlength=index[:, across].max() + 1)
        if counts.max() > most:
            members = np.flatnonzero(index[:, across] == counts.argmax())
            best, most, along = members[np.argsort(index[members, axis])], int(counts.max()), axis
    return plane.sites[best], along


def slice_facts(composite: System, plane: Plane) -> dict[str, Observable]:
    """Return where a plane is and what its sites are."""
    return {
        "slice_axis": Observable(plane.axis, "1", "axis that the slice is perpendicular to (0, 1, 2)"),
        "slice_position_nm": Observable(plane.position, "nm", "its position on this axis"),
        "slice_positions_nm": Observable(composite.positions[plane.sites], "nm", "sites of the slice (S, 3)"),
        "slice_grain": Observable(composite.grain[plane.sites], "1", "grain of these sites, -1 in the host"),
    }


def slice_axes(point: PointResult) -> tuple[str, str, str]:
    """Return the names of the slice's axes, first the two in it."""
    cut = int(point["slice_axis"])
    first, second = (name for axis, name in enumerate("xyz") if axis != cut)
    return first, second, "xyz"[cut]


def draw_slice(axes: Axes, point: PointResult, values: np.ndarray, norm: Any, cmap: str = "viridis") -> Any:
    """Draw values on the sites of the slice as a map, with grains outlined along the edges of their sites."""
    from matplotlib.collections import LineCollection

    spacing = point.parameters["system"]["spacing_nm"]
    kept = [axis for axis in range(3) if axis != int(point["slice_axis"])]
    index = _cells(point["slice_positions_nm"][:, kept], spacing)
    shape = tuple(index.max(axis=0) + 1)
    shown, grain = np.full(shape, np.nan), np.full(shape, -1)
    shown[tuple(index.T)] = values
    grain[tuple(index.T)] = point["slice_grain"]
    edges = [spacing * np.arange(n + 1) for n in shape]
    mesh = axes.pcolormesh(*edges, shown.T, norm=norm, cmap=cmap, rasterized=True)
    borders = list(outline(grain, spacing))
    axes.add_collection(LineCollection(borders, colors="white", linewidths=1.3))
    axes.add_collection(LineCollection(borders, colors=BLACK, linewidths=0.5))
    axes.set_aspect("equal")
    return mesh


def outline(grain: np.ndarray, spacing: float) -> np.ndarray:
    """Return segments (L, 2, 2) along the edges between sites (nx, ny) of different grains (or grain and host)."""
    along_x = np.argwhere(grain[1:, :] != grain[:-1, :])
    along_y = np.argwhere(grain[:, 1:] != grain[:, :-1])
    vertical = np.stack([along_x + [1, 0], along_x + [1, 1]], axis=1)
    horizontal = np.stack([along_y + [0, 1], along_y + [1, 1]], axis=1)
    return spacing * np.concatenate([vertical, horizontal]).astype(float)


def _cells(positions: np.ndarray, spacing: float) -> np.ndarray:
    """Return the whole numbers of the cells that sites at (index + 1/2) spacing stand in."""
    return np.round(positions / spacing - 0.5).astype(np.int64)
