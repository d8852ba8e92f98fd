"""The square lattice on a torus, as a dense matrix: h_ij = -1 between neighbours, -mu on site."""

from __future__ import annotations

import numpy as np


def torus(size: int, mu: float) -> tuple[np.ndarray, np.ndarray]:
    """Return h (N, N) and positions (N, 2) of a ``size`` x ``size`` torus (size > 2), site index ``x * size + y``."""
    ring = -(np.roll(np.eye(size), 1, axis=0) + np.roll(np.eye(size), -1, axis=0))
    one = np.eye(size)
    x, y = np.divmod(np.arange(size**2), size)
    return np.kron(ring, one) + np.kron(one, ring) - mu * np.eye(size**2), np.stack([x, y], axis=1).astype(float)
