"""Row 8: the penetration depth of the locked composite, "of the order of a micrometre".

The formula takes T_c2 = 19 K as given (status C): the coupling that locks there, grown to low temperature by a ratio
E_J(4 K)/E_J(19 K) that depends on the gap between the grains. Broad couplings change it by .98 to 1.2, thermal
fluctuations of the phases make it longer on warming. The micrometre is met by all of them: consistent, not a test.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bdg.condensate.bcs import gap_ratio
from bdg.granular import CouplingTable, josephson_energy, penetration_depth_um
from bdg.granular.couplings.short_junctions import CUBIC_LOCKING
from bdg.validation.experiments import COMPOSITE
from bdg.validation.row import Check, Comparison, compare, within

LOCKING_K, COLD_K, CRITICAL_K, SPACING_NM = 19.0, 4.2, 37.0, 41.0
GAP_MEV = 2.3
BAND_UM = (1.5, 5.0)  # of all ratios
PAPER_UM, FACTOR = 3.0, 2.0  # "order of um", from T_c2 alone 3 to 6


def from_locking(ratio: float) -> float:
    """Return lambda in um at low temperature of couplings that lock at 19 K and grow by ``ratio`` on cooling."""
    return penetration_depth_um(ratio * LOCKING_K / CUBIC_LOCKING, SPACING_NM)


def short_junction_ratio(cold_K: float = COLD_K) -> float:
    """Return E_J(cold)/E_J(19 K) of Ambegaokar and Baratoff."""
    cold, warm = (josephson_energy(1.0, GAP_MEV * float(gap_ratio(t / CRITICAL_K)), t) for t in (cold_K, LOCKING_K))
    return cold / warm


def compare_all(slow: bool) -> Iterator[Comparison]:
    """Yield lambda for the growth of short junctions and of BdG couplings, and the band of all."""
    closed = from_locking(short_junction_ratio())
    yield compare("lambda in um from T_c2 = 19 K, AB couplings", closed, 4.0, 0.1, "rounded in the reference", "E")
    table = CouplingTable.load()
    ratios = []
    for density in (5e24, 1e26):
        cold, warm = (
            table.coupling(np.array([7.2]), t, density_m3=density, extrapolate=True).energy_K[0]
            for t in (COLD_K, LOCKING_K)
        )
        ratios.append(float(cold / warm))
    values = [from_locking(ratio) for ratio in ratios]
    what = "lambda in um from T_c2 = 19 K, BdG growth at 7.2 nm, n = 5e24 and 1e26"
    yield within(what, values, *BAND_UM, "band of all growths", "C")
    every = [closed, *values]
    low, high = PAPER_UM / FACTOR, PAPER_UM * FACTOR
    yield within("lambda in um, all of them beside the order of um", every, low, high, "factor 2", "C")


CHECK = Check(identifier="row 08", title="Penetration depth", source=COMPOSITE, compare=compare_all)
