"""What Chebyshev recursions take: seconds and bytes of blocks of columns, and of the spectral bound."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bdg.base.hamiltonian import BdGHamiltonian
from bdg.gpu.chebyshev import columns as chebyshev
from bdg.gpu.chebyshev import moments
from bdg.gpu.chebyshev.moments import BLOCK_BYTES
from bdg.gpu.chebyshev.nambu_operator import steps_are_compiled
from bdg.gpu.cost import model as cost
from bdg.gpu.cost.calibration import rates_of
from bdg.gpu.cost.model import Option, Rates
from bdg.gpu.cost.shared import Shared
from bdg.gpu.device.backend import Backend
from bdg.gpu.kernels.compiled_step import WORTH_THREADS
from bdg.methods.options import host_rates, option_of

# degree of columns that stop by their own error, and of those that bound it, relative to that for 100 tol
_STOPPED, _WHOLE = 1.5, 2.0
_REFERENCES = 8  # columns besides those asked for, that bound the truncation
_CACHE = 32 << 20  # bytes that the cores of a processor keep at hand
_BOUND_STEPS = 40  # products with one vector that find the spectral bound
# of a step by its dot products: seconds relative to "squares", array calls where H is real and where it is complex
_DOTS = {"squares": (1.0, 12.0, 12.0), "norms": (1.2, 12.0, 40.0), "partners": (1.2, 24.0, 24.0)}


def columns_option(hamiltonian: BdGHamiltonian, backend: Backend, columns: float, steps: float, single: bool) -> Option:
    """Return what elements from ``columns`` columns of a Chebyshev recursion take.

    Parameters
    ----------
    steps : float
        Products on a column at the degree for 100 tol.
    """
    rows, dtype = hamiltonian.shape[0], vector_dtype(hamiltonian, single)
    most = chebyshev.BLOCK_BYTES
    parts = [
        recursion_part(hamiltonian, backend, number, share * steps, single, "partners", most)
        for number, share in ((_REFERENCES, _WHOLE), (columns, _STOPPED))
    ]
    seconds = bound_seconds(hamiltonian, backend) + sum(part.seconds for part in parts)
    stored = hamiltonian.matrix.nnz * (dtype.itemsize + 4.0) + 16.0 * rows
    width = min(widest_block(hamiltonian, backend, single, most), max(columns, _REFERENCES))
    needed = 3 * width * rows * dtype.itemsize + 3 * stored
    return option_of("chebyshev", backend, seconds, needed, shared=parts)


def recursion_part(
    hamiltonian: BdGHamiltonian,
    backend: Backend,
    columns: float,
    steps: float,
    single: bool,
    dots: str = "squares",
    block_bytes: float = BLOCK_BYTES,
) -> Shared:
    """Return `recursion_seconds` as a part that threads share: blocks of columns, or the steps of a single block.

    Steps on vectors that no cache holds wait for memory.
    """
    rows, itemsize = hamiltonian.shape[0], vector_dtype(hamiltonian, single).itemsize
    width = block_width(hamiltonian, backend, columns, single, block_bytes)
    blocks, elements = max(columns, 1.0) / width, width * rows
    alone = np.inf if steps_are_compiled() and elements >= WORTH_THREADS else 1.0
    found = cost.shared_part(
        lambda rates: recursion_seconds(hamiltonian, backend, columns, steps, single, dots, block_bytes, rates),
        rates_of(backend),
        blocks if blocks > 1 else alone,
        3 * elements * itemsize if blocks > 1 else 0.0,
    )
    waits = 2 * elements * itemsize > _CACHE
    return replace(found, copies=found.seconds - found.calls) if waits else found


def recursion_seconds(
    hamiltonian: BdGHamiltonian,
    backend: Backend,
    columns: float,
    steps: float,
    single: bool,
    dots: str = "squares",
    block_bytes: float = BLOCK_BYTES,
    rates: Rates | None = None,
) -> float:
    """Return the seconds of ``steps`` products on each of ``columns`` columns, by the rates of the device or others.

    Half as many products as moments are needed. Blocks of ``block_bytes`` are worked on at a time, each step with dot
    products ``dots``.
    """
    rates = rates_of(backend) if rates is None else rates
    matrix, dtype = hamiltonian.matrix, vector_dtype(hamiltonian, single)
    width = block_width(hamiltonian, backend, columns, single, block_bytes)
    longer, *calls = _DOTS[dots]
    seconds = longer * cost.product_seconds(rates, matrix.nnz, matrix.shape[0], columns * steps, dtype, width)
    return seconds + calls[dtype.kind == "c" and backend.device == "cpu"] * steps * columns / width * rates.call


def bound_seconds(hamiltonian: BdGHamiltonian, backend: Backend) -> float:
    """Return the seconds of finding the spectral bound, on the host."""
    matrix = hamiltonian.matrix
    return cost.product_seconds(host_rates(backend), matrix.nnz, matrix.shape[0], _BOUND_STEPS, hamiltonian.dtype, 1)


def vector_dtype(hamiltonian: BdGHamiltonian, single: bool) -> np.dtype:
    """Return the dtype of the vectors of a recursion."""
    return np.dtype({"f": "f4" if single else "f8", "c": "c8" if single else "c16"}[hamiltonian.dtype.kind])


def block_width(
    hamiltonian: BdGHamiltonian, backend: Backend, columns: float, single: bool, block_bytes: float = BLOCK_BYTES
) -> float:
    """Return how many columns are worked on at a time, on average over the blocks."""
    n_blocks = np.ceil(max(columns, 1.0) / widest_block(hamiltonian, backend, single, block_bytes))
    return float(max(columns, 1.0) / n_blocks)


def widest_block(
    hamiltonian: BdGHamiltonian, backend: Backend, single: bool, block_bytes: float = BLOCK_BYTES
) -> float:
    """Return the most columns that are worked on at a time: on the CPU blocks that stay in the cache."""
    rows, itemsize = hamiltonian.shape[0], vector_dtype(hamiltonian, single).itemsize
    return float(moments.widest_block(rows, itemsize, backend.device, steps_are_compiled(), block_bytes))
