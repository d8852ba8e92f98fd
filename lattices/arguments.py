"""Checks of single numbers that callers hand over: one wording for all modules."""

from __future__ import annotations

import math
import operator
from numbers import Real
from typing import Any

SHORTEST, LONGEST = 1e-60, 1e60  # lengths, in whatever unit: volumes and numbers of grains stay within floats


def real_number(name: str, value: Any, unit: str = "") -> float:
    """Return ``value`` as a finite float; TypeError if it is no real number, ValueError if it is NaN or infinite."""
    number = _float(name, value, unit)
    if not math.isfinite(number):
        raise ValueError(f"{name} must be finite{_in(unit)}; got {value!r}")
    return number


def positive_number(name: str, value: Any, unit: str = "", *, infinite: bool = False) -> float:
    """Return ``value`` as a float > 0; with ``infinite`` infinity is welcome too."""
    number = _float(name, value, unit)
    if not number > 0 or (math.isinf(number) and not infinite):
        raise ValueError(f"{name} must be positive{'' if infinite else ' and finite'}{_in(unit)}; got {value!r}")
    return number


def length_in_range(name: str, value: Any) -> float:
    """Return ``value`` as a length > 0 whose cube is a number, too."""
    number = positive_number(name, value)
    if not SHORTEST <= number <= LONGEST:
        raise ValueError(
            f"{name} must lie between {SHORTEST:g} and {LONGEST:g} (any unit of length will do); got {number:g}"
        )
    return number


def non_negative_number(name: str, value: Any, unit: str = "") -> float:
    """Return ``value`` as a finite float >= 0."""
    number = _float(name, value, unit)
    if not (number >= 0 and math.isfinite(number)):
        raise ValueError(f"{name} must be finite and >= 0{_in(unit)}; got {value!r}")
    return number


def whole_number(
    name: str, value: Any, least: int, most: int | None = None, unit: str = "", *, instead: str = ""
) -> int:
    """Return ``value`` as an int from ``least`` to ``most`` (None: without end).

    Whole numbers of NumPy are some, too; booleans and floats are none.

    Parameters
    ----------
    unit : str
        What is counted, or why the bounds are these; told in brackets.
    instead : str
        What else the caller takes, which is for the caller to see to ("'all'").

    Raises
    ------
    TypeError
        If ``value`` is no whole number.
    ValueError
        If it lies outside of the bounds.
    """
    bounds = f">= {least}" if most is None else f"from {least} to {most}"
    rule = f"{name} must be a whole number {bounds}{_in(unit)}{f', or {instead}' if instead else ''}"
    try:
        number = operator.index(value)
    except TypeError:
        number = None
    if number is None or isinstance(value, bool):
        raise TypeError(f"{rule}; got {value!r:.80} ({type(value).__name__})")
    if number < least or (most is not None and number > most):
        raise ValueError(f"{rule}; got {number}")
    return number


def space_dimensions(value: Any) -> int:
    """Return the number of space dimensions, 1, 2 or 3."""
    if isinstance(value, bool) or value not in (1, 2, 3):
        raise ValueError(f"dimensions must be 1, 2 or 3; got {value!r}")
    return int(value)


def _float(name: str, value: Any, unit: str) -> float:
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a real number{_in(unit)}; got {value!r:.80} ({type(value).__name__})")
    return float(value)


def _in(unit: str) -> str:
    return f" ({unit})" if unit else ""
