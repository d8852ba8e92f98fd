"""Takagi factorisation and Lanczos on an inverse, against dense algebra."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import bdg
from bdg.gpu.krylov import inverse_lanczos, takagi

ROUNDING = 1e-12


@pytest.mark.parametrize("size", [1, 2, 5, 9])
def test_takagi_of_random_matrices(size):
    rng = np.random.default_rng(size)
    matrix = rng.standard_normal((size, size)) + 1j * rng.standard_normal((size, size))
    matrix = matrix + matrix.T
    sigma, unitary = takagi(matrix)
    assert_allclose(unitary * sigma @ unitary.T, matrix, atol=ROUNDING)
    assert_allclose(unitary.conj().T @ unitary, np.eye(size), atol=ROUNDING)
    assert_allclose(sigma, np.linalg.svd(matrix)[1], atol=ROUNDING)  # singular values, descending


@pytest.mark.parametrize(
    "matrix", [np.ones((4, 4)), np.diag([1, 1, 1j, 2]), np.zeros((3, 3)), np.diag([1, -1, 0, 0]), np.diag([1j, 0, 0])]
)
def test_takagi_of_degenerate_and_singular_matrices(matrix):
    sigma, unitary = takagi(matrix.astype(complex))
    assert_allclose(unitary * sigma @ unitary.T, matrix, atol=ROUNDING)
    assert_allclose(unitary.conj().T @ unitary, np.eye(len(matrix)), atol=ROUNDING)


def _takagi_run(system, wanted, backend, **options):
    matrix = (system.hamiltonian + 1j * np.diag(system.delta)).astype(complex)
    inverse = np.linalg.inv(np.asarray(matrix))
    xp = backend.xp
    on_device = xp.asarray(inverse)
    return inverse_lanczos(
        lambda columns: (on_device @ columns).conj(),
        system.n_sites,
        wanted,
        antilinear=True,
        dtype=complex,
        backend=backend,
        seed=1,
        tol=1e-11,
        **options,
    )


@pytest.mark.parametrize("block", [1, 2, 4])
def test_takagi_form_gives_the_positive_levels(grid, islands, backend, block):
    system = grid((6, 6, 6), delta=islands(216), disorder=1.0)
    run = _takagi_run(system, 10, backend, block=block, max_dimension=30)
    exact = bdg.bound_states(system, 20, method="dense").energies
    assert run.converged and run.restarts > 0
    assert_allclose(np.sort(1 / run.values), np.sort(exact[exact > 0]), atol=1e-10)
    vectors = backend.to_host(run.vectors)
    assert_allclose(vectors.conj().T @ vectors, np.eye(10), atol=1e-12)
    h, delta = system.hamiltonian, system.delta
    image = (h + 1j * np.diag(delta)) @ vectors.conj()
    assert_allclose(image, vectors / run.values, atol=1e-9)
    # u = Re c, v = Im c is an eigenvector of H, and i c its partner
    states = np.concatenate([vectors.real, vectors.imag])
    assert_allclose(bdg.BdGHamiltonian(system) @ states, states / run.values, atol=1e-9)


@pytest.mark.parametrize("block", [1, 3])
@pytest.mark.parametrize("complex_", [False, True])
def test_hermitian_form_gives_both_signs(grid, islands, backend, block, complex_):
    system = grid((5, 5, 5), delta=islands(125, 2, complex_), disorder=1.0)
    matrix = bdg.BdGHamiltonian(system).matrix.toarray()
    inverse = backend.xp.asarray(np.linalg.inv(matrix))
    run = inverse_lanczos(
        lambda columns: inverse @ columns,
        250,
        12,
        antilinear=False,
        dtype=matrix.dtype,
        backend=backend,
        seed=1,
        tol=1e-11,
        block=block,
    )
    exact = bdg.bound_states(system, 12, method="dense").energies
    assert run.converged
    assert_allclose(np.sort(1 / run.values), np.sort(exact), atol=1e-10)


def test_whole_spectrum_of_a_small_matrix_exhausts_the_space(grid, backend):
    system = grid((3, 3), delta=0.2, disorder=1.0)
    for wanted in (4, 9):
        run = _takagi_run(system, wanted, backend, block=2)
        matrix = (system.hamiltonian + 1j * np.diag(system.delta)).astype(complex)
        exact = np.sort(np.linalg.svd(np.asarray(matrix))[1])
        assert run.converged and run.values.size == wanted
        assert_allclose(np.sort(1 / run.values), exact[:wanted], atol=1e-11)


def test_known_vectors_are_left_out(grid, islands, backend):
    system = grid((5, 5), delta=islands(25), disorder=1.0)
    first = _takagi_run(system, 4, backend)
    rest = _takagi_run(system, 3, backend, known=first.vectors)
    exact = bdg.bound_states(system, 14, method="dense").energies
    assert_allclose(np.sort(1 / rest.values), np.sort(exact[exact > 0])[4:], atol=1e-9)


def test_giving_up_is_said(grid, islands, backend):
    system = grid((6, 6, 6), delta=islands(216), disorder=1.0)
    run = _takagi_run(system, 10, backend, max_solves=15)
    assert not run.converged and run.solves == 15
    with pytest.raises(ValueError, match=r"max_dimension must be at least wanted \+ 2 block = 12; got 11"):
        _takagi_run(system, 10, backend, max_dimension=11)
