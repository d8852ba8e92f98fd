"""Nested dissection of a lattice from positions and adjacency: the elimination order of the direct solvers.

Each part is cut at a lattice plane through the median of its longest axis. The separator is a minimum vertex cover of
the edges that the cut crosses (Koenig's theorem on the bipartite graph of these edges), so hoppings of any range,
periodic axes and disconnected parts need no special treatment. All parts of a level are cut at once. Where positions
mislead, METIS cuts the graph instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import maximum_bipartite_matching

from bdg.gpu.ordering.graph_cut import halves, has_metis

_METIS_FROM = 1000  # sites; below any order will do
_METIS_GAIN = 0.7  # work grows with the cube of the separators: 0.7 is a third


@dataclass(frozen=True, eq=False)
class DissectionTree:
    """Separator tree: every site is owned by one node, the root separator is node 0.

    Attributes
    ----------
    owner : array (N,)
        Node that owns the site.
    parent, depth : arrays (n_nodes,)
        Parent node (-1 for the root) and distance from the root.
    is_leaf : array (n_nodes,) of bool
    level : array (n_nodes,)
        Number of cuts above the node; less than ``depth`` below separators that were taken apart (`in_chains`).
    """

    owner: np.ndarray
    parent: np.ndarray
    depth: np.ndarray
    is_leaf: np.ndarray
    level: np.ndarray

    @property
    def order(self) -> np.ndarray:
        """Elimination order of the sites: deepest nodes first, each node's sites together."""
        return np.lexsort((np.arange(self.owner.size), self.owner, -self.depth[self.owner]))


def dissect(
    positions: np.ndarray, adjacency: sp.csr_matrix, leaf: int = 16, by: Literal["positions", "metis"] = "positions"
) -> DissectionTree:
    """Return the separator tree of the sites.

    Parameters
    ----------
    positions : array (N, dim)
    adjacency : CSR (N, N)
        Symmetric pattern of the connected sites.
    leaf : int
        Parts of at most this many sites are not cut further.
    by : {"positions", "metis"}
        What decides where parts are cut; METIS looks at the connections only, and needs ``bdg[metis]``.
    """
    n_sites = positions.shape[0]
    start, end = _edges(adjacency)
    owner = np.full(n_sites, -1, dtype=np.int64)
    part = np.zeros(n_sites, dtype=np.int64)
    parent, depth, is_leaf = [np.array([-1])], [np.array([0])], [np.array([n_sites <= leaf])]
    n_nodes, level, active = 1, 0, np.arange(n_sites)
    while True:
        small = np.concatenate(is_leaf)[part[active]]
        owner[active[small]] = part[active[small]]
        active = active[~small]
        if not active.size:
            break
        side = np.zeros(n_sites, dtype=np.int8)
        side[active] = np.where(_sides(positions, part, active, start, end, by), 2, 1)
        inside = (side[start] > 0) & (side[end] > 0) & (part[start] == part[end])
        start, end = start[inside], end[inside]
        separator = _separator(side, start, end)
        owner[separator] = part[separator]
        side[separator] = 0
        active = active[side[active] > 0]
        key, label, counts = np.unique(2 * part[active] + (side[active] == 2), return_inverse=True, return_counts=True)
        parent.append(key // 2)
        depth.append(np.full(key.size, level + 1))
        is_leaf.append(counts <= leaf)
        part[active] = n_nodes + label
        n_nodes += key.size
        level += 1
    depths = np.concatenate(depth)
    return DissectionTree(owner, np.concatenate(parent), depths, np.concatenate(is_leaf), depths)


def in_chains(tree: DissectionTree, most: int) -> DissectionTree:
    """Return the tree with separators of more than ``most`` sites as chains of nodes, eliminated one after the other.

    What is eliminated first then updates only what is left of the separator: a symmetric elimination that inverts
    large separators whole does up to half as much again.
    """
    counts = np.bincount(tree.owner, minlength=tree.parent.size)
    pieces = np.where(tree.is_leaf, 1, np.maximum(1, -(-counts // most)))
    top = np.cumsum(pieces) - pieces
    node_of = np.repeat(np.arange(counts.size), pieces)
    place = np.arange(node_of.size) - top[node_of]
    above = tree.parent[node_of]
    parent = np.where(place > 0, np.arange(node_of.size) - 1, np.where(above >= 0, (top + pieces - 1)[above], -1))
    depth = np.zeros(counts.size, dtype=np.int64)  # of the top piece of each node
    for node in np.argsort(tree.depth, kind="stable")[1:]:
        depth[node] = depth[tree.parent[node]] + pieces[tree.parent[node]]
    by_owner = np.argsort(tree.owner, kind="stable")
    rank = np.empty(tree.owner.size, dtype=np.int64)
    rank[by_owner] = np.arange(tree.owner.size) - np.repeat(np.cumsum(counts) - counts, counts)
    piece = rank * pieces[tree.owner] // np.maximum(counts[tree.owner], 1)
    return DissectionTree(
        top[tree.owner] + piece, parent, depth[node_of] + place, tree.is_leaf[node_of], tree.level[node_of]
    )


def under_root(tree: DissectionTree, sites: np.ndarray, n_sites: int) -> DissectionTree:
    """Return the tree of some ``sites`` as subtree of a root that owns all other sites, eliminated last or not at all.

    Parameters
    ----------
    tree : DissectionTree
        Of the sites in the order of ``sites``.
    sites : array of int
        Numbers of these sites among ``n_sites``.
    n_sites : int
    """
    owner = np.zeros(n_sites, dtype=np.int64)
    owner[sites] = tree.owner + 1
    first = np.zeros(1, dtype=np.int64)
    return DissectionTree(
        owner,
        np.concatenate([first - 1, np.where(tree.parent < 0, 0, tree.parent + 1)]),
        np.concatenate([first, tree.depth + 1]),
        np.concatenate([first > 0, tree.is_leaf]),
        np.concatenate([first, tree.level + 1]),
    )


def prefer_metis(positions: np.ndarray, adjacency: sp.csr_matrix) -> bool:
    """Return whether METIS is installed and its first separator is much smaller than that from positions."""
    n_sites = positions.shape[0]
    if n_sites < _METIS_FROM or not has_metis():
        return False
    start, end = _edges(adjacency)
    part, active = np.zeros(n_sites, dtype=np.int64), np.arange(n_sites)
    size = {}
    for by in ("positions", "metis"):
        side = np.where(_sides(positions, part, active, start, end, by), 2, 1)
        size[by] = _separator(side, start, end).size
    return size["metis"] < _METIS_GAIN * size["positions"]


def _edges(adjacency: sp.csr_matrix) -> tuple[np.ndarray, np.ndarray]:
    edges = sp.triu(adjacency, 1).tocoo()
    return edges.row.astype(np.int64), edges.col.astype(np.int64)


def _sides(
    positions: np.ndarray, part: np.ndarray, active: np.ndarray, start: np.ndarray, end: np.ndarray, by: str
) -> np.ndarray:
    """Return, for each active site, whether it lies on the second side of its part; no side of a part is empty."""
    return halves(part, active, start, end) if by == "metis" else _cut(positions, part, active)


def _separator(side: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Return a minimum set of sites that touches every edge between sides 1 and 2."""
    crossing = side[start] != side[end]
    flipped = side[start[crossing]] == 1
    left = np.where(flipped, end[crossing], start[crossing])
    right = np.where(flipped, start[crossing], end[crossing])
    return _vertex_cover(left, right)


def _cut(positions: np.ndarray, part: np.ndarray, active: np.ndarray) -> np.ndarray:
    """Return, for each active site, whether it lies beyond the cut of its part; no side of a part is empty."""
    by_part = np.argsort(part[active], kind="stable")
    sites = active[by_part]
    _, first, counts = np.unique(part[sites], return_index=True, return_counts=True)
    segment = np.repeat(np.arange(first.size), counts)
    coordinates = positions[sites]
    extent = np.maximum.reduceat(coordinates, first) - np.minimum.reduceat(coordinates, first)
    along = coordinates[np.arange(sites.size), np.argmax(extent, axis=1)[segment]]
    rank_order = np.lexsort((along, segment))
    rank = np.empty(sites.size, dtype=np.int64)
    rank[rank_order] = np.arange(sites.size) - np.repeat(first, counts)
    sorted_along = along[rank_order]
    median = sorted_along[first + counts // 2]
    lowest, highest = sorted_along[first], sorted_along[first + counts - 1]
    upper = along >= median[segment]
    on_first_plane = (median == lowest)[segment]  # then nothing lies below: cut just above that plane
    upper = np.where(on_first_plane, along > median[segment], upper)
    flat = (lowest == highest)[segment]  # all at one coordinate: split by rank
    upper = np.where(flat, rank >= (counts // 2)[segment], upper)
    unsorted = np.empty(sites.size, dtype=bool)
    unsorted[by_part] = upper
    return unsorted


def _vertex_cover(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return a minimum set of sites that touches every edge left[k]-right[k] of a bipartite graph."""
    if not left.size:
        return left
    left_sites, left_index = np.unique(left, return_inverse=True)
    right_sites, right_index = np.unique(right, return_inverse=True)
    ones = np.ones(left_index.size, dtype=np.int8)
    graph = sp.csr_matrix((ones, (left_index, right_index)), shape=(left_sites.size, right_sites.size))
    partner_of_left = maximum_bipartite_matching(graph, perm_type="column")
    partner_of_right = np.full(right_sites.size, -1, dtype=np.int64)
    matched = np.flatnonzero(partner_of_left >= 0)
    partner_of_right[partner_of_left[matched]] = matched
    # Koenig: alternating search from the unmatched left vertices; cover = left not reached + right reached
    reached_left = partner_of_left < 0
    reached_right = np.zeros(right_sites.size, dtype=bool)
    while True:
        new = np.zeros(right_sites.size, dtype=bool)
        new[right_index[reached_left[left_index]]] = True
        new &= ~reached_right
        if not new.any():
            break
        reached_right |= new
        back = partner_of_right[new]
        reached_left[back[back >= 0]] = True
    return np.concatenate([left_sites[~reached_left], right_sites[reached_right]])
