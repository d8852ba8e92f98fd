"""A Chebyshev step by the clock, beside what the same threads copy and multiply at best."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

import bdg
from bdg.gpu.chebyshev.moments import Recursion
from bdg.gpu.chebyshev.nambu_operator import NambuOperator
from bdg.gpu.device.backend import select_backend
from bdg.gpu.device.threads import side_by_side, threaded, threads_granted
from bdg.validation.benchmarks.systems import composite

COLUMNS = 8
_BOUND = 20.0  # above every eigenvalue of the systems
_COPY_BYTES, _GEMM, _STEPS, _REPEATS = 1 << 27, 1024, 10, 5  # of each thread: far beyond every cache, and within


@threaded
def measure(size: int, *, threads: int | str = "auto") -> dict[str, Any]:
    """Return seconds of a step with its norms, what it moves and multiplies, and its shares of the machine's rates.

    Rates are of all ``threads`` at once, each with arrays of its own; a step moves two vectors, one of them twice, and
    the matrix once.
    """
    matrix = bdg.BdGHamiltonian(composite(size)).matrix
    operator = NambuOperator(matrix, 1, select_backend("cpu"), single=False)
    start = operator.zeros(COLUMNS)
    start[...] = 1 / np.sqrt(operator.n_rows)
    recursion = Recursion(operator, start, _BOUND)

    def steps() -> None:
        for _ in range(_STEPS):
            recursion.advance("squares")

    seconds = _quickest(steps) / _STEPS
    moved = 3 * matrix.shape[0] * COLUMNS * operator.dtype.itemsize
    moved += matrix.nnz * (operator.dtype.itemsize + 4) / 2  # h and Delta once, not their copies for holes
    copy, gemm = copy_rate(), gemm_rate()
    return {
        "step_seconds": seconds,
        "copy_rate": copy,
        "gemm_rate": gemm,
        "of_copy": moved / seconds / copy,
        "of_gemm": 2.0 * matrix.nnz * COLUMNS / seconds / gemm,
    }


def copy_rate() -> float:
    """Return the bytes a second that all threads together read and write."""
    pairs = [(np.ones(_COPY_BYTES // 8), np.zeros(_COPY_BYTES // 8)) for _ in range(threads_granted())]
    for source, target in pairs:
        np.copyto(target, source)
    return 2.0 * _COPY_BYTES * len(pairs) / _quickest(lambda: _at_once(lambda pair: np.copyto(pair[1], pair[0]), pairs))


def gemm_rate() -> float:
    """Return the operations a second of large dense products on all threads together."""
    some = [np.random.default_rng(1).standard_normal((_GEMM, _GEMM)) for _ in range(threads_granted())]
    return 2.0 * _GEMM**3 * len(some) / _quickest(lambda: _at_once(lambda matrix: matrix @ matrix, some))


def _at_once(work: Callable[[Any], Any], items: list[Any]) -> None:
    for _ in side_by_side(work, items, select_backend("cpu")):
        pass


def _quickest(run: Callable[[], None]) -> float:
    run()
    found = []
    for _ in range(_REPEATS):
        begin = time.perf_counter()
        run()
        found.append(time.perf_counter() - begin)
    return min(found)
