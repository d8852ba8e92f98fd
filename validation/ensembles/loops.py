"""The ensemble of closed loops between grains as one table: every sample of the jobs in ``runs/loops3d``.

    for job in runs/loops3d/*.toml; do bdg run $job; done
    python -m bdg.validation.ensembles.loops runs/out/loops3d_*

makes ``loops3d.csv`` again (about 40 minutes on one core); `recomputed` makes one of its rows.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from bdg.jobs.folder.store import RunFolder
from bdg.jobs.job import parse_job
from bdg.jobs.kinds import landscape
from bdg.jobs.model.results import PointResult
from bdg.validation.ensembles.tables import Row, write_table

DATA = Path(__file__).with_name("loops3d.csv")
COMMAND = "python -m bdg.validation.ensembles.loops runs/out/loops3d_*"
KEYS = (  # what tells a sample from the others
    "size_nm",
    "diameter_nm",
    "minimum_gap_nm",
    "mean_free_path_nm",
    "temperature_K",
    "seed",
)
VALUES = {
    "R": "stiffness of all phases over that of isolated pairs",
    "R_error": "bound of its numerical error",
    "R_weakest": "coupling of the weakest pair with all grains on, over that of the pair alone",
    "B": "rms force that no pairwise model explains, over the rms force",
    "nonlocal": "rms part of dI_i/dphi_j that depends on other phases, over its rms",
    "C3": "three nearest grains: rms of the irreducible part of F over that of pairs",
    "C4": "four nearest grains: the same",
    "pairs_meV": "sum of the couplings of isolated pairs",
    "least_pair_meV": "least coupling of an isolated pair",
    "least_dressed_meV": "least coupling with all grains on",
    "volume_fraction": "of the grains",
    "nearest_nm": "mean distance of a grain's centre to the nearest other one",
    "touched": "grains that the lowest states feel, mean",
    "host_weight": "share of the lowest states in the host, mean",
    "gap_ratio": "mean ratio of consecutive level spacings",
    "gap_ratio_error": "its standard error in this sample",
    "steepest": "largest |dE/dphi| of these states over Delta",
    "complete": "1 if it is proven that no state was missed",
}
POINTS, STATES = 18, 40  # of the jobs that ask for forces, and for states
_JOB = """
[job]
kind = "landscape"
[system]
grains = 8
size_nm = [{size_nm:g}, {size_nm:g}, {size_nm:g}]
spacing_nm = 3
diameter_nm = {diameter_nm:g}
minimum_gap_nm = {minimum_gap_nm:g}
mass = 0.46
density_m3 = 4e24
mean_free_path_nm = {mean_free_path_nm:g}
delta_meV = 2.7
critical_temperature_K = 37
seed = {seed:.0f}
[compute]
temperature_K = {temperature_K:g}
points = {points}
loop_grains = {loop_grains}
states = {states}
"""


def row_of(point: PointResult) -> Row:
    """Return the row of a finished point of a landscape job."""
    system = point.parameters["system"]
    key = {
        "size_nm": system["size_nm"][0],
        "temperature_K": point.parameters["compute"]["temperature_K"],
        **{name: system[name] for name in ("diameter_nm", "minimum_gap_nm", "mean_free_path_nm", "seed")},
    }
    return {name: float(key[name]) for name in KEYS} | values_of(point.observables)


def values_of(found: Mapping[str, np.ndarray]) -> Row:
    """Return what a row keeps of the observables of a landscape job."""
    distances, pairs, dressed = (found[name] for name in ("distances_nm", "pairs_meV", "dressed_meV"))
    upper = np.triu_indices(len(pairs), 1)
    weight = distances[upper] ** 2
    ratio = float(found["stiffness_ratio"])
    error = (1 + ratio) * float(found["coupling_error_meV"]) * weight.sum() / (weight * pairs[upper]).sum()
    apart = np.where(np.eye(len(pairs), dtype=bool), np.inf, distances).min(axis=1)
    row = {
        "R": ratio,
        "R_error": float(error),
        "R_weakest": float(found["weakest_ratio"]),
        "B": _scalar(found, "irreducible"),
        "nonlocal": _scalar(found, "nonlocal_share"),
        "pairs_meV": float(pairs[upper].sum()),
        "least_pair_meV": float(pairs[upper].min()),
        "least_dressed_meV": float(dressed[upper].min()),
        "volume_fraction": float(found["volume_fraction"]),
        "nearest_nm": float(apart.mean()),
        "gap_ratio": _scalar(found, "gap_ratio"),
        "gap_ratio_error": _scalar(found, "gap_ratio_error"),
        "complete": _scalar(found, "complete"),
    }
    for count in (3, 4):
        weights = found.get(f"weights_of_{count}_meV")
        row[f"C{count}"] = math.nan if weights is None else float(weights[count] / weights[2])
    if "grains_touched" in found:
        row["touched"] = float(np.nanmean(found["grains_touched"]))
        row["host_weight"] = float(found["host_weight"].mean())
        row["steepest"] = float(abs(found["slopes_meV"]).max() / found["gap_meV"])
    return row


def _scalar(found: Mapping[str, np.ndarray], name: str) -> float:
    return float(found[name]) if name in found else math.nan


def recomputed(row: Mapping[str, float]) -> Row:
    """Return the values of a row, computed again by the job kind; those that the row lacks are left out."""
    wanted = {
        "points": 0 if math.isnan(row["B"]) else POINTS,
        "loop_grains": 0 if math.isnan(row["C4"]) else 4,
        "states": 0 if math.isnan(row["touched"]) else STATES,
    }
    (point,) = parse_job(_JOB.format(**row, **wanted).encode(), "loops3d.toml", "loops3d").points
    observables, _ = landscape.compute(point.parameters, "cpu")
    return values_of({name: np.asarray(item.value) for name, item in observables.items()})


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the table of finished run directories."""
    parser = argparse.ArgumentParser(description="write the table of an ensemble of closed loops")
    parser.add_argument("folders", nargs="+", type=Path, help="run directories of the jobs in runs/loops3d")
    parser.add_argument("--to", type=Path, default=DATA, help="table to write")
    chosen = parser.parse_args(arguments)
    points = [point for folder in chosen.folders for point in RunFolder(folder).collect()]
    write_table(map(row_of, points), chosen.to, COMMAND, KEYS, VALUES)
    print(f"{chosen.to}: {len(points)} points")


if __name__ == "__main__":
    main()
