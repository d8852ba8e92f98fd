"""A run as labelled arrays: swept keys are the dimensions, observables the variables, points that lack are NaN.

A swept key is a dimension with its values as coordinate: numbers ascending, all else in the order of the sweep. An
array of a point has dimensions of its own behind those, shared with arrays that have the same lengths at all points
and, where their descriptions declare letters ("(M,)"), the same letter; where lengths differ between points, the rest
is NaN. A cell without a point is NaN, and False in marks (boolean variables).
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bdg.base.result_fields import declared_shapes
from bdg.base.tables import split_unit
from bdg.jobs.model.means import flags_of
from bdg.jobs.model.schema import did_you_mean, unit_of
from bdg.jobs.model.sweep import Parameters
from bdg.jobs.model.tables import Record, text_of

INSTALL_XARRAY = (
    "to_xarray needs xarray, the extra 'data' of this package: pip install 'bdg[data]'. to_csv and plot do without it"
)
FOLLOWING = {("system", "checksum"), ("compute", "table_checksum")}  # differ with others: no sweeps of their own
_EMPTY: dict[str, Any] = {"b": False, "f": np.nan, "c": complex(np.nan, np.nan)}
# Errors whose names do not tell of what.
_ERRORS = {
    "critical_temperature_K": "error_K",
    "current_nA": "error_nA",
    "delta_meV": "error_meV",
    "largest_delta": "delta_error",
    "largest_delta_meV": "error_meV",
    "pair_amplitude": "amplitude_error",
    "sample_amplitude": "amplitude_error",
    "slice_amplitude": "amplitude_error",
    "stiffness_meV_nm2": "error_meV_nm2",
}
_IN_SPACE = re.compile(r"(?:^|_)(?:positions|centres)(?:_|$)")  # vectors
# What others of the same dimension stand against; energies only where there is a density.
_ABSCISSA = re.compile(r"(?:^|_)(?:x|y|distances?|temperatures|fields|phases|positions)$")


@dataclass(frozen=True, eq=False)
class Variable:
    """An array with the names of its dimensions.

    Attributes
    ----------
    dims : tuple of str
    values : array
    attrs : dict
        ``units``, ``long_name``; ``error`` and ``resolved``, the names of variables that tell these, if there are any.
    """

    dims: tuple[str, ...]
    values: np.ndarray
    attrs: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class LabelledArrays:
    """What an `xarray.Dataset` is made of.

    Attributes
    ----------
    axes : dict of Variable
        Values of the swept keys, by dimension.
    variables : dict of Variable
    beside : tuple of str
        Variables that others stand against: coordinates.
    observables : tuple of str
        All that there are, also those that were not asked for.
    attrs : dict
    """

    axes: dict[str, Variable]
    variables: dict[str, Variable]
    beside: tuple[str, ...]
    observables: tuple[str, ...]
    attrs: dict[str, Any]

    @property
    def lacking(self) -> Variable:
        """Where there is no point, of means: no point of any seed."""
        if "seeds" in self.variables:
            return Variable(tuple(self.axes), self.variables["seeds"].values == 0)
        return Variable(tuple(self.axes), self.variables["state"].values != "done")

    def to_xarray(self) -> Any:
        """Return an `xarray.Dataset`; ImportError that names the extra where there is no xarray."""
        try:
            import xarray
        except ImportError as error:
            raise ImportError(INSTALL_XARRAY) from error
        parts = {name: (each.dims, each.values, each.attrs) for name, each in (self.axes | self.variables).items()}
        coordinates = {name: part for name, part in parts.items() if name in self.axes or name in self.beside}
        data = {name: part for name, part in parts.items() if name not in coordinates}
        return xarray.Dataset(data, coordinates, self.attrs)


@dataclass(frozen=True, eq=False)
class Cell:
    """A combination of the swept keys: a point, or one that is not there.

    Attributes
    ----------
    record : Record
        Without values where there is no point.
    facts : dict
        What is told of every cell: a text, a number, or True or False by name.
    """

    record: Record
    facts: Mapping[str, Any]


def labelled(
    cells: Sequence[Cell], nothing: Mapping[str, Any], attrs: Mapping[str, Any], names: Iterable[str] | str | None
) -> LabelledArrays:
    """Return labelled arrays of points.

    Parameters
    ----------
    cells : sequence of Cell
        In the order of the sweep.
    nothing : mapping
        The facts of a combination that is none of the cells.
    attrs : mapping
        Of all; the parameters that all cells share are added to them.
    names : iterable of str, or None for all
        Observables.

    Raises
    ------
    ValueError
        If there is no such observable.
    """
    grid = _Grid.of([cell.record.parameters for cell in cells])
    records = [_renamed(cell.record, grid.axes) for cell in cells]
    units = dict[str, str]()
    for record in records:
        for name in record.values:
            units.setdefault(name, record.units.get(name, ""))
    chosen = _with_companions([checked_name("names", name, units) for name in _listed(names, units)], units)
    dims = _own_dims(records, units)
    variables = {name: _variable(records, name, grid, dims[name], units) for name in chosen}
    beside = tuple(name for name in chosen if dims[name] and _is_abscissa(name, dims[name][-1], variables))
    for each in {dim for name in chosen for dim in dims[name] if dim in ("xy", "xyz")}:
        variables[each], beside = Variable((each,), np.array(list(each))), (*beside, each)
    variables |= {grid.free_name(fact, variables): grid.fact(cells, fact, empty) for fact, empty in nothing.items()}
    return LabelledArrays(grid.axes, variables, beside, tuple(units), {**attrs, "parameters": grid.common(records)})


def checked_name(argument: str, name: Any, names: Iterable[str]) -> str:
    """Return a name if it is one of some; ValueError that says which one was meant and which there are."""
    names = list(names)
    if name not in names:
        hint = did_you_mean(name, names) if isinstance(name, str) else ""
        raise ValueError(f"{argument} {name!r} is none of this run{hint}; there are {', '.join(names) or 'none'}")
    return name


def swept_keys(parameters: Sequence[Parameters]) -> dict[tuple[str, str], str]:
    """Return the (section, key) pairs that differ between points, with a name for each."""
    there = {(section, key) for each in parameters for section, keys in each.items() for key in keys}
    pairs = sorted(there, key=lambda pair: (not pair[0].startswith("system"), pair))  # files know no order
    swept = [
        (section, key)
        for section, key in pairs
        if (section, key) not in FOLLOWING and len({text_of(each.get(section, {}).get(key)) for each in parameters}) > 1
    ]
    names = [key for _, key in swept]
    return {(section, key): key if names.count(key) == 1 else f"{section}.{key}" for section, key in swept}


def error_of(name: str, units: Mapping[str, str]) -> str | None:
    """Return which of some observables (with their units) is the error of one, None if none is."""
    stem, unit = stem_of(name, units[name]), name.removeprefix(stem_of(name, units[name]))
    told = [f"{stem}_{word}{ending}" for word in ("uncertainty", "error") for ending in (unit, "")]
    wanted = (f"{name}_standard_error", *told, _ERRORS.get(name, ""))
    return next((each for each in wanted if each in units), None)


def stem_of(name: str, unit: str) -> str:
    """Return a name without its unit, "density" of "density_per_meV"."""
    return split_unit(name, unit)[0].removesuffix("_per")


@dataclass(frozen=True, eq=False)
class _Grid:
    """All combinations of the swept keys, and the place of each point in them."""

    axes: dict[str, Variable]
    places: list[tuple[int, ...]]
    keys: Iterable[tuple[str, str]]

    @classmethod
    def of(cls, parameters: Sequence[Parameters]) -> _Grid:
        keys = swept_keys(parameters)
        axes, columns = dict[str, Variable](), []
        for (section, key), name in keys.items():
            values: list[Any] = [each.get(section, {}).get(key) for each in parameters]
            numbers = all(isinstance(value, int | float) for value in values)
            values = values if numbers else [text_of(value) for value in values]
            told = sorted(set(values)) if numbers else list(dict.fromkeys(values))
            place = {value: number for number, value in enumerate(told)}
            columns.append([place[value] for value in values])
            unit = unit_of(key)
            words = key.removesuffix(f"_{unit}").replace("_", " ")
            attrs = {"units": unit or "1", "long_name": words, "section": section}
            axes[name] = Variable((name,), np.array(told), attrs)
        return cls(axes, [tuple(column[n] for column in columns) for n in range(len(parameters))], keys)

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(each.values.size for each in self.axes.values())

    def spread(self, values: Sequence[np.ndarray | None]) -> np.ndarray:
        """Return the values of all points on the grid, each in the first places of its own axes, the rest empty."""
        there = [np.asarray(value) for value in values if value is not None]
        count = max(each.ndim for each in there)
        there = [each.reshape(each.shape + (1,) * (count - each.ndim)) for each in there]
        room = tuple(np.max([each.shape for each in there], axis=0)) if count else ()
        full = len(there) == math.prod(self.shape) and all(each.shape == room for each in there)
        dtype = np.result_type(*there)
        if not full and dtype.kind in "iu":
            dtype = np.dtype(float)
        found = np.full((*self.shape, *room), _EMPTY.get(dtype.kind, 0), dtype=dtype)
        rest = iter(there)
        for place, value in zip(self.places, values, strict=True):
            if value is not None:
                each = next(rest)
                where: Any = (*place, *map(slice, each.shape))
                found[where] = each
        return found

    def fact(self, cells: Sequence[Cell], name: str, empty: Any) -> Variable:
        """Return what is told of every cell, ``empty`` of combinations that are none."""
        told = [cell.facts.get(name, empty) for cell in cells]
        found = np.full(self.shape, empty, dtype=object if isinstance(empty, str) else type(empty))
        for place, value in zip(self.places, told, strict=True):
            found[place] = value
        return Variable(tuple(self.axes), found)

    def free_name(self, name: str, taken: Mapping[str, Any]) -> str:
        return f"point_{name}" if name in taken or name in self.axes else name

    def common(self, records: Sequence[Record]) -> str:
        """Return the parameters that all points share, a line each."""
        first = records[0].parameters if records else {}
        return "\n".join(
            f"[{section}] {key} = {text_of(value)}"
            for section, keys in first.items()
            for key, value in keys.items()
            if (section, key) not in {*self.keys, *FOLLOWING}
        )


def _own_dims(records: Sequence[Record], units: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Return the names of the dimensions that each observable has beside the swept ones."""
    labels: dict[Any, str] = {}
    found = {}
    for name, unit in units.items():
        shapes = [np.shape(record.values[name]) if name in record.values else None for record in records]
        count = max(len(shape) for shape in shapes if shape is not None)
        letters, own = _letters(records, name, count), list[str]()
        for axis in range(count):
            lengths = tuple(None if shape is None or len(shape) <= axis else shape[axis] for shape in shapes)
            label = f"{stem_of(name, unit)}_{'index' if axis == 0 else 'bcdefgh'[axis - 1]}"
            label = f"{name}_{axis}" if label in labels.values() else label
            components = max(filter(None, lengths), default=0)
            if axis and components in (2, 3) and _IN_SPACE.search(name):
                label = "xyz"[:components]
            else:
                label = labels.setdefault((letters[axis], lengths), label)
            own.append(label if label not in own else f"{label}_b")  # (G, G)
        found[name] = tuple(own)
    for name in units:
        error = error_of(name, units)
        if error and all(np.shape(each.values.get(error, 0)) == np.shape(each.values.get(name, 0)) for each in records):
            found[error] = found[name]
    return found


def _letters(records: Sequence[Record], name: str, count: int) -> Sequence[str]:
    """Return the letters that a description declares for the axes of an array, "" where there are none."""
    words = next((record.descriptions.get(name, "") for record in records if name in record.values), "")
    declared = next((parts for parts in declared_shapes(words) if len(parts) == count), [""] * count)
    return ["" if part.isdigit() else part for part in declared]


def _renamed(record: Record, keys: Collection[str]) -> Record:
    """Return a record whose observables have other names than the keys: ``found_...``, as in tables."""
    if not set(keys) & set(record.values):
        return record
    names = {name: f"found_{name}" if name in keys else name for name in record.values}
    return Record(
        record.parameters,
        {names[name]: value for name, value in record.values.items()},
        {names.get(name, name): unit for name, unit in record.units.items()},
        {names.get(name, name): words for name, words in record.descriptions.items()},
    )


def _listed(names: Iterable[str] | str | None, known: Iterable[str]) -> list[str]:
    return list(known) if names is None else [names] if isinstance(names, str) else list(names)


def _with_companions(names: Sequence[str], units: Mapping[str, str]) -> list[str]:
    """Return names with those of their errors, marks and numbers of seeds behind them."""
    found: list[list[str | None]] = [[error_of(each, units), *flags_of(units, each), f"{each}_used"] for each in names]
    beside = [name for each in found for name in each if name is not None and name in units]
    return list(dict.fromkeys([*names, *beside]))


def _variable(
    records: Sequence[Record], name: str, grid: _Grid, own: tuple[str, ...], units: Mapping[str, str]
) -> Variable:
    of = next(record for record in records if name in record.values)
    attrs = {"units": units[name] or "1", "long_name": of.descriptions.get(name, name)}
    error = error_of(name, units)
    flags = [flag for flag in flags_of(units, name) if np.asarray(of.values.get(flag, 0)).dtype == bool]
    attrs |= {"error": error} if error else {}
    attrs |= {"resolved": flags[-1]} if flags else {}
    return Variable((*grid.axes, *own), grid.spread([record.values.get(name) for record in records]), attrs)


def _is_abscissa(name: str, own: str, variables: Mapping[str, Variable]) -> bool:
    """Return whether others of the same dimension ``own`` are functions of a variable."""
    stem = stem_of(name, variables[name].attrs["units"])
    beside = [other for key, other in variables.items() if key != name and own in other.dims]
    density = any(other.attrs["units"].startswith("1/") for other in beside)
    return bool(beside) and bool(_ABSCISSA.search(stem) or (stem.endswith("energies") and density))
