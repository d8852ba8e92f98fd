"""Eigenpairs of a sparse Hermitian matrix and what an engine must offer to find them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
import scipy.sparse as sp

from bdg.gpu.eigen.scales import Scales

Partner = Callable[[np.ndarray], np.ndarray]

_ROUNDING = 64 * np.finfo(float).eps  # of a Ritz value, relative
DEGENERATE = 1e-9  # relative to the scale of the levels: closer ones count as one
_COLUMNS = 16  # multiplied with H at a time: the vectors are a large part of the memory
_HOPELESS = 1e-4  # residual, relative to the same, of a Ritz pair that a few steps of inverse iteration cannot mend


class Engine(Protocol):
    """A direct solver of H - shift: finds eigenpairs and counts them.

    Attributes
    ----------
    matrix : CSR (n, n), Hermitian
    scales : Scales
        Of the matrix.
    partner : callable
        Columns to their partners at the opposite energy.
    facts : dict
        What was done, for the evidence.
    patience : float
        Factor on the number of iterations before a search gives up.
    estimated_count : str
        What random vectors say of a count where no factor fits; empty where none was refused.
    """

    matrix: sp.csr_matrix
    scales: Scales
    partner: Partner
    facts: dict[str, Any]
    patience: float
    estimated_count: str

    def search(
        self,
        shift: float,
        wanted: int,
        tol: float,
        rng: np.random.Generator,
        known: np.ndarray | None,
        needed: int | None = None,
    ) -> Eigenpairs:
        """Return about ``wanted`` eigenpairs nearest to ``shift``, outside the span of ``known``.

        At shift 0 the partners are among them. Only the ``needed`` nearest ones (default: all) have to be accurate; of
        the others the energies are enough, to find a gap in.
        """

    def polish(self, shift: float, vectors: np.ndarray, tol: float) -> Eigenpairs:
        """Return the Ritz pairs of columns that are nearly eigenvectors, improved until residuals are below ``tol``.

        At shift 0 the partners must be among the columns.
        """

    def count_below(self, energy: float, within: float | None = None) -> int | None:
        """Return the proven number of eigenvalues below ``energy``, None where it is not proven.

        With ``within`` it may be uncertain by the eigenvalues that are nearer to ``energy``: it lies between the
        numbers below ``energy - within`` and ``energy + within``.
        """


@dataclass(eq=False)
class Eigenpairs:
    """Energies (m,), orthonormal columns (n, m), residuals (m,) and what is known about them."""

    energies: np.ndarray
    vectors: np.ndarray
    residuals: np.ndarray
    proven: int = -1  # number of states in the searched interval by inertia, -1 if not proven
    interval: tuple[float, float] = (np.nan, np.nan)  # where ``proven`` was counted
    facts: dict[str, Any] = field(default_factory=dict)
    multiplet_count: int = -1  # states up to a multiplet that the search cuts, it included; -1 if not proven
    estimated_count: str = ""  # what random vectors count, where no factor fits


def rayleigh_ritz(matrix: sp.csr_matrix, basis: np.ndarray) -> Eigenpairs:
    """Return the Ritz pairs of ``matrix`` in the span of ``basis``, from which dependent directions are dropped.

    Columns are only ever combined, by small matrices: rows where all of them are small stay accurate by their own
    measure, as hard walls need.
    """
    if not basis.shape[1]:
        return Eigenpairs(np.empty(0), basis, np.empty(0))
    overlap = basis.conj().T @ basis
    # after an inverse iteration the vectors of levels next to the shift are by far the longest
    length = np.sqrt(np.maximum(np.diagonal(overlap).real, np.finfo(float).tiny))
    weight, rotation = np.linalg.eigh(overlap / np.outer(length, length))
    keep = weight > 1e-10 * weight[-1]
    combination = rotation[:, keep] / np.sqrt(weight[keep]) / length[:, None]
    if weight[keep][0] < 0.1 * weight[-1]:  # else orthonormal to rounding already
        basis = basis @ combination
        weight, rotation = np.linalg.eigh(basis.conj().T @ basis)
        combination = rotation / np.sqrt(weight)
    projected = np.empty((combination.shape[0],) * 2, np.result_type(matrix, basis))
    for begin in range(0, basis.shape[1], _COLUMNS):
        some = slice(begin, begin + _COLUMNS)
        projected[:, some] = basis.conj().T @ (matrix @ basis[:, some])
    projected = combination.conj().T @ projected @ combination
    energies, coefficients = np.linalg.eigh((projected + projected.conj().T) / 2)
    vectors = basis @ (combination @ coefficients)
    return Eigenpairs(energies, vectors, residual_norms(matrix, vectors, energies))


def joined(engine: Engine, known: np.ndarray, new: Eigenpairs, chosen: np.ndarray, *, paired: bool) -> Eigenpairs:
    """Return the Ritz pairs in the span of ``known`` and the chosen new pairs, with their partners if ``paired``.

    Partners are made from the pairs at E > 0: the pairs at E < 0 are the same to rounding only, and a difference
    of two nearly equal vectors is a direction of noise.
    """
    if not paired:
        return rayleigh_ritz(engine.matrix, np.concatenate([known, new.vectors[:, chosen]], axis=1))
    zero = DEGENERATE * engine.scales.level
    some = new.vectors[:, chosen & (new.energies > -zero)]
    return rayleigh_ritz(engine.matrix, np.concatenate([known, some, engine.partner(some)], axis=1))


def residual_norms(matrix: sp.csr_matrix, vectors: np.ndarray, energies: np.ndarray) -> np.ndarray:
    """Return ``||H x - E x||`` of each column."""
    norms = np.empty(energies.size)
    for begin in range(0, energies.size, _COLUMNS):
        part = slice(begin, begin + _COLUMNS)
        norms[part] = np.linalg.norm(matrix @ vectors[:, part] - vectors[:, part] * energies[part], axis=0)
    return norms


def converged(engine: Engine, found: Eigenpairs, tol: float, k: int | None = None) -> np.ndarray:
    """Return which pairs (of the ``k`` lowest) have residuals small enough to stand for a state."""
    good = found.residuals <= np.maximum(tol, engine.scales.rounding(found.energies, found.vectors))
    return good if k is None else good[np.argsort(abs(found.energies), kind="stable")[:k]]


def all_between(energies: np.ndarray, residuals: np.ndarray, low: float, high: float) -> bool:
    """Return whether as many levels as there are Ritz pairs, all with low < E < high, lie between these energies.

    For x in the span of orthonormal Ritz vectors with residuals R, ``x* (H - low)(high - H) x`` is
    ``y* [(E - low)(high - E) - R* R] y``. Where it is positive for all x there are at least as many levels inside as
    vectors (Courant and Fischer), and it is if the ``|r|^2 / ((E - low)(high - E))`` add up to less than one. A Ritz
    value at an end to its own rounding may lie on either side: then False.
    """
    rounding = _ROUNDING * abs(energies)
    above, below = energies - low - rounding, high - energies - rounding
    return bool((above > 0).all() and (below > 0).all() and (residuals**2 / (above * below)).sum() < 1)


def proven_count(engine: Engine, energy: float, step: float, growth: float = 1.0) -> tuple[int | None, float]:
    """Return the number of states below ``energy``, moved on where its factor is not trusted, and where.

    It moves by ``step``, then by ``growth`` times as much, and again.
    """
    at = energy
    for _ in range(4):
        count = engine.count_below(at)
        if count is not None:
            return count, at
        at, step = at + step, growth * step
    return None, energy


def polished(
    engine: Engine,
    basis: np.ndarray,
    solve: Callable[[np.ndarray], np.ndarray],
    tol: float,
    *,
    paired: bool,
    shift: float = 0.0,
    needed: int | None = None,
) -> Eigenpairs:
    """Return the Ritz pairs of a basis (and its partners), improved by inverse iteration until residuals are small.

    Pairs that are no states yet are returned as they are, behind the others. ``needed``: as for `Engine.search`.
    """
    if paired:
        basis = np.concatenate([basis, engine.partner(basis)], axis=1)
    if engine.scales.wide:  # rows of a wall hold what the iteration left there: a solve makes them accurate
        basis = solve(basis)
    pairs = rayleigh_ritz(engine.matrix, basis)
    del basis
    scale = engine.scales.level
    hopeless = pairs.residuals > _HOPELESS * scale
    rest, pairs = part_of(pairs, hopeless), part_of(pairs, ~hopeless)
    for _ in range(3):  # each step gains the ratio of |E - shift| inside to outside
        nearest = np.argsort(abs(pairs.energies - shift), kind="stable")[:needed]
        if not nearest.size or pairs.residuals[nearest].max() <= tol:
            break
        positive = pairs.energies > 0
        by_symmetry = paired and 2 * positive.sum() == positive.size and abs(pairs.energies).min() > DEGENERATE * scale
        vectors = pairs.vectors[:, positive] if by_symmetry else pairs.vectors
        del pairs  # each copy of the states counts in the peak of memory
        vectors = solve(vectors)
        if by_symmetry:
            vectors = np.concatenate([vectors, engine.partner(vectors)], axis=1)
        pairs = rayleigh_ritz(engine.matrix, vectors)
    return pairs if not rest.energies.size else _appended(pairs, rest)


def part_of(pairs: Eigenpairs, chosen: np.ndarray) -> Eigenpairs:
    """Return the chosen pairs."""
    if chosen.all():
        return pairs
    columns = {"vectors": pairs.vectors[:, chosen], "residuals": pairs.residuals[chosen]}
    return replace(pairs, energies=pairs.energies[chosen], **columns)


def _appended(pairs: Eigenpairs, rest: Eigenpairs) -> Eigenpairs:
    energies, residuals = (
        np.concatenate([getattr(pairs, name), getattr(rest, name)]) for name in ("energies", "residuals")
    )
    return Eigenpairs(energies, np.concatenate([pairs.vectors, rest.vectors], axis=1), residuals)


def even(number: int) -> int:
    """Return the number, or the next even one."""
    return number + number % 2
