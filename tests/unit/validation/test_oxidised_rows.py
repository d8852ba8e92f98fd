"""Rows 16 and 22 to 26: one set of parameters behind both curves of the spheres, laws of scale, limits."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

from bdg.granular import JunctionArray
from bdg.instruments import LockIn
from bdg.validation.experiments import (
    row16_contrast_of_images,
    row22_bare_susceptibility,
    row23_oxidised_spheres,
    row24_differential_resistance,
    row25_no_zero,
    row26_without_shell,
)


def test_both_curves_of_the_spheres_have_one_critical_current():
    """The shell's equator carries what the array carries: I_0 (1 - T/T_c)^p, from the same function."""
    assert row24_differential_resistance.critical_current is row23_oxidised_spheres.critical_current
    assert row26_without_shell.links is row24_differential_resistance.links
    assert row25_no_zero.slopes is row24_differential_resistance.slopes
    sphere = row23_oxidised_spheres.oxidised(1e-5)
    for temperature in (4.5, 40.0, 60.0):
        equator = sphere.critical_sheet_current(temperature) * 2 * math.pi * sphere.radius_m
        assert equator == pytest.approx(row23_oxidised_spheres.critical_current(temperature), rel=1e-12)
    assert row23_oxidised_spheres.critical_current(53.0) == 0


def test_voltages_of_the_array_scale_with_its_critical_currents():
    """``V_s(I) = s V(I/s)`` against the array with other critical currents; voltages to 3e-3 and their table."""
    array, scale = row24_differential_resistance.lattice(), row23_oxidised_spheres.critical_current(30.0)
    assert array.voltages(0.0).resistance == pytest.approx(1, rel=1e-12)
    other = JunctionArray(array.pairs, scale * array.critical_currents, array.resistances, array.source, array.drain)
    currents = np.array([0.1, 0.5, 3.0])
    found = row24_differential_resistance.links(30.0)(currents)
    assert_allclose(found, other.voltages(currents, tol=3e-3).voltages, rtol=0.01)
    assert found[0] == 0 and row24_differential_resistance.links(30.0)(-currents)[1] == -found[1]


def test_no_bias_and_no_supercurrent():
    """At rest far below I_c without a bias; a resistor above T_c, whatever the bias."""
    lock_in = LockIn(row24_differential_resistance.DRIVE_A, amplitude_is="peak")
    assert lock_in.differential_resistance(row24_differential_resistance.links(10.0), 0.0) == 0
    warm = lock_in.differential_resistance(row24_differential_resistance.links(58.0), [0.0, 0.3])
    assert_allclose(warm, 1, rtol=1e-12)


def test_a_larger_field_switches_links_at_lower_temperatures():
    peaks = []
    for field in (4.0, 16.0, 64.0):
        curve = row23_oxidised_spheres.susceptibility(row23_oxidised_spheres.oxidised(1e-5), field)
        peaks.append(curve.loss_peak()[0])
    assert peaks[0] > peaks[1] > peaks[2]


def test_bare_spheres_of_all_rows_are_one():
    curve = row23_oxidised_spheres.susceptibility(row23_oxidised_spheres.bare())
    real, imaginary = row22_bare_susceptibility.at(curve, (25.0, 45.0))
    for place, temperature in enumerate((25.0, 45.0)):
        value = row23_oxidised_spheres.bare().susceptibility(temperature, 1550.0, 1.0)
        assert value == pytest.approx(complex(real[place], imaginary[place]), rel=1e-12)


@pytest.mark.parametrize("pinning", [row16_contrast_of_images.RANDOM, row16_contrast_of_images.REPELLED])
def test_images_differ_by_the_penetration_depth_alone(pinning, monkeypatch):
    """The same positions at each temperature: spots spread, the flux in the window stays."""
    monkeypatch.setattr(row16_contrast_of_images, "SAMPLES", 3)
    found = row16_contrast_of_images.surveys(row16_contrast_of_images.DILUTE_UT, pinning)
    near, far = row16_contrast_of_images.changes(found)
    assert far < near < 0
    assert [survey.mean_uT for survey in found] == pytest.approx([found[0].mean_uT] * 3, abs=0.02)
