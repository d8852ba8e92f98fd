r"""Identities of any BdG matrix: levels in pairs +-E, ``Tr H = 0``, ``Tr H^2/2N = Tr h^2/N + Delta^2``.

They are taken of the matrix itself and of the solver's levels, for norbs = 1 and 2, real and complex.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

import bdg
from bdg.validation.reference.torus import torus
from bdg.validation.row import Check, Comparison, compare

SIZE, MU, DELTA, SEED = 10, -0.5, 0.3, 3
RECORDED = 4.424799766  # Tr H^2/2N
PHASE = 0.7  # of a complex gap: nothing below may notice
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


CHECK = Check(
    identifier="O14",
    title="Identities: pairs +-E, Tr H = 0, Tr H^2/2N = Tr h^2/N + Delta^2",
    source="de Gennes 1966",
    compare=compare_all,
)
