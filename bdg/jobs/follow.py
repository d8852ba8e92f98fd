"""A run as it goes on, told again and again: ``bdg status DIR --follow``."""

from __future__ import annotations

import os
import re
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from bdg.gpu.device.memory import GIB
from bdg.jobs.folder.record import Failure, recorded_failures, recorded_points
from bdg.jobs.folder.store import RunFolder
from bdg.jobs.progress import words

EVERY = 2.0  # seconds
_RECENT = 20  # points that the rate is of
_SHOWN_FAILED = 5


@dataclass(frozen=True)
class Glance:
    """What a look at the folder of a run shows, without reading its points.

    Attributes
    ----------
    points : int
        Of the job.
    done : dict
        Time of each point that is there (seconds since the epoch), by its label.
    failed : dict
        `Failure` by label.
    workers : int or None
        Of the runner at work; None if there is none.
    gibibytes : float or None
        Resident memory of the runner and all processes below it; None where that cannot be seen from here.
    """

    points: int
    done: dict[str, float]
    failed: dict[str, Failure]
    workers: int | None
    gibibytes: float | None

    @classmethod
    def of(cls, folder: RunFolder) -> Glance:
        """Look at a run directory."""
        record = folder.read_record()
        workers = folder.workers_running()
        times = {entry.name: entry.stat().st_mtime for entry in os.scandir(folder.points)}
        done, failed, known = {}, {}, recorded_failures(record)
        points = recorded_points(record)
        for point in points:
            name = next((f"{d}.h5" for d in (point.digest, point.older) if f"{d}.h5" in times), None)
            if name is not None:
                done[point.label] = times[name]
            elif point.digest in known:
                failed[point.label] = known[point.digest]
        return cls(len(points), done, failed, workers, None if workers is None else _memory(folder))

    @property
    def per_minute(self) -> float:
        """Points a minute, of the last ones; 0 where fewer than two are there."""
        last = sorted(self.done.values())[-_RECENT:]
        span = last[-1] - last[0] if len(last) > 1 else 0.0
        return 60 * (len(last) - 1) / span if span > 0 else 0.0

    @property
    def left(self) -> int:
        """Points that are neither there nor failed."""
        return self.points - len(self.done) - len(self.failed)

    def lines(self) -> list[str]:
        """Return what is shown on a terminal."""
        parts = [f"{len(self.done)} of {self.points} points done", f"{len(self.failed)} failed"]
        if self.per_minute:
            parts.append(f"{self.per_minute:.3g} a minute")
            if self.left and self.workers is not None:
                parts.append(f"about {words(60 * self.left / self.per_minute)} left")
        if self.gibibytes is not None:
            parts.append(f"{self.gibibytes:.2f} GiB")
        parts.append("not running" if self.workers is None else f"{self.workers} workers")
        told = [f"  failed: {label} ({failure.why})" for label, failure in self.failed.items()]
        more = [f"  ... and {len(told) - _SHOWN_FAILED} more"] if len(told) > _SHOWN_FAILED else []
        return [", ".join(parts), *told[:_SHOWN_FAILED], *more]


def follow(folder: RunFolder, stream: TextIO, every: float = EVERY, sleep: Callable[[float], None] = time.sleep) -> int:
    """Show a run until no runner is at work any more; return 1 where points failed, else 0.

    On a terminal the lines are replaced; elsewhere there is one line a point, and no control character.
    """
    told: set[str] = set()
    rows = 0
    while True:
        seen = Glance.of(folder)
        if stream.isatty():
            columns = _columns()
            text = [line[:columns] for line in seen.lines()]
            stream.write((f"\x1b[{rows}F\x1b[J" if rows else "") + "\n".join(text) + "\n")
            rows = len(text)
        else:
            for label in sorted(seen.done.keys() - told, key=seen.done.__getitem__):
                told.add(label)
                stream.write(f"[{len(told)}/{seen.points}] {label}: done\n")
            for label in [label for label in seen.failed if label not in told]:
                told.add(label)
                stream.write(f"[{len(told)}/{seen.points}] {label}: FAILED ({seen.failed[label].why})\n")
        stream.flush()
        if seen.workers is None:
            if not stream.isatty():
                stream.write(seen.lines()[0] + "\n")
            return 1 if seen.failed else 0
        sleep(every)


def _columns() -> int:
    try:
        return max(20, os.get_terminal_size().columns - 1)
    except OSError:
        return 200


def _memory(folder: RunFolder) -> float | None:
    """Return the resident memory of the runner and its children in GiB, if they are on this machine."""
    said = re.search(r"process (\d+) on (\S+)", folder.holder())
    if said is None or said[2] != socket.gethostname() or not Path("/proc").is_dir():
        return None
    pages, waiting = 0, [said[1]]
    while waiting:
        place = Path("/proc") / waiting.pop()
        try:
            pages += int((place / "statm").read_text().split()[1])
            for task in (place / "task").iterdir():
                waiting += (task / "children").read_text().split()
        except (OSError, IndexError, ValueError):  # it ended meanwhile
            continue
    return pages * os.sysconf("SC_PAGE_SIZE") / GIB if pages else None
