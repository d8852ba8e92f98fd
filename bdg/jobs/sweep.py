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

from bdg.jobs.schema import Key

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


def read_value(key: Key, value: Any) -> Any:
    """Return the clean value of ``key``, a `Sweep` where many are given.

    Raises
    ------
    ValueError
        With the rule that is broken.
    """
    if isinstance(value, Mapping):
        values = _generated(key, value)
    elif isinstance(value, list) and (key.type != "vector" or any(isinstance(item, list) for item in value)):
        values = value
    else:
        return key.clean(value)
    if not values:
        raise ValueError("an empty list of values")
    if len(values) > MOST_POINTS:
        raise ValueError(f"{len(values)} values; at most {MOST_POINTS} points are run in one job")
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
    if key.type not in ("float", "int"):
        raise ValueError(f"is no number, so its sweep must be a list of values, not {{{', '.join(table)}}}")
    if len(table) != 1 or next(iter(table)) not in ("linspace", "range"):
        raise ValueError(f"a table must be a sweep, {forms}; got {{{', '.join(table)}}}")
    (form, numbers), *_ = table.items()
    good = isinstance(numbers, list) and all(
        isinstance(x, int | float) and not isinstance(x, bool) and np.isfinite(x) for x in numbers
    )
    if form == "linspace":
        if not (good and len(numbers) == 3 and isinstance(numbers[2], int) and numbers[2] >= 2):
            raise ValueError(f"linspace must be [a, b, n] with numbers a, b and a whole number n >= 2; got {numbers}")
        if numbers[2] > MOST_POINTS:
            raise ValueError(f"{numbers[2]} values; at most {MOST_POINTS} points are run in one job")
        return np.linspace(*numbers).tolist()
    if not (good and len(numbers) in (2, 3) and all(isinstance(x, int) for x in numbers)):
        raise ValueError(f"range must be [a, b] or [a, b, step] with whole numbers; got {numbers}")
    if len(numbers) == 3 and numbers[2] == 0:
        raise ValueError("range must have a step other than 0")
    values = range(*numbers)
    if len(values) > MOST_POINTS:
        raise ValueError(f"{len(values)} values; at most {MOST_POINTS} points are run in one job")
    return list(values)


def expand(kind: str, version: int, resolved: Mapping[str, Mapping[str, Any]]) -> tuple[Point, ...]:
    """Return the points of all combinations; the last swept key changes fastest."""
    axes = sweep_axes(resolved)
    points = []
    for combination in itertools.product(*axes.values()):
        chosen = dict(zip(axes, combination, strict=True))
        parameters = {
            section: {key: chosen.get((section, key), value) for key, value in keys.items()}
            for section, keys in resolved.items()
        }
        label = ", ".join(f"{key}={_short(value)}" for (_, key), value in chosen.items())
        points.append(Point(digest_of(kind, version, parameters), parameters, label or "the only point"))
    return tuple(points)


def sweep_axes(resolved: Mapping[str, Mapping[str, Any]]) -> dict[tuple[str, str], tuple[Any, ...]]:
    """Return the swept (section, key) pairs with their values."""
    return {
        (section, key): value.values
        for section, keys in resolved.items()
        for key, value in keys.items()
        if isinstance(value, Sweep)
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
