"""Vortex above a surface: London's equation through a film, averages over loops, flux, ten decades of lengths."""

import math

import numpy as np
import pytest
import scipy.integrate
import scipy.linalg
import scipy.special
from numpy.testing import assert_allclose

from bdg.electrodynamics.vortex_field import FLUX_QUANTUM_UT_UM2, VortexField

HALF_SPACES = {2: (4.55, 14.5), 4: (2.89, 17.4), 5: (2.39, 18.8)}  # lambda: peak in uT, width in um
WINDOWS = {2: (0.40, 0.56, 0.77, 0.88), 5: (0.25, 0.41, 0.67, 0.83)}  # flux in discs of 10, 15, 30, 60 um


@pytest.mark.parametrize("depth", HALF_SPACES)
def test_peak_and_width_of_a_loop_at_five_micrometres(depth):
    found = VortexField(height_um=5, penetration_depth_um=depth)
    r = np.linspace(0, 15, 301)
    profile = found.through_loop(5, r)
    peak, width = HALF_SPACES[depth]
    assert profile[0] == pytest.approx(peak, abs=0.005)
    assert 2 * np.interp(-profile[0] / 2, -profile, r) == pytest.approx(width, abs=0.06)


@pytest.mark.parametrize("depth", WINDOWS)
def test_flux_in_windows(depth):
    """Read by a loop of 4 um (2 um line: effective radius 4 to 5 um); all are rounded to .01."""
    flux = VortexField(height_um=5, penetration_depth_um=depth).flux_in_disc([10, 15, 30, 60], 4)
    assert_allclose(flux, WINDOWS[depth], atol=0.0075)
    assert 0.84 < VortexField(height_um=5, penetration_depth_um=4).flux_in_square(120.0, 5) < 0.9


def field_through_film(k, depth, thickness, n=4000):
    """Return B_z at the surface over Phi_0 by finite differences: ``B'' = alpha^2 B - 1/lambda^2``, B' = 0 and -k B."""
    h = thickness / 2 / n
    alpha = k**2 + depth**-2
    diagonal = np.full(n + 1, -2 / h**2 - alpha)
    off = np.full(n, 1 / h**2)
    lower, upper = off.copy(), off.copy()
    upper[0] = lower[-1] = 2 / h**2  # mirror at the middle; ghost point at the surface
    diagonal[-1] -= 2 * k / h
    banded = np.array([np.r_[0, upper], diagonal, np.r_[lower, 0]])
    return scipy.linalg.solve_banded((1, 1), banded, np.full(n + 1, -(depth**-2)))[-1]


@pytest.mark.parametrize("thickness", [0.03, 1.0, 12.0])
@pytest.mark.parametrize("k", [0.01, 0.3, 3.0])
def test_the_spectrum_of_a_film_solves_the_london_equation(k, thickness):
    """Differences err by (alpha h)^2."""
    film = VortexField(height_um=1, penetration_depth_um=2, thickness_um=thickness)
    assert film.spectrum(k) == pytest.approx(field_through_film(k, 2, thickness), rel=1e-5)


def test_films_between_half_space_and_pearl():
    k = np.logspace(-4, 3, 30)
    half = VortexField(height_um=1, penetration_depth_um=2)
    thick = VortexField(height_um=1, penetration_depth_um=2, thickness_um=1e5)
    assert_allclose(thick.spectrum(k), half.spectrum(k), rtol=1e-12)
    thin = VortexField(height_um=1, penetration_depth_um=2, thickness_um=1e-9)
    pearl = VortexField(height_um=1, pearl_length_um=8e9)
    assert_allclose(thin.spectrum(k), pearl.spectrum(k), rtol=1e-6)
    assert_allclose(thin.at([0.1, 3.0]), pearl.at([0.1, 3.0]), rtol=1e-6)


def hankel(spectrum, r, height):
    """The integral over the real axis, by Simpson's rule."""
    k = np.linspace(0, 45 / height, 400_001)
    value = k * spectrum(k) * np.exp(-k * height) * scipy.special.j0(k * r)
    return FLUX_QUANTUM_UT_UM2 * scipy.integrate.simpson(value, x=k) / (2 * math.pi)


@pytest.mark.parametrize("r", [0.0, 1.0, 4.9, 5.1, 20.0, 90.0])
@pytest.mark.parametrize("lengths", [{"penetration_depth_um": 4}, {"pearl_length_um": 40}])
def test_field_at_a_point(lengths, r):
    found = VortexField(height_um=5, **lengths)
    assert found.at(r) == pytest.approx(hankel(found.spectrum, r, 5), rel=1e-9)


def test_a_pearl_vortex_far_from_its_centre():
    """``Phi_0/(2 pi Lambda r)`` inside the Pearl length (J. Pearl), ``Phi_0 Lambda/(2 pi r^3)`` outside."""
    found = VortexField(height_um=1e-3, pearl_length_um=1e4)
    assert found.at(1.0) == pytest.approx(FLUX_QUANTUM_UT_UM2 / (2 * math.pi * 1e4), rel=1e-3)
    assert found.at(1e8) == pytest.approx(FLUX_QUANTUM_UT_UM2 * 1e4 / (2 * math.pi * 1e24), rel=1e-3)


def average_over_loop(field, radius, r, tilt):
    """Mean of B.n over a tilted disc: Gauss along its radius, trapezoid around; B_r by differences of fluxes."""
    rho, weight = np.polynomial.legendre.leggauss(12)
    rho, weight = radius * (1 + rho) / 2, weight / 2
    angle = (np.arange(24) + 0.5) * 2 * math.pi / 24
    along, across = rho[:, None] * np.cos(angle), rho[:, None] * np.sin(angle)
    x = r + along * math.cos(tilt)
    distance, height = np.hypot(x, across), field.height_um - along * math.sin(tilt)
    total = 0.0
    for i, j in np.ndindex(distance.shape):
        here = VortexField(height_um=height[i, j], penetration_depth_um=field.penetration_depth_um)
        normal, d, step = here.at(distance[i, j]), distance[i, j], 1e-3
        fluxes = [
            VortexField(height_um=z, penetration_depth_um=field.penetration_depth_um).flux_in_disc(d)
            for z in (height[i, j] - step, height[i, j] + step)
        ]
        radial = -(fluxes[1] - fluxes[0]) / (2 * step) / (2 * math.pi * d) * FLUX_QUANTUM_UT_UM2
        value = math.cos(tilt) * normal + math.sin(tilt) * radial * x[i, j] / d
        total += 2 * weight[i] * rho[i] / radius * value / 24
    return total


@pytest.mark.slow
@pytest.mark.parametrize(("r", "degrees"), [(0.0, 10.0), (3.0, 10.0), (8.0, -25.0), (15.0, 30.0)])
def test_tilted_loops_against_direct_averages(r, degrees):
    """Differences of fluxes err by 1e-8."""
    field = VortexField(height_um=5, penetration_depth_um=3)
    expected = average_over_loop(field, 4.0, r, math.radians(degrees))
    assert field.through_loop(4.0, r, degrees) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(("radius", "r"), [(5.0, 0.0), (5.0, 3.0), (5.0, 5.0), (2.0, 11.0), (30.0, 40.0)])
def test_loops_against_direct_averages(radius, r):
    """Exact for the smooth field: 16 nodes along the radius, 32 around."""
    field = VortexField(height_um=5, penetration_depth_um=3)
    rho, weight = np.polynomial.legendre.leggauss(16)
    rho, weight = (1 + rho) / 2, weight / 2
    angle = (np.arange(32) + 0.5) * math.pi / 32
    distance = np.hypot(r + radius * rho[:, None] * np.cos(angle), radius * rho[:, None] * np.sin(angle))
    expected = (2 * weight * rho * field.at(distance).mean(axis=1)).sum()
    assert field.through_loop(radius, r) == pytest.approx(expected, rel=1e-9)


def test_a_small_tilt_changes_little_and_continuously():
    field = VortexField(height_um=5, penetration_depth_um=3)
    for r in (0.0, 5.0, 9.99, 10.01, 40.0):
        assert field.through_loop(5, r, 1e-9) == pytest.approx(field.through_loop(5, r), rel=1e-8)
    assert field.through_loop(5, 9.999999, 20) == pytest.approx(field.through_loop(5, 10.000001, 20), rel=1e-6)
    mean = 0.5 * (field.through_loop(5, 7.0, 5) + field.through_loop(5, 7.0, -5))
    assert mean == pytest.approx(field.through_loop(5, 7.0), rel=0.01)
    assert field.through_loop(5, 7.0, 5) > field.through_loop(5, 7.0)  # the field leans outwards


def test_flux_is_that_of_the_field():
    field = VortexField(height_um=3, penetration_depth_um=2, thickness_um=1)
    r, weight = np.polynomial.legendre.leggauss(40)
    r, weight = 10 * (1 + r), 10 * weight
    for loop in (0.0, 4.0):
        flux = (weight * 2 * math.pi * r * field.through_loop(loop, r)).sum() / FLUX_QUANTUM_UT_UM2
        assert field.flux_in_disc(20.0, loop) == pytest.approx(flux, rel=1e-8)
    x, weight = np.polynomial.legendre.leggauss(20)
    square = (weight[:, None] * weight * field.through_loop(4.0, 8 * np.hypot(x[:, None], x))).sum() * 64
    assert field.flux_in_square(16.0, 4.0) == pytest.approx(square / FLUX_QUANTUM_UT_UM2, rel=1e-8)


@pytest.mark.parametrize("radius", [450.0, 1e4, 1e6])
def test_far_windows_miss_what_a_monopole_at_the_depth_lambda_sends_outside(radius):
    found = VortexField(height_um=5, penetration_depth_um=4)
    for loop in (0.0, 5.0):
        assert 1 - found.flux_in_disc(radius, loop) == pytest.approx(9 / radius, rel=9 / radius)
    film = VortexField(height_um=5, penetration_depth_um=4, thickness_um=2)
    assert 1 - film.flux_in_disc(radius) == pytest.approx((5 + 4 / math.tanh(0.25)) / radius, rel=0.05)


@pytest.mark.parametrize(
    "lengths",
    [
        {"penetration_depth_um": 1.0},
        {"penetration_depth_um": 1e-5},
        {"penetration_depth_um": 1e5},
        {"penetration_depth_um": 1.0, "thickness_um": 1e-4},
        {"penetration_depth_um": 1.0, "thickness_um": 1e5},
        {"pearl_length_um": 1e-5},
        {"pearl_length_um": 1e5},
    ],
)
@pytest.mark.parametrize("height", [1e-5, 1.0, 1e5])
def test_ten_decades(lengths, height):
    """Positive and falling outwards; fluxes grow to 1. Equal up to the rounding of near plateaus."""
    found = VortexField(height_um=height, **lengths)
    r = np.logspace(-5, 5, 31)
    field, flux = found.at(r), found.flux_in_disc(r)
    assert np.isfinite(field).all() and (field > 0).all() and (np.diff(field) <= 1e-14 * field[:-1]).all()
    assert (np.diff(flux) > -1e-14).all() and (flux > -1e-14).all() and flux[-1] < 1
    loop = found.through_loop(1.0, r)
    # fluxes are exact to 1e-15 of a quantum
    assert np.isfinite(loop).all() and (np.diff(loop) <= 1e-15 * FLUX_QUANTUM_UT_UM2).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"height_um": 0, "penetration_depth_um": 1}, r"height_um must be positive.*got 0"),
        ({"height_um": 1}, "either penetration_depth_um .* or pearl_length_um .*got neither"),
        ({"height_um": 1, "penetration_depth_um": 1, "pearl_length_um": 1}, "got both"),
        ({"height_um": 1, "penetration_depth_um": -1}, "penetration_depth_um"),
        ({"height_um": 1, "pearl_length_um": 1, "thickness_um": 1}, "thickness_um has no meaning beside pearl_length"),
    ],
)
def test_what_is_no_vortex(arguments, message):
    with pytest.raises(ValueError, match=message):
        VortexField(**arguments)


def test_what_is_no_loop():
    found = VortexField(height_um=5, penetration_depth_um=1)
    with pytest.raises(ValueError, match=r"loop_radius_um must be finite and >= 0 \(um\); got -1"):
        found.through_loop(-1)
    with pytest.raises(ValueError, match=r"tilt_degrees must leave the loop above the surface.*got 60"):
        found.through_loop(6, 0, 60)
    with pytest.raises(ValueError, match=r"r_um must be finite and >= 0 \(um\); got -2"):
        found.at([1, -2])
    with pytest.raises(TypeError, match="radius_um must be a real number"):
        found.flux_in_disc("wide")
