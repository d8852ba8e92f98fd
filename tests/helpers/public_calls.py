"""Calls of the public functions, and small systems of every kind, for the tests on the checking array module."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import scipy.sparse as sp
from checking_module import CheckingArray, Counts

import bdg
from bdg.gpu.multifrontal import FrontSettings
from bdg.lattices.nambu import SIGMA_X, SIGMA_Y, SIGMA_Z
from bdg.lattices.system import System

DEEP = FrontSettings(leaf=3, call_flops=1e4, base=8, upper=6)  # a tree of many levels, blocks inverted by halves
SHAPE = (4, 4, 3)
KINDS = ("real", "flux", "complex delta", "bonds", "spins", "spins, complex")


def make_system(kind: str, shape: tuple[int, ...] = SHAPE) -> System:
    """Disordered cube with pairing on part of the sites: norbs 1 or 2, real or complex, sites or bonds."""
    rng = np.random.default_rng(4)
    number = np.arange(np.prod(shape)).reshape(shape)
    size = number.size
    ends = [(np.delete(number, -1, axis).ravel(), np.delete(number, 0, axis).ravel()) for axis in range(3)]
    start, end = np.concatenate(ends, axis=1)
    links = sp.csr_matrix((np.ones(start.size), (start, end)), shape=(size, size))
    phases = np.exp(0.1j * start) if kind in ("flux", "spins, complex") else np.ones(start.size)
    upper = sp.csr_matrix((-phases, (start, end)), shape=(size, size))
    h = upper + upper.conj().T + sp.diags(rng.uniform(-1.5, 0.5, size))
    delta = 0.3 * (rng.random(size) < 0.4)
    if kind in ("complex delta", "spins, complex"):
        delta = delta * np.exp(0.3j * np.arange(size))
    if kind.startswith("spins"):
        h = sp.kron(h, np.eye(2)) + 0.2 * sp.kron(sp.identity(size), SIGMA_Z)
    if kind == "spins, complex":
        h = h + sp.kron(1j * (links - links.T), 0.2 * SIGMA_Y + 0.1 * SIGMA_X)
    return bdg.lattices.from_hamiltonian(
        sp.csr_matrix(h),
        np.argwhere(number >= 0).astype(float),
        norbs=2 if kind.startswith("spins") else 1,
        delta=delta,
        pairing=0.1 * (links + links.T) if kind == "bonds" else None,
        grain=np.arange(size) // (size // 2),
        attraction=4.0 * (delta != 0),
    )


ENERGIES = np.linspace(-0.8, 0.8, 5)
Z = [0.3 + 0.1j, 0.2j, 0.7123]
CALLS = {  # name: function, keyword arguments, and the error beside rounding in the last place; 0 is bit for bit
    "states, lanczos": (bdg.bound_states, {"k": 8, "method": "lanczos"}, 1e-11),  # blocks of other width
    "states, window": (bdg.bound_states, {"window": (-0.25, 0.3), "method": "lanczos"}, 1e-11),
    "states, dense": (bdg.bound_states, {"k": 8, "method": "dense"}, 0),
    "states, auto": (bdg.bound_states, {"k": 8}, 0),
    "count, lanczos": (bdg.count_states, {"energy": 0.3, "method": "lanczos"}, 0),
    "count, dense": (bdg.count_states, {"energy": 0.3, "method": "dense"}, 0),
    "pairing, poles": (bdg.pair_amplitude, {"temperature": 0.1, "method": "poles"}, 0),
    "pairing, single": (bdg.pair_amplitude, {"temperature": 0.1, "method": "poles", "tol": 1e-3}, 0),
    "pairing, sites": (bdg.pair_amplitude, {"temperature": 0.1, "sites": [1, 5], "method": "poles"}, 0),
    "pairing, chebyshev": (bdg.pair_amplitude, {"temperature": 0.3, "method": "chebyshev"}, 1e-14),
    "pairing, chebyshev, single": (
        bdg.pair_amplitude,
        {"temperature": 0.3, "method": "chebyshev", "tol": 1e-4},
        1e-6,  # sums of single precision in another order
    ),
    "pairing, dense": (bdg.pair_amplitude, {"temperature": 0.1, "method": "dense"}, 0),
    "green, diagonal": (
        bdg.green_function,
        {"z": Z, "method": "multifrontal"},
        1e-9,
    ),  # z = 0.7123 has levels beside it
    "green, sites": (bdg.green_function, {"z": Z, "sites": [3, 17], "method": "multifrontal"}, 1e-9),
    "green, sources": (bdg.green_function, {"z": Z[:2], "sources": [3], "method": "multifrontal"}, 1e-13),
    "green, dense": (bdg.green_function, {"z": Z[:2], "method": "dense"}, 0),
    "ldos, green": (bdg.local_density_of_states, {"energies": ENERGIES, "method": "green"}, 1e-12),
    "ldos, sites": (bdg.local_density_of_states, {"energies": ENERGIES, "sites": [1, 4], "method": "green"}, 1e-12),
    "ldos, dense": (bdg.local_density_of_states, {"energies": ENERGIES, "method": "dense"}, 0),
}
THERMAL = {  # sums of the same elements, and loops over them; from functions that this version has
    "density, poles": ("electron_density", {"temperature": 0.1, "method": "poles"}, 1e-13),
    "density, dense": ("electron_density", {"temperature": 0.1, "method": "dense"}, 0),
    "free energy, poles": ("free_energy", {"temperature": 0.3, "method": "poles"}, 1e-13),
    "free energy, dense": ("free_energy", {"temperature": 0.3, "method": "dense"}, 1e-13),
    "bond currents": ("bond_currents", {"temperature": 0.1, "method": "poles"}, 1e-13),
}
EXPANSIONS = {
    "dos, chebyshev": ("density_of_states", {"energies": ENERGIES, "method": "chebyshev"}, 1e-5),  # single precision
    "dos, dense": ("density_of_states", {"energies": ENERGIES, "method": "dense"}, 0),
    "spectral function": ("spectral_function", {"momenta": [[0.1, 0.2, 0.3]], "energies": ENERGIES}, 1e-12),
    "ldos, chebyshev": (
        "local_density_of_states",
        {"energies": ENERGIES, "sites": [1, 4], "method": "chebyshev"},
        1e-12,
    ),
}
LOOPS = {  # iterations that end where a tolerance is met: the same on both devices up to rounding
    "states, chebyshev": ("bound_states", {"k": 4, "method": "chebyshev"}, 1e-11),
    "gap, poles": ("solve_gap", {"temperature": 0.1, "method": "poles", "tol": 1e-3}, 1e-9),
    "gap, dense": ("solve_gap", {"temperature": 0.1, "method": "dense", "tol": 1e-3}, 1e-9),
    "current": ("current_phase", {"phases": [0.4, 1.1], "temperature": 0.3, "method": "poles"}, 1e-9),
    "stiffness": ("superfluid_stiffness", {"temperature": 0.3, "direction": "x", "method": "current"}, 1e-7),
    "landscape": ("grain_landscape", {"temperature": 0.3}, 1e-12),
    "harmonics, host": (
        "phase_harmonics",
        {"grains": [0, 1], "temperature": 0.3, "method": "integrated_host", "points": 4},
        1e-9,
    ),
    "harmonics": ("phase_harmonics", {"grains": [0, 1], "temperature": 0.3, "method": "poles", "points": 4}, 1e-9),
    "transition, poles": ("critical_temperature", {"method": "poles", "tol": 1e-2}, 1e-6),
    "transition, dense": ("critical_temperature", {"method": "dense", "tol": 1e-2}, 1e-6),
}
for _table in (THERMAL, EXPANSIONS, LOOPS):
    CALLS.update({key: (getattr(bdg, name), *rest) for key, (name, *rest) in _table.items() if hasattr(bdg, name)})
HOST_ONLY = {
    "estimate": "counts operations; what it says of a device is compared with the functions in test_estimate",
    "phase_response": "matrix elements of states that are given",
    "proximity_length": "a fit of a few numbers",
    "spectrum_along": "bound_states at each value; follows the levels on the host",
    "thouless_energy": "refuses device='gpu'",
}


def call(name: str, system: System, where: str) -> Any:
    """Return the result of a call of `CALLS` on a device."""
    function, keywords, _ = CALLS[name]
    return function(system, **keywords, device=where)


def assert_on_host(value: Any, path: str) -> None:
    """All that a public function returns lies on the host."""
    assert not isinstance(value, CheckingArray), f"{path} is on the device"
    if isinstance(value, System):  # keeps index arrays of its geometry where they are used
        return
    if dataclasses.is_dataclass(value):
        value = {item.name: getattr(value, item.name) for item in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        for key in value:
            assert_on_host(value[key], f"{path}.{key}")
    elif isinstance(value, list | tuple):
        for number, part in enumerate(value):
            assert_on_host(part, f"{path}[{number}]")


def assert_came_from(counts: Counts, result: Any) -> None:
    """What a public function says about the device is true."""
    assert_on_host(result, type(result).__name__)
    assert result.evidence.device == "gpu" and result.evidence.device_name == "checking module"
    assert counts.operations > 0, "computed on the host, whatever the evidence says"
    assert counts.synchronisations > 0, "nothing came back"
