"""Images of vortices: the kernel at each pixel, flux in discs, mean and contrast, bad windows."""

import math

import numpy as np
import pytest
import scipy.special
from numpy.testing import assert_allclose

import bdg
from bdg.electrodynamics import VortexField
from bdg.instruments import ScanningSquid, place_vortices, vortex_count
from bdg.instruments.vortex_positions import _Motion

FIELD = VortexField(height_um=1, penetration_depth_um=4)  # its height is not used
AT_FIVE = VortexField(height_um=5, penetration_depth_um=4)


def test_an_image_is_the_sum_of_kernels():
    """Splines of the kernel err by 1e-7."""
    vortices = np.array([[0.0, 0.0], [30.0, 20.0], [-70.0, 5.0]])  # the last outside of the window
    image = ScanningSquid().image(vortices, FIELD, 120, 4, background_uT=0.7)
    assert image.values.shape == (30, 30) and image.x_um[[0, -1]] == pytest.approx([-58, 58])
    for row, column in ((0, 0), (17, 22), (15, 15)):
        place = image.x_um[column], image.x_um[row]
        expected = 0.7 + sum(AT_FIVE.through_loop(5, math.dist(place, vortex)) for vortex in vortices)
        assert image.values[row, column] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("degrees", [10.0, -20.0])
def test_a_tilted_loop_leans_towards_larger_x(degrees):
    """Splines over the vector potential err by 3e-6 of a uT, a millionth of the peak."""
    image = ScanningSquid(tilt_degrees=degrees).image([[0, 0]], FIELD, 60, 60 / 11)
    for column in (5, 7, 10):
        expected = AT_FIVE.through_loop(5, image.x_um[column], degrees)
        assert image.values[5, column] == pytest.approx(expected, abs=3e-6)
    left = AT_FIVE.through_loop(5, image.x_um[8], -degrees)
    assert image.values[5, 2] == pytest.approx(left, abs=3e-6)
    assert_allclose(image.values, image.values[::-1], atol=1e-9)
    upright = ScanningSquid().image([[0, 0]], FIELD, 60, 60 / 11)
    little = ScanningSquid(tilt_degrees=1e-7).image([[0, 0]], FIELD, 60, 60 / 11)
    assert_allclose(little.values, upright.values, atol=3e-6)


def test_flux_in_discs_and_windows():
    """.45 of a quantum in 15 um; one vortex in a window of 120 um: .84 to .90."""
    image = ScanningSquid().image([[6.0, -3.0]], FIELD, 120, 2, background_uT=2.0)
    for radius in (5.0, 15.0, 50.0):
        assert image.flux_in((6, -3), radius) == pytest.approx(AT_FIVE.flux_in_disc(radius, 5), rel=1e-4)
    centred = ScanningSquid().image([[0, 0]], FIELD, 120, 2)
    total = centred.values.mean() * 120**2 / 2067.8338
    assert total == pytest.approx(AT_FIVE.flux_in_square(120.0, 5), rel=1e-3) and 0.84 < total < 0.9
    with pytest.raises(ValueError, match=r"the disc must lie in the window of 120 um.*got centre_um = \(6, -3\)"):
        image.flux_in((6, -3), 55)


def test_noise_repeats_with_its_seed():
    squid = ScanningSquid(noise_uT=0.2)
    images = [squid.image([], FIELD, 100, 1, 3.0, seed).values for seed in (1, 1, 2)]
    assert (images[0] == images[1]).all() and (images[0] != images[2]).any()
    assert images[0].std() == pytest.approx(0.2, rel=0.03) and images[0].mean() == pytest.approx(3.0, abs=0.01)


def test_an_image_is_saved_and_drawn(tmp_path):
    image = ScanningSquid().image([[0, 0]], FIELD, 40, 4)
    image.save(tmp_path / "image.h5")
    again = bdg.load(tmp_path / "image.h5")
    assert (again.values == image.values).all() and again.evidence.window_um == 40
    empty = ScanningSquid().image([], FIELD, 40, 4, background_uT=1.0)
    empty.save(tmp_path / "empty.h5")
    assert bdg.load(tmp_path / "empty.h5").vortices_um.size == 0
    assert image.plot().axes and empty.plot().axes


def test_counts_of_the_seven_panels():
    """32, 28.5, 21.6, 14.6, 11, 4, .7 vortices in 120 um at +1.5 ... -3 uT with a residual of 3.0 to 3.2 uT."""
    applied = np.array([1.5, 1, 0, -1, -1.5, -2.5, -3])
    counts = np.array([vortex_count(b + 3.1, 120) for b in applied])
    assert_allclose(counts, [32, 28.5, 21.6, 14.6, 11, 4, 0.7], atol=0.75)


def test_repulsion_evens_out_and_pins_disturb():
    nearest = []
    for pinning in (0.0, 1.0, math.inf):
        found = place_vortices(36, 60.0, pinning=pinning, samples=2, seed=3).positions_um
        assert found.shape == (2, 36, 2) and abs(found).max() <= 30
        steps = found[:, :, None] - found[:, None]
        steps -= 60 * np.round(steps / 60)
        distance = np.linalg.norm(steps, axis=-1) + 1e3 * np.eye(36)
        nearest.append(distance.min(axis=-1).mean() / 10)  # the mean spacing is 10
    assert nearest[0] > 0.9 and nearest[0] > nearest[1] > nearest[2]
    assert nearest[2] == pytest.approx(0.5, abs=0.1)  # of random points
    one, other = (place_vortices(9, 60.0, seed=seed).positions_um for seed in (5, 5))
    assert (one == other).all()


def test_forces_of_vortices_and_pins():
    """K_1(s/l)/(l K_0(1/l)) apart, and towards a pin at (0, 0): u x/w^2 exp(-x^2/2w^2), w = .15 spacings."""
    pins = np.array([[[0.0, 0.0], [4.0, 4.0]]])
    places = np.array([[[0.05, 0.0], [0.05, 1.5]]])
    for reach in (0.5, 3.0):
        force = _Motion(8.0, reach, 5.0, pins)._force(places, pins)[0, 0]
        pull = 5.0 * 0.05 / 0.15**2 * math.exp(-0.5 * (0.05 / 0.15) ** 2)
        push = scipy.special.k1(1.5 / reach) / (reach * scipy.special.k0(1 / reach))
        assert_allclose(force, [-pull, -push], rtol=1e-10)


def test_the_mean_of_a_survey_is_the_flux_and_its_contrast_that_of_random_points():
    """Campbell: variance = n int K^2 d^2r; 24 images of 28 vortices each, 2 standard errors and their own scatter."""
    survey = ScanningSquid().survey(3.0, FIELD, 60, 3, samples=24, pinning=math.inf, seed=1)
    assert survey.mean_uT == pytest.approx(3.0, abs=4 * survey.mean_error_uT)
    r, weight = np.polynomial.legendre.leggauss(60)
    r, weight = 50 * (1 + r), 50 * weight
    variance = 3.0 / 2067.8338 * (weight * 2 * math.pi * r * AT_FIVE.through_loop(5, r) ** 2).sum()
    # a window of 60 um takes a part of the variance that is in its own mean
    assert 0.75 * math.sqrt(variance) / 3 < survey.contrast < 1.05 * math.sqrt(variance) / 3
    even = ScanningSquid().survey(3.0, FIELD, 60, 3, samples=3, seed=1)
    assert even.contrast < 0.6 * survey.contrast
    assert even.mean_uT == pytest.approx(21 * 2067.8338 / 120**2, rel=0.01)  # 21 vortices in the square


def test_contrast_falls_with_the_penetration_depth():
    """From 4.1 to 5.9 um: peak -28 %, standard deviation of random positions -19 % (Campbell's integral)."""
    r, weight = np.polynomial.legendre.leggauss(100)
    r, weight = 100 * (1 + r), 100 * weight
    peaks, deviations = [], []
    for depth in (4.1, 5.9):
        read = VortexField(height_um=5, penetration_depth_um=depth).through_loop(5, r)
        peaks.append(VortexField(height_um=5, penetration_depth_um=depth).through_loop(5))
        deviations.append(math.sqrt((weight * r * read**2).sum()))
    assert peaks[1] / peaks[0] - 1 == pytest.approx(-0.28, abs=0.03)
    assert deviations[1] / deviations[0] - 1 == pytest.approx(-0.19, abs=0.03)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ScanningSquid(loop_radius_um=-1), r"loop_radius_um must be finite and >= 0 \(um\); got -1"),
        (lambda: ScanningSquid(height_um=0), "height_um must be positive"),
        (lambda: ScanningSquid(tilt_degrees=90), "tilt_degrees must leave the loop above the surface"),
        (lambda: ScanningSquid(noise_uT=-1), "noise_uT"),
        (lambda: ScanningSquid().image([], FIELD, 9, 1), "size_um must be at least the diameter of the loop"),
        (lambda: ScanningSquid().image([], FIELD, 100, 100), "pixel_um must give 2 to 4096 pixels"),
        (lambda: ScanningSquid().image([1.0, 2.0], FIELD, 100, 1), "vortices_um must be real positions in shape"),
        (lambda: ScanningSquid().image([[math.nan, 2.0]], FIELD, 100, 1), "vortices_um must be finite"),
        (lambda: ScanningSquid().survey(-1, FIELD, 100, 1), "flux_density_uT must be positive"),
        (lambda: place_vortices(0, 10.0), "number must be a whole number >= 1"),
        (lambda: place_vortices(3, 10.0, pinning=-1.0), "pinning must be finite and >= 0"),
        (lambda: vortex_count(1.0, -1), "size_um must be positive"),
    ],
)  # fmt: skip
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_field_is_a_vortex_field():
    with pytest.raises(TypeError, match=r"field must be a bdg.electrodynamics.VortexField; got float"):
        ScanningSquid().image([[0, 0]], 3.0, 100, 1)
