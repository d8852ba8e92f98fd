"""Row 7: the temperature T_c2 at which the grains lock, by two routes; the paper has 19 K.

(a) From the resistivity, as if neighbours were short tunnel junctions of R_N = rho/a: near 19 K, but accidental. The
same formula gives .16 K for an earlier sample of the same authors (5 ohm cm, measured 24 K), and the couplings of (b)
are .01 of those of Ambegaokar and Baratoff at that temperature.
(b) From couplings of two grains in the BdG host, nothing fitted: 4 to 8 K at the density of the default host, and 19 K
only at the metallic, dense corner of what nobody measured.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np

from bdg.granular import CouplingTable, locking_temperature
from bdg.granular.composite_networks import BETWEEN, CompositeNetworks
from bdg.granular.couplings.short_junctions import short_junction_locking
from bdg.validation.experiments import COMPOSITE
from bdg.validation.row import Check, Comparison, compare, within

PAPER_K, DIAMETER_NM, CRITICAL_K = 19.0, 20.0, 37.0
GAPS_MEV, RESISTIVITY_OHM_CM, XPS_FRACTION = (2.3, 2.6, 2.8), 0.03, 0.06
EXACT_K, EARLIER_K, EARLIER_OHM_CM = (16.6, 18.4, 19.6), 0.16, 5.0
OTHER_BOXES = {4.2: (4.22, 2.43, 1.30), 19.0: (0.388, 0.104, 0.0216)}  # K at the gaps, means of 9 to 12 samples
OTHER_GAPS_NM = (7.2, 12.0, 18.0)  # a gap of one lattice constant depends on where the grid cuts the spheres
FRACTIONS, EXPECTED_K, ALLOWED_K = (0.06, 0.08, 0.16), (4.0, 5.0, 8.0), (0.4, 0.5, 1.0)
DENSITIES = (5e24, 2.5e25, 1e26)


@cache
def locked(volume_fraction: float, density_m3: float) -> tuple[float, float]:
    """Return T_c2 in kelvin of packings of 150 grains, and its standard error."""
    networks = CompositeNetworks.of_grains(
        CouplingTable.load(),
        volume_fraction=volume_fraction,
        diameter_nm=DIAMETER_NM,
        grains=150,
        samples=4,
        cutoff_nm=40.0,
        seed=0,
        density_m3=density_m3,
        extrapolate=True,
    )
    found = locking_temperature(networks.at, tol=0.02, between=(BETWEEN[0], BETWEEN[1] * CRITICAL_K), seed=0)
    return found.temperature, found.error


def compare_all(slow: bool) -> Iterator[Comparison]:
    """Yield both routes, and the couplings beside those of other samples."""
    closed = [short_junction_locking(RESISTIVITY_OHM_CM, gap, XPS_FRACTION, DIAMETER_NM) for gap in GAPS_MEV]
    what = "(a) T_c2 in K from rho, AB, exact BCS gap 2.3, 2.6, 2.8 meV"
    yield compare(what, closed, EXACT_K, 0.1, "closed form, rounded to .1 K", "E")
    earlier = short_junction_locking(EARLIER_OHM_CM, GAPS_MEV[0], XPS_FRACTION, DIAMETER_NM)
    yield compare("(a) the same of 5 ohm cm, where 24 K were measured", earlier, EARLIER_K, 0.02, "closed form", "E")
    yield compare("(a) beside the paper: accidental", closed, [PAPER_K] * 3, 3.0, "rho(37 K) is not known", "Q")
    table = CouplingTable.load()
    for temperature, others in OTHER_BOXES.items():
        found = table.coupling(np.array(OTHER_GAPS_NM), temperature)
        expected = np.array(others, dtype=float)
        limit = 0.15 + 2 * float((found.error_K / expected).max())
        what = f"(b) E_J over that of other boxes, {temperature:g} K, gaps 7.2, 12, 18 nm"
        reason = "their margin is a site narrower: 15 %, and twice the own error"
        yield compare(what, found.energy_K / expected, [1.0] * len(others), limit, reason, "S")
    for fraction, wanted, allowed in zip(FRACTIONS, EXPECTED_K, ALLOWED_K, strict=True):
        value, error = locked(fraction, DENSITIES[0])
        what = f"(b) T_c2 in K from BdG couplings, n = 5e24, phi = {fraction:g}"
        yield compare(
            what, value, wanted, allowed + 2 * error, "another table, whose couplings are up to 15 % larger", "S"
        )
    yield compare("(b) beside the paper at n = 5e24, phi = .06", locked(0.06, 5e24)[0], PAPER_K, 3.0, "below 10 K", "X")
    corners = [locked(fraction, density)[0] for fraction in (0.06, 0.16) for density in (DENSITIES[0], DENSITIES[-1])]
    what = "(b) T_c2 in K, least and most, n = 5e24 .. 1e26, phi = .06 .. .16"
    yield within(what, (min(corners), max(corners)), 3.0, 25.0, "what nobody measured: 4 to 19 K", "P")


CHECK = Check(identifier="row 07", title="Locking temperature T_c2", source=COMPOSITE, compare=compare_all)
