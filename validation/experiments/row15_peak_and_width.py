"""Row 15: height and width of a spot for a given penetration depth; the measured ones exist as a figure only.

With the colour scale of the images digitised they bound lambda from above: beyond 5 um spots at 21 um are not separate.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from bdg.electrodynamics import VortexField
from bdg.validation.experiments import COMPOSITE
from bdg.validation.row import Check, Comparison, Curve, compare, reported

HEIGHT_UM = LOOP_UM = 5.0
PEAK_UT = {2.0: 4.55, 4.0: 2.89, 5.0: 2.39}  # by lambda in um
WIDTH_UM = {2.0: 14.5, 4.0: 17.4, 5.0: 18.8}


def spot(depth_um: float, height_um: float = HEIGHT_UM, loop_um: float = LOOP_UM) -> tuple[float, float]:
    """Return peak (uT) and full width at half maximum (um) of an isolated vortex as a loop reads it."""
    r = np.linspace(0, 30, 601)
    profile = VortexField(height_um=height_um, penetration_depth_um=depth_um).through_loop(loop_um, r)
    return float(profile[0]), 2 * float(np.interp(-profile[0] / 2, -profile, r))


def profile(depth_um: float, distances_um: np.ndarray) -> np.ndarray:
    """Return the field in uT that a loop reads at distances from an isolated vortex, above the background."""
    field = VortexField(height_um=HEIGHT_UM, penetration_depth_um=depth_um)
    return np.asarray(field.through_loop(LOOP_UM, distances_um))


def compare_all(slow: bool) -> Iterator[Comparison]:
    """Yield peaks and widths, and how they change with the radius of the loop."""
    found = [spot(depth) for depth in PEAK_UT]
    reason = "rounded in the reference"
    yield compare("peak in uT, lambda 2, 4, 5 um", [p for p, _ in found], list(PEAK_UT.values()), 0.01, reason, "C")
    yield compare("width in um, lambda 2, 4, 5 um", [w for _, w in found], list(WIDTH_UM.values()), 0.1, reason, "C")
    values = spot(4.0, loop_um=4.0)
    yield reported(
        "peak in uT and width in um, lambda 4, loop 4 um", values, "needs the figure: the measured spots", "R"
    )


CURVES = tuple(
    Curve(
        quantity="field of a vortex",
        x="distance",
        x_unit="um",
        y_unit="uT",
        range=(0.0, 30.0),
        values=partial(profile, depth),
        model=f"lambda {depth:g} um",
    )
    for depth in PEAK_UT
)
CHECK = Check(
    identifier="row 15", title="Height and width of spots", source=COMPOSITE, compare=compare_all, curves=CURVES
)
