"""The computations of `bdg.validation.benchmarks.gpu.table`, one process for each size; rows go out as JSON lines.

python -m bdg.validation.benchmarks.gpu.stages '{"job": "size", "size": 16, "device": "cpu", "deadline": 2e9}'
"""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

import bdg
from bdg.gpu.device.backend import select_backend
from bdg.gpu.multifrontal import Factor
from bdg.gpu.multifrontal.imaginary.quaternion import QuaternionFactor
from bdg.methods.symbolic import quaternion_symbolic, site_symbolic, whole_symbolic
from bdg.validation.benchmarks.gpu.clock import Clock, Row
from bdg.validation.benchmarks.gpu.cudss import cudss
from bdg.validation.benchmarks.gpu.steps import chebyshev_steps
from bdg.validation.benchmarks.memory import GIB
from bdg.validation.benchmarks.systems import ATTRACTION, GAP, TEMPERATURE, composite, sandwich
from bdg.validation.benchmarks.tasks import CRITICAL, STATES

COLUMNS = 32
GAP_STEPS = 2
LOWEST = np.pi * TEMPERATURE  # the first Matsubara frequency


def rates(clock: Clock) -> Iterator[Row]:
    """Yield the rates of large dense products and of copies: what the device can do at best."""
    xp, on_gpu = clock.backend.xp, clock.backend.device == "gpu"
    size = 8192 if on_gpu else 512
    generator = np.random.default_rng(1)
    for name, dtype, factor in (("dgemm", "float64", 1), ("zgemm", "complex128", 4), ("sgemm", "float32", 1)):
        host = generator.standard_normal((size, size))
        matrix = xp.asarray((host + 1j * host.T if factor == 4 else host).astype(dtype))
        out = xp.empty_like(matrix)
        seconds = _median_seconds(clock, partial(xp.matmul, matrix, matrix, out=out))
        rate = 2.0 * factor * size**3 / seconds
        yield {"stage": name, "size": size, "dtype": dtype, "seconds_warm": seconds, "rate": rate}
    elements = (4 << 30) // 8 if on_gpu else (64 << 20) // 8
    source = xp.arange(elements, dtype=np.float64)
    target = xp.empty_like(source)
    seconds = _median_seconds(clock, partial(xp.copyto, target, source))
    yield {"stage": "copy", "size": elements, "dtype": "float64", "seconds_warm": seconds,
           "bytes_per_second": 16.0 * elements / seconds}  # fmt: skip


def _median_seconds(clock: Clock, run: Callable[[], Any], repeats: int = 5) -> float:
    run()  # libraries are loaded and their workspace is taken
    seconds = []
    for _ in range(repeats):
        clock.wait()
        start = time.perf_counter()
        run()
        clock.wait()
        seconds.append(time.perf_counter() - start)
    return float(np.median(seconds))


def one_size(clock: Clock, size: int) -> Iterator[Row]:
    """Yield the rows of one cube: first what users call, then its parts."""
    system = composite(size)
    yield _bound_states(clock, system)
    yield _pair_amplitude(clock, system)
    yield _local_density(clock, system)
    yield _gap(clock, size)
    yield from _parts(clock, system, 0.0, "float64")
    yield from cudss(clock, system, 0.0, "float64", COLUMNS)
    yield _quaternion(clock, system)
    yield from _parts(clock, system, 1j * LOWEST, "complex128")
    yield from cudss(clock, system, 1j * LOWEST, "complex128", COLUMNS)


def _bound_states(clock: Clock, system: bdg.System) -> Row:
    backend = clock.backend

    def describe(found: bdg.BoundStates) -> Row:
        evidence = found.evidence
        facts = {name: evidence.get(name) for name in ("form", "solves", "contraction", "count_contraction")}
        row: Row = {"complete": found.complete, "residual": float(found.residuals.max()), **facts}
        if evidence.get("form") == "takagi":
            half, whole = site_symbolic(system, backend), whole_symbolic(system, backend)
            row["flops"] = half.factor_flops(complex, padded=False) + evidence["solves"] * half.solve_flops(
                complex, False
            )
            row["flops"] += len(evidence.get("counts_tried", ())) * whole.factor_flops(float, padded=False)
        return row

    def run() -> bdg.BoundStates:
        return bdg.bound_states(system, STATES, method="lanczos", device=backend.device, seed=0)

    return clock.row(f"{STATES} bound states, certified", "float64", run, describe)


def _pair_amplitude(clock: Clock, system: bdg.System) -> Row:
    backend = clock.backend

    def describe(found: bdg.PairAmplitude) -> Row:
        facts = {name: found.evidence.get(name) for name in ("poles", "single_precision_poles")}
        one = _selected_flops(quaternion_symbolic(system, backend), "float64")
        flops = 8 * int(found.evidence["poles"]) * one
        return {"relative_error": found.evidence.relative_error, **facts, "flops": flops}

    def run() -> bdg.PairAmplitude:
        return bdg.pair_amplitude(system, TEMPERATURE, method="poles", tol=1e-5, device=backend.device)

    return clock.row("pair amplitude on all sites", "float64", run, describe)


def _local_density(clock: Clock, system: bdg.System) -> Row:
    device = clock.backend.device

    def run() -> bdg.LocalDensityOfStates:
        return bdg.local_density_of_states(system, [GAP / 3], broadening=0.02, method="green", device=device)

    def describe(found: bdg.LocalDensityOfStates) -> Row:
        return {"largest_error": float(found.error.max()), "form": found.evidence.form}

    return clock.row("local density on all sites, one energy", "complex128", run, describe)


def _gap(clock: Clock, size: int) -> Row:
    system, device = sandwich(size), clock.backend.device

    def run() -> bdg.Gap:
        try:
            return bdg.solve_gap(system, 0.1 * CRITICAL, max_iterations=GAP_STEPS, device=device)
        except bdg.ConvergenceError as missed:
            assert isinstance(missed.result, bdg.Gap)
            return missed.result

    def describe(found: bdg.Gap) -> Row:
        return {"poles": found.evidence.get("poles"), "largest_delta": float(abs(found.delta).max())}

    return clock.row(f"{GAP_STEPS} iterations of the gap, 0.1 Tc", "float64", run, describe)


def _parts(clock: Clock, system: bdg.System, z: complex, dtype: str) -> Iterator[Row]:
    """Yield factorisation, solve and selected inverse of ``z - H``."""
    backend = clock.backend
    held: dict[str, Any] = {}  # what later rows need of earlier ones, and nothing else keeps alive
    symbolic = whole_symbolic(system, backend)
    matrix = bdg.BdGHamiltonian(system).matrix
    blocks = symbolic.pattern.split(matrix)
    columns = np.random.default_rng(2).standard_normal((symbolic.n_rows, COLUMNS)).astype(dtype)

    def factor() -> None:
        held.clear()  # the former factors make room
        held["factor"] = Factor(symbolic, blocks, z, backend)

    def facts(_: Any) -> Row:
        made = held["factor"]
        flops = symbolic.factor_flops(dtype, padded=False)
        return {"flops": flops, "padded_flops": symbolic.factor_flops(dtype), "kept_gib": made.kept_bytes / GIB,
                "contraction": made.contraction}  # fmt: skip

    yield clock.row("factor", dtype, factor, facts)
    if "factor" not in held:
        return
    held["right"] = backend.xp.asarray(columns)

    def solved(found: Any) -> Row:
        on_host = backend.to_host(found)
        residual = float(abs(z * on_host - matrix @ on_host - columns).max())
        return {"residual": residual, "flops": COLUMNS * symbolic.solve_flops(dtype, padded=False)}

    yield clock.row(f"solve, {COLUMNS} columns", dtype, lambda: held["factor"].solve(held["right"]), solved)
    del held["right"]
    flops = symbolic.selected_inverse_flops(dtype, padded=False)
    yield clock.row("selected inverse", dtype, lambda: held["factor"].selected_inverse(), lambda _: {"flops": flops})


def _quaternion(clock: Clock, system: bdg.System) -> Row:
    backend = clock.backend
    symbolic = quaternion_symbolic(system, backend)
    normal, pairing = (symbolic.pattern.split(matrix) for matrix in (system.hamiltonian, system.pairing_block))

    def run() -> Any:
        return QuaternionFactor(symbolic, normal, pairing, LOWEST, backend).selected_inverse(release=True)

    flops = 8 * _selected_flops(symbolic, "float64")
    return clock.row("one pole: quaternion factor and selected inverse", "float64", run, lambda _: {"flops": flops})


def _selected_flops(symbolic: Any, dtype: str) -> float:
    return symbolic.factor_flops(dtype, padded=False) + symbolic.selected_inverse_flops(dtype, padded=False)


def agreement(clock: Clock, size: int) -> Iterator[Row]:
    """Yield, for each observable, the largest difference between device and CPU beside the error that both state.

    Where the device is the CPU, other methods take the second part, so that a row never compares a call with itself.
    """
    device = clock.backend.device
    for name, system in _systems(size):
        for observable, method, other in (
            (_levels, "lanczos", "shift_invert"),
            (_count, "lanczos", "shift_invert"),
            (_amplitudes, "poles", "dense"),
            (_green, "multifrontal", "dense"),
            (_local_densities, "green", "dense"),
            *([(_self_consistent, "poles", "dense")] if system.norbs == 1 else []),
        ):
            row: Row = {"stage": f"agreement: {observable.__name__[1:]}", "system": name, "size": size}
            try:
                ours, stated = observable(system, device, method)
                reference, also = observable(system, "cpu", method if device == "gpu" else other)
                row |= {"difference": float(abs(ours - reference).max()), "stated": stated + also}
                row["agrees"] = bool(row["difference"] <= row["stated"])
            except Exception as error:  # the other observables are worth having
                row["error"] = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
            yield row


def _systems(size: int) -> Iterator[tuple[str, bdg.System]]:
    """Yield a real, a complex and a spinful system."""
    import scipy.sparse as sp

    system = composite(size)
    yield "real", system
    small = composite(max(4, (3 * size) // 4))
    yield "in a magnetic field", small.with_field((0.0, 0.0, 0.02))
    tiny = composite(max(4, size // 2))
    zeeman = sp.kron(sp.identity(tiny.n_sites), np.diag([0.05, -0.05]))
    spinful = sp.csr_matrix(sp.kron(tiny.hamiltonian, np.eye(2)) + zeeman)
    yield "with spin", bdg.lattices.from_hamiltonian(spinful, tiny.positions, norbs=2, delta=tiny.delta)


def _levels(system: bdg.System, device: str, method: str) -> tuple[np.ndarray, float]:
    found = bdg.bound_states(system, STATES, method=method, device=device, seed=0)
    # a residual bounds the error of a level; rounding of H itself comes on top
    return np.sort(abs(found.energies)), float(found.residuals.max()) + 1e-13


def _count(system: bdg.System, device: str, method: str) -> tuple[np.ndarray, float]:
    found = bdg.count_states(system, GAP / 3, method=method, device=device)
    if found.count < 0:
        raise RuntimeError(f"no proven count on the {device}: {dict(found.evidence)}")
    return np.array(found.count), 0.0


def _amplitudes(system: bdg.System, device: str, method: str) -> tuple[np.ndarray, float]:
    found = bdg.pair_amplitude(system, TEMPERATURE, method=method, tol=1e-5, device=device)
    return found.values, found.error


def _green(system: bdg.System, device: str, method: str) -> tuple[np.ndarray, float]:
    found = bdg.green_function(system, 1j * LOWEST, method=method, device=device)
    # the evidence holds the deviation from solved columns; an inverse at Im z = w amplifies rounding by 1/w^2
    return found.values, float(found.evidence.max_residual) / LOWEST + 1e-14 / LOWEST**2


def _local_densities(system: bdg.System, device: str, method: str) -> tuple[np.ndarray, float]:
    found = bdg.local_density_of_states(system, [GAP / 3], broadening=0.05, method=method, device=device)
    return found.values, float(found.error.max()) + 1e-14 / 0.05**2


def _self_consistent(system: bdg.System, device: str, method: str) -> tuple[np.ndarray, float]:
    attraction = np.where(abs(system.delta) > 0, ATTRACTION, 0.0)
    found = bdg.solve_gap(dataclasses.replace(system, attraction=attraction), 0.1, method=method, device=device)
    return found.delta, found.error


def main() -> None:
    """Run one job and print its rows."""
    job = json.loads(sys.argv[1])
    backend, size = select_backend(job["device"]), int(job.get("size", 0))
    clock = Clock(backend, size, float(job["deadline"]))
    if job["job"] == "rates":
        print(json.dumps({"stage": "device", "device": backend.device, "name": backend.device_name}), flush=True)
        rows = rates(clock)
    else:
        jobs = {"agreement": agreement, "steps": chebyshev_steps, "size": one_size}
        rows = jobs[job["job"]](clock, size)
    for row in rows:
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
