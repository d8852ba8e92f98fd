"""A disk without room: one line that names the place, what is done stays, and nothing is left half written."""

import errno
import importlib
import logging
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bdg.cli import main
from bdg.jobs import kinds, runner
from bdg.jobs.engines.engine import Report, Task
from bdg.jobs.engines.worker import computed
from bdg.jobs.folder import store
from bdg.jobs.folder.store import RunFolder
from bdg.jobs.job import parse_job
from bdg.jobs.model import figures
from bdg.jobs.progress import LOGGER, Progress
from bdg.lattices import storage
from bdg.lattices.storage import disk_is_full, read_file, write_file

ROOT = Path(__file__).resolve().parents[3]
HELPERS = ROOT / "tests" / "helpers"
NO_ROOM = "no room on the disk"


@pytest.fixture
def tiny(monkeypatch):
    monkeypatch.syspath_prepend(str(HELPERS))
    monkeypatch.setattr(kinds, "_REGISTERED", {})
    kinds.register(importlib.import_module("tiny_kind").KIND)
    return parse_job(b"[job]\nkind = 'tiny'\n[system]\nx_nm = [1, 2, 3]\n", "job.toml", "job")


def full(*args, **kwargs):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "somewhere")


WRITE = """
import os, resource, sys
import numpy as np
from bdg.lattices.storage import read_file, write_file
write_file(sys.argv[1], "Test", {"a": 1})
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
for content in (
    {"a": np.arange(1e6)},
    {"a": np.arange(1e4), "t": "x" * 300_000},
    {str(i): np.arange(100) for i in range(700)},
    {"deep": {str(i): {"x": np.arange(100), "t": "text"} for i in range(350)}},
):
    try:
        write_file(sys.argv[1], "Test", content)
        print("written")
    except OSError as error:
        print(error.errno, error.filename == sys.argv[1])
print(read_file(sys.argv[1])[1], os.listdir(os.path.dirname(sys.argv[1])))
"""


def test_a_file_that_finds_no_room_is_one_error_and_leaves_nothing(tmp_path):
    """HDF5 itself, with a real limit: it printed thousands of lines, and the process ended by SIGSEGV."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", WRITE, str(tmp_path / "file.h5")]
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    expected = [f"{errno.EFBIG} True"] * 4 + ["{'a': 1} ['file.h5']"]
    assert (answer.returncode, answer.stdout.splitlines(), answer.stderr) == (0, expected, "")


def test_a_short_write_is_gone_on_with(tmp_path, monkeypatch):
    """The system may take a part of what it is given."""

    class Slow(storage._Disk):
        def write(self, data):
            view = memoryview(data).cast("B")
            for begin in range(0, view.nbytes, 1000):
                super().write(view[begin : begin + 1000])
            return view.nbytes

    monkeypatch.setattr(storage, "_Disk", Slow)
    write_file(tmp_path / "slow.h5", "Test", {"a": np.arange(5000)})
    assert np.array_equal(read_file(tmp_path / "slow.h5")[1]["a"], np.arange(5000))


def test_what_counts_as_full():
    assert all(disk_is_full(OSError(number, "x")) for number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG))
    assert not any(map(disk_is_full, (OSError(errno.EACCES, "x"), OSError("x"), ValueError("x"), None)))


def test_a_worker_says_that_there_was_no_room(tiny, tmp_path, monkeypatch):
    task = Task(tiny.kind, tmp_path, "cpu", {}, os.getpid())
    monkeypatch.setattr(store, "write_file", full)
    report = computed(task, tiny.points[0])
    assert report.full == errno.ENOSPC and report.error
    monkeypatch.undo()
    (tmp_path / "points").mkdir()
    assert computed(task, tiny.points[0]).full == 0


class FullAfterOne:
    """Workers of which the second finds no room; the third would have been computed in vain."""

    def __init__(self, task, size):
        self.task, self.killed = task, False

    def run(self, points):
        yield computed(self.task, points[0])
        yield Report(points[1].digest, 0.1, "OSError", (), errno.ENOSPC)
        raise AssertionError("a point was computed that cannot be kept")

    def kill(self):
        self.killed = True


def test_a_run_ends_at_the_first_point_without_room(tiny, tmp_path, monkeypatch, capsys):
    (tmp_path / "job.toml").write_bytes(tiny.text)
    monkeypatch.setattr(runner, "Crew", FullAfterOne)
    code = main(["run", str(tmp_path / "job.toml"), "--out", str(tmp_path / "run")])
    said = capsys.readouterr().err.splitlines()
    assert code == 1
    place = tmp_path / "run"
    assert said[-1] == (
        f"bdg: {place}: {NO_ROOM} (No space left on device); finished points are kept, make room, and the same command "
        "goes on"
    )
    assert not any("Traceback" in line for line in said)
    assert len(list((place / "points").iterdir())) == 1
    assert not RunFolder(place).is_running()


@pytest.mark.parametrize("step", ["lock", "claim", "results", "record"])
def test_no_room_for_anything_else_of_a_run(step, tiny, tmp_path, monkeypatch, capsys):
    (tmp_path / "job.toml").write_bytes(tiny.text)
    whole = os.open
    if step == "lock":
        monkeypatch.setattr(
            os, "open", lambda path, *rest: full() if str(path).endswith(".lock") else whole(path, *rest)
        )
    elif step == "claim":
        monkeypatch.setattr(store, "_write_whole", full)
    elif step == "results":
        monkeypatch.setattr(runner, "Crew", FullAfterOne)
        monkeypatch.setattr(FullAfterOne, "run", lambda self, points: (computed(self.task, p) for p in points))
        monkeypatch.setattr(RunFolder, "write_results", full)
    else:
        monkeypatch.setattr(runner, "Crew", FullAfterOne)
        monkeypatch.setattr(RunFolder, "record_failures", full)
    assert main(["run", str(tmp_path / "job.toml"), "--out", str(tmp_path / "run")]) == 1
    said = capsys.readouterr().err
    assert NO_ROOM in said.splitlines()[-1] and "Traceback" not in said


def test_a_lock_holds_without_room_for_its_name(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "pwrite", full)
    folder = RunFolder(tmp_path / "run")
    with folder.locked():
        assert folder.is_running()


def test_a_log_without_room_is_given_up_with_one_line(tmp_path, capsys):
    (tmp_path / "run.log").symlink_to("/dev/full")
    with Progress(3, 0, 1, tmp_path / "run.log", sys.stderr, False) as progress:
        for number in range(5):
            LOGGER.info("line %d", number)
        progress.advance("a point", 1.0)
    said = capsys.readouterr().err.splitlines()
    given_up = [line for line in said if "run.log cannot be written (No space left on device); going on" in line]
    assert len(given_up) == 1 and len(said) == 7
    assert "Traceback" not in " ".join(said) and "Logging error" not in " ".join(said)


def test_a_terminal_that_takes_nothing_costs_no_run(tmp_path):
    with open("/dev/full", "w", buffering=1) as stream:
        for bar in (False, True):
            with Progress(2, 0, 1, tmp_path / "run.log", stream, bar) as progress:
                progress.say("hello")
                LOGGER.warning("a line")
                progress.tick()
                progress.advance("a point", 1.0)
        try:
            stream.close()
        except OSError:
            pass
    assert (tmp_path / "run.log").read_text().count("a line") == 2


def test_other_faults_of_logging_are_still_shown(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(logging, "raiseExceptions", True)
    wrong = logging.LogRecord("bdg.jobs", logging.INFO, "", 0, "%d", ("no number",), None)
    with Progress(1, 0, 1, tmp_path / "run.log", None) as progress:
        progress._handlers[0].handle(wrong)
    assert "Logging error" in capsys.readouterr().err
    assert LOGGER.handlers == []


def test_a_figure_without_room_leaves_the_old_one(tmp_path, monkeypatch):
    figure = figures.new_figure(1, 1)
    (path,) = figures.save_figure(figure, tmp_path, "name", {"pdf": False})
    before = path.read_bytes()

    def half(place, **options):
        Path(place).write_bytes(b"half")
        full()

    monkeypatch.setattr(figure, "savefig", half)
    with pytest.raises(OSError, match="No space left"):
        figures.save_figure(figure, tmp_path, "name", {"pdf": False})
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["name.png"]


def test_figures_without_room_cost_no_numbers(tiny, tmp_path, monkeypatch, capsys):
    folder = RunFolder(tmp_path / "run")
    with folder.locked():
        folder.claim(tiny)
        for point in tiny.points:
            folder.write_point(point, "tiny", tiny.kind.compute(point.parameters, "cpu"), 0.5, "cpu", {"versions": {}})
    assert main(["plot", str(folder.path)]) == 0
    monkeypatch.setattr(Path, "write_text", full)  # what the figures of this kind are written with
    assert main(["plot", str(folder.path)]) == 1
    said = capsys.readouterr().err
    assert said == f"bdg: somewhere: {NO_ROOM} (No space left on device); the numbers are kept\n"


@pytest.mark.parametrize("arguments", [["info"], ["status", "run"]])
def test_output_that_goes_nowhere(arguments, tiny, tmp_path):
    """``bdg info > /dev/full``: one line, exit code 1, and nothing more at the end of the process."""
    folder = RunFolder(tmp_path / "run")
    with folder.locked():
        folder.claim(tiny)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "bdg", *arguments]
    with open("/dev/full", "w") as full_disk:
        answer = subprocess.run(
            command, cwd=tmp_path, env=environment, stdout=full_disk, stderr=subprocess.PIPE, text=True, timeout=120
        )
    assert answer.stderr == f"bdg: the output: {NO_ROOM} (No space left on device)\n"
    assert answer.returncode == 1
