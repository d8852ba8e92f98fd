import math

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.integrate import quad

from bdg.condensate.bcs import GAP_TO_TC, gap_interpolation, gap_ratio

# B. Muehlschlegel, Z. Phys. 155, 313 (1959): T/T_c and Delta(T)/Delta(0).
TABLE = {
    0.98: 0.2436, 0.96: 0.3416, 0.94: 0.4148, 0.92: 0.4749, 0.90: 0.5263, 0.86: 0.6117, 0.82: 0.6810, 0.80: 0.7110,
    0.76: 0.7640, 0.70: 0.8288, 0.66: 0.8640, 0.60: 0.9070, 0.50: 0.9569, 0.40: 0.9850, 0.30: 0.9971, 0.20: 0.9999,
}  # fmt: skip


def test_the_published_table():
    assert_allclose(gap_ratio(list(TABLE)), list(TABLE.values()), rtol=0, atol=0.5e-4 + 1e-9)


def test_a_lattice_in_weak_coupling():
    """Square lattice, mu = -1, U = 1.5 (Delta0/Tc = 1.7621): its gap curve is BCS to 2e-4."""
    reduced = [0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95]
    lattice = [0.999876, 0.984993, 0.956802, 0.906865, 0.828601, 0.710850, 0.526163, 0.380174]
    assert_allclose(gap_ratio(reduced), lattice, rtol=0, atol=2e-4)


@pytest.mark.parametrize("reduced", [0.03, 0.15, 0.4, 0.7, 0.9, 0.99, 0.9999])
def test_the_gap_equation_is_solved(reduced):
    """int_0^inf dx [tanh(E/2T)/E - tanh(x/2Tc)/x] = 0 with E^2 = x^2 + Delta^2: the form that defines T_c."""
    gap = gap_ratio(reduced) * GAP_TO_TC  # in units of k_B T_c

    def integrand(x):
        energy = math.hypot(x, gap)
        normal = math.tanh(x / 2) / x if x > 0 else 0.5
        return math.tanh(energy / (2 * reduced)) / energy - normal

    pieces = [(0, gap / 2), (gap / 2, 2 * gap), (2 * gap, 10), (10, 200)]
    inside = sum(quad(integrand, a, b, epsabs=1e-13, epsrel=1e-12)[0] for a, b in pieces)
    tail = math.log(2) - math.log1p(math.sqrt(1 + (gap / 200) ** 2))  # int_200^inf (1/E - 1/x), tanh = 1
    # d(integral)/d(gap) is -1/gap at low temperature and vanishes like the gap at T_c.
    assert abs(inside + tail) < 1e-9 * gap


def test_the_square_root_at_the_critical_temperature():
    """Delta/(k_B T_c) -> pi sqrt(8/7 zeta(3)) sqrt(1 - T/T_c): slope 3.0633, next term of order 1 - T/T_c."""
    for distance in (2.0**-20, 2.0**-30, 2.0**-40):
        expected = 3.063254 / 1.763877 * math.sqrt(distance)
        assert gap_ratio(1 - distance) == pytest.approx(expected, rel=1e-6 + distance)


def test_low_temperatures():
    """1 - sqrt(2 pi T/Delta) exp(-Delta/T) (1 + O(T/Delta)), and exactly 1 at zero."""
    reduced = 0.1
    a = GAP_TO_TC / reduced
    assert 1 - gap_ratio(reduced) == pytest.approx(math.sqrt(2 * math.pi / a) * math.exp(-a), rel=0.02)
    assert gap_ratio(0) == gap_ratio(0.019) == gap_interpolation(0) == 1


def test_both_expansions_meet():
    """a = Delta/T passes 1, where the solver changes its formula: T/T_c = 0.905, no step there."""
    reduced = np.linspace(0.9, 0.91, 201)
    third = np.diff(gap_ratio(reduced), 3)
    assert np.abs(third).max() < 1e-8


def test_the_gap_is_zero_in_the_normal_state():
    assert_allclose(gap_ratio([1, 1.5, 1e9, np.inf]), 0, rtol=0, atol=0)
    assert_allclose(gap_interpolation([1, 1.5, 1e9, np.inf]), 0, rtol=0, atol=0)


def test_the_gap_falls_and_stays_between_zero_and_one():
    ratio = gap_ratio(np.linspace(0, 1.1, 2000))
    assert (np.diff(ratio) <= 1e-15).all()  # flat to rounding at low temperature
    assert ratio.min() == 0 and ratio.max() == 1


def test_shapes():
    assert type(gap_ratio(0.5)) is float and type(gap_interpolation(0.5)) is float
    assert gap_ratio(np.full((2, 3), 0.5)).shape == (2, 3)
    assert gap_ratio([]).shape == (0,)


def test_the_interpolation_is_up_to_two_percent_low():
    deviation = gap_interpolation(np.linspace(0.02, 0.9999, 2000)) / gap_ratio(np.linspace(0.02, 0.9999, 2000)) - 1
    assert deviation.min() == pytest.approx(-0.019, abs=5e-4)
    assert deviation.max() == pytest.approx(0.002, abs=2e-4)
    assert gap_interpolation(0.5) == pytest.approx(math.tanh(1.74), rel=1e-12)


@pytest.mark.parametrize("function", [gap_ratio, gap_interpolation])
@pytest.mark.parametrize("bad", [-0.1, math.nan, [0.5, -1.0]])
def test_negative_temperatures_are_refused(function, bad):
    with pytest.raises(ValueError, match=r"reduced_temperature T/T_c must be >= 0; got"):
        function(bad)
