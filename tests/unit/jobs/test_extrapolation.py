"""Estimates of jobs whose systems are too large to be built for an estimate, and jobs that are refused by size."""

import dataclasses
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import bdg
from bdg import cli
from bdg.jobs import estimate as estimates
from bdg.jobs import extrapolation
from bdg.jobs.estimate import estimate_job
from bdg.jobs.extrapolation import SAMPLES, sample_shapes
from bdg.jobs.job import parse_job
from bdg.jobs.kinds import get_kind, kind_names
from bdg.jobs.runner import run_job
from bdg.lattices import budget

RUNS = Path(__file__).resolve().parents[3] / "runs"
BOX = ("spacing_nm=1.0", "diameter_nm=6", "seed=0", "temperature_K=4.2", "density_m3=5e25")


def job_of(name, *changes, first=True):
    job = parse_job((RUNS / f"{name}.toml").read_bytes(), f"{name}.toml", name, changes)
    return dataclasses.replace(job, points=job.points[:1]) if first else job


@pytest.fixture
def largest_built(monkeypatch):
    """Sites of the largest system that any builder begins."""
    seen = [0.0]
    judge = budget._judge

    def watching(building):
        seen[0] = max(seen[0], building.count)
        judge(building)

    monkeypatch.setattr(budget, "_judge", watching)
    return seen


CASES = [  # 2e4 to 1e5 sites, where the systems can still be built: cubes, films, bars, chains
    ("composite", "size_nm=[28, 28, 28]", *BOX),
    ("critical_temperature", "width=50", "superconductor_sites=5", "normal_sites=5", "electrodes=1"),
    ("sns", "superconductor_sites=1500", "width=10"),
    ("stiffness", "sites=30"),
]
MORE = [
    ("gap", "width=200", "superconductor_sites=60", "normal_sites=40", "dimensions=2"),
    ("dos", "size_nm=[100, 60, 6]", *BOX),
    ("josephson", "width=8", "superconductor_sites=200", "normal_sites=100"),
    ("composite", "size_nm=[36, 36, 20]", "periodic=true", *BOX),
    ("composite", "size_nm=[120, 40, 5]", "sample_sites=300", *BOX),
    ("composite", "size_nm=[30, 30, 30]", "diameter_nm=25", "minimum_gap_nm=2", *BOX[:1], *BOX[2:]),
    ("ldos", "size_nm=[60, 60, 10]", *BOX),
    ("loops", "size_nm=[30, 30, 30]", *BOX),
    ("gap", "width=30", "superconductor_sites=16", "normal_sites=10"),
    ("sns", "superconductor_sites=100", "width=120"),
]
EVERY = [*CASES, *(pytest.param(case, marks=pytest.mark.slow) for case in MORE)]


def _take_small_samples(monkeypatch):
    sizes = (2000, 4000, 8000)
    monkeypatch.setattr(extrapolation, "SAMPLES", sizes)
    monkeypatch.setattr(extrapolation, "sample_shapes", lambda shape: sample_shapes(shape, sizes))


@pytest.mark.parametrize("case", EVERY, ids=lambda case: "-".join(case[:2]))
def test_it_says_what_the_system_itself_would(monkeypatch, case, largest_built):
    """Within a factor of two, from samples of a quarter of the sites or less."""
    job = job_of(*case)
    monkeypatch.setattr(extrapolation, "BUILT_UP_TO", 1e9)
    whole = estimate_job(job, device="cpu")
    sites = largest_built[0]
    assert not whole.extrapolated and sites > 20_000
    monkeypatch.setattr(extrapolation, "BUILT_UP_TO", 0)
    _take_small_samples(monkeypatch)
    largest_built[0] = 0
    found = estimate_job(job, device="cpu")
    assert largest_built[0] <= 1.05 * 8000 and sites > 2.4 * largest_built[0]
    assert found.steps == whole.steps and found.methods == whole.methods and found.notes == whole.notes
    assert (abs(np.log(found.step_seconds / whole.step_seconds)) < math.log(2)).all()
    assert abs(math.log(found.gibibytes / whole.gibibytes)) < math.log(2)
    text = str(found)
    assert f"EXTRAPOLATED to {sites:.3g} sites from systems of at most 8000 sites" in text
    assert "expect a factor of three" in text and "EXTRAPOLATED" not in str(whole)


@pytest.mark.slow
def test_a_million_sites_are_estimated_in_seconds(monkeypatch, largest_built):
    """No system of more than 3e4 sites is begun."""
    monkeypatch.setattr(extrapolation, "available_bytes", lambda backend: 2.0**37)  # whatever this machine has
    job = job_of("composite", "size_nm=[100, 100, 100]", *BOX)
    found = estimate_job(job, device="cpu")
    assert 0 < largest_built[0] <= 1.05 * max(SAMPLES)
    assert "EXTRAPOLATED to 1e+06 sites" in str(found) and found.steps[0] == "bound_states"
    assert 0.3 < found.building_seconds < 10


def test_many_points_share_samples(monkeypatch, largest_built):
    """Of 60 points 8 are looked at; their systems are large and differ in seed and temperature."""
    _take_small_samples(monkeypatch)
    job = job_of(
        "gap", "width=90", "superconductor_sites=4", "seed={range=[0, 30]}", "temperature_K=[4, 8]", first=False
    )
    found = estimate_job(job, device="cpu", workers=2)
    assert found.points == 60 and found.examined == estimates.MOST_EXTRAPOLATED and largest_built[0] <= 1.05 * 8000


def test_samples_keep_what_is_thin():
    assert sample_shapes((10, 12, 11)) == [(10, 12, 11)]
    for shape in sample_shapes((4, 500, 500)):
        assert shape[0] == 4 and shape[1] == shape[2] and math.prod(shape) <= max(SAMPLES)
    assert sample_shapes((10**6,))[-1] == (max(SAMPLES),)
    assert [shape[0] for shape in sample_shapes((1000, 1000, 1000))] == [12, 15, 20, 25, 31]


def test_wide_chains_have_no_transverse_edge_lost():
    """The shape that the builder of a sample states is the one that was wanted."""
    cases = [("sns", "superconductor_sites=9000"), ("sns", "superconductor_sites=900", "width=30"), ("stiffness",)]
    cases += [("gap", "width=200"), ("josephson", "width=100"), ("composite", "size_nm=[100, 70, 50]", *BOX)]
    for case in cases:
        parameters = job_of(*case).points[0].parameters
        kind = job_of(*case).kind
        shape = budget.predict(lambda make=kind.steps, p=parameters: make(p)).shape
        for wanted in sample_shapes(shape):
            changed = kind.smaller(parameters, shape, wanted)
            stated = budget.predict(lambda make=kind.steps, p=changed: make(p)).shape
            assert len(stated) == len(shape) and np.allclose(stated, wanted, atol=2)


def test_every_kind_of_this_package_knows_smaller_boxes():
    without = ["chain", "magnetometer", "sphere", "squid"]  # no lattice: minutes at most, whatever their keys
    without.append("system")  # one's own builder: what its arguments mean is not known
    assert [name for name in kind_names() if get_kind(name).smaller is None] == without


def test_a_kind_that_knows_no_smaller_box_is_not_extrapolated():
    parameters = job_of("stiffness", "sites=40").points[0].parameters
    kind = dataclasses.replace(get_kind("stiffness"), smaller=None)
    building = budget.predict(lambda: kind.steps(parameters))
    assert extrapolation.extrapolated(kind, parameters, building, "cpu", lambda system: None) is None


def test_a_bar_shows_how_far_it_is_where_it_is_asked_for(capsys):
    path = RUNS / "gap.toml"
    bdg.estimate(path, device="cpu", overrides=["seed=0", "temperature_K=4"], progress=True)
    assert "estimate" in capsys.readouterr().err
    bdg.estimate(path, device="cpu", overrides=["seed=0", "temperature_K=4"])
    assert cli.main(["estimate", str(path), "--set", "seed=0", "--set", "temperature_K=4"]) == 0
    assert capsys.readouterr().err == ""  # no terminal


# --------------------------------------------------------------------------------------------------- refused by size

HUGE = {
    "composite": ["size_nm=[1000, 1000, 1000]", *BOX],
    "dos": ["size_nm=[1000, 1000, 1000]", *BOX],
    "ldos": ["size_nm=[1000, 1000, 1000]", *BOX],
    "loops": ["size_nm=[1000, 1000, 1000]", *BOX],
    "loops3d": ["size_nm=[3000, 3000, 3000]"],
    "gap": ["width=10000", "superconductor_sites=2", "normal_sites=6"],
    "critical_temperature": ["width=10000", "superconductor_sites=2", "normal_sites=5"],
    "josephson": ["width=9000", "superconductor_sites=3", "normal_sites=3"],
    "sns": ["superconductor_sites=400000000"],
}


@pytest.mark.parametrize("name", HUGE)
@pytest.mark.parametrize("command", ["run", "estimate"])
def test_what_cannot_be_built_is_one_line_and_exit_2(monkeypatch, tmp_path, capsys, command, name, largest_built):
    monkeypatch.setattr("bdg.jobs.building.require_building", _of_32_gib)
    arguments = [command, str(RUNS / f"{name}.toml")]
    for change in HUGE[name]:
        arguments += ["--set", change]
    if command == "run":
        arguments += ["--out", str(tmp_path / "out")]
    assert cli.main(arguments) == 2
    shown = capsys.readouterr()
    assert not (tmp_path / "out").exists() and not largest_built[0]
    assert shown.out == "" and len(shown.err.strip().splitlines()) == 1
    assert shown.err.startswith(f"{name}: ") and "to build, but 32.0 GiB are available on this machine" in shown.err
    assert "sites would fit: take " in shown.err


def _of_32_gib(building):
    if building.bytes > 2**35:
        raise bdg.MemoryBudgetError(building.refusal(2.0**35))


def test_it_is_said_without_a_traceback_from_the_shell(tmp_path):
    command = [sys.executable, "-m", "bdg", "run", str(RUNS / "composite.toml"), "--out", str(tmp_path / "out")]
    for change in ("size_nm=[2300, 2300, 2300]", "seed=0"):
        command += ["--set", change]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    answer = subprocess.run(command, capture_output=True, text=True, timeout=100, env=environment, check=False)
    assert answer.returncode == 2 and answer.stdout == "" and len(answer.stderr.strip().splitlines()) == 1
    assert "grain_composite of 958 x 958 x 958 sites takes" in answer.stderr


def test_the_point_that_is_too_large_is_named(monkeypatch):
    monkeypatch.setattr("bdg.base.building.host_bytes", lambda: 2e8)
    job = job_of("gap", "width=[4, 400]", "seed=0", "temperature_K=4", first=False)
    with pytest.raises(bdg.MemoryBudgetError, match=r"gap: width=400: stack of \d+ x 400 x 400 sites takes"):
        bdg.estimate(job)


def test_workers_that_do_not_fit_side_by_side_are_refused_with_how_many_would(monkeypatch, tmp_path):
    job = job_of("gap", "width=40", "seed={range=[0, 9]}", "temperature_K=4", first=False)
    needed = budget.predict(lambda: job.kind.steps(job.points[0].parameters)).bytes
    monkeypatch.setattr("bdg.jobs.building.host_bytes", lambda: 2.5 * needed)
    with pytest.raises(bdg.MemoryBudgetError, match="3 workers that build a stack of .* --workers 2 would"):
        run_job(job, tmp_path / "out", workers=3, stream=None)
    assert not (tmp_path / "out").exists()


def test_points_that_are_done_need_no_memory(monkeypatch, tmp_path):
    job = job_of(
        "gap", "width=3", "superconductor_sites=2", "normal_sites=2", "temperature_K=4", "seed=0", "periodic=false"
    )
    job = dataclasses.replace(job, output={**job.output, "figures": False})
    assert run_job(job, tmp_path / "out", stream=None).exit_code == 0
    monkeypatch.setattr("bdg.base.building.host_bytes", lambda: 10.0)
    again = run_job(job, tmp_path / "out", stream=None)
    assert again.exit_code == 0 and not again.computed
    with pytest.raises(bdg.MemoryBudgetError):
        run_job(job, tmp_path / "other", stream=None)
