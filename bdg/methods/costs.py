"""What each method of a task is expected to take, in seconds and bytes: what `auto` and `bdg.estimate` go by.

Operations are counted on the symbolic factorisation of the very geometry, or from degree and number of columns of an
expansion; `bdg.gpu.cost.model` turns them into seconds. How many solves or sweeps an iteration takes is a mean of
measured cases: crowded levels (clean systems) take several times as many.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from bdg.base.hamiltonian import BdGHamiltonian
from bdg.gpu.chebyshev import columns as chebyshev
from bdg.gpu.chebyshev.moments import BLOCK_BYTES
from bdg.gpu.cost import model as cost
from bdg.gpu.cost.calibration import rates_of
from bdg.gpu.cost.model import Option
from bdg.gpu.device.backend import Backend, MemoryBudgetError, select_backend
from bdg.gpu.device.memory import GIB, available_bytes
from bdg.gpu.eigen import dense
from bdg.gpu.multifrontal import Symbolic
from bdg.gpu.multifrontal.factors.predicted_memory import predict_memory
from bdg.methods.symbolic import quaternion_symbolic, whole_symbolic
from bdg.states.lanczos_costs import RITZ_PASSES, count_cost, lanczos_cost, ritz_seconds, wanted_states

GPU_FROM = 2_000  # dimension: below, no estimate of a GPU is worth making
DENSE_FIRST_BELOW = 1_000  # dimension: up to here a sparse method has to be clearly quicker
CPU_UP_TO = 400_000  # dimension: above, a GPU that is at hand is not compared with the CPU
_SUPERLU = 4e-8, 1.2e10, 1e-9, 0.7  # s a stored element, flop/s, s an element of a solve, elements relative to fronts
_PLAIN_LEVELS = 1.8  # levels of a metal with |E| < c, relative to 2 s N c/s
_SWEEPS = 2.5  # of filtered subspace iteration
_AROUND_POLES = 1.05  # seconds of a pole, with values put in and elements taken out, relative to its fronts
# degree of columns that stop by their own error, and of those that bound it, relative to that for 100 tol
_STOPPED, _WHOLE = 1.5, 2.0
_REFERENCES = 8  # columns besides those asked for, that bound the truncation
_BOUND_STEPS = 40  # products with one vector that find the spectral bound
# of a step by its dot products: seconds relative to "squares", array calls where H is real and where it is complex
_DOTS = {"squares": (1.0, 12.0, 12.0), "norms": (1.2, 12.0, 40.0), "partners": (1.2, 24.0, 24.0)}
_WIDEST = 64.0  # columns of a block


# ---------------------------------------------------------------------------------------------------- device and choice


def devices(device: str, dimension: int) -> list[Backend]:
    """Return the backends that are worth comparing, the preferred one first."""
    asked = select_backend(device)
    if device != "auto" or asked.device == "cpu":
        return [asked]
    if dimension < GPU_FROM:
        return [select_backend("cpu")]
    return [asked] if dimension > CPU_UP_TO else [select_backend("cpu"), asked]


def chosen(
    options: Sequence[Option], backends: Sequence[Backend], what: str, task: str = "", unnoticed: float = 0.0
) -> tuple[str, str, Backend]:
    """Return method, reason and backend of the quickest option that fits; see `bdg.gpu.cost.model.choose`.

    Raises
    ------
    MemoryBudgetError
        If none does: with what each would need.
    """
    best = cost.choose(options, unnoticed)
    if best is None:
        raise MemoryBudgetError(f"{what} does not fit: {refusal(options)}")
    backend = next(b for b in backends if b.device == best.device)
    return best.method, cost.reason(options, rates_of(backends[0]), task), backend


def decided(
    method: str,
    options: Sequence[Option],
    backends: Sequence[Backend],
    what: str,
    task: str = "",
    unnoticed: float = 0.0,
) -> tuple[str, str, Backend]:
    """Return method, reason and backend: `chosen` for "auto", else only the device of the method that was asked for."""
    if method == "auto":
        return chosen(options, backends, what, task, unnoticed)
    own = [option for option in options if option.method == method]
    if all(option.closed for option in own):  # the method itself says what is against it
        return method, "as asked", backends[0]
    _, why, backend = chosen(own, backends, what, task)
    return method, "as asked" if len(own) == 1 else f"as asked; {why}", backend


def refusal(options: Sequence[Option]) -> str:
    """Return what each method would need and which size would fit."""
    needs = "; ".join(
        f"{o.method} on the {o.device} {o.note}"
        if o.closed
        else f"{o.method} on the {o.device} needs {o.bytes / GIB:.1f} GiB, {o.available / GIB:.1f} GiB are available"
        for o in options
    )
    within = [o for o in options if not o.closed]
    if not within:
        return needs
    share = max((o.available / o.bytes) ** (0.5 if o.method == "dense" else 0.75) for o in within)
    return f"{needs}. About {0.95 * min(share, 1.0):.0%} of the sites would fit"


def option_of(method: str, backend: Backend, seconds: float, needed: float, note: str = "") -> Option:
    """Return an option with the memory that its device has left."""
    return Option(method, backend.device, float(seconds), float(needed), available_bytes(backend), note)


def dense_option(hamiltonian: BdGHamiltonian, backend: Backend, share: float = 0.0) -> Option:
    """Return what all eigenstates take; ``share`` in units of their seconds for what is made of them."""
    dimension, dtype = hamiltonian.shape[0], hamiltonian.dtype
    seconds = (1 + share) * cost.eigh_seconds(rates_of(backend), dimension, dtype)
    return option_of("dense", backend, seconds, dense.dense_bytes(dimension, dtype))


# --------------------------------------------------------------------------------------------------------- bound states


def states_methods(dimension: int) -> tuple[str, ...]:
    """Return the methods that `auto` compares, in the order of preference: all eigenstates where that is cheap."""
    if dimension < DENSE_FIRST_BELOW:
        return ("dense", "lanczos", "shift_invert")
    return ("lanczos", "dense", "shift_invert")


def levels_between(hamiltonian: BdGHamiltonian, low: float, high: float) -> int:
    """Return about how many levels lie in a window, spread as in a metal: to choose a method by, not to rely on."""
    bound = float(abs(hamiltonian.matrix).sum(axis=1).max())
    width = max(0.0, min(high, bound) - max(low, -bound))
    share = min(1.0, 0.5 * _PLAIN_LEVELS * width / bound) if bound else 1.0
    return int(np.clip(share * hamiltonian.shape[0], 1, hamiltonian.shape[0] // 4))


def bound_states_options(
    hamiltonian: BdGHamiltonian, k: int, backends: Sequence[Backend], methods: Sequence[str] = ("lanczos", "dense")
) -> list[Option]:
    """Return what ``k`` states of lowest |E| take, proof of completeness included; k = 0: only a count."""
    makers: dict[str, Callable[[BdGHamiltonian, int, Backend], Option]] = {
        "lanczos": _lanczos,
        "dense": lambda h, _, backend: dense_option(h, backend),
        "shift_invert": _shift_invert,
        "chebyshev": _filtered,
    }
    found = []
    for backend in backends:
        for method in methods:
            if method == "shift_invert" and backend.device != "cpu":
                continue
            if method == "chebyshev" and not k:
                continue
            option = makers[method](hamiltonian, k, backend)
            if method not in ("dense", "chebyshev") and k > hamiltonian.shape[0] - 2:
                option = closed(option, f"gives at most {hamiltonian.shape[0] - 2} states")
            found.append(option)
    return found


def closed(option: Option, note: str) -> Option:
    """Return an option that is not possible, and why."""
    return Option(option.method, option.device, option.seconds, option.bytes, option.available, note, closed=True)


def _lanczos(hamiltonian: BdGHamiltonian, k: int, backend: Backend) -> Option:
    """Lanczos on multifrontal factors: one for the solves, one for the count."""
    if not k:
        return option_of("lanczos", backend, *count_cost(hamiltonian, backend))
    return option_of("lanczos", backend, *lanczos_cost(hamiltonian, k, backend), "levels that are not crowded")


def _shift_invert(hamiltonian: BdGHamiltonian, k: int, backend: Backend) -> Option:
    """ARPACK on SuperLU factors; elements and operations from the fronts without padding."""
    rates, dimension = rates_of(backend), hamiltonian.shape[0]
    whole = whole_symbolic(hamiltonian.system, backend)
    each, flops, solve, share = _SUPERLU
    speed = rates.call / cost.BUILT_IN["cpu"].call
    times = 1.7 if hamiltonian.dtype.kind == "c" else 1.0
    elements = share * _stored(whole)
    factor = times * speed * (each * elements + whole.factor_flops(float, padded=False) / flops + 12 * solve * elements)
    seconds = cost.analysis_seconds(rates, hamiltonian.system.n_sites) + factor
    itemsize = hamiltonian.dtype.itemsize
    needed = elements * (itemsize + 4.0) * 1.5
    if k:
        wanted = wanted_states(k, dimension)
        columns = max(2 * wanted + 1, min(3 * wanted, 120), 40)
        one = times * speed * solve * elements + 2.0 * columns * dimension * itemsize / (0.5 * rates.copy)
        seconds += factor + columns * (one + 40 * rates.call) + ritz_seconds(rates, hamiltonian, wanted)
        needed = 2 * needed + (columns + 3 * wanted) * dimension * itemsize
    return option_of("shift_invert", backend, seconds, needed, "levels that are not crowded")


def _stored(symbolic: Symbolic) -> float:
    nd = symbolic.pattern.rows_per_site
    p, u = (nd * np.asarray(x, dtype=float) for x in (symbolic.structure.n_pivots, symbolic.structure.n_updates))
    return float((p * p + 2 * p * u).sum())


def _filtered(hamiltonian: BdGHamiltonian, k: int, backend: Backend) -> Option:
    """Filtered subspace iteration, the number of levels within the cut taken as in a metal."""
    from bdg.gpu.eigen.filtered import GAIN, OVER

    rates, dimension, dtype = rates_of(backend), hamiltonian.shape[0], hamiltonian.dtype
    wanted = wanted_states(k, dimension)
    columns, space = OVER * wanted / 2, float(OVER * wanted)
    if k > dimension - 2 or space >= dimension:
        note = "the subspace is the whole space: all eigenstates"
        return dataclasses.replace(dense_option(hamiltonian, backend), method="chebyshev", note=note)
    ratio = min(0.9, space / (_PLAIN_LEVELS * dimension))  # cut/s
    degree = np.arccosh(GAIN) / (2 * ratio)
    products = _SWEEPS * 2 * degree * columns + 4 * min(16384, np.pi * 3 / ratio) / 2
    seconds = cost.product_seconds(rates, hamiltonian.matrix.nnz, dimension, products, dtype)
    seconds += _SWEEPS * 3 * ritz_seconds(rates, hamiltonian, int(space)) / RITZ_PASSES * 2
    seconds += _SWEEPS * cost.eigh_seconds(rates, int(space), dtype)
    needed = 8.0 * dimension * space * dtype.itemsize
    return option_of("chebyshev", backend, seconds, needed, "levels as dense as in a metal; no count included")


# --------------------------------------------------------------------------------------------------------- thermal sums


def pole_seconds(hamiltonian: BdGHamiltonian, backend: Backend, share: float = 1.0, inverse: bool = True) -> float:
    """Return the seconds of factor and selected inverse at one pole; ``share`` of the inverse is done."""
    rates, (symbolic, form, general) = rates_of(backend), _imaginary(hamiltonian, backend)
    seconds = cost.factor_seconds(rates, symbolic, form, general)
    seconds += cost.inverse_seconds(rates, symbolic, form, general, share) if inverse else 0.0
    return _AROUND_POLES * seconds


def pole_bytes(hamiltonian: BdGHamiltonian, backend: Backend) -> float:
    """Return the bytes of a factor with its selected inverse at one pole."""
    symbolic, form, general = _imaginary(hamiltonian, backend)
    found = predict_memory(symbolic, float, general, on_device=backend.device != "cpu")
    planes = 4 if form == "quaternion" else 1
    return planes * max(found.factor_peak, found.releasing_peak) + cost.index_bytes(symbolic)


def _imaginary(hamiltonian: BdGHamiltonian, backend: Backend) -> tuple[Symbolic, str, bool]:
    system, general = hamiltonian.system, hamiltonian.dtype.kind == "c"
    if system.norbs == 1:
        return quaternion_symbolic(system, backend), "quaternion", general
    return whole_symbolic(system, backend), "majorana", general


def inverse_share(symbolic: Symbolic, sites: np.ndarray) -> float:
    """Return the operations of a selected inverse restricted to ``sites`` relative to the whole."""
    if sites.size == symbolic.pattern.n_sites:
        return 1.0
    needed = symbolic.structure.ancestors_and_selves(np.unique(sites))
    size: Callable[[Any], float] = lambda c: c.a * c.u**2 + c.a**2 * c.u  # noqa: E731
    whole = sum(c.n * size(c) for c in symbolic.classes)
    return float(sum(np.count_nonzero(needed[c.nodes]) * size(c) for c in symbolic.classes) / max(1.0, whole))


def pair_amplitude_options(
    hamiltonian: BdGHamiltonian,
    backends: Sequence[Backend],
    sites: np.ndarray,
    *,
    degree: int | None,
    n_poles: int | None,
    single: bool,
) -> list[Option]:
    """Return what the pair amplitude on ``sites`` takes by each method.

    Parameters
    ----------
    degree : int or None
        Of the Chebyshev expansion; None where the temperature is too low for it.
    n_poles : int or None
        The same for a sum over poles.
    single : bool
        Whether single precision is accurate enough, for the vectors and for all poles but the first.
    """
    found = []
    for backend in backends:
        if n_poles is not None:
            share = inverse_share(_imaginary(hamiltonian, backend)[0], sites)
            # the first pole is done in both precisions
            effective = 1.0 + cost.SINGLE * n_poles if single else float(n_poles)
            found.append(poles_option(hamiltonian, backend, effective, share))
        if degree is not None:
            steps = degree / 2 if hamiltonian.system.norbs == 1 else float(degree)
            found.append(columns_option(hamiltonian, backend, sites.size, steps, single))
        found.append(dense_option(hamiltonian, backend, share=0.1))
    return found


def elements_options(
    hamiltonian: BdGHamiltonian, backends: Sequence[Backend], n_poles: int | None, inverse: bool = True
) -> list[Option]:
    """Return what thermal averages on all sites and bonds take; ``inverse``: more than the free energy is wanted."""
    found = []
    for backend in backends:
        if n_poles is not None:
            found.append(poles_option(hamiltonian, backend, n_poles, inverse=inverse))
        found.append(dense_option(hamiltonian, backend, share=0.3))
    return found


def poles_option(
    hamiltonian: BdGHamiltonian, backend: Backend, n_poles: float, share: float = 1.0, inverse: bool = True
) -> Option:
    """Return what a sum over poles takes; poles in single precision count `bdg.gpu.cost.model.SINGLE`."""
    seconds = cost.analysis_seconds(rates_of(backend), hamiltonian.system.n_sites)
    seconds += n_poles * pole_seconds(hamiltonian, backend, share, inverse)
    return option_of("poles", backend, seconds, pole_bytes(hamiltonian, backend))


def columns_option(hamiltonian: BdGHamiltonian, backend: Backend, columns: float, steps: float, single: bool) -> Option:
    """Return what elements from ``columns`` columns of a Chebyshev recursion take.

    Parameters
    ----------
    steps : float
        Products on a column at the degree for 100 tol.
    """
    rows, dtype = hamiltonian.shape[0], vector_dtype(hamiltonian, single)
    most = chebyshev.BLOCK_BYTES
    seconds = bound_seconds(hamiltonian, backend)
    for number, share in ((_REFERENCES, _WHOLE), (columns, _STOPPED)):
        seconds += recursion_seconds(hamiltonian, backend, number, share * steps, single, "partners", most)
    stored = hamiltonian.matrix.nnz * (dtype.itemsize + 4.0) + 16.0 * rows
    width = min(widest_block(hamiltonian, backend, single, most), max(columns, _REFERENCES))
    return option_of("chebyshev", backend, seconds, 3 * width * rows * dtype.itemsize + 3 * stored)


def recursion_seconds(
    hamiltonian: BdGHamiltonian,
    backend: Backend,
    columns: float,
    steps: float,
    single: bool,
    dots: str = "squares",
    block_bytes: float = BLOCK_BYTES,
) -> float:
    """Return the seconds of ``steps`` products on each of ``columns`` columns.

    Half as many products as moments are needed. Blocks of ``block_bytes`` are worked on at a time, each step with dot
    products ``dots``.
    """
    rates, matrix, dtype = rates_of(backend), hamiltonian.matrix, vector_dtype(hamiltonian, single)
    width = block_width(hamiltonian, backend, columns, single, block_bytes)
    longer, *calls = _DOTS[dots]
    seconds = longer * cost.product_seconds(rates, matrix.nnz, matrix.shape[0], columns * steps, dtype, width)
    return seconds + calls[dtype.kind == "c" and backend.device == "cpu"] * steps * columns / width * rates.call


def bound_seconds(hamiltonian: BdGHamiltonian, backend: Backend) -> float:
    """Return the seconds of finding the spectral bound, on the host."""
    rates = rates_of(backend) if backend.device == "cpu" else cost.BUILT_IN["cpu"]
    matrix = hamiltonian.matrix
    return cost.product_seconds(rates, matrix.nnz, matrix.shape[0], _BOUND_STEPS, hamiltonian.dtype, 1)


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
    if backend.device != "cpu":
        return _WIDEST
    column = hamiltonian.shape[0] * vector_dtype(hamiltonian, single).itemsize
    return float(np.clip(block_bytes // column, 8.0, _WIDEST))


def about_device(device: str, dimension: int) -> str:
    """Return why "auto" takes a device that is not compared with another; "" where there is nothing to choose."""
    if device != "auto" or select_backend(device).device == "cpu":
        return ""
    if dimension < GPU_FROM:
        return f"on the cpu: dimension {dimension} is below {GPU_FROM}"
    return f"on the gpu: dimension {dimension} is above {CPU_UP_TO}" if dimension > CPU_UP_TO else ""
