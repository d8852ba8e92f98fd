"""Diameters of grains: all equal, uniform between two lengths, or lognormal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bdg.lattices.arguments import length_in_range, non_negative_number
from bdg.lattices.packing.box_cut import sphere_volume

MOST_SPHERES = 20_000_000
WIDEST = 2.0  # standard deviation of ln D: beyond, nearly all of the volume is in grains that are hardly ever drawn


@dataclass(frozen=True)
class Diameters:
    """Distribution of diameters D.

    ``low == high`` and ``sigma == 0``: all equal. ``low < high``: uniform. ``sigma > 0``: lognormal with mean
    ``low == high``, ln D normal with standard deviation ``sigma`` about ``ln(mean) - sigma^2/2``.
    """

    low: float
    high: float
    sigma: float

    @classmethod
    def parse(cls, diameter: Any, diameter_sigma: Any = 0.0) -> Diameters:
        """Read the arguments ``diameter`` (length, or (low, high)) and ``diameter_sigma`` of a builder."""
        sigma = non_negative_number("diameter_sigma", diameter_sigma)
        if not isinstance(diameter, Sequence | np.ndarray) or isinstance(diameter, str):
            mean = length_in_range("diameter", diameter)
            if sigma > WIDEST:
                raise ValueError(f"diameter_sigma must be at most {WIDEST:g}, the spread of ln D; got {sigma:g}")
            return cls(mean, mean, sigma)
        if len(diameter) != 2:
            raise ValueError(f"diameter must be a length or a pair (low, high); got {diameter!r:.80}")
        low, high = (length_in_range("diameter", end) for end in diameter)
        if low > high:
            raise ValueError(f"diameter = (low, high) must be in ascending order; got ({low:g}, {high:g})")
        if sigma > 0:
            raise ValueError(
                f"diameter_sigma = {sigma:g} (lognormal) needs one mean diameter; got the range ({low:g}, {high:g}). "
                "Give diameter=(low, high) without diameter_sigma, or one mean diameter with it."
            )
        return cls(low, high, 0.0)

    @property
    def largest(self) -> float:
        """Largest diameter; for a lognormal distribution the mean times exp(3 sigma) (0.1 % lie above)."""
        return self.high * math.exp(3 * self.sigma)

    def mean_volume(self, dim: int) -> float:
        """Return the mean volume (dim = 3) or area (dim = 2) of a sphere, <D^dim> times that of D = 1."""
        if self.sigma > 0:
            power = self.low**dim * math.exp(self.sigma**2 * dim * (dim - 1) / 2)
        elif self.low < self.high:
            power = (self.high ** (dim + 1) - self.low ** (dim + 1)) / ((dim + 1) * (self.high - self.low))
        else:
            power = self.low**dim
        return float(sphere_volume(np.ones(1), dim)[0]) * power

    def check_number(self, expected: float) -> None:
        """Refuse more spheres than are packed."""
        if expected > MOST_SPHERES:
            raise ValueError(
                f"diameter is so small against size that {expected:.2g} spheres would be needed, more than "
                f"{MOST_SPHERES:.0e}; are size and diameter in the same unit?"
            )

    def draw(self, volume: float, dim: int, rng: np.random.Generator) -> np.ndarray:
        """Return independent diameters, as many as bring the total volume closest to ``volume``, at least one.

        The total misses ``volume`` by at most half of the last sphere (unless a single sphere is already larger).
        """
        expected = volume / self.mean_volume(dim)
        self.check_number(expected)
        if self.low == self.high and self.sigma == 0:
            return np.full(max(1, round(expected)), self.low)
        drawn, more = np.empty(0), int(1.1 * expected) + 16
        while sphere_volume(drawn, dim).sum() <= volume:
            if drawn.size > MOST_SPHERES:  # hardly any sphere is near the mean, which the largest ones make
                raise ValueError(
                    f"diameter_sigma = {self.sigma:g} is so large that {drawn.size:.1e} spheres do not have the wanted "
                    "volume: use a smaller one"
                )
            drawn = np.concatenate([drawn, self._sample(more, rng)])
            more = max(more, drawn.size // 4)
        total = np.cumsum(sphere_volume(drawn, dim))
        return drawn[: max(1, int(abs(total - volume).argmin()) + 1)]

    def _sample(self, number: int, rng: np.random.Generator) -> np.ndarray:
        if self.sigma > 0:
            return np.exp(math.log(self.low) - self.sigma**2 / 2 + self.sigma * rng.standard_normal(number))
        return rng.uniform(self.low, self.high, number)
