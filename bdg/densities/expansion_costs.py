"""What densities from Chebyshev moments are expected to take: the recursion, and the sum at each energy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bdg.base.hamiltonian import BdGHamiltonian
from bdg.gpu.chebyshev.kernel_polynomial import CHUNK
from bdg.gpu.chebyshev.nambu_operator import steps_are_compiled
from bdg.gpu.cost.model import Option
from bdg.gpu.device.backend import Backend
from bdg.methods import options, recursion_costs

_KEPT = 4  # matrices on the host beside H: in the order of the recursion, and times the scalars of its steps
_COMPILED = 1.5  # the same where steps are compiled: h and D alone
_WAVES = {False: 1.5e-8, True: 5e-8}  # seconds of cos(k theta), of a complex exp(-i k theta)
_WAVE_BYTES = {False: 16.0, True: 48.0}
_SUMS = 48.0  # bytes of a moment of a column, with the products that it is made of


@dataclass(frozen=True)
class Expansion:
    """A density from moments.

    Attributes
    ----------
    columns : int
        Vectors that the recursion runs on.
    moments : int
        Two from each product.
    energies : int
    single : bool
        Single precision.
    lorentzian : bool
        Complex weights in place of cosines.
    summed : bool
        Only the sum over columns is kept while it runs.
    random : bool
        Columns are drawn on the host, in double precision.
    """

    columns: int
    moments: int
    energies: int
    single: bool = False
    lorentzian: bool = False
    summed: bool = False
    random: bool = False


def expansion_option(hamiltonian: BdGHamiltonian, backend: Backend, wanted: Expansion, results: float = 0.0) -> Option:
    """Return what a density by a Chebyshev expansion takes; ``results``: bytes of what is returned."""
    dots = "squares" if wanted.random or wanted.summed else "norms"  # a trace has no odd moments
    recursion = recursion_costs.recursion_part(
        hamiltonian, backend, wanted.columns, wanted.moments / 2, wanted.single, dots
    )
    seconds = recursion.seconds + recursion_costs.bound_seconds(hamiltonian, backend)
    seconds += sum_seconds(
        backend, wanted, recursion_costs.block_width(hamiltonian, backend, wanted.columns, wanted.single)
    )
    needed = _bytes(hamiltonian, backend, wanted) + results
    return options.option_of("chebyshev", backend, seconds, needed, shared=[recursion])


def sum_seconds(backend: Backend, wanted: Expansion, width: float) -> float:
    """Return the seconds of the sums over moments, on the host; done anew for each block of columns unless summed."""
    blocks = 1 if wanted.summed or wanted.random else np.ceil(wanted.columns / width)
    return float(blocks) * wanted.energies * wanted.moments * _WAVES[wanted.lorentzian]


def levels_seconds(levels: int, moments: int, energies: int) -> float:
    """Return the seconds that moments of given levels take, and the density from them."""
    return float(levels + energies) * moments * _WAVES[False]


def _bytes(hamiltonian: BdGHamiltonian, backend: Backend, wanted: Expansion) -> float:
    matrix, dtype = hamiltonian.matrix, recursion_costs.vector_dtype(hamiltonian, wanted.single)
    width, rows = recursion_costs.block_width(hamiltonian, backend, wanted.columns, wanted.single), matrix.shape[0]
    one = matrix.nnz * (dtype.itemsize + 4.0) + 4.0 * rows
    if backend.device != "cpu":
        return 3 * width * rows * dtype.itemsize + one
    drawn = hamiltonian.dtype.itemsize if wanted.random else 0
    vectors = width * rows * (2 * dtype.itemsize + drawn)
    kept = _COMPILED if steps_are_compiled() else _KEPT
    stored = matrix.nnz * (hamiltonian.dtype.itemsize + 4.0) + kept * one
    sums = _SUMS * wanted.moments * (width if wanted.summed or not wanted.random else wanted.columns)
    waves = _WAVE_BYTES[wanted.lorentzian] * min(CHUNK + wanted.moments, wanted.energies * wanted.moments)
    return stored + max(vectors + sums, waves + sums)
