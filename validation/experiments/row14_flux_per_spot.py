"""Row 14: a flux quantum for each spot, if the window is right.

The total flux over the number of spots is Phi_0; a disc of 15 um around one spot holds half of it, and a single vortex
in an image of 120 um sends an eighth of its flux outside.
"""

from __future__ import annotations

from collections.abc import Iterator

from bdg.electrodynamics import VortexField
from bdg.lattices.units import FLUX_QUANTUM_WB
from bdg.validation.experiments import COMPOSITE
from bdg.validation.row import Check, Comparison, compare, within

PAPER_WB, LOOP_UM = 2e-15, 4.0
DISCS_UM = (10.0, 15.0, 30.0, 60.0)
IN_DISCS = {2.0: (0.40, 0.56, 0.77, 0.88), 5.0: (0.25, 0.41, 0.67, 0.83)}  # by lambda in um


def compare_all(slow: bool) -> Iterator[Comparison]:
    """Yield the flux of a spot in a wide window, and what discs hold."""
    wide = VortexField(height_um=5, penetration_depth_um=4).flux_in_disc(450.0, LOOP_UM)
    what = "flux per spot in Wb, window 450 um"
    yield compare(what, wide * FLUX_QUANTUM_WB, PAPER_WB, 0.1 * PAPER_WB, "the paper's 10 %", "P")
    for depth, expected in IN_DISCS.items():
        field = VortexField(height_um=5, penetration_depth_um=depth)
        what = f"share in discs of 10, 15, 30, 60 um, lambda = {depth:g} um"
        yield compare(
            what, field.flux_in_disc(list(DISCS_UM), LOOP_UM), expected, 7.5e-3, "rounded in the reference", "E"
        )
    image = VortexField(height_um=5, penetration_depth_um=4).flux_in_square(120.0, LOOP_UM)
    yield within("share of one vortex in an image of 120 um", image, 0.84, 0.90, "lambda about 4 um", "C")


CHECK = Check(identifier="row 14", title="Flux per spot", source=COMPOSITE, compare=compare_all)
