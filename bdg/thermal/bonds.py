"""Elements of tanh(H/2T) times hoppings and pairings, summed over bonds."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from bdg.gpu.multifrontal import SitePattern
from bdg.lattices.system import System


def strongest_hopping(system: System) -> float:
    """Return the largest sum of |h| between two sites, spins included; 0 without any."""
    entries = system.hamiltonian.tocoo()
    first, second = entries.row // system.norbs, entries.col // system.norbs
    apart = first != second
    if not apart.any():
        return 0.0
    _, bond = np.unique(first[apart] * system.n_sites + second[apart], return_inverse=True)
    return float(np.bincount(bond, abs(entries.data[apart])).max()) / system.norbs


def products_with(
    matrix: sp.csr_matrix, spins: int, pattern: SitePattern, elements: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return sites (first, second) and ``M_ab conj(X_ab)`` of every stored element of a matrix, X on a pattern."""
    entries = matrix.tocoo()
    first, second = entries.row // spins, entries.col // spins
    keys = pattern.first * pattern.n_sites + pattern.second
    block = np.searchsorted(keys, first.astype(np.int64) * pattern.n_sites + second)
    values = elements[block, entries.row - spins * first, entries.col - spins * second]
    return first.astype(np.int64), second.astype(np.int64), entries.data * values.conj()
