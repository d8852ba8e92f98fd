r"""Exact diagonal elements ``<r|f(H)|r>`` of chosen columns: spectral functions, and thermal averages on sites.

No random numbers: what is left is truncation and rounding. Columns are worked on block by block, so that only the
moments of one block are in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import scipy.fft

from bdg.gpu.chebyshev.moments import block_moments, column_blocks
from bdg.gpu.chebyshev.nambu_operator import NambuOperator


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
    for part in column_blocks(operator, rows.size):
        yield part, block_moments(operator, operator.unit_vectors(rows[part]), bound, n_moments, report=report)


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
    for part in column_blocks(operator, vectors.shape[1]):
        chosen = vectors[:, part]
        columns = np.concatenate([chosen.real, chosen.imag], axis=1) if split else chosen
        moments = block_moments(operator, operator.to_device(columns), bound, n_moments, report=report)
        yield part, moments[:, : chosen.shape[1]] + moments[:, chosen.shape[1] :] if split else moments


def coefficients(function: Callable[[np.ndarray], np.ndarray], bound: float, n_moments: int) -> np.ndarray:
    """Return c_k of ``f(x) = sum_k c_k T_k(x/s)``, k < n_moments, by a cosine transform of twice as many values."""
    n_nodes = scipy.fft.next_fast_len(2 * n_moments, real=True)
    nodes = np.cos(np.pi * (np.arange(n_nodes) + 0.5) / n_nodes)
    found = scipy.fft.dct(function(bound * nodes), type=2) / n_nodes
    found[0] /= 2
    return found[:n_moments]


def diagonal_elements(
    operator: NambuOperator,
    bound: float,
    rows: np.ndarray,
    function: Callable[[np.ndarray], np.ndarray],
    n_moments: int,
    report: Callable[[int], Any] = lambda done: None,
) -> tuple[np.ndarray, float]:
    """Return ``<e|f(H)|e>`` of rows of H, and a bound of the truncation error.

    No moment of a unit vector exceeds 1, so the coefficients left out bound the error; they are taken from an
    expansion twice as long, continued geometrically.

    Parameters
    ----------
    operator : NambuOperator
    bound : float
        s >= max|E|.
    rows : array of int
        For the electron density rows of electrons with the Fermi function.
    function : callable
        f, smooth on [-s, s], of an array of energies.
    n_moments : int
        Even; half as many products.
    """
    longer = abs(coefficients(function, bound, 2 * n_moments))
    tail = longer[n_moments:]
    half = max(1, tail.size // 2)
    ratio = tail[half:].sum() / max(tail[:half].sum(), np.finfo(float).tiny)
    truncation = float(tail.sum() + tail[half:].sum() * ratio / max(1 - ratio, 1e-3))
    weights = coefficients(function, bound, n_moments)
    values = np.empty(rows.size)
    for part, moments in unit_moments(operator, bound, n_moments, rows, report):
        values[part] = weights @ moments
    return values, truncation
