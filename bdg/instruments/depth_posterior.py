"""The posterior of depth and height: flat in both over their ranges, on a grid that follows its ridge."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

POINTS = 81  # of depths at each height, and of heights
_ZOOMS = 4
_KEPT = 40.0  # in -2 ln L above the least: what is less likely is cut off
_EDGE = 4.0  # -2 ln L by which an end of the range must be worse: two standard deviations


@dataclass(frozen=True)
class DepthPosterior:
    """Probabilities (Z, L) of depths (Z, L) at heights (Z,); they sum to 1.

    ``edges`` say by how much -2 ln L is larger at the ends of the range of depths than at its least, best over heights.
    """

    heights: np.ndarray
    depths: np.ndarray
    probability: np.ndarray
    best: tuple[float, float]
    edges: tuple[float, float]

    @property
    def bounded(self) -> tuple[bool, bool]:
        """Return whether the data exclude the shortest and the longest depth of the range."""
        return self.edges[0] > _EDGE, self.edges[1] > _EDGE

    def quantiles(self, levels: tuple[float, ...]) -> np.ndarray:
        """Return depths below which the given shares of the probability lie."""
        order = np.argsort(self.depths, axis=None)
        weights = self.probability.ravel()[order]
        return np.interp(levels, np.cumsum(weights) - weights / 2, self.depths.ravel()[order])

    def mean(self, values: np.ndarray) -> float:
        """Return the mean of values (Z, L)."""
        return float((self.probability * values).sum())

    def combination(self) -> tuple[float, float, float]:
        """Return c, mean and standard deviation of ``height + c depth``, with the c that fixes it best."""
        heights = np.broadcast_to(self.heights[:, None], self.depths.shape)
        away = self.depths - self.mean(self.depths), heights - self.mean(heights)
        c = -self.mean(away[0] * away[1]) / self.mean(away[0] ** 2)
        fixed = heights + c * self.depths
        centre = self.mean(fixed)
        return c, centre, math.sqrt(self.mean((fixed - centre) ** 2))


def depth_posterior(
    chi2: Callable[[np.ndarray, np.ndarray], np.ndarray], depths: tuple[float, float], heights: tuple[float, float]
) -> DepthPosterior:
    """Return the posterior of ``chi2(depths (Z, L), heights (Z,))`` = -2 ln L over ranges of depth and height."""
    z = np.linspace(*heights, POINTS if heights[1] > heights[0] else 1)
    rows, values = _along_the_ridge(chi2, depths, z)
    for _ in range(_ZOOMS if z.size > 1 else 0):
        first, last = _window(values.min(axis=1)[None] < values.min() + _KEPT)
        low, high = z[first[0]], z[last[0]]
        if high - low > 0.8 * (z[-1] - z[0]):
            break
        z = np.linspace(low, high, POINTS)
        rows, values = _along_the_ridge(chi2, depths, z)
    least = values.min()
    weights = np.exp(-(values - least) / 2) * _widths(rows)
    weights *= _widths(z[None])[0][:, None] if z.size > 1 else 1.0
    place = np.unravel_index(np.argmin(values), values.shape)
    all_heights = np.union1d(np.linspace(*heights, POINTS), z)
    ends = (float(chi2(np.full((all_heights.size, 1), end), all_heights).min() - least) for end in depths)
    return DepthPosterior(
        z, rows, weights / weights.sum(), (float(rows[place]), float(z[place[0]])), (next(ends), next(ends))
    )


def _along_the_ridge(
    chi2: Callable[[np.ndarray, np.ndarray], np.ndarray], ends: tuple[float, float], z: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return depths (Z, L) where the likelihood of each height is, and -2 ln L there."""
    rows = np.broadcast_to(np.geomspace(*ends, 2 * POINTS), (z.size, 2 * POINTS))
    values = chi2(rows, z)
    for _ in range(_ZOOMS):
        first, last = _window(values < values.min(axis=1, keepdims=True) + _KEPT)
        at = np.arange(z.size)
        rows = np.linspace(rows[at, first], rows[at, last], POINTS, axis=1)
        values = chi2(rows, z)
    return rows, values


def _window(likely: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the first and last True of rows (Z, L), each one further out if there is something."""
    count = likely.shape[1]
    first = np.maximum(likely.argmax(axis=1) - 1, 0)
    return first, np.minimum(count - likely[:, ::-1].argmax(axis=1), count - 1)


def _widths(rows: np.ndarray) -> np.ndarray:
    """Return the weights of the trapezoidal rule on rows (Z, L)."""
    steps = np.diff(rows, axis=1)
    return (np.pad(steps, ((0, 0), (1, 0))) + np.pad(steps, ((0, 0), (0, 1)))) / 2
