"""Row 3: density of the composite without pores; measured 2.70 +- 0.3 g/cm3."""

from __future__ import annotations

from collections.abc import Iterator

from bdg.lattices import composition
from bdg.validation.experiments import COMPOSITE
from bdg.validation.row import Check, Comparison, compare

B2O3_TO_SIO2 = 24 / 68
PAPER = 2.72  # g/cm3, calculated there


def compare_all(slow: bool) -> Iterator[Comparison]:
    """Yield the density."""
    density = composition(B2O3_TO_SIO2).density
    reason = "densities of the compounds to 1 %"
    yield compare("ideal density in g/cm3 from 68 SiO2 - 24 B2O3", density, PAPER, 0.02, reason, "P")


CHECK = Check(identifier="row 03", title="Ideal density", source=COMPOSITE, compare=compare_all)
