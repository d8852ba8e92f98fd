"""Systems from matrices: any Hermitian matrix is taken as it is, and bad input is refused by name."""

import numpy as np
import pytest
import scipy.sparse as sp
from algebra import SIGMA_0, SIGMA_X, SIGMA_Y, SIGMA_Z, dense, random_spinful, reference_bdg
from numpy.testing import assert_allclose, assert_array_equal

import bdg


@pytest.mark.parametrize("kind", [np.asarray, sp.csr_matrix, sp.csr_array, sp.coo_matrix])
def test_from_hamiltonian_takes_any_hermitian_matrix(kind):
    h, delta, positions = random_spinful()
    positions = np.hstack([positions, positions**2, 0 * positions])
    triplet = np.zeros_like(h)
    vector = 0.1 * SIGMA_X + 0.2j * SIGMA_Y - 0.05 * SIGMA_Z
    for i in range(5):
        triplet[2 * i + 2 : 2 * i + 4, 2 * i : 2 * i + 2] = vector
        triplet[2 * i : 2 * i + 2, 2 * i + 2 : 2 * i + 4] = -vector
    attraction = np.linspace(0, 1, 6)
    grain = np.array([0, 0, -1, -1, 1, 1])
    system = bdg.lattices.from_hamiltonian(
        kind(h),
        positions,
        norbs=2,
        delta=delta,
        pairing=kind(triplet),
        attraction=attraction,
        grain=grain,
        period=(None, 100.0, None),
    )
    assert_array_equal(dense(system.hamiltonian), h)
    assert_array_equal(dense(system.pairing), triplet)
    assert_array_equal(system.delta, delta)
    assert_array_equal(system.attraction, attraction)
    assert_array_equal(system.grain, grain)
    assert_array_equal(system.positions, positions)
    assert tuple(system.period) == (None, 100.0, None)
    assert (system.norbs, system.n_sites, system.n_grains, system.leads) == (2, 6, 2, ())
    wanted = reference_bdg(h, np.kron(np.diag(delta), SIGMA_0) + triplet, 2)
    assert_allclose(dense(bdg.BdGHamiltonian(system).matrix), wanted, atol=1e-15)
    assert_allclose(np.sort(bdg.bound_states(system, 24).energies), np.linalg.eigvalsh(wanted), atol=1e-10)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (dict(hamiltonian=np.array([[0, 1.0], [2.0, 0]])), ValueError, "Hermitian"),
        (dict(hamiltonian=np.array([[0, np.nan], [np.nan, 0]])), ValueError, "NaN|nan|finite"),
        (dict(hamiltonian=np.zeros((2, 3))), ValueError, "square|shape"),
        (dict(hamiltonian=np.zeros((0, 0)), positions=np.zeros((0, 1))), ValueError, "empty|no sites|at least one"),
        (dict(positions=np.zeros((3, 1))), ValueError, "positions|3 sites"),
        (dict(positions=np.array([[0.0], [np.inf]])), ValueError, "positions"),
        (dict(norbs=3), ValueError, "norbs"),
        (dict(norbs=2), ValueError, "norbs|positions|shape"),
        (dict(delta=[1.0, 2.0, 3.0]), ValueError, "delta"),
        (dict(delta="big"), (TypeError, ValueError), "delta"),
        (dict(pairing=np.array([[0, 1.0], [-1.0, 0]])), ValueError, "pairing.*symmetric"),
        (dict(pairing=np.zeros((3, 3))), ValueError, "pairing"),
        (dict(attraction=[-0.1, 0.1]), ValueError, "attraction"),
        (dict(attraction=[0.1j, 0.1]), (TypeError, ValueError), "attraction"),
        (dict(grain=[0, 0, 0]), ValueError, "grain"),
        (dict(period=(-1.0,)), ValueError, "period"),
    ],
)
def test_from_hamiltonian_bad_input(change, error, words):
    arguments = dict(hamiltonian=np.array([[0, -1.0], [-1.0, 0]]), positions=np.array([[0.0], [1.0]])) | change
    with pytest.raises(error, match=words):
        bdg.lattices.from_hamiltonian(arguments.pop("hamiltonian"), arguments.pop("positions"), **arguments)
