"""Iterations, seconds and memory of the self-consistent gap of a disordered S/N/S cube, at 0.1 Tc and near Tc.

    python -m bdg.validation.benchmarks.self_consistent --size 20

Both superconducting layers are a third of the cube (U = 2.6 t), disorder has the width t everywhere, mu = -t. Tc comes
from the linearised kernel of the same system. The iteration starts from Delta = 0.3 t and ends where the estimated
error of Delta is below 1e-6 of its largest value.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import bdg
from bdg.lattices import Layer, stack
from bdg.validation.benchmarks.alone import GIB, peak_bytes, resident_bytes

ATTRACTION, DISORDER, MU, START = 2.6, 1.0, -1.0, 0.3
TARGETS = {0.1: 15, 0.95: 40}  # iterations at most, by share of Tc


@dataclass(frozen=True)
class GapRow:
    """One solution.

    Attributes
    ----------
    size : int
        Sites an axis.
    share : float
        Temperature over Tc.
    temperature, critical_temperature : float
        In units of t.
    iterations : int
    seconds, wall_seconds : float
        Of the processor, and of the clock.
    peak_gib : float
        Memory above what was resident before.
    error, largest : float
        Estimated error of Delta, and max|Delta|.
    poles : int
    """

    size: int
    share: float
    temperature: float
    critical_temperature: float
    iterations: int
    seconds: float
    wall_seconds: float
    peak_gib: float
    error: float
    largest: float
    poles: int


def sandwich(size: int) -> bdg.System:
    """Return the cube of ``size``^3 sites."""
    thickness = size // 3
    electrode = Layer(thickness, delta=START, attraction=ATTRACTION, disorder=DISORDER)
    middle = Layer(size - 2 * thickness, disorder=DISORDER)
    return stack([electrode, middle, electrode], (size, size), mu=MU, seed=1)


def measure(size: int, shares: Sequence[float] = (0.1, 0.95), critical: float | None = None) -> Iterator[GapRow]:
    """Yield one row for each temperature, as soon as it is measured."""
    system = sandwich(size)
    tc = bdg.critical_temperature(system, tol=1e-4).temperature if critical is None else critical
    for share in shares:
        base = resident_bytes()
        start, wall = time.process_time(), time.perf_counter()
        found = bdg.solve_gap(system, share * tc)
        yield GapRow(
            size=size,
            share=share,
            temperature=share * tc,
            critical_temperature=tc,
            iterations=found.iterations,
            seconds=time.process_time() - start,
            wall_seconds=time.perf_counter() - wall,
            peak_gib=(peak_bytes() - base) / GIB,
            error=found.error,
            largest=float(abs(found.delta).max()),
            poles=int(found.evidence.get("poles", 0)),
        )


def table(rows: Sequence[GapRow]) -> tuple[list[str], list[list[str]]]:
    """Return header and cells for the page."""
    header = ["size", "T/Tc", "iterations (target)", "CPU s", "wall s", "GiB", "max\\|Delta\\|", "error", "poles"]
    cells = [
        [
            f"{row.size}^3",
            f"{row.share:g}",
            f"{row.iterations} ({TARGETS.get(row.share, '-')})",
            f"{row.seconds:.0f}",
            f"{row.wall_seconds:.0f}",
            f"{row.peak_gib:.2f}",
            f"{row.largest:.4f}",
            f"{row.error:.0e}",
            str(row.poles),
        ]
        for row in rows
    ]
    return header, cells


def main() -> None:
    """Print the rows as they come, as text or JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=20, help="sites an axis (default 20)")
    parser.add_argument("--share", type=float, action="append", help="T/Tc (default 0.1 and 0.95)")
    parser.add_argument("--tc", type=float, help="Tc in units of t; computed if it is not given")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    for row in measure(arguments.size, arguments.share or (0.1, 0.95), arguments.tc):
        if arguments.json:
            print(json.dumps(asdict(row)), flush=True)
            continue
        header, (cells,) = table([row])
        print(", ".join(f"{name} {cell}" for name, cell in zip(header, cells, strict=True)), flush=True)


if __name__ == "__main__":
    main()
