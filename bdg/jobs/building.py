"""Whether the systems of a job can be built here, asked of its keys alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from bdg.base.building import require_building
from bdg.gpu.device.backend import MemoryBudgetError
from bdg.gpu.device.memory import host_bytes, memory_elsewhere
from bdg.jobs.job import Job
from bdg.jobs.kinds import is_own
from bdg.jobs.model.sweep import Parameters, Point
from bdg.jobs.model.workforce import Workforce
from bdg.lattices import budget
from bdg.lattices.budget import Building, size_in_words


def stated(make: Callable[[Parameters], Any], point: Point) -> Building | None:
    """Return what the builder of a point's system states; None where no builder of this package is called."""
    return budget.predict(lambda: make(point.parameters))


def require_points(job: Job, points: Sequence[Point], workers: int = 1, force: Workforce | None = None) -> None:
    """Refuse a job whose systems do not fit into the memory of this machine, ``workers`` of them at a time.

    With a ``force`` it is the memory of its workers that counts.

    Sizes come from [system] apart from the seed, so each is looked at once. Kinds from elsewhere are passed over: how
    they build, and what they do before, is not known.

    Raises
    ------
    MemoryBudgetError
        With the point, and what would fit.
    """
    make = job.kind.steps
    if make is None or is_own(job.kind):
        return
    largest: Building | None = None
    seen = set()
    for point in points:
        sizes = repr(sorted((key, value) for key, value in point.parameters["system"].items() if key != "seed"))
        if sizes in seen:
            continue
        seen.add(sizes)
        building = stated(make, point)
        if building is None:
            continue
        try:
            with memory_elsewhere(None if force is None else force.bytes):
                require_building(building)
        except MemoryBudgetError as error:
            why = str(error) if force is None else str(error).replace("this machine", "a machine of the workers")
            raise MemoryBudgetError(f"{job.name}: {point.label}: {why}") from None
        if largest is None or building.bytes > largest.bytes:
            largest = building
    if force is not None:
        if largest is not None and (why := force.refusal(largest.bytes, len(points))):
            raise MemoryBudgetError(f"{job.name}: --scheduler {force.scheduler}: {why}")
        return
    crew, available = min(workers, len(points)), host_bytes()
    if largest is not None and crew * largest.bytes > available:
        raise MemoryBudgetError(
            f"{job.name}: {crew} workers that build a {largest.what} each, {size_in_words(largest.bytes)}, do not fit "
            f"into the {size_in_words(available)} that are available on this machine; "
            f"--workers {int(available // largest.bytes)} would"
        )
