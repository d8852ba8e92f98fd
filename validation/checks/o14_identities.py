r"""Identities of any BdG matrix: levels in pairs +-E, ``Tr H = 0``, ``Tr H^2/2N = Tr h^2/N + Delta^2``.

They are taken of the matrix itself and of the solver's levels, for norbs = 1 and 2, real and complex. The Chebyshev
moments ``mu_n = <T_n(H/6)>`` of the polynomial engine obey theirs: ``mu_0 = 1``, odd ones vanish,
``mu_n = <cos(n arccos E/6)>``; on one site ``mu_1 = h_ii/6`` and ``mu_2 = 2((h^2)_ii + Delta_i^2)/36 - 1``, and odd
moments of electron and hole cancel.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

import bdg
from bdg.gpu.backend import select_backend
from bdg.gpu.local_moments import unit_moments
from bdg.gpu.nambu_operator import NambuOperator
from bdg.gpu.traces import exact_trace
from bdg.validation.reference.torus import torus
from bdg.validation.row import Check, Comparison, compare

SIZE, MU, DELTA, SEED = 10, -0.5, 0.3, 3
RECORDED = 4.424799766  # Tr H^2/2N
PHASE = 0.7  # of a complex gap: nothing below may notice
SCALE, MOMENTS, SITE = 6.0, 64, 37
LOCAL = (0.123626113, -0.742210946)
FLUX = 2.0 / SIZE**2  # one flux quantum h/e through the torus


def compare_all(slow: bool) -> Iterator[Comparison]:
    """Yield pairs, traces and the particle-hole partner of each form of the Hamiltonian."""
    h, positions = torus(SIZE, MU)
    h = h + np.diag(np.random.default_rng(SEED).random(SIZE**2) - 0.5)
    box = (SIZE, SIZE)
    real = bdg.lattices.from_hamiltonian(h, positions, delta=DELTA, period=box)
    turned = real.with_delta(DELTA * np.exp(1j * PHASE)).with_field(FLUX)
    spins = bdg.lattices.from_hamiltonian(np.kron(h, np.eye(2)), positions, norbs=2, delta=DELTA, period=box)
    expected = float(np.trace(h @ h)) / SIZE**2 + DELTA**2
    for name, system in (("real", real), ("complex, in a field", turned), ("norbs = 2", spins)):
        yield from _identities(name, system, expected)
    yield compare("Tr H^2/2N against its recorded digits", expected, RECORDED, 5e-10, "10 digits recorded", "E")
    one = bdg.bound_states(real, 2 * SIZE**2).energies
    two = bdg.bound_states(spins, 4 * SIZE**2).energies
    for name, system in (("real", real), ("complex, in a field", turned), ("norbs = 2", spins)):
        yield from _moments(name, system)
    yield from _local_moments(real, h)
    difference = abs(np.repeat(np.sort(one), 2) - np.sort(two)).max()
    yield compare("norbs = 2 has every level of norbs = 1 twice: deviation/t", difference, 0.0, 1e-12, "rounding", "E")


def _identities(name: str, system: bdg.System, expected: float) -> Iterator[Comparison]:
    hamiltonian = bdg.BdGHamiltonian(system)
    matrix = hamiltonian.matrix.toarray()
    levels = np.linalg.eigvalsh(matrix)
    rounding = "rounding"
    yield compare(
        f"{name}: max |E_n + E_-n|/t", abs(levels + levels[::-1]).max(), 0.0, 1e-12, "dimension x eps x |H|", "E"
    )
    partners = hamiltonian.particle_hole_partner(matrix)  # S H e_j, to be compared with -H S e_j
    defect = abs(partners + hamiltonian @ hamiltonian.particle_hole_partner(np.eye(len(matrix)))).max()
    yield compare(f"{name}: max |S H + H S|/t", defect, 0.0, 1e-14, rounding, "E")
    yield compare(f"{name}: Tr H/2N", hamiltonian.matrix.trace().real / len(matrix), 0.0, 1e-14, rounding, "E")
    square = float((abs(hamiltonian.matrix.data) ** 2).sum()) / len(matrix)
    yield compare(f"{name}: Tr H^2/2N = Tr h^2/N + Delta^2", square, expected, 1e-12, rounding, "E")
    found = bdg.bound_states(system, len(matrix)).energies
    yield compare(f"{name}: sum of all E^2/2N by bound_states", (found**2).mean(), expected, 1e-12, rounding, "E")


def _moments(name: str, system: bdg.System) -> Iterator[Comparison]:
    """Global moments of the engine, all of them from exact columns of electrons and holes."""
    hamiltonian = bdg.BdGHamiltonian(system)
    levels = np.linalg.eigvalsh(hamiltonian.matrix.toarray())
    operator = NambuOperator(hamiltonian.matrix, system.norbs, select_backend("cpu"))
    columns = unit_moments(operator, SCALE, MOMENTS, np.arange(levels.size))
    found = np.concatenate([moments for _, moments in columns], axis=1).mean(axis=1)
    expected = np.cos(np.outer(np.arange(MOMENTS), np.arccos(levels / SCALE))).mean(axis=1)
    yield compare(f"{name}: mu_0 of H/6", found[0], 1.0, 1e-14, "rounding", "E")
    yield compare(f"{name}: odd moments up to 63", found[1::2], np.zeros(MOMENTS // 2), 1e-13, "rounding", "E")
    deviation = abs(found - expected).max()
    yield compare(f"{name}: max |mu_n - <cos(n arccos E/6)>|, n < 64", deviation, 0.0, 1e-13, "rounding", "E")
    trace = exact_trace(operator, SCALE, MOMENTS).moments[:, 0] / levels.size
    yield compare(f"{name}: the same by its symmetric trace", abs(trace - expected).max(), 0.0, 1e-13, "rounding", "E")


def _local_moments(system: bdg.System, h: np.ndarray) -> Iterator[Comparison]:
    n_sites = system.n_sites
    operator = NambuOperator(bdg.BdGHamiltonian(system).matrix, 1, select_backend("cpu"))
    columns = unit_moments(operator, SCALE, MOMENTS, np.array([SITE, SITE + n_sites]))
    electron, hole = np.concatenate([moments for _, moments in columns], axis=1).T
    second = 2 * ((h @ h)[SITE, SITE] + DELTA**2) / SCALE**2 - 1
    digits = "9 digits recorded"
    yield compare(f"site {SITE}: mu_1 and mu_2", electron[1:3], (h[SITE, SITE] / SCALE, second), 1e-14, "rounding", "E")
    yield compare(f"site {SITE}: mu_1 and mu_2, recorded", electron[1:3], LOCAL, 5e-10, digits, "E")
    yield compare(
        f"site {SITE}: odd moments, electron + hole", abs(electron + hole)[1::2].max(), 0.0, 1e-14, "rounding", "E"
    )


CHECK = Check(
    identifier="O14",
    title="Identities: pairs +-E, Tr H = 0, Tr H^2/2N = Tr h^2/N + Delta^2, Chebyshev moments",
    source="de Gennes 1966",
    compare=compare_all,
)
