"""Random fields: variances and correlations against the formulas that define them."""

import numpy as np
import pytest
import scipy.linalg

from bdg.lattices.builders import disorder
from bdg.lattices.builders.disorder import gaussian_field, uniform_disorder, upper_part


def test_uniform_disorder_has_the_moments_of_a_box():
    values = uniform_disorder(200_000, 3.0, np.random.default_rng(0))
    assert -1.5 <= values.min() < -1.499 and 1.499 < values.max() < 1.5
    assert abs(values.mean()) < 4 * np.sqrt(9 / 12 / 200_000)  # four standard errors
    assert values.var() == pytest.approx(9 / 12, rel=4 * np.sqrt(0.8 / 200_000))  # var(x^2)/var^2 = 4/5 for a box


def test_the_width_only_scales_the_disorder():
    one, two = (uniform_disorder(50, width, np.random.default_rng(7)) for width in (1.0, 2.0))
    np.testing.assert_array_equal(two, 2 * one)


@pytest.mark.parametrize("step", [0.08, 0.5, 3.0])
def test_roots_are_roots_of_the_correlation(step):
    n = 40
    root = disorder._open_root(n, step)
    wanted = scipy.linalg.toeplitz(np.exp(-0.5 * (step * np.arange(n)) ** 2))
    np.testing.assert_allclose(root @ root.T, wanted, rtol=0, atol=1e-12)  # eigenvalues below 1e-15 are cut off
    ring = np.fft.ifft(disorder._circulant_root(n, step) ** 2).real
    images = np.exp(-0.5 * (step * (np.arange(n)[:, None] + n * np.arange(-50, 51))) ** 2).sum(axis=1)
    np.testing.assert_allclose(ring, images / images[0], rtol=0, atol=1e-12)


@pytest.mark.parametrize("periodic", [True, False])
@pytest.mark.parametrize("dense", [True, False])
@pytest.mark.parametrize("samples", [1000, pytest.param(4000, marks=pytest.mark.slow)])
def test_a_field_has_unit_variance_and_the_correlation_asked_for(samples, periodic, dense, monkeypatch):
    """C(r) = exp(-r^2/2l^2) between all pairs of sites of a small 3-D grid, from many fields."""
    if not dense:
        monkeypatch.setattr(disorder, "LONGEST_DENSE", 1)
    shape, spacing, length = (7, 5, 6), 2.0, 3.0
    rng = np.random.default_rng(3)
    fields = np.array([gaussian_field(shape, spacing, length, rng, periodic).ravel() for _ in range(samples)])
    sites = spacing * np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1).reshape(-1, 3)
    apart = sites[:, None] - sites
    if periodic:
        box = spacing * np.array(shape)
        images = np.exp(-0.5 * ((apart[..., None] + box[:, None] * np.arange(-9, 10)) / length) ** 2).sum(-1)
        ring = np.exp(-0.5 * (box[:, None] * np.arange(-9, 10) / length) ** 2).sum(-1)
        wanted = (images / ring).prod(-1)
    else:
        wanted = np.exp(-0.5 * (apart**2).sum(-1) / length**2)
    measured = fields.T @ fields / samples
    # Standard error of a covariance of unit-variance normal variables is at most sqrt(2/samples) <= 0.045; there are
    # 22 000 correlated pairs, and the largest of so many normal deviates lies near 4.3.
    assert abs(measured - wanted).max() < 5.5 * np.sqrt(2 / samples)
    assert np.sqrt(((measured - wanted) ** 2).mean()) < np.sqrt(2 / samples)


def test_long_axes_are_filtered_in_two_dimensions_too():
    field = gaussian_field((1500, 4), 1.0, 6.0, np.random.default_rng(5), False)
    assert field.shape == (1500, 4)
    lag = 6
    correlation = (field[lag:] * field[:-lag]).mean() / (field**2).mean()
    # Independent pieces: about 1500/(sqrt(pi) l) = 140, hence an error of 0.08 or so.
    assert correlation == pytest.approx(np.exp(-0.5), abs=0.25)


@pytest.mark.parametrize(("fraction", "count"), [(0, 0), (0.25, 25), (0.333, 33), (1, 100)])
def test_the_upper_part_holds_the_largest_values(fraction, count):
    values = np.random.default_rng(1).standard_normal(100)
    mask = upper_part(values, fraction)
    assert mask.sum() == count
    if 0 < count < 100:
        assert values[mask].min() > values[~mask].max()
