"""Measured points from a file, for the rows of the experiments whose paper has a figure only.

A CSV file (comma, UTF-8) with the columns

    row,quantity,x,x_unit,y,y_unit,y_error

in any order; the error is one standard deviation in the unit of y. Blank lines, and lines that begin with #, are
skipped. What can be compared is what the rows declare as `bdg.validation.row.Curve`; `words` lists it.
"""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from bdg.base.errors import JobError
from bdg.jobs.model.schema import did_you_mean
from bdg.lattices.storage import shown
from bdg.validation.row import Check, Comparison, Curve, measured

COLUMNS = ("row", "quantity", "x", "x_unit", "y", "y_unit", "y_error")
UNITS: Mapping[str, Mapping[str, float]] = {  # of a unit of the rows: what else is taken, and its size
    "1": {"1": 1.0, "%": 0.01},
    "K": {"K": 1.0, "mK": 1e-3},
    "mA": {"mA": 1.0, "A": 1e3, "uA": 1e-3},
    "uT": {"uT": 1.0, "nT": 1e-3, "mT": 1e3, "T": 1e6, "G": 100.0},
    "um": {"um": 1.0, "nm": 1e-3, "mm": 1e3},
}
MOST_PROBLEMS, MOST_SHOWN = 20, 10
TEXT_MOST = 60


@dataclass(frozen=True, kw_only=True)
class Points:
    """Measured points of one quantity of a row, in the units of the row: arrays (M,), ascending in x."""

    x: np.ndarray
    y: np.ndarray
    errors: np.ndarray


Measured = Mapping[tuple[str, str], Points]
"""Points by row ("row 22") and quantity."""


def words(checks: Mapping[str, Check]) -> str:
    """Return what can be compared, one line a quantity: row, name, variable with its range, unit."""
    lines = {}
    for check in checks.values():
        for curve in check.curves:
            low, high = curve.range
            variable = f"{curve.x} from {low:g} to {high:g} {curve.x_unit}"
            lines[check.identifier, curve.quantity] = (
                f"  {check.identifier}  {curve.quantity:38}  against {variable}, in {curve.y_unit}"
            )
    return "\n".join(lines.values())


def read_points(path: str | os.PathLike[str], checks: Mapping[str, Check]) -> Measured:
    """Return the points of a file.

    Parameters
    ----------
    path : path
    checks : mapping
        Checks by identifier; their curves say what is known.

    Returns
    -------
    mapping from (row, quantity) to Points

    Raises
    ------
    JobError
        If the file cannot be read, or lines break a rule: each with file, line, column, rule and cure.
    """
    name = os.fspath(path)
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            lines = [(number, cells) for number, cells in _cells(file)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        why = getattr(error, "strerror", None) or shown(error)
        raise JobError(f"{name}: cannot be read as a CSV file in UTF-8 ({why})") from error
    columns = _columns(name, lines)
    known = {(check.identifier, curve.quantity): curve for check in checks.values() for curve in check.curves}
    problems: list[str] = []
    found: dict[tuple[str, str], list[tuple[float, float, float]]] = {}
    for number, cells in lines[1:]:
        try:
            if len(cells) != len(COLUMNS):
                raise _Broken("", f"must have {len(COLUMNS)} cells, like the header; got {len(cells)}. Quote commas")
            key, point = _point(dict(zip(columns, (cell.strip() for cell in cells), strict=True)), known)
        except _Broken as broken:
            problems.append(f"{name}: line {number}{broken}")
        else:
            found.setdefault(key, []).append(point)
    if problems:
        more = len(problems) - MOST_PROBLEMS
        raise JobError(*problems[:MOST_PROBLEMS], *([f"{name}: {more} more lines are wrong"] if more > 0 else []))
    if not found:
        raise JobError(f"{name}: holds no points below its header; add a line for each, or leave --data out")
    return {key: _sorted(points) for key, points in found.items()}


def comparisons(check: Check, points: Measured) -> Iterator[Comparison]:
    """Yield a comparison for each curve of a check of which there are points."""
    for curve in check.curves:
        found = points.get((check.identifier, curve.quantity))
        if found is not None:
            yield measured(curve, found.x, found.y, found.errors)


def unused(checks: Mapping[str, Check], points: Measured) -> list[str]:
    """Return which quantities of the rows no point was given for."""
    names = {(check.identifier, curve.quantity): None for check in checks.values() for curve in check.curves}
    return [f"{row} {quantity}" for row, quantity in names if (row, quantity) not in points]


class _Broken(ValueError):
    """A line that breaks a rule: its column, and the rule with its cure."""

    def __init__(self, column: str, rule: str) -> None:
        super().__init__(f", column {column}: {rule}" if column else f": {rule}")


def _cells(file: Iterator[str]) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(file, strict=True)
    for cells in reader:
        if any(cell.strip() for cell in cells) and not cells[0].lstrip().startswith("#"):
            yield reader.line_num, cells


def _columns(name: str, lines: list[tuple[int, list[str]]]) -> list[str]:
    header = [cell.strip() for cell in lines[0][1]] if lines else []
    number = lines[0][0] if lines else 1
    missing = [column for column in COLUMNS if column not in header]
    unknown = [column for column in header if column not in COLUMNS]
    twice = sorted({column for column in header if header.count(column) > 1})
    if missing or unknown or twice:
        faults = [f"misses {', '.join(missing)}"] * bool(missing) + [f"has twice {', '.join(twice)}"] * bool(twice)
        faults += [f"has the unknown {', '.join(repr(text[:TEXT_MOST]) for text in unknown)}"] * bool(unknown)
        raise JobError(
            f"{name}: line {number}: the header must name the columns {','.join(COLUMNS)}; it {' and '.join(faults)}"
        )
    return header


def _point(
    cells: Mapping[str, str], known: Mapping[tuple[str, str], Curve]
) -> tuple[tuple[str, str], tuple[float, float, float]]:
    rows = sorted({row for row, _ in known})
    text = cells["row"].lower().removeprefix("row").strip()
    row = f"row {text.zfill(2)}"
    if row not in rows:
        raise _Broken("row", f"must be a row with a curve, {', '.join(r[4:] for r in rows)}; got {_cut(cells['row'])}")
    names = [quantity for at, quantity in known if at == row]
    if cells["quantity"] not in names:
        hint = did_you_mean(cells["quantity"], names)
        unique = ", ".join(dict.fromkeys(names))
        raise _Broken("quantity", f"must be one of {unique} in {row}; got {_cut(cells['quantity'])}{hint}")
    curve = known[row, cells["quantity"]]
    x = _number("x", cells["x"]) * _unit("x_unit", cells["x_unit"], curve.x_unit)
    size = _unit("y_unit", cells["y_unit"], curve.y_unit)
    y, error = size * _number("y", cells["y"]), size * _number("y_error", cells["y_error"])
    low, high = curve.range
    if not low <= x <= high:
        where = f"{curve.quantity} of {row} is computed for {curve.x} from {low:g} to {high:g} {curve.x_unit}"
        raise _Broken("x", f"{where}; got {x:g}. Leave this point out")
    if not error > 0:
        raise _Broken("y_error", f"must be > 0, one standard deviation; got {error:g}. Take that of reading the figure")
    return (row, curve.quantity), (x, y, error)


def _number(column: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise _Broken(column, f"must be a finite number with a decimal point; got {_cut(text)}")
    return value


def _unit(column: str, text: str, unit: str) -> float:
    if text not in UNITS[unit]:
        raise _Broken(column, f"must be one of {', '.join(UNITS[unit])}; got {_cut(text)}. Convert the numbers")
    return UNITS[unit][text]


def _cut(text: str) -> str:
    return repr(text[:TEXT_MOST]) if text else "nothing"


def _sorted(points: list[tuple[float, float, float]]) -> Points:
    x, y, errors = np.array(sorted(points)).T
    return Points(x=x, y=y, errors=errors)
