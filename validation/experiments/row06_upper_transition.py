"""Row 6: T_c1 of the grains, at which the resistance begins to fall. It scales the gap curve of every other row."""

from __future__ import annotations

from collections.abc import Iterator

from bdg.lattices import material
from bdg.validation.experiments import COMPOSITE
from bdg.validation.row import Check, Comparison, compare

PAPER_K = 37.0


def compare_all(slow: bool) -> Iterator[Comparison]:
    """Yield the number that the calculations take."""
    critical = material("MgB2")["critical_temperature"].value
    yield compare("T_c1 in K, which scales Delta(T) of the grains", critical, PAPER_K, 0.0, "taken from there", "input")


CHECK = Check(identifier="row 06", title="Upper transition T_c1", source=COMPOSITE, compare=compare_all)
