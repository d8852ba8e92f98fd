"""Verdicts that charging allows, conductances of Voronoi cells, and the crossing of straight parts of R(T)."""

import numpy as np
import pytest
import scipy
from numpy.testing import assert_allclose

import bdg
from bdg.granular import Network, charging_criterion, two_step_temperature


def test_the_paper_s_sample_and_its_predecessor():
    """.03 ohm cm over 41 nm: R_N = 7.3 kohm, z = 6: g = 5.3, E_C = 42 K; at 5 ohm cm .03: no verdict."""
    cubic = Network.cubic(4)
    found = charging_criterion(cubic, 0.03e-2 / 41e-9)
    assert found.conductance == pytest.approx(5.3, abs=0.02)
    assert found.charging_energy == pytest.approx(41.8, abs=0.1)
    assert found.coherent is True
    found.require_coherent()
    other = charging_criterion(cubic, 5e-2 / 41e-9, permittivity=9.8)
    assert other.conductance == pytest.approx(0.032, abs=0.001)
    assert other.charging_energy == pytest.approx(85.3, abs=0.2)
    assert other.coherent is None
    with pytest.raises(ValueError, match="no verdict on superconductivity: phases alone do not describe such grains"):
        other.require_coherent()


def test_grains_that_conduct_must_percolate():
    """A mean far above 1 is no verdict where a layer of badly coupled grains cuts the box."""
    cubic = Network.cubic(6)
    layer = (cubic.pairs // 36 == 0).any(axis=1)  # all bonds of the grains of one plane
    found = charging_criterion(cubic, np.where(layer, 1e6, 1e2))
    assert found.conductance > 100
    assert found.coherent is None
    assert "do not percolate" in found.reason
    assert found.conductances.shape == (216,)


def test_the_own_image_of_a_grain_is_no_neighbour():
    """Two bonds of one quantum to the other grain; what leads back to the grain itself lets no charge away."""
    network = Network([[0, 1], [1, 0], [0, 0]], np.ones(3), [[1.0], [1.0], [2.0]], n_sites=2, volume=2.0)
    found = charging_criterion(network, scipy.constants.h / (4 * scipy.constants.e**2))
    assert_allclose(found.conductances, [2, 2], rtol=1e-9)


def test_the_error_of_the_crossing_holds_the_choice_of_the_steep_part():
    """A rounded step has no straight part of its own: another choice moves the crossing, and the error covers it."""
    temperatures = np.arange(10, 30, 0.1)
    values = 0.6 / (1 + np.exp((18 - temperatures) / 0.4)) + 0.02 * (temperatures > 18) * (temperatures - 18) / 12
    errors = np.full(temperatures.size, 1e-4)
    found, other = (
        two_step_temperature(temperatures, values, errors=errors, steep=s) for s in ((0.1, 0.9), (0.2, 0.8))
    )
    moved = abs(found.temperature - other.temperature)
    assert found.error >= moved > 0.02


def test_a_criterion_is_stored(tmp_path):
    for resistance in (1e3, 1e6):
        found = charging_criterion(Network.cubic(2), resistance)
        found.save(tmp_path / "charging.h5")
        assert bdg.load(tmp_path / "charging.h5").coherent == found.coherent


def two_steps(temperatures, knee=19.0, width=2.0, slope=0.01):
    plateau = 0.6 + slope * (temperatures - knee)
    return np.where(temperatures > knee, plateau, np.clip(0.6 * (1 - (knee - temperatures) / width), 0, None))


@pytest.mark.parametrize("noise", [0.0, 0.01])
def test_the_crossing_of_straight_parts(noise):
    temperatures = np.arange(10, 30, 0.25)
    values = two_steps(temperatures) + noise * np.random.default_rng(0).standard_normal(temperatures.size)
    found = two_step_temperature(temperatures[::-1], values[::-1])
    assert found.found
    assert found.temperature == pytest.approx(19, abs=3 * found.error + 1e-9)
    assert found.width == pytest.approx(2, rel=0.1)
    assert found.error < 0.2
    told = two_step_temperature(temperatures, values, errors=np.full(values.size, 0.01))
    assert told.temperature == pytest.approx(19, abs=3 * told.error)


def test_the_error_of_the_crossing_holds_that_of_the_plateau():
    """The steep line is known to 1e-4, the plateau to .01: 300 noisy curves scatter by the stated error.

    A standard deviation of 300 draws is good to 4 % (1 / sqrt(600)); 15 % is more than three times that.
    """
    temperatures = np.arange(10, 30, 0.5)
    errors = np.where(temperatures > 18.9, 0.01, 1e-4)
    draws = np.random.default_rng(0).standard_normal((300, temperatures.size))
    found = [two_step_temperature(temperatures, two_steps(temperatures) + errors * d, errors=errors) for d in draws]
    stated = np.mean([each.error for each in found])
    assert np.std([each.temperature for each in found]) == pytest.approx(stated, rel=0.15)


def test_the_next_step_above_does_not_count():
    temperatures = np.arange(10, 45, 0.5)
    values = np.where(temperatures < 37, two_steps(temperatures), 1.0)
    found = two_step_temperature(temperatures, values, between=(0, 36))
    assert found.temperature == pytest.approx(19, abs=0.1)


def test_a_step_between_two_points():
    found = two_step_temperature([10, 14, 18, 20, 24, 28], [0, 0, 0, 0.6, 0.62, 0.64])
    assert (found.temperature, found.error) == (19, 1)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (lambda t: np.full(t.size, 0.7), "stays above 1.00 of the plateau"),
        (lambda t: t / 40, "no step"),
        (lambda t: two_steps(t) + 1.0, "no step: the resistance stays above"),
    ],
)
def test_where_there_is_no_step_none_is_found(values, reason, tmp_path):
    temperatures = np.arange(2, 36, 0.5)
    found = two_step_temperature(temperatures, values(temperatures))
    assert not found.found and np.isnan(found.temperature)
    assert reason in found.reason
    found.save(tmp_path / "steps.h5")
    assert not bdg.load(tmp_path / "steps.h5").found
    found.plot()


def test_wrong_arguments_are_refused():
    cubic = Network.cubic(2)
    with pytest.raises(ValueError, match=r"resistances must be > 0 \(ohm\)"):
        charging_criterion(cubic, 0.0)
    with pytest.raises(TypeError, match=r"network must be a bdg.granular.Network"):
        charging_criterion(3, 1.0)
    with pytest.raises(ValueError, match="at least 4"):
        two_step_temperature([1, 2, 3], [0, 0, 1])
    with pytest.raises(ValueError, match="real arrays of one length"):
        two_step_temperature([1, 2, 3, 4], [0, 0, 1])
    with pytest.raises(ValueError, match="steep must be two fractions"):
        two_step_temperature([1, 2, 3, 4], [0, 0, 1, 1], steep=(0.9, 0.1))


def test_lines_are_exact_on_straight_parts():
    temperatures = np.linspace(15, 25, 21)
    found = two_step_temperature(temperatures, two_steps(temperatures))
    assert_allclose(found.plateau_line, [0.6 - 0.19, 0.01], atol=1e-9)
    assert len(found.plot().axes[0].lines) == 3
