r"""Entries of a coupling table on gaps and temperatures, and what lies between and beyond them.

``ln(E_J/Delta(T)^2)`` is smooth up to T_c of the grains: cubic splines in temperature, then in the gap. What a
monotonic interpolant gives instead says how far the splines can be trusted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import scipy  # its parts load on use

from bdg.condensate.bcs import gap_ratio

SAME = 1e-9  # relative difference of numbers that name the same entry
ONE_SAMPLE = 0.3  # spread of ln E_J where there is but one: as large as that of any entry with more
_CURVED = 0.125  # w(1 - w)/2 at the middle: of a slope that changes by itself from one entry to the next


@dataclass(frozen=True, eq=False, kw_only=True)
class Coupling:
    """What a table says of grains at some gaps.

    Attributes
    ----------
    energy_K : float or array
        E_J/k_B: ``hbar/2e`` times the current at the phase pi/2, mean over samples.
    error_K : float or array
        Standard error of the mean, and of the interpolation.
    spread : float or array
        Standard deviation of ln E_J over samples.
    resistance_ohm : float or array
        R_N of the same box.
    extrapolated : bool or array of bool
        Outside the gaps or temperatures of the table.
    """

    energy_K: Any  # noqa: N815
    error_K: Any  # noqa: N815
    spread: Any
    resistance_ohm: Any
    extrapolated: Any


class Values(NamedTuple):
    """Interpolated at each gap (n,): ln E_J, its statistical and its other error, spread, ln R_N."""

    log_energy: np.ndarray
    statistical: np.ndarray
    interpolation: np.ndarray
    spread: np.ndarray
    log_resistance: np.ndarray


@dataclass(frozen=True, eq=False)
class Grid:
    """Entries of one host on gaps (g,) and temperatures (t,), arrays (g, t)."""

    gaps: np.ndarray
    temperatures: np.ndarray
    mean: np.ndarray
    relative_error: np.ndarray
    spread: np.ndarray
    log_resistance: np.ndarray
    critical: float

    @classmethod
    def of(
        cls,
        gap_nm: np.ndarray,
        temperature_K: np.ndarray,
        energies_K: np.ndarray,
        resistances_ohm: np.ndarray,
        critical_K: float,
    ) -> Grid:
        """Return the grid of entries (E,) with their samples (E, S)."""
        gaps, temperatures = np.unique(gap_nm), np.unique(temperature_K)
        if gaps.size * temperatures.size != gap_nm.size:
            raise ValueError(
                f"the entries of a host must be a grid of gaps and temperatures; {gap_nm.size} are not {gaps.size} "
                f"times {temperatures.size}"
            )
        order = np.lexsort((temperature_K, gap_nm))
        energies = energies_K[order].reshape(gaps.size, temperatures.size, -1)
        resistances = np.log(resistances_ohm[order]).reshape(energies.shape)
        mean = np.nanmean(energies, axis=2)
        number = np.isfinite(energies).sum(axis=2)
        several = number > 1
        error, spread = np.full(mean.shape, ONE_SAMPLE), np.full(mean.shape, ONE_SAMPLE)
        error[several] = np.nanstd(energies[several], axis=1, ddof=1) / np.sqrt(number[several]) / mean[several]
        spread[several] = np.nanstd(np.log(energies[several]), axis=1, ddof=1)
        return cls(gaps, temperatures, mean, error, spread, np.nanmean(resistances, axis=2), critical_K)

    def require(self, gaps: np.ndarray, temperature: float, extrapolate: bool) -> np.ndarray:
        """Return which gaps are outside the entries, or refuse them."""
        low, high = self.temperatures[[0, -1]] * [1 - SAME, 1 + SAME]
        if not low <= temperature <= high:
            if not extrapolate:
                raise ValueError(
                    f"temperature_K must be within the table, {self.temperatures[0]:g} to {self.temperatures[-1]:g} K; "
                    f"got {temperature:g}. extrapolate=True goes beyond"
                )
            return np.ones(gaps.size, dtype=bool)
        outside = (gaps < self.gaps[0] * (1 - SAME)) | (gaps > self.gaps[-1] * (1 + SAME))
        if outside.any() and not extrapolate:
            raise ValueError(
                f"gap_nm must be within the table, {self.gaps[0]:g} to {self.gaps[-1]:g} nm; got "
                f"{gaps[outside][0]:g}. extrapolate=True goes beyond"
            )
        return outside

    def at(self, gaps: np.ndarray, temperature: float) -> Values:
        """Interpolate, or continue."""
        inside = float(np.clip(temperature, self.temperatures[0], self.temperatures[-1]))
        beyond = max(temperature - inside, 0.0)
        reduced = np.log(self.mean) - 2 * np.log(gap_ratio(self.temperatures / self.critical))
        smooth, other = (way(self.temperatures, reduced.T, inside, beyond) for way in (_spline, _pchip))
        log_energy = _continued(_spline, self.gaps, smooth, gaps)
        spline_error = abs(log_energy - _continued(_pchip, self.gaps, smooth, gaps))
        pchip_error = abs(log_energy - _continued(_spline, self.gaps, other, gaps))

        def linear(values: np.ndarray) -> np.ndarray:
            at = np.array([np.interp(inside, self.temperatures, row) for row in values])
            return np.interp(gaps, self.gaps, at)

        ratio = float(gap_ratio(temperature / self.critical))
        with np.errstate(divide="ignore"):
            scale = 2 * np.log(ratio)
        return Values(
            log_energy + scale,
            linear(self.relative_error),
            np.hypot(spline_error, pchip_error),
            linear(self.spread),
            linear(self.log_resistance),
        )


def _spline(x: np.ndarray, y: np.ndarray, at: Any, beyond: float = 0.0) -> np.ndarray:
    """Return a cubic spline through y (n, ..) at ``at``, continued by ``beyond`` with its slope there."""
    if x.size == 1:
        return np.broadcast_to(y[0], np.shape(at) + y.shape[1:])
    spline = scipy.interpolate.make_interp_spline(x, y, k=3 if x.size > 3 else 1)
    return np.asarray(spline(at) + (beyond * spline(at, 1) if beyond else 0.0))


def _pchip(x: np.ndarray, y: np.ndarray, at: Any, beyond: float = 0.0) -> np.ndarray:
    """Return a monotonic interpolant through y (n, ..), continued likewise."""
    if x.size < 2:
        return _spline(x, y, at, beyond)
    spline = scipy.interpolate.PchipInterpolator(x, y)
    return np.asarray(spline(at) + (beyond * spline(at, 1) if beyond else 0.0))


def _continued(way: Callable[..., np.ndarray], gaps: np.ndarray, values: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Return values (g,) at other gaps, with the last slope beyond the ends."""
    inside = np.clip(at, gaps[0], gaps[-1])
    found = way(gaps, values, inside)
    if gaps.size > 1:
        slopes = np.diff(values) / np.diff(gaps)
        found = found + np.where(at > inside, slopes[-1], slopes[0]) * (at - inside)
    return found


def mixed(
    corners: list[tuple[tuple[float, ...], float]],
    values: list[Values],
    outside: np.ndarray,
    shape: tuple[int, ...],
    superconducting: bool,
) -> Coupling:
    """Return the weighted mean of the logarithms at the corners, in the shape of the gaps."""
    weights = np.array([weight for _, weight in corners])
    columns = [np.array(column) for column in zip(*values, strict=True)]
    log_energy, statistical, interpolation, spread, log_resistance = columns
    mean = weights @ log_energy if superconducting else np.full(outside.size, -np.inf)
    between = np.zeros(outside.size)
    if len(corners) > 1 and superconducting:
        largest = float(weights.max())
        middle = 4 * largest * (1 - largest) if weights.min() >= 0 else 1.0
        between = _CURVED * middle * np.ptp(log_energy, axis=0)
    size = abs(weights)
    relative = np.sqrt((size @ statistical) ** 2 + (size @ interpolation) ** 2 + between**2)
    energy = np.exp(mean)

    def shaped(array: np.ndarray) -> Any:
        return array.reshape(shape)[()]

    return Coupling(
        energy_K=shaped(energy),
        error_K=shaped(energy * relative),
        spread=shaped(weights @ spread),
        resistance_ohm=shaped(np.exp(weights @ log_resistance)),
        extrapolated=shaped(outside),
    )
