"""What else ran on the machine during a measurement: a busy neighbour spoils what the clock says."""

from __future__ import annotations

import os
import resource
import time
from pathlib import Path

_STAT = Path("/proc/stat")
_IDLE = (3, 4)  # idle, waiting for a disk: fields of the first line


class Neighbours:
    """Cores that other processes keep busy, on average, while a block that waits for child processes is executed.

    Attributes
    ----------
    cores : float
        Busy time of all cores without this process and the children that ended meanwhile, over the time on the clock;
        nan where the system does not tell.
    load : float
        Load average over a minute when the block began; nan where the system does not tell.
    """

    def __init__(self) -> None:
        self.cores = self.load = float("nan")

    def __enter__(self) -> Neighbours:
        try:
            self.load = os.getloadavg()[0]
        except OSError:  # not known here
            pass
        self._begin = time.perf_counter(), busy_seconds(), _own_seconds()
        return self

    def __exit__(self, *_: object) -> None:
        clock, busy, own = self._begin
        elapsed = max(time.perf_counter() - clock, 1e-9)
        others = busy_seconds() - busy - (_own_seconds() - own)
        self.cores = others / elapsed if not others < 0 else 0.0  # counted in ticks


def busy_seconds() -> float:
    """Return the seconds that all cores together have been busy since the machine was started; nan if unknown."""
    try:
        fields = _STAT.read_text(encoding="ascii").split("\n", 1)[0].split()[1:9]
    except (OSError, ValueError):
        return float("nan")
    ticks = sum(int(field) for number, field in enumerate(fields) if number not in _IDLE)
    return ticks / os.sysconf("SC_CLK_TCK")


def _own_seconds() -> float:
    spent = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in spent)
