"""What levels along a parameter and under twisted boundaries are expected to take."""

from __future__ import annotations

from collections.abc import Sequence

from bdg.base.hamiltonian import BdGHamiltonian
from bdg.base.results import Choice
from bdg.gpu.cost import model as cost
from bdg.gpu.cost.calibration import rates_of
from bdg.gpu.cost.model import Option
from bdg.gpu.device.backend import Backend, select_backend
from bdg.gpu.eigen import dense
from bdg.lattices.arguments import positive_number, whole_number
from bdg.levels import normal_levels
from bdg.levels.normal_levels import MARGIN
from bdg.levels.spectrum_along import changed_system, computed_states, require_following, require_values
from bdg.levels.thouless_energy import METHODS as TWISTS
from bdg.levels.thouless_energy import require_twisted_axis
from bdg.methods.options import again, option_of
from bdg.methods.symbolic import whole_symbolic
from bdg.methods.task import Arguments, Found, Task
from bdg.states.choice import METHODS, bound_states_options, choose_method, levels_between, require_k, require_window
from bdg.states.superlu_costs import SuperLUCost, superlu_cost

_INSERTED = 0.3  # values inserted for each given one
_STEPS = 40.0  # of conjugate gradients for what the levels outside of the window contribute
_SOLVES = 2.5  # of ARPACK for each level that is wanted, beyond its first
_REFINED = 2.0  # solves that one refined solve takes

# --------------------------------------------------------------------------------------------------- along a parameter


def _spectrum_along_task(h: BdGHamiltonian, backends: Sequence[Backend], device: str, given: Arguments) -> Found:
    values = require_values(given["values"])
    k = require_k(given.get("k", 16), h.shape[0])
    refine, _ = require_following(given.get("refine", 16), given["change"], given.get("resolution"))
    positive_number("tol", given.get("tol", 1e-9), "unit of the hopping")
    computed = computed_states(k, h.shape[0])
    change, looked_at = given["change"], (values[0], values[values.size // 2])
    first, typical = (BdGHamiltonian(changed_system(h.system, change, value)) for value in looked_at)
    solves = values.size + round(min(_INSERTED, refine) * (values.size - 1))
    note = f"assumes {solves - values.size} inserted values"
    options = []
    for backend in backends:
        once = cost.analysis_seconds(rates_of(backend), h.system.n_sites)
        for option in bound_states_options(typical, computed, [backend], METHODS[1:]):
            options.append(again(option, solves, once if option.method in ("lanczos", "shift_invert") else 0.0, note))
    return options, lambda: choose_method("auto", device, first, computed)


# -------------------------------------------------------------------------------------------------- twisted boundaries


def _thouless_energy_task(h: BdGHamiltonian, backends: Sequence[Backend], device: str, given: Arguments) -> Found:
    if device == "gpu":
        raise ValueError("thouless_energy runs on the CPU only; use device='cpu' or 'auto'")
    require_twisted_axis(given.get("axis"), h.system)
    interval = None if given.get("window") is None else require_window(given["window"])
    k, size = whole_number("k", given.get("k", 64), 4, unit="levels"), h.shape[0] // 2
    if interval is not None:
        k = max(4, levels_between(h, *interval) // 2)
    options = [_twisted_option(h, method, min(k, size), interval is not None) for method in TWISTS]
    return options, lambda: Choice(TWISTS[0], "the default", select_backend("cpu"))


def _twisted_option(h: BdGHamiltonian, method: str, k: int, in_window: bool) -> Option:
    """Return what ``k`` levels of the normal part and their responses take: all levels, or factors and counts."""
    cpu, size = select_backend("cpu"), h.shape[0] // 2
    wanted = k + max(MARGIN, k // 4)
    dtype = h.system.hamiltonian.dtype
    if size < normal_levels.DENSE_BELOW or wanted > size // 4:
        seconds = cost.eigh_seconds(rates_of(cpu), size, dtype)
        if method == "shift":
            seconds += cost.eigh_seconds(rates_of(cpu), size, complex)
        largest = complex if method == "shift" else dtype
        return option_of(method, cpu, seconds, dense.dense_bytes(size, largest), "all levels")
    is_complex = dtype.kind == "c"
    seconds, needed = _near(h, is_complex, wanted)
    seconds += cost.analysis_seconds(rates_of(cpu), h.system.n_sites)
    if in_window:
        seconds += 2 * _factors(h, is_complex).factor
    if method == "curvature":
        seconds += _STEPS * k * _factors(h, is_complex).solve
    else:
        more, needed = _near(h, True, wanted)
        seconds += more
    return option_of(method, cpu, seconds, needed, "levels that are not crowded")


def _factors(h: BdGHamiltonian, is_complex: bool) -> SuperLUCost:
    cpu = select_backend("cpu")
    return superlu_cost(rates_of(cpu), whole_symbolic(h.system, cpu), is_complex, h.system.norbs)


def _near(h: BdGHamiltonian, is_complex: bool, wanted: int) -> tuple[float, float]:
    """Return seconds and bytes of levels by ARPACK, with a count at both ends."""
    rates, size = rates_of(select_backend("cpu")), h.shape[0] // 2
    one, itemsize = _factors(h, is_complex), 16 if is_complex else 8
    columns = max(2 * wanted + 1, 20)
    solves = columns + (_SOLVES - 1) * wanted
    step = _REFINED * one.solve + 2.0 * columns * size * itemsize / (0.5 * rates.copy) + 40 * rates.call
    seconds = 3 * one.factor + solves * step
    # Rayleigh-Ritz: a QR decomposition, and products with the projected matrix
    seconds += (4 if is_complex else 1) * 8.0 * size * wanted**2 / (0.5 * rates.gemm["c16" if is_complex else "f8"])
    return seconds, 3.0 * one.elements * (itemsize + 4.0) + (columns + 3 * wanted) * size * itemsize


TASKS = {
    "spectrum_along": Task(
        _spectrum_along_task, ("values", "change", "k", "refine", "resolution", "tol"), frozenset({"values", "change"})
    ),
    "thouless_energy": Task(_thouless_energy_task, ("axis", "k", "window")),
}
