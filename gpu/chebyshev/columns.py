r"""Exact columns of odd functions of a BdG matrix by Chebyshev expansion.

With ``f(H) = sum_k c_k T_k(H/s)`` for odd k, the element between a state ``e`` and its partner ``S e`` follows from
half as many products: ``H S = -S H`` gives ``T_k(H) S = (-1)^k S T_k(H)``, and ``2 T_m T_{m+1} = T_{2m+1} + T_1``, so

.. math:: <S e|T_{2m+1}|e> = 2 (-1)^{m+1} <S T_{m+1} e|T_m e> - <S e|T_1|e>.

Plain truncation, no damping kernel: f is analytic around the real axis, so the coefficients fall geometrically.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy  # its parts load on use
import scipy.sparse as sp

from bdg.gpu.chebyshev.moments import OVERFLOW, BoundViolatedError, Recursion, column_blocks
from bdg.gpu.chebyshev.nambu_operator import NambuOperator
from bdg.gpu.device.backend import Backend
from bdg.gpu.device.threads import one_blas_thread, side_by_side

__all__ = [
    "BoundViolatedError",
    "ElementSums",
    "Expansion",
    "gershgorin_bound",
    "odd_coefficients",
    "partner_elements",
    "spectral_bound",
]

BLOCK_BYTES = 4 << 20  # a block of vectors; measured best of 2, 4, 8 MiB at N = 8000: three of them stay in cache


@dataclass(eq=False)
class ElementSums:
    """Elements <a|f(H)|e> of many columns, with the estimated truncation error and what it took."""

    values: np.ndarray
    error: float
    degree: int
    products: int


@dataclass(frozen=True, eq=False)
class Expansion:
    """Coefficients c_1, c_3, ... of f(s x), and what the terms beyond each of them can still contribute.

    Two partial sums that agree prove nothing: far from every superconductor all moments vanish until the recursion
    has crossed the distance. The terms left out are therefore bounded with the moments of ``reference`` columns, sites
    where the pairing is strongest, run to the full degree, and with the latest moments of the block at hand.
    """

    coefficients: np.ndarray
    tail: np.ndarray  # sum_{j >= i} |c_j|, continued geometrically beyond the last one; length n + 1
    reference_tail: np.ndarray  # the same with each |c_j| times the largest reference moment from j on

    @classmethod
    def of(cls, coefficients: np.ndarray, reference: np.ndarray | None = None) -> Expansion:
        """Return the expansion; ``reference`` are |moments| (n,) of the reference columns, None for 1."""
        size = abs(coefficients)
        half = size.size // 2
        rate = (size[-1] / max(size[half], np.finfo(float).tiny)) ** (1 / max(size.size - 1 - half, 1))
        beyond = size[-1] * rate / max(1 - rate, 1e-3)
        moment = np.ones(size.size) if reference is None else np.maximum.accumulate(reference[::-1])[::-1]
        return cls(coefficients, _suffix_sum(size, beyond), _suffix_sum(size * moment, beyond * moment[-1]))


def _suffix_sum(terms: np.ndarray, beyond: float) -> np.ndarray:
    return np.concatenate([np.cumsum(terms[::-1])[::-1], [0.0]]) + beyond


def gershgorin_bound(matrix: sp.csr_matrix) -> float:
    """Return the largest absolute row sum: no eigenvalue is larger."""
    return float(abs(matrix).sum(axis=1).max())


@one_blas_thread()
def spectral_bound(matrix: sp.csr_matrix, seed: int = 0, steps: int = 40) -> float:
    """Return an upper bound of |E|: the smaller of Gershgorin's and that of a Lanczos run; 0 for a zero matrix.

    The Lanczos bound is ``max_i (|theta_i| + |beta r_i|) * 1.01`` with Ritz values theta and the last components r of
    their vectors: a residual bound, so that a run which is not converged gives a larger value, not a smaller one
    (Y. Zhou et al., J. Comput. Phys. 274, 770 (2014)).
    """
    gershgorin = gershgorin_bound(matrix)
    if not gershgorin:
        return 0.0
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
    offset: int,
    coefficients: np.ndarray,
    *,
    reference_rows: np.ndarray,
    doubled: bool,
    tol: float,
    backend: Backend,
    single: bool,
    report: Callable[[int], None] = lambda done: None,
) -> ElementSums:
    """Return ``<e_{row + offset}|f(H)|e_row>`` for many rows, column block by column block.

    Parameters
    ----------
    matrix : CSR (2n, 2n)
        H in the order (electron | hole).
    bound : float
        s >= max|E|.
    coefficients : array
        c_1, c_3, ... of f(s x).
    doubled : bool
        norbs = 1 and ``offset = n``: two moments from each product. Else H is of norbs = 2.
    reference_rows : array
        Columns whose moments bound the truncation error, see `Expansion`.
    tol : float
        Each block stops where its estimated truncation error is below ``tol`` times the largest |value| so far.
    single : bool
        Single precision vectors; products are summed in double precision.

    Raises
    ------
    BoundViolatedError
        If a vector grows, that is if ``bound`` was too small.
    """
    operator = NambuOperator(matrix, 1 if doubled else 2, backend, single=single)
    columns = _Columns(operator, bound, offset, doubled, check_every=max(4, coefficients.size // 20))
    _, reference = columns.summed(reference_rows, Expansion.of(coefficients), 0.0, 0.0)
    expansion = Expansion.of(coefficients, reference.moments)
    values = np.empty(rows.size, dtype=complex)
    error, degree, products, largest = 0.0, 0, reference.steps * reference_rows.size, 0.0

    def summed(part: slice) -> tuple[np.ndarray, _Run]:
        return columns.summed(rows[part], expansion, tol, largest)

    parts = column_blocks(operator, rows.size, BLOCK_BYTES)
    for some in (
        parts[:1],
        parts[1:],
    ):  # all others stop by the largest value of the first ones, whoever is done before
        found = side_by_side(summed, some, backend)
        for part, (sums, run) in zip(some, found, strict=True):
            values[part] = sums
            error, degree = max(error, run.error), max(degree, run.degree)
            products += run.steps * sums.size
            report(sums.size)
        largest = float(abs(values[: some[-1].stop]).max()) if some else largest
    return ElementSums(values, error, degree, products)


@dataclass(frozen=True, eq=False)
class _Run:
    error: float
    degree: int
    steps: int
    moments: np.ndarray  # largest |moment| of the columns, term by term


@dataclass(frozen=True, eq=False)
class _Columns:
    """How blocks of columns are summed: what all of them have in common."""

    operator: NambuOperator
    bound: float
    offset: int
    doubled: bool
    check_every: int  # terms between two looks at the error

    def summed(self, rows: np.ndarray, expansion: Expansion, tol: float, largest: float) -> tuple[np.ndarray, _Run]:
        """Sum one block of columns until the estimated error is below ``tol`` times the largest value."""
        operator, coefficients = self.operator, expansion.coefficients
        backend, xp = operator.backend, operator.backend.xp
        targets = xp.asarray(operator.place(rows + self.offset)), xp.arange(rows.size)

        def elements() -> Any:
            return recursion.sign * recursion.current.reshape(operator.n_rows, -1)[targets].astype(complex)

        recursion = Recursion(operator, operator.unit_vectors(rows), self.bound)
        recursion.advance()
        first = elements()  # of T_1
        total = coefficients[0] * first
        moments = [abs(first).max()]  # stay on the device until the error is looked at
        term, error = 0, np.inf
        for term in range(1, coefficients.size):  # odd degree k = 2 term + 1
            if self.doubled:  # from T_term and T_{term+1}
                sums = recursion.advance("partners")
                product = recursion.pair_sign * (sums[:, 0] + 1j * sums[:, 1])
                moment = (2.0 if term % 2 else -2.0) * product - first
            else:
                recursion.advance()
                recursion.advance()
                moment = elements()
            total = total + coefficients[term] * moment
            moments.append(abs(moment).max())
            if (term + 1) % self.check_every == 0 or term + 1 == coefficients.size:
                growth = float(xp.linalg.norm(recursion.current.reshape(operator.n_rows, -1), axis=0).max())
                if not growth < OVERFLOW:
                    raise BoundViolatedError(f"a vector grew to norm {growth:.3g}: the spectral bound is too small")
                latest = float(backend.to_host(xp.stack(moments[-self.check_every :])).max())
                error = expansion.reference_tail[term + 1] + latest * expansion.tail[term + 1]
                if error <= tol * max(largest, float(abs(backend.to_host(total)).max())):
                    break
        run = _Run(float(error), 2 * term + 1, recursion.order, np.asarray(backend.to_host(xp.stack(moments))))
        return backend.to_host(total), run
