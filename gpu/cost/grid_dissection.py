"""Size of the nested dissection of a regular grid, from its shape alone: what estimates for large grids go by.

`bdg.gpu.ordering.dissection` halves a part at a lattice plane across its longest axis. On a grid of nearest neighbours
the parts are boxes, the separators planes, and what a part updates are the faces along which it was cut, so equal boxes
need be looked at once: a grid of any size takes a few hundred steps.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import NamedTuple

from bdg.gpu.multifrontal.analysis.flops import factor_flops
from bdg.gpu.multifrontal.analysis.settings import CPU_SETTINGS


class GridWork(NamedTuple):
    """Work of a factorisation with one row a site.

    Attributes
    ----------
    flops : float
        Operations of all fronts.
    elements : float
        Elements of all fronts, m^2 each.
    kept : float
        Of them those of the factors.
    largest : float
        Elements of the largest front.
    """

    flops: float
    elements: float
    kept: float
    largest: float


def grid_work(shape: Sequence[int], periodic: Sequence[bool], leaf: int = CPU_SETTINGS.leaf) -> GridWork:
    """Return the work of a factorisation on a grid of ``shape`` with bonds between nearest neighbours.

    Parameters
    ----------
    shape : sequence of int
        Sites an axis.
    periodic : sequence of bool
        Axes that wrap around: the first cut across one takes two planes.
    leaf : int
        Parts of at most this many sites are not cut further.
    """
    wraps = tuple(bool(flag) and length > 2 for flag, length in zip(periodic, shape, strict=True))
    return _part(tuple(shape), (0,) * len(wraps), wraps, leaf)


@functools.lru_cache(maxsize=100_000)
def _part(shape: tuple[int, ...], cut: tuple[int, ...], wraps: tuple[bool, ...], leaf: int) -> GridWork:
    """Return the work of a box with ``cut`` faces along each axis that separators touch."""
    sites = math.prod(shape)
    updates = sum(faces * sites // length for faces, length in zip(cut, shape, strict=True))
    if sites <= leaf:
        return _front(sites, updates)
    axis = max(range(len(shape)), key=shape.__getitem__)
    length, planes = shape[axis], 2 if wraps[axis] else 1
    front = _front(planes * sites // length, updates)
    below = length // 2
    parts = [front]
    for side, part in enumerate((below - planes + 1, length - below - 1)):
        if part > 0:
            # an outer face that is cut already stays with one of the halves
            faces = 2 if wraps[axis] else min(2, 1 + (cut[axis] > side))
            parts.append(_part(_with(shape, axis, part), _with(cut, axis, faces), _with(wraps, axis, False), leaf))
    return GridWork(
        sum(p.flops for p in parts),
        sum(p.elements for p in parts),
        sum(p.kept for p in parts),
        max(p.largest for p in parts),
    )


def _front(pivots: int, updates: int) -> GridWork:
    size = float(pivots + updates)
    return GridWork(float(factor_flops(pivots, updates)), size**2, pivots * size, size**2)


def _with(values: tuple, axis: int, value: object) -> tuple:
    return (*values[:axis], value, *values[axis + 1 :])
