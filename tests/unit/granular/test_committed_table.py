"""The table of couplings that comes with the package: entries recomputed, points left out, long gaps, networks."""

import collections
from pathlib import Path

import numpy as np
import pytest

from bdg.granular import CouplingTable, Network
from bdg.granular.couplings.two_grains import PairBox, couplings_of, resistance_of
from bdg.jobs.job import load_job
from bdg.lattices import pack_spheres

KEYS = ("density_m3", "mean_free_path_nm", "transparency", "gap_nm")
HOST = {"density_m3": 5e24, "mean_free_path_nm": 13.0, "transparency": 1.0}


@pytest.fixture(scope="module")
def table():
    return CouplingTable.load()


def rows_of(table, **wanted):
    kept = np.ones(table.gap_nm.size, dtype=bool)
    for name, value in wanted.items():
        kept &= abs(getattr(table, name) - value) < 1e-9 * max(1, abs(value))
    return np.flatnonzero(kept)


def recomputed(table, gap, temperature, seed, **host):
    (row,) = rows_of(table, gap_nm=gap, temperature_K=temperature, **HOST | host)
    box = PairBox(gap_nm=gap, spacing_nm=float(table.spacings_nm[row]), **HOST | host)
    (energy,) = couplings_of(box, seed, [temperature])
    assert table.energies_K[row, seed] == pytest.approx(energy, rel=1e-4)  # a fit of tanh to 1e-7, terms to 1e-5
    assert table.resistances_ohm[row, seed] == pytest.approx(resistance_of(box, seed), rel=1e-4)


def test_one_sample_is_what_its_recipe_gives(table):
    recomputed(table, 42.0, 33.0, 0)


@pytest.mark.slow
@pytest.mark.parametrize("gap, temperature, seed", [(0.0, 2.0, 7), (7.2, 4.2, 3), (12.0, 19.0, 5)])
def test_more_samples_are_what_their_recipe_gives(table, gap, temperature, seed):
    recomputed(table, gap, temperature, seed)


def test_eight_samples_of_every_entry_of_the_default_host(table):
    rows = rows_of(table, **HOST)
    assert np.isfinite(table.energies_K[rows]).all() and table.energies_K.shape[1] >= 8
    assert (table.energies_K[rows] > 0).all()
    assert set(table.gap_nm[rows]) >= {0.0, 42.0} and set(table.temperature_K[rows]) >= {2.0, 33.0}


def test_points_left_out_are_met_within_their_errors(table):
    """Each in turn: deviations in units of both errors together, which are independent."""
    pulls = []
    for name, values in (("gap_nm", (2.4, 7.2, 12.0, 18.0, 26.0)), ("temperature_K", (4.2, 8.0, 13.0, 19.0, 26.0))):
        for value in values:
            others = table.without(**{name: value})
            for row in rows_of(table, **HOST | {name: value}):
                point = float(table.gap_nm[row]), float(table.temperature_K[row])
                known, met = table.coupling(*point), others.coupling(*point)
                pulls.append((met.energy_K - known.energy_K) / np.hypot(met.error_K, known.error_K))
    pulls = np.array(pulls)
    assert abs(pulls).max() < 2 and np.mean(abs(pulls) < 1) > 0.75


def test_long_gaps_continued_from_shorter_ones(table):
    """Without the gaps above 18 nm the last slope goes on: too low, and so is the stiffness."""
    kept = rows_of(table, **HOST)
    short = table._entries(kept[table.gap_nm[kept] <= 18])
    for temperature, most in ((4.2, 0.2), (19.0, 0.45)):
        far, exact = (one.coupling(26.0, temperature, extrapolate=True) for one in (short, table))
        assert far.extrapolated and not exact.extrapolated
        assert 0 < np.log(exact.energy_K / far.energy_K) < most
    packing = pack_spheres((162.0,) * 3, volume_fraction=0.06, diameter=20, seed=0)
    stiffness = [
        Network.from_packing(packing, one, 4.2, 40.0, seed=0, extrapolate=True).relaxed_stiffness().mean()
        for one in (table, short)
    ]
    assert 0.85 < stiffness[1] / stiffness[0] < 1  # 10 % lost at 6 % of grains


def test_disorder_and_interfaces_weaken_couplings(table):
    gaps = np.array([2.4, 7.2, 14.0])
    for temperature in (4.2, 19.0):
        base = table.coupling(gaps, temperature).energy_K
        for host in ({"transparency": 0.3}, {"mean_free_path_nm": 4.0}):
            assert (table.coupling(gaps, temperature, **host).energy_K < base).all()


def test_the_recipes_are_those_of_the_committed_table():
    """`make couplings` computes these entries, with as many samples of each, and no others."""
    asked = collections.Counter(
        (*(point.parameters["system"][key] for key in KEYS), point.parameters["compute"]["temperature_K"])
        for path in sorted((Path(__file__).parents[3] / "runs" / "couplings").glob("*.toml"))
        for point in load_job(path).points
    )
    table = CouplingTable.load(None)
    columns = [getattr(table, name) for name in (*KEYS, "temperature_K")]
    samples = np.isfinite(table.energies_K).sum(axis=1).tolist()
    assert asked == dict(zip(zip(*(column.tolist() for column in columns), strict=True), samples, strict=True))
