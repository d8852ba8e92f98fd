r"""Elements of ``A^-1`` where A has elements, from the root down.

.. math:: G_{PU} = -W G_{UU}, \qquad G_{UP} = -G_{UU} V, \qquad G_{PP} = \Pi - G_{PU} V

with G_UU read from the parent's front (L. Lin, C. Yang, J. C. Meza, J. Lu, L. Ying, W. E, ACM Trans. Math. Softw. 37,
40 (2011)). For symmetric and Hermitian matrices G_UP follows from G_PU, and G_PP is symmetrised: the part of its
rounding error without the symmetry would grow by ``|W|^2`` on every level.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from bdg.gpu.device.backend import Backend
from bdg.gpu.device.crew import in_turn
from bdg.gpu.multifrontal.analysis.links import FrontClass, Link, Uploader
from bdg.gpu.multifrontal.analysis.parts import Part
from bdg.gpu.multifrontal.analysis.pattern import SitePattern
from bdg.gpu.multifrontal.analysis.symbolic import Symbolic
from bdg.gpu.multifrontal.factors.blocked import in_rows, product
from bdg.gpu.multifrontal.factors.extend_add import gather
from bdg.gpu.multifrontal.factors.predicted_memory import inverse_beside_elements
from bdg.gpu.multifrontal.factors.stacked import set_reversed, symmetrised, turned
from bdg.gpu.multifrontal.factors.stored import StoredFactors


@dataclass(frozen=True, eq=False)
class SelectedInverse:
    """Blocks of an inverse on the pattern of the matrix.

    Attributes
    ----------
    pattern : SitePattern
    blocks : array (n_blocks, nd, nd), on the device
        Block b is the inverse between the sites ``pattern.first[b]`` and ``pattern.second[b]``.
    """

    pattern: SitePattern
    blocks: Any

    def diagonal(self, xp: Any) -> Any:
        """Return the blocks of each site with itself, (N, nd, nd)."""
        return self.blocks[xp.asarray(self.pattern.diagonal)]


class Restriction:
    """The part of a tree that the inverse at some sites needs: their nodes and all ancestors.

    Blocks between two of the sites are computed; other blocks may be, and are nan where they are not.

    Parameters
    ----------
    symbolic : Symbolic
    sites : array of int
        Wanted sites.

    Attributes
    ----------
    share : float
        Operations of the restricted selected inverse relative to the whole.
    """

    def __init__(self, symbolic: Symbolic, sites: np.ndarray) -> None:
        sites = np.unique(np.asarray(sites))
        if not sites.size or sites[0] < 0 or sites[-1] >= symbolic.pattern.n_sites:
            raise ValueError(f"sites must be numbers from 0 to {symbolic.pattern.n_sites - 1}, at least one")
        self.symbolic = symbolic
        needed = symbolic.structure.ancestors_and_selves(sites)
        self._kept = [np.flatnonzero(needed[c.nodes]) for c in symbolic.classes]
        self._classes = [_restricted(c, kept) for c, kept in zip(symbolic.classes, self._kept, strict=True)]
        for c in self._classes:
            c.up = [link for link in (_restricted_link(link, self._kept) for link in c.up) if link is not None]
        for c in self._classes:
            for link in c.up:
                self._classes[link.parent].down.append(link)
        self._uploaded: tuple[Any, list[FrontClass], list[Any]] | None = None
        sizes = [(k.size, c.a * c.u**2 + c.a**2 * c.u, c.n) for k, c in zip(self._kept, symbolic.classes, strict=True)]
        self.share = sum(k * f for k, f, _ in sizes) / max(1, sum(n * f for _, f, n in sizes))

    def on(self, xp: Any) -> tuple[list[FrontClass], list[Any]]:
        """Return the restricted classes and the fronts kept of each class (None: all), on the device of ``xp``."""
        if self._uploaded is None or self._uploaded[0] is not xp:
            uploader = Uploader(xp)
            classes = self._classes if xp is np else [uploader.front_class(c) for c in self._classes]
            whole = [k.size == c.n for k, c in zip(self._kept, self.symbolic.classes, strict=True)]
            kept = [None if all_ else xp.asarray(k) for all_, k in zip(whole, self._kept, strict=True)]
            self._uploaded = (xp, classes, kept)
        return self._uploaded[1:]


def selected_inverse(stored: StoredFactors, restriction: Restriction | None, release: bool) -> SelectedInverse:
    """Return the blocks of A^-1 where A has blocks, all or those of a `Restriction`; released are stacks on the way."""
    xp, pattern = stored.backend.xp, stored.symbolic.pattern
    nd = pattern.rows_per_site
    out = xp.zeros(pattern.n_blocks * nd * nd, stored.dtype)
    if restriction is not None:
        out += np.nan
    classes, kept = needed_classes(stored.symbolic, stored.classes, restriction, xp)

    def invert(number: int, c: FrontClass, fronts: dict[int, Any]) -> Any:
        parts: tuple[Any, ...] = (stored.inverse_of(number), stored.forward_of(number), stored.backward_of(number))
        if kept[number] is not None:
            parts = tuple(None if x is None else x[kept[number]] for x in parts)
        front = _one_stack(stored, c, parts, _outer_inverse(stored, c, fronts), out)
        if release:
            stored.release(number)
        return front

    general = stored.symmetry == "general"
    each_bytes = stored.dtype.itemsize * inverse_beside_elements(stored.symbolic, general)
    from_root_down(stored.symbolic.parts, classes, invert, stored.backend, each_bytes)
    if stored.symmetry != "general":
        _fill_by_symmetry(stored, out)
    return SelectedInverse(pattern, out.reshape(-1, nd, nd))


def needed_classes(
    symbolic: Symbolic, classes: list[FrontClass], restriction: Restriction | None, xp: Any
) -> tuple[list[FrontClass], list[Any]]:
    """Return the classes of a factor that a selected inverse visits, and the fronts kept of each (None: all)."""
    if restriction is None:
        return classes, [None] * len(classes)
    if restriction.symbolic is not symbolic:
        raise ValueError("restriction must be made for the symbolic factorisation of this factor")
    return restriction.on(xp)


def from_root_down(
    parts: list[Part],
    classes: list[FrontClass],
    invert: Callable[[int, FrontClass, dict[int, Any]], Any],
    backend: Backend,
    each_bytes: float,
) -> None:
    """Call ``invert(number, c, fronts)`` for each stack, parents first; parts of the tree go side by side.

    What it returns stands in ``fronts`` until all children of the stack have read it. ``each_bytes`` is what a part
    takes beside the others.
    """
    uses = [len(c.down) for c in classes]
    fronts: dict[int, Any] = {}
    lock = threading.Lock()

    def one_stack(number: int) -> None:
        c = classes[number]
        found = invert(number, c, fronts)
        if c.down:
            fronts[number] = found
        del found
        for link in c.up:
            with lock:  # children of a stack may be in several parts
                uses[link.parent] -= 1
                if not uses[link.parent]:
                    del fronts[link.parent]

    def one_part(turn: int) -> None:
        part = parts[len(parts) - 1 - turn]
        for number in range(part.end - 1, part.begin - 1, -1):
            if classes[number].n:
                one_stack(number)

    needs: list[list[int]] = [[] for _ in parts]
    for number, part in enumerate(parts):
        for below in part.below:
            needs[len(parts) - 1 - below] = [len(parts) - 1 - number]
    in_turn(one_part, needs, backend, each_bytes=each_bytes)


def _outer_inverse(stored: StoredFactors, c: FrontClass, fronts: dict[int, Any]) -> Any:
    """Return G_UU (n, u, u) of a stack, read from the parents."""
    if not c.u:
        return None
    xp = stored.backend.xp
    if len(c.up) == 1 and c.up[0].whole:
        above = c.up[0].parent
        if stored.classes[above].takes_over and fronts[above].shape[0] == c.n:
            return fronts[above]
        return gather(xp, fronts[c.up[0].parent], c.up[0], None)
    outer = xp.zeros((c.n, c.u, c.u), stored.dtype)
    for link in c.up:
        gather(xp, fronts[link.parent], link, outer)
    return outer


def _one_stack(stored: StoredFactors, c: FrontClass, parts: tuple[Any, ...], outer: Any, out: Any) -> Any:
    """Write the elements of one stack into ``out``; return its inverse (n, m, m) where it has children."""
    xp, symmetry = stored.backend.xp, stored.symmetry
    pivot_inverse, forward, backward = parts
    if not c.a:
        return outer
    if not c.u:
        out[c.source] = pivot_inverse.reshape(-1)[c.inverse_target]
        return pivot_inverse
    right = product(xp, forward, outer)  # -G_PU
    general = symmetry == "general"
    inner = product(xp, right, backward if general else turned(forward, symmetry))
    inner += pivot_inverse
    # nobody reads G_UU of a leaf
    whole = xp.empty((c.n, c.a if c.is_leaf else c.m, c.m), stored.dtype)
    whole[:, : c.a, : c.a] = symmetrised(inner, symmetry)
    xp.negative(right, out=whole[:, : c.a, c.a :])
    left = -product(xp, outer, backward) if general else None
    if not c.is_leaf:

        def below(rows: slice) -> None:
            if left is None:
                set_reversed(xp, whole[:, c.a :, : c.a][:, rows], whole[:, : c.a, c.a :][:, :, rows], symmetry)
            else:
                whole[:, c.a :, : c.a][:, rows] = left[:, rows]
            whole[:, c.a :, c.a :][:, rows] = outer[:, rows]

        in_rows(xp, outer.shape, below)
    flat = whole.reshape(-1)
    out[c.source] = flat[c.inverse_target]
    if left is not None:
        lower = left.reshape(-1) if c.is_leaf else flat
        out[c.lower_source] = lower[c.inverse_lower_target]
    return whole


def _fill_by_symmetry(stored: StoredFactors, out: Any) -> None:
    """Set the blocks (j, i) whose partner (i, j) was computed, i eliminated first."""
    source, target = stored.symbolic.mirror(stored.backend.xp)
    values = out[source]
    if stored.symmetry == "skew":
        values = -values
    out[target] = values.conj() if stored.symmetry == "hermitian" else values


def _restricted(c: FrontClass, kept: np.ndarray) -> FrontClass:
    """Return a class with the fronts ``kept`` only."""
    position = np.full(c.n, -1)
    position[kept] = np.arange(kept.size)

    def select(source: np.ndarray, target: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
        front, place = np.divmod(target, max(size, 1))
        inside = position[front] >= 0
        return source[inside], position[front[inside]] * size + place[inside]

    height = c.a if c.is_leaf else c.m
    source, target = select(c.source, c.inverse_target, height * c.m)
    below = c.u * c.a if c.is_leaf else c.m * c.m
    lower_source, lower_target = select(c.lower_source, c.inverse_lower_target, below)
    return replace(
        c,
        nodes=c.nodes[kept],
        pivots=c.pivots[kept],
        updates=c.updates[kept],
        source=source,
        inverse_target=target,
        lower_source=lower_source,
        inverse_lower_target=lower_target,
        down=[],
    )


def _restricted_link(link: Link, kept: list[np.ndarray]) -> Link | None:
    """Return a link between the fronts kept of its two classes; a kept child has a kept parent."""
    chosen = np.flatnonzero(np.isin(link.rows, kept[link.child]))
    if not chosen.size:
        return None
    return replace(
        link,
        rows=np.searchsorted(kept[link.child], link.rows[chosen]),
        parents=np.searchsorted(kept[link.parent], link.parents[chosen]),
        places=link.places[chosen],
        runs=[link.runs[k] for k in chosen],
        whole=chosen.size == kept[link.child].size,
        _flat={},
    )


def inverse_share(symbolic: Symbolic, sites: np.ndarray) -> float:
    """Return the operations of a selected inverse restricted to ``sites`` relative to the whole."""
    if sites.size == symbolic.pattern.n_sites:
        return 1.0
    needed = symbolic.structure.ancestors_and_selves(np.unique(sites))
    size: Callable[[Any], float] = lambda c: c.a * c.u**2 + c.a**2 * c.u  # noqa: E731
    whole = sum(c.n * size(c) for c in symbolic.classes)
    return float(sum(np.count_nonzero(needed[c.nodes]) * size(c) for c in symbolic.classes) / max(1.0, whole))
