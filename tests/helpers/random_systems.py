"""Random systems of the kinds that break promises: parts, walls, scales, zero modes, multiplets, Kramers pairs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg

import bdg

KINDS = ("single", "parts", "linked", "walls", "graded", "zero_modes", "torus", "copies", "disorder")


@dataclass(frozen=True)
class Case:
    """A system and whether its rows differ by so much that LAPACK is no reference."""

    name: str
    system: bdg.System
    wide: bool


def random_case(seed: int, orbitals: int = 300) -> Case:
    """Return a system with at most ``orbitals`` rows of H."""
    rng = np.random.default_rng(seed)
    kind = KINDS[seed % len(KINDS)]
    norbs = int(rng.integers(1, 3))
    most = orbitals // (2 * norbs)
    is_complex = bool(rng.integers(2))
    small = min(most, 12 // norbs)  # where the reference is arithmetic of 50 digits
    wide = kind in ("walls", "graded")
    if kind == "single":
        h = np.diag(rng.choice([0.0, 0.3, -0.5, 1.0], size=int(rng.integers(1, 4))))
    elif kind in ("parts", "linked"):
        h = _parts(rng, most, is_complex, link=10.0 ** -rng.uniform(1, 9) if kind == "linked" else 0.0)
    elif kind == "walls":
        h = _cluster(rng, int(rng.integers(3, small + 1)), is_complex)
        some = rng.random(len(h)) < 0.3
        h[some, some] += 10.0 ** rng.uniform(3, 12)
    elif kind == "graded":
        h = _cluster(rng, int(rng.integers(3, small + 1)), is_complex)
        scaling = 10.0 ** rng.uniform(-3, 3, len(h))
        h = scaling[:, None] * h * scaling
    elif kind == "zero_modes":
        h = _zero_modes(rng, most)
    elif kind == "torus":
        h = _torus(rng, most, is_complex)
    elif kind == "copies":
        one = _cluster(rng, int(rng.integers(1, max(2, most // 6))), is_complex)
        h = scipy.linalg.block_diag(*[one] * int(rng.integers(2, max(3, min(6, most // len(one)) + 1))))
    else:
        h = _cluster(rng, int(rng.integers(2, most + 1)), is_complex)
    n = len(h)
    delta = _delta(rng, n, is_complex, abs(h).max(axis=1) if kind == "graded" else np.ones(n))
    if norbs == 2:
        h = _with_spin(rng, h, wide)
    positions = np.stack([np.arange(n), rng.permutation(n)], axis=1).astype(float)
    system = bdg.lattices.from_hamiltonian(h, positions, norbs=norbs, delta=delta)
    return Case(f"{seed} {kind} n={n} norbs={norbs}", system, wide)


def _cluster(rng, n, is_complex):
    """Return a chain with further random links and disorder."""
    h = -np.eye(n, k=1) - np.eye(n, k=-1) + 0 * (1j if is_complex else 1)
    for _ in range(n // 2):
        i, j = rng.integers(n, size=2)
        if i != j:
            value = rng.standard_normal() * (np.exp(2j * np.pi * rng.random()) if is_complex else 1)
            h[i, j], h[j, i] = value, np.conj(value)
    return h + np.diag(rng.uniform(-1, 1, n))


def _parts(rng, most, is_complex, link):
    number = int(rng.integers(2, 5))
    sizes = [int(rng.integers(1, max(2, most // number))) for _ in range(number)]
    spread = 3.0 if rng.integers(2) else 0.3
    parts = [_cluster(rng, size, is_complex) * 10.0 ** rng.uniform(-spread, 0) for size in sizes]
    h = scipy.linalg.block_diag(*parts)
    for end in np.cumsum(sizes)[:-1]:
        h[end - 1, end] = h[end, end - 1] = link
    return h


def _zero_modes(rng, most):
    """Return a chain of odd length or a star: levels at exactly zero."""
    n = 2 * int(rng.integers(1, max(2, most // 2))) + 1
    h = np.zeros((n, n))
    star = bool(rng.integers(2))
    for i in range(1, n):
        j = 0 if star else i - 1
        h[i, j] = h[j, i] = -1.0
    return h


def _torus(rng, most, is_complex):
    side = int(rng.integers(3, max(4, int(np.sqrt(most)) + 1)))
    ring = -np.eye(side, k=1) - np.eye(side, k=-1)
    ring[0, -1] = ring[-1, 0] = -1.0
    flux = np.exp(2j * np.pi / side) if is_complex else 1.0  # a gauge: whole quanta through the hole
    along = np.triu(ring, 1) * flux
    ring_along = along + along.conj().T
    ring_along[0, -1], ring_along[-1, 0] = -np.conj(flux), -flux
    mu = float(rng.choice([0.0, 0.5, 1.0]))
    return np.kron(ring_along, np.eye(side)) + np.kron(np.eye(side), ring) - mu * np.eye(side**2)


def _delta(rng, n, is_complex, size):
    choice = int(rng.integers(4))
    if choice == 0:
        return np.zeros(n)
    if choice == 1:
        return np.full(n, 0.5) * (size if np.ptp(size) else 1.0)
    delta = rng.uniform(0.05, 0.5, n) * size * (rng.random(n) < 0.5)
    return delta * np.exp(2j * np.pi * rng.random(n)) if is_complex and choice == 3 else delta


def _with_spin(rng, h, wide):
    """Return h for both spins, with a Zeeman field, spin-orbit coupling, or neither (Kramers pairs)."""
    choice = int(rng.integers(3))
    full = np.kron(h, np.eye(2))
    if choice == 1:
        full = full + np.kron(np.eye(len(h)), 0.3 * np.array([[0, 1], [1, 0]]))
    if choice == 2 and not wide:
        links = np.triu(h, 1)
        full = full + np.kron(0.2 * (links - links.T.conj()), np.array([[0, -1j], [1j, 0]]) * 1j)
    return full
