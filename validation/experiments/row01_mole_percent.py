"""Row 1: mole percent of MgO/Mg2Si/MgB2 made from a glass with 68 % SiO2 and 24 % B2O3."""

from __future__ import annotations

from collections.abc import Iterator

from bdg.lattices import composition
from bdg.validation.experiments import COMPOSITE
from bdg.validation.row import Check, Comparison, compare

B2O3_TO_SIO2 = 24 / 68
PAPER = (69, 23, 8)  # MgO, Mg2Si, MgB2


def compare_all(slow: bool) -> Iterator[Comparison]:
    """Yield the three shares."""
    shares = composition(B2O3_TO_SIO2).mole_percent
    value = [shares[compound] for compound in ("MgO", "Mg2Si", "MgB2")]
    yield compare("mole % of MgO, Mg2Si, MgB2 from 68 SiO2 - 24 B2O3", value, PAPER, 0.5, "paper gives whole %", "P")


CHECK = Check(identifier="row 01", title="Mole percent", source=COMPOSITE, compare=compare_all)
