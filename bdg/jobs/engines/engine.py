"""What computes the points of a run, as the runner knows it: what it is told, what it says, and how it is ended."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from bdg.jobs.model.kind import Kind
from bdg.jobs.model.limits import Limits
from bdg.jobs.model.sweep import Point

Cause = Literal["raised", "killed", "limit"]


@dataclass(frozen=True)
class Task:
    """What a worker is told at its start; points follow one by one."""

    kind: Kind
    folder: Path
    device: str
    origin: dict[str, Any]
    parent: int  # process id
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True)
class Report:
    """What a worker says about a point; ``error`` is "" where it is done, else the traceback.

    ``full`` is the system's number of the error if the point could not be written for want of room, else 0. ``cause``
    says why there is no point: "raised" (an exception, whose traceback ``error`` is), "killed" (with its worker) or
    "limit" (it took too long).
    """

    digest: str
    seconds: float
    error: str = ""
    warnings: tuple[str, ...] = ()
    full: int = 0
    cause: Cause = "raised"


class Engine(Protocol):
    """Computes points and writes them into the run directory of its `Task`."""

    def run(self, points: Sequence[Point]) -> Iterator[Report | None]:
        """Yield one report a point as they come, whatever goes wrong in it, and None now and then.

        Points that the limits of the task leave no time for are not begun, and not reported.
        """
        ...

    def kill(self) -> None:
        """End the work at once; what is being written never appears under its final name."""
        ...
