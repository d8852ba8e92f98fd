"""Andreev bound states and their proven number."""

from __future__ import annotations

import functools
import time
import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from bdg.base.arguments import require_choice, require_seed, require_system, require_window
from bdg.base.callers import caller_of
from bdg.base.errors import AccuracyWarning
from bdg.base.hamiltonian import BdGHamiltonian
from bdg.base.results import Choice, Evidence, Result, quantity
from bdg.gpu.device.backend import Backend, select_backend
from bdg.gpu.device.threads import threaded
from bdg.gpu.eigen import certified as states_of
from bdg.gpu.eigen import dense
from bdg.gpu.eigen.eigenpairs import Eigenpairs, Engine, residual_norms
from bdg.gpu.eigen.filtered import FilteredEngine
from bdg.gpu.eigen.lanczos import LanczosEngine, TakagiMatrix
from bdg.gpu.eigen.scales import Scales
from bdg.gpu.eigen.shift_invert import ShiftInvertEngine
from bdg.lattices.arguments import non_negative_number, positive_number
from bdg.lattices.system import System
from bdg.methods.symbolic import dof_order, electron_symbolic, site_symbolic, whole_symbolic
from bdg.states import choice as states_choice
from bdg.states.choice import COUNTING, METHODS, _is_whole, choose_method, require_k
from bdg.states.selection import certificate, select

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_ROUNDINGS = 10.0  # times the rounding of a product with H: what LAPACK and sums over states add
_LONGEST_RECOUNT = 100.0  # seconds that a count may take once more by another method


@dataclass(frozen=True, eq=False, kw_only=True)
class BoundStates(Result):
    """Eigenstates of the BdG Hamiltonian, sorted by |E| (ties: negative first).

    Column n of ``u`` and ``v`` belongs to ``energies[n]``; ``sum |u|^2 + |v|^2 = 1`` over sites and spins.

    Attributes
    ----------
    energies : array (k,)
        Signed, in the unit of the hopping.
    u, v : arrays (N, k), or (N, 2, k) for norbs = 2
        Electron and hole amplitudes.
    residuals : array (k,)
        ``||H psi - E psi||``.
    complete : bool
        True only if a count proves that no state was missed: of the window, or of the levels up to the largest
        returned; where ``k`` cuts a multiplet, of the levels below that one.
    count : int
        Proven number of states with |E| up to the largest returned, members of a cut multiplet included; with a
        window the number of states in it; -1 if not proven.
    """

    energies: np.ndarray = quantity("signed energies (k,), sorted by absolute value", "hopping", finite=True)
    u: np.ndarray = quantity("electron amplitudes (N, k), or (N, 2, k) for norbs = 2", finite=True)
    v: np.ndarray = quantity("hole amplitudes (N, k), or (N, 2, k) for norbs = 2", finite=True)
    residuals: np.ndarray = quantity("||H psi - E psi|| of each state (k,)", "hopping", finite=True)
    complete: bool = quantity("True only if it is proven that no state was missed")
    count: int = quantity("proven number of states with |E| <= max|energies| (in the window), -1 if not proven")

    def plot(self, ax: Any = None) -> Figure:
        """Return a Figure of the levels against their number."""
        from bdg.plots.levels import plot_levels

        return plot_levels(self.energies, self.complete, ax, energy_unit=self.energy_unit)


@dataclass(frozen=True, eq=False, kw_only=True)
class StateCount(Result):
    """Proven number of states with |E| < ``energy``; ``count`` is -1 if it is not proven."""

    energy: float = quantity("upper bound of |E|", "hopping")
    count: int = quantity("number of states with |E| < energy, -1 if not proven")

    def plot(self, ax: Any = None) -> Figure:
        """Return a Figure of the count over its interval of energies."""
        from bdg.plots.levels import plot_count

        return plot_count(self.energy, self.count, ax, energy_unit=self.energy_unit)


@threaded
def bound_states(
    system: System,
    k: int = 32,
    *,
    window: tuple[float, float] | None = None,
    method: str = "auto",
    tol: float = 1e-9,
    device: str = "auto",
    threads: int | str = "auto",
    seed: int | None = None,
    progress: bool = False,
) -> BoundStates:
    r"""Return the ``k`` states of lowest |E|, or all states in a window of energies.

    Solves ``H psi = E psi`` with ``H = [[h, D], [D^+, -hbar]]``. Levels come in pairs +-E, and both signs count.

    Parameters
    ----------
    system : System
    k : int
        Number of states, both signs counted, at most 2 s N. An even k never separates a pair +-E.
    window : (a, b), optional
        All states with a <= E <= b instead, in the unit of the hopping; ``k`` is then ignored.
    method : {"auto", "dense", "shift_invert", "lanczos", "chebyshev"}
        "lanczos" runs on multifrontal factors, in the Takagi form of half the dimension where h and D are real and
        norbs = 1; "dense" diagonalises the full matrix; "shift_invert" runs ARPACK on SuperLU factors of H and is kept
        as an independent reference; "chebyshev" filters random vectors with polynomials of H, for hundreds of states
        or where the factors for Lanczos do not fit (completeness is proven if those for a count do); where its
        subspace would be the whole space, as in small systems, all eigenstates are taken. "auto" is dense below
        dimension 500 and where k is a large part of the spectrum, else what `bdg.estimate` expects to be done first,
        "lanczos" nearly always.
    tol : float
        Largest residual ``||H psi - E psi||`` that is accepted, in the unit of the hopping, or relative to the rows of
        H where these are below one. Where rounding allows no better, that counts instead: 1e-12 of the largest row sum
        of H, or of ``|| |H| |psi| ||`` for a state among rows of very different size.
    device : {"auto", "cpu", "gpu"}
        "shift_invert" runs on the CPU only.
    threads : int or "auto"
        Of the host; "auto" takes ``BDG_THREADS``, else the cores at hand. Results do not depend on it.
    seed : int, optional
        Of the start vector; None means 0, so that calls repeat bit for bit.
    progress : bool
        Accepted for uniformity; one factorisation has no steps to show.

    Returns
    -------
    BoundStates
        ``energies`` (k,) float64, ``u`` and ``v`` (N, k), or (N, 2, k) for norbs = 2, float64 or complex128, on the
        host. ``complete`` refers to the levels below the one that ``k`` cuts, if it cuts a multiplet; the
        evidence says so.

    Warns
    -----
    AccuracyWarning
        If residuals stay above ``tol``; nothing is then said to be complete.

    Raises
    ------
    TypeError, ValueError
        If k is no whole number from 1 to 2 s N, the window is not a pair a < b, or the method is not available.
    MemoryBudgetError
        If a dense matrix does not fit.
    BackendUnavailableError
        If ``device="gpu"`` and no GPU can be used.

    References
    ----------
    P. G. de Gennes, Superconductivity of Metals and Alloys (1966), chapter 5. Inertia: J. J. Sylvester (1852);
    spectrum slicing: B. N. Parlett, The Symmetric Eigenvalue Problem (1980), chapter 3.

    Examples
    --------
    >>> import bdg
    >>> from bdg.lattices import Layer, stack
    >>> junction = stack([Layer(40, delta=0.3), Layer(10), Layer(40, delta=0.3)])
    >>> states = bdg.bound_states(junction, 4)
    >>> print(abs(states.energies).round(3), states.complete)  # two Andreev levels and their mirror images
    [0.182 0.182 0.182 0.182] True
    >>> turned = bdg.bound_states(junction.with_phases({1: 3.14159}), 4)
    >>> print(abs(turned.energies).round(3))  # one of them close to zero, the other one to the gap
    [0.018 0.018 0.298 0.298]
    """
    start = time.perf_counter()
    dimension = 2 * require_system(system).norbs * system.n_sites
    require_choice("method", method, METHODS)
    positive_number("tol", tol, "unit of the hopping")
    interval = None if window is None else require_window(window)
    if interval is None:
        k = require_k(k, dimension)
    seed = require_seed(seed)
    hamiltonian = BdGHamiltonian(system)
    scales = Scales.of(hamiltonian.matrix)
    allowed = scales.tolerance(tol)
    about = k if interval is None else max(1, states_choice.levels_between(hamiltonian, *interval))
    choice = choose_method(method, device, hamiltonian, about)
    found = _searched(choice, hamiltonian, k, interval, allowed, seed)
    widths = _widths(scales, found)
    wanted = k if interval is None else None
    chosen, energies = select(found.energies, wanted, interval, widths)
    width = float(widths[chosen].max(initial=0.0))
    complete, count, note = certificate(found, energies, wanted, interval, widths, width)
    states = found.vectors[:, chosen]
    residuals = residual_norms(hamiltonian.matrix, states, energies)
    inaccurate = residuals > np.maximum(allowed, _ROUNDINGS * scales.rounding(energies, states))
    if inaccurate.any():
        complete, count = False, -1
        note = f"not proven: {np.count_nonzero(inaccurate)} residuals are above tol, up to {residuals.max():.1e}"
        warnings.warn(
            f"bound_states: {note} (tol = {allowed:.1e}). The energies are within the residuals of true levels, but "
            "nothing is proven about their number; take another method ('lanczos', 'dense'), or a larger tol",
            AccuracyWarning,
            stacklevel=caller_of()[1],
        )
    evidence = Evidence.of(
        choice,
        dtype=hamiltonian.dtype,
        start=start,
        completeness=note,
        counted_at=list(found.interval),
        max_residual=float(residuals.max()) if residuals.size else 0.0,
        converged=not inaccurate.any(),
        seed=seed,
        **found.facts,
    )
    half = dimension // 2
    shape = (system.n_sites, states.shape[1]) if system.norbs == 1 else (system.n_sites, 2, states.shape[1])
    return BoundStates(
        energies=energies,
        u=states[:half].reshape(shape),
        v=states[half:].reshape(shape),
        residuals=residuals,
        complete=complete,
        count=count,
        evidence=evidence,
        units=system.units,
    )


@threaded
def count_states(
    system: System,
    energy: float,
    *,
    method: str = "auto",
    device: str = "auto",
    threads: int | str = "auto",
    seed: int | None = None,
    progress: bool = False,
) -> StateCount:
    """Return the proven number of states with |E| < ``energy``.

    By Sylvester's law of inertia ``count = 2 n(H < energy) - 2 s N``, with the negative pivots of factors of
    ``H - energy`` without row exchanges ("lanczos": multifrontal, or SuperLU where these prove nothing;
    "shift_invert": SuperLU), or by all eigenvalues ("dense").

    Parameters
    ----------
    system : System
    energy : float
        In the unit of the hopping, >= 0.
    method : {"auto", "dense", "shift_invert", "lanczos"}
        As for `bound_states`.
    device : {"auto", "cpu", "gpu"}
        "shift_invert" runs on the CPU only.
    threads : int or "auto"
        Of the host; "auto" takes ``BDG_THREADS``, else the cores at hand. Results do not depend on it.
    seed, progress
        Without influence; accepted for uniformity.

    Returns
    -------
    StateCount
        ``count`` is -1 if it is not proven, with every method where a level lies at ``energy`` to rounding; the
        evidence holds the distance of the nearest level ("dense") or the measured contraction of the factors.

    Raises
    ------
    TypeError, ValueError
        If the energy is no finite number >= 0, or the method is not available.
    MemoryBudgetError
        If a dense matrix does not fit.
    BackendUnavailableError
        If ``device="gpu"`` and no GPU can be used.

    References
    ----------
    Inertia: J. J. Sylvester (1852); spectrum slicing: B. N. Parlett, The Symmetric Eigenvalue Problem (1980), chapter
    3.

    Examples
    --------
    >>> import bdg
    >>> from bdg.lattices import Layer, stack
    >>> junction = stack([Layer(40, delta=0.3), Layer(10), Layer(40, delta=0.3)])
    >>> print(bdg.count_states(junction, 0.25).count)  # Andreev levels in the gap, at +E and at -E
    4
    """
    start = time.perf_counter()
    require_system(system)
    require_choice("method", method, COUNTING)
    require_seed(seed)
    energy = non_negative_number("energy", energy, "unit of the hopping")
    hamiltonian = BdGHamiltonian(system)
    dimension = hamiltonian.shape[0]
    choice = choose_method(method, device, hamiltonian, 0)
    facts: dict[str, Any] = {}
    if not energy:
        count, choice = 0, replace(choice, why="no state has |E| < 0")
    elif choice.method == "dense":
        found = _dense(hamiltonian, choice.backend, None)
        distances = abs(abs(found.energies) - energy)
        at_a_level = distances <= _widths(Scales.of(hamiltonian.matrix), found)
        count = -1 if at_a_level.any() else int(np.count_nonzero(abs(found.energies) < energy))
        facts["nearest_level"] = float(distances.min())
    else:
        engine = _engine(choice.method, hamiltonian, choice.backend)
        below = engine.count_below(energy)
        facts = {**engine.facts}
        if below is None:
            below, facts["moved_to"] = _agreeing_neighbours(engine, energy)
        count = -1 if below is None else 2 * below - dimension
    evidence = Evidence.of(choice, dtype=hamiltonian.dtype, start=start, **facts)
    return StateCount(energy=energy, count=count, evidence=evidence, units=system.units)


def _searched(
    choice: Choice,
    hamiltonian: BdGHamiltonian,
    k: int,
    interval: tuple[float, float] | None,
    tol: float,
    seed: int,
) -> Eigenpairs:
    """Return what the method finds of the ``k`` lowest states, or of those in the interval."""
    method, backend = choice.method, choice.backend
    whole = method == "chebyshev" and _is_whole(k if interval is None else 1, hamiltonian.shape[0])
    if method == "dense" or whole:
        found = _dense(hamiltonian, backend, interval)
        if whole:
            found.facts.update(whole_space=True, subspace="fills the whole space: all eigenstates, nothing filtered")
        return found
    engine = _engine(method, hamiltonian, backend)
    if interval is None:
        return states_of.lowest(engine, k, tol, seed)
    return states_of.inside(engine, *interval, tol, seed)


def _engine(method: str, hamiltonian: BdGHamiltonian, backend: Backend) -> Engine:
    system = hamiltonian.system
    if method == "shift_invert":
        return ShiftInvertEngine(hamiltonian.matrix, dof_order(system), hamiltonian.particle_hole_partner)
    if method == "chebyshev":
        factors = functools.cache(lambda: _engine("lanczos", hamiltonian, backend))
        matrix, partner = hamiltonian.matrix, hamiltonian.particle_hole_partner
        return FilteredEngine(
            matrix, system.norbs, partner, backend, lambda energy, within=None: factors().count_below(energy, within)
        )
    takagi = None
    if system.norbs == 1 and hamiltonian.dtype.kind != "c":
        matrix = sp.csr_matrix(system.hamiltonian + 1j * system.pairing_block)
        takagi = TakagiMatrix(matrix, lambda: site_symbolic(system, backend))
    return LanczosEngine(
        hamiltonian.matrix,
        lambda: whole_symbolic(system, backend),
        hamiltonian.particle_hole_partner,
        backend,
        takagi,
        half=(lambda: electron_symbolic(system, backend)) if system.norbs == 2 else None,
        recount=lambda energy: _count_by_superlu(hamiltonian, energy),
    )


def _dense(hamiltonian: BdGHamiltonian, backend: Backend, interval: tuple[float, float] | None) -> Eigenpairs:
    energies, vectors = dense.eigh(hamiltonian.matrix, backend)
    searched = (-np.inf, np.inf) if interval is None else interval
    residuals = residual_norms(hamiltonian.matrix, vectors, energies)
    return Eigenpairs(energies, vectors, residuals, energies.size, searched, {})


def _widths(scales: Scales, found: Eigenpairs) -> np.ndarray:
    """Return how far each energy may be off: by rounding, and where rows differ by orders also by its residual."""
    widths = _ROUNDINGS * scales.rounding(found.energies, found.vectors)
    return np.maximum(widths, found.residuals) if scales.wide else widths


def _agreeing_neighbours(engine: Engine, energy: float) -> tuple[int | None, list[float]]:
    """Return the count just below and above ``energy`` if both are proven and equal: then it holds at ``energy``.

    Each may be uncertain by the levels within half the step, which reaches neither ``energy`` nor beyond it.
    """
    step = 1e-8 * max(energy, 1e-3 * engine.scales.level)
    for factor in (1, 10, 100):
        pair = [energy - factor * step, energy + factor * step]
        lower, upper = (engine.count_below(at, 0.5 * factor * step) for at in pair)
        if lower is not None and upper is not None:
            return (lower, pair) if lower == upper else (None, pair)
    return None, []


def _count_by_superlu(hamiltonian: BdGHamiltonian, energy: float) -> int | None:
    """Return the number of levels below ``energy`` by SuperLU, where that is affordable.

    Its pivots are single numbers: beside a large multiplet of a clean lattice it loses less than factors in blocks.
    """
    option = states_choice.bound_states_options(hamiltonian, 0, [select_backend("cpu")], ("shift_invert",))[0]
    if not (option.feasible and option.seconds < _LONGEST_RECOUNT):
        return None
    return _engine("shift_invert", hamiltonian, select_backend("cpu")).count_below(energy)
