"""A few lines on what a result is: what it holds, in which units, and how it was obtained."""

from __future__ import annotations

import dataclasses
from numbers import Integral, Number
from typing import Any

import numpy as np

from bdg.lattices.summary import spread, units_in_words
from bdg.lattices.system import System
from bdg.lattices.unit_names import UnitNames

MOST_FIELDS = 13
LONGEST = 90  # characters of a text


def about_result(result: Any) -> tuple[str, list[tuple[str, str]]]:
    """Return the kind of a result with its method, and a row for each of its first fields."""
    evidence = result.evidence
    method, device, seconds = (evidence.get(name) for name in ("method", "device", "seconds"))
    title = type(result).__name__
    title += f" by {method}" if method else ""
    title += f" on {device}" if device else ""
    title += f", {seconds:.2g} s" if isinstance(seconds, float) else ""
    lost = np.atleast_1d(getattr(result, "normal", False))  # of a gap, or of each phase of a current
    if lost.any():
        title += ", normal (Delta = 0)" + (f" at {lost.sum()} of {lost.size} phases" if lost.size > 1 else "")
    fields = [item for item in dataclasses.fields(result) if item.name not in ("evidence", "units")]
    rows = [
        (item.name, _words(getattr(result, item.name), result.units.put_into(item.metadata.get("unit", ""))))
        for item in fields[:MOST_FIELDS]
    ]
    if len(fields) > MOST_FIELDS:
        rows.append(("further", ", ".join(item.name for item in fields[MOST_FIELDS:])))
    if result.units != UnitNames():
        rows.append(("units", units_in_words(result.units)))
    if evidence.get("why"):
        rows.append(("why", _shortened(str(evidence["why"]))))
    return title, rows


def _words(value: Any, unit: str) -> str:
    """Return a value in short, of an array its shape and range."""
    unit = "" if unit in ("", "1") else f" {unit}"
    if isinstance(value, bool | np.bool_ | str) or value is None:
        return _shortened(str(value))
    if isinstance(value, Number):
        return f"{value if isinstance(value, Integral) else format(value, '.6g')}{unit}"
    if isinstance(value, np.ndarray):
        return _of_array(value, unit)
    if isinstance(value, System):
        return f"System of {value.n_sites} sites"
    if isinstance(value, dict):
        return _shortened(", ".join(f"{key} {_words(part, unit.strip())}" for key, part in value.items()))
    if isinstance(value, list | tuple):
        return _shortened(", ".join(_words(part, unit.strip()) for part in value)) or "none"
    return type(value).__name__


def _of_array(values: np.ndarray, unit: str) -> str:
    shape = f"({', '.join(map(str, values.shape))}{',' * (values.ndim == 1)})"
    if not values.size:
        return "none"
    if values.ndim == 0:
        return f"{values.item():.6g}{unit}"
    if values.dtype.kind == "b":
        return f"{shape}, {np.count_nonzero(values)} of {values.size} true"
    if values.dtype.kind == "c":
        return f"{shape} complex, moduli {spread(abs(values))}{unit}"
    known = values[np.isfinite(values)]
    return f"{shape}, {spread(known) if known.size else 'nan'}{unit}"


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 3]}..."
