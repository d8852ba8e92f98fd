"""Dense diagonalisation: the reference that every other solver is compared with.

LAPACK's errors are relative to the largest entry, so beside a hard wall of 1e10 t low levels would be off by 1e-6 t.
Where rows differ by orders of magnitude the spectrum is therefore taken in ranges of energy, from the top down: the
space of all lower levels is freed from what rounding left there of the higher ones by inverse iteration with scaled
factors, and H is projected on it again.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse as sp

from bdg.gpu.device.backend import Backend
from bdg.gpu.device.memory import available_bytes, require_memory
from bdg.gpu.eigen.scales import Scales, equilibrated, level_scales

_RANGE = 1e-2  # of the largest level: lower ones are computed apart
_LOWEST_CUT = 1e-4  # of the same: a cut between levels is looked for above
_INVERSE_STEPS = 2
_ZERO = 64 * np.finfo(float).eps  # of the scale of a level
_TRIALS = 24  # shifts among which the one farthest from all levels is taken
_WORK_ARRAYS = 4  # matrix, eigenvectors, and LAPACK's divide-and-conquer workspace of about two matrices


def dense_bytes(dimension: int, dtype: Any) -> float:
    """Return the memory that `eigh` of a matrix of this dimension takes, in bytes."""
    return float(_WORK_ARRAYS * np.dtype(dtype).itemsize * dimension**2)


def dense_fits(dimension: int, dtype: Any, backend: Backend) -> bool:
    """Return True if `eigh` of this dimension fits into the memory at hand."""
    return dense_bytes(dimension, dtype) <= available_bytes(backend)


def eigh(matrix: Any, backend: Backend) -> tuple[np.ndarray, np.ndarray]:
    """Return all eigenvalues (ascending) and eigenvectors of a Hermitian CSR matrix, on the host.

    Errors are relative to the largest eigenvalue, or, where rows differ by more than a factor 64 from the median one,
    to levels within two to four decades.

    Raises
    ------
    MemoryBudgetError
        If the dense matrix and its workspace do not fit.
    """
    dimension = matrix.shape[0]
    limit = int((available_bytes(backend) / (_WORK_ARRAYS * matrix.dtype.itemsize)) ** 0.5)
    require_memory(
        dense_bytes(dimension, matrix.dtype),
        backend,
        f"dense diagonalisation of dimension {dimension}",
        f"Dimensions up to about {limit} fit; larger systems need method='lanczos' (states), 'poles' or 'chebyshev' "
        "(pair amplitude).",
    )
    whole = matrix.toarray()
    energies, vectors = (backend.to_host(x) for x in backend.xp.linalg.eigh(backend.xp.asarray(whole)))
    return _by_ranges(matrix, whole, energies, vectors) if Scales.of(matrix).wide else (energies, vectors)


def _by_ranges(
    matrix: sp.csr_matrix, whole: np.ndarray, energies: np.ndarray, vectors: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return eigenpairs accurate within each range of energies, from those of LAPACK."""
    done: list[tuple[np.ndarray, np.ndarray]] = []
    while True:
        low = abs(energies) < range_cut(abs(energies))
        if not low.any() or _are_zero(matrix, energies[low], vectors[:, low]):
            break
        done.append((energies[~low], vectors[:, ~low]))
        energies, vectors = _purified(matrix, whole, energies[low], vectors[:, low])
    for upper, columns in reversed(done):
        vectors = np.concatenate([vectors, outside(vectors, columns)], axis=1)
        energies = np.concatenate([energies, upper])
    order = np.argsort(energies, kind="stable")
    return energies[order], vectors[:, order]


def _are_zero(matrix: sp.csr_matrix, energies: np.ndarray, vectors: np.ndarray) -> bool:
    """Return whether levels are zero to rounding, so that nothing is left to be told apart."""
    return bool((abs(energies) <= _ZERO * level_scales(matrix, vectors)).all())


def range_cut(sizes: np.ndarray) -> float:
    """Return an energy in the widest gap (as a ratio) below which levels need another range; 0 without such levels."""
    largest = float(sizes.max(initial=0.0))
    levels = np.sort(np.maximum(sizes, _LOWEST_CUT * largest))
    upper = int(np.searchsorted(levels, _RANGE * largest))
    if not upper or not largest:
        return 0.0
    ratios = levels[1 : upper + 1] / levels[:upper]
    below = int(ratios.argmax())
    return float(np.sqrt(levels[below] * levels[below + 1]))


def _purified(
    matrix: sp.csr_matrix, whole: np.ndarray, energies: np.ndarray, vectors: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the eigenpairs in the space of nearly invariant columns after inverse iteration towards their levels."""
    largest = float(abs(energies).max())
    trials = np.linspace(0.2, 1.0, _TRIALS) * (largest or 1.0)
    shift = float(trials[abs(energies[:, None] - trials).min(axis=0).argmax()])  # far from all levels
    scaled, scaling = equilibrated(matrix, shift)
    scaled = scaled.toarray()
    factors = scipy.linalg.lu_factor(scaled, check_finite=False)
    for _ in range(_INVERSE_STEPS):
        right = scaling[:, None] * vectors
        solution = scipy.linalg.lu_solve(factors, right, check_finite=False)
        for _ in range(2):  # rows become accurate by their own measure: see `bdg.gpu.eigen.scales`
            solution += scipy.linalg.lu_solve(factors, right - scaled @ solution, check_finite=False)
        vectors = _orthonormal(scaling[:, None] * solution)
    projected = vectors.conj().T @ (whole @ vectors)
    energies, rotation = np.linalg.eigh((projected + projected.conj().T) / 2)
    return energies, vectors @ rotation


def outside(vectors: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Return normalised columns less what they hold of orthonormal vectors."""
    columns = columns - vectors @ (vectors.conj().T @ columns)
    return columns / np.linalg.norm(columns, axis=0)


def _orthonormal(columns: np.ndarray) -> np.ndarray:
    """Return orthonormal combinations of independent columns; small rows keep their relative accuracy."""
    columns = columns / np.linalg.norm(columns, axis=0)
    for _ in range(2):
        weights, rotation = np.linalg.eigh(columns.conj().T @ columns)
        columns = columns @ (rotation / np.sqrt(weights))
    return columns
