"""The crossing of ``L Y/T`` with its value at the transition: a coarse bracket, then fits with growing effort."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from bdg.base.errors import ConvergenceError
from bdg.granular.monte_carlo import PhaseRun, require_networks, standard_error
from bdg.granular.network import Network

LEVEL = 0.50  # L Y/T at the transition
TYPICAL = 2.6  # locking temperature over (stiffness at T = 0 times mean distance): 2.2 cubic, 2 to 3.6 at random
COARSE, COARSE_SAMPLES = np.geomspace(0.6, 1.5, 7), 320
POINTS, SPAN = 5, 0.25  # temperatures of a fit; how far L Y/T goes above and below the level in it
NARROWEST, WIDEST = 0.003, 0.12  # half width of a fit, relative
FIRST_SAMPLES, MOST_SAMPLES, GROWTH = 960, 500_000, 4
MOST_ROUNDS = 24


class NetworkSource:
    """Networks at any temperature, checked, in groups of equal volume."""

    def __init__(self, at: Callable[[float], Any], fixed: bool, between: tuple[float, float]) -> None:
        self._at, self.fixed, self.between = at, fixed, between
        self._known: dict[float, list[Network]] = {}
        self._volumes: list[float] | None = None
        self.start = 1.0 if fixed else float(np.clip(4.0, *between))
        volumes = np.array([network.volume for network in self.at(self.start)])
        self._volumes = volumes.tolist()
        self.groups = [np.flatnonzero(np.isclose(volumes, v, rtol=1e-9, atol=0)).tolist() for v in _distinct(volumes)]

    @classmethod
    def of(cls, networks: Any, between: tuple[float, float]) -> NetworkSource:
        """Return the source of fixed networks, or of those that a function of the temperature returns."""
        if callable(networks):
            return cls(networks, False, between)
        return cls(lambda temperature: networks, True, between)

    def at(self, temperature: float) -> list[Network]:
        """Return the networks at a temperature; the last few are kept."""
        key = 0.0 if self.fixed else temperature
        if key not in self._known:
            while len(self._known) > POINTS:
                self._known.pop(next(iter(self._known)))
            self._known[key] = self._checked(self._at(temperature))
        return self._known[key]

    def within(self, temperatures: np.ndarray) -> np.ndarray:
        """Return ascending temperatures, as many, moved and compressed into those allowed."""
        low, high = self.between
        if low <= temperatures[0] and temperatures[-1] <= high:
            return temperatures
        return np.linspace(np.clip(temperatures[0], low, high), np.clip(temperatures[-1], low, high), temperatures.size)

    def _checked(self, networks: Any) -> list[Network]:
        try:
            found = require_networks(networks)
        except TypeError as error:
            raise TypeError(
                f"networks must be Networks, or a function of the temperature that returns them; {error}"
            ) from error
        if not found:
            raise ValueError("networks is empty: give at least one Network")
        if any(network.dimensions != 3 for network in found):
            raise ValueError(
                f"networks must have displacements in 3 dimensions: L Y/T = {LEVEL} is their transition; got "
                f"{sorted({network.dimensions for network in found})}"
            )
        if self._volumes is not None and [network.volume for network in found] != self._volumes:
            raise ValueError("networks must return networks of the same number and volumes at every temperature")
        return found


class Crossing:
    """The crossing of networks of one size: a coarse bracket, then fits with growing effort."""

    def __init__(self, source: NetworkSource, group: list[int], tol: float, seed: list[int], bar: Any) -> None:
        self._source, self._group, self._tol, self._seed, self._bar = source, group, tol, seed, bar
        self.length = math.cbrt(self._networks(source.start)[0].volume)
        self.temperatures = self.criterion = self.criterion_errors = np.zeros(POINTS)
        self.temperature = self.error = 0.0
        self.sweeps = self._runs = 0
        self.noise = self.scatter = 0.0
        self.drift = 0.0, math.inf
        self.percolating = sum(bool(network.percolates.any()) for network in self._networks(source.start))
        self.limited_by = "nothing percolates"

    def find(self) -> Crossing:
        """Compute temperature and error."""
        start = self._expected()
        if start == 0:
            return self
        centre, width = self._bracket(start)
        samples = FIRST_SAMPLES
        for _ in range(MOST_ROUNDS):
            grid = self._source.within(centre * np.linspace(1 - width, 1 + width, POINTS))
            curves, run = self._curves(grid, samples)
            fit = Parabola.of(grid, curves.mean(axis=(0, 1)))
            if fit is None:
                width, samples = min(1.5 * width, WIDEST), min(GROWTH * samples, MOST_SAMPLES)
                continue
            centre = float(np.clip(fit.crossing, grid[0] * (1 - width), grid[-1] * (1 + width)))
            settled = grid[0] <= fit.crossing <= grid[-1] and width <= max(2 * SPAN / fit.slope, NARROWEST)
            width = float(np.clip(SPAN / fit.slope, NARROWEST, WIDEST))
            if not settled:
                continue
            noise, scatter = fit.errors(curves)
            self._keep(grid, curves, centre, noise, scatter)
            self.drift = run.drift()
            if max(noise, scatter) <= self._tol or noise < scatter / 2 or samples >= MOST_SAMPLES:
                return self
            needed = 1.3 * samples * (noise / max(self._tol, scatter / 2)) ** 2
            samples = int(np.clip(needed, 1.5 * samples, min(GROWTH**2 * samples, MOST_SAMPLES)))
        if self.temperature:
            return self
        raise ConvergenceError(f"no crossing of L Y/T = {LEVEL} found near T = {centre:.4g} for L = {self.length:.4g}")

    def _expected(self) -> float:
        """Return about where the phases lock, from the stiffness at T = 0; 0 where there is none."""
        source = self._source
        if source.fixed or not self._relaxed(source.start):
            return self._relaxed(source.start)
        low = high = source.start
        while self._relaxed(low) < low > source.between[0]:
            low, high = max(low / 2, source.between[0]), low
        while self._relaxed(high) > high < source.between[1]:
            low, high = high, min(2 * high, source.between[1])
        while high / low > 1.1:
            middle = math.sqrt(low * high)
            low, high = (middle, high) if self._relaxed(middle) > middle else (low, middle)
        return math.sqrt(low * high)

    def _relaxed(self, temperature: float) -> float:
        networks = self._networks(temperature)
        spacing = math.cbrt(networks[0].volume / np.mean([network.n_sites for network in networks]))
        return float(TYPICAL * spacing * np.mean([network.relaxed_stiffness() for network in networks]))

    def _bracket(self, start: float) -> tuple[float, float]:
        """Return a temperature near the crossing and the relative width over which L Y/T changes by 2 SPAN."""
        low, high = self._source.between
        for _ in range(MOST_ROUNDS):
            grid = np.unique(self._source.within(start * COARSE))
            values = self._curves(grid, COARSE_SAMPLES)[0].mean(axis=(0, 1))
            above = np.flatnonzero(values > LEVEL)
            last = int(above[-1]) if above.size else -1
            if 0 <= last < grid.size - 1:
                fall, step = values[last] - values[last + 1], math.log(grid[last + 1] / grid[last])
                width = float(np.clip(SPAN * step / fall, NARROWEST, WIDEST))
                return float(grid[last] * math.exp(step * (values[last] - LEVEL) / fall)), width
            if grid[-1] >= high and last >= 0 or grid[0] <= low and last < 0:
                side = "above" if last >= 0 else "below"
                raise ValueError(
                    f"between = ({low:g}, {high:g}) holds no crossing: L Y/T is {side} {LEVEL} at all of it for "
                    f"L = {self.length:.4g}, so the phases lock {'above' if last >= 0 else 'below'} these temperatures"
                )
            start *= 1.8 if last >= 0 else 0.5
        raise ConvergenceError(
            f"no crossing of L Y/T = {LEVEL} found down to T = {start:.3g} for L = {self.length:.4g}"
        )

    def _curves(self, grid: np.ndarray, samples: int) -> tuple[np.ndarray, PhaseRun]:
        """Return L Y/T, the mean over axes, of each replica and network (R, S, M), and the run.

        Networks at all temperatures stand side by side: each over its temperature, all at temperature 1.
        """
        networks = [network for temperature in grid for network in self._networks(float(temperature))]
        count = len(self._group)
        scales, share = np.repeat(1 / grid, count), -(-samples // count)
        self._runs += 1
        run = PhaseRun.of(networks, np.ones(1), share, [*self._seed, self._runs], scales=scales)
        self.sweeps += run.replicas * len(networks) * (run.sweeps + run.warming)
        self._bar.update()
        over_t = run.helicity[:, :, 0].mean(axis=-1).reshape(run.replicas, grid.size, count)
        return self.length * over_t.swapaxes(1, 2), run

    def _networks(self, temperature: float) -> list[Network]:
        networks = self._source.at(temperature)
        return [networks[place] for place in self._group]

    def _keep(self, grid: np.ndarray, curves: np.ndarray, centre: float, noise: float, scatter: float) -> None:
        self.temperature, self.error = centre, centre * max(noise, scatter)
        self.noise, self.scatter = centre * noise, centre * scatter
        self.limited_by = "samples" if scatter > noise else "Monte Carlo"
        self.temperatures = grid
        self.criterion = curves.mean(axis=(0, 1))
        self.criterion_errors = standard_error(curves.mean(axis=1))


@dataclass(frozen=True, eq=False)
class Parabola:
    """A fit of L Y/T against ln T.

    Attributes
    ----------
    crossing : float
        Temperature of the level.
    slope : float
        ``-d(L Y/T)/d ln T`` there.
    weights : array (M,)
        What each value of the curve adds to the fit there.
    """

    crossing: float
    slope: float
    weights: np.ndarray

    @classmethod
    def of(cls, grid: np.ndarray, values: np.ndarray) -> Parabola | None:
        """Return the fit; None if it does not fall to the level."""
        middle = float(np.exp(np.log(grid).mean()))
        inverse = np.linalg.pinv(np.vander(np.log(grid / middle), 3, increasing=True))
        rest, first, second = inverse @ values - [LEVEL, 0, 0]
        inside = first**2 - 4 * second * rest
        if first >= 0 or inside <= 0:
            return None
        place = 2 * rest / (math.sqrt(inside) - first)
        weights = np.array([1.0, place, place**2]) @ inverse
        return cls(middle * math.exp(np.clip(place, -1, 1)), math.sqrt(inside), weights)

    def errors(self, curves: np.ndarray) -> tuple[float, float]:
        """Return the relative errors of the crossing from replicas and from the scatter of samples (0 for one)."""
        values = curves @ self.weights
        noise = float(standard_error(values.mean(axis=1)))
        scatter = float(standard_error(values.mean(axis=0))) if values.shape[1] > 1 else 0.0
        return noise / self.slope, scatter / self.slope


def _distinct(volumes: np.ndarray) -> list[float]:
    """Return the volumes that differ, in the order in which they come."""
    found: list[float] = []
    for volume in volumes.tolist():
        if not any(math.isclose(volume, other, rel_tol=1e-9) for other in found):
            found.append(volume)
    return found
