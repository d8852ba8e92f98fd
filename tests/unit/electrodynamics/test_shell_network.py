"""A network on a sphere: uniform coverage is the closed form, heat is what chi'' says, cuts and gaps weaken."""

import math

import numpy as np
import pytest
from scipy.constants import mu_0

import bdg
from bdg.electrodynamics import ShellNetwork, moment_decay_time, sphere_susceptibility

RADIUS, FREQUENCY = 1.5e-3, 1550.0
SHELL = ShellNetwork(RADIUS, 2)


@pytest.mark.parametrize("resistivity", [math.inf, 1.83e-9, 1e-11])
@pytest.mark.parametrize("impedance", [1e-3, 18e-6, 1e-6, 18e-6 - 10e-6j, 0.0, math.inf])
def test_uniform_coverage_is_the_closed_form(impedance, resistivity):
    """2 % of a perfect diamagnet are asked for; 480 links err by .6 %, in any direction."""
    found = SHELL.response(impedance, FREQUENCY, resistivity_ohm_m=resistivity, axis=(1.0, 2.0, 0.5))
    conductance = 1 / impedance if impedance else math.inf
    expected = sphere_susceptibility(RADIUS, resistivity, FREQUENCY, sheet_conductance_S=conductance)
    assert abs(found.susceptibility - expected) < 0.007


def test_finer_networks_are_closer():
    """The error falls as the area of a patch."""
    expected = sphere_susceptibility(RADIUS, math.inf, FREQUENCY, sheet_conductance_S=1 / 18e-6)
    errors = [abs(ShellNetwork(RADIUS, n).response(18e-6, FREQUENCY).susceptibility - expected) for n in (1, 2, 3)]
    assert 3.5 < errors[0] / errors[1] < 4.5 and 3.5 < errors[1] / errors[2] < 4.5


def test_decay_of_the_moment_of_a_shell():
    assert SHELL.decay_time(1e-5) == pytest.approx(moment_decay_time(RADIUS, sheet_resistance_ohm=1e-5), rel=0.02)
    mixed = SHELL.random_links(0.5, 1e-5, 1e-4, seed=1).real
    assert SHELL.decay_time(1e-4) < SHELL.decay_time(mixed) < SHELL.decay_time(1e-5)


@pytest.mark.parametrize("fraction", [0.9, 0.5])
def test_heat_of_the_links_is_the_loss(fraction):
    """``(1/2) sum Re(z) |I|^2 = (1/2) w mu_0 H^2 V (3/2) chi''``, whatever the links."""
    impedances = SHELL.random_links(fraction, 2e-6 - 1e-6j, 3e-4, seed=2)
    found = SHELL.response(impedances, FREQUENCY)
    ohm = (impedances * SHELL._edges[2]).real
    heat = (ohm * abs(found.link_currents) ** 2).sum() / 2
    volume = 4 / 3 * math.pi * RADIUS**3
    assert heat == pytest.approx(0.5 * 2 * math.pi * FREQUENCY * mu_0 * volume * 1.5 * found.imaginary, rel=1e-6)


def test_currents_of_a_closed_shell():
    """The sheet current 3/2 H sin(theta): half of it, 3 r H, crosses the meridian from pole to pole."""
    found = SHELL.response(0.0, FREQUENCY)
    assert found.real == pytest.approx(-1, abs=1e-9)
    ends = SHELL._mesh[0][SHELL._edges[0]] @ np.array([0, 0, 1.0])
    # the stream function is -(3/2) H r cos(theta)
    expected = -1.5 * RADIUS * (ends[:, 0] - ends[:, 1])
    assert found.link_currents.real == pytest.approx(expected, abs=0.02 * RADIUS)


def test_a_cut_along_a_meridian_is_felt_by_fields_along_the_axis():
    """Currents around the axis must turn back along it, those around another axis hardly meet it."""
    ends = SHELL._mesh[0][SHELL._edges[0]]
    azimuth = np.arctan2(SHELL.patches[:, 1], SHELL.patches[:, 0])[SHELL.links]
    crossing = (azimuth[:, 0] * azimuth[:, 1] < 0) & (ends.mean(axis=1)[:, 0] > 0.1)
    links = np.where(crossing, math.inf, 1e-7)
    along, across = (SHELL.response(links, FREQUENCY, axis=axis).real for axis in ((0, 0, 1), (0, 1, 0)))
    assert across < -0.999 and -0.98 < along < -0.9


def test_more_links_screen_more():
    """Below the percolation of good links (65 %) nearly nothing, at 99 % nearly all."""
    values = [
        SHELL.response(SHELL.random_links(f, 1e-9, 1e-3, seed=4), FREQUENCY).real for f in (0, 0.4, 0.75, 0.99, 1)
    ]
    assert all(b < a for a, b in zip(values, values[1:], strict=False))
    assert values[1] > -0.05 and values[3] < -0.95


def test_many_decades_of_impedance():
    values = np.array(
        [SHELL.response(z, FREQUENCY, resistivity_ohm_m=1e-8).susceptibility for z in np.logspace(-14, 6, 21)]
    )
    assert np.isfinite(values).all() and (np.diff(abs(1 + values)) >= -1e-9).all()


@pytest.mark.parametrize("good", [1e-9, 1e-6, 1e-5])
def test_links_that_hardly_conduct_are_open_links(good):
    """Impedances from 1e-9 to 1e20 ohm and infinity in one shell: what they add falls as reactance over impedance."""
    chosen = np.random.default_rng(0).random(len(SHELL.links))
    opened = SHELL.response(np.where(chosen < 0.9, good, math.inf), FREQUENCY)
    for bad, tolerance in ((1e2, 2e-6), (1e6, 1e-10), (1e12, 1e-12), (1e20, 1e-12)):
        for rest in (bad, math.inf):
            links = np.where(chosen < 0.9, good, np.where(chosen < 0.95, bad, rest))
            found = SHELL.response(links, FREQUENCY)
            assert abs(found.susceptibility - opened.susceptibility) < tolerance
            assert found.imaginary > 0
            # currents of good links: volts of a turn over an ohm are left in the others
            assert (abs(found.link_currents[chosen >= 0.9]) * bad < 1e-5).all()
    slow = SHELL.decay_time(np.where(chosen < 0.9, good, math.inf))
    assert SHELL.decay_time(np.where(chosen < 0.9, good, np.where(chosen < 0.95, 1e6, math.inf))) == pytest.approx(
        slow, rel=1e-8
    )
    assert SHELL.decay_time(math.inf) == 0


def test_a_response_is_saved_and_drawn(tmp_path):
    found = SHELL.response(1e-5, FREQUENCY)
    found.save(tmp_path / "shell.h5")
    again = bdg.load(tmp_path / "shell.h5")
    assert again.susceptibility == found.susceptibility and (again.link_currents == found.link_currents).all()
    assert found.plot().axes


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ShellNetwork(-1.0), "radius_m must be positive"),
        (lambda: ShellNetwork(1.0, 9), "subdivisions must be a whole number from 1 to 4; got 9"),
        (lambda: SHELL.response([1.0, 2.0], 1.0), "sheet_impedance_ohm must be a number, or one for each of the 480"),
        (lambda: SHELL.response(-1.0, 1.0), "sheet_impedance_ohm must have real parts >= 0"),
        (lambda: SHELL.response(1.0, 0), "frequency_Hz must be positive"),
        (lambda: SHELL.response(1.0, 1.0, axis=(0, 0, 0)), "axis must be three finite numbers, not all 0"),
        (lambda: SHELL.decay_time(0.0), "sheet_resistance_ohm must be positive"),
        (lambda: SHELL.random_links(1.5, 0, 1), "fraction must be from 0 to 1; got 1.5"),
    ],
)  # fmt: skip
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
