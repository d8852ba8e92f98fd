"""What currents and stiffnesses take; which route gives a stiffness, on which device, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from bdg.base.arguments import require_temperature
from bdg.base.hamiltonian import BdGHamiltonian
from bdg.base.results import Choice
from bdg.condensate import amplitude_choice
from bdg.condensate.gap.equation import GapUnknowns
from bdg.condensate.gap.response import LARGEST_DIMENSION
from bdg.currents.current_phase import THERMAL_TOL
from bdg.currents.electrodes import deep_of, require_between
from bdg.currents.phase_curves import require_phases
from bdg.currents.twists import Twist, require_directions
from bdg.gpu.chebyshev.columns import spectral_bound
from bdg.gpu.cost import model as cost
from bdg.gpu.cost.calibration import rates_of
from bdg.gpu.cost.model import Option
from bdg.gpu.cost.shared import Shared
from bdg.gpu.device.backend import Backend
from bdg.lattices.arguments import positive_number, whole_number
from bdg.lattices.system import System
from bdg.methods import choice
from bdg.methods.choice import DENSE_BELOW
from bdg.methods.options import again, closed, dense_option, host_rates, option_of
from bdg.methods.task import Arguments, Found, Task
from bdg.thermal.choice import choose_place, elements_options, n_poles_for, sums_option

COMPARED = ("kubo", "current")
METHODS = ("auto", *COMPARED, "twist")
_WHAT = "the superfluid stiffness"
_NEVER = "second differences: auto does not take it"
# of "kubo": products of the size n^3 that are real like H, and complex ones for each axis; seconds of an element of
# tanh(H/2T) by passes over memory; matrices n x n of float64
_REAL_PRODUCTS, _AXIS_PRODUCTS, _QUOTIENT_PASSES, _KUBO_MATRICES = 1.0, 3.0, 40.0, {"f": 13.0, "c": 15.0}


def stiffness_options(
    hamiltonian: BdGHamiltonian,
    temperature: float,
    tol: float,
    axes: Sequence[int],
    backends: Sequence[Backend],
    methods: Sequence[str] = COMPARED,
) -> list[Option]:
    """Return what each route is expected to take; levels are exact, so they are preferred."""
    makers = {
        "kubo": lambda backend: _kubo(hamiltonian, len(axes), backend),
        "current": lambda backend: _differences(hamiltonian, temperature, tol, axes, backend),
        "twist": lambda backend: _second_differences(hamiltonian, temperature, tol, axes, backend),
    }
    return [makers[method](backend) for backend in backends for method in methods]


def choose_route(
    method: str, device: str, hamiltonian: BdGHamiltonian, temperature: float, tol: float, axes: Sequence[int]
) -> Choice:
    """Return the route, the reason for it, and the backend that it runs on."""
    dimension = hamiltonian.shape[0]
    backends = choice.devices(device, dimension)
    if method != "auto" and len(backends) == 1:
        why = "; ".join(filter(None, ("as asked", choice.about_device(device, dimension))))
        return Choice(method, why, backends[0])
    if method == "auto" and dimension < DENSE_BELOW:
        why = f"dimension {dimension} is below {DENSE_BELOW}"
        return Choice("kubo", "; ".join(filter(None, (why, choice.about_device(device, dimension)))), backends[0])
    if method != "auto":
        methods: tuple[str, ...] = (method,)
    else:  # at T = 0 differences need all levels of every twisted system
        methods = COMPARED if temperature else ("kubo",)
    options = stiffness_options(hamiltonian, temperature, tol, axes, backends, methods)
    found = choice.decided(method, options, backends, _WHAT, f"for dimension {dimension}")
    return found if temperature or method != "auto" else replace(found, why=f"temperature 0; {found.why}")


def _kubo(hamiltonian: BdGHamiltonian, n_axes: int, backend: Backend) -> Option:
    """Return what all levels and the elements of a velocity for each axis take; these are made on the host."""
    system, host, n = hamiltonian.system, host_rates(backend), float(hamiltonian.shape[0])
    name = cost.kind(hamiltonian.dtype)
    levels = dense_option(hamiltonian, backend)
    needed = levels.bytes if backend.device != "cpu" else 8 * _KUBO_MATRICES[hamiltonian.dtype.kind] * n**2
    seconds = levels.seconds
    seconds += _REAL_PRODUCTS * (4 if name == "c16" else 1) * n**3 / host.gemm[name]
    seconds += n_axes * 4 * _AXIS_PRODUCTS * n**3 / host.gemm["c16"]
    elements = n**2 + (1 + n_axes) * (system.adjacency.nnz + system.n_sites) * system.norbs * n
    seconds += _QUOTIENT_PASSES * 8 * elements / host.copy
    return option_of("kubo", backend, seconds, needed)


def _differences(
    hamiltonian: BdGHamiltonian, temperature: float, tol: float, axes: Sequence[int], backend: Backend
) -> Option:
    """Return what the elements of tanh of the system and of it under two twists of each axis take."""
    system = hamiltonian.system
    plain = sums_option(hamiltonian, backend, temperature, tol)
    twisted = sums_option(_twisted(system, axes[0]), backend, temperature, tol, method=plain.method)
    signs = 1 if system.is_real else 2  # T(-q) = T(q)*
    return _together("current", backend, system, [(plain, 1), (twisted, 2 * signs * len(axes))])


def _second_differences(
    hamiltonian: BdGHamiltonian, temperature: float, tol: float, axes: Sequence[int], backend: Backend
) -> Option:
    """Return what the free energies under two twists of each axis and of each pair of them take."""
    system = hamiltonian.system
    plain, trace = (sums_option(hamiltonian, backend, temperature, tol, inverse) for inverse in (True, False))
    twisted = sums_option(_twisted(system, axes[0]), backend, temperature, tol, False, trace.method)
    pairs = len(axes) * (len(axes) - 1) // 2
    return _together("twist", backend, system, [(plain, 1), (twisted, 2 * (2 * len(axes) + 4 * pairs))], _NEVER)


def _together(
    name: str, backend: Backend, system: System, parts: Sequence[tuple[Option, int]], note: str = ""
) -> Option:
    """Return one option for sums of thermal elements of systems of one geometry, which is analysed once."""
    once = {option.method: _once(option, system, backend) for option, _ in parts}
    seconds = sum(once.values()) + sum(times * (option.seconds - once[option.method]) for option, times in parts)
    note = note or f"sums by {', '.join(once)}"
    shared = [part for option, times in parts for part in cost.repeated(option, times).shared]
    return option_of(name, backend, seconds, max(option.bytes for option, _ in parts), note, shared)


def _once(option: Option, system: System, backend: Backend) -> float:
    """Return the seconds of an option that later ones on the same geometry do not take."""
    return cost.analysis_seconds(rates_of(backend), system.n_sites) if option.method == "poles" else 0.0


def _twisted(system: System, axis: int) -> BdGHamiltonian:
    twist = np.zeros(system.positions.shape[1])
    twist[axis] = 1e-3
    return BdGHamiltonian(Twist(system).system_at(twist))


def _bond_currents_task(h: BdGHamiltonian, backends: Sequence[Backend], device: str, given: Arguments) -> Found:
    temperature = require_temperature(given["temperature"])
    tol = positive_number("tol", given.get("tol", 1e-8), "absolute error of the elements of tanh")
    n_poles = n_poles_for(h, temperature, tol) if temperature else None
    options = elements_options(h, backends, n_poles, fit=True)
    return options, lambda: choose_place("auto", device, h, temperature, tol)


def _stiffness_task(h: BdGHamiltonian, backends: Sequence[Backend], device: str, given: Arguments) -> Found:
    temperature = require_temperature(given["temperature"])
    tol = positive_number("tol", given.get("tol", 1e-11), "absolute error of the elements of tanh")
    axes = require_directions(given["direction"], h.system)
    options = stiffness_options(h, temperature, tol, axes, backends, METHODS[1:])
    return options, lambda: choose_route("auto", device, h, temperature, tol, axes)


# ------------------------------------------------------------------------------------------------ current against phase

ITERATIONS = 15.0  # of the gap equation at a phase that starts from the solution before
_FIRST = 1.2  # times as many at the first phase
_SUMS_TOL = 1e-6  # of the pair amplitude on the way, in the mean of its logarithm
_EXAMINED = 8.0, 1.7  # examinations of a small solution: seconds and bytes in units of those of all its levels


def _current_phase_task(h: BdGHamiltonian, backends: Sequence[Backend], device: str, given: Arguments) -> Found:
    system, temperature = h.system, require_temperature(given["temperature"])
    phases = require_phases(given["phases"])
    pair = require_between(given.get("between"), system)
    deep_of(given.get("pinned"), system, pair)
    self_consistent = bool(given.get("self_consistent", False))
    if self_consistent:
        whole_number("max_iterations", given.get("max_iterations", 200), 1)
    tol = given.get("tol")
    tol = tol if tol is None else positive_number("tol", tol, "accuracy of tanh, or of a self-consistent Delta")
    elements_tol = THERMAL_TOL if tol is None or self_consistent else tol
    first, typical = (
        BdGHamiltonian(system.with_phases({pair[0]: 0.0, pair[1]: float(phase)}))
        for phase in (phases[0], phases[phases.size // 2])
    )
    n_poles = n_poles_for(typical, temperature, elements_tol) if temperature else None
    options = []
    for backend in backends:
        for option in elements_options(typical, [backend], n_poles, fit=True):
            once = _once(option, system, backend)
            one = again(option, phases.size, once)
            if self_consistent:
                options.append(_iterated(one, typical, temperature, phases.size, backend))
            else:
                options.append(replace(one, shared=_phases_shared(option, phases.size - 1, once)))
    return options, lambda: choose_place("auto", device, first, temperature, elements_tol)


def _phases_shared(option: Option, others: int, once: float) -> tuple[Shared, ...]:
    """Return what threads share: the sums at the first phase, then the other phases, one thread for each."""
    first, further = option.shared, cost.repeated(option, others).shared
    calls, copies = (sum(getattr(part, name) for part in further) for name in ("calls", "copies"))
    return (*first, Shared(others * (option.seconds - once), others, calls, copies, option.bytes)) if others else first


def _iterated(one: Option, hamiltonian: BdGHamiltonian, temperature: float, n_phases: int, backend: Backend) -> Option:
    """Return an option with the gap equation solved at every phase besides, its sums by the same method."""
    free = GapUnknowns(hamiltonian.system, None, None, False).free
    bound = spectral_bound(hamiltonian.matrix, 0)
    sums = amplitude_choice.amplitude_options(hamiltonian, temperature, free, bound, _SUMS_TOL, [backend])
    own = next(option for option in sums if option.method == one.method)
    if own.closed:
        return closed(one, own.note)
    times = ITERATIONS * (n_phases + _FIRST - 1)
    solved = again(own, times, _once(own, hamiltonian.system, backend))
    seconds, shared = solved.seconds, (*cost.repeated(one, 2.0).shared, *solved.shared)
    needed = max(one.bytes, own.bytes)
    if hamiltonian.shape[0] <= LARGEST_DIMENSION:
        levels, (longer, larger) = dense_option(hamiltonian, backend), _EXAMINED
        seconds, needed = seconds + n_phases * longer * levels.seconds, max(needed, larger * levels.bytes)
    seconds += one.seconds  # the free energy of each solution
    note = f"assumes {ITERATIONS:g} iterations at each phase"
    return replace(one, seconds=one.seconds + seconds, bytes=needed, note=note, shared=shared)


_PHASES = ("phases", "temperature", "between", "self_consistent", "pinned", "tol", "max_iterations")
TASKS = {
    "bond_currents": Task(_bond_currents_task, ("temperature", "tol"), frozenset({"temperature"})),
    "current_phase": Task(_current_phase_task, _PHASES, frozenset({"phases", "temperature"})),
    "superfluid_stiffness": Task(
        _stiffness_task, ("temperature", "direction", "tol"), frozenset({"temperature", "direction"})
    ),
}
