r"""Exact columns of odd functions of a BdG matrix by Chebyshev expansion.

With ``f(H) = sum_k c_k T_k(H/s)`` for odd k, the element between a state ``e`` and its partner ``S e`` follows from
half as many products: ``H S = -S H`` gives ``T_k(H) S = (-1)^k S T_k(H)``, and ``2 T_m T_{m+1} = T_{2m+1} + T_1``, so

.. math:: <S e|T_{2m+1}|e> = 2 (-1)^{m+1} <S T_{m+1} e|T_m e> - <S e|T_1|e>.

Vectors are C-ordered (2n, R): row, column of the block. Plain truncation, no damping kernel: f is analytic around the
real axis, so the coefficients fall geometrically.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.fft
import scipy.sparse as sp

from bdg.gpu.backend import Backend

BLOCK_BYTES = 4 << 20  # a block of vectors; measured best of 2, 4, 8 MiB at N = 8000: three of them stay in cache
_EARLIER = 0.8  # the partial sum at this fraction of the degree is compared with the whole
_OVERFLOW = 1.01  # T_m of a vector of norm 1 has norm <= 1 while the bound holds


class BoundViolatedError(ArithmeticError):
    """The spectrum reaches beyond the bound, so the recursion grows."""


@dataclass(eq=False)
class ElementSums:
    """Elements <a|f(H)|e> of many columns, with the estimated truncation error and what it took."""

    values: np.ndarray
    error: float
    degree: int
    products: int


def gershgorin_bound(matrix: sp.csr_matrix) -> float:
    """Return the largest absolute row sum: no eigenvalue is larger."""
    return float(abs(matrix).sum(axis=1).max())


def spectral_bound(matrix: sp.csr_matrix, seed: int = 0, steps: int = 40) -> float:
    """Return an upper bound of |E|: the smaller of Gershgorin's and that of a Lanczos run.

    The Lanczos bound is ``max_i (|theta_i| + |beta r_i|) * 1.01`` with Ritz values theta and the last components r of
    their vectors: a residual bound, so that a run which is not converged gives a larger value, not a smaller one
    (Y. Zhou et al., J. Comput. Phys. 274, 770 (2014)).
    """
    gershgorin = gershgorin_bound(matrix)
    rng = np.random.default_rng(seed)
    vector = rng.standard_normal(matrix.shape[0]).astype(matrix.dtype)
    vector /= np.linalg.norm(vector)
    previous, beta = np.zeros_like(vector), 0.0
    diagonal, off_diagonal = [], []
    for _ in range(min(steps, matrix.shape[0])):
        image = matrix @ vector - beta * previous
        alpha = float(np.vdot(vector, image).real)
        image -= alpha * vector
        diagonal.append(alpha)
        beta = float(np.linalg.norm(image))
        off_diagonal.append(beta)
        if beta < 1e-12 * gershgorin:
            break
        previous, vector = vector, image / beta
    tridiagonal = np.diag(diagonal) + np.diag(off_diagonal[:-1], 1) + np.diag(off_diagonal[:-1], -1)
    theta, ritz = np.linalg.eigh(tridiagonal)
    lanczos = 1.01 * float(np.max(abs(theta) + off_diagonal[-1] * abs(ritz[-1])))
    return min(gershgorin, lanczos)


def odd_coefficients(function: Callable[[np.ndarray], np.ndarray], degree: int) -> np.ndarray:
    """Return c_1, c_3, ... of ``f(x) = sum_k c_k T_k(x)`` on [-1, 1] up to ``degree``, by a cosine transform.

    The transform uses twice as many nodes as coefficients, so what lies beyond the degree does not fold back.
    """
    n_nodes = scipy.fft.next_fast_len(2 * (degree + 1), real=True)
    nodes = np.cos(np.pi * (np.arange(n_nodes) + 0.5) / n_nodes)
    coefficients = scipy.fft.dct(function(nodes), type=2) / n_nodes
    return coefficients[1 : degree + 1 : 2]


def partner_elements(
    matrix: sp.csr_matrix,
    bound: float,
    rows: np.ndarray,
    targets: np.ndarray,
    coefficients: np.ndarray,
    *,
    doubled: bool,
    tol: float,
    check_every: int,
    backend: Backend,
    single: bool,
    report: Callable[[int], None] = lambda done: None,
) -> ElementSums:
    """Return ``<e_target|f(H)|e_row>`` for pairs of rows and targets, column block by column block.

    Parameters
    ----------
    matrix : CSR (2n, 2n)
        H, with the symmetry S (u, v) = (-v*, u*) if ``doubled``; then ``targets`` must be ``rows + n``.
    bound : float
        s >= max|E|.
    coefficients : array
        c_1, c_3, ... of f(s x).
    tol : float
        Each block stops where its estimated truncation error is below ``tol`` times the largest |value| so far.
    check_every : int
        Terms between two looks at the error.
    single : bool
        Single precision vectors; products are summed in double precision.

    Raises
    ------
    BoundViolatedError
        If a vector grows, that is if ``bound`` was too small.
    """
    real_type = np.float32 if single else np.float64
    dtype = np.dtype(np.result_type(real_type, np.complex64) if matrix.dtype.kind == "c" else real_type)
    scaled = backend.csr(matrix * (2.0 / bound), dtype)
    width = int(np.clip(BLOCK_BYTES // (matrix.shape[0] * dtype.itemsize), 8, 64))
    values = np.empty(rows.size, dtype=complex)
    error, degree, products, largest = 0.0, 0, 0, 0.0
    for begin in range(0, rows.size, width):
        block = slice(begin, begin + width)
        sums, block_error, used, steps = _block(
            scaled, rows[block], targets[block], coefficients, doubled, tol, check_every, largest, backend
        )
        values[block] = sums
        largest = max(largest, float(abs(sums).max()))
        error, degree = max(error, block_error), max(degree, used)
        products += steps * sums.size
        report(sums.size)
    return ElementSums(values, error, degree, products)


def _block(
    scaled: Any,
    rows: np.ndarray,
    targets: np.ndarray,
    coefficients: np.ndarray,
    doubled: bool,
    tol: float,
    check_every: int,
    largest: float,
    backend: Backend,
) -> tuple[np.ndarray, float, int, int]:
    """Sum one block of columns; return sums, error, degree and number of products."""
    xp = backend.xp
    n = scaled.shape[0] // 2
    width = rows.size
    current = xp.zeros((2 * n, width), dtype=scaled.dtype)  # T_m e
    columns = xp.arange(width)
    current[xp.asarray(rows), columns] = 1
    targets = xp.asarray(targets)
    following = (scaled @ current) * scaled.dtype.type(0.5)  # T_{m+1} e
    first = following[targets, columns].astype(complex)
    total = coefficients[0] * first
    partial = [(1, backend.to_host(total))]
    steps = 1
    for term in range(1, coefficients.size):  # odd degree k = 2 term + 1
        for _ in range(1 if doubled else 2):
            current, following = following, scaled @ following - current
            steps += 1
        if doubled:  # current = T_term e, following = T_{term+1} e
            moment = _partner_product(following, current, n, xp)
            element = (2.0 if term % 2 else -2.0) * moment - first
        else:
            element = following[targets, columns].astype(complex)
        total = total + coefficients[term] * element
        if (term + 1) % check_every == 0 or term + 1 == coefficients.size:
            sums = backend.to_host(total)
            partial.append((term + 1, sums))
            growth = float(backend.to_host(xp.linalg.norm(following, axis=0).max()))
            if not growth < _OVERFLOW:
                raise BoundViolatedError(f"a vector grew to norm {growth:.3g}: the spectral bound is too small")
            estimate = _truncation_error(partial, coefficients)
            if estimate <= tol * max(largest, float(abs(sums).max())):
                break
    sums = backend.to_host(total)
    return sums, _truncation_error(partial, coefficients), 2 * term + 1 if coefficients.size > 1 else 1, steps


def _partner_product(following: Any, current: Any, n: int, xp: Any) -> Any:
    """Return <S following|current> = u'^T v - v'^T u of each column, summed in double precision."""
    pairs = ((following[:n], current[n:]), (following[n:], current[:n]))
    if current.dtype == _double(current.dtype):
        first, second = (xp.einsum("ij,ij->j", left, right) for left, right in pairs)
    else:  # single precision: einsum would also accumulate in it
        first, second = ((left * right).sum(axis=0, dtype=_double(current.dtype)) for left, right in pairs)
    return first - second


def _double(dtype: Any) -> Any:
    return np.complex128 if np.dtype(dtype).kind == "c" else np.float64


def _truncation_error(partial: list[tuple[int, np.ndarray]], coefficients: np.ndarray) -> float:
    """Estimate the error of the last partial sum, never above the rigorous bound by the missing coefficients.

    The bound is ``sum |c_k|`` over the terms left out, for |<a|T_k|e>| <= 1. The estimate takes the change since the
    partial sum at about 0.8 of the degree and continues it geometrically at the rate of the coefficients.
    """
    terms, last = partial[-1]
    envelope = np.maximum.accumulate(abs(coefficients)[::-1])[::-1]
    rigorous = float(abs(coefficients[terms:]).sum())
    earlier = [(count, sums) for count, sums in partial[:-1] if count <= _EARLIER * terms]
    if not earlier or terms < 4:
        return rigorous if terms < coefficients.size else rigorous + float(envelope[-1])
    count, sums = earlier[-1]
    change = float(abs(last - sums).max())
    rate = float(envelope[terms - 1] / max(envelope[count - 1], np.finfo(float).tiny))
    estimate = 2.0 * change * rate / max(1.0 - rate, 0.1)
    tail = rigorous + float(envelope[-1])  # the coefficients beyond the largest degree continue the last one
    return min(tail, estimate)
