"""The density of states over that of the normal state: its error knows that both have the noise of the same vectors."""

import dataclasses

import numpy as np
import pytest
from numpy.testing import assert_allclose

import bdg
from bdg.densities.ratios import density_ratio
from bdg.densities.statistics import standard_error

ENERGIES = np.linspace(-1.0, 0.03, 16)  # symmetric otherwise
MOMENTS = 64  # peaks of width 0.3: about 40 levels in each


@pytest.fixture
def states(grid):
    """A disordered stack of S and N with less than half of its density at E = 0 gone, and its normal state."""
    system = grid((6, 6, 5), delta=0.8 * (np.arange(180) % 30 < 12), disorder=2.0)
    return system, system.with_delta(np.zeros(180))


def densities(states, method="chebyshev", vectors=6, seed=0, energies=ENERGIES):
    options = {"method": method, "moments": MOMENTS, "vectors": vectors, "seed": seed}
    return [bdg.density_of_states(system, energies, **options) for system in states]


def apart(found, reference):
    """The error if the noise of both were independent."""
    ratio = found.values / reference.values
    return abs(ratio) * np.hypot(found.error / found.values, reference.error / reference.values)


@pytest.mark.parametrize("vectors", [2, 6])
@pytest.mark.parametrize("seeds", [50, pytest.param(150, marks=pytest.mark.slow)])
def test_error_bars_cover_the_exact_ratio_as_often_as_they_should(states, vectors, seeds):
    """One sigma: 68.3 % of all seeds; the mean over energies has a standard deviation of 2 % (150 seeds)."""
    exact, error = density_ratio(*densities(states, "dense"))
    assert error.max() < 1e-9 and exact.min() < 0.75 and exact.max() > 1.05
    covered, smaller = [], []
    for seed in range(seeds):
        both = densities(states, vectors=vectors, seed=seed)
        ratio, error = density_ratio(*both)
        covered.append(abs(ratio - exact) <= error)
        smaller.append(apart(*both) / error)
    assert 0.60 <= np.mean(covered) <= 0.76
    assert np.median(smaller) > 1.8


def test_the_error_is_that_of_linearised_residuals(states):
    """From the differences of a jackknife, which agree to second order in the noise."""
    found, reference = densities(states, vectors=64)
    ratio, error = density_ratio(found, reference)
    assert_allclose(ratio, found.values / reference.values, rtol=1e-14)
    left_out = np.stack(
        [
            np.delete(found.samples, r, axis=1).mean(axis=1) / np.delete(reference.samples, r, axis=1).mean(axis=1)
            for r in range(64)
        ]
    )
    jackknife = np.sqrt(63 * left_out.var(axis=0))
    # 1.0080: Student's factor at 63 degrees of freedom; noise of 1 to 5 % is the order that is left out
    assert_allclose(error, 1.0080 * jackknife, rtol=0.01)


def test_samples_are_what_each_vector_gives(states):
    found, _ = densities(states)
    assert found.samples.shape == (16, 6)
    assert_allclose(found.samples.mean(axis=1), found.values, rtol=1e-14)
    assert_allclose(standard_error(found.samples), found.error, rtol=1e-3)  # rounding is the rest
    for method, vectors in (("dense", 6), ("chebyshev", "all")):
        exact, _ = densities(states, method, vectors)
        assert exact.samples.shape == (16, 0) and exact.vectors == 0


def test_without_pairs_the_errors_are_independent(states):
    found, _ = densities(states)
    _, exact = densities(states, "dense")
    _, error = density_ratio(found, exact)
    assert_allclose(error, found.error / exact.values, rtol=1e-6)
    _, more = densities(states, vectors=9)
    _, error = density_ratio(found, more)
    assert_allclose(error, apart(found, more), rtol=1e-3)  # rounding is 1e-4 of it


def test_rounding_is_part_of_the_error(states):
    found, exact = densities(states, "dense")
    rough = [dataclasses.replace(one, error=one.error + 0.01 * one.values) for one in (found, exact)]
    ratio, error = density_ratio(*rough)
    assert_allclose(error, 0.02 * ratio, rtol=1e-6)


def test_where_nothing_is_the_ratio_is_not_a_number(states):
    far = np.array([0.3, 100.0])
    ratio, error = density_ratio(*densities(states, energies=far))
    assert np.isfinite(ratio[0] * error[0]) and np.isnan(ratio[1]) and np.isnan(error[1])


def test_other_energies_are_refused(states):
    found, _ = densities(states)
    _, other = densities(states, energies=ENERGIES + 0.1)
    with pytest.raises(ValueError, match="at the same energies; got 16 and 16 that differ. Compute both"):
        density_ratio(found, other)


def test_samples_are_saved(states, tmp_path):
    for found in (densities(states)[0], densities(states, "dense")[0]):
        found.save(tmp_path / "density.h5")
        assert np.array_equal(bdg.load(tmp_path / "density.h5").samples, found.samples)
