"""The BdG matrix: blocks, symmetry, dtype, and the equality of its two Nambu forms."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import bdg
from bdg.lattices.nambu import SIGMA_X, SIGMA_Y, SIGMA_Z

EXACT = 1e-14  # matrices of order one: rounding of a few operations


def test_blocks_are_h_delta_and_minus_h_conjugate(grid):
    delta = np.array([0.3, 0.2j, -0.1 + 0.1j, 0, 0, 0.5])
    system = grid((3, 2), delta=delta).with_field(0.3)
    h, matrix = system.hamiltonian.toarray(), bdg.BdGHamiltonian(system).matrix.toarray()
    assert_allclose(matrix[:6, :6], h, atol=0)
    assert_allclose(matrix[:6, 6:], np.diag(delta), atol=0)
    assert_allclose(matrix[6:, :6], np.diag(delta.conj()), atol=0)
    assert_allclose(matrix[6:, 6:], -h.conj(), atol=0)
    assert abs(h.imag).max() > 0.1  # the field is on, so the conjugation is seen


def test_spinful_hole_block_keeps_the_sign_of_a_zeeman_term(grid, spinful):
    system = spinful(grid((4,), delta=0.3)).with_onsite(0.7 * SIGMA_Z + 0.2 * SIGMA_X - 0.4 * SIGMA_Y)
    matrix = bdg.BdGHamiltonian(system).matrix.toarray()
    flip = np.kron(np.eye(4), SIGMA_Y)
    h = system.hamiltonian.toarray()
    assert_allclose(matrix[8:, 8:], -flip @ h.conj() @ flip, atol=EXACT)
    zeeman = 0.7 * SIGMA_Z + 0.2 * SIGMA_X - 0.4 * SIGMA_Y
    assert_allclose(matrix[8:10, 8:10] + matrix[:2, :2], 2 * zeeman, atol=EXACT)  # h_0 cancels, B.sigma doubles


@pytest.mark.parametrize("norbs", [1, 2])
@pytest.mark.parametrize("complex_", [False, True])
def test_partner_has_the_opposite_energy(grid, spinful, islands, norbs, complex_):
    system = grid((3, 3), delta=islands(9, 2, complex_) + 0.1, disorder=1.0)
    if norbs == 2:
        system = spinful(system).with_onsite(0.3 * SIGMA_Z + (0.2 * SIGMA_Y if complex_ else 0))
    if complex_:
        system = system.with_field(0.2)
    hamiltonian = bdg.BdGHamiltonian(system)
    assert hamiltonian.dtype == (complex if complex_ else float)
    vectors = np.random.default_rng(0).standard_normal((hamiltonian.shape[0], 3)) + 0j
    vectors *= np.exp(1j * np.arange(3))
    image = hamiltonian @ hamiltonian.particle_hole_partner(vectors)
    assert_allclose(image, -hamiltonian.particle_hole_partner(hamiltonian @ vectors), atol=20 * EXACT)
    twice = hamiltonian.particle_hole_partner(hamiltonian.particle_hole_partner(vectors))
    assert_allclose(twice, vectors if norbs == 2 else -vectors, atol=0)


def test_both_nambu_forms_of_a_spin_degenerate_system_agree(grid, spinful, islands):
    system = grid((4, 4), delta=islands(16, 3, True), disorder=1.0).with_field(0.1)
    single, double = bdg.bound_states(system, 32), bdg.bound_states(spinful(system), 64)
    assert_allclose(np.sort(double.energies), np.sort(np.repeat(single.energies, 2)), atol=1e-13)
    for temperature in (0.0, 0.1):
        one, two = bdg.pair_amplitude(system, temperature), bdg.pair_amplitude(spinful(system), temperature)
        assert_allclose(two.values, one.values, atol=1e-13)


def test_bond_pairing_enters_beside_the_onsite_pairing(grid):
    plain = grid((5,), delta=0.2)
    bond = np.diag(np.full(4, 0.1), 1) + np.diag(np.full(4, 0.1), -1)
    system = bdg.System(hamiltonian=plain.hamiltonian, positions=plain.positions, delta=0.2, pairing=bond)
    assert_allclose(bdg.BdGHamiltonian(system).matrix[:5, 5:].toarray(), bond + 0.2 * np.eye(5), atol=0)


def test_argument_errors(grid):
    with pytest.raises(TypeError, match=r"system must be a bdg.lattices.System; got ndarray"):
        bdg.BdGHamiltonian(np.eye(3))
    with pytest.raises(ValueError, match=r"first dimension 8 = 2 s N; got shape \(3,\)"):
        bdg.BdGHamiltonian(grid((4,))).particle_hole_partner(np.ones(3))
