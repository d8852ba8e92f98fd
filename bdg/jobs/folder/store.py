"""The run directory: one checked file a point, and a lock that does not outlive its process.

::

    DIR/job.toml        the job file as given
        run.json        what it was resolved to: identity, overrides, points, failures
        points/<digest>.h5
        results.h5      all points, rebuilt from them
        figures/
        run.log
        .lock           held (flock) by the runner
"""

from __future__ import annotations

import contextlib
import datetime
import functools
import json
import os
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bdg.base.errors import JobError
from bdg.jobs.folder import record as written
from bdg.jobs.folder.lock import acquired, is_held, opened, sign
from bdg.jobs.folder.record import DIGEST, Failure, checked_record, recorded_failures, recorded_points
from bdg.jobs.job import Job, differences, is_same_job, resolved_plain
from bdg.jobs.model.kind import Outcome
from bdg.jobs.model.results import JobResults, PointResult, read_point, read_results, write_results
from bdg.jobs.model.sweep import Point, decisive
from bdg.lattices.file_format import reason
from bdg.lattices.storage import ResultFileError, disk_is_full, shown, write_file

FORMAT_VERSION = 1
LOCK_PATIENCE = 1.0  # seconds: `bdg status` holds the lock for a moment to see whether it is free

_POINT = rf"{DIGEST}\.h5"
_STALE = re.compile(rf"\.(?:{_POINT}|results\.h5|run\.json|job\.toml)\.[\w-]+\.tmp")  # our temporary files only
_EXPORTED = re.compile(r"results(\.\w+)*\.csv")  # what `bdg export` writes beside results.h5


@dataclass(frozen=True)
class Survey:
    """What a run directory holds of a job: points by state, and why a damaged one is damaged."""

    done: dict[str, PointResult]
    missing: tuple[Point, ...]  # the damaged ones among them
    damaged: dict[str, str]


class RunFolder:
    """A run directory.

    Parameters
    ----------
    path : path
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.points = self.path / "points"
        self.figures = self.path / "figures"
        self.results = self.path / "results.h5"
        self.log = self.path / "run.log"
        self._record = self.path / "run.json"
        self._lock = self.path / ".lock"

    # ------------------------------------------------------------------------------------------------ the lock
    @contextlib.contextmanager
    def locked(self, workers: int = 1) -> Iterator[Callable[[int], None]]:
        """Hold the directory's lock; the system releases it when the process ends, however it ends.

        Yields what tells others another number of workers.

        Parameters
        ----------
        workers : int
            What `workers_running` tells others.

        Raises
        ------
        JobError
            If another runner holds it, or the directory cannot be made.
        OSError
            If the disk is full.
        """
        with self._usable():
            self.path.mkdir(parents=True, exist_ok=True)
            handle = opened(self._lock)
        try:
            with self._usable():
                free = acquired(handle, LOCK_PATIENCE)
            if not free:
                holder = self.holder() or "unknown"
                raise JobError(f"{self.path}: another runner ({holder}) is at work here; wait for it, or use --out")
            sign(handle, workers)
            yield functools.partial(sign, handle)
        finally:
            os.close(handle)

    @contextlib.contextmanager
    def _usable(self) -> Iterator[None]:
        """Say in a `JobError` why this cannot be a run directory, unless it is the disk that is full."""
        try:
            yield
        except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
            if disk_is_full(error) or isinstance(error, JobError):
                raise
            why = getattr(error, "strerror", "") or error
            raise JobError(f"{shown(self.path, 300)}: cannot be used as run directory ({why})") from error

    def holder(self) -> str:
        """Return what the last runner said of itself: process, machine, workers; "" if nothing."""
        try:
            return self._lock.read_bytes()[:400].decode(errors="replace").strip()
        except OSError:
            return ""

    def is_running(self) -> bool:
        """Return whether a runner holds the lock."""
        return self.workers_running() is not None

    def workers_running(self) -> int | None:
        """Return the number of workers of the runner that holds the lock (1 if it does not say), None if none does."""
        if not is_held(self._lock):
            return None
        said = re.search(r" with (\d{1,6}) worker", self.holder())
        return int(said[1]) if said else 1

    # ------------------------------------------------------------------------------------------- whose it is
    def examine(self, job: Job) -> dict[str, Any] | None:
        """Return run.json if the directory is that of ``job``, None if it is new; touch nothing.

        Raises
        ------
        JobError
            If it belongs to another job or holds files of something else.
        """
        with self._usable():
            if not self._record.exists():
                if self.path.is_dir():
                    self._refuse_foreign_files(job)
                return None
        record = self.read_record()
        resolved = record.get("resolved", {})
        if record["identity"] != job.identity and not (record["kind"] == job.kind.name and is_same_job(job, resolved)):
            changed = differences(*(decisive(each, job.kind.schema) for each in (resolved_plain(job), resolved)))
            if record.get("kind") != job.kind.name:
                changed = ["[job] kind"]
            raise JobError(
                f"{self.path}: holds the run of another job, which differs in {', '.join(changed) or 'its version'}; "
                "give a new folder with --out"
            )
        return record

    def claim(self, job: Job) -> None:
        """Make the directory that of ``job``, or see that it is; call it with the lock held.

        Raises
        ------
        JobError
            If it belongs to another job or holds files of something else.
        """
        record = self.examine(job)
        self._remove_stale_files()
        self._write_record(job, {} if record is None else recorded_failures(record))  # first: it says whose this is
        if not _holds(self.path / "job.toml", job.text):
            _write_whole(self.path / "job.toml", job.text)
        self.points.mkdir(exist_ok=True)

    def read_record(self) -> dict[str, Any]:
        """Return run.json.

        Raises
        ------
        JobError
            If there is none, or it cannot be read.
        """
        with self._usable():
            if not self._record.exists():
                what = "no such folder" if not self.path.is_dir() else "no run directory of bdg (it has no run.json)"
                raise JobError(f"{shown(self.path, 300)}: {what}")
        try:
            if not self._record.is_file():
                raise ValueError("it is no plain file")
            record = json.loads(self._record.read_text(encoding="utf-8"))
            version = record["format_version"]
            newer = isinstance(version, int) and version > FORMAT_VERSION
            record = record if newer else checked_record(record)
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise JobError(
                f"{self._record}: damaged ({reason(error)}); delete it and run the job again: the points are kept"
            ) from error
        if newer:
            raise JobError(f"{self._record}: format version {version} is newer than this package reads; upgrade bdg")
        return record

    def _refuse_foreign_files(self, job: Job) -> None:
        """Refuse a folder without run.json unless it is empty, or holds nothing but points of this job."""
        entries = {entry.name for entry in self.path.iterdir() if not _STALE.fullmatch(entry.name)} - {".lock"}
        foreign = sorted(entries)
        if "job.toml" in entries:
            ours = {"job.toml", "points", "figures", "results.h5", "run.log", "report.html", "vtk"}
            foreign = sorted(name for name in entries - ours if not _EXPORTED.fullmatch(name))
            known = {f"{digest}.h5" for point in job.points for digest in (point.digest, point.older)}
            foreign += sorted(f"points/{file.name}" for file in self.points.glob("*.h5") if file.name not in known)
            if self.results.exists() and not self._results_are_of(job):
                foreign.append("results.h5")
        if foreign:
            shown = ", ".join(foreign[:3]) + (", ..." if len(foreign) > 3 else "")
            raise JobError(
                f"{self.path}: not empty and no run directory of this job (it holds {shown}); give a new folder "
                "with --out"
            )

    def _results_are_of(self, job: Job) -> bool:
        try:
            return read_results(self.results).identity == job.identity
        except ResultFileError:
            return False

    def _write_record(self, job: Job, failed: Mapping[str, Failure]) -> None:
        record = {
            "format_version": FORMAT_VERSION,
            "kind": job.kind.name,
            "name": job.name,
            "identity": job.identity,
            "overrides": list(job.overrides),
            "resolved": resolved_plain(job),
            "output": job.output,
            "points": [written.recorded(point) for point in job.points],
            "effort": list(job.points[0].effort),
            "failed": {digest: failure.why for digest, failure in failed.items()},
            "failures": {
                digest: {name: value for name, value in asdict(failure).items() if name != "why"}
                for digest, failure in failed.items()
            },
        }
        text = json.dumps(record, indent=1) + "\n"
        if not _holds(self._record, text.encode()):
            _write_whole(self._record, text.encode())

    def record_failures(self, job: Job, failed: Mapping[str, Failure]) -> None:
        """Keep what went wrong with which point (by its digest) for `bdg status` and the next run."""
        self._write_record(job, failed)

    def _remove_stale_files(self) -> None:
        for folder in (self.path, self.points):
            if folder.is_dir():
                for entry in folder.iterdir():
                    if _STALE.fullmatch(entry.name):
                        entry.unlink(missing_ok=True)

    # ----------------------------------------------------------------------------------------------- points
    def point_path(self, digest: str) -> Path:
        """Return where a point lies."""
        return self.points / f"{digest}.h5"

    def survey(self, points: tuple[Point, ...] | list[Point]) -> Survey:
        """Read all points there are, verifying their checksums."""
        done, missing, damaged = {}, [], {}
        for point in points:
            digest = point.digest
            if point.older and not self.point_path(digest).exists():
                digest = point.older
            path = self.point_path(digest)
            if path.exists():
                try:
                    found = read_point(path, point.label)
                    if found.digest != digest or not written.is_of_point(found.parameters, point):
                        raise ResultFileError(f"{path}: holds another point ({found.digest})")
                    done[point.digest] = found
                    continue
                except ResultFileError as error:
                    if digest == point.digest:
                        damaged[digest] = str(error)
            missing.append(point)
        return Survey(done, tuple(missing), damaged)

    def set_aside(self, digest: str) -> Path:
        """Rename a damaged point file so that nothing is lost, and return its new path."""
        path = self.point_path(digest)
        target, number = path.with_name(path.name + ".damaged"), 1
        while target.exists():
            number += 1
            target = path.with_name(f"{path.name}.damaged{number}")
        path.rename(target)
        return target

    def write_point(
        self, point: Point, kind: str, outcome: Outcome, seconds: float, device: str, origin: Mapping[str, Any]
    ) -> None:
        """Write one point whole or not at all."""
        observables, evidence = outcome
        described = {f"observables/{name}": (item.unit, item.description) for name, item in observables.items()}
        described |= {
            "job_kind": ("", "kind of the job"),
            "digest": ("", "digest of kind and parameters, the name of this file"),
            "parameters": ("", "parameters by section and key, units in the keys"),
            "evidence": ("", "methods, residuals, reasons of automatic choices"),
            "origin": ("", "versions, git state, platform, date, device"),
            "seconds": ("s", "time that the point took"),
        }
        content = {
            "job_kind": kind,
            "digest": point.digest,
            "parameters": point.parameters,
            "observables": {name: item.value for name, item in observables.items()},
            "evidence": evidence,
            "origin": {**origin, "date": datetime.datetime.now(datetime.UTC).isoformat(), "device": device},
            "seconds": seconds,
        }
        write_file(self.point_path(point.digest), "Point", content, described)

    # ---------------------------------------------------------------------------------------------- results
    def collect(self) -> JobResults:
        """Return all points that are there; from results.h5 where the point files were left behind.

        Raises
        ------
        JobError
            If this is no run directory.
        """
        record = self.read_record()
        points = recorded_points(record)
        survey = self.survey(points)
        if not survey.done and self.results.exists():
            with contextlib.suppress(ResultFileError):
                return read_results(self.results)
        return gather(record["kind"], record["name"], record["identity"], points, survey.done)

    def state_of_results(self, survey: Survey) -> str:
        """Return whether results.h5 is "complete" (it holds all points that are done), "incomplete" or "missing"."""
        try:
            written = self.results.stat().st_mtime_ns
            newest = max((self.point_path(digest).stat().st_mtime_ns for digest in survey.done), default=written)
        except OSError:
            return "incomplete" if self.results.exists() else "missing"
        return "complete" if newest <= written else "incomplete"

    def write_results(self, results: JobResults) -> None:
        """Write results.h5 anew."""
        write_results(self.results, results)


def gather(
    kind: str, name: str, identity: str, points: tuple[Point, ...] | list[Point], done: Mapping[str, PointResult]
) -> JobResults:
    """Return the points that are done, in the order of the sweep."""
    there = tuple(done[point.digest] for point in points if point.digest in done)
    return JobResults(kind, name, identity, there, tuple(p.label for p in points if p.digest not in done))


def _holds(path: Path, content: bytes) -> bool:
    try:
        return path.read_bytes() == content
    except OSError:
        return False


def _write_whole(path: Path, content: bytes) -> None:
    """Write a file under a temporary name, sync it and rename it."""
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
