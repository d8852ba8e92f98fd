r"""How far a point is from the solution, by the slope of the gap equation in all directions.

The steps of an iteration know only the directions that they took: a site that decays by itself, a grain behind a weak
link, or a mode that nothing has excited yet leave residuals far below its error. From all levels the slope is known in
every direction (`bdg.condensate.gap.response`): the error follows from ``J^{-1} r``, and eigenvalues of J below zero
are directions along which the map runs away.

Where J nearly vanishes the map is cubic, ``r = -mu s - b s^3`` with the distance s: Newton's step then covers a third
of the way at least, so that four times the step is a bound. Delta = 0 on a part without imposed pairing solves the
equation whatever rounding says; it is what is looked for if no eigenvalue of J there is negative.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bdg.condensate.gap.equation import GUESS, GapUnknowns
from bdg.condensate.gap.response import Slope, gap_slope
from bdg.gpu.device.backend import Backend

SAFETY = 4.0  # times Newton's step
TURNING = 0.99  # share of a mode that turns phases and leaves amplitudes alone: from there on it is one of phases
TILTED = 3.0  # times the tilt: eigenvalues of turns that mean something
TURN = 0.5  # radian by which phases are turned that are not where they want to be
AMPLITUDE = 0.7  # of U sqrt(-mu): about where the solution is that a repelling one left
REST = 1.5  # times U sqrt(-mu): more than a solution that left Delta = 0 by so little can be
OPEN_WEIGHT = 1e-8  # of levels at zero on a site at T = 0: with less they decide nothing


@dataclass(frozen=True, eq=False)
class Finding:
    """What the slope J says about a point.

    Attributes
    ----------
    step : array
        ``J^{-1} r``; nothing where Delta = 0 by itself.
    error, noise_error : float
        Bound of the distance to the solution, and the share of it that is due to rounding and errors of the sums.
    lowest : float
        Smallest eigenvalue of J (its real part), open phases left out.
    escape : array or None
        A step away from a solution that repels.
    vanishing : array (parts,) of bool
        Parts whose Delta is not larger than its error.
    open_phases : int
        Relative phases that no energy above rounding decides.
    early : bool
        Whether moduli have to settle before it can be told how phases respond.
    """

    step: np.ndarray
    error: float
    noise_error: float
    lowest: float
    escape: np.ndarray | None
    vanishing: np.ndarray
    open_phases: int
    early: bool


class Examination:
    """One point under examination.

    Parameters
    ----------
    unknowns : GapUnknowns
    point, residual : array
    amplitude_error : float
        Of F.
    temperature : float
    backend : Backend
    """

    def __init__(
        self,
        unknowns: GapUnknowns,
        point: np.ndarray,
        residual: np.ndarray,
        amplitude_error: float,
        temperature: float,
        backend: Backend,
    ) -> None:
        self.unknowns, self.point, self.residual = unknowns, point, residual
        self.noise = unknowns.noise(amplitude_error)
        self.slope: Slope = gap_slope(unknowns, point, temperature, backend)
        self.at_rest = unknowns.parts_at_rest(point)
        self.early = False

    def finding(self, allowed: float) -> Finding:
        """Return what the slope says; ``allowed``: the error up to which nothing more is wanted."""
        rest_error, rest_lowest, escape = self._parts_at_rest(allowed)
        basis, weights = self._directions()
        step, bound, noise_bound, lowest, away, open_phases = self._moving(basis, weights, allowed)
        escape = away if escape is None else escape
        vanishing = np.zeros(self.at_rest.size, dtype=bool)
        for part in np.flatnonzero(self.unknowns.parts.can_vanish & ~self.at_rest):
            inside = self.unknowns.of_parts(np.arange(vanishing.size) == part)
            vanishing[part] = abs(self.point[inside]).max() <= bound[inside].max()
        return Finding(
            step=step,
            error=max(float(bound.max(initial=0.0)), rest_error),
            noise_error=max(float(noise_bound.max(initial=0.0)), rest_error),
            lowest=min(lowest, rest_lowest),
            escape=escape,
            vanishing=vanishing,
            open_phases=open_phases,
            early=self.early,
        )

    def _parts_at_rest(self, allowed: float) -> tuple[float, float, np.ndarray | None]:
        """Return error, smallest eigenvalue and escape for the parts with Delta = 0."""
        inside = self.unknowns.of_parts(self.at_rest)
        if not inside.any():
            return 0.0, np.inf, None
        root = np.sqrt(self.unknowns.scales[inside])
        undecided = np.tile(self.slope.undecided, 1 + self.unknowns.is_complex)[inside[: self.unknowns.shift_at]]
        if undecided.max() > OPEN_WEIGHT:  # at T = 0 any Delta moves these levels: the slope is infinite
            return 0.0, -np.inf, self._escape(inside, np.sqrt(undecided) * root, -1.0)
        matrix = self.slope.matrix[np.ix_(inside, inside)] * root[None, :] / root[:, None]
        lowest, direction = self._softest(0.5 * (matrix + matrix.T), inside)
        resolution = self.slope.resolution * np.sqrt(direction.size)
        # r = -mu s - s^3/U^2 or more, as on one site: what a mu below zero or unknown by this much leaves of Delta
        error = REST * np.sqrt(max(resolution - lowest, 0.0)) * float(root.max()) ** 2 if lowest < resolution else 0.0
        if lowest < -resolution and error > allowed:
            return 0.0, lowest, self._escape(inside, root * direction, lowest)
        return float(error), lowest, None

    def _softest(self, matrix: np.ndarray, inside: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the smallest eigenvalue of J at Delta = 0, symmetric, and its direction.

        Where phases are held, only changes with amplitudes >= 0 there count: of either sign of the softest direction,
        sites that it turns over are left out, and the softest one of the others is taken, until it turns none.
        """
        if not self.unknowns.held_phase.any():
            values, vectors = np.linalg.eigh(matrix)
            return float(values[0]), vectors[:, 0]
        softest = np.inf, np.zeros(len(matrix))
        columns, fixed = self._held_directions()
        for sign in (1.0, -1.0):
            chosen, turned_over = inside & ~fixed, inside
            while turned_over.any() and chosen.any():
                basis = columns[np.ix_(inside, chosen)]
                values, vectors = np.linalg.eigh(basis.T @ matrix @ basis)
                direction = np.zeros(self.point.size)
                direction[inside] = sign * (basis @ vectors[:, 0])
                amplitudes = self.unknowns.held_amplitudes(direction)
                if turned_over is not inside and amplitudes.sum() < 0:
                    direction, amplitudes = -direction, -amplitudes
                turned_over = np.zeros(self.point.size, dtype=bool)
                turned_over[: amplitudes.size] = amplitudes < 0
                chosen &= ~turned_over
            if chosen.any() and values[0] < softest[0]:
                softest = float(values[0]), direction[inside]
        return softest

    def _directions(self) -> tuple[np.ndarray, np.ndarray]:
        """Return orthonormal columns of what may move, each on one site, and the roots of the scales of both."""
        unknowns = self.unknowns
        basis, fixed = self._held_directions()
        fixed |= unknowns.of_parts(self.at_rest)
        fixed[: unknowns.free.size] |= (unknowns.held_phase != 0) & (unknowns.sizes(self.point) == 0)  # at the bound
        return basis[:, ~fixed], np.sqrt(unknowns.scales[~fixed])

    def _held_directions(self) -> tuple[np.ndarray, np.ndarray]:
        """Return a column for each unknown, that of a held site along its phase, and which unknowns are none then."""
        unknowns, size = self.unknowns, self.point.size
        basis, fixed = np.eye(size), np.zeros(size, dtype=bool)
        if unknowns.is_complex and unknowns.held_phase.any():
            count, held = unknowns.free.size, np.flatnonzero(unknowns.held_phase)
            basis[held, held], basis[count + held, held] = (
                unknowns.held_phase[held].real,
                unknowns.held_phase[held].imag,
            )
            fixed[count + held] = True  # the phase
        return basis, fixed

    def _moving(
        self, basis: np.ndarray, weights: np.ndarray, allowed: float
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, float, np.ndarray | None, int]:
        """Return Newton's step, bounds with and without it, smallest eigenvalue, escape and number of open phases."""
        nothing = np.zeros(self.point.size)
        if not weights.size:
            return nothing, nothing, nothing, np.inf, None, 0
        inner = (basis.T @ self.slope.matrix @ basis) * weights[None, :] / weights[:, None]
        right = basis.T @ self.residual / weights
        turns = self._common_phases(basis, weights)
        inner = inner + turns @ turns.T  # J of common phases vanishes: one instead; the residual loses them below
        symmetric = not self.unknowns.needs_density
        values, vectors = np.linalg.eigh(0.5 * (inner + inner.T)) if symmetric else np.linalg.eig(inner)
        noise = abs(basis.T) @ self.noise / weights
        is_open = early = np.zeros(values.size, dtype=bool)
        if symmetric and self.unknowns.is_complex:
            modes = basis @ (weights[:, None] * vectors)
            is_open, early = self._open_phases(values, modes, abs(vectors).T @ noise, allowed)
            left_out = vectors[:, is_open | early]
            inner = inner + left_out @ left_out.T  # no step and no error along them
            turns = np.concatenate([turns, left_out], axis=1)
        right = right - turns @ (turns.T @ right)
        inverse = basis @ (weights[:, None] * np.linalg.pinv(inner, rcond=1e-15))
        step, noise_bound = inverse @ right, abs(inverse) @ noise
        left = np.where(is_open | early, np.inf, values.real)
        lowest = float(left.min())
        modes = basis @ (weights[:, None] * vectors.real)
        # a held phase may be a saddle between slips at either end: it is what was asked for
        held = self.unknowns.of_parts(self.unknowns.parts.holds_phase)
        left[(modes[held] ** 2).sum(axis=0) > 0.5 * (modes**2).sum(axis=0)] = np.inf
        number, escape = int(left.argmin()), None
        if left[number] < -self.slope.resolution * np.sqrt(values.size):
            escape = self._escape(np.ones(self.point.size, dtype=bool), modes[:, number], float(left[number]))
        self.early = bool(early.any())
        return step, SAFETY * abs(step) + noise_bound, noise_bound, lowest, escape, int(is_open.sum())

    def _common_phases(self, basis: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Return the common phase of each part that may turn as columns: J of them vanishes."""
        unknowns, found = self.unknowns, []
        turned = unknowns.turned(self.point)
        for part in np.flatnonzero(unknowns.parts.can_turn & ~self.at_rest) if unknowns.is_complex else []:
            inside = unknowns.of_parts(np.arange(self.at_rest.size) == part)
            column = basis.T @ np.where(inside, turned, 0.0) / weights
            found.append(column / np.linalg.norm(column))
        return np.array(found).T if found else np.zeros((weights.size, 0))

    def _open_phases(
        self, values: np.ndarray, modes: np.ndarray, noise: np.ndarray, allowed: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return which modes (columns) turn phases by what rounding decides, and which by what cannot be told yet."""
        uncertain = abs(modes).max(axis=0) * noise > allowed * abs(values)
        turning = self._turning(modes, allowed) > TURNING
        return turning & uncertain, turning & (abs(values) < TILTED * self._tilt(modes)) & ~uncertain

    def _tilt(self, modes: np.ndarray) -> np.ndarray:
        """Return what J of each turn is off by before the moduli have settled: their residuals relative to Delta."""
        count, sizes = self.unknowns.free.size, self.unknowns.sizes(self.point)
        safe = np.maximum(sizes, np.finfo(float).tiny)
        point, residual = (x[: 2 * count].reshape(2, -1) for x in (self.point, self.residual))
        point = point / safe
        radial = np.maximum(abs((point * residual).sum(axis=0)) - self.noise[:count], 0.0) / safe
        weights = (modes[: 2 * count].reshape(2, count, -1) ** 2).sum(axis=0)
        return np.asarray(radial @ weights / np.maximum(weights.sum(axis=0), np.finfo(float).tiny))

    def _turning(self, modes: np.ndarray, allowed: float) -> np.ndarray:
        """Return the share of each mode (columns) that turns phases, those of a Delta that is larger than its error."""
        if not self.unknowns.is_complex:
            return np.zeros(modes.shape[1])
        count, sizes = self.unknowns.free.size, self.unknowns.sizes(self.point)
        turned = self.unknowns.turned(self.point)[: 2 * count].reshape(2, -1)
        turned = np.where(sizes > allowed, turned / np.maximum(sizes, np.finfo(float).tiny), 0.0)
        along = np.einsum("cin,ci->in", modes[: 2 * count].reshape(2, count, -1), turned)
        return np.asarray((along**2).sum(axis=0) / np.maximum((modes**2).sum(axis=0), np.finfo(float).tiny))

    def _escape(self, inside: np.ndarray, direction: np.ndarray, value: float) -> np.ndarray:
        """Return a step along a direction in which the map repels, to where the residual draws."""
        step = np.zeros(self.point.size)
        step[inside] = direction
        step[self.unknowns.shift_at :] = 0.0
        strongest = int(abs(step).argmax())
        length = self.unknowns.scales[strongest] * min(GUESS, AMPLITUDE * np.sqrt(-value))
        if self._turning(step[:, None], 0.0)[0] > 0.5:
            length = TURN * float(self.unknowns.sizes(self.point)[strongest % self.unknowns.free.size])
        drawn = float(step @ (self.residual / self.unknowns.scales))
        return step * (length / abs(step[strongest])) * (-1.0 if drawn < 0 else 1.0)
