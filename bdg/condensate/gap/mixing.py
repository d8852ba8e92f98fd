r"""Fixed points ``x = g(x)`` by Anderson mixing, with an estimate of how far away they still are.

With residuals ``r_k = g(x_k) - x_k`` and the differences of the last m iterates (columns of ``dX``, ``dR``) the next
one is

.. math:: x_{k+1} = x_k - dX\, \gamma + a\, P\, (r_k - dR\, \gamma), \qquad
          \gamma = \mathrm{argmin} \, \| r_k - dR\, \gamma \|

(D. G. Anderson, J. ACM 12, 547 (1965); H. F. Walker and P. Ni, SIAM J. Numer. Anal. 49, 1715 (2011)). P amplifies
what the map corrects slowly (`bdg.condensate.gap.slow_modes`), 1 without. Without a history this is linear mixing.

Where the map contracts slowly (a gap near Tc) the residual says little. The error is ``q |r|`` with a q between 1 and
``1/(1 - lambda)``, lambda the largest eigenvalue of the slope on the last steps. Earlier iterates tell q: from where
the residual was several times larger the way up to here is about the error that there was.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from bdg.condensate.gap.slow_modes import SlowModes

HISTORY = 24
REPELS = 1.0
LONGEST = 0.3  # largest extrapolation relative to the unknowns
GROWTH = 5.0  # a residual that grew by more starts a new history with half the step
SHORT = 4  # iterates of a new history up to which the rate of the one before is kept
FALLEN = 3.0  # times the residual was larger at iterates that tell the error
_SAFETY = 2.0  # the estimate alone was between 0.5 and 10 times the true error
_FLAT = 0.02  # 1 - eigenvalue: along a direction that is flatter and repels, a move is not longer than by this
_ROUNDING = 1e-9  # of a step: what its change of the residual is uncertain by at least
_CURVED = 1e-3  # the same for each length of the vector that it is away from the last point: recent steps come first
_CERTAIN = 3.0  # times its uncertainty: from where on a direction of the history is used


@dataclass(eq=False)
class AndersonMixing:
    """State of an iteration on real vectors.

    Attributes
    ----------
    memory : int
        Differences used, m <= 24; 0 is linear mixing.
    step : float
        a.
    restarts : int
        How often the residual grew so much that the history was dropped.
    slow_modes : SlowModes, optional
        P.
    groups : array (unknowns,) of int, optional
        Numbers of the parts that hardly know of each other: the error of each is told by its own way. A slow part
        would hide behind the residuals of fast ones.
    """

    memory: int = HISTORY
    step: float = 1.0
    restarts: int = 0
    points: list[np.ndarray] = field(default_factory=list)
    residuals: list[np.ndarray] = field(default_factory=list)
    noises: list[float] = field(default_factory=list)
    best: float = np.inf
    earlier_rate: float = 0.0
    slow_modes: SlowModes | None = None
    groups: np.ndarray | None = None

    def next(self, point: np.ndarray, residual: np.ndarray, noise: float = 0.0) -> np.ndarray:
        """Return the next point from the last one, its residual, and how much each element of that may be off."""
        size = float(abs(residual).max())
        if size > GROWTH * self.best and len(self.points) > 1:  # the history tells of another place
            self._restart(size)
        self.best = min(self.best, size)
        self.points.append(point)
        self.residuals.append(residual)
        self.noises.append(noise)
        del self.points[: -HISTORY - 1], self.residuals[: -HISTORY - 1], self.noises[: -HISTORY - 1]
        self._learn(-1)
        used = min(self.memory, len(self.points) - 1)
        if not used:
            return point + self.step * residual
        move = self._away(residual, used) if self.slowest_rate() >= REPELS else self._extrapolated(residual, used)
        # the map is curved: far from the iterates that it was made from, an extrapolation means nothing
        longest = LONGEST * float(abs(point).max()) + size
        return point + move * min(1.0, longest / max(float(abs(move).max()), np.finfo(float).tiny))

    def _extrapolated(self, residual: np.ndarray, used: int) -> np.ndarray:
        """Return the move to where the history lets the residual vanish."""
        dx, dr = self._differences(used)
        left, singular, right = np.linalg.svd(dr, full_matrices=False)
        known = singular > _CERTAIN
        inside = left[:, known].T @ residual
        gamma = right[known].T @ (inside / singular[known])
        return self.step * self._amplified(residual - left[:, known] @ inside) - dx @ gamma

    def _away(self, residual: np.ndarray, used: int) -> np.ndarray:
        """Return the move away from a fixed point that repels, where extrapolation would lead.

        Delta = 0 below Tc and the wrong sign of a grain are such points. Newton's move along the steps of the history,
        turned round in directions in which the map repels; a free energy falls that way.
        """
        basis, slope = self._slope(used)
        values, vectors = np.linalg.eig(np.eye(len(slope)) - slope)
        turned = np.where(values.real < 0, np.maximum(-values.real, _FLAT), values)
        inside = basis.T @ residual
        move = (vectors @ (np.linalg.solve(vectors, inside.astype(complex)) / turned)).real
        return basis @ move + self.step * (residual - basis @ inside)

    def resume(self, points: list[np.ndarray], residuals: list[np.ndarray], noises: list[float]) -> None:
        """Take up the history of an iteration that was interrupted."""
        self.points, self.residuals, self.noises = list(points), list(residuals), list(noises)
        for number in range(1, len(self.points)):
            self._learn(number)

    def slowest_rate(self) -> float:
        """Return the largest eigenvalue of the slope of g on the span of the steps; 0 without. Above 1, g repels."""
        floor = self.earlier_rate if len(self.points) <= SHORT else 0.0
        if len(self.points) < 2:
            return floor
        _, slope = self._slope(len(self.points) - 1)
        return max(float(np.linalg.eigvals(slope).real.max(initial=-np.inf)), floor)

    def _slope(self, used: int) -> tuple[np.ndarray, np.ndarray]:
        """Return an orthonormal basis of the last steps and the slope of g on it."""
        dx, dr = self._differences(used)
        left, singular, right = np.linalg.svd(dx, full_matrices=False)
        known = singular > _CERTAIN
        basis = left[:, known]
        return basis, np.eye(basis.shape[1]) + basis.T @ dr @ right[known].T / singular[known]

    def _differences(self, used: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the last steps dX and dR as columns, in units of the uncertainty of each."""
        dx, dr = np.diff(self.points[-used - 1 :], axis=0), np.diff(self.residuals[-used - 1 :], axis=0)
        count = np.sqrt(dx.shape[1])
        noise = count * np.hypot(self.noises[-used - 1 : -1], self.noises[-used:])
        away = np.linalg.norm(np.subtract(self.points[-used - 1 : -1], self.points[-1]), axis=1)
        away /= max(float(np.linalg.norm(self.points[-1])), np.finfo(float).tiny)
        unknown = np.linalg.norm(dx, axis=1) * np.clip(_CURVED * away, _ROUNDING, 1.0)
        unit = np.maximum(np.maximum(noise, unknown), np.finfo(float).tiny)
        return (dx / unit[:, None]).T, (dr / unit[:, None]).T

    def error(self, point: np.ndarray, following: np.ndarray, residual: np.ndarray) -> float:
        """Return an estimate of the largest ``|x - fixed point|`` at ``point``; inf if the map seems to repel."""
        rate = self.slowest_rate()
        if rate >= 1:  # the residual falls towards a fixed point that it will leave again
            return float(np.inf)
        size = self._largest(residual)
        largest = size / (1 - max(rate, 0.0))
        seen = self._error_from_the_way(following, size)
        return _SAFETY * float(np.maximum(self._largest(following - point), np.minimum(seen, largest)).max())

    def _error_from_the_way(self, following: np.ndarray, size: np.ndarray) -> np.ndarray:
        """Return ``q |r|``: an earlier error ``q |r_j|`` is the way from there, and what is left: ``q |r|``."""
        told, known = np.zeros(size.shape), np.zeros(size.shape, dtype=bool)
        for x, r in zip(self.points[:-1], self.residuals[:-1], strict=True):
            fallen = self._largest(r) - size
            way = self._largest(following - x) / np.where(fallen > 0, fallen, 1.0)
            tells = fallen > (FALLEN - 1) * size
            told, known = np.where(tells, np.maximum(told, way), told), known | tells
        return np.where(known, told * size, np.inf)

    def _largest(self, vector: np.ndarray) -> np.ndarray:
        """Return the largest modulus in each group."""
        size = abs(vector)
        if self.groups is None:
            return size.max(keepdims=True)
        largest = np.zeros(int(self.groups.max()) + 1)
        np.maximum.at(largest, self.groups, size)
        return largest

    def _restart(self, size: float) -> None:
        self.earlier_rate = min(self.slowest_rate(), 0.999)
        self.points, self.residuals, self.noises = [], [], []
        self.step = max(0.5 * self.step, 0.1)
        self.restarts += 1
        self.best = size
        if self.slow_modes is not None:
            self.slow_modes.forget()

    def _learn(self, number: int) -> None:
        """Show the step that ended at iterate ``number`` to the model of slow modes."""
        if self.slow_modes is not None and len(self.points) > 1:
            before = number - 1
            step, change = self.points[number] - self.points[before], self.residuals[number] - self.residuals[before]
            self.slow_modes.learn(step, change)

    def _amplified(self, residual: np.ndarray) -> np.ndarray:
        return residual if self.slow_modes is None else self.slow_modes.amplify(residual)
