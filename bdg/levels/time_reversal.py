r"""Time reversal of a normal Hamiltonian, in whatever gauge it is written.

h has time-reversal symmetry if unitary matrices ``W_i`` of the sites exist with ``W_i h_ij^* = h_ij W_j`` for all pairs
of sites (and i = j): then ``W K``, K the complex conjugation, commutes with h. For one orbital a site that means that
every closed loop has a flux of 0 or pi; for spins it holds with ``W = i sigma_y`` for all spin-orbit coupling without a
field, in any basis of spin and gauge. W is carried from site to site by the unitary part of the hoppings, which leaves
one unknown matrix a connected part; the hoppings that are left and the onsite terms are linear equations for it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import breadth_first_order, connected_components, minimum_spanning_tree

TOLERANCE = 1e-9  # radian: rounding of a phase along 1e5 hoppings, far below a flux that matters
WEAK = 1e-3  # of the largest hopping of a site: the phases of weaker ones count in proportion, that of rounding not
SINGULAR = 1e-6  # singular values of a hopping: it fixes only a part of W at its other end
MOST_UNKNOWN = 1000  # dense equations take seconds there


def time_reversal(matrix: sp.csr_matrix, norbs: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the number of the connected part of each site (N,), and which parts are symmetric (P,).

    A part is called broken, too, if hoppings are so singular that more than `MOST_UNKNOWN` unknowns are left.
    """
    blocks = _Blocks(matrix, norbs)
    _, part = connected_components(blocks.graph(np.ones(blocks.rows.size, dtype=bool)), directed=False)
    root, carried = _carried(blocks)
    symmetric = np.empty(part.max() + 1, dtype=bool)
    first = np.argsort(part[blocks.rows], kind="stable")
    bounds = np.searchsorted(part[blocks.rows][first], np.arange(symmetric.size + 1))
    for number in range(symmetric.size):
        symmetric[number] = _solvable(blocks, first[bounds[number] : bounds[number + 1]], root, carried)
    return part, symmetric


class _Blocks:
    """The stored matrices ``h_ij`` (B, s, s), a multiple of one left out of the onsite terms, and their weights."""

    def __init__(self, matrix: sp.csr_matrix, norbs: int) -> None:
        stored = sp.bsr_matrix(0.5 * (matrix + matrix.conj().T), blocksize=(norbs, norbs))
        self.n_sites, self.norbs = stored.shape[0] // norbs, norbs
        self.rows = np.repeat(np.arange(self.n_sites), np.diff(stored.indptr))
        self.columns = stored.indices.astype(np.int64)
        self.data = stored.data.astype(complex)
        onsite = self.rows == self.columns
        middle = np.trace(self.data[onsite], axis1=1, axis2=2) / norbs
        self.data[onsite] -= middle[:, None, None] * np.eye(norbs)
        size = np.linalg.norm(self.data, axis=(1, 2))
        kept = size > 0
        self.rows, self.columns, self.data, size = self.rows[kept], self.columns[kept], self.data[kept], size[kept]
        strongest = np.zeros(self.n_sites)
        np.maximum.at(strongest, self.rows, size)
        near = np.maximum(strongest[self.rows], strongest[self.columns])
        self.size, self.weight = size, 1 / (size + WEAK * near)

    def graph(self, chosen: np.ndarray) -> sp.csr_matrix:
        """Return the sites joined by chosen blocks; a strong hopping is a short edge."""
        length = 1 + np.log(self.size.max(initial=1.0) / self.size[chosen])
        return sp.csr_matrix((length, (self.rows[chosen], self.columns[chosen])), shape=(self.n_sites,) * 2)


def _carried(blocks: _Blocks) -> tuple[np.ndarray, np.ndarray]:
    """Return the root of each site (N,) and ``W_i = U_i W_root U_i^T`` as its ``U_i`` (N, s, s)."""
    left, values, right = np.linalg.svd(blocks.data)
    regular = (values[:, -1] > SINGULAR * values[:, 0]) & (blocks.rows != blocks.columns)
    unitary = left @ right
    tree = minimum_spanning_tree(blocks.graph(regular))
    _, label = connected_components(tree, directed=False)
    root = np.unique(label, return_index=True)[1][label]
    order, parent = _breadth_first(tree, root)
    where = sp.csr_matrix(
        (np.flatnonzero(regular) + 1, (blocks.rows[regular], blocks.columns[regular])), shape=tree.shape
    )
    hanging = np.flatnonzero(root != np.arange(blocks.n_sites))
    step = np.zeros(blocks.n_sites, dtype=np.int64)
    if hanging.size:
        step[hanging] = np.asarray(where[hanging, parent[hanging]]).ravel() - 1
    along = np.tile(np.eye(blocks.norbs, dtype=complex), (blocks.n_sites, 1, 1))
    for sites in order:
        along[sites] = unitary[step[sites]] @ along[parent[sites]]
    return root, along


def _breadth_first(tree: sp.csr_matrix, root: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
    """Return the sites of each depth below the roots, and the site that each hangs on."""
    size = root.size
    roots = np.unique(root)
    # all roots hang on one more node, so that one search visits every tree
    joined = sp.bmat([[tree, None], [None, sp.csr_matrix((1, 1))]], format="lil")
    joined[size, roots] = 1.0
    visited, parent = breadth_first_order(joined.tocsr(), size, directed=False)
    depth = np.zeros(size + 1, dtype=np.int64)
    for site in visited[1:]:
        depth[site] = depth[parent[site]] + 1
    order = np.argsort(depth[:size], kind="stable")
    bounds = np.searchsorted(depth[order], np.arange(2, depth.max() + 2))
    return [sites for sites in np.split(order, bounds)[1:] if sites.size], parent[:size]


def _solvable(blocks: _Blocks, chosen: np.ndarray, root: np.ndarray, carried: np.ndarray) -> bool:
    """Return True if an invertible W fulfils the equations of these blocks."""
    rows, columns, data = blocks.rows[chosen], blocks.columns[chosen], blocks.data[chosen]
    roots, place = np.unique(np.concatenate([root[rows], root[columns]]), return_inverse=True)
    unknown = blocks.norbs**2
    if roots.size * unknown > MOST_UNKNOWN:
        return False
    if not chosen.size:
        return True
    units = np.eye(unknown).reshape(unknown, blocks.norbs, blocks.norbs)
    at = [carried[sites][:, None] @ units @ carried[sites][:, None].swapaxes(-1, -2) for sites in (rows, columns)]
    ends = [at[0] @ data[:, None].conj(), -data[:, None] @ at[1]]  # (B, unknown, s, s)
    ends = [(end * blocks.weight[chosen][:, None, None, None]).reshape(chosen.size, unknown, -1) for end in ends]
    factor: Any = np.zeros((0, roots.size * unknown))
    step = max(1 << 12, 4 * roots.size) if roots.size < 8 else 4 * roots.size
    for begin in range(0, chosen.size, step):
        part = np.arange(begin, min(begin + step, chosen.size))
        equations = np.zeros((part.size, unknown, roots.size, unknown), dtype=complex)
        for end, places in zip(ends, place.reshape(2, -1), strict=True):
            equations[np.arange(part.size), :, places[part]] += end[part].swapaxes(1, 2)
        rows_of = equations.reshape(part.size * unknown, -1)
        factor = np.linalg.qr(np.concatenate([factor, rows_of]), mode="r")
    _, values, right = np.linalg.svd(factor, full_matrices=True)
    values = np.concatenate([values, np.zeros(right.shape[0] - values.size)])
    null = right[values < TOLERANCE].conj().T
    rng = np.random.default_rng(0)
    mixed = null @ (rng.standard_normal(null.shape[1]) + 1j * rng.standard_normal(null.shape[1]))
    singular: Any = np.linalg.svd(mixed.reshape(-1, blocks.norbs, blocks.norbs), compute_uv=False)
    return bool(null.shape[1] and (singular[:, -1] > SINGULAR * singular[:, 0].max()).all())
