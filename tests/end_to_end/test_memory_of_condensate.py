"""No function of the condensate makes a dense (2N, 2N) array: traced memory peaks on disordered cubes.

NumPy reports its arrays to tracemalloc, so the peak holds every array that is alive at one time. It is compared with a
real (2N, 2N) array, 512 MiB at 16^3 sites, whatever the dtype of H. SuperLU allocates on its own: what it holds for
`thouless_energy` is not traced, sparse as it is.
"""

import functools
import tracemalloc

import numpy as np
import pytest

import bdg
from bdg.lattices import Layer, from_hamiltonian, stack

TEMPERATURE = 0.05


@functools.cache
def junction(size):
    """S/N/S cube with an attraction in both S, disorder everywhere."""
    electrode = Layer(size // 3, delta=0.3, attraction=2.6, disorder=1.0)
    return stack([electrode, Layer(size - 2 * (size // 3), disorder=1.0), electrode], (size, size), mu=-1, seed=1)


@functools.cache
def two_grains(size):
    """Two spheres with Delta = 0.3 in a disordered cube."""
    host = stack([Layer(size, disorder=1.0)], (size, size), mu=-1, seed=2)
    from_middle = host.positions - host.positions.mean(axis=0)
    grain = np.full(host.n_sites, -1)
    for number, side in enumerate((-1, 1)):
        centre = side * size / 4 * np.array([1.0, 0.3, 0.0])
        grain[np.linalg.norm(from_middle - centre, axis=1) < size / 5] = number
    delta = np.where(grain >= 0, 0.3, 0.0)
    return from_hamiltonian(host.hamiltonian, host.positions, delta=delta, grain=grain)


@functools.cache
def periodic_metal(size):
    return stack([Layer(size, disorder=1.0)], (size, size), mu=-1, periodic=True, seed=3)


def stiffness_and_depth(size, **options):
    found = bdg.superfluid_stiffness(junction(size), TEMPERATURE, "x", **options)
    # with an imposed Delta the junction's own stiffness may have either sign
    depth = bdg.penetration_depth(abs(found.stiffness), hopping_meV=100.0, length_unit_nm=0.4, site_volume_nm3=0.064)
    assert 0 < depth < np.inf
    return found


def response(size):
    system = two_grains(size).with_phases({1: 1.0})
    return bdg.phase_response(system, bdg.bound_states(system, 8))


def curves(size):
    turned = lambda system, phase: system.with_phases({1: phase})  # noqa: E731
    return bdg.spectrum_along(junction(size), [0.5, 0.6], turned, k=8)


CALLS = {
    "solve_gap": lambda n: bdg.solve_gap(junction(n), 0.1, tol=1e-2),
    "solve_gap, filling": lambda n: bdg.solve_gap(junction(n), 0.1, tol=3e-2, filling=0.9, hartree=True),
    "critical_temperature": lambda n: bdg.critical_temperature(junction(n), tol=0.05),
    "free_energy": lambda n: bdg.free_energy(junction(n), TEMPERATURE),
    "electron_density": lambda n: bdg.electron_density(junction(n), TEMPERATURE),
    "bond_currents": lambda n: bdg.bond_currents(junction(n).with_phases({1: 1.0}), TEMPERATURE),
    "current_phase": lambda n: bdg.current_phase(junction(n), [1.0], TEMPERATURE),
    "current_phase, grains": lambda n: bdg.current_phase(two_grains(n), [1.0], TEMPERATURE),
    "current_phase, self-consistent": lambda n: bdg.current_phase(
        junction(n), [1.0], 0.1, self_consistent=True, tol=1e-2
    ),
    "superfluid_stiffness, penetration_depth": stiffness_and_depth,
    "superfluid_stiffness, twist": lambda n: stiffness_and_depth(n, method="twist", tol=1e-9),
    "phase_response": response,
    "phase_harmonics": lambda n: bdg.phase_harmonics(two_grains(n), [0, 1], TEMPERATURE, points=4),
    "spectrum_along": curves,
    "thouless_energy": lambda n: bdg.thouless_energy(periodic_metal(n), axis="y", k=16),
}
LIMIT = {"thouless_energy": 1 / 8}  # a quarter would be one dense h, (N, N)


def share_of_dense(name, size):
    """Return the traced peak of a call over the size of a real (2N, 2N) array, and the result."""
    tracemalloc.start()
    try:
        found = CALLS[name](size)
        return tracemalloc.get_traced_memory()[1] / (8.0 * (2 * size**3) ** 2), found
    finally:
        tracemalloc.stop()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::bdg.ConservationWarning")
@pytest.mark.parametrize("name", CALLS)
def test_16_cubed_without_a_dense_matrix(name):
    share, found = share_of_dense(name, 16)
    print(f"{name}: {share:.3f} of a dense array")
    assert share < LIMIT.get(name, 1 / 4)
    assert found.evidence.method != "dense"


@pytest.mark.filterwarnings("ignore::bdg.ConservationWarning")
@pytest.mark.parametrize("name", ["free_energy", pytest.param("current_phase", marks=pytest.mark.slow)])
def test_12_cubed_without_a_dense_matrix(name):
    share, found = share_of_dense(name, 12)
    assert share < 1 / 4 and found.evidence.method != "dense"


def test_a_dense_matrix_would_be_seen():
    """The same measure of all levels of 5^3 sites: matrix, eigenvectors and what the elements take."""
    tracemalloc.start()
    found = bdg.free_energy(junction(5), TEMPERATURE, method="dense")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.evidence.method == "dense" and peak > 8 * (2 * 5**3) ** 2
