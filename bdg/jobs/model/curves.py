"""One observable against another or a swept key, as curves: which points of labelled arrays they are."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from bdg.jobs.model.labelled import LabelledArrays, Variable, checked_name, stem_of
from bdg.plots.curves import Curve

Fixed = dict[str, int]
"""Places along dimensions."""


def curves_of(
    arrays: LabelledArrays, y: str, x: str, hue: str | None, at: Mapping[str, Any]
) -> tuple[list[Curve], tuple[str, str], str]:
    """Return the curves y(x), one for each value of ``hue``, the labels of x and y, and what the others are at.

    Raises
    ------
    ValueError
        If a name is unknown or a dimension is left that nothing is said about.
    """
    shown, against = arrays.variables[y], (arrays.axes | arrays.variables)[x]
    swept = list(arrays.axes)
    fixed = {key: _place(key, value, arrays.axes[key]) for key, value in at.items()}
    own = [dim for dim in shown.dims if dim not in swept]
    along = x if x in swept else next(iter(own), None)
    rest = [dim for dim in shown.dims if dim not in (along, hue, *fixed)]
    if along is None and len(rest) == 1:
        (along,), rest = rest, []
    if rest or along is None:
        raise ValueError(_left(y, x, rest, own, arrays))
    many = range(arrays.axes[hue].values.size) if hue else range(1)
    curves = [_curve(arrays, (shown, against), along, fixed | ({hue: n} if hue else {}), hue) for n in many]
    others = ", ".join(_told(arrays.axes[key], place) for key, place in fixed.items())
    return curves, (_label(x, against), _label(y, shown)), others


def _left(y: str, x: str, rest: list[str], own: list[str], arrays: LabelledArrays) -> str:
    """Return why there is no curve, and what to do."""
    swept = [dim for dim in rest if dim in arrays.axes]
    if swept:
        values = {dim: arrays.axes[dim].values[0] for dim in swept}
        told = ", ".join(f"{dim!r}: {value!s}" for dim, value in values.items())
        return (
            f"plot: {y} against {x} would lay points of different {', '.join(swept)} above each other; "
            f"name one as hue and give the others a value, at={{{told}}}"
        )
    if own:
        return f"plot: {y} has the dimensions {', '.join(own)} of its own; x must be an observable along one of them"
    return f"plot: {x} is one number at each point, and no key is swept to draw a curve along"


def _place(key: str, value: Any, axis: Variable) -> int:
    """Return the place of the value that is nearest on an axis."""
    if axis.values.dtype.kind in "iuf" and isinstance(value, int | float):
        return int(abs(axis.values - value).argmin())
    told = [str(each) for each in axis.values]
    return told.index(checked_name(f"at {key}", str(value), told))


def _curve(
    arrays: LabelledArrays, variables: tuple[Variable, Variable], along: str, fixed: Fixed, hue: str | None
) -> Curve:
    shown, against = variables
    length = next(size for dim, size in zip(shown.dims, shown.values.shape, strict=True) if dim == along)
    values = _line(shown, along, fixed, length)
    error, resolved = (
        _line(arrays.variables[shown.attrs[what]], along, fixed, length) if what in shown.attrs else None
        for what in ("error", "resolved")
    )
    label = ""
    if hue is not None:
        label = _told(arrays.axes[hue], fixed[hue])
    lacking = _line(arrays.lacking, along, fixed, length)
    at = _line(against, along, fixed, length)
    return Curve(label, _real(at), _real(values).astype(float), error, resolved, lacking)


def _line(variable: Variable, along: str, fixed: Fixed, length: int) -> np.ndarray:
    """Return the values (length,) of a variable along a dimension, at places of the others."""
    if any(dim != along and dim not in fixed for dim in variable.dims):
        raise ValueError(f"plot: x must have no other dimensions than y; it has {', '.join(variable.dims)}")
    places = tuple(slice(None) if dim == along else fixed[dim] for dim in variable.dims)
    return np.broadcast_to(variable.values[places], (length,))


def _told(axis: Variable, place: int) -> str:
    """Return a value of a swept key in words."""
    value, unit = axis.values[place], axis.attrs["units"]
    words = f"{axis.attrs['long_name']} {value:g}" if axis.values.dtype.kind in "iuf" else f"{value}"
    return f"{words} {unit}" if unit != "1" else words


def _real(values: np.ndarray) -> np.ndarray:
    return abs(values) if values.dtype.kind == "c" else values


def _label(name: str, variable: Variable) -> str:
    """Return a name in words with its unit."""
    unit = variable.attrs.get("units", "1")
    words, unit = stem_of(name, unit).replace("_", " "), re.sub(r"\^(\w+)", r"$^{\1}$", unit)
    words = f"|{words}|" if variable.values.dtype.kind == "c" else words
    return f"{words} ({unit})" if unit not in ("1", "") else words
