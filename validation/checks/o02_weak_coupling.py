r"""Weak coupling: Delta0/Tc = pi/e^gamma, Delta(T), and the condensation energy ``-N0 Delta0^2/2`` a site."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

import bdg
from bdg.lattices.builders.grid import assemble_grid, grid_positions
from bdg.validation.reference.uniform import (
    critical_temperature_of_levels,
    gap_of_levels,
    infinite_condensation,
    infinite_critical_temperature,
    infinite_gap,
    square_density,
    square_levels,
)
from bdg.validation.row import Check, Comparison, compare

# mu, U, Delta0, Tc, N0, condensation energy a site, as recorded
INFINITE = (
    (-1.0, 1.2, 0.021812858, 0.012368248, 0.141911, -3.376677e-5),
    (-1.0, 1.5, 0.070503047, 0.040010622, 0.141911, -3.531797e-4),
    (-1.0, 2.0, 0.226297617, 0.128861842, 0.141911, -3.664671e-3),
    (-2.0, 2.0, 0.100723046, 0.057137094, 0.109250, -5.546428e-4),
    (-0.5, 2.5, 0.553446550, 0.307140245, 0.176068, -2.760193e-2),
)
MU, ATTRACTION = -1.0, 1.5
CURVE = ((0.2, 0.999876), (0.4, 0.984993), (0.5, 0.956802), (0.6, 0.906865), (0.8, 0.710850), (0.95, 0.380174))
SIZE, LOW = 48, 0.003  # the torus that goes through the package
BCS_RATIO = math.pi / math.exp(np.euler_gamma)


def compare_all(slow: bool) -> Iterator[Comparison]:
    """Yield the infinite lattice against recorded digits and BCS, then a torus of 2304 sites through the package."""
    for mu, attraction, gap, tc, density, energy in INFINITE:
        where = f"mu {mu:g}, U {attraction:g}"
        found_gap, found_tc = infinite_gap(mu, attraction, 0.0), infinite_critical_temperature(mu, attraction)
        yield compare(f"{where}: Delta0 and Tc, recorded", [found_gap, found_tc], [gap, tc], 1e-9, "rounding", "E")
        n0 = float(square_density(np.array(mu)))
        yield compare(f"{where}: N0, recorded", n0, density, 5e-7, "6 digits recorded", "E")
        condensation = infinite_condensation(mu, attraction)
        yield compare(f"{where}: E_cond, recorded", condensation, energy, 1e-6 * abs(energy), "7 digits", "E")
        if attraction <= 1.5:
            ratio = found_gap / found_tc
            yield compare(f"{where}: Delta0/Tc", ratio, BCS_RATIO, 3e-3 * BCS_RATIO, "weak coupling", "A")
            expected = -n0 * found_gap**2 / 2
            share = condensation / expected
            yield compare(f"{where}: E_cond/(-N0 Delta0^2/2)", share, 1.0, 3e-3, "weak coupling", "A")
    zero, tc = infinite_gap(MU, ATTRACTION, 0.0), infinite_critical_temperature(MU, ATTRACTION)
    curve = [infinite_gap(MU, ATTRACTION, share * tc) / zero for share, _ in CURVE]
    yield compare("Delta(T)/Delta0, recorded", curve, [ratio for _, ratio in CURVE], 1e-6, "6 digits recorded", "E")
    yield from _torus()


def _torus() -> Iterator[Comparison]:
    shape = (SIZE, SIZE)
    h = assemble_grid(shape, np.full(SIZE**2, -MU), [-np.ones(shape)] * 2, (True, True))
    grain, period = np.zeros(SIZE**2, dtype=int), (float(SIZE),) * 2
    system = bdg.lattices.from_hamiltonian(
        h, grid_positions(shape, 1.0), attraction=ATTRACTION, grain=grain, period=period
    )
    xi = square_levels(SIZE, MU)
    exact = gap_of_levels(xi, ATTRACTION, LOW)
    found = bdg.solve_gap(system.with_delta(0.1), LOW)
    where = f"{SIZE} x {SIZE} torus"
    ends = [found.delta.min(), found.delta.max()]
    yield compare(f"{where}, T = {LOW:g}: Delta, all sites", ends, [exact] * 2, 2e-5 * exact, "tol 1e-6", "E")
    energies = np.hypot(xi, exact)
    free = -2 * LOW * np.logaddexp(energies / (2 * LOW), -energies / (2 * LOW)).sum() + xi.sum()
    free += SIZE**2 * exact**2 / ATTRACTION
    values = found.free_energy / SIZE**2, free / SIZE**2
    yield compare(f"{where}: free energy a site", *values, 1e-9, "stated error", "E")
    exact_tc = critical_temperature_of_levels(xi, ATTRACTION)
    tc = bdg.critical_temperature(system).temperature
    yield compare(f"{where}: Tc", tc, exact_tc, 1e-5 * exact_tc, "tol 1e-6", "E")


CHECK = Check(
    identifier="O2",
    title="Weak coupling: Delta0/Tc, Delta(T) and condensation energy",
    source="Bardeen, Cooper, Schrieffer 1957; Muehlschlegel 1959",
    compare=compare_all,
)
