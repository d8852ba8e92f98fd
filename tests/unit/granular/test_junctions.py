"""Closed forms of one junction: limits, tables, independent integrals and the Fokker-Planck equation."""

import numpy as np
import pytest
import scipy.special
from numpy.testing import assert_allclose

import bdg
from bdg.granular.couplings.junctions import (
    characteristic_voltage,
    josephson_energy,
    penetration_depth_um,
    rsj_voltage,
    thermal_resistance,
)


@pytest.mark.parametrize(
    ("model", "value", "phase"),
    [("AB", np.pi / 2, np.pi / 2), ("KO-1", 0.6627434 * np.pi, 1.9708), ("KO-2", np.pi, np.pi)],
)
def test_at_zero_temperature(model, value, phase):
    """.66 pi Delta at 1.97 rad of a diffusive contact, pi Delta of a clean one (Golubov et al., 2004)."""
    found = characteristic_voltage(2.0, 0.0, model=model)
    assert found.value / 2.0 == pytest.approx(value, rel=1e-4)
    assert found.phase == pytest.approx(phase, abs=5e-3)


@pytest.mark.parametrize("model", ["AB", "KO-1", "KO-2"])
def test_cold_limit_is_reached_continuously(model):
    cold, zero = (characteristic_voltage(1.0, t, model=model).value for t in (1e-3, 0.0))
    assert cold == pytest.approx(zero, rel=3e-3)


def test_all_models_agree_near_the_transition():
    """``pi Delta^2/4T`` up to (Delta/T)^2."""
    for model in ("AB", "KO-1", "KO-2"):
        found = characteristic_voltage(0.02, 1.0, model=model)
        assert found.value == pytest.approx(np.pi * 0.02**2 / 4, rel=1e-4)
        assert found.phase == pytest.approx(np.pi / 2, abs=1e-3)


@pytest.mark.parametrize("temperature", [0.05, 0.3, 1.0])
def test_the_diffusive_contact_is_a_mean_over_transparencies(temperature):
    r"""``I = int rho(tau) I_tau d tau`` with ``rho = 1/(2 tau sqrt(1 - tau))`` (O. N. Dorokhov), an independent route.

    ``e I_tau R_N = (pi/2) Delta sin(phi) tau / epsilon tanh(Delta epsilon/2T)``, epsilon^2 = 1 - tau sin^2(phi/2), per
    unit of conductance; with tau = 1 - y^2, d tau/(2 tau sqrt(1 - tau)) = dy/tau.
    """
    found = characteristic_voltage(1.0, temperature, model="KO-1")
    y, weights = np.polynomial.legendre.leggauss(400)
    y, weights = 0.5 * (1 + y), 0.5 * weights
    epsilon = np.sqrt(1 - (1 - y**2) * np.sin(found.phase / 2) ** 2)
    current = 0.5 * np.pi * np.sin(found.phase) / epsilon * np.tanh(epsilon / (2 * temperature))
    assert found.value == pytest.approx(float((weights * current).sum()), rel=1e-8)


def test_the_gap_of_a_junction_at_a_temperature_is_that_of_bcs():
    """Muehlschlegel's table: .9569 at half of Tc."""
    assert bdg.granular.bcs_gap_ratio(0.5) == pytest.approx(0.9569, abs=1e-4)
    assert bdg.granular.bcs_gap_ratio([0.0, 1.0]).tolist() == [1.0, 0.0]


def test_no_gap_no_current():
    assert characteristic_voltage(0.0, 0.0).value == 0 and characteristic_voltage(0.0, 1.0, model="KO-1").value == 0


def test_coupling_of_a_tunnel_junction():
    """``E_J = R_Q Delta/2R`` at T = 0 with R_Q = h/4e^2 = 6453.2 ohm."""
    assert josephson_energy(1000.0, 2.0, 0.0) == pytest.approx(6.4532, rel=1e-5)
    half = josephson_energy(1000.0, 2.0, 20.0)
    assert half == pytest.approx(6.4532 * np.tanh(2.0 / (2 * 0.08617333 * 20)), rel=1e-5)


def test_phase_slips_without_bias_are_a_bessel_function():
    u = np.array([0.0, 0.1, 1.0, 5.0, 40.0, 300.0])
    expected = np.exp(-2 * (u + np.log(scipy.special.i0e(u))))
    assert_allclose(thermal_resistance(u), expected, rtol=1e-12)


def test_small_bias_is_the_limit_of_no_bias():
    for u in (0.3, 4.0):
        assert thermal_resistance(u, 1e-5) == pytest.approx(thermal_resistance(u), rel=1e-8)
        assert thermal_resistance(u, 1e-9) == pytest.approx(thermal_resistance(u), rel=1e-12)


@pytest.mark.parametrize("u", [0.5, 3.0, 12.0])
@pytest.mark.parametrize("bias", [0.1, 0.8, 1.0, 1.7, -0.8])
def test_against_the_fokker_planck_equation(u, bias):
    """Stationary solution on a grid of Fourier modes: ``(i - sin phi) P - P'/u = J``, <v> = 2 pi J."""
    most = 80
    k = np.arange(-most, most + 1)
    # J = const: (i - i k/u) P_k - (P_(k-1) - P_(k+1))/2i = 0 for k != 0, P_0 = 1/2 pi
    matrix = (
        np.diag(bias - 1j * k / u) + np.diag(np.full(2 * most, -1 / 2j), -1) + np.diag(np.full(2 * most, 1 / 2j), 1)
    )
    right = np.zeros(k.size, dtype=complex)
    matrix[most] = 0
    matrix[most, most], right[most] = 1, 1 / (2 * np.pi)
    p = np.linalg.solve(matrix, right)
    flow = bias * p[most] - (p[most - 1] - p[most + 1]) / 2j
    assert thermal_resistance(u, bias) == pytest.approx(2 * np.pi * flow.real / bias, rel=1e-9)


def test_cold_junctions_follow_the_curve_without_noise():
    for bias in (1.2, 3.0, 50.0):
        expected = rsj_voltage(bias, 1.0, 1.0) / bias
        assert thermal_resistance(1e4, bias) == pytest.approx(expected, rel=1e-3)
        assert thermal_resistance(1e6, bias) == pytest.approx(expected, rel=1e-5)
    assert thermal_resistance(1e4, 0.9) < 1e-100
    assert thermal_resistance(1.0, 1e4) == pytest.approx(1.0, rel=1e-7)


def test_shapes_are_broadcast():
    assert thermal_resistance(np.ones((2, 1)), np.ones(3)).shape == (2, 3)
    assert isinstance(thermal_resistance(1.0, 0.5), float)


def test_voltage_without_noise():
    assert_allclose(rsj_voltage([-2.0, -0.5, 0.0, 1.0, 1.25], 1.0, 2.0), [-2 * 3**0.5, 0, 0, 0, 1.5])
    assert rsj_voltage(3.0, 0.0, 2.0) == 6.0
    assert rsj_voltage(1 + 1e-12, 1.0, 1.0) == pytest.approx(np.sqrt(2e-12), rel=1e-3)


def test_penetration_depth_of_a_network():
    """1.974 um for 10 K on a cubic network of 30 nm: ``sqrt(a/mu_0 k_B E) Phi_0/2 pi``."""
    expected = 1e6 * np.sqrt(30e-9 / (4e-7 * np.pi * 1.380649e-23 * 10)) * 2.067833848e-15 / (2 * np.pi)
    assert penetration_depth_um(10.0, 30.0) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("function", "arguments", "message"),
    [
        (characteristic_voltage, {"gap": -1, "temperature": 1}, "gap"),
        (characteristic_voltage, {"gap": 1, "temperature": 1, "model": "KO"}, "model must be one of AB, KO-1, KO-2"),
        (josephson_energy, {"resistance_ohm": 0, "gap_meV": 1, "temperature_K": 1}, "resistance_ohm"),
        (thermal_resistance, {"coupling_over_temperature": -1}, "coupling_over_temperature"),
        (rsj_voltage, {"current": np.nan, "critical_current": 1, "resistance": 1}, "current must be finite"),
        (penetration_depth_um, {"stiffness_K": 0, "spacing_nm": 1}, "stiffness_K"),
    ],
)
def test_arguments_are_checked(function, arguments, message):
    with pytest.raises(ValueError, match=message):
        function(**arguments)
