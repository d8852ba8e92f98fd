"""NVIDIA's own sparse direct solver beside ours: cuDSS through nvmath-python, on the same matrices.

Nothing else needs it: ``pip install 'nvmath-python[cu12]' nvidia-cudss-cu12`` (cu13 for CUDA 13) brings the wheels
nvmath-python, nvidia-cudss-cu12, cuda-bindings and cuda-core.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterator
from typing import Any

import numpy as np
import scipy.sparse as sp

import bdg
from bdg.gpu.device.memory import GIB
from bdg.validation.benchmarks.gpu.clock import Clock, Row

WHEELS = "pip install 'nvmath-python[cu12]' nvidia-cudss-cu12, or cu13 in both"
STAGES = ("cuDSS: ordering and symbolic", "cuDSS: factor", "cuDSS: solve, {} columns")


def why_not(clock: Clock) -> str:
    """Return why cuDSS cannot be measured, empty if it can."""
    if clock.backend.device != "gpu":
        return "cuDSS runs on a GPU only"
    return "" if importlib.util.find_spec("nvmath") else f"nvmath is not installed ({WHEELS})"


def cudss(clock: Clock, system: bdg.System, z: complex, dtype: str, columns: int) -> Iterator[Row]:
    """Yield ordering, factorisation and solve of ``z - H``, symmetric, with its own defaults; SciPy matrices go in."""
    if why := why_not(clock):
        yield {"stage": STAGES[1], "size": clock.size, "dtype": dtype, "left_out": why}
        return
    advanced = importlib.import_module("nvmath.sparse.advanced")
    hamiltonian = bdg.BdGHamiltonian(system).matrix
    matrix = sp.csr_matrix((z * sp.identity(hamiltonian.shape[0]) - hamiltonian).astype(dtype))
    right = np.asfortranarray(np.random.default_rng(2).standard_normal((matrix.shape[0], columns)).astype(dtype))
    options = {"sparse_system_type": advanced.DirectSolverMatrixType.SYMMETRIC}
    held: dict[str, Any] = {}

    def plan() -> None:
        release()
        held["free"] = _free_bytes(clock)
        held["solver"] = advanced.DirectSolver(matrix, right, options=options)
        held["solver"].plan()

    def release() -> None:
        if "solver" in held:
            held.pop("solver").free()

    def solved(found: Any) -> Row:
        return {"residual": float(abs(matrix @ np.asarray(found) - right).max())}

    yield clock.row(STAGES[0], dtype, plan)
    if "solver" in held:
        yield clock.row(
            STAGES[1], dtype, lambda: held["solver"].factorize(),
            lambda _: {"kept_gib": (held["free"] - _free_bytes(clock)) / GIB},
        )  # fmt: skip
        yield clock.row(STAGES[2].format(columns), dtype, lambda: held["solver"].solve(), solved)
    release()


def _free_bytes(clock: Clock) -> float:
    """Return the free bytes of the device: what cuDSS takes is not in the pool of CuPy."""
    return float(clock.backend.xp.cuda.runtime.memGetInfo()[0])
