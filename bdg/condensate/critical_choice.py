"""What a critical temperature is expected to take: kernels from all levels, or applications of the response."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from bdg.base.hamiltonian import BdGHamiltonian
from bdg.base.results import Choice
from bdg.condensate.connected_parts import Part, connected_parts
from bdg.condensate.critical_temperature import require_instability, require_tol
from bdg.gpu.chebyshev.columns import spectral_bound
from bdg.gpu.cost import model as cost
from bdg.gpu.cost.calibration import rates_of
from bdg.gpu.cost.model import Option
from bdg.gpu.cost.shared import Shared
from bdg.gpu.device.backend import Backend
from bdg.gpu.eigen import dense
from bdg.gpu.multifrontal.factors.selected_inverse import inverse_share
from bdg.gpu.poles.tanh_poles import MIN_TOL, tanh_poles
from bdg.methods.imaginary import form_of
from bdg.methods.options import again, host_rates, option_of
from bdg.methods.task import Arguments, Found, Task
from bdg.thermal.choice import poles_option

TRANSITION = 0.05  # of max U: where the transition is expected
KERNELS = 12.0  # temperatures at which a kernel from all levels is made, for one transition
_RANK = 14.0  # products that a kernel is the sum of, in the mean of coarse and fine ones
_KERNEL_CALLS = 800.0  # array calls of a kernel
_KERNEL_PASSES = 6.0  # over a kernel and the levels for each of them
_LARGEST = 0.3  # seconds of the largest eigenvalue, relative to all eigenstates
_FURTHER = 0.3  # seconds of parts after the first, relative to a whole search
APPLICATIONS = 60.0  # of the response, for one transition
CORRECTIONS = 3.0  # of the response where all levels gave the transition


def _critical_temperature_task(h: BdGHamiltonian, backends: Sequence[Backend], device: str, given: Arguments) -> Found:
    require_tol(given.get("tol", 1e-6))
    require_instability(h.system)
    parts = connected_parts(h.system)
    options = []
    for backend in backends:
        options.append(_together("dense", backend, parts, _by_levels))
        options.append(_together("poles", backend, parts, _by_response))
    method = "dense" if all(part.is_small for part in parts) else "poles"
    why = f"{len(parts)} connected parts of at most {max(part.system.hamiltonian.shape[0] for part in parts)} orbitals"
    return options, lambda: Choice(method, why, backends[0])


def _together(
    name: str,
    backend: Backend,
    parts: Sequence[Part],
    make: Callable[[Part, Backend], tuple[float, float, tuple[Shared, ...]]],
) -> Option:
    """Return one option for all parts; those after the first are only followed down to its transition."""
    # many grains that are alike take the same
    of_size: dict[tuple[int, int], tuple[float, float, tuple[Shared, ...]]] = {}
    seconds, needed, shared = 0.0, 0.0, list[Shared]()
    for part in parts:
        size = part.system.n_sites, part.active.size
        if size not in of_size:
            of_size[size] = make(part, backend)
        times = 1.0 if part is parts[0] else _FURTHER
        seconds += of_size[size][0] * times
        needed = max(needed, of_size[size][1])
        shared += [each.times(times) for each in of_size[size][2]]
    note = f"assumes {KERNELS:g} temperatures, {APPLICATIONS:g} applications of the response"
    return option_of(name, backend, seconds, needed, note, shared)


def _by_levels(part: Part, backend: Backend) -> tuple[float, float, tuple[Shared, ...]]:
    """Return seconds and bytes of all levels of h, and of its whole kernel at every temperature."""
    rates, system = rates_of(backend), part.system
    h, sites = system.hamiltonian, float(part.active.size)
    rows, size, name = system.norbs * sites, float(h.shape[0]), cost.kind(h.dtype)
    products = (4 if name == "c16" else 1) * 2.0 * rows**2 * size / rates.gemm[name]
    passes = _KERNEL_PASSES * h.dtype.itemsize * (rows**2 + rows * size) / rates.copy
    largest = _LARGEST * cost.eigh_seconds(host_rates(backend), int(sites), h.dtype)
    seconds = cost.eigh_seconds(rates, int(size), h.dtype)
    seconds += KERNELS * (_RANK * (products + passes) + _KERNEL_CALLS * host_rates(backend).call + largest)
    needed = dense.dense_bytes(int(size), h.dtype)
    return seconds, max(needed, h.dtype.itemsize * (2 * rows * size + 4 * rows**2)), ()


def _by_response(part: Part, backend: Backend) -> tuple[float, float, tuple[Shared, ...]]:
    """Return seconds, bytes and what threads share where pair amplitudes of a tiny Delta are asked for."""
    system = part.system
    sites = np.flatnonzero(system.attraction > 0)
    hamiltonian = BdGHamiltonian(system.with_delta(np.where(system.attraction > 0, 1e-6, 0.0)))
    temperature = TRANSITION * part.strongest
    bound = spectral_bound(hamiltonian.matrix, 0)
    # a response to so little Delta takes the sharpest fit that there is
    n_poles = tanh_poles(bound, temperature, MIN_TOL).frequencies.size
    share = inverse_share(form_of(hamiltonian, backend).symbolic, sites)
    one = poles_option(hamiltonian, backend, n_poles, share)
    once = cost.analysis_seconds(rates_of(backend), system.n_sites)
    if not part.is_small:
        found = again(one, APPLICATIONS, once)
        return found.seconds, one.bytes, found.shared
    seconds, needed, _ = _by_levels(part, backend)
    found = again(one, CORRECTIONS, once)
    return seconds + found.seconds, max(one.bytes, needed), found.shared


TASKS = {"critical_temperature": Task(_critical_temperature_task, ("tol",))}
