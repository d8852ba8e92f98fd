"""Parts of the separator tree that threads take side by side: subtrees, and the separators above them.

Subtrees know nothing of each other, and each separator comes after those below it. Where the tree is cut depends on
the system only, never on the number of threads, so that everything summed up part by part has the same bits with any.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from bdg.gpu.multifrontal.analysis.flops import factor_flops
from bdg.gpu.multifrontal.analysis.fronts import FrontStructure
from bdg.gpu.ordering.dissection import DissectionTree

_LEVELS = 3  # of cuts above the lowest parts: up to eight of them
_WORTH = 2e8  # operations of a subtree that is cut further: 10 ms, a hundred times what handing it over takes


class _Stack(Protocol):
    nodes: np.ndarray


@dataclass(frozen=True, slots=True)
class Part:
    """Stacks that one thread eliminates one after the other.

    Attributes
    ----------
    begin, end : int
        Numbers of the stacks, ``end`` not included.
    below : tuple of int
        Parts that come before.
    share : float
        Of all sites, those that are eliminated here and below.
    """

    begin: int
    end: int
    below: tuple[int, ...]
    share: float


def parts_of(structure: FrontStructure, nd: int, split: int, classes: Sequence[_Stack]) -> list[Part]:
    """Return the parts in the order of elimination, the root's last.

    Parameters
    ----------
    structure : FrontStructure
    nd : int
        Rows of a site.
    split : int
        As in `FrontSettings`: further down stacks hold nodes of several subtrees.
    classes : sequence of stacks
        In the order of elimination; only their nodes are looked at.
    """
    tree = structure.tree
    first = _first_nodes(tree, _subtree_sums(tree, _operations(structure, nd)), min(split, _LEVELS))
    of_class = first[[c.nodes[0] for c in classes]]
    begins = np.flatnonzero(np.concatenate([[True], of_class[1:] != of_class[:-1]]))
    tops = of_class[begins]
    number = {int(top): k for k, top in enumerate(tops)}
    below: list[list[int]] = [[] for _ in tops]
    for k, top in enumerate(tops):
        if top:
            below[number[int(first[tree.parent[top]])]].append(k)
    shares = _subtree_sums(tree, structure.n_pivots.astype(float))[tops] / max(1, structure.order.size)
    ends = [*begins[1:].tolist(), len(classes)]
    return [
        Part(begin, end, tuple(before), float(share))
        for begin, end, before, share in zip(begins.tolist(), ends, below, shares, strict=True)
    ]


def _operations(structure: FrontStructure, nd: int) -> np.ndarray:
    return np.asarray(factor_flops(nd * structure.n_pivots, nd * structure.n_updates))


def _subtree_sums(tree: DissectionTree, values: np.ndarray) -> np.ndarray:
    """Return the sums of values over each node and all below it."""
    sums = values.copy()
    for nodes in _by_depth(tree)[:0:-1]:
        np.add.at(sums, tree.parent[nodes], sums[nodes])
    return sums


def _first_nodes(tree: DissectionTree, work: np.ndarray, levels: int) -> np.ndarray:
    """Return for each node the uppermost node of its part; the pieces of a separator stay together."""
    first = np.zeros(tree.parent.size, dtype=np.int64)
    whole = np.zeros(tree.parent.size, dtype=bool)  # nothing is cut off below
    whole[0] = not levels or work[0] < _WORTH
    for nodes in _by_depth(tree)[1:]:
        parents = tree.parent[nodes]
        opens = ~whole[parents] & (tree.level[nodes] > tree.level[parents])
        first[nodes] = np.where(opens, nodes, first[parents])
        whole[nodes] = np.where(opens, (tree.level[nodes] >= levels) | (work[nodes] < _WORTH), whole[parents])
    return first


def _by_depth(tree: DissectionTree) -> list[np.ndarray]:
    by_depth = np.argsort(tree.depth, kind="stable")
    return np.split(by_depth, np.cumsum(np.bincount(tree.depth))[:-1])
