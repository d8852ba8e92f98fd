"""Iterations, seconds and memory of the self-consistent gap of a disordered S/N/S cube, at 0.1 Tc and near Tc.

    python -m bdg.validation.benchmarks.self_consistent --size 20

Both superconducting layers are a third of the cube (U = 2.6 t), disorder has the width t everywhere, mu = -t. The
iteration starts from Delta = 0.3 t and ends where the estimated error of Delta is below 1e-6 of its largest value.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

import bdg
from bdg.validation.benchmarks.alone import Measurement, run_alone
from bdg.validation.benchmarks.systems import sandwich
from bdg.validation.benchmarks.tasks import CRITICAL

TARGETS = {(20, 0.1): 15, (20, 0.95): 40}  # iterations at most, by sites an axis and share of Tc

HEAD = ("size", "T / Tc", "iterations", "at most", "CPU s", "s", "GiB", "largest Delta / t", "its error / t",
        "poles", "sums by relative accuracy")  # fmt: skip


def row(size: int, share: float, measured: Measurement) -> tuple[str, ...]:
    """Return the cells below `HEAD`; a measurement that failed carries its error in the last one."""
    start = (f"{size}^3", f"{share:g}")
    if measured.error:
        return (*start, *["-"] * 8, measured.error)
    found = measured.found
    return (
        *start,
        str(found["iterations"]),
        str(TARGETS.get((size, share), "-")),
        f"{measured.cpu_seconds:.1f}",
        f"{measured.seconds:.1f}",
        f"{measured.peak_gib:.3f}",
        f"{found['largest']:.5f}",
        f"{found['error']:.0e}",
        str(found["poles"]),
        ", ".join(f"{number} at {accuracy}" for accuracy, number in found["sums"].items()),
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the rows as they come, as text or JSON, each from a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=20, help="sites an axis (default 20)")
    parser.add_argument("--share", type=float, action="append", help="T/Tc (default 0.1 and 0.95)")
    parser.add_argument("--tc", type=float, help="Tc in units of t (default: that of 20^3)")
    parser.add_argument("--own-tc", action="store_true", help="first compute the Tc of this very system (long)")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args(arguments)
    critical = chosen.tc or CRITICAL
    if chosen.own_tc:
        critical = bdg.critical_temperature(sandwich(chosen.size), tol=1e-4, device="cpu").temperature
        print(f"Tc = {critical:.8g} t", flush=True)
    for share in chosen.share or (0.1, 0.95):
        measured = run_alone("gap", size=chosen.size, share=share, critical=critical)
        if chosen.json:
            print(json.dumps({"share": share, **vars(measured)}), flush=True)
            continue
        cells = zip(HEAD, row(chosen.size, share, measured), strict=True)
        print(", ".join(f"{name} {cell}" for name, cell in cells), flush=True)


if __name__ == "__main__":
    main()
