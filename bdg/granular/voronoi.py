"""Conductances between neighbouring grains of a packing in a uniform host: faces of Voronoi cells over distances."""

from __future__ import annotations

import itertools

import numpy as np
from scipy.spatial import Voronoi

from bdg.granular.network import Network
from bdg.lattices.packing.pack_spheres import Packing


def voronoi_network(packing: Packing, conductivity: float = 1.0) -> Network:
    r"""Return the network of conductances of a uniform host between the grains of a packing (finite volumes).

    .. math:: G_{ij} = \sigma A_{ij}/d_{ij},

    A the face between two Voronoi cells, d the distance of centres. A uniform field is an exact solution of Kirchhoff's
    laws, so that `effective_conductivity` is sigma. Grains as shorts are not included. With E_J R_N the same for all
    bonds, as for tunnel junctions of one superconductor, couplings are in proportion: a network of narrow couplings.

    Parameters
    ----------
    packing : Packing
        Periodic, in three dimensions, of at least 8 grains.
    conductivity : float
        sigma, in any unit.

    Returns
    -------
    Network
        Couplings are conductances, in the unit of sigma times length.

    Raises
    ------
    TypeError, ValueError
        If the packing is none, open, flat, or of fewer grains.

    References
    ----------
    R. Eymard, T. Gallouet, R. Herbin, Finite volume methods, Handbook of Numerical Analysis 7, 713 (2000).
    """
    if not isinstance(packing, Packing):
        raise TypeError(f"packing must be a Packing of bdg.lattices.pack_spheres; got {type(packing).__name__}")
    size, count = np.array(packing.size), len(packing.centres)
    if not packing.periodic or size.size != 3 or count < 8:
        raise ValueError(
            f"packing must be periodic, in 3 dimensions and of at least 8 grains; got periodic={packing.periodic}, "
            f"{size.size} dimensions, {count} grains"
        )
    shifts = np.array(list(itertools.product((0, -1, 1), repeat=3)), dtype=float)  # the box itself first
    points = (packing.centres[None] + (shifts * size)[:, None]).reshape(-1, 3)
    cells = Voronoi(points)
    inside = np.sort(cells.ridge_points, axis=1)[:, 0] < count
    ridges = np.flatnonzero(inside)
    ends = cells.ridge_points[ridges]
    ends = np.where((ends[:, 0] < count)[:, None], ends, ends[:, ::-1])
    steps = points[ends[:, 1]] - points[ends[:, 0]]
    first, second = ends[:, 0], ends[:, 1] % count
    leading = np.take_along_axis(steps, np.argmax(steps != 0, axis=1)[:, None], axis=1)[:, 0]
    both = ends[:, 1] < count  # these faces are met once, the others from either side
    once = both | (first < second) | ((first == second) & (leading > 0))
    areas = _areas(cells, ridges)
    kept = np.flatnonzero(once)
    values = float(conductivity) * areas[kept] / np.linalg.norm(steps[kept], axis=1)
    pairs = np.stack([first, second], axis=1)[kept]
    return Network(pairs, values, steps[kept], n_sites=count, volume=float(np.prod(size)), seed=packing.seed)


def _areas(cells: Voronoi, ridges: np.ndarray) -> np.ndarray:
    """Return the areas of faces, whose corners go round."""
    corners = [cells.ridge_vertices[ridge] for ridge in ridges]
    counts = np.array([len(c) for c in corners])
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    flat = cells.vertices[np.concatenate(corners)]
    following = np.arange(flat.shape[0]) + 1
    following[starts + counts - 1] = starts
    origin = np.repeat(flat[starts], counts, axis=0)
    found: np.ndarray = 0.5 * np.linalg.norm(
        np.add.reduceat(np.cross(flat - origin, flat[following] - origin), starts), axis=1
    )
    return found
