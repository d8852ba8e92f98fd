"""A run as tables: one row a point (or a mean over seeds) for numbers, long tables for arrays.

Numbers of a point are columns of one table. Arrays whose first axis has the same length and letter ("(M,)" in their
descriptions) in every point are one long table: a row for each index along that axis, further axes as components, with
the parameters that differ between points before them. Names of columns are those of `bdg.base.tables`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bdg.base.tables import MOST_COMPONENTS, Quantity, table_of
from bdg.jobs.model.schema import unit_of
from bdg.jobs.model.sweep import Parameters

Columns = dict[str, np.ndarray]
_LETTER = re.compile(r"\((\w+),")


@dataclass(frozen=True)
class Record:
    """A row of the table of a run.

    Attributes
    ----------
    parameters : dict
        By section and key.
    values, units, descriptions : dict
        By observable.
    """

    parameters: Parameters
    values: Mapping[str, np.ndarray]
    units: Mapping[str, str]
    descriptions: Mapping[str, str]


def number_table(records: Sequence[Record]) -> Columns:
    """Return parameters and numbers, one row a record; a number that a record lacks is nan."""
    columns = _parameters(records, _keys(records))
    for name in _names(records):
        if all(np.ndim(record.values[name]) == 0 for record in records if name in record.values):
            kept = [np.asarray(record.values.get(name, np.nan)) for record in records]
            _add(columns, Quantity(name, np.array(kept), _unit(records, name), ("point",)))
    return columns


def array_tables(records: Sequence[Record]) -> dict[tuple[str, ...], Columns]:
    """Return the long tables of arrays, each by the observables that it holds."""
    groups: dict[Any, list[str]] = {}
    for name in _names(records):
        if any(np.ndim(record.values[name]) for record in records if name in record.values):
            groups.setdefault(_shape_of(records, name), []).append(name)
    return {tuple(names): _long_table(records, names) for names in groups.values()}


def table_with(records: Sequence[Record], name: str | None) -> Columns:
    """Return the table of numbers, or the long one that holds an array; ValueError where there is none."""
    if name is None:
        return number_table(records)
    tables = {each: table for names, table in array_tables(records).items() for each in names}
    if name not in tables:
        raise ValueError(f"of must be an array of the points; got {name!r}. There are {', '.join(tables) or 'none'}")
    return tables[name]


def _long_table(records: Sequence[Record], names: Sequence[str]) -> Columns:
    """Return some arrays of one shape, a row for each index along the first axis of each record."""
    parts: list[Columns] = []
    swept = [key for key in _keys(records) if len({text_of(_value(record, key)) for record in records}) > 1]
    for number, record in enumerate(records):
        there = [name for name in names if np.ndim(record.values.get(name, 0))]
        quantities = [_array(name, record) for name in there]
        if not quantities:
            continue
        table = table_of(quantities, there[0])
        rows = len(next(iter(table.values())))
        before = {"point": np.full(rows, number), "index": np.arange(rows)}
        own = {name: np.repeat(column, rows) for name, column in _parameters([record], swept).items()}
        parts.append({**before, **own, **table})
    columns = list(dict.fromkeys(name for part in parts for name in part))
    return {name: np.concatenate([_or_nan(part, name) for part in parts]) for name in columns}


def _or_nan(part: Columns, name: str) -> np.ndarray:
    return part[name] if name in part else np.full(len(part["point"]), np.nan)


def _array(name: str, record: Record) -> Quantity:
    values = np.asarray(record.values[name])
    count = int(np.prod(values.shape[1:]))
    further = tuple(map(str, values.shape[1:])) if count <= MOST_COMPONENTS else tuple("bcdefg"[: values.ndim - 1])
    if name.startswith("positions") and values.ndim == 2:
        further = ("dim",)
    return Quantity(name, values, _unit_beside(name, record.units.get(name, "")), ("a", *further))


def _shape_of(records: Sequence[Record], name: str) -> Any:
    """Return what arrays of one long table have in common."""
    letter = next((_LETTER.search(r.descriptions.get(name, "")) for r in records if name in r.values), None)
    shapes = [np.shape(record.values[name]) if name in record.values else () for record in records]
    wide = any(int(np.prod(shape[1:])) > MOST_COMPONENTS for shape in shapes)
    return letter[1] if letter else "", tuple(shapes) if wide else tuple(shape[:1] for shape in shapes)


def _parameters(records: Sequence[Record], keys: Sequence[tuple[str, str]]) -> Columns:
    """Return the parameters as columns; a name that two sections have gets that of its section, too."""
    names = [name for _, name in keys]
    columns: Columns = {}
    for section, name in keys:
        values = [_value(record, (section, name)) for record in records]
        shown = name if names.count(name) == 1 else f"{section}.{name}"
        _add(columns, Quantity(shown, *_as_array(values, unit_of(name))))
    return columns


def _as_array(values: list[Any], unit: str) -> tuple[np.ndarray, str, tuple[str, ...]]:
    """Return values, unit and axes of a column: numbers where all are, vectors of one length, else texts."""
    if all(isinstance(value, int | float) for value in values):
        return np.array(values), unit, ("point",)
    if all(isinstance(value, list) and all(isinstance(x, int | float) for x in value) for value in values):
        lengths = {len(value) for value in values}
        if len(lengths) == 1 and lengths != {0}:
            return np.array(values), unit, ("point", str(lengths.pop()))
    return np.array([text_of(value) for value in values], dtype=object), "", ("point",)


def text_of(value: Any) -> str:
    """Return a parameter as text: "" for None, JSON of what is neither text nor None."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)


def _add(columns: Columns, quantity: Quantity) -> None:
    """Add a quantity as columns; one whose name is a parameter's is called found_..."""
    for name, column in table_of([quantity]).items():
        columns[name if name not in columns else f"found_{name}"] = column


def _keys(records: Sequence[Record]) -> list[tuple[str, str]]:
    found = [(s, name) for record in records for s, keys in record.parameters.items() for name in keys]
    return list(dict.fromkeys(found))


def _value(record: Record, key: tuple[str, str]) -> Any:
    return record.parameters.get(key[0], {}).get(key[1])


def _names(records: Sequence[Record]) -> list[str]:
    return list(dict.fromkeys(name for record in records for name in record.values))


def _unit(records: Sequence[Record], name: str) -> str:
    return _unit_beside(name, next((record.units[name] for record in records if name in record.units), ""))


def _unit_beside(name: str, unit: str) -> str:
    """Return a unit, "" where the name ends with it in another spelling ("entropy_kB" in k_B)."""
    return "" if name.endswith(f"_{re.sub('[^A-Za-z0-9]', '', unit)}") else unit
