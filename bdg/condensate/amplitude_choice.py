"""Which method gives the pair amplitude, on which device, why, and what it takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from bdg.base.arguments import require_sites, require_temperature
from bdg.base.hamiltonian import BdGHamiltonian
from bdg.base.results import Choice
from bdg.gpu.chebyshev import columns as chebyshev
from bdg.gpu.cost import model as cost
from bdg.gpu.cost.model import Option
from bdg.gpu.device.backend import Backend, select_backend
from bdg.gpu.eigen import dense
from bdg.gpu.multifrontal.factors.selected_inverse import inverse_share
from bdg.lattices.arguments import positive_number
from bdg.methods import choice
from bdg.methods import options as methods_options
from bdg.methods.choice import DENSE_BELOW
from bdg.methods.imaginary import form_of
from bdg.methods.options import dense_option
from bdg.methods.recursion_costs import columns_option
from bdg.methods.task import Arguments, Found, Task
from bdg.thermal.choice import fitted_poles, poles_option

METHODS = ("auto", "dense", "chebyshev", "poles")
SINGLE_PRECISION_FROM = 1e-5  # tolerance from which single precision vectors (error about 3e-7 of max|F|) are enough
SMALL_AMPLITUDE = 0.05  # max|F| that "poles" expects; the sum is made again where it is smaller
FIT_SHARE = 0.06  # of tol is the error of the fit of tanh; F errs by half of it
POLE_ROUNDING = 1e-12  # of the sum over poles, relative to F = 1, at temperatures down to ROUNDING_FROM
ROUNDING_FROM = 1.4e-4  # of the spectral bound; below it grows like 1/T^3 where there are levels at zero energy
MAX_DEGREE = 400_000


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
            share = inverse_share(form_of(hamiltonian, backend).symbolic, sites)
            # the first pole is done in both precisions
            effective, pieces = (1.0 + cost.SINGLE * n_poles, n_poles + 1) if single else (float(n_poles), n_poles)
            found.append(poles_option(hamiltonian, backend, effective, share, pieces=pieces))
        if degree is not None:
            steps = degree / 2 if hamiltonian.system.norbs == 1 else float(degree)
            found.append(columns_option(hamiltonian, backend, sites.size, steps, single))
        found.append(dense_option(hamiltonian, backend, share=0.1))
    return found


def degree_for(bound: float, temperature: float, tol: float) -> int:
    """Return the expansion degree at which the coefficients of tanh(E/2T) have fallen below ``tol``.

    The nearest poles lie at ``+-i pi T``, so the coefficients fall like ``exp(-k pi T/s)``.
    """
    return int(np.ceil(bound / (np.pi * temperature) * np.log(4.0 / tol))) + 8


def choose_method(
    method: str,
    hamiltonian: BdGHamiltonian,
    temperature: float,
    sites: np.ndarray,
    bound: float,
    tol: float,
    device: str,
) -> Choice:
    """Return method, the reason for it, and the backend that it runs on."""
    dimension, backend = hamiltonian.shape[0], select_backend(device)
    smallest = smallest_temperatures(bound, tol)
    if method in smallest and temperature < smallest[method]:
        raise ValueError(
            f"method={method!r} {_affords(smallest[method])}; got temperature = {temperature!r}. Use method='dense' "
            f"below, {_other(method, smallest)}or a larger tol"
        )
    if method in ("chebyshev", "poles") and not bound:
        raise ValueError("the Hamiltonian is zero: there is no scale of energies to expand on; use method='dense'")
    backends = choice.devices(device, dimension)
    if method == "chebyshev" or (method != "auto" and len(backends) > 1):
        options = amplitude_options(hamiltonian, temperature, sites, bound, tol, backends)
        return choice.decided(method, options, backends, "the pair amplitude", f"for {sites.size} sites")
    if method != "auto":
        why = "; ".join(filter(None, ("as asked", choice.about_device(device, dimension))))
        return Choice(method, why, backends[0])
    fits = dense.dense_fits(dimension, hamiltonian.dtype, backend)
    if temperature < min(smallest.values()) and not fits:
        raise ValueError(
            f"temperature = {temperature!r} needs the dense method, which does not fit at dimension {dimension}; the "
            f"smallest temperature that another method affords is {min(smallest.values()):.3g}"
        )
    if not bound > 0 and fits:
        return Choice("dense", "the Hamiltonian is zero", backend)
    if dimension < DENSE_BELOW and fits:
        small = select_backend("cpu") if device == "auto" else backend  # a copy costs more than it saves
        return Choice("dense", f"dimension {dimension} is below {DENSE_BELOW}", small)
    options = amplitude_options(hamiltonian, temperature, sites, bound, tol, backends)
    return choice.chosen(options, backends, "the pair amplitude", f"for {sites.size} sites")


def _affords(smallest: float) -> str:
    return f"affords temperatures down to {smallest:.3g} for this system and tol"


def _other(method: str, smallest: Mapping[str, float]) -> str:
    """Return which other method goes lower, as part of a sentence."""
    least, name = min((least, name) for name, least in smallest.items())
    return "" if name == method else f"method={name!r} down to {least:.3g}, "


def smallest_temperatures(bound: float, tol: float) -> dict[str, float]:
    """Return the temperatures down to which each method that has such a bound can go."""
    return {
        "chebyshev": bound * np.log(4.0 / tol) / (np.pi * (MAX_DEGREE - 8)),
        "poles": ROUNDING_FROM * bound * (POLE_ROUNDING / (0.05 * tol)) ** (1 / 3),
    }


def amplitude_options(
    hamiltonian: BdGHamiltonian,
    temperature: float,
    sites: np.ndarray,
    bound: float,
    tol: float,
    backends: Sequence[Backend],
) -> list[Option]:
    """Return what each method is expected to take."""
    lowest = smallest_temperatures(bound, tol) if bound > 0 else {}
    possible = [name for name, least in lowest.items() if temperature >= least]
    options = pair_amplitude_options(
        hamiltonian,
        backends,
        sites,
        degree=degree_for(bound, temperature, 100 * tol) if "chebyshev" in possible else None,
        n_poles=fitted_poles(bound, temperature, FIT_SHARE * tol).frequencies.size if "poles" in possible else None,
        single=tol >= SINGLE_PRECISION_FROM,
    )
    for name in ("chebyshev", "poles"):
        if name not in possible:
            why = _affords(lowest[name]) if lowest else "needs a Hamiltonian that is not zero"
            options += [
                methods_options.closed(methods_options.option_of(name, backend, np.inf, 0.0), why)
                for backend in backends
            ]
    return options


def _pair_amplitude_task(h: BdGHamiltonian, backends: Sequence[Backend], device: str, given: Arguments) -> Found:
    temperature = require_temperature(given["temperature"])
    tol = positive_number("tol", given.get("tol", 1e-6), "relative to max|F|")
    sites = require_sites(given.get("sites"), h.system.n_sites)
    bound = chebyshev.spectral_bound(h.matrix, 0)
    options = amplitude_options(h, temperature, sites, bound, tol, backends)
    return options, lambda: choose_method("auto", h, temperature, sites, bound, tol, device)


TASKS = {"pair_amplitude": Task(_pair_amplitude_task, ("temperature", "sites", "tol"), frozenset({"temperature"}))}
