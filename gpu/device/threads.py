"""Threads of the host: how many a call may use, and independent pieces of work side by side on them.

Each piece runs on one thread of Python with one thread of BLAS; NumPy's calls into BLAS release the interpreter lock.
Pieces are handed out and their results returned in their order, and what one of them computes does not depend on which
others run beside it: results have the same bits whatever the number of threads.
"""

from __future__ import annotations

import contextvars
import functools
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import numpy as np

from bdg.gpu.device.backend import Backend
from bdg.gpu.device.memory import available_bytes

VARIABLE = "BDG_THREADS"
_SWITCH_SECONDS = 1e-4  # threads that wait for the interpreter lock get it after that, instead of 5e-3
_LOST = 0.15  # of each further thread inside a piece, as replays of factors have it
_FEW = 8  # threads from which on pieces are not left alone with one each
_SHARE = 0.5  # of the memory that is left: other processes look at the same time
_QUOTA = Path("/sys/fs/cgroup/cpu.max")
_Given = TypeVar("_Given")
_Made = TypeVar("_Made")
_Arguments = ParamSpec("_Arguments")


@dataclass(eq=False)
class _Team:
    """What one public call may use, and has used."""

    size: int
    used: int = 1


_TEAM: contextvars.ContextVar[_Team | None] = contextvars.ContextVar("team", default=None)


def cores() -> int:
    """Return how many cores this process may use: its affinity, and the share that its control group grants."""
    found = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = _QUOTA.read_text().split()
    except (OSError, ValueError):
        return found
    return max(1, min(found, int(quota) // int(period))) if quota.isdigit() else found


def require_threads(threads: Any = "auto") -> int:
    """Return a number of threads; "auto": ``BDG_THREADS`` where it is set, else the cores that this process may use.

    Raises
    ------
    TypeError, ValueError
        If it is neither "auto" nor a whole number >= 1, or ``BDG_THREADS`` is none.
    """
    if isinstance(threads, str) and threads == "auto":
        told = os.environ.get(VARIABLE, "").strip()
        if not told:
            return cores()
        if not told.isdigit() or not int(told):
            raise ValueError(f"{VARIABLE} must be a whole number >= 1; got {told!r}. Unset it for all cores")
        return int(told)
    if isinstance(threads, bool) or not hasattr(threads, "__index__"):
        raise TypeError(f"threads must be 'auto' or a whole number >= 1; got {threads!r:.80}")
    if int(threads) < 1:
        raise ValueError(f"threads must be 'auto' or a whole number >= 1; got {threads!r:.80}")
    return int(threads)


def threaded(function: Callable[_Arguments, _Made]) -> Callable[_Arguments, _Made]:
    """Let a public function use the threads that its keyword ``threads`` grants; its ``progress`` must be a flag.

    A function that is called by another one, and is not told otherwise, shares the threads of that.
    """

    @functools.wraps(function)
    def call(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> _Made:
        require_progress(kwargs.get("progress"))
        asked: Any = kwargs.get("threads", "auto")
        known = _TEAM.get()
        if known is not None and isinstance(asked, str) and asked == "auto":
            return function(*args, **kwargs)
        token = _TEAM.set(_Team(require_threads(asked)))
        try:
            return function(*args, **kwargs)
        finally:
            _TEAM.reset(token)

    return call


def require_progress(shown: Any) -> None:
    """Refuse what is neither True nor False nor None: the text "no" counts as true in Python."""
    if shown is not None and not isinstance(shown, bool | np.bool_):
        raise TypeError(f"progress must be True, False or None (a bar where stderr is a terminal); got {shown!r:.80}")


def threads_granted() -> int:
    """Return how many threads may be used here."""
    team = _TEAM.get()
    return 1 if team is None else team.size


def threads_used() -> int:
    """Return how many threads the public call that is going on has used at once so far."""
    team = _TEAM.get()
    return 1 if team is None else team.used


def threads_taken(number: int) -> int:
    """Return a number of threads, and note that the public call that is going on uses so many at once."""
    team = _TEAM.get()
    if team is not None:
        team.used = max(team.used, number)
    return number


def side_by_side(
    work: Callable[[_Given], _Made],
    items: Iterable[_Given],
    backend: Backend,
    *,
    each_bytes: float = 0.0,
    divisible: bool = False,
) -> Iterator[_Made]:
    """Yield ``work(item)`` in the order of the items, computed on as many threads as are granted and fit.

    Work that was not begun is not done if the iterator is closed, or if a piece raises.

    Parameters
    ----------
    work : callable
        Must not depend on the order of calls. What it shares with other calls must be made before.
    items : iterable
    backend : Backend
        On a GPU pieces follow one another.
    each_bytes : float
        What one piece takes beside the others: no more of them than fit into the memory that is left.
    divisible : bool
        Threads inside a piece are nearly as good as those beside it: fewer at once, on more threads each, where the
        last ones would leave threads without work.
    """
    count = len(items) if isinstance(items, Sequence | np.ndarray) else 0
    if count == 1:  # it may use the threads itself
        number = 1
    else:
        number = threads_that_fit(backend, each_bytes)
    with one_blas_thread():
        if number == 1:
            yield from map(work, items)
            return
        at_once, inside = pieces_and_threads(count, number, threads_granted(), divisible)
        yield from _pooled(work, iter(items), at_once, inside)


def pieces_and_threads(count: int, fit: int, threads: int, divisible: bool) -> tuple[int, int]:
    """Return how many pieces are done at once, and how many threads each has.

    More than one where fewer than ``threads`` pieces exist (``count``; 0 is not known) or ``fit`` into memory, and if
    pieces are ``divisible`` where that is quicker by R. L. Graham's bound (SIAM J. Appl. Math. 17, 416 (1969)).
    """
    most = min(count, fit)
    if not most:
        return fit, 1
    fewest = 1 if divisible and threads >= _FEW else most
    return min(
        ((at_once, threads // at_once) for at_once in range(most, fewest - 1, -1)),
        key=lambda split: (count / split[0] + 1 - 1 / split[0]) * (1 + _LOST * (split[1] - 1)) / split[1],
    )


def threads_that_fit(backend: Backend, each_bytes: float = 0.0) -> int:
    """Return how many threads are granted here, one on a GPU, and have ``each_bytes`` of memory beside the others."""
    number = threads_granted() if backend.device == "cpu" else 1
    if number > 1 and each_bytes > 0:
        number = max(1, min(number, int(_SHARE * available_bytes(backend) // each_bytes)))
    return number


def _pooled(work: Callable[[_Given], _Made], items: Iterator[_Given], number: int, inside: int) -> Iterator[_Made]:
    waiting: list[tuple[Future[_Made], _Team]] = []

    def submit(item: _Given) -> None:
        team = _Team(inside)
        waiting.append((pool.submit(_in_team(work, team), item), team))
        threads_taken(min(number, len(waiting)))

    with pool_of(number) as pool:
        for item in islice(items, 2 * number):  # whoever is done finds more to do while the first in order is not
            submit(item)
        while waiting:
            at_once = min(number, len(waiting))
            future, team = waiting.pop(0)
            found = future.result()
            threads_taken(at_once * team.used)
            for item in islice(items, 1):
                submit(item)
            yield found


def on_one_thread(work: Callable[[_Given], _Made]) -> Callable[[_Given], _Made]:
    """Return ``work`` in a copy of the present context: NumPy's settings are the same, and no threads are granted."""
    return _in_team(work, _Team(1))


def _in_team(work: Callable[[_Given], _Made], team: _Team) -> Callable[[_Given], _Made]:
    context = contextvars.copy_context()
    context.run(_TEAM.set, team)
    return lambda item: context.run(work, item)


@contextmanager
def pool_of(number: int) -> Iterator[ThreadPoolExecutor]:
    """Yield a pool of threads; what was not begun when the block ends is not done."""
    interval = sys.getswitchinterval()
    pool = ThreadPoolExecutor(number, thread_name_prefix="bdg")
    try:
        sys.setswitchinterval(min(interval, _SWITCH_SECONDS))
        yield pool
    finally:
        sys.setswitchinterval(interval)
        pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Keep BLAS at one thread: the pieces take the cores, and a product is not split differently with other numbers."""
    with _controller().limit(limits=1, user_api="blas"):
        yield


@functools.cache
def _controller() -> Any:
    import scipy.linalg  # noqa: F401  its BLAS is a library of its own, which has to be loaded to be found
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
