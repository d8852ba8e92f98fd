"""Eigenpairs of a sparse Hermitian matrix with +-E symmetry, by ARPACK on SuperLU factors of H - shift.

Around the Krylov iteration stand three guards: the partner at -E of every vector joins the basis, a Rayleigh-Ritz step
with H itself gives energies and residuals, and an inertia count at an energy in a gap proves that no state was missed.
Where the count finds more states than the iteration did (copies of a degenerate level, which a single start vector may
miss), the search is repeated on the orthogonal complement of what is known.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

from bdg.gpu.superlu import Factor, FactorError, count_below

Partner = Callable[[np.ndarray], np.ndarray]

_MAX_SLICE = 200  # states wanted of one factor; ARPACK's orthogonalisation dominates beyond
_DEGENERATE = 1e-9  # relative to the spectral scale: closer levels count as one when a gap is looked for


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


def lowest(matrix: sp.csr_matrix, order: np.ndarray, partner: Partner, k: int, tol: float, seed: int) -> Eigenpairs:
    """Return at least ``k`` eigenpairs of lowest |E| with their partners, and the inertia count that certifies them.

    ``proven`` is the number of states with |E| below ``interval[1]``, an energy in a gap at or above the k-th level.
    """
    rng = np.random.default_rng(seed)
    scale = matrix_scale(matrix)
    factor, shift = _solving_factor(matrix, order, scale)
    wanted = _even(min(k + max(8, k // 8), matrix.shape[0] - 2))
    found = _search(matrix, factor, shift, wanted, partner, tol, rng, None)
    facts = {"shift": shift, "contraction": factor.contraction, "factor_nnz": factor.nnz, "searches": 1}
    proven, cut = -1, np.nan
    for _ in range(4):
        proven, cut, counted = _count_in_gap(matrix, order, found, k, scale)
        facts.update(counted)
        missing = proven - int(np.count_nonzero(abs(found.energies) < cut))
        if proven < 0 or missing <= 0:
            break
        more = _search(matrix, factor, shift, _even(missing + 4), partner, tol, rng, found.vectors)
        found = rayleigh_ritz(matrix, np.concatenate([found.vectors, more.vectors], axis=1))
        facts["searches"] += 1
    by_size = np.argsort(abs(found.energies), kind="stable")
    return Eigenpairs(
        found.energies[by_size],
        found.vectors[:, by_size],
        found.residuals[by_size],
        proven if proven == np.count_nonzero(abs(found.energies) < cut) else -1,
        (-cut, cut),
        facts,
    )


def inside(
    matrix: sp.csr_matrix, order: np.ndarray, partner: Partner, low: float, high: float, tol: float, seed: int
) -> Eigenpairs:
    """Return all eigenpairs with low <= E <= high, slice by slice, with the count that proves them all found."""
    rng = np.random.default_rng(seed)
    scale = matrix_scale(matrix)
    margin = 1e-9 * scale
    below, start = _proven_count(matrix, order, low - margin, -margin)
    above, stop = _proven_count(matrix, order, high + margin, margin)
    facts: dict[str, Any] = {"slices": 0, "searches": 0}
    parts: list[Eigenpairs] = []
    proven = -1
    if below is not None and above is not None:
        proven = above - below
        _slices(matrix, order, partner, (start, below), (stop, above), tol, rng, parts, facts)
    else:
        parts.append(_uncounted(matrix, order, partner, start, stop, tol, rng))
    vectors = np.concatenate([part.vectors for part in parts], axis=1)
    if vectors.shape[1] == 0:
        empty = np.empty(0)
        return Eigenpairs(empty, vectors, empty, proven, (start, stop), facts)
    merged = rayleigh_ritz(matrix, vectors)
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
    matrix: sp.csr_matrix,
    order: np.ndarray,
    partner: Partner,
    lower: tuple[float, int],
    upper: tuple[float, int],
    tol: float,
    rng: np.random.Generator,
    parts: list[Eigenpairs],
    facts: dict[str, Any],
) -> None:
    """Append the eigenpairs between two counted energies to ``parts``, halving where there are too many."""
    (start, below), (stop, above) = lower, upper
    n_states = above - below
    if n_states > _MAX_SLICE:
        middle, at = _proven_count(matrix, order, 0.5 * (start + stop), 1e-9 * (stop - start))
        if middle is not None:
            _slices(matrix, order, partner, lower, (at, middle), tol, rng, parts, facts)
            _slices(matrix, order, partner, (at, middle), upper, tol, rng, parts, facts)
            return
    facts["slices"] += 1
    none: np.ndarray | None = None
    known = Eigenpairs(np.empty(0), np.empty((matrix.shape[0], 0), matrix.dtype), np.empty(0))
    if n_states > 0:
        factor, shift = _solving_factor(matrix, order, matrix_scale(matrix), 0.5 * (start + stop))
        for _ in range(4):
            missing = n_states - known.energies.size
            wanted = min(missing + 6, matrix.shape[0] - 2)
            more = _search(matrix, factor, shift, wanted, None, tol, rng, none)
            facts["searches"] += 1
            merged = rayleigh_ritz(matrix, np.concatenate([known.vectors, more.vectors], axis=1))
            chosen = (merged.energies > start) & (merged.energies < stop)
            known = Eigenpairs(merged.energies[chosen], merged.vectors[:, chosen], merged.residuals[chosen])
            none = known.vectors
            if known.energies.size >= n_states:
                break
    parts.append(known)


def _uncounted(
    matrix: sp.csr_matrix,
    order: np.ndarray,
    partner: Partner,
    start: float,
    stop: float,
    tol: float,
    rng: np.random.Generator,
) -> Eigenpairs:
    """Return the states of an interval whose ends could not be counted: search until states beyond both ends show."""
    factor, shift = _solving_factor(matrix, order, matrix_scale(matrix), 0.5 * (start + stop))
    wanted = 32
    while True:
        found = _search(matrix, factor, shift, min(wanted, matrix.shape[0] - 2), None, tol, rng, None)
        reach = abs(found.energies - shift).max()
        if reach > max(stop - shift, shift - start) or wanted >= matrix.shape[0] - 2:
            return found
        wanted *= 2


def _proven_count(matrix: sp.csr_matrix, order: np.ndarray, energy: float, step: float) -> tuple[int | None, float]:
    """Return the number of states below ``energy``, moved on by ``step`` where its factor is not trusted, and where."""
    for attempt in range(4):
        at = energy + attempt * step
        count, _, _ = count_below(matrix, at, order)
        if count is not None:
            return count, at
    return None, energy


def _count_in_gap(
    matrix: sp.csr_matrix, order: np.ndarray, found: Eigenpairs, k: int, scale: float
) -> tuple[int, float, dict[str, Any]]:
    """Count |E| < E_c with E_c in the widest gap at or above the k-th level, else around the multiplet that k cuts.

    Returns the count (-1 if not proven), E_c, and what was counted on the way.
    """
    levels = np.sort(abs(found.energies))
    gaps = np.diff(levels)
    at_or_above = np.arange(min(k, levels.size) - 1, levels.size - 1)
    at_or_above = at_or_above[gaps[at_or_above] > _DEGENERATE * scale]
    tried: list[float] = []
    for index in at_or_above[np.argsort(-gaps[at_or_above], kind="stable")][:4]:
        tried.append(float(0.5 * (levels[index] + levels[index + 1])))
        below, _, _ = count_below(matrix, tried[-1], order)
        if below is not None:
            return 2 * below - matrix.shape[0], tried[-1], {"counts_tried": tried}
    # no gap in sight: everything from the k-th level on is one multiplet, counted as a whole with what lies below it
    top = levels[min(k, levels.size) - 1]
    margin = 1e-7 * scale
    above, _ = _proven_count(matrix, order, float(top + margin), margin)
    facts = {"counts_tried": tried, "multiplet_count": -1 if above is None else 2 * above - matrix.shape[0]}
    beneath = top - margin
    if beneath <= 0 or not (levels < beneath).any():
        return 0, max(beneath, 0.0), facts
    below, at = _proven_count(matrix, order, float(beneath), -margin)
    return (-1, np.nan, facts) if below is None else (2 * below - matrix.shape[0], at, facts)


def _solving_factor(matrix: sp.csr_matrix, order: np.ndarray, scale: float, shift: float = 0.0) -> tuple[Factor, float]:
    """Return usable factors of H - shift; a shift that hits an eigenvalue is moved a little, and the move returned."""
    reasons = []
    for move, threshold in ((0.0, 1e-3), (1.7e-6, 1e-3), (1.3e-5, 1e-1), (1.1e-4, 1.0)):
        at = shift + move * scale
        try:
            factor = Factor(matrix, at, order, threshold)
        except FactorError as error:
            reasons.append(str(error))
            continue
        if factor.contraction < 0.3:
            return factor, at
        reasons.append(f"contraction {factor.contraction:.1e} at shift {at!r}")
    raise FactorError("no usable factors of H - shift: " + "; ".join(reasons))


def _search(
    matrix: sp.csr_matrix,
    factor: Factor,
    shift: float,
    wanted: int,
    partner: Partner | None,
    tol: float,
    rng: np.random.Generator,
    known: np.ndarray | None,
) -> Eigenpairs:
    """Return about ``wanted`` eigenpairs nearest to ``shift``, outside the span of ``known``."""
    size = matrix.shape[0]

    def project(vectors: np.ndarray) -> np.ndarray:
        return vectors if known is None else vectors - known @ (known.conj().T @ vectors)

    operator = LinearOperator(
        (size, size), matvec=lambda vector: project(factor.solve(project(vector))), dtype=matrix.dtype
    )
    start = rng.standard_normal(size)
    ncv = min(size - 1, max(2 * wanted + 1, min(3 * wanted, 120), 40))
    try:
        _, vectors = eigsh(
            matrix, wanted, sigma=shift, OPinv=operator, v0=project(start), ncv=ncv, tol=min(1e-10, 1e-2 * tol)
        )
    except ArpackNoConvergence as error:
        vectors = error.eigenvectors
    basis = vectors if partner is None else np.concatenate([vectors, partner(vectors)], axis=1)
    pairs = rayleigh_ritz(matrix, basis)
    for _ in range(3):  # one inverse iteration with Rayleigh-Ritz gains the ratio of |E - shift| inside to outside
        if pairs.residuals.max() <= tol:
            break
        pairs = rayleigh_ritz(matrix, project(factor.solve(pairs.vectors)))
    return pairs


def _even(number: int) -> int:
    return number + number % 2
