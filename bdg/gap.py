r"""The self-consistent gap ``Delta_i = U_i F_i``, optionally with chemical potential and Hartree shift.

The unknowns (Delta on the free sites, real and imaginary part where it is complex; the shift of the chemical
potential; the Hartree shifts) are iterated by Anderson mixing (`bdg.mixing`). The iteration ends on an estimate of the
distance to the fixed point, not on the residual: near Tc the residual is far smaller.
"""

from __future__ import annotations

import hashlib
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bdg.arguments import require_choice, require_sites, require_system, require_temperature
from bdg.errors import ConvergenceError
from bdg.free_energy import free_energy
from bdg.gpu.backend import Backend, select_backend
from bdg.hamiltonian import BdGHamiltonian
from bdg.lattices.arguments import positive_number, real_number
from bdg.lattices.storage import ResultFileError, read_file, write_file
from bdg.lattices.system import System
from bdg.mixing import HISTORY, AndersonMixing
from bdg.pairing import pair_amplitude
from bdg.results import Evidence, Result, quantity
from bdg.thermal_elements import thermal_elements

if TYPE_CHECKING:
    from matplotlib.figure import Figure

METHODS = ("auto", "dense", "poles")
MIXINGS = ("anderson", "linear")
GUESS = 0.2  # of the mean attraction: Delta of a uniform system in which U is about half the band width
THERMAL_SHARE = 0.005  # of tol: what the thermal sums may be off by
NORMAL_BELOW = 1e-3  # of tol * T: a smaller Delta has no effect on anything
CHECKPOINT_KIND = "GapCheckpoint"


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
        Estimate of max|delta - fixed point|.
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

    delta: np.ndarray = quantity("pair potential Delta (N,)", "hopping")
    system: System = quantity("the system with this Delta", "")
    iterations: int = quantity("evaluations of the thermal sums")
    error: float = quantity("estimate of max|Delta - fixed point|", "hopping")
    converged: bool = quantity("True if the error is below tol max|Delta|")
    free_energy: float = quantity("free energy, condensation included", "hopping")
    temperature: float = quantity("k_B T", "hopping")
    chemical_shift: float = quantity("added to the chemical potential for the filling", "hopping")
    density: np.ndarray = quantity("electrons on each site (N,), empty where they were not needed")
    history: np.ndarray = quantity("largest residual of each iteration", "hopping")

    def plot(self, ax: Any = None) -> Figure:
        """Return a Figure of |Delta| over the sites: against x in 1-D, a map in 2-D, a plane near the middle in 3-D."""
        from bdg.plotting import plot_site_map

        return plot_site_map(self.system.positions, abs(self.delta), r"$|\Delta|$", ax)


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
    seed: int | None = None,
    progress: bool = False,
) -> Gap:
    r"""Return the self-consistent solution of ``Delta_i = U_i F_i`` on all sites with attraction.

    Parameters
    ----------
    system : System
        ``attraction`` holds U_i >= 0. The iteration starts from ``system.delta`` (a solution at another temperature
        or phase is a good start), from a uniform guess if that is zero on all sites with attraction. Sites with U = 0
        keep their delta.
    temperature : float
        k_B T >= 0; 0 needs the dense method.
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
    max_iterations : int
    device : {"auto", "cpu", "gpu"}
    seed : int, optional
        Without influence; accepted for uniformity.
    progress : bool
        Show error and max|Delta| of each iteration.

    Returns
    -------
    Gap
        A solution with Delta = 0 (above Tc) is a solution, too; the evidence says so.

    Raises
    ------
    ValueError
        If no site has attraction, all of them are pinned, or an argument is out of range.
    ConvergenceError
        After ``max_iterations``; its ``result`` is the best state, which can be the next start.
    MemoryBudgetError
        If matrix or factors do not fit.

    References
    ----------
    P. G. de Gennes, Superconductivity of Metals and Alloys (1966), chapter 5; mixing: see `bdg.mixing`.
    """
    start = time.perf_counter()
    require_system(system)
    temperature = require_temperature(temperature)
    tol = positive_number("tol", tol, "relative to max|Delta|")
    require_choice("mixing", mixing, MIXINGS)
    require_choice("method", method, METHODS)
    if isinstance(max_iterations, bool) or not isinstance(max_iterations, int | np.integer) or max_iterations < 1:
        raise ValueError(f"max_iterations must be a whole number >= 1; got {max_iterations!r}")
    if method == "poles" and temperature == 0:
        raise ValueError("method='poles' needs temperature > 0; use method='dense' at temperature 0")
    unknowns = _Unknowns(system, pinned, _require_filling(filling), bool(hartree))
    equation = _GapEquation(unknowns, temperature, method, select_backend(device))
    state = AndersonMixing(memory=HISTORY if mixing == "anderson" else 0)
    history: list[float] = []
    point = unknowns.start()
    identity = _identity(system, temperature, pinned, filling, hartree, mixing)
    resumed = 0
    if checkpoint is not None and Path(checkpoint).exists():
        point, state, history = _resume(Path(checkpoint), identity, state, point.size)
        resumed = len(history)
    bar = _bar(progress, max_iterations)
    error, best = np.inf, (np.inf, point)
    while True:
        residual = equation(point, tol) - point
        following = state.next(point, residual)
        history.append(float(abs(residual).max()))
        error = state.error(point, following, residual) + unknowns.delta_error(equation.error, state.slowest_rate())
        if history[-1] < best[0]:
            best = (history[-1], point)
        largest = unknowns.largest(point)
        normal = largest < NORMAL_BELOW * tol * temperature and state.slowest_rate() < 1
        converged = bool(error <= tol * largest) or normal
        bar(history[-1], largest)
        if converged or len(history) >= max_iterations:
            break
        point = following
        if checkpoint is not None:
            _write_checkpoint(Path(checkpoint), identity, point, state, history)
    if not converged:
        point = best[1]
    result = _result(unknowns, equation, point, error, converged, normal, temperature, history, state, start, resumed)
    if not converged:
        raise ConvergenceError(
            f"solve_gap: after {len(history)} iterations the estimated error of Delta is {error:.2g}, above tol * "
            f"max|Delta| = {tol * unknowns.largest(point):.2g}. Take more max_iterations, a start closer to the "
            "solution (a warm start in temperature or phase), or a larger tol; `.result` holds the best state",
            result,
        )
    return result


class _Unknowns:
    """What is iterated, as one real vector: Delta on free sites, chemical shift, Hartree shifts."""

    def __init__(self, system: System, pinned: Any, filling: float | None, hartree: bool) -> None:
        self.system, self.filling, self.hartree = system, filling, hartree
        attractive = system.attraction > 0
        if not attractive.any():
            raise ValueError(
                "system has no attraction: U_i = 0 on all sites, so no gap follows. Give attraction=... to the "
                "builder, or use the imposed delta as it is"
            )
        self.phase_only = isinstance(pinned, dict)
        held = np.zeros(system.n_sites, dtype=bool)
        if pinned is not None:
            held[_pinned_sites(pinned, system)] = True
        if (attractive & held).sum() == attractive.sum() and not self.phase_only:
            raise ValueError("pinned covers every site with attraction: nothing is left to be solved for")
        self.free = np.flatnonzero(attractive if self.phase_only else attractive & ~held)
        start = system.delta[self.free]
        self.uniform_guess = not system.delta[attractive].any()
        if self.uniform_guess:
            start = np.full(self.free.size, GUESS * float(system.attraction[attractive].mean()))
        self.initial = start
        self.is_complex = not system.is_real
        held_free = held[self.free] if self.phase_only else np.zeros(self.free.size, dtype=bool)
        phases = np.ones(self.free.size, dtype=complex)
        size = abs(start)
        phases[size > 0] = start[size > 0] / size[size > 0]
        self.held_phase = np.where(held_free, phases, 0)  # 0: the phase is free
        # an electron more on every site costs about a band width
        self.compressibility = 2.0 / float(abs(system.hamiltonian).sum(axis=1).max())

    def start(self) -> np.ndarray:
        density = np.ones(self.system.n_sites) if self.hartree else None
        return self.pack(self.initial, 0.0, density)

    def pack(self, delta: np.ndarray, shift: float, density: np.ndarray | None) -> np.ndarray:
        parts = [delta.real]
        if self.is_complex:
            parts.append(delta.imag)
        if self.filling is not None:
            parts.append(np.array([shift]))
        if self.hartree:
            assert density is not None
            parts.append(-0.5 * self.system.attraction * density)
        return np.concatenate(parts)

    def unpack(self, point: np.ndarray) -> tuple[np.ndarray, float, np.ndarray]:
        """Return Delta of all sites, the chemical shift, and the Hartree shift of all sites."""
        n = self.free.size
        values = point[:n] + 1j * point[n : 2 * n] if self.is_complex else point[:n]
        delta = self.system.delta.astype(np.result_type(self.system.delta, values))
        delta[self.free] = values
        rest = point[n * (1 + self.is_complex) :]
        shift = float(rest[0]) if self.filling is not None else 0.0
        hartree = rest[self.filling is not None :] if self.hartree else np.zeros(self.system.n_sites)
        return delta, shift, hartree

    def system_at(self, point: np.ndarray) -> System:
        delta, shift, hartree = self.unpack(point)
        changed = self.system.with_delta(delta)
        if self.filling is not None or self.hartree:
            changed = changed.with_onsite(hartree - shift)
        return changed

    def largest(self, point: np.ndarray) -> float:
        return float(abs(self.unpack(point)[0][self.free]).max())

    def delta_error(self, amplitude_error: float, rate: float) -> float:
        """Return what errors of F leave on Delta at a fixed point that attracts at this rate."""
        largest = float(self.system.attraction[self.free].max())
        return largest * amplitude_error / max(1 - rate, 1e-3)

    @property
    def needs_density(self) -> bool:
        return self.hartree or self.filling is not None


class _GapEquation:
    """The map whose fixed point is wanted."""

    def __init__(self, unknowns: _Unknowns, temperature: float, method: str, backend: Backend) -> None:
        self.unknowns, self.temperature, self.backend = unknowns, temperature, backend
        self.method, self.error = method, 0.0
        self.density = np.zeros(0)
        self.facts: dict[str, Any] = {}

    def __call__(self, point: np.ndarray, tol: float) -> np.ndarray:
        unknowns = self.unknowns
        system = unknowns.system_at(point)
        u = unknowns.system.attraction[unknowns.free]
        wanted = THERMAL_SHARE * tol * unknowns.largest(point) / float(u.max())
        if unknowns.needs_density:
            found = thermal_elements(
                BdGHamiltonian(system), self.temperature, max(wanted, 1e-12), self.backend, method=self.method
            )
            amplitude, self.density = found.pair_amplitude()[unknowns.free], found.electron_density()
            self.error, self.facts = 0.5 * found.error, found.facts
        else:
            scale = max(wanted, 1e-13)
            largest = max(float(unknowns.largest(point) / u.max()), 1e-300)
            amplitudes = pair_amplitude(
                system,
                self.temperature,
                sites=unknowns.free,
                method=self.method,
                tol=float(np.clip(scale / largest, 1e-12, 1e-3)),
                device=self.backend.device,
            )
            amplitude, self.error = amplitudes.values, amplitudes.error
            self.facts = {
                key: value
                for key, value in amplitudes.evidence.items()
                if key not in ("seconds", "device", "device_name", "converged")
            }
        delta = u * amplitude
        held = unknowns.held_phase != 0
        delta = np.where(held, (delta * unknowns.held_phase.conj()).real * unknowns.held_phase, delta)
        if not unknowns.is_complex:
            delta = delta.real
        shift = unknowns.unpack(point)[1]
        if unknowns.filling is not None:
            shift += (unknowns.filling - float(self.density.mean())) / unknowns.compressibility
        return unknowns.pack(delta, shift, self.density)


def _result(
    unknowns: _Unknowns,
    equation: _GapEquation,
    point: np.ndarray,
    error: float,
    converged: bool,
    normal: bool,
    temperature: float,
    history: list[float],
    state: AndersonMixing,
    start: float,
    resumed: int,
) -> Gap:
    if normal:
        point = point.copy()
        point[: unknowns.free.size * (1 + unknowns.is_complex)] = 0.0
    delta, shift, _ = unknowns.unpack(point)
    system = unknowns.system_at(point)
    method = equation.facts.get("method", "dense")
    kind = "dense" if method == "dense" else "poles"
    energy = free_energy(system, temperature, method=kind, device=equation.backend.device)
    value = energy.value
    if unknowns.hartree:  # U <n_up><n_dn> was counted once for each spin
        value += float((unknowns.system.attraction * equation.density**2).sum()) / 4
    facts = {key: value for key, value in equation.facts.items() if key not in ("method", "why", "dtype")}
    evidence = Evidence.of(
        method=method,
        why=equation.facts.get("why", ""),
        backend=equation.backend,
        dtype=equation.facts.get("dtype", "float64"),
        start=start,
        converged=converged,
        residual=history[-1],
        slowest_rate=state.slowest_rate(),
        mixing_restarts=state.restarts,
        uniform_guess=unknowns.uniform_guess,
        normal_state=normal,
        resumed_after=resumed,
        free_energy_error=energy.error,
        **facts,
    )
    return Gap(
        delta=delta,
        system=system,
        iterations=len(history),
        error=0.0 if normal else float(error),
        converged=converged,
        free_energy=value,
        temperature=temperature,
        chemical_shift=shift,
        density=equation.density,
        history=np.array(history),
        evidence=evidence,
    )


def _require_filling(filling: Any) -> float | None:
    if filling is None:
        return None
    value = real_number("filling", filling, "electrons per site, both spins")
    if not 0 < value < 2:
        raise ValueError(f"filling must lie between 0 and 2 electrons per site (both spins); got {filling!r}")
    return value


def _pinned_sites(pinned: Any, system: System) -> np.ndarray:
    if isinstance(pinned, dict):
        if set(pinned) != {"phase"}:
            raise ValueError(f"pinned as a dict must have the one key 'phase'; got {sorted(map(str, pinned))}")
        sites = require_sites(pinned["phase"], system.n_sites, "pinned['phase']")
        if not system.delta[sites].all():
            raise ValueError("pinned['phase'] holds sites where system.delta is 0 and has no phase; set it there")
        return sites
    return require_sites(pinned, system.n_sites, "pinned")


def _identity(system: System, *others: Any) -> str:
    """Return a digest of everything that the solution depends on."""
    digest = hashlib.sha256()
    matrices = [system.hamiltonian, *([] if system.pairing is None else [system.pairing])]
    arrays = [part for matrix in matrices for part in (matrix.data, matrix.indices, matrix.indptr)]
    for array in (*arrays, system.attraction, system.delta):
        digest.update(np.ascontiguousarray(array).tobytes())
    digest.update(repr([np.asarray(o).tolist() if isinstance(o, np.ndarray) else o for o in others]).encode())
    return digest.hexdigest()


def _write_checkpoint(
    path: Path, identity: str, point: np.ndarray, state: AndersonMixing, history: list[float]
) -> None:
    content = {
        "identity": identity,
        "point": point,
        "points": np.array(state.points),
        "residuals": np.array(state.residuals),
        "step": state.step,
        "best": state.best,
        "restarts": state.restarts,
        "history": np.array(history),
    }
    write_file(path, CHECKPOINT_KIND, content)


def _resume(path: Path, identity: str, state: AndersonMixing, size: int) -> tuple[np.ndarray, AndersonMixing, list]:
    _, content = read_file(path, CHECKPOINT_KIND)
    if content["identity"] != identity or content["point"].size != size:
        raise ResultFileError(
            f"{path}: is the checkpoint of another system, temperature or set of options; give another path, or "
            "remove it"
        )
    state.points, state.residuals = list(content["points"]), list(content["residuals"])
    state.step, state.best, state.restarts = content["step"], content["best"], content["restarts"]
    return content["point"], state, content["history"].tolist()


def _bar(progress: bool, total: int) -> Any:
    if not progress:
        return lambda residual, largest: None
    from tqdm import tqdm

    bar = tqdm(total=total, unit="iteration", desc="gap")

    def show(residual: float, largest: float) -> None:
        bar.set_postfix({"residual": f"{residual:.1e}", "max|Delta|": f"{largest:.6g}"})
        bar.update()

    return show
