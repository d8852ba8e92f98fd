"""Adding the children's Schur complements into their parents' fronts, and reading parents' inverses for the children.

Locations are unique within one call (siblings go in separate calls, padded rows to unused places), so plain addition
loses nothing and the result does not depend on the order. On a GPU, and with the compiled kernels of the CPU, each call
is one kernel. Without them large fronts go run by run: U of a child is a few unbroken runs of its parent's front, and a
pair of runs is one slice of the matrix.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from bdg.gpu.kernels import stack_kernels
from bdg.gpu.multifrontal.analysis.links import Link
from bdg.gpu.multifrontal.factors.upper_rows import UpperRows

_BATCH = 1 << 14  # matrix elements indexed at a time: the index arrays stay in cache


def extend_add(xp: Any, front: Any, link: Link, schur: Any, upper: bool) -> None:
    """Add ``front[parent, loc, loc] += schur[child]`` for all pairs of a link.

    Parameters
    ----------
    front : array (n, m, m), or planes (4, n, m, m)
    schur : array (n_children, u, u), or planes, or `UpperRows` of one child
    upper : bool
        Only the upper triangle is needed; what the lower one holds is not said.
    """
    if isinstance(schur, UpperRows):
        runs = link.runs[0]
        if runs is not None:
            schur.add_to(front[link.parents[0]], runs)
            return
        schur = schur.whole()
    if (kernels := stack_kernels(xp)) is not None:
        kernels.extend_add(front, schur, link.parents, link.rows, link.places, upper)
        return
    fronts, children = (front, schur) if front.ndim == 4 else (front[None], schur[None])
    by_index = []
    for k, runs in enumerate(link.runs):
        if runs is None:
            by_index.append(k)
            continue
        target, source = fronts[:, link.parents[k]], children[:, link.rows[k]]
        for first, (at, to, end) in enumerate(runs):
            for at2, to2, end2 in runs[first if upper else 0 :]:
                target[:, to : to + end - at, to2 : to2 + end2 - at2] += source[:, at:end, at2:end2]
    if not by_index:
        return
    flat, u = fronts.reshape(len(fronts), -1), link.places.shape[1]
    # places of padded rows are in no order: what is below the diagonal of a child may come above it in the parent
    kept = np.flatnonzero(np.tri(u, dtype=bool).T) if upper else slice(None)
    for some in _batches(by_index, u * u):
        index, rows = _locations(link, some, fronts.shape[-1])[:, kept], link.rows[some]
        for plane, source in zip(flat, children, strict=True):
            plane[index] = plane.take(index) + source[rows].reshape(rows.size, -1)[:, kept]


def gather(xp: Any, inverse: Any, link: Link, out: Any) -> Any:
    """Set ``out[child] = inverse[parent, loc, loc]`` for all pairs of a link; return ``out``, or the array instead.

    ``out`` is None where the link fills a whole stack and nothing has to be kept. Both may be planes (4, n, m, m).
    """
    if (kernels := stack_kernels(xp)) is not None:
        return kernels.gather(inverse, link.parents, link.rows, link.places, out)
    if out is None:
        size = link.places.shape[1]
        out = np.zeros((*inverse.shape[:-3], link.rows.size, size, size), inverse.dtype)
    inverses, outs = (inverse, out) if inverse.ndim == 4 else (inverse[None], out[None])
    by_index = []
    for k, runs in enumerate(link.runs):
        if runs is None:
            by_index.append(k)
            continue
        source, target = inverses[:, link.parents[k]], outs[:, link.rows[k]]
        for at, to, end in runs:
            for at2, to2, end2 in runs:
                target[:, at:end, at2:end2] = source[:, to : to + end - at, to2 : to2 + end2 - at2]
    for some in _batches(by_index, link.places.shape[1] ** 2):
        index, rows = _locations(link, some, inverses.shape[-1]), link.rows[some]
        for plane, target in zip(inverses, outs, strict=True):
            target[rows] = plane.reshape(-1).take(index).reshape(rows.size, *target.shape[1:])
    return out


def _batches(children: list[int], elements: int) -> Iterator[list[int]]:
    """Yield children in parts of ``_BATCH`` matrix elements; one of them has ``elements``."""
    step = max(1, _BATCH // max(1, elements))
    for begin in range(0, len(children), step):
        yield children[begin : begin + step]


def _locations(link: Link, some: list[int], m: int) -> np.ndarray:
    """Return where the elements of some children lie in a stack of fronts (n, m, m), both flattened: (some, u u)."""
    places = link.places[some].astype(np.int64)
    start = link.parents[some].astype(np.int64)[:, None] * (m * m) + places * m
    return (start[:, :, None] + places[:, None, :]).reshape(len(some), -1)
