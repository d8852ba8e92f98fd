"""An engine of worker processes on this machine: a point that kills its worker is tried once more, then fails alone."""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess

from bdg.jobs.engines import worker as worker_module
from bdg.jobs.engines.engine import Report, Task
from bdg.jobs.engines.worker import READY, worker_environment
from bdg.jobs.model.sweep import Point
from bdg.jobs.progress import LOGGER

START_ATTEMPTS = 3  # workers that may die before they are ready until the run is given up
_TICK = 1.0  # seconds between refreshes of the bar


@dataclass
class _Member:
    process: SpawnProcess
    connection: Connection
    ready: bool = False
    point: Point | None = None
    since: float = field(default_factory=time.monotonic)


class Crew:
    """Worker processes and the points they hold.

    Parameters
    ----------
    task : Task
        What each worker is told at its start.
    size : int
        How many there are; one that dies is replaced.
    """

    def __init__(self, task: Task, size: int) -> None:
        self._task, self._size = task, size
        self._context = multiprocessing.get_context("spawn")
        self._members: list[_Member] = []
        self._deaths_at_start = 0
        self._waiting: list[Point] = []
        self._tried: set[str] = set()  # digests of points whose worker died

    def run(self, points: Sequence[Point]) -> Iterator[Report | None]:
        """Yield one report a point as they come, and None now and then."""
        waiting, limits = list(reversed(points)), self._task.limits
        self._waiting = waiting
        while waiting or any(member.point for member in self._members):
            while len(self._members) < self._size and len(self._members) < len(waiting) + self._busy():
                self._members.append(self._start())
            if not limits.open():
                waiting.clear()
            handles = [item for m in self._members for item in (m.connection, m.process.sentinel)]
            woken = wait(handles, timeout=_TICK)
            if not woken:
                yield None
            for member in [m for m in self._members if m.point is not None and limits.overdue(m.since)]:
                yield self._give_up(member)
            for member in list(self._members):
                if member.connection in woken or member.process.sentinel in woken:
                    report = self._listen(member)
                    if report is not None:
                        yield report
                if member in self._members and member.ready and member.point is None and waiting:
                    self._give(member, waiting)
        self._dismiss()

    def kill(self) -> None:
        """End all workers at once; what they were writing never appears under its final name."""
        for member in self._members:
            member.process.kill()
        for member in self._members:
            member.process.join()
            member.connection.close()
        self._members.clear()

    def _busy(self) -> int:
        return sum(member.point is not None for member in self._members)

    def _start(self) -> _Member:
        resource_tracker.ensure_running()  # its start would unblock SIGINT in between
        here, there = self._context.Pipe()
        process = self._context.Process(target=worker_module.main, args=(there, self._task), daemon=True)
        with worker_environment(self._size):
            process.start()
        there.close()
        return _Member(process, here)

    def _give(self, member: _Member, waiting: list[Point]) -> None:
        try:
            member.connection.send(waiting[-1])
        except OSError:  # it died meanwhile: the next wait tells
            return
        member.point, member.since = waiting.pop(), time.monotonic()

    def _listen(self, member: _Member) -> Report | None:
        """Return the report that a worker has sent, or that its death amounts to."""
        alive = member.process.is_alive()  # asked first: what it said before its death is heard below
        try:
            if member.connection.poll():
                message = member.connection.recv()
                if message == READY:
                    member.ready = True
                    return None
                member.point = None
                return message
            if alive:
                return None
        except (EOFError, OSError):
            pass
        return self._bury(member)

    def _bury(self, member: _Member) -> Report | None:
        self._members.remove(member)
        member.process.join(timeout=5)
        code = member.process.exitcode
        member.process.kill()
        member.connection.close()
        if not member.ready:
            self._deaths_at_start += 1
            if self._deaths_at_start >= START_ATTEMPTS:
                raise RuntimeError(f"worker processes do not start: {_cause(code)} (their own words are above)")
        point, seconds = member.point, time.monotonic() - member.since
        if point is None:
            return None
        if point.digest not in self._tried:
            self._tried.add(point.digest)
            self._waiting.insert(0, point)  # the last in turn: fewer others may then want memory
            LOGGER.warning("%s: the worker process died: %s; the point is tried once more", point.label, _cause(code))
            return None
        return Report(point.digest, seconds, f"the worker process died twice: {_cause(code)}", cause="killed")

    def _give_up(self, member: _Member) -> Report:
        """End a worker whose point has had its time."""
        assert member.point is not None
        digest, seconds = member.point.digest, time.monotonic() - member.since
        self._members.remove(member)
        member.process.kill()
        member.process.join()
        member.connection.close()
        return Report(digest, seconds, self._task.limits.told(), cause="limit")

    def _dismiss(self) -> None:
        for member in self._members:
            try:
                member.connection.send(None)
            except OSError:
                continue
        for member in self._members:
            member.process.join(timeout=5)
        self.kill()


def _cause(code: int | None) -> str:
    if code is not None and code < 0:
        name = {s.value: s.name for s in signal.Signals}.get(-code, "")
        return f"signal {-code} ({name}{', often out of memory' if name == 'SIGKILL' else ''})"
    return f"exit code {code}"
