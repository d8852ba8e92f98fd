"""Small systems that the unit tests of the solvers share."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from bdg.lattices.builders.grid import assemble_grid, grid_positions
from bdg.lattices.system import System


def _grid(shape, *, mu=-0.5, delta=0.0, disorder=0.0, periodic=False, seed=0, **fields):
    rng = np.random.default_rng(seed)
    onsite = -mu + disorder * (rng.random(int(np.prod(shape))) - 0.5)
    hoppings = [-np.ones(shape)] * len(shape)
    period = tuple(float(n) if periodic else None for n in shape)
    matrix = assemble_grid(shape, onsite, hoppings, (periodic,) * len(shape))
    return System(hamiltonian=matrix, positions=grid_positions(shape, 1.0), delta=delta, period=period, **fields)


def _spinful(system: System) -> System:
    """Return the norbs = 2 form of a spin-degenerate system: the same h for both spins."""
    return System(
        hamiltonian=sp.kron(system.hamiltonian, sp.identity(2), format="csr"),
        positions=system.positions,
        delta=system.delta,
        attraction=system.attraction,
        period=system.period,
        norbs=2,
    )


@pytest.fixture
def grid():
    """A simple-cubic grid with disorder: ``grid(shape, mu=, delta=, disorder=, periodic=, seed=)``."""
    return _grid


@pytest.fixture
def spinful():
    """The norbs = 2 form of a spin-degenerate system."""
    return _spinful


@pytest.fixture
def islands():
    """Pairing on a random tenth of the sites: ``islands(n_sites, seed, phases=False)`` -> delta (N,)."""

    def make(n_sites: int, seed: int = 1, phases: bool = False) -> np.ndarray:
        rng = np.random.default_rng(seed)
        delta = np.where(rng.random(n_sites) < 0.1, 0.3, 0.0)
        return delta * np.exp(2j * np.pi * rng.random(n_sites)) if phases else delta

    return make
