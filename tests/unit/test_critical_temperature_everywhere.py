"""Tc of random small systems against the largest eigenvalue of a kernel of its own, wherever the leading mode lives."""

import numpy as np
import pytest
import scipy.linalg as sl

import bdg
from bdg.lattices.nambu import SIGMA_X, SIGMA_Y, SIGMA_Z


def _largest(h, attraction, norbs, temperature):
    """Largest eigenvalue of U^(1/2) chi U^(1/2), from products of pairs of eigenvectors: four indices, no symmetry."""
    energies, vectors = np.linalg.eigh(h)
    other = vectors.conj() if norbs == 1 else np.kron(np.eye(len(h) // 2), SIGMA_Y) @ vectors.conj()
    x, y = energies[:, None] / (2 * temperature), energies[None] / (2 * temperature)
    close = abs(x + y) < 1e-5
    divided = np.where(close, 1.0, x + y)
    slope = 1 - np.tanh(0.5 * (x - y)) ** 2
    weight = np.where(close, slope, (np.tanh(x) + np.tanh(y)) / divided) / (4 * temperature)
    active = np.flatnonzero(attraction)
    u = vectors.reshape(-1, norbs, len(h))[active]
    v = other.reshape(-1, norbs, len(h))[active].conj()
    pairs = np.einsum("isa,isb->iab", u, v).reshape(active.size, -1)
    chi = (pairs * weight.ravel()) @ pairs.conj().T / norbs
    root = np.sqrt(attraction[active])
    return np.linalg.eigvalsh(root[:, None] * chi * root)[-1]


def _highest(h, attraction, norbs, low):
    """Highest temperature with an eigenvalue of one: a scan from max U/4 down, then bisection; 0 if there is none."""
    scan = np.geomspace(1.001 * attraction.max() / 4, low, 120)
    above = next((k for k, t in enumerate(scan) if _largest(h, attraction, norbs, t) >= 1), None)
    if above is None:
        return 0.0
    if above == 0:
        return attraction.max() / 4
    low, high = scan[above], scan[above - 1]
    for _ in range(45):
        middle = np.sqrt(low * high)
        low, high = (middle, high) if _largest(h, attraction, norbs, middle) >= 1 else (low, middle)
    return low


def _part(rng, size, norbs, broken):
    """A connected h of a random size and scale: chain with some further bonds, spins coupled for norbs = 2."""
    scale = 10.0 ** rng.uniform(-1.5, 1.5)
    h = np.diag(rng.normal(size=size)) * rng.choice([0.0, 0.3, 2.0]) + 0j
    bonds = np.eye(size, k=1) + np.triu(rng.random((size, size)) < 1.0 / size, 1)
    phases = np.exp(2j * np.pi * rng.random((size, size))) if broken and norbs == 1 else 1.0
    h = h - np.triu(bonds * phases, 1) - np.triu(bonds * phases, 1).conj().T
    if norbs == 2:
        turn = 0.3j * (np.eye(size, k=1) - np.eye(size, k=-1)) if size > 1 else np.zeros((1, 1))
        h = np.kron(h, np.eye(2)) + np.kron(turn, SIGMA_Y + SIGMA_X)
        if broken:
            h = h + np.kron(np.diag(rng.normal(size=size)) * 0.3, SIGMA_Z)
    return scale * h, scale


def random_system(seed):
    """Return h, U and norbs: parts that do not touch or touch weakly, of all scales, with attraction on some sites."""
    rng = np.random.default_rng(seed)
    norbs, broken = 1 + seed % 2, bool(seed // 2 % 2)
    most = 24 if norbs == 1 else 10
    parts, attraction = [], []
    for _ in range(rng.integers(1, 5)):
        size = int(rng.choice([1, 2, rng.integers(3, most)]))
        h, scale = _part(rng, size, norbs, broken)
        parts.append(h)
        attraction.append(scale * rng.uniform(0.5, 4.0) * (rng.random(size) < rng.choice([0.2, 1.0])))
    h, attraction = sl.block_diag(*parts), np.concatenate(attraction)
    link = 10.0 ** rng.uniform(-9, 0) if rng.random() < 0.6 else 0.0
    for edge in np.cumsum([len(part) for part in parts])[:-1]:
        h[edge - 1, edge] = h[edge, edge - 1] = link * min(abs(h[edge - 1]).max(), abs(h[edge]).max())
    if not attraction.any():
        attraction[0] = abs(h).max() + 1.0
    if norbs == 2 and not broken:
        h[np.arange(0, len(h), 2), np.arange(1, len(h), 2)] += 0  # links of spin up alone break the symmetry
    return h if abs(h.imag).any() else h.real, attraction, norbs


@pytest.mark.parametrize("seed", range(60))
def test_highest_temperature_of_random_systems(seed):
    h, attraction, norbs = random_system(seed)
    system = bdg.lattices.from_hamiltonian(h, np.arange(len(attraction)), attraction=attraction, norbs=norbs)
    found = bdg.critical_temperature(system, method="auto" if seed % 3 else "dense")
    low = found.evidence.lowest
    expected = _highest(h, attraction, norbs, low)
    print(expected, found.temperature, found.error, found.evidence.proven, found.evidence.applications)
    rounding = 1e-9 * expected
    assert abs(found.temperature - expected) <= found.error + rounding
    assert found.evidence.proven and (found.error <= 1e-6 * expected or found.temperature == 0)
