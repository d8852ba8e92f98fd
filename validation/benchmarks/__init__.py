"""Timings on this machine, each beside what a user would do without this package: ``bdg benchmark``."""

from __future__ import annotations


def main() -> int:
    """Print machine, versions and all timings; takes about a minute. Return the exit code 0."""
    from bdg.validation.benchmarks import machine, solvers

    print(machine.description())
    print("\nGrid assembly, disordered cube of 100 x 100 x 100 sites")
    print(_grid_assembly())
    print(f"\nSolvers, grains in a disordered host, {solvers.SIZE} x {solvers.SIZE} x {solvers.SIZE} sites")
    for text in solvers.lines():
        print(text, flush=True)
    return 0


def _grid_assembly() -> str:
    import importlib.util

    if importlib.util.find_spec("kwant") is None:
        return "skipped: needs kwant to compare with (bdg[kwant])"
    import warnings

    from bdg.validation.benchmarks.grid_assembly import measure

    with warnings.catch_warnings():  # kwant says on import that it has no MUMPS, which builds nothing
        warnings.simplefilter("ignore", RuntimeWarning)
        found = measure(100, systems=False)
    return (
        f"arrays {found['array_seconds_cold']:.2f} s (warm {found['array_seconds_warm']:.2f} s), kwant builder, "
        f"finalized() and matrix {found['kwant_seconds']:.1f} s: {found['ratio_cold']:.0f} times faster "
        f"(target {found['target_ratio']:.0f}); largest difference {found['largest_difference']:.1g}"
    )
