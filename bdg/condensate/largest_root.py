"""The highest temperature at which the largest eigenvalue of the pair kernel is one, shown to be the highest.

The largest eigenvalue need not fall everywhere: pairs of levels on both sides of the Fermi energy join in only where
T reaches their distance, and small systems can be superconducting between two temperatures. So the range above the
answer is covered by intervals in which no eigenvalue can be one (`bdg.condensate.pair_kernel`), with further
temperatures where those at hand leave a gap.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import scipy  # its parts load on use

COARSE = 2e-3  # accuracy of eigenvalues that only have to stay below one
FINE = 1e-13
UNCLEAR = 0.01  # in ln T: how close an eigenvalue that is one to the last digit is enclosed
GUESS = 0.1  # of max U, where the search begins
MAX_EVALUATIONS = 400


class Point(NamedTuple):
    """Largest eigenvalue that was found at a temperature, its error, a bound of all (inf: unknown), and the vector."""

    value: float
    error: float
    upper: float
    vector: np.ndarray


class Bounded(Protocol):
    """What gives the largest eigenvalue at a temperature."""

    strongest: float
    noise: float

    def largest(self, temperature: float, accuracy: float, bound: bool) -> Point:
        """Return the largest eigenvalue as exactly as ``accuracy``, and a bound of all if it is asked for."""

    def curvature(self, low: float, high: float) -> float:
        """Return C between two temperatures: the eigenvalue exceeds its chord in ln T by no more than C/8 dist^2."""


@dataclass(frozen=True, eq=False)
class Root:
    """Temperature (0: none above the floor), its error, the vector, and whether it is shown that none lies above.

    Where that is not shown the error reaches to the highest temperature that is not excluded.
    """

    temperature: float
    error: float
    vector: np.ndarray
    eigenvalue_error: float
    slope: float  # -d lambda/d ln T
    proven: bool


class Curve:
    """Largest eigenvalue against ln T: the points at hand and what they exclude."""

    def __init__(self, kernel: Bounded, floor: float, tell: Callable[[float, Point], None]) -> None:
        self._kernel, self._floor, self._tell = kernel, float(np.log(floor)), tell
        # max U/4T bounds every eigenvalue: one half at twice the temperature where it is one
        self._top = float(np.log(kernel.strongest / 2))
        self.points = {self._top: Point(0.5, 0.0, 0.5, np.zeros(0))}
        self._exact: set[float] = set()  # places with the last digit
        self._open = -np.inf  # the highest place that is not excluded

    def root(self, tol: float) -> Root:
        """Return the highest root above the floor; the relative error aimed for is ``tol``."""
        below = self._descend()
        place, down, up, slope = self._floor, 0.0, 0.0, np.inf
        while below is not None and len(self.points) < MAX_EVALUATIONS:
            place, down, up, slope = self._refine(below, tol)
            below = self._uncovered(place + up)
        point = self.points[place]
        open_to = max(self._open, below if below is not None else -np.inf)
        temperature = float(np.exp(place)) if place > self._floor else 0.0
        error = float(np.exp(max(place + up, open_to)) - temperature)
        error = max(error, float(-temperature * np.expm1(-down)))
        return Root(temperature, error, point.vector, point.error, slope, open_to == -np.inf)

    def _value(self, place: float, accuracy: float, bound: bool) -> Point:
        """Return the point at ln T = ``place``; where one lies within the error it is computed to the last digit."""
        point = self._kernel.largest(float(np.exp(place)), accuracy, bound)
        if abs(point.value - 1) <= point.error and accuracy > FINE:
            accuracy = FINE
            point = self._kernel.largest(float(np.exp(place)), FINE, bound)
        self.points[place] = point
        if accuracy <= FINE:
            self._exact.add(place)
        self._tell(float(np.exp(place)), point)
        return point

    def _descend(self) -> float | None:
        """Return a place with an eigenvalue above one, found in steps of a factor of four, or None."""
        place = max(float(np.log(GUESS * self._kernel.strongest)), self._floor)
        while True:
            if _is_above(self._value(place, COARSE, False)):
                return place
            if place <= self._floor:
                return self._uncovered(self._floor)
            place = max(place - np.log(4.0), self._floor)

    def _refine(self, below: float, tol: float) -> tuple[float, float, float, float]:
        """Return the root above ``below``, how far below and above in ln T it lies for sure, and the slope there."""
        high = min(place for place, point in self.points.items() if place > below and point.value < 1)

        def excess(place: float) -> float:
            point = self.points.get(place)
            # ends of the bracket need not be exact
            if point is None or (place not in self._exact and abs(point.value - 1) <= 20 * point.error):
                point = self._value(place, FINE, False)
            return point.value - 1

        noise = self._kernel.noise
        place = below
        if (first := excess(below)) > 0:
            # what is left over is part of the error
            enough = max(0.3 * noise, 0.01 * tol * (first - excess(high)) / (high - below))
            left = lambda place: 0.0 if abs(value := excess(place)) <= enough else value  # noqa: E731
            place = float(scipy.optimize.brentq(left, below, high, xtol=1e-3 * tol, rtol=1e-15))
        slope = self._slope(place, excess(place))
        error = 1.5 * (self.points[place].error + abs(excess(place)) + 2 * noise)
        down = up = max(0.1 * tol, error / slope) if slope > 0 else 0.1 * tol
        # wider, until eigenvalues above and below one at its ends enclose the root for sure
        while down < 0.5 and not _is_above(self._value(place - down, FINE, False)):
            down *= 4
        while up < 0.5 and not (point := self._value(place + up, FINE, True)).upper < 1:
            # a bound that lies above one says where it will not
            enough = (point.upper - 1) / slope if slope > 0 and point.upper < np.inf else 0.0
            up = max(4 * up, min(1.2 * enough, 0.4))
        known = max(down, up) < 0.5
        return place, down, up, self._between(place - down, place + up) if known else 0.0

    def _between(self, low: float, high: float) -> float:
        """Return ``-d lambda/d ln T`` between two places."""
        return (self.points[low].value - self.points[high].value) / (high - low)

    def _slope(self, place: float, excess: float) -> float:
        """Return ``-d lambda/d ln T`` by the nearest point that is not too near."""
        others = [(abs(p - place), p) for p in self.points if abs(self.points[p].value - 1) > 10 * abs(excess) + 1e-7]
        other = min(others)[1]
        return float((self.points[other].value - 1 - excess) / (place - other))

    def _uncovered(self, start: float) -> float | None:
        """Return a place above ``start`` with an eigenvalue above one; None if there is none or nothing was found."""
        self._open = -np.inf
        bounded = sorted(place for place, point in self.points.items() if place > start and point.upper < 1)
        places = [start, *bounded]
        pending = list(zip(places[:-1], places[1:], strict=True))
        while pending:
            low, high = pending.pop()  # from above
            end = high + float(np.log(self.points[high].upper))  # down to here the upper end alone excludes one
            is_low = self.points[low].upper < 1 if low in self.points else False
            if end <= low or (is_low and self._excluded(low, high)):
                continue
            unclear = not is_low and high - low < UNCLEAR
            if unclear or len(self.points) > MAX_EVALUATIONS:
                self._open = max(self._open, high)
                return None
            middle = 0.5 * (low + end)
            distance = 1 - self.points[high].upper
            point = self._value(middle, min(COARSE, max(0.03 * distance, FINE)), True)
            if _is_above(point):
                return middle
            pending += [(low, middle), (middle, high)] if point.upper < 1 else [(middle, high)]
        return None

    def _excluded(self, low: float, high: float) -> bool:
        """Return True if no eigenvalue between two places can be one."""
        first, second, distance = 1 - self.points[low].upper, 1 - self.points[high].upper, high - low
        end = distance + np.log(self.points[high].upper)
        curvature = self._kernel.curvature(float(np.exp(low)), float(np.exp(high)))
        slope = (second - first) / distance
        # the chord of the bounds, less what curvature may bend it: a parabola, at its lowest point below ``end``
        lowest = np.clip(0.5 * distance - slope / curvature, 0.0, end) if curvature else 0.0
        return bool(first + slope * lowest - 0.5 * curvature * lowest * (distance - lowest) > 0)


def _is_above(point: Point) -> bool:
    return point.value - point.error >= 1
