"""Ways to a result that the benchmarks compare: a task with options, and what tables call it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


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
STATES = (CERTIFIED, SUPERLU, PARDISO, PARDISO_LOOSE, PARDISO_LU)
BODGE = Route("bodge `diagonalize` (dense, both spins)", "bodge")

POLES = Route("this package, all sites (poles)", "poles")
COLUMNS = Route("exact Chebyshev columns", "columns")
DENSE = Route("one dense `eigh`", "dense")

LANDSCAPE = Route("this package, host integrated out", "landscape")
HARMONICS = Route("determinants of the whole system", "harmonics")

GRID = Route("grid", "grid")

DENSITIES = "density of states"

GAP = "self-consistent gap"

Cell = tuple[int, Route]  # sites an axis, and how


def thread_route(task: str, threads: int) -> Route:
    """Return the route to what a task gives on some threads."""
    return Route(f"{task}, {threads} threads", task, threads=threads, clock=True)


def gap_route(share: float) -> Route:
    """Return the route to the self-consistent gap at a share of Tc."""
    return Route(f"{GAP}, {share:g} Tc", "gap", {"share": share})


def replay_route(task: str) -> Route:
    """Return the route to the recorded tasks of what a task computes on one thread."""
    return Route(f"replay: {task}", "replay", {"of": task}, once=True)
