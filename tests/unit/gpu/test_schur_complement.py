"""Schur complements on the sites that stay, against dense inverses."""

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose

import bdg
from bdg.gpu.device.backend import select_backend
from bdg.gpu.multifrontal.factors.schur_complement import SchurComplement
from bdg.methods.symbolic import host_symbolic


def lattice(shape, norbs, is_complex, seed=0):
    """A disordered lattice whose links are random; with spins, also spin-orbit coupling and a field."""
    rng = np.random.default_rng(seed)
    positions = np.argwhere(np.ones(shape)).astype(float)
    near = abs(positions[:, None] - positions[None]).sum(-1) == 1
    start, end = np.nonzero(np.triu(near))
    size = len(positions)
    blocks = rng.standard_normal((start.size, norbs, norbs)) + (
        1j * rng.standard_normal((start.size, norbs, norbs)) if is_complex else 0
    )
    h = np.zeros((size, norbs, size, norbs), dtype=blocks.dtype)
    h[start, :, end, :] = blocks
    h = h.reshape(size * norbs, size * norbs)
    h = h + h.conj().T + np.diag(rng.uniform(-2, 2, size * norbs))
    return bdg.lattices.from_hamiltonian(h, positions, norbs=norbs, delta=0.3)


def complement(system, sites, z):
    backend = select_backend("cpu")
    symbolic = host_symbolic(system, backend, sites)
    return SchurComplement(symbolic, symbolic.pattern.split(system.hamiltonian), z, backend).complement


def dense(system, sites, z):
    h = system.hamiltonian.toarray()
    rows = (sites[:, None] * system.norbs + np.arange(system.norbs)).ravel()
    return np.linalg.inv(np.linalg.inv(z * np.eye(len(h)) - h)[np.ix_(rows, rows)])


@pytest.mark.parametrize("is_complex", [False, True])
@pytest.mark.parametrize("norbs", [1, 2])
@pytest.mark.parametrize(("shape", "share"), [((30,), 0.1), ((13, 11), 0.2), ((8, 7, 6), 0.05), ((8, 7, 6), 0.5)])
def test_against_dense_inverses(shape, share, norbs, is_complex):
    system = lattice(shape, norbs, is_complex)
    sites = np.flatnonzero(np.random.default_rng(1).random(system.n_sites) < share)
    for z in (0.05j, 1j, 0.3 + 0.2j):
        expected = dense(system, sites, z)
        assert_allclose(complement(system, sites, z), expected, atol=1e-12 * abs(expected).max() / z.imag)


@pytest.mark.parametrize("sites", [np.array([4]), np.arange(12), np.array([11, 3])])
def test_one_site_and_all_sites(sites):
    system = lattice((4, 3), 1, is_complex=True)
    expected = dense(system, np.sort(sites), 0.4j)
    assert_allclose(complement(system, np.sort(sites), 0.4j), expected, atol=1e-12)


def test_parts_that_do_not_touch_and_a_host_that_touches_nothing():
    h = sp.block_diag([lattice((5,), 1, False, seed).hamiltonian for seed in range(3)], format="csr")
    system = bdg.lattices.from_hamiltonian(h, np.arange(15.0), delta=0.1)
    for sites in (np.array([2, 7]), np.array([0, 1, 14])):
        assert_allclose(complement(system, sites, 0.2j), dense(system, sites, 0.2j), atol=1e-12)


def test_real_z_is_refused():
    system = lattice((4, 3), 1, False)
    with pytest.raises(ValueError, match=r"z must have an imaginary part"):
        complement(system, np.array([1]), 0.2)
