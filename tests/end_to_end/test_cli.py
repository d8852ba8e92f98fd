"""The command line as a user meets it: words, exit codes, and no traceback for bad input."""

import fcntl
import importlib.machinery
import math
import os
import pty
import struct
import subprocess
import sys
import termios
import types
from pathlib import Path

import pytest
from command_here import bdg_here

import bdg
from bdg.cli import main
from bdg.jobs import kinds
from bdg.jobs.kinds import kind_names

ROOT = Path(__file__).resolve().parents[2]
TINY = str(ROOT / "tests" / "helpers" / "tiny_bdg.py")
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}

JOB = "[job]\nkind = 'tiny'\nname = 'first'\n[system]\nx_nm = [1, 2]\nseed = {range = [0, 2]}\n"


def call(place, *arguments, program=(TINY,)):
    return subprocess.run(
        [sys.executable, *program, *arguments], cwd=place, env=ENVIRONMENT, capture_output=True, text=True, timeout=120
    )


@pytest.fixture
def place(tmp_path):
    (tmp_path / "job.toml").write_text(JOB)
    return tmp_path


def test_version_and_module_and_script_agree(tmp_path, capsys):
    for program in (("-m", "bdg"), ("-m", "bdg.cli")):
        assert call(tmp_path, "--version", program=program).stdout == f"bdg {bdg.__version__}\n"
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"bdg {bdg.__version__}\n"


def test_help_names_commands_kinds_and_keys(capsys):
    for arguments, words in {
        ("--help",): ("run", "status", "plot", "validate", "benchmark", "info", "Exit codes: 0 done, 1 some"),
        ("run", "--help"): ("composite:", "sns:", "temperature_K", "(float, required)", "sweeps: key = [a, b, ...]"),
        ("validate", "--help"): ("--slow", "--json FILE", "physics"),
    }.items():
        with pytest.raises(SystemExit) as ended:
            main(list(arguments))
        assert ended.value.code == 0
        out = capsys.readouterr().out
        for word in words:
            assert word in out


@pytest.mark.parametrize(
    "arguments", [[], ["walk"], ["run"], ["run", "job.toml", "--workers", "0"], ["run", "job.toml", "--device", "tpu"]]
)
def test_wrong_arguments_end_with_two(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage: bdg" in capsys.readouterr().err


def test_bad_jobs_end_with_two_and_one_line_each(place, monkeypatch, capsys):
    """In a process of its own once, so that nothing can hide a traceback; then in this one."""
    (place / "bad.toml").write_text("[job]\nkind = 'composite'\n[system]\nsize_nm = [9, 9, 9]\nspacing_nm = 3\n"
                                    "diameter_nm = 6\n[compute]\ntemperature_mK = 4\n")  # fmt: skip
    answer = call(place, "run", "bad.toml", program=("-m", "bdg"))
    assert answer.returncode == 2
    assert answer.stderr == "bad.toml: [compute] temperature_mK: wrong unit; did you mean temperature_K?\n"
    assert answer.stdout == ""
    assert not (place / "runs").exists()  # refused before any work

    monkeypatch.chdir(place)
    for arguments, line in {
        ("run", "none.toml"): "none.toml: cannot be read (No such file or directory)\n",
        ("run", "job.toml"): f"job.toml: [job] kind: must be one of {', '.join(kind_names())}; got 'tiny'\n",
        ("status", "none"): "none: no such folder\n",
        ("status", "."): ".: no run directory of bdg (it has no run.json)\n",
        ("plot", "none"): "none: no such folder\n",
    }.items():
        assert main(arguments) == 2
        assert capsys.readouterr().err == line


def test_a_gpu_that_is_not_there_is_refused(place, monkeypatch, capsys):
    from bdg.gpu.device.backend import BackendUnavailableError, select_backend

    try:
        select_backend("gpu")
    except BackendUnavailableError:
        pass
    else:
        pytest.skip("there is a GPU")
    monkeypatch.chdir(place)
    job = str(ROOT / "runs" / "sns.toml")
    assert main(["run", job, "--device", "gpu"]) == 2
    assert "device='gpu' was requested, but there is no usable GPU" in capsys.readouterr().err
    assert not (place / "runs").exists()


def test_run_status_and_plot(place, tiny, monkeypatch):
    """The default folder, a run with points missing, and figures drawn from what is there."""
    answer = call(place, "run", "job.toml")
    assert answer.returncode == 0, answer.stderr
    assert "4 of 4 points done" in answer.stdout
    out = Path("runs") / "out" / "first"
    assert f"figure: {out / 'figures' / 'figure.png'}" in answer.stdout

    seen = bdg_here("status", out, cwd=place).stdout
    assert seen.startswith(f"{out}: first (tiny), 4 points\n4 done, 0 missing, 0 failed, 0 damaged\nnot running\n")
    sorted((place / out / "points").glob("*.h5"))[0].unlink()
    seen = bdg_here("status", out, cwd=place).stdout
    assert "3 done, 1 missing, 0 failed, 0 damaged" in seen
    assert "  missing: x_nm=" in seen
    (place / out / "figures" / "figure.png").unlink()
    answer = bdg_here("plot", out, cwd=place)
    assert answer.returncode == 0
    assert (place / out / "figures" / "figure.png").read_text() == "3 points"
    assert "1 of 4 points are missing in these figures" in answer.stdout

    for path in (place / out / "points").glob("*.h5"):
        path.unlink()
    (place / out / "results.h5").unlink()
    answer = bdg_here("plot", out, cwd=place)
    assert (answer.returncode, answer.stderr) == (
        2,
        f"{out}: no point can be read yet (bdg status tells); there is nothing to draw\n",
    )
    monkeypatch.setattr(kinds, "_REGISTERED", {})  # where nobody knows the kind
    answer = bdg_here("status", out, cwd=place)
    assert "0 done, 4 missing" in answer.stdout
    answer = call(place, "plot", str(out), program=("-m", "bdg"))
    assert answer.returncode == 2
    assert answer.stderr.count("\n") == 1 and "got 'tiny'" in answer.stderr


@pytest.mark.slow
def test_a_bar_with_the_time_left_on_a_terminal(place):
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    process = subprocess.Popen(
        [sys.executable, TINY, "run", "job.toml", "--set", "seconds=0.2"],
        cwd=place, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    said = b""
    while True:
        try:
            piece = os.read(ours, 4096)
        except OSError:  # the other end is closed
            break
        if not piece:
            break
        said += piece
    os.close(ours)
    assert process.wait(timeout=60) == 0
    assert b"4/4 points" in said
    assert b"[4/4]" not in said  # the bar instead of lines
    assert b" s left" in said


def test_info_says_what_is_there_and_what_is_not(capsys):
    assert main(["info"]) == 0
    out = capsys.readouterr().out
    assert f"bdg {bdg.__version__} in {Path(bdg.__file__).resolve().parent}" in out
    assert "numpy 2" in out and "h5py 3" in out
    assert "device 'auto' is " in out
    for extra in ("kwant", "gpu", "dev"):
        assert (
            f"\n  {extra}: installed (" in out or f"\n  {extra}: not installed; pip install 'bdg[{extra}]' would" in out
        )


def test_validate_and_benchmark_hand_over(monkeypatch, capsys, tmp_path):
    """Their own tables are tested where they live; here: what arrives there, and what is said where they are absent."""
    calls = []
    report, benchmarks = (types.ModuleType(f"bdg.validation.{name}") for name in ("report", "benchmarks.command"))
    report.run = lambda *arguments: calls.append(arguments) or 1
    benchmarks.main = lambda **options: calls.append(options) or 0
    for module in (report, benchmarks):
        module.__spec__ = importlib.machinery.ModuleSpec(module.__name__, None)
        monkeypatch.setitem(sys.modules, module.__name__, module)
    assert main(["validate", "physics", "--slow", "--json", "table.json"]) == 1
    assert main(["validate"]) == 1
    assert main(["benchmark", "--quick", "--only", "grid", "--write", "page.md"]) == 0
    options = {"quick": True, "large": False, "only": ["grid"], "write": "page.md", "json_path": None}
    assert calls == [("physics", True, "table.json", None, False), ("all", False, None, None, False), options]
    for absent in ("bdg.validation.report", "bdg.validation.benchmarks"):
        monkeypatch.setitem(sys.modules, absent, None)
    assert main(["validate"]) == 2
    assert "this installation holds no checks" in capsys.readouterr().err
    assert main(["benchmark"]) == 2
    assert "this installation holds no benchmarks" in capsys.readouterr().err


@pytest.mark.slow
def test_the_junction_job_agrees_with_the_closed_form(tmp_path):
    """Three phases of the shipped job; exact lattice values E/Delta from a transfer matrix with semi-infinite S."""
    from bdg.jobs.model.results import read_results

    job = str(ROOT / "runs" / "sns.toml")
    done = bdg_here("run", job, "--no-progress", "--set", "phase_pi=[0.5, 1.0, 1.5]", cwd=tmp_path)
    assert done.returncode == 0 and "tau = 0.8: largest |E - closed form|" in done.stdout
    assert (tmp_path / "runs" / "out" / "sns" / "figures" / "andreev_levels.pdf").exists()
    exact = {(0, 0.5): 0.7020716, (0, 1.0): 0, (100, 0.5): 0.7713115, (100, 1.0): 0.4471993,
             (300, 0.5): 0.9192078, (300, 1.0): 0.8320464}  # fmt: skip
    results = read_results(tmp_path / "runs" / "out" / "sns" / "results.h5")
    assert len(results) == 9
    for point in results:
        barrier, phase = point.parameters["system"]["barrier_meV"], point.parameters["compute"]["phase_pi"]
        positive = point["energies_meV"][point["energies_meV"].size // 2 :] / 2.0
        expected = exact[barrier, 2 - phase if phase > 1 else phase]
        # S of 1000 sites is off by less than 1e-6 below 0.8 Delta and by 9e-5 at 0.92
        assert abs(positive[0] - expected) < (1e-6 if expected < 0.8 else 1e-4)
        assert point["transparency"] == pytest.approx(1 / (1 + (barrier / 200) ** 2), rel=1e-12)
        assert bool(point["complete"])


@pytest.mark.slow  # O4 has the levels of a strip, the job above those of a chain
def test_a_strip_has_the_closed_form_of_its_channels(tmp_path):
    """Four sites across, hard walls: four channels, each off by no more than the length of N explains."""
    from bdg.jobs.model.results import read_results

    overrides = ["width=4", "mu_meV=30", "barrier_meV=150", "superconductor_sites=700", "delta_meV=4", "phase_pi=[0.8]"]
    job = str(ROOT / "runs" / "sns.toml")
    arguments = [word for override in (*overrides, "figures=false") for word in ("--set", override)]
    assert bdg_here("run", job, "--no-progress", *arguments, cwd=tmp_path).returncode == 0
    (point,) = read_results(tmp_path / "runs" / "out" / "sns" / "results.h5")
    k = [math.acos(-(0.3 + 2 * math.cos(math.pi * m / 5)) / 2) for m in range(1, 5)]
    tau = [1 / (1 + (1.5 / (2 * math.sin(q))) ** 2) for q in k]
    assert sorted(point["transparency"]) == pytest.approx(sorted(tau), rel=1e-12)
    assert point["deviation"].size == 4
    assert abs(point["deviation"]).max() < float(point["expected_deviation"])
