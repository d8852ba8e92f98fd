"""Where the answer to the closed-loop question could turn: a host that pairs itself, grains whose gap is their own.

    python -m bdg.validation.ensembles.outs

makes what ``loops_outs.csv`` lacks (all of it: about ten minutes on one core). Three grains of 12 nm in a box of 24 nm:
the stiffness of all three over that of isolated pairs (the third normal: neither pairing nor attraction), everything
else as in ``runs/loops3d``. In both cases Delta depends on who else pairs, so every state is a solution of its own, and
the stiffness is that of the free energy of the whole system, ``|Delta|^2/U`` included:

- *host*: imposed Delta in the grains, the host with an attraction below the one U_c at which it would pair alone; its
  Delta follows the phases (`bdg.granular.beyond_pairs`);
- *grains*: no attraction in the host, one in the grains whose Delta is self-consistent, with one phase a grain.
"""

from __future__ import annotations

import argparse
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from bdg.base.results import Choice
from bdg.condensate.gap.solve_gap import solve_gap
from bdg.condensate.pair_kernel import LevelKernel
from bdg.gpu.device.backend import select_backend
from bdg.granular.beyond_pairs import couplings_through_pairing_host, stiffness_ratio
from bdg.granular.grain_landscape import grain_landscape
from bdg.jobs.job import parse_job
from bdg.jobs.kinds import landscape
from bdg.jobs.kinds.shared import boxes
from bdg.lattices.system import System
from bdg.lattices.units import temperature_in_t
from bdg.validation.ensembles.tables import Row, read_table, selected, write_table

DATA = Path(__file__).with_name("loops_outs.csv")
COMMAND = "python -m bdg.validation.ensembles.outs"
SEEDS = (0, 4, 5)  # the first in whose box the places come out
SHARES = (0.5, 0.9)  # of the host's critical attraction
GRAINS_PAIR_BELOW_K = 37.0  # each grain alone in its host
TOL = 1e-5
KEYS = ("host_share", "mean_free_path_nm", "temperature_K", "seed")  # share 0: grains with their own Delta
VALUES = {
    "R": "stiffness of all grains over that of isolated pairs, each with its own self-consistent Delta",
    "R_imposed": "the same sample with imposed Delta and a normal host",
    "R_same_gap": "all grains over pairs that keep the Delta of all (grains only)",
    "pairs": "stiffness of isolated pairs over that with imposed Delta and a normal host",
    "delta_host": "largest |Delta| in the host over the mean in the grains",
    "delta_grains_meV": "mean |Delta| in the grains",
    "grain_attraction_t": "attraction in the grains in units of the hopping",
    "delta_error": "largest estimated error of Delta over its largest value",
}
_JOB = """
[job]
kind = "landscape"
[system]
grains = 3
size_nm = [24, 24, 24]
spacing_nm = 3
diameter_nm = 12
minimum_gap_nm = 2
mass = 0.46
density_m3 = 4e24
mean_free_path_nm = {mean_free_path_nm}
delta_meV = 2.7
critical_temperature_K = 37
seed = {seed}
[compute]
temperature_K = {temperature_K}
"""


class Sample:
    """Three grains with imposed Delta in a normal host, and the stiffness of variants of it.

    Attributes
    ----------
    system : System
    temperature : float
        k_B T in t.
    hopping : float
        t in meV.
    imposed : tuple of arrays (3, 3)
        Couplings with all grains on and of pairs.
    delta_error : float
        Largest relative error of Delta so far.
    """

    def __init__(self, seed: int, temperature_K: float, mean_free_path_nm: float = 13.0) -> None:
        self.keys = {"seed": seed, "temperature_K": temperature_K, "mean_free_path_nm": mean_free_path_nm}
        text = _JOB.format(**self.keys)
        (point,) = parse_job(text.encode(), "outs.toml", "outs").points
        self.system = landscape.build(point.parameters)
        self.hopping = boxes.host_of(point.parameters["system"]).t_meV
        self.temperature = temperature_in_t(temperature_K, self.hopping)
        centres = self.system.info["centres"]
        self.distances = np.linalg.norm(centres[:, None] - centres, axis=2)
        self.imposed = self.couplings(self.system)
        self.delta_error = 0.0

    def critical_attraction(self, sites: np.ndarray, temperature: float) -> float:
        """Return the attraction in t at which sites (N,) would pair at k_B T while all others are normal."""
        choice = Choice("dense", "", select_backend("cpu"))
        kernel = LevelKernel(self.system.hamiltonian, sites.astype(float), 1, choice)
        return 1.0 / kernel.largest(temperature, 1e-8).value

    def with_grains(self, grains: Sequence[int], grain_attraction: float, host_attraction: float) -> System:
        """Return the self-consistent system in which only some grains pair."""
        on = np.isin(self.system.grain, grains)
        attraction = np.where(on, grain_attraction, np.where(self.system.grain < 0, host_attraction, 0.0))
        start = replace(self.system.with_delta(np.where(on, self.system.delta, 0.0)), attraction=attraction)
        found = solve_gap(start, self.temperature, tol=TOL)
        largest = float(abs(found.delta).max())
        self.delta_error = max(self.delta_error, found.error / largest if largest else 0.0)
        return found.system

    def couplings(self, system: System) -> tuple[np.ndarray, np.ndarray]:
        """Return couplings with all grains on and of pairs with the same Delta (G, G); 0 where nothing pairs."""
        if not system.delta.any():
            return np.zeros((3, 3)), np.zeros((3, 3))
        found = grain_landscape(system, self.temperature)
        return -found.hessian() * (1 - np.eye(3)), found.pairs

    def ratio(self, dressed: np.ndarray, pairs: np.ndarray) -> float:
        """Return the stiffness ratio R of couplings (G, G); nan where no pair is coupled."""
        return stiffness_ratio(dressed, pairs, self.distances) if pairs.any() else math.nan


def pairing_host(seed: int, temperature_K: float, share: float) -> Row:
    """Return the row of a host with ``share`` of its critical attraction, Delta imposed in the grains."""
    sample = Sample(seed, temperature_K)
    attraction = share * sample.critical_attraction(sample.system.grain < 0, sample.temperature)
    whole = sample.with_grains(range(3), 0.0, attraction)
    dressed = couplings_through_pairing_host(whole, sample.temperature)
    pairs = np.zeros((3, 3))
    for i, j in itertools.combinations(range(3), 2):
        two = couplings_through_pairing_host(sample.with_grains([i, j], 0.0, attraction), sample.temperature)
        pairs[i, j] = pairs[j, i] = two[i, j]
    return _row(sample, whole, dressed, pairs) | {"grain_attraction_t": 0.0, "host_share": share}


def own_gaps(seed: int, temperature_K: float, mean_free_path_nm: float = 13.0) -> Row:
    """Return the row of grains with self-consistent Delta, no attraction in the host."""
    sample = Sample(seed, temperature_K, mean_free_path_nm)
    alone = temperature_in_t(GRAINS_PAIR_BELOW_K, sample.hopping)
    attraction = max(sample.critical_attraction(sample.system.grain == g, alone) for g in range(3))
    whole = sample.with_grains(range(3), attraction, 0.0)
    dressed, same = sample.couplings(whole)
    pairs = np.zeros((3, 3))
    for i, j in itertools.combinations(range(3), 2):
        two, _ = sample.couplings(sample.with_grains([i, j], attraction, 0.0))
        pairs[i, j] = pairs[j, i] = two[i, j]
    return _row(sample, whole, dressed, pairs) | {
        "R_same_gap": sample.ratio(dressed, same),
        "grain_attraction_t": attraction,
        "host_share": 0.0,
    }


def _row(sample: Sample, whole: System, dressed: np.ndarray, pairs: np.ndarray) -> Row:
    inside, size = whole.grain >= 0, abs(whole.delta)
    return {
        "R": sample.ratio(dressed, pairs),
        "R_imposed": sample.ratio(*sample.imposed),
        "pairs": sample.ratio(pairs, sample.imposed[1]),
        "delta_host": float(size[~inside].max() / size[inside].mean()) if size.any() else math.nan,
        "delta_grains_meV": float(size[inside].mean() * sample.hopping),
        "delta_error": sample.delta_error,
        **sample.keys,
    }


def cases() -> Iterator[Row]:
    """Yield the keys of all rows."""
    for seed in SEEDS:
        own = [(0.0, path, t) for path, t in ((13.0, 4.2), (13.0, 19.0), (1e6, 19.0), (4.0, 19.0))]
        for key in own + [(share, 13.0, t) for share in SHARES for t in (4.2, 19.0)]:
            yield dict(zip(KEYS, (*key, float(seed)), strict=True))


def computed(case: Row) -> Row:
    """Return the row of a case."""
    seed, temperature_K = int(case["seed"]), case["temperature_K"]
    if case["host_share"]:
        return pairing_host(seed, temperature_K, case["host_share"])
    return own_gaps(seed, temperature_K, case["mean_free_path_nm"])


def main(arguments: Sequence[str] | None = None) -> None:
    """Compute what the table lacks and write it."""
    parser = argparse.ArgumentParser(description="write the table of hosts and grains that pair themselves")
    parser.add_argument("--to", type=Path, default=DATA, help="table to write; its rows are kept")
    chosen = parser.parse_args(arguments)
    found = read_table(chosen.to) if chosen.to.exists() else []
    for case in cases():
        if not selected(found, **case):
            found.append(computed(case))
            print(", ".join(f"{name} = {value:.6g}" for name, value in found[-1].items()), flush=True)
            write_table(found, chosen.to, COMMAND, KEYS, VALUES)  # what is done is kept


if __name__ == "__main__":
    main()
