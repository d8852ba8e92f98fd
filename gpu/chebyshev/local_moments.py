"""Exact moments ``<r|T_k(H/s)|r>`` of chosen columns: spectral functions and local densities of states.

No random numbers: what is left is rounding. Columns are worked on block by block, so that only the
moments of one block are in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from bdg.gpu.chebyshev.moments import block_moments, column_blocks
from bdg.gpu.chebyshev.nambu_operator import NambuOperator
from bdg.gpu.device.threads import side_by_side


def unit_moments(
    operator: NambuOperator,
    bound: float,
    n_moments: int,
    rows: np.ndarray,
    report: Callable[[int], Any] = lambda done: None,
) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield ``<e|T_k(H/s)|e>`` (M, R) for rows of H, some at a time, with the part of ``rows`` that they belong to.

    Raises
    ------
    BoundViolatedError
        If ``bound`` is too small.
    """

    def moments_of(part: slice) -> np.ndarray:
        return block_moments(operator, operator.unit_vectors(rows[part]), bound, n_moments, report=report)

    parts = column_blocks(operator, rows.size)
    yield from zip(parts, side_by_side(moments_of, parts, operator.backend), strict=True)


def vector_moments(
    operator: NambuOperator,
    bound: float,
    n_moments: int,
    vectors: np.ndarray,
    report: Callable[[int], Any] = lambda done: None,
) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield ``<r|T_k(H/s)|r>`` (M, R) of host vectors (2 norbs N, R) in the order of the matrix.

    Where H is real, real and imaginary parts of complex vectors are two columns: their cross terms cancel.
    """
    split = vectors.dtype.kind == "c" and operator.dtype.kind != "c"

    def moments_of(part: slice) -> np.ndarray:
        chosen = vectors[:, part]
        columns = np.concatenate([chosen.real, chosen.imag], axis=1) if split else chosen
        moments = block_moments(operator, operator.to_device(columns), bound, n_moments, report=report)
        return moments[:, : chosen.shape[1]] + moments[:, chosen.shape[1] :] if split else moments

    parts = column_blocks(operator, vectors.shape[1])
    yield from zip(parts, side_by_side(moments_of, parts, operator.backend), strict=True)
