"""How a run ends and what can be read of it: `bdg status` in words and JSON, exit codes, signals, second tries."""

import functools
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from command_here import bdg_here

from bdg.jobs import kinds
from bdg.jobs.engines.processes import Crew
from bdg.jobs.folder.store import RunFolder
from bdg.jobs.model.advice import in_words_of_the_job
from bdg.jobs.model.results import read_results
from bdg.jobs.progress import _new_bar

pytestmark = pytest.mark.usefixtures("tiny")

ROOT = Path(__file__).resolve().parents[2]
TINY = [sys.executable, str(ROOT / "tests" / "helpers" / "tiny_bdg.py")]
JOB = "[job]\nkind = 'tiny'\nname = 'first'\n[system]\nx_nm = [1, 2, 3]\n"
KEYS = {  # documented in docs/jobs.md
    "folder", "name", "kind", "running", "workers", "points", "done", "missing", "failed", "damaged",
    "seconds_per_point", "seconds_left", "results", "lacking",
}  # fmt: skip


@pytest.fixture
def place(tmp_path):
    (tmp_path / "job.toml").write_text(JOB)
    return tmp_path


def run(place, *sets, **options):
    words = [word for one in sets for word in ("--set", one)]
    return bdg_here("run", "job.toml", "--out", "out", *words, cwd=place, TINY_DIARY=str(place / "diary"), **options)


def status(place):
    answer = bdg_here("status", "out", "--json", cwd=place)
    return answer.returncode, json.loads(answer.stdout)


def test_status_as_json_and_its_exit_code(place):
    assert run(place, "action='impatient'").returncode == 1  # patience 5 is enough for x = 1 alone
    code, seen = status(place)
    assert code == 1 and set(seen) == KEYS
    page = (ROOT / "docs" / "jobs.md").read_text()
    assert all(f"`{key}`" in page for key in KEYS)
    assert (seen["done"], seen["failed"], seen["missing"], seen["damaged"], seen["points"]) == (1, 2, 0, 0, 3)
    assert (seen["running"], seen["workers"], seen["results"]) == (False, None, "complete")
    assert seen["seconds_left"] == pytest.approx(2 * seen["seconds_per_point"])  # one worker
    assert [point["label"] for point in seen["lacking"]] == ["x_nm=2", "x_nm=3"]
    assert {point["state"] for point in seen["lacking"]} == {"failed"}
    assert all(len(point["digest"]) == 24 and "not there" in point["why"] for point in seen["lacking"])
    words = bdg_here("status", "out", cwd=place)
    assert words.returncode == 1 and "those that are left would take about" in words.stdout

    with RunFolder(place / "out").locked(4):  # a runner of four workers at work on what is left
        _, seen = status(place)
        assert (seen["running"], seen["workers"]) == (True, 4)
        assert seen["seconds_left"] == pytest.approx(seen["seconds_per_point"])  # two points on two of them
        words = bdg_here("status", "out", cwd=place).stdout
        assert "\nrunning\n" in words and "left with 4 workers" in words


def test_more_effort_goes_on_in_the_same_folder(place):
    """Advice that is followed is not refused: a key that changes no result is no other job."""
    failed = run(place, "action='impatient'")
    assert "[in this job: pinned is no key; take a larger x_nm; max_iterations is no key; take more patience]" in (
        failed.stdout
    )
    assert (
        ".result" not in failed.stdout
        and "with --retry, or with other values of compute.patience (--set)" in failed.stdout
    )
    again = run(place, "action='impatient'", "patience=7")
    assert again.returncode == 1 and "2 of 3 points done, 1 of them computed now" in again.stdout
    again = run(place, "action='impatient'", "patience=20")
    assert again.returncode == 0 and "3 of 3 points done, 1 of them computed now" in again.stdout
    assert "all of them were there" in run(place, "action='impatient'").stdout
    patience = [point.parameters["compute"]["patience"] for point in read_results(place / "out" / "results.h5")]
    assert patience == [5, 7, 20]  # each says what it was computed with
    assert status(place)[0] == 0
    refused = run(place, "action='impatient'", "patience=9", "length=6")
    assert refused.returncode == 2 and "which differs in [compute] length; give a new folder" in refused.stderr
    assert "changes no result, so that it cannot be swept" in run(place, "patience=[5, 6]").stderr


def test_folders_of_before_are_gone_on_with(place, tiny, monkeypatch):
    """Of a time when a key of effort was part of the digests, and with a value that is not its default."""

    def with_effort(effort):
        keys = [replace(key, effort=effort) if key.name == "patience" else key for key in tiny.schema["compute"]]
        kind = replace(tiny, schema={**tiny.schema, "compute": keys})
        monkeypatch.setattr(kinds, "_REGISTERED", {"tiny": kind})

    with_effort("")
    sets = ("action='impatient'", "patience=7")
    assert run(place, *sets).returncode == 1  # x = 1 and 2 are done
    before = sorted(path.name for path in (place / "out" / "points").glob("*.h5"))
    with_effort("default")
    assert bdg_here("status", "out", cwd=place).stdout.startswith("out: first (tiny), 3 points\n2 done")
    again = run(place, *sets)
    assert "2 of 3 points done, 0 of them computed now" in again.stdout
    assert status(place)[1]["done"] == 2
    assert sorted(path.name for path in (place / "out" / "points").glob("*.h5")) == before
    (place / "out" / "run.json").unlink()
    assert "2 of 3 points done" in run(place, *sets).stdout


@pytest.mark.parametrize(
    ("message", "kind", "words"),
    [
        ("Take more max_iterations, or a larger tol", "gap", " [in this job: tol is the key tolerance]"),
        ("(pinned=sites)", "gap", " [in this job: pinned is no key; take more superconductor_sites, or a smaller"),
        ("Take self_consistent=True", "josephson", " [in this job: self_consistent is no key; give attraction_meV"),
        ("Take self_consistent=True", "system", ""),
        ("broadening=1 is too little", "dos", " [in this job: broadening is the key broadening_meV]"),
        ("the window is open, by any method", "gap", ""),
    ],
)  # fmt: skip
def test_advice_names_keys(message, kind, words):
    from bdg.jobs.kinds import get_kind

    assert in_words_of_the_job(message, get_kind(kind)).startswith(message + words)
    assert bool(words) or in_words_of_the_job(message, get_kind(kind)) == message


@pytest.mark.slow
def test_a_point_whose_worker_is_killed_is_tried_once_more(place):
    done = run(place, "action='die_once'", "x_nm=[1, 2]", engine=Crew)
    assert done.returncode == 0, done.stderr
    assert (
        done.stderr.count("the worker process died: signal 9 (SIGKILL, often out of memory); the point is tried") == 2
    )
    assert "2 of 2 points done" in done.stdout and len((place / "diary").read_text().splitlines()) == 4


@pytest.mark.slow
def test_sigterm_leaves_a_line_and_ends_with_143(place):
    gate = {"TINY_DIARY": str(place / "diary"), "TINY_GATE": str(place / "gate")}
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **gate}
    heard = functools.partial(signal.signal, signal.SIGTERM, signal.SIG_DFL)
    runner = subprocess.Popen(
        [*TINY, "run", "job.toml", "--out", "out"], cwd=place, env=environment, stderr=subprocess.PIPE, text=True,
        stdout=subprocess.DEVNULL, preexec_fn=heard,
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while not (place / "diary").exists() or " 3.0 " not in (place / "diary").read_text():  # it waits at the gate
        assert time.monotonic() < deadline and runner.poll() is None
        time.sleep(0.02)
    _, seen = status(place)
    assert seen["running"] and seen["done"] == 2 and seen["results"] == "missing"
    assert "results.h5 is missing: it is written at the end of a run" in bdg_here("status", "out", cwd=place).stdout
    runner.terminate()
    _, said = runner.communicate(timeout=60)
    assert runner.returncode == 143 and said.endswith("bdg: stopped by SIGTERM\n") and "Traceback" not in said
    assert "stopped by SIGTERM; finished points are kept" in (place / "out" / "run.log").read_text()
    code, seen = status(place)
    assert (code, seen["running"], seen["done"], seen["missing"]) == (0, False, 2, 1)
    (place / "gate").touch()
    assert "3 of 3 points done, 1 of them computed now" in run(place).stdout


def test_a_bar_has_one_comma(tmp_path):
    import io

    stream = io.StringIO()
    bar = _new_bar(3, 1, stream)
    bar.close()
    assert "1/3 points [00:00, time left unknown]" in stream.getvalue()


WRONG = [
    # command, the rule in words, the value, the cure
    (("run", "none.toml"), "cannot be read", "none.toml", "No such file"),
    (("run", "job.toml", "--set", "x_nm=-4"), "must be > 0", "-4", "[system] x_nm"),
    (("run", "job.toml", "--set", "x_nm=[1, 1]"), "given twice", "1.0", "[system] x_nm"),
    (("run", "job.toml", "--set", "x_nm=[]"), "an empty list", "x_nm=[]", "of values"),
    (("run", "job.toml", "--set", "x_nm='a'"), "must be a number in nm", "'a'", "the unit stands in the key"),
    (("run", "job.toml", "--set", "x_mm=4"), "unknown key", "x_mm", "did you mean x_nm?"),
    (("run", "job.toml", "--set", "compute.temperature_mK=4"), "wrong unit", "mK", "did you mean temperature_K?"),
    (("run", "job.toml", "--set", "sytem.x_nm=4"), "unknown section", "sytem", "did you mean system?"),
    (("run", "job.toml", "--set", "x_nm"), "must be section.key=value", "x_nm", "section.key=value"),
    (("run", "job.toml", "--set", "action=warn"), "is not a TOML value", "'warn'", "a text needs quotes"),
    (("run", "job.toml", "--set", "action='wran'"), "must be one of none", "'wran'", "did you mean warn?"),
    (("run", "job.toml", "--set", "x_nm={range=[0]}"), "range must be [a, b]", "[0]", "whole numbers"),
    (("run", "job.toml", "--set", "x_nm={linspace=[1, 2, 1]}"), "linspace must be", "[1, 2, 1]", "n >= 2"),
    (("run", "job.toml", "--set", "seed={range=[0, 200000]}"), "at most 100000 points", "200000", "one job"),
    (("run", "job.toml", "--set", "job.kind='sns'"), "cannot be set from outside", "kind", "write another file"),
    (("run", "job.toml", "--set", "job.name='../x'"), "must be letters, digits", "'../x'", "names a folder"),
    (("run", "job.toml", "--workers", "0"), "must be a whole number >= 1", "'0'", "usage: bdg run"),
    (("run", "job.toml", "--device", "tpu"), "invalid choice", "'tpu'", "choose from"),
    (("run", "job.toml", "--out", "job.toml"), "cannot be used as run directory", "job.toml", "("),
    (("run", "job.toml", "--out", "full"), "no run directory of this job", "a.txt", "give a new folder with --out"),
    (("run", "old.toml"), "must be one of", "'tinny'", "did you mean tiny?"),
    (("estimate", "job.toml"), "do not say what their points compute", "'tiny'", "give the Kind a function steps"),
    (("status", "full"), "no run directory of bdg", "full", "it has no run.json"),
    (("status", "none"), "no such folder", "none", "no such folder"),
    (("plot", "none"), "no such folder", "none", "no such folder"),
    (("walk",), "invalid choice", "'walk'", "choose from"),
]


@pytest.mark.parametrize(("arguments", "rule", "value", "cure"), WRONG, ids=lambda part: None)
def test_wrong_commands_end_with_two_and_say_why(place, arguments, rule, value, cure):
    (place / "full").mkdir()
    (place / "full" / "a.txt").write_text("something else")
    (place / "old.toml").write_text(JOB.replace("'tiny'", "'tinny'"))
    answer = bdg_here(*arguments, cwd=place)
    assert answer.returncode == 2 and answer.stdout == ""
    assert rule in answer.stderr and value in answer.stderr and cure in answer.stderr, answer.stderr
    assert "Traceback" not in answer.stderr and not (place / "runs").exists()
