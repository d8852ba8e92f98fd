"""Row 13: the number of vortices in 120 um x 120 um is that of the flux quanta of applied and residual field.

It counts quanta, whatever makes the superconductor: it says nothing on a mechanism. What the images show exists as a
figure only.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bdg.instruments import vortex_count
from bdg.validation.experiments import COMPOSITE
from bdg.validation.row import Check, Comparison, Curve, compare, reported

APPLIED_UT = (1.5, 1.0, 0.0, -1.0, -1.5, -2.5, -3.0)
COUNTS = (32.0, 28.5, 21.6, 14.6, 11.0, 4.0, 0.7)
RESIDUAL_UT, RANGE_UT, WINDOW_UM = 3.1, (3.0, 3.2), 120.0


def counts(residual: float) -> list[float]:
    """Return ``|B + B_residual| S/Phi_0`` of each panel."""
    return [vortex_count(applied + residual, WINDOW_UM) for applied in APPLIED_UT]


def compare_all(slow: bool) -> Iterator[Comparison]:
    """Yield the counts at the middle of the residual field, and at both ends of its range."""
    what = "vortices in 120 um at +1.5 1 0 -1 -1.5 -2.5 -3 uT"
    yield compare(what, counts(RESIDUAL_UT), COUNTS, 0.75, "residual 3.0 to 3.2 uT: +-.7, and rounding", "P")
    for residual in RANGE_UT:
        yield reported(f"the same with a residual of {residual} uT", counts(residual), "end of the range", "R")


def counted(applied_uT: np.ndarray) -> np.ndarray:
    """Return the numbers of vortices in applied fields."""
    return np.array([vortex_count(applied + RESIDUAL_UT, WINDOW_UM) for applied in applied_uT.tolist()])


CURVES = (Curve(quantity="vortices", x="applied field", x_unit="uT", y_unit="1", range=(-10.0, 10.0), values=counted),)
CHECK = Check(identifier="row 13", title="Vortex counts", source=COMPOSITE, compare=compare_all, curves=CURVES)
