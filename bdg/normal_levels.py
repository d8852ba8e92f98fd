"""Levels of the normal Hamiltonian by their number in the whole spectrum, dense or by shift-invert."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import ArpackError, LinearOperator, eigsh

from bdg.gpu.backend import select_backend
from bdg.gpu.dense import dense_fits
from bdg.gpu.eigenpairs import matrix_scale
from bdg.gpu.ordering import dissect
from bdg.gpu.superlu import Factor, FactorError, count_below
from bdg.lattices.system import System

DENSE_BELOW = 1500  # orbitals: all eigenvalues take a few seconds there
MARGIN = 8  # more levels than wanted, on both sides together: numbers move through the window with the twist


class NormalLevels:
    """Levels of h near the Fermi energy, numbered from the bottom of the spectrum.

    A level that is known by its number can be followed through a change of h, since levels of one symmetry do not
    cross; where symmetries let them, the sum over those that meet is still right.

    Attributes
    ----------
    numbers, levels : arrays (n,)
        Of the given h: the k levels nearest to zero, or all in ``interval``; whole multiplets at its ends or not, as
        they come.
    method : str
    """

    def __init__(
        self, system: System, matrix: sp.csr_matrix, k: int, interval: tuple[float, float] | None, seed: int
    ) -> None:
        size = matrix.shape[0]
        self._seed, self._k = seed, k
        self._centre = 0.0 if interval is None else 0.5 * (interval[0] + interval[1])
        self._order: Any = None if size < DENSE_BELOW else _order(system)  # array (n,)
        if interval is not None and self._order is not None:
            self._k = max(4, self._count(matrix, interval[1]) - self._count(matrix, interval[0]))
        small = self._order is None or self._k > size // 4
        self._dense = small and dense_fits(size, np.complex128, select_backend("cpu"))
        self.method = "dense" if self._dense else "shift_invert"
        numbers, levels = self._solve(matrix)
        if interval is not None:
            inside = (levels >= interval[0]) & (levels <= interval[1])
        else:
            inside = np.zeros(levels.size, dtype=bool)
            inside[np.argsort(abs(levels), kind="stable")[:k]] = True
        self.numbers, self.levels = numbers[inside], levels[inside]

    def at(self, matrix: sp.csr_matrix, numbers: np.ndarray) -> np.ndarray:
        """Return the levels of another h with these numbers."""
        found, levels = self._solve(matrix)
        place = np.searchsorted(found, numbers)
        if found[0] > numbers[0] or found[-1] < numbers[-1]:
            raise ArithmeticError(
                f"levels {numbers[0]} to {numbers[-1]} were wanted, {found[0]} to {found[-1]} computed: the twist "
                "moves them out of the window; take more levels (k) or a wider window"
            )
        return levels[place]

    def _solve(self, matrix: sp.csr_matrix) -> tuple[np.ndarray, np.ndarray]:
        """Return consecutive numbers and levels, ascending."""
        if self._dense:
            levels = np.linalg.eigvalsh(matrix.toarray())
            return np.arange(levels.size), levels
        factor, at = self._factor(matrix)
        below = factor.negative_count()
        size, wanted = matrix.shape[0], min(self._k + MARGIN, matrix.shape[0] - 2)
        operator = LinearOperator((size, size), matvec=factor.solve, dtype=matrix.dtype)
        start = np.random.default_rng(self._seed).standard_normal(size).astype(matrix.dtype)
        try:
            levels = np.sort(
                eigsh(matrix, wanted, sigma=at, OPinv=operator, v0=start, tol=1e-12, return_eigenvectors=False)
            )
        except ArpackError as error:  # of no convergence, and of all else that ARPACK reports
            raise ArithmeticError(
                f"levels near {at:g} did not converge: {error}. Take fewer levels (k), or another window"
            ) from error
        first = (self._count(matrix, at) if below is None else below) - int(np.count_nonzero(levels < at))
        # a count between the outermost two levels proves that none is missing in between
        for edge in (0, -2):
            middle = 0.5 * (levels[edge] + levels[edge + 1])
            if self._count(matrix, middle) != first + int(np.count_nonzero(levels < middle)):
                raise ArithmeticError(
                    f"the sparse solver missed a level near {middle:g}; degenerate levels of a clean system need the "
                    "dense method, so make the system smaller, or less symmetric"
                )
        return first + np.arange(levels.size), levels

    def _factor(self, matrix: sp.csr_matrix) -> tuple[Factor, float]:
        scale = matrix_scale(matrix)
        for move in (0.0, 1.7e-6, 1.3e-5, 1.1e-4):
            try:
                factor = Factor(matrix, self._centre + move * scale, self._order, 0.0)
            except FactorError:
                continue
            if factor.contraction < 0.3:
                return factor, self._centre + move * scale
        raise ArithmeticError(f"no usable factors of h - {self._centre:g}; take a window around another energy")

    def _count(self, matrix: sp.csr_matrix, energy: float) -> int:
        step = 1e-7 * matrix_scale(matrix)
        for move in (0.0, step, -step, 3 * step):
            count, _, _ = count_below(matrix, energy + move, self._order)
            if count is not None:
                return count
        raise ArithmeticError(f"the number of levels below {energy:g} could not be proven")


def _order(system: System) -> np.ndarray:
    sites = dissect(system.positions, system.adjacency).order
    return np.arange(system.norbs * system.n_sites).reshape(system.n_sites, system.norbs)[sites].ravel()
