"""Job files: read from TOML, checked against the schema of their kind, resolved into points.

All problems of a file are found before any work and reported together, a line each:
``file: [section] key: rule; did you mean temperature_K?``
"""

from __future__ import annotations

import math
import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bdg.base.errors import JobError
from bdg.jobs.kinds import get_kind
from bdg.jobs.model.kind import Kind
from bdg.jobs.model.place import Place
from bdg.jobs.model.schema import REQUIRED, Key, Schema, did_you_mean, nearest_name, unknown_key
from bdg.jobs.model.sweep import (
    MOST_POINTS,
    Point,
    Sweep,
    decisive,
    digest_of,
    expand,
    plain,
    point_of,
    read_value,
    sweep_axes,
)
from bdg.lattices.file_format import shown

JOB_KEYS = (
    Key("kind", "str", "what is computed"),
    Key("name", "str", "name of the run, and of its folder under runs/out", default=None),
    Key("description", "str", "free text", default=""),
)
UNSWEPT = ("job", "output")  # sections that do not change what is computed, and are no part of a point's digest

LONGEST = 10_000_000  # bytes of a job file

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_LONGEST_NAME = 200  # characters; file systems take 255 bytes
_LONGEST_LINE = 1000  # characters of a problem: a path may be long
_TOO_DEEP = "lists or tables are nested too deeply; a value is a number, a text, or a list of them"


@dataclass(frozen=True)
class Job:
    """A job file, resolved.

    Attributes
    ----------
    kind : Kind
    name : str
    text : bytes
        The file as given.
    overrides : tuple of str
        The ``--set`` arguments.
    resolved : dict
        Every key of [system] and [compute], defaults filled in; a `Sweep` where many values are given.
    output : dict
        The keys of [output].
    points : tuple of Point
    identity : str
        Digest of kind and ``resolved``: the same for two files that compute the same.
    """

    kind: Kind
    name: str
    text: bytes
    resolved: dict[str, dict[str, Any]]
    output: dict[str, Any]
    points: tuple[Point, ...]
    identity: str
    overrides: tuple[str, ...] = field(default=())


def load_job(path: str | os.PathLike[str], overrides: Sequence[str] = (), *, allow_code: bool = False) -> Job:
    """Read, check and resolve a job file.

    Parameters
    ----------
    path : path
        TOML file with the sections [job], [system], [compute], [output].
    overrides : sequence of str
        ``"section.key=value"`` with a TOML value; the section may be left out where the key is in one only, and
        an empty value removes the key, so that its default applies.
    allow_code : bool
        Modules that the job names may be imported (``--allow-code``): they can do whatever Python can.

    Raises
    ------
    JobError
        If the file cannot be read or breaks a rule; its text has one line a problem.
    """
    path = Path(path)
    try:
        with open(path, "rb") as file:
            text = file.read(LONGEST + 1)
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        raise JobError(f"{shown(path, 300)}: cannot be read ({getattr(error, 'strerror', '') or error})") from error
    if len(text) > LONGEST:
        raise JobError(f"{_one_line(path)}: longer than {LONGEST} bytes; a job file is a few lines of TOML")
    return parse_job(text, str(path), path.stem, overrides, Place(path.absolute().parent, allow_code))


def parse_job(
    text: bytes, source: str, default_name: str, overrides: Sequence[str] = (), place: Place | None = None
) -> Job:
    """Check and resolve the text of a job file; ``source`` stands before each problem.

    ``place`` is where the file lies; this folder, and no code of others, if none is given.
    """
    source = _one_line(source)
    try:
        tables = tomllib.loads(text.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise JobError(f"{source}: not a TOML file: byte {error.start} is not UTF-8 text") from error
    except ValueError as error:  # TOMLDecodeError, or a whole number of more digits than Python reads
        raise JobError(f"{source}: not valid TOML: {_one_line(error)}") from error
    except RecursionError as error:
        raise JobError(f"{source}: {_TOO_DEEP}") from error
    problems = _Problems(source)
    kind = _kind_of(tables, problems)
    _open_sections(tables, kind)
    schema: Schema = {"job": JOB_KEYS, "system": (), "compute": (), "output": (), **kind.schema}
    schema = _with_given(schema, tables, kind)
    labels = _apply_overrides(tables, overrides, schema, problems)
    if kind.located:
        told = frozenset(f"{section}.{key}" for section, key in labels)
        kind = kind.located(replace(place or Place(), told=told))
    schema = _with_given(schema, tables, kind)
    resolved = {section: _read_section(tables, section, schema, problems, labels) for section in schema}
    _check_sections(tables, schema, problems)
    name = resolved["job"].get("name") or default_name
    if not _NAME.fullmatch(name):
        problems.add("job", "name", f"must be letters, digits, '.', '_' and '-' (it names a folder); got {name!r:.60}")
    elif len(name) > _LONGEST_NAME:
        problems.add(
            "job", "name", f"must have at most {_LONGEST_NAME} characters (it names a folder); got {len(name)}"
        )
    problems.raise_any()
    output = resolved.pop("output")
    resolved.pop("job")
    count = math.prod(len(values) for values in sweep_axes(resolved).values())
    if count > MOST_POINTS:
        raise JobError(f"{source}: the sweeps multiply to {count} points; at most {MOST_POINTS} are run in one job")
    points = expand(kind.name, kind.version, resolved, schema)
    for point in points:
        _check_point(kind, point, problems)
    problems.raise_any()
    points = _identified(kind, points, problems)
    problems.raise_any()
    identity = digest_of(kind.name, kind.version, decisive(resolved, schema))
    return Job(kind, name, text, resolved, output, points, identity, tuple(overrides))


def differences(mine: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Return "[section] key" of every entry in which two resolved jobs (as plain data) differ."""
    found = []
    for section in sorted({*mine, *other}):
        ours, theirs = mine.get(section, {}), other.get(section, {})
        names = sorted({*ours, *theirs})
        found += [f"[{section}] {key}" for key in names if ours.get(key, REQUIRED) != theirs.get(key, REQUIRED)]
    return found


def is_same_job(job: Job, recorded: Mapping[str, Any]) -> bool:
    """Return whether a resolved job (as plain data) yields the same, whatever its matters of effort are."""
    return digest_of(job.kind.name, job.kind.version, decisive(recorded, job.kind.schema)) == job.identity


def resolved_plain(job: Job) -> dict[str, Any]:
    """Return ``job.resolved`` as JSON holds it."""
    return plain(job.resolved)


def _check_point(kind: Kind, point: Point, problems: _Problems) -> None:
    """Add the rules between keys that a point breaks; numbers that the rules cannot be computed with break one, too."""
    try:
        for section, key, rule in kind.check(point.parameters):
            problems.add(section, key, rule)
    except (ArithmeticError, ValueError) as error:
        problems.add("system", "", f"these numbers cannot be computed with ({error}); check their units and sizes")


def _identified(kind: Kind, points: tuple[Point, ...], problems: _Problems) -> tuple[Point, ...]:
    """Return the points with what identifies their input in parameters and digest, for kinds that have such."""
    if kind.identified is None:
        return points
    found = []
    for point in points:
        parameters, rules = kind.identified(point.parameters)
        for section, key, rule in rules:
            problems.add(section, key, rule)
        found.append(point_of(kind.name, kind.version, parameters, kind.schema, point.label))
    return tuple(found)


def _open_sections(tables: dict[str, Any], kind: Kind) -> None:
    """Make [system.parameters] a section of its own, beside [system], where the kind leaves its keys open."""
    for name in kind.open_sections:
        outer, _, inner = name.partition(".")
        table = tables.get(outer)
        if isinstance(table, dict) and isinstance(table.get(inner), dict):
            tables[name] = table.pop(inner)


def _with_given(schema: Schema, tables: Mapping[str, Any], kind: Kind) -> Schema:
    """Return the schema with the keys that are given in open sections."""
    given = {section: tables.get(section) for section in kind.open_sections}
    names = {section: table if isinstance(table, Mapping) else () for section, table in given.items()}
    return {**schema, **{section: [Key(name, "any", "as given") for name in keys] for section, keys in names.items()}}


class _Problems:
    """Collects the lines of a `JobError`."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.lines: list[str] = []

    def add(self, section: str, key: str, rule: str, source: str | None = None) -> None:
        place = f"[{shown(section, 60)}] {shown(key, 60)}" if key else f"[{shown(section, 60)}]"
        self.add_line(f"{source or self.source}: {place}: {_one_line(rule)}")

    def add_line(self, line: str) -> None:
        line = _one_line(line)
        if line not in self.lines:
            self.lines.append(line)

    def raise_any(self) -> None:
        if self.lines:
            raise JobError(*self.lines)


def _kind_of(tables: Mapping[str, Any], problems: _Problems) -> Kind:
    job = tables.get("job")
    if not isinstance(job, Mapping):
        near = nearest_name("job", tables) if "job" not in tables else None
        hint = f"; did you mean [job] by [{near}]?" if near else ""
        problems.add("job", "", f"this section is missing; it names the kind{hint}")
        problems.raise_any()
    assert isinstance(job, Mapping)
    if "kind" not in job:
        near = nearest_name("kind", job)
        rule = "missing" if near is None else f"missing; {shown(near, 60)} is not a key"
        problems.add("job", "kind", rule)
        problems.raise_any()
    if not isinstance(job["kind"], str):
        problems.add("job", "kind", 'must be a text such as kind = "composite"')
        problems.raise_any()
    try:
        return get_kind(job["kind"])
    except JobError as error:
        problems.add("job", "kind", str(error))
        problems.raise_any()
        raise


def _read_section(
    tables: Mapping[str, Any], section: str, schema: Schema, problems: _Problems, labels: Mapping[tuple[str, str], str]
) -> dict[str, Any]:
    given = tables.get(section, {})
    if not isinstance(given, Mapping):
        problems.add(section, "", "must be a section of keys")
        return {}
    keys = {key.name: key for key in schema[section]}
    meant = set()
    for name in given:
        if name not in keys:
            rule, nearest = unknown_key(name, section, schema)
            problems.add(section, name, rule, labels.get((section, name)))
            meant.add(nearest.name if nearest else "")
    values = {}
    for name, key in keys.items():
        if name in given:
            try:
                swept = section not in UNSWEPT
                values[name] = read_value(key, given[name]) if swept else key.clean(given[name])
            except ValueError as error:
                problems.add(section, name, str(error), labels.get((section, name)))
        elif key.default is not REQUIRED:
            values[name] = key.default if key.default is None else read_value(key, key.default)
        elif name not in meant:  # a misspelt key is one problem, not two
            problems.add(section, name, f"missing; {key.doc}")
    return values


def _check_sections(tables: Mapping[str, Any], schema: Schema, problems: _Problems) -> None:
    for name, value in tables.items():
        if name in schema:
            continue
        if isinstance(value, Mapping):
            problems.add(name, "", f"unknown section{did_you_mean(name, schema)}")
            continue
        home = next((section for section, keys in schema.items() if nearest_name(name, [k.name for k in keys])), None)
        hint = f"; it belongs below [{home}]" if home else ""
        problems.add_line(f"{problems.source}: {shown(name, 60)}: a key outside any section{hint}")


def _apply_overrides(
    tables: dict[str, Any], overrides: Sequence[str], schema: Schema, problems: _Problems
) -> dict[tuple[str, str], str]:
    """Put the ``--set`` arguments into ``tables``; return where their problems are to be reported."""
    labels = {}
    for argument in overrides:
        label = f"--set {shown(argument, 100)}"
        left, equals, right = argument.partition("=")
        section, dot, key = left.strip().rpartition(".")
        if not equals or not key:
            problems.add_line(f"{label}: must be section.key=value")
            continue
        if not dot:
            homes = [name for name, keys in schema.items() if key in [k.name for k in keys]]
            if len(homes) != 1:
                every = [k.name for keys in schema.values() for k in keys]
                rule = f"is in {', '.join(homes)}: write section.{key}" if homes else "unknown key"
                problems.add_line(f"{label}: {shown(key, 60)}: {rule}{did_you_mean(key, every) if not homes else ''}")
                continue
            section = homes[0]
        elif section not in schema:
            problems.add_line(f"{label}: [{shown(section, 60)}]: unknown section{did_you_mean(section, schema)}")
            continue
        if (section, key) == ("job", "kind"):
            problems.add_line(f"{label}: the kind of a job cannot be set from outside; write another file")
            continue
        table = tables.setdefault(section, {})
        if not isinstance(table, dict):
            continue  # reported with the section
        labels[section, key] = label
        if not right.strip():
            table.pop(key, None)
            continue
        try:
            parsed = tomllib.loads(f"value = {right}")
        except ValueError:
            problems.add_line(f"{label}: {right.strip()!r:.60} is not a TOML value (a text needs quotes)")
            continue
        except RecursionError:
            problems.add_line(f"{label}: {_TOO_DEEP}")
            continue
        if list(parsed) != ["value"]:
            problems.add_line(f"{label}: more than one value")
            continue
        table[key] = parsed["value"]
    return labels


def _one_line(text: object) -> str:
    return shown(text, _LONGEST_LINE)


__all__ = ["Job", "Sweep", "differences", "load_job", "parse_job", "resolved_plain"]
