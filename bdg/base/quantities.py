"""What the fields of a result are, as quantities of a table: values with their unit and the names of their axes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from numbers import Number
from typing import Any

import numpy as np

from bdg.base.result_fields import declared_shapes
from bdg.base.tables import IN_SPACE, Quantity
from bdg.lattices.system import System
from bdg.lattices.unit_names import UnitNames


def quantities_of(holder: Any, units: UnitNames) -> Iterator[Quantity]:
    """Give the quantities of a dataclass: numbers, texts, arrays, those of dicts, of what it holds, and of its sites.

    The axes of an array are the letters that the description of its field declares, of one without its own.
    """
    for item in dataclasses.fields(holder):
        value = getattr(holder, item.name)
        unit = units.put_into(item.metadata.get("unit", ""))
        if isinstance(value, System):
            yield Quantity("positions", value.positions, units.put_into("length"), ("N", IN_SPACE))
            yield Quantity("grain", value.grain, axes=("N",))
        elif dataclasses.is_dataclass(value) and not isinstance(value, UnitNames):
            yield from quantities_of(value, units)
        elif isinstance(value, dict):
            for key, part in value.items():
                if _is_plain(part):
                    yield Quantity(f"{item.name}_{key}", part, unit)
        elif _is_plain(value):
            yield Quantity(item.name, value, unit)
        elif isinstance(value, np.ndarray) or (
            isinstance(value, list | tuple) and value and all(map(_is_plain, value))
        ):
            yield Quantity(item.name, value, unit, _axes(item.name, value, item.metadata.get("description", "")))


def _is_plain(value: Any) -> bool:
    return isinstance(value, str | Number | np.generic)


def _axes(name: str, value: Any, description: str) -> tuple[str, ...]:
    """Return a name for each axis; the second of two that are declared alike is primed."""
    shape = np.shape(value)
    if isinstance(value, tuple):
        return (str(len(value)),)
    declared = next((parts for parts in declared_shapes(description) if len(parts) == len(shape)), None)
    if declared is None:
        return tuple(f"{name}_{number}" for number in range(len(shape)))
    return tuple(part + "'" * declared[:place].count(part) for place, part in enumerate(declared))


def with_axes(quantities: Iterator[Quantity], axes: Mapping[str, tuple[str, ...]]) -> Iterator[Quantity]:
    """Give the quantities, some with other names of their axes."""
    for each in quantities:
        yield dataclasses.replace(each, axes=axes.get(each.name, each.axes)[: np.ndim(each.values)])
