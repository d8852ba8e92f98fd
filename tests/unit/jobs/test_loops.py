"""The loops kind against the library calls that it is made of: units, phases, grains, terms, summary and figures."""

import numpy as np
import pytest

import bdg
from bdg.jobs.job import parse_job
from bdg.jobs.kinds import loops
from bdg.jobs.kinds.shared import boxes
from bdg.jobs.model.results import JobResults, PointResult
from bdg.lattices.units import temperature_in_t

JOB = """
[job]
kind = "loops"
[system]
size_nm = [24, 24, 24]
spacing_nm = 3
diameter_nm = [8, 9]
volume_fraction = 0.12
density_m3 = 4e24
seed = 5
[compute]
temperature_K = 10
states = 20
points = 4
"""


def parameters_of(text=JOB):
    (point,) = parse_job(text.encode(), "job.toml", "job").points
    return point.parameters


@pytest.fixture(scope="module")
def outcome():
    observables, evidence = loops.compute(parameters_of(), "cpu")
    return {name: item.value for name, item in observables.items()}, evidence


def test_states_and_slopes_are_those_of_the_box_at_random_phases(outcome):
    found, evidence = outcome
    system = boxes.build(parameters_of())
    assert system.n_grains == found["grains"] >= 4
    assert found["phases_rad"].shape == (system.n_grains,) and np.unique(found["phases_rad"]).size == system.n_grains
    biased = system.with_phases(found["phases_rad"])
    t = found["hopping_meV"]
    levels = np.sort(bdg.bound_states(biased, 20).energies)
    np.testing.assert_allclose(found["energies_meV"], levels * t, atol=1e-9 * t)
    step = 1e-5
    up, down = (np.sort(bdg.bound_states(biased.with_phases({1: s * step}), 20).energies) for s in (1, -1))
    np.testing.assert_allclose(found["slopes_meV"][:, 1], (up - down) / (2 * step) * t, atol=1e-8 * t)
    assert found["sum_rule"] < 1e-9 and bool(found["complete"])
    sizes = abs(found["slopes_meV"])
    np.testing.assert_allclose(found["grains_touched"], sizes.sum(axis=1) ** 2 / (sizes**2).sum(axis=1))
    assert 0 < found["gap_ratio"] < 1
    assert {"bound_states", "phase_response", "level_statistics", "phase_harmonics"} <= set(evidence)


def test_terms_are_those_of_the_nearest_grains_without_the_others(outcome):
    found, _ = outcome
    system = boxes.build(parameters_of())
    grains = found["loop_grains"].tolist()
    centres = np.array([system.positions[system.grain == g].mean(axis=0) for g in range(system.n_grains)])
    perimeter = lambda g: sum(np.linalg.norm(centres[a] - centres[b]) for a in g for b in g)  # noqa: E731
    every = [(a, b, c) for a in range(len(centres)) for b in range(a) for c in range(b)]
    assert perimeter(grains) == pytest.approx(min(perimeter(g) for g in every))
    alone = system.with_delta(np.where(np.isin(system.grain, grains), system.delta, 0))
    kT = temperature_in_t(10, float(found["hopping_meV"]))
    terms = bdg.phase_harmonics(alone, grains, kT, points=4)
    np.testing.assert_allclose(found["loop_amplitudes_meV"], terms.amplitudes * found["hopping_meV"])
    np.testing.assert_allclose(found["loop_weights_meV"], terms.weights * found["hopping_meV"])
    assert (found["loop_orders"].sum(axis=1) == 0).all()


def test_choices_of_the_job():
    """Without phases all slopes vanish, no term is computed where none is asked for; the same seed, the same bits."""
    text = JOB.replace("points = 4", 'phases = "zero"\nloop_grains = 0')
    observables, evidence = loops.compute(parameters_of(text), "cpu")
    assert not observables["phases_rad"].value.any() and abs(observables["slopes_meV"].value).max() < 1e-12
    assert np.isnan(observables["grains_touched"].value).all()
    assert "loop_orders" not in observables and evidence["phase_harmonics"].startswith("none")
    again, _ = loops.compute(parameters_of(text), "cpu")
    for name, item in observables.items():
        np.testing.assert_array_equal(item.value, again[name].value)
    # the others at phase 0 are a reference: integers need not add up to zero
    reference = JOB.replace("points = 4", 'points = 4\nloop_grains = 2\nother_grains = "phase_zero"')
    orders = loops.compute(parameters_of(reference), "cpu")[0]["loop_orders"].value
    assert (orders.sum(axis=1) != 0).any()


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (("points = 4", "points = 5"), "points: must be even"),
        (("points = 4", "loop_grains = 1"), "loop_grains: must be 0, 2, 3 or 4"),
        (("states = 20", "states = 4000"), "states: must be at most 1024"),
        (("temperature_K = 10", "temperature_K = 40"), "temperature_K: must be below"),
        (("points = 4", 'phases = "randm"'), "phases: must be one of"),
    ],
)
def test_a_bad_job_is_refused(change, rule):
    with pytest.raises(bdg.JobError, match=rule):
        parse_job(JOB.replace(*change).encode(), "job.toml", "job")


def test_the_grains_of_many_are_the_nearest_too():
    """Above 20000 triples only the nearest eight of each grain are tried: a close triangle is found all the same."""
    rng = np.random.default_rng(0)
    positions = rng.uniform(0, 100, (60, 3))
    positions[[7, 20, 41]] = [[50, 50, 50], [50.5, 50, 50], [50, 50.5, 50]]
    system = bdg.lattices.from_hamiltonian(np.eye(60), positions, delta=0.1, grain=np.arange(60))
    assert loops.nearest_grains(system, 3) == [7, 20, 41]


@pytest.mark.slow
def test_summary_and_figures_of_an_unfinished_sweep(tmp_path, outcome):
    """Points of one seed share their numbers: figures and summary take them as they come."""
    sweep = JOB.replace("= 10", "= [10, 25]").replace("seed = 5", "seed = [5, 6]")
    job = parse_job(sweep.encode(), "job.toml", "job")
    other, _ = loops.compute(parameters_of(JOB.replace("seed = 5", "seed = 6")), "cpu")
    values = {5: outcome[0], 6: {name: item.value for name, item in other.items()}}
    points = [
        PointResult(point.digest, point.label, point.parameters, values[point.parameters["system"]["seed"]])
        for point in job.points[:-1]
    ]
    results = JobResults("loops", "job", job.identity, tuple(points), (job.points[-1].label,))
    paths = loops.plot(results, tmp_path, {"dpi": 60, "pdf": False})
    assert {path.name for path in paths} == {"grains_touched.png", "level_statistics.png", "loop_terms.png"}
    assert all(path.stat().st_size > 3000 for path in paths)
    text = loops.summarise(results)
    assert "mean gap ratio" in text and text.count(" of ") >= 6
    assert loops.plot(JobResults("loops", "job", job.identity, (), ()), tmp_path, {}) == []
