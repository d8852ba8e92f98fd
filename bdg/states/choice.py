"""Which method finds or counts states, on which device, why, and what it takes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from bdg.base.arguments import require_window
from bdg.base.hamiltonian import BdGHamiltonian
from bdg.base.results import Choice
from bdg.gpu.chebyshev.nambu_operator import steps_are_compiled
from bdg.gpu.cost import model as cost
from bdg.gpu.cost.calibration import rates_of
from bdg.gpu.cost.model import Option
from bdg.gpu.cost.shared import Shared
from bdg.gpu.device.backend import Backend, select_backend
from bdg.gpu.eigen import dense
from bdg.gpu.eigen.filtered import GAIN, OVER
from bdg.lattices.arguments import non_negative_number, whole_number
from bdg.methods import choice
from bdg.methods.choice import DENSE_BELOW, DENSE_FIRST_BELOW
from bdg.methods.options import closed, dense_option, option_of
from bdg.methods.symbolic import whole_symbolic
from bdg.methods.task import Arguments, Found, Task
from bdg.states.lanczos_costs import RITZ_PASSES, count_cost, lanczos_cost, ritz_seconds, shared_parts, wanted_states
from bdg.states.superlu_costs import superlu_cost

_PLAIN_LEVELS = 1.8  # levels of a metal with |E| < c, relative to 2 s N c/s
_SWEEPS = 2.5  # of filtered subspace iteration

COUNTING = ("auto", "dense", "shift_invert", "lanczos")
METHODS = (*COUNTING, "chebyshev")


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


def _lanczos(hamiltonian: BdGHamiltonian, k: int, backend: Backend) -> Option:
    """Lanczos on multifrontal factors: one for the solves, one for the count."""
    shared = shared_parts(hamiltonian, k, backend)
    if not k:
        return option_of("lanczos", backend, *count_cost(hamiltonian, backend), shared=shared)
    note = "levels that are not crowded"
    return option_of("lanczos", backend, *lanczos_cost(hamiltonian, k, backend), note, shared)


def _shift_invert(hamiltonian: BdGHamiltonian, k: int, backend: Backend) -> Option:
    """ARPACK on SuperLU factors."""
    rates, dimension = rates_of(backend), hamiltonian.shape[0]
    one = superlu_cost(rates, whole_symbolic(hamiltonian.system, backend), hamiltonian.dtype.kind == "c")
    seconds = cost.analysis_seconds(rates, hamiltonian.system.n_sites) + one.factor
    itemsize = hamiltonian.dtype.itemsize
    needed = one.elements * (itemsize + 4.0) * 1.5
    if k:
        wanted = wanted_states(k, dimension)
        columns = max(2 * wanted + 1, min(3 * wanted, 120), 40)
        step = one.solve + 2.0 * columns * dimension * itemsize / (0.5 * rates.copy) + 40 * rates.call
        seconds += one.factor + columns * step + ritz_seconds(rates, hamiltonian, wanted)
        needed = 2 * needed + (columns + 3 * wanted) * dimension * itemsize
    return option_of("shift_invert", backend, seconds, needed, "levels that are not crowded")


def _filtered(hamiltonian: BdGHamiltonian, k: int, backend: Backend) -> Option:
    """Filtered subspace iteration, the number of levels within the cut taken as in a metal."""
    rates, dimension, dtype = rates_of(backend), hamiltonian.shape[0], hamiltonian.dtype
    wanted = wanted_states(k, dimension)
    columns, space = OVER * wanted / 2, float(OVER * wanted)
    if k > dimension - 2 or space >= dimension:
        note = "the subspace is the whole space: all eigenstates"
        return dataclasses.replace(dense_option(hamiltonian, backend), method="chebyshev", note=note)
    ratio = min(0.9, space / (_PLAIN_LEVELS * dimension))  # cut/s
    degree = np.arccosh(GAIN) / (2 * ratio)
    products = _SWEEPS * 2 * degree * columns + 4 * min(16384, np.pi * 3 / ratio) / 2
    filtering = Shared(cost.product_seconds(rates, hamiltonian.matrix.nnz, dimension, products, dtype), np.inf)
    seconds = filtering.seconds + _SWEEPS * 3 * ritz_seconds(rates, hamiltonian, int(space)) / RITZ_PASSES * 2
    seconds += _SWEEPS * cost.eigh_seconds(rates, int(space), dtype)
    needed = 8.0 * dimension * space * dtype.itemsize
    note, shared = "levels as dense as in a metal; no count included", [filtering] * steps_are_compiled()
    return option_of("chebyshev", backend, seconds, needed, note, shared)


def require_k(k: Any, dimension: int) -> int:
    """Return a number of states between 1 and the dimension."""
    return whole_number("k", k, 1, dimension, "at most 2 s N: both signs of E count")


def choose_method(method: str, device: str, hamiltonian: BdGHamiltonian, k: int) -> Choice:
    """Return method, the reason for it, and the backend that it runs on; k = 0: only a count."""
    backend, cpu = select_backend(device), select_backend("cpu")
    dimension = hamiltonian.shape[0]
    if method in ("shift_invert", "lanczos", "chebyshev"):
        if method == "shift_invert" and device == "gpu":
            raise ValueError("method='shift_invert' runs on the CPU only; use device='cpu' or method='lanczos'")
        if k > dimension - 2 and method != "chebyshev":
            most = f"at most 2 s N - 2 = {dimension - 2} states"
            raise ValueError(f"method={method!r} gives {most}; wanted are {k}. Use method='dense'")
        return Choice(method, "as asked", cpu if method == "shift_invert" else backend)
    if method == "dense":
        return Choice(method, "as asked", backend)
    if dimension < DENSE_BELOW:
        small = cpu if device == "auto" and backend.device == "gpu" else backend  # a copy costs more than it saves
        return Choice("dense", f"dimension {dimension} is below {DENSE_BELOW}", small)
    if k > dimension // 4 and dense.dense_fits(dimension, hamiltonian.dtype, backend):
        return Choice("dense", f"k = {k} is a large part of the {dimension} states", backend)
    if k > dimension - 2:
        return Choice("dense", "all states were asked for", backend)
    backends = choice.devices(device, dimension)
    options = bound_states_options(hamiltonian, k, backends, states_methods(dimension))
    if k and not any(option.feasible for option in options):
        options += bound_states_options(hamiltonian, k, backends, ("chebyshev",))
    task = f"for {k} states" if k else "for a count"
    return choice.chosen(options, backends, task, f"{task} of dimension {dimension}")


def _is_whole(k: int, dimension: int) -> bool:
    """Return True where the subspace to filter would be the whole space: all that is left is Rayleigh-Ritz in it."""
    return k > dimension - 2 or OVER * wanted_states(k, dimension) >= dimension


def _bound_states_task(h: BdGHamiltonian, backends: Sequence[Backend], device: str, given: Arguments) -> Found:
    window = given.get("window")
    if window is None:
        k = require_k(given.get("k", 32), h.shape[0])
    else:
        k = levels_between(h, *require_window(window))
    options = bound_states_options(h, k, backends, ("lanczos", "dense", "shift_invert", "chebyshev"))
    return options, lambda: choose_method("auto", device, h, k)


def _count_states_task(h: BdGHamiltonian, backends: Sequence[Backend], device: str, given: Arguments) -> Found:
    non_negative_number("energy", given.get("energy", 0.0), "unit of the hopping")
    options = bound_states_options(h, 0, backends, ("lanczos", "dense", "shift_invert"))
    return options, lambda: choose_method("auto", device, h, 0)


TASKS = {
    "bound_states": Task(_bound_states_task, ("k", "window")),
    "count_states": Task(_count_states_task, ("energy",)),
}
