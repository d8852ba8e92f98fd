"""Takagi factorisation and Lanczos on an inverse, against dense algebra."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import bdg
from bdg.gpu.eigen.antiunitary import Antiunitary
from bdg.gpu.eigen.krylov import Search, inverse_lanczos
from bdg.gpu.eigen.krylov_forms import HermitianForm, MajoranaForm, QuaternionForm, TakagiForm, takagi
from bdg.lattices.nambu import SIGMA_Z

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


def _takagi_run(system, wanted, backend, known=None, **options):
    matrix = (system.hamiltonian + 1j * np.diag(system.delta)).astype(complex)
    inverse = np.linalg.inv(np.asarray(matrix))
    xp = backend.xp
    on_device = xp.asarray(inverse)
    return inverse_lanczos(
        lambda columns: (on_device @ columns).conj(),
        system.n_sites,
        Search(wanted, 1e-11, **options),
        form=TakagiForm(),
        backend=backend,
        seed=1,
        known=known,
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
        Search(12, 1e-11, block=block),
        form=HermitianForm(matrix.dtype),
        backend=backend,
        seed=1,
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
    assert not run.converged and run.solves <= 15
    with pytest.raises(ValueError, match=r"max_dimension must be at least wanted \+ 2 block = 12; got 11"):
        _takagi_run(system, 10, backend, max_dimension=11)


def _flux(grid, islands):
    return grid((9, 9), delta=islands(81, 2, True), disorder=0.5).with_field(0.05)


def _rashba(grid, spinful, islands, field=0.3):
    return spinful(grid((7, 6), delta=islands(42, 4, True), disorder=1.0)).with_field(0.03).with_onsite(field * SIGMA_Z)


def _operator(system, backend):
    """Dense H^-1 in the number system of its particle-hole operator, that operator, and how to get states back."""
    hamiltonian = bdg.BdGHamiltonian(system)
    inverse = backend.xp.asarray(np.linalg.inv(hamiltonian.matrix.toarray()))
    partner = Antiunitary.of(hamiltonian.particle_hole_partner, hamiltonian.shape[0], backend.xp)
    if partner.square < 0:
        return lambda columns: inverse @ columns, QuaternionForm(partner), lambda vectors: vectors

    def majorana(columns):
        half = columns.shape[1] // 2
        both = partner.to_complex(columns[:, :half]) + 1j * partner.to_complex(columns[:, half:])
        return partner.to_real((inverse @ both) * 1j)

    return majorana, MajoranaForm(), partner.to_complex


@pytest.mark.parametrize("block", [1, 2, 4])
@pytest.mark.parametrize("max_dimension", [None, 24])
@pytest.mark.parametrize("name", ["flux", "rashba", "spin-degenerate"])
def test_forms_with_partners_give_the_pairs(grid, spinful, islands, backend, name, max_dimension, block):
    system = _flux(grid, islands) if name == "flux" else _rashba(grid, spinful, islands, 0.3 * (name == "rashba"))
    apply, form, states = _operator(system, backend)
    matrix = bdg.BdGHamiltonian(system).matrix.toarray()
    search = Search(8, 1e-11, block=block, max_dimension=max_dimension)
    run = inverse_lanczos(apply, len(matrix), search, form=form, backend=backend, seed=1)
    exact = np.linalg.eigvalsh(matrix)
    assert run.converged and (run.restarts > 0 or max_dimension is None)
    assert_allclose(np.sort(1 / run.values), np.sort(exact[exact > 0])[:8], atol=1e-10)
    vectors = backend.to_host(states(run.vectors))
    if name == "flux":
        vectors = np.concatenate([vectors, bdg.BdGHamiltonian(system).particle_hole_partner(vectors)], axis=1)
    assert_allclose(vectors.conj().T @ vectors, np.eye(16), atol=1e-12)
    projected = vectors.conj().T @ matrix @ vectors
    assert_allclose(
        matrix @ vectors, vectors @ projected, atol=1e-8
    )  # an invariant space; residual norm(H)/theta * tol


@pytest.mark.parametrize("name", ["flux", "rashba"])
def test_partners_save_solves(grid, spinful, islands, backend, name):
    system = _flux(grid, islands) if name == "flux" else _rashba(grid, spinful, islands)
    apply, form, _ = _operator(system, backend)
    matrix = bdg.BdGHamiltonian(system).matrix.toarray()
    options = {"backend": backend, "seed": 1}
    paired = inverse_lanczos(apply, len(matrix), Search(10, 1e-10), form=form, **options)
    inverse = backend.xp.asarray(np.linalg.inv(matrix))
    plain = inverse_lanczos(
        lambda columns: inverse @ columns, len(matrix), Search(20, 1e-10), form=HermitianForm(matrix.dtype), **options
    )
    assert paired.converged and plain.converged
    assert 1.4 * paired.solves < plain.solves  # 1.5 to 1.6 measured; 2 where the solves are many


def test_antiunitary_reads_the_particle_hole_operator(grid, spinful, islands, backend):
    rng = np.random.default_rng(0)
    for system, square in ((_flux(grid, islands), -1), (_rashba(grid, spinful, islands), 1)):
        hamiltonian = bdg.BdGHamiltonian(system)
        vectors = rng.standard_normal((hamiltonian.shape[0], 3)) + 1j * rng.standard_normal((hamiltonian.shape[0], 3))
        partner = Antiunitary.of(hamiltonian.particle_hole_partner, hamiltonian.shape[0], backend.xp)
        assert partner.square == square
        device = backend.xp.asarray(vectors)
        assert_allclose(backend.to_host(partner(device)), hamiltonian.particle_hole_partner(vectors), atol=0)
        assert_allclose(backend.to_host(partner.on_rows(device.T)).T, backend.to_host(partner(device)), atol=0)
        assert_allclose(backend.to_host(partner(partner(device))), square * vectors, atol=0)
        if square > 0:
            real = partner.to_real(device)
            assert_allclose(backend.to_host((real**2).sum()), (abs(vectors) ** 2).sum(), rtol=ROUNDING)
            back = partner.to_complex(real)
            assert_allclose(backend.to_host(back[:, :3] + 1j * back[:, 3:]), vectors, atol=ROUNDING)
            assert_allclose(backend.to_host(partner(back)), backend.to_host(back), atol=ROUNDING)  # S a = a
    with pytest.raises(ValueError, match="signed permutation that squares to \\+1 or -1"):
        Antiunitary.of(lambda vectors: vectors, 4, backend.xp)


@pytest.mark.parametrize("name", ["flux", "rashba"])
def test_whole_space_of_pairs_is_exhausted(grid, spinful, backend, name):
    system = grid((3, 2), delta=0.2, disorder=1.0).with_field(0.1)
    if name == "rashba":
        system = spinful(grid((3, 2), delta=0.2, disorder=1.0)).with_field(0.1).with_onsite(0.3 * SIGMA_Z)
    apply, form, _ = _operator(system, backend)
    matrix = bdg.BdGHamiltonian(system).matrix.toarray()
    exact = np.sort(abs(np.linalg.eigvalsh(matrix)))[::2]
    for block in (1, 2):
        search = Search(len(matrix) // 2, 1e-11, block=block)
        run = inverse_lanczos(apply, len(matrix), search, form=form, backend=backend, seed=1)
        assert run.converged
        assert_allclose(np.sort(1 / run.values), exact, atol=1e-11)


@pytest.mark.parametrize("block", [1, 3])
@pytest.mark.parametrize("name", ["flux", "rashba", "takagi", "plain"])
def test_residuals_are_those_of_the_vectors(grid, spinful, islands, backend, name, block):
    """Stopped early, where residuals are large: what is reported is ``||f(x) - theta x||``."""
    system = _rashba(grid, spinful, islands) if name == "rashba" else _flux(grid, islands)
    inverse = np.linalg.inv(bdg.BdGHamiltonian(system).matrix.toarray())
    apply, form, states = _operator(system, backend)
    if name == "plain":
        form = HermitianForm(inverse.dtype)
    elif name == "takagi":
        inverse, form = inverse + inverse.T, TakagiForm()
    if name in ("plain", "takagi"):
        device = backend.xp.asarray(inverse)
        apply = (lambda x: (device @ x).conj()) if name == "takagi" else (lambda x: device @ x)
    search = Search(8, 1e-12, block=block, max_solves=21)
    run = inverse_lanczos(apply, len(inverse), search, form=form, backend=backend, seed=1)
    assert not run.converged
    vectors = backend.to_host(run.vectors if name in ("plain", "takagi") else states(run.vectors))
    if name == "rashba":  # real and imaginary part of each Ritz vector; the vector itself is their combination
        count = run.values.size
        vectors = (vectors[:, :count] + 1j * vectors[:, count:]) / np.sqrt(2)
    image = (inverse @ vectors).conj() if name == "takagi" else inverse @ vectors
    defect = np.linalg.norm(image - vectors * run.values, axis=0)
    assert run.residuals.max() > 1e-6
    assert_allclose(run.residuals, defect, rtol=1e-4, atol=1e-12)
