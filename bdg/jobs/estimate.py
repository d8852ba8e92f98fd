"""How long a job will take and how much memory, before it is run."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bdg.errors import JobError
from bdg.gpu.backend import select_backend
from bdg.gpu.calibration import assuming, rates_of, rates_of_one_thread
from bdg.gpu.memory import GIB, available_bytes
from bdg.jobs.config import Job
from bdg.jobs.progress import words
from bdg.jobs.steps import steps_of
from bdg.jobs.sweep import Point
from bdg.jobs.worker import WORKER_ENVIRONMENT
from bdg.lattices.system import System
from bdg.results import Evidence, Result, quantity

MOST_EXAMINED = 24  # points; more are taken to be like their neighbours
_START = 1.5  # seconds until a worker is ready


@dataclass(frozen=True, eq=False, kw_only=True)
class JobEstimate(Result):
    """What a job is expected to take; ``str()`` is a table.

    Attributes
    ----------
    seconds : float
        On the clock, with ``workers`` processes of one thread each.
    processor_seconds : float
        Of all points.
    gibibytes : float
        Of the largest point; each worker may need that much at a time.
    points, examined, workers : int
        Points of the job, and how many of them were looked at.
    steps, methods, notes : lists of str
        What a point computes, and by which method.
    step_seconds : array (S,)
        Of all points together.
    refused : str
        Why the job cannot be run like this, with what would fit; "" if it can.
    """

    name: str = quantity("name of the job")
    seconds: float = quantity("expected time", "s")
    processor_seconds: float = quantity("expected time of all points, one after the other", "s")
    gibibytes: float = quantity("expected memory of the largest point", "GiB")
    points: int = quantity("points of the job")
    examined: int = quantity("points that were looked at")
    workers: int = quantity("worker processes")
    steps: list[str] = quantity("what a point computes")
    methods: list[str] = quantity("methods of each step")
    notes: list[str] = quantity("what is assumed for each step")
    step_seconds: np.ndarray = quantity("expected time of each step, all points (S,)", "s")
    refused: str = quantity("why the job cannot be run like this, empty if it can")

    def __str__(self) -> str:
        """Return the steps as a table, with the totals."""
        lines = [f"{self.name}: {self.points} points, {self.workers} worker{'s' if self.workers > 1 else ''}"]
        if self.examined < self.points:
            lines.append(f"  from {self.examined} points, spread evenly over the job")
        for step, method, note, seconds in zip(self.steps, self.methods, self.notes, self.step_seconds, strict=True):
            lines.append(f"  {step:22} {method:22} {words(float(seconds)):>10}  {note}".rstrip())
        lines.append(f"  in all about {words(self.seconds)} ({words(self.processor_seconds)} of processor time)")
        lines.append(f"  memory: {self.gibibytes:.2f} GiB for the largest point")
        lines.append(f"  {self.evidence.rates}; expect a factor of two, more where levels are crowded")
        if self.refused:
            lines.append(f"  REFUSED: {self.refused}")
        return "\n".join(lines)


@dataclass
class _Sum:
    """One step over all points that were examined."""

    seconds: float
    methods: dict[str, None]
    notes: dict[str, None]


def estimate_job(job: Job, *, workers: int = 1, device: str = "auto") -> JobEstimate:
    """Return what ``bdg run`` will take for a job.

    Raises
    ------
    JobError
        If the kind does not say what its points compute.
    ValueError
        If ``workers`` is not a whole number >= 1.
    """
    start = time.perf_counter()
    if isinstance(workers, bool) or not isinstance(workers, int) or workers < 1:
        raise ValueError(f"workers must be a whole number >= 1; got {workers!r}")
    if steps_of(job.kind) is None:
        raise JobError(
            f"{job.name}: jobs of kind {job.kind.name!r} do not say what their points compute, so nothing can be "
            "estimated; give the Kind a function steps (docs/extending.md)"
        )
    backend = select_backend(device)
    with assuming(rates_of_one_thread(select_backend("cpu"), WORKER_ENVIRONMENT)):  # as workers have it
        sums, per_point, largest, obstacles = _examined(job, device)
        origin = rates_of(backend).origin
    scale = len(job.points) / len(per_point)
    total = scale * sum(per_point)
    crew = min(workers, len(job.points))
    seconds = _START + max(total / crew, math.ceil(len(job.points) / crew) * float(np.mean(per_point)))
    evidence = Evidence.of(
        method="cost model", why="the methods that auto takes", backend=backend, dtype="float64", start=start,
        rates=origin,
    )  # fmt: skip
    return JobEstimate(
        name=job.name,
        seconds=float(seconds),
        processor_seconds=float(total),
        gibibytes=largest / GIB,
        points=len(job.points),
        examined=len(per_point),
        workers=workers,
        steps=[what for what, _ in sums],
        methods=[", ".join(entry.methods) for entry in sums.values()],
        notes=["; ".join(filter(None, entry.notes)) for entry in sums.values()],
        step_seconds=scale * np.array([entry.seconds for entry in sums.values()]),
        refused=_refusal(obstacles, largest, crew, available_bytes(backend)),
        evidence=evidence,
    )


def _examined(job: Job, device: str) -> tuple[dict[tuple[str, str], _Sum], list[float], float, list[str]]:
    """Return steps by function and method, seconds of each point looked at, the largest memory, and what is refused."""
    from bdg.estimate import Estimate, estimate

    make = steps_of(job.kind)
    assert make is not None
    sums: dict[tuple[str, str], _Sum] = {}
    geometries: dict[str, dict[str, Any]] = {}
    per_point, largest, obstacles = [], 0.0, []
    for point in _spread(job.points):
        system, steps = make(point.parameters)
        _share(system, geometries)
        seconds = 0.0
        for step in steps:
            found = estimate(system, step.what, device=device, **step.arguments)
            assert isinstance(found, Estimate)
            if not found.method:
                obstacles.append(f"{point.label or job.name}: {found.evidence.why}")
                continue
            entry = sums.setdefault((step.what, step.arguments.get("method", "auto")), _Sum(0.0, {}, {}))
            entry.seconds += step.times * found.seconds
            entry.methods[found.method] = None
            entry.notes[step.note] = None
            seconds += step.times * found.seconds
            largest = max(largest, found.gibibytes * GIB)
        per_point.append(seconds)
    return sums, per_point, largest, obstacles


def _spread(points: Sequence[Point]) -> list[Point]:
    chosen = np.unique(np.linspace(0, len(points) - 1, min(len(points), MOST_EXAMINED)).round().astype(int))
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


def _refusal(obstacles: Sequence[str], largest: float, crew: int, available: float) -> str:
    if obstacles:
        more = f" (and {len(obstacles) - 1} more)" if len(obstacles) > 1 else ""
        return f"{obstacles[0]}{more}"
    fit = int(available // largest) if largest else crew
    if fit >= crew:
        return ""
    return (
        f"{crew} workers of {largest / GIB:.1f} GiB each do not fit into the {available / GIB:.1f} GiB that are left; "
        f"--workers {max(1, fit)} would"
    )
