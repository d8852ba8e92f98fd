"""What numbers of a job file may be, where that follows from several keys: found before any point is computed.

The functions that compute have the same limits, and would refuse every point of a job that breaks one. Here the band is
bounded from the keys, without building the system, so that a rule may be stricter by a factor of order one.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from bdg.condensate.amplitude_choice import smallest_temperatures
from bdg.densities.resolution import MOST, SAFETY
from bdg.densities.spectral_weights import TRUNCATION
from bdg.gpu.chebyshev.kernel_polynomial import lorentzian_moments, resolution
from bdg.gpu.device.backend import select_backend
from bdg.gpu.eigen.dense import dense_fits
from bdg.gpu.poles.tanh_poles import MAX_RATIO
from bdg.lattices.packing.diameters import MOST_SPHERES, Diameters
from bdg.lattices.units import temperature_in_kelvin, temperature_in_t

MOST_SITES = 10**9  # of the positions alone that is 24 GB
TIGHTEST = 1e-10  # tolerance relative to max|Delta|: rounding of self-consistent sums stays 1e-11 to 1e-12
COLDEST = 10 / MAX_RATIO  # of the band; the factor is for what a bound from the keys may miss
FEWEST_GRAINS = 0.01  # expected in the reach of an open box: below, no seed is worth trying
LARGEST_GRAIN = 10  # times the longest edge of an open box

Rules = list[tuple[str, str, str]]


def band_edge(dimensions: int, mu: float, disorder: float, delta: float) -> float:
    """Return a bound of all |E| on a square or cubic lattice, everything in units of the hopping."""
    return 2 * dimensions + abs(mu) + disorder / 2 + delta


def site_rules(count: float, key: str) -> Rules:
    """Return what is wrong with a number of sites, which ``key`` has most to do with."""
    if count <= MOST_SITES:
        return []
    return [("system", key, f"makes {count:.2g} sites; at most {MOST_SITES:.0e} can be held, take fewer")]


def temperature_rules(temperature_K: float, t_meV: float, band: float) -> Rules:
    """Return what is wrong with a temperature that tanh(E/2T) is to be fitted for; ``band`` in units of the hopping."""
    lowest = temperature_in_kelvin(COLDEST * band, t_meV)
    return _not_below(temperature_K, lowest, f"{COLDEST:.0e} of the band, for thermal sums")


def amplitude_rules(temperature_K: float, t_meV: float, band: float, tolerance: float, dimension: int) -> Rules:
    """Return what is wrong with the temperature of a pair amplitude that all levels cannot be taken for."""
    smallest = float(min(smallest_temperatures(SAFETY * band, tolerance).values()))
    if temperature_in_t(temperature_K, t_meV) >= smallest or _dense_fits(dimension):
        return []
    lowest = temperature_in_kelvin(smallest, t_meV)
    return _not_below(temperature_K, lowest, f"for tolerance = {tolerance:g} and so many sites")


def _not_below(temperature_K: float, lowest: float, why: str) -> Rules:
    if temperature_K >= lowest:
        return []
    return [("compute", "temperature_K", f"must be at least {lowest:.3g} ({why}); got {temperature_K:g}")]


@lru_cache(maxsize=64)
def _dense_fits(dimension: int) -> bool:
    return any(dense_fits(dimension, np.float64, select_backend(device)) for device in ("cpu", "auto"))


def peak_rules(broadening_meV: float, t_meV: float, band: float) -> Rules:
    """Return what is wrong with the width of the peaks of a density of states, by the number of moments it takes."""
    least = resolution(MOST, SAFETY * band) * t_meV
    if broadening_meV >= least:
        return []
    rule = f"must be at least {least:.3g} ({MOST} Chebyshev moments for this band); got {broadening_meV:g}"
    return [("compute", "broadening_meV", rule)]


def lorentzian_rules(broadening_meV: float, window_meV: float, t_meV: float, band: float) -> Rules:
    """Return what is wrong with the half width of levels that a row is expanded with, by the moments it takes."""
    moments = _lorentzian_moments(window_meV / t_meV, SAFETY * band, broadening_meV / t_meV)
    if moments <= MOST:
        return []
    least = 1.05 * broadening_meV * moments / MOST  # the number grows a little faster than the inverse width
    rule = (
        f"takes {moments:.2g} Chebyshev moments for the spectra along the row, at most {MOST} are made; got "
        f"{broadening_meV:g}. Take {least:.2g} or more, or row_points = 0"
    )
    return [("compute", "broadening_meV", rule)]


@lru_cache(maxsize=64)
def _lorentzian_moments(window: float, bound: float, half_width: float) -> int:
    return lorentzian_moments(np.array([0.0, window]), bound, half_width, TRUNCATION)


def grain_rules(system: Mapping[str, Any], fraction: float) -> Rules:
    """Return what is wrong with grains that are to be packed into a box: no seed would do."""
    size, spacing, gap = np.array(system["size_nm"]), system["spacing_nm"], system["minimum_gap_nm"]
    low, high = min(system["diameter_nm"]), max(system["diameter_nm"])
    if low < spacing:
        rule = f"must be at least spacing_nm = {spacing:g}, or grains hold no site; got {low:g}"
        return [("system", "diameter_nm", rule)]
    if system["periodic"] and high + gap > size.min():
        rule = f"with minimum_gap_nm must be at most the shortest edge, {size.min():g}, of a periodic box; got {high:g}"
        return [("system", "diameter_nm", f"{rule} + {gap:g}")]
    if high > LARGEST_GRAIN * size.max():
        rule = f"must be at most {LARGEST_GRAIN} times the longest edge in size_nm, {size.max():g}; got {high:g}"
        return [("system", "diameter_nm", rule)]
    return _number_rules(system, size, fraction, high + gap)


def _number_rules(system: Mapping[str, Any], size: np.ndarray, fraction: float, margin: float) -> Rules:
    """Return what is wrong with the number of grains: of the whole packing, and of those that reach into the box."""
    low, high = min(system["diameter_nm"]), max(system["diameter_nm"])
    density = fraction / Diameters(low, high, 0.0).mean_volume(3)
    grains = density * float(np.prod(size if system["periodic"] else size + 2 * margin))
    if grains > MOST_SPHERES:
        rule = f"makes {grains:.2g} grains, at most {MOST_SPHERES:.0e} are packed; are it and size_nm both in nm?"
        return [("system", "diameter_nm", rule)]
    inside = density * float(np.prod(size + high))
    if not system["periodic"] and inside < FEWEST_GRAINS:
        key = "b2o3_to_sio2" if system["volume_fraction"] is None else "volume_fraction"
        rule = f"leaves the box without grains: {inside:.1g} are expected. Take a larger one, or a larger box"
        return [("system", key, rule)]
    return []
