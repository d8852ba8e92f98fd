"""lambda(T) of locked grains: its XY modulus against Monte Carlo, limits, the composite of the experiments."""

import math

import numpy as np
import pytest

from bdg.granular import Network, sample_phases, thermal_penetration_depth
from bdg.granular.couplings.thermal_depth import cubic_stiffness


def test_the_modulus_has_its_limits():
    """Spin waves 1 - T/6 at first; (1 - T/T_c)^.67 at the transition."""
    assert cubic_stiffness(0.0) == 1 and cubic_stiffness(2.2018) == 0 == cubic_stiffness(9.0)
    assert cubic_stiffness(0.01) == pytest.approx(1 - 0.01 / 6, abs=2e-5)
    near, far = (cubic_stiffness(2.2018 * (1 - x)) for x in (1e-6, 1e-3))
    assert math.log(far / near) / math.log(1e3) == pytest.approx(0.6717, abs=1e-3)


def test_the_modulus_is_that_of_monte_carlo():
    """6^3 spins away from the transition, where their edge does not show: .002 and three errors."""
    found = sample_phases(Network.cubic(6), [0.4, 1.0], samples=800, seed=3)
    for place, temperature in enumerate((0.4, 1.0)):
        error = 0.002 + 3 * found.helicity_error[place].mean()
        assert found.helicity[place].mean() == pytest.approx(cubic_stiffness(temperature), abs=error)


@pytest.mark.slow
def test_the_modulus_is_that_of_monte_carlo_up_to_the_transition():
    points = np.array([0.2, 0.7, 1.25, 1.5, 1.7])
    found = sample_phases(Network.cubic(10), points, samples=4000, seed=7)
    expected = [cubic_stiffness(t) for t in points]
    assert found.helicity.mean(axis=1) == pytest.approx(expected, abs=0.003)


def test_depths_of_the_composite():
    """4.1, 4.4, 5.9 um at 4, 8, 15 K where phases lock at 19 K (row 16 of the experiments)."""
    cold = thermal_penetration_depth(1.0, 4.0, 19.0, gap_meV=2.3)
    for temperature, depth in ((8.0, 4.435), (15.0, 5.914)):
        ratio = thermal_penetration_depth(1.0, temperature, 19.0, gap_meV=2.3) / cold
        assert ratio == pytest.approx(depth / 4.155, rel=0.01)
    assert thermal_penetration_depth(4.0, 0.0, 19.0) == 4.0
    assert thermal_penetration_depth(4.0, 19.0, 19.0) == math.inf == thermal_penetration_depth(4.0, 30.0, 19.0)
    # junctions that do not weaken (a huge gap, T far below T_c): phases alone
    alone = thermal_penetration_depth(1.0, 5.0, 10.0, gap_meV=1e3, critical_temperature_K=1e4)
    assert alone == pytest.approx(cubic_stiffness(2.2018 / 2) ** -0.5, rel=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0.0, 4.0, 19.0), r"penetration_depth_um must be positive and finite \(um\); got 0.0"),
        ((4.0, -1.0, 19.0), r"temperature_K must be finite and >= 0"),
        ((4.0, 4.0, 37.0), r"locking_temperature_K must be below T_c of the grains, critical_temperature_K = 37 K"),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(ValueError, match=message):
        thermal_penetration_depth(*arguments)
