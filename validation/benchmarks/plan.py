"""Which computations the benchmarks run and in which order, each in a process of its own."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bdg.validation.benchmarks import routes, wall_clock
from bdg.validation.benchmarks.alone import Measurement, run_alone
from bdg.validation.benchmarks.routes import Cell, Route

ONCE_FROM = 20.0  # processor seconds from which a computation is not repeated


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
    clock : tuple of `bdg.validation.benchmarks.wall_clock.Line`
        What is timed by the clock beside its peers.
    growth : tuple of (task, tuple of int)
        What is followed from edge to edge.
    sweeps : tuple of int
        Boxes of a sweep of 16 points by one worker and by two.
    large : tuple of int
        Bound states of what takes minutes.
    replays : tuple of (task, int)
        What is recorded, and scheduled on more cores than there are.
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
    clock: tuple[wall_clock.Line, ...] = wall_clock.LINES
    growth: tuple[tuple[str, tuple[int, ...]], ...] = (
        ("lanczos", (24, 32, 40, 48, 56)),
        ("poles", (16, 20, 24, 28)),
        ("expansion", (24, 32, 40, 48, 56)),
    )
    sweeps: tuple[int, ...] = (16,)
    large: tuple[int, ...] = ()
    replays: tuple[tuple[str, int], ...] = (("poles", 24), ("gap_steps", 24), ("lanczos", 32))
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
    clock=wall_clock.QUICK,
    growth=(("lanczos", (6, 8)), ("poles", (6, 8)), ("expansion", (6, 8))),
    sweeps=(6,),
    replays=(("poles", 8), ("gap_steps", 8), ("lanczos", 8)),
    repeats=1,
)
_FAR = (("poles", 32), ("gap_steps", 32), ("lanczos", 64))  # what is promised on many cores
LARGE = Plan(gaps=((32, 0.1),), large=(48, 64), replays=_FAR, repeats=1)  # what takes too long for everyday
QUICK_LARGE = Plan(gaps=((6, 0.1),), large=(6,), replays=QUICK.replays, repeats=1)
LARGE_PARTS = ("large_states", "self_consistent", "replay")

Measured = dict[tuple[int, str], Measurement]  # by size and name of the route
PARTS = (
    *("bound_states", "pair_amplitude", "density_of_states", "self_consistent", "grain_phases"),
    *("threads", "workers", "clock", "growth", "grid", "replay"),
)


def cells(plan: Plan, part: str) -> list[Cell]:
    """Return size and route of everything that a part measures."""
    if part == "bound_states":
        pairs = [(n, r) for n in plan.states for r in routes.STATES]
        pairs += [(n, r) for n in plan.states_dense for r in (routes.CERTIFIED, routes.BODGE)]
    elif part == "pair_amplitude":
        few = Route(routes.COLUMNS.name, routes.COLUMNS.task, {"n_columns": plan.n_columns})
        pairs = [(n, r) for n in plan.columns for r in (routes.POLES, few)]
        pairs += [(n, r) for n in plan.dense for r in (routes.POLES, routes.DENSE)]
    elif part == "density_of_states":
        # ours and theirs take turns inside one process, so a cell runs once
        pairs = [
            (n, Route(routes.DENSITIES, "densities", {"moments": moments, "repeats": plan.repeats}, once=True))
            for n, moments in plan.densities
        ]
    elif part == "self_consistent":
        pairs = [(n, routes.gap_route(share)) for n, share in plan.gaps]
    elif part == "grain_phases":
        pairs = [(n, r) for n in plan.clusters for r in (routes.LANDSCAPE, routes.HARMONICS)]
    elif part == "threads":
        pairs = [(n, routes.thread_route(task, threads)) for task, n in plan.threads for threads in (1, 2)]
    elif part == "workers":
        ways = [(engine, workers) for engine in wall_clock.ENGINES for workers in wall_clock.WORKERS]
        pairs = [(n, wall_clock.sweep_route(*way)) for n in plan.sweeps for way in ways]
    elif part == "clock":
        pairs = [(line.size, route) for line in plan.clock for route in line.routes]
    elif part == "growth":
        pairs = [(n, Route(f"growth: {task}", task, once=True)) for task, sizes in plan.growth for n in sizes]
    elif part == "large_states":
        pairs = [(n, wall_clock.LARGE) for n in plan.large]
    elif part == "replay":
        pairs = [(n, routes.replay_route(task)) for task, n in plan.replays]
    else:
        pairs = [(plan.grid, routes.GRID)]
    return list({(size, route.name): (size, route) for size, route in pairs}.values())


def measure(
    wanted: Sequence[Cell],
    repeats: int,
    run: Callable[..., Measurement] = run_alone,
    *,
    take: Callable[[Measurement], None] = lambda found: None,
) -> tuple[Measured, list[Measurement]]:
    """Run cells in turn, ours and theirs interleaved; return the quickest run of each, and all runs.

    Noise of a shared machine only adds time, so the quickest of a few runs is the fairest. Each run is handed to
    ``take`` as soon as it is there.
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
            take(found)
            if known is None or (not found.error and _quicker(found, known, route.clock)):
                best[size, route.name] = found
            _say(size, route.name, found)
    return best, every


def _quicker(found: Measurement, known: Measurement, clock: bool) -> bool:
    return found.seconds < known.seconds if clock else found.cpu_seconds < known.cpu_seconds


def _say(size: int, name: str, found: Measurement) -> None:
    said = found.error or f"{found.cpu_seconds:.2f} CPU s, {found.seconds:.2f} s, {found.peak_gib:.3f} GiB"
    print(f"  {size}^3 {name}: {said}", file=sys.stderr, flush=True)
