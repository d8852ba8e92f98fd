"""Symbolic factorisation: everything that depends on the geometry only, computed once on the host.

The separator tree gives each node a dense front (A. George, SIAM J. Numer. Anal. 10, 345 (1973); I. S. Duff and
J. K. Reid, ACM Trans. Math. Softw. 9, 302 (1983)); fronts of similar size form stacks; flat index arrays say which
matrix element goes where. New energies, gaps, phases and disorder reuse all of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from bdg.gpu.multifrontal.analysis.classes import SizeClass, size_classes
from bdg.gpu.multifrontal.analysis.flops import complex_factor, factor_flops, selected_inverse_flops, solve_flops
from bdg.gpu.multifrontal.analysis.fronts import FrontStructure
from bdg.gpu.multifrontal.analysis.links import FrontClass, Link, Uploader
from bdg.gpu.multifrontal.analysis.parts import Part, parts_of
from bdg.gpu.multifrontal.analysis.pattern import SitePattern
from bdg.gpu.multifrontal.analysis.settings import CPU_SETTINGS, FrontSettings
from bdg.gpu.ordering.dissection import DissectionTree, dissect, in_chains, prefer_metis

_SECONDS_PER_RUN = 1.1e-6  # one slice of a front against one indexed element on the CPU: which way is faster
_SECONDS_PER_ELEMENT = 1.5e-9
_MOST_SPLIT = 6


@dataclass(frozen=True, eq=False)
class _Uploaded:
    """Index arrays on the device of ``xp``."""

    xp: Any
    classes: list[FrontClass]
    mirror: tuple[Any, Any]
    row_groups: list[tuple[Any, ...]]


@dataclass(eq=False)
class Symbolic:
    """Stacks of fronts for one pattern of connected sites; made by `analyse`.

    Attributes
    ----------
    pattern : SitePattern
    structure : FrontStructure
    settings : FrontSettings
    classes : list of FrontClass
        In the order of elimination, arrays on the host.
    ordering : "positions" or "metis"
        What decided where parts were cut.
    """

    pattern: SitePattern
    structure: FrontStructure
    settings: FrontSettings
    classes: list[FrontClass]
    ordering: str = "positions"
    _uploaded: _Uploaded | None = field(default=None, repr=False)

    def on(self, xp: Any) -> list[FrontClass]:
        """Return the classes with their index arrays on the device of ``xp``; copied once."""
        return self._on(xp).classes

    def mirror(self, xp: Any) -> tuple[Any, Any]:
        """Return source and target of the elements of an inverse that follow from the others by symmetry."""
        return self._on(xp).mirror

    def row_groups(self, xp: Any) -> list[tuple[Any, ...]]:
        """Return `SitePattern.row_groups` on the device."""
        return self._on(xp).row_groups

    def _on(self, xp: Any) -> _Uploaded:
        if self._uploaded is None or self._uploaded.xp is not xp:
            uploader = Uploader(xp)
            classes = self.classes if xp is np else [uploader.front_class(c) for c in self.classes]
            source, target = self._mirror()
            groups = [] if xp is np else self.pattern.row_groups()  # the CPU multiplies with the CSR matrix
            on_device = [tuple(uploader.array(x) for x in group) for group in groups]
            self._uploaded = _Uploaded(xp, classes, (xp.asarray(source), xp.asarray(target)), on_device)
        return self._uploaded

    def _mirror(self) -> tuple[np.ndarray, np.ndarray]:
        pattern, tree = self.pattern, self.structure.tree
        depth, nd = tree.depth[tree.owner], pattern.rows_per_site
        missing = np.flatnonzero(depth[pattern.second] > depth[pattern.first])[:, None, None]
        row, column = np.arange(nd)[:, None], np.arange(nd)[None, :]
        source = (pattern.transposed[missing] * nd + column) * nd + row
        return source.ravel(), ((missing * nd + row) * nd + column).ravel()

    @cached_property
    def parts(self) -> list[Part]:
        """Parts of the tree that may be eliminated side by side, the root's last."""
        return parts_of(self.structure, self.pattern.rows_per_site, self.settings.split, self.classes)

    @property
    def n_rows(self) -> int:
        """Dimension of the matrix."""
        return self.pattern.n_rows

    @property
    def depth(self) -> int:
        """Number of levels of the separator tree."""
        return int(self.structure.tree.depth.max()) + 1

    def factor_flops(self, dtype: Any, general: bool = False, padded: bool = True) -> float:
        """Return the real operations of one factorisation; without padding those that any code would need."""
        return complex_factor(dtype) * self._sum(factor_flops, padded, general)

    def selected_inverse_flops(self, dtype: Any, general: bool = False, padded: bool = True) -> float:
        """Return the real operations of one selected inverse."""
        return complex_factor(dtype) * self._sum(selected_inverse_flops, padded, general)

    def solve_flops(self, dtype: Any, padded: bool = True) -> float:
        """Return the real operations of both sweeps for one column."""
        return complex_factor(dtype) * self._sum(solve_flops, padded)

    def _sum(self, count: Any, padded: bool, *arguments: Any) -> float:
        if padded:
            return float(sum(c.n * count(c.a, c.u, *arguments) for c in self.classes))
        nd = self.pattern.rows_per_site
        return float(count(nd * self.structure.n_pivots, nd * self.structure.n_updates, *arguments).sum())


@dataclass(frozen=True, eq=False)
class Separators:
    """The tree of separators of connected sites; patterns with few and many rows a site can share it.

    Attributes
    ----------
    tree : DissectionTree
    ordering : "positions" or "metis"
        What decided where parts were cut.
    leaf : int
        As in `FrontSettings`.
    """

    tree: DissectionTree
    ordering: str
    leaf: int

    @classmethod
    def of(cls, positions: np.ndarray, adjacency: Any, settings: FrontSettings) -> Separators:
        """Return the separators of sites at ``positions`` (N, dim) that ``adjacency`` (CSR) connects."""
        ordering = settings.ordering
        if ordering == "auto":
            ordering = "metis" if prefer_metis(positions, adjacency) else "positions"
        return cls(dissect(positions, adjacency, leaf=settings.leaf, by=ordering), ordering, settings.leaf)


def analyse(
    positions: np.ndarray,
    pattern: SitePattern,
    settings: FrontSettings = CPU_SETTINGS,
    separators: Separators | None = None,
) -> Symbolic:
    """Return the symbolic factorisation of all matrices on ``pattern``.

    Parameters
    ----------
    positions : array (N, dim)
        Coordinates of the sites in any unit; they decide where the tree is cut, not what is computed.
    pattern : SitePattern
    settings : FrontSettings
    separators : Separators, optional
        Of the same sites, if they are at hand.

    Raises
    ------
    ValueError
        If there is not one finite position per site.
    """
    positions = np.asarray(positions, dtype=float)
    if positions.ndim != 2 or positions.shape[0] != pattern.n_sites or not np.isfinite(positions).all():
        raise ValueError(
            f"positions must be finite and have shape ({pattern.n_sites}, dim), one row a site; "
            f"got shape {positions.shape}"
        )
    if separators is None:
        separators = Separators.of(positions, pattern.adjacency, settings)
    tree = separators.tree
    if settings.pivots:
        tree = in_chains(tree, max(1, settings.pivots // pattern.rows_per_site))
    structure = FrontStructure.of(tree, pattern)
    sizes = size_classes(structure, pattern.rows_per_site, settings)
    return Symbolic(pattern, structure, settings, _Builder(pattern, structure, sizes).classes(), separators.ordering)


def split_to_fit(symbolic: Symbolic, fits: Callable[[Symbolic], bool]) -> Symbolic:
    """Return the symbolic factorisation with as many top levels taken in turn as it needs to fit, if that helps.

    Parameters
    ----------
    symbolic : Symbolic
    fits : callable
        Whether a symbolic factorisation fits. If none does, the one with most levels in turn is returned.
    """
    pattern, structure = symbolic.pattern, symbolic.structure
    split = symbolic.settings.split
    while not fits(symbolic) and split < min(_MOST_SPLIT, symbolic.depth - 1):
        split += 1
        settings = replace(symbolic.settings, split=split)
        sizes = size_classes(structure, pattern.rows_per_site, settings)
        classes = _Builder(pattern, structure, sizes).classes()
        symbolic = Symbolic(pattern, structure, settings, classes, symbolic.ordering)
    return symbolic


class _Builder:
    """Index arrays of all classes."""

    def __init__(self, pattern: SitePattern, structure: FrontStructure, sizes: list[SizeClass]) -> None:
        self._pattern, self._structure, self._sizes = pattern, structure, sizes
        n_nodes = structure.tree.parent.size
        self._class_of = np.empty(n_nodes, dtype=int)
        self._number = np.empty(n_nodes, dtype=int)  # of the node within its class
        self._update_offset = np.empty(n_nodes, dtype=int)  # sites of P in the padded front
        for number, size in enumerate(sizes):
            self._class_of[size.nodes] = number
            self._number[size.nodes] = np.arange(size.nodes.size)
            self._update_offset[size.nodes] = size.n_pivots
        self._sibling = _sibling_numbers(structure.tree.parent)
        self._blocks = self._by_class(self._assembled_blocks())
        self._updates = self._by_class((structure.update_node, structure.update_rank, structure.update_slot))

    def _by_class(self, columns: tuple[np.ndarray, ...]) -> list[tuple[np.ndarray, ...]]:
        """Split columns, the first of which is a node, by the class of that node."""
        number = self._class_of[columns[0]]
        order = np.argsort(number, kind="stable")
        bounds = np.searchsorted(number[order], np.arange(len(self._sizes) + 1))
        ordered = [column[order] for column in columns]
        return [tuple(column[begin:end] for column in ordered) for begin, end in zip(bounds, bounds[1:], strict=False)]

    def _assembled_blocks(self) -> tuple[np.ndarray, ...]:
        """Return node, block, row and column (in sites of its front) of all blocks in the rows of P."""
        pattern, structure = self._pattern, self._structure
        owner, depth = structure.tree.owner, structure.tree.depth
        first_owner, second_owner = owner[pattern.first], owner[pattern.second]
        block = np.flatnonzero((first_owner == second_owner) | (depth[second_owner] < depth[first_owner]))
        node = first_owner[block]
        row = structure.rank[pattern.first[block]] - structure.first_pivot[node]
        column = structure.place(node, structure.rank[pattern.second[block]], self._update_offset[node])
        return node, block, row, column

    def classes(self) -> list[FrontClass]:
        classes = [self._front_class(number) for number in range(len(self._sizes))]
        for number, front_class in enumerate(classes):
            front_class.up = self._links(number)
            for link in front_class.up:
                classes[link.parent].down.append(link)
        for front_class in classes:
            front_class.takes_over = _is_the_child(front_class, classes)
        return classes

    def _front_class(self, number: int) -> FrontClass:
        size, nd = self._sizes[number], self._pattern.rows_per_site
        a, u = nd * size.n_pivots, nd * size.n_updates
        m = a + u
        pivots, updates, padded = self._rows(number)
        node, block, row, column = self._blocks[number]
        stack = self._number[node][:, None, None]
        inner = np.arange(nd)
        down, across = inner[:, None], inner[None, :]
        rows, columns = row[:, None, None] * nd, column[:, None, None] * nd
        target = (stack * m + rows + down) * m + columns + across
        source = (block[:, None, None] * nd + down) * nd + across
        outer = column >= size.n_pivots
        below = columns[outer] + down, rows[outer] + across
        lower_target = (stack[outer] * m + below[0]) * m + below[1]
        lower_source = (self._pattern.transposed[block[outer]][:, None, None] * nd + down) * nd + across
        if size.is_leaf:
            inverse_target = (stack * a + rows + down) * m + columns + across
            inverse_lower = (stack[outer] * u + below[0] - a) * a + below[1]
        front, place = np.nonzero(np.repeat(padded, nd, axis=1))
        target, lower_target = target.ravel(), lower_target.ravel()
        return FrontClass(
            nodes=size.nodes,
            a=a,
            u=u,
            is_leaf=size.is_leaf,
            pivots=pivots,
            updates=updates,
            source=source.ravel(),
            target=target,
            lower_source=lower_source.ravel(),
            lower_target=lower_target,
            inverse_target=inverse_target.ravel() if size.is_leaf else target,
            inverse_lower_target=inverse_lower.ravel() if size.is_leaf else lower_target,
            ones=(front * m + place) * m + place,
        )

    def _rows(self, number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the matrix rows of P (n, a) and U (n, u), and which sites of P are padding."""
        size, structure = self._sizes[number], self._structure
        n, n_sites = size.nodes.size, self._pattern.n_sites
        place = np.arange(size.n_pivots)[None, :]
        padded = place >= structure.n_pivots[size.nodes][:, None]
        pivots = np.full((n, size.n_pivots), n_sites)
        pivots[~padded] = structure.order[(structure.first_pivot[size.nodes][:, None] + place)[~padded]]
        updates = np.full((n, size.n_updates), n_sites)
        node, rank, slot = self._updates[number]
        updates[self._number[node], slot] = structure.order[rank]
        nd = self._pattern.rows_per_site
        dummy = np.full((1, nd), self._pattern.n_rows)
        rows = np.concatenate([self._pattern.rows, dummy]).astype(np.intp)  # NumPy converts others on every use
        return rows[pivots].reshape(n, -1), rows[updates].reshape(n, -1), padded

    def _links(self, number: int) -> list[Link]:
        """Return the links of a class to its parents' classes, siblings apart."""
        size, structure, nd = self._sizes[number], self._structure, self._pattern.rows_per_site
        parents = structure.tree.parent[size.nodes]
        if not size.n_updates or (parents < 0).all():
            return []
        node, rank, slot = self._updates[number]
        parent = structure.tree.parent[node]
        inside = parent >= 0
        node, rank, slot, parent = node[inside], rank[inside], slot[inside], parent[inside]
        place = structure.place(parent, rank, self._update_offset[parent])
        places = np.full((size.nodes.size, size.n_updates), -1)
        places[self._number[node], slot] = place
        runs = _runs(places, nd)
        links = []
        has_parent = parents >= 0
        parent_class = np.where(has_parent, self._class_of[parents], -1)
        sibling = self._sibling[size.nodes]
        for other in np.unique(parent_class[has_parent]):
            room = self._sizes[other].n_pivots + self._sizes[other].n_updates
            for turn in np.unique(sibling[parent_class == other]):
                rows = np.flatnonzero((parent_class == other) & (sibling == turn))
                full = _fill_padding(places[rows], room)
                in_rows = (full[:, :, None] * nd + np.arange(nd)).reshape(rows.size, -1).astype(np.int32)
                above = self._number[parents[rows]]
                whole = rows.size == size.nodes.size
                links.append(Link(number, int(other), rows, above, in_rows, [runs[row] for row in rows], whole))
        return links


def _is_the_child(c: FrontClass, classes: list[FrontClass]) -> bool:
    """Return whether each front is just what its only child leaves, in the same order."""
    if len(c.down) != 1 or not c.down[0].whole or len(classes[c.down[0].child].up) != 1:
        return False
    link = c.down[0]
    same_size = classes[link.child].u == c.m and link.rows.size == c.n
    return same_size and bool((link.parents == np.arange(c.n)).all() and (link.places == np.arange(c.m)).all())


def _sibling_numbers(parent: np.ndarray) -> np.ndarray:
    """Return the number of each node among the children of its parent."""
    order = np.argsort(parent, kind="stable")
    ordered = parent[order]
    first = np.searchsorted(ordered, ordered)
    number = np.empty(parent.size, dtype=int)
    number[order] = np.arange(parent.size) - first
    return number


def _runs(places: np.ndarray, nd: int) -> list[list[tuple[int, int, int]] | None]:
    """Return the unbroken stretches of each child's map, in rows of the fronts, where slices are the faster way."""
    if not places.size:
        return [None] * len(places)
    valid = places >= 0
    begins = valid.copy()
    begins[:, 1:] &= ~(valid[:, :-1] & (np.diff(places, axis=1) == 1))
    n_runs = begins.sum(axis=1)
    slices = _SECONDS_PER_RUN * n_runs * (n_runs + 1)
    elements = _SECONDS_PER_ELEMENT * (nd * valid.sum(axis=1)) ** 2
    runs: list[list[tuple[int, int, int]] | None] = []
    for row in range(len(places)):
        if slices[row] >= elements[row]:
            runs.append(None)
            continue
        starts = np.flatnonzero(begins[row])
        ends = np.append(starts[1:], valid[row].sum())
        to = places[row, starts]
        runs.append([(int(b) * nd, int(p) * nd, int(e) * nd) for b, p, e in zip(starts, to, ends, strict=True)])
    return runs


def _fill_padding(places: np.ndarray, room: int) -> np.ndarray:
    """Send the padded entries (-1, behind the others) of each row to places that the row does not use."""
    filled = places.copy()
    child, entry = np.nonzero(places < 0)
    if child.size:
        used = np.zeros((len(places), room), dtype=bool)
        real_child, real_entry = np.nonzero(places >= 0)
        used[real_child, places[real_child, real_entry]] = True
        free = np.argsort(used, axis=1, kind="stable")
        filled[child, entry] = free[child, entry - (places >= 0).sum(axis=1)[child]]
    return filled
