"""Regular grids (chain, square, simple cubic) assembled with array operations, without a loop over sites.

Sites are numbered with the last axis running fastest, as kwant orders them: ``index = (ix * Ny + iy) * Nz + iz``.
Values that belong to a bond are kept as arrays of the full grid shape, one an axis: entry ``[i]`` belongs to the bond
between site i and its neighbour at ``i + e_axis``. The last layer of an axis holds the bonds that wrap around; they
count only where the axis is periodic. Signatures:

* ``grid_positions(shape, spacing, offset=0.0) -> (N, dim)``
* ``assemble_grid(shape, onsite, hoppings, periodic) -> csr_matrix (N, N)``
* ``neighbour_values(values, axis)``: the value at ``i + e_axis`` for every i, wrapping around
* ``bond_mask(shape, axis, periodic) -> bool array of the grid shape``: where entry [i] is a bond
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp

_Slot = tuple[int | None, tuple[slice, ...], tuple[slice, ...], bool]


def grid_positions(shape: Sequence[int], spacing: float, offset: float = 0.0) -> np.ndarray:
    """Return the positions (N, dim) ``(index + offset) * spacing`` of the sites, last axis fastest."""
    axes = [(np.arange(length) + offset) * spacing for length in shape]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(axes))


def neighbour_values(values: np.ndarray, axis: int) -> np.ndarray:
    """Return, for each site i of the grid, the value at its neighbour ``i + e_axis``, wrapping around."""
    return np.roll(values, -1, axis)


def bond_mask(shape: Sequence[int], axis: int, periodic: Any = False) -> np.ndarray:
    """Return a bool array of the grid shape: True where site i has a bond to ``i + e_axis``."""
    mask = np.ones(tuple(shape), dtype=bool)
    if not _flags(periodic, len(shape))[axis]:
        mask[_slab(len(shape), axis, slice(-1, None))] = False
    return mask


def assemble_grid(shape: Sequence[int], onsite: Any, hoppings: Sequence[Any], periodic: Any = False) -> sp.csr_matrix:
    """Return the Hamiltonian of a grid with nearest-neighbour hopping as CSR with sorted indices.

    Parameters
    ----------
    shape : sequence of 1 to 3 int
        Sites an axis.
    onsite : array (N,) or of the grid shape, real
        Onsite energies.
    hoppings : sequence of arrays, one an axis
        Each of the grid shape (or a number). Entry [i] is the matrix element with row = the neighbour at
        ``i + e_axis`` (to) and column = i (from): ``-t`` for the usual hopping. Its partner is added. The last layer
        holds the bonds that wrap around and is ignored on an open axis.
    periodic : bool or sequence of bool, one an axis
        Axes that wrap around. Of two sites on a periodic axis, both bonds add up in one matrix element.

    Returns
    -------
    CSR (N, N), float64 or complex128
        32-bit indices where they fit.

    Raises
    ------
    ValueError
        If a shape does not fit, a value is not finite, ``onsite`` is not real, or a periodic axis has one site only.
    """
    shape = _shape(shape)
    dim, size = len(shape), int(np.prod(shape))
    wrap = _flags(periodic, dim)
    for axis in np.flatnonzero(wrap):
        if shape[axis] == 1:
            raise ValueError(
                f"periodic: axis {axis} has one site, whose bond around the axis would end where it starts. "
                "Leave this axis open, or use at least 2 sites."
            )
    diagonal = _onsite(onsite, shape)
    if len(hoppings) != dim:
        raise ValueError(f"hoppings must hold one array an axis ({dim}); got {len(hoppings)}")
    bonds = [_bonds(values, shape, axis, wrap[axis]) for axis, values in enumerate(hoppings)]
    wrap = [flag and length > 2 for flag, length in zip(wrap, shape, strict=True)]  # two sites: already added up

    slots = _slots(shape, wrap)
    count = np.ones(shape, dtype=np.int64)
    for direction, here, _, _ in slots:
        if direction is not None:
            count[here] += 1
    entries = int(count.sum())
    index_type = np.int32 if max(entries, size) <= np.iinfo(np.int32).max else np.int64
    indptr = np.zeros(size + 1, dtype=index_type)
    np.cumsum(count.reshape(-1), out=indptr[1:])
    indices = np.empty(entries, dtype=index_type)
    data = np.empty(entries, dtype=complex if any(bond.dtype.kind == "c" for bond in bonds) else float)

    site = np.arange(size, dtype=index_type).reshape(shape)
    cursor = indptr[:-1].reshape(shape).copy()  # where the next entry of each row goes
    for direction, here, there, incoming in slots:
        place = cursor[here]
        indices[place] = site[there]
        if direction is None:
            data[place] = diagonal
        else:  # the bond is stored at its lower end: incoming bonds start there, outgoing ones here
            data[place] = bonds[direction][there] if incoming else bonds[direction][here].conj()
        cursor[here] = place + 1
    matrix = sp.csr_matrix((data, indices, indptr), shape=(size, size))
    matrix.has_sorted_indices = True
    matrix.has_canonical_format = True
    return matrix


def _slots(shape: tuple[int, ...], wrap: Sequence[bool]) -> list[_Slot]:
    """Return (axis, rows, columns, incoming) of all entries of a row, in ascending order of the column.

    The stride of an axis exceeds every distance along later axes, so lower columns come axis by axis from the first
    axis on, higher columns in the reverse order.
    """
    dim = len(shape)
    first, last = slice(0, 1), slice(-1, None)
    lower: list[_Slot] = []
    higher: list[_Slot] = []
    for axis in range(dim):
        rest, front = _slab(dim, axis, slice(1, None)), _slab(dim, axis, slice(None, -1))
        start, end = _slab(dim, axis, first), _slab(dim, axis, last)
        if wrap[axis]:
            lower.append((axis, end, start, False))  # the last site's bond leads to the first one
            higher.append((axis, start, end, True))
        lower.append((axis, rest, front, True))
        higher.append((axis, front, rest, False))
    everywhere = (slice(None),) * dim
    return [*lower, (None, everywhere, everywhere, True), *reversed(higher)]


def _slab(dim: int, axis: int, part: slice) -> tuple[slice, ...]:
    return tuple(part if other == axis else slice(None) for other in range(dim))


def _shape(shape: Sequence[int]) -> tuple[int, ...]:
    lengths = tuple(shape)
    if not 1 <= len(lengths) <= 3 or any(int(n) != n or n < 1 for n in lengths):
        raise ValueError(f"shape must be 1 to 3 whole numbers of sites >= 1; got {shape!r}")
    return tuple(int(n) for n in lengths)


def _flags(periodic: Any, dim: int) -> list[bool]:
    flags = np.asarray(periodic)
    if flags.dtype != bool or flags.shape not in ((), (dim,)):
        raise ValueError(f"periodic must be True, False or one of them an axis ({dim}); got {periodic!r}")
    return [bool(flag) for flag in np.broadcast_to(flags, dim)]


def _onsite(onsite: Any, shape: tuple[int, ...]) -> np.ndarray:
    values = np.asarray(onsite)
    size = int(np.prod(shape))
    if values.shape not in ((size,), shape):
        raise ValueError(f"onsite must have shape ({size},) or {shape}; got {values.shape}")
    if values.dtype.kind not in "biuf":
        raise ValueError(f"onsite must be real; got dtype {values.dtype}")
    if not np.isfinite(values).all():
        raise ValueError("onsite must be finite; got NaN or infinity")
    return values.reshape(shape)


def _bonds(values: Any, shape: tuple[int, ...], axis: int, wrap: bool) -> np.ndarray:
    bonds = np.asarray(values)
    if bonds.dtype.kind not in "biufc":
        raise ValueError(f"hoppings[{axis}] must be numbers; got dtype {bonds.dtype}")
    if bonds.shape not in ((), shape):
        raise ValueError(f"hoppings[{axis}] must have the grid shape {shape}; got {bonds.shape}")
    bonds = np.broadcast_to(bonds.astype(complex if bonds.dtype.kind == "c" else float), shape)
    used = bonds if wrap else bonds[_slab(len(shape), axis, slice(None, -1))]
    if not np.isfinite(used).all():
        raise ValueError(f"hoppings[{axis}] must be finite; got NaN or infinity")
    if wrap and shape[axis] == 2:  # the bond around the axis joins the same two sites the other way
        bonds = bonds + neighbour_values(bonds, axis).conj()
    return bonds
