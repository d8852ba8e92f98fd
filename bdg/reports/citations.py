"""What to cite for a run: BibTeX of the theory and of the methods that its evidence names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from importlib import resources
from typing import Any

import bdg
from bdg.jobs.model.results import JobResults

_ENTRY = re.compile(r"^@\w+\{(\w+),\n.*?^\}$", re.MULTILINE | re.DOTALL)
_FACTORS = ("george1973", "duff1983")
OF_KINDS = {  # what the physics of a kind rests on
    "composite": ("degennes1966", "bardeen1957"),
    "dos": ("degennes1966", "bardeen1957"),
    "ldos": ("degennes1966", "bardeen1957"),
    "loops": ("degennes1966", "beenakker1991"),
    "landscape": ("degennes1966", "beenakker1991"),
    "coupling": ("degennes1966", "beenakker1991"),
    "chain": ("degennes1966", "swendsen1987", "wolff1989", "ambegaokar1969"),
    "sns": ("degennes1966", "beenakker1991"),
    "gap": ("degennes1966", "bardeen1957"),
    "critical_temperature": ("degennes1966", "bardeen1957"),
    "josephson": ("degennes1966", "golubov2004"),
    "stiffness": ("degennes1966", "scalapino1993"),
    "system": ("degennes1966", "groth2014"),  # where kwant built it
    "magnetometer": (),
    "sphere": (),
    "squid": (),
}
OF_METHODS = {  # what `evidence.method` says
    "lanczos": (*_FACTORS, "parlett1980"),
    "shift_invert": ("parlett1980",),
    "poles": ("kaye2022", *_FACTORS, "lin2011"),
    "green": (*_FACTORS, "lin2011"),
    "chebyshev": ("weisse2006", "covaci2010"),
    "kernel_polynomial": ("weisse2006",),
    "filtered": ("weisse2006",),
    "monte_carlo": ("swendsen1987", "wolff1989"),
}


def bibtex(results: JobResults) -> str:
    """Return the entries of a run, this package first."""
    methods = {method for point in results for method in _methods(point.evidence)}
    wanted = {"bdg", *OF_KINDS.get(results.kind, ())}
    wanted.update(key for method in methods for key in OF_METHODS.get(method, ()))
    return "\n\n".join(text for key, text in entries().items() if key in wanted) + "\n"


def entries() -> dict[str, str]:
    """Return all entries by their keys, in the order of the file."""
    text = resources.files("bdg.reports").joinpath("references.bib").read_text(encoding="utf-8")
    found = {match[1]: match[0] for match in _ENTRY.finditer(text)}
    found["bdg"] = found["bdg"].replace("VERSION", bdg.__version__)
    return found


def _methods(evidence: Any) -> Iterator[str]:
    """Yield every "method" in an evidence, however deep."""
    if isinstance(evidence, Mapping):
        if isinstance(evidence.get("method"), str):
            yield evidence["method"]
        for value in evidence.values():
            yield from _methods(value)
