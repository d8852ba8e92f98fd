"""Time of a Chebyshev step on blocks of vectors, beside the bandwidth of a copy on the same device.

A step ``y <- (2/s) H x - y`` with its dot products moves at least both vectors once and y twice, and h and Delta once:
that over its time is held against the rate at which the device copies.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import numpy as np

import bdg
from bdg.gpu.chebyshev.moments import Recursion
from bdg.gpu.chebyshev.nambu_operator import NambuOperator
from bdg.validation.benchmarks.gpu.clock import Clock, Row
from bdg.validation.benchmarks.markdown import markdown
from bdg.validation.benchmarks.memory import GIB
from bdg.validation.benchmarks.systems import composite

STAGE = "Chebyshev step"
COLUMNS = (8, 32, 64)
TARGET_SIZE, TARGET_SHARE = 100, 0.6  # sites an axis, share of the copy bandwidth
_BOUND = 20.0  # above every eigenvalue of the systems of the table
_BATCHES, _STEPS = 5, 10


def chebyshev_steps(clock: Clock, size: int, columns: Sequence[int] = COLUMNS) -> Iterator[Row]:
    """Yield a row for each dtype and number of columns.

    ``seconds_cold`` is the first step in a new operator: for the first columns of a dtype with compiling or loading of
    the kernel. ``seconds_warm`` is the median of batches of steps.
    """
    matrix = bdg.BdGHamiltonian(composite(size)).matrix
    half = matrix.shape[0] // 2
    normal = matrix[:half, :half]
    for dtype in ("float32", "float64", "complex64", "complex128"):
        single = dtype in ("float32", "complex64")
        given = matrix.astype(complex) if dtype.startswith("complex") else matrix
        operator: NambuOperator | None = None
        for n_columns in columns:
            row: Row = {"stage": STAGE, "size": size, "sites": half, "dtype": dtype, "columns": n_columns}
            if clock.left() < 5:
                yield {**row, "error": "no time left"}
                continue
            try:
                if operator is None:
                    operator = NambuOperator(given, 1, clock.backend, single=single)
                row |= _times(clock, operator, n_columns)
                row["bytes"] = _bytes(operator.dtype.itemsize, half, normal.nnz, n_columns)
                row["bytes_per_second"] = row["bytes"] / row["seconds_warm"]
            except Exception as error:  # the other rows are worth having
                row["error"] = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
            yield row


def _bytes(itemsize: int, n_sites: int, n_entries: int, n_columns: int) -> int:
    """Return what a step has to move at least: x, y twice, the entries of h with their columns, Delta."""
    vectors = 3 * 2 * n_sites * n_columns * itemsize
    return vectors + n_entries * (itemsize + 4) + n_sites * (itemsize + 8)


def _times(clock: Clock, operator: NambuOperator, n_columns: int) -> Row:
    start = operator.zeros(n_columns)
    start[...] = 1 / np.sqrt(operator.n_rows)
    recursion = Recursion(operator, start, _BOUND)
    cold = _seconds(clock, recursion, 1)
    _seconds(clock, recursion, 2)  # from the second step on y is read, too
    warm = float(np.median([_seconds(clock, recursion, _STEPS) / _STEPS for _ in range(_BATCHES)]))
    return {"seconds_cold": cold, "seconds_warm": warm, "vectors_gib": 2 * start.nbytes / GIB}


def _seconds(clock: Clock, recursion: Recursion, steps: int) -> float:
    clock.wait()
    begin = time.perf_counter()
    for _ in range(steps):
        recursion.advance("squares")
    clock.wait()
    return time.perf_counter() - begin


def table(rows: Sequence[Row], copy: float | None) -> str:
    """Return the rows as Markdown; ``copy`` is the measured bandwidth of a copy in bytes a second."""
    head = ("sites", "vectors", "columns", "GiB", "cold ms", "warm ms", "GB/s at least", "of the copy bandwidth")
    cells = []
    for row in rows:
        name = (f"{row['sites']} ({row['size']}^3)", row["dtype"], str(row["columns"]))
        if "error" in row:
            cells.append((*name, "-", "-", "-", "-", row["error"]))
            continue
        share = _share(row, copy)
        cells.append(
            (
                *name,
                f"{row['vectors_gib']:.3g}",
                f"{1e3 * row['seconds_cold']:.3g}",
                f"{1e3 * row['seconds_warm']:.3g}",
                f"{row['bytes_per_second'] / 1e9:.4g}",
                "-" if share is None else f"{100 * share:.0f} %",
            )
        )
    return markdown(head, cells)


def targets(rows: Sequence[Row], copy: float | None) -> list[str]:
    """Return a line for each row of the size that the target is about."""
    lines = []
    for row in rows:
        share = _share(row, copy)
        if row["size"] == TARGET_SIZE and share is not None:
            verdict = "met" if share >= TARGET_SHARE else "MISSED"
            lines.append(
                f"- {STAGE}, {row['size']}^3, {row['dtype']}, {row['columns']} columns: {100 * share:.0f} % of the "
                f"copy bandwidth, target {100 * TARGET_SHARE:.0f} %: {verdict}"
            )
    return lines


def _share(row: Row, copy: float | None) -> float | None:
    return row["bytes_per_second"] / copy if copy and "bytes_per_second" in row else None
