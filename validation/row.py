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
class Check:
    """A set of comparisons about one statement.

    Attributes
    ----------
    identifier, title, source : str
    compare : callable
        ``compare(slow)`` yields `Comparison` objects one by one; ``slow`` asks for those that take minutes, too.
    """

    identifier: str
    title: str
    source: str
    compare: Callable[[bool], Iterator[Comparison]]


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


def _require_status(status: str, known: Iterable[str]) -> None:
    if status not in known:
        raise ValueError(f"status must be one of {', '.join(s for s in STATUSES if s in known)}; got {status!r}")


def _numbers(value: Any) -> tuple[float, ...]:
    values: Iterable[Any] = np.atleast_1d(np.asarray(value, dtype=float)).ravel()
    return tuple(float(number) for number in values)
