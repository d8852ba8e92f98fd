"""The squid kind: counts, mean and contrast against closed forms, both signs of the field, figures, refusals."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from bdg.base.errors import JobError
from bdg.granular import thermal_penetration_depth
from bdg.jobs.job import parse_job
from bdg.jobs.kinds import squid
from bdg.jobs.model.results import JobResults, PointResult

JOB = """
[job]
kind = "squid"
[system]
penetration_depth_um = 4
residual_field_uT = 3
placement = "{placement}"
[compute]
temperature_K = [4, 15, 29]
applied_field_uT = [{fields}]
samples = 3
window_um = 50
pixel_um = 5
noise_uT = {noise}
"""


def results_of(fields, placement="repelled", noise=0.0):
    text = JOB.format(fields=fields, placement=placement, noise=noise)
    points = []
    for point in parse_job(text.encode(), "job.toml", "job").points:
        observables, evidence = squid.compute(point.parameters, "cpu")
        values = {name: item.value for name, item in observables.items()}
        points.append(PointResult(point.digest, point.label, point.parameters, values, {}, {}, evidence))
    return JobResults("squid", "job", "", tuple(points))


@pytest.fixture(scope="module")
def results():
    return results_of("0, -6", noise=0.05)


def at(results, kelvin, applied):
    return next(
        point
        for point in results
        if point.parameters["compute"]["temperature_K"] == kelvin
        and point.parameters["compute"]["applied_field_uT"] == applied
    )


def test_vortices_carry_the_net_field(results):
    """14.5 vortices in 4 windows make 14 or 15: the mean is theirs, within .2 uT of noise and edges."""
    point = at(results, 4, 0)
    assert float(point["expected_vortices"]) == pytest.approx(3 * 50**2 / 2067.8338, rel=1e-6)
    assert float(point["vortices"]) == pytest.approx(3.6, abs=1.0)
    assert float(point["mean_uT"]) == pytest.approx(3.0, abs=0.2)
    assert float(point["spot_peak_uT"]) == pytest.approx(2.84, abs=0.05)  # row 15 of the experiments, lambda = 4.1 um
    assert point["images_uT"].shape == (3, 10, 10) and point["positions_um"].shape == (3, 15, 2)
    means = point["images_uT"].mean(axis=(1, 2))
    assert float(point["mean_error_uT"]) == pytest.approx(means.std(ddof=1) / 3**0.5)


def test_a_field_of_the_other_sign_turns_the_image(results):
    """Residual 3 uT, applied 0 and -6: the same vortices upside down, but for the noise of .05 uT."""
    one, other = at(results, 4, 0), at(results, 4, -6)
    assert_allclose(other["images_uT"], -one["images_uT"], atol=1e-12)
    assert float(other["peak_uT"]) == -float(one["peak_uT"]) and float(other["mean_uT"]) < 0
    assert float(other["contrast"]) == pytest.approx(float(one["contrast"]))


def test_warming_lowers_the_contrast_and_leaves_the_mean(results):
    """The same arrangements; the mean moves by what the edges of a window of 50 um let through."""
    cold, warm, normal = (at(results, kelvin, 0) for kelvin in (4, 15, 29))
    assert (cold["positions_um"] == warm["positions_um"]).all()
    assert float(warm["contrast"]) < 0.8 * float(cold["contrast"])
    assert float(warm["mean_uT"]) == pytest.approx(float(cold["mean_uT"]), abs=0.05)
    assert float(warm["penetration_depth_um"]) == pytest.approx(thermal_penetration_depth(4, 15, 19))
    assert np.isinf(normal["penetration_depth_um"]) and float(normal["vortices"]) == 0
    assert float(normal["mean_uT"]) == pytest.approx(3.0, abs=0.01)
    assert float(normal["deviation_uT"]) == pytest.approx(0.05, rel=0.15)  # noise of 300 pixels: 4 %


def test_random_places_make_more_contrast(results):
    assert float(at(results_of("0", "random"), 4, 0)["contrast"]) > 1.3 * float(at(results, 4, 0)["contrast"])


def test_no_net_field_no_vortices():
    point = at(results_of("-3"), 4, -3)
    assert not point["images_uT"].any() and float(point["net_field_uT"]) == 0


def test_words_and_figures(results, tmp_path):
    text = squid.summarise(results)
    assert "images of a scanning SQUID, 6 points" in text and text.count("+-") == 6 * 4
    names = [path.name for path in squid.plot(results, tmp_path, {"pdf": False, "dpi": 50})]
    assert names == ["squid_panels.png", "squid_warming.png", "squid_curves.png"]
    one = JobResults("squid", "job", "", results.points[:1])
    assert [path.name for path in squid.plot(one, tmp_path, {"pdf": False, "dpi": 50})] == ["squid_panels.png"]
    assert squid.plot(JobResults("squid", "job", "", ()), tmp_path, {}) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("window_um=8", r"\[compute\] window_um: must be at least the diameter of the loop, 10 um; got 8"),
        ("height_um=-1", r"\[compute\] height_um: must be >= 0.05; got -1"),
        ("loop_radius_um=-5", r"loop_radius_um: must be >= 0; got -5"),
        ("penetration_depth_um=0", r"\[system\] penetration_depth_um: must be >= 0.01; got 0"),
        ("penetration_depth_nm=4", "unknown key; did you mean penetration_depth_um"),
        ("thickness_um=-3", "thickness_um: must be >= 0.01; got -3"),
        ("pixel_um=50", r"pixel_um: must give 2 to 512 pixels along window_um = 50; got 50, 1 pixels"),
        ("tilt_degrees=90", r"tilt_degrees: must leave the loop of 5 um above the surface, height_um = 5; got 90"),
        ("locking_temperature_K=40", r"locking_temperature_K: must be below critical_temperature_K = 37"),
        ("applied_field_uT=1000", r"applied_field_uT: must give at most 1000 vortices in twice the window, 100 um"),
        ("placement='attracted'", "placement: must be one of repelled, random; got 'attracted'"),
        ("samples=1", "samples: must be >= 2; got 1"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_runs(change, message):
    text = JOB.format(fields="0", placement="repelled", noise=0)
    with pytest.raises(JobError, match=message):
        parse_job(text.encode(), "job.toml", "job", [change])
