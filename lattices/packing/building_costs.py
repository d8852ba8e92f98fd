"""Memory and seconds that building a system takes, from its arguments alone.

Bytes are those of the largest moment, when the Hamiltonian is compared with its own adjoint. They were fitted to
`tracemalloc` peaks of chains, planes, films and cubes of 1e4 to 3e5 sites, open and periodic, and of packings of 3e3 to
2e5 spheres, and lie at most a factor of two above them. Seconds were measured on one core of a server of 2020.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from bdg.lattices.budget import Building, number, shape_in_words
from bdg.lattices.packing.box_cut import QUADRATURE
from bdg.lattices.packing.sequential_addition import JAMMING

_SITE, _ENTRY = 60.0, 73.0  # bytes of a site and of a stored element of h, in a `System` on a grid
_DRAWN = 60.0  # bytes of a site whose onsite energy is drawn
_LABELLED = 85.0  # bytes of a site of a composite beside those of its grid: grain, its neighbours, bonds of each axis
_BATCH = 1e6  # bytes of a batch of trial spheres
_ROW, _REAL, _COMPLEX = 110.0, 70.0, 110.0  # bytes of a row and of a stored element of a matrix that is handed over
# bytes of a sphere: where all are equal, for each unit of the fraction where not, and if a face of an open box cuts it
_SPHERE, _SPREAD_SPHERE, _CUT_SPHERE = 350.0, 2700.0, 16.0 * 8 * QUADRATURE
_SECONDS_START, _SECONDS_PACKING = 0.002, 0.025
_SECONDS_SITE = {1: 3.5e-7, 2: 4e-7, 3: 6e-7}
_SECONDS_LABELLED, _SECONDS_FIELD, _SECONDS_ENTRY = 3e-7, 5e-9, 1e-7
_SECONDS_SPHERE, _SECONDS_SPREAD = 3.5e-5, 2.5  # of a sphere, and how many times longer where they differ
_SECONDS_TRIAL = {2: 1e-6, 3: 5e-6}
_TRIALS_POWER, _MOST_TRIALS = 2.4, 2000.0  # trials of a sphere at a share x of the jamming fraction: (1 - x)^-2.4


class Cost(NamedTuple):
    """Largest memory and time of a part of the work."""

    bytes: float = 0.0
    seconds: float = 0.0


def grid_cost(shape: Sequence[int], periodic: Sequence[bool], drawn: bool = False) -> Cost:
    """Return what a `System` on a regular grid takes; ``drawn``: its onsite energies are random."""
    sites = number(math.prod(shape))
    entries = sites
    for length, wraps in zip(shape, periodic, strict=True):
        entries += 2 * sites if wraps and length > 2 else 2 * sites * (1 - 1 / number(length))
    seconds = _SECONDS_START + _SECONDS_SITE[len(shape)] * sites
    return Cost(_SITE * sites + _ENTRY * entries + (_DRAWN * sites if drawn else 0.0), seconds)


def grid_building(what: str, cure: str, shape: tuple[int, ...], periodic: Sequence[bool], drawn: bool) -> Building:
    """Return what a `System` on a regular grid takes, ``what`` by name."""
    return Building(
        what=f"{what} of {shape_in_words(shape)} sites",
        **grid_cost(shape, periodic, drawn)._asdict(),
        count=number(math.prod(shape)),
        cure=cure,
        shape=shape,
        periodic=tuple(periodic),
    )


def composite_building(shape: tuple[int, ...], periodic: bool, packing: Cost, field: float) -> Building:
    """Return what `bdg.lattices.grain_composite` takes.

    Parameters
    ----------
    packing : Cost
        Of its grains.
    field : float
        Bytes of the random field of a two-phase host, 0 without one.
    """
    sites = number(math.prod(shape))
    grid = grid_cost(shape, (periodic,) * len(shape))
    # what the packing and the field need is given up before the Hamiltonian is made
    assembled = grid.bytes + _LABELLED * sites
    seconds = grid.seconds + packing.seconds + _SECONDS_LABELLED * sites + _SECONDS_FIELD * field
    parts = {
        "take a smaller size or a larger spacing": assembled,
        "its random field takes most of it; take a shorter correlation_length of the host": field + _LABELLED * sites,
        "packing its grains takes most of it; take larger ones or a smaller minimum_gap": packing.bytes,
    }
    cure = max(parts, key=parts.__getitem__)
    return Building(
        what=f"grain_composite of {shape_in_words(shape)} sites",
        bytes=parts[cure],
        seconds=seconds,
        count=sites if parts[cure] == assembled else 0.0,
        cure=cure,
        shape=shape,
        periodic=(periodic,) * len(shape),
    )


def packing_cost(spheres: float, cut: float, fraction: float, dim: int, spread: bool) -> Cost:
    """Return what a packing by random sequential addition takes.

    Parameters
    ----------
    spheres, cut : float
        All that are placed, and those that a face of an open box may cut.
    fraction : float
        Of the volume that they fill together with their gaps.
    spread : bool
        Whether their diameters differ.
    """
    left = max(1.0 - fraction / JAMMING[dim], 1e-3)
    trials = min(left**-_TRIALS_POWER, _MOST_TRIALS)
    each = _SECONDS_SPHERE + _SECONDS_TRIAL[dim] * trials
    seconds = _SECONDS_PACKING + spheres * each * (_SECONDS_SPREAD if spread else 1.0)
    each = _SPHERE + (_SPREAD_SPHERE * fraction if spread else 0.0)
    return Cost(_BATCH + each * spheres + _CUT_SPHERE * min(cut, spheres), seconds)


def packing_building(cost: Cost, spheres: float) -> Building:
    """Return what `bdg.lattices.packing.pack_spheres.pack_spheres` takes."""
    cure = "take a smaller size or larger diameters"
    return Building(f"packing {spheres:.2g} spheres", *cost, count=spheres, cure=cure, unit="spheres")


def matrix_building(hamiltonian: Any, pairing: Any) -> Building | None:
    """Return what `bdg.lattices.from_hamiltonian` takes for matrices; None for what is no matrix of numbers."""
    if getattr(hamiltonian, "ndim", 0) != 2:
        return None
    rows = number(hamiltonian.shape[0])
    entries = [(_entries(matrix), matrix) for matrix in (hamiltonian, pairing) if getattr(matrix, "ndim", 0) == 2]
    stored = sum(count for count, _ in entries)
    needed = sum(count * (_COMPLEX if matrix.dtype.kind == "c" else _REAL) for count, matrix in entries)
    return Building(
        what=f"system of {rows:.3g} orbitals with {stored:.3g} stored elements",
        bytes=_ROW * rows + needed,
        seconds=_SECONDS_START + _SECONDS_ENTRY * (rows + stored),
        count=rows,
        cure="take a smaller or a sparser matrix",
        unit="such orbitals",
    )


def _entries(matrix: Any) -> float:
    if sp.issparse(matrix):
        return float(matrix.nnz)
    return float(np.count_nonzero(matrix)) if matrix.dtype.kind in "biufc" else 0.0
