"""Runs as users start them: resumed, killed, shared by mistake, with failing points; the result is always the same.

What asks about processes starts them; what asks about the folder that they leave runs in this one.
"""

import functools
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command_here import Here, bdg_here

from bdg.jobs.engines.processes import Crew
from bdg.jobs.model.results import read_point, read_results

pytestmark = pytest.mark.usefixtures("tiny")

ROOT = Path(__file__).resolve().parents[2]
TINY = [sys.executable, str(ROOT / "tests" / "helpers" / "tiny_bdg.py")]
BDG = [sys.executable, "-m", "bdg"]

JOB = """
[job]
kind = "tiny"
[system]
x_nm = [1, 2, 3]
seed = {range = [0, 3]}
[compute]
seconds = 0.02
"""


@pytest.fixture
def place(tmp_path):
    """A folder with a job, and what `run` needs to know."""
    (tmp_path / "job.toml").write_text(JOB)
    return tmp_path


def command(place, *arguments, program=TINY):
    environment = {
        **{name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")},
        "PYTHONPATH": str(ROOT),
        "TINY_DIARY": str(place / "diary"),
    }
    return {"args": [*program, *map(str, arguments)], "cwd": place, "env": environment, "text": True}


def run(place, *arguments, out="out", engine=Here):
    """Run the job, or what is missing of it, without a new process unless ``engine`` starts some."""
    arguments = ("run", "job.toml", "--out", out, *arguments)
    return bdg_here(*arguments, cwd=place, engine=engine, TINY_DIARY=str(place / "diary"))


def status(place):
    return bdg_here("status", "out", cwd=place).stdout


def start(place, *arguments, program=TINY, gate=None, stderr=subprocess.DEVNULL):
    """Start the run in a process of its own; its points of x_nm = 3 wait until there is a file ``gate``."""
    parts = command(place, "run", "job.toml", "--out", "out", *arguments, program=program)
    if gate is not None:
        parts["env"]["TINY_GATE"] = str(gate)
    # where pytest itself was started in the background of a shell, its children would ignore Ctrl-C
    heard = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    return subprocess.Popen(**parts, stdout=subprocess.DEVNULL, stderr=stderr, start_new_session=True, preexec_fn=heard)


def diary(place):
    """(process, x, seed) of everything that was computed so far."""
    path = place / "diary"
    lines = path.read_text().splitlines() if path.exists() else []
    return [(int(pid), float(x), int(seed)) for pid, x, seed in (line.split() for line in lines)]


def is_alive(pid):
    """False also for what has ended and only waits to be collected."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    try:
        return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:  # it went while we looked
        return False


def children(pid):
    """Processes whose parent is ``pid``."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            found.append(int(stat.parent.name))
    return found


def wait_for(condition, seconds=60, step=0.01):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(step)


def wait_at_the_gate(place):
    """Wait until six points are done and two workers wait with one each; return their process ids."""
    wait_for(lambda: len(diary(place)) == 8)
    assert len(point_files(place / "out")) == 6
    return {pid for pid, x, _ in diary(place) if x == 3}


def point_files(folder):
    return sorted(path for path in (folder / "points").glob("*.h5"))


@pytest.fixture(scope="module")
def whole(tmp_path_factory, tiny):
    """results.h5 of an uninterrupted run with one worker."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "job.toml").write_text(JOB)
    done = run(folder, engine=Crew)
    assert done.returncode == 0, done.stderr
    return (folder / "out" / "results.h5").read_bytes()


def test_a_run_makes_its_directory(place, whole):
    arguments = ("run", "job.toml", "--out", "out", "--workers", 2)
    done = subprocess.run(**command(place, *arguments), capture_output=True, timeout=300)
    assert done.returncode == 0, done.stderr
    out = place / "out"
    assert {path.name for path in out.iterdir()} == {
        ".lock", "job.toml", "run.json", "points", "results.h5", "figures", "run.log",
    }  # fmt: skip
    assert (out / "job.toml").read_text() == JOB
    assert len(point_files(out)) == 9
    assert "tiny summary of 9 points" in done.stdout
    assert "9 of 9 points done, 9 of them computed now" in done.stdout
    assert "[9/9]" in done.stderr and "left" in done.stderr  # no terminal: plain lines
    assert "Traceback" not in done.stderr
    assert (out / "figures" / "figure.png").read_text() == "9 points"
    assert (out / "results.h5").read_bytes() == whole  # one worker or two
    assert len(diary(place)) == 9
    # each in a process of its own, with one thread for its linear algebra
    assert len({pid for pid, _, _ in diary(place)}) == 2
    assert [int(point["threads"]) for point in read_results(out / "results.h5")] == [1] * 9


def test_only_what_is_missing_is_computed(place, whole):
    assert run(place).returncode == 0
    files = point_files(place / "out")
    stamps = {path: path.stat().st_mtime_ns for path in files}
    assert "all of them were there" in run(place).stdout
    assert len(diary(place)) == 9

    for path in files[2:4]:
        path.unlink()
    done = run(place)
    assert "9 of 9 points done, 2 of them computed now" in done.stdout
    assert len(diary(place)) == 11
    assert {path: path.stat().st_mtime_ns for path in files if path not in files[2:4]} == {
        path: stamp for path, stamp in stamps.items() if path not in files[2:4]
    }
    assert (place / "out" / "results.h5").read_bytes() == whole


def test_damaged_points_are_set_aside_and_computed_again(place, whole):
    assert run(place).returncode == 0
    files = point_files(place / "out")
    short, flipped = files[0].read_bytes()[:700], bytearray(files[1].read_bytes())
    flipped[len(flipped) // 2] ^= 1
    files[0].write_bytes(short)
    files[1].write_bytes(bytes(flipped))
    assert "7 done, 0 missing, 0 failed, 2 damaged" in status(place)
    done = run(place)
    assert done.returncode == 0
    assert len(diary(place)) == 11
    assert done.stderr.count("a damaged point is set aside as") == 2
    assert files[0].with_name(files[0].name + ".damaged").read_bytes() == short
    assert files[1].with_name(files[1].name + ".damaged").read_bytes() == bytes(flipped)
    assert (place / "out" / "results.h5").read_bytes() == whole


@pytest.mark.parametrize(
    ("action", "words", "x_nm", "engine"),
    [("raise", "ValueError: asked to fail", [1, 2, 3], Here), ("die", "signal 9 (SIGKILL", [1], Crew)],
    ids=["raise", "die"],
)
def test_a_failing_point_fails_alone(place, action, words, x_nm, engine):
    """By an exception, or by the end of its worker (the system does that when memory runs out)."""
    arguments = ["--set", f'action=["none", "{action}"]', "--set", "seed=0", "--set", f"x_nm={x_nm}"]
    done, n = run(place, "--workers", 2, *arguments, engine=engine), len(x_nm)
    assert done.returncode == 1
    assert f"{n} of {2 * n} points done" in done.stdout
    assert done.stdout.count("FAILED ") == n
    assert done.stdout.count(words) == n
    assert "Traceback" not in done.stdout + done.stderr
    log = (place / "out" / "run.log").read_text()
    assert log.count("Traceback") == (n if action == "raise" else 0)
    assert len(read_results(place / "out" / "results.h5").missing) == n
    seen = status(place)
    assert f"{n} done, 0 missing, {n} failed, 0 damaged" in seen
    assert f"failed: x_nm=1, action={action} (" in seen and words in seen
    again = run(place, *arguments, engine=engine)
    assert again.returncode == 1
    tries = 2 if action == "die" else 1  # a point whose worker dies is tried once more in the same run
    assert len(diary(place)) == n + (2 if action == "die" else 1) * tries * n  # what raised would raise again
    run(place, *arguments, "--retry", engine=engine)
    assert len(diary(place)) == n + (3 if action == "die" else 2) * tries * n


def test_warnings_of_a_point_are_shown_once(place):
    done = run(place, "--set", 'action="warn"')
    assert done.returncode == 0
    assert done.stderr.count("asked to warn") == 1


def test_broken_figures_cost_no_numbers(place, whole):
    done = run(place, "--set", "output.broken=true")
    assert done.returncode == 1
    assert (
        "the figures failed (RuntimeError: asked to break; traceback in run.log); the numbers are kept" in done.stderr
    )
    assert (place / "out" / "results.h5").read_bytes() == whole


@pytest.mark.slow
def test_a_second_runner_is_refused_while_the_first_works_and_not_after_its_death(place, whole):
    """Nor do workers outlive their parent, not even in the middle of a point that would take for ever."""
    first = start(place, "--workers", 2, gate=place / "gate")
    workers = wait_at_the_gate(place)
    second = run(place)
    assert second.returncode == 2
    (line,) = second.stderr.splitlines()
    assert f"another runner (process {first.pid} on " in line
    assert "\nrunning\n" in status(place)
    assert len(workers) == 2 and all(map(is_alive, workers))
    first.kill()
    first.wait()
    wait_for(lambda: not any(map(is_alive, workers)), 10)
    third = run(place)
    assert third.returncode == 0, third.stderr
    assert "9 of 9 points done, 3 of them computed now" in third.stdout
    assert (place / "out" / "results.h5").read_bytes() == whole


def test_the_folder_of_another_job_is_left_alone(place):
    assert run(place).returncode == 0
    before = {path: path.read_bytes() for path in (place / "out").rglob("*") if path.is_file() and path.name != ".lock"}
    other = run(place, "--set", "system.x_nm=[1, 2]")
    assert other.returncode == 2
    (line,) = other.stderr.splitlines()
    assert line.startswith("out: holds the run of another job, which differs in [system] x_nm; ")
    assert before == {path: path.read_bytes() for path in before}
    (place / "mine").mkdir()
    (place / "mine" / "thesis.tex").write_text("")
    assert run(place, out="mine").returncode == 2
    assert [path.name for path in (place / "mine").iterdir()] == ["thesis.tex"]


def test_ctrl_c_keeps_what_is_done(place, whole):
    process = start(place, "--workers", 2, gate=place / "gate", stderr=subprocess.PIPE)
    workers = wait_at_the_gate(place)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the workers, too
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "stopped; finished points are kept" in said
    assert "Traceback" not in said
    wait_for(lambda: not any(map(is_alive, workers)), 10)
    assert not list((place / "out" / "points").glob(".*"))
    done = run(place)
    assert "9 of 9 points done, 3 of them computed now" in done.stdout
    assert (place / "out" / "results.h5").read_bytes() == whole


def kill_nine(place, moment, *arguments, **how):
    """Start a run, kill -9 its parent once ``moment()`` has passed, and see its workers end too."""
    process = start(place, *arguments, **how)
    moment()
    offspring = children(process.pid)
    process.kill()
    process.wait()
    wait_for(lambda: not any(map(is_alive, offspring)), 10)
    for path in point_files(place / "out"):  # what is there is whole
        read_point(path)


def finish_and_compare(place, total, *arguments, **how):
    """Run the rest, see that it was the rest, and compare with an undisturbed run."""
    kept = len(point_files(place / "out"))
    done = run(place, *arguments, **how)
    assert done.returncode == 0, done.stderr
    computed = f"{total - kept} of them computed now" if kept < total else "all of them were there"
    assert f"{total} of {total} points done, {computed}" in done.stdout
    assert not list((place / "out" / "points").glob(".*.tmp"))
    assert not list((place / "out" / "points").glob("*.damaged"))
    assert run(place, *arguments, "--set", "output.figures=false", out="whole", **how).returncode == 0
    assert (place / "out" / "results.h5").read_bytes() == (place / "whole" / "results.h5").read_bytes()
    return kept


@pytest.mark.parametrize("kills", [2, pytest.param(10, marks=pytest.mark.slow)])
@pytest.mark.slow
def test_kill_nine_at_random_moments_loses_only_the_points_in_flight(place, kills):
    """Six points wait at the gate, so that no run is over before it is killed."""
    arguments = ["--set", "seed={range = [0, 6]}", "--set", "seconds=0.05"]
    draw = random.Random(3)
    for _ in range(kills):
        before = len(diary(place))

        def moment(before=before):
            wait_for(lambda: len(diary(place)) > before)
            time.sleep(draw.uniform(0, 0.3))

        kill_nine(place, moment, "--workers", 2, *arguments, gate=place / "gate")
    kept, begun = len(point_files(place / "out")), len(diary(place))
    assert begun <= kept + kills * 2  # two points in flight are lost by each kill, at most
    assert finish_and_compare(place, 18, *arguments) == kept <= 12
    assert len(diary(place)) == begun + (18 - kept) + 18


@pytest.mark.slow
def test_kill_nine_during_a_write_leaves_no_half_point(place):
    """A kill may come too late for a write: it is tried until one has not, three times at most."""
    arguments = ["--set", "length=3000000", "--set", "x_nm=1", "--set", "seed={range = [0, 4]}"]
    points = place / "out" / "points"
    for _ in range(3):
        kill_nine(place, lambda: wait_for(lambda: any(points.glob(".*.tmp")), step=0.001), *arguments)
        if halves := list(points.glob(".*.tmp")):
            break
    assert halves
    (points / f".{'0' * 24}.h5.leftover.tmp").write_text("half")
    finish_and_compare(place, 4, *arguments)


SMALL = [
    "--set", "size_nm=[21, 21, 21]", "--set", "spacing_nm=3", "--set", "diameter_nm=[9, 12]",
    "--set", "temperature_K=[19, 30]", "--set", "states=8", "--set", "sample_sites=60", "--set", "seed=0",
]  # fmt: skip


@pytest.fixture
def composite(tmp_path):
    (tmp_path / "job.toml").write_bytes((ROOT / "runs" / "composite.toml").read_bytes())
    return tmp_path


@pytest.mark.slow
def test_a_small_composite_survives_a_kill(composite):
    kill_nine(composite, lambda: wait_for(lambda: point_files(composite / "out")), *SMALL, program=BDG)
    finish_and_compare(composite, 2, *SMALL)
    names = {path.name for path in (composite / "out" / "figures").iterdir()}
    stems = ("spectrum", "pair_amplitude_map", "pair_amplitude_profile", "proximity_length")
    assert names == {f"{stem}.{kind}" for stem in stems for kind in ("png", "pdf")}


@pytest.mark.slow  # about five minutes: the real job, killed ten times, then finished, then undisturbed
def test_the_composite_job_survives_ten_kills(composite):
    draw = random.Random(11)
    for _ in range(10):
        kill_nine(composite, lambda: time.sleep(draw.uniform(0.5, 15)), "--workers", 2, program=BDG)
    finish_and_compare(composite, 16, "--workers", 2, engine=Crew)
