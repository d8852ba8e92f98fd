"""The matrix of a system is the stated convention, and so is its particle-hole symmetry."""

import numpy as np
import pytest
from algebra import SIGMA_0, SIGMA_Y, dense, random_chain, random_spinful, reference_bdg, square_torus, system_bdg
from numpy.testing import assert_allclose

import bdg


@pytest.mark.parametrize("norbs", [1, 2])
def test_bdg_matrix_is_the_convention(norbs):
    h, delta, positions = random_chain() if norbs == 1 else random_spinful()
    system = bdg.lattices.from_hamiltonian(h, positions, norbs=norbs, delta=delta)
    hamiltonian = bdg.BdGHamiltonian(system)
    wanted = reference_bdg(h, np.kron(np.diag(delta), np.eye(norbs)), norbs)
    assert hamiltonian.matrix.format == "csr"
    assert hamiltonian.shape == wanted.shape
    assert_allclose(dense(hamiltonian.matrix), wanted, atol=1e-15)
    assert np.iscomplexobj(hamiltonian.matrix)
    rng = np.random.default_rng(1)
    for shape in ((len(wanted),), (len(wanted), 3)):
        vector = rng.standard_normal(shape) + 1j * rng.standard_normal(shape)
        assert_allclose(hamiltonian @ vector, wanted @ vector, atol=1e-13)


def test_bdg_matrix_is_real_when_it_can_be():
    h, positions = square_torus(3, 4, mu=0.3)
    system = bdg.lattices.from_hamiltonian(h, positions, delta=0.2)
    assert bdg.BdGHamiltonian(system).matrix.dtype == np.float64
    spin = bdg.lattices.from_hamiltonian(np.kron(h, SIGMA_0), positions, norbs=2, delta=0.2)
    assert bdg.BdGHamiltonian(spin).matrix.dtype == np.float64
    assert np.iscomplexobj(bdg.BdGHamiltonian(system.with_delta(0.2j)).matrix)


@pytest.mark.parametrize("norbs", [1, 2])
def test_particle_hole_partner(norbs):
    h, delta, positions = random_chain() if norbs == 1 else random_spinful()
    system = bdg.lattices.from_hamiltonian(h, positions, norbs=norbs, delta=delta)
    hamiltonian = bdg.BdGHamiltonian(system)
    energies, states = np.linalg.eigh(system_bdg(system))
    half = len(energies) // 2
    u, v = states[:half, -1], states[half:, -1]
    if norbs == 1:
        wanted = np.concatenate([-v.conj(), u.conj()])
    else:  # tau_y sigma_y K
        sigma_y = np.kron(np.eye(half // 2), SIGMA_Y)
        wanted = np.concatenate([-1j * sigma_y @ v.conj(), 1j * sigma_y @ u.conj()])
    partner = hamiltonian.particle_hole_partner(states[:, -1])
    assert_allclose(partner, wanted, atol=1e-14)
    assert_allclose(hamiltonian @ partner, -energies[-1] * partner, atol=1e-12)
