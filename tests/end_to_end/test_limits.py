"""Budgets, points that take too long, and what is computed again: the runner with worker processes."""

import json

import pytest
from command_here import bdg_here

from bdg.jobs.engines.processes import Crew

pytestmark = pytest.mark.usefixtures("tiny")
JOB = """
[job]
kind = "tiny"
[system]
x_nm = [1, 2]
[compute]
action = ["none", "raise", "die"]
"""
NOBODY_DIES = ("--set", 'compute.action=["none", "raise"]')


@pytest.fixture
def place(tmp_path):
    (tmp_path / "job.toml").write_text(JOB)
    return tmp_path


def run(place, *arguments, engine=Crew):
    diary = place / "diary"
    diary.unlink(missing_ok=True)
    done = bdg_here("run", "job.toml", "--out", "out", *arguments, cwd=place, engine=engine, TINY_DIARY=str(diary))
    return done, len(diary.read_text().splitlines()) if diary.exists() else 0


def status(place):
    return json.loads(bdg_here("status", "out", "--json", cwd=place).stdout)


def test_what_was_killed_is_taken_again_and_what_raised_is_not(place):
    one = ("--set", "system.x_nm=[1]")
    done, begun = run(place, *one)
    assert done.returncode == 1 and begun == 1 + 1 + 2  # a killed one is tried twice
    causes = {point["label"].split("action=")[1]: point["cause"] for point in status(place)["lacking"]}
    assert causes == {"raise": "raised", "die": "killed"}
    raised = next(point for point in status(place)["lacking"] if point["cause"] == "raised")
    assert raised["traceback"].startswith("Traceback") and "asked to fail" in raised["why"]

    assert "what failed is computed again with --retry" in done.stdout
    assert "what was killed is computed again by the same command" in done.stdout

    done, begun = run(place, *one)
    assert done.returncode == 1 and begun == 2
    assert "failed before and left alone: 1; --retry computes them again" in done.stderr
    assert status(place)["failed"] == 2  # said again

    done, begun = run(place, *one, "--retry")
    assert done.returncode == 1 and begun == 3
    assert "left alone" not in done.stderr


def test_the_status_shows_each_traceback_once(place):
    run(place, *NOBODY_DIES)
    plain, whole = (bdg_here("status", "out", *more, cwd=place).stdout for more in ((), ("--tracebacks",)))
    assert "Traceback" not in plain
    assert whole.count("ValueError: asked to fail\n") == 1
    assert "x_nm=1, action=raise; x_nm=2, action=raise:\nTraceback" in whole


def test_a_point_that_takes_too_long_is_given_up(place):
    options = ("--point-limit", 0.03, "--workers", 2, "--set", 'compute.action="none"')
    done, _ = run(place, *options, "--set", "compute.seconds=[0.0, 60.0]")
    assert done.returncode == 1
    found = status(place)
    assert found["done"] == 2 and {point["cause"] for point in found["lacking"]} == {"limit"}
    assert all("longer than --point-limit 0.03 (minutes)" in point["why"] for point in found["lacking"])


def test_a_budget_that_is_spent_ends_between_points(place):
    done, begun = run(place, "--budget", 1e-9, "--set", 'compute.action="none"')
    assert (done.returncode, begun) == (1, 0)
    assert "the budget is spent; the same command goes on from here" in done.stderr
    assert status(place)["missing"] == 2 and not status(place)["failed"]
    assert run(place, "--set", 'compute.action="none"')[0].returncode == 0


@pytest.mark.parametrize("option", ["--budget", "--point-limit"])
@pytest.mark.parametrize("value", ["0", "-1", "inf", "soon"])
def test_minutes_are_positive(place, option, value):
    done, begun = run(place, option, value)
    assert (done.returncode, begun) == (2, 0)
    assert f"argument {option}: must be minutes > 0; got '{value}'" in done.stderr


def test_a_folder_of_before_knows_no_causes(place):
    """What failed there is computed again, as it was then."""
    run(place, *NOBODY_DIES)
    path = place / "out" / "run.json"
    record = json.loads(path.read_text())
    del record["failures"]
    path.write_text(json.dumps(record))
    assert run(place, *NOBODY_DIES)[1] == 2
