"""Run the checks, print one line a comparison, write the table: ``bdg validate``."""

from __future__ import annotations

import datetime
import importlib
import itertools
import json
import math
import os
import pkgutil
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

import bdg.validation.checks
import bdg.validation.experiments
from bdg.base.errors import JobError
from bdg.jobs.folder.provenance import provenance
from bdg.validation import measured
from bdg.validation.measured import Measured
from bdg.validation.row import MUST_PASS, STATUSES, Check, Comparison, Row, deviations

SUITES = {"physics": bdg.validation.checks, "experiments": bdg.validation.experiments}
FORMAT = 1  # of the JSON table
WIDTH = 150  # of a printed line
_CHECK, _QUANTITY, _LONGEST, _NUMBERS = 6, 60, 92, 27  # widths of columns
_SHOWN = 4  # numbers of a long row that are printed
_SHORTER = (*((digits, _SHOWN) for digits in (7, 6, 5, 4, 3)), (3, 3), (3, 2), (3, 1))  # digits, and numbers shown


def checks(suite: str = "all") -> dict[str, Check]:
    """Return the checks of a suite ("physics", "experiments" or "all") by identifier, in their order.

    Every module in `bdg.validation.checks` and `bdg.validation.experiments` is one; its name decides the order.

    Raises
    ------
    ValueError
        If there is no such suite.
    """
    if suite != "all" and suite not in SUITES:
        raise ValueError(f"suite must be 'all', {', '.join(map(repr, SUITES))}; got {suite!r}")
    packages = SUITES.values() if suite == "all" else (SUITES[suite],)
    found: dict[str, Check] = {}
    for package in packages:
        names = sorted(info.name for info in pkgutil.iter_modules(package.__path__, package.__name__ + "."))
        for check in (importlib.import_module(name).CHECK for name in names):
            if check.identifier in found:
                raise ValueError(f"two checks have the identifier {check.identifier!r}")
            found[check.identifier] = check
    return found


def rows_of(check: Check, slow: bool = False, points: Measured | None = None) -> Iterator[Row]:
    """Yield the rows of one check as they are computed, those of measured points last.

    An exception becomes a row that fails.
    """
    comparisons: Iterator[Comparison] = itertools.chain(check.compare(slow), measured.comparisons(check, points or {}))
    while True:
        start = time.perf_counter()
        try:
            found = next(comparisons, None)
        except Exception as error:  # the other checks must still run, and this one must count
            found = _raised(error)
            comparisons = iter(())
        if found is None:
            return
        yield Row(
            check=check.identifier,
            title=check.title,
            source=check.source,
            seconds=time.perf_counter() - start,
            **asdict(found),
        )


def run(
    suite: str = "all",
    slow: bool = False,
    json_path: str | os.PathLike[str] | None = None,
    data_path: str | os.PathLike[str] | None = None,
    curves_only: bool = False,
) -> int:
    """Run a suite, print it, and return the exit code.

    Parameters
    ----------
    suite : {"all", "physics", "experiments"}
    slow : bool
        Also the comparisons that take minutes.
    json_path : path, optional
        Where to write the table (see `as_json`).
    data_path : path, optional
        Measured points (`bdg.validation.measured`) that the rows of the experiments are compared with.
    curves_only : bool
        Only list what points can be compared with.

    Returns
    -------
    int
        0 if every row that must pass passes (status E, A, S, P or C), else 1. Rows with status R, F, Q, X, input or
        trivial never fail.

    Raises
    ------
    ValueError
        If there is no such suite.
    JobError
        If the JSON file cannot be written, or the points not be read, before anything is computed.
    """
    if curves_only:
        print(measured.words(checks("experiments")))
        return 0
    if data_path is not None and suite == "physics":
        raise JobError("--data compares with the experiments: leave out physics, or leave out --data")
    start = time.perf_counter()
    _require_writable(json_path)  # before minutes of work
    points = {} if data_path is None else measured.read_points(data_path, checks("experiments"))
    rows: list[Row] = []
    for check in checks(suite).values():
        print(f"{check.identifier}: {check.title} ({check.source})", flush=True)
        for row in rows_of(check, slow, points):
            rows.append(row)
            print("\n".join([line(row), *point_lines(row)]), flush=True)
    if json_path is not None:
        Path(json_path).write_text(json.dumps(as_json(rows), indent=1) + "\n", encoding="utf-8")
    failed = [row for row in rows if row.failed]
    tested = sum(row.status in MUST_PASS for row in rows)
    reported = f", {len(rows) - tested} reported only" if len(rows) > tested else ""
    print(f"\n{tested - len(failed)} of {tested} rows pass{reported}; {time.perf_counter() - start:.0f} s")
    if points and (without := measured.unused(checks("experiments"), points)):
        print(f"no points in {os.fspath(data_path or '')} for {', '.join(without)}")
    for row in failed:
        allowed = f"{row.tolerance:.2g} ({row.reason})"
        print(f"FAILED {row.check}: {row.quantity}: off by {row.deviation:.2g}, allowed {allowed}")
    for code, meaning in STATUSES.items():
        if any(row.status == code for row in rows):
            print(f"  {code}: {meaning}")
    return 1 if failed else 0


def line(row: Row) -> str:
    """Return one row as one line, at most 150 columns wide: check, status, quantity, value, expected, allowed.

    Where it would be wider the numbers are given with fewer digits. A row of which nothing is expected has "-" for it.
    """
    quantity = row.quantity if len(row.quantity) <= _LONGEST else f"{row.quantity[: _LONGEST - 3]}..."
    allowed = f"{row.tolerance:.2g}" if row.expected else "-"
    ends = f"{row.check:{_CHECK}} | {row.status} | {quantity:{_QUANTITY}} | ", f" | {allowed}"
    room = (WIDTH - len("".join(ends)) - len(" | ")) // 2
    value, expected = _fitting(row.value, room), _fitting(row.expected, room, row.interval)
    width = min(room, _NUMBERS)
    return f"{ends[0]}{value:>{width}} | {expected:>{width}}{ends[1]}"


def point_lines(row: Row) -> list[str]:
    """Return a line for each measured point of a row: where, value, measured, and the deviation in errors.

    Of many points those that are off most, in their order.
    """
    if not row.at:
        return []
    off = deviations(row.value, row.expected, row.errors)
    shown = np.sort(np.argsort(-abs(off), kind="stable")[: measured.MOST_SHOWN])
    lines = [
        f"{'':{_CHECK}}     at {row.at[k]:<10.5g} {row.value[k]:>12.5g}  measured {row.expected[k]:.5g} +- "
        f"{row.errors[k]:.2g}: {off[k]:+.1f} errors"
        for k in shown
    ]
    more = len(row.at) - len(shown)
    return lines + [f"{'':{_CHECK}}     {more} more points are nearer"] * (more > 0)


def as_json(rows: Iterable[Row]) -> dict[str, Any]:
    """Return the table with versions, machine and date, ready for JSON.

    A single value is a number, several are a list; a number that is not finite becomes null.
    """
    date = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return {"format": FORMAT, "date": date, **provenance(), "rows": [_plain(asdict(row)) for row in rows]}


def table_markdown(rows: Iterable[Row]) -> str:
    """Return a Markdown table, one line a check: how many rows pass, and the row that comes nearest to its limit."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.check, []).append(row)
    lines = [
        "| check | statement | rows that pass | nearest to its limit | value | expected | allowed | source |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, group in groups.items():
        tested = [row for row in group if row.status in MUST_PASS] or group
        worst = max(tested, key=_strain)
        expected = f"in [{_join(worst.expected)}]" if worst.interval else _numbers(worst.expected) or "-"
        passing = f"{sum(row.passed for row in tested)} of {len(tested)}" if worst.status in MUST_PASS else "reported"
        allowed = "-" if worst.interval or not worst.expected else f"± {worst.tolerance:.1g}"
        cells = (
            name,
            group[0].title,
            passing,
            worst.quantity,
            _numbers(worst.value),
            expected,
            allowed,
            group[0].source,
        )
        lines.append("| " + " | ".join(re.sub(r"\|", r"\\|", cell) for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def _require_writable(path: str | os.PathLike[str] | None) -> None:
    if path is None:
        return
    folder = Path(path).resolve().parent
    if Path(path).is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
        raise JobError(f"{os.fspath(path)}: the table must go to a file in an existing, writable folder")


def _strain(row: Row) -> float:
    """Return the deviation in units of what is allowed."""
    if row.tolerance > 0:
        return row.deviation / row.tolerance if row.expected else -1.0
    return 0.0 if row.passed else math.inf


def _raised(error: Exception) -> Comparison:
    text = " ".join(f"{type(error).__name__}: {error}".split())
    return Comparison(
        quantity=f"raised {text[:300]}",
        value=(math.nan,),
        expected=(math.nan,),
        tolerance=0.0,
        reason="a check must not raise",
        status="E",
        deviation=math.inf,
        passed=False,
    )


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        numbers = [_plain(item) for item in value]
        return numbers if len(numbers) != 1 else numbers[0]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _fitting(values: tuple[float, ...], room: int, interval: bool = False) -> str:
    """Return numbers in as many digits as there is room for."""
    text = "-"
    for digits, shown in _SHORTER if values else ():
        text = f"in [{_join(values, digits)}]" if interval else _numbers(values, digits, shown)
        if len(text) <= room:
            break
    return text


def _numbers(values: tuple[float, ...], most: int = 7, shown: int = _SHOWN) -> str:
    first, more = (values, "") if len(values) <= shown else (values[: max(1, shown - 1)], " ...")
    digits = 7 if len(values) == 1 else 6 if len(values) <= 3 else 4
    return " ".join(_number(value, min(digits, most)) for value in first) + more


def _number(value: float, digits: int) -> str:
    if value == 0 or 1e-4 <= abs(value) < 1e6 or not math.isfinite(value):
        return f"{value:.{digits}g}"
    return f"{value:.1e}"


def _join(values: tuple[float, ...], digits: int = 6) -> str:
    return ", ".join(f"{value:.{min(digits, 6)}g}" for value in values)
