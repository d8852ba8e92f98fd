"""Systems that the benchmarks solve."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

import bdg
from bdg.lattices import Layer, from_hamiltonian, stack
from bdg.lattices.builders.composites import grain_composite
from bdg.lattices.builders.grains_at import grains_at
from bdg.lattices.nambu import SIGMA_X, SIGMA_Y, SIGMA_Z

GAP = 0.3  # in t
TEMPERATURE = 0.05 * GAP

RASHBA, ZEEMAN, ISLAND = 0.3, 0.1, 8  # in t, in t, sites an edge
ATTRACTION, DISORDER, MU, START = 2.6, 1.0, -1.0, 0.3


def composite(size: int) -> bdg.System:
    """Return the system of all rows: open cube, 9 % of the volume in grains of 8 sites diameter, W = 1, mu = -1."""
    diameter = 8 if size >= 12 else 3  # a tiny box cannot hold 9 % in large spheres
    return grain_composite(
        (size,) * 3, 1, volume_fraction=0.09, diameter=diameter, mu=-1, delta=GAP, disorder=1, seed=1
    )


def cluster(size: int) -> bdg.System:
    """Return four grains on corners of an open cube no two of which share an edge, each a third of the cube wide."""
    corners = np.array([(1, 1, 1), (1, 3, 3), (3, 1, 3), (3, 3, 1)])
    return grains_at((size,) * 3, 1, 0.25 * size * corners, size / 3, mu=MU, delta=GAP, disorder=DISORDER, seed=1)


def sandwich(size: int) -> bdg.System:
    """Return the cube of ``size``^3 sites."""
    thickness = size // 3
    electrode = Layer(thickness, delta=START, attraction=ATTRACTION, disorder=DISORDER)
    middle = Layer(size - 2 * thickness, disorder=DISORDER)
    return stack([electrode, middle, electrode], (size, size), mu=MU, seed=1)


def film(size: int, kind: str) -> bdg.System:
    """Return a spinful open film of ``size``^2 sites, a third of it squares of 8 x 8 sites with Delta = 0.3 t.

    W = 1, mu = -1, a Zeeman field of 0.1 t across it; ``kind`` "Rashba": spin-orbit hopping of 0.3 t, "real": none,
    so that H is real.
    """
    if kind not in ("Rashba", "real"):
        raise ValueError(f"kind must be 'Rashba' or 'real'; got {kind!r}")
    number = np.arange(size**2).reshape(size, size)
    plain = -np.eye(2)
    turn = RASHBA if kind == "Rashba" else 0.0
    along_x = _bonds(number[:-1], number[1:], plain + (1j * turn * SIGMA_Y).real)
    along_y = _bonds(number[:, :-1], number[:, 1:], plain - 1j * turn * SIGMA_X)
    onsite = -MU + DISORDER * (np.random.default_rng(1).random(size**2) - 0.5)
    half = along_x + along_y
    h = half + half.conj().T + sp.kron(sp.diags_array(onsite), np.eye(2))
    h = sp.csr_matrix(h + sp.kron(sp.identity(size**2), ZEEMAN * SIGMA_Z))
    x, y = places = np.stack(np.unravel_index(number.ravel(), number.shape))
    delta = np.where((x // ISLAND + y // ISLAND) % 3 == 0, GAP, 0.0)
    return from_hamiltonian(h if kind == "Rashba" else h.real, places.T, norbs=2, delta=delta)


def _bonds(first: np.ndarray, second: np.ndarray, hopping: np.ndarray) -> sp.csr_matrix:
    n_sites = int(second.max()) + 1
    links = sp.csr_matrix((np.ones(first.size), (second.ravel(), first.ravel())), shape=(n_sites, n_sites))
    return sp.csr_matrix(sp.kron(links, hopping))
