"""Two halves of the rows of H that nothing connects: spins along one axis, without spin-orbit coupling.

With two spins a site an electron of one spin then only meets holes of the other one. Half of every front of H is zeros;
the levels of H are those of both halves, each of which is counted with a quarter of the operations at least.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components


def independent_halves(matrix: sp.csr_matrix, electrons: np.ndarray) -> list[np.ndarray]:
    """Return the rows of each half, in the order of the electrons' rows; none where H connects more.

    Parameters
    ----------
    matrix : CSR (n, n)
        Electrons first, then their holes in the same order.
    electrons : array (N, 2)
        Rows of each site, n/2 in all.

    Returns
    -------
    list of two arrays (n/2,), or of none
        The half ``matrix[rows][:, rows]`` connects the sites as h does: it fits on a pattern with rows ``electrons``.
    """
    size = electrons.size
    kinds = np.concatenate([electrons, size + electrons], axis=1)  # of a row within its site
    kind = np.empty(2 * size, dtype=np.int64)
    kind[kinds] = np.arange(4)
    entries = matrix.tocoo()
    there = entries.data != 0
    met = np.bincount(4 * kind[entries.row[there]] + kind[entries.col[there]], minlength=16).reshape(4, 4)
    _, part = connected_components(sp.csr_matrix(met), directed=False)
    members = np.bincount(part)
    if members.max() > 2:
        return []
    order = np.lexsort((part, -members[part]))  # single kinds last: two of them make a half
    halves = []
    for pair in (np.sort(order[:2]), np.sort(order[2:])):
        rows = np.empty(size, dtype=np.int64)
        rows[electrons] = kinds[:, pair]
        halves.append(rows)
    return halves
