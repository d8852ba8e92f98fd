"""Row 12: the image above the lower transition is uniform: the residual field, without vortices and screening."""

from __future__ import annotations

from collections.abc import Iterator

from bdg.electrodynamics import VortexField
from bdg.instruments import ScanningSquid
from bdg.validation.experiments import COMPOSITE
from bdg.validation.row import Check, Comparison, compare

RESIDUAL_UT = 3.2
FIELD = VortexField(height_um=5, penetration_depth_um=4)


def compare_all(slow: bool) -> Iterator[Comparison]:
    """Yield mean and contrast of an image without vortices."""
    image = ScanningSquid().image([], FIELD, 120, 2, background_uT=RESIDUAL_UT)
    yield compare("mean of the image at 29 K in uT", image.mean_uT, RESIDUAL_UT, 0.01, "no screening", "P")
    yield compare("its standard deviation in uT", float(image.values.std()), 0.0, 0.01, "no screening", "P")


CHECK = Check(identifier="row 12", title="Image above T_c2", source=COMPOSITE, compare=compare_all)
