"""The kinds "dos" and "ldos" against sums over the eigenstates of the matrix: units, normal state, slice, row."""

import numpy as np
import pytest

import bdg
from bdg.jobs.job import parse_job
from bdg.jobs.kinds import dos, ldos
from bdg.jobs.kinds.shared import boxes
from bdg.jobs.kinds.shared.planes import Plane, densest_plane, densest_row
from bdg.jobs.model.results import JobResults, PointResult

SYSTEM = """
[system]
size_nm = [18, 18, 21]
spacing_nm = 3
diameter_nm = [8, 9]
volume_fraction = 0.12
density_m3 = 4e24
seed = 5
"""
DOS = f"""
[job]
kind = "dos"
{SYSTEM}
[compute]
temperature_K = 22
window_meV = 6
points = 25
broadening_meV = 0.5
vectors = 8
"""
LDOS = f"""
[job]
kind = "ldos"
{SYSTEM}
[compute]
temperature_K = 22
energies_over_delta = [0, -1, 1.5]
broadening_meV = 0.3
row_points = 11
"""


def parameters_of(text):
    (point,) = parse_job(text.encode(), "job.toml", "job").points
    return point.parameters


def found_by(kind, text):
    observables, evidence = kind.compute(parameters_of(text), "cpu")
    return {name: item.value for name, item in observables.items()}, evidence


@pytest.fixture(scope="module")
def eigenstates():
    """Energies in meV and electron densities of the box and of its normal state, from dense algebra."""
    system = boxes.build(parameters_of(DOS))
    t = boxes.host_of(parameters_of(DOS)["system"]).t_meV
    h = system.hamiltonian.toarray()
    found = {}
    for name, d in (("", np.diag(system.delta)), ("normal_", 0 * h)):
        energies, vectors = np.linalg.eigh(np.block([[h, d], [d, -h]]))
        found[name] = (energies * t, abs(vectors[: system.n_sites]) ** 2)
    return system, found


def test_the_density_is_that_of_all_levels_in_inverse_mev(eigenstates):
    system, levels = eigenstates
    # dense below dimension 1500: the trace is exact, only the kernel stands between it and the levels
    found, evidence = found_by(dos, DOS)
    assert evidence["density_of_states"]["method"] == evidence["normal_state"]["method"] == "dense"
    width = float(found["peak_width_meV"])
    assert width == pytest.approx(0.5, rel=2e-3)  # a whole number of moments
    for name, energies in (("", levels[""][0]), ("normal_", levels["normal_"][0])):
        sharp = np.exp(-0.5 * ((found["energies_meV"][:, None] - energies) / width) ** 2)
        gaussian = sharp.sum(axis=1) / (width * np.sqrt(2 * np.pi))
        # the Jackson kernel is a Gaussian up to tails and sqrt(1 - E^2/s^2), 1 within 1e-3 here
        np.testing.assert_allclose(found[f"{name}density_per_meV"], gaussian, rtol=0, atol=0.02 * gaussian.max())
    np.testing.assert_allclose(found["ratio"], found["density_per_meV"] / found["normal_density_per_meV"])
    middle = found["energies_meV"].size // 2
    assert found["energies_meV"][middle] == 0 and found["ratio_at_zero"] == found["ratio"][middle]
    np.testing.assert_allclose(found["density_per_meV"], found["density_per_meV"][::-1], rtol=1e-9)  # pairs +-E
    assert found["sites"] == system.n_sites and found["gap_meV"] > 2


def test_random_vectors_keep_to_their_error_and_to_the_seed(monkeypatch):
    exact, _ = found_by(dos, DOS)
    monkeypatch.setattr("bdg.densities.trace_choice.NOISE_FREE", 0.0)
    noisy, evidence = found_by(dos, DOS)
    assert evidence["density_of_states"]["method"] == "chebyshev"
    for name in ("density", "normal_density"):
        off = abs(noisy[f"{name}_per_meV"] - exact[f"{name}_per_meV"]) / noisy[f"{name}_error_per_meV"]
        assert 0.05 < off.mean() < 2.5  # standard errors: 0.8 on average of a Gaussian; points are correlated
    off = abs(noisy["ratio"] - exact["ratio"]) / noisy["ratio_error"]
    assert 0.05 < off.mean() < 2.5
    apart = np.hypot(
        *(noisy[f"{name}_error_per_meV"] / noisy[f"{name}_per_meV"] for name in ("density", "normal_density"))
    )
    assert np.median(noisy["ratio"] * apart / noisy["ratio_error"]) > 1.3  # noise in common drops out
    assert noisy["ratio_at_zero_error"] == noisy["ratio_error"][noisy["energies_meV"] == 0]
    again, _ = found_by(dos, DOS)
    np.testing.assert_array_equal(again["density_per_meV"], noisy["density_per_meV"])
    more, _ = found_by(dos, DOS.replace("vectors = 8", "vectors = 32"))
    assert more["density_error_per_meV"].mean() < 0.7 * noisy["density_error_per_meV"].mean()  # 0.5 on average


def test_maps_and_spectra_are_those_of_the_eigenstates(eigenstates):
    system, levels = eigenstates
    found, evidence = found_by(ldos, LDOS)
    gap = float(found["gap_meV"])
    np.testing.assert_allclose(found["map_energies_meV"], gap * np.array([0, -1, 1.5]))
    np.testing.assert_allclose(found["row_energies_meV"], np.linspace(-3 * gap, 3 * gap, 11), atol=1e-12)
    plane = np.flatnonzero(np.isclose(system.positions[:, int(found["slice_axis"])], float(found["slice_position_nm"])))
    row = found["row_sites"]
    assert np.isin(row, plane).all() and row.size in (6, 7)
    np.testing.assert_array_equal(found["row_grain"], system.grain[row])
    assert (np.diff(found["row_positions_nm"][:, int(found["row_axis"])]) > 0).all()
    for name, (energies, densities) in levels.items():
        for part, sites in (("map", plane), ("row", row)):
            at = found[f"{part}_energies_meV"]
            lorentzian = 0.3 / np.pi / ((at[:, None] - energies) ** 2 + 0.3**2)
            values, error = (found[f"{name}{part}_{what}_per_meV"] for what in ("density", "error"))
            # rounding of the dense reference on top of the stated error: 432 states, peaks of 1/0.3 pi
            assert (abs(values - lorentzian @ densities[sites].T) <= error + 1e-12).all()
            assert error.max() < 1e-5 * values.max()
    inside = system.grain[plane] >= 0
    maps, normal = found["map_density_per_meV"], found["normal_map_density_per_meV"]
    np.testing.assert_allclose(found["grain_ratio"], maps[:, inside].mean(axis=1) / normal[:, inside].mean(axis=1))
    np.testing.assert_allclose(found["host_ratio"], maps[:, ~inside].mean(axis=1) / normal[:, ~inside].mean(axis=1))
    assert found["grain_ratio"][0] < 1  # grains have a gap
    assert {"map", "normal_map", "row", "normal_row", "builder"} <= set(evidence)


def test_the_row_cuts_most_grain_sites(grid):
    grain = np.full((4, 5, 3), -1)
    grain[1, 1:5, 2] = 0  # along y
    grain[2, 2, :] = 1  # along z
    system = grid((4, 5, 3), delta=0.1, grain=grain.ravel())
    shifted = bdg.lattices.from_hamiltonian(
        system.hamiltonian, system.positions - system.positions.min(axis=0) + 0.5, delta=0.1, grain=grain.ravel()
    )
    plane = densest_plane(shifted, 1.0)
    assert (plane.axis, plane.position) == (2, 2.5) and plane.sites.size == 20  # five grain sites in it
    row, axis = densest_row(shifted, plane, 1.0)
    assert axis == 1
    np.testing.assert_array_equal(shifted.grain[row], [-1, 0, 0, 0, 0])
    across = Plane(np.flatnonzero(shifted.positions[:, 0] == 2.5), 0, 2.5)
    row, axis = densest_row(shifted, across, 1.0)
    assert axis == 2 and (shifted.grain[row] == 1).all()


@pytest.mark.parametrize(("kind", "text"), [(dos, DOS), (ldos, LDOS)])
def test_the_steps_are_those_that_are_computed(kind, text):
    """What `bdg estimate` is asked about: the calls with their sites, energies and moments, each for both states."""
    parameters = parameters_of(text)
    found, _ = found_by(kind, text)
    system, steps = kind.KIND.steps(parameters)
    np.testing.assert_array_equal(system.grain, boxes.build(parameters).grain)
    assert [step.times for step in steps] == [2] * len(steps)
    assert all(bdg.estimate(system, step.what, **step.arguments).seconds > 0 for step in steps)
    t = float(found["hopping_meV"])
    if kind is dos:
        np.testing.assert_allclose(steps[0].arguments["energies"] * t, found["energies_meV"], atol=1e-12)
        return
    np.testing.assert_allclose(steps[0].arguments["energies"] * t, found["map_energies_meV"])
    np.testing.assert_allclose(system.positions[steps[0].arguments["sites"]], found["slice_positions_nm"])
    np.testing.assert_array_equal(steps[1].arguments["sites"], found["row_sites"])
    np.testing.assert_allclose(steps[1].arguments["energies"] * t, found["row_energies_meV"], atol=1e-12)
    assert steps[1].arguments["method"] == "chebyshev"


def test_parts_can_be_left_out():
    found, evidence = found_by(dos, f"{DOS}normal_state = false")
    assert not [name for name in (*found, *evidence) if "normal" in name or "ratio" in name]
    found, evidence = found_by(ldos, LDOS.replace("row_points = 11", "row_points = 0\nnormal_state = false"))
    assert not [name for name in (*found, *evidence) if name.startswith(("row", "normal", "grain_r", "host_r"))]


@pytest.mark.parametrize(
    ("job", "change", "rule"),
    [
        (DOS, ("points = 25", "points = 24"), "points: must be odd"),
        (DOS, ("broadening_meV = 0.5", "broadening_meV = 6"), "broadening_meV: must be below window_meV = 6"),
        (DOS, ("vectors = 8", "vectors = 1"), "vectors: must be >= 2"),
        (DOS, ("temperature_K = 22", "temperature_K = 40"), "temperature_K: must be below"),
        (DOS, ("spacing_nm = 3", "spacing_nm = 15"), "spacing_nm: must be at most half"),
        (LDOS, ("row_points = 11", "row_points = 1"), "row_points: must be 0, or odd and at least 3"),
        (LDOS, ("row_points = 11", "row_points = 10"), "row_points: must be 0, or odd and at least 3"),
        (LDOS, ("[0, -1, 1.5]", "[0, 1, 0]"), "energies_over_delta: must differ from each other"),
        (LDOS, ("[0, -1, 1.5]", "[]"), "energies_over_delta"),
    ],
)
def test_a_bad_job_is_refused(job, change, rule):
    with pytest.raises(bdg.JobError, match=rule):
        parse_job(job.replace(*change).encode(), "job.toml", "job")


@pytest.mark.parametrize(("kind", "text"), [(dos, DOS), pytest.param(ldos, LDOS, marks=pytest.mark.slow)])
def test_summary_and_figures_of_an_unfinished_sweep(tmp_path, kind, text, monkeypatch):
    """Two of four points, with and without what belongs to the normal state; these are laid out once."""
    sweep = text.replace("= 22", "= [12, 22]").replace("seed = 5", "seed = [5, 6]")
    job = parse_job(sweep.encode(), "job.toml", "job")
    stems = {"dos": {"density_of_states", "zero_energy"}, "ldos": {"ldos_map", "ldos_row", "ldos_ratio"}}
    computed = [(point, kind.compute(point.parameters, "cpu")[0]) for point in (job.points[0], job.points[3])]
    for left_out in ((), ("normal", "ratio", "grain_ratio", "host_ratio")):
        points = [
            PointResult(
                point.digest,
                point.label,
                point.parameters,
                {name: item.value for name, item in observables.items() if not name.startswith(left_out or "-")},
            )
            for point, observables in computed
        ]
        results = JobResults(kind.KIND.name, "job", job.identity, tuple(points), (job.points[1].label,))
        folder = tmp_path / str(len(left_out))
        folder.mkdir()
        paths = kind.plot(results, folder, {"dpi": 50, "pdf": False})
        monkeypatch.setattr("matplotlib.layout_engine.ConstrainedLayoutEngine.execute", lambda *_: None)
        kept = {stem for stem in stems[kind.KIND.name] if not (left_out and stem in ("zero_energy", "ldos_ratio"))}
        assert {path.stem for path in paths} == kept
        assert all(path.stat().st_size > 3000 for path in paths)
        summary = kind.summarise(results)
        assert (
            "seed 5: " in summary
            and "seed 6: " in summary
            and ("no normal state" in summary) == (bool(left_out) and kind is ldos)
        )
    assert kind.plot(JobResults(kind.KIND.name, "job", job.identity, (), ()), tmp_path, {}) == []
