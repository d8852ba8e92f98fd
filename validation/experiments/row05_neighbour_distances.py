"""Row 5: distance of each grain to its nearest neighbour, of grains at random that do not overlap.

The paper says "20 to 50 nm" without saying from where to where. Centres of a random packing agree with it; surfaces of
20 nm grains at this volume fraction would be nearer than 20 nm in any arrangement but a nearly regular one.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bdg.lattices.packing.pack_spheres import pack_spheres
from bdg.validation.experiments import COMPOSITE
from bdg.validation.row import Check, Comparison, compare, within

DIAMETER_NM, VOLUME_FRACTION, GRAINS, SEED = 20.0, 0.06, 600, 1
PAPER_NM = (20.0, 50.0)
RANDOM_PACKING_NM = (20.7, 37.0)  # 5 % and 95 % of another random packing of 600 grains


def compare_all(slow: bool) -> Iterator[Comparison]:
    """Yield the range of nearest centre distances, and the same beside another packing code."""
    length = DIAMETER_NM * (np.pi * GRAINS / (6 * VOLUME_FRACTION)) ** (1 / 3)
    packing = pack_spheres((length,) * 3, volume_fraction=VOLUME_FRACTION, diameter=DIAMETER_NM, seed=SEED)
    value = np.quantile(packing.centre_distances, [0.05, 0.95])
    what = "nearest centre distances in nm, 5 and 95 %"
    yield within(what, value, *PAPER_NM, "centres of a random packing", "P")
    yield compare(f"{what}, another packing", value, RANDOM_PACKING_NM, 2.0, "quantiles of 600 grains", "S")


CHECK = Check(identifier="row 05", title="Nearest neighbours", source=COMPOSITE, compare=compare_all)
