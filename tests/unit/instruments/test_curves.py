"""Magnetometer, ac susceptometer and four probes: closed forms behind them, limits, figures, bad input."""

import dataclasses
import math

import numpy as np
import pytest
import scipy.integrate
import scipy.optimize
from numpy.testing import assert_allclose
from scipy.constants import mu_0

import bdg
from bdg.electrodynamics import bean_slab, plate_susceptibility, sphere_susceptibility
from bdg.granular import rsj_voltage
from bdg.instruments import AcSusceptometer, CoatedSphere, FourProbe, Magnetometer, SuperconductingPlate
from bdg.instruments.samples import switched_sheet_ohm
from bdg.lattices.materials.material import material

OERSTED = 1e3 / (4 * math.pi)
PLATE = SuperconductingPlate(3e-3, 5e-4, lambda t: 1e8 * max(0.0, 1 - t / 19))  # one shape: its slopes are remembered
SUSCEPTOMETER = AcSusceptometer(1550.0, 0.2 * OERSTED, amplitude_is="peak")


def test_slopes_are_those_of_a_screening_plate():
    """3.53 for 3 x 3 x .5 mm, whatever J_c."""
    curves = [Magnetometer().loop(PLATE, [1e-3], 4.0, direction) for direction in ("perpendicular", "parallel")]
    assert curves[0].slope / curves[1].slope == pytest.approx(3.53, rel=2e-3)
    for curve in curves:
        assert curve.magnetisation_A_m[0] / 1e-3 == pytest.approx(curve.slope, rel=1e-4)
    assert curves[1].slope == plate_susceptibility(1.5e-3, 0.25e-3, 1.5e-3)


def test_loops_saturate_at_beans_values():
    """J_c w/6 across, (J_c d/4)(1 - d/3w) along; wider across than along by more than the slopes."""
    loop = np.concatenate([np.linspace(0, 1e6, 20), np.linspace(1e6, -1e6, 40)])
    across, along = (Magnetometer().loop(PLATE, loop, 0.0, d) for d in ("perpendicular", "parallel"))
    assert across.magnetisation_A_m[-1] == pytest.approx(1e8 * 3e-3 / 6, rel=1e-6)
    assert along.magnetisation_A_m[-1] == pytest.approx(1e8 * 5e-4 / 4 * (1 - 1 / 18), rel=1e-12)
    # fields that penetrate fully: a slab but for the end that currents take to turn round
    fields = [1e6, -1e6]
    found = Magnetometer().loop(PLATE, fields, 0.0, "parallel").magnetisation_A_m
    assert_allclose(found, bean_slab(fields, 1e8 * 5e-4 / 2) * (1 - 1 / 18), rtol=1e-12)


def test_cooling_with_and_without_a_field():
    plate = SuperconductingPlate(3e-3, 5e-4, PLATE.critical_current_density, reversible_susceptibility=-1e-4)
    curves = Magnetometer(1e-9).zfc_fc(plate, 1000 * OERSTED, np.arange(2, 30, 1.0), "perpendicular")
    assert (curves.zfc_A_m <= curves.fc_A_m).all() and (np.diff(curves.zfc_A_m) >= 0).all()
    assert_allclose(curves.fc_A_m, -1e-4 * 1000 * OERSTED)
    assert curves.irreversibility_temperature_K(1.0) == pytest.approx(19, abs=0.5)
    assert curves.irreversibility_temperature_K(1e9) is None
    assert curves.error == pytest.approx(1e-9 / 4.5e-9)
    above = Magnetometer().loop(plate, [1.0, 2.0], 25.0, "parallel")
    assert above.slope == -1e-4 and above.magnetisation_A_m.tolist() == [-1e-4, -2e-4]


def magnesium(residual):
    """rho(T) in ohm m: the table of the materials file and a residual part, linear in between."""
    table = material("Mg")["resistivity"]
    return lambda t: 1e-8 * (residual + np.interp(t, [0.0, *table.temperature_K], [0.0, *table.value]))


def test_bare_magnesium_loses_most_near_37_kelvin():
    """rho0 = .18 uohm cm: -.45 at 4.5 K, a flat maximum of .355; above .237 chi'' has none."""
    sphere = CoatedSphere(1.5e-3, magnesium(material("Mg")["residual_resistivity"].value))
    found = SUSCEPTOMETER.sweep(sphere, np.linspace(4, 90, 173))
    temperature, height = found.loss_peak()
    assert temperature == pytest.approx(37, abs=3) and height == pytest.approx(0.355, abs=1e-3)
    assert (np.diff(found.real) >= 0).all() and found.real[0] == pytest.approx(-0.45, abs=0.01)
    assert SUSCEPTOMETER.sweep(CoatedSphere(1.5e-3, magnesium(0.25)), np.linspace(4, 90, 87)).loss_peak() is None


def coated(critical, bridge=0.0):
    return CoatedSphere(1.5e-3, 1.83e-9, critical_sheet_current=critical, normal_ohm=1e-3, bridge_ohm=bridge)


def test_a_shell_of_links_between_its_limits():
    bare = complex(sphere_susceptibility(1.5e-3, 1.83e-9, 1550))
    assert coated(math.inf).susceptibility(4.0, 1550, 10.0) == -1
    normal = complex(sphere_susceptibility(1.5e-3, 1.83e-9, 1550, sheet_conductance_S=1e3))
    assert coated(0.0).susceptibility(4.0, 1550, 10.0) == normal
    assert coated(1e-9).susceptibility(4.0, 1550, 10.0) == pytest.approx(normal, rel=1e-6)
    assert CoatedSphere(1.5e-3, 1.83e-9).susceptibility(4.0, 1550, 1.0) == bare
    bridged = complex(sphere_susceptibility(1.5e-3, 1.83e-9, 1550, sheet_conductance_S=1 / 18e-6))
    assert coated(math.inf, 18e-6).susceptibility(4.0, 1550, 10.0) == pytest.approx(bridged)


def test_links_switch_where_the_screening_current_exceeds_their_own():
    """3/2 H along the equator; larger fields are screened less."""
    fields = np.logspace(-2, 4, 61)
    chi = np.array([coated(15.0).susceptibility(4.0, 1550, h) for h in fields])
    assert (chi[fields < 9.9] == -1).all() and (abs(chi[fields > 10.1] + 1) > 0).all()
    assert (np.diff(abs(1 + chi)) >= -1e-9).all()
    normal = complex(sphere_susceptibility(1.5e-3, 1.83e-9, 1550, sheet_conductance_S=1e3))
    assert chi[-1] == pytest.approx(normal, rel=2e-2)
    assert 2 * 1.5e-3 * 1.5 * 0.2 * OERSTED == pytest.approx(72e-3, rel=0.01)  # the total current at .2 Oe


def test_the_peak_of_a_parabola():
    found = SUSCEPTOMETER.sweep(CoatedSphere(1.5e-3, 1e-9), [30.0, 34.0, 38.0, 42.0])
    curve = dataclasses.replace(found, imaginary=0.4 - 1e-3 * (found.temperatures_K - 35.1) ** 2)
    assert curve.loss_peak() == pytest.approx((35.1, 0.4), rel=1e-12)


def test_links_in_series_with_bridges():
    """chi is that of a shell of R_bridge + R_normal r(k_c/k) with the k that this chi says."""
    bare = complex(sphere_susceptibility(1.5e-3, 1.83e-9, 1550))
    for field in (20.0, 45.0, 400.0):  # bridges alone let 15 A/m through at 36 A/m
        chi = coated(15.0, 12e-6).susceptibility(4.0, 1550, field)
        current = 1.5 * field * abs((chi - bare) / (1 + bare))
        sheet = 12e-6 + 1e-3 * max(0.0, 1 - (15.0 / current) ** 2)
        expected = complex(sphere_susceptibility(1.5e-3, 1.83e-9, 1550, sheet_conductance_S=1 / sheet))
        assert (current > 15) == (field > 36) and chi == pytest.approx(expected, rel=1e-8)


def test_an_rms_field_is_smaller_than_its_peak():
    rms, peak = AcSusceptometer(1550.0, 10.0, amplitude_is="rms"), AcSusceptometer(1550.0, 10.0, amplitude_is="peak")
    assert peak.peak_A_m == 10 and rms.peak_A_m == pytest.approx(14.1421356)
    chi = [each.sweep(coated(18.0), [4.0]).real[0] for each in (rms, peak)]
    assert chi[1] == -1 < chi[0]  # links of 18 A/m switch at 12 A/m


@pytest.mark.parametrize("ratio", [0.0, 0.01, 0.5, 0.99])
def test_first_harmonic_of_a_junction(ratio):
    """1 - (I_c/I)^2, by quadrature of the voltage."""

    def integrand(angle):
        return float(rsj_voltage(math.sin(angle), ratio, 1.0)) * math.sin(angle)

    value = 4 / math.pi * scipy.integrate.quad(integrand, math.asin(ratio), math.pi / 2)[0]
    assert 1 - ratio**2 == pytest.approx(value, abs=1e-7)


@pytest.mark.parametrize("bridge", [0.0, 1e-5])
def test_switched_links_carry_the_jump_of_the_field(bridge):
    """The fixed point by iteration: k from chi, R from the first harmonic of a junction at that k."""
    normal, critical, field = 2e-3, 5.0, 16.0
    bare = complex(sphere_susceptibility(1.5e-3, 1.83e-9, 1550))

    def current(sheet):
        chi = complex(sphere_susceptibility(1.5e-3, 1.83e-9, 1550, sheet_conductance_S=1 / sheet))
        return 1.5 * field * abs((chi - bare) / (1 + bare))

    def mismatch(share):
        return 1 - (critical / current(bridge + normal * share)) ** 2 - share

    sheet = bridge + normal * scipy.optimize.brentq(mismatch, 1e-9, 1.0, xtol=1e-14)
    found = switched_sheet_ohm(bare, 2 * math.pi * 1550 * mu_0 * 1.5e-3, field, critical, normal, bridge)
    assert found == pytest.approx(sheet, rel=1e-9)


def test_four_probes():
    probe = FourProbe(0.5, noise_V=1e-6)
    assert probe.resistance(lambda i: 3 * i + 0.1) == pytest.approx(3)
    curve = probe.sweep(lambda i, t: rsj_voltage(i, max(0.0, 1 - t / 20), 2.0), np.arange(0, 31, 5.0))
    assert curve.resistances_ohm[0] == 0 and curve.resistances_ohm[-1] == 2
    assert (np.diff(curve.resistances_ohm) >= 0).all() and curve.error == pytest.approx(1e-6 / 0.5 / math.sqrt(2))


def test_four_probes_on_a_network():
    """A chain with contacts in series: only the resistor between the voltage contacts counts; an unbalanced bridge."""
    chain = [[0, 1], [1, 2], [2, 3]]
    probe = FourProbe(1.0)
    assert probe.of_network(chain, [5.0, 2.0, 7.0], (0, 3), (1, 2)) == pytest.approx(2)
    bridge = [[0, 1], [0, 2], [1, 3], [2, 3]]
    value = probe.of_network(bridge, [1.0, 2.0, 3.0, 1.0], (0, 3), (1, 2))
    # arms of 4 and 3 ohm: currents 3/7 and 4/7, voltages 3 x 3/7 and 1 x 4/7 above the drain
    assert value == pytest.approx(9 / 7 - 4 / 7)
    with pytest.raises(ValueError, match="contacts 0, 3, 1, 9 must be joined by finite resistances"):
        probe.of_network(chain, [5.0, 2.0, 7.0], (0, 3), (1, 9))


def test_curves_are_saved_and_drawn(tmp_path):
    results = [
        Magnetometer().loop(PLATE, [0.0, 1.0], 4.0, "parallel"),
        Magnetometer().zfc_fc(PLATE, 1.0, [2.0, 4.0], "parallel"),
        SUSCEPTOMETER.sweep(coated(15.0), [4.0, 5.0]),
        FourProbe(1.0).sweep(lambda i, t: i * t, [1.0, 2.0]),
    ]
    for result in results:
        result.save(tmp_path / "result.h5")
        assert type(bdg.load(tmp_path / "result.h5")) is type(result)
    assert results[0].plot().axes


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: SuperconductingPlate(1e-3, 2e-3, 1.0), ValueError, "thickness_m must be at most width_m = 0.001"),
        (lambda: SuperconductingPlate(-1, 2e-3, 1.0), ValueError, "width_m must be positive"),
        (lambda: Magnetometer(-1.0), ValueError, "noise_A_m2"),
        (lambda: Magnetometer().loop(PLATE, [1.0], 4.0, "across"), ValueError, "direction must be one of perp"),
        (lambda: Magnetometer().loop(3, [1.0], 4.0, "parallel"), TypeError, "sample must be a bdg.instruments"),
        (lambda: Magnetometer().zfc_fc(PLATE, 1.0, [4, 3], "parallel"), ValueError, "temperatures_K must .*ascend"),
        (
            lambda: Magnetometer().zfc_fc(SuperconductingPlate(1, 1, lambda t: t), 1.0, [1, 2], "parallel"),
            ValueError,
            "critical_current_density must not rise",
        ),
        (lambda: AcSusceptometer(100.0, 1.0), TypeError, "amplitude_is must say what amplitude_A_m = 1.0 is"),
        (lambda: AcSusceptometer(-1, 1.0, amplitude_is="rms"), ValueError, "frequency_Hz must be positive"),
        (lambda: CoatedSphere(0.0, 1e-9), ValueError, "radius_m must be positive"),
        (
            lambda: CoatedSphere(1e-3, 1e-9, critical_sheet_current=1.0).susceptibility(4.0, 100.0, 1.0),
            ValueError,
            "normal_ohm must be finite where critical_sheet_current is",
        ),
        (lambda: FourProbe(0.0), ValueError, "current_A must be positive"),
        (lambda: FourProbe(1.0).resistance(3.0), TypeError, "voltage must be a function"),
        (lambda: FourProbe(1.0).of_network([[0, 1]], [1.0], 0, (0, 1)), ValueError, "current_contacts must be two"),
    ],
)  # fmt: skip
def test_bad_input(call, error, message):
    with pytest.raises(error, match=message):
        call()
