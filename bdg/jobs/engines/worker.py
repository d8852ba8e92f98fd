"""A worker process: computes points one after another and writes them; lives no longer than its parent."""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Iterator
from multiprocessing.connection import Connection, wait

from bdg.gpu.device.threads import VARIABLE, require_threads
from bdg.jobs.engines.engine import Report, Task
from bdg.jobs.folder.store import RunFolder
from bdg.jobs.model.sweep import Point
from bdg.lattices.storage import disk_is_full

_PR_SET_PDEATHSIG = 1

# One thread of BLAS per worker whatever their number, so that no sum is split differently with other --workers; and one
# hash seed, so that nothing hangs on the order of a set of texts.
WORKER_ENVIRONMENT = {
    **{f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL", "BLIS", "NUMEXPR")},
    "VECLIB_MAXIMUM_THREADS": "1",
    "PYTHONHASHSEED": "0",
}
READY = "ready"


def main(connection: Connection, task: Task) -> None:
    """Compute the points that arrive until None does."""
    die_with_parent(task.parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    connection.send(READY)
    while True:
        try:
            point = connection.recv()
        except EOFError:
            return
        if point is None:
            return
        connection.send(computed(task, point))


def computed(task: Task, point: Point) -> Report:
    """Compute a point, write it into the run directory, and say what happened."""
    start, full = time.perf_counter(), 0
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        try:
            outcome = task.kind.compute(point.parameters, task.device)
            seconds = time.perf_counter() - start
            RunFolder(task.folder).write_point(point, task.kind.name, outcome, seconds, task.device, task.origin)
            error = ""
        except Exception as wrong:  # whatever goes wrong in one point must not stop the others
            error = traceback.format_exc()
            full = (wrong.errno or 0) if isinstance(wrong, OSError) and disk_is_full(wrong) else 0
    said = tuple(dict.fromkeys(f"{w.category.__name__}: {w.message}" for w in caught))
    return Report(point.digest, time.perf_counter() - start, error, said, full)


def die_with_parent(parent: int) -> None:
    """End this process when the one with id ``parent`` ends, even by SIGKILL.

    On Linux the kernel sees to it; elsewhere, and besides, a thread waits for the parent's end.
    """
    if sys.platform.startswith("linux"):
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:  # it ended before the line above
        os._exit(1)
    process = multiprocessing.parent_process()
    if process is not None:
        threading.Thread(target=_exit_after, args=(process.sentinel,), daemon=True).start()


def _exit_after(sentinel: int) -> None:
    wait([sentinel])
    os.kill(os.getpid(), signal.SIGKILL)


@contextlib.contextmanager
def worker_environment(workers: int = 1) -> Iterator[None]:
    """Set the environment that workers are to be born with, and restore this process's own afterwards.

    Each of them has its share of the threads that this process may use (`bdg.gpu.device.threads`), which changes no
    result. SIGINT is held back meanwhile, and stays blocked in the child: Ctrl-C reaches the parent alone.
    """
    wanted = {**WORKER_ENVIRONMENT, VARIABLE: str(max(1, require_threads() // workers))}
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
