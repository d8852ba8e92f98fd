"""Tori with spin-orbit coupling, fields and fluxes as dense matrices, and gauges that must not matter."""

from __future__ import annotations

import numpy as np

import bdg

ONE = np.eye(2)
PAULI = np.array([[[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]])
RASHBA = (PAULI[1], -PAULI[0], PAULI[2])  # of a bond along x, y, z


def torus(shape, norbs=1, *, rashba=0.0, field=(0, 0, 0), flux=None, onsite=0.0, hopping=None):
    """Return h (s N, s N): hopping -1 (or matrices, one an axis), and ``exp(i flux_a)`` on bonds around each axis."""
    size = int(np.prod(shape))
    index = np.arange(size).reshape(shape)
    h = np.zeros((size, norbs, size, norbs), dtype=complex)
    for axis in range(len(shape)):
        bond = -np.eye(norbs) + (1j * rashba * RASHBA[axis] if norbs == 2 else 0) if hopping is None else hopping[axis]
        here, there = index.ravel(), np.roll(index, -1, axis=axis).ravel()
        turn = np.where(there < here, np.exp(1j * (flux or [0] * len(shape))[axis]), 1.0)
        for site, other, phase in zip(here, there, turn, strict=True):
            h[other, :, site] += bond * phase
            h[site, :, other] += (bond * phase).conj().T
    local = np.einsum("a,aij->ij", field, PAULI) if norbs == 2 else 0
    for site, energy in enumerate(np.broadcast_to(onsite, size)):
        h[site, :, site] += energy * np.eye(norbs) + local
    h = h.reshape(norbs * size, -1)
    return h if abs(h.imag).max() else h.real


def torus_system(shape, h, norbs=1):
    """Return the System of such a matrix (or of several on the same sites, one after the other)."""
    copies = h.shape[0] // (norbs * int(np.prod(shape)))
    places = np.stack(np.meshgrid(*[np.arange(n) for n in shape], indexing="ij"), -1).reshape(-1, len(shape))
    return bdg.lattices.from_hamiltonian(h, np.tile(places, (copies, 1)), period=[float(n) for n in shape], norbs=norbs)


def turned(h, rng, norbs=1):
    """Return ``u h u^+`` with a random phase on each orbital, for norbs = 2 a random matrix of U(2) on each site."""
    sites = h.shape[0] // norbs
    u = np.zeros(h.shape, dtype=complex)
    for site in range(sites):
        block = rng.standard_normal((norbs, norbs)) + 1j * rng.standard_normal((norbs, norbs))
        mine = slice(norbs * site, norbs * site + norbs)
        u[mine, mine] = np.linalg.qr(block)[0] if norbs == 2 else block / abs(block)
    return u @ h @ u.conj().T
