"""What is read off factors at ``z = i w`` against the dense inverse, in both forms."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from bdg.base.hamiltonian import BdGHamiltonian
from bdg.gpu.device.backend import select_backend
from bdg.gpu.multifrontal import Restriction
from bdg.lattices.nambu import SIGMA_Y, SIGMA_Z
from bdg.methods.imaginary import form_of
from bdg.methods.symbolic import dof_rows

CPU = select_backend("cpu")
W = 0.3


@pytest.mark.parametrize("kind", ["real", "complex", "spins", "spins, complex"])
def test_elements_diagonal_and_columns_are_those_of_the_inverse(grid, islands, spinful, kind):
    system = grid((3, 3, 2), delta=islands(18), disorder=1.0)
    if "complex" in kind:
        system = system.with_field([0, 0, 0.07]).with_delta(islands(18, phases=True))
    if "spins" in kind:
        system = spinful(system).with_onsite(0.3 * SIGMA_Z + 0.2 * SIGMA_Y)
    hamiltonian, rows, spins = BdGHamiltonian(system), dof_rows(system), system.norbs
    dense = hamiltonian.matrix.toarray()
    inverse = np.linalg.inv(1j * W * np.eye(len(dense)) - dense)
    hermitian = 0.5 * (inverse + inverse.conj().T)
    form, sites = form_of(hamiltonian, CPU), np.array([2, 11, 17])
    pattern, places = form.symbolic.pattern, form.places(sites)
    assert form.name == ("quaternion" if spins == 1 else "majorana") and form.variant.startswith(form.name)

    def blocks(matrix, first, second):
        return matrix[rows[first][:, :, None], rows[second][:, None, :]]

    unit = np.eye(len(dense), dtype=complex)[:, [0, 5, 20]]
    assert_allclose(form.apply(form.factorise(W), unit), inverse[:, [0, 5, 20]], atol=1e-12)
    restriction = Restriction(form.symbolic, sites)
    for part in (None, restriction):
        assert_allclose(form.diagonal(form.factorise(W), places, part), blocks(inverse, sites, sites), atol=1e-12)
        pairing = np.trace(blocks(hermitian, sites, sites)[:, :spins, spins:], axis1=1, axis2=2) / spins
        assert_allclose(form.onsite_pairing(form.factorise(W), places, part), pairing, atol=1e-12)
    for found, matrix in ((form.elements(form.factorise(W)), hermitian), (form.linear(2.0), 2.0 * dense)):
        whole = blocks(matrix, pattern.first, pattern.second)
        assert_allclose(found[0], whole[:, :spins, :spins], atol=1e-12)
        assert_allclose(found[1], whole[:, :spins, spins:], atol=1e-12)
    logarithm = form.factorise(W, log_determinant=True).log_determinant()
    assert_allclose(logarithm, np.linalg.slogdet(1j * W * np.eye(len(dense)) - dense)[1], rtol=1e-12)
    assert form.factorise(W, single=True).kept_bytes < form.factor_bytes
