"""Jobs for a System of one's own: from a file or a builder, what its digest holds, and when its code runs."""

import math
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from command_here import Here, bdg_here

import bdg
from bdg.jobs.engines.processes import Crew
from bdg.jobs.job import load_job
from bdg.jobs.kinds.shared.own_systems import BuilderError
from bdg.jobs.kinds.shared.system_calls import CALLS
from bdg.jobs.model.place import Place
from bdg.jobs.model.results import read_results
from bdg.lattices import from_hamiltonian

BUILDER = """
import neighbour
import numpy as np
from bdg.lattices import from_hamiltonian

with open({diary!r}, "a") as diary:
    diary.write("imported\\n")

def make(n: int, delta: float = 0.2, seed: int = 0, fail: bool = False):
    if fail:
        raise ValueError("n is too odd")
    h = np.diag(np.full(n - 1, -neighbour.HOPPING), 1)
    onsite = np.random.default_rng(seed).uniform(-0.5, 0.5, n)
    gap = np.where(np.arange(n) // 4 % 2 == 0, delta, 0.0)
    return from_hamiltonian(h + h.T + np.diag(onsite), np.arange(n)[:, None], delta=gap, attraction=(gap != 0) * 3.0)

def text(n):
    return "no system"

NUMBER = 3
"""
JOB = """
[job]
kind = "system"
name = "mine"
[system]
builder = "my_module:make"
[system.parameters]
n = [12, 14]
[compute]
calls = ["bound_states"]
k = 4
[output]
figures = false
"""
FILE = JOB.replace('builder = "my_module:make"\n[system.parameters]\nn = [12, 14]', 'file = "chain.h5"')


def chain(n: int, onsite: float = 0.0) -> bdg.lattices.System:
    h = np.diag(np.full(n - 1, -1.0), 1)
    return from_hamiltonian(h + h.T + onsite * np.eye(n), np.arange(n)[:, None], delta=0.2)


@pytest.fixture
def place(tmp_path):
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs" / "my_module.py").write_text(BUILDER.format(diary=str(tmp_path / "diary")))
    (tmp_path / "jobs" / "neighbour.py").write_text("HOPPING = 1.0\n")
    (tmp_path / "jobs" / "job.toml").write_text(JOB)
    (tmp_path / "jobs" / "file.toml").write_text(FILE)
    chain(10).save(tmp_path / "jobs" / "chain.h5")
    return tmp_path


def imports(place: Path) -> int:
    return len((place / "diary").read_text().splitlines()) if (place / "diary").exists() else 0


@pytest.mark.parametrize("command", ["run", "estimate"])
def test_code_runs_only_where_the_command_line_allows_it(place, command):
    refused = bdg_here(command, "jobs/job.toml", cwd=place)
    assert refused.returncode == 2 and refused.stdout == ""
    line = "jobs/job.toml: [system] builder: my_module:make is Python code, which runs only if the command line "
    assert refused.stderr == f"{line}allows it; look at it, then add --allow-code\n"
    assert imports(place) == 0 and not (place / "runs").exists()
    with pytest.raises(bdg.JobError, match="--allow-code"):
        bdg.estimate(place / "jobs" / "job.toml")
    assert imports(place) == 0
    assert bdg_here(command, "jobs/job.toml", "--allow-code", "--set", "n=12", cwd=place).returncode == 0
    assert imports(place) > 0
    assert bdg.estimate(place / "jobs" / "job.toml", allow_code=True).points == 2


@pytest.mark.parametrize(
    "arguments", [["status", "runs/out/mine"], ["plot", "runs/out/mine"]], ids=lambda arguments: arguments[0]
)
def test_looking_at_a_run_imports_nothing(place, arguments):
    assert bdg_here("run", "jobs/job.toml", "--allow-code", cwd=place).returncode == 0
    before = imports(place)
    assert bdg_here(*arguments, cwd=place).returncode == 0
    assert imports(place) == before


@pytest.mark.parametrize("engine", [Here, pytest.param(Crew, marks=pytest.mark.slow)])
def test_points_hold_what_the_calls_return_also_from_worker_processes(place, engine):
    done = bdg_here("run", "jobs/job.toml", "--allow-code", "--workers", 2, cwd=place, engine=engine)
    assert done.returncode == 0, done.stderr
    results = read_results(place / "runs" / "out" / "mine" / "results.h5")
    assert [point.parameters["system.parameters"]["n"] for point in results] == [12, 14]
    job = load_job(place / "jobs" / "job.toml", allow_code=True)
    for point in results:
        system, _ = job.kind.steps(point.parameters)
        assert np.array_equal(point["energies"], np.sort(bdg.bound_states(system, 4, seed=0).energies))
        assert point.units["energies"] == "hopping"
    assert pickle.loads(pickle.dumps(job.kind)).compute(job.points[0].parameters, "cpu")[0].keys() == {
        "energies", "residual", "complete",
    }  # fmt: skip


def test_another_system_under_the_old_name_is_computed_anew(place):
    """A file that is saved again costs nothing; one that holds other numbers, or a mended builder, does."""
    run = ("run", "jobs/file.toml", "--out", "out")
    assert bdg_here(*run, cwd=place).returncode == 0
    chain(10).save(place / "jobs" / "chain.h5")
    assert "all of them were there" in bdg_here(*run, cwd=place).stdout
    first = read_results(place / "out" / "results.h5").points[0]["energies"]
    chain(10, 0.3).save(place / "jobs" / "chain.h5")
    assert "1 of 1 points done, 1 of them computed now" in bdg_here(*run, cwd=place).stdout
    assert not np.allclose(read_results(place / "out" / "results.h5").points[0]["energies"], first)

    run = ("run", "jobs/job.toml", "--allow-code")
    assert bdg_here(*run, cwd=place).returncode == 0
    assert "all of them were there" in bdg_here(*run, cwd=place).stdout
    module = place / "jobs" / "my_module.py"
    module.write_text(module.read_text().replace("delta: float = 0.2", "delta: float = 0.25"))
    os.utime(module, (1, 1))
    assert "2 of 2 points done, 2 of them computed now" in bdg_here(*run, cwd=place).stdout


def test_a_failing_builder_fails_its_points_alone(place):
    arguments = ("--allow-code", "--set", "system.parameters.fail=[false, true]", "--set", "n=12")
    done = bdg_here("run", "jobs/job.toml", *arguments, cwd=place)
    assert done.returncode == 1 and "1 of 2 points done" in done.stdout
    assert "builder my_module:make failed: ValueError: n is too odd" in done.stdout
    assert "n is too odd" in bdg_here("status", "runs/out/mine", cwd=place).stdout
    assert "in make\n" in (place / "runs" / "out" / "mine" / "run.log").read_text()  # the whole traceback
    asked = bdg_here("estimate", "jobs/job.toml", *arguments, cwd=place)
    assert asked.returncode == 2 and "my_module:make failed: ValueError: n is too odd" in asked.stderr


def test_a_builder_that_draws_anew_each_time_is_found_out(place):
    module = place / "jobs" / "my_module.py"
    module.write_text(module.read_text().replace("default_rng(seed)", "default_rng()"))
    done = bdg_here("run", "jobs/job.toml", "--allow-code", "--set", "n=12", cwd=place)
    assert done.returncode == 1 and "gave another system than when the job was read" in done.stdout
    assert "seed its random numbers" in done.stdout


def test_seeds_of_the_builder_make_ensembles(place):
    sets = ("--set", "system.parameters.seed={range=[0, 3]}", "--set", "n=12", "--set", 'calls="critical_temperature"')
    done = bdg_here("run", "jobs/job.toml", "--allow-code", *sets, cwd=place)
    assert done.returncode == 0, done.stderr
    results = read_results(place / "runs" / "out" / "mine" / "results.h5")
    (ensemble,) = results.ensembles()
    values = [float(point["critical_temperature"]) for point in results]
    assert ensemble.seeds == [0, 1, 2] and len(set(values)) == 3
    assert ensemble.mean["critical_temperature"] == pytest.approx(np.mean(values), rel=1e-14)
    error = np.std(values, ddof=1) / math.sqrt(3)
    assert ensemble.standard_error["critical_temperature"] == pytest.approx(error, rel=1e-12)


def test_calls_after_the_gap_take_the_self_consistent_system(place):
    calls = 'calls=["solve_gap", "pair_amplitude", "bound_states"]'
    sets = ("--set", calls, "--set", "temperature=0.05", "--set", "n=12", "--set", "tolerance=1e-9")
    done = bdg_here("run", "jobs/job.toml", "--allow-code", *sets, cwd=place)
    assert done.returncode == 0, done.stderr
    (point,) = read_results(place / "runs" / "out" / "mine" / "results.h5")
    paired = point["delta"] != 0
    # Delta = U F with U = 3 holds to the tolerance only for the Delta that was found
    assert np.allclose(3 * point["amplitude"][paired], point["delta"][paired], rtol=1e-7, atol=0)
    assert abs(point["energies"]).min() > 0 and point["positions"].shape == (12, 1)


@pytest.mark.parametrize(
    ("sets", "words"),
    [
        (['system.file="chain.h5"'], '[system] file: give either file = "my_system.h5" (System.save) or builder'),
        (["system.builder="], "[system] file: give either file"),
        (['builder="my_module"'], '[system] builder: must be "module:function"'),
        (['builder="no_such_module_at_all:make"'], "no module no_such_module_at_all: neither no_such_module_at_all.py"),
        (['builder="my_module:mke"'], "has no function 'mke'; correct the name"),
        (['builder="my_module:NUMBER"'], "has something else under the name 'NUMBER'"),
        (
            ["system.parameters.m=3"],
            "[system.parameters] m: no such argument; my_module:make takes n, delta, seed",
        ),
        (["system.parameters.n="], "[system.parameters] n: missing; my_module:make takes n"),
        (["n={a=1}"], "[system.parameters] n: a table must be a sweep"),
        (['calls=["bound_state"]'], "[compute] calls: must be one of bound_states, density_of_states"),
        (["calls=[]"], "[compute] calls: must name at least one of bound_states"),
        (['calls=["solve_gap"]'], "[compute] temperature: missing; solve_gap needs temperature"),
        (["temperature=0.1", "temperature_K=4"], "give either temperature_K or temperature; got both"),
        (["temperature_K=4"], "[compute] temperature_K: the system does not say its energy unit; give temperature"),
        (['calls="density_of_states"'], "[compute] energy_window: missing; density_of_states needs"),
        (["energy_window=[1, -1]"], "[compute] energy_window: must be [lowest, highest]; got [1.0, -1.0]"),
        (["k=60"], "[compute] k: must be at most 24, the dimension of H; got 60"),
        (
            ['calls="current_phase"', "temperature=0.1", "between_grains=[0, 5]"],
            "must be two different grains, numbered from 0 to 1; got [0.0, 5.0]",
        ),
        (
            ['calls="current_phase"', "temperature=0.1", "n=4"],
            "current_phase needs two superconducting parts, and",
        ),
        (
            ['calls="critical_temperature"', "delta=0"],
            "critical_temperature needs sites with attraction",
        ),
    ],
)
def test_wrong_jobs_are_refused_before_any_work(place, sets, words):
    arguments = [word for one in sets for word in ("--set", one.replace("delta=", "system.parameters.delta="))]
    first = () if any(one.startswith(("n=", "system.parameters.n")) for one in sets) else ("--set", "n=12")
    done = bdg_here("run", "jobs/job.toml", "--allow-code", *first, *arguments, cwd=place)
    assert done.returncode == 2 and words in done.stderr, done.stderr
    assert not (place / "runs").exists() and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("no.h5", "no.h5: no such file; System.save writes such files"),
        ("../chain.h5", "must lie in the folder of the job file, or below it; put it there, or a link to it, or"),
        ("/chain.h5", "must lie in the folder of the job file"),
        ("file.toml", "System.save writes such files"),
    ],
)
def test_files_lie_beside_the_job(place, file, words):
    chain(4).save(place / "chain.h5")
    (place / "jobs" / "file.toml").write_text(FILE.replace("chain.h5", file))
    done = bdg_here("run", "jobs/file.toml", cwd=place)
    assert done.returncode == 2 and "[system] file: " in done.stderr and words in done.stderr


def test_the_command_line_names_files_elsewhere(place):
    """Relative to the job file, as in the file itself."""
    chain(4).save(place / "chain.h5")
    (place / "jobs" / "file.toml").write_text(FILE)
    done = bdg_here("run", "jobs/file.toml", "--set", "file='../chain.h5'", cwd=place)
    assert done.returncode == 0, done.stderr


def test_a_worker_asks_again_whether_code_was_allowed(place):
    """A kind that reaches it without the word of the command line imports nothing."""
    job = load_job(place / "jobs" / "job.toml", allow_code=True)
    unasked = job.kind.located(Place(place / "jobs"))
    before = (place / "diary").read_text()
    with pytest.raises(BuilderError, match="is Python code, which was not allowed"):
        unasked.compute(job.points[0].parameters, "cpu")
    assert (place / "diary").read_text() == before


def test_equal_names_in_two_folders_are_two_modules(place, tmp_path):
    (tmp_path / "other").mkdir()
    for name in ("job.toml", "neighbour.py", "my_module.py"):
        text = (place / "jobs" / name).read_text().replace("delta: float = 0.2", "delta: float = 0.4")
        (tmp_path / "other" / name).write_text(text)
    points = [load_job(place / name / "job.toml", allow_code=True).points for name in ("jobs", "other")]
    assert points[0][0].parameters["system"]["checksum"] != points[1][0].parameters["system"]["checksum"]
    assert points[0][0].digest != points[1][0].digest


def test_figures_of_every_call(place):
    calls = ", ".join(f'"{call}"' for call in CALLS)
    sets = (f"calls=[{calls}]", "temperature=[0.02, 0.04]", "n=12", "energy_window=[-1, 1]", "energy_points=41",
            "phases=5", "phase_range_pi=[0, 0.8]", "figures=true", "pdf=false", "dpi=50")  # fmt: skip
    words = [word for one in sets for word in ("--set", one)]
    done = bdg_here("run", "jobs/job.toml", "--allow-code", *words, cwd=place)
    assert done.returncode == 0, done.stderr
    drawn = {path.stem for path in (place / "runs" / "out" / "mine" / "figures").glob("*.png")}
    assert drawn == {"bound_states", "solve_gap", "largest_gap", "density_of_states", "pair_amplitude",
                     "critical_temperature", "current_phase", "critical_current"}  # fmt: skip
    assert "temperature=0.02: lowest |E| " in done.stdout and "I_c " in done.stdout


def test_kelvin_and_nanoampere_where_the_system_names_its_unit(place):
    """T = 4 K is k_B T = 0.34469 meV; a current of 1 e meV/hbar is 243.413 nA (CODATA)."""
    module = place / "jobs" / "my_module.py"
    text = module.read_text().replace("fail: bool = False", "fail: bool = False, unit: str | None = None")
    module.write_text(text.replace("* 3.0)", "* 3.0, energy_unit=unit, length_unit='nm')"))
    sets = ["n=12", 'calls=["pair_amplitude", "current_phase"]', "phases=5", "delta=0.5"]
    named = [*sets, 'system.parameters.unit="meV"', "temperature_K=4"]
    plain = [*sets, "temperature=0.34469331"]
    points = []
    for number, each in enumerate((named, plain)):
        words = [w for one in each for w in ("--set", one.replace("delta=", "system.parameters.delta="))]
        done = bdg_here("run", "jobs/job.toml", "--allow-code", "--out", number, *words, cwd=place)
        assert done.returncode == 0, done.stderr
        points += read_results(place / str(number) / "results.h5").points
    assert points[0].digest != points[1].digest
    assert np.allclose(points[0]["amplitude"], points[1]["amplitude"], rtol=1e-6)
    assert np.allclose(points[0]["current"], 243.413 * points[1]["current"], rtol=1e-4, atol=1e-6)
    assert (points[0].units["current"], points[1].units["current"]) == ("nA", "e hopping/hbar")
    assert (points[0].units["positions"], points[0].units["phase_free_energy"]) == ("nm", "meV")
