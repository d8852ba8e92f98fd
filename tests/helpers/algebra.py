"""Matrices, levels, amplitudes and band averages by dense NumPy algebra, from the stated conventions alone.

Nothing here, and in the tests that use it, relies on how the package works inside.
"""

import itertools
import math

import numpy as np
import scipy.sparse as sp

SIGMA_0 = np.eye(2)
SIGMA_X = np.array([[0, 1], [1, 0]])
SIGMA_Y = np.array([[0, -1j], [1j, 0]])
SIGMA_Z = np.diag([1, -1])


def dense(matrix):
    return matrix.toarray() if sp.issparse(matrix) else np.asarray(matrix)


def reference_bdg(h, pair, norbs):
    """H = [[h, D], [D^+, -h~]] in (electron | hole), h~ = h* or sigma_y h* sigma_y."""
    h, pair = np.asarray(h), np.asarray(pair)
    if norbs == 1:
        hole = -h.conj()
    else:
        sigma_y = np.kron(np.eye(len(h) // 2), SIGMA_Y)
        hole = -sigma_y @ h.conj() @ sigma_y
    return np.block([[h, pair], [pair.conj().T, hole]])


def system_bdg(system):
    """The same from the fields of a System."""
    pair = np.kron(np.diag(system.delta), np.eye(system.norbs))
    if system.pairing is not None:
        pair = pair + dense(system.pairing)
    return reference_bdg(dense(system.hamiltonian), pair, system.norbs)


def reference_amplitude(matrix, norbs, temperature):
    energies, states = np.linalg.eigh(matrix)
    half = len(matrix) // 2
    weight = np.tanh(energies / (2 * temperature)) if temperature > 0 else np.sign(energies)
    product = (states[:half] * states[half:].conj() * weight).sum(axis=1)
    return product / 2 if norbs == 1 else product.reshape(-1, 2).sum(axis=1) / 4


def lowest(matrix, k):
    energies = np.linalg.eigvalsh(matrix)
    return energies[np.argsort(np.abs(energies), kind="stable")][:k]


def chain_matrix(onsite, hopping):
    """Open chain; hopping[i] is the element (to i + 1, from i)."""
    h = np.diag(np.asarray(onsite, dtype=np.result_type(np.asarray(onsite), np.asarray(hopping), float)))
    for i, value in enumerate(hopping):
        h[i + 1, i], h[i, i + 1] = value, np.conj(value)
    return h


def square_torus(nx, ny, mu=0.0, t=1.0):
    """Periodic nx x ny grid (both > 2), site index x * ny + y."""
    h = np.zeros((nx * ny, nx * ny))
    for x, y in itertools.product(range(nx), range(ny)):
        i = x * ny + y
        h[i, i] = -mu
        for j in (((x + 1) % nx) * ny + y, x * ny + (y + 1) % ny):
            h[i, j] = h[j, i] = -t
    return h, np.array([(x, y) for x in range(nx) for y in range(ny)], dtype=float)


def random_chain(n=9, seed=5, complex_delta=True):
    """A disordered open chain with complex hoppings and gap: no symmetry but the built-in one."""
    rng = np.random.default_rng(seed)
    hopping = -1 + 0.3 * rng.standard_normal(n - 1) + 0.5j * rng.standard_normal(n - 1)
    h = chain_matrix(rng.uniform(-0.6, 0.6, n), hopping)
    delta = rng.uniform(0.1, 0.5, n)
    if complex_delta:
        delta = delta * np.exp(2j * np.pi * rng.random(n))
    return h, delta, np.arange(n, dtype=float)[:, None]


def random_spinful(n=6, seed=8):
    """Spin-orbit, Zeeman and random gap on an open chain, index 2 * site + spin."""
    rng = np.random.default_rng(seed)
    h = np.zeros((2 * n, 2 * n), complex)
    for i in range(n):
        field = rng.standard_normal(3) * 0.3
        h[2 * i : 2 * i + 2, 2 * i : 2 * i + 2] = (
            rng.uniform(-1, 1) * SIGMA_0 + field[0] * SIGMA_X + field[1] * SIGMA_Y + field[2] * SIGMA_Z
        )
    for i in range(n - 1):
        block = -SIGMA_0 + 0.4j * SIGMA_Y + 0.2j * SIGMA_X
        h[2 * i + 2 : 2 * i + 4, 2 * i : 2 * i + 2] = block
        h[2 * i : 2 * i + 2, 2 * i + 2 : 2 * i + 4] = block.conj().T
    delta = rng.uniform(0.2, 0.5, n) * np.exp(2j * np.pi * rng.random(n))
    return h, delta, np.arange(n, dtype=float)[:, None]


def orders_like(positions, wanted):
    """Index array p with positions[p] == wanted up to one common shift."""
    positions = positions - positions.min(axis=0)
    wanted = np.asarray(wanted, float) - np.min(wanted, axis=0)
    distance = np.abs(positions[None, :, :] - wanted[:, None, :]).max(axis=2)
    order = distance.argmin(axis=1)
    assert distance[np.arange(len(wanted)), order].max() < 1e-9
    assert len(set(order)) == len(wanted) == len(positions)
    return order


def sub(matrix, order):
    return dense(matrix)[np.ix_(order, order)]


def band_averages(mu, dimensions, points=96, width=0.08):
    """Filling (both spins), N0 per site and spin, mean |v| on the Fermi surface of -2 sum cos k."""
    k = 2 * np.pi * (np.arange(points) + 0.5) / points
    mesh = np.meshgrid(*[k] * dimensions, indexing="ij")
    energy = -2 * sum(np.cos(q) for q in mesh) - mu
    speed = 2 * np.sqrt(sum(np.sin(q) ** 2 for q in mesh))
    shell = np.exp(-0.5 * (energy / width) ** 2) / (width * np.sqrt(2 * np.pi))
    filling = 2 * np.mean(0.5 * (1 - np.vectorize(math.erf)(energy / width / np.sqrt(2))))
    return filling, shell.mean(), (shell * speed).mean() / shell.mean()
