"""``run.json``, what a run directory says about itself: read back only in the form in which it is written."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bdg.jobs.model.sweep import DIGEST_LENGTH, Parameters, Point

LONGEST_TRACEBACK = 20_000  # characters: the end of it

DIGEST = rf"[0-9a-f]{{{DIGEST_LENGTH}}}"
_DIGEST = re.compile(DIGEST)


@dataclass(frozen=True)
class Failure:
    """Why a point is not there.

    Attributes
    ----------
    why : str
        One line.
    cause : str
        "raised", "killed", "limit"; "" in folders of earlier versions.
    traceback : str
    effort : str
        What `effort_of` returned for the point: with more of it, it may succeed.
    """

    why: str
    cause: str = ""
    traceback: str = ""
    effort: str = ""

    @property
    def comes_again(self) -> bool:
        """Whether the same point would most likely fail again: it is left alone unless ``--retry`` is given."""
        return self.cause in ("raised", "limit")


def checked_record(record: Any) -> dict[str, Any]:
    """Return the record if it has the entries of a run.json.

    Raises
    ------
    ValueError
        If an entry is missing or of another type.
    """
    _entry(record, "format_version", int)
    for name, kind in (("kind", str), ("name", str), ("identity", str), ("points", list)):
        _entry(record, name, kind)
    _text(record["name"])
    for name, form in (("failed", dict), ("failures", dict), ("output", dict), ("resolved", dict), ("effort", list)):
        if name in record:
            _entry(record, name, form)
    if not all(isinstance(why, str) for why in record.get("failed", {}).values()):
        raise ValueError("failed must be a text a point")
    for entry in record.get("failures", {}).values():
        _entry(entry, "cause", str)
        _entry(entry, "traceback", str)
        _entry(entry, "effort", str)
    if not all(isinstance(name, str) for name in record.get("effort", [])):
        raise ValueError("effort must be names of keys")
    for point in record["points"]:
        _text(_entry(point, "label", str))
        parameters = _entry(point, "parameters", dict)
        if not all(isinstance(keys, dict) for keys in parameters.values()):
            raise ValueError("parameters must be keys by section")
        if not _DIGEST.fullmatch(_entry(point, "digest", str)):
            raise ValueError("a digest is none: it names a file")
        if "older" in point and not _DIGEST.fullmatch(_entry(point, "older", str)):
            raise ValueError("an older digest is none: it names a file")
    return record


def _text(value: str) -> None:
    """Raise ValueError (UnicodeEncodeError) for a text that cannot be written: JSON may hold halves of characters."""
    value.encode("utf-8")


def _entry(record: Any, name: str, kind: type) -> Any:
    if not isinstance(record, dict) or name not in record:
        raise ValueError(f"it lacks {name}")
    value = record[name]
    if not isinstance(value, kind) or isinstance(value, bool):
        raise ValueError(f"{name} is a {type(value).__name__}")
    return value


def recorded_failures(record: Mapping[str, Any]) -> dict[str, Failure]:
    """Return what a run.json says of points that failed, by their digests."""
    more = record.get("failures", {})
    return {
        digest: Failure(why, **{name: more.get(digest, {}).get(name, "") for name in ("cause", "traceback", "effort")})
        for digest, why in record.get("failed", {}).items()
    }


def recorded_points(record: Mapping[str, Any]) -> list[Point]:
    """Return the points of a run.json."""
    effort = tuple(record.get("effort", ()))
    return [
        Point(entry["digest"], entry["parameters"], entry["label"], entry.get("older", ""), effort)
        for entry in record["points"]
    ]


def recorded(point: Point) -> dict[str, Any]:
    """Return a point as run.json has it."""
    older = {"older": point.older} if point.older else {}
    return {"digest": point.digest, "label": point.label, "parameters": point.parameters, **older}


def effort_of(point: Point) -> str:
    """Return the keys of a point that change no result, with their values, as text."""
    flat = {f"{section}.{name}": value for section, keys in point.parameters.items() for name, value in keys.items()}
    return json.dumps({name: flat.get(name) for name in sorted(point.effort)})


def is_of_point(found: Parameters, point: Point) -> bool:
    """Return whether a file holds the parameters of a point, matters of effort aside."""

    def decisive(parameters: Parameters) -> dict[str, Any]:
        flat = {f"{section}.{name}": value for section, keys in parameters.items() for name, value in keys.items()}
        return {name: value for name, value in flat.items() if name not in point.effort}

    return decisive(found) == decisive(point.parameters)
