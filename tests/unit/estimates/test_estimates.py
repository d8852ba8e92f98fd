"""bdg.estimate for systems and jobs: rows, choices equal to those of the functions, refusals, messages."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

import bdg
from bdg import cli
from bdg.jobs.estimate import MOST_EXAMINED, estimate_job
from bdg.jobs.job import load_job, parse_job
from bdg.jobs.kinds import get_kind, kind_names
from bdg.jobs.model.kind import Step
from bdg.methods import options

GAP = b"""
[job]
kind = "gap"
name = "small"
[system]
superconductor_sites = 4
normal_sites = 3
width = 8
hopping_meV = 10.0
spacing_nm = 0.5
attraction_meV = 26.0
seed = {range = [0, 40]}
[compute]
temperature_K = [4.0, 8.0]
"""
CALLS = [
    ("bound_states", {"k": 8}),
    ("bound_states", {"window": (-0.2, 0.2)}),
    ("count_states", {"energy": 0.2}),
    ("pair_amplitude", {"temperature": 0.1}),
    ("pair_amplitude", {"temperature": 0.3, "sites": [3, 5]}),
    ("electron_density", {"temperature": 0.1}),
    ("free_energy", {"temperature": 0.1}),
    ("density_of_states", {"energies": np.linspace(-1, 1, 11)}),
    ("local_density_of_states", {"energies": [0.1, 0.2], "sites": [4]}),
    ("local_density_of_states", {"energies": [0.1], "broadening": 0.05}),
    ("green_function", {"z": [0.1 + 0.1j, 0.3j]}),
    ("green_function", {"z": 0.1j, "sources": [3]}),
    ("spectral_function", {"momenta": [[0.1, 0.2, 0.0]], "energies": np.linspace(-1, 1, 11)}),
]


@pytest.fixture
def cube(grid, islands):
    return grid((10, 10, 10), delta=islands(1000), disorder=1.0)


@pytest.mark.parametrize(("what", "arguments"), CALLS)
def test_the_method_is_the_one_that_the_function_takes(cube, what, arguments):
    expected = bdg.estimate(cube, what, **arguments)
    assert expected.method in expected.methods and expected.feasible.any()
    assert expected.seconds > 0 and 0 < expected.gibibytes < 4
    assert np.isfinite(expected.all_gibibytes).all()
    done = getattr(bdg, what)(cube, **arguments)
    assert done.evidence.method == expected.method


def test_a_gap_takes_its_iterations(cube):
    one, many = (bdg.estimate(cube, "solve_gap", temperature=0.1, iterations=n) for n in (1, 20))
    assert many.seconds == pytest.approx(20 * one.seconds) and many.gibibytes == one.gibibytes


def test_spectral_functions_take_columns_for_each_wave_vector_and_spin(cube, spinful):
    """More with energies, moments, wave vectors and spins; where H is real a plane wave takes two columns."""

    def taken(system=cube, momenta=((0.1, 0.2, 0.0),), moments=512, energies=11, **more):
        given = {"momenta": momenta, "moments": moments, "energies": np.linspace(-1, 1, energies)}
        return bdg.estimate(system, "spectral_function", **given, **more)

    one = taken()
    assert one.methods == ["chebyshev"] and one.rows[0][1] == "cpu" and "the only method" in one.evidence.why
    assert taken(method="chebyshev", device="cpu").seconds == one.seconds
    assert taken(momenta=((0.0, 0.0, 0.0),)).seconds < one.seconds
    assert taken(momenta=np.full((40, 3), 0.1)).seconds > 4 * one.seconds
    assert taken(momenta=np.full((40, 3), 0.1)).gibibytes > one.gibibytes
    assert taken(moments=1024).seconds > 1.5 * one.seconds and taken(energies=1001).seconds > one.seconds
    assert taken(spinful(cube)).seconds > 1.5 * one.seconds
    width = bdg.estimate(cube, "spectral_function", momenta=[[0.1, 0, 0]], energies=[0.1], broadening=0.01)
    assert width.seconds > taken(energies=1).seconds  # about 3 s/0.01 moments


@pytest.mark.parametrize("kind", ["real", "complex", "spins", "spins, complex"])
def test_every_number_system_has_its_estimate(grid, spinful, kind):
    system = grid((8, 8, 3), delta=0.3, disorder=1.0)
    if "complex" in kind:
        system = system.with_delta(0.3 * np.exp(0.1j * np.arange(192)))
    if "spins" in kind:
        system = spinful(system)
    states, amplitude = bdg.estimate(system, k=8), bdg.estimate(system, "pair_amplitude", temperature=0.1)
    assert {"lanczos", "dense", "shift_invert", "chebyshev"} == set(states.methods)
    assert {"poles", "dense", "chebyshev"} == set(amplitude.methods)
    real = bdg.estimate(grid((8, 8, 3), delta=0.3, disorder=1.0), k=8)
    if kind != "real":
        lanczos = states.methods.index("lanczos")
        assert states.all_seconds[lanczos] > real.all_seconds[real.methods.index("lanczos")]


def test_it_prints_saves_and_draws(cube, tmp_path):
    found = bdg.estimate(cube, k=8)
    text = str(found)
    assert text.startswith("bound_states: ") and f"-> {found.method}" in text and len(found.rows) == 4
    found.save(tmp_path / "estimate.h5")
    again = bdg.load(tmp_path / "estimate.h5")
    assert isinstance(again, bdg.Estimate) and again.rows == found.rows and str(again) == text
    assert found.plot().axes[0].get_yscale() == "log"


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda s: bdg.estimate(s, "bound_state"), ValueError, "what must be one of bound_states"),
        (lambda s: bdg.estimate(s, "bound_states", m=3), TypeError, "bound_states has no argument 'm' here; known: k"),
        (
            lambda s: bdg.estimate(s, "spectral_function", energies=[0.1]),
            TypeError,
            "spectral_function needs the argument momenta=",
        ),
        (
            lambda s: bdg.estimate(s, "spectral_function", energies=[0.1], momenta=[0.1, 0.2, 0.3]),
            ValueError,
            r"momenta must be wave vectors \(K, 2\)",
        ),
        (lambda s: bdg.estimate(s, "pair_amplitude"), TypeError, "needs the argument temperature="),
        (lambda s: bdg.estimate(s, k=0), ValueError, "k must be a whole number from 1 to"),
        (lambda s: bdg.estimate(s, "pair_amplitude", temperature=-1), ValueError, "temperature must be"),
        (lambda s: bdg.estimate(s, device="tpu"), ValueError, "device must be"),
        (lambda s: bdg.estimate(3), TypeError, "system_or_job must be a System, a Job or the path"),
        (lambda s: bdg.estimate("x.toml", k=3), TypeError, "k belongs to the estimate of a System"),
        (lambda s: bdg.estimate("missing.toml"), bdg.JobError, "cannot be read"),
    ],
)
def test_wrong_arguments_are_named(grid, call, error, message):
    with pytest.raises(error, match=message):
        call(grid((3, 3), delta=0.3))


# ---------------------------------------------------------------------------------------------------------------- jobs


@pytest.fixture(scope="module")
def of_gap():
    """The estimate of the job above with one worker."""
    return estimate_job(parse_job(GAP, "gap.toml", "gap"))


def test_a_job_adds_up_its_points(of_gap, monkeypatch):
    monkeypatch.setenv("BDG_THREADS", "4")
    job = parse_job(GAP, "gap.toml", "gap")
    found = estimate_job(job, workers=4)
    assert found.points == 80 and found.examined == MOST_EXAMINED and found.steps[0] == "solve_gap"
    assert found.step_seconds.sum() == pytest.approx(found.processor_seconds)
    assert found.seconds == pytest.approx(1.5 + found.processor_seconds / 4, rel=0.01) and not found.refused
    assert of_gap.processor_seconds == pytest.approx(found.processor_seconds)
    assert "from 24 points" in str(found) and "4 workers" in str(found) and "built-in rates" in str(found)
    assert found.cores == 4 and found.on_cores.tolist() == [1, 2, 4, 8, 16] and "with cores: 1: " in str(found)
    assert found.seconds == found.seconds_on_cores[2]
    alone = found.seconds_on_cores - 1.5  # four workers on two cores wait for one another, on sixteen they have threads
    assert alone[:3] == pytest.approx(alone[2] * np.array([4, 2, 1])) and alone[4] < 0.6 * alone[2]


def test_more_workers_than_the_memory_holds_are_refused_with_what_would_fit(monkeypatch, of_gap):
    job = parse_job(GAP, "gap.toml", "gap", ["seed={range = [0, 4]}"])
    needed = of_gap.gibibytes * 2.0**30
    monkeypatch.setattr("bdg.jobs.estimate.available_bytes", lambda backend: 2.5 * needed)
    assert not estimate_job(job, workers=2).refused
    assert "--workers 2 would" in estimate_job(job, workers=3).refused


def test_a_point_that_does_not_fit_is_refused_by_name(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(options, "available_bytes", lambda backend: 1024.0)
    path = tmp_path / "gap.toml"
    path.write_bytes(GAP)
    assert cli.main(["estimate", str(path), "--set", "seed=0", "--set", "temperature_K=4"]) == 2
    shown = capsys.readouterr().out
    assert "REFUSED: " in shown and "does not fit" in shown and "of the sites would fit" in shown


def test_the_command_prints_a_table(tmp_path, capsys):
    path = tmp_path / "gap.toml"
    path.write_bytes(GAP)
    assert cli.main(["estimate", str(path), "--workers", "2", "--set", "seed=[1,2]"]) == 0
    shown = capsys.readouterr().out
    assert "4 points, 2 workers" in shown and "solve_gap" in shown and "memory" in shown
    assert cli.main(["estimate", str(tmp_path / "none.toml")]) == 2
    assert "cannot be read" in capsys.readouterr().err


FOLDER = Path(__file__).parents[3] / "runs"
RUNS = sorted(path for path in FOLDER.rglob("*.toml") if "out" not in path.relative_to(FOLDER).parts)
WITHOUT_SYSTEM = ["composite_chain", "magnetometer", "mg_sphere", "squid"]  # networks, a plate, closed forms, vortices
LARGE = ["dense", "metallic", "large"]  # 2e4 sites and more


def test_every_kind_has_an_example():
    assert {load_job(path, allow_code=True).kind.name for path in RUNS} == set(kind_names())


@pytest.mark.parametrize(
    "path", [p for p in RUNS if p.stem not in (*WITHOUT_SYSTEM, *LARGE)], ids=lambda path: path.stem
)
def test_the_jobs_of_this_package_say_what_they_compute(path):
    """Their first point: steps that `estimate` knows, on the system of the point."""
    job = load_job(path, allow_code=True)
    make = job.kind.steps
    assert make is not None
    system, steps = make(job.points[0].parameters)
    assert isinstance(system, bdg.System) and steps
    for step in steps:
        assert step.times > 0 and bdg.estimate(system, step.what, **step.arguments).method


def test_a_job_lists_the_same_function_by_two_methods_apart():
    path = next(path for path in RUNS if path.stem == "ldos")
    job = parse_job(path.read_bytes(), "ldos.toml", "ldos", ["system.size_nm=[8, 8, 8]"])
    found = estimate_job(job)
    assert found.steps == ["local_density_of_states"] * 2 and found.methods[1] == "chebyshev"
    assert "spectra along the row" in found.notes[1] and (found.step_seconds > 0).all()


def test_a_kind_of_ones_own_may_say_it_or_not():
    job = parse_job(GAP, "gap.toml", "gap", ["seed=0", "temperature_K=4"])
    silent = dataclasses.replace(get_kind("gap"), name="mine", steps=None)
    with pytest.raises(bdg.JobError, match="kind 'mine' do not say what their points compute"):
        estimate_job(dataclasses.replace(job, kind=silent))
    system = get_kind("gap").steps(job.points[0].parameters)[0]
    telling = dataclasses.replace(silent, steps=lambda parameters: (system, [Step("count_states", {}, 3)]))
    assert estimate_job(dataclasses.replace(job, kind=telling)).steps == ["count_states"]


def test_workers_must_be_a_number():
    with pytest.raises(ValueError, match="workers must be a whole number >= 1; got 0"):
        estimate_job(parse_job(GAP, "gap.toml", "gap"), workers=0)


# ----------------------------------------------------------------------------------------------------------- benchmark


@pytest.mark.slow
def test_the_benchmark_of_predictions_runs_every_way_once():
    """Tiny sizes, so the ratios mean nothing; every way exists for a real and for a spinful system where it is used."""
    from bdg.validation.benchmarks import predictions

    assert {way for case in predictions.CASES for way in case.ways} == set(predictions.WAYS)
    rows = predictions.rows_of(
        predictions.Case((5, 5, 3), ("lanczos", "dense", "poles, layer", "density", "local, few"))
    )
    rows += predictions.rows_of(predictions.Case((5, 5, 5), ("poles",), 2))
    assert all(row.predicted > 0 and row.measured > 0 and row.taken for row in rows)
    text = predictions.table(rows)
    assert "5^3, norbs = 2" in text and "of 6 predicted times" in text and "the quickest of 2: " in text
    assert "Not used in tuning" not in text
    ways = ("green", "local, spectra", "local, one site", "columns, few", "density, few", "spectral")
    fresh = predictions.rows_of(predictions.Case((5, 5, 3), ways, phases=True, fresh=True))
    both = predictions.table([*rows, *fresh])
    tuned, untuned = both.split("Not used in tuning:")
    assert "5 x 5 x 3, complex" in untuned and "5 x 5 x 3, complex" not in tuned and "of 6 memories" in untuned


def test_fresh_cases_are_none_that_the_model_was_fitted_to():
    """None of their sizes; the choice between both ways to 256 states is shown at three cubes and a film of them."""
    from bdg.validation.benchmarks import predictions

    fitted = {case.sites for case in predictions.TUNED} | set(predictions.FITTED)
    assert not fitted & {case.sites for case in predictions.FRESH}
    assert all(case.fresh for case in predictions.FRESH) and not any(case.fresh for case in predictions.TUNED)
    many = [case for case in predictions.FRESH if {"many, lanczos", "many, filtered"} <= set(case.ways)]
    assert sum(len(set(case.sites)) == 1 for case in many) >= 3 and any(len(set(case.sites)) > 1 for case in many)
