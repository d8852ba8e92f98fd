"""How far a run is, read from its folder: in words for a terminal, as JSON for a script."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from bdg.jobs.folder.record import Failure, recorded_failures, recorded_points
from bdg.jobs.folder.store import RunFolder, Survey
from bdg.jobs.progress import words

_SHOWN_MISSING = 20


@dataclass(frozen=True)
class Lacking:
    """A point that is not there: "missing", "failed" or "damaged", and why."""

    label: str
    digest: str
    state: str
    why: str
    cause: str = ""
    traceback: str = ""


@dataclass(frozen=True)
class Status:
    """How far a run is.

    Attributes
    ----------
    folder, name, kind : str
    workers : int or None
        Of the runner that is at work; None if there is none.
    points, done : int
        Of the job, and those that are there.
    lacking : tuple of Lacking
        The others, in the order of the sweep.
    seconds_per_point : float or None
        Mean of those that are there.
    results : str
        Of results.h5: "complete", "incomplete" (points are not in it) or "missing".
    """

    folder: str
    name: str
    kind: str
    workers: int | None
    points: int
    done: int
    lacking: tuple[Lacking, ...]
    seconds_per_point: float | None
    results: str

    @classmethod
    def of(cls, folder: RunFolder) -> Status:
        """Read the status of a run directory; `JobError` if it is none."""
        record = folder.read_record()
        workers = folder.workers_running()
        survey = folder.survey(recorded_points(record))
        seconds = [point.seconds for point in survey.done.values() if point.seconds is not None]
        return cls(
            folder=str(folder.path),
            name=record["name"],
            kind=record["kind"],
            workers=workers,
            points=len(record["points"]),
            done=len(survey.done),
            lacking=tuple(_lacking(survey, recorded_failures(record))),
            seconds_per_point=sum(seconds) / len(seconds) if seconds else None,
            results=folder.state_of_results(survey),
        )

    @property
    def exit_code(self) -> int:
        """1 where points failed, else 0."""
        return 1 if self.count("failed") else 0

    @property
    def seconds_left(self) -> float | None:
        """Expected seconds until the end: of the runner at work, or of the same command with one worker."""
        if self.seconds_per_point is None:
            return None
        return self.seconds_per_point * len(self.lacking) / max(1, min(self.workers or 1, len(self.lacking)))

    def count(self, state: str) -> int:
        """Return how many points are "missing", "failed" or "damaged"."""
        return sum(point.state == state for point in self.lacking)

    def as_json(self) -> dict[str, Any]:
        """Return what ``bdg status --json`` prints; docs/jobs.md documents the keys."""
        return {
            "folder": self.folder,
            "name": self.name,
            "kind": self.kind,
            "running": self.workers is not None,
            "workers": self.workers,
            "points": self.points,
            "done": self.done,
            **{state: self.count(state) for state in _STATES},
            "seconds_per_point": self.seconds_per_point,
            "seconds_left": self.seconds_left,
            "results": self.results,
            "lacking": [asdict(point) for point in self.lacking],
        }

    def tracebacks(self) -> str:
        """Return the tracebacks of points that failed, each once."""
        of: dict[str, list[str]] = {}
        for point in self.lacking:
            if point.traceback:
                of.setdefault(point.traceback.strip(), []).append(point.label)
        return "\n\n".join(f"{'; '.join(labels)}:\n{text}" for text, labels in of.items())

    def __str__(self) -> str:
        """Return what ``bdg status`` prints."""
        counts = ", ".join(f"{self.count(state)} {state}" for state in _STATES)
        lines = [
            f"{self.folder}: {self.name} ({self.kind}), {self.points} points",
            f"{self.done} done, {counts}",
            "not running" if self.workers is None else "running",
        ]
        for point in self.lacking[:_SHOWN_MISSING]:
            lines.append(f"  {point.state}: {point.label}{f' ({point.why})' if point.why else ''}")
        if len(self.lacking) > _SHOWN_MISSING:
            lines.append(f"  ... and {len(self.lacking) - _SHOWN_MISSING} more")
        if self.seconds_per_point is not None:
            lines.append(f"a point took {words(self.seconds_per_point)} on average{self._left()}")
        if self.results != "complete":
            held = "is missing" if self.results == "missing" else "does not hold all points that are done"
            lines.append(f"results.h5 {held}: it is written at the end of a run; the same bdg run goes on to it")
        return "\n".join(lines)

    def _left(self) -> str:
        left = self.seconds_left
        if not self.lacking or left is None:
            return ""
        if self.workers is None:
            return f"; those that are left would take about {words(left)} with one worker"
        return f"; about {words(left)} left with {self.workers} worker{'s' if self.workers > 1 else ''}"


_STATES = ("missing", "failed", "damaged")


def _lacking(survey: Survey, failed: Mapping[str, Failure]) -> list[Lacking]:
    found = []
    for point in survey.missing:
        failure = failed.get(point.digest, Failure(""))
        if point.digest in survey.damaged:
            found.append(Lacking(point.label, point.digest, "damaged", survey.damaged[point.digest]))
        else:
            state = "failed" if point.digest in failed else "missing"
            found.append(Lacking(point.label, point.digest, state, failure.why, failure.cause, failure.traceback))
    return found
