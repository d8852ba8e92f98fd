"""An engine of dask workers, on this machine or on others that see the run directory (extra ``cluster``).

Workers write their points into the run directory as those of `bdg.jobs.engines.processes` do. They are taken as they
are: how many there are may change during a run, and a point whose worker died is given to another one by the scheduler.
"""

from __future__ import annotations

import json
import logging
import math
import os
import platform
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bdg.base.errors import JobError
from bdg.gpu.device.backend import select_backend
from bdg.gpu.device.memory import available_bytes
from bdg.gpu.device.threads import VARIABLE, cores, require_threads
from bdg.gpu.kernels.compiling import host_library
from bdg.jobs.engines import worker as worker_module
from bdg.jobs.engines.engine import Report, Task
from bdg.jobs.folder.provenance import package_versions, source_digest
from bdg.jobs.model.sweep import Point
from bdg.jobs.model.workforce import Member, Workforce

MISSING = "the extra 'cluster' is not installed (dask and distributed): pip install 'bdg[cluster]'"
SCHEDULER_S = 15.0  # until a scheduler is taken to be none
WORKERS_S = 60.0  # until one without workers is given up
_TICK = 1.0  # seconds between refreshes of the bar
_AHEAD = 256  # points that the scheduler holds at a time
_SEED = "PYTHONHASHSEED"  # which one does not matter, and dask has its own
_DECISIVE = ("python", "numpy", "scipy", "h5py", "cupy")  # versions that may change a number or a file


class DaskCluster:
    """Points on the workers of a running dask scheduler.

    Parameters
    ----------
    task : Task
        What each worker is told.
    scheduler : str
        Its address (``tcp://127.0.0.1:8786``), or the path of a scheduler file.

    Attributes
    ----------
    workforce : Workforce
        Workers at the start.

    Raises
    ------
    JobError
        If dask is not installed, no scheduler answers, it has no workers, or one of them has another version of this
        package or of what may change a number, more than one thread, or no sight of the run directory.
    """

    def __init__(self, task: Task, scheduler: str) -> None:
        self._task, self._scheduler = task, scheduler
        self._client = _connected(scheduler)
        self._held: dict[Any, Point] = {}
        self._since: dict[str, float] = {}  # when points were first seen at work, by their keys
        self._run = uuid.uuid4().hex  # so that no two runs share what a scheduler remembers
        try:
            self.workforce = _examined(self._client, scheduler, task.device, str(task.folder))
        except BaseException:
            self._client.close()
            raise

    def run(self, points: Sequence[Point]) -> Iterator[Report | None]:
        """Yield one report a point as they come, and None now and then.

        Raises
        ------
        RuntimeError
            If the scheduler is lost.
        """
        waiting, mine, limits = list(reversed(points)), fingerprint(), self._task.limits
        while waiting or self._held:
            if not limits.open():
                waiting.clear()
                self._take_back()
                if not self._held:
                    break
            while waiting and len(self._held) < _AHEAD:
                point = waiting.pop()
                key = f"bdg-{point.digest}-{self._run}"
                future = self._client.submit(computed_here, self._task, point, mine, key=key, pure=False)
                self._held[future] = point
            done = self._finished()
            if self._client.status != "running" or any(future.cancelled() for future in done):
                raise RuntimeError(
                    f"the dask scheduler at {self._scheduler} is lost; finished points are kept, and the same command "
                    "goes on once there is one again"
                )
            for future in done:
                yield self._report(future, self._held.pop(future))
            if limits.point_seconds is not None:
                yield from self._given_up()
            if not done:
                yield None
        self._client.close()

    def kill(self) -> None:
        """Take all points back from the scheduler; what a worker is writing appears whole or not at all."""
        if self._held and self._client.status == "running":
            self._client.cancel(list(self._held), force=True)
        self._held.clear()
        self._client.close(timeout=_TICK)

    def _finished(self) -> set[Any]:
        """Return what is finished, however it ended, after a tick at most."""
        import distributed

        try:
            with self._client.as_current():
                return distributed.wait(list(self._held), timeout=_TICK, return_when="FIRST_COMPLETED").done
        except TimeoutError:
            return set()
        except distributed.CancelledError:
            return {future for future in self._held if future.done()}

    def _at_work(self) -> dict[str, str]:
        """Return the worker of each point that is being computed, by its key; what waits at a worker is not."""
        if not self._held:
            return {}
        stacks = self._client.call_stack(keys=[future.key for future in self._held])
        return {str(key): worker for worker, keys in stacks.items() for key in keys}

    def _take_back(self) -> None:
        """Take back what no worker has begun."""
        begun = self._at_work()
        idle = [future for future in self._held if future.key not in begun and not future.done()]
        self._client.cancel(idle)
        for future in idle:
            del self._held[future]

    def _given_up(self) -> Iterator[Report]:
        """Yield reports of points that have had their time; their workers are started anew."""
        begun, now = self._at_work(), time.monotonic()
        self._since = {key: self._since.get(key, now) for key in begun}
        late = [future for future in self._held if future.key in begun and self._late(future.key)]
        for future in late:
            point, since = self._held.pop(future), self._since.pop(future.key)
            self._client.cancel([future], force=True)
            self._client.restart_workers([begun[future.key]], raise_for_error=False)
            yield Report(point.digest, now - since, self._task.limits.told(), cause="limit")

    def _late(self, key: str) -> bool:
        return self._task.limits.overdue(self._since[key])

    def _report(self, future: Any, point: Point) -> Report:
        error = future.exception()
        if error is None:
            return future.result()
        if type(error).__name__ == "KilledWorker":
            return Report(point.digest, 0.0, f"the worker process died: {error}", cause="killed")
        return Report(point.digest, 0.0, repr(error))


def workforce_of(scheduler: str, device: str = "auto") -> Workforce:
    """Return the workers of a running scheduler; `JobError` if there are none, or one of them must not be used."""
    client = _connected(scheduler)
    try:
        return _examined(client, scheduler, device, "")
    finally:
        client.close()


def _examined(client: Any, scheduler: str, device: str, folder: str) -> Workforce:
    """Return the workers there are; JobError if one of them must not be used."""
    try:
        client.wait_for_workers(1, timeout=WORKERS_S)
    except TimeoutError as error:
        raise JobError(
            f"--scheduler {scheduler}: it has had no workers for {WORKERS_S:g} seconds; start some (`bdg cluster` "
            "brings its own)"
        ) from error
    told = client.run(about_worker, folder, device, on_error="return")
    mine = fingerprint()
    for address, about in sorted(told.items()):
        why = f"it cannot say what it is ({about!r:.200})" if isinstance(about, BaseException) else ""
        if why := why or refusal(about, mine):
            raise JobError(f"--scheduler {scheduler}: the worker {address} cannot be used: {why}")
    return Workforce(tuple(about["member"] for _, about in sorted(told.items())), scheduler)


def fingerprint() -> dict[str, str | None]:
    """Return what must be the same here and on a worker for the same bits: versions, and the text of this package."""
    versions = package_versions()
    return {"bdg": source_digest(), "kernels": host_library().about, **{name: versions[name] for name in _DECISIVE}}


def about_worker(folder: str, device: str, dask_worker: Any = None) -> dict[str, Any]:
    """Return, on a worker, what `refusal` wants to know of it, and what it has to compute with.

    ``folder`` is the run directory that it must see, "" if there is none yet.
    """
    return {
        "fingerprint": fingerprint(),
        "threads": dask_worker.state.nthreads if dask_worker is not None else 1,
        "environment": {name: os.environ.get(name) for name in worker_module.WORKER_ENVIRONMENT},
        "host": platform.node(),
        "sees": not folder or Path(folder, "run.json").is_file(),
        "member": _member(device, getattr(getattr(dask_worker, "memory_manager", None), "memory_limit", None)),
    }


def _member(device: str, limit: int | None) -> Member:
    """Return what this process has to compute with; dask ends it at ``limit`` bytes, if that is not None."""
    backend = select_backend(device)
    gpu = os.environ.get("CUDA_VISIBLE_DEVICES", "0") if backend.device == "gpu" else ""
    ended_at = float(limit) if limit else math.inf
    return Member(platform.node(), require_threads(), cores(), available_bytes(backend), ended_at, gpu)


def refusal(about: Mapping[str, Any], mine: Mapping[str, str | None]) -> str:
    """Return why a worker must not be used, with the cure; empty if it may be."""
    theirs = about["fingerprint"]
    different = [f"{name} {theirs.get(name)}, here {mine[name]}" for name in mine if theirs.get(name) != mine[name]]
    if different:
        what = "; ".join(different)
        return f"its versions differ ({what}), so its bits might; start it from the environment of this command"
    if about["threads"] != 1:
        return f"it has {about['threads']} threads; start it with --nthreads 1 ({VARIABLE} says how many a point uses)"
    found = about["environment"]
    if not str(found[_SEED]).isdigit():
        return f"it was started without a fixed {_SEED} in its environment, on which the order of a sum may depend"
    wanted = {name: value for name, value in worker_module.WORKER_ENVIRONMENT.items() if name != _SEED}
    unset = [f"{name}={value}" for name, value in wanted.items() if found[name] != value]
    if unset:
        return f"it was started without {' '.join(unset)} in its environment, on which bits may depend"
    if not about["sees"]:
        return f"{about['host']} does not see the run directory; put it on a file system that all machines share"
    return ""


def computed_here(task: Task, point: Point, wanted: Mapping[str, str | None]) -> Report:
    """Compute a point on a worker and write it; refused where the worker has come later with other versions."""
    mine = fingerprint()
    different = [f"{name} {mine[name]} instead of {wanted[name]}" for name in wanted if mine[name] != wanted[name]]
    if different:
        return Report(point.digest, 0.0, f"refused by a worker of another version: {'; '.join(different)}")
    return worker_module.computed(task, point)


def _connected(scheduler: str) -> Any:
    """Return a client of a running scheduler."""
    try:
        import distributed
    except ImportError as error:
        raise JobError(f"--scheduler: {MISSING}") from error
    address = _address(scheduler)
    for name in ("distributed", "distributed.client", "distributed.core"):  # tracebacks of what is said here in words
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        return distributed.Client(address, timeout=SCHEDULER_S, set_as_default=False)
    except OSError as error:
        raise JobError(
            f"--scheduler {scheduler}: no dask scheduler answers at {address} within {SCHEDULER_S:g} s; start one by "
            "`bdg cluster --workers N`"
        ) from error


def _address(scheduler: str) -> str:
    """Return the address in a scheduler file, or the one that was given."""
    from distributed.comm import parse_host_port

    address = scheduler
    try:
        if Path(scheduler).is_file():
            address = json.loads(Path(scheduler).read_text(encoding="utf-8"))["address"]
        parse_host_port(address.rpartition("://")[2])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise JobError(
            f"--scheduler {scheduler}: neither a file that a dask scheduler wrote nor an address such as "
            "tcp://127.0.0.1:8786; start one by `bdg cluster --workers N`"
        ) from error
    return address
