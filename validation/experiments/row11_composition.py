"""Row 11: zero resistance at B2O3/SiO2 = 0.35, none below 0.3 and above 0.4.

More boron makes more grains, which come closer. Coupled as short junctions times exp(-gap/decay), calibrated at 0.35,
they lock at a temperature that changes smoothly and in one direction: no window, whatever the decay length. Nothing
here vanishes below 0.3 (not reproduced) but for a decay of 1 to 2 nm, where T_c2 falls below what was reached. Above
0.4 the paper's layers do not form: a rule of the model about the melt, nothing computed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import scipy.optimize

from bdg.granular import short_junction_locking
from bdg.lattices import composition
from bdg.validation.experiments import COMPOSITE
from bdg.validation.row import Check, Comparison, compare, reported

RATIOS, CALIBRATED_AT, MEASURED_K = (0.2, 0.25, 0.3, 0.35, 0.4), 0.35, 19.0
GAP_MEV, DIAMETER_NM = 2.3, 20.0
DECAYS_NM = {  # T_c2 at 0.2 and at 0.4 of another calculation
    math.inf: (20.4, 18.7),
    10.0: (14.8, 19.8),
    5.0: (10.0, 21.0),
    2.0: (1.8, 24.3),
    1.0: (0.1, 28.9),
}


def locking_series(decay_nm: float) -> list[float]:
    """Return T_c2 in K at each ratio: bonds as short junctions times exp(-gap/decay), 19 K at 0.35."""
    fraction = {ratio: composition(ratio).volume_percent["MgB2"] / 100 for ratio in RATIOS}
    spacing = {ratio: DIAMETER_NM * (math.pi / (6 * phi)) ** (1 / 3) for ratio, phi in fraction.items()}

    def locked(ratio: float, logarithm: float) -> float:
        farther = (spacing[ratio] - spacing[CALIBRATED_AT]) / decay_nm
        return short_junction_locking(math.exp(logarithm + farther), GAP_MEV, fraction[ratio], DIAMETER_NM)

    calibrated = scipy.optimize.brentq(
        lambda logarithm: locked(CALIBRATED_AT, logarithm) - MEASURED_K, math.log(1e-3), math.log(1.0), xtol=1e-8
    )
    return [locked(ratio, calibrated) for ratio in RATIOS]


def compare_all(slow: bool) -> Iterator[Comparison]:
    """Yield T_c2 for each decay length, how often it turns, and the rule."""
    turns = []
    for decay, ends in DECAYS_NM.items():
        series = locking_series(decay)
        steps = np.sign(np.diff(series))
        turns.append(int((steps[1:] != steps[:-1]).sum()))
        what = f"T_c2 in K at B2O3/SiO2 {RATIOS[0]:g} and {RATIOS[-1]:g}, decay {decay:g} nm"
        yield compare(what, (series[0], series[-1]), ends, 0.3, "another gap curve; calibrated at 0.35", "X")
        if decay == 2:
            inner = (series[1], series[2])
            yield reported("T_c2 in K at 0.25 and 0.3 there: smaller, not absent", inner, "no threshold", "X")
    yield compare("how often T_c2 turns between 0.2 and 0.4: no window", turns, [0] * len(turns), 0, "monotonic", "X")
    yield reported("order of the layers above 0.4: none, by rule", 0.0, "fluidity of the melt is not computed", "input")


CHECK = Check(identifier="row 11", title="Window of compositions", source=COMPOSITE, compare=compare_all)
