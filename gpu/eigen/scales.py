r"""What counts as small for the levels of a matrix whose rows may differ by orders of magnitude.

A hard wall made by an onsite energy of 1e8 t, or a part with energies of 1e-6 t, must not decide how accurate the
other levels are. Two measures replace the largest entry where rows are that different:

- of a state, ``|| |H| |psi| ||``: what the rounding of ``H psi`` is relative to, whatever H does elsewhere;
- of a factorisation, the entries of ``S A S`` with a diagonal S that makes the largest entry of each row one (D. Ruiz,
  report RAL-TR-2001-034). S holds powers of two, so that scaling is exact; the congruence keeps the inertia.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

WIDE = 64.0  # rows beyond this ratio to the median row: above any disorder or barrier that is meant as one
ROUNDING = 1e-13  # of a product with H, relative: rounding of many operations
_SWEEPS = 12  # of the equilibration; each halves the logarithm of what is left
_LOW = 0.1  # share of the rows that are at most as large as the scale of low levels
_COLUMNS = 16


@dataclass(frozen=True, eq=False)
class Scales:
    """Energies that rounding errors of one matrix are relative to.

    Attributes
    ----------
    whole : float
        Largest absolute row sum, a bound of the spectrum.
    level : float
        The same of rows that levels near zero live on; equal to ``whole`` unless ``wide``.
    wide : bool
        Rows differ by more than `WIDE` from the median one.
    """

    matrix: sp.csr_matrix
    whole: float
    level: float
    wide: bool

    @classmethod
    def of(cls, matrix: sp.csr_matrix) -> Scales:
        """Return the scales of a Hermitian CSR matrix."""
        sums = np.asarray(abs(matrix).sum(axis=1)).ravel()
        whole = float(sums.max(initial=0.0))
        present = sums[sums > 0]
        if not present.size or not is_wide(present):
            return cls(matrix, whole, whole, False)
        return cls(matrix, whole, float(np.quantile(present, _LOW)), True)

    def rounding(self, energies: np.ndarray, vectors: np.ndarray) -> np.ndarray:
        """Return how much rounding errors may move each level, for columns (n, m) that are nearly eigenvectors."""
        if not self.wide:
            return np.full(energies.size, ROUNDING * self.whole)
        return ROUNDING * np.maximum(level_scales(self.matrix, vectors), abs(energies))

    def tolerance(self, tol: float) -> float:
        """Return a tolerance given in units of the hopping as an energy: relative where levels are below one."""
        return tol * min(1.0, self.level) if self.level else tol


def level_scales(matrix: sp.csr_matrix, vectors: np.ndarray) -> np.ndarray:
    """Return ``|| |H| |x| ||`` of each column x, the size of the terms that an energy is the sum of."""
    size, scales = abs(matrix), np.empty(vectors.shape[1])
    for begin in range(0, scales.size, _COLUMNS):
        some = slice(begin, begin + _COLUMNS)
        scales[some] = np.linalg.norm(size @ abs(vectors[:, some]), axis=0)
    return scales


def is_wide(sizes: np.ndarray) -> bool:
    """Return whether positive sizes of rows differ by more than `WIDE` from their median."""
    median = float(np.median(sizes))
    return bool(sizes.max() > WIDE * median or sizes.min() * WIDE < median)


def equilibrated(matrix: sp.csr_matrix, shift: float) -> tuple[sp.csr_matrix, np.ndarray]:
    """Return ``S (matrix - shift) S`` and the diagonal (n,) of S, powers of two.

    Also for complex symmetric matrices. Rows of zeros are left alone.
    """
    shifted = sp.csr_matrix(matrix - shift * sp.identity(matrix.shape[0], dtype=matrix.dtype, format="csr"))
    size = abs(shifted).astype(float)
    rows = np.repeat(np.arange(shifted.shape[0]), np.diff(size.indptr))
    with np.errstate(divide="ignore"):
        entries = np.log2(size.data)
    exponents = np.zeros(shifted.shape[0])
    for _ in range(_SWEEPS):
        largest = np.full(shifted.shape[0], -np.inf)
        np.maximum.at(largest, rows, entries + exponents[rows] + exponents[size.indices])
        step = np.where(np.isfinite(largest), -0.5 * largest, 0.0)
        exponents += step
        if abs(step).max(initial=0.0) < 0.25:
            break
    scaling = np.exp2(np.round(exponents))
    scaled = shifted.copy()
    scaled.data = shifted.data * scaling[rows] * scaling[size.indices]
    return scaled, scaling


class ScaledFactor:
    """Factors of ``z - H`` at real z through those of ``-S (H - z) S``.

    Parameters
    ----------
    factor : Factor
        Of the scaled matrix at zero.
    scaling : array (n,)
        The diagonal of S.
    z : float

    Attributes
    ----------
    contraction, kept_bytes, moved_blocks, symbolic, backend, symmetry, dtype, negative_count
        Of the scaled matrix; contraction and inertia are the same.
    """

    def __init__(self, factor: Any, scaling: np.ndarray, z: float) -> None:
        self._factor, self.z = factor, complex(z)
        self._scaling = factor.backend.xp.asarray(scaling)[:, None]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._factor, name)

    def solve(self, right_side: Any, refinements: int | None = None) -> Any:
        """Return ``(z - H)^-1 right_side`` for columns (n, R)."""
        return self._scaling * self._factor.solve(self._scaling * right_side, refinements)
