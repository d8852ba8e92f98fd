"""The coupling kind: what a point computes, the table of a finished job, rules."""

import numpy as np
import pytest

from bdg.granular import CouplingTable
from bdg.granular.couplings.two_grains import PairBox, couplings_of, resistance_of
from bdg.jobs.job import parse_job
from bdg.jobs.kinds import coupling
from bdg.jobs.model.results import JobResults, PointResult

JOB = """
[job]
kind = "coupling"
[system]
gap_nm = [1, 3]
diameter_nm = 8
spacing_nm = 2
margin_nm = 2
seed = { range = [0, 2] }
[compute]
temperature_K = [6, 12]
"""


def job_of(text=JOB):
    return parse_job(text.encode(), "job.toml", "job")


@pytest.fixture(scope="module")
def results():
    job = job_of()
    points = []
    for point in job.points:
        observables, evidence = coupling.compute(point.parameters, "cpu")
        values = {name: item.value for name, item in observables.items()}
        units = {name: item.unit for name, item in observables.items()}
        descriptions = {name: item.description for name, item in observables.items()}
        points.append(
            PointResult(point.digest, point.label, point.parameters, values, units, descriptions, evidence, 1.0)
        )
    return JobResults("coupling", "job", job.identity, tuple(points))


def test_points_are_boxes_of_two_grains(results):
    box = PairBox(gap_nm=1.0, diameter_nm=8.0, spacing_nm=2.0, margin_nm=2.0)
    point = next(p for p in results if p.parameters["system"]["gap_nm"] == 1 and p.parameters["system"]["seed"] == 1)
    (expected,) = couplings_of(box, 1, [point.parameters["compute"]["temperature_K"]])
    assert point["energy_K"] == expected and point["resistance_ohm"] == resistance_of(box, 1)


def test_a_finished_job_leaves_a_table_and_a_figure(results, tmp_path):
    paths = coupling.plot(results, tmp_path, {"pdf": False, "dpi": 60})
    assert [path.name for path in paths] == ["coupling_table.h5", "couplings.png"]
    table = CouplingTable.load(paths[0])
    assert table.energies_K.shape == (4, 2)
    means = [p["energy_K"] for p in results if p.parameters["system"]["gap_nm"] == 3][:1]
    assert any(np.isclose(table.energies_K, means[0]).ravel())
    mean = np.mean(
        [
            p["energy_K"]
            for p in results
            if p.parameters["system"]["gap_nm"] == 3 and p.parameters["compute"]["temperature_K"] == 12
        ]
    )
    assert table.coupling(3.0, 12.0).energy_K == pytest.approx(mean, rel=1e-12)
    text = coupling.summarise(results)
    assert len(text.splitlines()) == 2 + 4


def test_hosts_that_are_not_complete_have_no_table(results, tmp_path):
    some = JobResults("coupling", "job", results.identity, results.points[:-1], ("the last",))
    assert coupling.plot(some, tmp_path, {"pdf": False}) == []


@pytest.mark.parametrize(
    "old, new, key",
    [
        ("temperature_K = [6, 12]", "temperature_K = 40", "temperature_K"),
        ("diameter_nm = 8", "diameter_nm = 1", "diameter_nm"),
        ("spacing_nm = 2", "spacing_nm = 1e-6", "spacing_nm"),
    ],
)
def test_rules(old, new, key):
    text = JOB.replace(old, new)
    with pytest.raises(Exception, match=key):
        job_of(text)
