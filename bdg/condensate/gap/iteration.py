"""The iteration of the gap equation: mixing, and Newton's method with the slope in all directions at its end.

Small systems end on what `bdg.condensate.gap.verification` says, larger ones on what the steps have learnt. An
examination costs about as much as four evaluations there, so it comes when the mixing believes that it is done, or
takes long.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from bdg.condensate.gap.equation import GapEquation, GapUnknowns
from bdg.condensate.gap.mixing import AndersonMixing
from bdg.condensate.gap.response import LARGEST_DIMENSION
from bdg.condensate.gap.verification import Examination, Finding

NOISE_SHARE = 0.1  # of the bound of the sums: what residuals differ by, measured 0.05
NORMAL_BELOW = 1e-3  # of tol * T: a smaller Delta has no effect on anything
LONG = 25  # evaluations after which a small system is examined in any case
REST = 6  # evaluations of mixing between examinations that did not end it
NEWTON_STEPS = 25
SLOW = 0.02  # smallest eigenvalue of J: below, Newton's step has to do what it promises, not only to be small
KEPT = 0.5  # of a step may be left by the next one then
SHARE_OF_NOISE = 0.25  # of the error that is allowed: what sharper sums are asked for
FAINT = 1e-3  # of the temperature: a Delta that is smaller acts on itself by a millionth of it
SHARPEST = 1e-4  # times the accuracy that tol asks for


class GapIteration:
    """From a start to a solution.

    Attributes
    ----------
    point, residual : array
        The last evaluation.
    history : list of float
        Largest residual of each.
    error : float
        Of the last point.
    converged, normal, hopeless : bool
        ``hopeless``: rounding alone leaves more than is allowed.
    finding : Finding or None
        Of the last examination.
    """

    def __init__(
        self,
        unknowns: GapUnknowns,
        equation: GapEquation,
        state: AndersonMixing,
        tol: float,
        max_iterations: int,
        history: list[float],
    ) -> None:
        self.unknowns, self.equation, self.state = unknowns, equation, state
        self.tol, self.max_iterations, self.history = tol, max_iterations, history
        system = unknowns.system
        self.examined = 2 * system.norbs * system.n_sites <= LARGEST_DIMENSION
        self.point, self.residual = np.zeros(0), np.zeros(0)
        self.best = (np.inf, self.point)
        self.error, self.converged, self.normal, self.hopeless = np.inf, False, False, False
        self.finding: Finding | None = None
        self._sharpness, self._next_examination = 1.0, LONG
        self._tried = np.zeros(unknowns.parts.can_vanish.size, dtype=bool)  # parts that Delta = 0 was tried on

    def run(self, point: np.ndarray, report: Callable[[float, float], None], save: Callable[..., None]) -> None:
        """Iterate from a point; ``report`` is told residual and max|Delta|, ``save`` the next point."""
        self._evaluate(point)
        while True:
            following = self._mixed()
            report(self.history[-1], self.unknowns.largest(self.point))
            moved = False
            if not self.examined:  # not all levels are affordable: what the steps have learnt has to do
                self.converged = self._seems_done
            elif self._seems_done or len(self.history) >= self._next_examination:
                before = self.point
                self.converged = self._settled()
                moved = self.point is not before
                self._next_examination = len(self.history) + REST
            # hopeless: more evaluations would repeat the same rounding
            if self.converged or self.hopeless or len(self.history) >= self.max_iterations:
                return
            if not moved:
                save(following)
                self._evaluate(following)

    @property
    def allowed(self) -> float:
        """Error up to which nothing more is wanted."""
        return self.tol * self.unknowns.largest(self.point)

    def _evaluate(self, point: np.ndarray) -> None:
        last = self.history[-1] if self.history else np.inf
        rate = self.state.slowest_rate()
        self.residual = self.equation(point, self.tol * self._sharpness, last, rate) - point
        self.point = point
        self.history.append(float(abs(self.residual).max()))
        if self.history[-1] < self.best[0]:
            self.best = (self.history[-1], point)

    def _mixed(self) -> np.ndarray:
        """Return the next point by mixing, and judge the last one by what the steps have learnt."""
        unknowns, equation, state = self.unknowns, self.equation, self.state
        following = state.next(self.point, self.residual, NOISE_SHARE * unknowns.delta_error(equation.error, 0.0))
        following = unknowns.admissible(following)
        rate = state.slowest_rate()
        self.error = state.error(self.point, following, self.residual) + unknowns.delta_error(equation.error, rate)
        unseen = unknowns.delta_error(equation.error, 0.0) if equation.final else 0.0  # rounding, at T = 0 above all
        tiny = max(NORMAL_BELOW * self.tol * equation.temperature, unseen)
        # Delta = 0 is never reached, and no error is small beside it; where the map repels, a small Delta is growing
        empty = unknowns.largest(self.point) < tiny and rate < 1
        self.normal = empty and bool(unknowns.parts.can_vanish.all())  # beside imposed pairing it is only a start
        # rough sums tell nothing below their own error
        self._seems_done = (self.error <= self.allowed and equation.final) or self.normal
        return following

    def _settled(self) -> bool:
        """Go on with Newton's method as long as it helps; return whether the point is the solution to ``tol``."""
        before: tuple[np.ndarray, np.ndarray] | None = None  # what Delta = 0 on a part was tried from
        promised = np.inf  # what the step after a Newton step may be
        fading = False  # whether it was tiny
        for _ in range(NEWTON_STEPS):
            # Delta = 0 has no size of its own to be accurate to
            allowed = self.allowed or self.tol * float(self.unknowns.scales.max())
            finding = self.finding = self._examined(allowed)
            size = float(abs(finding.step).max(initial=0.0))
            self.error = finding.error if finding.escape is None else np.inf
            self.normal = not self.unknowns.largest(self.point)
            # where J nearly vanishes the step is small far from the solution, too: the one after has to bear it out
            sure = abs(finding.lowest) > SLOW or size <= promised or size <= finding.noise_error or self.normal
            sure = sure and not finding.early and self.equation.final  # nor by phases or sums that are still rough
            if finding.escape is None and finding.error <= allowed and sure:
                return True
            if len(self.history) >= self.max_iterations:
                return False
            if finding.escape is not None and before is not None and not fading:
                self.point, self.residual = before  # Delta does not vanish there
                self.best = (float(abs(self.residual).max()), self.point)
                before, promised = None, np.inf
                continue
            if finding.escape is not None:  # a solution, but one that repels: mixing goes on from beside it
                self._start_again(self.unknowns.moved(self.point, finding.escape))
                return False
            vanishing = finding.vanishing & ~self._tried
            fading = bool(vanishing.any()) and self.unknowns.largest(self.point) < FAINT * self.equation.temperature
            if finding.lowest < 0 and finding.error > allowed and self.unknowns.held_phase.any() and not fading:
                return False  # Newton's method is drawn to saddles, Delta = 0 above all
            if self._limited_by_noise(finding, allowed):  # the step would follow the errors of the sums
                return False
            # no step of finite accuracy arrives at zero: where Delta is below its error, zero is tried, once a part
            before = (self.point, self.residual) if vanishing.any() else None
            self._tried |= vanishing
            if vanishing.any():
                following = self.unknowns.without_gap(self.point, vanishing)
            else:
                following = self.unknowns.admissible(self.unknowns.moved(self.point, finding.step))
            promised = KEPT * size
            if not self._improved(following):  # farther than the slope reaches: mixing first
                return False
        return False

    def _examined(self, allowed: float) -> Finding:
        equation = self.equation
        examination = Examination(
            self.unknowns, self.point, self.residual, equation.error, equation.temperature, equation.backend
        )
        return examination.finding(allowed)

    def _improved(self, following: np.ndarray) -> bool:
        """Evaluate there, and go back if the residual has grown."""
        before = self.point, self.residual, self.history[-1]
        self._evaluate(following)
        floor = self.unknowns.delta_error(self.equation.error, 0.0)
        if self.history[-1] <= max(before[2], floor):
            return True
        self.point, self.residual = before[:2]
        return False

    def _start_again(self, point: np.ndarray) -> None:
        """Leave a solution that repels: the history leads back to it."""
        state = self.state
        if state.slow_modes is not None:
            state.slow_modes.forget()
        self.state = AndersonMixing(
            memory=state.memory, restarts=state.restarts + 1, slow_modes=state.slow_modes, groups=state.groups
        )
        self.best = (np.inf, point)
        self._evaluate(self.unknowns.admissible(point))

    def _limited_by_noise(self, finding: Finding, allowed: float) -> bool:
        """Ask for sharper sums where their error is too large; where there are none, nothing helps."""
        if finding.noise_error <= SHARE_OF_NOISE * allowed or not self.equation.final:  # rough sums get sharper anyway
            return False
        if self.equation.choice.method == "dense" or self._sharpness <= SHARPEST:
            # a step or a part that is still open would change more than the noise
            settled = finding.error <= 2 * finding.noise_error and not (finding.vanishing & ~self._tried).any()
            self.hopeless = finding.noise_error > allowed and settled
            return self.hopeless
        self._sharpness = max(self._sharpness * SHARE_OF_NOISE * allowed / finding.noise_error, SHARPEST)
        return False

    @property
    def rounding(self) -> float:
        """What errors of the sums leave on Delta, as far as that is known."""
        return 0.0 if self.finding is None else self.finding.noise_error

    @property
    def open_phases(self) -> int:
        """Relative phases that no energy above rounding decides, as far as that is known."""
        return 0 if self.finding is None else self.finding.open_phases

    @property
    def slowest_rate(self) -> float:
        """Largest eigenvalue of the slope, of all directions or of the steps."""
        return 1.0 - self.finding.lowest if self.finding is not None else self.state.slowest_rate()

    def facts(self) -> dict[str, Any]:
        """Return what goes into the evidence."""
        state = self.state
        return {
            "residual": self.history[-1],
            "slowest_rate": self.slowest_rate,
            "directions": "the steps" if self.finding is None else "all",
            "open_phases": self.open_phases,
            "mixing_restarts": state.restarts,
            **({} if state.slow_modes is None else state.slow_modes.facts()),
        }
