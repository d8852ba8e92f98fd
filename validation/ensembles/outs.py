"""Where the answer to the closed-loop question could turn: a host that pairs itself, grains whose gap is their own.

    python -m bdg.validation.ensembles.outs

makes ``loops_outs.csv`` again (about ten minutes on one core). Three grains of 12 nm in a box of 24 nm: the
stiffness of all three over that of isolated pairs (the third normal: neither pairing nor attraction), everything else
as in ``runs/loops3d``. In both cases Delta depends on who else pairs, so every state is a solution of its own, and the
stiffness is that of the free energy of the whole system, ``|Delta|^2/U`` included:

- *host*: imposed Delta in the grains, the host with an attraction below the one U_c at which it would pair alone; its
  Delta follows the phases (`bdg.granular.pairing_host`);
- *grains*: no attraction in the host, one in the grains whose Delta is self-consistent, with one phase a grain.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from bdg.base.results import Choice
from bdg.condensate.gap.solve_gap import solve_gap
from bdg.condensate.pair_kernel import LevelKernel
from bdg.gpu.device.backend import select_backend
from bdg.granular.beyond_pairs import stiffness_ratio
from bdg.granular.grain_landscape import grain_landscape
from bdg.granular.pairing_host import couplings_through_pairing_host
from bdg.jobs.job import parse_job
from bdg.jobs.kinds import landscape
from bdg.jobs.kinds.shared import boxes
from bdg.lattices.system import System
from bdg.lattices.units import temperature_in_t
from bdg.validation.ensembles.tables import Row, write_table

DATA = Path(__file__).with_name("loops_outs.csv")
COMMAND = "python -m bdg.validation.ensembles.outs"
SEEDS = range(3)
SHARES = (0.5, 0.9)  # of the host's critical attraction
GRAIN_ATTRACTION = 4.1  # in t: a grain alone in its host pairs below about 37 K
TOL = 1e-5
KEYS = ("grain_attraction_t", "host_share", "temperature_K", "seed")
VALUES = {
    "R": "stiffness of all grains over that of isolated pairs, each with its own self-consistent Delta",
    "R_imposed": "the same sample with imposed Delta and a normal host",
    "R_same_gap": "all grains over pairs that keep the Delta of all (grains only)",
    "pairs": "stiffness of isolated pairs over that with imposed Delta and a normal host",
    "delta_host": "largest |Delta| in the host over the mean in the grains",
    "delta_grains_meV": "mean |Delta| in the grains",
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
mean_free_path_nm = 13
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
    """

    def __init__(self, seed: int, temperature_K: float) -> None:
        text = _JOB.format(seed=seed, temperature_K=temperature_K)
        (point,) = parse_job(text.encode(), "outs.toml", "outs").points
        self.system = landscape.build(point.parameters)
        self.hopping = boxes.host_of(point.parameters["system"]).t_meV
        self.temperature = temperature_in_t(temperature_K, self.hopping)
        centres = self.system.info["centres"]
        self.distances = np.linalg.norm(centres[:, None] - centres, axis=2)
        self.imposed = grain_landscape(self.system, self.temperature)
        self.delta_error = 0.0

    def critical_attraction(self) -> float:
        """Return the attraction in t at which the host would pair while all grains are normal."""
        host = (self.system.grain < 0).astype(float)
        kernel = LevelKernel(self.system.hamiltonian, host, 1, Choice("dense", "", select_backend("cpu")))
        return 1.0 / kernel.largest(self.temperature, 1e-8).value

    def with_grains(self, grains: Sequence[int], grain_attraction: float, host_attraction: float) -> System:
        """Return the self-consistent system in which only some grains pair."""
        on = np.isin(self.system.grain, grains)
        attraction = np.where(on, grain_attraction, np.where(self.system.grain < 0, host_attraction, 0.0))
        start = replace(self.system.with_delta(np.where(on, self.system.delta, 0.0)), attraction=attraction)
        found = solve_gap(start, self.temperature, tol=TOL)
        largest = float(abs(found.delta).max())
        self.delta_error = max(self.delta_error, found.error / largest if largest else 0.0)
        return found.system

    def ratio(self, dressed: np.ndarray, pairs: np.ndarray) -> float:
        """Return the stiffness ratio R of couplings (G, G)."""
        return stiffness_ratio(dressed, pairs, self.distances)


def _couplings(hessian: np.ndarray) -> np.ndarray:
    return -hessian * (1 - np.eye(len(hessian)))


def pairing_host(seed: int, temperature_K: float, share: float) -> Row:
    """Return the row of a host with ``share`` of its critical attraction, Delta imposed in the grains."""
    sample = Sample(seed, temperature_K)
    attraction = share * sample.critical_attraction()
    whole = sample.with_grains(range(3), 0.0, attraction)
    dressed = couplings_through_pairing_host(whole, sample.temperature)
    pairs = np.zeros((3, 3))
    for i, j in itertools.combinations(range(3), 2):
        two = couplings_through_pairing_host(sample.with_grains([i, j], 0.0, attraction), sample.temperature)
        pairs[i, j] = pairs[j, i] = two[i, j]
    return _row(sample, whole, dressed, pairs) | {
        "grain_attraction_t": 0.0,
        "host_share": share,
        "temperature_K": temperature_K,
        "seed": seed,
    }


def own_gaps(seed: int, temperature_K: float, attraction: float = GRAIN_ATTRACTION) -> Row:
    """Return the row of grains with self-consistent Delta, no attraction in the host."""
    sample = Sample(seed, temperature_K)
    whole = sample.with_grains(range(3), attraction, 0.0)
    on = grain_landscape(whole, sample.temperature)
    pairs = np.zeros((3, 3))
    for i, j in itertools.combinations(range(3), 2):
        two = grain_landscape(sample.with_grains([i, j], attraction, 0.0), sample.temperature)
        pairs[i, j] = pairs[j, i] = -two.hessian()[i, j]
    dressed = _couplings(on.hessian())
    return _row(sample, whole, dressed, pairs) | {
        "R_same_gap": sample.ratio(dressed, on.pairs),
        "grain_attraction_t": attraction,
        "host_share": 0.0,
        "temperature_K": temperature_K,
        "seed": seed,
    }


def _row(sample: Sample, whole: System, dressed: np.ndarray, pairs: np.ndarray) -> Row:
    imposed, inside = sample.imposed, whole.grain >= 0
    size = abs(whole.delta)
    return {
        "R": sample.ratio(dressed, pairs),
        "R_imposed": sample.ratio(_couplings(imposed.hessian()), imposed.pairs),
        "pairs": sample.ratio(pairs, imposed.pairs),
        "delta_host": float(size[~inside].max() / size[inside].mean()),
        "delta_grains_meV": float(size[inside].mean() * sample.hopping),
        "delta_error": sample.delta_error,
    }


def rows() -> Iterator[Row]:
    """Yield all rows as they are computed."""
    for seed in SEEDS:
        yield from (own_gaps(seed, temperature_K) for temperature_K in (4.2, 19, 30))
        yield from (pairing_host(seed, t, share) for share in SHARES for t in (4.2, 19))


def main(arguments: Sequence[str] | None = None) -> None:
    """Compute the table and write it."""
    parser = argparse.ArgumentParser(description="write the table of hosts and grains that pair themselves")
    parser.add_argument("--to", type=Path, default=DATA, help="table to write")
    chosen = parser.parse_args(arguments)
    found = []
    for row in rows():
        found.append(row)
        print(", ".join(f"{name} = {value:.6g}" for name, value in row.items()), flush=True)
        write_table(found, chosen.to, COMMAND, KEYS, VALUES)  # what is done is kept


if __name__ == "__main__":
    main()
