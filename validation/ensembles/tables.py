"""Small tables of ensembles as text: what made them and what the columns mean on top, then one sample a line."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

DIGITS = 10

Row = dict[str, float]
"""Values of a sample by name; nan: not computed for it."""


def read_table(path: Path) -> list[Row]:
    """Return the rows of a table."""
    with path.open(encoding="utf-8", newline="") as file:
        found = csv.DictReader(line for line in file if not line.startswith("#"))
        return [{name: float(value) if value else math.nan for name, value in row.items()} for row in found]


def write_table(
    rows: Iterable[Mapping[str, float]], path: Path, command: str, keys: Sequence[str], values: Mapping[str, str]
) -> None:
    """Write rows in the order of their keys; those of the same keys become one.

    Parameters
    ----------
    rows : iterable of dict
    path : path
    command : str
        What makes the table again.
    keys : sequence of str
        Columns that tell a sample from the others.
    values : dict of str
        The other columns, with what they mean.
    """
    merged: dict[tuple[float, ...], Row] = {}
    for row in rows:
        known = merged.setdefault(tuple(row[name] for name in keys), {})
        known |= {name: value for name, value in row.items() if not math.isnan(value)}
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(f"# Made by: {command}\n")
        file.writelines(f"# {name}: {words}\n" for name, words in values.items())
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*keys, *values])
        for key in sorted(merged):
            writer.writerow([_text(merged[key].get(name, math.nan)) for name in (*keys, *values)])


def _text(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.{DIGITS}g}"


def selected(rows: Iterable[Row], **wanted: float) -> list[Row]:
    """Return the rows with these values."""
    return [row for row in rows if all(row[name] == value for name, value in wanted.items())]


def mean(rows: Sequence[Row], name: str) -> tuple[float, float]:
    """Return mean and standard error of a column over the samples that have it; of one sample the error is nan."""
    values = np.array([row[name] for row in rows])
    values = values[~np.isnan(values)]
    error = values.std(ddof=1) / math.sqrt(values.size) if values.size > 1 else math.nan
    return (float(values.mean()) if values.size else math.nan), float(error)
