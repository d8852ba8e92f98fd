"""What the benchmarks run, by name: each task prepares a system and returns the call that is timed.

Peers get the finished matrix; this package gets the `System` and pays for everything that follows, the order of
elimination included.
"""

from __future__ import annotations

import dataclasses
import hashlib
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import LinearOperator, eigsh

import bdg
from bdg.gpu.eigen.lanczos import LanczosEngine
from bdg.validation.benchmarks import density_of_states, grid_assembly, replay, steps_by_clock, sweep
from bdg.validation.benchmarks.memory import GIB, peak_bytes, resident_bytes
from bdg.validation.benchmarks.systems import TEMPERATURE, cluster, composite, film, sandwich

STATES = 32
CRITICAL = 0.232211  # k_B Tc/t of the cube of 20^3 sites by `bdg.critical_temperature`; other sizes take it, too

PHASES = 6  # of each grain, for its Fourier terms

Call = Callable[[], Any]
Describe = Callable[[Any], dict[str, Any]]


@dataclass(frozen=True)
class Task:
    """How to prepare a call, what has to be installed for it, and whether it first runs on a tiny system."""

    prepare: Callable[..., tuple[Call, Describe]]
    package: str = ""
    warm_up: bool = True


def lanczos(size: int) -> tuple[Call, Describe]:
    """Bound states of this package, with their proof of completeness; the proof is timed inside."""
    system, counting = composite(size), _Clock()
    plain = LanczosEngine.count_below

    def count_below(engine: LanczosEngine, energy: float, within: float | None = None) -> int | None:
        with counting:
            return plain(engine, energy, within)

    def call() -> bdg.BoundStates:
        counting.base = resident_bytes()
        LanczosEngine.count_below = count_below  # type: ignore[assignment, method-assign]
        try:
            return bdg.bound_states(system, STATES, method="lanczos", device="cpu", seed=0)
        finally:
            LanczosEngine.count_below = plain  # type: ignore[method-assign]

    def describe(found: bdg.BoundStates) -> dict[str, Any]:
        return {
            "energies": np.sort(found.energies).tolist(),
            "residual": float(found.residuals.max()),
            "complete": found.complete,
            "count_cpu_seconds": counting.seconds,
            "peak_before_count_gib": counting.peak_before / GIB,
            "solves": found.evidence.get("solves"),
            "dtype": found.evidence.dtype,
        }

    return call, describe


def superlu(size: int) -> tuple[Call, Describe]:
    """``scipy.sparse.linalg.eigsh(H, k, sigma=0)`` as typed: ARPACK on SuperLU factors."""
    matrix = bdg.BdGHamiltonian(composite(size)).matrix.tocsc()
    return lambda: eigsh(matrix, STATES, sigma=0), lambda found: _eigenpairs(matrix, *found)


def pardiso(size: int, tol: float = 0.0, mtype: int = -2) -> tuple[Call, Describe]:
    """ARPACK with MKL PARDISO factors as its inverse, through pypardiso.

    ``mtype=-2``: real symmetric indefinite, Bunch-Kaufman pivots, upper triangle. ``mtype=11`` (pypardiso's own
    default): real unsymmetric LU.
    """
    import pypardiso

    matrix = bdg.BdGHamiltonian(composite(size)).matrix
    solver = pypardiso.PyPardisoSolver(mtype=mtype)
    solves = 0

    def inverse(column: np.ndarray) -> np.ndarray:
        nonlocal solves
        solves += 1
        return solver.solve(stored, column)

    stored = sp.csr_matrix(sp.triu(matrix) if mtype == -2 else matrix)
    operator = LinearOperator(matrix.shape, inverse, dtype=np.float64)

    def call() -> tuple[np.ndarray, np.ndarray]:
        solver.factorize(stored)
        return eigsh(matrix, STATES, sigma=0, OPinv=operator, tol=tol)

    return call, lambda found: {**_eigenpairs(matrix, *found), "solves": solves}


def bodge_dense(size: int) -> tuple[Call, Describe]:
    """All positive levels by ``bodge.Hamiltonian.diagonalize``: dense, complex, both spins."""
    import bodge

    system = composite(size)
    h, gap = system.hamiltonian.tocsr(), system.delta
    hamiltonian = bodge.Hamiltonian(bodge.CubicLattice((size,) * 3))
    numbers = {tuple(np.floor(place).astype(int).tolist()): row for row, place in enumerate(system.positions)}
    pairing = bodge.swave()
    with hamiltonian as (normal, anomalous):
        for site in hamiltonian.lattice.sites():
            row = numbers[tuple(site)]
            normal[site, site] = h[row, row] * bodge.σ0
            anomalous[site, site] = gap[row] * pairing(site)
        for one, other in hamiltonian.lattice.bonds():
            normal[one, other] = h[numbers[tuple(one)], numbers[tuple(other)]] * bodge.σ0

    def describe(found: Any) -> dict[str, Any]:
        positive = np.sort(found[0])[:STATES:2]  # every level once for each spin
        return {"energies": np.sort(np.concatenate([-positive, positive])).tolist(), "dtype": "complex128"}

    return lambda: hamiltonian.diagonalize(), describe


def poles(size: int, tol: float = 1e-5) -> tuple[Call, Describe]:
    """Pair amplitude on all sites by Matsubara poles and selected inversion."""
    system = composite(size)
    return lambda: bdg.pair_amplitude(system, TEMPERATURE, method="poles", tol=tol, device="cpu"), _amplitude


def columns(size: int, tol: float = 1e-5, n_columns: int = 128) -> tuple[Call, Describe]:
    """Pair amplitude on evenly spread sites by exact Chebyshev columns; the cost is proportional to their number."""
    system = composite(size)
    sites = np.unique(np.linspace(0, system.n_sites - 1, n_columns).astype(int))
    return (
        lambda: bdg.pair_amplitude(system, TEMPERATURE, sites=sites, method="chebyshev", tol=tol, device="cpu"),
        lambda found: {**_amplitude(found), "of_sites": system.n_sites},
    )


def ldos(size: int, energies: int = 4) -> tuple[Call, Describe]:
    """Local density of states on all sites at some energies."""
    system, points = composite(size), np.linspace(0.05, 0.4, energies)
    return lambda: bdg.local_density_of_states(system, points, broadening=0.02, method="green", device="cpu"), _values


def expansion(size: int, moments: int = 512) -> tuple[Call, Describe]:
    """Density of states by the expansion with 8 random vectors, this package alone."""
    system, points = composite(size), np.linspace(-5, 5, 101)
    options: dict[str, Any] = {"method": "chebyshev", "moments": moments, "vectors": 8, "seed": 0, "device": "cpu"}
    return lambda: bdg.density_of_states(system, points, **options), _values


def dense(size: int) -> tuple[Call, Describe]:
    """Pair amplitude on all sites by one dense ``eigh`` of the real matrix of dimension 2N."""
    system = composite(size)
    return lambda: bdg.pair_amplitude(system, TEMPERATURE, method="dense", device="cpu"), _amplitude


def densities(size: int, moments: int, repeats: int = 3) -> tuple[Call, Describe]:
    """Density of states beside ``kwant.kpm``, taking turns, and steps of the recursion beside a copy."""
    return lambda: density_of_states.measure(((size, moments),), repeats), lambda rows: {
        "rows": [dataclasses.asdict(row) for row in rows]
    }


def grid(size: int) -> tuple[Call, Describe]:
    """Assembly of a regular grid beside a kwant builder of the same system."""

    def call() -> dict[str, Any]:
        with warnings.catch_warnings():  # kwant says on import that it has no MUMPS, which builds nothing
            warnings.simplefilter("ignore", RuntimeWarning)
            return grid_assembly.measure(size, systems=False)

    return call, dict


def gap(size: int, share: float, critical: float = CRITICAL) -> tuple[Call, Describe]:
    """Self-consistent gap of the S/N/S cube at the temperature ``share * critical``."""
    system = sandwich(size)
    return lambda: bdg.solve_gap(system, share * critical, device="cpu"), _gap


def gap_steps(size: int, steps: int = 1, share: float = 0.1, critical: float = CRITICAL) -> tuple[Call, Describe]:
    """The first iterations of the self-consistent gap."""
    system = sandwich(size)

    def call() -> bdg.Gap:
        try:
            return bdg.solve_gap(system, share * critical, max_iterations=steps, device="cpu")
        except bdg.ConvergenceError as missed:
            assert isinstance(missed.result, bdg.Gap)
            return missed.result

    return call, _gap


def step(size: int) -> tuple[Call, Describe]:
    """A Chebyshev step by the clock, beside what the same threads copy and multiply."""
    return lambda: steps_by_clock.measure(size), dict


def kwant_kpm(size: int, moments: int = 512) -> tuple[Call, Describe]:
    """Density of states by ``kwant.kpm`` with 8 random vectors, the spectral bound given to it."""
    system, points = composite(size), np.linspace(-5, 5, 101)
    return lambda: density_of_states.by_kwant(system, points, moments, bound_given=True), lambda _: {}


def film_states(size: int, kind: str, k: int) -> tuple[Call, Describe]:
    """Bound states of a spinful film by this package, with their proof."""
    system = film(size, kind)
    return lambda: bdg.bound_states(system, k, method="lanczos", device="cpu", seed=0), lambda found: {
        "energies": np.sort(found.energies).tolist(),
        "complete": found.complete,
    }


def film_scipy(size: int, kind: str, k: int) -> tuple[Call, Describe]:
    """The same by ``eigsh(H, k, sigma=0)`` as typed."""
    matrix = bdg.BdGHamiltonian(film(size, kind)).matrix.tocsc()
    return lambda: eigsh(matrix, k, sigma=0), lambda found: _eigenpairs(matrix, *found)


def landscape(size: int) -> tuple[Call, Describe]:
    """Fourier terms in the phases of four grains from small determinants, the host integrated out once."""
    system = cluster(size)
    return (
        lambda: bdg.grain_landscape(system, TEMPERATURE, device="cpu").harmonics(range(4), points=PHASES),
        _terms,
    )


def harmonics(size: int) -> tuple[Call, Describe]:
    """The same terms from determinants of the whole system at every point of the grid."""
    system = cluster(size)
    options: dict[str, Any] = {"points": PHASES, "method": "poles", "device": "cpu"}
    return lambda: bdg.phase_harmonics(system, range(4), TEMPERATURE, **options), _terms


def replayed(size: int, of: str) -> tuple[Call, Describe]:
    """Pieces of a task on one thread, scheduled on more cores than there are."""
    options: dict[str, Any] = {"steps": 2} if of == "gap_steps" else {}
    call, _ = TASKS[of].prepare(size=size, **options)
    system = (sandwich if of == "gap_steps" else composite)(size)
    asked: dict[str, tuple[str, str, dict[str, Any]]] = {
        "poles": ("pair_amplitude", "poles", {"temperature": TEMPERATURE, "tol": 1e-5}),
        "gap_steps": ("solve_gap", "poles", {"temperature": 0.1 * CRITICAL}),
        "lanczos": ("bound_states", "lanczos", {"k": STATES}),
    }
    what, method, arguments = asked[of]
    shares = replay.held_up(system, what, method, **arguments)
    return lambda: replay.recorded(call), lambda pieces: replay.speed_ups(pieces, *shares)


TASKS = {
    "lanczos": Task(lanczos),
    "superlu": Task(superlu),
    "pardiso": Task(pardiso, "pypardiso"),
    "bodge": Task(bodge_dense, "bodge"),
    "poles": Task(poles),
    "columns": Task(columns),
    "dense": Task(dense),
    "densities": Task(densities, warm_up=False),
    "gap": Task(gap),
    "ldos": Task(ldos),
    "expansion": Task(expansion),
    "landscape": Task(landscape),
    "gap_steps": Task(gap_steps),
    "step": Task(step),
    "kwant_kpm": Task(kwant_kpm, "kwant"),
    "film": Task(film_states),
    "film_scipy": Task(film_scipy),
    "replay": Task(replayed),
    "harmonics": Task(harmonics),
    "grid": Task(grid, "kwant", warm_up=False),
    "sweep": Task(sweep.prepare, warm_up=False),
    "sweep_dask": Task(sweep.prepare, "distributed", warm_up=False),
}


class _Clock:
    """Processor time spent inside ``with`` blocks, and the memory peak beyond ``base`` when the first one began."""

    def __init__(self) -> None:
        self.seconds, self.base, self.peak_before = 0.0, 0.0, 0.0

    def __enter__(self) -> None:
        self.peak_before = self.peak_before or peak_bytes() - self.base
        self._start = time.process_time()

    def __exit__(self, *_: object) -> None:
        self.seconds += time.process_time() - self._start


def _eigenpairs(matrix: sp.spmatrix, energies: np.ndarray, vectors: np.ndarray) -> dict[str, Any]:
    residuals = np.linalg.norm(matrix @ vectors - vectors * energies, axis=0)
    return {"energies": np.sort(energies).tolist(), "residual": float(residuals.max()), "dtype": str(matrix.dtype)}


def _amplitude(found: bdg.PairAmplitude) -> dict[str, Any]:
    return {
        "sites": found.sites.tolist(),
        "values": [[value.real, value.imag] for value in found.values.tolist()],
        "error": found.error,
        **_values(found),
        "poles": found.evidence.get("poles"),
        "degree": found.evidence.get("degree"),
        "dtype": found.evidence.dtype,
    }


def _values(found: Any) -> dict[str, Any]:
    return {"digest": hashlib.sha256(found.values.tobytes()).hexdigest(), "threads": found.evidence.threads}


def _terms(found: bdg.PhaseHarmonics) -> dict[str, Any]:
    order = np.lexsort(found.orders.T)
    return {
        "amplitudes": found.amplitudes.real[order].tolist(),
        "error": found.error,
        "free_energies": found.evidence.free_energies,
        "dtype": found.evidence.dtype,
    }


def _gap(found: bdg.Gap) -> dict[str, Any]:
    return {
        "iterations": found.iterations,
        "error": found.error,
        "largest": float(abs(found.delta).max()),
        "temperature": found.temperature,
        "poles": found.evidence.get("poles", 0),
        "sums": dict(found.evidence.sums_by_accuracy),
        "restarts": found.evidence.mixing_restarts,
        "slowest_rate": found.evidence.slowest_rate,
    }
