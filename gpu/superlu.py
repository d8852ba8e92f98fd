"""SuperLU factors of H - shift in a nested-dissection order: solves and inertia, the reference of the direct core.

With diagonal pivoting only (symmetric mode) the factors of a Hermitian matrix are ``L U`` with ``U = D L^+``, so the
signs of diag(U) are the signs of the eigenvalues (Sylvester's law of inertia). This holds as long as no row was
permuted, and is trusted only if the factors reproduce the matrix: see `Factor.contraction`.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import splu

TRUSTED_CONTRACTION = 1e-2  # below 1, A + tE is nonsingular for 0 <= t <= 1 (E: backward error), so the inertia is A's


class FactorError(ArithmeticError):
    """The matrix is singular to working precision, or its factors are too inaccurate to be used."""


class Factor:
    """LU factors of ``matrix - shift``.

    Parameters
    ----------
    matrix : CSR (n, n), Hermitian
    shift : float
    order : array (n,)
        Elimination order of the rows.
    pivot_threshold : float
        0 never leaves the diagonal unless a pivot is exactly zero (inertia); 1e-3 is safer for solves.

    Raises
    ------
    FactorError
        If the matrix is exactly singular.
    """

    def __init__(self, matrix: sp.csr_matrix, shift: float, order: np.ndarray, pivot_threshold: float) -> None:
        shifted = matrix - shift * sp.identity(matrix.shape[0], dtype=matrix.dtype, format="csr")
        self.matrix = sp.csr_matrix(shifted)
        self._order = order
        permuted = sp.csc_matrix(self.matrix[order][:, order])
        try:
            self._factors = splu(
                permuted,
                permc_spec="NATURAL",
                diag_pivot_thresh=pivot_threshold,
                options={"SymmetricMode": True},
            )
        except RuntimeError as error:  # "Factor is exactly singular"
            raise FactorError(f"H - {shift!r} is singular to working precision ({error})") from error
        self.nnz = int(self._factors.nnz)
        self.contraction = self._contraction()
        # the residual of a solve falls by the contraction with each refinement step: aim at 1e-11
        steps = np.log(1e-11) / np.log(self.contraction) if 0 < self.contraction < 1 else 1.0
        self.refinements = int(np.clip(np.ceil(steps) - 1, 0, 8))

    def _apply_inverse(self, right_side: np.ndarray) -> np.ndarray:
        out = np.empty_like(right_side)
        out[self._order] = self._factors.solve(right_side[self._order])
        return out

    def solve(self, right_side: np.ndarray) -> np.ndarray:
        """Return (H - shift)^-1 ``right_side`` for vectors (n,) or columns (n, R), refined as the factor needs."""
        right_side = np.asarray(right_side, dtype=np.result_type(right_side.dtype, self.matrix.dtype))
        if right_side.dtype.kind == "c" and self.matrix.dtype.kind != "c":
            return self.solve(right_side.real) + 1j * self.solve(right_side.imag)
        solution = self._apply_inverse(right_side)
        for _ in range(self.refinements):
            solution += self._apply_inverse(right_side - self.matrix @ solution)
        return solution

    def _contraction(self) -> float:
        """Estimate the spectral radius of I - M A (M: the factors' inverse) by power steps on random columns."""
        rng = np.random.default_rng(0)
        error = rng.standard_normal((self.matrix.shape[0], 4)).astype(self.matrix.dtype)
        norm = np.linalg.norm(error, axis=0)
        largest = 0.0
        for _ in range(3):
            with np.errstate(all="ignore"):
                error = error - self._apply_inverse(self.matrix @ error)
                new_norm = np.linalg.norm(error, axis=0)
                ratio = float(np.max(new_norm / norm))
            if not np.isfinite(ratio):
                return np.inf
            largest = max(largest, ratio)
            norm = new_norm
            if norm.min() == 0:
                break
        return largest

    def negative_count(self) -> int | None:
        """Return the number of eigenvalues of H below the shift, or None where the factors do not prove it."""
        if not np.array_equal(self._factors.perm_r, self._factors.perm_c):
            return None
        if not self.contraction < TRUSTED_CONTRACTION:
            return None
        pivots = self._factors.U.diagonal()
        return int(np.count_nonzero(pivots.real < 0))


def count_below(matrix: sp.csr_matrix, shift: float, order: np.ndarray) -> tuple[int | None, float, int]:
    """Return the proven number of eigenvalues below ``shift`` (None: not proven), the contraction, and the fill."""
    try:
        factor = Factor(matrix, shift, order, pivot_threshold=0.0)
    except FactorError:
        return None, np.inf, 0
    return factor.negative_count(), factor.contraction, factor.nnz
