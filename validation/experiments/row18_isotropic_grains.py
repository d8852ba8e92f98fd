"""Row 18: above the lower transition grains screen one by one, alike in both directions: -8e-5."""

from __future__ import annotations

from collections.abc import Iterator

from bdg.electrodynamics import london_sphere_susceptibility
from bdg.lattices.materials.material import material
from bdg.validation.experiments import COMPOSITE
from bdg.validation.row import Check, Comparison, compare, reported

VOLUME_FRACTION, RADIUS_NM = 0.08, 10.0
SLOPE = -8e-5


def compare_all(slow: bool) -> Iterator[Comparison]:
    """Yield the slope of spheres, its limit of small ones, and its range by lambda."""
    depth = material("MgB2")["penetration_depth"]
    value = float(depth.value)  # type: ignore[arg-type]
    slope = VOLUME_FRACTION * float(london_sphere_susceptibility(RADIUS_NM, value))
    small = -VOLUME_FRACTION * RADIUS_NM**2 / (10 * value**2)
    yield compare("slope over phi R^2/10 lambda^2", slope / small, 1.0, 1e-3, "spheres smaller than lambda", "P")
    yield compare("slope of M(H), either direction", slope, SLOPE, 0.2 * abs(SLOPE), "lambda of MgB2", "P")
    ends = [VOLUME_FRACTION * float(london_sphere_susceptibility(RADIUS_NM, value)) for value in depth.range]
    yield reported("the same for lambda of 80 and 140 nm", ends, "range of lambda", "R")


CHECK = Check(identifier="row 18", title="Slope of isolated grains", source=COMPOSITE, compare=compare_all)
