r"""The self-consistent gap ``Delta_i = U_i F_i``, optionally with chemical potential and Hartree shift.

The unknowns (Delta on the free sites, real and imaginary part where it is complex; the shift of the chemical
potential; the Hartree shifts) are iterated by Anderson mixing (`bdg.condensate.gap.mixing`), smooth changes of Delta
with what was learnt of their slow response (`bdg.condensate.gap.slow_modes`). The iteration ends on an estimate of the
distance to the fixed point, not on the residual: near Tc the residual is far smaller. Small systems take it from the
slope of the equation in all directions (`bdg.condensate.gap.verification`), larger ones from the steps. The sums are as
accurate as the residual deserves.
"""

from __future__ import annotations

import os
import time
import warnings
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bdg.base.arguments import require_choice, require_flag, require_system
from bdg.base.callers import caller_of
from bdg.base.errors import ConvergenceError
from bdg.base.hamiltonian import BdGHamiltonian
from bdg.base.progress import progress_bar
from bdg.base.results import Choice, Evidence, Result, quantity
from bdg.condensate.gap import checkpoint as gap_checkpoint
from bdg.condensate.gap.equation import GUESS as GUESS
from bdg.condensate.gap.equation import GapEquation, GapUnknowns
from bdg.condensate.gap.iteration import GapIteration
from bdg.condensate.gap.mixing import AndersonMixing
from bdg.condensate.gap.slow_modes import SlowModes
from bdg.gpu.device.backend import select_backend
from bdg.gpu.device.threads import threaded
from bdg.lattices.arguments import positive_number, real_number, whole_number
from bdg.lattices.system import System
from bdg.thermal.elements import require_thermal_arguments, thermal_elements
from bdg.thermal.free_energy import FIT_ERROR, free_energy_error, free_energy_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MIXINGS = ("anderson", "linear")


@dataclass(frozen=True, eq=False, kw_only=True)
class Gap(Result):
    """Self-consistent pair potential.

    Attributes
    ----------
    delta : array (N,), float64 or complex128
        On all sites; imposed values where it was pinned or U = 0.
    system : System
        With this delta, and with the shifts of onsite energies that belong to it.
    iterations : int
        Evaluations of the thermal sums.
    error : float
        Of max|delta - solution|: from the slope in all directions up to dimension 1000 (four times Newton's step, and
        what rounding leaves), from the steps of the iteration above.
    converged : bool
        ``error <= tol max|delta|``.
    free_energy : float
        Condensation included; with Hartree shift also its double counting.
    temperature : float
    chemical_shift : float
        Added to the chemical potential for the filling that was asked for; 0 without.
    density : array (N,)
        Electrons on each site where filling or Hartree shift needed them, else empty.
    history : array (iterations,)
        Largest residual of each iteration.
    """

    delta: np.ndarray = quantity("pair potential Delta (N,)", "hopping", finite=True)
    system: System = quantity("the system with this Delta", "")
    iterations: int = quantity("evaluations of the thermal sums")
    error: float = quantity("estimate of max|Delta - fixed point|", "hopping")
    converged: bool = quantity("True if the error is below tol max|Delta|")
    free_energy: float = quantity("free energy, condensation included", "hopping")
    temperature: float = quantity("k_B T", "hopping")
    chemical_shift: float = quantity("added to the chemical potential for the filling", "hopping")
    density: np.ndarray = quantity("electrons on each site (N,), empty where they were not needed")
    history: np.ndarray = quantity("largest residual of each iteration", "hopping", finite=True)

    @property
    def normal(self) -> bool:
        """True if Delta = 0 on all sites with attraction is the solution: the state above Tc."""
        return self.converged and not self.delta[self.system.attraction > 0].any()

    def plot(self, ax: Any = None) -> Figure:
        """Return a Figure of |Delta| over the sites: against x in 1-D, a map in 2-D, a plane near the middle in 3-D."""
        from bdg.plots.maps import plot_site_map

        label = rf"$|\Delta|$ ({self.energy_unit or 'unit of the hopping'})"
        note = r"normal: $\Delta$ = 0" if self.normal else ""
        return plot_site_map(self.system.positions, abs(self.delta), label, ax, note=note, length_unit=self.length_unit)


@threaded
def solve_gap(
    system: System,
    temperature: float,
    *,
    tol: float = 1e-6,
    mixing: str = "anderson",
    pinned: Any = None,
    filling: float | None = None,
    hartree: bool = False,
    checkpoint: str | os.PathLike[str] | None = None,
    method: str = "auto",
    max_iterations: int = 200,
    device: str = "auto",
    threads: int | str = "auto",
    seed: int | None = None,
    progress: bool = False,
) -> Gap:
    r"""Return the self-consistent solution of ``Delta_i = U_i F_i`` on all sites with attraction.

    .. math:: \Delta_i = U_i F_i[\Delta], \qquad F_i = \tfrac12 [\tanh(H[\Delta]/2T)]_{i, i + N}

    for norbs = 1; F is that of `bdg.pair_amplitude`. With ``hartree`` the onsite energies are shifted by ``-U_i
    n_i/2``, with ``filling`` all of them by one number, so that ``sum_i n_i = filling N``.

    Parameters
    ----------
    system : System
        ``attraction`` (N,) holds U_i >= 0. The iteration starts from ``system.delta`` (a solution at another
        temperature or phase is a good start), from a uniform guess if that is zero on all sites with attraction. Sites
        with U = 0 keep their delta.
    temperature : float
        k_B T >= 0 in the unit of the hopping; 0 needs the dense method.
    tol : float
        Largest error of Delta relative to max|Delta|.
    mixing : {"anderson", "linear"}
        Linear mixing is for comparison.
    pinned : list of int, mask (N,), or {"phase": the same}, optional
        Sites whose Delta is held at ``system.delta``; with "phase" only its phase is held (a phase bias deep in the
        electrodes), the amplitude is self-consistent.
    filling : float, optional
        Electrons per site, both spins, between 0 and 2: the chemical potential is adjusted to it.
    hartree : bool
        Shift onsite energies by ``-U_i n_i/2`` (mean field of the attraction).
    checkpoint : path, optional
        The state is written here after every iteration; an existing file of the same problem is resumed from.
    method : {"auto", "dense", "poles"}
        Of the thermal sums, as for `bdg.electron_density`.
    max_iterations : int
        Evaluations of the thermal sums, at least 1.
    device : {"auto", "cpu", "gpu"}
        "auto" takes a GPU if one can be used, "gpu" never falls back.
    threads : int or "auto"
        Of the host; "auto" takes ``BDG_THREADS``, else the cores at hand. Results do not depend on it.
    seed : int, optional
        Without influence; accepted for uniformity.
    progress : bool
        Show a bar, with residual and max|Delta| of each iteration.

    Returns
    -------
    Gap
        ``delta`` (N,), float64 or complex128, in the unit of the hopping, on the host. A solution with Delta = 0 (above
        Tc) is a solution, too: ``normal`` says so.

    Warns
    -----
    UserWarning
        If relative phases of parts that hardly touch are decided by energies below rounding.

    Raises
    ------
    TypeError, ValueError
        If no site has attraction, all of them are pinned, or an argument is of the wrong type or out of range.
    ConvergenceError
        After ``max_iterations``, or if Delta vanishes where a phase is held (electrodes that are too small for the
        phase difference); its ``result`` is the best state, which can be the next start.
    MemoryBudgetError
        If matrix or factors do not fit.
    BackendUnavailableError
        If ``device="gpu"`` and no GPU can be used.

    References
    ----------
    P. G. de Gennes, Superconductivity of Metals and Alloys (1966), chapter 5; mixing: see `bdg.condensate.gap.mixing`.

    Examples
    --------
    >>> import bdg
    >>> from bdg.lattices import Layer, stack
    >>> chain = stack([Layer(40, delta=0.3, attraction=1.5)])
    >>> gap = bdg.solve_gap(chain, temperature=0.02)
    >>> print(abs(gap.delta[20]).round(3), gap.converged)
    0.123 True
    >>> print(bdg.bound_states(gap.system, 2).energies.round(3))  # with the pairing that was found
    [-0.161  0.161]
    """
    start = time.perf_counter()
    require_system(system)
    temperature = require_thermal_arguments(system, temperature, method, seed)
    tol = positive_number("tol", tol, "relative to max|Delta|")
    if tol >= 1:
        raise ValueError(f"tol must be below 1, relative to max|Delta|; got {tol!r}")
    require_choice("mixing", mixing, MIXINGS)
    hartree = require_flag("hartree", hartree)
    path = _require_checkpoint(checkpoint)
    max_iterations = whole_number("max_iterations", max_iterations, 1)
    unknowns = GapUnknowns(system, pinned, _require_filling(filling), hartree)
    equation = GapEquation(unknowns, temperature, method, select_backend(device))
    groups = unknowns.groups()
    state = AndersonMixing(memory=0, groups=groups)
    if mixing == "anderson":
        state = AndersonMixing(slow_modes=SlowModes(unknowns.laplacian(), unknowns.restrict), groups=groups)
    history: list[float] = []
    point = unknowns.start()
    identity = gap_checkpoint.identity(system, temperature, pinned, filling, hartree, mixing)
    if path is not None and path.exists():
        point, history = gap_checkpoint.resume(path, identity, state, point.size)
    resumed = len(history)

    def save(following: np.ndarray) -> None:
        if path is not None:
            gap_checkpoint.write(path, identity, following, iteration.state, history)

    iteration = GapIteration(unknowns, equation, state, tol, max_iterations, history)
    with progress_bar(progress, "gap", "iteration", total=max_iterations) as bar:
        iteration.run(point, partial(_tell, bar), save)
    point = iteration.point if iteration.converged else iteration.best[1]
    result = _result(iteration, point, start, resumed)
    if not iteration.converged:
        raise ConvergenceError(_missed(iteration, point), result)
    if iteration.open_phases:
        warnings.warn(
            f"solve_gap: {iteration.open_phases} relative phases of parts that hardly touch stay about where the "
            "start had them: the energies that decide them are below rounding. Amplitudes are not affected",
            stacklevel=caller_of()[1],
        )
    normal = iteration.normal
    lost = np.zeros(0, dtype=int) if normal else unknowns.without_amplitude(point, tol)
    if lost.size:
        raise ConvergenceError(
            f"solve_gap: the phase cannot be held: Delta vanishes on {lost.size} of the pinned sites, {lost[0]} the "
            "first of them, where it would change its sign. Pin more sites, farther from where the current enters, or "
            "amplitudes too (pinned=sites); `.result` holds the state",
            result,
        )
    return result


def _missed(iteration: GapIteration, point: np.ndarray) -> str:
    wanted = iteration.tol * iteration.unknowns.largest(point)
    start = (
        f"solve_gap: after {len(iteration.history)} iterations the estimated error of Delta is {iteration.error:.2g}"
    )
    if iteration.hopeless:
        return (
            f"{start}, of which rounding leaves {iteration.rounding:.2g}, above tol * max|Delta| = {wanted:.2g}: the "
            "solution is hardly stable, or levels lie at zero energy. Take a larger tol; `.result` holds the best state"
        )
    return (
        f"{start}, above tol * max|Delta| = {wanted:.2g}. Take more max_iterations, a start closer to the solution (a "
        "warm start in temperature or phase), or a larger tol; `.result` holds the best state"
    )


def _result(iteration: GapIteration, point: np.ndarray, start: float, resumed: int) -> Gap:
    unknowns, equation = iteration.unknowns, iteration.equation
    normal = iteration.converged and iteration.normal
    if normal:
        point = unknowns.without_gap(point)
    delta, shift, _ = unknowns.unpack(point)
    system = unknowns.system_at(point)
    kind = "dense" if equation.choice.method == "dense" else "poles"
    levels = thermal_elements(
        BdGHamiltonian(system),
        equation.temperature,
        FIT_ERROR,
        Choice(kind, "", equation.backend),
        log_cosh=True,
        elements=False,
    )
    value = free_energy_of(system, levels, equation.temperature)
    if unknowns.hartree:  # U <n_up><n_dn> was counted once for each spin
        value += float((unknowns.system.attraction * equation.density**2).sum()) / 4
    evidence = Evidence.of(
        equation.choice,
        dtype=equation.dtype,
        start=start,
        converged=iteration.converged,
        sums_by_accuracy=equation.evaluations,
        uniform_guess=unknowns.uniform_guess,
        guessed_sites=unknowns.guessed_sites,
        normal_state=normal,
        resumed_after=resumed,
        free_energy_error=free_energy_error(system, levels, equation.temperature),
        **iteration.facts(),
        **equation.facts,
    )
    return Gap(
        delta=delta,
        system=system,
        iterations=len(iteration.history),
        error=0.0 if normal and iteration.finding is None else float(iteration.error),
        converged=iteration.converged,
        free_energy=value,
        temperature=equation.temperature,
        chemical_shift=shift,
        density=equation.density,
        history=np.array(iteration.history),
        evidence=evidence,
        units=system.units,
    )


def _require_checkpoint(checkpoint: Any) -> Path | None:
    if checkpoint is None:
        return None
    if not isinstance(checkpoint, str | os.PathLike):
        raise TypeError(f"checkpoint must be the path of a file; got {checkpoint!r}")
    if Path(checkpoint).is_dir():
        raise ValueError(f"checkpoint must be a file; {checkpoint} is a folder. Give a name in it")
    return Path(checkpoint)


def _require_filling(filling: Any) -> float | None:
    if filling is None:
        return None
    value = real_number("filling", filling, "electrons per site, both spins")
    if not 0 < value < 2:
        raise ValueError(f"filling must lie between 0 and 2 electrons per site (both spins); got {filling!r}")
    return value


def _tell(bar: Any, residual: float, largest: float) -> None:
    bar.set_postfix_str(f"residual={residual:.1e}, max|Delta|={largest:.6g}")
    bar.update()
