"""The band against routes that share nothing with it: Bessel integrals, solid angles, k meshes, closed forms."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ellipk, erf, expit, j0, j1

from bdg.lattices.materials.band import chemical_potential, fermi_surface

LEVELS = {1: (-1.6, -1.0, 0.0, 0.7), 2: (-3.7, -2.0, -1.0, -0.5, 1.3), 3: (-5.5, -4.0, -3.0, -1.0, 0.0, 1.2, 4.5)}
CASES = [(mu, dimensions) for dimensions, levels in LEVELS.items() for mu in levels]


def bessel_integrals(mu, dimensions):
    """Filling, N0 and N0 <v_x^2> by Fourier transform over time: each direction of k is a Bessel function.

    delta(mu - e) = (1/pi) int_0^inf cos((mu - e) s) ds, <cos(2 s cos k)> = J0(2s), <4 sin^2 k cos(...)> = 2 J1(2s)/s.
    A smooth cut-off at large s costs exp(-sqrt(s)): all frequencies stay away from zero off the van Hove points. The
    integrands are even and smooth, so the trapezoid rule is exact to rounding.
    """
    end, step = 1200.0, 0.2
    s = step * np.arange(1, int(end / step))
    x = np.clip(2 * s / end - 1, 1e-9, 1 - 1e-9)
    window = expit(1 / x - 1 / (1 - x))
    bessel = window * j0(2 * s) ** dimensions
    velocity = window * j0(2 * s) ** (dimensions - 1) * 2 * j1(2 * s) / s
    states = (step / 2 + step * np.sum(np.cos(mu * s) * bessel)) / math.pi
    filling = 1 + 2 * (step * mu / 2 + step * np.sum(np.sin(mu * s) / s * bessel)) / math.pi
    return filling, states, (step + step * np.sum(np.cos(mu * s) * velocity)) / math.pi


@pytest.mark.parametrize(("mu", "dimensions"), CASES)
def test_filling_states_and_velocity_squared_against_bessel_integrals(mu, dimensions):
    """The cut-off leaves less than 1e-8 at 0.3 or more from the nearest van Hove point."""
    surface = fermi_surface(mu, dimensions)
    filling, states, states_speed = bessel_integrals(mu, dimensions)
    assert surface.filling == pytest.approx(filling, abs=1e-8)
    assert surface.density_of_states == pytest.approx(states, rel=1e-8)
    assert surface.density_of_states * surface.v_x_squared == pytest.approx(states_speed, rel=1e-8)


@pytest.mark.parametrize("mu", [-5.99, -5.0, -3.5, -2.5])
def test_a_closed_cubic_surface_against_an_integral_over_solid_angles(mu):
    """k(direction) by Newton's method; int dS/|v| = int d(Omega) k^2/(v.n), Gauss-Legendre times trapezoid."""
    cosine, weight = np.polynomial.legendre.leggauss(60)
    phi = (np.arange(120) + 0.5) * 2 * np.pi / 120
    sine = np.sqrt(1 - cosine[:, None] ** 2)
    normal = np.stack(np.broadcast_arrays(sine * np.cos(phi), sine * np.sin(phi), cosine[:, None]))
    k = np.full(normal.shape[1:], math.sqrt(mu + 6))
    for _ in range(60):
        radial = np.sum(2 * np.sin(k * normal) * normal, axis=0)
        k = k + (mu + 2 * np.sum(np.cos(k * normal), axis=0)) / radial
    velocity = 2 * np.sin(k * normal)
    speed = np.sqrt(np.sum(velocity**2, axis=0))
    measure = weight[:, None] * (2 * np.pi / phi.size) / (2 * np.pi) ** 3
    share = measure * k**2 / np.sum(velocity * normal, axis=0)
    surface = fermi_surface(mu, 3)
    tolerance = 1e-11 if mu < -3 else 1e-7  # necks grow towards the zone face as mu -> -2
    assert surface.filling == pytest.approx(2 * np.sum(measure * k**3) / 3, rel=tolerance)
    assert surface.density_of_states == pytest.approx(np.sum(share), rel=tolerance)
    assert surface.v_F == pytest.approx(np.sum(share * speed) / np.sum(share), rel=tolerance)


@pytest.mark.parametrize(("mu", "dimensions", "cells"), [(-1, 2, 1200), (-3, 2, 1200), (-1, 3, 96), (0, 3, 96)])
def test_mean_velocity_against_a_sum_over_a_k_mesh(mu, dimensions, cells):
    """Gaussian-broadened levels; the error of a width s is c s^2 + d s^4, of which two widths remove the first."""
    k = (np.arange(cells) + 0.5) * np.pi / cells
    mesh = np.meshgrid(*[k] * dimensions, indexing="ij", sparse=True)
    energy = -2 * sum(np.cos(axis) for axis in mesh)
    speed = 2 * np.sqrt(sum(np.sin(axis) ** 2 for axis in mesh))

    def broadened(width):
        weight = np.exp(-(((mu - energy) / width) ** 2) / 2)
        below = 1 + erf((mu - energy) / width / math.sqrt(2))
        norm = cells**dimensions * width * math.sqrt(2 * math.pi)
        return np.array([np.sum(weight) / norm, np.sum(weight * speed) / norm, np.mean(below)])

    states, flux, filling = (4 * broadened(0.1) - broadened(0.2)) / 3
    surface = fermi_surface(mu, dimensions)
    assert surface.density_of_states == pytest.approx(states, rel=5e-4)
    assert surface.v_F == pytest.approx(flux / states, rel=5e-4)
    assert surface.filling == pytest.approx(filling, rel=5e-4)


@pytest.mark.parametrize(("mu", "printed"), [(-1, 0.141911), (-2, 0.109250), (-0.5, 0.176068), (0.5, 0.176068)])
def test_states_of_the_square_lattice(mu, printed):
    states = fermi_surface(mu, 2).density_of_states
    assert abs(states - printed) < 5e-7 + 1e-12
    assert states == pytest.approx(ellipk(1 - (mu / 4) ** 2) / (2 * math.pi**2), rel=1e-13)


def test_velocity_of_the_square_lattice():
    """<v_x^2> = 2.562 at mu = -1: with N0 it gives the Drude weight of a strip with disorder."""
    assert fermi_surface(-1, 2).v_x_squared == pytest.approx(2.562, abs=5e-4)


@pytest.mark.parametrize("mu", [-1.999, -0.3, 0, 1.5])
def test_chain_in_closed_form(mu):
    surface, k = fermi_surface(mu, 1), math.acos(-mu / 2)
    assert surface.v_F == pytest.approx(2 * math.sin(k), rel=1e-12)
    assert surface.v_x_squared == pytest.approx(4 * math.sin(k) ** 2, rel=1e-12)
    assert surface.density_of_states == pytest.approx(1 / (2 * math.pi * math.sin(k)), rel=1e-12)
    assert surface.filling == pytest.approx(2 * k / math.pi, rel=1e-12)


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_few_electrons_are_free(dimensions):
    """e = k^2 - 2d, v = 2k; corrections are of order k^2."""
    k = 0.01
    surface = fermi_surface(-2 * dimensions + k**2, dimensions)
    states = {1: 1 / (2 * math.pi * k), 2: 1 / (4 * math.pi), 3: k / (4 * math.pi**2)}[dimensions]
    filling = {1: 2 * k / math.pi, 2: k**2 / (2 * math.pi), 3: k**3 / (3 * math.pi**2)}[dimensions]
    assert surface.v_F == pytest.approx(2 * k, rel=k**2)
    assert surface.v_x_squared == pytest.approx(4 * k**2 / dimensions, rel=k**2)
    assert surface.density_of_states == pytest.approx(states, rel=k**2)
    assert surface.filling == pytest.approx(filling, rel=k**2)


@pytest.mark.parametrize("mu", [-2.0001, -2.0, -1.9999])
def test_filling_grows_by_the_density_of_states_next_to_the_van_hove_point(mu):
    """Simpson's rule for n(b) - n(a) = 2 int N0; N0 has a square-root kink at mu = -2, so stay on one side of it."""
    a, b = (mu, mu + 0.02) if mu >= -2 else (mu - 0.02, mu)
    x, weight = np.polynomial.legendre.leggauss(24)
    fraction = ((x + 1) / 2) ** 2  # squares take the kink away
    level = a + (b - a) * fraction if mu >= -2 else b - (b - a) * fraction
    states = np.array([fermi_surface(float(e), 3).density_of_states for e in level])
    expected = 2 * np.sum(weight * states * np.sqrt(fraction)) * (b - a)
    assert fermi_surface(b, 3).filling - fermi_surface(a, 3).filling == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_electrons_and_holes_are_alike(dimensions):
    below, above = fermi_surface(-0.9, dimensions), fermi_surface(0.9, dimensions)
    assert above.filling == pytest.approx(2 - below.filling, rel=1e-14)
    assert above.density_of_states == below.density_of_states
    assert (above.v_F, above.v_x_squared) == (below.v_F, below.v_x_squared)


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_the_hopping_sets_the_unit(dimensions):
    one, other = fermi_surface(-0.4, dimensions), fermi_surface(-0.4 * 2.5, dimensions, t=2.5)
    assert other.filling == pytest.approx(one.filling, rel=1e-14)
    assert other.density_of_states == pytest.approx(one.density_of_states / 2.5, rel=1e-14)
    assert other.v_F == pytest.approx(2.5 * one.v_F, rel=1e-14)
    assert other.v_x_squared == pytest.approx(6.25 * one.v_x_squared, rel=1e-14)
    assert chemical_potential(one.filling, dimensions, t=2.5) == pytest.approx(-1.0, rel=1e-11)


@given(filling=st.floats(1e-3, 2 - 1e-3), dimensions=st.sampled_from([1, 2, 3]))
def test_filling_comes_back_from_the_chemical_potential(filling, dimensions):
    """mu of a chain with n = 1e-3 lies 2e-6 above the bottom of the band and is rounded to 4e-16."""
    mu = chemical_potential(filling, dimensions)
    assert fermi_surface(mu, dimensions).filling == pytest.approx(filling, rel=1e-9 if dimensions == 1 else 1e-12)


def test_one_electron_a_site_is_the_middle_of_the_band():
    assert [chemical_potential(1, dimensions) for dimensions in (1, 2, 3)] == [0, 0, 0]
    surface = fermi_surface(0, 2)
    assert (surface.filling, surface.density_of_states, surface.v_F) == (1, math.inf, 0)


def test_next_to_the_van_hove_point_of_the_square_lattice():
    """N0 -> ln(16/|mu|)/(2 pi^2)."""
    surface = fermi_surface(-1e-9, 2)
    assert surface.density_of_states == pytest.approx(math.log(16e9) / (2 * math.pi**2), rel=1e-12)
    assert surface.filling == pytest.approx(1, abs=1e-8)
    # int dS: four sides of length sqrt(2) pi, whose corners are rounded over sqrt(|mu|) = 3e-5.
    assert surface.v_F * surface.density_of_states == pytest.approx(math.sqrt(2) / math.pi, rel=3e-5)


@pytest.mark.parametrize(("mu", "dimensions"), [(-4, 2), (4.1, 2), (2, 1), (-6.5, 3)])
def test_a_level_outside_the_band_is_refused(mu, dimensions):
    with pytest.raises(
        ValueError, match=rf"mu must lie inside the band, -{2 * dimensions} t < mu .*no 2dt shift.*got mu"
    ):
        fermi_surface(mu, dimensions)


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match="dimensions must be 1, 2 or 3; got 4"):
        fermi_surface(0, 4)
    with pytest.raises(ValueError, match="dimensions must be 1, 2 or 3; got True"):
        chemical_potential(1, True)
    with pytest.raises(ValueError, match="t must be positive and finite; got -1"):
        fermi_surface(0, 3, t=-1)
    with pytest.raises(ValueError, match="mu must be finite"):
        fermi_surface(math.nan, 3)
    with pytest.raises(TypeError, match="mu must be a real number"):
        fermi_surface("0", 3)
    for filling in (0, 2, -0.5, 2.5):
        with pytest.raises(ValueError, match="filling must lie strictly between 0 and 2"):
            chemical_potential(filling, 3)
