"""Adding the children's Schur complements into their parents' fronts, and reading parents' inverses for the children.

Locations are unique within one call (siblings go in separate calls, padded rows to unused places), so plain addition
loses nothing and the result does not depend on the order. On a GPU each call is one kernel. On the CPU large fronts go
run by run: U of a child is a few unbroken runs of its parent's front, and a pair of runs is one slice of the matrix.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bdg.gpu.kernels import kernel_set
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
    if xp is not np:
        kernel_set(xp).extend_add(front, schur, link.parents, link.rows, link.places, upper)
        return
    if isinstance(schur, UpperRows):
        runs = link.runs[0]
        if runs is not None:
            schur.add_to(front[link.parents[0]], runs)
            return
        schur = schur.whole()
    if front.ndim == 4:
        for front_plane, schur_plane in zip(front, schur, strict=True):
            extend_add(xp, front_plane, link, schur_plane, upper)
        return
    flat, m = front.reshape(-1), front.shape[1]
    by_index = []
    for k, runs in enumerate(link.runs):
        if runs is None:
            by_index.append(k)
            continue
        target, source = front[link.parents[k]], schur[link.rows[k]]
        for first, (at, to, end) in enumerate(runs):
            for at2, to2, end2 in runs[first if upper else 0 :]:
                target[to : to + end - at, to2 : to2 + end2 - at2] += source[at:end, at2:end2]
    step = max(1, _BATCH // max(1, schur.shape[1] ** 2))
    for begin in range(0, len(by_index), step):
        some = by_index[begin : begin + step]
        places = link.places[some].astype(np.int64)
        row = link.parents[some][:, None] * (m * m) + places * m
        index = row[:, :, None] + places[:, None, :]
        values = flat.take(index)
        chosen = schur[link.rows[some]]
        # places of padded rows are in no order: what is below the diagonal of a child may come above it in the parent
        values += np.triu(chosen) if upper else chosen
        flat[index] = values


def gather(xp: Any, inverse: Any, link: Link, out: Any) -> Any:
    """Set ``out[child] = inverse[parent, loc, loc]`` for all pairs of a link; return ``out``, or the array instead.

    ``out`` is None where the link fills a whole stack and nothing has to be kept. Both may be planes (4, n, m, m).
    """
    if xp is not np:
        return kernel_set(xp).gather(inverse, link.parents, link.rows, link.places, out)
    if out is None:
        size = link.places.shape[1]
        out = np.zeros((*inverse.shape[:-3], link.rows.size, size, size), inverse.dtype)
    if inverse.ndim == 4:
        for inverse_plane, out_plane in zip(inverse, out, strict=True):
            gather(xp, inverse_plane, link, out_plane)
        return out
    flat, m = inverse.reshape(-1), inverse.shape[1]
    by_index = []
    for k, runs in enumerate(link.runs):
        if runs is None:
            by_index.append(k)
            continue
        source, target = inverse[link.parents[k]], out[link.rows[k]]
        for at, to, end in runs:
            for at2, to2, end2 in runs:
                target[at:end, at2:end2] = source[to : to + end - at, to2 : to2 + end2 - at2]
    step = max(1, _BATCH // max(1, link.places.shape[1] ** 2))
    for begin in range(0, len(by_index), step):
        some = by_index[begin : begin + step]
        places = link.places[some].astype(np.int64)
        row = link.parents[some][:, None] * (m * m) + places * m
        out[link.rows[some]] = flat.take(row[:, :, None] + places[:, None, :])
    return out
