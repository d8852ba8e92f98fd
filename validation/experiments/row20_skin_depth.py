"""Row 20: the skin depth of magnesium at room temperature and 1550 Hz."""

from __future__ import annotations

from collections.abc import Iterator

from bdg.electrodynamics import skin_depth
from bdg.lattices.materials.material import material
from bdg.validation.experiments import SPHERES
from bdg.validation.row import Check, Comparison, compare

FREQUENCY_HZ, PAPER_MM = 1550.0, 2.6


def compare_all(slow: bool) -> Iterator[Comparison]:
    """Yield delta for the resistivity of handbooks at 293 K (not verified)."""
    table = material("Mg")["resistivity"]
    mark = "" if table.verified else " (rho not verified)"
    value = 1e3 * float(skin_depth(1e-8 * table.value[-1], FREQUENCY_HZ))  # type: ignore[index]
    yield compare(f"skin depth in mm at 293 K{mark}", value, 2.68, 0.03, "8 % between the axes of a crystal", "P")
    yield compare(f"the same beside the paper{mark}", value, PAPER_MM, 0.05 * PAPER_MM, "5 %", "P")


CHECK = Check(identifier="row 20", title="Skin depth", source=SPHERES, compare=compare_all)
