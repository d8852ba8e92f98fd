"""Dense diagonalisation: the reference that every other solver is compared with."""

from __future__ import annotations

from typing import Any

import numpy as np

from bdg.gpu.backend import Backend
from bdg.gpu.memory import available_bytes, require_memory

_WORK_ARRAYS = 4  # matrix, eigenvectors, and LAPACK's divide-and-conquer workspace of about two matrices


def dense_bytes(dimension: int, dtype: Any) -> float:
    """Return the memory that `eigh` of a matrix of this dimension takes, in bytes."""
    return float(_WORK_ARRAYS * np.dtype(dtype).itemsize * dimension**2)


def dense_fits(dimension: int, dtype: Any, backend: Backend) -> bool:
    """Return True if `eigh` of this dimension fits into the memory at hand."""
    return dense_bytes(dimension, dtype) <= available_bytes(backend)


def eigh(matrix: Any, backend: Backend) -> tuple[np.ndarray, np.ndarray]:
    """Return all eigenvalues (ascending) and eigenvectors of a Hermitian CSR matrix, on the host.

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
    energies, vectors = backend.xp.linalg.eigh(backend.xp.asarray(matrix.toarray()))
    return backend.to_host(energies), backend.to_host(vectors)
