r"""The current between two superconducting parts against their phase difference.

.. math:: I(\varphi) = \frac{2e}{\hbar} \frac{dF}{d\varphi}, \qquad \varphi = \varphi_{last} - \varphi_{first}

The current into a grain is minus the sum of its sources ``S_i = 4 Im(Delta_i* F_i)`` (`bdg.currents.bond_currents`),
which is ``2 dF/dphi`` exactly: for an imposed Delta as for a self-consistent one with phases held deep in both
electrodes.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bdg.base.arguments import require_flag, require_system
from bdg.base.callers import caller_of
from bdg.base.errors import ConservationWarning, ConvergenceError
from bdg.base.hamiltonian import BdGHamiltonian
from bdg.base.progress import progress_bar
from bdg.base.results import Choice, Evidence, Result, quantity
from bdg.currents.bond_currents import currents_of, divergence_of, sources_of
from bdg.currents.electrodes import deep_of, require_between
from bdg.currents.phase_bias import PhaseBias
from bdg.currents.phase_curves import BRANCHES, normal_phases, phase_curve, require_phases, series
from bdg.gpu.device.backend import select_backend
from bdg.gpu.device.threads import side_by_side, threaded
from bdg.lattices.arguments import positive_number
from bdg.lattices.system import System
from bdg.thermal.bonds import strongest_hopping
from bdg.thermal.choice import bytes_at_once, choose_place
from bdg.thermal.elements import require_thermal_arguments, thermal_elements
from bdg.thermal.free_energy import free_energy_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

THERMAL_TOL = 1e-9  # of the elements of tanh
GAP_TOL = 1e-7  # of Delta relative to its maximum
_ROUNDING = 1e-14  # of a current, in units of the hopping
SMALL = 0.01  # of the largest current: more that enters where none should is warned of
CURRENT_UNIT = "e hopping/hbar"
_PARITY = {
    True: "I(-phi) = -I(phi): h and D are real at phi = 0",
    False: "not assumed: h or D is complex at phi = 0",
}


@dataclass(frozen=True, eq=False, kw_only=True)
class CurrentPhase(Result):
    """Current and free energy against the phase difference of two superconducting parts.

    Attributes
    ----------
    phases : array (P,)
        Phase of the last minus that of the first grain, in radian.
    current : array (P,)
        ``2 dF/dphi``; positive where carriers flow from the first to the last.
    free_energy : array (P,)
    conservation : array (P,)
        Largest ``|div J_i|`` outside the deep part of both electrodes: zero where charge is conserved.
    harmonics : array (2, K + 1)
        Amplitudes of ``sin k phi`` (row 0) and ``cos k phi`` (row 1), k = 0 ... K.
    critical_current, critical_phase : float
        Largest |I| (parabola through the highest samples) and where.
    critical_currents : array (2,)
        Largest current in the positive and in the negative direction, both >= 0; nan where the phases do not tell.
    diode : float
        ``(I+ - |I-|)/(I+ + |I-|)``; nan where one of both is not known.
    error : float
        Bound of the error of the current of an imposed Delta.
    between : array (2,)
        First and last grain.
    deep : array (D,) of int
        Sites where current may enter and leave.
    temperature : float
    electrode_delta : array (P,)
        Largest |Delta| of the weaker one of both grains: 0 where it has turned normal.
    """

    phases: np.ndarray = quantity("phase of the last minus that of the first grain (P,)", "radian")
    current: np.ndarray = quantity("current from first to last, 2 dF/dphi (P,)", CURRENT_UNIT)
    free_energy: np.ndarray = quantity("free energy, both spins (P,)", "hopping")
    conservation: np.ndarray = quantity("largest |div J| outside the deep electrodes (P,)", CURRENT_UNIT)
    harmonics: np.ndarray = quantity("amplitudes of sin k phi and cos k phi (2, K + 1)", CURRENT_UNIT)
    critical_current: float = quantity("largest |I|", CURRENT_UNIT)
    critical_phase: float = quantity("phase of the largest |I|", "radian")
    critical_currents: np.ndarray = quantity("largest current in either direction (2,)", CURRENT_UNIT)
    diode: float = quantity("(I+ - |I-|)/(I+ + |I-|)")
    error: float = quantity("bound of the error of the current", CURRENT_UNIT)
    between: np.ndarray = quantity("first and last grain (2,)")
    deep: np.ndarray = quantity("sites where current may enter and leave")
    temperature: float = quantity("k_B T", "hopping")
    electrode_delta: np.ndarray = quantity(
        "largest |Delta| of the weaker grain (P,), empty in older files", "hopping", before=np.empty(0)
    )

    @property
    def normal(self) -> np.ndarray:
        """(P,) of bool: at which phases an electrode is normal; they are no part of harmonics and critical currents."""
        return normal_phases(self.electrode_delta, self.phases.size)

    @property
    def branch_spread(self) -> float:
        """Largest difference of currents at the same phase: not 0 where it matters how the phase was reached."""
        odd = not self.harmonics[1].any()
        return phase_curve(self.phases, self.current, odd, self.normal).spread

    def plot(self, ax: Any = None) -> Figure:
        """Return a Figure of the current against phase, with the series of its harmonics."""
        from bdg.plots.phases import plot_current_phase

        alive = ~self.normal
        phases, current = self.phases[alive], self.current[alive]
        order, n_harmonics = np.argsort(phases), self.harmonics.shape[1] - 1
        branches = self.branch_spread > BRANCHES * abs(self.current).max()
        if branches or self.normal.any():
            label = "depends on how the phase is reached" if branches else "superconducting"
            line = phases[order], current[order]
        else:
            low, high, label = phases.min(), phases.max(), f"{n_harmonics} harmonics"
            fine = np.linspace(low, high, 401 if high > low and n_harmonics else 0)
            line = fine, series(self.harmonics, fine)
        forward, backward = np.nan_to_num(self.critical_currents)
        top = self.critical_phase, self.critical_current if forward >= backward else -self.critical_current
        words: dict[str, Any] = {"normal": self.normal, "energy_unit": self.energy_unit}
        return plot_current_phase(self.phases, self.current, line, label, top, ax, **words)


@threaded
def current_phase(
    system: System,
    phases: Any,
    temperature: float,
    *,
    between: tuple[int, int] | None = None,
    self_consistent: bool = False,
    pinned: Any = None,
    method: str = "auto",
    tol: float | None = None,
    max_iterations: int = 200,
    device: str = "auto",
    threads: int | str = "auto",
    seed: int | None = None,
    progress: bool = False,
) -> CurrentPhase:
    r"""Return current and free energy against the phase difference of two grains.

    .. math:: I(\varphi) = \frac{2e}{\hbar} \frac{dF}{d\varphi} = -\sum_{i \in last} S_i, \qquad
              S_i = 4\,\mathrm{Im}\, \Delta_i^* F_i, \qquad \varphi = \varphi_{last} - \varphi_{first}

    For each phi the pairing is that of ``system.with_phases({first: 0, last: phi})``; other grains keep their phases.

    Parameters
    ----------
    system : System
        With at least two grains: the ends of a stack, or any two of a composite.
    phases : array (P,)
        In radian. From 0 to pi is enough where h and D are real at phi = 0 (I is odd); else take a full turn.
    temperature : float
        k_B T >= 0 in the unit of the hopping; 0 needs the dense method.
    between : (first, last), optional
        Numbers of two grains. Default: 0 and the highest.
    self_consistent : bool
        Solve ``Delta_i = U_i F_i`` at each phase, the phases of the ``pinned`` sites held, each solution the start of
        the next.
    pinned : list of int or mask (N,), optional
        Sites of both grains where the phase is held and current may enter. Default: those from three quarters of the
        greatest depth on, in bonds from the sites that are not of this grain: the evidence says how many.
    method : {"auto", "dense", "poles"}
        "auto" is dense below dimension 500 and at T = 0, else what is expected to be done first.
    tol : float, optional
        Imposed Delta: absolute error of the elements of tanh, default 1e-9. Self-consistent: of Delta relative to its
        maximum, default 1e-7.
    max_iterations : int
        Of each self-consistent solution.
    device : {"auto", "cpu", "gpu"}
        "auto" takes the one that is expected to be done first, "gpu" never falls back.
    threads : int or "auto"
        Of the host; "auto" takes ``BDG_THREADS``, else the cores at hand. Results do not depend on it.
    seed : int, optional
        Without influence; accepted for uniformity.
    progress : bool
        Show a bar over the phases.

    Returns
    -------
    CurrentPhase
        ``current`` (P,), float64, in e x hopping/hbar, and ``free_energy`` (P,), in the unit of the hopping, on the
        host. ``conservation`` leaves out the pinned (deep) sites. Where more than 1 % of the largest current enters and
        leaves elsewhere (``misplaced`` in the evidence: half the sum of |div J| over all other sites), a
        `ConservationWarning` is given and the evidence holds it under ``warning``: an imposed Delta is a source and
        sink of current wherever it differs from the self-consistent one. Phases at which a self-consistent Delta is 0
        in an electrode (``electrode_delta``, ``normal``) carry no current and are left out of harmonics and critical
        currents; where there are any, these are the largest of the samples.

    Raises
    ------
    TypeError, ValueError
        If a grain is missing, there are fewer than two, phases are empty or not finite, an argument is out of range,
        or temperature is 0 with method "poles".
    ConvergenceError
        If a self-consistent solution is not found, or a phase cannot be held because the electrodes are too small;
        its ``result`` holds the phases before (None at the first), that of its ``__cause__`` the state.
    MemoryBudgetError
        If matrix or factors do not fit.
    BackendUnavailableError
        If ``device="gpu"`` and no GPU can be used.

    References
    ----------
    A. A. Golubov, M. Yu. Kupriyanov, E. Il'ichev, Rev. Mod. Phys. 76, 411 (2004).

    Examples
    --------
    >>> import bdg
    >>> from bdg.lattices import Layer, stack
    >>> junction = stack([Layer(14, delta=0.4, attraction=2), Layer(2), Layer(14, delta=0.4, attraction=2)])
    >>> relation = bdg.current_phase(junction, [0.5, 1.0, 1.5], 0.1, self_consistent=True)
    >>> print(relation.current.round(3), relation.conservation.max() < 1e-3)
    [0.008 0.016 0.024] True
    """
    start = time.perf_counter()
    require_system(system)
    temperature = require_thermal_arguments(system, temperature, method, seed)
    phases = require_phases(phases)
    self_consistent = require_flag("self_consistent", self_consistent)
    if tol is not None:
        tol = positive_number("tol", tol, "accuracy of tanh, or of a self-consistent Delta")
    pair = require_between(between, system)
    deep, about_deep = deep_of(pinned, system, pair)
    select_backend(device)  # refused before any work
    elements_tol = THERMAL_TOL if tol is None or self_consistent else tol
    # all phases have one geometry, and what they take hardly depends on anything else
    biased = system.with_phases({pair[0]: 0.0, pair[1]: float(phases[0])})
    choice = choose_place(method, device, BdGHamiltonian(biased), temperature, elements_tol)
    options: dict[str, Any] = {"method": method, "max_iterations": max_iterations, "device": choice.backend.device}
    solver = PhaseBias(system, pair, deep, temperature, GAP_TOL if tol is None else tol, options)
    how = {"self_consistent": self_consistent, "deep_sites": about_deep}
    sweep = PhaseSweep(system, pair, deep, temperature, elements_tol, choice, how, start)
    if not self_consistent:
        found = sweep.points(phases)
        return sweep.result(phases, list(progress_bar(progress, "current", "phase", found, total=phases.size)))
    points: list[_Point] = []
    for phase in progress_bar(progress, "current against phase", "phase", phases):
        try:
            points.append(sweep.point(*solver(float(phase))))
        except ConvergenceError as error:
            known = sweep.result(phases[: len(points)], points) if points else None
            raise ConvergenceError(
                f"current_phase at phi = {phase:g}: {error} ({len(points)} of {phases.size} phases were done: "
                "`.result` of this error; that of its cause is the state)",
                known,
            ) from error
    return sweep.result(phases, points, **solver.facts())


@dataclass(frozen=True)
class _Point:
    """What one phase gives."""

    current: float
    free_energy: float
    conservation: float
    misplaced: float  # current that enters or leaves outside the deep electrodes
    continuity: float
    electrode_delta: float  # largest |Delta| of the weaker electrode
    floor: float  # below, that is rounding
    error: float
    dtype: str
    facts: dict[str, Any]


@dataclass(frozen=True, eq=False)
class PhaseSweep:
    """What all phases of a relation have in common.

    Attributes
    ----------
    system : System
        At phase 0.
    pair : (int, int)
        First and last grain.
    deep : array (D,) of int
        Sites where current may enter and leave.
    temperature, tol : float
        k_B T, and the absolute error of the elements of tanh.
    choice : Choice
        Of the thermal elements.
    how : dict
        What else the evidence says of how they were asked for.
    start : float
        When it all began.
    """

    system: System
    pair: tuple[int, int]
    deep: np.ndarray
    temperature: float
    tol: float
    choice: Choice
    how: dict[str, Any]
    start: float

    def points(self, phases: np.ndarray) -> Iterator[_Point]:
        """Yield what each phase gives with the pairing as it is, phases side by side after the first."""
        first, *systems = [self.system.with_phases({self.pair[0]: 0.0, self.pair[1]: float(phi)}) for phi in phases]
        yield self.point(first, None)  # also makes what all of them share
        each = bytes_at_once(self.choice, BdGHamiltonian(first))
        yield from side_by_side(lambda at: self.point(at, None), systems, self.choice.backend, each_bytes=each)

    def point(self, system: System, energy: float | None) -> _Point:
        """Return current, free energy (unless it is known) and divergence of the system at one phase."""
        hamiltonian = BdGHamiltonian(system)
        found = thermal_elements(hamiltonian, self.temperature, self.tol, self.choice, log_cosh=energy is None)
        sources = sources_of(system, found)
        divergence = divergence_of(*currents_of(system, found), system.n_sites)
        elsewhere = np.ones(system.n_sites, dtype=bool)
        elsewhere[self.deep] = False
        pairing = np.asarray(abs(system.pairing_block).sum(axis=1)).reshape(-1, system.norbs).sum(axis=1)
        inside = system.grain == self.pair[1]
        return _Point(
            current=float(0.0 - sources[inside].sum()),
            free_energy=free_energy_of(system, found, self.temperature) if energy is None else energy,
            conservation=float(abs(divergence[elsewhere]).max(initial=0.0)),
            misplaced=0.5 * float(abs(divergence[elsewhere]).sum()),
            continuity=float(abs(divergence - sources).max()),
            electrode_delta=min(float(pairing[system.grain == grain].max()) for grain in self.pair) / system.norbs,
            floor=20 * found.error * float(np.linalg.norm(pairing))
            + _ROUNDING * system.n_sites * strongest_hopping(system),
            error=2 / system.norbs * float(pairing[inside].sum()) * found.error,
            dtype=found.dtype,
            facts=found.facts,
        )

    def result(self, phases: np.ndarray, points: list[_Point], **facts: Any) -> CurrentPhase:
        """Return the relation, and warn the caller of `current_phase` where it does not conserve charge."""
        current = np.array([point.current for point in points])
        odd = self.system.is_real
        delta = np.array([point.electrode_delta for point in points])
        curve = phase_curve(phases, current, odd, normal := normal_phases(delta, phases.size))
        critical_current, critical_phase = curve.critical_current
        misplaced = max(point.misplaced for point in points)
        unit, floor = self.system.units.put_into(CURRENT_UNIT), max(point.floor for point in points)
        if warning := _warning(misplaced, unit, current, floor, self.how["self_consistent"]):
            warnings.warn(warning, ConservationWarning, stacklevel=caller_of(1)[1])
        evidence = Evidence.of(
            self.choice,
            dtype=points[-1].dtype,
            start=self.start,
            odd=_PARITY[odd],
            phases_complete=curve.complete,
            harmonics_residual=curve.residual,
            normal_phases=int(normal.sum()),
            branch_spread=curve.spread,
            continuity=max(point.continuity for point in points),
            misplaced=misplaced,
            misplaced_share=misplaced / max(float(abs(current).max()), np.finfo(float).tiny),
            warning=warning,
            **points[-1].facts,
            **self.how,
            **facts,
        )
        return CurrentPhase(
            phases=phases,
            current=current,
            free_energy=np.array([point.free_energy for point in points]),
            conservation=np.array([point.conservation for point in points]),
            harmonics=curve.harmonics,
            critical_current=critical_current,
            critical_phase=critical_phase,
            critical_currents=np.array([curve.positive, curve.negative]),
            diode=curve.diode,
            error=max(point.error for point in points),
            between=np.array(self.pair),
            deep=self.deep,
            temperature=self.temperature,
            electrode_delta=delta,
            evidence=evidence,
            units=self.system.units,
        )


def _warning(misplaced: float, unit: str, current: np.ndarray, floor: float, self_consistent: bool) -> str:
    """Return what is wrong with the conservation of charge; empty if nothing is."""
    largest = float(abs(current).max())
    if misplaced <= max(SMALL * largest, floor):
        return ""
    if self_consistent:
        cause, cure = "Delta is not converged well enough", "a smaller tol"
    else:
        cause, cure = "an imposed Delta that is not self-consistent is a source of current", "self_consistent=True"
    return (
        f"charge is not conserved: {misplaced:.2g} ({unit}) enters and leaves outside the deep electrodes; "
        f"the whole current is at most {largest:.2g}; {cause}. Take {cure}"
    )
