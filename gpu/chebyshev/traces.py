r"""The trace of Chebyshev polynomials of a BdG matrix: by random vectors with the scatter of each, or exactly.

The spectrum is symmetric, ``Tr T_k(H/s) = 0`` for odd k, so only norms of recursion vectors are needed; a random vector
r and its particle-hole partner together have no odd moments. With independent signs (H real) or phases (H complex) as
elements, ``<r|T_k|r>`` has the trace as its mean.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from bdg.gpu.chebyshev.moments import block_moments, column_blocks
from bdg.gpu.chebyshev.nambu_operator import NambuOperator
from bdg.gpu.device.threads import side_by_side

SINGLE_PRECISION_ERROR = 1e-7, 4e-9  # of moment k of a unit vector: first + k * second; matrix elements are rounded
_FAR_BELOW = 0.02  # of the noise may be the error of single precision


@dataclass(frozen=True, eq=False)
class Trace:
    """Estimates of ``Tr T_k(H/s)``, one of each random vector, or one that is exact.

    Attributes
    ----------
    moments : array (M, R)
    exact : bool
    products : int
        Products of H with one vector.
    """

    moments: np.ndarray
    exact: bool
    products: int


def single_precision_error(n_moments: int) -> float:
    """Return the error of moments of unit vectors in single precision, as measured up to 4000 moments."""
    return SINGLE_PRECISION_ERROR[0] + n_moments * SINGLE_PRECISION_ERROR[1]


def single_is_enough(dimension: int, n_vectors: int, n_moments: int) -> bool:
    """Return True if rounding in single precision is far below the noise ``1/sqrt(dimension * vectors)``."""
    return single_precision_error(n_moments) < _FAR_BELOW / np.sqrt(float(dimension) * n_vectors)


def stochastic_trace(
    operator: NambuOperator,
    bound: float,
    n_moments: int,
    n_vectors: int,
    seed: int,
    report: Callable[[int], Any] = lambda done: None,
) -> Trace:
    """Return estimates of the traces from random vectors; a vector depends on the seed and its number only.

    Raises
    ------
    BoundViolatedError
        If ``bound`` is too small.
    """

    def moments_of(block: slice) -> np.ndarray:
        start = np.stack([random_vector(operator, seed, number) for number in range(block.start, block.stop)], axis=1)
        return block_moments(operator, operator.to_device(start), bound, n_moments, even=True, report=report)

    parts = list(side_by_side(moments_of, column_blocks(operator, n_vectors), operator.backend))
    return Trace(np.concatenate(parts, axis=1), False, n_vectors * (n_moments // 2))


def exact_trace(
    operator: NambuOperator, bound: float, n_moments: int, report: Callable[[int], Any] = lambda done: None
) -> Trace:
    """Return the exact traces from one column for each electron row: holes contribute the same.

    Raises
    ------
    BoundViolatedError
        If ``bound`` is too small.
    """
    half = operator.n_rows // 2
    total = np.zeros(n_moments)

    def moments_of(block: slice) -> np.ndarray:
        start = operator.unit_vectors(np.arange(block.start, block.stop))
        return block_moments(operator, start, bound, n_moments, even=True, report=report).sum(axis=1)

    for part in side_by_side(moments_of, column_blocks(operator, half), operator.backend):
        total += part
    return Trace(2 * total[:, None], True, half * (n_moments // 2))


def random_vector(operator: NambuOperator, seed: int, number: int) -> np.ndarray:
    """Return signs, or phases where H is complex, (2 norbs N,)."""
    rng = np.random.default_rng([seed, number])
    if operator.dtype.kind == "c":
        return np.exp(2j * np.pi * rng.random(operator.n_rows))
    return 2.0 * rng.integers(0, 2, operator.n_rows) - 1.0
