"""Jobs of kind "magnetometer": limits of London, Bean and grains in the units of the instrument, rules, figures."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

from bdg.base.errors import JobError
from bdg.electrodynamics import bean_slab, plate_susceptibility
from bdg.jobs.job import parse_job
from bdg.jobs.kinds import magnetometer
from bdg.jobs.model.results import JobResults, PointResult

JOB = """
[job]
kind = "magnetometer"
[system]
width_mm = 3
thickness_mm = 0.5
critical_current_density_A_m2 = 1e8
[compute]
temperature_points = 39
slope_field_Oe = 0.1
loop_temperatures_K = [2.0, 10.0, 25.0]
loop_points = 11
{more}
"""


def point_of(text):
    (point,) = parse_job(text.encode(), "job.toml", "job").points
    return point


@pytest.fixture(scope="module")
def results():
    point = point_of(JOB.format(more=""))
    observables, evidence = magnetometer.compute(point.parameters, "cpu")
    values = {name: item.value for name, item in observables.items()}
    return JobResults(
        "magnetometer", "job", "", (PointResult(point.digest, "one", point.parameters, values, {}, {}, evidence),)
    )


def test_slopes_from_shape_alone_to_grains(results):
    """Cold: a plate that screens, but for lambda = 4 um (1.6 % along); warm: -phi r^2/10 lambda^2."""
    (point,) = results
    shapes = plate_susceptibility(1.5, 1.5, 0.25), plate_susceptibility(1.5, 0.25, 1.5)
    assert point["perpendicular_full_screening"] == shapes[0] and point["parallel_full_screening"] == shapes[1]
    for direction, shape in zip(("perpendicular", "parallel"), shapes, strict=True):
        slope = point[f"{direction}_slope"]
        assert slope[0] == pytest.approx(shape, rel=0.03) and abs(slope[0]) < abs(shape)
        assert_allclose(slope[0], point[f"{direction}_small_field_slope"][0], rtol=2e-3)
        assert (np.diff(slope) >= 0).all()
        temperatures = point["temperatures_K"]
        # 28 K: lambda^2 = 1e4/(1 - (28/37)^4) nm^2; the sphere's next term is 2/21 r^2/lambda^2 of the first
        expected = -0.08 * 100 / (10 * 1e4) * (1 - (28 / 37) ** 4)
        assert slope[temperatures == 28.0] == pytest.approx(expected, rel=1e-3)
        assert (slope[temperatures >= 37] == 0).all()
    warm = point["temperatures_K"] >= 19
    assert_allclose(point["perpendicular_slope"][warm], point["parallel_slope"][warm], rtol=1e-12)


def test_widths_are_beans(results):
    """2 J_c w/6 across, 2 (J_c d/4)(1 - d/3w) along, J_c = 1e8 (1 - T/19)^1.5 A/m^2; none above T_c2."""
    (point,) = results
    density = 1e8 * (1 - np.array([2.0, 10.0]) / 19) ** 1.5
    assert_allclose(point["perpendicular_loop_width_emu_cm3"][:2], density * 3e-3 / 3 / 1e3, rtol=1e-6)
    assert_allclose(point["parallel_loop_width_emu_cm3"][:2], density * 5e-4 / 2 * (1 - 1 / 18) / 1e3, rtol=1e-6)
    assert point["parallel_loop_width_emu_cm3"][2] == pytest.approx(0, abs=1e-15)


def test_loops_are_in_oersted_and_emu(results):
    """Along the plate: Bean's slab with its slope, 8e-5 of it from grains; 1 Oe = 79.577 A/m, 1 emu/cm^3 = 1000 A/m."""
    (point,) = results
    fields, slope = point["loop_fields_Oe"], -float(point["parallel_small_field_slope"][0])
    assert fields[[0, 10, 20, 30, 50]].tolist() == [0, 3000, 0, -3000, 3000] and fields.size == 51
    saturation = 1e8 * (1 - 2 / 19) ** 1.5 * 5e-4 / 4 * (1 - 1 / 18)
    expected = slope * bean_slab(fields * 79.5774715, 2 * saturation / slope) / 1e3
    grains = -0.08 / 1000 * (1 - (2 / 37) ** 4) * fields * 79.5774715 / 1e3
    assert_allclose(point["parallel_loop_emu_cm3"][0], expected + grains, rtol=2e-4)


def test_cooling(results):
    """With the field: grains alone. Without: Bean on top of them, saturated at 1000 Oe; both meet at T_c2."""
    (point,) = results
    zfc, fc = (point[f"perpendicular_{name}_emu_cm3"] for name in ("zfc", "fc"))
    assert fc[0] == pytest.approx(-8e-5 * 1000 * 79.577 / 1e3, rel=1e-3)
    assert zfc[0] - fc[0] == pytest.approx(-point["perpendicular_loop_width_emu_cm3"][0] / 2, rel=2e-3)
    assert (zfc <= fc).all() and (np.diff(zfc) >= 0).all()
    apart = point["temperatures_K"][zfc < fc]
    assert apart.max() == 18.0  # one kelvin below T_c2 = 19


def test_lower_critical_field(results):
    """43 uT = .43 Oe at lambda = 4 um with grains 41 nm apart (phi = .06)."""
    system = {**results.points[0].parameters["system"], "volume_fraction": 0.06}
    assert magnetometer.spacing_nm(system) == pytest.approx(41.2, abs=0.05)
    expected = 2.0678e-15 / (4 * math.pi * 16e-12) * math.log(4e-6 / 41.2e-9)
    assert magnetometer.lower_critical_field_Oe(system) == pytest.approx(expected / 1e-4, rel=1e-3)


def test_one_direction():
    text = JOB.format(more='directions = "parallel"')
    observables, _ = magnetometer.compute(point_of(text).parameters, "cpu")
    assert "parallel_slope" in observables and not any(name.startswith("perpendicular") for name in observables)


def test_words_and_figures(results, tmp_path):
    text = magnetometer.summarise(results)
    assert "plate of 3 x 3 x 0.5 mm, H_c1 = 0.48 Oe" in text
    assert "ratio 3.53" in text and "slope at 0.1 Oe, 28 K" in text
    names = [path.name for path in magnetometer.plot(results, tmp_path, {"pdf": False, "dpi": 50})]
    assert names == ["slopes.png", "loops.png", "cooling.png"]
    assert magnetometer.plot(JobResults("magnetometer", "job", "", ()), tmp_path, {}) == []


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("thickness_mm = 0.5", "thickness_mm = 4", r"thickness_mm: must be at most width_mm = 3 .*got 4"),
        ("thickness_mm = 0.5", "locking_temperature_K = 40", r"must be at most critical_temperature_K = 37.*got 40"),
        ("thickness_mm = 0.5", "penetration_depth_um = 0.03", r"must exceed the distance of the grains, 37.4 nm"),
        ("temperature_points = 39", "highest_temperature_K = 1", r"must be above lowest_temperature_K = 2; got 1"),
        ("temperature_points = 39", "directions = 'across'", r"directions: must be one of both, perpend"),
        ("slope_field_Oe = 0.1", "slope_field_T = 0.1", r"slope_field_T: wrong unit; did you mean slope_field_Oe"),
        ("loop_points = 11", "loop_field_Oe = -1", r"loop_field_Oe: must be > 0; got -1"),
    ],
)  # fmt: skip
def test_rules(old, new, message):
    with pytest.raises(JobError, match=message):
        point_of(JOB.format(more="").replace(old, new))
