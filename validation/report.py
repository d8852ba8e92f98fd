"""Run the checks, print one line a comparison, write the table: ``bdg validate``."""

from __future__ import annotations

import datetime
import importlib
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

import bdg.validation.checks
import bdg.validation.experiments
from bdg.base.errors import JobError
from bdg.jobs.folder.provenance import provenance
from bdg.validation.row import MUST_PASS, STATUSES, Check, Comparison, Row

SUITES = {"physics": bdg.validation.checks, "experiments": bdg.validation.experiments}
FORMAT = 1  # of the JSON table
_QUANTITY, _NUMBERS = 60, 27  # widths of columns
_SHOWN = 4  # numbers of a long row that are printed


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


def rows_of(check: Check, slow: bool = False) -> Iterator[Row]:
    """Yield the rows of one check as they are computed; an exception becomes a row that fails."""
    comparisons = check.compare(slow)
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


def run(suite: str = "all", slow: bool = False, json_path: str | os.PathLike[str] | None = None) -> int:
    """Run a suite, print it, and return the exit code.

    Parameters
    ----------
    suite : {"all", "physics", "experiments"}
    slow : bool
        Also the comparisons that take minutes.
    json_path : path, optional
        Where to write the table (see `as_json`).

    Returns
    -------
    int
        0 if every row that must pass passes (closed forms, and experiments with status P or C), else 1. Rows with
        status R, F, Q or X never fail.

    Raises
    ------
    ValueError
        If there is no such suite.
    JobError
        If the JSON file cannot be written, before anything is computed.
    """
    start = time.perf_counter()
    _require_writable(json_path)  # before minutes of work
    rows: list[Row] = []
    for check in checks(suite).values():
        print(f"{check.identifier}: {check.title} ({check.source})", flush=True)
        for row in rows_of(check, slow):
            rows.append(row)
            print(line(row), flush=True)
    if json_path is not None:
        Path(json_path).write_text(json.dumps(as_json(rows), indent=1) + "\n", encoding="utf-8")
    failed = [row for row in rows if row.failed]
    tested = sum(row.status in MUST_PASS for row in rows)
    reported = f", {len(rows) - tested} reported only" if len(rows) > tested else ""
    print(f"\n{tested - len(failed)} of {tested} rows pass{reported}; {time.perf_counter() - start:.0f} s")
    for row in failed:
        allowed = f"{row.tolerance:.2g} ({row.reason})"
        print(f"FAILED {row.check}: {row.quantity}: off by {row.deviation:.2g}, allowed {allowed}")
    for code, meaning in STATUSES.items():
        if any(row.status == code for row in rows):
            print(f"  {code}: {meaning}")
    return 1 if failed else 0


def line(row: Row) -> str:
    """Return one row as one line: verdict, status, check, quantity, value, expected, deviation and its limit."""
    expected = f"in [{_join(row.expected)}]" if row.interval else _numbers(row.expected)
    return (
        f"{row.verdict:4} {row.status} {row.check:5} {row.quantity:{_QUANTITY}} {_numbers(row.value):>{_NUMBERS}}"
        f" {expected:>{_NUMBERS}}  {row.deviation:7.1e} <= {row.tolerance:7.1e}"
    )


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
        expected = f"in [{_join(worst.expected)}]" if worst.interval else _numbers(worst.expected)
        passing = f"{sum(row.passed for row in tested)} of {len(tested)}"
        allowed = "-" if worst.interval else f"± {worst.tolerance:.1g}"
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
        return row.deviation / row.tolerance
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


def _numbers(values: tuple[float, ...]) -> str:
    shown, more = (values, "") if len(values) <= _SHOWN else (values[: _SHOWN - 1], " ...")
    digits = 7 if len(values) == 1 else 6 if len(values) <= 3 else 4
    return " ".join(_number(value, digits) for value in shown) + more


def _number(value: float, digits: int) -> str:
    if value == 0 or 1e-4 <= abs(value) < 1e6 or not math.isfinite(value):
        return f"{value:.{digits}g}"
    return f"{value:.1e}"


def _join(values: tuple[float, ...]) -> str:
    return ", ".join(f"{value:g}" for value in values)
