"""What is predicted and measured of each system: a function, a method, and arguments."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from bdg.lattices.system import System
from bdg.validation.benchmarks.systems import ATTRACTION, TEMPERATURE

MANY = 256  # bound states, of which filters give hundreds at a time


@dataclasses.dataclass(frozen=True)
class Way:
    """A task of `bdg.estimate`, the method in question, the arguments for a system, and what is made of it before."""

    what: str
    method: str
    arguments: Callable[[System], dict[str, Any]]
    words: str
    prepared: Callable[[System], System] = lambda system: system


def _attractive(system: System) -> System:
    """Return the system with an attraction in place of Delta."""
    attraction = np.where(abs(system.delta) > 0, ATTRACTION, 0.0)
    return dataclasses.replace(system, delta=np.zeros(system.n_sites), attraction=attraction)


def _self_consistent(system: System) -> System:
    """Return the system with Delta and an attraction that holds one of that size."""
    return dataclasses.replace(system, attraction=np.where(abs(system.delta) > 0, ATTRACTION, 0.0))


def _turned(system: System, phase: float) -> System:
    return system.with_phases({system.n_grains - 1: phase})


def _layer(system: System) -> np.ndarray:
    return np.flatnonzero(system.positions[:, 0] == system.positions[:, 0].min())


WAYS = {
    "lanczos": Way("bound_states", "lanczos", lambda s: {"k": 32}, "32 states"),
    "shift_invert": Way("bound_states", "shift_invert", lambda s: {"k": 32}, "32 states"),
    "dense": Way("bound_states", "dense", lambda s: {"k": 32}, "32 states"),
    "many, lanczos": Way("bound_states", "lanczos", lambda s: {"k": MANY}, f"{MANY} states"),
    "many, filtered": Way("bound_states", "chebyshev", lambda s: {"k": MANY}, f"{MANY} states"),
    "poles": Way("pair_amplitude", "poles", lambda s: {"temperature": TEMPERATURE, "tol": 1e-5}, "F on all sites"),
    "poles, layer": Way(
        "pair_amplitude",
        "poles",
        lambda s: {"temperature": TEMPERATURE, "tol": 1e-5, "sites": _layer(s)},
        "F on one layer",
    ),
    "columns": Way(
        "pair_amplitude",
        "chebyshev",
        lambda s: {"temperature": TEMPERATURE, "tol": 1e-5, "sites": np.arange(64)},
        "F on 64 sites",
    ),
    "density": Way(
        "density_of_states",
        "chebyshev",
        lambda s: {"energies": np.linspace(-1, 1, 101), "moments": 1024},
        "density of states, 1024 moments, 8 vectors",
    ),
    "local, all": Way(
        "local_density_of_states",
        "green",
        lambda s: {"energies": [0.1], "broadening": 0.01},
        "local density, all sites",
    ),
    "local, four": Way(
        "local_density_of_states",
        "green",
        lambda s: {"energies": [0.05, 0.1, 0.2, 0.4], "broadening": 0.02},
        "local density, all sites, 4 energies",
    ),
    "local, few": Way(
        "local_density_of_states",
        "green",
        lambda s: {"energies": [0.1], "broadening": 0.01, "sites": [1, 2, 3, 4]},
        "local density, 4 sites",
    ),
    "local, spectra": Way(
        "local_density_of_states",
        "chebyshev",
        lambda s: {"energies": np.linspace(-0.6, 0.6, 61), "broadening": 0.05, "sites": np.arange(16)},
        "local density, 16 sites, 61 energies",
    ),
    "local, one site": Way(
        "local_density_of_states",
        "chebyshev",
        lambda s: {"energies": np.linspace(-0.5, 0.5, 41), "broadening": 0.02, "sites": [s.n_sites // 2]},
        "local density, 1 site, 41 energies",
    ),
    "local, one site, green": Way(
        "local_density_of_states",
        "green",
        lambda s: {"energies": np.linspace(-0.5, 0.5, 41), "broadening": 0.02, "sites": [s.n_sites // 2]},
        "local density, 1 site, 41 energies",
    ),
    "columns, few": Way(
        "pair_amplitude",
        "chebyshev",
        lambda s: {"temperature": TEMPERATURE, "tol": 1e-5, "sites": [1, 2]},
        "F on 2 sites",
    ),
    "density, few": Way(
        "density_of_states",
        "chebyshev",
        lambda s: {"energies": np.linspace(-1, 1, 101), "moments": 1024, "vectors": 2},
        "density of states, 1024 moments, 2 vectors",
    ),
    "spectral": Way(
        "spectral_function",
        "chebyshev",
        lambda s: {"energies": np.linspace(-1, 1, 101), "moments": 1024, "momenta": np.diag([0.3, 0.5, 0.7])},
        "spectral function, 3 wave vectors",
    ),
    "green": Way("green_function", "multifrontal", lambda s: {"z": 0.1 + 0.01j}, "Green function, all sites"),
    "green, imaginary": Way(
        "green_function", "multifrontal", lambda s: {"z": 0.1j}, "Green function, all sites, z = 0.1i"
    ),
    "currents": Way("bond_currents", "poles", lambda s: {"temperature": TEMPERATURE}, "currents on all bonds"),
    "junction": Way(
        "current_phase",
        "poles",
        lambda s: {"phases": np.linspace(0.1, 3.1, 5), "temperature": TEMPERATURE},
        "current at 5 phases",
    ),
    "junction, dense": Way(
        "current_phase",
        "dense",
        lambda s: {"phases": np.linspace(0.1, 3.1, 5), "temperature": TEMPERATURE},
        "current at 5 phases",
    ),
    "junction, gap": Way(
        "current_phase",
        "poles",
        lambda s: {"phases": np.linspace(0.2, 1.0, 4), "temperature": 0.1, "self_consistent": True},
        "current at 4 phases, self-consistent",
        _self_consistent,
    ),
    "junction, gap, dense": Way(
        "current_phase",
        "dense",
        lambda s: {"phases": np.linspace(0.2, 1.0, 4), "temperature": 0.1, "self_consistent": True},
        "current at 4 phases, self-consistent",
        _self_consistent,
    ),
    "stiffness, levels": Way(
        "superfluid_stiffness", "kubo", lambda s: {"temperature": TEMPERATURE, "direction": "x"}, "stiffness along x"
    ),
    "stiffness": Way(
        "superfluid_stiffness", "current", lambda s: {"temperature": TEMPERATURE, "direction": "x"}, "stiffness along x"
    ),
    "stiffness, twist": Way(
        "superfluid_stiffness", "twist", lambda s: {"temperature": TEMPERATURE, "direction": "x"}, "stiffness along x"
    ),
    "harmonics, levels": Way(
        "phase_harmonics",
        "dense",
        lambda s: {"grains": [0, s.n_grains - 1], "temperature": TEMPERATURE, "points": 8},
        "F at 8 phases of a grain",
    ),
    "harmonics": Way(
        "phase_harmonics",
        "poles",
        lambda s: {"grains": [0, s.n_grains - 1], "temperature": TEMPERATURE, "points": 8},
        "F at 8 phases of a grain",
    ),
    "curves": Way(
        "spectrum_along",
        "lanczos",
        lambda s: {"values": np.linspace(0.1, 3.0, 6), "change": _turned, "k": 8},
        "8 levels along 6 phases",
    ),
    "curves, dense": Way(
        "spectrum_along",
        "dense",
        lambda s: {"values": np.linspace(0.1, 3.0, 6), "change": _turned, "k": 8},
        "8 levels along 6 phases",
    ),
    "Thouless": Way("thouless_energy", "curvature", lambda s: {"axis": 1, "k": 64}, "Thouless energy, curvatures"),
    "Thouless, shift": Way("thouless_energy", "shift", lambda s: {"axis": 1, "k": 64}, "Thouless energy, shifts"),
    "transition, levels": Way("critical_temperature", "dense", lambda s: {}, "transition temperature", _attractive),
    "transition": Way("critical_temperature", "poles", lambda s: {}, "transition temperature", _attractive),
}
