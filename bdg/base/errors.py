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

    Examples
    --------
    >>> import bdg
    >>> try:
    ...     bdg.estimate("no_such_job.toml")
    ... except bdg.JobError as error:
    ...     print(error.problems)
    ('no_such_job.toml: cannot be read (No such file or directory)',)
    """

    def __init__(self, *problems: str) -> None:
        self.problems = tuple(line for problem in problems for line in problem.splitlines())
        super().__init__("\n".join(self.problems))


class AccuracyWarning(UserWarning):
    """A number is less accurate than was asked for, or not proven; the text says by how much.

    Examples
    --------
    >>> import warnings
    >>> import bdg
    >>> from bdg.granular import scan_unknowns
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("error", bdg.AccuracyWarning)  # stop instead of going on
    ...     try:
    ...         scan_unknowns(lambda x: x**4, {"x": (0, 9)}, tol=1e-4, most=32, seed=1)
    ...     except bdg.AccuracyWarning as warning:
    ...         print(str(warning).partition(": ")[2][:32])
    32 points leave a standard error
    """


class ConvergenceError(RuntimeError):
    """An iteration missed its tolerance.

    Attributes
    ----------
    result : object or None
        What was reached, as the function would have returned it.

    Examples
    --------
    >>> import bdg
    >>> from bdg.lattices import Layer, stack
    >>> chain = stack([Layer(40, delta=0.3, attraction=1.5)])
    >>> try:
    ...     bdg.solve_gap(chain, temperature=0.02, max_iterations=2)
    ... except bdg.ConvergenceError as error:
    ...     print(error.result.iterations, error.result.converged)  # what was reached can be looked at
    2 False
    """

    def __init__(self, message: str, result: Any = None) -> None:
        super().__init__(message)
        self.result = result


class ClosedSystemWarning(UserWarning):
    """A system with leads is solved as the closed system that is left without them.

    Examples
    --------
    >>> import warnings
    >>> import numpy as np
    >>> import bdg
    >>> from bdg.lattices import Lead, System
    >>> lead = Lead(np.zeros((1, 1)), np.array([[-1.0]]), np.array([0]))
    >>> wire = System(np.array([[0.0, -1.0], [-1.0, 0.0]]), np.array([[0.0], [1.0]]), delta=0.3, leads=(lead,))
    >>> with warnings.catch_warnings(record=True) as raised:
    ...     warnings.simplefilter("always")
    ...     states = bdg.bound_states(wire, 2)
    >>> print(str(raised[0].message).partition(",")[0])
    bound_states: the system has 1 lead
    """


class ConservationWarning(UserWarning):
    """An imposed Delta feeds in or takes out current where nothing should.

    Examples
    --------
    >>> import warnings
    >>> import bdg
    >>> from bdg.lattices import Layer, stack
    >>> junction = stack([Layer(10, delta=0.3), Layer(2), Layer(10, delta=0.3)], transparency=0.5)
    >>> with warnings.catch_warnings(record=True) as raised:
    ...     warnings.simplefilter("always")
    ...     relation = bdg.current_phase(junction, [0.5, 1.5], temperature=0.05)
    >>> print(raised[0].category.__name__, "self_consistent=True" in str(raised[0].message))
    ConservationWarning True
    """
