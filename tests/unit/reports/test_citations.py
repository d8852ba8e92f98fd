"""BibTeX of a run: entries that are whole, and those that its evidence calls for."""

import re

import numpy as np
import pytest

import bdg
from bdg.jobs.kinds import kind_names
from bdg.jobs.model.results import JobResults, PointResult
from bdg.reports.citations import OF_KINDS, OF_METHODS, bibtex, entries


def results(kind, evidence):
    return JobResults(kind, "a", "b", (PointResult("0" * 24, "", {}, {"x": np.array(1.0)}, evidence=evidence),))


def keys(text):
    return re.findall(r"^@\w+\{(\w+),", text, re.MULTILINE)


def test_all_entries_are_whole():
    found = entries()
    assert len(found) == len(set(found)) and bdg.__version__ in found["bdg"]
    for key, text in found.items():
        assert text.count("{") == text.count("}"), key
        if key != "bdg":
            assert "author = {" in text and re.search(r"year = \{\d{4}\}", text), key
        if text.startswith("@article"):
            assert re.search(r"doi = \{10\.\d{4,}/\S+\}", text), key
    called = {key for group in (OF_KINDS, OF_METHODS) for names in group.values() for key in names}
    assert called <= set(found) and set(found) - called == {"bdg"}


@pytest.mark.parametrize("kind", kind_names())
def test_every_kind_is_known(kind):
    assert kind in OF_KINDS
    assert keys(bibtex(results(kind, {})))[0] == "bdg"


def test_methods_are_found_in_the_depth_of_the_evidence():
    evidence = {"pair_amplitude": {"method": "poles"}, "deeper": {"bound_states": {"method": "chebyshev"}}}
    found = keys(bibtex(results("composite", evidence)))
    assert {"degennes1966", "kaye2022", "lin2011", "weisse2006"} <= set(found)
    assert "parlett1980" not in found and len(found) == len(set(found))
