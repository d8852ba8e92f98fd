"""Numbers that a function would refuse at every point are refused when the job is read, in one line with the key."""

import contextlib
import math
import warnings
from pathlib import Path

import numpy as np
import pytest

from bdg import cli
from bdg.base.errors import JobError
from bdg.base.hamiltonian import BdGHamiltonian
from bdg.densities.resolution import MOST
from bdg.gpu.chebyshev import kernel_polynomial
from bdg.jobs.job import parse_job
from bdg.jobs.kinds import gap, get_kind, josephson, stiffness
from bdg.jobs.kinds.shared import boxes, limits, slabs
from bdg.lattices.units import temperature_in_t

RUNS = Path(__file__).resolve().parents[3] / "runs"
HUGE = "1" + 30 * "0"
CASES = [  # job in runs/, what is set, the line
    ("dos", "broadening_meV=1e-6", r"\[compute\] broadening_meV: must be at least 0.000\d+ \(1048576 .*; got 1e-06"),
    ("dos", "mass=1e-9", r"\[compute\] broadening_meV: must be at least \S+ \(1048576 .*; got 0.05"),
    ("dos", "delta_meV=1e9", r"\[compute\] broadening_meV: must be at least \S+ \(1048576 .*; got 0.05"),
    ("dos", f"vectors={HUGE}", r"\[compute\] vectors: must be at most 9.2e\+18; got a number of 31 digits"),
    ("dos", f"window_meV={HUGE}", r"\[compute\] window_meV: must be at most 9.2e\+18; got a number of 31 digits"),
    ("dos", f"seed={HUGE}", r"\[system\] seed: must be at most 9.2e\+18; got a number of 31 digits"),
    (
        "ldos",
        "broadening_meV=1e-4",
        r"\[compute\] broadening_meV: takes \S+e\+\d+ Chebyshev moments for the spectra along the row, at most 1048576 "
        r"are made; got 0.0001. Take 0.00\d+ or more, or row_points = 0",
    ),
    ("composite", "tolerance=1e-13", r"\[compute\] tolerance: must be >= 1e-10; got 1e-13"),
    ("composite", "temperature_K=1e-9", r"\[compute\] temperature_K: must be at least \S+e-0\d \(1e-08 of .*got 1e-09"),
    ("composite", "spacing_nm=1e-3", r"\[system\] spacing_nm: makes 1.1e\+14 sites; at most 1e\+09 can be held"),
    ("composite", "spacing_nm=1e-320", r"\[system\] spacing_nm: makes 1e\+36 sites; at most 1e\+09 can be held"),
    ("composite", "diameter_nm=2", r"\[system\] diameter_nm: must be at least spacing_nm = 2.4, or .*; got 2"),
    ("composite", "diameter_nm=[2, 9]", r"\[system\] diameter_nm: must be at least spacing_nm = 2.4, or .*; got 2"),
    (
        "composite",
        "diameter_nm=1e4",
        r"\[system\] diameter_nm: must be at most 10 times the longest edge .*; got 10000",
    ),
    ("composite", "density_m3=1e12", r"\[system\] density_m3: makes 1e-14 carriers on a site, an empty band; take at"),
    ("composite", "b2o3_to_sio2=1e-9", r"\[system\] b2o3_to_sio2: leaves the box without grains: \S+ are expected. T"),
    ("loops", "volume_fraction=1e-9", r"\[system\] volume_fraction: leaves the box without grains: \S+ are expected"),
    ("loops", "temperature_K=1e-9", r"\[compute\] temperature_K: must be at least \S+e-0\d \(1e-08 of .*got 1e-09"),
    ("gap", "tolerance=1e-12", r"\[compute\] tolerance: must be >= 1e-10; got 1e-12"),
    ("gap", "temperature_K=1e-9", r"\[compute\] temperature_K: must be at least \S+e-05 \(1e-08 of .*; got 1e-09"),
    ("gap", "width=1000000", r"\[system\] width: makes 1.6e\+13 sites; at most 1e\+09 can be held, take fewer"),
    ("critical_temperature", "tolerance=1e-12", r"\[compute\] tolerance: must be >= 1e-08; got 1e-12"),
    ("critical_temperature", "width=1000000", r"\[system\] width: makes .* sites; at most 1e\+09 can be held"),
    ("josephson", "tolerance=1e-12", r"\[compute\] tolerance: must be >= 1e-10; got 1e-12"),
    (
        "josephson",
        "temperature_K=1e-9",
        r"\[compute\] temperature_K: must be at least \S+e-05 \(1e-08 of .*; got 1e-09",
    ),
    ("josephson", "width=1000000", r"\[system\] width: makes .* sites; at most 1e\+09 can be held"),
    ("stiffness", "tolerance=1e-12", r"\[compute\] tolerance: must be >= 1e-10; got 1e-12"),
    (
        "stiffness",
        "temperature_K=1e-9",
        r"\[compute\] temperature_K: must be at least \S+e-05 \(1e-08 of .*; got 1e-09",
    ),
    ("sns", "width=1000000000", r"\[system\] width: makes 2e\+12 sites; at most 1e\+09 can be held"),
]


@pytest.mark.parametrize(("name", "change", "line"), CASES)
def test_a_number_that_no_point_can_do_with_is_refused_when_the_job_is_read(name, change, line):
    with pytest.raises(JobError, match=rf"^[^\[]*: {line}") as refused:
        parse_job((RUNS / f"{name}.toml").read_bytes(), "job.toml", "job", [change])
    assert len(refused.value.problems) <= 5  # values of a sweep make a line each


def test_run_ends_at_once_with_status_2(tmp_path, capsys):
    job = str(RUNS / "dos.toml")
    code = cli.main(["run", job, "--set", "broadening_meV=1e-6", "--out", str(tmp_path / "out")])
    error = capsys.readouterr().err.strip()
    assert code == 2 and not (tmp_path / "out").exists()
    assert (
        "\n" not in error and "dos.toml: [compute] broadening_meV: must be at least" in error and "got 1e-06" in error
    )


def point_of(name, *changes):
    return parse_job((RUNS / f"{name}.toml").read_bytes(), "job.toml", "job", changes).points[0].parameters


def test_a_periodic_box_has_room_for_its_grains():
    with pytest.raises(JobError, match=r"diameter_nm: with minimum_gap_nm must be at most the shortest edge, 48, .*19"):
        point_of("composite", "diameter_nm=30", "minimum_gap_nm=19", "periodic=true")
    point_of("composite", "diameter_nm=30", "minimum_gap_nm=1", "periodic=true")


def test_grains_without_number_are_refused():
    with pytest.raises(JobError, match=r"diameter_nm: makes 4.5e\+07 grains, at most 2e\+07 are packed; are it and"):
        point_of("composite", "size_nm=[2000, 2000, 2000]", "diameter_nm=3", "spacing_nm=3", "periodic=true")


def test_cold_points_need_all_levels(monkeypatch):
    """Where a dense matrix cannot be had: a pair amplitude of relative error 1e-5 at 1 mK."""
    change = ("temperature_K=1e-3",)
    point_of("composite", *change)
    monkeypatch.setattr(limits, "_dense_fits", lambda dimension: False)
    for name in ("composite", "gap"):
        with pytest.raises(JobError, match=r"temperature_K: must be at least \S+ \(for tolerance = 1e-05 and so many"):
            point_of(name, *change)


@pytest.mark.parametrize("name", ["composite", "gap", "josephson", "stiffness"])
def test_the_band_is_bounded_from_the_keys(name):
    """By what the systems themselves have, and not by more than a factor."""
    changes = ["size_nm=[24, 24, 24]"] if name == "composite" else []
    parameters = point_of(name, *changes)
    if name == "composite":
        system, band = boxes.build(parameters), boxes.band_of(parameters)
    else:
        kinds = {
            "gap": lambda p: slabs.slabs(p["system"], gap.GUESS * p["system"]["attraction_meV"] / 20),
            "josephson": josephson.build,
            "stiffness": stiffness.build,
        }
        system, keys = kinds[name](parameters), parameters["system"]
        t = keys["hopping_meV"]
        pairing = keys.get("delta_meV") or keys["attraction_meV"]
        band = limits.band_edge(3, *(size / t for size in (keys["mu_meV"], keys["disorder_meV"], pairing)))
    rows = abs(BdGHamiltonian(system).matrix).sum(axis=1).max()
    assert rows <= band < 1.5 * rows


def test_the_least_broadening_is_one_that_can_be_had():
    """The number of moments that the rule names is the one that the expansion takes."""
    parameters = point_of("dos")
    t, band = boxes.host_of(parameters["system"]).t_meV, boxes.band_of(parameters)
    least = kernel_polynomial.resolution(MOST, limits.SAFETY * band) * t
    assert not limits.peak_rules(least, t, band) and limits.peak_rules(0.999 * least, t, band)
    assert kernel_polynomial.moments_for(least / t, limits.SAFETY * band) <= MOST + 2
    ((_, _, rule),) = limits.lorentzian_rules(1e-5, 5.0, t, band)
    enough = float(rule.split("Take ")[1].split()[0])
    assert not limits.lorentzian_rules(1.05 * enough, 5.0, t, band)  # it is said to two digits


def test_the_coldest_temperature_can_be_fitted():
    lowest = limits.COLDEST * 12
    ((_, key, rule),) = limits.temperature_rules(1e-9, 20.0, 12)
    named = float(rule.split("at least ")[1].split()[0])
    assert key == "temperature_K" and math.isclose(temperature_in_t(named, 20.0), lowest, rel_tol=0.01)
    from bdg.gpu.poles.tanh_poles import tanh_poles

    assert tanh_poles(12, lowest, 1e-6).error < 1e-6


def test_every_number_of_every_kind_is_read_without_a_warning():
    """Extremes of each key are taken or refused in words; nothing overflows while a job is read."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in ("composite", "dos", "gap", "ldos", "loops", "sns", "stiffness", "josephson"):
            schema = get_kind(name).schema
            for section in ("system", "compute"):
                for key in schema[section]:
                    if key.type not in ("float", "int"):
                        continue
                    for value in (1e-30, 1e12, 1e30):
                        number = value if key.type == "float" else int(np.clip(value, 1, 2**62))
                        with contextlib.suppress(JobError):
                            change = f"{section}.{key.name}={number}"
                            parse_job((RUNS / f"{name}.toml").read_bytes(), "j", "j", [change])
