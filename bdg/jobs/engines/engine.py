"""What computes the points of a run, as the runner knows it: what it is told, what it says, and how it is ended."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from bdg.jobs.model.kind import Kind
from bdg.jobs.model.sweep import Point


@dataclass(frozen=True)
class Task:
    """What a worker is told at its start; points follow one by one."""

    kind: Kind
    folder: Path
    device: str
    origin: dict[str, Any]
    parent: int  # process id


@dataclass(frozen=True)
class Report:
    """What a worker says about a point; ``error`` is "" where it is done, else the traceback.

    ``full`` is the system's number of the error if the point could not be written for want of room, else 0.
    """

    digest: str
    seconds: float
    error: str = ""
    warnings: tuple[str, ...] = ()
    full: int = 0


class Engine(Protocol):
    """Computes points and writes them into the run directory of its `Task`."""

    def run(self, points: Sequence[Point]) -> Iterator[Report | None]:
        """Yield one report a point as they come, whatever goes wrong in it, and None now and then."""
        ...

    def kill(self) -> None:
        """End the work at once; what is being written never appears under its final name."""
        ...
