"""A dask scheduler with its workers on this machine: ``bdg cluster``."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bdg.base.errors import JobError
from bdg.gpu.device.threads import VARIABLE, require_threads
from bdg.jobs.engines.dask_cluster import MISSING
from bdg.jobs.engines.worker import WORKER_ENVIRONMENT

LOOPBACK = "127.0.0.1"
# What dask has by default takes a third of a point's time: samples of what it is at, memory given back at every turn.
WORKER_SETTINGS = {
    "distributed.worker.profile.enabled": False,
    "distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_": None,
}
START_ATTEMPTS = 3  # in a row that may fail until a cluster without any worker is given up
_TICK = 1.0  # seconds between looks at the workers
_GONE = 5  # looks at a worker that is not there until its keeper, who starts it again by himself, is replaced
_VISIBLE = "CUDA_VISIBLE_DEVICES"


@dataclass(frozen=True)
class LocalCluster:
    """What is started, and where it listens.

    Parameters
    ----------
    workers : int
        Processes of one thread, which share the cores that this process may use. One that dies is started again.
    gpus : int
        Devices; worker n sees the device n modulo their number only.
    host : str
        Interface to listen on. Whoever reaches it can run any code as this user: dask asks for no password.
    port : int
        0: a free one.
    scheduler_file : str, optional
        Written with the address, removed at the end.
    """

    workers: int
    gpus: int = 0
    host: str = LOOPBACK
    port: int = 0
    scheduler_file: str | None = None

    def serve(self, announce: Callable[[str], None]) -> None:
        """Start scheduler and workers, call ``announce`` with the address, and work until Ctrl-C or SIGTERM.

        Raises
        ------
        JobError
            If dask is not installed.
        OSError
            If the interface or the port cannot be had.
        RuntimeError
            If no worker can be started.
        """
        try:
            import dask
            import distributed
        except ImportError as error:
            raise JobError(f"bdg cluster: {MISSING}") from error
        os.environ.update(WORKER_ENVIRONMENT)  # of all that is started from here: set before NumPy is imported there
        os.environ[VARIABLE] = str(max(1, require_threads() // self.workers))
        for name in ("distributed", "distributed.nanny"):  # deaths are told by the runs that they concern
            logging.getLogger(name).setLevel(logging.CRITICAL)
        with dask.config.set(WORKER_SETTINGS):
            asyncio.run(self._serve(distributed, announce))

    async def _serve(self, distributed: Any, announce: Callable[[str], None]) -> None:
        done = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, done.set)
        listening = {"host": self.host, "port": self.port, "scheduler_file": self.scheduler_file}
        async with distributed.Scheduler(**listening, dashboard=False) as scheduler:
            places = [_Place(self._keeper(distributed, scheduler.address, n)) for n in range(self.workers)]
            try:
                await asyncio.gather(*(place.look() for place in places))
                announce(scheduler.address)
                while not done.is_set():
                    await asyncio.gather(*(place.look() for place in places))
                    if all(place.failures >= START_ATTEMPTS for place in places):
                        raise RuntimeError("worker processes do not start (their own words are above)")
                    await asyncio.wait([asyncio.create_task(done.wait())], timeout=_TICK)
            finally:
                await asyncio.gather(*(place.close() for place in places), return_exceptions=True)

    def _keeper(self, distributed: Any, address: str, number: int) -> Callable[[], Any]:
        """Return what makes the keeper of a worker."""
        seen = {_VISIBLE: _device(number % self.gpus)} if self.gpus else {}
        options = {"nthreads": 1, "memory_limit": 0, "silence_logs": "WARNING"}
        return lambda: distributed.Nanny(address, host=self.host, env=seen, **options)


class _Place:
    """One worker, whoever keeps it at the moment."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make, self._keeper, self._absent = make, None, 0
        self.failures = 0

    async def look(self) -> None:
        """Start the worker if there is none, and again where its keeper has given up."""
        if self._keeper is not None and self._keeper.is_alive():
            self._absent = self.failures = 0
            return
        self._absent += 1
        if self._keeper is not None and self._absent < _GONE:
            return
        await self.close()
        keeper = self._make()
        try:
            self._keeper = await keeper
        except Exception:  # killed while it started, for instance: the next look tries again
            self.failures += 1
            await keeper.close()

    async def close(self) -> None:
        """End the worker."""
        keeper, self._keeper, self._absent = self._keeper, None, 0
        if keeper is not None:
            await keeper.close(timeout=_TICK)


def _device(number: int) -> str:
    """Return what a worker is to see, of the devices that this process may see."""
    allowed = [name.strip() for name in os.environ.get(_VISIBLE, "").split(",") if name.strip()]
    return allowed[number % len(allowed)] if allowed else str(number)
