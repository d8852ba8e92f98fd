"""SuperLU factors of H - shift in a nested-dissection order: solves and inertia, the reference of the direct core.

With diagonal pivoting only (symmetric mode) the factors of a Hermitian matrix are ``L U`` with ``U = D L^+``, so the
signs of diag(U) are the signs of the eigenvalues (Sylvester's law of inertia). This holds as long as no row was
permuted, and is trusted only if the factors reproduce the matrix: see `Factor.contraction`.

SuperLU may end the process where it meets a pivot that is exactly zero. It never sees the matrix itself, but one whose
diagonal is moved by generic numbers far below the distance of levels: no pivot is exactly zero then, and refinement
and contraction, which know the matrix itself, take account of the difference.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import splu

from bdg.gpu.eigen.scales import equilibrated, is_wide
from bdg.gpu.multifrontal.trust import TRUSTED_CONTRACTION, FactorError

_GENERIC = (1e-12, 1e-8)  # of the largest entry: how far the diagonal is moved, more where that gives no usable factors


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
        self.matrix, self._order = sp.csr_matrix(shifted), order
        scaled, self._scaling = _scaled(self.matrix)
        permuted = sp.csc_matrix(scaled[order][:, order])
        self._factors = _generic_factors(permuted, _GENERIC[0], pivot_threshold, shift)
        self.contraction = self._contraction()
        if not self.contraction < TRUSTED_CONTRACTION:
            first = self._factors, self.contraction
            self._factors = _generic_factors(permuted, _GENERIC[1], pivot_threshold, shift)
            self.contraction = self._contraction()
            if not self.contraction < first[1]:
                self._factors, self.contraction = first
        self.nnz = int(self._factors.nnz)
        # the residual of a solve falls by the contraction with each refinement step: aim at 1e-11
        steps = np.log(1e-11) / np.log(self.contraction) if 0 < self.contraction < 1 else 1.0
        self.refinements = int(np.clip(np.ceil(steps) - 1, 0, 8))
        if self._scaling is not None:
            self.refinements += 2  # rows of different size become accurate one by one: see `ScaledFactor.solve`

    def _apply_inverse(self, right_side: np.ndarray) -> np.ndarray:
        out = np.empty_like(right_side)
        scaling = None if self._scaling is None else self._scaling.reshape(-1, *[1] * (right_side.ndim - 1))
        right_side = right_side if scaling is None else scaling * right_side
        out[self._order] = self._factors.solve(right_side[self._order])
        return out if scaling is None else scaling * out

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
        if self._scaling is not None:
            error *= self._scaling[:, None]
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


def _scaled(matrix: sp.csr_matrix) -> tuple[sp.csr_matrix, np.ndarray | None]:
    """Return ``S A S`` and S where the rows of A differ by orders of magnitude, else A itself and None."""
    sizes = np.asarray(abs(matrix).sum(axis=1)).ravel()
    if not (sizes > 0).any() or not is_wide(sizes[sizes > 0]):
        return matrix, None
    return equilibrated(matrix, 0.0)


def _generic_factors(matrix: sp.csc_matrix, share: float, pivot_threshold: float, shift: float) -> Any:
    """Return SuperLU's factors of a matrix whose diagonal is moved by generic numbers, all of one sign."""
    largest = float(abs(matrix.data).max(initial=0.0)) or 1.0
    generic = np.random.default_rng(1).uniform(1.0, 2.0, matrix.shape[0])
    moved = sp.csc_matrix(matrix + sp.diags_array(share * largest * generic, format="csc"))
    options = {"SymmetricMode": True}
    try:
        return splu(moved, permc_spec="NATURAL", diag_pivot_thresh=pivot_threshold, options=options)
    except RuntimeError as error:  # "Factor is exactly singular"
        raise FactorError(f"H - {shift!r} is singular to working precision ({error})") from error


def count_below(matrix: sp.csr_matrix, shift: float, order: np.ndarray) -> tuple[int | None, float, int]:
    """Return the proven number of eigenvalues below ``shift`` (None: not proven), the contraction, and the fill."""
    try:
        factor = Factor(matrix, shift, order, pivot_threshold=0.0)
    except FactorError:
        return None, np.inf, 0
    return factor.negative_count(), factor.contraction, factor.nnz
