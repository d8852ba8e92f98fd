"""Continuation of eigenstates from value to value of a parameter, by overlaps (rules: `bdg.levels.spectrum_along`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import scipy  # its parts load on use

from bdg.states.multiplets import multiplets

CLEAR = 0.7  # squared overlap of a clear majority: above one half no other level can have more
SAME = 0.25  # below, a level is not continued: it has left the computed states
TOO_CLOSE = 1e-9  # of the step: no value is inserted nearer to its ends


@dataclass(eq=False)
class Point:
    """The computed states at one value, ascending in energy, and which curve each belongs to."""

    value: float
    energies: np.ndarray
    vectors: np.ndarray
    complete: bool
    groups: list[np.ndarray] = field(default_factory=list)
    curves: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    overlaps: np.ndarray = field(default_factory=lambda: np.empty(0))
    bonds: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=np.int64))  # equal: never apart so far


@dataclass(frozen=True, eq=False)
class _Match:
    """Partners of the states on the left: ``right[m]`` continues ``left[m]`` with squared overlap ``overlap[m]``."""

    left: np.ndarray
    right: np.ndarray
    overlap: np.ndarray


class Following:
    """Curves of levels, extended value by value.

    Parameters
    ----------
    solve : callable
        Value to `Point`.
    k : int
        The innermost states, for which values are inserted.
    width : float
        Levels nearer than this are degenerate.
    refine : int
        Most values inserted between two given ones.
    """

    def __init__(self, solve: Callable[[float], Point], k: int, width: float, refine: int) -> None:
        self._solve, self._k, self._width, self._refine = solve, k, width, refine
        self._last: Point | None = None
        self._rows: list[tuple[float, np.ndarray, np.ndarray, np.ndarray]] = []  # value, curves, energies, overlaps
        self._curves = 0
        self.minigap: dict[float, float] = {}
        self.complete: dict[float, bool] = {}
        self.unresolved: list[tuple[float, float, float]] = []
        self.most = 0
        self._met: list[tuple[float, float, np.ndarray]] = []  # value, energy, curves that are degenerate there

    def advance(self, value: float) -> None:
        """Follow the curves to a value, over inserted ones where that is needed."""
        right = self._computed(value)
        if self._last is None:
            fresh = np.arange(right.energies.size)
            self._begin(right, fresh)
            right.bonds = _labels(right.groups, right.energies.size)
            right.overlaps = np.ones(right.energies.size)
            self._record(right)
        else:
            self._bridge(self._last, right, [self._refine])
        self._last = right

    def _computed(self, value: float) -> Point:
        point = self._solve(value)
        point.groups = multiplets(point.energies, self._width)
        self.minigap[value] = float(abs(point.energies).min())
        self.complete[value] = point.complete
        self.most = max(self.most, point.energies.size)
        return point

    def _bridge(self, left: Point, right: Point, budget: list[int]) -> None:
        """Join two points, inserting values between them while that is needed and ``budget[0]`` allows."""
        match = self._match(left, right)
        at, doubt = self._doubt(left, right, match)
        if at is not None and budget[0] > 0:
            budget[0] -= 1
            middle = self._computed(at)
            self._bridge(left, middle, budget)
            self._bridge(middle, right, budget)
            return
        if at is not None and doubt < CLEAR:
            self.unresolved.append((left.value, right.value, doubt))
        self._join(left, right, match)
        self._record(right)

    def _match(self, left: Point, right: Point) -> _Match:
        """Return the assignment of largest total overlap, of subspaces where levels are degenerate."""
        plain = abs(left.vectors.conj().T @ right.vectors) ** 2
        spans = [np.flatnonzero(left.bonds == bond) for bond in np.unique(left.bonds)]
        overlap = np.empty_like(plain)
        for span in spans:
            rows = plain[span].sum(axis=0)
            for group in right.groups:
                overlap[np.ix_(span, group)] = rows[group].sum() / min(span.size, group.size)
        rows, columns = scipy.optimize.linear_sum_assignment(overlap + 1e-6 * plain, maximize=True)
        return _Match(rows, columns, np.minimum(overlap[rows, columns], 1.0))

    def _doubt(self, left: Point, right: Point, match: _Match) -> tuple[float | None, float]:
        """Return where to insert a value, None if the match is clear, and the least clear overlap."""
        inner = np.isin(match.left, _innermost(left, self._k)) & np.isin(match.right, _innermost(right, self._k))
        least = float(match.overlap[inner].min()) if inner.any() else 1.0
        if least < CLEAR:
            middle = 0.5 * (left.value + right.value)
            return (middle if _apart(middle, left, right) else None), least
        return self._swap(left, right, match, inner), least

    def _swap(self, left: Point, right: Point, match: _Match, inner: np.ndarray) -> float | None:
        """Return where two continued levels that changed places meet, by a straight line; None if none did."""
        before, after = left.energies[match.left[inner]], right.energies[match.right[inner]]
        gap_before, gap_after = before[:, None] - before[None, :], after[:, None] - after[None, :]
        swapped = (gap_before < -self._width) & (gap_after > self._width)
        if not swapped.any():
            return None
        shares = gap_before[swapped] / (gap_before[swapped] - gap_after[swapped])
        meets = left.value + shares * (right.value - left.value)
        usable = [float(at) for at in meets if _apart(at, left, right)]
        return min(usable, key=lambda at: abs(at - left.value)) if usable else None

    def _join(self, left: Point, right: Point, match: _Match) -> None:
        """Hand the curves on, turn the basis of each multiplet towards its past, and begin new curves."""
        kept = match.overlap >= SAME
        rows, columns = match.left[kept], match.right[kept]
        right.curves = np.full(right.energies.size, -1, dtype=np.int64)
        right.overlaps = np.ones(right.energies.size)
        right.curves[columns], right.overlaps[columns] = left.curves[rows], match.overlap[kept]
        past = np.full(right.energies.size, -1, dtype=np.int64)
        past[columns] = rows
        own = _labels(right.groups, right.energies.size)
        bonds = np.full(right.energies.size, -1, dtype=np.int64)
        bonds[columns] = left.bonds[rows]
        right.bonds = np.unique(np.stack([bonds, own]), axis=1, return_inverse=True)[1].ravel()
        for group in right.groups:
            known = group[past[group] >= 0]
            if group.size > 1 and known.size:
                if left.vectors.dtype.kind == "c":  # the basis turns with its past
                    right.vectors = right.vectors.astype(complex, copy=False)
                right.vectors[:, group] = _nearest_basis(
                    right.vectors[:, group], left.vectors[:, past[known]], np.searchsorted(group, known)
                )
            apart = left.bonds[past[known]]
            if np.unique(apart).size > 1:
                self._met.append((right.value, float(right.energies[known].mean()), right.curves[known]))
        self._begin(right, np.flatnonzero(right.curves < 0))

    def _begin(self, point: Point, states: np.ndarray) -> None:
        if not point.curves.size:
            point.curves = np.full(point.energies.size, -1, dtype=np.int64)
        point.curves[states] = self._curves + np.arange(states.size)
        self._curves += states.size

    def _record(self, point: Point) -> None:
        self._rows.append((point.value, point.curves.copy(), point.energies, point.overlaps))

    def table(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return all values (W,), energies and overlaps with the value before (W, curves), nan where not seen."""
        values = np.array([row[0] for row in self._rows])
        energies = np.full((values.size, self._curves), np.nan)
        overlaps = np.full_like(energies, np.nan)
        for number, (_, curves, levels, steps) in enumerate(self._rows):
            energies[number, curves], overlaps[number, curves] = levels, steps
        return values, energies, overlaps

    def crossings_of(self, chosen: np.ndarray) -> np.ndarray:
        """Return value and energy where two or more of the chosen curves met, (C, 2)."""
        found = [(at, energy) for at, energy, curves in self._met if np.isin(curves, chosen).sum() > 1]
        return np.array(found).reshape(-1, 2)


def _innermost(point: Point, k: int) -> np.ndarray:
    return np.argsort(abs(point.energies), kind="stable")[:k]


def _apart(at: float, left: Point, right: Point) -> bool:
    step = abs(right.value - left.value)
    return min(abs(at - left.value), abs(right.value - at)) > max(TOO_CLOSE * step, 4e-16 * abs(at))


def _labels(groups: list[np.ndarray], size: int) -> np.ndarray:
    labels = np.empty(size, dtype=np.int64)
    for number, group in enumerate(groups):
        labels[group] = number
    return labels


def _nearest_basis(vectors: np.ndarray, wanted: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Return an orthonormal basis of the span whose columns ``places`` are nearest to ``wanted`` (Loewdin)."""
    projected = vectors.conj().T @ wanted
    left, _, right = np.linalg.svd(projected, full_matrices=True)
    m, known = projected.shape
    turned = left[:, :known] @ right
    basis = np.empty((m, m), dtype=turned.dtype)
    basis[:, places] = turned
    others = np.setdiff1d(np.arange(m), places)
    basis[:, others] = left[:, known:]
    return vectors @ basis
