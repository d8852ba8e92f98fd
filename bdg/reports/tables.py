"""What a report shows of a run, as plain data: columns of numbers, evidence, warnings."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bdg.jobs.model.results import Ensemble, JobResults, PointResult

DIGITS = 6  # of a number in a table
LONGEST_TEXT = 400  # characters of a piece of evidence


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes
    ----------
    name, unit, description : str
    values : list
        Numbers and texts, None where a point has none.
    errors : list or None
        Standard errors of the numbers.
    swept : bool
        A key of the job that many values were given for.
    """

    name: str
    unit: str
    description: str
    values: list[Any]
    errors: list[Any] | None = None
    swept: bool = False

    @property
    def numeric(self) -> bool:
        """Whether all that is there are numbers."""
        return all(value is None or isinstance(value, int | float) for value in self.values)

    def plain(self) -> dict[str, Any]:
        """Return the column as JSON holds it."""
        return {
            "name": self.name,
            "unit": self.unit,
            "values": self.values,
            "errors": self.errors,
            "swept": self.swept,
            "numeric": self.numeric,
        }


def point_columns(results: JobResults) -> list[Column]:
    """Return the swept keys of all points, and every observable that is one number."""
    points = results.points
    observed = _scalars([point.observables for point in points])
    found = _swept([point.parameters for point in points])
    for name in observed:
        of = next(point for point in points if name in point.observables)
        values = [_plain(point.observables.get(name)) for point in points]
        found.append(Column(name, of.units.get(name, ""), of.descriptions.get(name, ""), values))
    return found


def ensemble_columns(results: JobResults) -> list[Column]:
    """Return the same for means over seeds with their standard errors; empty where no seed was swept."""
    ensembles = results.ensembles()
    if not ensembles:
        return []
    found = _swept([each.parameters for each in ensembles])
    found.append(Column("seeds", "1", "how many the mean is over", [len(each.seeds) for each in ensembles]))
    for name in _scalars([each.mean for each in ensembles]):
        found.append(_mean_column(name, ensembles))
    return found


def _mean_column(name: str, ensembles: Sequence[Ensemble]) -> Column:
    of = next(each for each in ensembles if name in each.mean)
    values = [_plain(each.mean.get(name)) for each in ensembles]
    errors = [_plain(each.standard_error.get(name)) for each in ensembles]
    return Column(name, of.units.get(name, ""), f"mean of: {of.descriptions.get(name, '')}", values, errors)


def _swept(parameters: Sequence[Mapping[str, Mapping[str, Any]]]) -> list[Column]:
    """Return the keys that differ between points."""
    found = []
    for section, keys in parameters[0].items() if parameters else ():
        for name in keys:
            values = [each.get(section, {}).get(name) for each in parameters]
            if any(value != values[0] for value in values):
                told = [value if isinstance(value, int | float | str) else str(value) for value in values]
                found.append(Column(name, "", f"[{section}]", told, swept=True))
    return found


def _scalars(observables: Sequence[Mapping[str, np.ndarray]]) -> list[str]:
    """Return the names of observables that are one real number wherever they are there."""
    names = dict.fromkeys(name for each in observables for name in each)
    return [
        name
        for name in names
        if all(each[name].ndim == 0 and each[name].dtype.kind != "c" for each in observables if name in each)
    ]


def _plain(value: np.ndarray | None) -> float | int | None:
    """Return a number as JSON holds it; None for what is no finite one."""
    if value is None or value.ndim:
        return None
    number = value.item()
    return number if not isinstance(number, float) or math.isfinite(number) else None


def in_words(value: Any) -> str:
    """Return a cell of a table."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "–"
    return f"{value:.{DIGITS}g}" if isinstance(value, float) else str(value)


def evidence_rows(point: PointResult) -> list[tuple[str, str]]:
    """Return the evidence of a point, flat: "pair_amplitude.method" and what it says."""
    return [(name, text if len(text) <= LONGEST_TEXT else text[:LONGEST_TEXT] + " …") for name, text in _flat(point)]


def _flat(point: PointResult) -> Iterator[tuple[str, str]]:
    def walk(prefix: str, value: Any) -> Iterator[tuple[str, str]]:
        if isinstance(value, Mapping):
            for key, item in value.items():
                yield from walk(f"{prefix}.{key}" if prefix else str(key), item)
        else:
            yield prefix, in_words(value) if isinstance(value, int | float) else str(value)

    yield from walk("", point.evidence)
