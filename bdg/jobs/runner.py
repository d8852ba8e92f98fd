"""Runs a job: hands its missing points to an engine and keeps what they yield.

A point that fails, or kills its worker, fails alone. Whatever happens to this process, finished points are kept.
"""

from __future__ import annotations

import collections
import contextlib
import logging
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from bdg.gpu.device.backend import MemoryBudgetError, select_backend
from bdg.jobs.building import require_points
from bdg.jobs.engines.dask_cluster import DaskCluster
from bdg.jobs.engines.engine import Engine, Task
from bdg.jobs.engines.processes import Crew
from bdg.jobs.folder.provenance import changed_versions, provenance
from bdg.jobs.folder.record import LONGEST_TRACEBACK, Failure, effort_of, recorded_failures
from bdg.jobs.folder.store import RunFolder, Survey, gather
from bdg.jobs.job import Job
from bdg.jobs.model.advice import in_words_of_the_job
from bdg.jobs.model.limits import Limits
from bdg.jobs.model.results import JobResults, PointResult
from bdg.jobs.model.sweep import Point
from bdg.jobs.progress import LOGGER, Progress
from bdg.lattices.arguments import whole_number
from bdg.lattices.storage import shown

_TOLD = 5.0  # seconds between records of failures while a run goes on


class Terminated(KeyboardInterrupt):
    """The process was asked to end by SIGTERM, as batch systems do at the end of a job's time."""


@contextlib.contextmanager
def sigterm_as_interrupt() -> Iterator[None]:
    """Let SIGTERM raise `Terminated` inside, once; a second one, while the run is being closed, is not heard."""
    if threading.current_thread() is not threading.main_thread():  # the system tells no other
        yield
        return

    def stop(number: int, frame: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise Terminated

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@dataclass(frozen=True)
class RunReport:
    """What a run did.

    Attributes
    ----------
    folder : Path
    results : JobResults
    computed : list of str
        Labels of the points computed now; the others were there.
    failed : dict
        Label to the last line of the error.
    left_alone : int
        How many of them the same command does not try again.
    set_aside : list of Path
        Damaged point files.
    figures : list of Path
    exit_code : int
        0: all points are there; 1: some failed, or the figures did.
    """

    folder: Path
    results: JobResults
    computed: list[str]
    failed: dict[str, str]
    left_alone: int
    set_aside: list[Path]
    figures: list[Path]
    exit_code: int


def run_job(
    job: Job,
    out: str | os.PathLike[str] | None = None,
    *,
    workers: int = 1,
    device: str = "auto",
    scheduler: str | None = None,
    budget: float | None = None,
    point_limit: float | None = None,
    retry: bool = False,
    bar: bool | None = None,
    stream: TextIO | None = sys.stderr,
) -> RunReport:
    """Run a job, or what is missing of it.

    Parameters
    ----------
    job : Job
        From `bdg.jobs.job.load_job`.
    out : path, optional
        Run directory; ``runs/out/<name of the job>`` if not given.
    workers : int
        Processes that compute points, each with one BLAS thread and its share of the cores. Results do not depend on
        their number.
    device : {"auto", "cpu", "gpu"}
    scheduler : str, optional
        Address or scheduler file of a running dask scheduler, whose workers compute the points instead.
    budget : float, optional
        Minutes after which no more points are begun; those at work are finished.
    point_limit : float, optional
        Minutes that a point may take; then it has failed, and its worker is started anew.
    retry : bool
        Also compute again what raised an error or took too long before. Points whose worker was killed, and those
        that there was no room for, are computed again in any case.
    bar : bool, optional
        Show a progress bar; None: where ``stream`` is a terminal.
    stream : text stream or None
        Where progress goes.

    Raises
    ------
    TypeError, ValueError
        If ``workers`` is not a whole number >= 1, or minutes are not positive.
    JobError
        If the run directory belongs to another job or another runner is at work in it.
    BackendUnavailableError
        If ``device="gpu"`` and there is none.
    MemoryBudgetError
        If the systems of points that are missing cannot be built here, or by the workers of the scheduler; no point
        has been begun then.
    OSError
        If the disk is full; the run ends at the first point that cannot be kept.
    KeyboardInterrupt
        Passed on once the workers have ended; finished points are kept. SIGTERM does the same where it raises
        `Terminated` (`sigterm_as_interrupt`).
    """
    workers = whole_number("workers", workers, 1)
    limits = Limits.of(budget, point_limit)
    if device != "auto":
        select_backend(device)  # refuse before any work
    folder = RunFolder(out if out is not None else default_folder(job))
    folder.examine(job)  # so that not even the lock is left in a folder that is not ours
    if scheduler is None:  # of workers elsewhere it is known when they are asked
        _require_memory(job, folder, workers)
    with folder.locked(workers) as tell:
        folder.claim(job)
        survey = folder.survey(job.points)
        failures = {} if retry else _left_alone(folder, survey)
        asked = [point for point in survey.missing if point.digest not in failures]
        task = Task(job.kind, folder.path.resolve(), device, provenance(), os.getpid(), limits)
        engine, crew_size = _engine(task, job, asked, scheduler, workers)
        if scheduler is not None:
            tell(crew_size)
        there = len(survey.done) + len(failures)
        with Progress(len(job.points), there, crew_size, folder.log, stream, bar) as progress:
            LOGGER.debug("start: %s, %d points, %d workers, device %s", job.kind.name, len(job.points), workers, device)
            aside = [_set_aside(folder, digest, why) for digest, why in survey.damaged.items()]
            if survey.done:
                LOGGER.info("%d of %d points are there already", len(survey.done), len(job.points))
                _warn_of_other_versions(survey.done.values(), task.origin)
            if failures:
                LOGGER.info("failed before and left alone: %d; --retry computes them again", len(failures))
            if asked:
                try:
                    _compute_missing(folder, job, asked, engine, progress, failures)
                except KeyboardInterrupt as stop:
                    by = " by SIGTERM" if isinstance(stop, Terminated) else ""
                    LOGGER.info("stopped%s; finished points are kept, and the same command goes on from here", by)
                    raise
                if not limits.open():
                    LOGGER.info("the budget is spent; the same command goes on from here")
            return _finish(folder, job, survey.missing, failures, aside)


def _left_alone(folder: RunFolder, survey: Survey) -> dict[str, Failure]:
    """Return the failures of points that would most likely fail again."""
    failed, kept = recorded_failures(folder.read_record()), {}
    for point in survey.missing:
        failure = failed.get(point.digest, Failure(""))
        if failure.comes_again and failure.effort == effort_of(point):
            kept[point.digest] = failure
    return kept


def _engine(task: Task, job: Job, asked: Sequence[Point], scheduler: str | None, workers: int) -> tuple[Engine, int]:
    """Return who computes the points, and how many at once."""
    if scheduler is None or not asked:
        crew_size = min(workers, len(asked))
        return Crew(task, crew_size), crew_size
    cluster = DaskCluster(task, scheduler)
    try:
        require_points(job, asked, force=cluster.workforce)
    except MemoryBudgetError:
        cluster.kill()
        raise
    return cluster, cluster.workforce.size


def _require_memory(job: Job, folder: RunFolder, workers: int) -> None:
    """Refuse a job with systems too large for this machine, unless all of them are done already."""
    try:
        require_points(job, job.points, workers)
    except MemoryBudgetError:
        require_points(job, folder.survey(job.points).missing, workers)


def default_folder(job: Job) -> Path:
    """Return ``runs/out/<name of the job>``."""
    return Path("runs") / "out" / job.name


def _set_aside(folder: RunFolder, digest: str, why: str) -> Path:
    target = folder.set_aside(digest)
    LOGGER.warning("a damaged point is set aside as %s and computed again (%s)", target.name, why)
    return target


def _warn_of_other_versions(points: Iterable[PointResult], origin: dict[str, Any]) -> None:
    """Say it if points that are kept come from other versions than those at hand: nothing is redone for that."""
    counts = collections.Counter(", ".join(changed_versions(point.origin, origin)) for point in points)
    for changed, count in counts.items():
        if changed:
            LOGGER.warning("%d kept points were computed with %s; delete them to compute them again", count, changed)


def _compute_missing(
    folder: RunFolder,
    job: Job,
    missing: Sequence[Point],
    engine: Engine,
    progress: Progress,
    failures: dict[str, Failure],
) -> None:
    points = {point.digest: point for point in missing}
    warned: set[str] = set()
    told = -math.inf
    try:
        for report in engine.run(missing):
            if report is None:
                progress.tick()
                continue
            if report.full:  # nothing that is computed now can be kept
                raise OSError(report.full, os.strerror(report.full), str(folder.path))
            label = points[report.digest].label
            for warning in (in_words_of_the_job(warning, job.kind) for warning in report.warnings):
                LOGGER.log(logging.DEBUG if warning in warned else logging.WARNING, "%s: %s", label, warning)
                warned.add(warning)
            if report.error:
                LOGGER.debug("%s failed:\n%s", label, report.error)
                last = in_words_of_the_job(report.error.strip().splitlines()[-1], job.kind)
                effort = effort_of(points[report.digest])
                failures[report.digest] = Failure(last, report.cause, report.error[-LONGEST_TRACEBACK:], effort)
                if time.monotonic() - told > _TOLD:  # for who looks on
                    _record(folder, job, failures)
                    told = time.monotonic()
                progress.advance(label, report.seconds, last)
            else:
                progress.advance(label, report.seconds)
    finally:
        engine.kill()
        _record(folder, job, failures)


def _record(folder: RunFolder, job: Job, failures: dict[str, Failure]) -> None:
    """Keep failures in run.json; that this is not possible must not take the place of what went wrong before."""
    try:
        folder.record_failures(job, failures)
    except OSError as error:
        LOGGER.warning("run.json cannot be written (%s)", error.strerror or error)


def _finish(
    folder: RunFolder, job: Job, missing: Sequence[Point], failures: dict[str, Failure], aside: list[Path]
) -> RunReport:
    survey = folder.survey(job.points)
    results = gather(job.kind.name, job.name, job.identity, job.points, survey.done)
    folder.write_results(results)
    labels = {point.digest: point.label for point in job.points}
    lasting = {digest: failure for digest, failure in failures.items() if digest not in survey.done}
    failed = {labels[digest]: failure.why for digest, failure in lasting.items()}
    left_alone = sum(failure.comes_again for failure in lasting.values())
    computed = [point.label for point in missing if point.digest in survey.done]
    figures, broken = draw_figures(folder, job, results)
    code = 1 if survey.missing or broken else 0
    LOGGER.debug("end: %d computed, %d failed, exit code %d", len(computed), len(failed), code)
    return RunReport(folder.path, results, computed, failed, left_alone, aside, figures, code)


def draw_figures(folder: RunFolder, job: Job, results: JobResults) -> tuple[list[Path], bool]:
    """Draw the figures of a job if its [output] asks for them; return their paths, and whether that failed."""
    if not job.output.get("figures", False) or not len(results):
        return [], False
    try:
        folder.figures.mkdir(exist_ok=True)
        return job.kind.plot(results, folder.figures, job.output), False
    except Exception as error:  # a figure must not cost the numbers
        LOGGER.debug("figures failed", exc_info=True)
        LOGGER.error(
            "the figures failed (%s: %s; traceback in run.log); the numbers are kept",
            type(error).__name__,
            shown(error),
        )
        return [], True
