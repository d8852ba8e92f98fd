"""Fronts of similar size share one padded size, so that each step runs on stacks of equal matrices.

Within a level of the tree the nodes are sorted by size and cut into segments; dynamic programming finds the cuts that
minimise the padded operations plus a fixed price per segment (that of its array calls).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bdg.gpu.multifrontal.analysis.flops import factor_flops
from bdg.gpu.multifrontal.analysis.fronts import FrontStructure
from bdg.gpu.multifrontal.analysis.settings import FrontSettings
from bdg.gpu.ordering.dissection import DissectionTree

_MOST_SIZES = 400  # distinct sizes of one level that the dynamic programming looks at


@dataclass(eq=False)
class SizeClass:
    """Nodes that are factorised in one stack, children before parents; sizes in sites."""

    nodes: np.ndarray
    n_pivots: int
    n_updates: int
    is_leaf: bool


def size_classes(structure: FrontStructure, nd: int, settings: FrontSettings) -> list[SizeClass]:
    """Return the stacks in the order of elimination, children before parents.

    Without a split: all leaves, then the inner nodes from the deepest level up. With one the subtrees below the top
    levels follow one another like this, and each top node comes as soon as its subtrees are done.
    """
    tree = structure.tree
    deepest = int(tree.depth.max())
    level = np.where(tree.is_leaf, 0, deepest + 1 - tree.depth)
    group = _turns(tree, settings.split) * (deepest + 2) + level
    classes = []
    for number in np.unique(group):
        nodes = np.flatnonzero(group == number)
        for segment in _segments(nodes, structure, nd, settings.call_flops):
            pivots, updates = int(structure.n_pivots[segment].max()), int(structure.n_updates[segment].max())
            segment = segment[np.argsort(tree.parent[segment], kind="stable")]
            per_stack = max(1, settings.chunk // max(1, (nd * (pivots + updates)) ** 2))
            for begin in range(0, segment.size, per_stack):
                stack = segment[begin : begin + per_stack]
                classes.append(SizeClass(stack, pivots, updates, bool(tree.is_leaf[stack[0]])))
    _make_room_for_children(classes, tree.parent)
    return classes


def _turns(tree: DissectionTree, split: int) -> np.ndarray:
    """Return for each node when it is eliminated: nodes of one subtree below the top ``split`` levels share a turn."""
    turn = np.zeros(tree.parent.size, dtype=np.int64)
    if not split:
        return turn
    by_parent = np.argsort(tree.parent, kind="stable")
    bounds = np.searchsorted(tree.parent[by_parent], np.arange(tree.parent.size + 1))
    next_turn = 0
    pending = [(0, False)]
    while pending:
        node, children_done = pending.pop()
        if children_done or tree.level[node] >= split:
            turn[node] = next_turn
            next_turn += 1
            continue
        pending.append((node, True))
        pending += [(int(child), False) for child in by_parent[bounds[node] : bounds[node + 1]]]
    by_depth = np.argsort(tree.depth, kind="stable")
    for node in by_depth[tree.level[by_depth] >= split]:
        if tree.parent[node] >= 0 and tree.level[tree.parent[node]] >= split:
            turn[node] = turn[tree.parent[node]]
    return turn


def _segments(nodes: np.ndarray, structure: FrontStructure, nd: int, call_flops: float) -> list[np.ndarray]:
    """Cut nodes of one level, sorted by size, where padded operations + call_flops per segment are least."""
    nodes = nodes[np.lexsort((structure.n_pivots[nodes], structure.n_updates[nodes]))]
    pivots, updates = structure.n_pivots[nodes], structure.n_updates[nodes]
    changes = np.flatnonzero((np.diff(pivots) != 0) | (np.diff(updates) != 0)) + 1
    cuts = np.concatenate([[0], changes, [nodes.size]])
    if cuts.size > _MOST_SIZES + 1:
        cuts = cuts[np.linspace(0, cuts.size - 1, _MOST_SIZES + 1).astype(int)]
    most_pivots = np.maximum.reduceat(pivots, cuts[:-1])
    most_updates = np.maximum.reduceat(updates, cuts[:-1])
    n_sizes = cuts.size - 1
    cost, origin = np.zeros(n_sizes + 1), np.zeros(n_sizes + 1, dtype=int)
    for end in range(1, n_sizes + 1):  # the last segment is begin..end-1, for every begin at once
        a = np.maximum.accumulate(most_pivots[:end][::-1])[::-1]
        u = np.maximum.accumulate(most_updates[:end][::-1])[::-1]
        count = cuts[end] - cuts[:end]
        total = cost[:end] + count * factor_flops(nd * a, nd * u) + call_flops
        origin[end] = int(np.argmin(total))
        cost[end] = total[origin[end]]
    segments, end = [], n_sizes
    while end:
        segments.append(nodes[cuts[origin[end]] : cuts[end]])
        end = origin[end]
    return segments[::-1]


def _make_room_for_children(classes: list[SizeClass], parent: np.ndarray) -> None:
    """Enlarge fronts until the padded U of each child finds as many places in its parent's padded front."""
    class_of = np.empty(parent.size, dtype=int)
    for number, size_class in enumerate(classes):
        class_of[size_class.nodes] = number
    needed = np.zeros(len(classes), dtype=int)
    for size_class in classes:  # children come first, so one pass passes the growth on to all ancestors
        number = class_of[size_class.nodes[0]]
        size_class.n_updates = max(size_class.n_updates, int(needed[number]) - size_class.n_pivots)
        parents = parent[size_class.nodes]
        above = class_of[parents[parents >= 0]]
        np.maximum.at(needed, above, size_class.n_updates)
