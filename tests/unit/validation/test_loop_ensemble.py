"""The tables of closed loops: what they hold, one sample of each made again, and the figures and jobs around them."""

import math
from pathlib import Path

import numpy as np
import pytest

from bdg.jobs.job import load_job, parse_job
from bdg.jobs.kinds import landscape
from bdg.jobs.model.results import PointResult
from bdg.validation.ensembles import figures, loops, outs
from bdg.validation.ensembles.tables import mean, read_table, selected, write_table

ROOT = Path(__file__).resolve().parents[3]
ENSEMBLE = {"diameter_nm": 12.0, "minimum_gap_nm": 3.0}


@pytest.fixture(scope="module")
def rows():
    return read_table(loops.DATA)


def made_again(row):
    """Compare a row with a new computation: R to its stated error, the rest to what rounding leaves on it."""
    found = loops.recomputed(row)
    assert found["R"] == pytest.approx(row["R"], abs=2 * row["R_error"] + 1e-9)
    for name in loops.VALUES:
        if name not in ("R", "R_error", "gap_ratio", "gap_ratio_error") and not math.isnan(row[name]):
            # forces and Fourier terms beyond pairs are small differences: errors of couplings over their own size
            assert found[name] == pytest.approx(row[name], rel=1e-6, abs=10 * row["R_error"]), name
    return found


def test_a_sample_is_made_again(rows):
    made_again(selected(rows, temperature_K=30, mean_free_path_nm=1.5, seed=0, **ENSEMBLE)[0])


@pytest.mark.slow
def test_dear_samples_are_made_again(rows):
    """All forces and loops at 1.2 K, and the states of another sample."""
    made_again(selected(rows, temperature_K=1.2, mean_free_path_nm=13, seed=1, **ENSEMBLE)[0])
    row = selected(rows, temperature_K=4.2, mean_free_path_nm=4, seed=0, **ENSEMBLE)[0]
    assert row["touched"] > 1 and made_again(row)["gap_ratio"] == pytest.approx(row["gap_ratio"], abs=1e-4)


def test_loops_weaken_the_locking(rows):
    """R < 1 beyond its error but at one point, all couplings ferromagnetic, and disorder brings R nearer to 1."""
    assert len(rows) > 600
    above = [row for row in rows if not row["R"] < 1 - row["R_error"]]
    assert [(row["seed"], row["mean_free_path_nm"], row["temperature_K"]) for row in above] == [(3, 1.5, 30)]
    assert 1 + 5 * above[0]["R_error"] < above[0]["R"] < 1.0001  # what docs/loops.md says of it
    counts = {
        len(selected(selected(rows, **ENSEMBLE), mean_free_path_nm=p, temperature_K=19)) for p in (1e6, 13, 4, 1.5)
    }
    assert counts == {20}
    assert all(row["least_pair_meV"] > 0 and row["least_dressed_meV"] > 0 for row in rows)
    ensemble = selected(rows, **ENSEMBLE)
    for temperature in (4.2, 19.0):
        at = selected(ensemble, temperature_K=temperature)
        ratios = [mean(selected(at, mean_free_path_nm=path), "R")[0] for path in (1e6, 13.0, 4.0, 1.5)]
        assert ratios == sorted(ratios)


def test_outs_are_held_against_a_normal_host(rows):
    found = read_table(outs.DATA)
    assert {row["host_share"] for row in found} == {0.0, *outs.SHARES}
    assert all(row["delta_error"] < 10 * outs.TOL for row in found)


@pytest.mark.slow
def test_outs_are_made_again():
    row = selected(read_table(outs.DATA), host_share=outs.SHARES[0], temperature_K=19.0, seed=0)[0]
    again = outs.pairing_host(0, 19.0, outs.SHARES[0])
    assert again["R"] == pytest.approx(row["R"], abs=20 * outs.TOL)
    row = selected(read_table(outs.DATA), host_share=0.0, mean_free_path_nm=13.0, temperature_K=19.0, seed=0)[0]
    assert outs.own_gaps(0, 19.0)["R"] == pytest.approx(row["R"], abs=20 * outs.TOL)


def test_tables_merge_rows_of_one_sample(tmp_path):
    path = tmp_path / "table.csv"
    rows = [{"seed": 1, "R": 0.5, "B": math.nan}, {"seed": 0, "R": 0.25, "B": 1 / 3}, {"seed": 1, "R": 0.5, "B": 2.0}]
    write_table(rows, path, "make", ["seed"], {"R": "ratio", "B": "forces"})
    text = path.read_text().splitlines()
    assert text[:3] == ["# Made by: make", "# R: ratio", "# B: forces"]
    found = read_table(path)
    assert found == [{"seed": 0, "R": 0.25, "B": 0.3333333333}, {"seed": 1, "R": 0.5, "B": 2.0}]
    assert mean(found, "R") == (0.375, pytest.approx(0.125))
    assert mean(found[:1], "B")[0] == pytest.approx(1 / 3, abs=1e-10) and math.isnan(mean(found[:1], "B")[1])


def test_rows_are_what_a_job_yields(tmp_path, monkeypatch):
    """A small job through the command gives the rows that the kind's own observables give."""
    lengths = {"size_nm": 18, "diameter_nm": 6, "minimum_gap_nm": 1, "mean_free_path_nm": 13}
    others = {"temperature_K": 30, "seed": 4, "points": 0, "loop_grains": 3, "states": 0}
    text = loops._JOB.format(**lengths, **others).replace("grains = 8", "grains = 3")
    (point,) = parse_job(text.encode(), "job.toml", "job").points
    observables, _ = landscape.compute(point.parameters, "cpu")
    values = {name: np.asarray(item.value) for name, item in observables.items()}
    row = loops.row_of(PointResult(point.digest, point.label, point.parameters, values))
    assert row["R"] == values["stiffness_ratio"] and row["seed"] == 4 and row["size_nm"] == 18
    assert math.isnan(row["B"]) and math.isnan(row["C4"]) and row["C3"] > 0 and "touched" not in row
    assert row["R_error"] < 1e-6 and 6 < row["nearest_nm"] < 18


def test_jobs_and_template_ask_for_the_same_samples(rows):
    """Every row belongs to a point of a job in runs/loops3d, apart from what is computed of it."""
    wanted = set()
    for path in sorted((ROOT / "runs" / "loops3d").glob("*.toml")):
        for point in load_job(path).points:
            system, keys = point.parameters["system"], dict.fromkeys(loops.KEYS)
            keys |= {name: system[name] for name in loops.KEYS if name in system}
            keys |= {"size_nm": system["size_nm"][0], "temperature_K": point.parameters["compute"]["temperature_K"]}
            wanted.add(tuple(keys.values()))
            template = loops._JOB.format(**keys, points=0, loop_grains=0, states=0)
            assert parse_job(template.encode(), "t", "t").points[0].parameters["system"] == system
    assert {tuple(row[name] for name in loops.KEYS) for row in rows} <= wanted


@pytest.mark.slow
def test_figures_are_drawn(tmp_path):
    figures.main([str(tmp_path), "--format", "png"])
    assert {path.name for path in tmp_path.iterdir()} == {f"{name}.png" for name in figures.FIGURES}
    assert all(path.stat().st_size > 5000 for path in tmp_path.iterdir())
