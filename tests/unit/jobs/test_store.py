"""The run directory: points whole or not at all, damage noticed, one runner at a time, results without timings."""

import errno
import fcntl
import importlib
import json
import math
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from bdg.base.errors import JobError
from bdg.jobs import kinds
from bdg.jobs.folder.provenance import changed_versions, git_state
from bdg.jobs.folder.record import Failure, recorded_failures
from bdg.jobs.folder.store import RunFolder, gather, recorded_points
from bdg.jobs.job import parse_job
from bdg.jobs.model.results import read_point, read_results, write_results
from bdg.lattices.storage import ResultFileError, write_file

HELPERS = Path(__file__).resolve().parents[2] / "helpers"


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    monkeypatch.syspath_prepend(str(HELPERS))
    monkeypatch.setattr(kinds, "_REGISTERED", {})
    kinds.register(importlib.import_module("tiny_kind").KIND)


def tiny_job(system="x_nm = [1, 2]\nseed = {range = [0, 3]}", name="job"):
    return parse_job(f"[job]\nkind = 'tiny'\nname = '{name}'\n[system]\n{system}\n".encode(), "job.toml", "job")


def fill(folder, job, points=None):
    """Compute points in this process and write them."""
    folder.claim(job)
    for point in job.points if points is None else points:
        folder.write_point(point, "tiny", job.kind.compute(point.parameters, "cpu"), 0.5, "cpu", {"versions": {}})


@pytest.fixture
def run(tmp_path):
    """A finished run of six points."""
    folder, job = RunFolder(tmp_path / "run"), tiny_job()
    with folder.locked():
        fill(folder, job)
    return folder, job


def test_a_point_file_holds_everything_about_the_point(run):
    folder, job = run
    point = read_point(folder.point_path(job.points[4].digest), job.points[4].label)
    assert point.label == "x_nm=2, seed=1"
    assert point.parameters == job.points[4].parameters
    np.testing.assert_array_equal(point["noise"], np.random.default_rng(1).normal(size=5))
    assert float(point["twice_x"]) == 4.0
    assert (point.units["noise"], point.descriptions["twice_x"]) == ("meV", "twice x")
    assert point.evidence["method"] == "tiny"
    assert point.seconds == 0.5


def test_every_dataset_has_unit_and_description(run):
    import h5py

    folder, job = run
    folder.write_results(folder.collect())
    for path in (folder.point_path(job.points[0].digest), folder.results):
        seen = []
        with h5py.File(path) as file:
            file.visititems(lambda name, node, seen=seen: seen.append((name, node)))
            assert len(seen) > 5
            for name, node in seen:
                if isinstance(node, h5py.Dataset):
                    assert {"unit", "description"} <= set(node.attrs), name


@pytest.mark.parametrize("kept", [0, 1, 100, 2048, -1])
def test_a_truncated_point_is_noticed_and_set_aside(run, kept):
    folder, job = run
    digest = job.points[2].digest
    path = folder.point_path(digest)
    whole = path.read_bytes()
    path.write_bytes(whole[:kept])
    survey = folder.survey(job.points)
    assert [p.digest for p in survey.missing] == [digest]
    assert "truncated or damaged" in survey.damaged[digest]
    assert folder.set_aside(digest).name == f"{digest}.h5.damaged"
    assert (folder.points / f"{digest}.h5.damaged").read_bytes() == whole[:kept]
    path.write_bytes(b"again")
    assert folder.set_aside(digest).name == f"{digest}.h5.damaged2"
    survey = folder.survey(job.points)
    assert (len(survey.done), len(survey.missing), survey.damaged) == (5, 1, {})


def test_a_flipped_bit_is_noticed_or_harmless(run):
    """Wherever a bit flips, the point is found damaged, or all that is read from it is unchanged (unused bytes)."""
    folder, job = run
    point = job.points[2]
    path = folder.point_path(point.digest)
    whole, before = path.read_bytes(), read_point(path)
    noticed = 0
    for place in range(3, len(whole), 101):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        survey = folder.survey([point])
        if survey.damaged:
            noticed += 1
            continue
        after = survey.done[point.digest]
        assert after.parameters == before.parameters
        assert after.evidence == before.evidence
        for name, value in before.observables.items():
            np.testing.assert_array_equal(after[name], value)
    assert noticed > 10
    # and certainly in the numbers themselves
    number = np.random.default_rng(2).normal(size=5)[3].tobytes()
    place = whole.index(number)
    path.write_bytes(whole[:place] + bytes([number[0] ^ 1]) + whole[place + 1 :])
    assert "checksum" in folder.survey([point]).damaged[point.digest]


def test_a_file_of_something_else_is_no_point(run, tmp_path):
    folder, job = run
    first, second, third, fourth = (p.digest for p in job.points[:4])
    shutil.copy(folder.point_path(first), folder.point_path(second))  # another point under this name
    folder.point_path(third).write_text("no HDF5")
    write_file(folder.point_path(fourth), "System", {"n": 1})
    damaged = folder.survey(job.points).damaged
    assert set(damaged) == {second, third, fourth}
    assert f"holds another point ({first})" in damaged[second]
    assert "holds a System, not a Point" in damaged[fourth]
    write_file(tmp_path / "bare.h5", "Point", {"digest": "x"})
    with pytest.raises(ResultFileError, match="no point file of this version"):
        read_point(tmp_path / "bare.h5")


def test_results_equal_the_points_and_repeat_byte_for_byte(run, tmp_path):
    folder, job = run
    folder.write_results(folder.collect())
    first = folder.results.read_bytes()
    (folder.points / f"{job.points[3].digest}.h5").unlink()
    fill(folder, job, [job.points[3]])  # other date, other seconds
    folder.write_results(folder.collect())
    assert folder.results.read_bytes() == first
    assert b"seconds_of_part" not in first

    results = read_results(folder.results)
    assert [p.label for p in results] == [p.label for p in job.points]
    assert (results.kind, results.name, results.identity, results.missing) == ("tiny", "job", job.identity, ())
    np.testing.assert_array_equal(results.points[5]["noise"], np.random.default_rng(2).normal(size=5))
    assert results.points[5].evidence == {"method": "tiny", "deeper": {"why": "so"}}
    assert results.points[5].units["noise"] == "meV"
    write_results(tmp_path / "again.h5", results)
    assert (tmp_path / "again.h5").read_bytes() == first


def test_ensembles_are_means_over_seeds(run):
    folder, job = run
    results = folder.collect()
    one, two = results.ensembles()
    assert (one.parameters["system"]["x_nm"], two.parameters["system"]["x_nm"]) == (1.0, 2.0)
    assert "seed" not in one.parameters["system"]
    noise = np.array([np.random.default_rng(seed).normal(size=5) for seed in (0, 1, 2)])
    np.testing.assert_allclose(one.mean["noise"], noise.sum(axis=0) / 3, rtol=1e-14)
    spread = np.sqrt(((noise - noise.mean(axis=0)) ** 2).sum(axis=0) / 2)
    np.testing.assert_allclose(two.standard_error["noise"], spread / math.sqrt(3), rtol=1e-14)
    assert (float(two.mean["twice_x"]), float(two.standard_error["twice_x"])) == (4.0, 0.0)
    assert "varied" not in one.mean  # its shape differs between seeds
    assert one.seeds == [0, 1, 2]

    folder.write_results(results)
    import h5py

    with h5py.File(folder.results) as file:
        stored = file["ensemble/00001/standard_error/noise"]
        np.testing.assert_array_equal(stored[()], two.standard_error["noise"])
        assert stored.attrs["unit"] == "meV"
        assert stored.attrs["description"] == "standard error of the mean: random numbers of the seed"


def test_no_ensemble_without_a_sweep_over_seeds(tmp_path):
    folder, job = RunFolder(tmp_path / "run"), tiny_job("x_nm = [1, 2]")
    with folder.locked():
        fill(folder, job)
    assert folder.collect().ensembles() == []


def test_results_of_an_unfinished_run_name_what_is_missing(run):
    folder, job = run
    folder.point_path(job.points[1].digest).unlink()
    results = folder.collect()
    assert results.missing == ("x_nm=1, seed=1",)
    assert results.ensembles()[0].seeds == [0, 2]
    folder.write_results(results)
    assert read_results(folder.results).missing == ("x_nm=1, seed=1",)


def test_results_are_read_where_the_points_were_left_behind(run):
    folder, _ = run
    folder.write_results(folder.collect())
    shutil.rmtree(folder.points)
    assert len(folder.collect()) == 6


def test_one_runner_at_a_time(tmp_path):
    folder = RunFolder(tmp_path / "run")
    assert not folder.is_running()
    with folder.locked():
        assert folder.is_running()
        with pytest.raises(JobError, match=rf"another runner \(process {os.getpid()} on .*\) is at work here"):
            with RunFolder(tmp_path / "run").locked():
                pass
    assert not folder.is_running()
    with folder.locked():
        pass


def test_a_lock_that_is_something_else_is_neither_written_nor_waited_for(tmp_path):
    """A link to a file of somebody's, and a pipe that nobody writes into; a folder from elsewhere may hold both."""
    (tmp_path / "precious").write_text("mine")
    (tmp_path / "link").mkdir()
    (tmp_path / "link" / ".lock").symlink_to(tmp_path / "precious")
    (tmp_path / "pipe").mkdir()
    os.mkfifo(tmp_path / "pipe" / ".lock")
    for name in ("link", "pipe"):
        assert not RunFolder(tmp_path / name).is_running()
        with pytest.raises(JobError, match="cannot be used as run directory"):
            with RunFolder(tmp_path / name).locked():
                pass
    assert (tmp_path / "precious").read_text() == "mine"


@pytest.mark.parametrize("kind", [errno.EBADF, errno.ENOLCK])
def test_file_systems_of_other_machines(tmp_path, monkeypatch, kind):
    """NFS wants a handle that writes for a lock of one's own (EBADF), and some have no locks at all (ENOLCK)."""
    real = fcntl.flock

    def flock(handle, operation):
        writes = fcntl.fcntl(handle, fcntl.F_GETFL) & os.O_ACCMODE != os.O_RDONLY
        if kind == errno.ENOLCK or (operation & fcntl.LOCK_EX and not writes):
            raise OSError(kind, os.strerror(kind))
        real(handle, operation)

    monkeypatch.setattr(fcntl, "flock", flock)
    folder = RunFolder(tmp_path / "run")
    if kind == errno.ENOLCK:
        with pytest.raises(JobError, match=r"cannot be used as run directory \(No locks available\)"):
            with folder.locked():
                pass
    else:
        with folder.locked(3):
            assert folder.workers_running() == 3
    assert folder.workers_running() is None


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(JobError, match="cannot be used as run directory"):
        with RunFolder(tmp_path / "file").locked():
            pass


def test_the_folder_of_another_job_is_refused_with_the_keys_that_differ(run):
    folder, job = run
    before = {path: path.read_bytes() for path in folder.path.rglob("*") if path.is_file()}
    with pytest.raises(JobError, match=r"another job, which differs in \[system\] seed, \[system\] x_nm; .* --out"):
        folder.claim(tiny_job("x_nm = [1, 3]"))
    assert {path: path.read_bytes() for path in folder.path.rglob("*") if path.is_file()} == before
    folder.claim(job)
    folder.claim(tiny_job(name="renamed"))  # the same points: the same run


def test_a_folder_of_other_files_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(JobError, match=r"not empty and no run directory of this job \(it holds thesis.tex\)"):
        RunFolder(tmp_path).claim(tiny_job())
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_results_of_something_else_are_not_overwritten(tmp_path):
    (tmp_path / "job.toml").write_text("")
    (tmp_path / "results.h5").write_text("precious")
    with pytest.raises(JobError, match=r"it holds results\.h5"):
        RunFolder(tmp_path).claim(tiny_job())
    assert (tmp_path / "results.h5").read_text() == "precious"


def test_the_record_keeps_job_overrides_and_points(run):
    folder, job = run
    assert (folder.path / "job.toml").read_bytes() == job.text
    record = folder.read_record()
    assert (record["identity"], record["kind"], record["failed"]) == (job.identity, "tiny", {})
    assert recorded_points(record) == list(job.points)
    failed = {job.points[0].digest: Failure("ValueError: no", "raised", "Traceback", "{}")}
    folder.record_failures(job, failed)
    assert folder.read_record()["failed"] == {job.points[0].digest: "ValueError: no"}
    assert recorded_failures(folder.read_record()) == failed


def test_a_damaged_record_costs_no_points(run):
    folder, job = run
    (folder.path / "run.json").write_text("{")
    with pytest.raises(JobError, match=r"run\.json: damaged .* delete it and run the job again: the points are kept"):
        folder.claim(job)
    (folder.path / "run.json").unlink()
    with pytest.raises(JobError, match=r"it holds points/"):
        folder.claim(tiny_job("x_nm = 5"))
    folder.claim(job)
    assert len(folder.survey(job.points).done) == 6


def test_a_newer_record_is_refused(run):
    folder, job = run
    record = {**folder.read_record(), "format_version": 99}
    (folder.path / "run.json").write_text(json.dumps(record))
    with pytest.raises(JobError, match="format version 99 is newer than this package reads; upgrade bdg"):
        folder.claim(job)


def test_no_folder_and_no_run_directory(tmp_path):
    with pytest.raises(JobError, match="no such folder"):
        RunFolder(tmp_path / "none").collect()
    with pytest.raises(JobError, match="no run directory of bdg"):
        RunFolder(tmp_path).collect()


def test_only_our_own_stale_files_are_removed(run):
    folder, job = run
    digest = job.points[0].digest
    stale = [
        folder.points / f".{digest}.h5.ab_9x.tmp",
        folder.path / ".results.h5.q1.tmp",
        folder.path / ".run.json.z.tmp",
    ]
    foreign = [folder.points / "notes.tmp", folder.path / ".other.tmp", folder.points / f"{digest}.h5.damaged"]
    for path in stale + foreign:
        path.write_text("x")
    folder.claim(job)
    assert not any(path.exists() for path in stale)
    assert all(path.exists() for path in foreign)


def test_gather_keeps_the_order_of_the_sweep(run):
    folder, job = run
    done = folder.survey(list(reversed(job.points))).done
    assert [p.digest for p in gather("tiny", "job", job.identity, job.points, done)] == [p.digest for p in job.points]


def test_points_of_other_versions_are_told_apart():
    new = {"versions": {"bdg": "2", "numpy": "2.4", "kwant": "1.5"}, "git": {"commit": "b" * 40, "dirty": False}}
    assert changed_versions(new, {**new, "host": "elsewhere"}) == []
    old = {"versions": {"bdg": "1", "numpy": "2.4", "kwant": None}, "git": None}
    assert changed_versions(old, new) == ["bdg 1 (now 2)", "commit None (now bbbbbbbbbb)"]


def test_the_git_state_is_the_commit_or_none(monkeypatch, tmp_path):
    import bdg

    monkeypatch.setattr(bdg, "__file__", str(tmp_path / "bdg" / "__init__.py"))
    assert git_state() is None  # no checkout
    if shutil.which("git") is None:
        pytest.skip("no git")
    git = ["git", "-C", str(tmp_path), "-c", "user.name=n", "-c", "user.email=e"]
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))  # as inside a hook: not to be followed
    environment = {key: value for key, value in os.environ.items() if key != "GIT_DIR"}
    subprocess.run([*git, "init", "-q"], check=True, env=environment)
    assert git_state() is None  # no commit yet
    (tmp_path / "a").write_text("1")
    subprocess.run([*git, "add", "a"], check=True, env=environment)
    subprocess.run([*git, "commit", "-qm", "first"], check=True, env=environment)
    commit = subprocess.run([*git, "rev-parse", "HEAD"], check=True, env=environment, capture_output=True, text=True)
    assert git_state() == {"commit": commit.stdout.strip(), "dirty": False}
    (tmp_path / "a").write_text("2")
    assert git_state() == {"commit": commit.stdout.strip(), "dirty": True}
    monkeypatch.setenv("PATH", "")
    assert git_state() is None  # no git
