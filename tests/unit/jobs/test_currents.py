"""The kinds josephson and stiffness against the library calls that they are made of: units, gaps, words, figures."""

import functools

import numpy as np
import pytest
from scipy import constants

import bdg
from bdg.condensate.bcs import GAP_TO_TC, gap_ratio
from bdg.jobs.job import parse_job
from bdg.jobs.kinds import josephson, stiffness
from bdg.jobs.model.results import JobResults, PointResult

KB = constants.k / constants.e * 1e3  # meV/K
NA = constants.e**2 * 1e-3 / constants.hbar * 1e9  # e x meV/hbar in nA

JUNCTION = """
[job]
kind = "josephson"
[system]
superconductor_sites = 3
normal_sites = 2
width = 3
periodic = false
hopping_meV = 20
spacing_nm = 0.5
mu_meV = -14
attraction_meV = 60
disorder_meV = 20
transparency = 0.8
seed = 3
[compute]
temperature_K = 12
phases = 5
"""
IMPOSED = JUNCTION.replace("attraction_meV = 60", "delta_meV = 6")
BOX = """
[job]
kind = "stiffness"
[system]
sites = 4
hopping_meV = 100
spacing_nm = 0.4
mu_meV = -120
delta_meV = 30
disorder_meV = 100
seed = 2
[compute]
temperature_K = 100
direction = "z"
"""


def outcome_of(kind, text):
    (point,) = parse_job(text.encode(), "job.toml", "job").points
    observables, evidence = kind.compute(point.parameters, "cpu")
    return point.parameters, {name: item.value for name, item in observables.items()}, evidence


@pytest.fixture(scope="module")
def junction():
    return outcome_of(josephson, JUNCTION)


@pytest.fixture(scope="module")
def box():
    return outcome_of(stiffness, BOX)


def _layers(delta, attraction):
    ends = bdg.lattices.Layer(3, delta=delta, attraction=attraction)
    normal = bdg.lattices.Layer(2, disorder=1.0)
    return bdg.lattices.stack([ends, normal, ends], (3, 3), mu=-0.7, spacing=0.5, transparency=0.8, seed=3)


def test_a_self_consistent_junction_is_that_of_the_library(junction):
    _, found, evidence = junction
    phases = np.linspace(0, np.pi, 5)
    expected = bdg.current_phase(_layers(0.6, 3.0), phases, KB * 12 / 20, self_consistent=True, tol=1e-7)
    np.testing.assert_allclose(
        found["current_nA"], expected.current * 20 * NA, atol=1e-5 * found["critical_current_nA"]
    )
    np.testing.assert_allclose(found["phases_pi"], [0, 0.25, 0.5, 0.75, 1])
    np.testing.assert_allclose(found["free_energy_meV"], expected.free_energy * 20, rtol=1e-9)
    assert found["misplaced_share"] < 1e-4 and evidence["current_phase"]["self_consistent"]


def test_an_imposed_junction_follows_the_bcs_curve():
    _, found, evidence = outcome_of(josephson, IMPOSED)
    delta = 6 / 20 * float(gap_ratio(12 / (6 / (GAP_TO_TC * KB))))
    with pytest.warns(bdg.ConservationWarning):
        expected = bdg.current_phase(_layers(delta, 0), np.linspace(0, np.pi, 5), KB * 12 / 20)
    np.testing.assert_allclose(found["current_nA"], expected.current * 20 * NA, rtol=1e-6, atol=1e-6)
    assert found["critical_current_nA"] == pytest.approx(expected.critical_current * 20 * NA, rel=1e-6)
    np.testing.assert_allclose(found["sine_nA"], expected.harmonics[0] * 20 * NA, atol=1e-5)
    assert found["misplaced_share"] > 0.01 and "not conserved" in evidence["current_phase"]["warning"]


def test_stiffness_and_depth_are_those_of_the_library(box):
    _, found, evidence = box
    rng = np.random.default_rng(np.random.SeedSequence(2, spawn_key=(2,)))
    delta = 30 / 100 * float(gap_ratio(100 / (30 / (GAP_TO_TC * KB))))
    positions = 0.4 * np.stack(np.meshgrid(*[np.arange(4)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    ring = np.roll(np.eye(4), 1, axis=0) + np.roll(np.eye(4), -1, axis=0)
    one = np.eye(4)
    h = -sum(np.kron(np.kron(*pair[:2]), pair[2]) for pair in ((ring, one, one), (one, ring, one), (one, one, ring)))
    h = h + np.diag(rng.random(64) - 0.5 + 1.2)
    system = bdg.lattices.from_hamiltonian(h, positions, delta=delta, period=(1.6,) * 3)
    expected = bdg.superfluid_stiffness(system, KB * 100 / 100, "z")
    assert found["stiffness_meV_nm2"] == pytest.approx(100 * expected.stiffness, rel=1e-9)
    assert found["paramagnetic_meV_nm2"] == pytest.approx(100 * expected.paramagnetic, rel=1e-9)
    per_joule_metre = expected.stiffness * 0.1 * constants.e * 1e-18 / (0.4e-9) ** 3
    depth = 1 / np.sqrt(constants.mu_0 * (constants.e / constants.hbar) ** 2 * per_joule_metre)
    assert found["penetration_depth_nm"] == pytest.approx(1e9 * depth, rel=1e-9)
    assert found["gap_meV"] == pytest.approx(100 * delta) and found["gap_spread_meV"] < 1e-12
    assert evidence["superfluid_stiffness"]["method"] == "kubo"


def test_a_self_consistent_box():
    text = BOX.replace("delta_meV = 30", "attraction_meV = 300").replace("disorder_meV = 100", "disorder_meV = 200")
    _, found, evidence = outcome_of(stiffness, text)
    assert found["gap_meV"] > 10 and found["gap_spread_meV"] > 1e-2
    assert evidence["solve_gap"]["converged"] and found["stiffness_meV_nm2"] > 0


def test_a_junction_that_turns_normal_is_said_and_marked(tmp_path):
    """Two sites of S each, Tc = 107.4 K: a little below, the phase pi/3 takes Delta away."""
    changes = {
        "superconductor_sites = 3": "superconductor_sites = 2\ndimensions = 2",
        "normal_sites = 2\nwidth = 3": "normal_sites = 1\nwidth = 2",
        "disorder_meV = 20\ntransparency = 0.8": "transparency = 1",
        "phases = 5": "phases = 4\ntolerance = 1e-4",
    }
    text = functools.reduce(lambda text, change: text.replace(*change), changes.items(), JUNCTION)
    points = []
    for kelvin in (80, 107, 110):
        parameters, found, _ = outcome_of(josephson, text.replace("= 12", f"= {kelvin}"))
        points.append(PointResult(str(kelvin), "", parameters, found))
    assert [int(point["normal"].sum()) for point in points] == [0, 3, 4]
    assert np.array_equal(points[1]["normal"], points[1]["electrode_delta_meV"] == 0)
    results = JobResults("josephson", "job", "", tuple(points))
    lines = josephson.summarise(results).splitlines()
    assert "normal" not in lines[2] and "normal (Delta = 0) at 3 of 4 phases, the first at 0.333 pi" in lines[3]
    assert "normal  Delta = 0 at all phases" in lines[4]
    assert josephson.plot(results, tmp_path, {"dpi": 60, "pdf": False})
    for point in points:  # a folder from before
        del point.observables["normal"]
    assert "normal" not in josephson.summarise(results)


@pytest.mark.parametrize("kind", [josephson, stiffness])
def test_words_and_figures(kind, junction, box, tmp_path):
    name = kind.KIND.name
    parameters, found, evidence = junction if kind is josephson else box
    points = []
    for number, kelvin in enumerate((12, 20, 20)):
        changed = {section: dict(keys) for section, keys in parameters.items()}
        changed["compute"]["temperature_K"] = kelvin
        changed["system"]["seed"] = number
        points.append(PointResult(str(number), "", changed, found, {}, {}, evidence))
    results = JobResults(name, name, "", tuple(points))
    text = kind.summarise(results)
    assert "3 points" in text and "  20" in text
    paths = kind.plot(results, tmp_path, {"dpi": 60, "pdf": False})
    assert paths and all(path.stat().st_size > 5000 for path in paths)
    kind.plot(JobResults(name, name, "", tuple(points[:1])), tmp_path, {"dpi": 60, "pdf": False})


@pytest.mark.parametrize(
    ("text", "change", "rule"),
    [
        (JUNCTION, ("attraction_meV = 60", ""), "delta_meV: give either delta_meV"),
        (JUNCTION, ("attraction_meV = 60", "attraction_meV = 60\ndelta_meV = 2"), "delta_meV: give either"),
        (JUNCTION, ("seed = 3", "critical_temperature_K = 9"), "belongs to delta_meV"),
        (IMPOSED, ("temperature_K = 12", "temperature_K = 60"), "must be below the critical temperature, 39.47"),
        (JUNCTION, ("phases = 5", "phases = 2"), "phases: must be >= 4"),
        (BOX, ('direction = "z"', 'direction = "w"'), "direction: must be one of x, y, z"),
        (BOX, ("sites = 4", "sites = 4\ndimensions = 2"), "direction: must be x or y in two dimensions"),
        (BOX, ("sites = 4", "sites = 2"), "sites: must be >= 3"),
    ],
)
def test_a_bad_job_is_refused(text, change, rule):
    with pytest.raises(bdg.JobError, match=rule):
        parse_job(text.replace(*change).encode(), "job.toml", "job")
