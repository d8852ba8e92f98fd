"""A run that is looked at while it goes on: lines for a file, a block that is replaced for a terminal."""

import io
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command_here import bdg_here

from bdg.jobs.folder.store import RunFolder
from bdg.jobs.follow import Glance, follow

pytestmark = pytest.mark.usefixtures("tiny")
ROOT = Path(__file__).resolve().parents[2]
JOB = """
[job]
kind = "tiny"
[system]
x_nm = [1, 2, 3]
[compute]
action = ["none", "raise"]
seconds = {seconds}
"""


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_run_is_told_point_by_point_until_it_ends(tmp_path):
    (tmp_path / "job.toml").write_text(JOB.format(seconds=0.3))
    program = [sys.executable, str(ROOT / "tests" / "helpers" / "tiny_bdg.py")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    runner = subprocess.Popen(
        [*program, "run", "job.toml", "--out", "out"], cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL
    )
    folder, glances = RunFolder(tmp_path / "out"), []
    while not (tmp_path / "out" / "points").is_dir() or not folder.is_running():
        assert runner.poll() is None
        time.sleep(0.05)

    def wait(seconds):
        glances.append(Glance.of(folder))
        time.sleep(0.1)

    stream = io.StringIO()
    assert follow(folder, stream, sleep=wait) == 1
    assert runner.wait(timeout=60) == 1
    assert glances[0].workers == 1 and 0.01 < glances[0].gibibytes < 10
    *lines, last = stream.getvalue().splitlines()
    assert "\x1b" not in stream.getvalue() and len(lines) == 6
    assert sum(": done" in line for line in lines) == 3
    assert sum("FAILED (ValueError: asked to fail)" in line for line in lines) == 3
    assert [line.split("]")[0] for line in lines] == [f"[{n}/6" for n in range(1, 7)]
    assert last.startswith("3 of 6 points done, 3 failed") and last.endswith("not running")


def test_a_terminal_shows_a_block_that_is_replaced(tmp_path):
    (tmp_path / "job.toml").write_text(JOB.format(seconds=0.0))
    bdg_here("run", "job.toml", "--out", "out", cwd=tmp_path)
    folder, stream = RunFolder(tmp_path / "out"), Terminal()
    assert follow(folder, stream) == 1
    assert stream.getvalue().splitlines()[0].startswith("3 of 6 points done, 3 failed")
    assert stream.getvalue().count("  failed: ") == 3 and "\x1b" not in stream.getvalue()
    with folder.locked():  # as if a runner were at work, for one more look
        first = Glance.of(folder)
    assert first.workers == 1 and first.left == 0
    done = bdg_here("status", "out", "--follow", cwd=tmp_path)
    assert done.returncode == 1 and "FAILED" in done.stdout
