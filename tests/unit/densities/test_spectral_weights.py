"""Exact columns: local densities, spectral functions and thermal averages against dense algebra and sum rules."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import bdg
from bdg.gpu.chebyshev import columns as chebyshev
from bdg.gpu.chebyshev import kernel_polynomial
from bdg.gpu.device.backend import select_backend
from bdg.lattices.nambu import SIGMA_X, SIGMA_Z

ENERGIES = np.linspace(-5, 5, 41)
NAMES = ("clean", "disordered", "magnetic", "spinful")
CPU = select_backend("cpu")


@pytest.fixture
def systems(grid, spinful, islands):
    return {
        "clean": grid((6, 6, 5), delta=0.3, mu=-1.0, periodic=True),
        "disordered": grid((6, 6, 5), delta=islands(180), disorder=2.0),
        "magnetic": grid((12, 11), delta=islands(132, 2, True), disorder=1.0).with_field(0.07),
        "spinful": spinful(grid((9, 8), delta=islands(72, 4))).with_onsite(0.3 * SIGMA_Z + 0.2 * SIGMA_X),
    }


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("broadening", [0.5, 0.05])
def test_local_densities_equal_dense_within_the_stated_error(systems, name, broadening):
    """The same Lorentzian by three methods."""
    sites = [3, 61, 17]
    arguments = {"broadening": broadening, "sites": sites}
    dense = bdg.local_density_of_states(systems[name], ENERGIES, method="dense", **arguments)
    found = bdg.local_density_of_states(systems[name], ENERGIES, method="chebyshev", **arguments)
    assert (abs(found.values - dense.values) <= found.error + dense.error).all()
    assert found.error.max() < 1e-7 and found.broadening == broadening
    assert found.evidence.kernel == "lorentzian" and found.moments > 10 / broadening and found.vectors == 0


@pytest.mark.parametrize("name", NAMES)
def test_the_sum_over_sites_is_half_the_density(systems, name):
    """Electron part at E plus that at -E, summed over sites, is the density of all levels, kernel by kernel."""
    system = systems[name]
    total = bdg.density_of_states(system, ENERGIES, method="chebyshev", vectors="all", moments=60)
    local = bdg.local_density_of_states(system, ENERGIES, method="chebyshev", moments=60)
    assert local.evidence.kernel == "jackson" and local.moments == 60
    summed = local.values.sum(axis=1)
    assert_allclose(summed + summed[::-1], total.values, atol=1e-9)


def test_jackson_peaks_integrate_to_the_number_of_spins(systems):
    for name in NAMES:
        system = systems[name]
        s = bdg.local_density_of_states(system, [0.0], [5], method="chebyshev", moments=50).evidence.spectral_bound
        theta = np.pi * (np.arange(200) + 0.5) / 200
        found = bdg.local_density_of_states(system, s * np.cos(theta), [5, 60], method="chebyshev", moments=50)
        assert_allclose(np.pi / 200 * s * np.sin(theta) @ found.values, system.norbs, rtol=1e-12)


@pytest.mark.parametrize("name", ["clean", "disordered", "magnetic", "spinful"])
def test_spectral_functions_equal_dense(systems, name):
    system = systems[name]
    momenta = np.array([[0.0] * system.positions.shape[1], [0.7] * system.positions.shape[1]])
    found = bdg.spectral_function(system, momenta, ENERGIES, moments=80)
    levels, vectors = np.linalg.eigh(bdg.BdGHamiltonian(system).matrix.toarray())
    u = vectors[: levels.size // 2].reshape(system.n_sites, system.norbs, -1)
    plane = np.exp(1j * system.positions @ momenta.T) / np.sqrt(system.n_sites)
    weight = (abs(np.einsum("ik,isn->ksn", plane.conj(), u)) ** 2).sum(axis=1).T
    bound = found.evidence.spectral_bound
    moments = kernel_polynomial.exact_moments(levels, weight, 80, bound)
    assert_allclose(found.values, kernel_polynomial.density(ENERGIES, moments, bound), atol=found.error.max())
    assert found.error.max() < 1e-9 and found.moments == 80


def test_a_normal_torus_has_its_band(grid):
    """One peak of unit weight at E = -2 cos kx - 2 cos ky - mu; all wave vectors together are all sites."""
    n, mu = 8, 0.3
    system = grid((n, n), mu=mu, periodic=True)
    k = 2 * np.pi * np.arange(n) / n
    momenta = np.stack(np.meshgrid(k, k, indexing="ij"), axis=-1).reshape(-1, 2)
    energies = np.linspace(-4.5, 4.5, 361)
    found = bdg.spectral_function(system, momenta, energies, broadening=0.15)
    band = -2 * np.cos(momenta).sum(axis=1) - mu
    assert_allclose(energies[found.values.argmax(axis=0)], band, atol=0.15)
    assert_allclose(found.values.sum(axis=0) * 0.025, 1, atol=0.03)
    local = bdg.local_density_of_states(system, energies, method="chebyshev", moments=found.moments)
    assert_allclose(found.values.sum(axis=1), local.values.sum(axis=1), rtol=1e-9, atol=1e-10)


def test_lorentzian_moments_are_enough_and_not_many_more():
    energies, bound, eta = np.linspace(-3, 3, 7), 5.0, 0.1
    n = kernel_polynomial.lorentzian_moments(energies, bound, eta, 1e-6)
    assert kernel_polynomial.lorentzian_tail(energies, n, bound, eta).max() <= 1e-6 / bound
    assert kernel_polynomial.lorentzian_tail(energies, n - 10, bound, eta).max() > 1e-6 / bound
    levels, weights = np.array([-2.3, 0.1, 3.0]), np.array([[0.2], [0.5], [0.3]])
    moments = kernel_polynomial.exact_moments(levels, weights, n, bound)
    exact = (eta / np.pi / ((energies[:, None] - levels) ** 2 + eta**2)) @ weights
    assert_allclose(kernel_polynomial.lorentzian_density(energies, moments, bound, eta), exact, atol=1e-6 / bound)


def test_counting_levels(systems):
    """Integral of the density between two energies in gaps of the clean torus."""
    matrix = bdg.BdGHamiltonian(systems["clean"]).matrix
    levels, bound = np.linalg.eigvalsh(matrix.toarray()), chebyshev.spectral_bound(matrix)
    moments = kernel_polynomial.exact_moments(levels, np.ones((levels.size, 1)), 2000, bound)
    gaps = np.flatnonzero(np.diff(levels) > 0.15)[::3]
    edges = 0.5 * (levels[gaps] + levels[gaps + 1])
    low = np.full(edges.size, -2 * bound)
    assert_allclose(kernel_polynomial.count_between(low, edges, moments, bound)[:, 0], gaps + 1, atol=5e-3)


def test_spectral_function_saves_plots_and_refuses(grid, tmp_path, capsys):
    system = grid((5, 5), delta=0.3)
    found = bdg.spectral_function(system, [0.1, 0.2], ENERGIES, progress=True)
    assert "spectral function" in capsys.readouterr().err
    found.save(tmp_path / "a.h5")
    assert np.array_equal(bdg.load(tmp_path / "a.h5").values, found.values)
    assert "energy" in found.plot().axes[0].get_ylabel()
    for momenta, message in (([[0.1]], r"momenta must be wave vectors \(K, 2\)"), ([[0.1, np.nan]], "must be finite")):
        with pytest.raises(ValueError, match=message):
            bdg.spectral_function(system, momenta, ENERGIES)
    for arguments, message in (
        ({"moments": 50, "broadening": 0.1}, "moments belongs to method='chebyshev' without broadening"),
        ({"moments": 1}, "moments must be a whole number from 2"),
        ({"broadening": 1e-7}, "broadening = 1e-07 takes .* moments with method='chebyshev'"),
    ):
        with pytest.raises(ValueError, match=message):
            bdg.local_density_of_states(system, ENERGIES, method="chebyshev", **arguments)
