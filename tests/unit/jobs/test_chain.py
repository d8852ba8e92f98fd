"""The chain kind on a table with a known law: both routes, lambda, the scan, rules."""

import dataclasses
import pickle
import shutil
import types

import numpy as np
import pytest

from bdg.base.errors import AccuracyWarning, JobError
from bdg.granular import CompositeNetworks, locking_temperature, penetration_depth_um, short_junction_locking
from bdg.granular.composite_networks import GAP_EXPONENT, ScaledTable
from bdg.granular.couplings.coupling_table import CouplingTable
from bdg.granular.couplings.two_grains import PairBox
from bdg.jobs.job import parse_job
from bdg.jobs.kinds import chain
from bdg.jobs.model.place import Place
from bdg.jobs.model.results import JobResults, PointResult

JOB = """
[job]
kind = "chain"
[system]
volume_fraction = 0.16
grains = 16
samples = 2
[compute]
table = "table.h5"
tolerance = 0.2
redrawings = 2
scan_points = {points}
scan_tolerance = 0.001
"""


@pytest.fixture(scope="module")
def table_path(tmp_path_factory):
    gaps, temperatures = np.array([0.0, 3.0, 10.0, 25.0, 42.0]), np.array([2.0, 6.0, 12.0, 20.0, 30.0])
    tables = []
    for density in (5e24, 1e26):
        for transparency in (0.3, 1.0):
            for path in (4.0, 13.0):
                host = {"density_m3": density, "transparency": transparency, "mean_free_path_nm": path}
                boxes = [PairBox(gap_nm=gap, **host) for gap in gaps]
                size = 10 * (density / 5e24) ** 0.3 * transparency
                energies = size * np.exp(-gaps[:, None] / 12 - temperatures / 20)[:, :, None] * np.linspace(0.9, 1.1, 4)
                tables.append(CouplingTable.of_boxes(boxes, temperatures, energies, np.full((5, 4), 1500.0)))
    path = tmp_path_factory.mktemp("chain") / "table.h5"
    tables[0].joined(*tables[1:]).save(path)
    return path


def job_of(text, table_path, *overrides):
    return parse_job(text.encode(), "job.toml", "job", overrides, Place(table_path.parent))


def point_of(text, table_path):
    (point,) = job_of(text, table_path).points
    return point


@pytest.fixture(scope="module")
def results(table_path):
    """One point; its scan takes the stiffness at rest for the locking temperature: milliseconds."""
    point = point_of(JOB.format(points=32), table_path)
    whole = chain.locked

    def quick(networks, critical, tol, seed):
        if tol < chain.COARSE * 2:
            return types.SimpleNamespace(
                temperature=networks.at(4.0)[0].relaxed_stiffness().mean() * networks.spacing_nm
            )
        return whole(networks, critical, tol, seed)

    with pytest.MonkeyPatch.context() as patch, pytest.warns(AccuracyWarning, match="give a larger most"):
        patch.setattr(chain, "locked", quick)
        patch.setattr(chain, "FRACTIONS", (0.3, 0.8))
        observables, evidence = chain.compute(point.parameters, "cpu", Place(table_path.parent))
    values = {name: item.value for name, item in observables.items()}
    one = PointResult(point.digest, "one", point.parameters, values, {}, {}, evidence)
    return JobResults("chain", "job", "", (one,))


@pytest.mark.slow
def test_both_routes_are_those_of_the_library(results, table_path):
    (point,) = results
    table = CouplingTable.load(table_path)
    networks = CompositeNetworks.of_grains(
        table, volume_fraction=0.16, diameter_nm=20, grains=16, samples=2, cutoff_nm=40, seed=0, extrapolate=True
    )
    direct = locking_temperature(networks.at, tol=0.2, between=(0.05, 36.0), seed=0)
    assert abs(direct.temperature - point["locking_K"]) < 4 * (direct.error + point["locking_error_K"])
    assert point["short_junctions_K"] == short_junction_locking(0.03, 2.7, 0.16, 20.0)
    spacing = float(point["spacing_nm"])
    assert spacing == pytest.approx(20 * (np.pi / (6 * 0.16)) ** (1 / 3), rel=1e-12)
    relaxed = networks.at(float(point["lambda_temperatures_K"][0]))
    stiffness = np.mean([network.relaxed_stiffness().mean() for network in relaxed]) * spacing
    assert point["lambda_relaxed_um"][0] == pytest.approx(penetration_depth_um(stiffness, spacing), rel=1e-9)
    assert (np.diff(point["lambda_um"]) > 0).all() and (point["lambda_um"] > point["lambda_relaxed_um"]).all()


@pytest.mark.slow
def test_the_scan_knows_what_matters(results):
    (point,) = results
    share = dict(zip(chain.UNKNOWNS, point["scan_sensitivity"], strict=True))
    assert share["mean_free_path_nm"] < 0.3 < share["transparency"] + share["density_m3"] + share["volume_fraction"]
    assert len(point["scan_locking_K"]) == 32


@pytest.mark.slow
def test_words_and_figures(results, tmp_path):
    text = chain.summarise(results)
    assert "T_c2 from BdG couplings" in text and "over all unknowns" in text
    names = [path.name for path in chain.plot(results, tmp_path, {"pdf": False, "dpi": 60})]
    assert names == ["penetration_depth.png", "unknowns.png"]
    assert chain.plot(JobResults("chain", "job", "", ()), tmp_path, {}) == []


def test_another_gap_scales_the_table(table_path):
    table = CouplingTable.load(table_path)
    scaled = ScaledTable(table, 2.0).coupling(np.array([5.0]), 10.0)
    ratio = (2.0 / 2.7) ** GAP_EXPONENT[1][1]
    assert scaled.energy_K[0] == pytest.approx(ratio * table.coupling(5.0, 10.0).energy_K, rel=1e-12)


@pytest.mark.parametrize(
    "old, new, key",
    [
        ("volume_fraction = 0.16", "volume_fraction = 0.16\nb2o3_to_sio2 = 0.35", "volume_fraction"),
        ("grains = 16", "grains = 16\ndiameter_nm = 15", "diameter_nm"),
        ("grains = 16", "grains = 16\ndensity_m3 = 1e23", "density_m3"),
        ("scan_tolerance = 0.001", "scan_transparency = [0.5, 0.5]", "scan_transparency"),
        ("tolerance = 0.1", "tolerance = 0.1\n", None),
    ],
)
def test_rules(table_path, old, new, key):
    text = JOB.format(points=8).replace(old, new)
    if key is None:
        assert point_of(text, table_path)
        return
    with pytest.raises(Exception, match=key):
        point_of(text, table_path)


def test_only_the_command_line_names_a_table_elsewhere(table_path, tmp_path):
    """A job file that came from elsewhere reads nothing but what lies beside it."""
    elsewhere = tmp_path / "other.h5"
    shutil.copy(table_path, elsewhere)
    for name in (elsewhere, f"../{tmp_path.name}/other.h5", "..", " "):
        with pytest.raises(JobError, match=r"\[compute\] table: must"):
            job_of(JOB.format(points=8).replace("table.h5", str(name)), table_path)
    told = job_of(JOB.format(points=8), table_path, f"compute.table={str(elsewhere)!r}")
    assert told.points[0].parameters["compute"]["table"] == str(elsewhere)
    with pytest.raises(JobError, match=r"\[compute\] table"):
        job_of(JOB.format(points=8), table_path, "compute.table='/nowhere/table.h5'")
    assert pickle.loads(pickle.dumps(told.kind)).compute.__self__.place.folder == table_path.parent


@pytest.mark.slow
def test_the_exponent_of_the_gap_is_that_of_boxes():
    """d ln E_J/d ln Delta between 2.3 and 2.9 meV of one sample: samples and gaps differ by .02."""
    from bdg.granular.couplings.two_grains import couplings_of

    temperatures, exponents = GAP_EXPONENT
    low, high = (couplings_of(PairBox(gap_nm=7.2, delta_meV=d), 5, temperatures) for d in (2.3, 2.9))
    np.testing.assert_allclose(np.log(high / low) / np.log(2.9 / 2.3), exponents, atol=0.05)


def test_another_table_of_the_same_name_is_another_job(table_path, tmp_path):
    """Its points are computed anew; the table of the package is known by the version of the kind."""
    shutil.copy(table_path, tmp_path / "table.h5")
    first = point_of(JOB.format(points=8), tmp_path / "table.h5")
    assert first.digest == point_of(JOB.format(points=8), table_path).digest
    table = CouplingTable.load(table_path)
    dataclasses.replace(table, energies_K=1.01 * table.energies_K).save(tmp_path / "table.h5")
    assert point_of(JOB.format(points=8), tmp_path / "table.h5").digest != first.digest
