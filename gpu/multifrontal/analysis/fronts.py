"""Structure of the fronts: which sites each node of the separator tree eliminates, and which it updates.

A node eliminates its own sites P (a separator or a leaf). Its front couples them to the later sites U, those of the
ancestors' separators that P or the nodes below touch. Sites are ranked in elimination order, and U is sorted by rank,
so the map from U into the parent's front is monotone: upper triangles fall into upper triangles.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bdg.gpu.multifrontal.analysis.pattern import SitePattern
from bdg.gpu.ordering.dissection import DissectionTree


@dataclass(frozen=True, eq=False)
class FrontStructure:
    """Pivot and update sites of all nodes.

    Attributes
    ----------
    tree : DissectionTree
    order, rank : arrays (N,)
        Sites in elimination order, and the place of each site in it.
    first_pivot, n_pivots, n_updates : arrays (n_nodes,)
        Node q eliminates the sites ``order[first_pivot[q] : first_pivot[q] + n_pivots[q]]``.
    update_node, update_rank, update_slot : arrays (n_update_entries,)
        U of all nodes as pairs (node, rank), sorted, with the number of the pair within its node.
    """

    tree: DissectionTree
    order: np.ndarray
    rank: np.ndarray
    first_pivot: np.ndarray
    n_pivots: np.ndarray
    n_updates: np.ndarray
    update_node: np.ndarray
    update_rank: np.ndarray
    update_slot: np.ndarray

    @classmethod
    def of(cls, tree: DissectionTree, pattern: SitePattern) -> FrontStructure:
        """Return the structure of the fronts of ``tree`` for the connected pairs of ``pattern``."""
        n_sites, n_nodes = pattern.n_sites, tree.parent.size
        order = _elimination_order(tree, pattern)
        rank = np.empty(n_sites, dtype=np.int64)
        rank[order] = np.arange(n_sites)
        owners = tree.owner[order]
        first_pivot = np.zeros(n_nodes, dtype=np.int64)
        starts = np.flatnonzero(np.concatenate([[True], owners[1:] != owners[:-1]]))
        first_pivot[owners[starts]] = starts
        node, update_rank = _update_sites(tree, pattern, order, rank)
        n_updates = np.bincount(node, minlength=n_nodes)
        slot = np.arange(node.size) - np.repeat(np.cumsum(n_updates) - n_updates, n_updates)
        n_pivots = np.bincount(tree.owner, minlength=n_nodes)
        return cls(tree, order, rank, first_pivot, n_pivots, n_updates, node, update_rank, slot)

    def place(self, node: np.ndarray, rank: np.ndarray, update_offset: np.ndarray) -> np.ndarray:
        """Return where the site of each rank sits in the front of ``node``; U begins at ``update_offset``."""
        place = rank - self.first_pivot[node]
        later = (place < 0) | (place >= self.n_pivots[node])
        if later.any():
            n_sites = self.order.size
            keys = self.update_node * n_sites + self.update_rank
            found = np.searchsorted(keys, node[later] * n_sites + rank[later])
            place[later] = update_offset[later] + self.update_slot[found]
        return place

    def ancestors_and_selves(self, sites: np.ndarray) -> np.ndarray:
        """Return, for each node, whether the inverse at ``sites`` needs it (bool, (n_nodes,))."""
        needed = np.zeros(self.tree.parent.size, dtype=bool)
        nodes = np.unique(self.tree.owner[sites])
        while nodes.size:
            needed[nodes] = True
            nodes = np.unique(self.tree.parent[nodes])
            nodes = nodes[nodes >= 0]
            nodes = nodes[~needed[nodes]]
        return needed


def _update_sites(
    tree: DissectionTree, pattern: SitePattern, order: np.ndarray, rank: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return U of all nodes, sorted pairs (node, rank): adj(P) and U of the children, without earlier sites."""
    n_sites = order.size
    site_depth = tree.depth[tree.owner]
    depth_of_rank = site_depth[order]
    outward = np.flatnonzero(site_depth[pattern.second] < site_depth[pattern.first])
    from_node = tree.owner[pattern.first[outward]]
    from_depth = site_depth[pattern.first[outward]]
    pairs = from_node * n_sites + rank[pattern.second[outward]]
    levels, carried = [], np.zeros(0, dtype=np.int64)
    for depth in range(int(tree.depth.max()), -1, -1):
        level = np.unique(np.concatenate([pairs[from_depth == depth], carried]))
        levels.append(level)
        node, site_rank = tree.parent[level // n_sites], level % n_sites
        above = (node >= 0) & (depth_of_rank[site_rank] < depth - 1)
        carried = node[above] * n_sites + site_rank[above]
    pairs = np.sort(np.concatenate(levels))
    return pairs // n_sites, pairs % n_sites


def _elimination_order(tree: DissectionTree, pattern: SitePattern) -> np.ndarray:
    """Return the sites, deepest nodes first; within a node, neighbours of the same deeper node stand together.

    Then each child's U is a few unbroken runs of the parent's front, and fronts are added run by run.
    """
    place = _in_order(tree)
    owner_depth = tree.depth[tree.owner]
    n_nodes = tree.parent.size
    touched = np.full(tree.owner.size, n_nodes)
    inward = owner_depth[pattern.second] > owner_depth[pattern.first]
    np.minimum.at(touched, pattern.first[inward], place[tree.owner[pattern.second[inward]]])
    return np.lexsort((np.arange(tree.owner.size), touched, tree.owner, -owner_depth))


def _in_order(tree: DissectionTree) -> np.ndarray:
    """Return the place of each node when every node is visited after its first and before its other subtrees."""
    n_nodes = tree.parent.size
    size = np.ones(n_nodes, dtype=np.int64)
    by_depth = np.argsort(tree.depth, kind="stable")
    levels = np.split(by_depth, np.cumsum(np.bincount(tree.depth))[:-1])
    for nodes in levels[:0:-1]:
        np.add.at(size, tree.parent[nodes], size[nodes])
    begin, place = np.zeros(n_nodes, dtype=np.int64), np.zeros(n_nodes, dtype=np.int64)
    for nodes, below in zip(levels, [*levels[1:], np.zeros(0, dtype=np.int64)], strict=True):
        children = below[np.argsort(tree.parent[below], kind="stable")]
        parents = tree.parent[children]
        is_first = np.concatenate([[True], parents[1:] != parents[:-1]])[: children.size]
        before = np.zeros(n_nodes, dtype=np.int64)
        before[parents[is_first]] = size[children[is_first]]
        place[nodes] = begin[nodes] + before[nodes]
        # children follow one another; the node itself stands after the first
        cumulated = np.cumsum(size[children]) - size[children]
        start = np.repeat(cumulated[is_first], np.diff(np.append(np.flatnonzero(is_first), children.size)))
        begin[children] = begin[parents] + (cumulated - start) + ~is_first
    return place
