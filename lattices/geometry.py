"""Distances on a lattice whose axes may be periodic, and the connection between sites."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy  # its parts load on use
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

Period = tuple[float | None, ...]


def minimum_image(difference: np.ndarray, period: Period) -> np.ndarray:
    """Return displacements (..., dim) folded to the nearest periodic image; open axes are left alone."""
    folded = np.array(difference, dtype=float)
    for axis, length in enumerate(period):
        if length is not None:
            folded[..., axis] -= length * np.round(folded[..., axis] / length)
    return folded


def periodic_tree(positions: np.ndarray, period: Period) -> tuple[scipy.spatial.cKDTree, np.ndarray]:
    """Return a KD-tree of the positions that knows the periodic axes, and the box that wraps query points into it."""
    if all(length is None for length in period):
        return scipy.spatial.cKDTree(positions), np.zeros(positions.shape[1])
    box = np.array([0.0 if length is None else length for length in period])
    return scipy.spatial.cKDTree(wrap(positions, box), boxsize=box), box


def wrap(positions: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Return positions folded into [0, box) along the axes with box > 0."""
    wrapped = np.array(positions, dtype=float)
    for axis in np.flatnonzero(box > 0):
        wrapped[:, axis] = np.mod(wrapped[:, axis], box[axis])
        wrapped[wrapped[:, axis] >= box[axis], axis] = 0.0  # mod may round up to the box length itself
    return wrapped


def nearest_distance(points: np.ndarray, targets: np.ndarray, period: Period) -> tuple[np.ndarray, np.ndarray]:
    """Return, for each point, the distance to the nearest target and that target's index."""
    tree, box = periodic_tree(targets, period)
    distance, index = tree.query(wrap(points, box) if box.any() else points)
    return np.asarray(distance), np.asarray(index)


def site_adjacency(matrices: Sequence[sp.csr_matrix | None], norbs: int, n_sites: int) -> sp.csr_matrix:
    """Return the pattern (N, N), symmetric and without diagonal, of the sites that any of the matrices connects."""
    rows, columns = [], []
    for matrix in matrices:
        if matrix is None:
            continue
        coo = matrix.tocoo()
        rows.append(coo.row // norbs)
        columns.append(coo.col // norbs)
    row, column = np.concatenate(rows), np.concatenate(columns)
    keep = row != column
    row, column = row[keep], column[keep]
    ones = np.ones(2 * row.size, dtype=np.int8)
    pattern = sp.coo_matrix(
        (ones, (np.concatenate([row, column]), np.concatenate([column, row]))), shape=(n_sites, n_sites)
    ).tocsr()
    pattern.data[:] = 1  # sums of duplicates may have wrapped around
    return pattern


def label_connected(selected: np.ndarray, adjacency: sp.csr_matrix) -> np.ndarray:
    """Return labels (N,) of the connected sets of ``selected`` sites, numbered by lowest site; -1 elsewhere."""
    labels = np.full(selected.size, -1, dtype=np.int64)
    chosen = np.flatnonzero(selected)
    if chosen.size:
        _, component = connected_components(adjacency[chosen][:, chosen], directed=False)
        _, first = np.unique(component, return_index=True)
        order = np.empty(first.size, dtype=np.int64)
        order[np.argsort(first)] = np.arange(first.size)
        labels[chosen] = order[component]
    return labels
