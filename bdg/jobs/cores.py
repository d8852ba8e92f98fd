"""How the points of a job share cores: the seconds on the clock from the seconds of a point."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from bdg.estimates import CORES
from bdg.gpu.device.threads import require_threads
from bdg.jobs.model.workforce import Workforce

START = 1.5  # seconds until a worker is ready


@dataclass(frozen=True, eq=False)
class Cores:
    """Workers on some numbers of cores: each has an equal share of them as threads, one at least.

    Attributes
    ----------
    workers : int
    cores : array (C,) of int
        Those of the tables, and those at hand; those of the workers of a scheduler alone.
    here : int
        Where these are.
    crew : int
        Workers that have a point to do.
    points : int
    threads : array (C,) of int
        Of each worker.
    scheduler : str
        Whose workers they are; "" for processes of this machine.
    """

    workers: int
    cores: np.ndarray
    here: int
    crew: int
    points: int
    threads: np.ndarray
    scheduler: str = ""

    @classmethod
    def of(cls, workers: int, points: int) -> Cores:
        """Return the shares of so many processes of this machine."""
        granted, crew = require_threads(), min(workers, points)
        cores = np.array(sorted({*CORES, granted}))
        threads = np.maximum(1, cores // crew)
        return cls(workers, cores, list(cores).index(granted), crew, points, threads)

    @classmethod
    def of_workers(cls, force: Workforce, points: int) -> Cores:
        """Return the cores and threads that the workers of a scheduler have."""
        cores, threads = np.array([force.cores]), np.array([force.threads])
        return cls(force.size, cores, 0, min(force.size, points), points, threads, force.scheduler)

    def seconds(self, each: np.ndarray) -> np.ndarray:
        """Return the seconds on the clock (C,) where a point takes ``each`` on the threads of a worker.

        Threads that are more than the cores wait for one another.
        """
        rounds = max(self.points / self.crew, math.ceil(self.points / self.crew))
        waiting = np.maximum(1.0, self.crew * self.threads / self.cores)
        return np.asarray(START + rounds * waiting * each)
