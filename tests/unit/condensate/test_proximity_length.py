"""Proximity length: recovery of known decays, model comparison, geometry, resolution, theory, errors."""

import dataclasses
import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

import bdg
from bdg.lattices.geometry import nearest_distance
from bdg.lattices.materials.host import HostBand, host_band


def _wall(grid, shape=(60, 4), thickness=6, **fields):
    """A superconducting slab at small x in an open box."""
    x = np.indices(shape)[0].ravel()
    return grid(shape, delta=np.where(x < thickness, 0.3, 0.0), **fields)


def _ball(grid, size=21, radius=4.0):
    centre = (size - 1) / 2
    distance = np.sqrt(((np.indices((size,) * 3) - centre) ** 2).sum(axis=0)).ravel()
    return grid((size,) * 3, delta=np.where(distance < radius, 0.3, 0.0))


def _distance(system):
    inside = system.grain >= 0
    distance, _ = nearest_distance(system.positions, system.positions[inside], system.period)
    return distance


def test_exponential_of_a_slab_is_recovered(grid):
    system = _wall(grid)
    amplitude = 0.02 * np.exp(-_distance(system) / 7.3)
    result = bdg.proximity_length(system, amplitude)
    assert_allclose(result.length, 7.3, rtol=1e-9)
    assert (result.model, result.geometry, result.resolved) == ("exponential", "flat", True)
    assert result.uncertainty < 1e-6 and result.largest_distance == 54
    assert_allclose(result.profile.distance[:3], [1, 2, 3])
    assert_allclose(result.profile.amplitude[:2], 0.02 * np.exp(-np.array([1, 2]) / 7.3))
    assert (result.profile.count == 4).all()
    assert np.isnan(result.profile.fitted[0])  # the layer next to the surface is not fitted
    assert_allclose(result.profile.fitted[1:], result.profile.amplitude[1:], rtol=1e-8)


@pytest.mark.parametrize(
    ("model", "decay", "length"),
    [
        ("stretched", lambda x: np.exp(-np.sqrt(x / 5.0)), 5.0),
        ("stretched", lambda x: np.exp(-((x / 20.0) ** 1.6)), 20.0),
        ("power_law", lambda x: x**-2.5, None),
    ],
)
def test_auto_chooses_the_model_that_made_the_data(grid, model, decay, length):
    system = _wall(grid)
    with np.errstate(divide="ignore"):
        amplitude = np.where(system.grain < 0, decay(_distance(system)), 1.0)
    result = bdg.proximity_length(system, amplitude)
    assert result.model == model
    assert len(result.candidates) == 3
    if length is not None:
        assert_allclose(result.length, length, rtol=1e-6)
    else:
        assert_allclose(result.exponent, 2.5, rtol=1e-6)
        assert not result.resolved and "power law" in result.evidence.resolution


def test_spherical_spreading_is_seen_and_removed(grid):
    system = _ball(grid)
    x = _distance(system)
    radius = (3 * (system.grain >= 0).sum() / (4 * np.pi)) ** (1 / 3)
    amplitude = np.exp(-x / 3.0) * radius / (radius + x)
    result = bdg.proximity_length(system, amplitude)
    assert (result.model, result.geometry) == ("exponential", "spherical")
    assert_allclose(result.length, 3.0, rtol=5e-3)  # bins one spacing wide mix distances
    flat = bdg.proximity_length(system, amplitude, geometry="flat", model="exponential")
    assert flat.length < 0.85 * result.length  # without the factor the length comes out short


def test_radius_and_distance_of_the_nearest_grain_are_used(grid):
    """Two grains of different size given by the builder: each site is corrected with its own."""
    shape = (40, 15, 15)
    grid_index = np.indices(shape).reshape(3, -1).T
    centres, diameters = np.array([[7.0, 7, 7], [30, 7, 7]]), np.array([6.0, 12.0])
    from_centre = np.linalg.norm(grid_index[:, None, :] - centres, axis=2)
    inside = from_centre < diameters / 2
    base = grid(shape, delta=np.where(inside.any(axis=1), 0.3, 0.0))
    system = dataclasses.replace(base, info={"diameters": diameters})
    distance = _distance(system)
    _, index = nearest_distance(system.positions, system.positions[system.grain >= 0], system.period)
    owner = system.grain[np.flatnonzero(system.grain >= 0)[index]]
    radius = diameters[owner] / 2
    amplitude = np.exp(-distance / 4.0) * radius / (radius + distance)
    result = bdg.proximity_length(system, amplitude, geometry="spherical", model="exponential")
    assert_allclose(result.length, 4.0, rtol=5e-3)


def test_phase_of_the_nearest_grain_is_removed_and_random_signs_average_out(grid):
    """With a phase on the grain the length stays; sample-specific fluctuations of random phase do not floor |F|."""
    system = _wall(grid, (60, 40)).with_phases({0: 1.1})
    decay = np.exp(-_distance(system) / 5.0) * np.exp(1.1j)
    rng = np.random.default_rng(3)
    noise = 1e-3 * np.exp(2j * np.pi * rng.random(decay.size))
    result = bdg.proximity_length(system, decay + noise)
    assert result.model == "exponential"
    assert_allclose(result.length, 5.0, rtol=0.02)
    assert result.window[1] < 50  # bins without signal are left out


def test_magnitudes_are_taken_as_they_are(grid):
    system = _wall(grid).with_phases({0: np.pi / 2})
    decay = np.exp(-_distance(system) / 7.0)
    for amplitude in (decay, decay * 1j):
        assert_allclose(bdg.proximity_length(system, amplitude).length, 7.0, rtol=1e-9)


def test_periodic_axes_shorten_distances(grid):
    x = np.indices((40, 2))[0].ravel()
    system = grid((40, 2), delta=np.where(x < 4, 0.3, 0.0), periodic=True)
    result = bdg.proximity_length(system, np.exp(-_distance(system) / 3.0), bin_width=1.0)
    assert result.largest_distance == 18 and result.profile.distance.max() == 18
    assert_allclose(result.length, 3.0, rtol=1e-9)


def test_noise_sets_the_uncertainty_and_the_window(grid):
    system = _wall(grid, (80, 30))
    truth = np.exp(-_distance(system) / 6.0)
    lengths, errors = [], []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        noisy = truth * (1 + 0.5 * rng.standard_normal(truth.size)) + 1e-4 * rng.standard_normal(truth.size)
        result = bdg.proximity_length(system, noisy, model="exponential")
        lengths.append(result.length)
        errors.append(result.uncertainty)
        assert result.window[0] == 2 and result.window[1] < 75
        assert np.isfinite(result.profile.standard_error).all()
    assert_allclose(np.mean(lengths), 6.0, atol=4 * np.std(lengths) / np.sqrt(40))  # unbiased over 40 samples
    ratio = np.std(lengths) / np.mean(errors)
    assert 0.5 < ratio < 1.6  # the stated error is the scatter over samples, within its own error and the 1 % floor


@pytest.mark.parametrize(("length", "words"), [(40.0, "exceeds half the largest distance"), (0.5, "below the spacing")])
def test_unresolved_lengths_are_said_to_be_so(grid, length, words):
    system = _wall(grid)
    result = bdg.proximity_length(system, np.exp(-_distance(system) / length), model="exponential")
    assert not result.resolved and words in result.evidence.resolution


def test_too_few_bins_is_a_result_not_a_number(grid):
    system = _wall(grid, (9, 4))
    result = bdg.proximity_length(system, np.exp(-_distance(system)))
    assert math.isnan(result.length) and not result.resolved and "only 2 bins" in result.evidence.resolution


def test_window_and_bin_width(grid):
    system = _wall(grid)
    x = _distance(system)
    amplitude = np.where(x < 20, np.exp(-x / 3.0), np.exp(-20 / 3.0) * np.exp(-(x - 20) / 9.0))
    near = bdg.proximity_length(system, amplitude, window=(2, 19), model="exponential")
    far = bdg.proximity_length(system, amplitude, window=(21, 50), bin_width=3.0, model="exponential")
    assert_allclose([near.length, far.length], [3.0, 9.0], rtol=1e-9)
    assert near.window == (2.0, 19.0)
    assert_allclose(np.diff(far.profile.distance)[1:-1], 3.0)


def test_amplitude_result_on_chosen_sites_carries_temperature(grid):
    system = _wall(grid, (20, 6), mu=-1.0, disorder=1.0)
    sites = np.flatnonzero(system.grain < 0)[::2]
    amplitude = bdg.pair_amplitude(system, 0.2, sites=sites)
    result = bdg.proximity_length(system, amplitude)
    assert result.temperature == 0.2 and result.profile.count.sum() == sites.size
    override = bdg.proximity_length(system, amplitude, temperature=0.4, mean_free_path=3.0)
    assert_allclose(override.theory["clean"], result.theory["clean"] / 2)
    velocity = result.theory["clean"] * 2 * np.pi * 0.2
    assert_allclose(override.theory["diffusive"], np.sqrt(velocity * 3.0 / 2 / (2 * np.pi * 0.4)))


def test_bins_below_the_error_of_the_amplitude_are_not_fitted(grid):
    system = _wall(grid, (60, 4), mu=-1.0)
    amplitude = bdg.pair_amplitude(system, 0.3)
    result = bdg.proximity_length(system, dataclasses.replace(amplitude, error=1e-4), model="exponential")
    fitted = result.profile.amplitude[np.isfinite(result.profile.fitted)]
    assert fitted.min() > 4e-4 and result.profile.amplitude.min() < 1e-6


def test_theory_reads_the_band_of_the_host(grid):
    system = _wall(grid, (60, 40), mu=-1.0, disorder=2.0)
    band = host_band(system)
    assert isinstance(band, HostBand)
    assert_allclose([band.t, band.spacing, band.surface.dimensions], [1, 1, 2])
    # sample of 2160 sites: standard error of the variance 2 %, of the mean 0.012
    assert_allclose(band.onsite_variance, 2.0**2 / 12, rtol=0.08)
    assert_allclose(band.mu, -1.0, atol=0.05)
    # golden rule at width 2, mu = -1: tau = 3.26, <v_x^2> = 2.562 from a k-sum
    assert_allclose(band.mean_free_path / band.surface.v_F, 3.26, rtol=0.1)
    assert_allclose(band.surface.v_x_squared, 2.562, rtol=0.05)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda s: dataclasses.replace(s, grain=np.zeros(s.n_sites, int)), "no host sites"),
        (lambda s: dataclasses.replace(s, positions=s.positions @ np.array([[1, 0.2], [0, 1]])), "not a simple cubic"),
        (lambda s: s.with_onsite(20.0), "outside the host's band"),
    ],
)
def test_theory_says_why_it_is_absent(grid, change, reason):
    assert reason in host_band(change(_wall(grid, (20, 4))))


def test_save_load_plot(grid, tmp_path):
    system = _wall(grid)
    result = bdg.proximity_length(system, np.exp(-_distance(system) / 7.3), temperature=0.1)
    result.save(tmp_path / "length.h5")
    loaded = bdg.load(tmp_path / "length.h5")
    assert (loaded.length, loaded.model, loaded.window) == (result.length, result.model, result.window)
    assert loaded.theory["clean"] == result.theory["clean"] and math.isnan(loaded.theory["diffusive"])
    assert np.array_equal(loaded.profile.amplitude, result.profile.amplitude)
    axes = result.plot().axes[0]
    assert axes.get_yscale() == "log" and any("7.3" in text.get_text() for text in axes.get_legend().get_texts())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"model": "linear"}, "model must be one of auto, exponential, stretched, power_law; got 'linear'"),
        ({"geometry": "conical"}, "geometry must be one of auto, flat, spherical"),
        ({"window": (5, 2)}, "0 <= low < high"),
        ({"bin_width": 0}, "bin_width must be positive"),
        ({"temperature": -1}, "temperature must be finite and >= 0"),
        ({"mean_free_path": -1}, "mean_free_path must be positive"),
        ({"amplitude": np.ones(3)}, r"array \(240,\) of F on every site; got ndarray of shape \(3,\)"),
        ({"amplitude": np.full(240, np.nan)}, "amplitude must be finite"),
    ],
)
def test_argument_errors(grid, arguments, message):
    with pytest.raises(ValueError, match=message):
        bdg.proximity_length(_wall(grid), **{"amplitude": np.ones(240), **arguments})


def test_systems_without_superconductor_or_host_are_refused(grid):
    with pytest.raises(ValueError, match="no superconducting site"):
        bdg.proximity_length(grid((5,)), np.ones(5))
    with pytest.raises(ValueError, match="no host site"):
        bdg.proximity_length(grid((5,), delta=0.3), np.ones(5))
