r"""The self-consistent gap of a torus obeys ``1 = (U/N) sum_k tanh(E_k/2T)/(2 E_k)``, and so does its Tc."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

import bdg
from bdg.validation.reference.torus import torus
from bdg.validation.reference.uniform import critical_temperature_of_levels, gap_of_levels, square_levels
from bdg.validation.row import Check, Comparison, compare

SIZE, MU, ATTRACTION = 16, -0.5, 2.5
# T and Delta as recorded
RECORDED = (
    (0.0, 0.5527670113),
    (0.05, 0.5527603624),
    (0.10, 0.5503762353),
    (0.15, 0.5324226236),
    (0.20, 0.4835052640),
    (0.25, 0.3838958438),
    (0.30, 0.1454385140),
)
RECORDED_TC = 0.3070634380
NEAR_TC = 0.29  # above, errors of the residual grow like 1/(1 - slope)


def compare_all(slow: bool) -> Iterator[Comparison]:
    """Yield Delta at seven temperatures, both methods, and the critical temperature."""
    h, positions = torus(SIZE, MU)
    system = bdg.lattices.from_hamiltonian(h, positions, attraction=ATTRACTION, period=(SIZE, SIZE), grain=0)
    xi = square_levels(SIZE, MU)
    for temperature, recorded in RECORDED:
        exact = gap_of_levels(xi, ATTRACTION, temperature)
        yield compare(f"k-sum at T = {temperature:g}, recorded digits", exact, recorded, 1e-10, "rounding", "E")
        tolerance, why = (1e-6, "near Tc errors are residual/(1 - slope)") if temperature > NEAR_TC else (1e-8, "")
        for method in ("dense", "poles") if temperature else ("dense",):
            found = bdg.solve_gap(system, temperature, tol=1e-9, method=method)
            yield compare(
                f"Delta at T = {temperature:g}, all sites, {method}",
                [found.delta.min(), found.delta.max()],
                [exact, exact],
                tolerance,
                why or "tol 1e-9 of the solution",
                "E",
            )
    exact_tc = critical_temperature_of_levels(xi, ATTRACTION)
    yield compare("Tc of the k-sum, recorded digits", exact_tc, RECORDED_TC, 1e-10, "rounding", "E")
    found_tc = bdg.critical_temperature(system)
    yield compare("critical_temperature", found_tc.temperature, exact_tc, 1e-6 * exact_tc, "tol 1e-6", "E")
    spread = float(np.ptp(found_tc.mode))
    yield compare("spread of its mode over the sites", spread, 0.0, 1e-3, "mode to the square root of tol", "E")


CHECK = Check(
    identifier="O1",
    title="Gap equation on a torus: Delta(T) and Tc from the sum over k",
    source="Bardeen, Cooper, Schrieffer 1957",
    compare=compare_all,
)
