"""The command line, the job files and the run directory as published, against numbers computed here."""

import itertools
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
from command_here import Here, bdg_here
from numpy.testing import assert_allclose, assert_array_equal
from scipy import constants, integrate, optimize

from bdg.jobs.engines.processes import Crew

ROOT = Path(__file__).resolve().parents[2]

COMPOSITE = """
[job]
kind = "composite"
name = "mine"

[system]
size_nm = [24, 24, 18]
spacing_nm = 3
diameter_nm = [9, 12]
delta_meV = 2.5
density_m3 = 2e24
mean_free_path_nm = {path}
seed = {seed}

[compute]
temperature_K = {temperature}
"""

SNS = """
[job]
kind = "sns"
name = "junction"

[system]
superconductor_sites = 60
normal_sites = 3
hopping_meV = 80
spacing_nm = 0.5
mu_meV = -20
delta_meV = 12
barrier_meV = 50

[compute]
phase_pi = {phases}
states = 6

[output]
figures = {figures}
"""


def command(*arguments, cwd, **more):
    environment = os.environ | {"OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg"}
    return subprocess.run(
        [sys.executable, "-m", "bdg", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=environment,
        timeout=120,
        **more,
    )


def points(folder):
    """(parameters, observables) of every point file."""
    found = []
    for path in sorted((folder / "points").glob("*.h5")):
        with h5py.File(path) as file:
            parameters = json.loads(file["parameters"][()])
            found.append((parameters, {name: item[()] for name, item in file["observables"].items()}))
    return found


def everything(path):
    """All datasets and attributes of a file."""
    content = {}
    with h5py.File(path) as file:
        content["/"] = {key: str(value) for key, value in file.attrs.items()}

        def visit(name, item):
            content[name] = {key: str(value) for key, value in item.attrs.items()}
            if isinstance(item, h5py.Dataset):
                content[name]["value"] = np.asarray(item[()]).tobytes(), item.shape

        file.visititems(visit)
    return content


def one_line(done, *words):
    """Exit code 2, one line on stderr a fault, one of them with all words, no traceback."""
    assert done.returncode == 2, (done.returncode, done.stdout, done.stderr)
    lines = done.stderr.strip().splitlines()
    assert "Traceback" not in done.stderr + done.stdout
    assert any(all(word in line for word in words) for line in lines), done.stderr
    return lines


# -------------------------------------------------------------------------------------------------- the numbers
def test_sns_job_against_dense_algebra(tmp_path):
    (tmp_path / "job.toml").write_text(SNS.format(phases="{ linspace = [0.2, 1.0, 3] }", figures="true"))
    done = bdg_here("run", "job.toml", "--workers", 2, "--device", "cpu", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "runs" / "out" / "junction"  # the default of --out
    assert (folder / "job.toml").read_text() == (tmp_path / "job.toml").read_text()
    assert (folder / "run.log").exists()
    assert list((folder / "figures").iterdir())
    assert (folder / "results.h5").exists()
    found = points(folder)
    assert_allclose(sorted(p["compute"]["phase_pi"] for p, _ in found), [0.2, 0.6, 1.0])
    n, t, mu, delta = 123, 80.0, -20.0, 12.0
    for parameters, observables in found:
        h = np.diag(np.full(n, -mu)) - t * (np.eye(n, k=1) + np.eye(n, k=-1))
        h[61, 61] += 50  # the barrier in the middle of N
        pair = np.zeros(n, complex)
        pair[:60], pair[63:] = delta, delta * np.exp(1j * np.pi * parameters["compute"]["phase_pi"])
        energies = np.linalg.eigvalsh(np.block([[h, np.diag(pair)], [np.diag(pair.conj()), -h]]))
        wanted = np.sort(energies[np.argsort(np.abs(energies), kind="stable")][:6])
        assert_allclose(observables["energies_meV"], wanted, atol=1e-7)
        sine = np.sqrt(1 - (mu / (2 * t)) ** 2)
        tau = 1 / (1 + (50 / t / (2 * sine)) ** 2)
        assert_allclose(observables["transparency"], [tau], rtol=1e-9)
        angle = np.pi * parameters["compute"]["phase_pi"]
        assert_allclose(observables["formula_meV"], [delta * np.sqrt(1 - tau * np.sin(angle / 2) ** 2)], rtol=1e-9)


def bcs_ratio(reduced):
    """Delta(T)/Delta(0) in weak coupling: ln(D0/D) = 2 int f(E)/E dxi with D0 = pi e^-gamma Tc."""
    zero = np.pi * np.exp(-np.euler_gamma)

    def equation(gap):
        def integrand(xi):
            energy = np.hypot(xi, gap)
            return 2 / (energy * (np.exp(energy / reduced) + 1))

        return np.log(zero / gap) - integrate.quad(integrand, 0, 60 * reduced, limit=200)[0]

    return optimize.brentq(equation, 1e-3 * zero, zero * (1 + 1e-9)) / zero


def test_clean_composite_job_against_dense_algebra(tmp_path):
    """The minimal job, every physical number of a point rebuilt from the sizes of its grains."""
    (tmp_path / "job.toml").write_text(COMPOSITE.format(path=1e14, seed=5, temperature=20.0))
    done = bdg_here("run", "job.toml", "--out", "here", "--set", "output.figures=false", cwd=tmp_path)
    assert done.returncode == 0, done.stderr + done.stdout
    (parameters, seen), *more = points(tmp_path / "here")
    assert not more
    assert parameters["system"]["seed"] == 5

    meV = constants.e * 1e-3
    t = constants.hbar**2 / (2 * 0.46 * constants.m_e * 9e-18) / meV
    assert seen["hopping_meV"] == pytest.approx(t, rel=1e-9)
    k = 2 * np.pi * (np.arange(128) + 0.5) / 128
    band = -2 * (np.cos(k)[:, None, None] + np.cos(k)[None, :, None] + np.cos(k)[None, None, :])
    assert 2 * np.mean(band < seen["mu"]) == pytest.approx(2e24 * 27e-27, rel=0.01)
    gap = 2.5 * bcs_ratio(20 / 37)
    assert seen["gap_meV"] == pytest.approx(gap, rel=1e-4)

    shape = (8, 8, 6)
    positions = (np.array(list(itertools.product(*map(range, shape)))) + 0.5) * 3
    distance = np.linalg.norm(positions[:, None] - seen["centres_nm"][None], axis=2)
    inside = distance <= seen["diameters_nm"] / 2
    grain = np.where(inside.any(axis=1), inside.argmax(axis=1), -1)
    assert seen["volume_fraction"] == pytest.approx(np.mean(grain >= 0))
    n = len(positions)
    h = np.diag(np.full(n, -float(seen["mu"])))
    step = np.abs(positions[:, None] - positions[None]).sum(axis=2)
    h[np.isclose(step, 3)] = -1
    pair = np.diag(np.where(grain >= 0, gap / t, 0))
    energies, states = np.linalg.eigh(np.block([[h, pair], [pair, -h]]))
    wanted = np.sort(np.sort(np.abs(energies))[:64])
    assert_allclose(np.sort(np.abs(seen["energies_meV"])), wanted * t, atol=1e-5)
    assert seen["states_below_gap"] == np.sum(np.abs(energies) < gap / t)
    temperature = constants.k * 20 / meV / t
    weight = np.tanh(energies / (2 * temperature)) / 2
    amplitude = (states[:n] * states[n:].conj() * weight).sum(axis=1)
    sites = seen["sample_sites"]
    assert (grain[sites] == -1).all()
    assert_allclose(seen["sample_amplitude"], amplitude[sites], atol=2e-4 * np.abs(amplitude).max())


# ------------------------------------------------------------------------------------- resume, sweeps, run directory
@pytest.mark.slow  # test_run asks the same of a quick job without physics, as below
def test_only_what_is_missing_is_computed_again(tmp_path):
    (tmp_path / "job.toml").write_text(COMPOSITE.format(path=10, seed="[3, 4]", temperature="[12.0, 20.0]"))
    folder = tmp_path / "out"
    run = ("run", "job.toml", "--out", "out", "--workers", 2, "--set", "output.figures=false")
    run += ("--set", "compute.states=8", "--set", "compute.sample_sites=40")
    done = bdg_here(*run, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    files = sorted((folder / "points").glob("*.h5"))
    assert len(files) == 4
    assert bdg_here("status", "out", cwd=tmp_path).returncode == 0
    before = everything(folder / "results.h5")
    raw = (folder / "results.h5").read_bytes()

    times = {path.name: path.stat().st_mtime_ns for path in files}
    files[0].unlink()
    files[1].write_bytes(files[1].read_bytes()[:2000])  # truncated
    damaged = bytearray(files[2].read_bytes())  # one flipped number, still a readable file
    with h5py.File(files[2]) as file:
        start = file["observables/energies_meV"].id.get_offset()
    where = start + 3 if start else len(damaged) // 2
    damaged[where] ^= 0xFF
    files[2].write_bytes(bytes(damaged))
    text = bdg_here("status", "out", cwd=tmp_path)
    assert text.returncode == 0
    assert re.search(r"1 done", text.stdout), text.stdout

    done = bdg_here(*run, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert {path.name for path in (folder / "points").glob("*.h5")} == set(times)
    assert files[3].stat().st_mtime_ns == times[files[3].name]
    assert everything(folder / "results.h5") == before
    assert (folder / "results.h5").read_bytes() == raw
    aside = [path for path in folder.rglob("*") if path.is_file() and "damaged" in str(path)]
    assert len(aside) == 2, "damaged points are set aside, not deleted"

    done = bdg_here(*run, cwd=tmp_path)  # nothing is left to do
    assert done.returncode == 0
    assert (folder / "results.h5").read_bytes() == raw


def test_files_describe_themselves_and_points_carry_their_origin(tmp_path):
    (tmp_path / "job.toml").write_text(SNS.format(phases="0.7", figures="false"))
    assert bdg_here("run", "job.toml", "--out", "out", cwd=tmp_path).returncode == 0
    paths = [tmp_path / "out" / "results.h5", *(tmp_path / "out" / "points").glob("*.h5")]
    assert len(paths) == 2
    for path in paths:
        with h5py.File(path) as file:
            assert any("version" in key for key in file.attrs)
            bare = []
            file.visititems(
                lambda name, item, bare=bare: (
                    bare.append(name)
                    if isinstance(item, h5py.Dataset) and not {"unit", "description"} <= set(item.attrs)
                    else None
                )
            )
            assert not bare
    with h5py.File(paths[1]) as file:
        text = " ".join(str(item[()]) for item in file.values() if isinstance(item, h5py.Dataset))
    for word in ("versions", "git", "numpy", "residual"):
        assert word in text


def test_digest_covers_parameters_not_the_file_name(tmp_path):
    (tmp_path / "one.toml").write_text(SNS.format(phases="[0.3, 0.7]", figures="false"))
    (tmp_path / "two.toml").write_text(SNS.format(phases="[0.7, 0.3]", figures="false").replace("= 12\n", "= 12.0\n"))
    for name in ("one", "two"):
        assert bdg_here("run", f"{name}.toml", "--out", name, cwd=tmp_path).returncode == 0
    names = [sorted(path.name for path in (tmp_path / name / "points").glob("*.h5")) for name in ("one", "two")]
    assert names[0] == names[1]
    assert len(names[0]) == 2


def test_range_and_ensembles_with_mean_and_standard_error(tmp_path):
    (tmp_path / "job.toml").write_text(COMPOSITE.format(path=10, seed="{ range = [2, 5] }", temperature="[15.0]"))
    done = bdg_here(
        "run",
        "job.toml",
        "--out",
        "out",
        "--set",
        "output.figures=false",
        "--set",
        "compute.sample_sites=0",
        cwd=tmp_path,
    )
    if done.returncode == 2:  # a job may insist on sample sites
        done = bdg_here("run", "job.toml", "--out", "out", "--set", "output.figures=false", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = points(tmp_path / "out")
    assert sorted(p["system"]["seed"] for p, _ in found) == [2, 3, 4]
    lowest = [np.abs(o["energies_meV"]).min() for _, o in found]
    below = [o["states_below_gap"] for _, o in found]
    with h5py.File(tmp_path / "out" / "results.h5") as file:
        ensemble = []
        file["ensemble"].visititems(
            lambda name, item: ensemble.append((name, item[()] if hasattr(item, "shape") else 0))
        )
    values = [np.asarray(value) for _, value in ensemble if np.asarray(value).dtype.kind in "fi"]
    assert lowest
    assert any(np.any(np.isclose(value, np.mean(below))) for value in values), ensemble
    error = np.std(below, ddof=1) / np.sqrt(3)
    assert any(np.any(np.isclose(value, error)) for value in values), ensemble


def test_one_failing_point_keeps_the_others(tmp_path):
    """Grains so far apart that the volume fraction cannot be packed: exit code 1, the other point is there."""
    (tmp_path / "job.toml").write_text(
        COMPOSITE.format(path=10, seed=1, temperature=15.0).replace(
            "seed =", "minimum_gap_nm = [1, 40]\nvolume_fraction = 0.25\nseed ="
        )
    )
    done = bdg_here("run", "job.toml", "--out", "out", "--set", "output.figures=false", cwd=tmp_path)
    assert done.returncode == 1, (done.stdout, done.stderr)
    assert len(points(tmp_path / "out")) == 1
    assert "1 failed" in bdg_here("status", "out", cwd=tmp_path).stdout
    assert "reached" in done.stdout + done.stderr + (tmp_path / "out" / "run.log").read_text()


@pytest.mark.slow
def test_plot_draws_the_figures_again(tmp_path):
    (tmp_path / "job.toml").write_text(SNS.format(phases="[0.3, 0.7]", figures="true"))
    assert bdg_here("run", "job.toml", "--out", "out", cwd=tmp_path).returncode == 0
    figures = list((tmp_path / "out" / "figures").iterdir())
    assert figures
    for figure in figures:
        figure.unlink()
    done = bdg_here("plot", "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert sorted((tmp_path / "out" / "figures").iterdir()) == sorted(figures)


class ThreeMore(Here):
    """Computes three points; then somebody presses Ctrl-C."""

    def run(self, points):
        yield from super().run(points[:3])
        raise KeyboardInterrupt


@pytest.mark.slow
def test_killed_runner_leaves_no_worker_and_no_lock(tmp_path):
    """The runner is halted while others look at it, so that it cannot be done before they have."""
    (tmp_path / "job.toml").write_text(
        SNS.format(phases="{ linspace = [0, 1, 200] }", figures="false").replace("= 60", "= 400")
    )
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    runner = subprocess.Popen(
        [sys.executable, "-m", "bdg", "run", "job.toml", "--out", "out", "--workers", "2"],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    folder = tmp_path / "out" / "points"
    deadline = time.monotonic() + 60
    while len(list(folder.glob("*.h5"))) < 3:
        assert runner.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    runner.send_signal(signal.SIGSTOP)
    second = bdg_here("run", "job.toml", "--out", "out", cwd=tmp_path)
    one_line(second, "out")
    children = Path(f"/proc/{runner.pid}/task/{runner.pid}/children").read_text().split()
    assert len(children) >= 2
    runner.send_signal(signal.SIGKILL)
    runner.wait()
    deadline = time.monotonic() + 10
    while any(alive(child) for child in children):
        assert time.monotonic() < deadline, "a worker outlived its runner"
        time.sleep(0.05)
    kept = {path.name: path.stat().st_mtime_ns for path in folder.glob("*.h5")}
    assert 3 <= len(kept) < 200
    # the same command goes on; the sweep is long, so one look at the first new points is enough
    again = bdg_here("run", "job.toml", "--out", "out", cwd=tmp_path, engine=ThreeMore)
    assert again.returncode == 130
    assert len(list(folder.glob("*.h5"))) == len(kept) + 3
    for name, written in kept.items():
        assert (folder / name).stat().st_mtime_ns == written


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in ("Z", "X")
    except FileNotFoundError:
        return False


# ---------------------------------------------------------------------------------------------------- bad input
@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("temperature_K =", "temperatur_K =", ("[compute]", "temperatur_K", "did you mean temperature_K?")),
        ("temperature_K =", "temperature_mK =", ("[compute]", "temperature_mK", "did you mean temperature_K?")),
        ("size_nm =", "size_A =", ("[system]", "size_A", "size_nm")),
        ("spacing_nm = 3", 'spacing_nm = "3 nm"', ("[system]", "spacing_nm")),
        ("spacing_nm = 3", "spacing_nm = -3", ("[system]", "spacing_nm")),
        ("delta_meV = 2.5", "delta_meV = true", ("[system]", "delta_meV")),
        ("seed = 1", "seed = 1.5", ("[system]", "seed")),
        ("seed = 1", "seed = { rang = [0, 2] }", ("[system]", "seed", "range")),
        ("[compute]", "[computed]", ("computed", "compute")),
        ('kind = "composite"', 'kind = "composit"', ("[job]", "kind", "composite")),
        ('kind = "composite"', "", ("[job]", "kind")),
        ("size_nm = [24, 24, 18]", "", ("[system]", "size_nm")),
        ("temperature_K = 4.2", "temperature_K = -4.2", ("[compute]", "temperature_K")),
        ("temperature_K = 4.2", "temperature_K = nan", ("[compute]", "temperature_K")),
        ("temperature_K = 4.2", "temperature_K = [4.2,,]", ()),
    ],
)
def test_bad_job_files_are_refused_in_one_line(tmp_path, old, new, words):
    text = COMPOSITE.format(path=10, seed=1, temperature=4.2)
    assert old in text
    (tmp_path / "job.toml").write_text(text.replace(old, new))
    lines = one_line(bdg_here("run", "job.toml", "--out", "out", cwd=tmp_path), *words)
    assert len(lines) == (2 if new == "[computed]" else 1), lines  # a whole section is missing and another unknown
    for line in lines:
        assert re.match(r"\S*job\.toml: ", line)
        if words:
            assert re.match(r"\S*job\.toml: \[\w+\]( \w+)?: ", line)
    assert not (tmp_path / "out").exists(), "refused before any work"


def test_other_bad_input_of_the_command_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def bdg(*arguments):
        return bdg_here(*arguments, cwd=tmp_path)

    def refused(*arguments, word):
        assert len(one_line(bdg(*arguments), word)) == 1

    Path("one.toml").write_text(SNS.format(phases="0.5", figures="false"))
    Path("two.toml").write_text(COMPOSITE.format(path=10, seed=1, temperature=4.2))
    refused("run", "absent.toml", word="absent.toml")
    refused("status", "absent", word="absent")
    refused("plot", "absent", word="absent")
    refused("run", "one.toml", "--out", "out", "--set", "system.spacing=1", word="spacing_nm")
    assert bdg("run", "one.toml", "--out", "out").returncode == 0
    kept = everything("out/results.h5")
    refused("run", "two.toml", "--out", "out", word="out")
    refused("run", "one.toml", "--out", "out", "--set", "delta_meV=11", word="out")
    assert everything("out/results.h5") == kept
    assert Path("out/job.toml").read_text() == Path("one.toml").read_text()
    Path("mine").mkdir()
    Path("mine/thesis.tex").write_text("years of work")
    refused("run", "one.toml", "--out", "mine", word="mine")
    assert [path.name for path in Path("mine").iterdir()] == ["thesis.tex"]
    for arguments, word in (
        (("run", "one.toml", "--out", "other", "--workers", 0), "workers"),
        (("run", "one.toml", "--out", "other", "--workers", "two"), "workers"),
        (("run", "one.toml", "--out", "other", "--device", "tpu"), "device"),
        (("frobnicate",), "frobnicate"),
    ):
        wrong = bdg(*arguments)
        assert wrong.returncode == 2
        assert word in wrong.stderr


# -------------------------------------------------------------------------------------------- info, validate, runs/
@pytest.mark.slow
def test_the_command_equals_the_module(tmp_path):
    script = Path(sys.executable).with_name("bdg")
    if not script.exists():
        pytest.skip("the package is not installed beside this Python")
    by_name = subprocess.run([script, "info"], capture_output=True, text=True, cwd=tmp_path, timeout=60)
    by_module = command("info", cwd=tmp_path)
    assert by_name.returncode == by_module.returncode == 0
    assert by_name.stdout == by_module.stdout
    for word in ("python", "numpy", "scipy", "h5py", "kwant", "cpu", "gpu"):
        assert word in by_module.stdout.lower()


@pytest.mark.parametrize("name", ["composite", "sns"])
def test_shipped_jobs_are_what_their_names_say(name, tmp_path):
    import tomllib

    job = tomllib.loads((ROOT / "runs" / f"{name}.toml").read_text())
    assert set(job) == {"job", "system", "compute", "output"}
    assert job["job"]["kind"] == job["job"]["name"] == name
    if name == "composite":
        system, compute = job["system"], job["compute"]
        assert system["b2o3_to_sio2"] == 0.35
        assert system["diameter_nm"] == [15, 20]
        assert [round(length / system["spacing_nm"]) for length in system["size_nm"]] == [20, 20, 20]
        assert (system["density_m3"], system["mean_free_path_nm"], system["delta_meV"]) == (5e24, 13, 2.7)
        assert compute["temperature_K"] == [4.2, 10, 19, 30]
        assert compute["states"] == 64


@pytest.mark.slow
@pytest.mark.parametrize("table", ["physics", "experiments"])
def test_validate_prints_one_line_a_row_and_passes(table, tmp_path):
    done = command("validate", table, "--json", "table.json", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = json.loads((tmp_path / "table.json").read_text())
    rows = rows if isinstance(rows, list) else next(value for value in rows.values() if isinstance(value, list))
    text = json.dumps(rows)
    names = ("O3", "O4", "O5", "O9", "O11", "O14", "O17", "O18") if table == "physics" else tuple("12345")
    for name in names:
        assert name in text
        assert name in done.stdout
    for row in rows:
        for key in ("value", "expected", "tolerance", "reason", "source"):
            assert any(key in field for field in row), (key, row)


@pytest.mark.slow
def test_numbers_of_a_seed_repeat_bit_for_bit(tmp_path):
    """In a worker process and in this one."""
    (tmp_path / "job.toml").write_text(COMPOSITE.format(path=10, seed=2, temperature=15.0))
    short = ("--set", "output.figures=false", "--set", "compute.states=8", "--set", "compute.sample_sites=30")
    for out, engine in (("a", Crew), ("b", Here)):
        assert bdg_here("run", "job.toml", "--out", out, *short, cwd=tmp_path, engine=engine).returncode == 0
    (_, first), (_, second) = points(tmp_path / "a") + points(tmp_path / "b")
    assert set(first) == set(second)
    for name in first:
        assert_array_equal(first[name], second[name])
    assert len(first["sample_sites"]) == 30
    assert len(first["energies_meV"]) == 8
