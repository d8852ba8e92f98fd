"""The landscape kind against the library calls that it is made of, its rules, means and figures."""

import numpy as np
import pytest

import bdg
from bdg.granular.beyond_pairs import irreducible_part, stiffness_ratio
from bdg.jobs.job import parse_job
from bdg.jobs.kinds import landscape
from bdg.jobs.kinds.figures.landscape import ensemble
from bdg.jobs.model.results import JobResults, PointResult
from bdg.lattices.units import temperature_in_t

JOB = """
[job]
kind = "landscape"
[system]
grains = 4
size_nm = [18, 18, 18]
spacing_nm = 3
diameter_nm = 6
minimum_gap_nm = 1
density_m3 = 4e24
seed = 5
[compute]
temperature_K = 10
points = 12
loop_grains = 3
states = 12
"""


def parameters_of(text=JOB):
    (point,) = parse_job(text.encode(), "job.toml", "job").points
    return point.parameters


@pytest.fixture(scope="module")
def outcome():
    observables, evidence = landscape.compute(parameters_of(), "cpu")
    return {name: item.value for name, item in observables.items()}, evidence


def test_couplings_are_those_of_the_free_energy(outcome):
    """Differences of F by determinants of the whole system at poles, all grains on and two alone."""
    found, evidence = outcome
    system = landscape.build(parameters_of())
    t = float(found["hopping_meV"])
    temperature = temperature_in_t(10, t)
    assert system.n_grains == 4 and "grain_landscape" in evidence

    def coupling(system, i, j, step=0.3):
        corners = [
            a * b * bdg.free_energy(system.with_phases({i: a * step, j: b * step}), temperature, method="dense").value
            for a in (1, -1)
            for b in (1, -1)
        ]
        return -sum(corners) / (4 * step**2)

    def fourth_order(system, i, j):
        fine, coarse = coupling(system, i, j, 0.15), coupling(system, i, j, 0.3)
        return (4 * fine - coarse) / 3

    alone = system.with_delta(np.where(np.isin(system.grain, [0, 2]), system.delta, 0))
    largest = found["pairs_meV"].max()
    assert found["dressed_meV"][0, 2] == pytest.approx(fourth_order(system, 0, 2) * t, abs=1e-3 * largest)
    assert found["pairs_meV"][0, 2] == pytest.approx(fourth_order(alone, 0, 2) * t, abs=1e-3 * largest)
    assert found["stiffness_ratio"] == pytest.approx(
        stiffness_ratio(found["dressed_meV"], found["pairs_meV"], found["distances_nm"]), rel=1e-12
    )
    assert 0.5 < found["stiffness_ratio"] < 1 and found["coupling_error_meV"] < 1e-6 * largest


def test_the_response_of_currents_to_phases_has_a_nonlocal_part(outcome):
    """At most what the forces have beyond pairs, times the largest integer of a loop; of single phases nothing."""
    found, _ = outcome
    whole, beyond = found["response_meV"], found["nonlocal_meV"]
    assert found["nonlocal_share"] == pytest.approx(np.sqrt((beyond**2).sum() / (whole**2).sum()))
    assert 0.3 * found["irreducible"] < found["nonlocal_share"] < 10 * found["irreducible"]
    assert (whole[~np.eye(4, dtype=bool)] > 0.3 * found["pairs_meV"][~np.eye(4, dtype=bool)]).all()


def test_loops_of_the_nearest_grains_are_those_of_phase_harmonics(outcome):
    found, _ = outcome
    system = landscape.build(parameters_of())
    grains = landscape.nearest_grains(system, 3)
    alone = system.with_delta(np.where(np.isin(system.grain, grains), system.delta, 0))
    t = float(found["hopping_meV"])
    expected = bdg.phase_harmonics(alone, grains, temperature_in_t(10, t), points=8)
    np.testing.assert_allclose(found["weights_of_3_meV"], expected.weights * t, atol=1e-8 * t)
    assert "weights_of_4_meV" not in found


def test_a_model_of_pairs_has_no_irreducible_part():
    class Pairs:
        grains = np.arange(5)

        def gradient(self, phases):
            away = phases[:, :, None] - phases[:, None, :]
            return (coupling * np.sin(away) + 0.3 * coupling * np.sin(2 * away)).sum(-1) + extra * self.loop(phases)

        def loop(self, phases):
            """A force of three grains that adds up to zero, ``sin(2 phi_0 - phi_1 - phi_2)``."""
            wave = np.sin(2 * phases[:, 0] - phases[:, 1] - phases[:, 2])
            return np.stack([2 * wave, -wave, -wave, 0 * wave, 0 * wave], axis=1)

    rng = np.random.default_rng(0)
    coupling = rng.uniform(0, 1, (5, 5))
    coupling = coupling + coupling.T
    np.fill_diagonal(coupling, 0)
    phases = rng.uniform(0, 2 * np.pi, (200, 5))
    extra = 0.0
    assert irreducible_part(Pairs(), phases, real=True) < 1e-12
    extra = 0.05
    expected = 0.05 * np.sqrt(3) / np.sqrt((Pairs().gradient(phases) ** 2).sum(1).mean())
    assert irreducible_part(Pairs(), phases, real=True) == pytest.approx(expected, rel=0.1)
    with pytest.raises(ValueError, match="phases must be more than 5 points"):
        irreducible_part(Pairs(), phases[:4], real=True)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("diameter_nm = 6", "diameter_nm = 40", "shortest edge"),
        ("diameter_nm = 6", "diameter_nm = 2", "at least spacing_nm"),
        ("points = 12", "points = 3", "0 or at least"),
        ("loop_grains = 3", "loop_grains = 1", "0, 2, 3 or 4"),
        ("temperature_K = 10", "temperature_K = 40", "below critical_temperature_K"),
        ("spacing_nm = 3", "spacing_nm = 30", "half of each edge"),
        ("states = 12", "states = 5000", "dimension of H"),
    ],
)
def test_rules_between_keys(old, new, message):
    with pytest.raises(bdg.JobError, match=message):
        parse_job(JOB.replace(old, new).encode(), "job.toml", "job")


def test_means_with_errors_summary_and_figures(tmp_path, outcome):
    sweep = JOB.replace("= 10", "= [10, 20]").replace("seed = 5", "seed = [0, 1, 2]\nmean_free_path_nm = [13, 4]")
    job = parse_job(sweep.encode(), "job.toml", "job")
    points = []
    for point in job.points[:-1]:
        values = {**outcome[0], "stiffness_ratio": np.array(0.9 + 0.001 * point.parameters["system"]["seed"])}
        points.append(PointResult(point.digest, point.label, point.parameters, values))
    results = JobResults("landscape", "job", job.identity, tuple(points), (job.points[-1].label,))
    first = [point for point in points if point.parameters["system"]["mean_free_path_nm"] == 13]
    mean, error = ensemble([point for point in first if point.parameters["compute"]["temperature_K"] == 10])["R"]
    assert mean == pytest.approx(0.901) and error == pytest.approx(0.001 / np.sqrt(3))
    text = landscape.summarise(results)
    assert "mean_free_path_nm = 13" in text and "0.90100(58)" in text and "grains felt" in text
    paths = landscape.plot(results, tmp_path, {"pdf": False, "dpi": 60})
    assert {path.name for path in paths} == {"stiffness_ratio.png", "beyond_pairs.png"}
    assert all(path.stat().st_size > 3000 for path in paths)
    assert landscape.plot(JobResults("landscape", "job", job.identity, (), ()), tmp_path, {}) == []
