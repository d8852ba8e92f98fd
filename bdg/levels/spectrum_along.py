r"""Levels followed along a parameter: which level continues which is decided by the overlaps of their states.

Between neighbouring values ``P_mn = |<psi_m|psi'_n>|^2``; of degenerate levels only subspaces have a meaning, so
``P_mn = ||A^+ B||_F^2 / min(dim A, dim B)`` with A the span of the levels that have never been
apart from m so far, B the multiplet of n. An optimal assignment of P joins the levels; inside a multiplet the basis
nearest to the states that enter it (Loewdin) is taken, so that levels leave an accidental crossing on a value as
they entered it. Where an overlap is no clear majority, or two levels have changed places, values are inserted: levels
of equal symmetry are then seen to avoid each other, others to cross.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bdg.base.arguments import require_seed, require_system
from bdg.base.hamiltonian import BdGHamiltonian
from bdg.base.progress import progress_bar
from bdg.base.results import Choice, Evidence, Result, quantity
from bdg.gpu.device.backend import select_backend
from bdg.gpu.device.threads import threaded
from bdg.gpu.eigen.scales import level_scales
from bdg.lattices.arguments import positive_number, whole_number
from bdg.lattices.system import System
from bdg.levels.continuation import Following, Point
from bdg.states.bound_states import BoundStates, bound_states
from bdg.states.choice import require_k
from bdg.states.multiplets import at_the_end, multiplets, state_widths

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RESOLUTION = 1e-7  # of the scale of the levels: closer ones count as crossing
SAME_DISTANCE = 1e-9  # relative: levels as far from zero as this are mirror images
MOST_SHOWN = 20  # entries of a list in the evidence


@dataclass(frozen=True, eq=False, kw_only=True)
class LevelCurves(Result):
    """Levels along a parameter, each column one level followed by its state.

    Attributes
    ----------
    values : array (V,)
    energies : array (V, k)
        The k followed levels that come closest to E = 0, in the order of their energy where they are first seen; nan
        where a level lies outside the computed states.
    overlaps : array (V, k)
        Least squared overlap of the level with itself on the way from the value before (inserted values included); 1
        in the first row of a level, nan where its energy is.
    minigap : array (V,)
        Smallest |E| at each value, whether followed or not.
    complete : array (V,) of bool
        True where it is proven that no state below the highest computed was missed.
    fine_values, fine_energies : arrays (W,), (W, k)
        The same with all inserted values.
    crossings : array (C, 2)
        Value and energy of the crossings that were resolved: two or more followed levels nearer than ``resolution``
        there, and apart before and after.
    """

    values: np.ndarray = quantity("values of the parameter (V,)", "of the parameter")
    energies: np.ndarray = quantity("levels (V, k), nan where outside the computed states", "hopping")
    overlaps: np.ndarray = quantity("least squared overlap with the value before (V, k)")
    minigap: np.ndarray = quantity("smallest |E| (V,)", "hopping")
    complete: np.ndarray = quantity("True where no state was missed (V,)")
    fine_values: np.ndarray = quantity("all values, inserted ones included (W,)", "of the parameter")
    fine_energies: np.ndarray = quantity("levels at all values (W, k)", "hopping")
    crossings: np.ndarray = quantity("value and energy of resolved crossings (C, 2)", "of the parameter, hopping")

    def plot(self, ax: Any = None) -> Figure:
        """Return a Figure of the followed levels, one colour each, and the minigap."""
        from bdg.plots.levels import plot_level_curves

        fine = self.fine_values, self.fine_energies
        return plot_level_curves(self.values, self.minigap, *fine, self.crossings, ax, energy_unit=self.energy_unit)


@threaded
def spectrum_along(
    system: System,
    values: Sequence[float] | np.ndarray,
    change: Callable[[System, float], System],
    k: int = 16,
    *,
    refine: int = 16,
    resolution: float | None = None,
    method: str = "auto",
    tol: float = 1e-9,
    device: str = "auto",
    threads: int | str = "auto",
    seed: int | None = None,
    progress: bool = False,
) -> LevelCurves:
    r"""Return the levels near E = 0 along a parameter, each followed by its state.

    The level n at one value that continues m at the value before is the one of largest overlap, in an optimal
    assignment of all of them:

    .. math:: P_{mn} = |\langle \psi_m | \psi'_n \rangle|^2, \qquad
              P_{mn} = \lVert A^\dagger B \rVert_F^2 / \min(\dim A, \dim B)

    the latter for subspaces A and B of degenerate levels.

    Parameters
    ----------
    system : System
    values : sequence of float (V,)
        Strictly monotonic.
    change : function
        ``change(system, value)`` returns the system at a value, on the same sites and in a gauge that changes smoothly:
        ``lambda system, phi: system.with_phases({1: phi})``, for instance. It is also called between the values.
    k : int
        Levels to follow, both signs counted. Some more are computed at each value, so that levels may leave and
        enter; the k that come closest to E = 0 anywhere are returned.
    refine : int
        Most values inserted between two given ones; 0 inserts none.
    resolution : float, optional
        Levels closer than this are taken to cross, in the unit of the hopping. Default: 1e-7 of the
        size of the terms that the energies of the states at the first value are the sum of.
    method : {"auto", "dense", "shift_invert", "lanczos", "chebyshev"}
        As for `bdg.bound_states`, at each value.
    tol : float
        Largest residual that is accepted, as for `bdg.bound_states`.
    device : {"auto", "cpu", "gpu"}
        "shift_invert" runs on the CPU only.
    threads : int or "auto"
        Of the host; "auto" takes ``BDG_THREADS``, else the cores at hand. Results do not depend on it.
    seed : int, optional
        Of the start vectors; None means 0.
    progress : bool
        Show a bar over the values.

    Returns
    -------
    LevelCurves
        ``energies`` (V, k) and ``overlaps`` (V, k), float64, energies in the unit of the hopping, on the host. The
        evidence says how many values were inserted, how many levels entered or left, and lists the steps where
        an overlap was no clear majority even so (``unresolved``).

    Raises
    ------
    ValueError
        If values are not strictly monotonic, k or another number is out of range, or ``change`` changes the number of
        sites.
    TypeError
        If ``change`` is not a function, or returns no `System`; if k or ``refine`` is no whole number.
    MemoryBudgetError
        If a dense matrix does not fit.
    BackendUnavailableError
        If ``device="gpu"`` and no GPU can be used.

    References
    ----------
    P. O. Loewdin, J. Chem. Phys. 18, 365 (1950); H. W. Kuhn, Naval Research Logistics 2, 83 (1955).

    Examples
    --------
    >>> import numpy as np
    >>> import bdg
    >>> from bdg.lattices import Layer, stack
    >>> junction = stack([Layer(20, delta=0.3), Layer(4), Layer(20, delta=0.3)])
    >>> def turned(system, phase):
    ...     return system.with_phases({1: phase})
    >>> curves = bdg.spectrum_along(junction, np.linspace(0, np.pi, 5), turned, 2)
    >>> print(curves.minigap.round(2))  # all but closed at pi
    [0.26 0.21 0.14 0.08 0.03]
    """
    start = time.perf_counter()
    require_system(system)
    seed = require_seed(seed)
    grid = require_values(values)
    k = require_k(k, 2 * system.norbs * system.n_sites)
    refine, resolution = require_following(refine, change, resolution)
    computed = computed_states(k, 2 * system.norbs * system.n_sites)
    solver = _Solver(system, change, computed, {"method": method, "tol": tol, "device": device, "seed": seed})
    width = solver.scale_at(float(grid[0])) * RESOLUTION if resolution is None else resolution
    following = Following(solver, k, width, refine)
    for value in progress_bar(progress, "spectrum", "value", grid):
        following.advance(float(value))
    return _result(following, grid, k, solver, width, start)


class _Solver:
    """The states near E = 0 at a value of the parameter."""

    def __init__(self, system: System, change: Callable[[System, float], System], k: int, options: dict[str, Any]):
        self._system, self._change, self._k, self._options = system, change, k, options
        self.units, self.calls = system.units, 0
        self.choice = Choice("none", "", select_backend("cpu"))  # of the first value
        self._known: tuple[float, System, BoundStates] | None = None  # solved for its scale, and not yet asked for

    def scale_at(self, value: float) -> float:
        """Return the median scale of the levels at a value."""
        system, states = self._solved(value)
        self._known = value, system, states
        return float(np.median(level_scales(BdGHamiltonian(system).matrix, _columns(states))))

    def __call__(self, value: float) -> Point:
        known, self._known = self._known, None
        system, states = known[1:] if known is not None and known[0] == value else self._solved(value)
        vectors = _columns(states)
        whole = np.arange(states.energies.size)
        if 0 <= whole.size < states.count:
            whole = _whole_levels(states, state_widths(BdGHamiltonian(system).matrix, vectors, states.residuals))
        order = whole[np.argsort(states.energies[whole], kind="stable")]
        return Point(value, states.energies[order], vectors[:, order], bool(states.complete))

    def _solved(self, value: float) -> tuple[System, BoundStates]:
        system = changed_system(self._system, self._change, value)
        states = bound_states(system, self._k, **self._options)
        if not self.calls:
            made = states.evidence
            self.choice = Choice(made.method, made.why, select_backend(made.device))
        self.calls += 1
        return system, states


def _columns(states: BoundStates) -> np.ndarray:
    size = states.energies.size
    return np.concatenate([states.u.reshape(-1, size), states.v.reshape(-1, size)])


def _whole_levels(states: BoundStates, widths: np.ndarray) -> np.ndarray:
    """Return which states do not belong to a multiplet that k cuts: of such a one, any part may have been computed."""
    kept = np.flatnonzero(~at_the_end(states.energies, widths))
    return kept if kept.size else np.arange(states.energies.size)


def changed_system(system: System, change: Callable[[System, float], System], value: float) -> System:
    """Return the system at a value, on the same sites."""
    changed = change(system, float(value))
    if not isinstance(changed, System):
        raise TypeError(f"change must return a System; change(system, {value:g}) gave {type(changed).__name__}")
    if (changed.n_sites, changed.norbs) != (system.n_sites, system.norbs):
        raise ValueError(
            f"change must keep the sites: the system has {system.n_sites} with norbs = {system.norbs}, change(system, "
            f"{value:g}) has {changed.n_sites} with norbs = {changed.norbs}"
        )
    return changed


def computed_states(k: int, dimension: int) -> int:
    """Return how many states are computed at each value, so that levels may leave and enter."""
    return min(k + 2 * max(2, k // 4), dimension)


def require_following(refine: Any, change: Any, resolution: Any) -> tuple[int, float | None]:
    """Return the values that may be inserted and the resolution once it is clear that ``change`` is a function."""
    refine = whole_number("refine", refine, 0, unit="values put in between")
    if not callable(change):
        raise TypeError(f"change must be a function of a system and a value; got {type(change).__name__}")
    if resolution is not None:
        resolution = positive_number("resolution", resolution, "unit of the hopping")
    return refine, resolution


def require_values(values: Any) -> np.ndarray:
    """Return strictly monotonic values (V,)."""
    grid = np.asarray(values, dtype=float)
    if grid.ndim != 1 or grid.size < 2 or not np.isfinite(grid).all():
        raise ValueError(f"values must be at least two finite numbers; got {values!r:.80}")
    steps = np.diff(grid)
    if not ((steps > 0).all() or (steps < 0).all()):
        raise ValueError("values must be strictly monotonic, so that each level has one before and one after")
    return grid


def _result(following: Following, grid: np.ndarray, k: int, solver: _Solver, width: float, start: float) -> LevelCurves:
    fine, every, steps = following.table()
    given = np.searchsorted(fine, grid) if grid[0] < grid[-1] else fine.size - 1 - np.searchsorted(fine[::-1], grid)
    chosen = _nearest_to_zero(every, k)
    energies, overlaps = every[:, chosen], np.full((grid.size, chosen.size), np.nan)
    for row, index in enumerate(given):
        first = given[row - 1] + 1 if row else 0
        piece = steps[first : index + 1][:, chosen]
        overlaps[row] = np.where(np.isfinite(energies[index]), np.min(piece, axis=0), np.nan)
    seen = np.isfinite(every[given])
    evidence = Evidence.of(
        solver.choice,
        dtype=every.dtype,
        start=start,
        solves=solver.calls,
        inserted=int(fine.size - grid.size),
        resolution=width,
        computed_at_each_value=int(following.most),
        levels_seen=int(every.shape[1]),
        levels_entered=int(np.count_nonzero(~seen[0] & seen.any(axis=0))),
        levels_left=int(np.count_nonzero(~seen[-1] & seen.any(axis=0))),
        unresolved=[[float(a), float(b), float(p)] for a, b, p in following.unresolved[:MOST_SHOWN]],
        unresolved_steps=len(following.unresolved),
        least_overlap=float(np.nanmin(overlaps)),
    )
    return LevelCurves(
        values=grid,
        energies=energies[given],
        overlaps=overlaps,
        minigap=np.array([following.minigap[value] for value in grid]),
        complete=np.array([following.complete[value] for value in grid]),
        fine_values=fine,
        fine_energies=energies,
        crossings=following.crossings_of(chosen),
        evidence=evidence,
        units=solver.units,
    )


def _nearest_to_zero(energies: np.ndarray, k: int) -> np.ndarray:
    """Return the k columns whose levels come closest to zero, in the order of their first energies.

    Of mirror images at equal distance both signs are taken in turn, so that an even k keeps the pairs +-E together.
    """
    nearest = np.nanmin(abs(energies), axis=0)
    for group in multiplets(nearest, SAME_DISTANCE * nearest):
        nearest[group] = nearest[group].mean()
    first = np.argmax(np.isfinite(energies), axis=0)
    begins = energies[first, np.arange(first.size)]
    turn = np.empty(nearest.size)
    for side in (begins < 0, begins >= 0):
        turn[np.flatnonzero(side)[np.argsort(nearest[side], kind="stable")]] = np.arange(np.count_nonzero(side))
    chosen = np.lexsort((turn, nearest))[:k]
    return chosen[np.lexsort((begins[chosen], first[chosen]))]
