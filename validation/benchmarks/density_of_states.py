"""Density of states: this package beside ``kwant.kpm``, and its steps beside the copy bandwidth of the machine.

Both get the same matrix, number of moments and number of random vectors, and both broaden with the Jackson kernel.
Times are those of the processor, the best of some runs that take turns. Ours include the spectral bound; kwant is
measured as typed, and once more with our bound given to it, which is what the target is held against.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

import bdg
from bdg.densities import density_of_states as dos
from bdg.densities.resolution import SAFETY
from bdg.gpu.chebyshev.columns import spectral_bound
from bdg.gpu.chebyshev.moments import Recursion
from bdg.gpu.chebyshev.nambu_operator import NambuOperator
from bdg.gpu.chebyshev.traces import random_vector
from bdg.gpu.device.backend import select_backend
from bdg.validation.benchmarks.systems import composite

CASES = ((16, 2048), (24, 512), (32, 512))  # edge of the cube, moments
QUICK = ((6, 64),)
VECTORS = 8
TARGETS = {"float64": 12.0, "float32": 15.0}  # times faster than kwant.kpm
_COPY_BYTES = 1 << 28  # far beyond every cache


@dataclass(frozen=True)
class DensityRow:
    """One case.

    Attributes
    ----------
    size, moments, vectors : int
    dtype : str
        Of the vectors of this package.
    seconds, kwant_seconds, kwant_typed_seconds : float
        Processor seconds: of this package, of kwant with the spectral bound given to it, and without; NaN where kwant
        is not installed.
    deviation : float
        Largest difference of the two densities in units of the standard error of this package.
    step_seconds : float
        Of one step on all vectors with its norms.
    bandwidth, copy_bandwidth : float
        Bytes a second that a step moves at least (two vectors read, one written, the matrix once), and of a copy.
    """

    size: int
    moments: int
    vectors: int
    dtype: str
    seconds: float
    kwant_seconds: float
    kwant_typed_seconds: float
    deviation: float
    step_seconds: float
    bandwidth: float
    copy_bandwidth: float

    @property
    def ratio(self) -> float:
        """How many times longer kwant takes with the bound given."""
        return self.kwant_seconds / self.seconds

    @property
    def fraction(self) -> float:
        """Share of the copy bandwidth."""
        return self.bandwidth / self.copy_bandwidth


def measure(cases: Sequence[tuple[int, int]] = CASES, repeats: int = 3) -> list[DensityRow]:
    """Return one row for each case and precision; peers and package take turns."""
    copy = copy_bandwidth()
    rows = []
    for size, moments in cases:
        system = composite(size)
        energies = np.linspace(-5, 5, 101)
        calls: dict[str, Callable[[], Any]] = {
            "float32": partial(_ours, system, energies, moments, True),
            "float64": partial(_ours, system, energies, moments, False),
            "kwant": partial(by_kwant, system, energies, moments, True),
            "kwant, as typed": partial(by_kwant, system, energies, moments, False),
        }
        best, found = _best(calls, repeats)
        for dtype in ("float32", "float64"):
            step, moved = step_seconds(system, dtype == "float32")
            ours, theirs = found[dtype], found["kwant"]
            deviation = np.nan if theirs is None else float((abs(ours.values - theirs) / ours.error).max())
            rows.append(
                DensityRow(
                    size=size,
                    moments=moments,
                    vectors=VECTORS,
                    dtype=dtype,
                    seconds=best[dtype],
                    kwant_seconds=np.nan if theirs is None else best["kwant"],
                    kwant_typed_seconds=np.nan if theirs is None else best["kwant, as typed"],
                    deviation=deviation,
                    step_seconds=step,
                    bandwidth=moved / step,
                    copy_bandwidth=copy,
                )
            )
    return rows


def table(rows: Sequence[DensityRow]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return head and cells of the table."""
    head = (
        "size",
        "moments",
        "vectors",
        "precision",
        "this package, s",
        "kwant.kpm, bound given, s",
        "as typed, s",
        "bound given / ours",
        "a step moves, GB/s",
        "a copy moves, GB/s",
        "share",
    )
    return head, [
        (
            f"{row.size}^3",
            str(row.moments),
            str(row.vectors),
            row.dtype,
            f"{row.seconds:.3g}",
            f"{row.kwant_seconds:.3g}",
            f"{row.kwant_typed_seconds:.3g}",
            f"{row.ratio:.1f}",
            f"{row.bandwidth / 1e9:.1f}",
            f"{row.copy_bandwidth / 1e9:.1f}",
            f"{row.fraction:.2f}",
        )
        for row in rows
    ]


def targets(rows: Sequence[DensityRow]) -> list[tuple[str, float, float]]:
    """Return what is promised: name, measured value, smallest accepted one. Double precision counts, too."""
    name = "density of states"
    return [
        (f"{name}, {row.size}^3, {row.moments} moments, {row.dtype}: kwant.kpm / ours", row.ratio, TARGETS[row.dtype])
        for row in rows
        if row.size >= 16
    ]


def copy_bandwidth(repeats: int = 10) -> float:
    """Return the bytes a second that a copy of a large array reads and writes together, one thread."""
    source = np.ones(_COPY_BYTES // 8)  # not zeros, which are one page of memory until they are written
    target = np.ones_like(source)
    best = np.inf
    for _ in range(repeats):
        start = time.process_time()
        np.copyto(target, source)
        best = min(best, time.process_time() - start)
    return 2 * source.nbytes / best


def step_seconds(system: bdg.System, single: bool, steps: int = 20) -> tuple[float, float]:
    """Return the best time of one step of the recursion on all vectors, and the bytes that it moves at least."""
    matrix = bdg.BdGHamiltonian(system).matrix
    operator = NambuOperator(matrix, system.norbs, select_backend("cpu"), single=single)
    start = np.stack([random_vector(operator, 0, number) for number in range(VECTORS)], axis=1)
    recursion = Recursion(operator, operator.to_device(start), 20.0)
    recursion.advance("squares")
    best = np.inf
    for _ in range(steps):
        before = time.process_time()
        recursion.advance("squares")
        best = min(best, time.process_time() - before)
    matrix_bytes = matrix.nnz * (operator.dtype.itemsize + 4) + 4 * matrix.shape[0]
    return best, 3 * matrix.shape[0] * VECTORS * operator.dtype.itemsize + matrix_bytes


def _ours(system: bdg.System, energies: np.ndarray, moments: int, single: bool) -> bdg.DensityOfStates:
    chosen = dos.single_is_enough
    dos.single_is_enough = lambda *size: single  # type: ignore[assignment]
    try:
        return bdg.density_of_states(
            system, energies, method="chebyshev", moments=moments, vectors=VECTORS, device="cpu", seed=0
        )
    finally:
        dos.single_is_enough = chosen


def by_kwant(system: bdg.System, energies: np.ndarray, moments: int, bound_given: bool) -> np.ndarray | None:
    """Return the density by kwant, None where it is not installed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import kwant
    except ImportError:
        return None
    matrix = bdg.BdGHamiltonian(system).matrix
    scale = SAFETY * spectral_bound(matrix) if bound_given else None
    bounds = None if scale is None else (-0.975 * scale, 0.975 * scale)  # kwant adds a margin of 5 % of the half width
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        spectrum = kwant.kpm.SpectralDensity(matrix, num_vectors=VECTORS, num_moments=moments, bounds=bounds, rng=0)
        return np.asarray(spectrum(energies)).real


def _best(calls: dict[str, Callable[[], Any]], repeats: int) -> tuple[dict[str, float], dict[str, Any]]:
    best: dict[str, float] = dict.fromkeys(calls, np.inf)
    found: dict[str, Any] = {}
    for _ in range(repeats):
        for name, call in calls.items():
            before = time.process_time()
            found[name] = call()
            best[name] = min(best[name], time.process_time() - before)
    return best, found
