"""Levels that lie close together: searched for at shifts among them, counted before and after.

Lanczos at one shift resolves levels by their distances relative to that from the shift. Many levels at the edge of a
gap, as in a wide or long superconductor, are the worst case at shift zero and an easy one at a shift among them
(spectrum slicing: R. G. Grimes, J. G. Lewis and H. D. Simon, SIAM J. Matrix Anal. Appl. 15, 228 (1994)).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bdg.gpu.eigen.eigenpairs import (
    Eigenpairs,
    Engine,
    all_between,
    converged,
    joined,
    proven_count,
    rayleigh_ritz,
)

_MOST_AT_ONCE = 100  # states wanted of one shift
_MOST_SEARCHES = 24
_IDLE = 2  # searches without a new state before giving up


def fill(
    engine: Engine,
    start: float,
    stop: float,
    n_states: int,
    tol: float,
    rng: np.random.Generator,
    facts: dict[str, Any],
) -> Eigenpairs:
    """Return the eigenpairs with start < E < stop, of which there are ``n_states``; fewer where the search is stuck."""
    facts["slices"] = facts.get("slices", 0) + 1
    matrix = engine.matrix
    known = Eigenpairs(np.empty(0), np.empty((matrix.shape[0], 0), matrix.dtype), np.empty(0))
    shift, idle = 0.5 * (start + stop), 0
    while known.energies.size < n_states and idle < _IDLE:
        wanted = min(n_states - known.energies.size + 6, matrix.shape[0] - 2)
        more = engine.search(shift, wanted, tol, rng, known.vectors if known.energies.size else None)
        facts["searches"] += 1
        inside = (more.energies > start) & (more.energies < stop)
        good = inside & converged(engine, more, tol)
        merged = joined(engine, known.vectors, more, good, paired=shift == 0)
        chosen = (merged.energies > start) & (merged.energies < stop)
        idle = 0 if np.count_nonzero(chosen) > known.energies.size else idle + 1
        known = Eigenpairs(merged.energies[chosen], merged.vectors[:, chosen], merged.residuals[chosen])
        unclear = more.energies[inside & ~good]
        shift = float(np.median(unclear)) if unclear.size else 0.5 * (start + stop)
    return known


def lowest_by_shifts(
    engine: Engine, found: Eigenpairs, k: int, tol: float, rng: np.random.Generator, facts: dict[str, Any]
) -> Eigenpairs | None:
    """Return all eigenpairs below an energy that at least ``k`` have, where a search at zero left some unresolved.

    Parameters
    ----------
    found : Eigenpairs
        From that search. What did not converge says where to look.

    Returns
    -------
    Eigenpairs or None
        None where no count is proven. ``proven`` is -1 if states are missing at the end.
    """
    matrix = engine.matrix
    good = converged(engine, found, tol)
    hints = abs(found.energies[~good])
    nothing = np.empty((matrix.shape[0], 0), matrix.dtype)
    known = joined(engine, nothing, found, good, paired=True)
    edge, proven = _edge(engine, np.sort(abs(found.energies)), k)
    if proven < 0:
        return None
    idle = 0
    shifts: list[float] = []
    while idle < _IDLE and len(shifts) < _MOST_SEARCHES:
        missing = (proven - int(np.count_nonzero(abs(known.energies) < edge))) // 2
        if missing <= 0 or known.energies.size >= matrix.shape[0]:  # with all states at hand none is left to search for
            break
        shift = _next_shift(known, hints, edge, len(shifts))
        shifts.append(shift)
        wanted = min(missing, _MOST_AT_ONCE) + 6
        more = engine.search(shift, wanted, tol, rng, known.vectors)
        facts["searches"] += 1
        good = converged(engine, more, tol)
        hints = abs(more.energies[~good])
        before = known.energies.size
        known = joined(engine, known.vectors, more, good, paired=True)
        idle = 0 if known.energies.size > before else idle + 1
    facts["shifts"] = shifts
    known = mended(engine, known, edge, tol)
    complete = accounted_for(known, edge, proven)
    if not complete:
        known = rayleigh_ritz(matrix, np.concatenate([known.vectors, found.vectors], axis=1))
    known.proven, known.interval = proven if complete else -1, (-edge, edge)
    return known


def accounted_for(found: Eigenpairs, edge: float, proven: int) -> bool:
    """Return whether the pairs hold all of the ``proven`` levels with |E| < ``edge``."""
    below = abs(found.energies) < edge
    if int(np.count_nonzero(below)) != proven:
        return False
    return all_between(found.energies[below], found.residuals[below], -edge, edge)


def mended(engine: Engine, known: Eigenpairs, edge: float, tol: float) -> Eigenpairs:
    """Improve residuals that the merging of several searches left above ``tol``, at a shift among these levels."""
    bad = ~converged(engine, known, tol) & (known.energies > 0) & (known.energies < edge)
    if not bad.any():
        return known
    shift = float(np.median(known.energies[bad]))
    reach = 2 * abs(known.energies[bad] - shift).max() + 1e-6 * engine.scales.level
    near = abs(known.energies - shift) <= reach
    rest = known.vectors[:, ~near & (abs(known.energies + shift) > reach)]
    better = engine.polish(shift, known.vectors[:, near], tol)
    everything = np.ones(better.energies.size, dtype=bool)
    return joined(engine, rest, better, everything, paired=True)


def _next_shift(known: Eigenpairs, hints: np.ndarray, edge: float, turn: int) -> float:
    """Return the median of the unresolved levels, in turn with the middle between the outermost of them."""
    hints = hints[hints < edge]
    if hints.size:
        return float(np.median(hints) if turn % 2 == 0 else 0.5 * (hints.min() + hints.max()))
    below = abs(known.energies)[abs(known.energies) < edge]
    if not below.size:
        return 0.5 * edge
    return 0.5 * (edge + float(below.max() if turn % 2 else below.min()))  # above all known, or copies of these


def _edge(engine: Engine, levels: np.ndarray, k: int) -> tuple[float, int]:
    """Return an energy with at least ``k`` states of smaller modulus, not many more, and their proven number, or -1.

    ``levels`` are moduli that some search found, not all converged: the true ones are lower, if anything.
    """
    size, scale = engine.matrix.shape[0], engine.scales.level
    too_low, high = (
        float(levels[0]) * (1 - 1e-6),
        float(levels[min(k + 3, levels.size - 1)]) * (1 + 1e-9) + 1e-9 * scale,
    )
    best, proven = high, -1
    for _ in range(40):
        below, at = proven_count(engine, high, max(1e-9 * scale, 0.02 * (high - too_low)))
        if below is None:
            break
        counted = 2 * below - size
        if counted >= k:
            best, proven = at, counted
            if counted <= 2 * k + 2 * _MOST_AT_ONCE or at - too_low < 1e-8 * scale:
                break
            high = 0.5 * (too_low + at)
        else:
            too_low = at
            high = 0.5 * (at + best) if proven >= 0 else at + max(0.1 * at, 1e-3 * scale)
    return best, proven
