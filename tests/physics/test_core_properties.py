"""Random small systems: every quantity of the direct core against dense algebra, with trees several levels deep."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

import bdg
from bdg.gpu.multifrontal import FrontSettings

# leaves of two sites: a tree of 40 sites is at least four levels deep
TINY = FrontSettings(leaf=2, base=2, chunk=64, split=1, pivots=4, thin_leaves=True)


@pytest.fixture(autouse=True)
def small_leaves(monkeypatch):
    monkeypatch.setattr("bdg.methods.symbolic.default_settings", lambda backend: TINY)
    monkeypatch.setattr("bdg.methods.symbolic.QUATERNION_CPU_SETTINGS", TINY)


@st.composite
def systems(draw):
    """Sites at random places, some without any link, hoppings and pairing of any kind."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_sites, dim = draw(st.integers(1, 40)), draw(st.sampled_from([1, 2, 3]))
    norbs, is_complex = draw(st.sampled_from([1, 2])), draw(st.booleans())
    positions = rng.random((n_sites, dim)) * n_sites ** (1 / dim)
    distance = np.linalg.norm(positions[:, None] - positions[None], axis=2)
    linked = (distance < draw(st.sampled_from([0.0, 0.8, 1.5]))) & (distance > 0)
    linked |= np.diag(np.ones(n_sites, bool))

    def block_matrix():
        size = norbs * n_sites
        random = rng.standard_normal((size, size)) + (1j * rng.standard_normal((size, size)) if is_complex else 0)
        return random * np.kron(linked, np.ones((norbs, norbs)))

    h = block_matrix()
    delta = np.where(rng.random(n_sites) < 0.5, rng.standard_normal(n_sites), 0.0)
    if is_complex:
        delta = delta * np.exp(2j * np.pi * rng.random(n_sites))
    pairing = None
    if norbs == 1 and draw(st.booleans()):
        pairing = block_matrix()
        pairing = 0.3 * (pairing + pairing.T)
    return bdg.lattices.from_hamiltonian(
        (h + h.conj().T) / 2, positions, norbs=norbs, delta=delta, pairing=pairing, grain=np.zeros(n_sites, int)
    )


ANY = {"system": systems(), "temperature": st.sampled_from([0.03, 0.2, 1.0])}


@settings(max_examples=25)
@given(**ANY)
def test_core_equals_dense_algebra(system, temperature):
    _check(system, temperature)


@pytest.mark.slow
@settings(max_examples=200)
@given(**ANY)
def test_core_equals_dense_algebra_more_often(system, temperature):
    _check(system, temperature)


def _check(system, temperature):
    matrix = bdg.BdGHamiltonian(system).matrix.toarray()
    exact = np.linalg.eigvalsh(matrix)
    scale = abs(exact).max()
    poles = bdg.pair_amplitude(system, temperature, method="poles", tol=1e-6)
    dense = bdg.pair_amplitude(system, temperature, method="dense")
    assert abs(poles.values - dense.values).max() <= poles.error + 1e-12

    for energy in (0.1 * scale, 0.5 * scale):
        if abs(abs(exact) - energy).min() > 1e-6 * scale:
            assert bdg.count_states(system, energy, method="lanczos").count == np.count_nonzero(abs(exact) < energy)

    k = min(6, exact.size - 2)
    if k >= 1:
        states = bdg.bound_states(system, k, method="lanczos")
        assert_allclose(abs(states.energies), np.sort(abs(exact))[:k], atol=1e-9 * max(scale, 1))
        assert (states.residuals <= 1e-8 * max(scale, 1)).all()
