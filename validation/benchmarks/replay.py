"""What the structure of a computation allows on more cores than there are: a replay, not a measurement.

The computation runs once on one thread, and the processor time of every piece is recorded that threads could share,
with what it has to wait for: poles of thermal sums, subtrees of a factor and the blocks of its top fronts, whatever is
handed to `bdg.gpu.device.threads`. The recorded pieces are then scheduled on n cores, each as soon as what it needs is
done and a core is free. Two things hold them up besides: the interpreter's lock, which all of them together hold no
longer than the clock runs, and the memory of a socket, which serves no more than `bdg.gpu.cost.shared.SOCKET` cores at
once. Their shares of a piece are those of the estimate of the whole.
"""

from __future__ import annotations

import heapq
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from unittest import mock

import numpy as np

import bdg
from bdg.gpu.cost.calibration import assuming, rates_of
from bdg.gpu.cost.shared import FROM_MEMORY, SOCKET
from bdg.gpu.device import threads
from bdg.gpu.device.backend import select_backend
from bdg.lattices.system import System
from bdg.validation.benchmarks.markdown import markdown

CORES = (4, 8, 16, 64)
PROMISED = {("poles", 32): 10.0, ("gap_steps", 32): 10.0, ("lanczos", 64): 7.0}  # times quicker on 16 cores
WORDS = {"poles": "F on all sites", "gap_steps": "two iterations of the gap", "lanczos": "32 states, proven"}
_CREW = "bdg.gpu.device.crew"


@dataclass(frozen=True)
class Piece:
    """What one thread does without a break.

    Attributes
    ----------
    seconds : float
    needs : tuple of int
        Pieces that come before.
    holder : int
        Outermost piece of a pool that it belongs to, which has few threads for its parts; -1: none.
    large : bool
        A block of a large product, in which the interpreter has nothing to do.
    beside : int
        Pieces of that pool; 0: it has not told.
    divisible : bool
        It says so.
    """

    seconds: float
    needs: tuple[int, ...]
    holder: int = -1
    large: bool = False
    beside: int = 0
    divisible: bool = False


class Recorder:
    """Takes the place of what hands pieces to threads, does them one after the other, and notes how long each takes."""

    def __init__(self) -> None:
        self.pieces: list[Piece] = []
        self._needs: tuple[int, ...] = ()
        self._holder, self._large = -1, False
        self._beside, self._divisible = 0, False
        self._begin = time.thread_time()

    def close(self) -> tuple[int, ...]:
        """End the piece that is going on and return what the next one has to wait for."""
        now = time.thread_time()
        pool = self._beside, self._divisible
        self.pieces.append(Piece(now - self._begin, self._needs, self._holder, self._large, *pool))
        self._needs = (len(self.pieces) - 1,)
        self._begin = time.thread_time()
        return self._needs

    def side_by_side(
        self,
        work: Callable[[Any], Any],
        items: Iterable[Any],
        backend: Any,
        *,
        each_bytes: float = 0.0,
        divisible: bool = False,
    ) -> Iterator[Any]:
        """As `bdg.gpu.device.threads.side_by_side`: a pool, whose results are taken in their order."""
        if isinstance(items, Sequence | np.ndarray) and len(items) == 1:
            yield work(items[0])
            return
        before = taken = self.close()
        for item in items:
            self._needs, outer = before, self._holder
            if outer < 0:
                self._holder, self._divisible = len(self.pieces), divisible
                self._beside = len(items) if isinstance(items, Sequence | np.ndarray) else 0
            found = work(item)
            done = self.close()
            self._needs, self._holder = (*done, *taken), outer
            yield found
            taken = self.close()

    def in_turn(
        self, work: Callable[[int], None], needs: Sequence[Sequence[int]], backend: Any, *, each_bytes: float = 0.0
    ) -> None:
        """As `bdg.gpu.device.crew.in_turn`: a tree of parts."""
        before, done = self.close(), list[tuple[int, ...]]()
        for number, below in enumerate(needs):
            self._needs = (*before, *(place for part in below for place in done[part]))
            work(number)
            done.append(self.close())
        self._needs = tuple(place for part in done for place in part)

    def shared(self, work: Callable[[Any], None], items: Iterable[Any], worth: bool = True) -> None:
        """As `bdg.gpu.device.crew.shared`: blocks of a large product."""
        some = list(items)
        if not worth or len(some) < 2:
            for item in some:
                work(item)
            return
        before, done = self.close(), list[int]()
        for item in some:
            self._needs, self._large = before, True
            work(item)
            done += self.close()
        self._needs, self._large = tuple(done), False

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Take the place of the functions in every module that holds them."""
        originals = {threads.side_by_side: self.side_by_side}
        if crew := sys.modules.get(_CREW):
            originals |= {crew.in_turn: self.in_turn, crew.shared: self.shared}
        with ExitStack() as stack:
            for name, module in list(sys.modules.items()):
                for key, value in list(vars(module).items()) if name.startswith("bdg.") else ():
                    if callable(value) and getattr(value, "__hash__", None) and value in originals:
                        stack.enter_context(mock.patch.object(module, key, originals[value]))
            yield


def recorded(call: Callable[[], Any]) -> list[Piece]:
    """Return the pieces of a call in the order in which one thread does them."""
    recorder = Recorder()
    with recorder.in_place():
        call()
    recorder.close()
    return recorder.pieces


def makespan(
    pieces: Sequence[Piece], cores: int, calls: float = 0.0, copies: float = 0.0, within: bool = True
) -> float:
    """Return the seconds on so many cores.

    Parameters
    ----------
    pieces : sequence of Piece
    cores : int
    calls, copies : float
        Shares of the time of a piece in which the interpreter is locked and memory is waited for.
    within : bool
        Threads that are left over help inside the pieces of a pool, too.
    """
    needs = [set(piece.needs) for piece in pieces]
    limits = [(cores, cores) if within else _limits(piece, cores) for piece in pieces]
    followers: list[list[int]] = [[] for _ in pieces]
    for number, before in enumerate(needs):
        for one in before:
            followers[one].append(number)
    missing = [len(before) for before in needs]
    ready = [number for number, count in enumerate(missing) if not count]
    running: dict[int, float] = {}
    clock = 0.0
    while ready or running:
        for number in _admitted(ready, running, pieces, limits, cores):
            running[number] = pieces[number].seconds
        locked = calls * sum(not pieces[number].large for number in running)
        speed = min(1.0, 1.0 / max(locked, 1e-9), SOCKET / max(copies * len(running), 1e-9))
        step = min(running.values())
        clock += step / speed
        running = {number: left - step for number, left in running.items()}
        for number in [number for number, left in running.items() if left <= 0]:
            del running[number]
            for follower in followers[number]:
                missing[follower] -= 1
                if not missing[follower]:
                    heapq.heappush(ready, follower)
    return clock


def _limits(piece: Piece, cores: int) -> tuple[int, int]:
    """Return how many holders of the pool of a piece are at work at once, and how many pieces of each."""
    return (
        threads.pieces_and_threads(piece.beside, cores, cores, piece.divisible) if piece.holder >= 0 else (cores, cores)
    )


def _admitted(
    ready: list[int], running: dict[int, float], pieces: Sequence[Piece], limits: Sequence[tuple[int, int]], cores: int
) -> list[int]:
    """Take from the heap of pieces that are ready, in their order, those that begin now."""
    admitted, left = list[int](), list[int]()
    at_work = Counter(pieces[number].holder for number in running)
    while ready and len(running) + len(admitted) < cores:
        number = heapq.heappop(ready)
        holder, (holders, parts) = pieces[number].holder, limits[number]
        others = sum(1 for one in at_work if one >= 0 and one != holder)
        if holder >= 0 and (at_work[holder] >= parts or others >= holders):
            left.append(number)
            continue
        at_work[holder] += 1
        admitted.append(number)
    for number in left:
        heapq.heappush(ready, number)
    return admitted


def held_up(system: System, what: str, method: str, **arguments: Any) -> tuple[float, float]:
    """Return the shares of array calls and of waiting for memory in what a function is to take on one thread."""
    rates = rates_of(select_backend("cpu"))
    seconds = []
    for given in (rates, rates.only("call"), rates.only("copy")):
        with assuming(given):
            found = bdg.estimate(system, what, device="cpu", threads=1, cores=(1,), **arguments)
        assert isinstance(found, bdg.Estimate)
        seconds.append(float(found.all_seconds[found.methods.index(method)]))
    return seconds[1] / seconds[0], FROM_MEMORY * seconds[2] / seconds[0]


def speed_ups(pieces: Sequence[Piece], calls: float, copies: float) -> dict[str, Any]:
    """Return how many times quicker each number of cores is, as pieces are handed out today and with help within."""
    whole = sum(piece.seconds for piece in pieces)
    times = {
        str(cores): [whole / makespan(pieces, cores, calls, copies, within) for within in (False, True)]
        for cores in CORES
    }
    endless = whole / makespan(pieces, len(pieces))
    return {"times": times, "endless": endless, "recorded": whole, "pieces": len(pieces), "calls": calls,
            "copies": copies}  # fmt: skip


def table(found: Mapping[tuple[str, int], Any]) -> str:
    """Return the table of replays; what is not a mapping is an error."""
    head = ("what", "size", "recorded s", "pieces", "array calls", "memory", *(f"{n} cores" for n in CORES), "no limit",
            "promised on 16")  # fmt: skip
    rows = []
    for (task, size), entry in found.items():
        start = (WORDS[task], f"{size}^3")
        if isinstance(entry, str):
            rows.append((*start, *["-"] * (len(head) - 3), entry))
            continue
        bound = PROMISED.get((task, size))
        rows.append(
            (
                *start,
                f"{entry['recorded']:.1f}",
                str(entry["pieces"]),
                *(f"{100 * entry[name]:.0f} %" for name in ("calls", "copies")),
                *(f"{today:.1f} ({within:.1f})" for today, within in entry["times"].values()),
                f"{entry['endless']:.0f}",
                "-" if bound is None else f"{bound:g}",
            )
        )
    told = (
        "A REPLAY, not a measurement: pieces recorded on one thread, scheduled on cores that are not there. Times "
        "quicker than one thread as pieces are handed out today, in brackets if threads that are left over helped "
        "inside the pieces of a pool, too; no limit: endlessly many cores, memory and no lock."
    )
    return f"{told}\n\n{markdown(head, rows)}"
