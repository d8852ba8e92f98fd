"""Numbers that are allowed and can hardly be meant: what is warned of, at the line of the caller."""

from __future__ import annotations

import sys
import warnings
from types import FrameType

import numpy as np

DEGREES = 5.0  # all phases are whole multiples of this,
LARGE_PHASE = 30.0  # and the largest is at least that: degrees. In radian that would be five turns
RIGHT_ANGLE = 90.0  # or the largest is a whole multiple of this


class DoubtfulArgumentWarning(UserWarning):
    """A number that is allowed, but can hardly be meant; the text says why, and what to give instead.

    Examples
    --------
    >>> import warnings
    >>> from bdg.lattices import Layer, stack
    >>> junction = stack([Layer(10, delta=0.3), Layer(2), Layer(10, delta=0.3)])
    >>> with warnings.catch_warnings(record=True) as raised:
    ...     warnings.simplefilter("always")
    ...     turned = junction.with_phases({1: 90})
    >>> print(raised[0].message)
    phases: 90 looks like degrees, and phases are in radian. numpy.deg2rad converts them
    """


def doubt(message: str) -> None:
    """Warn at the line outside of this package that led here."""
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and _is_ours(frame):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, DoubtfulArgumentWarning, stacklevel=level)


def _is_ours(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0] == "bdg"


def is_asked_by_ourselves() -> bool:
    """Return whether the function that asks was called by another one of this package, which has doubted already."""
    caller = sys._getframe(2)
    return _is_ours(caller)


def doubt_degrees(name: str, phases: np.ndarray) -> None:
    """Warn of phases that look like degrees."""
    size = abs(np.asarray(phases, dtype=float))
    most = float(size.max(initial=0.0))
    whole = bool((size % DEGREES == 0).all()) and most >= LARGE_PHASE
    if whole or (most > 0 and most % RIGHT_ANGLE == 0):
        doubt(f"{name}: {most:g} looks like degrees, and phases are in radian. numpy.deg2rad converts them")
