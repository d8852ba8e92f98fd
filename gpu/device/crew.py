"""Work that forms a tree, on several threads: pieces whose turn comes when others are done, and shares of large ones.

As in `bdg.gpu.device.threads`, what a piece computes does not depend on who computes it, nor on what else is going on:
results have the same bits whatever the number of threads.
"""

from __future__ import annotations

import contextvars
import heapq
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any, TypeVar

from bdg.gpu.device.backend import Backend
from bdg.gpu.device.threads import on_one_thread, one_blas_thread, pool_of, threads_taken, threads_that_fit

_Given = TypeVar("_Given")


class _Crew:
    """Threads that work on one tree; some may help others where nothing else is left to do."""

    def __init__(self, pool: ThreadPoolExecutor, number: int) -> None:
        self.number = number
        self._pool = pool
        self._lock = threading.Lock()
        self._busy = 0
        self._caller = contextvars.copy_context()

    def submit(self, work: Callable[[Any], Any], item: Any) -> Future[None]:
        alone = on_one_thread(work)
        return self._pool.submit(lambda: self._counted(alone, item))

    def _counted(self, work: Callable[[Any], Any], item: Any) -> None:
        with self._lock:
            self._busy += 1
            self._caller.run(threads_taken, self._busy)
        try:
            work(item)
        finally:
            with self._lock:
                self._busy -= 1


_CREW: contextvars.ContextVar[_Crew | None] = contextvars.ContextVar("crew", default=None)


def in_turn(
    work: Callable[[int], None], needs: Sequence[Sequence[int]], backend: Backend, *, each_bytes: float = 0.0
) -> None:
    """Call ``work(k)`` for each k, after those in ``needs[k]``, on as many threads as are granted and fit.

    Parameters
    ----------
    work : callable
        May hand out shares of what it does by `shared`.
    needs : sequence of sequences of int
        Smaller numbers than k; one thread goes through all in their order. A single piece is called as it is.
    backend : Backend
        On a GPU pieces follow one another.
    each_bytes : float
        What one piece takes beside the others.
    """
    if len(needs) == 1:
        work(0)
        return
    number = threads_that_fit(backend, each_bytes)
    with one_blas_thread():
        if number == 1:
            for k in range(len(needs)):
                work(k)
            return
        with pool_of(number) as pool:
            crew = _Crew(pool, number)
            token = _CREW.set(crew)
            try:
                _as_they_are_ready(crew, work, needs)
            finally:
                _CREW.reset(token)


def _as_they_are_ready(crew: _Crew, work: Callable[[int], None], needs: Sequence[Sequence[int]]) -> None:
    missing = [len(before) for before in needs]
    followers: list[list[int]] = [[] for _ in needs]
    for k, before in enumerate(needs):
        for j in before:
            followers[j].append(k)
    ready = [k for k, count in enumerate(missing) if not count]  # in order, which is a heap
    running: dict[Future[None], int] = {}
    while ready or running:
        while ready and len(running) < crew.number:
            # not before as many as there are threads will be ready that come first: less waits for what comes later
            if sum(sum(after < ready[0] for after in followers[k]) for k in running.values()) >= crew.number:
                break
            k = heapq.heappop(ready)
            running[crew.submit(work, k)] = k
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            future.result()
            for k in followers[running.pop(future)]:
                missing[k] -= 1
                if not missing[k]:
                    heapq.heappush(ready, k)


def shared(work: Callable[[_Given], None], items: Iterable[_Given], worth: bool = True) -> None:
    """Call ``work`` for each item, here and, if that is ``worth`` it, on threads of the crew that have nothing to do.

    Outside of `in_turn`, and where there is one thread only, all of it is done here.
    """
    crew, pieces = _CREW.get(), list(items)
    rest = iter(pieces)
    held = [work]  # helpers that were not needed wait for an idle thread until they are forgotten: arrays must not

    def some(_: None = None) -> None:
        for item in rest:  # each is handed out once: an iterator over a list is
            held[0](item)

    if crew is None or not worth or len(pieces) < 2:
        some()
        return
    helpers = [crew.submit(some, None) for _ in range(min(crew.number, len(pieces)) - 1)]
    try:
        some()
    finally:
        for helper in helpers:
            if not helper.cancel():
                helper.result()
        held.clear()
