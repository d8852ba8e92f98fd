"""ARPACK on SuperLU factors of H - shift: the reference engine for eigenpairs."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import ArpackError, ArpackNoConvergence, LinearOperator, eigsh

from bdg.gpu.eigen.eigenpairs import Eigenpairs, Partner, polished
from bdg.gpu.eigen.scales import Scales
from bdg.gpu.eigen.superlu import Factor, count_below
from bdg.gpu.multifrontal.trust import FactorError

_ROOM = 6  # dimensions beyond the wanted states that ARPACK needs for its iteration


class ShiftInvertEngine:
    """Engine of `bdg.gpu.eigen.certified` on SuperLU factors in a nested-dissection order.

    Parameters
    ----------
    matrix : CSR (n, n), Hermitian
    order : array (n,)
        Elimination order.
    partner : callable
    """

    def __init__(self, matrix: sp.csr_matrix, order: np.ndarray, partner: Partner) -> None:
        self.matrix, self.partner, self.scales = matrix, partner, Scales.of(matrix)
        self.facts: dict[str, Any] = {}
        self.patience, self.estimated_count = 1.0, ""
        self._order = order
        self._factors: tuple[float, Factor, float] | None = None  # shift asked for, factors, shift taken

    def count_below(self, energy: float, within: float | None = None) -> int | None:
        """As `Engine.count_below`; proven for ``energy`` itself."""
        count, contraction, nnz = count_below(self.matrix, energy, self._order)
        self.facts |= {"count_contraction": contraction, "factor_nnz": nnz}
        return count

    def search(
        self,
        shift: float,
        wanted: int,
        tol: float,
        rng: np.random.Generator,
        known: np.ndarray | None,
        needed: int | None = None,
    ) -> Eigenpairs:
        """As `Engine.search`; all of them are accurate."""
        factor, at = self._factor(shift)
        size = self.matrix.shape[0]

        def project(vectors: np.ndarray) -> np.ndarray:
            return vectors if known is None else vectors - known @ (known.conj().T @ vectors)

        operator = LinearOperator(
            (size, size), matvec=lambda vector: project(factor.solve(project(vector))), dtype=self.matrix.dtype
        )
        if wanted > size - _ROOM:
            return polished(self, _all_vectors(operator), factor.solve, tol, paired=shift == 0, shift=shift)
        start = project(rng.standard_normal(size))
        ncv = min(size - 1, max(2 * wanted + 1, min(3 * wanted, 120), 40))
        try:
            _, vectors = eigsh(
                self.matrix,
                wanted,
                sigma=at,
                OPinv=operator,
                v0=start,
                ncv=ncv,
                tol=min(1e-10, 1e-2 * tol / self.scales.tolerance(1.0)),
                maxiter=int(self.patience * 10 * size),
            )
        except ArpackNoConvergence as error:
            vectors = error.eigenvectors
        except ArpackError as error:
            if known is None:
                raise FactorError(
                    f"ARPACK on the factors of H - {at!r} gave up: {error}. Take another method"
                ) from error
            vectors = np.empty((size, 0), self.matrix.dtype)  # nothing is left beside what is known
        return polished(self, vectors, lambda basis: project(factor.solve(basis)), tol, paired=shift == 0)

    def polish(self, shift: float, vectors: np.ndarray, tol: float) -> Eigenpairs:
        """Return the Ritz pairs of columns that are nearly eigenvectors, improved until residuals are below ``tol``."""
        return polished(self, vectors, self._factor(shift)[0].solve, tol, paired=shift == 0)

    def _factor(self, shift: float) -> tuple[Factor, float]:
        """Return usable factors of H - shift; a shift that hits an eigenvalue is moved a little, and where to."""
        if self._factors is not None and self._factors[0] == shift:
            return self._factors[1:]
        reasons, scale = [], self.scales.level
        for move, threshold in ((0.0, 1e-3), (1.7e-6, 1e-3), (1.3e-5, 1e-1), (1.1e-4, 1.0)):
            at = shift + move * scale
            try:
                factor = Factor(self.matrix, at, self._order, threshold)
            except FactorError as error:
                reasons.append(str(error))
                continue
            if factor.contraction < 0.3:
                self._factors = (shift, factor, at)
                self.facts |= {"shift": at, "contraction": factor.contraction, "factor_nnz": factor.nnz}
                return factor, at
            reasons.append(f"contraction {factor.contraction:.1e} at shift {at!r}")
        raise FactorError("no usable factors of H - shift: " + "; ".join(reasons))


def _all_vectors(operator: LinearOperator) -> np.ndarray:
    """Return all eigenvectors of a small Hermitian operator."""
    inverse = np.stack([operator.matvec(column) for column in np.eye(operator.shape[0], dtype=operator.dtype)], axis=1)
    return np.linalg.eigh((inverse + inverse.conj().T) / 2)[1]
