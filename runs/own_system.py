"""The builder of own_system.toml: it returns a System, and its arguments are the keys of [system.parameters]."""

import numpy as np

from bdg.lattices import System, from_hamiltonian


def ring_between(
    n: int = 12, arm: int = 10, mu: float = 0.4, attraction: float = 2.0, flux: float = 0.0, seed: int = 0
) -> System:
    """Return a normal ring with two superconducting arms, threaded by ``flux`` in h/e, with weak disorder."""
    sites = [(x, 0) for x in range(-arm, 0)]
    angle = 2 * np.pi * np.arange(n) / n
    radius = n / (2 * np.pi)
    sites += [(radius - radius * np.cos(a), radius * np.sin(a)) for a in angle]
    sites += [(2 * radius + 1 + x, 0) for x in range(arm)]
    total, middle = len(sites), arm + n // 2
    hopping = np.zeros((total, total), dtype=complex)
    for i in range(arm):
        hopping[i, i + 1] = -1  # the left arm ends at the first site of the ring
        left = middle if i == 0 else arm + n + i - 1
        hopping[left, arm + n + i] = -1
    for i in range(n):
        hopping[arm + i, arm + (i + 1) % n] = -np.exp(2j * np.pi * flux / n)
    matrix = hopping + hopping.conj().T
    onsite = np.random.default_rng(seed).uniform(-0.1, 0.1, total) - mu
    arms = np.ones(total)
    arms[arm : arm + n] = 0
    return from_hamiltonian(matrix + np.diag(onsite), np.array(sites), delta=0.3 * arms, attraction=attraction * arms)
