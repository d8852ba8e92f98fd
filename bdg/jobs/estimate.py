"""How long a job will take and how much memory, before it is run."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bdg.base.errors import JobError
from bdg.base.progress import progress_bar
from bdg.base.results import Choice, Evidence, Result, quantity
from bdg.gpu.cost.calibration import rates_of
from bdg.gpu.device.backend import Backend, select_backend
from bdg.gpu.device.memory import GIB, available_bytes, memory_elsewhere
from bdg.jobs import extrapolation
from bdg.jobs.building import require_points, stated
from bdg.jobs.cores import START, Cores
from bdg.jobs.engines.dask_cluster import workforce_of
from bdg.jobs.extrapolation import StepCost, asked, cost_on_threads, extrapolated
from bdg.jobs.job import Job
from bdg.jobs.kinds import is_own
from bdg.jobs.model.kind import Step
from bdg.jobs.model.sweep import Parameters, Point
from bdg.jobs.model.workforce import Workforce
from bdg.jobs.progress import words
from bdg.lattices.arguments import whole_number
from bdg.lattices.budget import Building
from bdg.lattices.system import System

MOST_EXAMINED = 24  # points; more are taken to be like their neighbours
MOST_EXTRAPOLATED = 8  # where the systems are too large to be built for an estimate
_COUNTED_GIB = 0.5  # of a worker without a lattice


@dataclass(frozen=True, eq=False, kw_only=True)
class JobEstimate(Result):
    """What a job is expected to take; ``str()`` is a table.

    Attributes
    ----------
    seconds : float
        On the clock, with ``workers`` processes that share the ``cores``: as many threads each as are left for one.
    processor_seconds : float
        Of all points, on one thread each.
    gibibytes : float
        Of the largest point, to build it or to compute; each worker may need that much at a time.
    building_seconds : float
        To build the systems of all points, part of ``seconds`` only.
    extrapolated : str
        From which systems, where those of the job are too large to be built for an estimate; else "".
    points, examined, workers : int
        Points of the job, and how many of them were looked at.
    cores : int
        Those at hand here, or what ``BDG_THREADS`` grants.
    on_cores : array (C,) of int
        Numbers of cores, ``cores`` among them.
    seconds_on_cores : array (C,)
        The same as ``seconds`` with so many.
    steps, methods, notes : lists of str
        What a point computes, and by which method.
    step_seconds : array (S,)
        Of all points together.
    refused : str
        Why the job cannot be run like this, with what would fit; "" if it can.
    scheduler : str
        Whose workers they are; "" for processes of this machine.
    """

    name: str = quantity("name of the job")
    seconds: float = quantity("expected time", "s")
    processor_seconds: float = quantity("expected time of all points, one after the other", "s")
    gibibytes: float = quantity("expected memory of the largest point", "GiB")
    points: int = quantity("points of the job")
    examined: int = quantity("points that were looked at")
    workers: int = quantity("worker processes")
    steps: list[str] = quantity("what a point computes (S,)")
    methods: list[str] = quantity("methods of each step (S,)")
    notes: list[str] = quantity("what is assumed for each step (S,)")
    step_seconds: np.ndarray = quantity("expected time of each step, all points (S,)", "s")
    building_seconds: float = quantity("expected time of building the systems of all points", "s")
    extrapolated: str = quantity("which smaller systems the estimate was extrapolated from, empty if none")
    refused: str = quantity("why the job cannot be run like this, empty if it can")
    cores: int = quantity("cores that the workers share", before=1)
    on_cores: np.ndarray = quantity("numbers of cores (C,)", before=np.zeros(0, int))
    seconds_on_cores: np.ndarray = quantity("expected time with so many (C,)", "s", before=np.zeros(0))
    scheduler: str = quantity("scheduler whose workers were asked, empty for processes of this machine", before="")

    def __str__(self) -> str:
        """Return the steps as a table, with the totals."""
        lines = [
            f"{self.name}: {self.points} points, {self.workers} worker{'s' if self.workers > 1 else ''}{self._of()}"
        ]
        if self.examined < self.points:
            lines.append(f"  from {self.examined} points, spread evenly over the job")
        if self.extrapolated:
            lines.append(f"  EXTRAPOLATED {self.extrapolated}")
        for step, method, note, seconds in zip(self.steps, self.methods, self.notes, self.step_seconds, strict=True):
            lines.append(f"  {step:22} {method:22} {words(float(seconds)):>10}  {note}".rstrip())
        if self.building_seconds >= 1:
            lines.append(f"  {'building the systems':45} {words(self.building_seconds):>10}")
        lines.append(f"  in all about {words(self.seconds)} ({words(self.processor_seconds)} of processor time)")
        lines.append(f"  with cores: {self._on_cores()}")
        lines.append(f"  memory: {self.gibibytes:.2f} GiB for the largest point")
        factor = "three" if self.extrapolated else "two"
        lines.append(f"  {self.evidence.rates}; expect a factor of {factor}, more where levels are crowded")
        if self.refused:
            lines.append(f"  REFUSED: {self.refused}")
        return "\n".join(lines)

    def _of(self) -> str:
        """Return whose workers they are."""
        return f" of the scheduler {self.scheduler}" if self.scheduler else ""

    def _on_cores(self) -> str:
        """Return the seconds with each number of cores."""
        pairs = zip(self.on_cores, self.seconds_on_cores, strict=True)
        return ", ".join(f"{number}: {words(float(seconds))}" for number, seconds in pairs)


@dataclass
class _Sum:
    """One step over all points that were examined."""

    seconds: float
    methods: dict[str, None]
    notes: dict[str, None]


def estimate_job(
    job: Job,
    *,
    workers: int = 1,
    device: str = "auto",
    scheduler: str | None = None,
    progress: bool | None = False,
) -> JobEstimate:
    """Return what ``bdg run`` will take for a job.

    Systems of more than 5e4 sites on a grid are not built for that: what they take is extrapolated from smaller ones
    with the same keys (`bdg.jobs.extrapolation`).

    Parameters
    ----------
    scheduler : str, optional
        Address or scheduler file of a running dask scheduler: its workers are asked for their threads and memory, and
        count instead of ``workers``. Rates are those of this machine.
    progress : bool or None
        Show a bar; None: where stderr is a terminal.

    Raises
    ------
    JobError
        If the kind does not say what its points compute, or the scheduler has no workers that can be used.
    MemoryBudgetError
        If the system of a point cannot even be built; the text says what would fit.
    TypeError, ValueError
        If ``workers`` is not a whole number >= 1.
    """
    start = time.perf_counter()
    workers = whole_number("workers", workers, 1)
    force = None if scheduler is None else workforce_of(scheduler, device)
    shared = Cores.of(workers, len(job.points)) if force is None else Cores.of_workers(force, len(job.points))
    if job.kind.counted is not None:
        return _counted(job, shared, select_backend("cpu"), start)
    if job.kind.steps is None:
        cure = (
            "give the Kind a function steps (docs/extending.md)"
            if is_own(job.kind)
            else "run one point first: --set with single values"
        )
        raise JobError(
            f"{job.name}: jobs of kind {job.kind.name!r} do not say what their points compute, so nothing can be "
            f"estimated; {cure}"
        )
    backend = select_backend(device)
    require_points(job, job.points, force=force)
    with memory_elsewhere(None if force is None else force.bytes):
        found = _examined(job, device, progress, shared)
    origin = rates_of(backend).origin
    sums, per_point = found.sums, found.per_point
    scale = len(job.points) / len(per_point)
    total, building = scale * sum(per_point), scale * found.building
    each = np.array([found.on_threads[number] for number in shared.threads]) / len(per_point)
    on_cores = shared.seconds(each + building / len(job.points))
    told = Choice("cost model", "the methods that auto takes", backend)
    evidence = Evidence.of(told, dtype="float64", start=start, rates=origin)
    return JobEstimate(
        name=job.name,
        seconds=float(on_cores[shared.here]),
        processor_seconds=float(total),
        gibibytes=found.largest / GIB,
        points=len(job.points),
        examined=len(per_point),
        workers=shared.workers,
        steps=[what for what, _ in sums],
        methods=[", ".join(entry.methods) for entry in sums.values()],
        notes=["; ".join(filter(None, entry.notes)) for entry in sums.values()],
        step_seconds=scale * np.array([entry.seconds for entry in sums.values()]),
        building_seconds=float(building),
        extrapolated=found.extrapolated(),
        refused=_refusal(found, shared.crew, backend, force),
        cores=int(shared.cores[shared.here]),
        on_cores=shared.cores,
        seconds_on_cores=on_cores,
        scheduler=shared.scheduler,
        evidence=evidence,
    )


def _counted(job: Job, shared: Cores, backend: Backend, start: float) -> JobEstimate:
    """Return the estimate of a kind that counts its work itself."""
    count = job.kind.counted
    assert count is not None
    points = [list(count(point.parameters)) for point in job.points]
    sums: dict[str, _Sum] = {}
    for step in (step for point in points for step in point):
        entry = sums.setdefault(step.what, _Sum(0.0, {}, {}))
        entry.seconds += step.seconds
        entry.methods[step.method] = None
        entry.notes[step.note] = None
    each = [sum(step.seconds for step in point) for point in points]
    on_cores = START + np.maximum(sum(each) / np.minimum(shared.crew, shared.cores), max(each))  # of one thread each
    told = Choice("counted", "points have no system; what they do is counted", backend)
    return JobEstimate(
        name=job.name,
        seconds=float(on_cores[shared.here]),
        processor_seconds=float(sum(each)),
        gibibytes=_COUNTED_GIB,
        points=len(points),
        examined=len(points),
        workers=shared.workers,
        steps=list(sums),
        methods=[", ".join(entry.methods) for entry in sums.values()],
        notes=[next(iter(entry.notes)) for entry in sums.values()],
        step_seconds=np.array([entry.seconds for entry in sums.values()]),
        building_seconds=0.0,
        extrapolated="",
        refused="",
        cores=int(shared.cores[shared.here]),
        on_cores=shared.cores,
        seconds_on_cores=on_cores,
        scheduler=shared.scheduler,
        evidence=Evidence.of(told, dtype="float32", start=start, rates="counts, with times measured on one core"),
    )


@dataclass
class _Examined:
    """Sums over the points that were looked at: steps by function and method."""

    sums: dict[tuple[str, str], _Sum] = field(default_factory=dict)
    per_point: list[float] = field(default_factory=list)
    on_threads: dict[int, float] = field(default_factory=dict)  # seconds of all points by the threads of a worker
    building: float = 0.0
    largest: float = 0.0
    obstacles: list[str] = field(default_factory=list)
    large: list[float] = field(default_factory=list)  # sites of what was extrapolated

    def add(self, name: str, costs: Sequence[StepCost], threads: Sequence[int], here: int) -> None:
        """Add the steps of a point; memory counts with the threads that a worker has ``here``."""
        seconds = 0.0
        for one in costs:
            if not one.method:
                self.obstacles.append(f"{name}: {one.why}")
                continue
            entry = self.sums.setdefault((one.step.what, one.step.arguments.get("method", "auto")), _Sum(0.0, {}, {}))
            entry.seconds += one.step.times * one.seconds
            entry.methods[one.method] = None
            entry.notes[one.step.note] = None
            seconds += one.step.times * one.seconds
            for number, taken in zip(threads, one.on_threads, strict=True):
                self.on_threads[number] += one.step.times * float(taken)
            self.largest = max(self.largest, float(one.bytes[here]))
        self.per_point.append(seconds)

    def extrapolated(self) -> str:
        """Return which systems the numbers come from."""
        if not self.large:
            return ""
        low, high = min(self.large), max(self.large)
        to = f"{low:.3g}" if low == high else f"{low:.3g} to {high:.3g}"
        return f"to {to} sites from systems of at most {max(extrapolation.SAMPLES)} sites with the same keys"


def _examined(job: Job, device: str, progress: bool | None, shared: Cores) -> _Examined:
    """Look at points spread over the job, fewer of them where each is extrapolated from several systems."""
    make = job.kind.steps
    assert make is not None
    points, buildings = _stated(job, make, MOST_EXAMINED)
    if any(map(_is_large, buildings)):
        points, buildings = _stated(job, make, MOST_EXTRAPOLATED)
    geometries: dict[str, dict[str, Any]] = {}
    threads = sorted(set(shared.threads.tolist()))
    here = threads.index(shared.threads[shared.here])
    found = _Examined(on_threads=dict.fromkeys(threads, 0.0))
    large: dict[str, list[StepCost] | None] = {}  # by parameters without the seed, of which nothing depends
    bar = progress_bar(progress, "estimate", "point", points, leave=False)

    def share(system: System) -> None:
        bar.set_postfix_str(f"{system.n_sites} sites")
        _share(system, geometries)

    for point, building in zip(bar, buildings, strict=True):
        costs = None
        if building is not None and _is_large(building):
            key = _without_seed(point.parameters)
            if key not in large:
                large[key] = extrapolated(job.kind, point.parameters, building, device, share, threads)
            costs = large[key]
            found.large += [building.count] if costs is not None else []
        if costs is None:
            costs = _built(make(point.parameters), device, share, threads)
        if building is not None:
            found.building += building.seconds
            found.largest = max(found.largest, building.bytes)
        found.add(point.label or job.name, costs, threads, here)
    return found


def _stated(job: Job, make: Callable[[Parameters], Any], most: int) -> tuple[list[Point], list[Building | None]]:
    """Return points spread over the job and what the builders of their systems state.

    Kinds from elsewhere are not asked: what their keys mean is not known, so their systems are built in any case.
    """
    points = _spread(job.points, most)
    return points, [None if is_own(job.kind) else stated(make, point) for point in points]


def _without_seed(parameters: Parameters) -> str:
    system = {key: value for key, value in parameters["system"].items() if key != "seed"}
    return repr((sorted(system.items()), sorted(parameters["compute"].items())))


def _is_large(building: Building | None) -> bool:
    return building is not None and building.count > extrapolation.BUILT_UP_TO and bool(building.shape)


def _built(
    made: tuple[System, list[Step]], device: str, share: Callable[[System], None], threads: Sequence[int]
) -> list[StepCost]:
    """Return what the steps of a point take on its own system."""
    system, steps = made
    share(system)
    return [cost_on_threads(step, asked(system, step, device, threads), threads) for step in steps]


def _spread(points: Sequence[Point], most: int) -> list[Point]:
    chosen = np.unique(np.linspace(0, len(points) - 1, min(len(points), most)).round().astype(int))
    return [points[number] for number in chosen]


def _share(system: System, geometries: dict[str, dict[str, Any]]) -> None:
    """Let a system use what was made of the same positions and links before."""
    links = system.adjacency
    digest = hashlib.sha256(system.positions.tobytes())
    digest.update(links.indptr.tobytes())
    digest.update(links.indices.tobytes())
    digest.update(str(system.norbs).encode())
    known: Mapping[str, Any] = geometries.setdefault(digest.hexdigest(), system.shared)
    system.shared.update(known)


def _refusal(found: _Examined, crew: int, backend: Backend, force: Workforce | None) -> str:
    """Return why the points that were examined cannot be computed by these workers; "" if they can."""
    if found.obstacles:
        more = f" (and {len(found.obstacles) - 1} more)" if len(found.obstacles) > 1 else ""
        return f"{found.obstacles[0]}{more}"
    if force is not None:
        return force.refusal(found.largest, crew)
    available = available_bytes(backend)
    fit = int(available // found.largest) if found.largest else crew
    if fit >= crew:
        return ""
    return (
        f"{crew} workers of {found.largest / GIB:.1f} GiB each do not fit into the {available / GIB:.1f} GiB that are "
        f"left; --workers {max(1, fit)} would"
    )
