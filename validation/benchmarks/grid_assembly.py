"""How long a regular grid takes: array assembly beside a kwant builder of the same disordered cube.

Both sides start from the same arrays (onsite energies with disorder, one hopping a bond) and end with the same sparse
matrix. kwant is used in its quickest way: all sites in one assignment (``lattice.shape`` is slower) with a value
function that reads the onsite array, ``builder[lattice.neighbors()]`` with a constant, ``finalized()``,
``hamiltonian_submatrix(sparse=True)``. A second row adds what a `System` needs on top (checks, positions) on both
sides: `stack` beside `from_kwant`.

    python -m bdg.validation.benchmarks.grid_assembly --size 100
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy

from bdg.lattices import Layer, from_kwant, stack
from bdg.lattices.builders.grid import assemble_grid

TARGET = 10.0  # times faster than the builder at 100 x 100 x 100


def measure(size: int = 100, repeats: int = 3, systems: bool = True) -> dict[str, Any]:
    """Return seconds and ratios for a disordered cube of ``size``^3 sites; the matrices are compared.

    Parameters
    ----------
    size : int
        Sites an axis.
    repeats : int
        Runs of the array assembly; the first one (cold) and the best (warm) are given. kwant runs once.
    systems : bool
        Whether to time `stack` and `from_kwant` too.
    """
    import kwant

    shape = (size,) * 3
    onsite = np.random.default_rng(1).uniform(-0.5, 0.5, size=shape)
    hoppings = [np.full(shape, -1.0) for _ in shape]
    grid = [_seconds(lambda: assemble_grid(shape, onsite, hoppings)) for _ in range(repeats)]

    def build() -> Any:
        lattice = kwant.lattice.cubic(norbs=1)
        builder = kwant.Builder()
        builder[(lattice(*tag) for tag in np.ndindex(*shape))] = lambda site: onsite[tuple(site.tag)]
        builder[lattice.neighbors()] = -1
        return builder

    builder_time, builder = _timed(build)
    finalize_time, system = _timed(builder.finalized)
    matrix_time, matrix = _timed(lambda: system.hamiltonian_submatrix(sparse=True))
    difference = abs(matrix.tocsr() - assemble_grid(shape, onsite, hoppings)).max()
    kwant_total = builder_time + finalize_time + matrix_time
    report: dict[str, Any] = {
        "sites": size**3,
        "array_seconds_cold": grid[0],
        "array_seconds_warm": min(grid),
        "kwant_seconds": kwant_total,
        "kwant_builder_seconds": builder_time,
        "kwant_finalize_seconds": finalize_time,
        "kwant_matrix_seconds": matrix_time,
        "ratio_cold": kwant_total / grid[0],
        "ratio_warm": kwant_total / min(grid),
        "target_ratio": TARGET,
        "largest_difference": float(difference),
        "versions": {"python": platform.python_version(), "numpy": np.__version__, "scipy": scipy.__version__,
                     "kwant": kwant.__version__, "processor": platform.processor() or platform.machine()},
    }  # fmt: skip
    if systems:
        del matrix
        layers = [Layer(size, disorder=1.0)]
        report["stack_seconds"] = _seconds(lambda: stack(layers, (size, size), seed=1))
        report["from_kwant_seconds"] = builder_time + finalize_time + _seconds(lambda: from_kwant(system))
        report["system_ratio"] = report["from_kwant_seconds"] / report["stack_seconds"]
    return report


def _timed(function: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    value = function()
    return time.perf_counter() - start, value


def _seconds(function: Callable[[], Any]) -> float:
    return _timed(function)[0]


def main() -> None:
    """Print the report, as text or as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=100, help="sites an axis (default 100)")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    report = measure(arguments.size)
    if arguments.json:
        print(json.dumps(report, indent=2))
        return
    print(f"{report['sites']} sites: arrays {report['array_seconds_cold']:.3f} s (warm "
          f"{report['array_seconds_warm']:.3f} s), kwant {report['kwant_seconds']:.1f} s (builder "
          f"{report['kwant_builder_seconds']:.1f}, finalize {report['kwant_finalize_seconds']:.1f}, matrix "
          f"{report['kwant_matrix_seconds']:.1f})")  # fmt: skip
    print(f"ratio {report['ratio_cold']:.0f} (warm {report['ratio_warm']:.0f}), target {TARGET:.0f}; "
          f"largest difference {report['largest_difference']:.1g}")  # fmt: skip
    print(f"as a System: stack {report['stack_seconds']:.2f} s, from_kwant {report['from_kwant_seconds']:.1f} s, "
          f"ratio {report['system_ratio']:.0f}")  # fmt: skip


if __name__ == "__main__":
    main()
