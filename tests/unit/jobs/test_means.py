"""Means over seeds: what counts, what weighs, and errors that cover fits and samples alike."""

import numpy as np
import pytest

from bdg.jobs.kinds import composite, critical_temperature, stiffness
from bdg.jobs.model.means import mean_of, plain_mean, weighed_mean
from bdg.jobs.model.results import JobResults, PointResult, read_results, write_results


def columns(**named):
    return [dict(zip(named, map(np.asarray, row), strict=True)) for row in zip(*named.values(), strict=True)]


def test_what_is_not_resolved_or_not_finite_never_counts():
    points = columns(length_nm=[4.0, 900.0, 6.0], length_resolved=[True, False, True], depth_nm=[1.0, np.inf, 3.0])
    found = mean_of(points, "length_nm")
    assert (found.value, found.used, found.weighed) == (5, 2, False)
    assert found.error == pytest.approx(1.0)  # s/sqrt(2) of 4 and 6
    depth = mean_of(points, "depth_nm")
    assert (depth.value, depth.used) == (2, 2)
    assert mean_of(points, "length_resolved").value == pytest.approx(2 / 3)  # the share, over all
    none = mean_of(columns(length_nm=[4.0, 5.0], length_resolved=[False, False]), "length_nm")
    assert np.isnan(none.value) and np.isnan(none.error) and none.used == 0
    assert np.isnan(mean_of(points[:1], "length_nm").error)


def test_arrays_count_element_by_element():
    values = np.array([[1.0, np.nan, 3.0], [2.0, np.nan, np.inf], [6.0, np.nan, 5.0]])
    found = plain_mean(values, np.isfinite(values))
    np.testing.assert_array_equal(found.value, [3, np.nan, 4])
    np.testing.assert_array_equal(found.used, [3, 0, 2])
    np.testing.assert_allclose(found.error, [np.std([1, 2, 6], ddof=1) / np.sqrt(3), np.nan, 1.0])


def test_weights_by_hand():
    """Two samples, w = 1, 1/4: m_w = 2, Q = 0.2 * 10^2 = 20, tau^2 = 19/0.4 = 47.5."""
    found = weighed_mean(np.array([0.0, 10.0]), np.array([1.0, 2.0]), np.ones(2, dtype=bool))
    weights = 1 / np.array([1 + 47.5, 4 + 47.5])
    mean = weights @ [0, 10] / weights.sum()
    assert found.value == pytest.approx(mean)
    shown = weights @ (np.array([0, 10]) - mean) ** 2
    assert found.error == pytest.approx(np.sqrt(max(1, shown) / weights.sum()))
    agreeing = weighed_mean(np.array([5.0, 5.0]), np.array([3.0, 4.0]), np.ones(2, dtype=bool))
    assert agreeing.error == pytest.approx(12 / 5)  # inverse variances: no scatter beside the errors of the fits


def test_errors_cover_fits_and_samples():
    """Eight samples of unequal errors: the error is that of the mean, for scatter that is small, equal and large."""
    rng = np.random.default_rng(1)
    s = np.array([0.3, 0.5, 1.0, 1.0, 2.0, 2.0, 3.0, 5.0])
    for between in (0.0, 1.0, 10.0):
        draws = rng.normal(7, between, (400, 8)) + s * rng.normal(size=(400, 8))
        found = [weighed_mean(x, s, np.ones(8, dtype=bool)) for x in draws]
        means, errors = (np.array([float(getattr(mean, name)) for mean in found]) for name in ("value", "error"))
        assert abs(means.mean() - 7) < 4 * means.std() / 20  # 400 draws
        # 7 degrees of freedom, an estimated tau: 15 %; neither tau^2 nor scatter may lower it: more where tau = 0
        assert 0.85 < np.sqrt((errors**2).mean()) / means.std() < (1.2 if between else 1.35)
        assert 0.6 < (abs(means - 7) < errors).mean() < 0.8  # 68 % if the error were known


def _results(kind, name, rows):
    points = []
    for seed, observables in enumerate(rows):
        parameters = {"system": {"seed": seed, "normal_sites": 2, "spacing_nm": 0.5}, "compute": {"temperature_K": 4.2}}
        values = {key: np.asarray(value) for key, value in observables.items()}
        units = dict.fromkeys(values, "nm")
        points.append(PointResult(str(seed), "", parameters, values, units, dict.fromkeys(values, name)))
    return JobResults(kind, "job", "", tuple(points))


def test_the_file_holds_how_many_seeds_count(tmp_path):
    rows = [
        {"length_nm": 4.0, "length_uncertainty_nm": 0.1, "length_resolved": True, "map": [1.0, np.nan]},
        {"length_nm": 77.0, "length_uncertainty_nm": np.inf, "length_resolved": False, "map": [2.0, 1.0]},
        {"length_nm": 5.0, "length_uncertainty_nm": 0.2, "length_resolved": True, "map": [3.0, 2.0]},
    ]
    results = _results("composite", "a length", rows)
    write_results(tmp_path / "results.h5", results)
    (group,) = read_results(tmp_path / "results.h5").ensembles()
    assert group.weighed == ["length_nm"] and group.used["length_nm"] == 2 and group.used["length_resolved"] == 3
    assert 4 < group.mean["length_nm"] < 5 and group.used["map"].tolist() == [3, 2]

    import h5py

    with h5py.File(tmp_path / "results.h5") as file:
        assert file["ensemble/00000/used/length_nm"][()] == 2
        assert "random effects" in file["ensemble/00000/mean/length_nm"].attrs["description"]
        assert "resolved" in file["ensemble/00000/used/length_nm"].attrs["description"]


def test_a_summary_says_how_many_seeds_are_resolved(monkeypatch):
    monkeypatch.setattr(composite, "box_lines", lambda points: [])
    row = {"gap_meV": 1.0, "theory_kinetic_nm": 5.0, "length_resolved": True, "length_uncertainty_nm": 0.5}
    results = _results("composite", "", [row | {"length_nm": 4.0}, row | {"length_nm": 6.0, "length_resolved": False}])
    assert composite.summarise(results).splitlines()[-1].split() == [
        "4.2",
        "4.0",
        "nm,",
        "1",
        "of",
        "2",
        "seeds",
        "resolved",
    ]


def test_seeds_that_do_not_screen_are_counted_and_drawn(tmp_path):
    row = {"gap_meV": 1.0, "stiffness_meV_nm2": 2.0, "paramagnetic_meV_nm2": 0.5, "penetration_depth_nm": 100.0}
    negative = row | {"stiffness_meV_nm2": -1.0, "penetration_depth_nm": np.inf}
    normal = negative | {"gap_meV": 0.0}
    results = _results("stiffness", "", [row, negative, normal])
    for point in results:
        point.parameters["compute"]["direction"] = "x"
    line = stiffness.summarise(results).splitlines()[-1]
    assert "inf" not in line and "        100  " in line
    assert "normal (Delta = 0): 1 of 3 seeds" in line and "lambda of 1 of 3 seeds: D_s <= 0" in line
    assert stiffness.plot(results, tmp_path, {"dpi": 60, "pdf": False})


def test_no_transition_is_no_temperature(tmp_path):
    rows = [{"critical_temperature_K": tc, "error_K": 1e-3} for tc in (0.0, 10.0)]
    for row in rows:
        row |= {"profile_x_nm": [0.0, 1.0], "profile_mode": [1.0, 0.0]}
        row["critical_temperature_resolved"] = row["critical_temperature_K"] > 0
    results = _results("critical_temperature", "", rows)
    assert "no transition: normal at all temperatures" in critical_temperature.summarise(results)
    assert critical_temperature.plot(results, tmp_path, {"dpi": 60, "pdf": False})
    (group,) = results.ensembles()
    assert group.mean["critical_temperature_K"] == 10 and group.used["critical_temperature_K"] == 1
