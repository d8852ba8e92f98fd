"""What a file must hold to be a result: the names, types and shapes that its dataclass declares."""

from __future__ import annotations

import dataclasses
import re
import types
import typing
from collections.abc import Mapping
from typing import Any

import numpy as np

from bdg.lattices.system import System

# "(k,)", "(N, 2, k)", "(m + 1,)" in the description of a field: the same letter is the same length in all fields
_LENGTH = r"(?:\d+|[A-Za-z](?: \+ 1)?|dim|vectors)"
_SHAPE = re.compile(rf"\(({_LENGTH},|{_LENGTH}(?:, {_LENGTH})+)\)")
_EMPTY = "empty"  # in the description of a field that may have no values, whatever its shape else


def checked_fields(cls: type, content: Any) -> dict[str, Any]:
    """Return the fields of the dataclass ``cls`` from what a file holds of it.

    Raises
    ------
    ValueError
        If a field is missing, unknown, or not of the type and shape that ``cls`` declares.
    """
    if not isinstance(content, Mapping):
        raise ValueError(f"a {cls.__name__} must be a group of named values; got a {type(content).__name__}")
    declared = {item.name: item for item in dataclasses.fields(cls)}
    unknown = sorted(str(name) for name in content if name not in declared)
    missing = [name for name, item in declared.items() if name not in content and _required(item)]
    if unknown or missing:
        faults = [f"lacks {', '.join(missing)}"] * bool(missing) + [f"has no {', '.join(unknown)}"] * bool(unknown)
        raise ValueError(f"a {cls.__name__} {' and '.join(faults)}")
    hints = typing.get_type_hints(cls)
    fields, lengths = {}, dict[str, tuple[int, str]]()
    for name, value in content.items():
        fields[name] = _made(name, value, hints[name])
        if isinstance(fields[name], np.ndarray):
            _check_shape(name, fields[name].shape, declared[name].metadata.get("description", ""), lengths)
            if declared[name].metadata.get("finite") and not np.isfinite(fields[name]).all():
                raise ValueError(f"{name} must be finite; got NaN or infinity")
    return fields


def _required(item: dataclasses.Field[Any]) -> bool:
    return item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING


def _made(name: str, value: Any, hint: Any) -> Any:
    """Return ``value`` in the type that is declared, if it is what a file holds of that type."""
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return value
    if origin in (typing.Union, types.UnionType):
        return None if value is None and type(None) in parts else _made(name, value, parts[0])
    if hint is System:
        return System.from_content(value)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return hint(**checked_fields(hint, value))
    if origin in (list, tuple):
        _expect(name, value, isinstance(value, list), "a list")
        if origin is tuple and Ellipsis not in parts:
            _expect(name, value, len(value) == len(parts), f"a list of {len(parts)}")
        return origin(_made(name, item, parts[0]) for item in value)
    if origin is dict:
        _expect(name, value, isinstance(value, dict), "a group of named values")
        return {key: _made(f"{name}/{key}", item, parts[1]) for key, item in value.items()}
    if hint is np.ndarray:
        return _expect(name, value, isinstance(value, np.ndarray), "an array of numbers")
    if hint is float:
        return _expect(name, value, _is_number(value, (int, float)), "a real number")
    if hint is int:
        return _expect(name, value, _is_number(value, int), "a whole number")
    if isinstance(hint, type) and hint in (bool, str):
        return _expect(name, value, isinstance(value, hint), "true or false" if hint is bool else "a text")
    return _expect(name, value, isinstance(value, Mapping), "a group of named values")  # the evidence


def _is_number(value: Any, types: type | tuple[type, ...]) -> bool:
    return isinstance(value, types) and not isinstance(value, bool)


def _expect(name: str, value: Any, good: bool, what: str) -> Any:
    if not good:
        raise ValueError(f"{name} must be {what}; got a {type(value).__name__}")
    return value


def declared_shapes(description: str) -> list[list[str]]:
    """Return the shapes in a description, each as the names of its axes."""
    return [[part.strip() for part in found.split(",") if part.strip()] for found in _SHAPE.findall(description)]


def _check_shape(name: str, shape: tuple[int, ...], description: str, lengths: dict[str, tuple[int, str]]) -> None:
    """Refuse a shape other than the description says, or than fields before it have set for the same letters."""
    wanted = declared_shapes(description)
    if not wanted or (0 in shape and _EMPTY in description):
        return
    fitting = next((parts for parts in wanted if len(parts) == len(shape)), None)
    if fitting is None:
        raise ValueError(f"{name} must have the shape ({', '.join(wanted[0])}); got {shape}")
    for length, part in zip(shape, fitting, strict=True):
        known, source = (int(part), "its shape") if part.isdigit() else lengths.setdefault(part, (length, name))
        if length != known:
            raise ValueError(f"{name} must have {known} values along {part}, by {source}; got the shape {shape}")
