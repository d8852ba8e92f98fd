"""Which method gives the free energies of many phases, on which device, why, and what it takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bdg.base.arguments import require_temperature
from bdg.base.hamiltonian import BdGHamiltonian
from bdg.base.results import Choice
from bdg.gpu.cost import model as cost
from bdg.gpu.cost.calibration import rates_of
from bdg.gpu.cost.model import Option
from bdg.gpu.device.backend import Backend
from bdg.granular.landscape_choice import METHOD, integrated_host_option
from bdg.granular.named_grains import holds_all_pairing, require_grain_pairing, require_grains, require_points
from bdg.lattices.arguments import positive_number
from bdg.lattices.system import System
from bdg.methods import choice
from bdg.methods.choice import DENSE_BELOW
from bdg.methods.options import again, option_of
from bdg.methods.task import Arguments, Found, Task
from bdg.thermal.choice import sums_option

METHODS = ("auto", "dense", "poles", METHOD)
FIT_TOL = 1e-11  # absolute error of tanh in the fit: F is a sum over all levels, its harmonics are small
FIRST_POINTS = 8
MOST_POINTS = {1: 64, 2: 32, 3: 16, 4: 8}  # a phase, by the number of independent phases
EXPECTED_POINTS = {1: 16, 2: 8, 3: 8, 4: 8}  # a phase, where the grid grows until the aliasing is small
_LEVELS = 0.25  # seconds of all levels without their states, relative to those with them
_WHAT = "the free energies"


def energy_options(
    hamiltonian: BdGHamiltonian, backends: Sequence[Backend], temperature: float, times: float, note: str = ""
) -> list[Option]:
    """Return what ``times`` free energies take by each method; levels are exact, so they are preferred."""
    found = []
    for backend in backends:
        found.append(again(_levels_option(hamiltonian, backend), times, note=note))
        if temperature:
            once = cost.analysis_seconds(rates_of(backend), hamiltonian.system.n_sites)
            sums = sums_option(hamiltonian, backend, temperature, FIT_TOL, inverse=False, method="poles")
            found.append(again(sums, times, once, note))
            if hamiltonian.system.pairing_block.count_nonzero():
                found.append(integrated_host_option(hamiltonian.system, backend, temperature, times, note=note))
    return found


def choose_method(method: str, device: str, hamiltonian: BdGHamiltonian, temperature: float, times: float) -> Choice:
    """Return method, the reason for it, and the backend that it runs on."""
    dimension = hamiltonian.shape[0]
    backends = choice.devices(device, dimension)
    about = choice.about_device(device, dimension)
    if len(backends) == 1 and (method != "auto" or dimension < DENSE_BELOW):
        small = f"dimension {dimension} is below {DENSE_BELOW}"
        taken, why = (method, "as asked") if method != "auto" else ("dense", small)
        return Choice(taken, "; ".join(filter(None, (why, about))), backends[0])
    options = energy_options(hamiltonian, backends, temperature, times)
    found = choice.decided(method, options, backends, _WHAT, f"for {times:g} free energies")
    return found if temperature or method != "auto" else replace(found, why=f"temperature 0; {found.why}")


def _levels_option(hamiltonian: BdGHamiltonian, backend: Backend) -> Option:
    """Return what all levels take, without their states."""
    dimension, dtype = hamiltonian.shape[0], hamiltonian.dtype
    needed = 2.0 * dtype.itemsize * dimension**2
    seconds = _LEVELS * cost.eigh_seconds(rates_of(backend), dimension, dtype) + needed / rates_of(backend).copy
    return option_of("dense", backend, seconds, needed)


def biased(system: System, grains: Sequence[int]) -> BdGHamiltonian:
    """Return H at phases of no symmetry, like nearly all of those of a grid."""
    return BdGHamiltonian(system.with_phases({grain: 0.5 + 0.1 * number for number, grain in enumerate(grains)}))


def free_energies(points: int, n_phases: int, odd: bool) -> float:
    """Return how many free energies a grid takes; ``odd``: time reversal gives those at opposite phases."""
    every = float(points**n_phases)
    return 0.5 * (every + 2.0**n_phases) if odd else every


def _phase_harmonics_task(h: BdGHamiltonian, backends: Sequence[Backend], device: str, given: Arguments) -> Found:
    system, temperature = h.system, require_temperature(given["temperature"])
    named = require_grains(given["grains"], system.n_grains)
    positive_number("tol", given.get("tol", 1e-3), "relative to the largest term")
    require_grain_pairing(system)
    free = named[1:] if holds_all_pairing(system, named) else named
    points, note = given.get("points"), ""
    if points is None:
        points, note = EXPECTED_POINTS[len(free)], f"assumes {EXPECTED_POINTS[len(free)]} phases of each grain"
    times = free_energies(require_points(points), len(free), system.is_real)
    turned = biased(system, free)
    options = energy_options(turned, backends, temperature, times, note)
    return options, lambda: choose_method("auto", device, turned, temperature, times)


TASKS = {
    "phase_harmonics": Task(
        _phase_harmonics_task, ("grains", "temperature", "points", "tol"), frozenset({"grains", "temperature"})
    ),
}
