"""How long a run may go on, and how long one point may take."""

from __future__ import annotations

import time
from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Limits of a run, as its engine asks for them.

    Attributes
    ----------
    until : float or None
        Time (time.monotonic of the runner) from which on no more points are begun; those that were are finished.
    point_seconds : float or None
        After which a point is given up, and its worker with it.
    """

    until: float | None = None
    point_seconds: float | None = None

    @classmethod
    def of(cls, budget: float | None, point_limit: float | None) -> Limits:
        """Return the limits of a run that begins now, from minutes.

        Raises
        ------
        ValueError
            If a number of minutes is not positive.
        """
        for name, minutes in (("budget", budget), ("point_limit", point_limit)):
            if minutes is not None and not 0 < minutes < float("inf"):
                raise ValueError(f"{name} must be minutes > 0; got {minutes}")
        until = None if budget is None else time.monotonic() + 60 * budget
        return cls(until, None if point_limit is None else 60 * point_limit)

    def open(self) -> bool:
        """Return whether another point may be begun."""
        return self.until is None or time.monotonic() < self.until

    def overdue(self, since: float) -> bool:
        """Return whether a point that was begun then (time.monotonic) has had its time."""
        return self.point_seconds is not None and time.monotonic() - since > self.point_seconds

    def told(self) -> str:
        """Return the reason of a point that was given up."""
        assert self.point_seconds is not None
        return f"it took longer than --point-limit {self.point_seconds / 60:g} (minutes)"
