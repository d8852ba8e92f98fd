"""Eigenpairs of a sparse Hermitian matrix with +-E symmetry, certified: what every direct solver has in common.

An engine finds eigenpairs near a shift and counts eigenvalues below an energy. Around it stand three guards: the
partner at -E of every vector joins the basis, a Rayleigh-Ritz step with H itself gives energies and residuals, and an
inertia count at an energy in a gap proves that no state was missed. Where the count finds more states than the search
did (copies of a degenerate level, which a single start vector may miss), the search is repeated on the orthogonal
complement of what is known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bdg.gpu.device.threads import one_blas_thread
from bdg.gpu.eigen.dense import outside, range_cut
from bdg.gpu.eigen.eigenpairs import (
    DEGENERATE,
    Eigenpairs,
    Engine,
    all_between,
    converged,
    even,
    joined,
    part_of,
    proven_count,
    rayleigh_ritz,
)
from bdg.gpu.eigen.energy_slices import accounted_for, fill, lowest_by_shifts, mended
from bdg.gpu.multifrontal.trust import FactorError

_MAX_SLICE = 200  # states wanted of one factor; orthogonalisation dominates beyond
_PATIENT = 10.0  # times the usual number of iterations
_OF_GAP = 0.25  # a count in the middle of a gap may be uncertain by this part of it
_NEAR = 8.0  # levels over which a gap to count in loses its attraction by e
_STANDS = 1e-3  # residual, relative to |E|, up to which a Ritz value stands for a level
_ROUGHLY = 1e3  # times tol: residuals of copies next to those that are known, which limit them; polished afterwards
_MOST_REPEATS = 8  # searches for further copies of degenerate levels
_MOST_COPIES = 150  # members of a multiplet that are worth finding all, where k cuts it
_ABOVE_MULTIPLET = (1e-7, 1e-6, 1e-5, 1e-4, 1e-3)  # of the scale of H: where to count above a multiplet
_EDGE_GROWTH = 20.0  # of the steps away from an edge where nothing is proven: it may be a multiplet
_MOST_SLICES = 60  # slices of a window before what is missing is left missing (and said to be)


@one_blas_thread()
def lowest(engine: Engine, k: int, tol: float, seed: int) -> Eigenpairs:
    """Return at least ``k`` eigenpairs of lowest |E| with their partners, and the inertia count that certifies them.

    ``proven`` is the number of states with |E| below ``interval[1]``, an energy in a gap at or above the k-th level.
    """
    rng = np.random.default_rng(seed)
    wanted = even(min(k + max(8, k // 8), engine.matrix.shape[0] - 2))
    facts: dict[str, Any] = {"searches": 1}
    found = engine.search(0.0, wanted, tol, rng, None, k)
    while found.energies.size < k and facts["searches"] < _MOST_REPEATS:
        found = _searched_again(engine, found, k - found.energies.size + 8, tol, rng, facts)
    if converged(engine, found, tol, k).all():
        found = _with_copies(engine, found, k, tol, rng, facts)
    if found.proven < 0:
        by_shifts = lowest_by_shifts(engine, found, k, tol, rng, facts)
        if by_shifts is not None and by_shifts.proven >= 0:
            by_shifts.multiplet_count = found.multiplet_count
            return _by_size(engine, by_shifts, tol, facts)
    if not converged(engine, found, tol, k).all():
        engine.patience = _PATIENT  # nothing left but to go on at zero
        facts["searches"] += 1
        again = engine.search(0.0, wanted, tol, rng, None, k)
        again.multiplet_count = found.multiplet_count
        found = _with_copies(engine, again, k, tol, rng, facts)
    return _by_size(engine, found, tol, facts)


def _with_copies(
    engine: Engine, found: Eigenpairs, k: int, tol: float, rng: np.random.Generator, facts: dict[str, Any]
) -> Eigenpairs:
    """Return the pairs with the members of degenerate levels that the search missed, by the count in a gap."""
    if found.energies.size == engine.matrix.shape[0]:  # nothing can be missing
        found.proven, found.interval = found.energies.size, (-np.inf, np.inf)
        return found
    found = _levels_only(engine, found, k, tol)
    count = _count_in_gap(engine, found, k, found.multiplet_count, facts)
    for _ in range(_MOST_REPEATS):
        if abs(abs(found.energies) - count.cut).min(initial=np.inf) < count.margin:  # where no level was known before
            count = _count_in_gap(engine, found, k, count.multiplet, facts)
        missing = count.proven - int(np.count_nonzero(abs(found.energies) < count.cut))
        if count.proven < 0 or missing <= 0:
            break
        before = found.energies.size
        found = _searched_again(engine, found, missing + 4, tol, rng, facts)
        if found.energies.size == before:
            break
    if facts["searches"] > 1 and not converged(engine, found, tol, max(k, count.proven)).all():
        found = mended(engine, engine.polish(0.0, found.vectors, tol), count.cut, tol)
    cut, margin = count.cut, count.margin
    found.proven = count.proven if accounted_for(found, cut - margin, count.proven) else -1
    found.interval, found.multiplet_count = (margin - cut, cut - margin), count.multiplet
    return found


def _levels_only(engine: Engine, found: Eigenpairs, k: int, tol: float) -> Eigenpairs:
    """Return the pairs that stand for levels; all pairs where no gap lies between such levels at or above the k-th.

    Beyond the states that were needed a search stops early: Ritz values with large residuals lie anywhere, and the
    widest gap may be one between two of them that holds true levels.
    """
    stands = converged(engine, found, tol) | (found.residuals <= _STANDS * abs(found.energies))
    gaps = _gaps(np.sort(abs(found.energies[stands])), k, engine.scales.level)
    return part_of(found, stands) if gaps.size else found


def _gaps(levels: np.ndarray, k: int, scale: float) -> np.ndarray:
    """Return the numbers of ascending levels at or above the k-th with a gap behind them."""
    at_or_above = np.arange(min(k, levels.size) - 1, levels.size - 1)
    return at_or_above[np.diff(levels)[at_or_above] > DEGENERATE * scale]


def _searched_again(
    engine: Engine, found: Eigenpairs, wanted: int, tol: float, rng: np.random.Generator, facts: dict[str, Any]
) -> Eigenpairs:
    """Return the pairs with more of them from the complement of what is known."""
    if found.energies.size >= engine.matrix.shape[0]:
        return found
    more = engine.search(0.0, even(wanted), tol, rng, found.vectors)
    facts["searches"] += 1
    return joined(engine, found.vectors, more, converged(engine, more, _ROUGHLY * tol), paired=True)


def _by_size(engine: Engine, found: Eigenpairs, tol: float, facts: dict[str, Any]) -> Eigenpairs:
    if engine.scales.wide and not converged(engine, found, tol).all():
        _improve_by_ranges(engine, found, tol)
    order = np.argsort(abs(found.energies), kind="stable")
    columns = found.energies[order], found.vectors[:, order], found.residuals[order]
    return Eigenpairs(
        *columns,
        found.proven,
        found.interval,
        {**engine.facts, **facts},
        multiplet_count=found.multiplet_count,
        estimated_count=engine.estimated_count,
    )


def _improve_by_ranges(engine: Engine, found: Eigenpairs, tol: float) -> None:
    """Polish levels range by range of energy: together with a wall of 1e10 t they are accurate to 1e-6 t at best."""
    done = np.zeros((found.vectors.shape[0], 0), found.vectors.dtype)
    rest = np.ones(found.energies.size, dtype=bool)
    ranges = []
    while rest.any():
        low = rest & (abs(found.energies) < range_cut(abs(found.energies[rest])))
        ranges.append(rest & ~low)
        rest = low
    for members in reversed(ranges):
        vectors = outside(done, found.vectors[:, members]) if done.shape[1] else found.vectors[:, members]
        shift = 0.73 * float(abs(found.energies[members]).max())
        try:
            better = engine.polish(shift, vectors, tol) if shift else rayleigh_ritz(engine.matrix, vectors)
        except FactorError:
            better = rayleigh_ritz(engine.matrix, vectors)
        if better.energies.size == np.count_nonzero(members):
            found.energies[members], found.residuals[members] = better.energies, better.residuals
            found.vectors[:, members] = better.vectors
        done = np.concatenate([done, found.vectors[:, members]], axis=1)


@one_blas_thread()
def inside(engine: Engine, low: float, high: float, tol: float, seed: int) -> Eigenpairs:
    """Return all eigenpairs with low <= E <= high, slice by slice, with the count that proves them all found."""
    rng = np.random.default_rng(seed)
    margin = 1e-9 * engine.scales.level
    below, start = proven_count(engine, low - margin, -margin, _EDGE_GROWTH)
    above, stop = proven_count(engine, high + margin, margin, _EDGE_GROWTH)
    facts: dict[str, Any] = {"slices": 0, "searches": 0}
    parts: list[Eigenpairs] = []
    proven = -1
    if below is not None and above is not None:
        proven = above - below
        _slices(engine, (start, below), (stop, above), tol, rng, parts, facts)
    else:
        parts.append(_uncounted(engine, start, stop, tol, rng))
    vectors = np.concatenate([part.vectors for part in parts], axis=1)
    facts = {**engine.facts, **facts}
    if vectors.shape[1] == 0:
        empty = np.empty(0)
        facts["counted"] = proven
        certain = 0 if proven == 0 else -1
        estimated = engine.estimated_count
        return Eigenpairs(empty, vectors, empty, certain, (start, stop), facts, estimated_count=estimated)
    del parts
    merged = _polished(engine, rayleigh_ritz(engine.matrix, vectors), tol)
    chosen = (merged.energies > start) & (merged.energies < stop)
    count = int(np.count_nonzero(chosen))
    if not all_between(merged.energies[chosen], merged.residuals[chosen], start, stop):
        proven = -1
    return Eigenpairs(
        merged.energies[chosen],
        merged.vectors[:, chosen],
        merged.residuals[chosen],
        proven if proven == count else -1,
        (start, stop),
        {**facts, "counted": proven},
        estimated_count=engine.estimated_count,
    )


def _polished(engine: Engine, pairs: Eigenpairs, tol: float) -> Eigenpairs:
    """Improve what the merging of slices left above ``tol``, at a shift among these levels."""
    bad = ~converged(engine, pairs, tol)
    if not bad.any():
        return pairs
    shift = float(np.median(pairs.energies[bad]))
    reach = 2 * abs(pairs.energies[bad] - shift).max() + 1e-6 * engine.scales.level
    near = abs(pairs.energies - shift) <= reach
    try:
        better = engine.polish(shift + 0.37 * reach, pairs.vectors[:, near], tol)  # beside a multiplet, not on it
    except FactorError:
        return pairs
    return joined(engine, pairs.vectors[:, ~near], better, np.ones(better.energies.size, dtype=bool), paired=False)


def _slices(
    engine: Engine,
    lower: tuple[float, int],
    upper: tuple[float, int],
    tol: float,
    rng: np.random.Generator,
    parts: list[Eigenpairs],
    facts: dict[str, Any],
) -> None:
    """Append the eigenpairs between two counted energies to ``parts``, halving where they are too many or too hard."""
    (start, below), (stop, above) = lower, upper
    n_states = above - below
    if n_states <= _MAX_SLICE:
        part = fill(engine, start, stop, n_states, tol, rng, facts)
        if part.energies.size >= n_states or n_states <= 2 or facts["slices"] >= _MOST_SLICES:
            parts.append(part)
            return
    middle, at = proven_count(engine, 0.5 * (start + stop), 1e-9 * (stop - start))
    if middle is None:
        parts.append(fill(engine, start, stop, n_states, tol, rng, facts))
        return
    _slices(engine, lower, (at, middle), tol, rng, parts, facts)
    _slices(engine, (at, middle), upper, tol, rng, parts, facts)


def _uncounted(engine: Engine, start: float, stop: float, tol: float, rng: np.random.Generator) -> Eigenpairs:
    """Return the states of an interval whose ends could not be counted: search until states beyond both ends show."""
    shift, most = 0.5 * (start + stop), engine.matrix.shape[0] - 2
    wanted = 32
    while True:
        found = engine.search(shift, min(wanted, most), tol, rng, None)
        if abs(found.energies - shift).max() > stop - shift or wanted >= most:
            return found
        wanted *= 2


@dataclass(frozen=True)
class _Count:
    """How many states have |E| < E_c.

    Attributes
    ----------
    proven : int
        Their number; -1 if it is not proven.
    cut, margin : float
        E_c, and the distance from it within which levels are counted or not.
    multiplet : int
        States up to the multiplet that k cuts, it included; -1 if not proven or not wanted so far.
    """

    proven: int
    cut: float
    margin: float
    multiplet: int


def _count_in_gap(engine: Engine, found: Eigenpairs, k: int, multiplet: int, facts: dict[str, Any]) -> _Count:
    """Count |E| < E_c with E_c in a wide gap at or little above the k-th level, else around the multiplet k cuts.

    ``multiplet`` is what is known of the latter.
    """
    size, scale = engine.matrix.shape[0], engine.scales.level
    levels = np.sort(abs(found.energies))
    gaps, at_or_above = np.diff(levels), _gaps(levels, k, scale)
    tried: list[float] = []
    facts["counts_tried"] = tried
    worth = gaps[at_or_above] * np.exp((at_or_above[:1] - at_or_above) / _NEAR)  # wide, but not far above the k-th
    for index in at_or_above[np.argsort(-worth, kind="stable")][:4]:
        tried.append(float(0.5 * (levels[index] + levels[index + 1])))
        margin = float(_OF_GAP * gaps[index])
        below = engine.count_below(tried[-1], within=margin)
        if below is not None:
            return _Count(2 * below - size, tried[-1], margin, multiplet)
    # no gap in sight: everything from the k-th level on is one multiplet; count above it, at a growing distance
    top = levels[min(k, levels.size) - 1]
    scale = max(scale, float(top))
    whole = -1
    for share in _ABOVE_MULTIPLET:
        above = engine.count_below(float(top + share * scale))
        if above is not None:
            whole = 2 * above - size
            if whole - levels.size <= max(_MOST_COPIES, k):
                tried.append(float(top + share * scale))
                return _Count(whole, tried[-1], 0.0, multiplet)
            break
    # too large to be found as a whole: certify what lies below it
    facts["multiplet_count"] = whole
    lower = levels[levels < top - DEGENERATE * scale]
    if not lower.size:
        return _Count(0, 0.0, 0.0, whole)
    below, at = proven_count(engine, float(0.5 * (lower[-1] + top)), -1e-3 * float(top - lower[-1]))
    return _Count(-1, np.nan, 0.0, whole) if below is None else _Count(2 * below - size, at, 0.0, whole)
