"""Runs on a dask cluster: the bits of one process, whatever is killed meanwhile; workers that must not be used."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command_here import bdg_here

pytest.importorskip("distributed", reason="the extra 'cluster' is not installed")
psutil = pytest.importorskip("psutil")

from bdg.jobs.engines.dask_cluster import fingerprint, refusal  # noqa: E402
from bdg.jobs.engines.worker import WORKER_ENVIRONMENT  # noqa: E402

pytestmark = pytest.mark.usefixtures("tiny")

ROOT = Path(__file__).resolve().parents[2]
TINY = [sys.executable, str(ROOT / "tests" / "helpers" / "tiny_bdg.py")]
JOB = """
[job]
kind = "tiny"
[system]
x_nm = {x_nm}
seed = {{range = [0, {seeds}]}}
[compute]
seconds = {seconds}
"""


def started(place, *arguments):
    """Start the command in a process; `said` returns what it has said on stderr."""
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests" / "helpers")])
    words = place / f"stderr-{len(list(place.glob('stderr-*')))}"
    with words.open("w") as file:
        process = subprocess.Popen(
            [*TINY, *map(str, arguments)],
            cwd=place,
            env={**os.environ, "PYTHONPATH": paths},
            stdout=subprocess.DEVNULL,
            stderr=file,
        )
    process.words = words
    return process


def said(process):
    return process.words.read_text()


@pytest.fixture
def cluster(tmp_path):
    """A scheduler with two workers, and the file that says where it is."""
    place = tmp_path / "scheduler.json"
    process = started(tmp_path, "cluster", "--workers", 2, "--scheduler-file", place)
    for _ in range(600):
        if place.exists() or process.poll() is not None:
            break
        time.sleep(0.1)
    assert process.poll() is None, said(process)
    yield process, place
    process.terminate()
    process.wait(timeout=60)


def job_in(place, **numbers):
    (place / "job.toml").write_text(JOB.format(**numbers))


def equal_to_a_quiet_run(place):
    quiet = bdg_here("run", "job.toml", "--out", "quiet", cwd=place)
    assert quiet.returncode == 0
    return (place / "quiet" / "results.h5").read_bytes() == (place / "out" / "results.h5").read_bytes()


def test_a_cluster_gives_the_bits_of_one_process(cluster, tmp_path):
    job_in(tmp_path, x_nm=[1, 2, 3], seeds=4, seconds=0.0)
    run = started(tmp_path, "run", "job.toml", "--out", "out", "--scheduler", cluster[1])
    assert run.wait(timeout=120) == 0, said(run)
    assert equal_to_a_quiet_run(tmp_path)
    (tmp_path / "sns.toml").write_text(SNS)
    told = bdg_here("estimate", "sns.toml", "--workers", 7, "--scheduler", cluster[1], cwd=tmp_path)
    assert told.returncode == 0 and f"5 points, 2 workers of the scheduler {cluster[1]}" in told.stdout, told


@pytest.mark.slow
def test_what_its_workers_cannot_hold_is_refused(cluster, tmp_path):
    """By the memory of the workers, before any point is begun."""
    (tmp_path / "large.toml").write_text((ROOT / "runs" / "composite.toml").read_text())
    large = "large.toml", "--scheduler", cluster[1], "--set", "system.size_nm=[2000, 2000, 2000]"
    for command in (("estimate", *large), ("run", *large, "--out", "large")):
        refused = bdg_here(*command, cwd=tmp_path)
        assert refused.returncode == 2
        assert "are available on a machine of the workers" in refused.stderr
    assert not list((tmp_path / "large" / "points").glob("*"))


@pytest.mark.slow
def test_points_that_fail_fail_alone(cluster, tmp_path):
    """One that raises, and one that kills every worker that takes it."""
    job_in(tmp_path, x_nm=[1, 2], seeds=2, seconds=0.0)
    for action, words in (("raise", "ValueError: asked to fail"), ("die", "the worker process died")):
        arguments = "run", "job.toml", "--out", action, "--scheduler", cluster[1], "--set"
        run = started(tmp_path, *arguments, f'compute.action=["none", "{action}"]')
        assert run.wait(timeout=120) == 1
        assert words in said(run)
        assert "4 done, 0 missing, 4 failed" in bdg_here("status", action, cwd=tmp_path).stdout


@pytest.mark.slow
def test_limits_of_a_run_and_of_a_point(cluster, tmp_path):
    """A point that takes ten times as long is given up with its worker; a budget that is spent begins no more."""
    job_in(tmp_path, x_nm=[1, 2], seeds=1, seconds=0.0)
    run = started(
        tmp_path,
        *("run", "job.toml", "--out", "late", "--scheduler", cluster[1], "--point-limit", 0.05),
        *("--set", "compute.seconds=[0.0, 60.0]"),
    )
    assert run.wait(timeout=120) == 1
    assert said(run).count("it took longer than --point-limit 0.05 (minutes)") == 2
    run = started(
        tmp_path,
        *("run", "job.toml", "--out", "spent", "--scheduler", cluster[1], "--budget", 0.03),
        *("--set", "compute.seconds=0.5", "--set", "system.seed={range = [0, 100]}"),
    )
    assert run.wait(timeout=120) == 1
    assert "the budget is spent" in said(run)
    assert 1 <= len(list((tmp_path / "spent" / "points").glob("*.h5"))) < 100


def workers_of(cluster):
    children = psutil.Process(cluster.pid).children(recursive=True)
    return [child for child in children if "spawn_main" in " ".join(child.cmdline())]


@pytest.mark.slow
def test_killed_workers_and_runners_leave_no_trace(cluster, tmp_path):
    """200 points, 20 workers and 5 runners killed by SIGKILL: each point once, bit for bit as if nothing had been."""
    process, place = cluster
    rng = random.Random(3)
    job_in(tmp_path, x_nm=[1, 2, 3, 4], seeds=50, seconds=0.4)
    kills = ["worker"] * 20 + ["runner"] * 5
    rng.shuffle(kills)
    runner = started(tmp_path, "run", "job.toml", "--out", "out", "--scheduler", place)
    for victim in kills:
        time.sleep(rng.uniform(1.0, 2.0))
        if victim == "runner":
            runner.kill()
            runner.wait()
        elif workers := workers_of(process):
            rng.choice(workers).send_signal(signal.SIGKILL)
        if runner.poll() is not None:
            runner = started(tmp_path, "run", "job.toml", "--out", "out", "--scheduler", place)
    runner.wait(timeout=600)
    last = started(tmp_path, "run", "job.toml", "--out", "out", "--scheduler", place)  # what a death took three times
    assert last.wait(timeout=600) == 0, said(last)
    assert len(list((tmp_path / "out" / "points").glob("*.h5"))) == 200
    assert equal_to_a_quiet_run(tmp_path)


@pytest.mark.slow
def test_a_lost_scheduler_ends_the_run_and_keeps_points(cluster, tmp_path):
    process, place = cluster
    job_in(tmp_path, x_nm=[1, 2, 3, 4], seeds=10, seconds=0.5)
    run = started(tmp_path, "run", "job.toml", "--out", "out", "--scheduler", place)
    while not list((tmp_path / "out" / "points").glob("*.h5")):
        time.sleep(0.2)
        assert run.poll() is None, said(run)
    assert '"workers": 2' in bdg_here("status", "out", "--json", cwd=tmp_path).stdout  # not the one of --workers
    process.kill()
    assert run.wait(timeout=120) == 1
    assert "is lost; finished points are kept" in said(run)
    assert bdg_here("run", "job.toml", "--out", "out", cwd=tmp_path).returncode == 0
    assert equal_to_a_quiet_run(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_run_that_is_stopped_takes_its_points_back(cluster, tmp_path, number, code):
    """Workers stay, and the same command goes on to the bits of a quiet run."""
    process, place = cluster
    job_in(tmp_path, x_nm=[1, 2, 3, 4], seeds=5, seconds=0.5)
    run = started(tmp_path, "run", "job.toml", "--out", "out", "--scheduler", place)
    while not list((tmp_path / "out" / "points").glob("*.h5")):
        time.sleep(0.1)
        assert run.poll() is None, said(run)
    run.send_signal(number)
    assert run.wait(timeout=30) == code
    assert "stopped" in said(run) and "the same command goes on from here" in said(run)
    assert "Traceback" not in said(run)
    time.sleep(2.0)  # what was at work when it came may still be written; nothing else is begun
    there = len(list((tmp_path / "out" / "points").glob("*.h5")))
    assert there < 20 and len(workers_of(process)) == 2
    again = started(tmp_path, "run", "job.toml", "--out", "out", "--scheduler", place)
    assert again.wait(timeout=120) == 0, said(again)
    assert f"{there} of 20 points are there already" in said(again)
    assert equal_to_a_quiet_run(tmp_path)


OWN = """
import os
import numpy as np
from bdg.lattices import from_hamiltonian

with open("{diary}", "a") as diary:
    diary.write(f"{{os.getpid()}}\\n")

def make(n: int):
    h = np.diag(np.full(n - 1, -1.0), 1)
    return from_hamiltonian(h + h.T, np.arange(n)[:, None], delta=0.2)
"""
OWN_JOB = """
[job]
kind = "system"
[system]
builder = "my_module:make"
[system.parameters]
n = [12, 14, 16]
[compute]
calls = ["bound_states"]
k = 4
[output]
figures = false
"""


@pytest.mark.slow
def test_code_of_ones_own_runs_in_workers_if_the_command_line_says_so(cluster, tmp_path):
    (tmp_path / "my_module.py").write_text(OWN.format(diary=tmp_path / "diary"))
    (tmp_path / "job.toml").write_text(OWN_JOB)
    arguments = "run", "job.toml", "--out", "out", "--scheduler", cluster[1]
    refused = bdg_here(*arguments, cwd=tmp_path)
    assert refused.returncode == 2 and "--allow-code" in refused.stderr
    assert not (tmp_path / "diary").exists() and not (tmp_path / "out").exists()
    run = started(tmp_path, *arguments, "--allow-code")
    assert run.wait(timeout=120) == 0, said(run)
    ran = {int(line) for line in (tmp_path / "diary").read_text().split()}
    assert ran & {worker.pid for worker in workers_of(cluster[0])}
    quiet = bdg_here("run", "job.toml", "--out", "quiet", "--allow-code", cwd=tmp_path)
    assert quiet.returncode == 0
    assert (tmp_path / "quiet" / "results.h5").read_bytes() == (tmp_path / "out" / "results.h5").read_bytes()


def good():
    environment = {**WORKER_ENVIRONMENT, "PYTHONHASHSEED": "6640"}
    return {"fingerprint": fingerprint(), "threads": 1, "environment": environment, "host": "node7", "sees": True}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, ""),
        ({"fingerprint": {**fingerprint(), "numpy": "1.0"}}, "its versions differ (numpy 1.0, here"),
        ({"fingerprint": {**fingerprint(), "bdg": "0"}}, "its versions differ (bdg 0, here"),
        ({"threads": 4}, "it has 4 threads; start it with --nthreads 1"),
        ({"environment": {**good()["environment"], "OPENBLAS_NUM_THREADS": None}}, "without OPENBLAS_NUM_THREADS=1"),
        ({"environment": {**good()["environment"], "PYTHONHASHSEED": "random"}}, "without a fixed PYTHONHASHSEED"),
        ({"sees": False}, "node7 does not see the run directory"),
    ],
)
def test_workers_that_must_not_be_used(change, words):
    found = refusal({**good(), **change}, fingerprint())
    assert words in found and bool(found) == bool(words)


@pytest.mark.parametrize("scheduler", ["nonsense", "no/such/file.json", "tcp://"])
def test_what_is_no_scheduler_is_refused(scheduler, tmp_path):
    job_in(tmp_path, x_nm=[1], seeds=1, seconds=0.0)
    done = bdg_here("run", "job.toml", "--out", "out", "--scheduler", scheduler, cwd=tmp_path)
    assert done.returncode == 2
    assert f"--scheduler {scheduler}: neither a file that a dask scheduler wrote nor an address" in done.stderr


SRUN = """#!/bin/bash
# as many copies of a command as --ntasks says, on this machine
tasks=1
while [[ $1 == --* ]]; do
    case $1 in --ntasks=*) tasks=${1#*=} ;; esac
    shift
done
for _ in $(seq "$tasks"); do "$@" & done
wait
"""
SNS = """
[job]
kind = "sns"
[system]
superconductor_sites = 60
normal_sites = 1
hopping_meV = 100
spacing_nm = 1
mu_meV = 0
delta_meV = 2
[compute]
phase_pi = { linspace = [0, 2, 5] }
[output]
figures = false
"""


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("dask", path=Path(sys.executable).parent) is None, reason="no command dask")
def test_the_script_for_slurm_runs_as_it_is(tmp_path):
    """Its very commands, with srun replaced by what starts tasks here."""
    (tmp_path / "job.toml").write_text(SNS)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "srun").write_text(SRUN)
    (tmp_path / "bin" / "bdg").write_text(f'#!/bin/bash\nexec {sys.executable} -m bdg "$@"\n')
    for name in ("srun", "bdg"):
        (tmp_path / "bin" / name).chmod(0o755)
    script = bdg_here("slurm", "job.toml", "--workers", 2, "--hours", 0.5, "--out", "out", cwd=tmp_path).stdout
    assert "#SBATCH --ntasks=3\n" in script and "#SBATCH --time=30\n" in script
    (tmp_path / "job.sh").write_text(script)
    path = os.pathsep.join([str(tmp_path / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "SLURM_JOB_ID": "7"}
    done = subprocess.run(
        ["bash", "job.sh"], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert "5 of 5 points done, 5 of them computed now" in done.stdout
    assert equal_to_a_quiet_run(tmp_path)
    assert not list(tmp_path.glob(".dask-*"))
