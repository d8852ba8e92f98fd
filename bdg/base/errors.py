"""The package's own exceptions that belong to no single module."""

from __future__ import annotations

from typing import Any

from bdg.lattices.doubts import DoubtfulArgumentWarning as DoubtfulArgumentWarning


class JobError(ValueError):
    """A job file or run directory that cannot be used.

    Attributes
    ----------
    problems : tuple of str
        One line each: ``file: [section] key: rule; did you mean temperature_K?``
    """

    def __init__(self, *problems: str) -> None:
        self.problems = tuple(line for problem in problems for line in problem.splitlines())
        super().__init__("\n".join(self.problems))


class AccuracyWarning(UserWarning):
    """A number is less accurate than was asked for, or not proven; the text says by how much."""


class ConvergenceError(RuntimeError):
    """An iteration missed its tolerance.

    Attributes
    ----------
    result : object or None
        What was reached, as the function would have returned it.
    """

    def __init__(self, message: str, result: Any = None) -> None:
        super().__init__(message)
        self.result = result


class ClosedSystemWarning(UserWarning):
    """A system with leads is solved as the closed system that is left without them."""
