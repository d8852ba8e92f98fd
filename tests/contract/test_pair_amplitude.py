"""Pair amplitudes against dense algebra and a closed form, within their stated error."""

import numpy as np
import pytest
from algebra import SIGMA_0, random_chain, random_spinful, reference_amplitude, reference_bdg, square_torus, system_bdg
from numpy.testing import assert_allclose, assert_array_equal

import bdg


@pytest.mark.parametrize("method", ["dense", "chebyshev", "auto"])
@pytest.mark.parametrize("norbs", [1, 2])
def test_pair_amplitude_against_dense_algebra(method, norbs):
    h, delta, positions = random_chain(20) if norbs == 1 else random_spinful(10)
    system = bdg.lattices.from_hamiltonian(h, positions, norbs=norbs, delta=delta)
    wanted = reference_amplitude(system_bdg(system), norbs, 0.15)
    result = bdg.pair_amplitude(system, 0.15, method=method, tol=1e-8)
    assert result.values.shape == (system.n_sites,)
    assert np.iscomplexobj(result.values)
    assert isinstance(result.error, float)
    assert np.abs(result.values - wanted).max() <= max(result.error, 1e-13)
    assert result.error <= 1e-8 * np.abs(wanted).max() + 1e-12
    assert result.temperature == 0.15
    chosen = [7, 2, 5]
    some = bdg.pair_amplitude(system, 0.15, sites=chosen, method=method)
    assert_array_equal(some.sites, chosen)
    assert some.values.shape == (3,)
    assert np.abs(some.values - wanted[chosen]).max() <= max(some.error, 1e-13)
    assert some.error <= 1e-6 * np.abs(wanted).max()
    if method != "auto":
        assert method in str(some.evidence.method)


def test_pair_amplitude_of_spins_and_of_both_forms():
    """A spin-degenerate system: the same F through norbs = 1 and norbs = 2; and through bond pairing alone."""
    h, delta, positions = random_chain(8)
    one = bdg.lattices.from_hamiltonian(h.real, positions, delta=delta)
    two = bdg.lattices.from_hamiltonian(np.kron(h.real, SIGMA_0), positions, norbs=2, delta=delta)
    a, b = bdg.pair_amplitude(one, 0.08).values, bdg.pair_amplitude(two, 0.08).values
    assert_allclose(a, b, atol=1e-12)
    bond = np.zeros((8, 8), complex)
    for i in range(7):
        bond[i, i + 1] = bond[i + 1, i] = 0.2j * (i + 1) / 8
    paired = bdg.lattices.from_hamiltonian(h, positions, pairing=bond)
    wanted = reference_amplitude(reference_bdg(h, bond, 1), 1, 0.08)
    assert_allclose(bdg.pair_amplitude(paired, 0.08).values, wanted, atol=1e-12)
    assert np.abs(wanted).max() > 1e-3


def test_pair_amplitude_of_the_uniform_torus():
    """F = mean of Delta tanh(E/2T) / 2E."""
    h, positions = square_torus(7, 6, mu=-0.5)
    delta = 0.3 * np.exp(0.4j)
    system = bdg.lattices.from_hamiltonian(h, positions, delta=delta)
    energies = np.sqrt(np.linalg.eigvalsh(h) ** 2 + 0.09)
    for temperature in (0.0, 0.02, 0.4):
        weight = np.tanh(energies / (2 * temperature)) if temperature else 1.0
        wanted = np.mean(delta / (2 * energies) * weight)
        method = "auto" if temperature else "dense"
        assert_allclose(bdg.pair_amplitude(system, temperature, method=method).values, wanted, atol=1e-12)


def test_pair_amplitude_bad_input():
    h, delta, positions = random_chain()
    system = bdg.lattices.from_hamiltonian(h, positions, delta=delta)
    with pytest.raises(ValueError, match="temperature"):
        bdg.pair_amplitude(system, -0.1)
    with pytest.raises(ValueError, match="temperature"):
        bdg.pair_amplitude(system, np.nan)
    with pytest.raises(ValueError, match=r"temperature.*\d\.?\d*"):
        bdg.pair_amplitude(system, 0, method="chebyshev")
    with pytest.raises((ValueError, IndexError), match="sites"):
        bdg.pair_amplitude(system, 0.1, sites=[9])
    with pytest.raises((ValueError, TypeError), match="sites"):
        bdg.pair_amplitude(system, 0.1, sites=[0.5])
    with pytest.raises(ValueError, match="method.*chebyshev"):
        bdg.pair_amplitude(system, 0.1, method="magic")
    with pytest.raises(ValueError, match="tol"):
        bdg.pair_amplitude(system, 0.1, tol=0)
