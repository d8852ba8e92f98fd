"""Which computations the benchmarks run and in which order, each in a process of its own."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from bdg.validation.benchmarks.alone import Measurement, run_alone

ONCE_FROM = 20.0  # processor seconds from which a computation is not repeated


@dataclass(frozen=True)
class Route:
    """One way to a result: a task with options, what tables call it, whether it repeats itself, and threads.

    ``clock``: of several runs the one that ended first counts, not that of least processor time.
    """

    name: str
    task: str
    options: dict[str, Any] = field(default_factory=dict)
    once: bool = False
    threads: int = 1
    clock: bool = False


CERTIFIED = Route("this package, proven complete", "lanczos")
UNPROVEN = "this package, proof left out"  # the same run without the time of its inertia count
SUPERLU = Route("SciPy `eigsh(H, 32, sigma=0)` (SuperLU)", "superlu")
PARDISO = Route("ARPACK on MKL PARDISO (LDL^T), `tol=0`", "pardiso", {"tol": 0.0})
PARDISO_LOOSE = Route("ARPACK on MKL PARDISO (LDL^T), `tol=1e-9`", "pardiso", {"tol": 1e-9})
PARDISO_LU = Route("ARPACK on MKL PARDISO as pypardiso has it (LU)", "pardiso", {"tol": 1e-9, "mtype": 11})
BODGE = Route("bodge `diagonalize` (dense, both spins)", "bodge")

POLES = Route("this package, all sites (poles)", "poles")
COLUMNS = Route("exact Chebyshev columns", "columns")
DENSE = Route("one dense `eigh`", "dense")

LANDSCAPE = Route("this package, host integrated out", "landscape")
HARMONICS = Route("determinants of the whole system", "harmonics")

GRID = Route("grid", "grid")

DENSITIES = "density of states"

GAP = "self-consistent gap"


@dataclass(frozen=True)
class Plan:
    """Sizes (sites an axis) of every part.

    Attributes
    ----------
    states : tuple of int
        Bound states by sparse solvers.
    states_dense : tuple of int
        Bound states by a dense peer.
    columns, dense : tuple of int
        Pair amplitude against exact columns, and against one full diagonalisation.
    n_columns : int
        Columns that are measured.
    clusters : tuple of int
        Fourier terms in the phases of four grains.
    grid : int
    densities : tuple of (int, int)
        Edge and Chebyshev moments for the density of states.
    threads : tuple of (task, int)
        What runs on one thread and on two, and its edge.
    gaps : tuple of (int, float)
        Edge and share of Tc for the self-consistent gap.
    repeats : int
        Runs of computations that take less than 20 s; the quickest counts.
    """

    states: tuple[int, ...] = (16, 24, 32)
    states_dense: tuple[int, ...] = (8, 10)
    columns: tuple[int, ...] = (12, 16, 20)
    dense: tuple[int, ...] = (8, 10)
    n_columns: int = 128
    clusters: tuple[int, ...] = (12,)
    grid: int = 100
    densities: tuple[tuple[int, int], ...] = ((16, 2048), (24, 512), (32, 512))
    gaps: tuple[tuple[int, float], ...] = ((20, 0.1), (20, 0.95))
    threads: tuple[tuple[str, int], ...] = (
        *(("poles", 20), ("poles", 24), ("ldos", 16), ("ldos", 20)),
        *(("expansion", 32), ("expansion", 48)),
    )
    repeats: int = 3


QUICK = Plan(
    states=(8,),
    states_dense=(4,),
    columns=(6,),
    dense=(6,),
    n_columns=8,
    clusters=(6,),
    grid=10,
    densities=((6, 64),),
    gaps=((6, 0.1), (6, 0.5)),
    threads=(("poles", 6), ("ldos", 6), ("expansion", 6)),
    repeats=1,
)
LARGE = Plan(gaps=((32, 0.1),), repeats=1)  # what takes too long for everyday
QUICK_LARGE = Plan(gaps=((6, 0.1),), repeats=1)
LARGE_PARTS = ("self_consistent",)

Cell = tuple[int, Route]  # sites an axis, and how
Measured = dict[tuple[int, str], Measurement]  # by size and name of the route
PARTS = ("bound_states", "pair_amplitude", "density_of_states", "self_consistent", "grain_phases", "threads", "grid")


def thread_route(task: str, threads: int) -> Route:
    """Return the route to what a task gives on some threads."""
    return Route(f"{task}, {threads} threads", task, threads=threads, clock=True)


def gap_route(share: float) -> Route:
    """Return the route to the self-consistent gap at a share of Tc."""
    return Route(f"{GAP}, {share:g} Tc", "gap", {"share": share})


def cells(plan: Plan, part: str) -> list[Cell]:
    """Return size and route of everything that a part measures."""
    if part == "bound_states":
        pairs = [(n, r) for n in plan.states for r in (CERTIFIED, SUPERLU, PARDISO, PARDISO_LOOSE, PARDISO_LU)]
        pairs += [(n, r) for n in plan.states_dense for r in (CERTIFIED, BODGE)]
    elif part == "pair_amplitude":
        few = Route(COLUMNS.name, COLUMNS.task, {"n_columns": plan.n_columns})
        pairs = [(n, r) for n in plan.columns for r in (POLES, few)]
        pairs += [(n, r) for n in plan.dense for r in (POLES, DENSE)]
    elif part == "density_of_states":
        # ours and theirs take turns inside one process, so a cell runs once
        pairs = [
            (n, Route(DENSITIES, "densities", {"moments": moments, "repeats": plan.repeats}, once=True))
            for n, moments in plan.densities
        ]
    elif part == "self_consistent":
        pairs = [(n, gap_route(share)) for n, share in plan.gaps]
    elif part == "grain_phases":
        pairs = [(n, r) for n in plan.clusters for r in (LANDSCAPE, HARMONICS)]
    elif part == "threads":
        pairs = [(n, thread_route(task, threads)) for task, n in plan.threads for threads in (1, 2)]
    else:
        pairs = [(plan.grid, GRID)]
    return list({(size, route.name): (size, route) for size, route in pairs}.values())


def measure(
    wanted: Sequence[Cell], repeats: int, run: Callable[..., Measurement] = run_alone
) -> tuple[Measured, list[Measurement]]:
    """Run cells in turn, ours and theirs interleaved; return the quickest run of each, and all runs.

    Noise of a shared machine only adds time, so the quickest of a few runs is the fairest.
    """
    best: Measured = {}
    every: list[Measurement] = []
    for turn in range(repeats):
        for size, route in wanted:
            known = best.get((size, route.name))
            if turn and (route.once or known is None or known.error or known.cpu_seconds > ONCE_FROM):
                continue
            more = {"threads": route.threads} if route.threads > 1 else {}
            found = run(route.task, size=size, **more, **route.options)
            every.append(found)
            if known is None or (not found.error and _quicker(found, known, route.clock)):
                best[size, route.name] = found
            _say(size, route.name, found)
    return best, every


def _quicker(found: Measurement, known: Measurement, clock: bool) -> bool:
    return found.seconds < known.seconds if clock else found.cpu_seconds < known.cpu_seconds


def _say(size: int, name: str, found: Measurement) -> None:
    said = found.error or f"{found.cpu_seconds:.2f} CPU s, {found.seconds:.2f} s, {found.peak_gib:.3f} GiB"
    print(f"  {size}^3 {name}: {said}", file=sys.stderr, flush=True)
