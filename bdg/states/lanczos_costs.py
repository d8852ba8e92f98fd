"""What Lanczos on multifrontal factors is expected to take: two factorisations, solves, and work on the basis.

How many solves it takes is a mean of measured cases (cubes, films, bars and planes; 16 to 256 states); crowded levels
(clean systems) take several times as many.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from bdg.base.hamiltonian import BdGHamiltonian
from bdg.gpu.cost import model as cost
from bdg.gpu.cost.calibration import rates_of
from bdg.gpu.cost.model import Rates
from bdg.gpu.cost.shared import Shared
from bdg.gpu.device.backend import Backend
from bdg.gpu.eigen.independent import independent_halves
from bdg.gpu.eigen.lanczos import cpu_block
from bdg.gpu.multifrontal import Symbolic
from bdg.gpu.multifrontal.factors.predicted_memory import predict_memory
from bdg.methods.symbolic import electron_symbolic, site_symbolic, whole_symbolic

RITZ_PASSES = 6.0  # products of the size n K^2 that polishing K states takes
_COUNT_FACTOR = 1.2  # a factorisation whose pivots are counted, relative to one for solves
_SIGNS = 1.0  # the same of one that keeps nothing and measures its backward error
_CONTRACTION = 2, 4  # sweeps and their columns that measure how good a factor is
_START, _EACH = 25.0, 2.3  # solves: at least, and for each value
_PASSES = 3.0  # over the basis for each block that is made orthogonal to it
_SKINNY = 0.6  # of the rates of copies and of large products, for few columns
_ORTHONORMAL = 4.0, 0.05  # passes of a QR decomposition of few columns, share of the rate of large products
_LOOKS = 6.0  # diagonalisations of the projection for each solve beyond one a value, times values


def wanted_states(k: int, dimension: int) -> int:
    """Return how many states are searched for where ``k`` are asked for."""
    wanted = min(k + max(8, k // 8), dimension - 2)
    return max(2, wanted + wanted % 2)


def ritz_seconds(rates: Rates, hamiltonian: BdGHamiltonian, columns: int) -> float:
    """Return the seconds of Rayleigh-Ritz on ``columns`` vectors with their residuals."""
    name = cost.kind(hamiltonian.dtype)
    dimension = hamiltonian.shape[0]
    products = (4 if name == "c16" else 1) * RITZ_PASSES * 2.0 * dimension * columns**2 / (0.5 * rates.gemm[name])
    steps = cost.product_seconds(rates, hamiltonian.matrix.nnz, dimension, 3 * columns, hamiltonian.dtype)
    return products + steps + 12.0 * dimension * columns * hamiltonian.dtype.itemsize / rates.copy


def count_cost(hamiltonian: BdGHamiltonian, backend: Backend, in_gap: bool = False) -> tuple[float, float]:
    """Return seconds and bytes of an inertia count; ``in_gap``: of one among known levels, which keeps no factors."""
    rates, symbolic, parts = rates_of(backend), whole_symbolic(hamiltonian.system, backend), 1
    if in_gap and hamiltonian.system.norbs == 2:
        half = electron_symbolic(hamiltonian.system, backend)
        if independent_halves(hamiltonian.matrix, half.pattern.rows):
            symbolic, parts = half, 2
    form = "complex" if hamiltonian.dtype.kind == "c" else "real"
    seconds = cost.analysis_seconds(rates, hamiltonian.system.n_sites)
    if in_gap:
        seconds += parts * _SIGNS * cost.factor_seconds(rates, symbolic, form)
    else:
        seconds += _factor_seconds(rates, symbolic, form, _COUNT_FACTOR)
    predicted = predict_memory(symbolic, hamiltonian.dtype, on_device=backend.device != "cpu")
    return seconds, (predicted.count_peak if in_gap else predicted.factor_peak) + cost.index_bytes(symbolic)


def lanczos_cost(hamiltonian: BdGHamiltonian, k: int, backend: Backend) -> tuple[float, float]:
    """Return seconds and bytes of ``k`` states of lowest |E| with the proof that they are complete."""
    rates, system, dimension = rates_of(backend), hamiltonian.system, hamiltonian.shape[0]
    on_device, majorana = backend.device != "cpu", system.norbs == 2
    symbolic, form, takagi, chiral = _searched(hamiltonian, backend)
    wanted = wanted_states(k, dimension)
    values = wanted // 2
    number = np.dtype("f8" if majorana else "c16")
    searching = predict_memory(symbolic, number, general=chiral, on_device=on_device)
    block = 8 if on_device else cpu_block(values, searching.kept)
    width = 2 * block if majorana else block  # two real columns each
    rows = dimension // 2 if takagi else dimension
    longest = (64.0 if values < 32 else 2.0 * values) * (1 if takagi else 2)
    seconds, counting = count_cost(hamiltonian, backend, in_gap=True)
    seconds += cost.analysis_seconds(rates, system.n_sites) if takagi or chiral else 0.0
    seconds += _factor_seconds(rates, symbolic, form, general=chiral)
    seconds += _search_seconds(rates, symbolic, form, rows, values, block, width, longest)
    seconds += ritz_seconds(rates, hamiltonian, wanted)
    basis = longest * rows * number.itemsize
    indices = cost.index_bytes(symbolic) if takagi or chiral else 0.0
    states = 3.0 * wanted * dimension * hamiltonian.dtype.itemsize
    return seconds, indices + max(searching.factor_peak, searching.kept + 1.5 * basis, counting) + states


def shared_parts(hamiltonian: BdGHamiltonian, k: int, backend: Backend) -> tuple[Shared, ...]:
    """Return what threads share of ``k`` states with their proof, or of a count (k = 0): parts of the trees of factors.

    Solves and the work on the basis are done by one thread.
    """
    rates, whole = rates_of(backend), whole_symbolic(hamiltonian.system, backend)
    form = "complex" if hamiltonian.dtype.kind == "c" else "real"
    counted = _SIGNS if k else _COUNT_FACTOR
    trees = [(whole, form, False, counted)]
    if k:
        symbolic, form, _, chiral = _searched(hamiltonian, backend)
        trees.append((symbolic, form, chiral, 1.0))
    return tuple(
        cost.shared_part(
            partial(cost.factor_seconds, symbolic=tree, form=form, general=general), rates, cost.pieces_of(1, tree)
        ).times(share)
        for tree, form, general, share in trees
    )


def _searched(hamiltonian: BdGHamiltonian, backend: Backend) -> tuple[Symbolic, str, bool, bool]:
    """Return the tree and the form of the factors that are searched with, and whether that is Takagi's or chiral."""
    system, is_complex = hamiltonian.system, hamiltonian.dtype.kind == "c"
    majorana = system.norbs == 2
    takagi, chiral = not majorana and not is_complex, majorana and not is_complex
    of_half = site_symbolic if takagi else electron_symbolic
    symbolic = (of_half if takagi or chiral else whole_symbolic)(system, backend)
    return symbolic, "real" if majorana else "complex", takagi, chiral


def _factor_seconds(rates: Rates, symbolic: Symbolic, form: str, share: float = 1.0, *, general: bool = False) -> float:
    """Return the seconds of a factorisation whose contraction is measured."""
    sweeps, columns = _CONTRACTION
    factor = cost.factor_seconds(rates, symbolic, form, general)
    return share * factor + sweeps * cost.solve_seconds(rates, symbolic, form, columns)


def _search_seconds(
    rates: Rates, symbolic: Symbolic, form: str, rows: int, values: int, block: int, width: int, longest: float
) -> float:
    """Return the seconds of the iteration: solves of ``width`` columns, orthogonal blocks, projections, restarts."""
    number, products = ("c16", 4) if form == "complex" else ("f8", 1)
    itemsize = np.dtype(number).itemsize
    solves = min(_START + _EACH * values, float(rows))
    steps, gemm = solves / block, rates.gemm[number]
    mean = 0.67 * longest
    reading = mean * rows * itemsize / rates.copy
    multiplying = 2.0 * products * mean * rows * width / gemm
    orthogonal = _PASSES * max(reading, multiplying) / _SKINNY
    passes, share = _ORTHONORMAL
    orthonormal = passes * 2.0 * products * rows * width**2 / (share * gemm)
    looks = 1 + _LOOKS * max(0.0, solves / values - 1)
    projections = looks * cost.eigh_seconds(rates, int(2 * mean) + 1, float)
    restarts = 2.0 * 2.0 * products * 1.25 * values * longest * rows / gemm if solves > longest else 0.0
    solving = steps * cost.solve_seconds(rates, symbolic, form, width)
    return solving + steps * (orthogonal + orthonormal) + projections + restarts + 40 * solves * rates.call
