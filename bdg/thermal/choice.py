"""Which method gives elements of tanh(H/2T), on which device, why, and what it takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from bdg.base.arguments import require_temperature
from bdg.base.hamiltonian import BdGHamiltonian
from bdg.base.results import Choice
from bdg.gpu.chebyshev.columns import spectral_bound
from bdg.gpu.cost import model as cost
from bdg.gpu.cost.calibration import rates_of
from bdg.gpu.cost.model import Option, Rates
from bdg.gpu.device.backend import Backend, select_backend
from bdg.gpu.poles.tanh_poles import MAX_TOL, MIN_TOL, Poles, tanh_poles
from bdg.lattices.arguments import positive_number
from bdg.methods import choice
from bdg.methods.choice import DENSE_BELOW
from bdg.methods.imaginary import form_of
from bdg.methods.options import dense_option, host_rates, option_of
from bdg.methods.task import Arguments, Found, Task

_AROUND_POLES = 1.05  # seconds of a pole, with values put in and elements taken out, relative to its fronts

_FIT_CALLS = 3000.0  # array calls that the fit of tanh takes for each pole

METHODS = ("auto", "dense", "poles")


def pole_seconds(
    rates: Rates, hamiltonian: BdGHamiltonian, backend: Backend, share: float = 1.0, inverse: bool = True
) -> float:
    """Return the seconds of factor and selected inverse at one pole; ``share`` of the inverse is done."""
    form = form_of(hamiltonian, backend)
    seconds = cost.factor_seconds(rates, form.symbolic, form.name, form.general)
    seconds += cost.inverse_seconds(rates, form.symbolic, form.name, form.general, share) if inverse else 0.0
    return _AROUND_POLES * seconds


def pole_bytes(hamiltonian: BdGHamiltonian, backend: Backend) -> float:
    """Return the bytes of a factor with its selected inverse at one pole."""
    form = form_of(hamiltonian, backend)
    return form.bytes_at_once + cost.index_bytes(form.symbolic)


def bytes_at_once(choice: Choice, hamiltonian: BdGHamiltonian) -> float:
    """Return the bytes of thermal elements on all sites and bonds while they are computed on one thread."""
    if choice.method == "dense":
        return dense_option(hamiltonian, choice.backend, share=0.3).bytes
    return pole_bytes(hamiltonian, choice.backend)


def elements_options(
    hamiltonian: BdGHamiltonian,
    backends: Sequence[Backend],
    n_poles: int | None,
    inverse: bool = True,
    fit: bool = False,
) -> list[Option]:
    """Return what thermal averages on all sites and bonds take.

    Parameters
    ----------
    inverse : bool
        More than the free energy is wanted.
    fit : bool
        The fit of the poles counts: it is made anew for each spectral bound, which is seen where there are many.
    """
    found = []
    for backend in backends:
        if n_poles is not None:
            option = poles_option(hamiltonian, backend, n_poles, inverse=inverse)
            found.append(cost.longer(option, _FIT_CALLS * n_poles * host_rates(backend).call) if fit else option)
        found.append(dense_option(hamiltonian, backend, share=0.3))
    return found


def poles_option(
    hamiltonian: BdGHamiltonian,
    backend: Backend,
    n_poles: float,
    share: float = 1.0,
    inverse: bool = True,
    pieces: float | None = None,
) -> Option:
    """Return what a sum over poles takes; poles in single precision count `bdg.gpu.cost.model.SINGLE`.

    ``pieces``: factorisations, where they are not ``n_poles``; threads share them.
    """
    rates, form = rates_of(backend), form_of(hamiltonian, backend)
    pieces = n_poles if pieces is None else pieces
    at_poles = cost.shared_part(
        lambda rates: n_poles * pole_seconds(rates, hamiltonian, backend, share, inverse),
        rates,
        cost.pieces_of(pieces, form.symbolic),
        form.bytes_at_once if pieces > 1 else 0.0,
    )
    seconds = cost.analysis_seconds(rates, hamiltonian.system.n_sites) + at_poles.seconds
    return option_of("poles", backend, seconds, pole_bytes(hamiltonian, backend), shared=[at_poles])


def sums_option(
    hamiltonian: BdGHamiltonian,
    backend: Backend,
    temperature: float,
    tol: float,
    inverse: bool = True,
    method: str = "auto",
) -> Option:
    """Return what thermal elements take on this device, by a method or by the one that "auto" would use for them."""
    if method == "auto" and (temperature == 0 or hamiltonian.shape[0] < DENSE_BELOW):
        method = "dense"
    n_poles = None if method == "dense" else n_poles_for(hamiltonian, temperature, tol)
    options, priced = (elements_options(hamiltonian, [backend], n_poles, inverse, fit) for fit in (False, True))
    if method == "auto":  # as `choose_method` compares them
        method = (cost.choose(options) or min(options, key=lambda option: option.bytes)).method
    return next(option for option in priced if option.method == method)


def require_poles_above_zero(method: str, temperature: float) -> None:
    """Raise ValueError for method "poles" at temperature 0, where no finite number of poles fits tanh."""
    if method == "poles" and temperature == 0:
        raise ValueError("method='poles' needs temperature > 0; use method='dense' at temperature 0")


def choose_place(
    method: str, device: str, hamiltonian: BdGHamiltonian, temperature: float, tol: float, elements: bool = True
) -> Choice:
    """Return method, the reason for it and for the device, and the backend that it runs on.

    Where there is a choice of devices (`bdg.methods.choice.devices`) all methods are compared on each of them, or the
    one that was asked for.

    Raises
    ------
    MemoryBudgetError
        If nothing that may be taken fits: with what each would need.
    """
    dimension = hamiltonian.shape[0]
    require_poles(method, hamiltonian, temperature)
    backends = choice.devices(device, dimension)
    if len(backends) == 1:
        found = choose_method(method, hamiltonian, temperature, tol, backends[0], elements)
        return replace(found, why="; ".join(filter(None, (found.why, choice.about_device(device, dimension)))))
    poles = temperature > 0 and method != "dense"
    n_poles = n_poles_for(hamiltonian, temperature, tol) if poles else None
    options = elements_options(hamiltonian, backends, n_poles, elements)
    what, task = "the sum over poles" if poles else "the sum over all levels", f"for dimension {dimension}"
    found = choice.decided(method, options, backends, what, task)
    return found if temperature else replace(found, why=f"temperature 0; {found.why}")


def choose_method(
    method: str, hamiltonian: BdGHamiltonian, temperature: float, tol: float, backend: Backend, elements: bool = True
) -> Choice:
    """Return method and the reason for it, on this backend; ``elements``: more than the trace is wanted."""
    dimension = hamiltonian.shape[0]
    require_poles(method, hamiltonian, temperature)
    if method != "auto":
        return Choice(method, "as asked", backend)
    if temperature == 0:
        return Choice("dense", "temperature 0", backend)
    if dimension < DENSE_BELOW:
        return Choice("dense", f"dimension {dimension} is below {DENSE_BELOW}", backend)
    options = elements_options(hamiltonian, [backend], n_poles_for(hamiltonian, temperature, tol), elements)
    return choice.chosen(options, [backend], "the sum over poles", f"for dimension {dimension}")


def require_poles(method: str, hamiltonian: BdGHamiltonian, temperature: float) -> None:
    """Raise ValueError for method "poles" at temperature 0, or where there is no scale of energies to fit on."""
    require_poles_above_zero(method, temperature)
    if method == "poles" and not hamiltonian.matrix.nnz:
        raise ValueError("the Hamiltonian is zero: there is no scale of energies to fit on; use method='dense'")


def n_poles_for(hamiltonian: BdGHamiltonian, temperature: float, tol: float) -> int:
    """Return the number of poles that the elements of tanh(H/2T) take."""
    return int(fit_for(hamiltonian, temperature, tol)[0].frequencies.size)


def fit_for(hamiltonian: BdGHamiltonian, temperature: float, tol: float) -> tuple[Poles, float]:
    """Return the poles that give the elements of tanh(H/2T), and the bound of the spectrum that they fit on."""
    bound = spectral_bound(hamiltonian.matrix, 0)
    return fitted_poles(bound, temperature, tol), bound


def fitted_poles(bound: float, temperature: float, tol: float) -> Poles:
    """Return the poles of a fit of tanh(E/2T) on |E| < ``bound``, as close to ``tol`` as fits are made."""
    return tanh_poles(bound, temperature, float(np.clip(tol, MIN_TOL, MAX_TOL)))


def _averages_task(h: BdGHamiltonian, backends: Sequence[Backend], device: str, given: Arguments) -> Found:
    temperature = require_temperature(given["temperature"])
    tol = positive_number("tol", given.get("tol", 1e-8), "absolute error")
    elements, times = bool(given.get("elements", True)), float(given.get("iterations", 1))
    n_poles = n_poles_for(h, temperature, tol) if temperature else None
    options = elements_options(h, backends, n_poles, elements)
    options = [cost.repeated(option, times) for option in options]
    return options, lambda: choose_place("auto", device, h, temperature, tol, elements)


def _self_consistent_task(h: BdGHamiltonian, backends: Sequence[Backend], device: str, given: Arguments) -> Found:
    temperature = require_temperature(given["temperature"])
    backend = select_backend(device)  # one place for all iterations
    options, _ = _averages_task(h, [backend], device, given)
    tol, elements = float(given.get("tol", 1e-8)), bool(given.get("elements", True))
    return options, lambda: choose_method("auto", h, temperature, tol, backend, elements)


_GIVEN, _NEEDED = ("temperature", "tol", "elements"), frozenset({"temperature"})
TASKS = {
    "electron_density": Task(_averages_task, _GIVEN, _NEEDED),
    "free_energy": Task(_averages_task, _GIVEN, _NEEDED),
    "solve_gap": Task(_self_consistent_task, (*_GIVEN, "iterations"), _NEEDED),
}
