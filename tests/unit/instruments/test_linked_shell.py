"""One I_c(T) behind chi and dU/dI: averages, limits, laws of scale, the array in one call."""

import math

import numpy as np
import pytest
import scipy.stats
from numpy.testing import assert_allclose

import bdg
from bdg.electrodynamics import sphere_susceptibility
from bdg.granular import JunctionArray
from bdg.instruments import AcSusceptometer, LinkedShell, LinkLattice, LockIn
from bdg.lattices import resistivity

SHELL = LinkedShell(critical_temperature_K=53.0, critical_current_A=1.2)
TEMPERATURES = np.array([4.5, 30.0, 44.0, 46.0, 51.0, 53.0, 58.0])


@pytest.fixture(scope="module")
def curve():
    return LinkLattice().voltage()


@pytest.mark.parametrize("width", [0.3, 4.0])
def test_the_mean_over_transition_temperatures(width):
    """By a fine sum over quantiles of the normal distribution: 2e5 of them, to 1e-6 of I_0."""
    shell = LinkedShell(critical_temperature_K=53.0, critical_current_A=1.2, width_K=width)
    drawn = scipy.stats.norm.ppf((np.arange(200_000) + 0.5) / 200_000, 53.0, width)
    for t in (0.0, 40.0, 52.0, 53.0, 54.0, 60.0):
        expected = 1.2 * (np.maximum(0.0, 1 - t / drawn) ** 1.5).mean()
        assert shell.critical_current(t) == pytest.approx(expected, abs=2e-6)


def test_without_a_width_it_is_the_law_itself():
    assert SHELL.critical_current(53.0) == 0 and SHELL.critical_current(60.0) == 0
    assert SHELL.critical_current(26.5) == 1.2 * 0.5**1.5
    narrow = LinkedShell(critical_temperature_K=53.0, critical_current_A=1.2, width_K=1e-4)
    assert_allclose(narrow.critical_current(TEMPERATURES), SHELL.critical_current(TEMPERATURES), atol=1e-6)


def test_all_temperatures_in_one_call_are_those_of_the_susceptometer():
    rho = resistivity("Mg")
    bare = sphere_susceptibility(1.5e-3, rho(TEMPERATURES), 1550.0)
    found = SHELL.susceptibility(TEMPERATURES, bare, 1.5e-3, 1550.0, 16.0)
    swept = AcSusceptometer(1550.0, 16.0, amplitude_is="peak").sweep(SHELL.on(1.5e-3, rho), TEMPERATURES)
    assert_allclose(found, swept.real + 1j * swept.imaginary, rtol=1e-12)
    # what the equator carries is the current that dU/dI is limited by
    assert SHELL.on(1.5e-3, rho).critical_sheet_current(30.0) == SHELL.critical_current(30.0) / (2 * math.pi * 1.5e-3)


def test_links_that_carry_nothing_or_are_open():
    rho = resistivity("Mg")(TEMPERATURES)
    lost = LinkedShell(critical_temperature_K=53.0, critical_current_A=0.0)
    bare = sphere_susceptibility(1.5e-3, rho, 1550.0)
    normal = sphere_susceptibility(1.5e-3, rho, 1550.0, sheet_conductance_S=1 / (2e-3 + 1e-5))
    assert_allclose(lost.susceptibility(TEMPERATURES, bare, 1.5e-3, 1550.0, 16.0), normal, rtol=1e-12)
    none = LinkedShell(critical_temperature_K=53.0, critical_current_A=1.2, bridge_ohm=math.inf)
    assert_allclose(none.susceptibility(TEMPERATURES, bare, 1.5e-3, 1550.0, 16.0), bare, rtol=1e-12)


def test_one_curve_serves_all_critical_currents(curve):
    array = LinkLattice().array
    other = JunctionArray(array.pairs, 0.4 * array.critical_currents, array.resistances, array.source, array.drain)
    currents = np.array([0.02, 0.3, 0.9])
    assert_allclose(curve.at(0.4)(currents), other.voltages(currents, tol=3e-3).voltages, rtol=0.01, atol=1e-12)
    assert_allclose(curve.at(0.0)(currents), currents)
    assert (curve.at(1.0)(np.array([-0.01, 0.0, 0.3])) == 0).all()


def test_broad_links_let_the_step_shrink():
    """At low temperature all links carry 24 mA, but 400 mA only some of those whose currents scatter by e."""
    broad = LinkLattice(3, 2, spread=1.0).voltage(tol=1e-2).at(1.2 * (1 - 4.5 / 53) ** 1.5)
    slopes = LockIn(0.024, amplitude_is="peak").differential_resistance(broad, [0.0, 0.4], tol=1e-2)
    assert slopes[0] == pytest.approx(0, abs=1e-9) and 0.3 < slopes[1] < 0.7


def test_saved_drawn_and_redrawn(curve, tmp_path):
    curve.save(tmp_path / "curve.h5")
    again = bdg.load(tmp_path / "curve.h5")
    assert_allclose(again.voltages, curve.voltages)
    moved = curve.redrawn(3)
    sigma = curve.error > 0
    assert (abs(moved.voltages - curve.voltages)[sigma] < 5 * curve.error[sigma]).all()
    assert (moved.voltages == curve.voltages)[~sigma].all() and (moved.voltages >= 0).all()
    assert curve.plot().axes[0].get_xlabel() == "$I/I_c$"


@pytest.mark.parametrize(
    ("keys", "error", "message"),
    [
        ({"critical_temperature_K": -1.0}, ValueError, "critical_temperature_K must be positive"),
        ({"critical_current_A": -1.0}, ValueError, "critical_current_A must be finite and >= 0"),
        ({"width_K": 20.0}, ValueError, "width_K must be at most 0.25 of critical_temperature_K = 53"),
        ({"bridge_ohm": -1e-6}, ValueError, "bridge_ohm must be finite and >= 0"),
        ({"normal_ohm": 0.0}, ValueError, "normal_ohm must be positive"),
        ({"power": "1.5"}, TypeError, "power must be a real number"),
    ],
)
def test_bad_shells(keys, error, message):
    with pytest.raises(error, match=message):
        LinkedShell(**{"critical_temperature_K": 53.0, "critical_current_A": 1.2, **keys})
    with pytest.raises(ValueError, match="temperature_K must be finite and >= 0"):
        SHELL.critical_current(-1.0)
    with pytest.raises(ValueError, match="rows must be a whole number from 1 to 100"):
        LinkLattice(0, 2)
