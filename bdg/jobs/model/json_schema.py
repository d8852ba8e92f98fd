"""The keys of a kind of job as JSON schema, which editors complete and check job files by: ``bdg schema KIND``.

Rules between keys are not in it; `bdg.jobs.job.load_job` checks them. Values of ``[system]`` and ``[compute]`` may be
sweeps, as in `bdg.jobs.model.sweep`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bdg.jobs.model.kind import Kind
from bdg.jobs.model.schema import LARGEST, LARGEST_INTEGER, REQUIRED, Key
from bdg.jobs.model.sweep import MOST_POINTS

DIALECT = "http://json-schema.org/draft-07/schema#"
Described = dict[str, Any]


def json_schema(kind: Kind, job_keys: Sequence[Key], unswept: Sequence[str]) -> Described:
    """Return the schema of a job file of this kind.

    Parameters
    ----------
    kind : Kind
    job_keys : sequence of Key
        Those of ``[job]``.
    unswept : sequence of str
        Sections whose keys take one value.

    Returns
    -------
    dict
        of draft 7, which editors of TOML read.
    """
    sections: dict[str, Sequence[Key]] = {"job": job_keys, "system": (), "compute": (), "output": (), **kind.schema}
    described = {name: _section(keys, swept=name not in unswept) for name, keys in sections.items()}
    for name in kind.open_sections:
        outer, _, inner = name.partition(".")
        described[outer]["properties"][inner] = {"type": "object", "description": "any names; each may hold a sweep"}
    described["job"]["properties"]["kind"] = {"const": kind.name, "description": "what is computed"}
    return {
        "$schema": DIALECT,
        "title": f"bdg job of kind {kind.name}",
        "description": kind.doc,
        **_table(described, [name for name, section in described.items() if "required" in section]),
    }


def _section(keys: Sequence[Key], swept: bool) -> Described:
    return _table(
        {key.name: _described(key, swept) for key in keys}, [key.name for key in keys if key.default is REQUIRED]
    )


def _table(properties: Described, required: list[str]) -> Described:
    found: Described = {"type": "object", "properties": properties, "additionalProperties": False}
    return {**found, "required": required} if required else found


def _described(key: Key, swept: bool) -> Described:
    value = _value(key)
    found: Described = {"anyOf": _sweeps(key, value)} if swept and not key.effort else dict(value)
    found["description"] = f"{key.doc} ({key.unit})" if key.unit else key.doc
    if key.default is not REQUIRED and key.default is not None:
        found["default"] = key.default
    return found


def _value(key: Key) -> Described:
    """Return what one value of a key is."""
    if key.type == "bool":
        return {"type": "boolean"}
    if key.type == "str":
        return _text(key)
    if key.type == "names":
        return {"anyOf": [_text(key), {"type": "array", "items": _text(key), "minItems": 1, "uniqueItems": True}]}
    number = _number(key)
    if key.type != "vector":
        return number
    lists = [{"type": "array", "items": number, "minItems": n, "maxItems": n} for n in key.lengths]
    return {"anyOf": [number, *lists] if 1 in key.lengths else lists}


def _text(key: Key) -> Described:
    return {"type": "string", "enum": list(key.choices)} if key.choices else {"type": "string"}


def _number(key: Key) -> Described:
    most = LARGEST_INTEGER if key.type == "int" else LARGEST
    found: Described = {"type": "integer" if key.type == "int" else "number", "minimum": -most, "maximum": most}
    for word, bound in (("exclusiveMinimum", key.above), ("exclusiveMaximum", key.below)):
        if bound is not None:
            found[word] = bound
    if key.least is not None:
        found["minimum"] = max(-most, key.least)
    if key.most is not None:
        found["maximum"] = min(most, key.most)
    return found


def _sweeps(key: Key, value: Described) -> list[Described]:
    """Return one value and all ways to give many of them."""
    many: Described = {"type": "array", "items": value, "minItems": 1, "maxItems": MOST_POINTS, "uniqueItems": True}
    if key.is_list:  # a list of numbers is one value
        many["contains"] = {"type": "array"}
    found = [value, many]
    if key.type in ("float", "int"):
        ends = [{"type": "number"}, {"type": "number"}, {"type": "integer", "minimum": 2, "maximum": MOST_POINTS}]
        whole = {"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 3}
        evenly = {"type": "array", "items": ends, "minItems": 3, "maxItems": 3}
        found += [_table({"linspace": evenly}, ["linspace"]), _table({"range": whole}, ["range"])]
    return found
