r"""One step ``y <- alpha H x + beta x + gamma z - damp y`` with its dot products: a kernel and its twin.

H is a BdG matrix in the order (site, Nambu and spin). The kernel stores h and D only and makes the hole block from
them; the twin takes the whole matrix.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np

from bdg.gpu.kernels.launch import Launch
from bdg.gpu.kernels.source import instance

Dots = Literal["none", "squares", "norms", "partners"]

DOTS = {"none": 0, "squares": 3, "norms": 1, "partners": 2}  # as chebyshev.cuh numbers them
_LANES = 32  # columns of a block: rows of more columns are taken in turn, so that a plane of sites stays in cache
_THREADS = 256  # of a block
_MOST_SLOTS = 1 << 18  # threads in all: about what one device holds at a time


class NambuStep(Protocol):
    """A step of a recursion on blocks of vectors (N, 2 norbs, R), C-ordered."""

    def step(
        self,
        y: Any,
        x: Any,
        *,
        alpha: float,
        beta: float = 0.0,
        gamma: float = 0.0,
        z: Any = None,
        damp: float = 0.0,
        dots: Dots = "none",
    ) -> Any:
        """Set ``y <- alpha H x + beta x + gamma z - damp y`` and return dot products (R, 2) of the new y, or None.

        "squares": ``<y|y>``, and something else; "norms": ``<y|y>`` and ``Re <y|x>``; "partners" (norbs = 1): real
        and imaginary part of ``sum u_y v_x - v_y u_x``, which is ``<S y|x>`` for ``S (u, v) = (-v*, u*)``. Summed in
        double precision. y is not read where damp = 0; it must not overlap x or z.
        """


@dataclass(frozen=True, eq=False)
class SparseRows:
    """A CSR matrix as the kernel reads it: starts (int64), columns (int32), values; on the device."""

    starts: Any
    columns: Any
    values: Any

    @classmethod
    def of(cls, matrix: Any, dtype: Any, xp: Any) -> SparseRows:
        """Return the arrays of a SciPy CSR matrix on the device of ``xp``; an empty one keeps one element."""
        columns, values = matrix.indices.astype(np.int32), matrix.data.astype(dtype)
        if not values.size:
            columns, values = np.zeros(1, np.int32), np.zeros(1, dtype)
        return cls(xp.asarray(matrix.indptr.astype(np.int64)), xp.asarray(columns), xp.asarray(values))


class ArrayStep:
    """The step as array calls: the twin of the kernel.

    Parameters
    ----------
    matrix : CSR matrix of the device, (2 norbs N, 2 norbs N)
        H in the order (site, Nambu and spin).
    norbs : int
    xp : array module
    """

    def __init__(self, matrix: Any, norbs: int, xp: Any) -> None:
        self._matrix, self._norbs, self._xp = matrix, norbs, xp

    def step(
        self,
        y: Any,
        x: Any,
        *,
        alpha: float,
        beta: float = 0.0,
        gamma: float = 0.0,
        z: Any = None,
        damp: float = 0.0,
        dots: Dots = "none",
    ) -> Any:
        """See `NambuStep`."""
        check_vectors(y, x, z, gamma, self._norbs, dots)
        number = x.dtype.type
        made = (self._matrix @ x.reshape(-1, x.shape[2])).reshape(*x.shape)
        made = made * number(alpha)
        if beta:
            made += number(beta) * x
        if gamma:
            made += number(gamma) * z
        if damp:
            made -= number(damp) * y
        y[...] = made
        return dot_products(y, x, dots, self._xp)


class DeviceStep:
    """The step as one launch of a kernel.

    Parameters
    ----------
    normal : SparseRows
        h (norbs N, norbs N), index ``norbs * site + spin``.
    delta : array (N,) or None
        On-site pairing.
    pairing : SparseRows or None
        Further pairing, of the shape of h.
    norbs : int
    xp : array module
    launch : callable
        Runs a `Launch`.
    """

    def __init__(
        self,
        normal: SparseRows,
        delta: Any,
        pairing: SparseRows | None,
        norbs: int,
        xp: Any,
        launch: Callable[[Launch], None],
    ) -> None:
        self._normal, self._pairing, self._norbs = normal, pairing, norbs
        self._delta, self._xp, self._launch = delta, xp, launch

    def step(
        self,
        y: Any,
        x: Any,
        *,
        alpha: float,
        beta: float = 0.0,
        gamma: float = 0.0,
        z: Any = None,
        damp: float = 0.0,
        dots: Dots = "none",
    ) -> Any:
        """See `NambuStep`."""
        check_vectors(y, x, z, gamma, self._norbs, dots)
        n_rows, n_columns = self._norbs * x.shape[0], x.shape[2]
        lanes = min(_LANES, 1 << (n_columns - 1).bit_length())
        at_a_time = _THREADS // lanes
        blocks = max(1, min(-(-n_rows // at_a_time), _MOST_SLOTS // _THREADS))
        slots = blocks * at_a_time
        sums = self._xp.empty((slots, n_columns, 2) if dots != "none" else (1, 1, 2), np.float64)
        normal, pairing = self._normal, self._pairing or self._normal
        self._launch(
            Launch(
                "chebyshev",
                instance("nambu_step", x.dtype),
                (blocks, -(-n_columns // lanes), 1),
                (lanes, at_a_time, 1),
                (
                    y,
                    x,
                    x if z is None else z,
                    normal.starts,
                    normal.columns,
                    normal.values,
                    normal.values if self._delta is None else self._delta,
                    pairing.starts,
                    pairing.columns,
                    pairing.values,
                    sums,
                    np.int64(slots),
                    np.int64(n_rows),
                    np.int32(n_columns),
                    np.int32(self._norbs),
                    np.int32(self._delta is not None),
                    np.int32(self._pairing is not None),
                    np.float64(alpha),
                    np.float64(beta),
                    np.float64(gamma),
                    np.float64(damp),
                    np.int32(DOTS[dots]),
                ),
            )
        )
        return None if dots == "none" else sums.sum(axis=0)


def dot_products(y: Any, x: Any, dots: Dots, xp: Any) -> Any:
    """Return the dot products (R, 2) that a step asks for, in double precision, or None."""
    if dots == "none":
        return None
    wide = np.complex128 if x.dtype.kind == "c" else np.float64
    if dots in ("norms", "squares"):
        left, right = y.astype(wide), x.astype(wide)
        return xp.stack(
            [(left.conj() * left).real.sum(axis=(0, 1)), (left.conj() * right).real.sum(axis=(0, 1))], axis=1
        )
    u, v = (y[:, part].astype(wide) for part in (0, 1))
    total = (u * x[:, 1].astype(wide) - v * x[:, 0].astype(wide)).sum(axis=0)
    return xp.stack([total.real, total.imag if x.dtype.kind == "c" else 0 * total], axis=1)


def check_vectors(y: Any, x: Any, z: Any, gamma: float, norbs: int, dots: Dots) -> None:
    """Raise an error unless the operands of a step fit together."""
    for name, vectors in (("y", y), ("x", x), ("z", z)):
        if vectors is None:
            continue
        if vectors.ndim != 3 or vectors.shape != x.shape or vectors.shape[1] != 2 * norbs or not vectors.shape[2]:
            raise ValueError(f"{name} must be vectors (N, {2 * norbs}, R), all of one shape; got {vectors.shape}")
        if vectors.dtype != x.dtype:
            raise TypeError(f"all vectors must have one dtype; got {x.dtype} and {vectors.dtype}")
        if not vectors.flags.c_contiguous:
            raise ValueError(f"{name} must be C-ordered (N, {2 * norbs}, R); copy it with ascontiguousarray")
    if y is x or y is z:
        raise ValueError("y must not be x or z: rows of x are read after rows of y are written")
    if gamma and z is None:
        raise ValueError(f"gamma = {gamma} needs vectors z")
    if dots not in DOTS or (dots == "partners" and norbs != 1):
        raise ValueError(
            f"dots must be 'none', 'squares', 'norms' or, for norbs = 1, 'partners'; got {dots!r}, norbs = {norbs}"
        )
