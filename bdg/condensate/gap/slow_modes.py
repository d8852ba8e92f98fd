r"""Smooth changes of Delta, which a gap equation corrects slowly: a model of its response learnt from the iteration.

Near Tc the residual ``r = g(x) - x`` of a smooth displacement is far smaller than the displacement. In Ginzburg-Landau
theory the slope of g at wave number q is ``(1 - eps)/(1 + xi^2 q^2)``, so with the graph Laplacian L of the sites that
attract (``q^2``)

.. math:: J^{-1} = (1 - g')^{-1} \approx 1 + c\,(s + L)^{-1}, \qquad s = \epsilon/\xi^2, \quad c = (1 - \epsilon)/\xi^2.

Every step dx of the iteration with its dr = -J dx tells c and s: they minimise the sum of
``|dx + dr + c (s + L)^{-1} dr|^2 / |dx|^2`` over the last steps. For all s at once this takes one Lanczos run with L a
step, no evaluation of g. In this way screening is treated in electronic structure (G. P. Kerker, Phys. Rev. B 23, 3082
(1981)), with constants that are known beforehand there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse as sp
from scipy.sparse.linalg import cg

LOOK_BACK = 12  # steps that are fitted
SCREENINGS = np.geomspace(1e-4, 10, 18)  # s; a coherence length is 0.3 to 100 sites at eps = 1
LANCZOS_STEPS = 100
SOLVE_TOL = 1e-8


class SlowModes:
    """The model and what it was fitted to.

    Parameters
    ----------
    laplacian : sparse matrix (K, K)
        L, symmetric and not negative, of the first K unknowns; others are left as they are.
    restrict : callable, optional
        Takes from a change of the unknowns what is not free.
    """

    def __init__(self, laplacian: sp.csr_matrix, restrict: Callable[[np.ndarray], np.ndarray] | None = None) -> None:
        self._laplacian, self._restrict = sp.csr_matrix(laplacian), restrict
        self.forget()

    def forget(self) -> None:
        """Begin anew."""
        self._sums: list[np.ndarray] = []
        self.strength, self.screening = 0.0, float(SCREENINGS[-1])

    def learn(self, step: np.ndarray, change: np.ndarray) -> None:
        """Take up a step dx with its change of the residual, dr, and fit c and s again."""
        count = self._laplacian.shape[0]
        norm = float(np.linalg.norm(step[:count]))
        if not norm:
            return
        dx, dr = step[:count] / norm, change[:count] / norm
        moved = dx + dr
        overlap, square = _screened(self._laplacian, dr, moved)
        self._sums = [*self._sums, np.stack([overlap, square])][-LOOK_BACK:]
        total, norms = np.sum(self._sums, axis=0)
        strength = np.divide(np.maximum(-total, 0), norms, out=np.zeros_like(norms), where=norms > 0)
        best = int((strength * (2 * total + strength * norms)).argmin())
        self.strength, self.screening = float(strength[best]), float(SCREENINGS[best])

    def amplify(self, residual: np.ndarray) -> np.ndarray:
        """Return ``[1 + c (s + L)^{-1}] residual``."""
        if not self.strength:
            return residual
        count = self._laplacian.shape[0]
        matrix = self._laplacian + self.screening * sp.identity(count, format="csr")
        smooth, _ = cg(matrix, residual[:count], rtol=SOLVE_TOL)  # an early end only makes the model rougher
        amplified = residual.copy()
        amplified[:count] += self.strength * smooth
        return amplified if self._restrict is None else self._restrict(amplified)

    def facts(self) -> dict[str, Any]:
        """Return what goes into the evidence."""
        return {"slow_mode_strength": self.strength, "slow_mode_screening": self.screening}


def _screened(laplacian: sp.csr_matrix, start: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return ``<m, other>`` and ``<m, m>`` of ``m = (s + L)^{-1} start`` for every s of `SCREENINGS`.

    One Lanczos run serves all s, and its vectors are not kept: with ``y = (s + T)^{-1} e_1 |start|`` they are
    ``y . V^T other`` and ``y . y``.
    """
    scale = float(np.linalg.norm(start))
    if not scale:
        return np.zeros(SCREENINGS.size), np.zeros(SCREENINGS.size)
    before, vector, below = np.zeros_like(start), start / scale, 0.0
    diagonal: list[float] = []
    side: list[float] = []
    overlaps: list[float] = []
    for _ in range(min(LANCZOS_STEPS, start.size)):
        overlaps.append(float(vector @ other))
        following = laplacian @ vector - below * before
        diagonal.append(float(vector @ following))
        following = following - diagonal[-1] * vector
        below = float(np.linalg.norm(following))
        if below <= 1e-10:  # of |L|, which is at most twice the number of neighbours
            break
        side.append(below)
        before, vector = vector, following / below
    values, vectors = scipy.linalg.eigh_tridiagonal(np.array(diagonal), np.array(side[: len(diagonal) - 1]))
    weights = scale * vectors[0] / (SCREENINGS[:, None] + np.maximum(values, 0.0))
    solutions = weights @ vectors.T
    return solutions @ np.array(overlaps), (solutions**2).sum(axis=1)
