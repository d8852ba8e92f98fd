"""Runs as labelled arrays: swept keys are dimensions, no point is dropped, means leave out what is not resolved."""

import importlib
import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import bdg
from bdg.jobs import kinds
from bdg.jobs.folder.record import Failure
from bdg.jobs.folder.store import RunFolder
from bdg.jobs.job import parse_job
from bdg.jobs.model.results import JobResults, PointResult
from bdg.lattices.storage import ResultFileError

xarray = pytest.importorskip("xarray")
HELPERS = Path(__file__).resolve().parents[2] / "helpers"
UNITS = {"length_nm": "nm", "length_uncertainty_nm": "nm", "energies_meV": "meV", "density_per_meV": "1/meV"}
WORDS = {"energies_meV": "energies (M,)", "density_per_meV": "density (M,)", "field": "F (N,)", "pairs": "pairs (G, G)"}


def point(seed, kelvin, **more):
    """A point whose length is 10 nm, 1 nm more a seed, over T; that of seed 2 is not resolved at 2 K."""
    rng = np.random.default_rng([seed, int(kelvin)])
    resolved = not (seed == 2 and kelvin == 2)
    values = {
        "length_nm": np.array((10.0 + seed) / kelvin if resolved else 777.0),
        "length_uncertainty_nm": np.array(0.1 * (1 + seed)),
        "length_resolved": np.array(resolved),
        "count": np.array(3),
        "field": rng.normal(size=4 + seed) + 1j * rng.normal(size=4 + seed),
        "energies_meV": np.linspace(-1, 1, 5),
        "density_per_meV": rng.random(5),
        "density_error_per_meV": np.full(5, 0.25),
        "pairs": rng.random((5, 5)),
        **more,
    }
    parameters = {"compute": {"temperature_K": kelvin}, "system": {"seed": seed, "size_nm": [4.0, 4.0], "mu": 1}}
    return PointResult(f"{seed}{kelvin}", f"seed={seed}", parameters, values, UNITS, WORDS, {"method": "dense"})


@pytest.fixture
def results():
    points = [point(seed, kelvin) for kelvin in (4.0, 2.0) for seed in (0, 1, 2) if (seed, kelvin) != (1, 4.0)]
    return JobResults("composite", "grains", "abc", tuple(points), ("seed=1, temperature_K=4",))


def test_every_number_is_where_its_keys_say(results):
    data = results.to_xarray()
    assert dict(data.sizes) == {
        "seed": 3, "temperature_K": 2, "field_index": 6, "energies_index": 5, "pairs_index": 5, "pairs_index_b": 5
    }  # fmt: skip
    assert data.temperature_K.attrs["units"] == "K" and data.temperature_K.values.tolist() == [2.0, 4.0]
    for each in results:
        keys = {"seed": each.parameters["system"]["seed"], "temperature_K": each.parameters["compute"]["temperature_K"]}
        there = data.sel(keys)
        assert_array_equal(there.field[: each["field"].size], each["field"])  # complex kept
        assert np.isnan(there.field[each["field"].size :]).all()
        assert_array_equal(there.pairs, each["pairs"])
        assert there.length_nm == each["length_nm"] and there.state.item() == "done"
        assert json.loads(there.evidence.item()) == {"method": "dense"}
    assert data.length_nm.attrs == {
        "units": "nm", "long_name": "length_nm", "error": "length_uncertainty_nm", "resolved": "length_resolved"
    }  # fmt: skip
    assert data.density_per_meV.attrs["error"] == "density_error_per_meV"
    assert "energies_meV" in data.coords and data.attrs["identity"] == "abc" and "[system] mu = 1" in data.parameters


def test_a_point_that_lacks_is_nan_and_said(results):
    lacking = results.to_xarray().sel(seed=1, temperature_K=4)
    assert np.isnan(lacking.length_nm) and np.isnan(lacking.field).all() and np.isnan(lacking["count"])
    assert lacking.length_resolved.dtype == bool and not lacking.length_resolved
    assert lacking.state.item() == "missing" and results.to_xarray().attrs["missing"] == ["seed=1, temperature_K=4"]
    assert "not there" in repr(results) and "5 of 6 points" in repr(results)


def test_names_choose_observables_with_what_belongs_to_them(results):
    data = results.to_xarray("length_nm")
    wanted = {"length_nm", "length_uncertainty_nm", "length_resolved"}
    assert set(data.data_vars) == wanted | {"state", "why", "digest", "evidence", "seconds"}
    with pytest.raises(ValueError, match="names 'lenght_nm' is none of this run; did you mean length_nm"):
        results.to_xarray(["lenght_nm"])


def test_means_count_what_is_not_resolved_and_never_average_it(results, tmp_path):
    """Random effects with two seeds: x_i, s_i of seeds 0 and 1; DerSimonian-Laird's tau by its formula."""
    data = results.mean("seed").to_xarray()
    x, s = np.array([10.0, 11.0]) / 2, np.array([0.1, 0.2])
    w = s**-2
    common = w @ x / w.sum()
    tau2 = max(0, (w @ (x - common) ** 2 - 1) / (w.sum() - w @ w / w.sum()))
    weights = 1 / (s**2 + tau2)
    cold = data.sel(temperature_K=2)
    assert_allclose(cold.length_nm, weights @ x / weights.sum(), rtol=1e-13)
    assert cold.length_nm_used == 2 and cold.seeds == 3 and data.sel(temperature_K=4).seeds == 2
    assert data.length_nm.attrs["error"] == "length_nm_standard_error" and "field" not in data
    results.mean().to_csv(tmp_path / "means.csv")
    table = np.genfromtxt(tmp_path / "means.csv", names=True, delimiter=",", dtype=None, encoding="utf-8")
    assert_array_equal(table["used_length_nm"][table["temperature_K"] == 2], [2])
    assert_allclose(sorted(table["mean_length_nm"]), np.sort(data.length_nm), rtol=1e-15)
    frame = results.mean().to_dataframe()
    assert frame["used_length_nm"].tolist() == [2, 2] and frame["seeds"].tolist() == [2, 3]
    with pytest.raises(ValueError, match="over must be 'seed'"):
        results.mean("temperature_K")
    with pytest.raises(ValueError, match="fewer than two seeds"):
        JobResults("composite", "", "", results.points[:1]).mean()


def test_an_observable_with_the_name_of_a_key_has_another(results):
    points = [point(0, 2.0, temperature_K=np.array(2.5)), point(0, 4.0, temperature_K=np.array(4.5))]
    data = JobResults("composite", "", "", tuple(points)).to_xarray()
    assert data.found_temperature_K.values.tolist() == [2.5, 4.5] and data.temperature_K.values.tolist() == [2, 4]


def test_seeds_of_a_builder_of_ones_own(results):
    """They stand in [system.parameters]; the checksum of a System that follows from them is no sweep."""
    values = {"gap": np.array(2.0)}
    parameters = [
        {"system": {"checksum": f"{n}{shape}"}, "system.parameters": {"seed": n, "shape": shape}}
        for n in (0, 1)
        for shape in ("slab", "ball")
    ]
    points = [PointResult(str(n), "", each, values, {"gap": "meV"}, {}) for n, each in enumerate(parameters)]
    run = JobResults("system", "own", "", tuple(points))
    assert dict(run.to_xarray().sizes) == {"seed": 2, "shape": 2}
    assert run.mean().to_xarray().gap.sel(shape="ball") == 2
    (axes,) = run.plot("gap", x="shape").axes
    assert [text.get_text() for text in axes.get_xticklabels()] == ["slab", "ball"]


def test_the_extra_is_named_where_it_lacks(results, monkeypatch):
    monkeypatch.setitem(sys.modules, "xarray", None)
    with pytest.raises(ImportError, match=r"xarray, the extra 'data'.*pip install 'bdg\[data\]'"):
        results.to_xarray()


# ---------------------------------------------------------------------------------------------------- run folders
@pytest.fixture
def run(tmp_path, monkeypatch):
    """Six points of which one failed, one is damaged and one is missing; a key swept by lists and one by texts."""
    monkeypatch.syspath_prepend(str(HELPERS))
    monkeypatch.setattr(kinds, "_REGISTERED", {})
    kind = importlib.import_module("tiny_kind").KIND
    kinds.register(kind)
    text = "[job]\nkind = 'tiny'\nname = 'job'\n[system]\nx_nm = [1, 2, 3]\nbox_nm = [[1, 2], [3, 4]]\n"
    folder, job = RunFolder(tmp_path / "run"), parse_job(text.encode(), "job.toml", "job")
    with folder.locked():
        folder.claim(job)
        for each in job.points[:4]:
            folder.write_point(each, "tiny", kind.compute(each.parameters, "cpu"), 0.5, "cpu", {"versions": {}})
        folder.record_failures(job, {job.points[4].digest: Failure("ValueError: asked to fail", "raised")})
    folder.log.write_text("2026-01-01 00:00:00,1 INFO x\n2026-01-01 00:00:01,2 WARNING AccuracyWarning: coarse\n")
    with open(folder.point_path(job.points[0].digest), "r+b") as file:
        file.truncate(900)
    return folder.path, job


def test_a_run_that_is_not_done_says_of_each_point_what_is_with_it(run):
    path, job = run
    results = bdg.load(path)
    data = results.to_xarray()
    assert len(results) == 3 and len(results.missing) == 3
    assert data.state.sel(box_nm="[1.0, 2.0]").values.tolist() == ["damaged", "done", "failed"]
    assert data.state.sel(box_nm="[3.0, 4.0]").values.tolist() == ["done", "done", "missing"]
    assert data.why.sel(x_nm=3, box_nm="[1.0, 2.0]") == "ValueError: asked to fail"
    assert_array_equal(data.twice_x.sel(box_nm="[3.0, 4.0]"), [2, 4, np.nan])
    assert data.attrs["job"] == job.text.decode() and data.attrs["warnings"] == ["AccuracyWarning: coarse"]
    assert data.seconds.sel(x_nm=2, box_nm="[3.0, 4.0]") == 0.5 and "failed (ValueError" in repr(results)


def test_results_alone_are_read_like_the_folder(run):
    path, _ = run
    RunFolder(path).write_results(RunFolder(path).collect())
    beside, folder = bdg.load(path / "results.h5"), bdg.load(path)
    names = ["twice_x", "noise"]
    assert (
        beside.to_xarray(names)
        .drop_vars(["seconds", "evidence"])
        .identical(folder.to_xarray(names).drop_vars(["seconds", "evidence"]))
    )
    alone = path.parent / "results.h5"
    os.rename(path / "results.h5", alone)
    assert bdg.load(alone).missing == folder.missing and bdg.load(alone).absent == ()
    with pytest.raises(ResultFileError, match=r"no run directory of bdg.*give a run directory, or a file"):
        bdg.load(path.parent)


# ------------------------------------------------------------------------------------------------------- figures
def test_a_figure_has_units_error_bars_and_marks(results):
    figure = results.plot("length_nm", x="temperature_K", hue="seed")
    (axes,) = figure.axes
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_title()) == ("temperature (K)", "length (nm)", "grains")
    shown = [text.get_text() for text in axes.get_legend().get_texts()]
    assert shown == ["seed 0", "seed 1", "seed 2", "no point", "not resolved"]
    first = axes.containers[0]
    assert_allclose(first.lines[0].get_xydata(), [[2, 5.0], [4, 2.5]])
    (bars,) = first.lines[2]
    assert_allclose([segment[:, 1].tolist() for segment in bars.get_segments()], [[4.9, 5.1], [2.4, 2.6]])
    assert np.isnan(axes.containers[2].lines[0].get_ydata()[0])  # seed 2 at 2 K is a mark, no part of the curve
    assert any(line.get_xydata().tolist() == [[2.0, 777.0]] for line in axes.lines)


def test_seeds_that_are_not_named_are_averaged(results):
    (axes,) = results.plot("length_nm", x="temperature_K").axes
    mean = results.mean().to_xarray()
    assert_allclose(axes.containers[0].lines[0].get_ydata(), mean.length_nm)
    assert axes.get_title() == "grains, means over seeds"
    (axes,) = results.plot("density_per_meV", x="energies_meV", hue="temperature_K", at={"seed": 0}).axes
    assert axes.get_ylabel() == "density (1/meV)" and len(axes.containers) == 2
    assert axes.get_title() == "grains, seed 0"
    (axes,) = results.plot("field", x="field", hue="seed", at={"temperature_K": 2}).axes
    assert axes.get_ylabel() == "|field|"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"y": "lenght_nm", "x": "temperature_K"}, "y 'lenght_nm' is none of this run; did you mean length_nm"),
        ({"y": "length_nm", "x": "temperature"}, "x 'temperature'.*did you mean temperature_K"),
        ({"y": "length_nm", "x": "temperature_K", "hue": "sed"}, "hue 'sed'.*did you mean seed"),
        ({"y": "length_nm", "x": "temperature_K", "at": {"Seed": 0}}, "at 'Seed'.*did you mean seed"),
        ({"y": "length_nm", "x": "seed"}, r"different temperature_K above each other.*at=\{'temperature_K': 2.0\}"),
        ({"y": "density_per_meV", "x": "temperature_K"}, "dimensions energies_index of its own"),
        ({"y": "field", "x": "temperature_K"}, r"other sites or another shape at each seed.*at=\{'seed': 0\}"),
        ({"y": "length_nm", "x": "temperature_K", "at": {"seed": "a"}}, "at seed 'a'"),
    ],
)
def test_wrong_names_are_answered_with_the_right_ones(results, arguments, message):
    with pytest.raises(ValueError, match=message):
        results.plot(**arguments)
