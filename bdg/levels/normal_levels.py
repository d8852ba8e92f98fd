"""Levels of the normal Hamiltonian with their states and numbers in the whole spectrum, dense or by shift-invert."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import ArpackError, LinearOperator, eigsh

from bdg.gpu.device.backend import select_backend
from bdg.gpu.eigen import dense
from bdg.gpu.eigen.refined import rayleigh_ritz, refined_levels
from bdg.gpu.eigen.superlu import Factor, count_below
from bdg.gpu.multifrontal.trust import FactorError
from bdg.gpu.ordering.dissection import dissect
from bdg.lattices.system import System
from bdg.states.multiplets import ROUNDING, level_widths, multiplets

# orbitals, not the dimension of H below which methods are not compared (`bdg.methods.choice`): all levels take a few
# seconds there, and none of the factors, counts and gaps that a window rests on has to be found
DENSE_BELOW = 1500
MARGIN = 8  # more levels than wanted, at least: numbers move through the window with the twist
# The shift is no round number, at which clean lattices have levels: in the unit of the median hopping of a site.
SHIFTS = (3.141e-4, -7.389e-4, 2.718e-3, -9.87e-3)
SEARCHES = 6  # for levels that a count proves to be missing: each finds one more of every multiplet, at least


@dataclass(frozen=True, eq=False)
class Window:
    """Consecutive levels, none missing between them, and what rounding may part of each multiplet.

    Attributes
    ----------
    first : int
        Number of the lowest in the whole spectrum.
    levels, widths : arrays (n,)
    vectors : array (N, n)
    reach : float
        Distance from the centre that they are all levels within; infinite where they are all there are.
    shift : float
    factor : Factor or None
        Of ``h - shift``; None where they are all.
    """

    first: int
    levels: np.ndarray
    widths: np.ndarray
    vectors: np.ndarray
    reach: float = np.inf
    shift: float = 0.0
    factor: Factor | None = None


class NormalLevels:
    """Levels of h near the Fermi energy, numbered from the bottom of the spectrum.

    Parameters
    ----------
    k : int
        Those nearest to zero. What is at the distance of the last is taken whole: multiplets, and mirror images.
    interval : (a, b) or None
        All levels in it instead; a multiplet counts by its mean.

    Attributes
    ----------
    window : Window
        What is known of the given h.
    inside : array (n,) of int
        Places in it of the levels that are wanted, ascending.
    method : str
    """

    def __init__(
        self, system: System, matrix: sp.csr_matrix, k: int, interval: tuple[float, float] | None, seed: int
    ) -> None:
        size = matrix.shape[0]
        self._seed, self._interval, self._k = seed, interval, min(k, size)
        self._centre = 0.0 if interval is None else 0.5 * (interval[0] + interval[1])
        self._order = np.arange(size) if size < DENSE_BELOW else _order(system)
        fits = dense.dense_fits(size, np.complex128, select_backend("cpu"))
        self._dense, inside = size < DENSE_BELOW and fits, None
        if interval is not None and not self._dense:
            below = [self._count(matrix, edge, 1e-6 * (interval[1] - interval[0])) for edge in interval]
            self._k = max(4, below[1] - below[0])
        wanted = self._k + max(MARGIN, self._k // 4)
        while inside is None:
            if wanted > size // 4 and not self._dense:
                if not fits:
                    raise ArithmeticError(
                        f"{wanted} of {size} levels are needed to have whole multiplets, and a dense matrix does not "
                        "fit into the memory; take a smaller k or another window"
                    )
                self._dense = True
            window = self._all(matrix) if self._dense else self._near(matrix, wanted, None)
            if window is not None:
                self.window = window
                inside = self._chosen()
            wanted *= 2
        self.inside = inside
        self.method = "dense" if self._dense else "shift_invert"

    def moved(self, matrix: sp.csr_matrix) -> np.ndarray:
        """Return the levels of another h that have the numbers of those inside."""
        numbers = self.window.first + self.inside
        enough, size = numbers.size + MARGIN // 2, matrix.shape[0]
        while not self._dense and 2 * enough < size:
            window = self._near(matrix, enough + MARGIN, enough)
            if window is not None and window.first <= numbers[0] and numbers[-1] < window.first + window.levels.size:
                return window.levels[numbers - window.first]
            enough *= 2
        return self._all(matrix).levels[numbers]

    def _chosen(self) -> np.ndarray | None:
        """Return the places of the levels wanted, None if the window does not reach beyond them."""
        levels, widths = self.window.levels, self.window.widths
        if self._interval is not None:
            bottom, top = self._interval
            groups = multiplets(levels, widths)
            means = np.array([levels[group].mean() for group in groups])
            reach = np.array([widths[group].max() for group in groups])
            taken = [g for g, m, w in zip(groups, means, reach, strict=True) if bottom - w <= m <= top + w]
            found = np.sort(np.concatenate([*taken, np.empty(0, dtype=np.int64)]))
            return found if self._covered(0.5 * (top - bottom) + float(reach.max(initial=0.0))) else None
        size = abs(levels)
        shells = multiplets(size, widths)
        enough = int(np.searchsorted(np.cumsum([shell.size for shell in shells]), self._k))
        if enough >= len(shells) or not self._covered(float(size[shells[enough]].max() + widths.max())):
            return None
        return np.sort(np.concatenate(shells[: enough + 1]))

    def _covered(self, distance: float) -> bool:
        """Return True if all levels up to a distance are known, and none outside is nearer to the shift."""
        offset = abs(self.window.shift - self._centre) if self.window.factor is not None else 0.0
        return self.window.reach > distance + 2 * offset

    def _all(self, matrix: sp.csr_matrix) -> Window:
        """Return all levels; parts that do not touch do not share their rounding, nor their states."""
        parts, label = connected_components(abs(matrix), directed=False)
        if parts == matrix.shape[0]:
            levels = matrix.diagonal().real
            order = np.argsort(levels, kind="stable")
            vectors = np.eye(levels.size, dtype=matrix.dtype)[:, order]
            return Window(0, levels[order], ROUNDING * abs(levels[order]), vectors)
        if parts == 1:
            levels, vectors = dense.eigh(matrix, select_backend("cpu"))
            levels, vectors, scales = refined_levels(matrix, levels, vectors)
            return Window(0, levels, ROUNDING * scales, vectors)
        vectors = np.zeros(matrix.shape, dtype=matrix.dtype)
        orbitals = np.argsort(label, kind="stable")
        pieces, begin = [], 0
        for mine in np.split(orbitals, np.cumsum(np.bincount(label))[:-1]):
            piece = self._all(matrix[mine][:, mine])
            vectors[mine, begin : begin + mine.size] = piece.vectors
            begin += mine.size
            pieces.append(piece)
        levels, widths = (np.concatenate(same) for same in zip(*[(p.levels, p.widths) for p in pieces], strict=True))
        order = np.argsort(levels, kind="stable")
        return Window(0, levels[order], widths[order], vectors[:, order])

    def _near(self, matrix: sp.csr_matrix, wanted: int, enough: int | None) -> Window | None:
        """Return the levels nearest to the centre, proven by counts in a gap at both ends.

        They reach beyond the nearest ``enough``; by default beyond the interval, or the nearest k. None without a gap.
        """
        factor, shift = self._factor(matrix)
        wanted = min(wanted, matrix.shape[0] - 2)
        vectors = self._nearest(factor, wanted, np.empty((matrix.shape[0], 0), dtype=matrix.dtype), 0)
        for search in range(SEARCHES):
            levels, vectors = rayleigh_ritz(matrix, vectors)
            widths = level_widths(matrix, vectors)
            distance = abs(levels - self._centre)
            offset, width = abs(shift - self._centre), float(widths.max())
            distances = np.sort(distance[distance < float(abs(levels - shift).max()) - offset])
            if enough is None and self._interval is not None:
                needed = 0.5 * (self._interval[1] - self._interval[0])
            else:
                needed = float(distances[: enough or self._k].max(initial=0.0))
            reach, gap = _edge(distances, needed + 2 * (offset + width), 4 * width)
            if gap == 0:
                return None
            known = distance < reach
            first, last = (self._count(matrix, self._centre + side * reach, gap) for side in (-1, 1))
            missing = last - first - int(np.count_nonzero(known))
            if missing == 0:
                return Window(first, levels[known], widths[known], vectors[:, known], reach - gap / 3, shift, factor)
            if missing < 0:
                break
            more = self._nearest(factor, missing + 2, vectors, search + 1)
            vectors = np.concatenate([vectors, more], axis=1)
        raise ArithmeticError(
            f"the sparse solver missed levels near {self._centre:g}; take another k or window, or a system below "
            f"{DENSE_BELOW} orbitals, which is solved by a dense matrix"
        )

    def _nearest(self, factor: Factor, wanted: int, known: np.ndarray, search: int) -> np.ndarray:
        """Return eigenvectors of the levels nearest to the shift, but for known ones."""
        size, dtype = factor.matrix.shape[0], factor.matrix.dtype

        def apply(vector: np.ndarray) -> np.ndarray:
            vector = np.asarray(vector, dtype=dtype).reshape(-1)
            vector = factor.solve(vector - known @ (known.conj().T @ vector))
            return vector - known @ (known.conj().T @ vector)

        rng = np.random.default_rng([self._seed, search])
        start = apply(rng.standard_normal(size))
        wanted = min(wanted, size - known.shape[1] - 2)
        try:
            operator = LinearOperator((size, size), matvec=apply, dtype=dtype)
            return np.asarray(eigsh(operator, wanted, v0=start, tol=1e-12)[1])
        except ArpackError as error:  # of no convergence, and of all else that ARPACK reports
            raise ArithmeticError(
                f"levels near {self._centre:g} did not converge: {error}. Take fewer levels (k), or another window"
            ) from error

    def _factor(self, matrix: sp.csr_matrix) -> tuple[Factor, float]:
        hopping = np.asarray(abs(matrix).sum(axis=1)).ravel() - abs(matrix.diagonal())
        scale = float(np.median(hopping)) or float(np.median(abs(matrix.diagonal()))) or 1.0
        for shift in SHIFTS:
            try:
                factor = Factor(matrix, self._centre + shift * scale, self._order, 0.0)
            except FactorError:
                continue
            if factor.contraction < 0.3:
                return factor, self._centre + shift * scale
        raise ArithmeticError(f"no usable factors of h - {self._centre:g}; take a window around another energy")

    def _count(self, matrix: sp.csr_matrix, energy: float, gap: float) -> int:
        """Return the number of levels below an energy, or another one that is at most a third of ``gap`` away."""
        for move in (0.037, -0.113, 0.271, -0.323):
            count, _, _ = count_below(matrix, energy + move * gap, self._order)
            if count is not None:
                return count
        raise ArithmeticError(f"the number of levels below {energy:g} could not be proven")


def _edge(distances: np.ndarray, needed: float, least: float) -> tuple[float, float]:
    """Return middle and width of the widest gap of ascending distances beyond the one needed, (0, 0) if none is."""
    gaps = np.diff(distances)
    middles = distances[:-1] + 0.5 * gaps
    usable = np.flatnonzero((middles - gaps / 3 > needed) & (gaps > least))
    if not usable.size:
        return 0.0, 0.0
    place = usable[np.argmax(gaps[usable])]
    return float(middles[place]), float(gaps[place])


def _order(system: System) -> np.ndarray:
    sites = dissect(system.positions, system.adjacency).order
    order: Any = np.arange(system.norbs * system.n_sites).reshape(system.n_sites, system.norbs)[sites].ravel()
    return order
