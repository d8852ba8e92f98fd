"""The sphere kind: what its points hold is what the instruments give, one I_c(T) for both; words, figures, rules."""

import math
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from bdg.base.errors import JobError
from bdg.instruments import AcSusceptometer, CoatedSphere, LinkedShell, LinkLattice, LockIn
from bdg.jobs.job import parse_job
from bdg.jobs.kinds import sphere
from bdg.jobs.model.results import JobResults, PointResult
from bdg.lattices import resistivity

ROOT = Path(__file__).parents[3]
JOB = """
[job]
kind = "sphere"
[system]
shell_width_K = 1.0
network_rows = 2
critical_spread = 0.1
[compute]
temperature_range_K = [10, 60]
temperature_points = 26
field_Oe = [0.1, 0.2]
field_is = "peak"
bias_mA = [0, 300]
drive_mA = 24
drive_is = "rms"
voltage_tolerance = 0.03
"""


def points_of(text=JOB, changes=()):
    return parse_job(text.encode(), "job.toml", "job", list(changes)).points


def result_of(point):
    observables, evidence = sphere.compute(point.parameters, "cpu")
    values = {name: item.value for name, item in observables.items()}
    return PointResult(point.digest, point.label, point.parameters, values, {}, {}, evidence)


@pytest.fixture(scope="module")
def result():
    return result_of(points_of()[0])


def test_both_curves_are_those_of_the_instruments(result):
    at = result["temperatures_K"]
    shell = LinkedShell(critical_temperature_K=53.0, critical_current_A=1.2, width_K=1.0, bridge_ohm=1e-5)
    assert_allclose(result["critical_current_A"], shell.critical_current(at), rtol=1e-12)
    instrument = AcSusceptometer(1550.0, 0.2 * 1e3 / (4 * math.pi), amplitude_is="peak")
    swept = instrument.sweep(shell.on(1.5e-3, resistivity("Mg")), at)
    assert_allclose(result["real"][1], swept.real, rtol=1e-9)
    assert_allclose(result["imaginary"][1], swept.imaginary, rtol=1e-9)
    bare = instrument.sweep(CoatedSphere(1.5e-3, resistivity("Mg")), at)
    assert_allclose(result["bare_imaginary"], bare.imaginary, rtol=1e-9)
    curve = LinkLattice(2, 2, spread=0.1).voltage(tol=0.03)
    lock_in = LockIn(0.024, amplitude_is="rms")
    for place in (3, 12, 20):
        voltage = curve.at(shell.critical_current(at[place]))
        expected = lock_in.differential_resistance(voltage, [0.0, 0.3], tol=1e-3)
        assert_allclose(result["slopes"][:, place], expected, rtol=1e-9, atol=1e-12)


def test_what_the_numbers_say(result):
    """A larger field and a larger current switch earlier; nothing reaches 0; the degraded sample is bare."""
    assert result["loss_peaks_K"][1] > result["loss_peaks_K"][2] and result["steps_K"][0] > result["steps_K"][1]
    assert (result["onset_K"] <= 56).all() and result["total_slopes"].min() > 0.1
    assert_allclose(result["degraded_real"], result["bare_real"], atol=3e-3)
    share = 0.5 * resistivity("Mg")(result["temperatures_K"]) / resistivity("Mg")(53.0)
    assert_allclose(result["degraded_slopes"], (1 + share) / 1.5, rtol=1e-9)
    assert (result["bare_error"] >= 0).all() and 0 < result["bare_error"].max() < 0.03
    assert 0 < result["slope_error"].max() < 0.3 and (result["slope_error"][0, :5] < 1e-9).all()


def test_a_ratio_of_resistivities_is_another_way_to_say_the_residual_one():
    point = points_of(changes=["residual_ratio=25"])[0]
    core = sphere.magnesium(point.parameters["system"])
    assert core(293.0) / core(0.0) == pytest.approx(25, rel=1e-9)
    assert sphere.magnesium(points_of()[0].parameters["system"])(0.0) == pytest.approx(1.8e-9)
    given = points_of(changes=["residual_uohm_cm=0.3"])[0].parameters["system"]
    assert sphere.magnesium(given)(0.0) == pytest.approx(3e-9)


def test_words_say_what_is_not_verified_and_what_there_is_none_of(result, tmp_path):
    results = JobResults("sphere", "job", "", (result,))
    text = sphere.summarise(results)
    assert text.count("rho not verified") == 5 and "NOT VERIFIED: rho(T) of Mg" in text
    assert "dU/dI at 300 mA: begins to fall at" in text and "degraded, links carry nothing" in text
    flat = {**result.observables, "loss_peaks_K": np.full(3, np.nan), "steps_K": np.full(2, np.nan)}
    flat["onset_K"] = np.full(2, np.nan)
    none = PointResult("d", "one", result.parameters, flat, {}, {}, {})
    words = sphere.summarise(JobResults("sphere", "job", "", (none,)))
    assert "chi'' has no maximum inside of the range" in words and "the shell is not felt" in words
    assert "half a step at none in the range" in words
    names = [path.name for path in sphere.plot(results, tmp_path, {"pdf": False, "dpi": 60})]
    assert names == ["susceptibility.png", "differential_resistance.png"]
    assert sphere.plot(JobResults("sphere", "job", "", ()), tmp_path, {}) == []


def test_the_example_is_a_job():
    text = (ROOT / "runs" / "mg_sphere.toml").read_text()
    assert [point.label for point in points_of(text)] == ["critical_spread=0.25", "critical_spread=1"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('field_is = "peak"', "", r"\[compute\] field_is: .*required|field_is"),
        ('drive_is = "rms"', 'drive_is = "effective"', "drive_is: must be one of peak, rms; got 'effective'"),
        ("network_rows = 2", "radius_mm = -1", "radius_mm: must be > 0; got -1"),
        ("network_rows = 2", "radius_cm = 1", r"radius_cm: .*did you mean radius_mm\?"),
        ("network_rows = 2", "residual_uohm_cm = 0.2\nresidual_ratio = 25", "residual_ratio: give either"),
        ("network_rows = 2", "residual_uohm_cm = 0", "residual_uohm_cm: must be > 0"),
        ("network_rows = 2", "residual_ratio = 1", "residual_ratio: must be > 1"),
        ("shell_width_K = 1.0", "shell_width_K = 20", "shell_width_K: must be at most 0.25 of shell_critical_K = 53"),
        ("[10, 60]", "[60, 10]", "temperature_range_K: must be .*from < to"),
        ("[10, 60]", "[10, 400]", "temperature_range_K: must be <= 300"),
        ("bias_mA = [0, 300]", "bias_mA = [300, 300]", "bias_mA: must differ"),
        ("bias_mA = [0, 300]", "bias_mA = [0, -300]", "bias_mA: must be >= 0"),
    ],
)
def test_rules(old, new, message):
    with pytest.raises(JobError, match=message):
        points_of(JOB.replace(old, new))
