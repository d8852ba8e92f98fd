"""The page of a run: what stands in it, without a browser (tests/end_to_end/test_report_in_browser.py has one)."""

import base64
import json
import re
import time

import numpy as np
import pytest
from command_here import bdg_here

from bdg.jobs.model.results import PointResult, read_results
from bdg.reports.page import write_report
from bdg.reports.scene import MOST_SITES, plain_scenes, scene_of
from bdg.reports.tables import point_columns

pytest.importorskip("plotly", reason="the extra 'report' is not installed")

JOB = """
[job]
kind = "sns"
description = "</pre><script>alert('job')</script>"
[system]
superconductor_sites = 40
normal_sites = 1
hopping_meV = 100
spacing_nm = 1
mu_meV = 0
delta_meV = 2
barrier_meV = [0, 100]
[compute]
phase_pi = [0, 0.5]
[output]
figures = false
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    place = tmp_path_factory.mktemp("report")
    (place / "job.toml").write_text(JOB)
    assert bdg_here("run", "job.toml", "--out", "out", cwd=place).returncode == 0
    return place, write_report(place / "out")


def data_of(path):
    text = path.read_text(encoding="utf-8")
    return json.loads(re.search(r'<script id="data" type="application/json">(.*?)</script>', text, re.DOTALL)[1])


def test_the_page_is_whole_and_small(page):
    text = page[1].read_text(encoding="utf-8")
    assert page[1].name == "report.html" and page[1].stat().st_size < 10 * 2**20
    assert not re.search(r"<(?:script|link|img)[^>]+(?:src|href)=\"(?!data:)", text)  # nothing from elsewhere
    assert "MIT licence" in text and "Licensed under the MIT license" in text


def test_texts_of_the_job_are_escaped(page):
    text = page[1].read_text(encoding="utf-8")
    assert "&lt;/pre&gt;&lt;script&gt;alert(" in text and "</pre><script>alert(" not in text


def test_the_tables_are_those_of_the_results(page):
    results = read_results(page[0] / "out" / "results.h5")
    columns = {column["name"]: column for column in data_of(page[1])["tables"][-1]["columns"]}
    assert columns["barrier_meV"]["values"] == [0, 0, 100, 100] and columns["barrier_meV"]["swept"]
    names = [name for name, value in results.points[0].observables.items() if value.ndim == 0]
    assert names and set(names) <= set(columns)
    for name in names:
        for found, point in zip(columns[name]["values"], results, strict=True):
            value = point[name].item()
            assert found == value or (found is None and not np.isfinite(value))


def test_points_that_are_missing_are_said(page, tmp_path):
    (tmp_path / "job.toml").write_text(JOB)
    assert bdg_here("run", "job.toml", "--out", "out", cwd=tmp_path).returncode == 0
    next((tmp_path / "out" / "points").glob("*.h5")).unlink()
    text = write_report(tmp_path / "out", tmp_path / "page.html").read_text(encoding="utf-8")
    assert "3 points, 1 missing" in text and "Missing: barrier_meV=" in text


def point(positions, **observables):
    found = {"positions_nm": positions, "site_grain": np.zeros(len(positions), int), **observables}
    return PointResult("0" * 24, "T=4", {}, found, {"pair_amplitude": "1"})


def unpacked(array):
    return np.frombuffer(base64.b64decode(array["bdata"]), "<" + array["dtype"])


def test_a_scene_holds_modulus_and_phase_of_the_amplitude():
    rng = np.random.default_rng(0)
    positions, values = rng.random((50, 3)), rng.normal(size=50) + 1j * rng.normal(size=50)
    found = plain_scenes((point(positions, pair_amplitude=values, other=np.zeros(7)),))
    fields = {field["name"]: unpacked(field["values"]) for field in found["scenes"][0]["fields"]}
    assert set(fields) == {"|pair_amplitude|", "phase of pair_amplitude"}
    np.testing.assert_allclose(fields["|pair_amplitude|"], abs(values), rtol=1e-6)  # single precision
    np.testing.assert_allclose(fields["phase of pair_amplitude"], np.angle(values), rtol=1e-6)
    np.testing.assert_allclose(unpacked(found["sites"][0]["positions"][2]), positions[:, 2], rtol=1e-6)


def test_points_of_one_packing_share_their_sites():
    positions = np.random.default_rng(0).random((50, 3))
    found = plain_scenes(tuple(point(positions, pair_amplitude=np.full(50, t)) for t in (1.0, 2.0)))
    assert len(found["sites"]) == 1 and [scene["sites"] for scene in found["scenes"]] == [0, 0]


def test_a_million_sites_are_thinned_in_seconds():
    positions = np.zeros((10**6, 2))
    start = time.process_time()
    scene = scene_of(point(positions, pair_amplitude=np.ones(10**6)))
    assert time.process_time() - start < 5
    assert len(scene.positions) <= MOST_SITES and scene.shown.endswith("of 1000000 sites")
    assert scene.positions.shape[1] == 3  # plane ones have z = 0


def test_numbers_that_are_none_become_null():
    from bdg.jobs.model.results import JobResults

    found = PointResult("0" * 24, "", {"system": {"x": 1}}, {"length_nm": np.array(np.inf)}, {"length_nm": "nm"})
    (column,) = point_columns(JobResults("sns", "a", "b", (found,)))
    assert column.values == [None] and column.unit == "nm"


def test_what_is_no_run_is_refused(tmp_path):
    done = bdg_here("report", tmp_path, cwd=tmp_path)
    assert done.returncode == 2 and str(tmp_path) in done.stderr
