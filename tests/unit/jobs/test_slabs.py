"""The kinds "gap" and "critical_temperature" against the library's own functions and the units of the laboratory."""

import numpy as np
import pytest
from scipy import constants

import bdg
from bdg.jobs.job import parse_job
from bdg.jobs.kinds import critical_temperature, gap
from bdg.jobs.model.results import JobResults, PointResult

SYSTEM = """
[system]
superconductor_sites = 4
normal_sites = 3
width = 4
hopping_meV = 20
spacing_nm = 0.5
mu_meV = -20
attraction_meV = 60
disorder_meV = 20
seed = 3
"""
GAP = '[job]\nkind = "gap"\n' + SYSTEM + "[compute]\ntemperature_K = 20\n"
TC = '[job]\nkind = "critical_temperature"\n' + SYSTEM + "[compute]\ntolerance = 1e-6\n"


def points_of(text):
    return [point.parameters for point in parse_job(text.encode(), "job.toml", "job").points]


def _sandwich(phase=0.0, delta=0.6):
    ends = {"attraction": 3.0, "disorder": 1.0, "delta": delta}
    layers = [
        bdg.lattices.Layer(4, **ends),
        bdg.lattices.Layer(3, disorder=1.0),
        bdg.lattices.Layer(4, **ends, phase=phase),
    ]
    return bdg.lattices.stack(layers, (4, 4), mu=-1, spacing=0.5, transparency=1, periodic=True, seed=3)


@pytest.fixture(scope="module")
def outcome():
    observables, evidence = gap.compute(points_of(GAP)[0], "cpu")
    return {name: item.value for name, item in observables.items()}, evidence


def test_gap_in_laboratory_units(outcome):
    found, evidence = outcome
    kT = constants.k * 20 / constants.e * 1e3 / 20
    expected = bdg.solve_gap(_sandwich(), kT, tol=1e-8)
    np.testing.assert_allclose(found["delta_meV"], 20 * expected.delta, atol=1e-5 * 20)
    assert found["free_energy_meV"] == pytest.approx(20 * expected.free_energy, rel=1e-9)
    x = found["profile_x_nm"]
    assert x.size == 11 and np.allclose(np.diff(x), 0.5)
    layer = np.isclose(found["positions_nm"][:, 0], x[1])
    assert found["profile_delta_meV"][1] == pytest.approx(abs(found["delta_meV"][layer]).mean())
    assert not found["profile_delta_meV"][4:7].any() and (found["profile_amplitude"][4:7] > 0).all()
    assert evidence["solve_gap"]["converged"]


def test_a_phase_is_held_at_the_outer_ends():
    parameters = points_of(GAP.replace("temperature_K = 20", "temperature_K = 20\nphase_pi = 0.5"))[0]
    observables, _ = gap.compute(parameters, "cpu")
    delta, x = observables["delta_meV"].value, observables["positions_nm"].value[:, 0]
    assert np.allclose(np.angle(delta[x == x.min()]), 0) and np.allclose(np.angle(delta[x == x.max()]), np.pi / 2)


def test_critical_temperature_in_kelvin():
    observables, evidence = critical_temperature.compute(points_of(TC)[0], "cpu")
    expected = bdg.critical_temperature(_sandwich(delta=0.0)).temperature
    kelvin = expected * 20e-3 * constants.e / constants.k
    assert observables["critical_temperature_K"].value == pytest.approx(kelvin, rel=1e-5)
    assert observables["profile_mode"].value.max() <= 1 and not observables["profile_mode"].value[4:7].any()
    assert evidence["critical_temperature"]["applications"] > 5


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            GAP.replace("normal_sites = 3", "normal_sites = 0"),
            "normal_sites: must be at least 1 between two electrodes",
        ),
        (
            GAP.replace("width = 4", "width = 4\nelectrodes = 1") + "phase_pi = 1\n",
            "phase_pi: needs electrodes = 2",
        ),
    ],
)
def test_rules_between_keys(text, line):
    with pytest.raises(bdg.JobError, match=line):
        points_of(text)


@pytest.mark.parametrize(("kind", "text"), [(gap, GAP), (critical_temperature, TC)])
def test_summary_and_figures(kind, text, tmp_path, outcome):
    swept = text.replace("temperature_K = 20", "temperature_K = [20, 30]").replace("width = 4", "width = [2, 3]")
    job = parse_job(swept.encode(), "job.toml", "job")
    points = []
    for point in job.points:
        observables, _ = kind.compute(point.parameters, "cpu")
        values = {name: item.value for name, item in observables.items()}
        points.append(PointResult(point.digest, point.label, point.parameters, values))
    results = JobResults(kind.KIND.name, "job", job.identity, tuple(points), ())
    summary = kind.KIND.summarise(results)
    assert summary.count("\n") >= len(points)
    paths = kind.KIND.plot(results, tmp_path, {"pdf": False, "dpi": 60})
    assert paths and all(path.stat().st_size > 5000 for path in paths)
