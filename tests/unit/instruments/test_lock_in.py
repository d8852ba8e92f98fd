"""In-phase first harmonic against direct integration; what an amplitude means."""

import math

import numpy as np
import pytest
import scipy.integrate
from numpy.testing import assert_allclose

from bdg.granular import JunctionArray, rsj_voltage
from bdg.instruments import LockIn

LOCK_IN = LockIn(0.024, amplitude_is="peak")


def directly(voltage, bias, amplitude):
    """Adaptive integration over half a period, cut where the junction switches."""
    cuts = sorted({s for s in ((edge - bias) / amplitude for edge in (-0.1, 0.1)) if -1 < s < 1})
    angles = [-math.pi / 2, *map(math.asin, cuts), math.pi / 2]
    parts = [
        scipy.integrate.quad(lambda f: voltage(bias + amplitude * math.sin(f)) * math.sin(f), a, b, epsabs=1e-13)[0]
        for a, b in zip(angles, angles[1:], strict=False)
    ]
    return 2 * sum(parts) / (math.pi * amplitude)


@pytest.mark.parametrize("bias", [0.0, 0.07, 0.09, 0.1, 0.11, 0.123, 0.2, -0.105])
@pytest.mark.parametrize("amplitude", [0.024, 0.3])
def test_a_junction_against_direct_integration(bias, amplitude):
    def voltage(current):
        return rsj_voltage(current, 0.1, 2.0)

    found = LockIn(amplitude, amplitude_is="peak").differential_resistance(voltage, bias)
    # relative to the normal resistance; square-root onsets converge as 1/n^(3/2)
    assert found == pytest.approx(directly(voltage, bias, amplitude), abs=4e-5)


def test_a_junction_overshoots_and_ends_at_its_resistance():
    resistance = LOCK_IN.differential_resistance(lambda i: rsj_voltage(i, 0.1, 1.0), [0.0, 0.105, 0.5, 5.0])
    assert resistance[0] == 0 and 1.5 < resistance[1] < 2.5
    assert resistance[2] == pytest.approx(1 / math.sqrt(1 - 0.04), rel=2e-3)
    assert resistance[3] == pytest.approx(1, rel=1e-3)


def test_polynomials_are_exact():
    """``V = R I + c I^3``: R + 3 c I_0^2 + (3/4) c A^2."""
    bias = np.array([[0.0, 1.0], [-2.0, 0.5]])
    found = LockIn(0.5, amplitude_is="peak").differential_resistance(lambda i: 3 * i + 0.2 * i**3, bias)
    assert_allclose(found, 3 + 0.6 * bias**2 + 0.75 * 0.2 * 0.25, rtol=1e-13)


def test_rms_is_larger_by_the_root_of_two():
    rms, peak = LockIn(0.01, amplitude_is="rms"), LockIn(0.01 * math.sqrt(2), amplitude_is="peak")
    assert rms.peak_A == peak.peak_A == pytest.approx(0.0141421356)
    cubic = [each.differential_resistance(lambda i: i**3, 0.0) for each in (rms, peak)]
    assert cubic[0] == cubic[1] == pytest.approx(0.75 * 2e-4)


def test_small_and_large_amplitudes():
    for amplitude in np.logspace(-9, 5, 8):
        lock_in = LockIn(amplitude, amplitude_is="peak")
        assert lock_in.differential_resistance(lambda i: 2 * i, 0.0) == pytest.approx(2, rel=1e-12)
        value = lock_in.differential_resistance(lambda i: rsj_voltage(i, 0.1, 1.0), 0.0)
        assert 0 <= value <= 1 + 1e-9


def test_an_array_of_junctions():
    """Two equal junctions in parallel, and that in series with a resistor: voltages to 1e-3."""
    array = JunctionArray([[0, 1], [0, 1], [1, 2]], [0.05, 0.05, 0.0], [2.0, 2.0, 0.5], 0, 2)
    found = LOCK_IN.differential_resistance(array.voltage, [0.0, 0.14], tol=3e-3)
    expected = [0.5 + directly(lambda i: rsj_voltage(i, 0.1, 1.0), bias, 0.024) for bias in (0.0, 0.14)]
    assert_allclose(found, expected, rtol=5e-3)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: LockIn(0.02), TypeError, "amplitude_is must say what amplitude_A = 0.02 is, 'peak' or 'rms'"),
        (lambda: LockIn(0.02, amplitude_is="p-p"), ValueError, "amplitude_is must be 'peak' or 'rms'; got 'p-p'"),
        (lambda: LockIn(0, amplitude_is="rms"), ValueError, r"amplitude_A must be positive and finite \(A\); got 0"),
        (lambda: LOCK_IN.differential_resistance(3.0, 0), TypeError, "voltage must be a function of the current"),
        (lambda: LOCK_IN.differential_resistance(lambda i: 1.0, 0), ValueError, "voltage must give one finite number"),
        (lambda: LOCK_IN.differential_resistance(lambda i: i / 0 * 0, [math.nan]), ValueError, "bias_A must be finite"),
    ],
)
def test_bad_input(call, error, message):
    with pytest.raises(error, match=message):
        call()
