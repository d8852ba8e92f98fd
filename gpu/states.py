"""Eigenpairs of a sparse Hermitian matrix with +-E symmetry, certified: what every direct solver has in common.

An engine finds eigenpairs near a shift and counts eigenvalues below an energy. Around it stand three guards: the
partner at -E of every vector joins the basis, a Rayleigh-Ritz step with H itself gives energies and residuals, and an
inertia count at an energy in a gap proves that no state was missed. Where the count finds more states than the search
did (copies of a degenerate level, which a single start vector may miss), the search is repeated on the orthogonal
complement of what is known.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import scipy.sparse as sp

Partner = Callable[[np.ndarray], np.ndarray]

_MAX_SLICE = 200  # states wanted of one factor; orthogonalisation dominates beyond
_DEGENERATE = 1e-9  # relative to the spectral scale: closer levels count as one when a gap is looked for


class Engine(Protocol):
    """A direct solver of H - shift: finds eigenpairs and counts them.

    Attributes
    ----------
    matrix : CSR (n, n), Hermitian
    partner : callable
        Columns to their partners at the opposite energy.
    facts : dict
        What was done, for the evidence.
    """

    matrix: sp.csr_matrix
    partner: Partner
    facts: dict[str, Any]

    def search(
        self, shift: float, wanted: int, tol: float, rng: np.random.Generator, known: np.ndarray | None
    ) -> Eigenpairs:
        """Return about ``wanted`` eigenpairs nearest to ``shift``, outside the span of ``known``.

        At shift 0 the partners are among them.
        """

    def count_below(self, energy: float) -> int | None:
        """Return the proven number of eigenvalues below ``energy``, None where it is not proven."""


@dataclass(eq=False)
class Eigenpairs:
    """Energies (m,), orthonormal columns (n, m), residuals (m,) and what is known about them."""

    energies: np.ndarray
    vectors: np.ndarray
    residuals: np.ndarray
    proven: int = -1  # number of states in the searched interval by inertia, -1 if not proven
    interval: tuple[float, float] = (np.nan, np.nan)  # where ``proven`` was counted
    facts: dict[str, Any] = field(default_factory=dict)


def matrix_scale(matrix: sp.csr_matrix) -> float:
    """Return the largest absolute row sum, a bound of the spectrum."""
    return float(abs(matrix).sum(axis=1).max())


def rayleigh_ritz(matrix: sp.csr_matrix, basis: np.ndarray) -> Eigenpairs:
    """Return the Ritz pairs of ``matrix`` in the span of ``basis``, from which dependent directions are dropped."""
    overlap = basis.conj().T @ basis
    weight, rotation = np.linalg.eigh(overlap)
    keep = weight > 1e-10 * weight[-1]
    orthonormal = basis @ (rotation[:, keep] / np.sqrt(weight[keep]))
    orthonormal, _ = np.linalg.qr(orthonormal)
    image = matrix @ orthonormal
    projected = orthonormal.conj().T @ image
    energies, coefficients = np.linalg.eigh((projected + projected.conj().T) / 2)
    vectors = orthonormal @ coefficients
    residuals = np.linalg.norm(image @ coefficients - vectors * energies, axis=0)
    return Eigenpairs(energies, vectors, residuals)


def lowest(engine: Engine, k: int, tol: float, seed: int) -> Eigenpairs:
    """Return at least ``k`` eigenpairs of lowest |E| with their partners, and the inertia count that certifies them.

    ``proven`` is the number of states with |E| below ``interval[1]``, an energy in a gap at or above the k-th level.
    """
    rng = np.random.default_rng(seed)
    size = engine.matrix.shape[0]
    found = engine.search(0.0, even(min(k + max(8, k // 8), size - 2)), tol, rng, None)
    facts: dict[str, Any] = {"searches": 1}
    proven, cut = -1, np.nan
    for _ in range(4):
        proven, cut, counted = _count_in_gap(engine, found, k)
        facts.update(counted)
        missing = proven - int(np.count_nonzero(abs(found.energies) < cut))
        if proven < 0 or missing <= 0:
            break
        more = engine.search(0.0, even(missing + 4), tol, rng, found.vectors)
        found = rayleigh_ritz(engine.matrix, np.concatenate([found.vectors, more.vectors], axis=1))
        facts["searches"] += 1
    by_size = np.argsort(abs(found.energies), kind="stable")
    return Eigenpairs(
        found.energies[by_size],
        found.vectors[:, by_size],
        found.residuals[by_size],
        proven if proven == np.count_nonzero(abs(found.energies) < cut) else -1,
        (-cut, cut),
        {**engine.facts, **facts},
    )


def inside(engine: Engine, low: float, high: float, tol: float, seed: int) -> Eigenpairs:
    """Return all eigenpairs with low <= E <= high, slice by slice, with the count that proves them all found."""
    rng = np.random.default_rng(seed)
    margin = 1e-9 * matrix_scale(engine.matrix)
    below, start = _proven_count(engine, low - margin, -margin)
    above, stop = _proven_count(engine, high + margin, margin)
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
        return Eigenpairs(empty, vectors, empty, proven, (start, stop), facts)
    merged = rayleigh_ritz(engine.matrix, vectors)
    chosen = (merged.energies >= start) & (merged.energies <= stop)
    count = int(np.count_nonzero(chosen))
    return Eigenpairs(
        merged.energies[chosen],
        merged.vectors[:, chosen],
        merged.residuals[chosen],
        proven if proven == count else -1,
        (start, stop),
        {**facts, "counted": proven},
    )


def _slices(
    engine: Engine,
    lower: tuple[float, int],
    upper: tuple[float, int],
    tol: float,
    rng: np.random.Generator,
    parts: list[Eigenpairs],
    facts: dict[str, Any],
) -> None:
    """Append the eigenpairs between two counted energies to ``parts``, halving where there are too many."""
    (start, below), (stop, above) = lower, upper
    n_states, matrix = above - below, engine.matrix
    if n_states > _MAX_SLICE:
        middle, at = _proven_count(engine, 0.5 * (start + stop), 1e-9 * (stop - start))
        if middle is not None:
            _slices(engine, lower, (at, middle), tol, rng, parts, facts)
            _slices(engine, (at, middle), upper, tol, rng, parts, facts)
            return
    facts["slices"] += 1
    known = Eigenpairs(np.empty(0), np.empty((matrix.shape[0], 0), matrix.dtype), np.empty(0))
    for attempt in range(4 if n_states else 0):
        wanted = min(n_states - known.energies.size + 6, matrix.shape[0] - 2)
        more = engine.search(0.5 * (start + stop), wanted, tol, rng, known.vectors if attempt else None)
        facts["searches"] += 1
        merged = rayleigh_ritz(matrix, np.concatenate([known.vectors, more.vectors], axis=1))
        chosen = (merged.energies > start) & (merged.energies < stop)
        known = Eigenpairs(merged.energies[chosen], merged.vectors[:, chosen], merged.residuals[chosen])
        if known.energies.size >= n_states:
            break
    parts.append(known)


def _uncounted(engine: Engine, start: float, stop: float, tol: float, rng: np.random.Generator) -> Eigenpairs:
    """Return the states of an interval whose ends could not be counted: search until states beyond both ends show."""
    shift, most = 0.5 * (start + stop), engine.matrix.shape[0] - 2
    wanted = 32
    while True:
        found = engine.search(shift, min(wanted, most), tol, rng, None)
        if abs(found.energies - shift).max() > stop - shift or wanted >= most:
            return found
        wanted *= 2


def _proven_count(engine: Engine, energy: float, step: float) -> tuple[int | None, float]:
    """Return the number of states below ``energy``, moved on by ``step`` where its factor is not trusted, and where."""
    for attempt in range(4):
        at = energy + attempt * step
        count = engine.count_below(at)
        if count is not None:
            return count, at
    return None, energy


def _count_in_gap(engine: Engine, found: Eigenpairs, k: int) -> tuple[int, float, dict[str, Any]]:
    """Count |E| < E_c with E_c in the widest gap at or above the k-th level, else around the multiplet that k cuts.

    Returns the count (-1 if not proven), E_c, and what was counted on the way.
    """
    size, scale = engine.matrix.shape[0], matrix_scale(engine.matrix)
    levels = np.sort(abs(found.energies))
    gaps = np.diff(levels)
    at_or_above = np.arange(min(k, levels.size) - 1, levels.size - 1)
    at_or_above = at_or_above[gaps[at_or_above] > _DEGENERATE * scale]
    tried: list[float] = []
    for index in at_or_above[np.argsort(-gaps[at_or_above], kind="stable")][:4]:
        tried.append(float(0.5 * (levels[index] + levels[index + 1])))
        below = engine.count_below(tried[-1])
        if below is not None:
            return 2 * below - size, tried[-1], {"counts_tried": tried}
    # no gap in sight: everything from the k-th level on is one multiplet, counted as a whole with what lies below it
    top = levels[min(k, levels.size) - 1]
    margin = 1e-7 * scale
    above, _ = _proven_count(engine, float(top + margin), margin)
    facts = {"counts_tried": tried, "multiplet_count": -1 if above is None else 2 * above - size}
    beneath = top - margin
    if beneath <= 0 or not (levels < beneath).any():
        return 0, max(beneath, 0.0), facts
    below, at = _proven_count(engine, float(beneath), -margin)
    return (-1, np.nan, facts) if below is None else (2 * below - size, at, facts)


def polished(
    engine: Engine, basis: np.ndarray, solve: Callable[[np.ndarray], np.ndarray], tol: float, paired: bool
) -> Eigenpairs:
    """Return the Ritz pairs of a basis (and its partners), improved by inverse iteration until residuals are small."""
    if paired:
        basis = np.concatenate([basis, engine.partner(basis)], axis=1)
    pairs = rayleigh_ritz(engine.matrix, basis)
    for _ in range(3):  # each step gains the ratio of |E - shift| inside to outside
        if pairs.residuals.max() <= tol:
            break
        pairs = rayleigh_ritz(engine.matrix, solve(pairs.vectors))
    return pairs


def even(number: int) -> int:
    """Return the number, or the next even one."""
    return number + number % 2
