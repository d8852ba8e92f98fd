"""What building a system takes, stated by each builder from its arguments before it makes anything.

A builder hands a `Building` to `require` and goes on if nothing is raised. Who looks at it is not for this package to
say: it knows no device and no memory. `bdg.base.building` compares every statement with the memory of this machine and
refuses with `bdg.MemoryBudgetError`; importing ``bdg`` in any way puts it in place. `predict` stops a builder at its
statement: that is how a size is asked for without a system.
"""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

GIB = 2.0**30
MOST = 10**300  # counts beyond are taken for this one: it fits into a float, and nowhere else


@dataclass(frozen=True)
class Building:
    """What a builder will make, and what that takes.

    Attributes
    ----------
    what : str
        As the caller may recognise it, "grain_composite of 100 x 100 x 100 sites" for instance.
    bytes : float
        Largest memory while it is being built. An upper bound within a factor of two.
    seconds : float
        On one core of a server of 2020; within a factor of three between 1e4 and 1e6 sites.
    count : float
        Sites, or what ``unit`` names, if the memory is proportional to that; else 0.
    cure : str
        What to change where it does not fit.
    unit : str
    shape : tuple of int
        Sites an axis of a regular grid; () where there is none.
    periodic : tuple of bool
        Whether each axis of the grid wraps around.
    """

    what: str
    bytes: float
    seconds: float
    count: float
    cure: str
    unit: str = "sites"
    shape: tuple[int, ...] = ()
    periodic: tuple[bool, ...] = ()

    def refusal(self, available: float) -> str:
        """Return in one line why it does not fit into ``available`` bytes, and what would."""
        cure = f"{self.cure[0].upper()}{self.cure[1:]}"
        if self.count:
            cure = f"About {0.95 * self.count * (available / self.bytes):.2g} {self.unit} would fit: {self.cure}"
        return (
            f"{self.what} takes {size_in_words(self.bytes)} to build, but {size_in_words(available)} are available on "
            f"this machine. {cure}"
        )


Judge = Callable[[Building], None]
_judge: Judge | None = None
_stops: contextvars.ContextVar[bool] = contextvars.ContextVar("stops", default=False)


class _Stated(BaseException):
    """Carries a statement out of a builder; no handler of errors may hold it up."""

    def __init__(self, building: Building) -> None:
        super().__init__(building)
        self.building = building


def judged_by(judge: Judge) -> None:
    """Let ``judge`` see what every builder states; it raises where that cannot be had."""
    global _judge
    _judge = judge


def require(building: Building) -> None:
    """State what is about to be built; whatever the judge raises ends the builder."""
    if _stops.get():
        raise _Stated(building)
    if _judge is not None:
        _judge(building)


def predict(build: Callable[[], Any]) -> Building | None:
    """Return what the first builder that ``build`` calls states, without building; None if it calls none.

    ``build`` is run up to that statement, and to its end where there is none.
    """
    with _stopped():
        try:
            build()
        except _Stated as stated:
            return stated.building
    return None


@contextlib.contextmanager
def _stopped() -> Iterator[None]:
    token = _stops.set(True)
    try:
        yield
    finally:
        _stops.reset(token)


def number(count: int | float) -> float:
    """Return a count as a float; whole numbers of any length are welcome."""
    return float(min(count, MOST))


def shape_in_words(shape: tuple[int, ...]) -> str:
    """Return the sites an axis as one reads them, "100 x 100 x 100"."""
    return " x ".join(str(n) if n < 10**7 else f"{number(n):.3g}" for n in shape)


def size_in_words(size: float) -> str:
    """Return bytes in GiB, with as many digits as say something."""
    gib = size / GIB
    return f"{gib:.1f} GiB" if 0.05 < gib < 1e5 else f"{gib:.2g} GiB"
