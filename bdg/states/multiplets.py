"""Degenerate levels: which energies count as one.

How near two levels must be belongs to them and not to the largest entry of the matrix: rounding moves a level by about
eps times ``|| |H| |x| ||``, to which an orbital far off in energy adds nothing that is not also in the hoppings to it.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from bdg.gpu.eigen.scales import level_scales

ROUNDING = 64 * np.finfo(float).eps  # of the scale of a level: LAPACK splits multiplets by up to 10 eps


def multiplets(energies: np.ndarray, width: float | np.ndarray) -> list[np.ndarray]:
    """Return the numbers of the levels of each multiplet, in ascending order of energy.

    Two neighbours in the ascending order belong together if they differ by at most ``width``, one number or one for
    each level; of two levels the larger counts.
    """
    energies = np.asarray(energies, dtype=float)
    order = np.argsort(energies, kind="stable")
    widths = np.broadcast_to(np.asarray(width, dtype=float), energies.shape)[order]
    breaks = np.flatnonzero(np.diff(energies[order]) > np.maximum(widths[1:], widths[:-1])) + 1
    return [group for group in np.split(order, breaks) if group.size]


def level_widths(matrix: sp.csr_matrix, vectors: np.ndarray) -> np.ndarray:
    """Return by how much rounding may part the levels of a multiplet, for each column of eigenvectors."""
    return ROUNDING * level_scales(matrix, vectors)


def state_widths(matrix: sp.csr_matrix, vectors: np.ndarray, residuals: np.ndarray) -> np.ndarray:
    """Return how far the energy of each computed state may be off: its residual and rounding."""
    return level_widths(matrix, vectors) + residuals


def at_the_end(energies: np.ndarray, widths: np.ndarray) -> np.ndarray:
    """Return which of the states nearest to zero are as far from it as the last: more such may have been left out."""
    size = abs(energies)
    if not size.size:
        return np.zeros(0, dtype=bool)
    last = np.zeros(size.size, dtype=bool)
    last[multiplets(size, widths)[-1]] = True
    return last
