"""The composite kind against numbers computed by hand: units, states, amplitudes, slice, sample."""

import numpy as np
import pytest
from scipy import constants

from bdg.jobs.job import parse_job
from bdg.jobs.kinds import composite
from bdg.jobs.kinds.shared import boxes
from bdg.jobs.kinds.shared.planes import outline
from bdg.jobs.model.results import JobResults, PointResult

JOB = """
[job]
kind = "composite"
[system]
size_nm = [21, 21, 21]
spacing_nm = 3
diameter_nm = [9, 12]
volume_fraction = 0.12
density_m3 = 4e24
seed = 5
[compute]
temperature_K = 22
states = 12
sample_sites = 90
tolerance = 1e-8
"""
HOPPING_MEV = 1e3 * constants.hbar**2 / (2 * 0.46 * constants.m_e * (3e-9) ** 2) / constants.e


def parameters_of(text=JOB):
    (point,) = parse_job(text.encode(), "job.toml", "job").points
    return point.parameters


@pytest.fixture(scope="module")
def outcome():
    observables, evidence = composite.compute(parameters_of(), "cpu")
    return {name: item.value for name, item in observables.items()}, evidence


@pytest.fixture(scope="module")
def dense():
    """System, eigenvalues in meV and all F, from the matrix itself."""
    system = boxes.build(parameters_of())
    h = system.hamiltonian.toarray()
    d = np.diag(system.delta)
    energies, vectors = np.linalg.eigh(np.block([[h, d], [d, -h]]))
    kT = constants.k * 22 / constants.e * 1e3 / HOPPING_MEV
    n = system.n_sites
    amplitude = 0.5 * np.einsum("in,in,n->i", vectors[:n], vectors[n:], np.tanh(energies / (2 * kT)))
    return system, energies * HOPPING_MEV, amplitude


def test_units_of_the_lattice_and_the_gap(outcome, dense):
    found, _ = outcome
    system, _, _ = dense
    assert found["hopping_meV"] == pytest.approx(HOPPING_MEV, rel=1e-9)
    # the table value of the BCS curve at 0.7 Tc is 0.828601, at 0.6 Tc 0.906865
    ratio = np.interp(22 / 37, [0.5, 0.6, 0.7], [0.956802, 0.906865, 0.828601])
    assert found["gap_meV"] == pytest.approx(2.7 * ratio, rel=2e-3)  # the curve bends by less than that in between
    assert set(np.unique(system.delta)) == {0.0, float(found["gap_meV"]) / float(found["hopping_meV"])}
    # Luttinger: k_F = (3 pi^2 n)^(1/3) whatever the band
    wavelength = 2 * np.pi / (3 * np.pi**2 * 4e24) ** (1 / 3) * 1e9
    assert found["fermi_wavelength_nm"] == pytest.approx(wavelength, rel=1e-9)
    assert found["sites_per_wavelength"] == pytest.approx(wavelength / 3, rel=1e-9)
    assert found["volume_fraction"] == np.mean(system.grain >= 0)


def test_states_and_their_number(outcome, dense):
    found, evidence = outcome
    _, energies, _ = dense
    lowest = np.sort(energies[np.argsort(abs(energies))[:12]])
    np.testing.assert_allclose(found["energies_meV"], lowest, atol=1e-9 * abs(energies).max())
    assert int(found["states_below_gap"]) == np.count_nonzero(abs(energies) < found["gap_meV"])
    assert bool(found["complete"])
    assert {"bound_states", "count_states", "pair_amplitude", "proximity_length", "model_comparison"} <= set(evidence)


def test_the_sample_is_of_the_host_and_of_the_seed(outcome, dense):
    found, _ = outcome
    system, _, amplitude = dense
    sites = found["sample_sites"]
    assert len(set(sites.tolist())) == 90
    assert (system.grain[sites] == -1).all()
    np.testing.assert_allclose(found["sample_amplitude"], amplitude[sites], atol=1e-8 * abs(amplitude).max())
    warmer, _ = composite.compute(parameters_of(JOB.replace("= 22", "= 30")), "cpu")
    np.testing.assert_array_equal(warmer["sample_sites"].value, sites)
    other, _ = composite.compute(parameters_of(JOB.replace("seed = 5", "seed = 6")), "cpu")
    assert not np.array_equal(other["sample_sites"].value, sites)
    every, _ = composite.compute(parameters_of(JOB.replace("= 90", "= 9000")), "cpu")
    np.testing.assert_array_equal(every["sample_sites"].value, np.flatnonzero(system.grain == -1))


def test_without_a_sample_the_amplitude_is_there_on_all_sites(dense):
    system, _, amplitude = dense
    observables, evidence = composite.compute(parameters_of(JOB.replace("sample_sites = 90", "")), "cpu")
    found = {name: item.value for name, item in observables.items()}
    np.testing.assert_allclose(found["pair_amplitude"], amplitude, atol=1e-8 * abs(amplitude).max())
    assert abs(found["pair_amplitude"] - amplitude).max() <= found["amplitude_error"]
    np.testing.assert_allclose(found["positions_nm"], system.positions)
    np.testing.assert_array_equal(found["site_grain"], system.grain)
    host = np.flatnonzero(system.grain == -1)
    np.testing.assert_array_equal(found["sample_sites"], host)
    assert found["profile_count"].sum() == host.size
    assert evidence["pair_amplitude"]["converged"]


def test_the_slice_cuts_most_grain_sites(outcome, dense):
    found, _ = outcome
    system, _, amplitude = dense
    best = 0
    for axis in range(3):
        for position in np.unique(system.positions[:, axis]):
            best = max(best, int(((system.positions[:, axis] == position) & (system.grain >= 0)).sum()))
    assert (found["slice_grain"] >= 0).sum() == best > 0
    positions = found["slice_positions_nm"]
    assert len(positions) == 49
    axis = int(found["slice_axis"])
    np.testing.assert_allclose(positions[:, axis], found["slice_position_nm"])
    sites = np.flatnonzero(np.isclose(system.positions[:, axis], found["slice_position_nm"]))
    np.testing.assert_allclose(system.positions[sites], positions)
    np.testing.assert_allclose(found["slice_amplitude"], amplitude[sites], atol=1e-8 * abs(amplitude).max())


def test_parts_can_be_left_out():
    observables, evidence = composite.compute(parameters_of(JOB.replace("= 12\n", "= 0\nslice = false\n")), "cpu")
    assert "energies_meV" not in observables and "slice_amplitude" not in observables
    assert "bound_states" not in evidence


def test_a_lattice_that_does_not_resolve_the_host_warns():
    coarse = JOB.replace("4e24", "1e25")  # 9.4 nm
    with pytest.warns(UserWarning, match="hardly resolves the host's Fermi wavelength: 3.14 sites per wavelength"):
        composite.compute(parameters_of(coarse), "cpu")


def test_the_glass_ratio_sets_the_volume_fraction():
    system = parameters_of(JOB.replace("volume_fraction = 0.12", ""))["system"]
    assert boxes.volume_fraction_of(system) == pytest.approx(0.079, abs=5e-4)  # 0.35 unless said otherwise
    assert boxes.volume_fraction_of({**system, "b2o3_to_sio2": 0.5}) == pytest.approx(0.103, abs=5e-4)
    assert boxes.volume_fraction_of({**system, "volume_fraction": 0.2}) == 0.2


def test_outlines_run_along_the_edges_of_grain_sites():
    grain = np.full((3, 3), -1)
    grain[1, 1] = 0
    segments = outline(grain, 2.0)
    assert {tuple(map(tuple, np.sort(segment, axis=0))) for segment in segments} == {
        ((2, 2), (2, 4)), ((4, 2), (4, 4)), ((2, 2), (4, 2)), ((2, 4), (4, 4)),
    }  # fmt: skip


@pytest.mark.slow
def test_figures_of_an_unfinished_sweep_with_lengths_that_are_not_resolved(tmp_path, outcome, monkeypatch):
    """One of eight points is missing; lengths that are infinite, too short or no number are drawn or left out.

    Points of one seed share their numbers: figures and summary take them as they come. They are laid out elsewhere.
    """
    monkeypatch.setattr("matplotlib.layout_engine.ConstrainedLayoutEngine.execute", lambda *_: None)
    sweep = JOB.replace("= 22", "= [12, 22]").replace("seed = 5", "seed = [5, 6]\ntransparency = [0.5, 1]")
    job = parse_job(sweep.encode(), "job.toml", "job")
    other, _ = composite.compute(parameters_of(JOB.replace("seed = 5", "seed = 6")), "cpu")
    points, of_seed = [], {5: outcome[0], 6: {name: item.value for name, item in other.items()}}
    for number, point in enumerate(job.points[:-1]):
        values = of_seed[point.parameters["system"]["seed"]]
        odd = {0: np.inf, 1: 0.1, 2: np.nan}.get(number)
        if odd is not None:
            values |= {"length_nm": np.asarray(odd), "length_resolved": np.asarray(False)}
        points.append(PointResult(point.digest, point.label, point.parameters, values))
    results = JobResults("composite", "job", job.identity, tuple(points), (job.points[-1].label,))
    paths = composite.plot(results, tmp_path, {"dpi": 60, "pdf": False})
    stems = ("spectrum", "pair_amplitude_map", "pair_amplitude_profile", "proximity_length")
    assert {path.name for path in paths} == {f"{stem}_{number}.png" for stem in stems for number in (1, 2)}
    assert all(path.stat().st_size > 3000 for path in paths)
    text = composite.summarise(results)
    assert text.count("not resolved") >= 3
    assert "transparency = 0.5:" in text and "seed 6: " in text
