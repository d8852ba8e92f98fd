"""All levels of a matrix by LAPACK, without the rounding of those that are much larger than others."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from bdg.gpu.eigen.scales import level_scales

GRADED = 4.0  # largest level over the scale of another: beyond, rounding of the largest is seen in the other


def refined_levels(
    matrix: sp.csr_matrix, levels: np.ndarray, vectors: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return levels, states and their scales, each without the rounding of levels that are much larger.

    LAPACK's levels are wrong by eps times the largest. The Rayleigh quotients of its states are not: what a state has
    on an orbital far off is small in proportion. So the lower part of the spectrum is diagonalised anew, as long as it
    has levels of a much smaller scale than its largest.
    """
    scales = level_scales(matrix, vectors)
    part = np.arange(levels.size)
    while part.size:
        top = float(abs(levels[part]).max())
        if top <= GRADED * float(scales[part].min()):
            break
        part = part[abs(levels[part]) <= 0.1 * top]
        if part.size:
            levels[part], vectors[:, part] = rayleigh_ritz(matrix, vectors[:, part])
            scales[part] = level_scales(matrix, vectors[:, part])
    order = np.argsort(levels, kind="stable")
    return levels[order], vectors[:, order], scales[order]


def rayleigh_ritz(matrix: sp.csr_matrix, vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return levels (ascending) and states of a Hermitian matrix in the span of the columns."""
    basis = np.linalg.qr(vectors)[0]
    small = basis.conj().T @ (matrix @ basis)
    levels, rotation = np.linalg.eigh(0.5 * (small + small.conj().T))
    return levels, basis @ rotation
