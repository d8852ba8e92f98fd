"""A run read back: its points, what is known of those that are not there, its job file and its warnings."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bdg.base.errors import JobError
from bdg.jobs.folder.record import recorded_failures, recorded_points
from bdg.jobs.folder.store import RunFolder
from bdg.jobs.model.results import AbsentPoint, JobResults, read_results
from bdg.jobs.model.sweep import Point


def load_run(path: str | os.PathLike[str]) -> JobResults:
    """Read a run directory, finished or not, or its ``results.h5`` with what lies beside it.

    Raises
    ------
    JobError
        If a folder is no run directory.
    ResultFileError
        If a file is something else, or damaged.
    """
    place = Path(path)
    if place.is_file():
        results = read_results(place)
        try:
            record = RunFolder(place.parent).read_record()
        except JobError:  # the file alone
            return results
        return _told(results, RunFolder(place.parent), record) if record["identity"] == results.identity else results
    folder = RunFolder(place)
    return _told(folder.collect(), folder, folder.read_record())


def logged_warnings(folder: RunFolder) -> tuple[str, ...]:
    """Return the warnings in the log of a run, each once."""
    lines = _text(folder.log).splitlines()
    said = (line.split(" ", 3)[-1] for line in lines if "Warning:" in line or " WARNING " in line)
    return tuple(dict.fromkeys(said))


def _told(results: JobResults, folder: RunFolder, record: Mapping[str, Any]) -> JobResults:
    """Return the results with what else is known of the run."""
    there = {point.digest for point in results.points}
    lacking = [point for point in recorded_points(record) if not {point.digest, point.older} & there]
    return dataclasses.replace(
        results,
        missing=tuple(point.label for point in lacking),
        absent=_absent(lacking, folder, record),
        job=_text(folder.path / "job.toml"),
        warnings=logged_warnings(folder),
    )


def _absent(lacking: list[Point], folder: RunFolder, record: Mapping[str, Any]) -> tuple[AbsentPoint, ...]:
    damaged, failed = folder.survey(lacking).damaged, recorded_failures(record)
    found = []
    for point in lacking:
        state, why = "missing", ""
        if point.digest in damaged:
            state, why = "damaged", damaged[point.digest]
        elif point.digest in failed:
            state, why = "failed", failed[point.digest].why
        found.append(AbsentPoint(point.digest, point.label, point.parameters, state, why))
    return tuple(found)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
