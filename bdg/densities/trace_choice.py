"""Which method gives the density of states, on which device, why, and what it takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from bdg.base.arguments import require_energies
from bdg.base.hamiltonian import BdGHamiltonian
from bdg.base.results import Choice
from bdg.densities import local_choice
from bdg.densities.expansion_costs import Expansion, expansion_option, levels_seconds
from bdg.densities.local_choice import Request
from bdg.densities.resolution import require_broadening, require_resolution
from bdg.gpu.chebyshev.traces import single_is_enough
from bdg.gpu.cost import model as cost
from bdg.gpu.cost.calibration import rates_of
from bdg.gpu.cost.model import Option
from bdg.gpu.device.backend import Backend
from bdg.lattices.arguments import whole_number
from bdg.lattices.system import System
from bdg.methods import choice
from bdg.methods import options as methods_options
from bdg.methods.task import Arguments, Found, Task

METHODS = ("auto", "chebyshev", "green", "dense")
NOISE_FREE = 1.0  # seconds up to which all levels are taken rather than random vectors: they have no noise


def require_vectors(vectors: Any, system: System) -> int:
    """Return the number of random vectors, 0 for the exact trace."""
    if isinstance(vectors, str) and vectors == "all":
        return 0
    number = whole_number("vectors", vectors, 2, unit="their scatter gives the error", instead="'all'")
    return 0 if number >= system.norbs * system.n_sites else number


def density_options(
    hamiltonian: BdGHamiltonian, backends: Sequence[Backend], energies: int, moments: int, n_vectors: int
) -> list[Option]:
    """Return what each method is expected to take; ``n_vectors`` = 0: the exact trace."""
    dimension, found = hamiltonian.shape[0], []
    single = n_vectors > 0 and single_is_enough(dimension, n_vectors, moments)
    columns, random = n_vectors or dimension // 2, n_vectors > 0
    wanted = Expansion(columns, moments, energies, single, summed=not random, random=random)
    for backend in backends:
        option = methods_options.dense_option(hamiltonian, backend)
        sums = levels_seconds(dimension, moments, energies)
        found.append(cost.longer(option, sums))
        found.append(expansion_option(hamiltonian, backend, wanted))
    return found


def choose_method(
    method: str, device: str, hamiltonian: BdGHamiltonian, energies: int, moments: int, n_vectors: int
) -> Choice:
    """Return method, the reason for it, and the backend that it runs on."""
    backends = choice.devices(device, hamiltonian.shape[0])
    options = density_options(hamiltonian, backends, energies, moments, n_vectors)
    task = f"for {moments} moments"
    quick = [o for o in options if o.method == "dense" and o.feasible and o.seconds <= NOISE_FREE]
    if method != "auto" or not n_vectors or not quick:
        return choice.decided(method, options, backends, "the density of states", task)
    backend = choice.chosen(quick, backends, "the density of states").backend
    why = cost.reason(options, rates_of(backends[0]), task)
    return Choice("dense", f"{why}; dense has no noise and is taken up to {NOISE_FREE:g} s", backend)


def green_request(hamiltonian: BdGHamiltonian, energies: np.ndarray, eta: float) -> Request:
    """Return the request for the site diagonal of the resolvent, all sites summed."""
    return Request(hamiltonian, energies, np.arange(hamiltonian.system.n_sites), eta, summed=True)


def green_options(request: Request, backends: Sequence[Backend]) -> list[Option]:
    """Return what the site diagonal is expected to take on each device."""
    return local_choice.options(request, backends, ("green",))


def choose_green(request: Request, device: str) -> Choice:
    """Return the device of the site diagonal, and the reason for it.

    Raises
    ------
    MemoryBudgetError
        If the factors fit on none.
    """
    backends = choice.devices(device, request.hamiltonian.shape[0])
    task = f"for {request.energies.size} energies"
    return choice.decided("green", green_options(request, backends), backends, "the density of states", task)


def _density_of_states_task(h: BdGHamiltonian, backends: Sequence[Backend], device: str, given: Arguments) -> Found:
    points = require_energies(given["energies"])
    n_vectors = require_vectors(given.get("vectors", 8), h.system)
    moments = require_resolution(given.get("broadening"), given.get("moments"), points, h, 0).moments
    options = density_options(h, backends, points.size, moments, n_vectors)
    if given.get("moments") is None:  # another kernel, which "auto" does not take
        eta, _ = require_broadening(given.get("broadening"), points, h)
        options += green_options(green_request(h, points, eta), backends)
    return options, lambda: choose_method("auto", device, h, points.size, moments, n_vectors)


TASKS = {
    "density_of_states": Task(
        _density_of_states_task, ("energies", "broadening", "moments", "vectors"), frozenset({"energies"})
    ),
}
