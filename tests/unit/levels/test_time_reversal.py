"""Time reversal in any gauge: fluxes 0 and pi, spin-orbit coupling, fields, and hoppings that are singular."""

import numpy as np
import pytest
import scipy.linalg
import scipy.sparse as sp

from bdg.levels.time_reversal import time_reversal
from tests.helpers.twist_lattices import ONE, PAULI, torus, turned

SINGULAR = [0.5 * (ONE + PAULI[2])] * 2  # spin up alone hops


def symmetric(h, norbs=1):
    return time_reversal(sp.csr_matrix(h), norbs)[1].tolist()


@pytest.mark.parametrize("flux, expected", [(0, True), (np.pi, True), (-np.pi, True), (0.3, False), (1e-6, False)])
@pytest.mark.parametrize("size", [5, 12, 301])
def test_a_ring_is_symmetric_at_a_flux_of_0_or_pi(flux, expected, size):
    h = torus((size,), flux=[flux])
    assert symmetric(h) == [expected]
    assert symmetric(turned(h, np.random.default_rng(size))) == [expected]


@pytest.mark.parametrize(
    "options, expected",
    [
        ({}, True),
        ({"rashba": 0.4}, True),
        ({"rashba": 0.4, "flux": [0, np.pi]}, True),
        ({"field": (0.1, 0.2, 0.3)}, True),  # spin along the field is conserved, and h real for both
        ({"rashba": 0.4, "field": (0, 0, 1e-5)}, False),
        ({"rashba": 0.4, "field": (0.1, 0.2, 0.3)}, False),
        ({"rashba": 0.4, "flux": [0, 0.1]}, False),
        ({"flux": [0, 0.1]}, False),
        ({"hopping": SINGULAR}, True),
        ({"hopping": SINGULAR, "flux": [0.3, 0]}, False),
        ({"hopping": [PAULI[2] + 1j * PAULI[0], PAULI[2] + 1j * PAULI[1]]}, False),  # a Chern insulator
        ({"hopping": [PAULI[2] + 1j * PAULI[0], PAULI[2]]}, True),  # sigma_z K
    ],
)
def test_spins_have_an_antiunitary_symmetry_without_field_and_flux(options, expected):
    rng = np.random.default_rng(1)
    h = torus((4, 5), 2, onsite=0.2 + rng.standard_normal(20), **options)
    assert symmetric(h, 2) == [expected]
    assert symmetric(turned(h, rng, 2), 2) == [expected]


def test_spins_of_opposite_flux_are_a_time_reversal_pair_and_of_others_not():
    for other, expected in ((-0.4, True), (0.3, False), (0.0, False)):
        h = np.zeros((18, 18), dtype=complex)
        h[::2, ::2], h[1::2, 1::2] = torus((9,), flux=[0.4]), torus((9,), flux=[other])
        assert symmetric(h, 2) == [expected]
        assert symmetric(turned(h, np.random.default_rng(0), 2), 2) == [expected]


def test_each_connected_part_has_its_own_symmetry():
    parts = [torus((7,)), torus((8,), flux=[0.2]), np.zeros((1, 1)), [[1e8]], torus((3,), flux=[np.pi])]
    part, found = time_reversal(sp.csr_matrix(scipy.linalg.block_diag(*parts)), 1)
    assert found.tolist() == [True, False, True, True, True]
    np.testing.assert_array_equal(part, np.repeat(np.arange(5), [7, 8, 1, 1, 3]))


@pytest.mark.parametrize("flux, expected", [(0.0, True), (0.1, False)])
def test_neither_scales_nor_noise_matter(flux, expected):
    """D h D over 12 decades keeps the fluxes; complex rounding between all sites is no hopping."""
    rng = np.random.default_rng(3)
    h = torus((5, 6), 2, rashba=0.3, flux=[flux, 0])
    scales = np.repeat(10 ** rng.uniform(-6, 6, 30), 2)
    assert symmetric(scales[:, None] * h * scales, 2) == [expected]
    noise = 1e-16 * (rng.standard_normal(h.shape) + 1j * rng.standard_normal(h.shape))
    assert symmetric(h + noise + noise.conj().T, 2) == [expected]
    walls = np.repeat(np.where(rng.random(30) < 0.3, 1e9, 0.0), 2)
    assert symmetric(h + np.diag(walls), 2) == [expected]
