"""Sphere and shell: finite elements in r, Joule heat, limits, and numbers of a magnesium sphere."""

import math

import numpy as np
import pytest
import scipy.linalg
from numpy.testing import assert_allclose
from scipy.constants import mu_0

from bdg.electrodynamics.conducting_sphere import (
    london_sphere_susceptibility,
    moment_decay_time,
    skin_depth,
    sphere_susceptibility,
)

RADIUS, FREQUENCY = 1.5e-3, 1550.0
OMEGA = 2 * math.pi * FREQUENCY
# w mu_0 r K = 1 here
SHEET = 1 / (OMEGA * mu_0 * RADIUS)


def resistivity_of(ratio):
    """The resistivity at which r/delta has a value."""
    return mu_0 * OMEGA * (RADIUS / np.asarray(ratio)) ** 2 / 2


def finite_elements(ratio, shell, n=20_000):
    """Return nodes s = r/R and a of A = a sin(theta), B_0 R = 1: linear elements.

    ``(s^2 a')' - 2 a + 2i u^2 s^2 a = 0``. Outside a = s/2 + b/s^2, and the shell's current is ``i w K A``:
    ``a'(1) = 3/2 - 2 a + i w mu_0 R K a``.
    """
    s = np.linspace(0, 1, n + 1)
    middle, h = 0.5 * (s[1:] + s[:-1]), 1 / n
    stiff = middle**2 / h + h**3 / 12 / h**2  # integral of s^2 over an element, over h^2
    point, weight = np.polynomial.legendre.leggauss(3)
    diagonal, off = np.zeros(n + 1, dtype=complex), np.zeros(n, dtype=complex)
    diagonal[:-1] += stiff
    diagonal[1:] += stiff
    off -= stiff
    for xi, w in zip((1 + point) / 2, weight / 2, strict=True):
        value = h * w * (2 - 2j * ratio**2 * (s[:-1] + xi * h) ** 2)
        diagonal[:-1] += value * (1 - xi) ** 2
        diagonal[1:] += value * xi**2
        off += value * xi * (1 - xi)
    diagonal[-1] += 2 - 1j * shell
    right = np.zeros(n + 1, dtype=complex)
    right[-1] = 1.5
    diagonal[0], off[0] = 1, 0
    banded = np.array([np.r_[0, off], diagonal, np.r_[off, 0]])
    return s, scipy.linalg.solve_banded((1, 1), banded, right)


@pytest.mark.parametrize("shell", [0, 0.3, 20, 2 + 5j])
@pytest.mark.parametrize("ratio", [0.05, 1, 2.41, 12])
def test_against_finite_elements_and_joule_heat(ratio, shell):
    """b = chi/2; ``P = w mu_0 H^2 V (3/2 chi'')/2``; elements err by (h u)^2/6 = 1e-7."""
    s, a = finite_elements(ratio, shell)
    chi = sphere_susceptibility(RADIUS, resistivity_of(ratio), FREQUENCY, sheet_conductance_S=shell * SHEET)
    assert 2 * (a[-1] - 0.5) == pytest.approx(chi, abs=1e-6)
    # sin^2(theta) over the sphere: 8 pi/3; heat of the volume and of the shell, in w B_0^2 R^3/mu_0
    volume = np.trapezoid(2 * ratio**2 * abs(a) ** 2 * s**2, s)
    heat = 0.5 * 8 * math.pi / 3 * (volume + np.real(shell) * abs(a[-1]) ** 2)
    assert heat == pytest.approx(0.5 * 4 * math.pi / 3 * 1.5 * chi.imag, rel=1e-5)


def test_largest_loss_of_a_bare_sphere():
    """.355 at r/delta = 2.41, where chi' = -.366."""
    ratio = np.linspace(2.3, 2.5, 401)
    chi = sphere_susceptibility(RADIUS, resistivity_of(ratio), FREQUENCY)
    best = chi.imag.argmax()
    assert ratio[best] == pytest.approx(2.41, abs=0.003)
    assert chi[best] == pytest.approx(-0.366 + 0.355j, abs=5e-4)
    assert resistivity_of(ratio[best]) == pytest.approx(0.237e-8, abs=1e-11)


def test_the_series_meets_the_closed_form():
    """3 (1 - x cot x)/x^2 - 1 with |x| = 1.5 at r/delta = 1.06; in between, neither loses a digit."""
    ratio = np.linspace(0.9, 1.2, 31)
    x = (1 + 1j) * ratio
    expected = 3 * (1 - x / np.tan(x)) / x**2 - 1
    assert_allclose(sphere_susceptibility(RADIUS, resistivity_of(ratio), FREQUENCY), expected, rtol=2e-14)
    u = np.linspace(1.4, 1.6, 21)
    expected = -1.5 * (1 - 3 / (u * np.tanh(u)) + 3 / u**2)
    assert_allclose(london_sphere_susceptibility(u, 1.0), expected, rtol=2e-13)


def test_the_shell_that_matters():
    """1/K = 18 uohm per square: w mu_0 r K = 1."""
    assert 1 / SHEET == pytest.approx(18e-6, rel=0.02)
    chi = sphere_susceptibility(RADIUS, math.inf, FREQUENCY, sheet_conductance_S=SHEET)
    assert chi == pytest.approx(3 / (3 - 1j) - 1, rel=1e-13)


def test_skin_depth_of_magnesium():
    assert skin_depth(4.39e-8, 1550) == pytest.approx(2.68e-3, abs=5e-6)
    assert skin_depth([4.14e-8], 1550)[0] == pytest.approx(2.6e-3, abs=5e-6)


@pytest.mark.parametrize("ratio", np.logspace(-9, 9, 10))
def test_open_and_closed_shells(ratio):
    rho = resistivity_of(ratio)
    bare = sphere_susceptibility(RADIUS, rho, FREQUENCY)
    assert sphere_susceptibility(RADIUS, rho, FREQUENCY, sheet_conductance_S=1e-30) == pytest.approx(bare, rel=1e-12)
    for closed in (math.inf, 1e40):
        chi = sphere_susceptibility(RADIUS, rho, FREQUENCY, sheet_conductance_S=closed)
        assert chi.real == pytest.approx(-1, abs=3e-16) and 0 <= chi.imag < 1e-30
    lossless = sphere_susceptibility(RADIUS, math.inf, FREQUENCY, sheet_conductance_S=2j * SHEET)
    assert lossless == pytest.approx(3 / 5 - 1, rel=1e-14)


def test_small_and_large_spheres():
    """``-8/315 u^4 + 2i/15 u^2`` and ``-1 + 3/2u (1 + i)``."""
    for u in (1e-9, 1e-6, 1e-3):
        chi = sphere_susceptibility(RADIUS, resistivity_of(u), FREQUENCY)
        assert chi.imag == pytest.approx(2 / 15 * u**2, rel=1e-5)
        assert chi.real == pytest.approx(-8 / 315 * u**4, rel=1e-5)
    for u in (1e4, 1e9):
        chi = sphere_susceptibility(RADIUS, resistivity_of(u), FREQUENCY)
        assert chi.imag == pytest.approx(1.5 / u, rel=2 / u)
        assert chi.real + 1 == pytest.approx(1.5 / u, rel=1e-6)


@pytest.mark.parametrize("shell", [0.0, 1e-3, 1.0, 1e3])
def test_screening_grows_with_conductivity(shell):
    ratio = np.logspace(-6, 6, 1201)
    chi = sphere_susceptibility(RADIUS, resistivity_of(ratio), FREQUENCY, sheet_conductance_S=shell * SHEET)
    assert np.isfinite(chi).all() and (chi.imag > 0).all()
    assert chi.real.min() >= -1 and chi.real.max() <= 0 and chi.imag.max() <= 0.5
    # the field that is left at the poles of the surface; up to the rounding of 1 + chi
    assert (np.diff(abs(1 + chi)) <= 1e-15).all()
    if shell == 0:
        assert (np.diff(chi.real) <= 0).all()


def test_more_shell_screens_more():
    shell = np.logspace(-10, 10, 801)
    for ratio in (1e-6, 1.0, 1e3):
        chi = sphere_susceptibility(RADIUS, float(resistivity_of(ratio)), FREQUENCY, sheet_conductance_S=shell * SHEET)
        assert (np.diff(abs(1 + chi)) <= 1e-15).all() and (chi.imag > 0).all()


def test_decay_of_a_moment():
    """63 us at 10 uohm; both parts together: the pole of chi at w = -i/tau."""
    assert moment_decay_time(RADIUS, sheet_resistance_ohm=1e-5) == pytest.approx(63e-6, rel=5e-3)
    assert moment_decay_time(RADIUS, resistivity_ohm_m=1e-9) == pytest.approx(
        mu_0 * RADIUS**2 / (math.pi**2 * 1e-9), rel=1e-12
    )
    for sheet in (1e-9, 1e-6, 1e-4):
        tau = moment_decay_time(RADIUS, resistivity_ohm_m=1e-9, sheet_resistance_ohm=sheet)
        y = RADIUS * math.sqrt(mu_0 / (1e-9 * tau))
        assert (1 - y / math.tan(y)) == pytest.approx(RADIUS * sheet / 1e-9, rel=1e-9)


def test_decay_times_between_their_limits():
    sheets = np.logspace(-20, 10, 121)
    times = np.array([moment_decay_time(RADIUS, resistivity_ohm_m=1e-9, sheet_resistance_ohm=s) for s in sheets])
    shell, core = mu_0 * RADIUS / (3 * sheets), mu_0 * RADIUS**2 / (math.pi**2 * 1e-9)
    assert (np.diff(times) <= 0).all() and (np.diff(times) < 0).sum() > 60
    # a Rayleigh quotient: the slowest time of two conductors is between the larger and the sum of both
    assert (times >= np.maximum(shell, core) * (1 - 1e-12)).all() and (times <= (shell + core) * (1 + 1e-12)).all()
    assert moment_decay_time(RADIUS) == 0


def test_london_sphere():
    assert london_sphere_susceptibility(1e-3, 1.0) == pytest.approx(-1e-6 / 10, rel=1e-6)
    assert_allclose(london_sphere_susceptibility([1.0, np.inf], [1e-12, 1.0]), -1.5, rtol=1e-11)
    u = 2.0
    assert london_sphere_susceptibility(u, 1.0) == pytest.approx(
        -1.5 * (1 - 3 / u / math.tanh(u) + 3 / u**2), rel=1e-12
    )
    values = london_sphere_susceptibility(np.logspace(-10, 10, 401), 1.0)
    assert (np.diff(values) < 0).sum() > 300 and (np.diff(values) <= 0).all() and values[-1] >= -1.5


@pytest.mark.parametrize(
    ("function", "arguments", "message"),
    [
        (skin_depth, (-1, 1), "resistivity_ohm_m must be positive"),
        (skin_depth, (1, 0), "frequency_Hz must be positive"),
        (sphere_susceptibility, (-1e-3, 1e-9, 1), r"radius_m must be positive \(m\); got -0.001"),
        (sphere_susceptibility, (1e-3, [1e-9, math.nan], 1), "resistivity_ohm_m"),
        (moment_decay_time, (0.0,), "radius_m"),
        (london_sphere_susceptibility, (1, 0), "penetration_depth"),
        (london_sphere_susceptibility, (math.inf, math.inf), "must not both be infinite"),
    ],
)
def test_arguments_are_checked(function, arguments, message):
    with pytest.raises(ValueError, match=message):
        function(*arguments)


def test_a_shell_does_not_cool():
    with pytest.raises(ValueError, match="sheet_conductance_S must have a real part >= 0.*got"):
        sphere_susceptibility(1e-3, 1e-9, 1, sheet_conductance_S=-1)
    with pytest.raises(TypeError, match="sheet_conductance_S"):
        sphere_susceptibility(1e-3, 1e-9, 1, sheet_conductance_S="high")
