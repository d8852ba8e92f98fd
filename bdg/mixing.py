r"""Fixed points ``x = g(x)`` by Anderson mixing, with an estimate of how far away they still are.

With residuals ``r_k = g(x_k) - x_k`` and the differences of the last m iterates (columns of ``dX``, ``dR``) the next
one is

.. math:: x_{k+1} = x_k + a\, r_k - (dX + a\, dR)\, \gamma, \qquad
          \gamma = \mathrm{argmin} \, \| r_k - dR\, \gamma \|

(D. G. Anderson, J. ACM 12, 547 (1965); H. F. Walker and P. Ni, SIAM J. Numer. Anal. 49, 1715 (2011)). Without a
history this is linear mixing. Where the map contracts slowly (a gap near Tc) the residual says little: with the rate
``lambda = <dx, dg>/<dx, dx>`` along the slowest of the last steps the error is about ``|r|/(1 - lambda)``.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

HISTORY = 12
REPELS = 1.0
LONGEST = 0.3  # largest extrapolation relative to the unknowns
GROWTH = 2.0  # a residual that grew by more starts a new history with half the step
_SAFETY = 2.0  # the estimate alone was between 0.3 and 3 times the true error
_DEPENDENT = 1e-10  # singular values of the history, relative, that are left out


@dataclass(eq=False)
class AndersonMixing:
    """State of an iteration on real vectors.

    Attributes
    ----------
    memory : int
        Differences used, m <= 12; 0 is linear mixing.
    step : float
        a.
    restarts : int
        How often the residual grew so much that the history was dropped.
    """

    memory: int = HISTORY
    step: float = 1.0
    restarts: int = 0
    points: list[np.ndarray] = field(default_factory=list)
    residuals: list[np.ndarray] = field(default_factory=list)
    best: float = np.inf

    def next(self, point: np.ndarray, residual: np.ndarray) -> np.ndarray:
        """Return the next point from the last one and its residual."""
        size = float(abs(residual).max())
        if size > GROWTH * self.best and len(self.points) > 1:
            self.points, self.residuals = [], []
            self.step = max(0.5 * self.step, 0.1)
            self.restarts += 1
            self.best = size
        self.best = min(self.best, size)
        self.points.append(point)
        self.residuals.append(residual)
        del self.points[: -HISTORY - 1], self.residuals[: -HISTORY - 1]
        used = min(self.memory, len(self.points) - 1)
        if not used or self.slowest_rate() >= REPELS:
            # near a fixed point that repels (Delta = 0 below Tc, the wrong sign of a grain) extrapolation leads there
            return point + self.step * residual
        dx, dr = np.diff(self.points, axis=0)[-used:], np.diff(self.residuals, axis=0)[-used:]
        gamma = np.linalg.lstsq(dr.T, residual, rcond=_DEPENDENT)[0]
        move = self.step * residual - (dx + self.step * dr).T @ gamma
        longest = LONGEST * float(abs(point).max()) + float(abs(residual).max())
        return point + move * min(1.0, longest / max(float(abs(move).max()), np.finfo(float).tiny))

    def slowest_rate(self) -> float:
        """Return the largest ``<dx, dg>/<dx, dx>`` of the history; 0 without one. Above 1 the fixed point repels."""
        if len(self.points) < 2:
            return 0.0
        dx, dr = np.diff(self.points, axis=0), np.diff(self.residuals, axis=0)
        # the largest eigenvalue of the slope of g, projected on the span of the steps
        left, singular, right = np.linalg.svd(dx.T, full_matrices=False)
        strong = singular > 1e-6 * singular[0]
        slope = left[:, strong].T @ dr.T @ right[strong].T / singular[strong]
        return float(np.linalg.eigvals(np.eye(len(slope)) + slope).real.max())

    def error(self, point: np.ndarray, following: np.ndarray, residual: np.ndarray) -> float:
        """Return an estimate of the largest ``|x - fixed point|`` at ``point``; inf if the map seems to repel."""
        rate = self.slowest_rate()
        if rate >= 1:
            return float(np.inf)
        return _SAFETY * float(max(abs(following - point).max(), abs(residual).max() / (1 - max(rate, 0.0))))
