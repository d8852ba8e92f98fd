"""Row 17: slopes of M(H) across and along the plate differ by about 10 below 20 K.

A plate of the layer's thickness that screens fully gives 3.5 to 10.2 by demagnetisation alone, for edges of 3 to 10 mm:
the ratio says nothing on lambda. Layers that are not coupled would give several hundred.
"""

from __future__ import annotations

from collections.abc import Iterator

from bdg.electrodynamics import LayerStack, demagnetisation_factor, plate_susceptibility
from bdg.validation.experiments import COMPOSITE
from bdg.validation.row import Check, Comparison, compare, reported

EDGES_MM, THICKNESS_MM = (3.0, 5.0, 10.0), 0.5
RATIOS = (3.53, 5.45, 10.15)
LAYER_UM, PERIOD_UM, DEPTH_UM = 3.0, 6.0, 4.0


def screening_ratio(edge_mm: float) -> float:
    """Return the moment across over that along a plate that screens fully."""
    half, thin = edge_mm / 2, THICKNESS_MM / 2
    return plate_susceptibility(half, half, thin) / plate_susceptibility(half, thin, half)


def formula_ratio(edge_mm: float) -> float:
    """Return the same with the factors of Prozorov and Kogan."""
    half, thin = edge_mm / 2, THICKNESS_MM / 2
    across, along = (
        demagnetisation_factor(*axes, "prozorov-kogan") for axes in ((half, half, thin), (half, thin, half))
    )
    return (1 - along) / (1 - across)


def compare_all(slow: bool) -> Iterator[Comparison]:
    """Yield the ratio of full screening, that of a formula, and that of layers."""
    what = f"slope across over along, full screening, {', '.join(f'{edge:g}' for edge in EDGES_MM)} x .5 mm"
    yield compare(what, [screening_ratio(edge) for edge in EDGES_MM], RATIOS, 0.05, "two sets of panels", "P")
    yield reported("the same by Prozorov and Kogan", [formula_ratio(e) for e in EDGES_MM], "chi_0 17 to 31 % high", "R")
    layers = LayerStack(LAYER_UM, PERIOD_UM, DEPTH_UM).anisotropy(1e3 * EDGES_MM[0], 1e3 * THICKNESS_MM)
    yield reported("uncoupled layers, 3 mm", layers, "above 100: excluded unless currents cross", "X")


CHECK = Check(identifier="row 17", title="Anisotropy of the slopes", source=COMPOSITE, compare=compare_all)
