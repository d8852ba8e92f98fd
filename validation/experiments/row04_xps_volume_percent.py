"""Row 4: volume percent that follow from the amounts which photoelectron spectroscopy (XPS) finds."""

from __future__ import annotations

from collections.abc import Iterator

from bdg.lattices.materials.composition import volume_percent
from bdg.validation.experiments import COMPOSITE
from bdg.validation.row import Check, Comparison, compare

XPS_MOLES = {"MgO": 80, "Mg2Si": 15, "MgB2": 5}
PAPER = (57, 37, 6)


def compare_all(slow: bool) -> Iterator[Comparison]:
    """Yield the three shares."""
    shares = volume_percent(XPS_MOLES)
    value = [shares[compound] for compound in XPS_MOLES]
    reason = "paper gives whole %; B is known to 1 in 4"
    yield compare("volume % of MgO, Mg2Si, MgB2 from 80:15:5 moles (XPS)", value, PAPER, 1, reason, "P")


CHECK = Check(identifier="row 04", title="Volume percent from XPS", source=COMPOSITE, compare=compare_all)
