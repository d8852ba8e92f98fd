"""One comparison: a computed number beside the expected one, and why they may differ by that much."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

STATUSES = {
    "E": "exact on the lattice: only arithmetic and the finite superconductor matter",
    "A": "asymptotic formula: the tolerance is its known correction",
    "S": "statistical: seeds given",
    "R": "reported, not tested",
    "P": "predicted, no parameter fitted to it",
    "C": "consistent: one number calibrates the model, this is another one",
    "F": "fitted",
    "Q": "qualitative only",
    "X": "not reproduced by the model",
    "input": "put into the model: nothing is predicted",
    "trivial": "follows from what the model assumes",
}
MUST_PASS = frozenset("EASPC")


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What a check yields: a computed and an expected number (or several, compared one by one).

    Attributes
    ----------
    quantity : str
    value, expected : tuple of float
        What the package gives, and the independent number; of an interval ``expected`` holds both ends, and it is empty
        where there is no such number.
    tolerance : float
        Largest accepted deviation; infinite where nothing is expected.
    reason : str
        Why the tolerance is what it is.
    status : str
        One of `STATUSES`.
    deviation : float
        Largest |value - expected|; of an interval how far a value lies outside.
    passed : bool
        Whether the deviation is within the tolerance (never for NaN).
    interval : bool
    at, errors : tuple of float
        Of measured points: where they were measured, and their errors.
    """

    quantity: str
    value: tuple[float, ...]
    expected: tuple[float, ...]
    tolerance: float
    reason: str
    status: str
    deviation: float
    passed: bool
    interval: bool = False
    at: tuple[float, ...] = ()
    errors: tuple[float, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Row(Comparison):
    """One line of the table: a comparison with the check that it belongs to.

    Attributes
    ----------
    check : str
        Identifier: "O4" of a closed form, "row 03" of an experiment.
    title : str
        What the check is about.
    source : str
        Paper.
    seconds : float
        Time that this row took.
    """

    check: str
    title: str
    source: str
    seconds: float

    @property
    def failed(self) -> bool:
        """True if this row makes the whole table fail: its status is in `MUST_PASS` and it does not pass."""
        return self.status in MUST_PASS and not self.passed


@dataclass(frozen=True, kw_only=True)
class Curve:
    """What a check computes as a function of one variable: what measured points can be compared with.

    Attributes
    ----------
    quantity : str
        Name in a file of points; several curves of a check may share it, with different models.
    x, x_unit, y_unit : str
        Name and unit of the variable, and the unit of the quantity; "1" for pure numbers.
    range : (float, float)
        Of the variable, ends included.
    values : callable
        Array (M,) of the variable to array (M,).
    model : str
        In words, where there are several.
    unverified : str
        Which number behind it was not checked against its source; "" if all were.
    """

    quantity: str
    x: str
    x_unit: str
    y_unit: str
    range: tuple[float, float]
    values: Callable[[np.ndarray], Any]
    model: str = ""
    unverified: str = ""


@dataclass(frozen=True, kw_only=True)
class Check:
    """A set of comparisons about one statement.

    Attributes
    ----------
    identifier, title, source : str
    compare : callable
        ``compare(slow)`` yields `Comparison` objects one by one; ``slow`` asks for those that take minutes, too.
    curves : tuple of Curve
        What measured points can be compared with, where the paper has a figure only.
    """

    identifier: str
    title: str
    source: str
    compare: Callable[[bool], Iterator[Comparison]]
    curves: tuple[Curve, ...] = ()


def compare(quantity: str, value: Any, expected: Any, tolerance: float, reason: str, status: str) -> Comparison:
    """Return the comparison of numbers, or of equally many numbers one by one (else the deviation is infinite)."""
    _require_status(status, STATUSES)
    values, wanted = _numbers(value), _numbers(expected)
    deviation = math.inf
    if len(values) == len(wanted):
        deviation = float(np.max(abs(np.subtract(values, wanted)), initial=0.0))  # NaN if any of them is
    return Comparison(
        quantity=quantity,
        value=values,
        expected=wanted,
        tolerance=float(tolerance),
        reason=reason,
        status=status,
        deviation=deviation,
        passed=bool(deviation <= tolerance),
    )


def within(quantity: str, value: Any, low: float, high: float, reason: str, status: str) -> Comparison:
    """Return the comparison of numbers with an interval, whose ends belong to it."""
    _require_status(status, STATUSES)
    values = _numbers(value)
    outside = float(np.max(np.maximum(np.subtract(low, values), np.subtract(values, high)), initial=0.0))
    return Comparison(
        quantity=quantity,
        value=values,
        expected=(float(low), float(high)),
        tolerance=0.0,
        reason=reason,
        status=status,
        deviation=outside,
        passed=bool(outside <= 0),
        interval=True,
    )


def reported(quantity: str, value: Any, reason: str, status: str) -> Comparison:
    """Return numbers with which nothing is compared; only for a status that need not pass."""
    _require_status(status, STATUSES.keys() - MUST_PASS)
    return Comparison(
        quantity=quantity,
        value=_numbers(value),
        expected=(),
        tolerance=math.inf,
        reason=reason,
        status=status,
        deviation=0.0,
        passed=True,
    )


def measured(curve: Curve, at: Any, points: Any, errors: Any) -> Comparison:
    """Return the comparison of a curve with measured points: the deviation in units of their errors, reported only."""
    x, y, sigma = _numbers(at), _numbers(points), _numbers(errors)
    values = _numbers(curve.values(np.array(x)))
    off = deviations(values, y, sigma)
    worst = int(abs(off).argmax())
    notes = ", ".join(note for note in (curve.model, curve.unverified) if note)
    what = f"{curve.quantity}{f' ({notes})' if notes else ''}: {abs(off[worst]):.2g} errors off at {x[worst]:.4g}"
    return Comparison(
        quantity=f"{what} {curve.x_unit}, rms {math.sqrt((off**2).mean()):.2g} of {len(x)}",
        value=values,
        expected=y,
        tolerance=max(sigma),
        reason="error of the measured points",
        status="R",
        deviation=float(abs(np.subtract(values, y)).max()),
        passed=bool(abs(off[worst]) <= 2),
        at=x,
        errors=sigma,
    )


def deviations(values: Any, points: Any, errors: Any) -> np.ndarray:
    """Return (value - measured)/error; infinite where there is no value."""
    off = np.subtract(values, points) / np.asarray(errors)
    return np.where(np.isnan(off), np.inf, off)


def _require_status(status: str, known: Iterable[str]) -> None:
    if status not in known:
        raise ValueError(f"status must be one of {', '.join(s for s in STATUSES if s in known)}; got {status!r}")


def _numbers(value: Any) -> tuple[float, ...]:
    values: Iterable[Any] = np.atleast_1d(np.asarray(value, dtype=float)).ravel()
    return tuple(float(number) for number in values)
