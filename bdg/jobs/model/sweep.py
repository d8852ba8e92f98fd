"""Sweeps: any key of [system] and [compute] may be given many values; the product of all is run.

``[4.2, 10]`` lists the values, ``{linspace = [a, b, n]}`` gives n values from a to b inclusive, and
``{range = [a, b]}`` or ``{range = [a, b, step]}`` the whole numbers from a to b - 1. Keys whose single value is a
list already (``size_nm``) sweep by a list of lists.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bdg.jobs.model.schema import LARGEST, LARGEST_INTEGER, Key, Schema, in_words

MOST_POINTS = 100_000  # beyond this, a slip of the pen is likelier than a wish
DIGEST_LENGTH = 24

Parameters = dict[str, dict[str, Any]]
"""Values by section and key."""


@dataclass(frozen=True)
class Sweep:
    """The values of one swept key."""

    values: tuple[Any, ...]


@dataclass(frozen=True)
class Point:
    """One computation of a job: its parameters, what tells it from its neighbours, and its name on disk."""

    digest: str
    parameters: Parameters
    label: str  # "seed=0, temperature_K=4.2": the swept keys
    older: str = ""  # another digest that the same point may have: with the keys that change no result
    effort: tuple[str, ...] = ()  # those keys, "section.key"


def read_value(key: Key, value: Any) -> Any:
    """Return the clean value of ``key``, a `Sweep` where many are given.

    Raises
    ------
    ValueError
        With the rule that is broken.
    """
    many = isinstance(value, Mapping) or (isinstance(value, list) and key.type == "int")
    if key.effort and many:
        raise ValueError("changes no result, so that it cannot be swept; give one value")
    if isinstance(value, Mapping):
        values = _generated(key, value)
    elif isinstance(value, list) and (not key.is_list or any(isinstance(item, list) for item in value)):
        values = value
    else:
        return key.clean(value)
    if not values:
        raise ValueError("an empty list of values")
    _check_count(len(values))
    clean, seen = [], set()
    for item in values:
        if isinstance(item, Mapping):
            raise ValueError("a list of values must not hold tables")
        clean.append(key.clean(item))
        if repr(clean[-1]) in seen:
            raise ValueError(f"the value {clean[-1]} is given twice")
        seen.add(repr(clean[-1]))
    return Sweep(tuple(clean))


def _generated(key: Key, table: Mapping[str, Any]) -> list[Any]:
    forms = "{linspace = [a, b, n]} or {range = [a, b]}"
    if key.type not in ("float", "int", "any"):
        raise ValueError(f"is no number, so its sweep must be a list of values, not {{{', '.join(table)}}}")
    if len(table) != 1 or next(iter(table)) not in ("linspace", "range"):
        raise ValueError(f"a table must be a sweep, {forms}; got {{{', '.join(table)}}}")
    (form, numbers), *_ = table.items()
    good = isinstance(numbers, list) and all(map(_is_plain, numbers))
    if form == "linspace":
        if not (good and len(numbers) == 3 and isinstance(numbers[2], int) and numbers[2] >= 2):
            raise ValueError(
                f"linspace must be [a, b, n] with numbers a, b and a whole number n >= 2; got {in_words(numbers)}"
            )
        _check_count(numbers[2])
        return np.linspace(*numbers).tolist()
    if not (good and len(numbers) in (2, 3) and all(isinstance(x, int) for x in numbers)):
        raise ValueError(f"range must be [a, b] or [a, b, step] with whole numbers; got {in_words(numbers)}")
    start, stop, step = (*numbers, 1)[:3]
    if step == 0:
        raise ValueError("range must have a step other than 0")
    _check_count(max(0, -((start - stop) // step)))  # len() of a range has a limit of its own
    return list(range(start, stop, step))


def _is_plain(value: Any) -> bool:
    """Return whether a value is a number that NumPy can take."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) <= (LARGEST_INTEGER if isinstance(value, int) else LARGEST)


def _check_count(count: int) -> None:
    if count > MOST_POINTS:
        raise ValueError(f"{count} values; at most {MOST_POINTS} points are run in one job")


def expand(
    kind: str, version: int, resolved: Mapping[str, Mapping[str, Any]], schema: Schema | None = None
) -> tuple[Point, ...]:
    """Return the points of all combinations; the last swept key changes fastest.

    Their digests are without the keys of ``schema`` that change no result (`decisive`).
    """
    axes = sweep_axes(resolved)
    points = []
    for combination in itertools.product(*axes.values()):
        chosen = dict(zip(axes, combination, strict=True))
        parameters = {
            section: {key: chosen.get((section, key), value) for key, value in keys.items()}
            for section, keys in resolved.items()
        }
        label = ", ".join(f"{key}={_short(value)}" for (_, key), value in chosen.items())
        points.append(point_of(kind, version, parameters, schema or {}, label or "the only point"))
    return tuple(points)


def sweep_axes(resolved: Mapping[str, Mapping[str, Any]]) -> dict[tuple[str, str], tuple[Any, ...]]:
    """Return the swept (section, key) pairs with their values."""
    return {
        (section, key): value.values
        for section, keys in resolved.items()
        for key, value in keys.items()
        if isinstance(value, Sweep)
    }


def point_of(kind: str, version: int, parameters: Parameters, schema: Schema, label: str) -> Point:
    """Return a point with the digest of what its results depend on."""
    digest = digest_of(kind, version, decisive(parameters, schema))
    older = digest_of(kind, version, decisive(parameters, _without_new(schema)))
    effort = tuple(f"{section}.{key.name}" for section, keys in schema.items() for key in keys if key.effort)
    return Point(digest, parameters, label, older if older != digest else "", effort)


def _without_new(schema: Schema) -> Schema:
    """Return the keys that were never part of a digest: what an older one was without."""
    return {section: [key for key in keys if key.effort == "none"] for section, keys in schema.items()}


def decisive(parameters: Mapping[str, Mapping[str, Any]], schema: Schema) -> dict[str, dict[str, Any]]:
    """Return parameters, or a resolved job, with nothing that is a matter of effort: what results depend on."""
    efforts = {(section, key.name): key for section, keys in schema.items() for key in keys if key.effort}
    return {
        section: {
            name: efforts[section, name].default if (section, name) in efforts else value
            for name, value in keys.items()
            if (section, name) not in efforts or efforts[section, name].effort == "default"
        }
        for section, keys in parameters.items()
    }


def digest_of(kind: str, version: int, parameters: Mapping[str, Any]) -> str:
    """Return the first hex digits of the SHA-256 of the canonical JSON of kind, version and parameters."""
    content = {"kind": kind, "version": version, "parameters": plain(parameters)}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:DIGEST_LENGTH]


def plain(value: Any) -> Any:
    """Return ``value`` as JSON holds it: sweeps as {"sweep": [...]}, tuples as lists."""
    if isinstance(value, Sweep):
        return {"sweep": [plain(item) for item in value.values]}
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ", ".join(_short(item) for item in value) + "]"
    return str(value)
